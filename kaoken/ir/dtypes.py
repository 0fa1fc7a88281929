"""Element types: NumPy's and ml_dtypes' names are Kaoken's names.

Types of two kinds hold values but are not computed in (`is_storage`): floats narrower than float32, whose arithmetic is float32's
with one rounding for each ONNX operator, and integers narrower than a byte. A cast leads from them and to them; a tensor of them
is an array of `C_TYPES`, the integers of 4 and 2 bits with one element a byte, sign-extended. At a model's surface tensors of
types that are less than a byte are packed as ONNX stores them (`packed_bits`).
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

DType = str

C_TYPES: dict[DType, str] = {
    "float32": "float",
    "float64": "double",
    "int64": "int64_t",
    "int32": "int32_t",
    "int16": "int16_t",
    "int8": "int8_t",
    "uint64": "uint64_t",
    "uint32": "uint32_t",
    "uint16": "uint16_t",
    "uint8": "uint8_t",
    "bool": "uint8_t",
    "float16": "uint16_t",
    "bfloat16": "uint16_t",
    "float8_e4m3fn": "uint8_t",
    "float8_e4m3fnuz": "uint8_t",
    "float8_e5m2": "uint8_t",
    "float8_e5m2fnuz": "uint8_t",
    "float8_e8m0fnu": "uint8_t",
    "float4_e2m1fn": "uint8_t",
    "int4": "int8_t",
    "uint4": "uint8_t",
    "int2": "int8_t",
    "uint2": "uint8_t",
}

NARROW_FLOATS = tuple(name for name in C_TYPES if name.startswith(("float8", "float4", "bfloat")) or name == "float16")
_BITS = {"float4_e2m1fn": 4, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2}
_WIDE = dict.fromkeys(NARROW_FLOATS, "float32") | {"int4": "int8", "uint4": "uint8", "int2": "int8", "uint2": "uint8"}


def is_float(dtype: DType) -> bool:
    return dtype.startswith(("float", "bfloat"))


def is_integer(dtype: DType) -> bool:
    return dtype.startswith(("int", "uint"))


def is_storage(dtype: DType) -> bool:
    """Whether values are only held in a type, and computed in its `wide_type`."""
    return dtype in _WIDE


def wide_type(dtype: DType) -> DType:
    """The type in which values of a type are computed; it holds each of them exactly."""
    return _WIDE.get(dtype, dtype)


def packed_bits(dtype: DType) -> int:
    """Bits of an element of a type that is less than a byte, else 0."""
    return _BITS.get(dtype, 0)


def holds_all(dtype: DType, source: DType) -> bool:
    """Whether every value of `source` survives a cast to `dtype`."""
    if is_storage(dtype) or dtype == source:
        return dtype == source
    if is_storage(source):
        return is_float(dtype) if is_float(source) else bool(np.can_cast(wide_type(source), dtype, "safe"))
    if is_integer(source) and is_float(dtype):
        return item_size(source) < item_size(dtype)
    return bool(np.can_cast(source, dtype, "safe"))


def has_zero(dtype: DType) -> bool:
    """Whether a type has the number 0: one of powers of two alone makes NaN of it."""
    return dtype != "float8_e8m0fnu"


def item_size(dtype: DType) -> int:
    """Bytes an element takes in memory."""
    return np.dtype(dtype).itemsize


def integer_range(dtype: DType) -> tuple[int, int]:
    """The least and the largest integer of a type."""
    limits = ml_dtypes.iinfo(dtype)
    return int(limits.min), int(limits.max)


def largest_finite(dtype: DType) -> float:
    """The largest finite value of a float type."""
    return float(ml_dtypes.finfo(dtype).max)


def convert(array: np.ndarray, dtype: DType) -> np.ndarray:
    """Cast as ONNX defines it; NaN to bool is true; what is out of an integer's range is undefined there."""
    if is_storage(dtype) and is_storage(str(array.dtype)):  # ml_dtypes does not convert between all of them
        array = array.astype(wide_type(str(array.dtype)))
    return array.astype(dtype)


def stored(array: np.ndarray) -> np.ndarray:
    """A constant's elements as the C of `C_TYPES` holds them: ml_dtypes leaves the upper bits of narrow integers open."""
    dtype = str(array.dtype)
    return array.astype(wide_type(dtype)) if is_integer(dtype) and is_storage(dtype) else array
