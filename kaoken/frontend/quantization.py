"""ONNX quantization: one scale and zero point for a tensor, for each place on an axis, or for each block along it."""

from __future__ import annotations

from kaoken.frontend.movement import reshape_to
from kaoken.frontend.narrow import to_narrow_float, wide
from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype, onnx_op
from kaoken.ir.dims import dim, product
from kaoken.ir.dtypes import integer_range, is_float
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis


@onnx_op("QuantizeLinear", since=10)
def quantize_linear(node: OnnxNode) -> Value:
    """saturate(x / scale + zero point), the quotient in the precision of the scale and, for integers, rounded to even."""
    x, scale, zero = node.input(0), node.input(1), node.optional(2)
    target = zero.dtype if zero is not None else "uint8"
    if node.attribute("output_dtype"):
        target = element_dtype(int(node.attribute("output_dtype")))
        if zero is not None and zero.dtype != target:
            raise Unsupported(f"output_dtype is {target}, the zero point {zero.dtype}")
    precision = element_dtype(int(node.attribute("precision"))) if node.attribute("precision") else scale.dtype
    precision = precision if is_float(precision) else "float32"
    operands = (wide(node, _cast(node, v, precision)) for v in (x, _spread(node, scale, x)))
    quotient = node.add("div", *operands)
    quotient = wide(node, _cast(node, quotient, precision))
    if not is_float(target):
        quotient = node.add("round", quotient)
    if zero is not None and not target.startswith("float8"):
        quotient = node.add("add", quotient, _cast(node, wide(node, _spread(node, zero, x)), quotient.dtype))
    if is_float(target):
        return to_narrow_float(node, quotient, target)
    low, high = (node.scalar(limit, quotient) for limit in integer_range(target))
    return node.add("cast", node.add("min", node.add("max", quotient, low), high), to=target)


@onnx_op("DequantizeLinear", since=10)
def dequantize_linear(node: OnnxNode) -> Value:
    """(x - zero point) * scale, in float32 and rounded once."""
    x, scale, zero = node.input(0), node.input(1), node.optional(2)
    target = element_dtype(int(node.attribute("output_dtype"))) if node.attribute("output_dtype") else scale.dtype
    computed = "float64" if "float64" in (scale.dtype, target) else "float32"
    shifted = _cast(node, x, computed)
    if zero is not None and not is_float(x.dtype):
        shifted = node.add("sub", shifted, _cast(node, _spread(node, zero, x), computed))
    return _cast(node, node.add("mul", shifted, _cast(node, _spread(node, scale, x), computed)), target)


def _cast(node: OnnxNode, x: Value, dtype: str) -> Value:
    return x if x.dtype == dtype else node.add("cast", x, to=dtype)


def _spread(node: OnnxNode, value: Value, x: Value) -> Value:
    """A scale or zero point so that it broadcasts to x."""
    if value.rank == 0 or product(value.shape) == 1:
        return reshape_to(node, value, [])
    axis, block = normalize_axis(int(node.attribute("axis", 1)), x.rank), int(node.attribute("block_size", 0))
    if not block:
        if value.rank != 1:
            raise Unsupported(f"a scale or zero point of rank {value.rank} without block_size")
        return reshape_to(node, value, [value.shape[0] if n == axis else dim(1) for n in range(x.rank)])
    if block < 0 or value.rank != x.rank:
        raise Unsupported(f"block_size={block} with a scale or zero point of rank {value.rank}")
    before, count, after = value.shape[:axis], value.shape[axis], value.shape[axis + 1 :]
    split = reshape_to(node, value, [*before, count, dim(1), *after])
    repeated = node.add("expand", split, shape=(*before, count, dim(block), *after))
    flat = reshape_to(node, repeated, [*before, count * block, *after])
    if flat.shape == x.shape:
        return flat
    return node.add("slice", flat, starts=(dim(0),) * x.rank, steps=(1,) * x.rank, lengths=x.shape)
