"""`unpack` and `pack`: between tensors of elements of less than a byte, one a byte, and the bytes that ONNX packs them into."""

from __future__ import annotations

from kaoken.ir.dims import Dim, product
from kaoken.ir.dtypes import packed_bits
from kaoken.ir.expr import Expr, Int, Read, apply, cast, const, integer, select
from kaoken.ir.graph import Shape, Value
from kaoken.ops.movement import reshape_indices
from kaoken.ops.registry import Index, ShapeError, operation, row_major


def packed_length(shape: Shape, dtype: str) -> Dim:
    """Bytes that a tensor of elements of less than a byte takes where it is packed."""
    return -(-product(shape) * packed_bits(dtype) // 8)


def _unpacked_shape(data: Value, *, shape: Shape, dtype: str) -> list[tuple[Shape, str]]:
    """attrs: the shape and the type of the elements. The operand: uint8, one axis."""
    if data.dtype != "uint8" or data.shape != (packed_length(shape, dtype),):
        raise ShapeError(f"{data!r} does not hold {list(shape)} of {dtype}")
    return [(shape, dtype)]


@operation("unpack", "pointwise", _unpacked_shape)
def _unpack(at: Index, data: Value, *, shape: Shape, dtype: str) -> Expr:
    """y[i...] = bits (x[n // lanes] >> width * (n % lanes)), n = i in row-major order"""
    width, lanes, flat = packed_bits(dtype), 8 // packed_bits(dtype), row_major(shape, at)
    byte = Read(data, (apply("floordiv", flat, integer(lanes)),))
    shift = apply("mul", cast(apply("mod", flat, integer(lanes)), "uint8"), const(width, "uint8"))
    code = apply("bit_and", apply("shift_right", byte, shift), const((1 << width) - 1, "uint8"))
    return apply(f"bits_as_{dtype}", code)


def _packed_shape(x: Value) -> list[tuple[Shape, str]]:
    if not packed_bits(x.dtype):
        raise ShapeError(f"{x.dtype} is not packed")
    return [((packed_length(x.shape, x.dtype),), "uint8")]


@operation("pack", "pointwise", _packed_shape)
def _pack(at: Index, x: Value) -> Expr:
    """y[j] = or(k: bits x[n] << width * k where n = j * lanes + k is inside, else 0)"""
    width, lanes = packed_bits(x.dtype), 8 // packed_bits(x.dtype)
    assert isinstance(at[0], Int)
    byte: Expr = const(0, "uint8")
    for k in range(lanes):
        flat = Int(at[0].value * lanes + k)
        element = Read(x, reshape_indices(x.shape, (product(x.shape),), (flat,)))
        code = apply("bit_and", apply("bits_as_uint8", element), const((1 << width) - 1, "uint8"))
        code = apply("shift_left", code, const(width * k, "uint8")) if k else code
        code = select(apply("lt", flat, Int(product(x.shape))), code, const(0, "uint8"))
        byte = apply("bit_or", byte, code) if k else code
    return byte
