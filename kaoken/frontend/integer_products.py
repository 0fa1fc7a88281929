"""ONNX products of quantised integers: exact sums of int32, scaled once."""

from __future__ import annotations

from dataclasses import replace

from kaoken.frontend.convolution import conv
from kaoken.frontend.quantization import rounded, spread
from kaoken.frontend.registry import OnnxNode, onnx_op
from kaoken.frontend.spelled import Tensor, optional_tensor, tensor
from kaoken.ir.graph import Value


def along(parameter: Tensor, x: Tensor, axis: int) -> Tensor:
    """A scale or zero point beside x: one number, one for each row (axis -2) or column (axis -1), or one of its own rank."""
    return spread(parameter, x, axis) if parameter.rank <= 1 else parameter


def whole_product(a: Tensor, a_zero: Tensor | None, b: Tensor, b_zero: Tensor | None) -> Tensor:
    """(a - a_zero) @ (b - b_zero) in int32; zero points are one number, one for each row of a, or column of b."""
    sides = []
    for x, zero, axis in ((a, a_zero, -2 if a.rank > 1 else -1), (b, b_zero, -1)):
        whole = x.cast("int32")
        sides.append(whole if zero is None else whole - along(zero.cast("int32"), whole, axis))
    return sides[0] @ sides[1]


@onnx_op("MatMulInteger", since=10)
def matmul_integer(node: OnnxNode) -> Value:
    a, b = (tensor(node, node.input(n)) for n in range(2))
    return whole_product(a, optional_tensor(node, 2), b, optional_tensor(node, 3)).value


@onnx_op("QLinearMatMul", since=10)
def qlinear_matmul(node: OnnxNode) -> Value:
    a, a_scale, a_zero, b, b_scale, b_zero = (tensor(node, node.input(n)) for n in range(6))
    scale = along(a_scale, a, -2 if a.rank > 1 else -1) * along(b_scale, b, -1)
    return _requantized(node, whole_product(a, a_zero, b, b_zero), scale, 6)


def _requantized(node: OnnxNode, whole: Tensor, scale: Tensor, first: int) -> Value:
    """Sums of products, of which one step is `scale`, by the scale and zero point that are inputs `first` and the next."""
    step, zero = (tensor(node, node.input(n)).reshape() for n in (first, first + 1))
    return rounded(whole.cast(scale.dtype) * (scale / step), zero, zero.dtype).value


def _convolved(node: OnnxNode, x: int, x_zero: int, w: int, w_zero: int, bias: int) -> Tensor:
    """The convolution of (x - zero) by (w - zero) in int32; inputs by number."""
    sides = []
    for side, zero, axis in ((x, x_zero, 1), (w, w_zero, 0)):
        whole, shift = tensor(node, node.input(side)).cast("int32"), optional_tensor(node, zero)
        sides.append(whole if shift is None else whole - spread(shift.cast("int32"), whole, axis))
    return tensor(node, conv(replace(node, op="Conv", inputs=[*(s.value for s in sides), node.optional(bias)])))


@onnx_op("ConvInteger", since=10)
def conv_integer(node: OnnxNode) -> Value:
    return _convolved(node, 0, 2, 1, 3, 4).value


@onnx_op("QLinearConv", since=10)
def qlinear_conv(node: OnnxNode) -> Value:
    whole = _convolved(node, 0, 2, 3, 5, 8)
    steps = tensor(node, node.input(1)).reshape() * spread(tensor(node, node.input(4)), whole, 1)
    return _requantized(node, whole, steps, 6)
