"""ONNX reductions, softmax, running sums and arg-extremes."""

from __future__ import annotations

import re

from kaoken.frontend.by_data import reduce_by_data
from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.spelled import Tensor, axis_mask, from_data, onnx_formula, onnx_formulas
from kaoken.ir.dims import dim, product
from kaoken.ops.registry import normalize_axis

_REDUCTIONS = {
    f"Reduce{kind}": re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
    for kind in ("Sum", "Mean", "Max", "Min", "Prod", "SumSquare", "L1", "L2", "LogSum", "LogSumExp")
}


@onnx_formula(*_REDUCTIONS)
def reduction(
    node: OnnxNode, x: Tensor, given: Tensor | None = None, *,
    axes: list[int] | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0,
) -> Tensor:  # fmt: skip
    kind = _REDUCTIONS[node.op]
    if given is not None and from_data(given.value):
        return reduce_by_data(node, x, given, kind, bool(keepdims))
    axes = axes if given is None else node.integers(1)
    if not axes:  # over none what is not a sum is still done: squares, logarithms
        axes = [] if noop_with_empty_axes else list(range(x.rank))
    chosen = [normalize_axis(a, x.rank) for a in axes]
    return x if not chosen and kind in ("sum", "mean", "max", "min", "prod") else x.reduce(kind, *chosen, keep=bool(keepdims))


@onnx_formula("Softmax", "LogSoftmax", since=13)
def softmax(node: OnnxNode, x: Tensor, *, axis: int = -1) -> Tensor:
    return x.add_node("softmax" if node.op == "Softmax" else "log_softmax", axis=normalize_axis(axis, x.rank))


@onnx_formula("Softmax", "LogSoftmax")
def softmax_flattened(node: OnnxNode, x: Tensor, *, axis: int = 1) -> Tensor:
    """Before opset 13 everything from `axis` on is one row."""
    axis = normalize_axis(axis, x.rank)
    return softmax(node, x.reshape(product(x.shape[:axis]), product(x.shape[axis:])), axis=1).reshape(*x.shape)


@onnx_formula("CumSum", since=11)
@onnx_formula("CumProd", since=26)
def cumulative(node: OnnxNode, x: Tensor, axis: Tensor) -> Tensor:
    """Ascending, one accumulator an element of the other axes; all else is movement around that."""
    if not from_data(axis.value):
        return _accumulated(x, normalize_axis(node.integers(1)[0], x.rank))
    mask = axis_mask(node, axis.value, x.rank).cast("bool")
    result = _accumulated(x, 0)
    for n in range(1, x.rank):
        result = mask.take(n).where(_accumulated(x, n), result)
    return result


def _accumulated(x: Tensor, axis: int) -> Tensor:
    node = x.node
    reverse = bool(node.attribute("reverse", 0))
    result = (x.flip(axis) if reverse else x).accumulate(node.op.lower(), axis)
    if node.attribute("exclusive", 0):
        ends = [tuple(dim(sign if n == axis else 0) for n in range(x.rank)) for sign in (1, -1)]
        result = result.pad(0 if node.op == "CumSum" else 1, before=ends[0], after=ends[1])
    return result.flip(axis) if reverse else result


@onnx_formula("ArgMax", "ArgMin")
def arg_extreme(node: OnnxNode, x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    axis = normalize_axis(axis, x.rank)
    return x.add_node(node.op.lower(), axis=axis, keepdims=bool(keepdims), last=bool(select_last_index))


def _lp_normalization(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    """x / (|x|_p along the axis); 0 where the norm is 0."""
    if p not in (1, 2):
        raise Unsupported(f"p={p} is neither 1 nor 2")
    norm = x.reduce(f"l{p}", normalize_axis(axis, x.rank), keep=True)
    return norm.eq(0).where(0, x / norm)


onnx_formulas(LpNormalization=_lp_normalization)
