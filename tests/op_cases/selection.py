"""Operators that sort and select, and operators whose axes and ends come from data."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto
from op_cases.case import Case, bools, floats, i64, integers, scalar

REDUCTIONS = ("Sum", "Mean", "Max", "Min", "Prod", "SumSquare", "L1", "L2", "LogSumExp")

ties = integers(-3, 3, 4, 7, dtype="float32")
special = np.array([[np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e30, 2.5]], np.float32)

CASES: list[Case] = [
    Case("TopK", (x, i64(k)), {"axis": axis, "largest": largest}, (1,), (7,), ("y", "z"))
    for x in (floats(4, 7), ties, special, integers(-9, 9, 4, 7), floats(2, 7, 3, dtype="float64"))
    for axis, k in ((1, 3), (-1, 1), (0, 1))
    for largest in (0, 1)
    if x.dtype != np.int8
]
CASES += [
    Case("TopK", (floats(4, 7), i64(3)), {"axis": 1}, (), (7,), ("y", "z")),
    Case("TopK", (floats(1, 3000), i64(3000)), {}, (1,), (), ("y", "z")),
    Case(
        "TopK",
        (integers(0, 255, 3, 40, dtype="uint8"), i64(7)),
        {},
        (1,),
        (),
        ("y", "z"),
        oracle="reference",
        why="ORT lacks uint8",
    ),
]
CASES += [
    Case("Unique", (x,), attrs, (), sizes, ("y", "i", "j", "c"), since=11, until=27)
    for x, sizes in ((integers(-3, 3, 40), (40,)), (ties, (7,)), (integers(0, 1, 6, 5, 2), (6, 5)), (np.zeros(0, np.int64), ()))
    for axis in (None, *range(x.ndim))
    for order in (0, 1)
    for attrs in ({"sorted": order, **({} if axis is None else {"axis": axis})},)
    if x.size or axis is None
]

corners = np.abs(floats(2, 30, 4)) * 0.3
boxes = np.concatenate([corners[..., :2], corners[..., :2] + np.abs(floats(2, 30, 2, seed=1)) + 0.1], -1).astype(np.float32)
scores = np.random.default_rng(5).random((2, 3, 30)).astype(np.float32)
CASES += [
    Case("NonMaxSuppression", (boxes, scores, i64(most), *limits), {"center_point_box": centre}, (2, 3, 4), (30,), since=11)
    for most, *limits in ((5, np.float32([0.4])), (30, np.float32([0.5]), np.float32([0.3])), (2,), (0, np.float32([0.4])))
    for centre in (0, 1)
]
CASES += [Case("NonMaxSuppression", (boxes, scores, i64(4), np.float32([0.3])), {}, (3,), since=11)]
CASES += [
    Case("NonZero", (x,), sizes=sizes) for x, sizes in ((bools(3, 5), (3, 5)), (integers(-1, 1, 40), (40,)), (floats(0, 2), ()))
]
CASES += [
    Case("Compress", (floats(4, 5), bools(4)), {"axis": 0}, sizes=(4, 5)),
    Case("Compress", (floats(4, 5), bools(3)), {"axis": -1}),
    Case("Compress", (floats(4, 5), bools(20))),
]

# axes and ends from data
CASES += [
    Case(f"Reduce{kind}", (floats(3, 4, 5), i64(*axes)), {"keepdims": keep}, sizes=(4, 5), since=18, rtol=4e-6)
    for kind in REDUCTIONS
    for axes, keep in (((1,), 1), ((0, -1), 0), ((-3, 1, 2), 1))
]
CASES += [
    Case(op, (x, scalar(axis, "int64")), {"exclusive": exclusive, "reverse": reverse}, fixed, (4, 5), since=14)
    for op in ("CumSum",)
    for x in (floats(3, 4, 5), integers(-9, 9, 3, 4, 5), floats(70))
    for axis in range(-1, x.ndim - 1)
    for fixed in ((), (1,))
    for exclusive in (0, 1)
    for reverse in (0, 1)
]
CASES += [
    Case("Slice", (floats(5, 6, 7), i64(*starts), i64(*ends), i64(*axes), i64(*steps)), {}, fixed)
    for starts, ends, axes, steps in (
        ((1, -3), (4, 100), (0, 2), (1, 1)),
        ((-1, 5), (-100, 0), (-2, 0), (-1, -2)),
        ((2, 0), (1, 6), (0, 1), (1, 4)),
    )
    for fixed in ((), (3,), (3, 4))
]
CASES += [
    Case("Unsqueeze", (floats(3, 4), i64(0, -1)), {}),
    Case("Squeeze", (floats(1, 3, 1, 4), i64(0, -2)), {}),
    Case("Trilu", (floats(3, 4), scalar(1, "int64")), {"upper": 0}, since=14, sizes=(3, 4)),
    Case("BitCast", (floats(3, 4),), {"to": TensorProto.INT32}, since=26, oracle="reference", why="ORT lacks the operator"),
    Case(
        "BitCast",
        (integers(0, 2**31, 3, dtype="uint32"),),
        {"to": TensorProto.FLOAT},
        since=26,
        oracle="reference",
        why="likewise",
    ),
]
CASES += [
    Case(op, (np.random.default_rng(3).uniform(low, high, 50).astype(dtype),), {}, sizes=(50,), since=9)
    for op, low, high in (
        ("Asin", -1, 1), ("Acos", -1, 1), ("Atan", -9, 9), ("Sinh", -3, 3), ("Cosh", -3, 3), ("Asinh", -9, 9), ("Acosh", 1, 9),
        ("Atanh", -0.99, 0.99),
    )
    for dtype in ("float32", "float64")
]  # fmt: skip
