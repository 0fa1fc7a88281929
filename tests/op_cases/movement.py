"""Operators that move elements."""

from __future__ import annotations

import numpy as np
from op_cases.case import Case, bools, floats, i64, integers, scalar

CASES: list[Case] = []
for source, target, zero in (
    ((2, 3, 4), (6, 4), 0),
    ((2, 3, 4), (-1, 4), 0),
    ((2, 3, 4), (0, -1), 0),
    ((2, 3, 4), (0, 0, 2, 2), 0),
    ((2, 3, 4), (4, 3, 2), 0),
    ((2, 3, 4), (24,), 1),
    ((2, 3, 4), (1, 2, 1, 12, 1), 0),
    ((0, 3), (3, 0), 1),
    ((0, 3), (0, 3), 0),
    ((1,), (), 0),
    ((), (1, 1), 0),
):
    CASES.append(
        Case(
            "Reshape", (floats(*source), i64(*target)), {"allowzero": zero} if zero else {}, fixed=(1,), since=14 if zero else 13
        )
    )
CASES += [
    Case("Reshape", (floats(2, 3, 4), i64(*target)), fixed=(1,), sizes=sizes)
    for target, sizes in (((-1, 4), (2, 3)), ((0, -1), (2,)), ((0, 0, 2, 2), (2, 3)), ((-1, 12), (2,)), ((0, 2, -1), (2, 3)))
    if 2 not in target or 2 not in sizes
]
CASES += [Case("Flatten", (floats(2, 3, 4, 5),), {"axis": a}, sizes=(2, 3)) for a in (0, 1, 2, 4, -1, -3)] + [
    Case("Flatten", (floats(2, 3, 4),))
]
CASES += [
    Case("Squeeze", (floats(1, 3, 1, 5), axes), fixed=(1,), sizes=(3,)) for axes in (i64(0), i64(0, 2), i64(-2), i64(-4, 2))
]
CASES += [Case("Squeeze", (floats(1, 3, 1, 5),)), Case("Squeeze", (floats(1, 1),)), Case("Squeeze", (floats(3, 5),))]
CASES += [
    Case("Unsqueeze", (floats(3, 5), axes), fixed=(1,), sizes=(3,)) for axes in (i64(0), i64(1, 3), i64(-1), i64(-1, 0), i64(2))
]
CASES += [Case("Unsqueeze", (scalar(2.0), i64(0)), fixed=(1,))]
CASES += [
    Case("Transpose", (floats(2, 3, 4),), attrs, sizes=(2, 3))
    for attrs in ({}, {"perm": [1, 0, 2]}, {"perm": [2, 0, 1]}, {"perm": [0, 1, 2]})
]
CASES += [
    *(
        Case("Transpose", (floats(*shape),), sizes=shape if max(shape) < 64 else ())
        for shape in ((35, 19), (70, 3), (3, 70), (130, 67))
    ),
    *(Case("Transpose", (integers(0, 99, 5, 20, 33, dtype=d),), {"perm": [1, 2, 0]}) for d in ("int8", "int16", "int64")),
    Case("Transpose", (floats(0, 3),)),
    Case("Transpose", (integers(0, 9, 3, 4, dtype="int8"),)),
    Case("Transpose", (scalar(1.0),)),
]
CASES += [
    Case("Expand", (floats(*source), i64(*target)), fixed=(1,), sizes=sizes)
    for source, target, sizes in (
        ((3, 1), (2, 1, 4), (3,)),
        ((3, 1), (2, 3, 4), ()),
        ((3, 4), (1, 1), (3,)),
        ((1, 4), (3, 1), ()),
        ((3, 1), (0, 3, 1), ()),
        ((), (2, 3), ()),
        ((3, 4), (3, 4), ()),
        ((2, 1, 5), (1, 7, 1), (2,)),
    )
]
CASES += [Case("Tile", (floats(2, 3), i64(*r)), fixed=(1,), sizes=(3,)) for r in ((1, 2), (3, 1), (2, 2), (1, 1), (0, 2))]
CASES += [Case("Tile", (bools(2, 3, 1), i64(1, 2, 3)), fixed=(1,))]
CASES += [
    Case("Concat", tuple(floats(*s, seed=n) for n, s in enumerate(shapes)), {"axis": axis}, sizes=(3,))
    for shapes, axis in (
        (((2, 3), (4, 3)), 0),
        (((3, 2), (3, 4), (3, 1)), 1),
        (((3, 2, 5), (3, 4, 5)), -2),
        (((2, 3),), 0),
        (((0, 3), (2, 3)), 0),
        (((3, 2), (3, 0)), 1),
        (((2,), (3,), (4,)), 0),
    )
]
CASES += [
    Case("Concat", (integers(0, 9, 2, 2), integers(0, 9, 2, 3)), {"axis": 1}),
    Case("Concat", (bools(2), bools(3)), {"axis": 0}),
]

