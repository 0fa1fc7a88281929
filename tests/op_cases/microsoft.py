"""Operators of com.microsoft, against onnxruntime: every attribute and optional input that its CPU kernels take."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from op_cases.case import Case, floats, integers

OwnCase = partial(Case, domain="com.microsoft", until=21, rtol=1e-5)
byte = partial(integers, 0, 255, dtype="uint8")
signed = partial(integers, -128, 127, dtype="int8")
i32 = partial(integers, 0, 1, dtype="int32")
Inputs = tuple[np.ndarray | None, ...]


def f32(*values: float) -> np.ndarray:
    return np.array(values[0] if len(values) == 1 else values, np.float32)


def u8(*values: int) -> np.ndarray:
    return np.array(values[0] if len(values) == 1 else values, np.uint8)


def s8(*values: int) -> np.ndarray:
    return np.array(values[0] if len(values) == 1 else values, np.int8)


x = floats(2, 5, 8)
CASES: list[Case] = [
    OwnCase("Gelu", (x,), sizes=(5,)),
    OwnCase("FastGelu", (x, floats(8, seed=1))),
    OwnCase("FastGelu", (x,)),
    OwnCase("BiasGelu", (x, floats(8, seed=1)), sizes=(5,)),
    OwnCase("QuickGelu", (x,), {"alpha": 1.3}, sizes=(5,)),
    OwnCase("QuickGelu", (x,)),
    OwnCase("Trilu", (floats(3, 4, 5), np.array(1)), {"upper": 0}),
    *(
        OwnCase("FusedMatMul", sides, {"alpha": 0.5, **attrs})
        for sides, attrs in (
            ((floats(2, 3, 4), floats(2, 5, 4)), {"transB": 1}),
            ((floats(4, 3), floats(4, 5)), {"transA": 1}),
            ((floats(3, 2, 4), floats(2, 4, 5)), {"transBatchA": 1}),
            ((floats(6, 2, 3, 4), floats(2, 3, 4, 5)), {"transBatchA": 1}),
            ((floats(2, 3, 4, 6), floats(4, 2, 3, 5)), {"transBatchB": 1, "transA": 1}),
            ((floats(3, 2, 4), floats(5, 2, 4)), {"transBatchA": 1, "transBatchB": 1, "transB": 1}),
            ((floats(4), floats(4, 5)), {}),
        )
    ),
    OwnCase("TransposeMatMul", (floats(4, 3), floats(5, 4)), {"transA": 1, "transB": 1}),
    *(
        OwnCase("FusedConv", (floats(1, 3, 7, 6), floats(4, 3, 3, 3), floats(4)), {"pads": [1, 1, 1, 1], **attrs}, (1, 2))
        for attrs in (
            {"activation": "Relu"},
            {"activation": "Tanh", "strides": [2, 2]},
            {"activation": "Sigmoid"},
            {"activation": "LeakyRelu", "activation_params": [0.2]},
            {"activation": "Clip", "activation_params": [-0.5, 1.5]},
            {"activation": "HardSigmoid", "activation_params": [0.3, 0.4]},
        )
    ),
    OwnCase("FusedConv", (floats(1, 3, 7, 6), floats(4, 3, 3, 3), floats(4), floats(1, 4, 5, 4)), {"activation": "Relu"}, (1, 2)),
    OwnCase("FusedGemm", (floats(3, 4), floats(5, 4), floats(5)), {"transB": 1, "beta": 0.5, "activation": "Relu"}, (1, 2)),
    OwnCase("FusedGemm", (floats(3, 4), floats(4, 5)), {"activation": "LeakyRelu", "activation_alpha": 0.3}, (1,)),
    OwnCase("NhwcMaxPool", (signed(1, 6, 5, 3),), {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [1, 1, 0, 1]}),
    Case("SimplifiedLayerNormalization", (x, floats(8)), {"epsilon": 1e-5}, (1,), (5,), until=13, rtol=1e-5),
    Case("SimplifiedLayerNormalization", (x, floats(5, 8)), {"axis": 1}, (1,), until=13, rtol=1e-5, outputs=("y", "d")),
    *(
        OwnCase(
            "SkipLayerNormalization",
            (x, skip, floats(8), *more),
            {"epsilon": 1e-5},
            tuple(range(2, 3 + len(more))),
            (5,),
            outputs,
        )
        for skip, more, outputs in (
            (x + 1, (floats(8, seed=2), floats(8, seed=3)), ("y",)),
            (floats(2, 5, 8, seed=1), (floats(8, seed=2),), ("y", "", "", "s")),
            (floats(1, 5, 8, seed=1), (), ("y",)),
            (floats(5, 8, seed=1), (None, floats(8, seed=3)), ("y", "", "", "s")),
        )
    ),
    OwnCase("SkipSimplifiedLayerNormalization", (x, floats(2, 5, 8, seed=1), floats(8)), {"epsilon": 1e-5}, (2,), (5,)),
    OwnCase(
        "SkipSimplifiedLayerNormalization",
        (x[0], floats(5, 8), floats(8), floats(8, seed=3)),
        {},
        (2, 3),
        (5,),
        ("y", "", "", "s"),
    ),
]
ids, rows = integers(0, 9, 2, 5, dtype="int32"), (floats(10, 8), floats(6, 8), floats(2, 8), floats(8, seed=1), floats(8, seed=2))
CASES += [
    OwnCase("EmbedLayerNormalization", (ids, i32(2, 5), *rows, *more), {"epsilon": 1e-5}, (2, 3, 4, 5, 6), (), outputs)
    for more, outputs in (
        ((i32(2, 5),), ("y", "m")),
        ((None, integers(0, 5, 2, 5, dtype="int32")), ("y", "m", "s")),
        ((i32(2, 5), integers(0, 5, 1, 5, dtype="int32")), ("y", "m")),
    )
]
CASES += [
    OwnCase("EmbedLayerNormalization", (ids, None, *rows[:2], None, *rows[3:]), {}, (2, 3, 5, 6), (), ("y", "m")),
    OwnCase(
        "QEmbedLayerNormalization",
        (
            *(ids, i32(2, 5), byte(10, 8), byte(6, 8), byte(2, 8), byte(8), byte(8, seed=1), i32(2, 5)),
            *map(f32, (0.02, 0.03, 0.01, 0.015, 0.04)),
            *map(u8, (120, 130, 125, 100, 140)),
        ),
        {"epsilon": 1e-5},
        (*range(2, 7), *range(8, 18)),
        (),
        ("y", "m"),
    ),
]

# attention: 2 rows of 5 positions, 2 heads of 4 ---------------------------------------------------------------

weights = (floats(8, 24, seed=4), floats(24, seed=5))
past = floats(2, 2, 2, 3, 4)
MASKS: list[tuple[np.ndarray | None, int]] = [
    (None, 5),
    (np.array([3, 5], np.int32), 5),
    (np.array([3, 5, 1, 0], np.int32), 5),
    (np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32), 5),
    (i32(2, 5, 5), 5),
    (np.array([3, 5, 0, 5, 10, 0, 5, 10], np.int32), 5),
]
CASES += [
    OwnCase("Attention", (x, *weights, mask), {"num_heads": 2, "unidirectional": causal}, (1, 2), (5,))
    for mask, _ in MASKS
    for causal in (0, 1)
]
CASES += [
    OwnCase("Attention", (x, *weights, *more), {"num_heads": 2, **attrs}, (1, 2), (), outputs)
    for more, attrs, outputs in (
        ((None, past), {}, ("y", "p")),
        ((None, past), {"unidirectional": 1}, ("y", "p")),
        ((i32(2, 8), past), {"unidirectional": 1, "mask_filter_value": -5.0}, ("y", "p")),
        ((np.array([7, 8, 1, 0], np.int32), past), {}, ("y", "p")),
        ((None, None, floats(1, 2, 5, 5)), {"scale": 0.3}, ("y", "p")),
        ((i32(2, 5), None, floats(2, 1, 5, 5)), {"mask_filter_value": -3.0}, ("y",)),
    )
]
CASES += [
    OwnCase("Attention", (x, floats(8, 28), floats(28)), {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 12]}, (1, 2)),
]
quantised = (byte(2, 5, 8), byte(8, 24, seed=4), floats(24, seed=5), f32(0.02), f32(0.01))
CASES += [
    OwnCase("QAttention", (*quantised, *more), {"num_heads": 2, **attrs}, (1, 2, 3, 4), (), outputs)
    for more, attrs, outputs in (
        ((None, u8(120), u8(130)), {}, ("y",)),
        ((np.array([3, 5], np.int32), u8(120), u8(130)), {"unidirectional": 1}, ("y",)),
        ((i32(2, 5), u8(120), u8(130)), {"mask_filter_value": -4.0, "scale": 0.6}, ("y",)),
        ((i32(2, 8), u8(120), u8(130), past), {"unidirectional": 1}, ("y", "p")),
        ((), {}, ("y",)),
    )
]
CASES += [
    OwnCase(
        "QAttention",
        (
            quantised[0],
            signed(8, 24, seed=4),
            *quantised[2:4],
            floats(24) ** 2 * 0.01 + 0.003,
            None,
            u8(120),
            np.zeros(24, np.int8),
        ),
        {"num_heads": 2},
        (1, 2, 3, 4, 7),
    )
]
k, v, other = floats(2, 6, 8, seed=6), floats(2, 6, 8, seed=7), floats(2, 5, 8, seed=1)
cache = (floats(2, 2, 3, 4), floats(2, 2, 3, 4, seed=1))
CASES += [OwnCase("MultiHeadAttention", (x, k, v, bias), {"num_heads": 2}, (3,), (5,)) for bias in (None, floats(24, seed=8))]
CASES += [
    OwnCase("MultiHeadAttention", inputs, {"num_heads": 2, **attrs}, (), (), outputs)
    for inputs, attrs, outputs in (
        *(
            ((x, k, v, None, mask), {}, ("y",))
            for mask in (np.array([3, 6], np.int32), i32(2, 6), i32(2, 5, 6), np.array([3, 6, 0, 5, 10, 0, 6, 12], np.int32))
        ),
        *(
            ((x, other, other, None, mask), {"unidirectional": 1}, ("y",))
            for mask in (None, np.array([3, 5], np.int32), i32(2, 5), i32(2, 5, 5))
        ),
        ((x, floats(2, 2, 6, 4), floats(2, 2, 6, 4, seed=1)), {}, ("y",)),
        ((x, floats(2, 2, 6, 4), floats(2, 2, 6, 4, seed=1), floats(24)), {}, ("y",)),
        ((x, k, floats(2, 6, 12)), {"scale": 0.3}, ("y",)),
        ((x, k, v, None, i32(2, 6), floats(1, 2, 5, 6)), {"mask_filter_value": -2.0}, ("y", "k", "v")),
        ((x, k, v, None, None, floats(2, 1, 5, 6)), {}, ("y",)),
        ((x, other, other, None, None, None, *cache), {}, ("y", "k", "v")),
        ((x, other, other, floats(24), i32(2, 8), floats(2, 2, 5, 8), *cache), {"unidirectional": 1}, ("y", "k", "v")),
    )
]


def grouped(past: int, steps: int = 5, batch: int = 2, packed: bool = False, more: Inputs = (), **attrs: Any) -> Case:
    """4 heads of 16 on 2, behind `past` positions; `more` are the inputs from the positions on."""
    angles = np.arange(16)[:, None] / 10000.0 ** (np.arange(8) / 8)
    total, wide = past + steps, floats(batch, steps, 128)
    parts = (
        (wide, None, None) if packed else (floats(batch, steps, 64), floats(batch, steps, 32, seed=1), floats(batch, steps, 32))
    )
    cache = floats(batch, 2, past, 16)
    tables = (np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)) if attrs.get("do_rotary") else (None, None)
    inputs = (*parts, cache, cache + 1, np.full(batch, total - 1, np.int32), np.array(total, np.int32), *tables, *more)
    outputs = ("y", "k", "v", "q") if attrs.get("qk_output") else ("y", "k", "v")
    fixed = (7, 8) if attrs.get("do_rotary") else ()
    return OwnCase("GroupQueryAttention", inputs, {"num_heads": 4, "kv_num_heads": 2, **attrs}, fixed, (), outputs)


CASES += [
    grouped(0),
    grouped(0, packed=True),
    grouped(3, batch=1),
    grouped(4, steps=1),
    grouped(3, batch=1, packed=True, do_rotary=1, rotary_interleaved=1),
    grouped(4, steps=1, do_rotary=1),
    grouped(0, do_rotary=1),
    grouped(0, do_rotary=1, more=(np.array([[3, 4, 5, 6, 7], [3, 4, 5, 6, 7]]),)),
    grouped(0, softcap=2.0, scale=0.4),
    grouped(0, local_window_size=2),
    grouped(4, steps=3, batch=1, local_window_size=3),
    grouped(0, smooth_softmax=1),
    grouped(0, more=(None, None, floats(4))),
    grouped(3, batch=1, more=(None, floats(1, 4, 5, 8)), softcap=3.0),
    grouped(0, more=(None, floats(2, 1, 5, 5))),
    grouped(0, causal=0),
    grouped(0, qk_output=1, causal=0),
    grouped(0, qk_output=2),
]
turns = floats(9, 4), floats(9, 4, seed=1)
CASES += [
    OwnCase("RotaryEmbedding", (heads, place, *turns), {"interleaved": pairs}, (2, 3))
    for heads in (floats(2, 3, 5, 8), floats(2, 5, 24))
    for place in (np.array([2]), np.array([[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]))
    for pairs in (0, 1)
]
CASES += [
    OwnCase(
        "RotaryEmbedding",
        (floats(2, 5, 48), np.array([2]), *turns),
        {"interleaved": pairs, "num_heads": 3, "rotary_embedding_dim": 8},
        (2, 3),
    )
    for pairs in (0, 1)
]

# quantised products ---------------------------------------------------------------

column_scale, column_zero = floats(4) ** 2 * 0.01 + 0.01, byte(4)
CASES += [
    OwnCase("MatMulIntegerToFloat", inputs)
    for inputs in (
        (byte(3, 8), byte(8, 4), f32(0.1), f32(0.02), u8(9), u8(120), floats(4)),
        (byte(3, 8), byte(8, 4), f32(0.1), f32(0.02)),
        (byte(2, 3, 8), signed(8, 4), f32(0.1), column_scale, u8(9), signed(4), floats(4)),
        (signed(3, 8), signed(8, 4), f32(0.1), column_scale, s8(-9), None),
        (byte(2, 3, 8), byte(2, 8, 4), f32(0.1), f32(0.02), u8(9), u8(120)),
    )
]
CASES += [
    OwnCase("DynamicQuantizeMatMul", inputs, {}, tuple(range(1, len(inputs))), (3,))
    for inputs in (
        (floats(3, 8), byte(8, 4), f32(0.02), u8(120), floats(4)),
        (floats(2, 3, 8), byte(8, 4), column_scale, column_zero),
        (floats(3, 8) ** 2, signed(8, 4), f32(0.02)),
    )
]
CASES += [
    OwnCase("MatMulInteger16", (integers(-999, 999, 3, 8, dtype="int16"), integers(-999, 999, 8, 4, dtype="int16"))),
    *(
        OwnCase("QGemm", (byte(3, 8), f32(0.1), u8(9), *b, *more), attrs)
        for b, more, attrs in (
            ((byte(8, 4), f32(0.02), u8(120)), (), {}),
            ((byte(4, 8), f32(0.02), u8(120)), (integers(-999, 999, 4, dtype="int32"),), {"transB": 1, "alpha": 1.5}),
            ((signed(8, 4), column_scale, s8(0, 3, -4, 7)), (integers(-999, 999, 3, 4, dtype="int32"), f32(1.37), u8(117)), {}),
            ((signed(8, 4), column_scale, s8(0, 3, -4, 7)), (None, f32(1.37), u8(117)), {"alpha": 0.7}),
        )
    ),
    OwnCase("QGemm", (byte(8, 3), f32(0.1), u8(9), byte(8, 4), f32(0.02), u8(120)), {"transA": 1}),
]
image, taps = byte(1, 3, 6, 5), signed(4, 3, 3, 3)
per_channel = floats(4) ** 2 * 0.01 + 0.001
CASES += [
    OwnCase(
        "QLinearConv", (image, f32(0.1), u8(9), taps, per_channel, s8(0, 0, 0, 0), f32(0.9), u8(117), bias), attrs, (3, 4, 5, 8)
    )
    for bias, attrs in (
        (None, {}),
        (integers(-999, 999, 4, dtype="int32"), {"strides": [2, 1], "pads": [1, 0, 1, 2], "dilations": [1, 2]}),
    )
]
CASES += [
    OwnCase(
        "QLinearConv",
        (image.transpose(0, 2, 3, 1).copy(), f32(0.1), u8(9), taps, per_channel, s8(0, 0, 0, 0), f32(0.9), u8(117)),
        {"channels_last": 1, "pads": [1, 1, 1, 1]},
        (3, 4, 5),
    ),
    OwnCase("QuantizeLinear", (floats(3, 4), column_scale, integers(-99, 99, 4, dtype="int16")), {"axis": 1}),
    OwnCase("QuantizeLinear", (floats(3, 4), f32(0.02)), {}),
    OwnCase(
        "DequantizeLinear", (integers(-999, 999, 3, 4, dtype="int16"), floats(3), integers(-9, 9, 3, dtype="int16")), {"axis": 0}
    ),
    OwnCase("DequantizeLinear", (byte(3, 4), f32(0.02), u8(3)), {}),
]


def blocks(bits: int, size: int, columns: int = 72, zeros: str = "", bias: bool = False, **attrs: int) -> Case:
    """Five rows of `columns` numbers in blocks; `zeros` are none, packed like the weights, or floats."""
    count = -(-columns // size)
    packed, scales = byte(5, count, size * bits // 8), floats(5 * count, seed=1) * 0.1
    zero = {"": None, "packed": byte(5 * -(-count * bits // 8)), "floats": floats(5, count) + 2.0 ** (bits - 1)}[zeros]
    inputs = (floats(3, columns), packed, scales.reshape(5, count), zero, None, floats(5) if bias else None)
    attrs = {"K": columns, "N": 5, "bits": bits, "block_size": size, **attrs}
    close = 1e-2 if attrs.get("accuracy_level") == 4 else 1e-5  # onnxruntime then takes x in 8 bits
    return OwnCase("MatMulNBits", inputs, attrs, (1, 2, 3, 5), (3,), rtol=close)


CASES += [blocks(bits, size, zeros=zeros) for bits in (2, 4, 8) for size in (16, 64) for zeros in ("", "packed")]
CASES += [blocks(4, 32, zeros="floats"), blocks(4, 32, bias=True), blocks(4, 128, 256), blocks(4, 32, 64, accuracy_level=4)]
CASES += [
    OwnCase("GatherBlockQuantized", (table, integers(-3, 5, 2, 3), scales, zeros), attrs, (0, 2, 3))
    for table, scales, zeros, attrs in (
        (byte(7, 16), floats(7, 2), None, {"bits": 4, "block_size": 16}),
        (byte(7, 16), floats(7, 2), byte(7, 1), {"bits": 4, "block_size": 16}),
        (byte(7, 32), floats(7, 2), byte(7, 2), {"bits": 8, "block_size": 16}),
    )
]

# the standard's operators on quantised operands ---------------------------------------------------------------

a, b = (byte(3, 8), f32(0.13), u8(9)), (byte(3, 8, seed=1), f32(0.21), u8(3))
image = byte(2, 3, 6, 5)
CASES += [
    OwnCase(op, (*one, *other, *result))
    for op, one, other, result in (
        ("QLinearAdd", a, b, (f32(0.37), u8(10))),
        ("QLinearAdd", (signed(3, 8), f32(0.13), s8(-4)), (signed(8), f32(0.07), s8(3)), (f32(0.17), s8(-10))),
        ("QLinearAdd", (byte(3, 8), f32(0.13), u8(0)), (byte(3, 1), f32(0.07), u8(0)), (f32(0.19), u8(0))),
        ("QLinearMul", a, (byte(8, seed=1), f32(0.21), u8(3)), (f32(5.13), u8(10))),
        ("QLinearMul", (signed(3, 8), f32(0.13), s8(-4)), (signed(8), f32(0.07), s8(3)), (f32(1.17), s8(-10))),
    )
]
CASES += [
    OwnCase(op, (*operand, *result), attrs, (1, 2, 3, 4))
    for op, operand, result, attrs in (
        ("QLinearSigmoid", (byte(3, 8), f32(0.053), u8(90)), (f32(0.0041), u8(0)), {}),
        ("QLinearSigmoid", (signed(3, 8), f32(0.053), s8(9)), (f32(0.0041), s8(-128)), {}),
        ("QLinearLeakyRelu", (byte(3, 8), f32(0.053), u8(90)), (f32(0.041), u8(60)), {"alpha": 0.3}),
        ("QLinearLeakyRelu", (signed(3, 8), f32(0.053), s8(9)), (f32(0.041), s8(-28)), {}),
        ("QLinearSoftmax", (byte(3, 8), f32(0.053), u8(90)), (f32(0.0039), u8(0)), {"opset": 13, "axis": 1}),
        # Along another axis than the last onnxruntime's table of integers is a step off in some elements.
        ("QLinearSoftmax", (byte(2, 3, 4), f32(0.053), u8(90)), (f32(0.0039), u8(0)), {"opset": 12, "axis": 1}),
        ("QLinearSoftmax", (signed(3, 8), f32(0.053), s8(9)), (f32(0.0039), s8(-128)), {"opset": 13}),
        ("QLinearGlobalAveragePool", (image, f32(0.13), u8(9)), (f32(0.053), u8(3)), {}),
        ("QLinearGlobalAveragePool", (image, f32(0.13), u8(9)), (f32(0.053), u8(3)), {"channels_last": 1}),
        ("QLinearAveragePool", (image, f32(0.13), u8(9)), (f32(0.1731), u8(3)), {"kernel_shape": [2, 3], "strides": [2, 1]}),
        (
            "QLinearAveragePool",
            (image, f32(0.13), u8(9)),
            (f32(0.1731), u8(3)),
            {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        ),
        (
            "QLinearAveragePool",
            (signed(2, 6, 5, 3), f32(0.13), s8(9)),
            (f32(0.1731), s8(3)),
            {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [0, 1, 1, 1], "channels_last": 1, "ceil_mode": 1},
        ),
    )
]
CASES += [
    OwnCase(
        "QLinearConcat",
        (f32(0.23), u8(5), byte(3, 8), f32(0.13), u8(9), byte(3, 2), f32(0.21), u8(3)),
        {"axis": axis},
        (0, 1, 3, 4, 6, 7),
    )
    for axis in (1, -1)
]
CASES += [
    OwnCase("QLinearWhere", (chosen, *operand, byte(8, seed=1), f32(0.21), u8(3), f32(0.29), u8(10)), {}, (2, 3, 5, 6, 7, 8))
    for chosen, operand in (
        (floats(3, 8) > 0, a),
        (floats(3, 1) > 0, (byte(1, 8), f32(0.13), u8(9))),
    )
]
