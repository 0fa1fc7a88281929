"""Loop nests: chains of movement and pointwise work that no scheduled kernel took become `map` nodes, one loop nest each."""

from __future__ import annotations

from collections.abc import Callable

from kaoken.ir.dims import dim, product
from kaoken.ir.dtypes import is_integer
from kaoken.ir.expr import Expr, Formula, Int, Read, axes_for, reads, rewrite, size
from kaoken.ir.graph import Graph, Node, Value, new_node
from kaoken.ops import OPS, expand
from kaoken.ops.compose import read, see_through, unique_reduction_axes
from kaoken.passes.recomputation import computed_too_often

LARGEST_FORMULA = 200
"""A result whose composed formula would have more nodes than this is stored instead of being computed in its readers."""

KERNELS = ("linear", "attention", "norm", "append")


def fuse_loops(graph: Graph) -> None:
    """Decide which results are stored, and give each a formula over stored results, inputs and constants."""
    graph.sort()
    uses = graph.uses()
    _make_loops(graph, _stored(graph, uses), uses)


def separate_loops(graph: Graph) -> None:
    """The other extreme, for finding which fusion is wrong: every operation stores its result, by a loop nest of its own."""
    graph.sort()
    _make_loops(graph, {value for node in graph.nodes for value in node.outputs}, graph.uses())


def _make_loops(graph: Graph, stored: set[Value], uses: dict[Value, list[Node]]) -> None:
    strided = [node for node in graph.nodes if node.op == "view" and node.output in stored and _reads_strided(node, uses)]
    stored.update(source for node in strided for source in node.inputs if source is not None)
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.op == "append":
            _fuse_append(node, stored)
        if _is_kernel(node) or (node.op == "reshape" and _is_alias(node, stored)) or node in strided:
            nodes.append(node)
        else:
            for n, value in enumerate(node.outputs):
                if value in stored:
                    nodes.append(_loop(node, n, value, stored))
    graph.nodes = [*map(_from_known, _known_operands(nodes, graph.outputs)), *nodes]
    taken: set[Value] = set()
    graph.outputs = [(name, _stored_output(graph, value, taken)) for name, value in graph.outputs]
    graph.sort()
    graph.remove_dead()


def _stored(graph: Graph, uses: dict[Value, list[Node]]) -> set[Value]:
    """Results that need memory: what kernels write and read, outputs, reductions, and what is too much to compute twice."""
    stored: set[Value] = set(graph.output_values())
    for node in graph.nodes:
        kind = OPS[node.op].kind
        if _is_kernel(node):
            stored.update(node.outputs)
            stored.update(v for v in node.inputs[: 1 if node.op == "append" else None] if v is not None)
        elif kind in ("reduction", "contraction", "kernel") and not _runs_along(node, uses):
            stored.update(node.outputs)
    stored |= computed_too_often(graph, stored, _is_kernel)
    weight: dict[Value, int] = {}
    for node in graph.nodes:
        if _is_kernel(node):
            continue
        for n, value in enumerate(node.outputs):
            cost = _composed_size(node, n, stored, weight)
            shared = OPS[node.op].kind != "movement" and len(uses.get(value, [])) > 1 and cost > 12
            if cost > LARGEST_FORMULA or shared:
                stored.add(value)
                cost = 1
            weight[value] = cost
    return stored


def _runs_along(node: Node, uses: dict[Value, list[Node]]) -> bool:
    """Whether a loop over the elements has the node's result as it goes: a sum of integers so far, for one pointwise reader."""
    if node.op not in ("cumsum", "cumprod") or not is_integer(node.output.dtype):
        return False
    along = node.attrs["axis"] in (-1, node.output.rank - 1)
    readers = uses.get(node.output, [])
    return along and len(readers) == 1 and OPS[readers[0].op].kind == "pointwise"


def _is_kernel(node: Node) -> bool:
    """Whether a scheduled kernel, or control flow, computes the node. A norm of other types, of symbolic width, or with vectors
    along the rows, as InstanceNormalization's, is a loop nest."""
    if node.op != "norm":
        return node.op in KERNELS or OPS[node.op].kind == "control"
    x, *vectors = node.inputs
    assert x is not None
    width = product(x.shape[node.attrs["axis"] :])
    whole = all(product(v.shape) == width for v in vectors if v is not None)
    return x.dtype == "float32" and width.constant is not None and int(width) > 0 and whole