BIG = 2**63 - 1
SLICES = (
    ((0,), (3,), None, None),
    ((1,), (BIG,), (1,), None),
    ((-3,), (-1,), (1,), (1,)),
    ((0, 2), (4, 5), (0, 1), (2, 2)),
    ((-1,), (-BIG,), (0,), (-1,)),
    ((-1,), (-100,), (1,), (-2,)),
    ((4,), (0,), (0,), (-2,)),
    ((100,), (0,), (0,), (-1,)),
    ((3,), (1,), (0,), (1,)),
    ((100,), (200,), (0,), (1,)),
    ((-100,), (2,), (-1,), (1,)),
    ((1, 1), (-1, -1), (-1, -2), (3, 2)),
    ((0,), (0,), (1,), (1,)),
    ((2,), (2**31 - 1,), (0,), (1,)),
)
for starts, ends, axes, steps in SLICES:
    parts: list[np.ndarray | None] = [floats(6, 7), i64(*starts), i64(*ends)]
    if axes is not None:
        parts.append(i64(*axes))
    if steps is not None:
        parts.append(i64(*steps))
    CASES.append(Case("Slice", tuple(parts), fixed=(1, 2, 3, 4)[: len(parts) - 1]))
CASES += [
    Case("Slice", (floats(6, 7), i64(s), i64(e), i64(0), i64(step)), fixed=(1, 2, 3, 4), sizes=(6,))
    for s, e, step in (
        (0, 3, 1),
        (1, BIG, 1),
        (-1, BIG, 1),
        (0, -1, 1),
        (0, BIG, 2),
        (1, BIG, 3),
        (-1, -BIG, -1),
        (-2, -BIG, -2),
        (2, 4, 1),
    )
]
CASES += [Case("Slice", (floats(6, 7), *(v.astype(np.int32) for v in (i64(1), i64(5), i64(1)))), fixed=(1, 2, 3))]

CASES += [Case("Split", (floats(6, 4), i64(1, 2, 3)), {"axis": 0}, fixed=(1,), outputs=("a", "b", "c"))]
CASES += [Case("Split", (floats(3, 6), i64(2, 4)), {"axis": -1}, fixed=(1,), outputs=("a", "b"), sizes=(3,))]
CASES += [
    Case("Split", (floats(6, 4),), outputs=("a", "b"), until=17),
    Case("Split", (floats(3, 6),), {"axis": 1}, outputs=("a", "b", "c"), until=17, sizes=(3,)),
]
CASES += [Case("Split", (floats(7, 2),), {"num_outputs": 3}, outputs=("a", "b", "c"), since=18)]
CASES += [Case("Split", (floats(6, 2),), {"num_outputs": 2}, outputs=("a", "b"), since=18)]

