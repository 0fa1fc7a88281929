"""Normalisation, draws, quantization, signals, losses and attention."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from onnx import TensorProto
from op_cases.case import Case, bools, floats, i64, integers, scalar
from version_samples.given import IMAGE, use

SAMPLES: list[Case] = []

# Normalisation and what training gives.
C = floats(3, seed=7)
SAMPLES += [
    use("BatchNormalization", (IMAGE, C, C + 1, C * 2, C**2), {"momentum": 0.7, "epsilon": 1e-3}, rtol=1e-5),
    use(
        "BatchNormalization",
        (IMAGE, C, C + 1, C * 2, C**2),
        {"momentum": 0.7, "training_mode": 1},
        outputs=("y", "m", "v"),
        rtol=1e-5,
        oracle="reference",
    ),
    use("BatchNormalization", (floats(4, 3), C, C + 1, C * 2, C**2), rtol=1e-5),
    use(
        "BatchNormalization",
        (IMAGE, *(floats(3, 6, 7, seed=n) for n in (1, 2, 3)), floats(3, 6, 7, seed=4) ** 2),
        {"spatial": 0, "momentum": 0.5},
        until=7,
        rtol=1e-5,
    ),
    use("LayerNormalization", (floats(2, 3, 4), floats(4), floats(4, seed=1)), {"epsilon": 1e-3, "stash_type": 11}, rtol=1e-5),
    use("LayerNormalization", (floats(2, 3, 4), floats(3, 4)), {"axis": 1}, outputs=("y", "mean", "deviation"), rtol=1e-5),
    use("RMSNormalization", (floats(2, 3, 4), floats(4)), {"epsilon": 1e-3, "stash_type": 11}, rtol=1e-5),
    use(
        "GroupNormalization",
        (floats(2, 4, 5), floats(4), floats(4, seed=1)),
        {"num_groups": 2, "stash_type": 11, "epsilon": 1e-3},
        rtol=1e-5,
    ),
    *(use("LpNormalization", (floats(3, 4, 5),), {"axis": axis, "p": p}, rtol=1e-5) for axis in (0, -1) for p in (1, 2)),
    use("LRN", (floats(2, 5, 3, 2),), {"size": 3, "alpha": 0.3, "beta": 0.6, "bias": 2.0}, rtol=1e-5),
    use("MeanVarianceNormalization", (IMAGE,), {"axes": [1, -1]}, rtol=1e-5),
    *(
        use("Dropout", (floats(3, 4), r, t), {}, fixed, o)
        for o in (("y",), ("y", "mask"))
        for r, t, fixed in ((scalar(0.3), None, (1,)), (None, np.array(False), ()), (scalar(0.0), np.array(True), ()))
    ),
    use("Dropout", (floats(3, 4),), {"ratio": 0.3}, until=10),
    use("Dropout", (floats(3, 4), scalar(0.4), np.array(True)), {"seed": 3}, outputs=("y", "mask"), oracle="reference"),
]

# Numbers that are drawn.
SAMPLES += [
    use(op, (), settings)
    for op, own in (("RandomNormal", {"mean": 3.0, "scale": 2.0}), ("RandomUniform", {"low": 2.0, "high": 5.0}))
    for settings in ({"shape": [2, 3]}, {"shape": [4], "dtype": TensorProto.DOUBLE, "seed": 2.0, **own})
]
SAMPLES += [
    use(op, (floats(2, 3),), settings)
    for op, own in (("RandomNormalLike", {"mean": 3.0, "scale": 2.0}), ("RandomUniformLike", {"low": 2.0, "high": 5.0}))
    for settings in ({}, {"dtype": TensorProto.DOUBLE, "seed": 2.0, **own})
]
SAMPLES += [
    use("Multinomial", (floats(2, 5),), settings)
    for settings in ({}, {"sample_size": 4, "seed": 1.0}, {"dtype": TensorProto.INT64})
]
SAMPLES += [
    use("Bernoulli", (np.abs(floats(3, 4)) % 1,), settings) for settings in ({}, {"dtype": TensorProto.INT64, "seed": 1.0})
]

# Quantization.
X = floats(4, 6) * 40
for op, x in (("QuantizeLinear", X), ("DequantizeLinear", integers(0, 255, 4, 6, dtype="uint8"))):
    SAMPLES += [
        use(op, (x, np.abs(floats(n)) + np.float32(0.5), *zero), {"axis": axis}, rtol=1e-5)
        for n, axis in ((6, 1), (4, 0), (4, -2))
        for zero in ((), (integers(0, 255, n, dtype="uint8"),))
    ]
    SAMPLES += [
        use(op, (x, scalar(0.7)), settings, rtol=1e-5)
        for settings in (
            {},
            {"output_dtype": TensorProto.FLOAT if op[0] == "D" else TensorProto.INT8},
            {"output_dtype": TensorProto.FLOAT16} if op[0] == "D" else {"precision": TensorProto.FLOAT16},
        )
    ] + [
        use(op, (x, np.abs(floats(4, 2)) + np.float32(0.5)), {"axis": 1, "block_size": 3}),
        use(
            op,
            (x, np.abs(floats(2, 6)) + np.float32(0.5), integers(0, 9, 2, 6, dtype="uint8")),
            {"axis": -2, "block_size": 2},
            oracle="reference",
        ),
    ]

SAMPLES += [use("QuantizeLinear", (X, scalar(0.01), np.zeros((), ml_dtypes.float8_e4m3fn)), {"saturate": s}) for s in (0, 1)]
SAMPLES += [use("QuantizeLinear", (X, scalar(0.01)), {"saturate": s, "output_dtype": TensorProto.FLOAT8E5M2}) for s in (0, 1)]
for op in ("Cast", "CastLike"):
    rest, to = ((), {"to": TensorProto.FLOAT8E8M0}) if op == "Cast" else ((np.ones(1, ml_dtypes.float8_e8m0fnu),), {})
    SAMPLES += [use(op, (np.abs(X), *rest), {"round_mode": mode, **to}) for mode in ("up", "down", "nearest")]
    rest, to = ((), {"to": TensorProto.FLOAT8E4M3FN}) if op == "Cast" else ((np.ones(1, ml_dtypes.float8_e4m3fn),), {})
    SAMPLES += [use(op, (X * 30, *rest), {"saturate": s, **to}) for s in (0, 1)]
for to in ("FLOAT16", "DOUBLE", "INT32", "UINT8", "BOOL", "INT64"):
    SAMPLES += [use("Cast", (np.abs(floats(3, 4)) * 9,), {"to": TensorProto.DataType.Value(to)})]

# Signals.
SAMPLES += [
    use(f"{op}Window", (scalar(9, "int64"),), settings, rtol=1e-5)
    for op in ("Blackman", "Hamming", "Hann")
    for settings in ({}, {"periodic": 0}, {"output_datatype": TensorProto.DOUBLE})
]
MEL = (scalar(6, "int64"), scalar(16, "int64"), scalar(8000, "int64"), scalar(100.0), scalar(3800.0))
SAMPLES += [
    use("MelWeightMatrix", MEL, {"output_datatype": to}, fixed, rtol=1e-5)
    for to in (TensorProto.FLOAT, TensorProto.DOUBLE)
    for fixed in ((), (0, 1, 2, 3, 4))
]
SIGNAL = floats(2, 20, 1)
SAMPLES += [
    use("STFT", (SIGNAL, scalar(4, "int64"), *rest), {"onesided": onesided}, fixed, rtol=1e-5)
    for onesided in (0, 1)
    for rest, fixed in (((None, scalar(8, "int64")), (1, 3)), ((floats(8),), (1,)), ((floats(8), scalar(8, "int64")), (1, 3)))
]
SAMPLES += [
    use("DFT", (x, length, axis), settings, (1, 2), rtol=1e-5, oracle="reference")
    for x, settings in (
        (floats(2, 6, 5, 1), {}),
        (floats(2, 6, 5, 1), {"onesided": 1}),
        (floats(2, 6, 5, 2), {"inverse": 1}),
        (floats(2, 6, 5, 2), {}),
    )
    for length in (None, scalar(4, "int64"), scalar(9, "int64"))
    for axis in (None, scalar(1, "int64"), scalar(-2, "int64"))
]

# Losses.
SCORES, LABELS = floats(4, 5, 3), integers(0, 4, 4, 3)
for op, outputs in (("SoftmaxCrossEntropyLoss", ("y", "log")), ("NegativeLogLikelihoodLoss", ("y",))):
    SAMPLES += [
        use(op, (SCORES, LABELS, *weights), {"reduction": reduction, **ignored}, outputs=names, rtol=1e-5)
        for reduction in ("none", "sum", "mean")
        for weights in ((), (np.abs(floats(5)),))
        for ignored in ({}, {"ignore_index": 2})
        for names in {outputs, outputs[:1]}
    ]

# Attention.
Q, K, V = floats(2, 4, 3, 8), floats(2, 2, 5, 8, seed=1), floats(2, 2, 5, 6, seed=2)
PAST = (floats(2, 2, 4, 8, seed=3), floats(2, 2, 4, 6, seed=4))
FOUR = ("y", "pk", "pv", "qk")
for settings in (
    {},
    {"is_causal": 1},
    {"scale": 0.3},
    {"softcap": 2.0},
    {"softmax_precision": TensorProto.DOUBLE},
    {"softmax_precision": TensorProto.FLOAT, "is_causal": 1},
    {"qk_matmul_output_mode": 1, "softcap": 2.0},
    {"qk_matmul_output_mode": 2},
    {"qk_matmul_output_mode": 3, "is_causal": 1},
    {"left_window_size": 1},
    {"left_window_size": 2, "right_window_size": 1},
    {"right_window_size": 0},
):
    flat = (
        Q.transpose(0, 2, 1, 3).reshape(2, 3, 32),
        K.transpose(0, 2, 1, 3).reshape(2, 5, 16),
        V.transpose(0, 2, 1, 3).reshape(2, 5, 12),
    )
    SAMPLES += [
        use("Attention", (Q, K, V), settings, rtol=1e-5),
        use("Attention", (Q, K, V, floats(3, 5, seed=5)), settings, rtol=1e-5),
        use("Attention", (Q, K, V, bools(2, 1, 3, 9) | True, *PAST), settings, outputs=FOUR, rtol=1e-5),
        use("Attention", (*flat, floats(2, 1, 3, 5)), settings | {"q_num_heads": 4, "kv_num_heads": 2}, rtol=1e-5),
        use("Attention", (Q, K, V, floats(2, 4, 3, 5), None, None, i64(3, 5)), settings, rtol=1e-5),
        use("Attention", (*flat, None, *PAST), settings | {"q_num_heads": 4, "kv_num_heads": 2}, outputs=FOUR[:3], rtol=1e-5),
    ]
COS, SIN, AT = floats(9, 4, seed=1), floats(9, 4, seed=2), integers(0, 8, 2, 3)
SAMPLES += (
    [use("RotaryEmbedding", (floats(2, 4, 3, 8), COS, SIN, AT), {"interleaved": i}, rtol=1e-5) for i in (0, 1)]
    + [
        use(
            "RotaryEmbedding",
            (floats(2, 3, 32), COS[:, :2], SIN[:, :2], AT),
            {"num_heads": 4, "rotary_embedding_dim": 4, "interleaved": i},
            rtol=1e-5,
        )
        for i in (0, 1)
    ]
    + [use("RotaryEmbedding", (floats(2, 4, 3, 8), floats(2, 3, 4), floats(2, 3, 4, seed=1)), rtol=1e-5)]
)
LINEAR = (floats(2, 4, 16), floats(2, 4, 8, seed=1), floats(2, 4, 12, seed=2))
SAMPLES += [
    use(
        "LinearAttention",
        (*LINEAR, state, *rest),
        {"q_num_heads": 4, "kv_num_heads": 2, "update_rule": rule, "chunk_size": 2},
        outputs=("y", "state"),
        rtol=1e-5,
    )
    for state in (None, floats(2, 2, 4, 6, seed=5))
    for rule, rest in (
        ("linear", ()),
        ("gated", (-np.abs(floats(2, 4, 8)),)),
        ("delta", (None, np.abs(floats(2, 4, 2)) % 1)),
        ("gated_delta", (-np.abs(floats(2, 4, 8)), np.abs(floats(2, 4, 2)) % 1)),
    )
]
SAMPLES += [
    use("CausalConvWithState", (floats(2, 4, 6), floats(4, 1, 3), *rest), {"activation": a}, outputs=("y", "state"), rtol=1e-5)
    for a in ("none", "silu", "swish")
    for rest in ((), (floats(4),), (None, floats(2, 4, 2)), (floats(4), floats(2, 4, 2)))
]
