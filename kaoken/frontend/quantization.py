"""ONNX quantization: one scale and zero point for a tensor, for each place on an axis, or for each block along it.

Products of quantised integers are exact sums of int32, scaled once."""

from __future__ import annotations

import numpy as np

from kaoken.frontend.convolution import conv
from kaoken.frontend.narrow import to_narrow_float, wide
from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype
from kaoken.frontend.spelled import Tensor, onnx_formula, onnx_formulas, tensor
from kaoken.ir.dims import product
from kaoken.ir.dtypes import integer_range, is_float, is_integer
from kaoken.ops.registry import normalize_axis


def spread(parameter: Tensor, x: Tensor, axis: int, block: int = 0) -> Tensor:
    """A scale or zero point so that it broadcasts to x: one number, one for each index of an axis, or for each block along it."""
    if parameter.rank == 0 or product(parameter.shape) == 1:
        return parameter.reshape()
    axis = normalize_axis(axis, x.rank)
    if not block:
        if parameter.rank != 1:
            raise Unsupported(f"a scale or zero point of rank {parameter.rank} without block_size")
        return parameter.along(axis, x.rank)
    if block < 0 or parameter.rank != x.rank:
        raise Unsupported(f"block_size={block} with a scale or zero point of rank {parameter.rank}")
    before, count, after = parameter.shape[:axis], parameter.shape[axis], parameter.shape[axis + 1 :]
    repeated = parameter.reshape(*before, count, 1, *after).expand(*before, count, block, *after)
    flat = repeated.reshape(*before, count * block, *after)
    return flat.part(axis, 0, x.shape[axis])


def rounded(x: Tensor, zero: Tensor | None, dtype: str) -> Tensor:
    """round(x) + zero, kept inside an integer type; halves go to the even neighbour."""
    if not is_integer(dtype):
        raise Unsupported(f"quantisation to {dtype} is not supported")
    whole = x.round()
    whole = whole if zero is None else whole + zero.cast(x.dtype)
    return whole.clamp(*integer_range(dtype)).cast(dtype)


def real(x: Tensor, scale: Tensor, zero: Tensor | None, dtype: str | None = None) -> Tensor:
    """(x - zero) * scale, in float32 (or float64) and rounded once; parameters are spread. `dtype`: of the result."""
    dtype = dtype or scale.dtype
    computed = "float64" if "float64" in (scale.dtype, dtype) else "float32"
    shifted = x.cast(computed)
    if zero is not None and not is_float(x.dtype):
        shifted = shifted - zero.cast(computed)
    return (shifted * scale.cast(computed)).cast(dtype)


@onnx_formula("QuantizeLinear", since=10)
@onnx_formula("com.microsoft.QuantizeLinear")
def quantize_linear(
    node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor | None = None, *,
    axis: int = 1, block_size: int = 0, output_dtype: int = 0, precision: int = 0,
) -> Tensor:  # fmt: skip
    """saturate(x / scale + zero point), the quotient in the precision of the scale and, for integers, rounded to even."""
    target = element_dtype(output_dtype) if output_dtype else "uint8" if zero is None else zero.dtype
    if zero is not None and zero.dtype != target:
        raise Unsupported(f"output_dtype is {target}, the zero point {zero.dtype}")
    computed = element_dtype(precision) if precision else scale.dtype
    computed = computed if is_float(computed) else "float32"
    dividend, divisor = (wide(t.cast(computed)) for t in (x, spread(scale, x, axis, block_size)))
    quotient = wide((dividend / divisor).cast(computed))
    shift = None if zero is None else wide(spread(zero, x, axis, block_size))
    if not is_float(target):
        return rounded(quotient, shift, target)
    if shift is not None and not target.startswith("float8"):
        quotient = quotient + shift.cast(quotient.dtype)
    return to_narrow_float(quotient, target)


def _real_constant(x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None, axis: int, block: int) -> np.ndarray:
    """`real` of constants, when compiling: weights that are quantised in the model are float matrices from then on."""

    def beside(parameter: np.ndarray) -> np.ndarray:
        if parameter.size == 1:
            return parameter.reshape(())
        along = normalize_axis(axis, x.ndim)
        if block:
            return np.repeat(parameter, block, along).take(range(x.shape[along]), along)
        return parameter.reshape([-1 if n == along else 1 for n in range(x.ndim)])

    computed = np.float64 if scale.dtype == np.float64 else np.float32
    shifted = x.astype(computed)
    if zero is not None and not is_float(str(x.dtype)):
        shifted = shifted - beside(zero.astype(computed))
    return shifted * beside(scale.astype(computed))


@onnx_formula("DequantizeLinear", since=10)
@onnx_formula("com.microsoft.DequantizeLinear")
def dequantize_linear(
    node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor | None = None, *,
    axis: int = 1, block_size: int = 0, output_dtype: int = 0,
) -> Tensor:  # fmt: skip
    target = element_dtype(output_dtype) if output_dtype else scale.dtype
    numbers, steps, zeros = (None if t is None else t.value.data for t in (x, scale, zero))
    if numbers is not None and steps is not None and (zero is None or zeros is not None) and x.rank:
        found = _real_constant(numbers, steps, zeros, axis, block_size).astype(target)
        return tensor(node, node.builder.constant(found, x.value.name))
    zero = None if zero is None else spread(zero, x, axis, block_size)
    return real(x, spread(scale, x, axis, block_size), zero, target)


@onnx_formula("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(x: Tensor) -> list[Tensor]:
    """8 bits over the range that x and 0 take: one scale and zero point. Zeros alone have the scale 1, as in onnxruntime."""
    every = range(x.rank)
    low, high = x.reduce("min", *every).min(0), x.reduce("max", *every).max(0)
    scale = (high - low) / 255
    scale = scale.eq(0).where(1, scale)
    zero = (0 - low / scale).clamp(0, 255).round().cast("uint8")
    return [rounded(x / scale, zero, "uint8"), scale, zero]


# products -----------------------------------------------------------------------------------------------------------------------


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
