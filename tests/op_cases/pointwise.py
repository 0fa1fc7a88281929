"""Elementwise operators and activations."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto
from op_cases.case import Case, bools, floats, integers, scalar

INTEGERS = ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8")
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 3.4e38, 1e-40, 0.5, -2.5, 1.5], np.float32)
SIGNED = np.array([7, -7, 7, -7, 0, 5, -128, 127, 1, -1], np.int64)
DIVISORS = np.array([3, 3, -3, -3, 4, 5, 7, -7, 1, -1], np.int64)


def typed(dtype: str) -> list[Case]:
    low = 0 if dtype.startswith("u") else -9
    a, b = integers(low, 9, 3, 4, dtype=dtype), integers(1, 9, 4, dtype=dtype)
    signed = not dtype.startswith("u")
    arithmetic = 13 if dtype.endswith(("32", "64")) else 14
    cases = [Case(op, (a, b), sizes=(3,), since=arithmetic) for op in ("Add", "Sub", "Mul", "Div")]
    cases += [Case(op, (a, b), sizes=(3,)) for op in ("Max", "Min", "Equal", "Less", "GreaterOrEqual")]
    cases += [Case("Mod", (a, b)), Case("Abs", (a,)), Case("Sign", (a,))]
    cases += [Case("Neg", (a,)), Case("Mod", (a, b), {"fmod": 1})] if signed else []
    cases += [Case("Clip", (a, scalar(1, dtype), scalar(5, dtype))), Case("Clip", (a, None, scalar(5, dtype)))]
    cases += [Case(op, (a, b), since=18) for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")]
    cases += [Case("BitwiseNot", (a,), since=18)]
    if not signed:
        cases += [Case("BitShift", (a, b), {"direction": direction}) for direction in ("LEFT", "RIGHT")]
    return cases


UNARY = (
    "Neg",
    "Abs",
    "Sign",
    "Floor",
    "Ceil",
    "Round",
    "Exp",
    "Tanh",
    "Erf",
    "Sigmoid",
    "Sin",
    "Cos",
    "Relu",
    "Softsign",
    "Softplus",
)
ACTIVATIONS: list[tuple[str, int, dict[str, float]]] = [
    ("LeakyRelu", 13, {}),
    ("LeakyRelu", 13, {"alpha": 0.3}),
    ("Elu", 13, {}),
    ("Elu", 13, {"alpha": 0.3}),
    ("Celu", 13, {"alpha": 0.7}),
    ("Selu", 13, {}),
    ("Selu", 13, {"alpha": 1.5, "gamma": 0.9}),
    ("ThresholdedRelu", 13, {"alpha": 0.4}),
    ("HardSigmoid", 13, {}),
    ("HardSigmoid", 13, {"alpha": 0.5, "beta": 0.3}),
    ("HardSwish", 14, {}),
    ("Shrink", 13, {"bias": 0.2, "lambd": 0.6}),
    ("Shrink", 13, {}),
    ("Mish", 18, {}),
    ("Swish", 24, {}),
    ("Swish", 24, {"alpha": 1.7}),
]

CASES: list[Case] = [case for dtype in INTEGERS for case in typed(dtype)]
CASES += [Case(op, (floats(3, 4),), sizes=(3, 4)) for op in UNARY]
CASES += [Case(op, (np.abs(floats(3, 4)) + np.float32(0.1),)) for op in ("Sqrt", "Log", "Reciprocal")]
CASES += [Case(op, (SPECIAL,)) for op in ("Neg", "Abs", "Floor", "Ceil", "Round", "Sqrt", "Exp", "Log", "Tanh", "Erf", "Sigmoid")]
CASES += [Case(op, (SPECIAL,)) for op in ("Relu", "IsNaN", "IsInf", "Reciprocal")]
CASES += [Case("Tan", (floats(5),), rtol=1e-5), Case("Sign", (SPECIAL[[0, 1, 2, 3, 5, 6]],))]
CASES += [Case(op, (floats(4, 5) * 2,), attrs, since=since, sizes=(4,)) for op, since, attrs in ACTIVATIONS]
CASES += [Case("Gelu", (floats(3, 5),), attrs, since=20) for attrs in ({}, {"approximate": "none"}, {"approximate": "tanh"})]
CASES += [Case("PRelu", (floats(2, 3, 4), floats(3, 1, seed=1)), since=16), Case("PRelu", (floats(2, 3), floats(1, seed=1)))]
CASES += [Case("IsInf", (SPECIAL,), {"detect_positive": p, "detect_negative": n}) for p in (0, 1) for n in (0, 1)]

# Broadcasting, ranks, scalars and empty tensors.
CASES += [
    Case(op, (a, b), sizes=(3, 5))
    for op in ("Add", "Sub", "Mul", "Div")
    for a, b in (
        (floats(2, 3, 5), floats(5, seed=1)),
        (floats(2, 1, 5), floats(3, 1, seed=1)),
        (floats(3, 5), scalar(0.25)),
        (scalar(2.5), floats(3, 5)),
        (floats(0, 5), floats(5, seed=1)),
        (floats(3, 0, 5), floats(3, 1, 1, seed=1)),
        (scalar(1.5), scalar(-2.0)),
        (floats(1), floats(3, 5, seed=1)),
        (floats(3, 5, dtype="float64"), floats(5, dtype="float64", seed=1)),
    )
]
CASES += [Case("Div", (SIGNED, DIVISORS)), Case("Mod", (SIGNED, DIVISORS)), Case("Mod", (SIGNED, DIVISORS), {"fmod": 1})]
CASES += [Case("Mod", (floats(9) * 5, floats(9, seed=1) * 2), since=28, oracle="reference")]
CASES += [Case("Mod", (floats(9) * 5, floats(9, seed=1) * 2), {"fmod": 1})]
CASES += [
    Case("Add", (np.array([2**63 - 1, -(2**63)]), np.array([1, -1]))),
    Case("Mul", (np.array([2**62, 3]), np.array([4, -5]))),
]
CASES += [Case(op, (floats(3, 5), floats(5, seed=1)), sizes=(3,)) for op in ("Less", "LessOrEqual", "Greater", "GreaterOrEqual")]
CASES += [Case(op, (SPECIAL, SPECIAL[::-1].copy())) for op in ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal")]
CASES += [Case(op, (SPECIAL[:, None], SPECIAL)) for op in ("Max", "Min")]
CASES += [Case("Equal", (bools(3, 4), bools(4, seed=1)))]
CASES += [Case(op, (bools(3, 4), bools(4, seed=1)), sizes=(3,)) for op in ("And", "Or", "Xor")]
CASES += [Case("Not", (bools(3, 4),)), Case("Not", (bools(0, 4),))]
CASES += [Case("Pow", (np.abs(floats(3, 4)), floats(4, seed=1)), rtol=1e-5)]
CASES += [Case("Pow", (floats(3, 4), scalar(p))) for p in (0.0, 1.0, 2.0, 3.0)]
CASES += [
    Case("Pow", (floats(3, 4), scalar(p)), fixed=(1,), sizes=(3,), rtol=1e-5) for p in (0.0, 1.0, 2.0, 3.0, 4.0, -1.0, -2.0)
]
CASES += [Case("Pow", (np.abs(floats(3, 4)), scalar(p)), fixed=(1,), rtol=1e-5) for p in (0.5, -0.5, 1.5)]
CASES += [Case("Pow", (integers(-3, 3, 6), scalar(p, "int64"))) for p in (0, 1, 2, 3)]
CASES += [Case("Pow", (floats(6), integers(-2, 3, 6)), rtol=1e-5), Case("Pow", (integers(1, 9, 6), np.abs(floats(6))))]
CASES += [Case("Pow", (integers(1, 9, 6, dtype="int32"), scalar(2.0)), fixed=(1,))]
CASES += [
    Case(op, inputs, sizes=(3,))
    for op in ("Max", "Min", "Sum", "Mean")
    for inputs in ((floats(3, 4),), (floats(3, 4), floats(4, seed=1)), (floats(3, 4), floats(3, 1, seed=1), scalar(0.1)))
]
CASES += [
    Case("Clip", inputs, fixed=fixed)
    for fixed in ((), (1, 2))
    for inputs in (
        (floats(3, 4),),
        (floats(3, 4), scalar(-0.5)),
        (floats(3, 4), scalar(-0.5), scalar(0.5)),
        (floats(3, 4), None, scalar(0.5)),
        (floats(3, 4), scalar(0.5), scalar(-0.5)),
        (floats(0), scalar(0.5), scalar(0.75)),
    )
    if all(n < len(inputs) and inputs[n] is not None for n in fixed)
]
CASES += [
    Case("Where", inputs, sizes=(3,))
    for inputs in (
        (bools(3, 4), floats(3, 4), floats(3, 4, seed=1)),
        (bools(3, 1), floats(4), scalar(0.0)),
        (scalar(True, "bool"), floats(3, 4), floats(4, seed=1)),
        (bools(3, 4), scalar(1, "int64"), scalar(-1, "int64")),
        (bools(3, 4), scalar(1, "int32"), integers(0, 9, 4, dtype="int32")),
        (bools(3, 4), bools(4, seed=1), bools(3, 1, seed=2)),
        (bools(0, 4), floats(0, 4), scalar(0.0)),
    )
]
CASES += [
    Case("Cast", (value.astype(source),), {"to": TensorProto.DataType.Value(target)})
    for source, value in (
        ("float32", np.array([0.0, -0.0, 0.4, 0.6, 1.5, 2.5, 99.99, 100.0])),
        ("float64", np.array([0.0, 0.4, 1.5, 2.5, 99.99])),
        ("int64", np.array([0, 1, 2, 100, 127])),
        ("int32", np.array([0, 1, -1, 100, 127])),
        ("uint8", np.array([0, 1, 255, 128])),
        ("int8", np.array([0, 1, -1, 127])),
        ("bool", np.array([0, 1])),
    )
    for target in ("FLOAT", "DOUBLE", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8", "BOOL")
    if not (source in ("int32", "int8") and target.startswith("UINT"))
]
CASES += [
    Case("Cast", (np.array([-1.5, -0.5, -99.9], np.float32),), {"to": TensorProto.DataType.Value(target)})
    for target in ("INT64", "INT32", "INT16", "INT8", "BOOL", "DOUBLE")
]
CASES += [
    Case("Cast", (np.array([-1, -128, 300, 2**40]),), {"to": TensorProto.DataType.Value(t)})
    for t in ("INT8", "UINT8", "INT32", "UINT64")
]
CASES += [Case("Cast", (np.array([np.nan, np.inf, 0.0], np.float32),), {"to": TensorProto.BOOL})]
CASES += [Case("CastLike", (floats(3, 4) * 5, scalar(0, dtype)), since=15) for dtype in ("int32", "float64", "bool", "float32")]
CASES += [Case("Identity", (floats(3, 4),), sizes=(3,)), Case("Identity", (scalar(3),)), Case("Dropout", (floats(3, 4),))]
CASES += [Case("Dropout", (floats(3, 4), scalar(0.5), scalar(False, "bool")), fixed=(1, 2), outputs=("y", "mask"))]
