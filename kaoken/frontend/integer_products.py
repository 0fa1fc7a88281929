"""ONNX products of quantised integers: exact sums of int32, scaled once."""

from __future__ import annotations

from kaoken.frontend.convolution import conv
from kaoken.frontend.quantization import rounded, spread
from kaoken.frontend.registry import OnnxNode
from kaoken.frontend.spelled import Tensor, onnx_formula, onnx_formulas


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


onnx_formulas(10, MatMulInteger=lambda a, b, a_zero=None, b_zero=None: whole_product(a, a_zero, b, b_zero))


@onnx_formula("QLinearMatMul", since=10)
def qlinear_matmul(
    a: Tensor, a_scale: Tensor, a_zero: Tensor, b: Tensor, b_scale: Tensor, b_zero: Tensor, y_scale: Tensor, y_zero: Tensor
) -> Tensor:
    scale = along(a_scale, a, -2 if a.rank > 1 else -1) * along(b_scale, b, -1)
    return _requantized(whole_product(a, a_zero, b, b_zero), scale, y_scale, y_zero)


def _requantized(whole: Tensor, scale: Tensor, step: Tensor, zero: Tensor) -> Tensor:
    """Sums of products, of which one step is `scale`, by another scale and zero point."""
    return rounded(whole.cast(scale.dtype) * (scale / step.reshape()), zero.reshape(), zero.dtype)


def _shifted(x: Tensor, zero: Tensor | None, axis: int) -> Tensor:
    """x - zero in int32."""
    whole = x.cast("int32")
    return whole if zero is None else whole - spread(zero.cast("int32"), whole, axis)


@onnx_formula("ConvInteger", since=10)
def conv_integer(
    node: OnnxNode, x: Tensor, w: Tensor, x_zero: Tensor | None = None, w_zero: Tensor | None = None, *, group: int = 1
) -> Tensor:
    return conv(node, _shifted(x, x_zero, 1), _shifted(w, w_zero, 0), group=group)


@onnx_formula("QLinearConv", since=10)
def qlinear_conv(
    node: OnnxNode, x: Tensor, x_scale: Tensor, x_zero: Tensor, w: Tensor, w_scale: Tensor, w_zero: Tensor,
    y_scale: Tensor, y_zero: Tensor, bias: Tensor | None = None, *, group: int = 1,
) -> Tensor:  # fmt: skip
    whole = conv(node, _shifted(x, x_zero, 1), _shifted(w, w_zero, 0), bias, group=group)
    return _requantized(whole, x_scale.reshape() * spread(w_scale, whole, 1), y_scale, y_zero)
