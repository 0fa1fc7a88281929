"""ONNX reductions, softmax, running sums and arg-extremes."""

from __future__ import annotations

import re

from kaoken.frontend.by_data import reduce_by_data
from kaoken.frontend.movement import reshape_to
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, axis_mask, from_data, onnx_formulas, tensor
from kaoken.ir.dims import dim, product
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis

_REDUCTIONS = {
    f"Reduce{kind}": f"reduce_{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', kind).lower()}"
    for kind in ("Sum", "Mean", "Max", "Min", "Prod", "SumSquare", "L1", "L2", "LogSum", "LogSumExp")
}


@onnx_op(*_REDUCTIONS)
def reduction(node: OnnxNode) -> Value:
    x = node.input(0)
    axes = node.attribute("axes")
    if node.optional(1) is not None and from_data(node.input(1)):
        return reduce_by_data(node, _REDUCTIONS[node.op], bool(node.attribute("keepdims", 1)))
    if node.optional(1) is not None:
        axes = node.integers(1)
    if not axes:  # over none what is not a sum is still done: squares, logarithms
        axes = () if node.attribute("noop_with_empty_axes", 0) else range(x.rank)
    chosen = tuple(sorted(normalize_axis(int(a), x.rank) for a in axes))
    if not chosen and node.op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"):
        return x
    return node.add(_REDUCTIONS[node.op], x, axes=chosen, keepdims=bool(node.attribute("keepdims", 1)))


@onnx_op("Softmax", "LogSoftmax", since=13)
def softmax(node: OnnxNode) -> Value:
    x = node.input(0)
    axis = normalize_axis(int(node.attribute("axis", -1)), x.rank)
    return node.add("softmax" if node.op == "Softmax" else "log_softmax", x, axis=axis)


@onnx_op("Softmax", "LogSoftmax", since=1)
def softmax_flattened(node: OnnxNode) -> Value:
    """Before opset 13 everything from `axis` on is one row."""
    x = node.input(0)
    axis = normalize_axis(int(node.attribute("axis", 1)), x.rank)
    flat = reshape_to(node, x, [product(x.shape[:axis]), product(x.shape[axis:])])
    result = node.add("softmax" if node.op == "Softmax" else "log_softmax", flat, axis=1)
    return reshape_to(node, result, list(x.shape))


@onnx_op("CumSum", since=11)
@onnx_op("CumProd", since=26)
def cumulative(node: OnnxNode) -> Value:
    """Ascending, one accumulator an element of the other axes; all else is movement around that."""
    x = tensor(node, node.input(0))
    if from_data(node.input(1)):
        mask = axis_mask(node, node.input(1), x.rank).cast("bool")
        result = _accumulated(x, 0)
        for n in range(1, x.rank):
            result = mask.take(n).where(_accumulated(x, n), result)
        return result.value
    return _accumulated(x, normalize_axis(node.integers(1)[0], x.rank)).value


def _accumulated(x: Tensor, axis: int) -> Tensor:
    node = x.node
    reverse = bool(node.attribute("reverse", 0))
    result = (x.flip(axis) if reverse else x).accumulate(node.op.lower(), axis)
    if node.attribute("exclusive", 0):
        ends = [tuple(dim(sign if n == axis else 0) for n in range(x.rank)) for sign in (1, -1)]
        result = result.pad(0 if node.op == "CumSum" else 1, before=ends[0], after=ends[1])
    return result.flip(axis) if reverse else result


@onnx_op("ArgMax", "ArgMin")
def arg_extreme(node: OnnxNode) -> Value:
    x = node.input(0)
    axis = normalize_axis(int(node.attribute("axis", 0)), x.rank)
    return node.add(
        node.op.lower(),
        x,
        axis=axis,
        keepdims=bool(node.attribute("keepdims", 1)),
        last=bool(node.attribute("select_last_index", 0)),
    )


def _lp_normalization(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    """x / (|x|_p along the axis); 0 where the norm is 0."""
    if p not in (1, 2):
        raise Unsupported(f"p={p} is neither 1 nor 2")
    norm = x.reduce(f"l{p}", normalize_axis(axis, x.rank), keep=True)
    return norm.eq(0).where(0, x / norm)


onnx_formulas(LpNormalization=_lp_normalization)
