"""Sizes that a call only finds while it runs: symbols that a node sets, and what bounds them before.

A *found* symbol stands for the trip count of a loop, an extent on which two branches differ, or a number that is computed from
data. Shapes are made of it like of any other; memory is reserved for its upper bound, an expression of the sizes that the
caller gives. A node that finds sizes says so in its attribute `finds`, a tuple of symbols; the value that a symbol has is what
the node that ran last gave it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kaoken.ir.dims import Call, Dim, Symbol, dim, exact_division, floordiv, is_nonnegative, maximum, minimum

if TYPE_CHECKING:
    from kaoken.ir.graph import Node, Value

Range = tuple[Dim | None, Dim | None]


def found_symbols(expression: Dim) -> set[Symbol]:
    """The symbols of an expression that a call finds while it runs."""
    return {s for s in expression.symbols() if s.is_found}


def largest(expression: Dim) -> Dim | None:
    """An upper bound over the sizes that the caller gives, None where there is none."""
    return _range(expression)[1]


def smallest(expression: Dim) -> Dim | None:
    """A lower bound over the sizes that the caller gives, None where there is none."""
    return _range(expression)[0]


@lru_cache(maxsize=65536)
def _range(expression: Dim) -> Range:
    if not found_symbols(expression):
        return expression, expression
    low: Dim | None = dim(0)
    high: Dim | None = dim(0)
    for monomial, coefficient in expression.terms:
        term: Range = (dim(1), dim(1))
        for atom, power in monomial:
            for _ in range(power):
                term = _times(term, _atom_range(atom))
        if coefficient < 0:
            term = term[::-1]
        low = None if low is None or term[0] is None else low + coefficient * term[0]
        most = _shared(Dim({monomial: coefficient})) if coefficient > 0 else None
        most = most if most is not None or term[1] is None else coefficient * term[1]
        high = None if high is None or most is None else high + most
    return low, high


def _shared(whole: Dim) -> Dim | None:
    """The upper bound of a product one of whose factors is bounded by what others leave of a total: `a * b` with b <= c // a."""
    found: list[tuple[int, Dim]] = []
    ((monomial, _),) = whole.terms
    for atom, power in monomial:
        if not isinstance(atom, Symbol) or not atom.is_found or power != 1 or not isinstance(atom.upper, Dim):
            continue
        call = _only_call(atom.upper)
        if call is None or call.function != "floordiv":
            continue
        rest = exact_division(whole, dim(atom))
        for part in _factors(call.right):
            left = None if rest is None else exact_division(rest, part)
            most, least = (None, None) if left is None else (largest(left), smallest(left))
            total = largest(call.left)
            if left is not None and most is not None and least is not None and total is not None and is_nonnegative(least):
                found.append((len(left.symbols()), total * most))
    return min(found, key=lambda item: item[0])[1] if found else None


def _only_call(expression: Dim) -> Call | None:
    """The function that an expression is, if it is nothing else."""
    atom = expression.terms[0][0][0][0] if len(expression.terms) == 1 and expression.terms[0][0] else None
    alone = isinstance(atom, Call) and expression.terms[0] == (((atom, 1),), 1)
    return atom if alone and isinstance(atom, Call) else None


def _factors(divisor: Dim) -> list[Dim]:
    """What a divisor is not less than: itself, or the sides of a maximum."""
    call = _only_call(divisor)
    if call is not None and call.function == "max":
        return [side for side in (call.left, call.right) if side != 1]
    return [divisor]


def _times(a: Range, b: Range) -> Range:
    """Bounds of a product of two factors that are both known not to be negative, or of two that are both fixed."""
    if a[0] is not None and a[0] == a[1] and b[0] is not None and b[0] == b[1]:
        return a[0] * b[0], a[0] * b[0]
    if a[0] is None or b[0] is None or not is_nonnegative(a[0]) or not is_nonnegative(b[0]):
        return None, None
    return a[0] * b[0], None if a[1] is None or b[1] is None else a[1] * b[1]


def _atom_range(atom: Symbol | Call) -> Range:
    if isinstance(atom, Symbol):
        if not atom.is_found:
            return dim(atom), dim(atom)
        return dim(atom.lower), None if atom.upper is None else largest(dim(atom.upper))
    left, right = _range(atom.left), _range(atom.right)
    if atom.function == "max":
        return _either(left[0], right[0], maximum), _both(left[1], right[1], maximum)
    if atom.function == "min":
        return _both(left[0], right[0], minimum), _either(left[1], right[1], minimum)
    if atom.function == "mod":
        return dim(0), None if right[1] is None else right[1] - 1
    if right[0] is not None and right[0] == right[1]:
        return tuple(None if end is None else floordiv(end, right[0]) for end in left)  # type: ignore[return-value]
    if left[0] is None or not is_nonnegative(left[0]):
        return None, None
    return dim(0), left[1] if right[0] is None or not is_nonnegative(right[0] - 1) else _both(left[1], right[0], floordiv)


def _both(a: Dim | None, b: Dim | None, function) -> Dim | None:  # type: ignore[no-untyped-def]
    return None if a is None or b is None else function(a, b)


def _either(a: Dim | None, b: Dim | None, function) -> Dim | None:  # type: ignore[no-untyped-def]
    if a is None or b is None:
        return b if a is None else a
    result: Dim = function(a, b)
    return result


def value_symbols(value: Value) -> set[Symbol]:
    """The found symbols that a value's shape and its known elements are made of."""
    found = {s for extent in value.shape for s in found_symbols(extent)}
    return found if value.known is None else found | symbols_in(tuple(value.known.ravel()))


def node_symbols(node: Node) -> set[Symbol]:
    """The found symbols that must have their values before a node runs."""
    used = {s for v in (*node.inputs, *node.outputs) if v is not None for s in value_symbols(v)} | symbols_in(node.attrs)
    inside = {s for body in node.bodies for graph in body.walk() for inner in graph.nodes for s in inner.finds}
    return used - inside - set(node.finds)


def symbols_in(item: Any) -> set[Symbol]:
    """The found symbols in an attribute: dimensions, expressions, formulas, bodies, and collections of them."""
    from kaoken.ir.expr import Apply, Cast, Formula, Int, Read, Reduce, Select, extent_of, symbols_of
    from kaoken.ir.graph import Graph

    if isinstance(item, Dim):
        return found_symbols(item)
    if isinstance(item, (Apply, Cast, Int, Read, Reduce, Select)):
        named = symbols_of(item)
        return {s for s in named if s.is_found}.union(*(found_symbols(extent_of(s)) for s in named if s.is_axis))
    if isinstance(item, Formula):
        return symbols_in(item.body).union(*(found_symbols(extent_of(own)) for own in item.axes))
    if isinstance(item, Graph):
        inner = set().union(*map(node_symbols, item.nodes), *(value_symbols(v) for _, v in item.outputs))
        return inner - item.finders().keys()
    if isinstance(item, dict):
        return symbols_in(tuple(item.values()))
    if isinstance(item, (tuple, list)):
        return set().union(*map(symbols_in, item))
    return set()
