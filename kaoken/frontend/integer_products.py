"""ONNX products of quantised integers: exact sums of int32, scaled once."""

from __future__ import annotations

import numpy as np

from kaoken.frontend.convolution import conv
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, iota, tensor
from kaoken.ir.dims import dim
from kaoken.ir.dtypes import is_integer
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis

FLOAT = 1


def spread(parameter: Tensor, x: Tensor, axis: int, block: int) -> Tensor:
    """A scale or zero point beside x: one number, one for each index of an axis, or one for each block of it."""
    if parameter.rank == 0 or parameter.shape == (dim(1),):
        return parameter.reshape()
    axis = normalize_axis(axis, x.rank)
    if parameter.rank == 1:
        return parameter.along(axis, x.rank)
    if block < 1 or parameter.rank != x.rank:
        raise Unsupported(f"scales {list(parameter.shape)} for {list(x.shape)} in blocks of {block}")
    return parameter.take(iota(parameter.node, x.shape[axis]).floordiv(block), axis)


def quantized(x: Tensor, scale: Tensor, zero: Tensor | None, dtype: str) -> Tensor:
    """round(x / scale) + zero, kept inside the type; halves go to the even neighbour."""
    if not is_integer(dtype):
        raise Unsupported(f"quantisation to {dtype} is not supported")
    limits = np.iinfo(dtype)
    whole = (x / scale).round()
    whole = whole if zero is None else whole + zero.cast(x.dtype)
    return whole.clamp(float(limits.min), float(limits.max)).cast(dtype)


def whole_numbers(x: Value, zero: Value | None, node: OnnxNode, axis: int) -> Tensor:
    """x - zero as int32; a zero point may be one number, or one for each row (axis -2) or column (axis -1)."""
    wide = tensor(node, x).cast("int32")
    if zero is None:
        return wide
    own = tensor(node, zero).cast("int32")
    return wide - (spread(own, wide, axis, 0) if zero.rank <= 1 else own)


@onnx_op("MatMulInteger", since=10)
def matmul_integer(node: OnnxNode) -> Value:
    a, b = node.input(0), node.input(1)
    return (
        whole_numbers(a, node.optional(2), node, -2 if a.rank > 1 else -1) @ whole_numbers(b, node.optional(3), node, -1)
    ).value


@onnx_op("QLinearMatMul", since=10)
def qlinear_matmul(node: OnnxNode) -> Value:
    a, b = node.input(0), node.input(3)
    product = whole_numbers(a, node.input(2), node, -2 if a.rank > 1 else -1) @ whole_numbers(b, node.input(5), node, -1)
    left, right = tensor(node, node.input(1)), tensor(node, node.input(4))
    left = spread(left, tensor(node, a), -2, 0) if left.rank <= 1 else left
    scale = left * (spread(right, tensor(node, b), -1, 0) if right.rank <= 1 else right)
    return _requantized(node, product, scale, 6)


def _requantized(node: OnnxNode, whole: Tensor, scale: Tensor, first: int) -> Value:
    """Sums of products, of which one step is `scale`, by the scale and zero point that are inputs `first` and the next."""
    zero = tensor(node, node.input(first + 1)).reshape()
    result = whole.cast(scale.dtype) * (scale / tensor(node, node.input(first)).reshape())
    return quantized(result, tensor(node, np.array(1, scale.dtype)), zero, zero.dtype).value


def _convolved(node: OnnxNode, x: Value, x_zero: Value | None, w: Value, w_zero: Value | None, bias: Value | None) -> Tensor:
    wide_w = tensor(node, w).cast("int32")
    if w_zero is not None:
        wide_w = wide_w - spread(tensor(node, w_zero).cast("int32"), wide_w, 0, 0)
    inner = OnnxNode("Conv", node.version, [], node.attributes, 1, node.builder, node.names)
    inner.inputs = [whole_numbers(x, x_zero, node, 1).value, wide_w.value, bias]
    result = conv(inner)
    assert isinstance(result, Value)
    return tensor(node, result)


@onnx_op("ConvInteger", since=10)
def conv_integer(node: OnnxNode) -> Value:
    return _convolved(node, node.input(0), node.optional(2), node.input(1), node.optional(3), None).value


@onnx_op("QLinearConv", since=10)
def qlinear_conv(node: OnnxNode) -> Value:
    whole = _convolved(node, node.input(0), node.input(2), node.input(3), node.input(5), node.optional(8))
    steps = tensor(node, node.input(1)).reshape() * spread(tensor(node, node.input(4)), whole, 1, 0)
    return _requantized(node, whole, steps, 6)
