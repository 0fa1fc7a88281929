"""Element types: NumPy names are Kaoken's names."""

from __future__ import annotations

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
}


def is_float(dtype: DType) -> bool:
    return dtype.startswith(("float", "bfloat"))


def is_integer(dtype: DType) -> bool:
    return dtype.startswith(("int", "uint"))


def item_size(dtype: DType) -> int:
    """Bytes an element takes in memory."""
    return np.dtype(dtype).itemsize
