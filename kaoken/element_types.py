"""Element types of tensors in Python: NumPy's own, and ml_dtypes' for the others. Needs NumPy, and ml_dtypes for these alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_ONNX_NAMES = {
    "float32": "float",
    "float64": "double",
    "float8_e4m3fn": "float8e4m3fn",
    "float8_e4m3fnuz": "float8e4m3fnuz",
    "float8_e5m2": "float8e5m2",
    "float8_e5m2fnuz": "float8e5m2fnuz",
    "float8_e8m0fnu": "float8e8m0",
    "float4_e2m1fn": "float4e2m1",
}
LINE = 64
"""Bytes of a cache's line: memory for results begins with one, so that no store of a kernel goes to two."""

_BITS = {"float4_e2m1fn": 4, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2}


def onnx_type(name: str) -> str:
    """The type of a tensor as onnxruntime spells it: `tensor(float)`."""
    return f"tensor({_ONNX_NAMES.get(name, name)})"


def numpy_type(name: str) -> np.dtype[Any]:
    """The NumPy type of a name. Raises ImportError for one of ml_dtypes' where that is not installed."""
    try:
        return np.dtype(name)
    except TypeError:
        try:
            import ml_dtypes
        except ImportError:
            raise ImportError(f"tensors of {name} need ml_dtypes: pip install ml_dtypes") from None
        return np.dtype(getattr(ml_dtypes, name))


def memory_of(array: np.ndarray) -> np.ndarray:
    """The array as the compiled model reads it: in C order; elements of less than a byte packed, the first in the lowest bits."""
    array = np.asarray(array, order="C")  # ascontiguousarray would make a vector of a scalar
    bits = _BITS.get(str(array.dtype))
    if not bits:
        return array
    lanes = 8 // bits
    codes = np.zeros((-(-array.size // lanes), lanes), np.uint8)
    codes.reshape(-1)[: array.size] = array.reshape(-1).view(np.uint8) & ((1 << bits) - 1)
    return np.bitwise_or.reduce(codes << (bits * np.arange(lanes, dtype=np.uint8)), axis=1)


def memory_for(shape: Sequence[int], dtype: str) -> np.ndarray:
    """Memory for the compiled model to write such a tensor to."""
    bits = _BITS.get(dtype)
    if bits:
        return np.empty(-(-int(np.prod(shape, dtype=np.int64)) * bits // 8), np.uint8)
    return aligned(shape, numpy_type(dtype))


def aligned(shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
    """An array whose memory, which holds nothing yet, begins with a cache's line."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    first = -memory.ctypes.data % LINE
    return memory[first : first + size].view(dtype).reshape(shape)


def tensor_in(memory: np.ndarray, shape: Sequence[int], dtype: str) -> np.ndarray:
    """The tensor that memory of `memory_for` begins with, which may have room for more."""
    bits = _BITS.get(dtype)
    if bits:
        lanes = 8 // bits
        codes = memory[:, None] >> (bits * np.arange(lanes, dtype=np.uint8)) & ((1 << bits) - 1)
        memory = codes.reshape(-1).view(numpy_type(dtype))
    if memory.shape == tuple(shape):
        return memory
    return memory.reshape(-1)[: int(np.prod(shape, dtype=np.int64))].reshape(shape).copy()
