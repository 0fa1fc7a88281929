"""Convolution and pooling."""

from __future__ import annotations

from op_cases.case import Case, floats, integers

CASES: list[Case] = [
    Case("Conv", (floats(*x), floats(*w, seed=1), *((floats(w[0], seed=2),) if bias else ())), attrs, sizes=(5, 7), rtol=1e-5)
    for bias in (False, True)
    for x, w, attrs in (
        ((2, 3, 5, 7), (4, 3, 3, 3), {}),
        ((2, 3, 5, 7), (4, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
        ((2, 3, 5, 7), (4, 3, 3, 2), {"strides": [2, 3], "pads": [0, 1, 2, 0]}),
        ((2, 3, 5, 7), (4, 3, 2, 3), {"dilations": [2, 2], "pads": [1, 2, 1, 2]}),
        ((2, 4, 5, 7), (6, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
        ((2, 4, 5, 7), (4, 1, 3, 3), {"group": 4}),
        ((2, 3, 7), (4, 3, 3), {"strides": [2], "pads": [1, 1]}),
        ((1, 2, 4, 5, 3), (3, 2, 2, 2, 2), {}),
        ((2, 3, 5, 7), (4, 3, 1, 1), {"kernel_shape": [1, 1]}),
        ((2, 3, 5, 7), (4, 3, 3, 3), {"auto_pad": "SAME_UPPER"}),
        ((2, 3, 5, 7), (4, 3, 2, 2), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        ((2, 3, 5, 7), (4, 3, 2, 2), {"auto_pad": "SAME_LOWER", "strides": [2, 1]}),
        ((2, 3, 5, 7), (4, 3, 3, 3), {"auto_pad": "VALID"}),
        ((1, 3, 8, 8), (4, 3, 4, 4), {"strides": [4, 4]}),
        ((0, 3, 5, 5), (4, 3, 3, 3), {}),
    )
]
CASES += [
    Case(
        "ConvTranspose",
        (floats(*x), floats(*w, seed=1), floats(w[1] * attrs.get("group", 1), seed=2)),
        attrs,
        fixed=(1,),
        sizes=(3,),
        rtol=1e-5,
    )
    for x, w, attrs in (
        ((1, 2, 3, 4), (2, 5, 3, 3), {}),
        ((1, 2, 3, 4), (2, 5, 3, 3), {"strides": [2, 2]}),
        ((1, 2, 3, 4), (2, 5, 3, 3), {"strides": [2, 3], "pads": [1, 0, 1, 2], "output_padding": [1, 1]}),
        ((1, 2, 3, 4), (2, 5, 2, 2), {"dilations": [2, 1]}),
        ((1, 4, 3, 4), (4, 3, 3, 3), {"group": 2, "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ((1, 2, 3, 4), (2, 5, 3, 3), {"strides": [2, 2], "output_shape": [7, 9]}),
        ((1, 2, 3, 4), (2, 5, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ((1, 2, 3, 4), (2, 5, 3, 3), {"strides": [2, 2], "output_shape": [6, 10]}),
        ((1, 2, 3, 4), (2, 5, 3, 3), {"strides": [2, 2], "output_shape": [5, 6]}),
        ((1, 2, 3, 4), (2, 5, 3, 3), {"strides": [2, 2], "output_shape": [5, 6], "auto_pad": "SAME_UPPER"}),
        ((1, 2, 3, 4), (2, 5, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
        ((1, 2, 3), (2, 4, 3), {"strides": [2]}),
    )
]
POOLS = (
    ((1, 2, 5, 7), {"kernel_shape": [2, 3]}),
    ((1, 2, 5, 7), {"kernel_shape": [2, 3], "strides": [2, 2]}),
    ((1, 2, 5, 7), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ((1, 2, 5, 7), {"kernel_shape": [3, 3], "pads": [0, 1, 2, 0], "strides": [2, 3]}),
    ((1, 2, 5, 7), {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    ((1, 2, 5, 7), {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}),
    ((1, 2, 5, 7), {"kernel_shape": [3, 2], "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((1, 2, 5, 7), {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}),
    ((1, 2, 5, 7), {"kernel_shape": [2, 2], "auto_pad": "VALID", "strides": [2, 1]}),
    ((1, 2, 7), {"kernel_shape": [3], "strides": [2]}),
    ((1, 1, 4, 5, 4), {"kernel_shape": [2, 2, 2], "strides": [2, 1, 2]}),
)
for shape, attrs in POOLS:
    CASES.append(Case("MaxPool", (floats(*shape),), attrs, sizes=(5, 7)))
    CASES.append(Case("AveragePool", (floats(*shape),), attrs, sizes=(5, 7), since=19))
    CASES.append(Case("AveragePool", (floats(*shape),), {**attrs, "count_include_pad": 1}, since=19))
    CASES.append(Case("LpPool", (floats(*shape),), {**attrs, "p": 2}, since=18, until=21))
CASES += [Case("MaxPool", (floats(1, 2, 5, 7),), {"kernel_shape": [2, 3], "dilations": [2, 2]})]
CASES += [Case("AveragePool", (floats(1, 2, 5, 7),), {"kernel_shape": [2, 3], "dilations": [2, 2]}, since=19)]
CASES += [
    Case("MaxPool", (integers(-9, 9, 1, 2, 5, 5, dtype=d),), {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]})
    for d in ("int8", "uint8")
]
CASES += [
    Case(
        "MaxPool",
        (floats(2, 3, 4, 5),),
        {"kernel_shape": [2, 2], "strides": [2, 2], "storage_order": order, **pads},
        outputs=("y", "indices"),
    )
    for order in (0, 1)
    for pads in ({}, {"pads": [1, 0, 1, 1]})
]
CASES += [Case("LpPool", (floats(1, 2, 5),), {"kernel_shape": [2], "p": p}, since=18, rtol=1e-5) for p in (1, 3)]
CASES += [Case(op, (floats(*s),), sizes=(5,)) for op in ("GlobalAveragePool", "GlobalMaxPool") for s in ((2, 3, 4, 5), (2, 3, 5))]
CASES += [Case("GlobalLpPool", (floats(2, 3, 4),), {"p": p}, until=21, rtol=1e-5) for p in (1, 2, 3)]
