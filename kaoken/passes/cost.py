"""What a kernel costs, as expressions of the dims: FLOP, and bytes that have to come from memory (the roofline model of Williams,
Waterman and Patterson, 2009).

Bytes are weights and attention's past: activations may stay in the processor's caches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kaoken.ir.dims import Dim, Symbol, dim, maximum, minimum, product, substitute
from kaoken.ir.expr import Apply, Expr, Formula, Read, Reduce, children, extent_of, reads
from kaoken.ir.found_sizes import found_symbols, largest
from kaoken.ir.graph import Node
from kaoken.ops.linear import linear_operands
from kaoken.passes.pack_weights import WeightPlan

NORM_FLOP = 7  # an element: sum, centre, square and add, scale, times weight, plus shift


@dataclass(frozen=True)
class KernelCost:
    """FLOP of one call of a kernel and bytes that it reads from memory, over the dims that the caller gives.

    Sizes that a call finds while it runs count as the largest that they may be.
    """

    flop: Dim
    bytes: Dim


FREE = KernelCost(dim(0), dim(0))


def kernel_cost(node: Node, weights: WeightPlan) -> KernelCost:
    """The cost of a node of a graph that went through all passes; FREE where its expression would have too many terms."""
    try:
        cost = _COSTS.get(node.op, _loop)(node, weights)
        return KernelCost(_at_most(cost.flop), _at_most(cost.bytes))
    except OverflowError:
        return FREE


def _at_most(size: Dim) -> Dim:
    """The size with found symbols at their largest; one that nothing bounds, such as a trip's number, at its least."""
    bounds = {symbol: largest(dim(symbol)) for symbol in found_symbols(size)}
    bounded = substitute(size, {symbol: bound for symbol, bound in bounds.items() if bound is not None})
    most = largest(bounded)
    return most if most is not None else substitute(bounded, {s: dim(s.lower) for s in found_symbols(bounded)})


def _linear(node: Node, weights: WeightPlan) -> KernelCost:
    operands = linear_operands(node.inputs, node.attrs)
    rows = product(operands.x.shape[:-1])
    columns = sum(part.columns for part in node.attrs["parts"])
    # Without a row (a head whose logits nobody asks for) no weight is read.
    return KernelCost(2 * rows * operands.x.shape[-1] * columns, weights.matrix[node].size * minimum(rows, dim(1)))


def _attention(node: Node, _weights: WeightPlan) -> KernelCost:
    q, keys, values = node.inputs[:3]
    assert q is not None and keys is not None and values is not None
    batch, rows = q.shape[:2]
    total, width = keys.shape[2], keys.shape[3] + values.shape[3]
    seen = rows * total
    if node.attrs["causal"]:
        seen = rows * (total - rows) + rows * (rows + 1) // 2
    past = total - rows  # what this call wrote itself is in the caches
    return KernelCost(2 * batch * node.attrs["heads"] * seen * width, 4 * batch * node.attrs["kv_heads"] * past * width)


def _norm(node: Node, _weights: WeightPlan) -> KernelCost:
    return KernelCost(NORM_FLOP * product(node.output.shape), dim(0))


def _append(_node: Node, _weights: WeightPlan) -> KernelCost:
    return FREE


def _loop(node: Node, _weights: WeightPlan) -> KernelCost:
    formula = node.attrs.get("formula")
    elements = product(node.output.shape)
    if not isinstance(formula, Formula):
        return KernelCost(elements, dim(0))
    constants = {r.value: None for r in reads(formula.body) if r.value.producer is None and r.value.data is not None}
    inner = _operations(formula.body, _midway(formula.axes, {}))
    touched = dim(0)
    for value in constants:
        touched = touched + minimum(4 * product(value.shape), 4 * elements * maximum(inner, dim(1)))
    return KernelCost(elements * inner, touched)


def _midway(axes: Iterable[Symbol], dims: Mapping[Symbol, Dim]) -> dict[Symbol, Dim]:
    """`dims` with axes at the middle of their way: a sum so far runs over half of them on average."""
    found = dict(dims)
    for symbol in axes:
        found[symbol] = substitute(extent_of(symbol), found) // 2
    return found


def _operations(expression: Expr, dims: Mapping[Symbol, Dim]) -> Dim:
    """Arithmetic operations an element; those inside a reduction as often as it runs."""
    if isinstance(expression, Read):
        return dim(0)
    own = dim(1 if isinstance(expression, Apply) and expression.dtype.startswith("float") else 0)
    if isinstance(expression, Reduce):
        times = product(substitute(extent_of(symbol), dims) for symbol in expression.axes)
        inside = _midway(expression.axes, dims)
        return times * (sum((_operations(child, inside) for child in children(expression)), dim(0)) + 1)
    return own + sum((_operations(child, dims) for child in children(expression)), dim(0))


_COSTS = {"linear": _linear, "attention": _attention, "norm": _norm, "append": _append}
