"""Scatters."""

from __future__ import annotations

import numpy as np
from op_cases.case import Case, floats, i64, integers

REDUCTIONS = (("none", 13), ("add", 16), ("mul", 16), ("max", 18), ("min", 18))
ROWS = np.array([[2], [0], [-1]])
CELLS = np.array([[0, 1], [3, -1], [1, 1]])
MESH = np.stack(np.meshgrid(np.arange(1, 3), np.arange(2, 5), indexing="ij"), -1)
TURNED = np.stack(np.meshgrid(np.arange(2, 5), np.arange(1, 3), indexing="ij")[::-1], -1)

CASES: list[Case] = [
    Case(
        "ScatterND",
        (floats(4, 5), index, floats(*index.shape[:-1], *(4, 5)[index.shape[-1] :], seed=1)),
        attrs,
        fixed=fixed,
        since=since,
    )
    for index in (ROWS, CELLS, MESH, TURNED, np.zeros((0, 2), np.int64))
    for kind, since in REDUCTIONS
    for attrs in ({"reduction": kind} if kind != "none" else {},)
    for fixed in ((), (1,))
]
CASES += [Case("ScatterND", (floats(4, 5), np.array([[1, 2], [1, 2]]), floats(2, seed=1)), {"reduction": "add"}, since=16)]
CASES += [
    Case("ScatterND", (integers(0, 9, 4, 5), CELLS, integers(0, 9, 3, seed=1))),
    Case("ScatterND", (floats(4), i64(2), np.array(5.0, np.float32))),
]
CASES += [Case("ScatterND", (floats(4, 5), CELLS, floats(3, seed=1)), sizes=(4, 5, 3))]
CASES += [
    Case(
        "ScatterElements",
        (floats(3, 4), np.array(index), floats(*np.shape(index), seed=1)),
        {"axis": axis, **attrs},
        since=since,
        sizes=sizes,
    )
    for kind, since in REDUCTIONS
    for attrs in ({"reduction": kind} if kind != "none" else {},)
    for axis, index, sizes in (
        (0, [[0, 1, 2, 0], [2, -1, 0, 1]] if kind in ("add", "mul", "max", "min") else [[0, 1, 2, 0], [2, 0, 0, 1]], (4,)),
        (1, [[3, 0], [-1, 1], [2, -4]], ()),
        (-1, [[3, 0], [-1, 1]], ()),
    )
]
CASES += [Case("ScatterElements", (integers(0, 9, 5), i64(1, 3), integers(0, 9, 2)), {"axis": 0})]
CASES += [
    Case(
        "TensorScatter",
        (floats(2, 3, 6, 4), floats(2, 3, 2, 4, seed=1), starts),
        attrs,
        since=24,
        sizes=(2, 6),
        oracle="reference",
    )
    for starts, attrs in (
        (i64(1, 4), {}),
        (i64(0, 3), {"mode": "linear"}),
        (i64(5, 2), {"mode": "circular"}),
    )
]
CASES += [Case("TensorScatter", (floats(2, 6, 4), floats(2, 5, 4, seed=1)), {"axis": 1}, since=24, oracle="reference")]
CASES += [Case("Scatter", (floats(3, 4), np.array([[0, 1, 2, 0]]), floats(1, 4, seed=1)), {"axis": 0}, since=9, until=10)]
