"""What a graph costs at given sizes: FLOP, and bytes that have to come from memory, kernel by kernel (the roofline model of
Williams, Waterman and Patterson, 2009).

Bytes are weights and attention's past: activations may stay in the processor's caches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kaoken.bench.probes import Limits
from kaoken.emit.names import module_of
from kaoken.ir.dims import Symbol, dim, evaluate, product
from kaoken.ir.expr import Apply, Expr, Formula, Read, Reduce, children, extent_of, reads
from kaoken.ir.found_sizes import largest
from kaoken.ir.graph import Graph, Node, Value
from kaoken.ops import OPS
from kaoken.ops.linear import linear_operands
from kaoken.passes.pack_weights import WeightPlan

NORM_FLOP = 7  # an element: sum, centre, square and add, scale, times weight, plus shift


@dataclass(frozen=True)
class Cost:
    """FLOP of one kernel call, and bytes that it reads from memory."""

    layer: str
    op: str
    flop: float
    bytes: float

    def seconds(self, limits: Limits) -> float:
        return max(self.flop / limits.flops, self.bytes / limits.bandwidth)


def graph_costs(graph: Graph, dims: Mapping[str, int], stage: str | None = None) -> list[Cost]:
    """The cost of each kernel of a graph that went through all passes, or of one stage of an encoder-decoder.

    `dims` gives every symbol a value (also `logit_rows`). Of control flow each kernel counts once, at the largest sizes that it
    may find.
    """
    dims = {**dims, **_largest_found(graph, dims)}
    weights: WeightPlan = graph.metadata["weights"]
    found = []
    for node in graph.every_node():
        if node.op in ("view", "reshape") or stage not in (None, node.stage) or OPS[node.op].kind == "control":
            continue
        flop, count = _COSTS.get(node.op, _loop)(node, dims, weights)
        found.append(Cost(module_of(node.origin) or node.op, node.op, float(flop), float(count)))
    return found


def _largest_found(graph: Graph, dims: Mapping[str, int]) -> dict[str, int]:
    bounds = {s.name: largest(dim(s)) for s in graph.symbols.values() if s.is_found}
    return {name: evaluate(bound, dims) for name, bound in bounds.items() if bound is not None}


def limit_seconds(costs: list[Cost], limits: Limits) -> float:
    """The least time: for each kernel the longer of computing and reading."""
    return sum(cost.seconds(limits) for cost in costs)


def _linear(node: Node, dims: Mapping[str, int], weights: WeightPlan) -> tuple[float, float]:
    operands = linear_operands(node.inputs, node.attrs)
    rows = evaluate(product(operands.x.shape[:-1]), dims)
    columns = sum(part.columns for part in node.attrs["parts"])
    entry = weights.matrix[node]
    return 2 * rows * int(operands.x.shape[-1]) * columns, entry.size if rows else 0


def _attention(node: Node, dims: Mapping[str, int], _weights: WeightPlan) -> tuple[float, float]:
    q, keys, values = node.inputs[:3]
    assert q is not None and keys is not None and values is not None
    batch, rows = (evaluate(d, dims) for d in q.shape[:2])
    total, head, value = (evaluate(d, dims) for d in (keys.shape[2], keys.shape[3], values.shape[3]))
    seen = rows * total
    if node.attrs["causal"]:
        seen = rows * (total - rows) + rows * (rows + 1) // 2
    past = total - rows  # what this call wrote itself is in the caches
    cached = batch * node.attrs["kv_heads"] * past * (head + value) * 4
    return 2 * batch * node.attrs["heads"] * seen * (head + value), cached


def _norm(node: Node, dims: Mapping[str, int], _weights: WeightPlan) -> tuple[float, float]:
    return NORM_FLOP * evaluate(product(node.output.shape), dims), 0


def _append(_node: Node, _dims: Mapping[str, int], _weights: WeightPlan) -> tuple[float, float]:
    return 0, 0


def _loop(node: Node, dims: Mapping[str, int], _weights: WeightPlan) -> tuple[float, float]:
    formula = node.attrs.get("formula")
    elements = evaluate(product(node.output.shape), dims)
    if not isinstance(formula, Formula):
        return elements, 0
    constants = {r.value for r in reads(formula.body) if r.value.producer is None and r.value.data is not None}
    inner = _operations(formula.body, _midway(formula.axes, dims))
    touched = sum(min(_bytes(v, dims), elements * 4 * max(1.0, inner)) for v in constants)
    return elements * inner, touched


def _bytes(value: Value, dims: Mapping[str, int]) -> int:
    return evaluate(product((*value.shape, dim(4))), dims)


def _midway(axes: Iterable[Symbol], dims: Mapping[str, int]) -> dict[str, int]:
    """`dims` with axes at the middle of their way: a sum so far runs over half of them on average."""
    found = dict(dims)
    for symbol in axes:
        found[symbol.name] = evaluate(extent_of(symbol), found) // 2
    return found


def _operations(expression: Expr, dims: Mapping[str, int]) -> float:
    """Arithmetic operations an element; those inside a reduction as often as it runs."""
    if isinstance(expression, Read):
        return 0
    own = 1 if isinstance(expression, Apply) and expression.dtype.startswith("float") else 0
    if isinstance(expression, Reduce):
        times = 1
        for symbol in expression.axes:
            times *= evaluate(extent_of(symbol), dims)
        return times * (sum(_operations(child, _midway(expression.axes, dims)) for child in children(expression)) + 1)
    return own + sum(_operations(child, dims) for child in children(expression))


_COSTS = {"linear": _linear, "attention": _attention, "norm": _norm, "append": _append}