CASES += [
    Case("Gather", (floats(4, 5), index), {"axis": axis}, sizes=(5,) if axis == 0 else (4,))
    for axis in (0, 1, -1)
    for index in (
        i64(0, 3, 1),
        i64(-1, -4, 2),
        np.array([[0, 1], [3, -2]]),
        scalar(2, "int64"),
        scalar(-1, "int32"),
        np.zeros(0, np.int64),
    )
]
CASES += [Case("Gather", (floats(4, 5), i64(0, -1)), fixed=(1,), sizes=(4,)), Case("Gather", (bools(4, 5), i64(1)), {"axis": 1})]
CASES += [Case("Gather", (integers(0, 9, 12), integers(-12, 11, 3, 4)), fixed=(0,))]
CASES += [
    Case("GatherElements", (floats(3, 4), integers(-s, s - 1, *shape)), {"axis": axis})
    for axis, s, shape in ((0, 3, (3, 4)), (1, 4, (3, 4)), (-1, 4, (3, 2)), (0, 3, (2, 4)), (1, 4, (3, 7)), (0, 3, (0, 4)))
]
CASES += [
    Case("GatherND", (floats(2, 3, 4), index), {"batch_dims": batch})
    for batch, index in (
        (0, np.array([[0, 1], [1, 2], [-1, -3]])),
        (0, np.array([[[1]], [[0]]])),
        (0, np.array([1, 2, 3])),
        (1, np.array([[1], [-1]])),
        (1, np.array([[[1, 0], [0, 3]], [[2, 1], [-1, -1]]])),
        (2, integers(0, 3, 2, 3, 1)),
    )
]
CASES += [Case("GatherND", (floats(2, 3, 4), np.array([[0, 1], [1, 2]])), sizes=(2, 3), fixed=(1,))]

PADS = ((1, 2, 0, 3), (0, 0, 0, 0), (-1, 0, 2, -2), (0, 1, 0, 0))
CASES += [Case("Pad", (floats(4, 5), i64(*p)), fixed=(1,), sizes=(4,)) for p in PADS]
CASES += [Case("Pad", (floats(4, 5), i64(*p), scalar(7.5)), fixed=(1,)) for p in PADS]
CASES += [
    Case("Pad", (floats(4, 5), i64(*p)), {"mode": mode}, fixed=(1,), sizes=(4,))
    for p in PADS[:1] + PADS[3:]
    for mode in ("reflect", "edge")
]
CASES += [
    Case("Pad", (floats(4, 5), i64(3, 0, 3, 0)), {"mode": "reflect"}, fixed=(1,)),
    Case("Pad", (floats(4, 5), i64(9, 0, 9, 0)), {"mode": "edge"}, fixed=(1,)),
]
CASES += [Case("Pad", (floats(4, 5), i64(*p)), {"mode": "wrap"}, fixed=(1,), since=19) for p in ((1, 2, 3, 0), (0, 0, 0, 4))]
CASES += [Case("Pad", (floats(4, 5), i64(2, 1), scalar(1.0), i64(-1)), fixed=(1, 3), since=18)]
CASES += [
    Case("Pad", (integers(0, 9, 2, 3), i64(0, 1, 1, 0), scalar(-1, "int64")), fixed=(1, 2)),
    Case("Pad", (floats(0, 3), i64(1, 0, 1, 0)), fixed=(1,)),
]

CASES += [
    Case("DepthToSpace", (floats(1, 8, 2, 3),), {"blocksize": 2, **mode}, sizes=(3,))
    for mode in ({}, {"mode": "DCR"}, {"mode": "CRD"})
]
CASES += [Case("SpaceToDepth", (floats(1, 2, 4, 6),), {"blocksize": 2}, sizes=(1,))]
CASES += [Case("SpaceToDepth", (floats(1, 2, 4, 6),), {"blocksize": 2, "mode": mode}, since=28) for mode in ("DCR", "CRD")]
CASES += [Case("Trilu", (floats(4, 5),), attrs, since=14, sizes=(4, 5)) for attrs in ({}, {"upper": 0}, {"upper": 1})]
CASES += [
    Case("Trilu", (floats(2, 4, 3), scalar(k, "int64")), {"upper": u}, fixed=(1,), since=14, sizes=(4,))
    for k in (-2, -1, 1, 7)
    for u in (0, 1)
]
CASES += [
    Case("Trilu", (integers(1, 9, 3, 3),), since=14),
    Case("Trilu", (bools(3, 3),), since=14),
    Case("Trilu", (floats(0, 3),), since=14),
]
CASES += [
    Case("ReverseSequence", (floats(4, 3), i64(4, 2, 1)), sizes=(3,)),
    Case("ReverseSequence", (floats(3, 4, 2), i64(4, 2, 0)), {"batch_axis": 0, "time_axis": 1}),
]
