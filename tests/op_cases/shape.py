"""Operators that deal in shapes and constants."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, numpy_helper
from op_cases.case import Case, floats, i64, integers, scalar

CASES: list[Case] = [
    Case("Shape", (floats(2, 3, 4),), sizes=(2, 3)),
    Case("Shape", (scalar(1.0),)),
    Case("Shape", (floats(0, 2),)),
]
CASES += [
    Case("Shape", (floats(2, 3, 4),), {k: v for k, v in (("start", s), ("end", e)) if v is not None}, since=15, sizes=(2, 3))
    for s, e in ((1, None), (-1, None), (0, -1), (-2, 3), (1, 2), (2, 1), (-9, 9), (None, -2))
]
CASES += [Case("Size", (floats(2, 3, 4),), sizes=(2, 3)), Case("Size", (floats(0, 3),)), Case("Size", (scalar(1.0),))]
CASES += [
    Case("ConstantOfShape", (i64(*shape),), attrs, fixed=(0,))
    for shape in ((2, 3), (0, 2), (), (40, 50))
    for attrs in (
        {},
        {"value": numpy_helper.from_array(np.array([7], np.int64))},
        {"value": numpy_helper.from_array(np.array([True]))},
        {"value": numpy_helper.from_array(np.array([-np.inf], np.float32))},
    )
]
CASES += [
    Case("Constant", (), attrs)
    for attrs in (
        {"value": numpy_helper.from_array(floats(2, 3))},
        {"value": numpy_helper.from_array(np.array(2, np.int32))},
        {"value_float": 0.1},
        {"value_floats": [0.1, -2.5]},
        {"value_int": -3},
        {"value_ints": [1, 2, 2**40]},
        {"value": numpy_helper.from_array(np.zeros((0, 2), np.float32))},
    )
]
CASES += [
    Case("Range", tuple(scalar(v, dtype) for v in ends), fixed=(0, 1, 2))
    for dtype in ("int64", "int32")
    for ends in ((0, 5, 1), (2, 11, 3), (10, 0, -3), (5, 5, 1), (5, 0, 1), (0, 6, 2))
]
CASES += [
    Case("Range", tuple(map(scalar, ends)), fixed=(0, 1, 2))
    for ends in ((0.0, 1.0, 0.25), (1.0, -1.0, -0.3), (0.5, 0.5, 1.0), (0, 2, 0.1))
]
CASES += [
    Case("EyeLike", (floats(3, 4),), attrs, sizes=(3,))
    for attrs in ({}, {"k": 1}, {"k": -2}, {"dtype": TensorProto.INT32}, {"k": 9})
]
CASES += [
    Case("OneHot", (index, scalar(depth, "int64"), values), {"axis": axis}, fixed=(1,), sizes=(3,))
    for axis in (-1, 0, 1)
    for index, depth, values in (
        (i64(0, 2, 4), 5, np.array([0.0, 1.0], np.float32)),
        (np.array([[-1, 7, 3], [0, -5, -6]]), 5, np.array([-1.0, 2.0], np.float32)),
        (integers(0, 3, 2, 3, dtype="int32"), 4, np.array([0, 1], np.int64)),
    )
]
CASES += [
    Case("OneHot", (np.array([1.0, 0.0, 3.0], np.float32), scalar(4, "int64"), np.array([2.0, 3.0], np.float32)), fixed=(1,))
]
