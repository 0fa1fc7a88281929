"""How often an element that is not stored would be computed: once for every read of it in the loops it is fused into."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from kaoken.ir.dims import Dim, Symbol, dim, evaluate, product
from kaoken.ir.dtypes import is_integer, item_size
from kaoken.ir.expr import Apply, Cast, Expr, Formula, Int, Read, Reduce, Select, children, extent_of, rewrite
from kaoken.ir.found_sizes import largest
from kaoken.ir.graph import Graph, Node, Value
from kaoken.ir.scalars import SCALARS
from kaoken.ops import OPS
from kaoken.ops.compose import expand, formula_of, read

COSTLY = (
    *("exp", "log", "tanh", "erf", "sin", "cos", "atan", "expm1", "log1p", "random_bits", "sigmoid", "pow", "fmod", "mod"),
    *("gelu", "gelu_tanh"),
)
"""Functions that cost more than a load and a store."""

MOST_TIMES = 4
"""Other arithmetic may be done again so many times; then the result is stored."""


def computed_too_often(graph: Graph, stored: set[Value], is_kernel: Callable[[Node], bool]) -> set[Value]:
    """Values worth storing although nothing needs them in memory. Nodes are in topological order; sizes are typical ones."""
    sizes = typical_sizes(graph)
    data = _computed_from_data(graph)
    times: dict[Value, float] = defaultdict(float)
    found: set[Value] = set()
    for node in reversed(graph.nodes):
        if is_kernel(node):
            continue
        for n, value in enumerate(node.outputs):
            formula = formula_of(node, n)
            if (
                value not in stored
                and OPS[node.op].kind != "movement"
                and (value in data or not _is_index_arithmetic(value, formula))
            ):
                works = _applies(formula.body, tuple(SCALARS)) or _narrows(formula.body, stored)
                often = times[value] > MOST_TIMES and works
                often = often or (times[value] > 1 and (OPS[node.op].kind == "reduction" or applies_costly(formula.body)))
                if often and value.producer is node and value.known is None:
                    found.add(value)
            each = 1.0 if value in stored or value in found else times[value]
            for operand, count in _reads(formula, sizes).items():
                times[operand] += each * count / max(1, _count(operand.shape, sizes))
    return found


def _computed_from_data(graph: Graph) -> set[Value]:
    """Results that depend on the elements of an input of the graph."""
    found: set[Value] = set()
    for node in graph.nodes:
        if any(v in found or (v.producer is None and v.known is None and v.data is None) for v in node.inputs if v is not None):
            found.update(node.outputs)
    return found


def _is_index_arithmetic(value: Value, formula: Formula) -> bool:
    """Whether the elements are integer polynomials of indices and sizes, as positions are: they cost nothing in a loop."""
    if not is_integer(value.dtype):
        return False
    body = rewrite(formula.body, _definition)
    return isinstance(body, Int)


def _definition(node: Expr) -> Expr | None:
    if not isinstance(node, Read):
        return None
    if node.value.producer is not None:
        definition = expand(node.value, node.indices)
        return None if definition == node else rewrite(definition, _definition)
    known = read(node.value, node.indices)
    return None if known == node else rewrite(known, _definition)


def typical_sizes(graph: Graph) -> dict[str, int]:
    """A size for each symbol, to compare expressions by: its upper bound, 1 for what looks like a batch."""
    symbols = sorted(graph.symbols.values(), key=lambda s: s.is_found)
    sizes = {s.name: 1 if s.lower == 1 and (s.upper or 0) in range(2, 17) else _upper(s) for s in symbols}
    for symbol in symbols:
        bound = largest(dim(symbol)) if symbol.is_found else None
        if bound is not None:
            sizes[symbol.name] = max(1, evaluate(bound, sizes))
    return sizes


def _upper(symbol: Symbol) -> int:
    bound = symbol.upper
    return 64 if bound is None or isinstance(bound, Dim) else max(1, min(bound, 4096))


def _applies(node: Expr, functions: tuple[str, ...]) -> bool:
    return (isinstance(node, Apply) and node.function in functions) or any(_applies(c, functions) for c in children(node))


def applies_costly(node: Expr) -> bool:
    """Whether an expression applies a function that costs more than a load and a store."""
    return _applies(node, COSTLY)


def _narrows(node: Expr, stored: set[Value]) -> bool:
    """Whether this is a cast to a smaller type of what nothing else needs in memory: better stored so than before the cast."""
    if not isinstance(node, Cast) or not isinstance(node.argument, Read) or node.argument.value.producer is None:
        return False
    return item_size(node.dtype) < item_size(node.argument.dtype) and node.argument.value not in stored


def _count(extents: tuple[Dim, ...] | list[Dim], sizes: Mapping[str, int]) -> int:
    return evaluate(product(extents), sizes)


def _reads(formula: Formula, sizes: Mapping[str, int]) -> dict[Value, float]:
    """How many elements of each operand are read. A reduction runs once for each value of the axes that it depends on."""
    found: dict[Value, float] = defaultdict(float)

    def visit(node: Expr, axes: list[Symbol], guarded: bool) -> None:
        if isinstance(node, Read):
            count: float = _count([extent_of(a) for a in axes], sizes)
            found[node.value] += min(count, _count(node.value.shape, sizes)) if guarded else count
        if isinstance(node, Reduce):
            fixed = _symbols(node).union(*(extent_of(a).symbols() for a in node.axes))
            axes = [a for a in axes if a in fixed] + [a for a in node.axes if not (extent_of(a).symbols() & set(axes))]
        if isinstance(node, Select):
            visit(node.condition, axes, guarded)
            visit(node.then, axes, True)
            visit(node.otherwise, axes, True)
            return
        for child in children(node):
            visit(child, axes, guarded)

    visit(formula.body, list(formula.axes), False)
    return found


def _symbols(node: Expr) -> set[Symbol]:
    found = set(node.value.symbols()) if isinstance(node, Int) else set()
    for child in children(node):
        found |= _symbols(child)
    return found


__all__ = ["applies_costly", "computed_too_often", "typical_sizes"]
