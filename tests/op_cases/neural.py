"""Matrix products and normalisation."""

from __future__ import annotations

import numpy as np
from op_cases.case import Case, floats, integers, scalar

CASES: list[Case] = [
    Case("MatMul", (floats(*a), floats(*b, seed=1)), sizes=(2, 5), rtol=4e-6)
    for a, b in (
        ((3, 4), (4, 5)),
        ((2, 3, 4), (4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (5, 4, 6)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((4,), (4,)),
        ((2, 3, 4), (4,)),
        ((4,), (2, 4, 5)),
        ((0, 4), (4, 5)),
        ((3, 0), (0, 5)),
        ((1, 1), (1, 5)),
    )
]
CASES += [Case("MatMul", (integers(-5, 5, 3, 4, dtype=d), integers(-5, 5, 4, 2, dtype=d))) for d in ("int64", "int32")]
CASES += [Case("MatMul", (floats(3, 4, dtype="float64"), floats(4, 2, dtype="float64")))]
GEMM = {(0, 0): ((3, 4), (4, 5)), (1, 0): ((4, 3), (4, 5)), (0, 1): ((3, 4), (5, 4)), (1, 1): ((4, 3), (5, 4))}
CASES += [
    Case(
        "Gemm",
        (floats(*a), floats(*b, seed=1), floats(*c, seed=2)),
        {"transA": ta, "transB": tb, "alpha": 0.5, "beta": 1.5},
        sizes=(3,),
    )
    for (ta, tb), (a, b) in GEMM.items()
    for c in ((5,), (3, 5), (3, 1), (1, 5), (1,), ())
]
CASES += [Case("Gemm", (floats(3, 4), floats(4, 5, seed=1)), attrs, sizes=(3,)) for attrs in ({}, {"alpha": 2.0}, {"beta": 0.0})]
CASES += [Case("Gemm", (floats(3, 4), floats(4, 5, seed=1), floats(5, seed=2)), {"beta": 0.0}, fixed=(1, 2))]
CASES += [Case("Gemm", (floats(0, 4), floats(4, 5, seed=1), floats(5, seed=2)))]

for axis, shape in ((-1, (5,)), (2, (5,)), (1, (4, 5)), (0, (3, 4, 5)), (-2, (4, 5))):
    for operands in ((floats(*shape, seed=1), floats(*shape, seed=2)), (floats(*shape, seed=1),)):
        CASES.append(Case("LayerNormalization", (floats(3, 4, 5), *operands), {"axis": axis}, since=17, sizes=(3,), rtol=4e-6))
CASES += [Case("LayerNormalization", (floats(3, 5), floats(5), floats(5, seed=1)), {"epsilon": 0.1}, since=17)]
CASES += [
    Case(
        "LayerNormalization",
        (floats(3, 5), floats(5), floats(5, seed=1)),
        {"epsilon": 0.01},
        outputs=outputs,
        since=17,
        rtol=4e-6,
    )
    for outputs in (("y", "mean"), ("y", "mean", "deviation"), ("y", "", "deviation"))
]
CASES += [
    Case(
        "RMSNormalization",
        (floats(3, 4, 5), floats(*shape, seed=1)),
        {"axis": axis, "epsilon": 1e-3},
        since=23,
        sizes=(3,),
        rtol=4e-6,
    )
    for axis, shape in ((-1, (5,)), (1, (4, 5)))
]
CASES += [
    Case(
        "InstanceNormalization",
        (floats(*s) + 1, floats(s[1], seed=1), floats(s[1], seed=2)),
        a,
        fixed=(1, 2),
        sizes=(5,),
        rtol=1e-5,
    )
    for s in ((2, 3, 5), (2, 3, 4, 5))
    for a in ({}, {"epsilon": 0.1})
]
CASES += [
    Case(
        "BatchNormalization",
        (floats(*s), *(floats(3, seed=n) for n in (1, 2, 3)), np.abs(floats(3, seed=4)) + 1),
        a,
        sizes=(5,),
        rtol=4e-6,
    )
    for s in ((2, 3), (2, 3, 5), (2, 3, 4, 5))
    for a in ({}, {"epsilon": 0.1})
]
CASES += [
    Case(
        "GroupNormalization",
        (floats(2, 6, 4, 5), floats(count, seed=1), floats(count, seed=2)),
        {"num_groups": groups},
        rtol=1e-5,
        **when,
    )
    for groups in (1, 2, 3, 6)
    for count, when in ((groups, {"since": 18, "until": 20, "oracle": "reference"}), (6, {"since": 21}))
]
CASES += [
    Case(
        "GroupNormalization",
        (floats(2, 6, 5), floats(6, seed=1), floats(6, seed=2)),
        {"num_groups": 2, "epsilon": 0.1},
        since=21,
        sizes=(5,),
        rtol=1e-5,
    )
]
CASES += [Case("MeanVarianceNormalization", (floats(2, 3, 4, 5),), attrs, rtol=1e-5) for attrs in ({}, {"axes": [1, 2]})]
CASES += [
    Case("Einsum", tuple(floats(*s, seed=n) for n, s in enumerate(shapes)), {"equation": equation}, sizes=(2,), rtol=4e-6)
    for equation, shapes in (
        ("ij,jk->ik", ((2, 3), (3, 4))),
        ("ij,jk", ((2, 3), (3, 4))),
        ("bhid,bhjd->bhij", ((2, 3, 4, 5), (2, 3, 6, 5))),
        ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5))),
        ("ij->ji", ((2, 3),)),
        ("ij->", ((2, 3),)),
        ("ii->i", ((3, 3),)),
        ("i,j->ij", ((2,), (3,))),
        ("...ij,...jk->...ik", ((2, 3, 4), (2, 4, 5))),
        ("...ij,jk->...ik", ((2, 3, 4), (4, 5))),
        ("a b , b c -> a c", ((2, 3), (3, 4))),
        ("ij,kj,lj->ikl", ((2, 3), (4, 3), (5, 3))),
        ("bsi,bdi->bsd", ((2, 3, 4), (2, 5, 4))),
    )
]
CASES += [Case("Einsum", (integers(-5, 5, 2, 3), integers(-5, 5, 3, 2)), {"equation": "ij,jk->ik"}, oracle="reference")]
CASES += [Case("Mean", (scalar(1.0), floats(3, 4)))]
