"""Reductions, softmax, running sums and arg-extremes."""

from __future__ import annotations

import numpy as np
from op_cases.case import Case, bools, floats, i64, integers, scalar

REDUCTIONS = (
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceSumSquare",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSumExp",
)
CASES: list[Case] = []
for op in (*REDUCTIONS, "ReduceLogSum"):
    x = np.abs(floats(3, 4, 5)) if op == "ReduceLogSum" else floats(3, 4, 5)
    change = 13 if op == "ReduceSum" else 18
    for axes in ((1,), (0, 2), (-1,), (-3, 1)):
        for keep in (0, 1):
            CASES.append(Case(op, (x, i64(*axes)), {"keepdims": keep}, fixed=(1,), since=change, sizes=(3, 5)))
            if change > 13:
                CASES.append(Case(op, (x,), {"keepdims": keep, "axes": list(axes)}, until=change - 1, sizes=(3, 5)))
    CASES += [Case(op, (x,)), Case(op, (x,), {"keepdims": 0}), Case(op, (scalar(0.5),), {"keepdims": 0}, until=20)]
    CASES.append(Case(op, (x, i64()), {"noop_with_empty_axes": 0}, fixed=(1,), since=change))
    if op in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"):
        CASES.append(Case(op, (integers(-5, 5, 3, 4), i64(1)), fixed=(1,), since=change))
        CASES.append(Case(op, (integers(-5, 5, 3, 4, dtype="int32"), i64(0)), {"keepdims": 0}, fixed=(1,), since=change))
        CASES.append(Case(op, (floats(3, 4, dtype="float64"), i64(0)), fixed=(1,), since=change))
CASES += [
    Case("ReduceSum", (floats(3, 4), i64()), {"noop_with_empty_axes": 1}, fixed=(1,)),
    Case("ReduceSum", (floats(3, 4),), {"noop_with_empty_axes": 1}),
]
CASES += [Case("ReduceMean", (floats(3, 4), i64()), {"noop_with_empty_axes": 1}, fixed=(1,), since=18)]
CASES += [Case("ReduceMean", (integers(-9, 9, 3, 4, dtype="int32"), i64(1)), fixed=(1,), since=18)]
CASES += [Case(op, (bools(3, 4), i64(1)), fixed=(1,), since=20, oracle="reference") for op in ("ReduceMax", "ReduceMin")]
CASES += [Case(op, (integers(-5, 5, 3, 4, dtype="int8"), i64(1)), fixed=(1,), since=18) for op in ("ReduceMax", "ReduceMin")]
CASES += [
    Case(op, (floats(2, 0, 3), i64(1)), {"keepdims": keep}, fixed=(1,), since=20, oracle="reference")
    for op in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceSumSquare", "ReduceLogSum")
    for keep in (0, 1)
]
CASES += [Case("ReduceSum", (floats(0, 3), i64(1)), fixed=(1,)), Case("ReduceSum", (floats(0, 3), i64(0)), fixed=(1,))]
CASES += [Case("ReduceLogSumExp", (np.array([[1000.0, 1001.0], [-1000.0, -np.inf]], np.float32), i64(1)), fixed=(1,), since=18)]
CASES += [
    Case(
        op,
        (np.array([[1, np.nan, 3], [np.inf, -np.inf, 0]], np.float32), i64(1)),
        fixed=(1,),
        since=18,
        oracle="reference",
        why="onnxruntime loses a NaN",
    )
    for op in ("ReduceMax", "ReduceMin")
]

for op in ("Softmax", "LogSoftmax"):
    CASES += [Case(op, (floats(2, 3, 4),), {"axis": a}, sizes=(2, 3)) for a in (0, 1, 2, -1, -2)]
    CASES += [
        Case(op, (floats(2, 3, 4),)),
        Case(op, (floats(2, 5, dtype="float64"),)),
        Case(op, (floats(0, 3),)),
        Case(op, (floats(2, 1),)),
    ]
    CASES += [Case(op, (np.array([[100.0, 0.0, -100.0], [1e4, 1e4, -1e4]], np.float32),))]
    CASES += [Case(op, (floats(2, 3, 4),), {"axis": a}, since=11, until=12, sizes=(2, 3)) for a in (0, 1, 2, -1)]
CASES += [Case("Softmax", (np.array([[0.0, -np.inf, 1.0]], np.float32),))]
CASES += [Case("Hardmax", (np.array([[1, 3, 3, 2], [5, 0, 5, 1]], np.float32),), {"axis": a}) for a in (0, 1, -1)]

for op, since, dtypes in (("CumSum", 14, ("float32", "int64", "int32")), ("CumProd", 26, ("float32",))):
    for dtype in dtypes:
        x = floats(3, 4) if dtype == "float32" else integers(-5, 5, 3, 4, dtype=dtype)
        for axis in (scalar(0, "int64"), scalar(1, "int32"), i64(-1)):
            for attrs in ({}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}):
                oracle = "reference" if axis.ndim or op == "CumProd" else "onnxruntime"
                CASES.append(
                    Case(
                        op,
                        (x, axis),
                        attrs,
                        fixed=(1,),
                        since=since,
                        sizes=(3, 4),
                        oracle=oracle if axis.ndim == 0 else "onnxruntime",
                    )
                )
CASES += [Case("CumSum", (floats(0, 3), scalar(0, "int64")), fixed=(1,))]

TIES = np.array([[1, 3, 3], [2, 2, 1], [0, 0, 0]], np.float32)
for op in ("ArgMax", "ArgMin"):
    CASES += [
        Case(op, (TIES,), {"axis": a, "keepdims": k, "select_last_index": last})
        for a in (0, 1, -1)
        for k in (0, 1)
        for last in (0, 1)
    ]
    CASES += [Case(op, (floats(3, 4, 5),), {"axis": a}, sizes=(3, 4)) for a in (0, 1, 2)] + [Case(op, (floats(3, 4),))]
    CASES += [Case(op, (integers(-9, 9, 3, 4, dtype=d),), {"axis": 1}) for d in ("int32", "int64", "int8", "uint8")]
CASES += [Case("LpNormalization", (floats(3, 4),), attrs) for attrs in ({}, {"p": 1}, {"axis": 0}, {"axis": 0, "p": 1})]
CASES += [Case("LpNormalization", (np.array([[0, 0], [3, 4]], np.float32),), {"axis": 1})]

# Columns of a band and what is left over of sixteen, in one band and in two.
for columns in (35, 530):
    x, sizes = floats(2, 11, columns), (11, columns) if columns < 64 else ()
    CASES += [Case(op, (x, i64(1)), {"keepdims": 0}, fixed=(1,), since=18, sizes=sizes) for op in REDUCTIONS]
    CASES += [Case(op, (x,), {"axis": 1}, sizes=sizes) for op in ("Softmax", "LogSoftmax", "ArgMax", "ArgMin")]
    CASES += [Case("CumSum", (x, scalar(1, "int64")), attrs, fixed=(1,)) for attrs in ({}, {"exclusive": 1}, {"reverse": 1})]
    CASES += [
        Case(op, (integers(-5, 5, 11, columns, dtype=dtype), i64(0)), fixed=(1,), since=18)
        for op, dtype in (("ReduceSum", "int64"), ("ReduceMax", "int32"), ("ReduceProd", "int32"), ("ReduceMean", "int32"))
    ]
    CASES += [
        Case("CumSum", (integers(-5, 5, 11, columns, dtype="int64"), scalar(0, "int64")), fixed=(1,)),
        Case("ReduceSum", (floats(11, columns, dtype="float64"), i64(0)), fixed=(1,), since=18),
    ]