def _composed_size(node: Node, output: int, stored: set[Value], weight: dict[Value, int]) -> int:
    axes = axes_for(node.outputs[output].shape)
    body = expand(node.outputs[output], tuple(Int(dim(a)) for a in axes))
    return size(body) + sum(weight.get(r.value, size(r)) - size(r) for r in reads(body) if r.value not in stored)


def _is_alias(node: Node, stored: set[Value]) -> bool:
    source = node.inputs[0]
    return source is not None and source in stored and node.output in stored


def _reads_strided(node: Node, uses: dict[Value, list[Node]]) -> bool:
    """Whether every reader of a view reads rows at a stride, as norm's kernel does."""
    return bool(uses.get(node.output)) and all(user.op == "norm" and _is_kernel(user) for user in uses[node.output])


def _loop(node: Node, output: int, value: Value, stored: set[Value]) -> Node:
    formula = _composed(value, stored, expand)
    origin = _origin(node, value, stored)
    return _computed_by(value, formula, origin)


def _computed_by(value: Value, formula: Formula, origin: tuple[str, ...]) -> Node:
    """A map node that computes `value`: the value stays the one that other formulas read."""
    inputs = list(dict.fromkeys(r.value for r in reads(formula.body)))
    made = Node("map", [*inputs], [value], {"formula": formula, "dtype": value.dtype}, origin)
    value.producer = made
    return made


def _composed(value: Value, stored: set[Value], first: Callable[[Value, tuple[Expr, ...]], Expr]) -> Formula:
    """The value as a formula over stored ones; `first` takes the first step."""
    axes = axes_for(value.shape)

    def leaf(item: Expr) -> Expr | None:
        if not isinstance(item, Read) or (item.value in stored and item.value is not value):
            return None
        if item.value.producer is not None:
            return rewrite(expand(item.value, item.indices), leaf)
        resolved = read(item.value, item.indices)
        return None if resolved == item else rewrite(resolved, leaf)

    body = rewrite(first(value, tuple(Int(dim(a)) for a in axes)), leaf)
    return Formula(axes, unique_reduction_axes(body))


def _fuse_append(node: Node, stored: set[Value]) -> None:
    """An append computes its new positions from stored values as it stores them."""
    new = node.inputs[1]
    assert new is not None
    formula = _composed(new, stored, Read if new in stored else expand)
    node.attrs["formula"] = formula
    node.inputs = [node.inputs[0], *dict.fromkeys(r.value for r in reads(formula.body))]


def _origin(node: Node, value: Value, stored: set[Value]) -> tuple[str, ...]:
    names: list[str] = []
    stack, seen = [node], set()
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        names = [*current.origin, *names]
        stack += [v.producer for v in current.inputs if v is not None and v not in stored and v.producer is not None]
    return tuple(dict.fromkeys(names))


def _known_operands(nodes: list[Node], outputs: list[tuple[str, Value]]) -> list[Value]:
    """Known tensors that a kernel or an output needs in memory."""
    read_values = [v for node in nodes for v in node.inputs if v is not None] + [value for _, value in outputs]
    return list(dict.fromkeys(v for v in read_values if v.producer is None and v.known is not None and v.data is None))


def _from_known(value: Value) -> Node:
    axes = axes_for(value.shape)
    body = see_through(read(value, tuple(Int(dim(a)) for a in axes)))
    value.known = None
    return _computed_by(value, Formula(axes, body), ())


def _stored_output(graph: Graph, value: Value, taken: set[Value]) -> Value:
    """An output that is a constant, an input, or whose memory is another output's already is copied."""
    memory = value
    while memory.producer is not None and memory.producer.op in ("reshape", "view") and memory.producer.inputs[0] is not None:
        memory = memory.producer.inputs[0]
    if memory.producer is not None and memory not in taken:
        taken.add(memory)
        return value
    axes = axes_for(value.shape)
    body: Expr = Read(value, tuple(Int(dim(a)) for a in axes))
    attrs = {"formula": Formula(axes, body), "dtype": value.dtype}
    made = new_node("map", [value], [(value.name, value.shape, value.dtype)], attrs)
    graph.nodes.append(made)
    return made.output


__all__ = ["KERNELS", "LARGEST_FORMULA", "fuse_loops", "separate_loops"]
