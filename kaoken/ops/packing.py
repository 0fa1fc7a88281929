"""`unpack` and `pack`: between tensors of elements of less than a byte, one a byte, and the bytes that ONNX packs them into."""

from __future__ import annotations

from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.dtypes import packed_bits
from kaoken.ir.expr import Expr, Formula, Int, Read, apply, axes_for, cast, const, integer, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.movement import reshape_indices
from kaoken.ops.registry import Attrs, Inputs, ShapeError, define, operand


def packed_length(shape: Shape, dtype: str) -> Dim:
    """Bytes that a tensor of elements of less than a byte takes where it is packed."""
    return -(-product(shape) * packed_bits(dtype) // 8)


def _infer_unpack(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    """attrs: the shape and the type of the elements. The operand: uint8, one axis."""
    data = operand(inputs, 0)
    if data.dtype != "uint8" or data.shape != (packed_length(attrs["shape"], attrs["dtype"]),):
        raise ShapeError(f"{data!r} does not hold {list(attrs['shape'])} of {attrs['dtype']}")
    return [(attrs["shape"], attrs["dtype"])]


def _unpack_formula(node: Node, output: int) -> Formula:
    """y[i...] = bits (x[n // lanes] >> width * (n % lanes)), n = i in row-major order"""
    data, dtype = operand(node.inputs, 0), node.attrs["dtype"]
    width, lanes = packed_bits(dtype), 8 // packed_bits(dtype)
    axes = axes_for(node.output.shape)
    flat: Expr = integer(0)
    for symbol, extent in zip(axes, node.output.shape, strict=True):
        flat = apply("add", apply("mul", flat, Int(extent)), Int(dim(symbol)))
    byte = Read(data, (apply("floordiv", flat, integer(lanes)),))
    shift = apply("mul", cast(apply("mod", flat, integer(lanes)), "uint8"), const(width, "uint8"))
    code = apply("bit_and", apply("shift_right", byte, shift), const((1 << width) - 1, "uint8"))
    return Formula(axes, apply(f"bits_as_{dtype}", code))


def _infer_pack(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x = operand(inputs, 0)
    if not packed_bits(x.dtype):
        raise ShapeError(f"{x.dtype} is not packed")
    return [((packed_length(x.shape, x.dtype),), "uint8")]


def _pack_formula(node: Node, output: int) -> Formula:
    """y[j] = or(k: bits x[n] << width * k where n = j * lanes + k is inside, else 0)"""
    x: Value = operand(node.inputs, 0)
    width, lanes = packed_bits(x.dtype), 8 // packed_bits(x.dtype)
    axes = axes_for(node.output.shape)
    byte: Expr = const(0, "uint8")
    for k in range(lanes):
        flat = Int(dim(axes[0]) * lanes + k)
        element = Read(x, reshape_indices(x.shape, (product(x.shape),), (flat,)))
        code = apply("bit_and", apply("bits_as_uint8", element), const((1 << width) - 1, "uint8"))
        code = apply("shift_left", code, const(width * k, "uint8")) if k else code
        code = select(apply("lt", flat, Int(product(x.shape))), code, const(0, "uint8"))
        byte = apply("bit_or", byte, code) if k else code
    return Formula(axes, byte)


define("unpack", "pointwise", _infer_unpack, _unpack_formula)
define("pack", "pointwise", _infer_pack, _pack_formula)
