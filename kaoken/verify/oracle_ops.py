"""NumPy definitions of the operators that the oracle does not leave to onnx's reference implementation.

Three reasons bring an operator here: its element type is part of its meaning (Cast, Constant), onnx's version
is too slow for a real model (Conv, Erf), or it should go through BLAS (MatMul, Gemm). Each function takes the
node's attributes and its inputs (None where an optional one is left out), floats as float64, and returns its
outputs, or None to leave a case to onnx's reference after all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

Attributes = dict[str, Any]
Operator = Callable[[Attributes, list[Any]], list[Any] | None]

_FLOAT_CODES = {TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.BFLOAT16, TensorProto.DOUBLE}


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, elementwise, through the C library's (NumPy has none)."""
    flat = np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size)
    return flat.reshape(x.shape)


def _constant(attributes: Attributes, _inputs: list[Any]) -> list[Any] | None:
    (name, value), *_ = attributes.items()
    if name in ("value_float", "value_floats"):
        return [np.array(value, np.float64)]
    if name in ("value_int", "value_ints"):
        return [np.array(value, np.int64)]
    if name in ("value_string", "value_strings"):
        text = value.decode() if isinstance(value, bytes) else [item.decode() for item in value]
        return [np.array(text, object)]
    return [value] if name == "value" else None


def _constant_of_shape(attributes: Attributes, inputs: list[Any]) -> list[Any]:
    value = attributes.get("value", np.zeros(1))
    return [np.full(tuple(int(size) for size in inputs[0]), value.ravel()[0], value.dtype)]


def _gather_elements(attributes: Attributes, inputs: list[Any]) -> list[Any]:
    """onnx's reference takes at most 64 elements along the axis."""
    x, indices = inputs
    axis = attributes.get("axis", 0)
    return [np.take_along_axis(x, np.where(indices < 0, indices + x.shape[axis], indices), axis)]


def _cast(attributes: Attributes, inputs: list[Any]) -> list[Any] | None:
    """To any float: float64. From float to an integer: truncated after rounding to float32.

    The rounding keeps what the graph means: log(16) / log(2) is 4 in the exporter's float32, and may lie one
    float64 rounding below it, where truncation would give 3.
    """
    (x,), code = inputs, attributes["to"]
    if code in _FLOAT_CODES:
        return [(x.astype(str) if x.dtype.kind in "OUS" else x).astype(np.float64)]
    if code == TensorProto.STRING:
        short = x.astype(np.float32) if x.dtype == np.float64 else x
        return [short.astype(str).astype(object)]
    target = np.dtype(helper.tensor_dtype_to_np_dtype(code))
    if x.dtype == np.float64 and target.kind in "iu":
        return [np.trunc(x.astype(np.float32)).astype(target)]
    return None


def _bit_cast(attributes: Attributes, inputs: list[Any]) -> list[Any] | None:
    """Bits are those of the float32 that the graph speaks of."""
    (x,), code = inputs, attributes["to"]
    target = np.dtype(helper.tensor_dtype_to_np_dtype(code))
    if target.itemsize != 4:
        return None
    return [(x.astype(np.float32) if x.dtype == np.float64 else x).view(target)]


def _matmul(_attributes: Attributes, inputs: list[Any]) -> list[Any]:
    return [np.matmul(inputs[0], inputs[1])]


def _gemm(attributes: Attributes, inputs: list[Any]) -> list[Any]:
    a, b, *c = inputs
    a = a.T if attributes.get("transA", 0) else a
    b = b.T if attributes.get("transB", 0) else b
    y = attributes.get("alpha", 1.0) * (a @ b) if a.dtype.kind == "f" else a @ b
    if c and c[0] is not None:
        y = y + (attributes.get("beta", 1.0) * c[0] if a.dtype.kind == "f" else c[0])
    return [y]


def _gelu(attributes: Attributes, inputs: list[Any]) -> list[Any]:
    (x,) = inputs
    if attributes.get("approximate", b"none") == b"tanh":
        return [0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))]
    return [0.5 * x * (1 + erf(x / math.sqrt(2)))]


def _conv(attributes: Attributes, inputs: list[Any]) -> list[Any]:
    """Convolution of any rank as one contraction a group over a view of the sliding windows."""
    x, w, *rest = inputs
    rank = x.ndim - 2
    kernel = w.shape[2:]
    strides = attributes.get("strides", [1] * rank)
    dilations = attributes.get("dilations", [1] * rank)
    groups = attributes.get("group", 1)
    extents = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    pads = _conv_pads(attributes, x.shape[2:], extents, strides)
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    windows = np.lib.stride_tricks.sliding_window_view(x, extents, axis=tuple(range(2, 2 + rank)))
    spatial = tuple(slice(None, None, stride) for stride in strides)
    taps = tuple(slice(None, None, dilation) for dilation in dilations)
    windows = windows[(slice(None), slice(None), *spatial, *taps)]
    channels, made = w.shape[1], w.shape[0] // groups
    contracted = [1, *range(2 + rank, 2 + 2 * rank)]
    parts = [
        np.tensordot(
            windows[:, group * channels : (group + 1) * channels],
            w[group * made : (group + 1) * made],
            axes=(contracted, list(range(1, 2 + rank))),
        )
        for group in range(groups)
    ]
    y = np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)
    if rest and rest[0] is not None:
        y = y + rest[0].reshape(1, -1, *[1] * rank)
    return [y]


def _conv_pads(attributes: Attributes, sizes: tuple[int, ...], extents: list[int], strides: list[int]) -> list[tuple[int, int]]:
    """Padding before and after each spatial axis."""
    rank, mode = len(sizes), attributes.get("auto_pad", b"NOTSET")
    if mode in (b"SAME_UPPER", b"SAME_LOWER"):
        pads = []
        for size, extent, stride in zip(sizes, extents, strides, strict=True):
            total = max(0, (-(-size // stride) - 1) * stride + extent - size)
            small, large = total // 2, total - total // 2
            pads.append((small, large) if mode == b"SAME_UPPER" else (large, small))
        return pads
    given = [0] * 2 * rank if mode == b"VALID" else attributes.get("pads", [0] * 2 * rank)
    return list(zip(given[:rank], given[rank:], strict=True))


OPERATORS: dict[str, Operator] = {
    "BitCast": _bit_cast,
    "Cast": _cast,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "GatherElements": _gather_elements,
    "Erf": lambda _attributes, inputs: [erf(inputs[0])],
    "Gelu": _gelu,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
