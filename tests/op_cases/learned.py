"""Operators of ai.onnx.ml, recurrent networks and quantisation."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import onnx
from op_cases.case import Case, floats, integers

MlCase = partial(Case, domain="ai.onnx.ml", until=21)

x = floats(7, 4)
row = {"coefficients": floats(12, seed=1).tolist(), "intercepts": floats(3, seed=2).tolist()}
CASES: list[Case] = [
    MlCase("ArrayFeatureExtractor", (x, np.array([[3, 0, 1]]))),
    MlCase("Binarizer", (x,), {"threshold": 0.25}, sizes=(7,)),
    MlCase("Scaler", (x,), {"offset": [0.5, -1.0, 2.0, 0.0], "scale": [2.0, 0.1, 1.0, -3.0]}, sizes=(7,)),
    MlCase("LinearRegressor", (x,), {"targets": 3, **row}, sizes=(7,)),
    MlCase(
        "Imputer",
        (np.where(x > 1, np.nan, x).astype(np.float32),),
        {"imputed_value_floats": [7.0], "replaced_value_float": np.nan},
    ),
    MlCase("OneHotEncoder", (integers(0, 4, 5),), {"cats_int64s": [1, 3, 0], "zeros": 1}),
    MlCase(
        "LabelEncoder", (integers(0, 5, 9),), {"keys_int64s": [1, 3, 4], "values_floats": [0.5, 2.0, -1.0], "default_float": 9.0}
    ),
    MlCase("LabelEncoder", (integers(0, 5, 9),), {"keys_int64s": [1, 3, 4], "values_int64s": [7, 8, 9], "default_int64": -3}),
]
CASES += [MlCase("Normalizer", (x,), {"norm": norm}, sizes=(7,)) for norm in ("MAX", "L1", "L2")]
CASES += [
    MlCase("LinearClassifier", (x,), {"classlabels_ints": labels, "post_transform": post, **attrs}, (), (7,), ("y", "z"))
    for post in ("NONE", "LOGISTIC", "SOFTMAX")
    for labels, attrs in (([4, 5, 9], row), ([3, 8], {"coefficients": [0.5, -1.0, 2.0, 0.1], "intercepts": [0.2]}))
]
CASES += [
    MlCase(
        "SVMRegressor",
        (x,),
        {
            "kernel_type": kind, "kernel_params": [0.3, 0.5, 3.0], "n_supports": 3, "rho": [0.25],
            "coefficients": [0.5, -1.0, 0.75], "support_vectors": floats(12, seed=3).tolist(),
        },
        rtol=1e-5,
    )
    for kind in ("LINEAR", "RBF", "POLY", "SIGMOID")
]  # fmt: skip


def trees(kind: str, targets: list[int], mode: str, weights: list[float]) -> dict[str, Any]:
    """Two trees: one of three leaves, one of two."""
    return {
        "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
        "nodes_featureids": [0, 2, 0, 0, 0, 3, 0, 0],
        "nodes_values": [0.1, -0.3, 0, 0, 0, 0.4, 0, 0],
        "nodes_modes": [mode, mode, "LEAF", "LEAF", "LEAF", mode, "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 3, 0, 0, 0, 1, 0, 0],
        "nodes_falsenodeids": [2, 4, 0, 0, 0, 2, 0, 0],
        "nodes_missing_value_tracks_true": [1, 0, 0, 0, 0, 0, 0, 0],
        f"{kind}_treeids": [0, 0, 0, 1, 1],
        f"{kind}_nodeids": [2, 3, 4, 1, 2],
        f"{kind}_ids": targets,
        f"{kind}_weights": weights,
    }


gaps = np.where(floats(7, 4, seed=9) > 1.2, np.nan, x).astype(np.float32)
signed = [0.5, -1.0, 2.0, 0.25, -0.75]
CASES += [
    MlCase("Imputer", (gaps,), {"imputed_value_floats": [7.0], "replaced_value_float": np.nan}),
]
CASES += [
    MlCase(
        "TreeEnsembleRegressor",
        (gaps,),
        {"n_targets": 2, "aggregate_function": how, **trees("target", [0, 1, 0, 1, 0], mode, signed)},
    )
    for how in ("SUM", "AVERAGE")
    for mode in ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT")
]
CASES += [
    MlCase(
        "TreeEnsembleClassifier",
        (x,),
        {"classlabels_int64s": labels, "post_transform": post, **trees("class", ids, "BRANCH_LEQ", weights)},
        (),
        (7,),
        ("y", "z"),
    )
    for post in ("NONE", "LOGISTIC")
    for labels, ids, weights in (
        ([4, 7, 9], [0, 1, 2, 1, 0], signed),
        ([4, 7], [0, 0, 0, 0, 0], signed),
        ([4, 7], [1, 1, 1, 1, 1], signed),
        ([4, 7], [0, 0, 0, 0, 0], [abs(w) for w in signed]),
    )
]

POSTS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")
KERNELS = ("LINEAR", "RBF", "POLY", "SIGMOID")
small = np.abs(floats(7, 4, seed=11)) * np.float32(0.1)  # PROBIT takes what is between 0 and 1
positive = np.abs(floats(12, seed=12)).tolist()


def machine(counts: list[int], kind: str, pairs: int, **more: Any) -> dict[str, Any]:
    """A support vector classifier of 4 features."""
    total = sum(counts)
    return {
        "classlabels_ints": list(range(4, 4 + len(counts))), "vectors_per_class": counts, "kernel_type": kind,
        "kernel_params": [0.3, 0.5, 3.0], "support_vectors": floats(4 * total, seed=21).tolist(),
        "coefficients": floats(total * (len(counts) - 1), seed=22).tolist(), "rho": floats(pairs, seed=23).tolist(), **more,
    }  # fmt: skip


CASES += [
    MlCase("SVMClassifier", (x,), machine(counts, kind, pairs), (), (7,), ("y", "z"), rtol=1e-5)
    for kind in KERNELS
    for counts, pairs in (([2, 1], 1), ([1, 2, 2], 3))
]
CASES += [
    MlCase("SVMClassifier", (x,), machine(counts, "RBF", pairs, post_transform=post, **likely), (), (7,), ("y", "z"), rtol=2e-5)
    for post in POSTS[:4]
    for counts, pairs in (([2, 1], 1), ([1, 2, 2], 3), ([1, 2, 1, 1], 6))
    for likely in ({}, {"prob_a": (-np.abs(floats(pairs, seed=24))).tolist(), "prob_b": floats(pairs, seed=25).tolist()})
]
CASES += [
    MlCase(
        "SVMClassifier",
        (x,),
        {
            "classlabels_ints": labels, "coefficients": weights[: 4 * len(labels)], "rho": [0.25], "kernel_type": "LINEAR",
            "kernel_params": [0.0, 0.0, 3.0], "post_transform": post,
        },
        (),
        (7,),
        ("y", "z"),
    )
    for labels in ([4, 9], [4, 9, 2])
    for weights in (floats(12, seed=31).tolist(), positive)
    for post in POSTS[:4]
]  # fmt: skip
CASES += [
    MlCase("LinearClassifier", (x,), {"classlabels_ints": labels, "post_transform": post, **attrs}, (), (), ("y", "z"))
    for post in ("SOFTMAX", "SOFTMAX_ZERO")
    for labels, attrs in (([4, 5, 9], row), ([3, 8], {"coefficients": [0.5, -1.0, 2.0, 0.1], "intercepts": [0.2]}))
]
CASES += [
    MlCase(
        "LinearRegressor", (data,), {"targets": 3, "coefficients": [abs(w) for w in row["coefficients"]], "post_transform": post}
    )
    for data, post in ((x, "SOFTMAX"), (x, "LOGISTIC"), (x, "SOFTMAX_ZERO"), (small, "PROBIT"))
]
CASES += [
    MlCase(
        "TreeEnsembleClassifier",
        (x,),
        {"classlabels_int64s": labels, "post_transform": post, **trees("class", ids, "BRANCH_LEQ", weights)},
        (),
        (),
        ("y", "z"),
    )
    for post in ("SOFTMAX", "SOFTMAX_ZERO")
    for labels, ids, weights in (
        ([4, 7, 9], [0, 1, 2, 1, 0], signed),
        ([4, 7], [0, 0, 0, 0, 0], signed),
        ([4, 7], [1, 1, 1, 1, 1], signed),
        ([4, 7], [0, 0, 0, 0, 0], [abs(w) for w in signed]),
    )
]
CASES += [
    MlCase(
        "TreeEnsembleRegressor",
        (gaps,),
        {
            "n_targets": 2,
            "aggregate_function": how,
            "post_transform": post,
            **base,
            **trees("target", [0, 1, 0, 1, 0], "BRANCH_LEQ", [abs(w) for w in signed]),
        },
    )
    for how in ("SUM", "MIN", "MAX")
    for post, base in (("NONE", {"base_values": [0.5, -1.0]}), ("LOGISTIC", {}), ("SOFTMAX", {}))
]
CASES += [
    MlCase(
        "SVMRegressor", (x,), {"coefficients": [0.5, -1.0, 0.75, 0.1], "rho": [0.25], "kernel_params": [0.0, 0.0, 3.0], **attrs}
    )
    for attrs in ({}, {"one_class": 1})
]
CASES += [
    MlCase("Binarizer", (integers(-2, 2, 7),), {"threshold": threshold}, oracle="reference", why="onnxruntime takes floats only")
    for threshold in (0.5, -0.5)
]
CASES += [
    MlCase("FeatureVectorizer", (x, floats(7, 2)), {"inputdimensions": [4, 2]}, (), (7,)),
    MlCase("FeatureVectorizer", (x, floats(7, 2)), {"inputdimensions": [3, 5]}, oracle="reference", why="no cut in onnxruntime"),
    MlCase("Imputer", (integers(0, 3, 7, 4),), {"imputed_value_int64s": [7, 8, 9, 10], "replaced_value_int64": 2}, sizes=(7,)),
    MlCase("Imputer", (gaps,), {"imputed_value_floats": [7.0, 8.0, 9.0, 10.0], "replaced_value_float": np.nan}),
    MlCase("OneHotEncoder", (floats(5, 3) * 2,), {"cats_int64s": [1, 0, -1]}),
    MlCase("OneHotEncoder", (integers(0, 2, 5),), {"cats_int64s": [1, 2, 0], "zeros": 0}),
    MlCase("Scaler", (integers(-5, 5, 7, 4),), {"offset": [0.5], "scale": [2.0]}),
    MlCase("ArrayFeatureExtractor", (floats(2, 3, 4), np.array([[2, 0]]))),
]
CASES += [MlCase("Normalizer", (integers(-4, 5, 7, 4),), {"norm": norm}, rtol=1e-6) for norm in ("L1", "L2")]


def table(values: list[Any], dtype: Any) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.array(values, dtype), "table")


CASES += [
    MlCase(
        "LabelEncoder",
        (integers(0, 5, 9).astype(given),),
        {"keys_tensor": table([1, 3, 4], given), "values_tensor": table([7, 2, 9], made), "default_tensor": table([5], made)},
        oracle="reference",
        why="onnxruntime takes some pairs of types alone",
    )
    for given in (np.float32, np.float64, np.int16, np.int32, np.int64)
    for made in (np.float32, np.float64, np.int16, np.int32, np.int64)
]


def recurrent(op: str, gates: int, directions: int, **attrs: Any) -> list[np.ndarray | None]:
    hidden, inputs, batch, steps = 3, 4, 2, 5
    return [
        floats(steps, batch, inputs),
        floats(directions, gates * hidden, inputs, seed=1),
        floats(directions, gates * hidden, hidden, seed=2),
        floats(directions, 2 * gates * hidden, seed=3),
    ]


# onnxruntime does not clip what LSTM's third activation reads.
MORE: dict[str, dict[str, Any]] = {"RNN": {"clip": 0.8}, "GRU": {"linear_before_reset": 1}, "LSTM": {"input_forget": 1}}
CASES += [
    Case(
        op,
        (*recurrent(op, gates, directions), *more),
        {"hidden_size": 3, "direction": way, **attrs},
        (1, 2, 3),
        (5,),
        named,
        since=14,
    )
    for op, gates, named in (("RNN", 1, ("y", "h")), ("GRU", 3, ("y", "h")), ("LSTM", 4, ("y", "h", "c")))
    for way, directions in (("forward", 1), ("reverse", 1), ("bidirectional", 2))
    for more, attrs in (
        ((), {}),
        (
            (np.array([3, 5], np.int32), floats(directions, 2, 3, seed=4)),
            MORE[op],
        ),
    )
]
CASES += [
    Case("QuantizeLinear", (floats(3, 8) * 90, scale, zero), {"axis": 1}, since=13)
    for dtype in ("uint8", "int8")
    for scale, zero in (
        (np.array(0.7, np.float32), np.array(3, dtype)),
        (np.abs(floats(8)) + np.float32(0.1), integers(0, 9, 8, dtype=dtype)),
    )
]
byte = partial(integers, 0, 255, dtype="uint8")
CASES += [
    Case("DequantizeLinear", (byte(3, 8), np.array(0.7, np.float32), np.array(128, np.uint8)), {}, since=13, sizes=(3,)),
    Case("MatMulInteger", (byte(3, 8), byte(8, 5), np.array(7, np.uint8), np.array(100, np.uint8)), {}, since=10, sizes=(3,)),
    Case("ConvInteger", (byte(1, 2, 6, 6), byte(3, 2, 3, 3), np.array(7, np.uint8)), {"pads": [1, 1, 1, 1]}, since=10),
]
