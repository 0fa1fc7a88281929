"""Resize in its modes."""

from __future__ import annotations

import numpy as np
from op_cases.case import Case, floats, i64

X = floats(1, 2, 4, 6)
NO_ROI, NO_SCALES = np.zeros(0, np.float32), np.zeros(0, np.float32)
COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
SCALES = ((1.0, 1.0, 2.0, 2.0), (1.0, 1.0, 0.5, 1.5), (1.0, 1.0, 2.6, 0.4), (1.0, 1.0, 3.0, 1.0))
SIZES = ((1, 2, 8, 12), (1, 2, 3, 7), (1, 2, 1, 5), (1, 2, 4, 6))


def resize(
    scales: tuple[float, ...] | None = None, sizes: tuple[int, ...] | None = None, since: int = 13, **attrs: object
) -> Case:
    operands: tuple[np.ndarray | None, ...] = (
        (X, None, np.array(scales, np.float32)) if scales else (X, None, None, i64(*(sizes or ())))
    )
    fixed = (2,) if scales else (3,)
    symbols = (4, 6) if scales in (SCALES[0], SCALES[1]) and attrs.get("mode") == "nearest" else ()
    fractional = scales is not None and attrs.get("coordinate_transformation_mode") == "align_corners"
    oracle, why = ("reference", "onnxruntime rounds the target's extent down first") if fractional else ("onnxruntime", "")
    return Case("Resize", operands, attrs, fixed=fixed, since=since, sizes=symbols, rtol=1e-5, oracle=oracle, why=why)


CASES: list[Case] = [
    resize(scales=s, mode="nearest", coordinate_transformation_mode=c, nearest_mode=m)
    for s in SCALES
    for c in COORDINATES
    for m in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if not (c == "align_corners" and 0.4 in s)
]
CASES += [
    resize(sizes=s, mode=mode, coordinate_transformation_mode=c)
    for s in SIZES
    for c in COORDINATES
    for mode in ("nearest", "linear", "cubic")
]
CASES += [
    resize(scales=s, mode=mode, coordinate_transformation_mode=c)
    for s in SCALES
    for c in COORDINATES
    for mode in ("linear", "cubic")
]
CASES += [resize(scales=SCALES[1], mode="cubic", cubic_coeff_a=-0.5), resize(scales=SCALES[1], mode="cubic", exclude_outside=1)]
CASES += [resize(scales=s, mode="linear", coordinate_transformation_mode="half_pixel_symmetric", since=19) for s in SCALES]
CASES += [
    Case(
        "Resize",
        (X, None, None, i64(8, 9)),
        {"axes": [2, 3], "mode": "linear", "keep_aspect_ratio_policy": p},
        fixed=(3,),
        since=18,
        rtol=1e-5,
    )
    for p in ("stretch", "not_larger", "not_smaller")
]
CASES += [Case("Resize", (X, None, np.array([2.0], np.float32)), {"axes": [-1], "mode": "nearest"}, fixed=(2,), since=18)]
CASES += [
    Case(
        "Resize",
        (X, np.array([0, 0, 0.4, 0.6, 1, 1, 1.2, 1.7], np.float32), None, i64(1, 2, 3, 3)),
        {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 10.0},
        fixed=(1, 3),
        rtol=1e-5,
    )
    for mode in ("linear", "nearest")
]
