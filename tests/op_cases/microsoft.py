"""Operators of com.microsoft, against onnxruntime."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from op_cases.case import Case, floats, integers

OwnCase = partial(Case, domain="com.microsoft", until=21, rtol=1e-5)
byte = partial(integers, 0, 255, dtype="uint8")


def f32(value: float) -> np.ndarray:
    return np.array(value, np.float32)


def u8(value: int) -> np.ndarray:
    return np.array(value, np.uint8)


x = floats(2, 5, 8)
CASES: list[Case] = [
    OwnCase("Gelu", (x,), sizes=(5,)),
    OwnCase("FastGelu", (x, floats(8, seed=1))),
    OwnCase("BiasGelu", (x, floats(8, seed=1)), sizes=(5,)),
    OwnCase("QuickGelu", (x,), {"alpha": 1.3}, sizes=(5,)),
    OwnCase("FusedMatMul", (floats(2, 3, 4), floats(2, 5, 4)), {"transB": 1, "alpha": 0.5}),
    OwnCase("FusedMatMul", (floats(4, 3), floats(4, 5)), {"transA": 1}),
    OwnCase("SkipLayerNormalization", (x, x + 1, floats(8), floats(8, seed=2), floats(8, seed=3)), {}, (2, 3, 4), (5,)),
    OwnCase(
        "SkipLayerNormalization",
        (x, floats(2, 5, 8, seed=1), floats(8), floats(8, seed=2)),
        {"epsilon": 1e-5},
        (2, 3),
        (),
        ("y", "", "", "s"),
    ),
    OwnCase("SkipSimplifiedLayerNormalization", (x, floats(2, 5, 8, seed=1), floats(8)), {"epsilon": 1e-5}, (2,), (5,)),
    OwnCase(
        "EmbedLayerNormalization",
        (
            integers(0, 9, 2, 5, dtype="int32"), integers(0, 1, 2, 5, dtype="int32"), floats(10, 8), floats(6, 8), floats(2, 8),
            floats(8, seed=1), floats(8, seed=2), integers(0, 1, 2, 5, dtype="int32"),
        ),
        {"epsilon": 1e-5},
        (2, 3, 4, 5, 6),
        (),
        ("y", "m"),
    ),
]  # fmt: skip

mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
weights = (floats(8, 24, seed=4), floats(24, seed=5))
CASES += [
    OwnCase("Attention", (x, *weights, kept), {"num_heads": 2, **attrs}, (1, 2), (5,))
    for kept, attrs in ((None, {}), (mask, {}), (np.array([3, 5], np.int32), {}), (None, {"unidirectional": 1}))
]
CASES += [
    OwnCase("MultiHeadAttention", (x, floats(2, 6, 8, seed=6), floats(2, 6, 8, seed=7), bias), {"num_heads": 2}, (3,), (5,))
    for bias in (None, floats(24, seed=8))
]
CASES += [
    OwnCase(
        "MultiHeadAttention",
        (x, floats(2, 5, 8, seed=6), floats(2, 5, 8, seed=7), None, None, None, floats(2, 2, 3, 4), floats(2, 2, 3, 4, seed=1)),
        {"num_heads": 2},
        outputs=("y", "k", "v"),
    )
]


def grouped(rotary: int, past: int) -> tuple[tuple[np.ndarray | None, ...], dict[str, Any]]:
    angles = np.arange(16)[:, None] / 10000.0 ** (np.arange(8) / 8)
    total = past + 5
    batch = 1 if past else 2  # onnxruntime takes no more behind a past
    cache = floats(batch, 2, past, 16)
    lengths = np.full(batch, total - 1, np.int32), np.array(total, np.int32)
    tables = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    inputs = (
        floats(batch, 5, 64),
        floats(batch, 5, 32, seed=1),
        floats(batch, 5, 32, seed=2),
        cache,
        cache + 1,
        *lengths,
        *tables,
    )
    return inputs, {"num_heads": 4, "kv_num_heads": 2, "do_rotary": rotary}


CASES += [
    OwnCase("GroupQueryAttention", inputs, attrs, (7, 8), (), ("y", "k", "v")) for inputs, attrs in (grouped(0, 3), grouped(1, 0))
]
nibbles = {"K": 32, "N": 5, "bits": 4, "block_size": 16}
turns = floats(9, 4), floats(9, 4, seed=1)
CASES += [
    OwnCase("RotaryEmbedding", (x4, place, *turns), {"interleaved": pairs}, (2, 3))
    for x4 in (floats(2, 3, 5, 8), floats(2, 5, 24))
    for place in (np.array([2]), np.array([[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]))
    for pairs in (0, 1)
]
CASES += [
    OwnCase("MatMulIntegerToFloat", (byte(3, 8), byte(8, 4), f32(0.1), f32(0.02), u8(9), u8(120), floats(4)), {}),
    OwnCase("DynamicQuantizeMatMul", (floats(3, 8), byte(8, 4), f32(0.02), u8(120), floats(4)), {}, (1, 2, 3)),
    OwnCase("QLinearAdd", (byte(3, 8), f32(0.1), u8(9), byte(3, 8, seed=1), f32(0.2), u8(3), f32(0.3), u8(10)), {}),
    OwnCase("QLinearMul", (byte(3, 8), f32(0.1), u8(9), byte(8, seed=1), f32(0.2), u8(3), f32(5.1), u8(10)), {}),
    OwnCase("QLinearSigmoid", (byte(3, 8), f32(0.05), u8(90), f32(0.004), u8(0)), {}, (1, 2, 3, 4)),
    OwnCase(
        "QLinearConcat",
        (f32(0.1), u8(5), byte(3, 8), f32(0.1), u8(9), byte(3, 2), f32(0.2), u8(3)),
        {"axis": 1},
        (0, 1, 3, 4, 6, 7),
    ),
    OwnCase("QLinearGlobalAveragePool", (byte(1, 3, 4, 4), f32(0.1), u8(9), f32(0.05), u8(3)), {}),
    OwnCase(
        "MatMulNBits", (floats(3, 32), byte(5, 2, 8), floats(10, seed=1)), {"K": 32, "N": 5, "bits": 4, "block_size": 16}, (1, 2)
    ),
    OwnCase(
        "MatMulNBits",
        (floats(3, 32), byte(5, 2, 8), floats(10, seed=1), byte(5)),
        nibbles,
        (1, 2, 3),
    ),
]
