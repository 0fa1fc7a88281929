"""ONNX quantization: one scale and zero point for a tensor, for each place on an axis, or for each block along it."""

from __future__ import annotations

import numpy as np

from kaoken.frontend.narrow import to_narrow_float, wide
from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype, onnx_op
from kaoken.frontend.spelled import Tensor, optional_tensor, tensor
from kaoken.ir.dims import product
from kaoken.ir.dtypes import integer_range, is_float, is_integer
from kaoken.ir.graph import Value
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


def _axis_and_block(node: OnnxNode) -> tuple[int, int]:
    return int(node.attribute("axis", 1)), int(node.attribute("block_size", 0))


@onnx_op("QuantizeLinear", since=10)
@onnx_op("com.microsoft.QuantizeLinear")
def quantize_linear(node: OnnxNode) -> Value:
    """saturate(x / scale + zero point), the quotient in the precision of the scale and, for integers, rounded to even."""
    x, scale, zero = tensor(node, node.input(0)), tensor(node, node.input(1)), optional_tensor(node, 2)
    target = zero.dtype if zero is not None else "uint8"
    if node.attribute("output_dtype"):
        target = element_dtype(int(node.attribute("output_dtype")))
        if zero is not None and zero.dtype != target:
            raise Unsupported(f"output_dtype is {target}, the zero point {zero.dtype}")
    precision = element_dtype(int(node.attribute("precision"))) if node.attribute("precision") else scale.dtype
    precision = precision if is_float(precision) else "float32"
    place = _axis_and_block(node)
    dividend, divisor = (tensor(node, wide(node, t.cast(precision).value)) for t in (x, spread(scale, x, *place)))
    quotient = tensor(node, wide(node, (dividend / divisor).cast(precision).value))
    shift = None if zero is None else tensor(node, wide(node, spread(zero, x, *place).value))
    if not is_float(target):
        return rounded(quotient, shift, target).value
    if shift is not None and not target.startswith("float8"):
        quotient = quotient + shift.cast(quotient.dtype)
    return to_narrow_float(node, quotient.value, target)


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


@onnx_op("DequantizeLinear", since=10)
@onnx_op("com.microsoft.DequantizeLinear")
def dequantize_linear(node: OnnxNode) -> Value:
    x, scale, zero = tensor(node, node.input(0)), tensor(node, node.input(1)), optional_tensor(node, 2)
    target = element_dtype(int(node.attribute("output_dtype"))) if node.attribute("output_dtype") else scale.dtype
    place = _axis_and_block(node)
    constants = [None if t is None else t.value.data for t in (x, scale, zero)]
    if constants[0] is not None and constants[1] is not None and (zero is None or constants[2] is not None) and x.rank:
        return node.builder.constant(
            _real_constant(constants[0], constants[1], constants[2], *place).astype(target), x.value.name
        )
    return real(x, spread(scale, x, *place), None if zero is None else spread(zero, x, *place), target).value


@onnx_op("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(node: OnnxNode) -> list[Value | None]:
    """8 bits over the range that x and 0 take: one scale and zero point. Zeros alone have the scale 1, as in onnxruntime."""
    x = tensor(node, node.input(0))
    every = range(x.rank)
    low, high = x.reduce("min", *every).min(0), x.reduce("max", *every).max(0)
    scale = (high - low) / 255
    scale = scale.eq(0).where(1, scale)
    zero = (0 - low / scale).clamp(0, 255).round().cast("uint8")
    return [rounded(x / scale, zero, "uint8").value, scale.value, zero.value]
