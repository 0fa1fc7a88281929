"""ONNX Resize, axis by axis: a table of source positions, then reads of the neighbours, weighted.

The positions are computed by nodes, in float32 as onnxruntime does; for fixed extents they fold into constants.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.ir.builder import literal_elements
from kaoken.ir.dims import Dim, dim
from kaoken.ir.expr import Int
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis

_COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)


@dataclass(frozen=True)
class _Axis:
    """One axis to resize: its number, extents, the scale (None: the ratio of the extents) and the region of interest."""

    number: int
    source: Dim
    target: Dim
    scale: float | None
    start: float
    end: float


@onnx_op("Resize", since=11)
def resize(node: OnnxNode) -> Value:
    x = node.input(0)
    mode, coordinates = node.attribute("mode", "nearest"), node.attribute("coordinate_transformation_mode", "half_pixel")
    if mode not in ("nearest", "linear", "cubic") or coordinates not in _COORDINATES:
        raise Unsupported(f"mode={mode!r} with coordinate_transformation_mode={coordinates!r}")
    if node.attribute("antialias", 0):
        raise Unsupported("antialias=1 is not supported")
    result = x
    axes = _axes(node, x)
    inside: Value | None = None
    for item in axes:
        if item.target == item.source and coordinates != "tf_crop_and_resize" and item.scale in (None, 1.0):
            continue
        places = _positions(node, item, coordinates)
        if coordinates == "tf_crop_and_resize":
            inside = _both(node, inside, _along(node, _is_inside(node, places, item), item.number, x.rank))
        result = _resized(node, result, places, item, mode)
    if inside is not None:
        outside = node.scalar(node.attribute("extrapolation_value", 0.0), x)
        result = node.add("select", inside, result, outside)
    return result


def _axes(node: OnnxNode, x: Value) -> list[_Axis]:
    numbers = [normalize_axis(int(a), x.rank) for a in node.attribute("axes", range(x.rank))]
    scales = _floats(node, 2)
    sizes = node.dims(3) if node.optional(3) is not None else []
    roi = _floats(node, 1) if node.attribute("coordinate_transformation_mode") == "tf_crop_and_resize" else []
    roi = roi or [0.0] * len(numbers) + [1.0] * len(numbers)
    if len(roi) != 2 * len(numbers) or len(scales or sizes) != len(numbers):
        raise Unsupported(f"{len(scales or sizes)} scales or sizes for {len(numbers)} axes")
    regions = [(roi[n], roi[n + len(numbers)]) for n in range(len(numbers))]
    if scales:
        targets = [_scaled(x.shape[a], scale, *region) for a, scale, region in zip(numbers, scales, regions, strict=True)]
        return [_Axis(a, x.shape[a], t, s, *region) for a, t, s, region in zip(numbers, targets, scales, regions, strict=True)]
    policy = node.attribute("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return [_Axis(a, x.shape[a], t, None, *region) for a, t, region in zip(numbers, sizes, regions, strict=True)]
    if policy not in ("not_larger", "not_smaller") or any(x.shape[a].constant in (None, 0) for a in numbers):
        raise Unsupported(f"keep_aspect_ratio_policy={policy!r} needs fixed extents; give them with --dim")
    ratios = [int(t) / int(x.shape[a]) for a, t in zip(numbers, sizes, strict=True)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return [
        _Axis(a, x.shape[a], dim(math.floor(scale * int(x.shape[a]) + 0.5)), scale, *r)
        for a, r in zip(numbers, regions, strict=True)
    ]


def _floats(node: OnnxNode, index: int) -> list[float]:
    value = node.optional(index)
    if value is None or value.shape == (dim(0),):
        return []
    elements = literal_elements(value)
    if elements is None:
        raise Unsupported(f"input {index} ({value.name}) must be constant")
    return [float(e) for e in elements.reshape(-1)]


def _scaled(extent: Dim, scale: float, start: float, end: float) -> Dim:
    """floor(extent * scale * (end - start))."""
    if not math.isfinite(scale) or scale <= 0:
        raise Unsupported(f"a scale of {scale}")
    if extent.constant is not None:
        return dim(math.floor(extent.constant * (end - start) * scale))
    ratio = Fraction(scale * (end - start)).limit_denominator(4096)
    if float(ratio) != scale * (end - start):
        raise Unsupported(f"a scale of {scale} of {extent} elements; fix the extent with --dim")
    return extent * ratio.numerator // ratio.denominator


def _number(node: OnnxNode, value: float) -> Value:
    return node.builder.constant(np.asarray(value, np.float32))


def _size(node: OnnxNode, extent: Dim) -> Value:
    return node.add("cast", node.builder.known(Int(extent)), to="float32")


def _target_size(node: OnnxNode, item: _Axis) -> Value:
    """The target's extent, not rounded down where a scale is given."""
    if item.scale is None:
        return _size(node, item.target)
    return node.add("mul", _size(node, item.source), _number(node, item.scale * (item.end - item.start)))


def _positions(node: OnnxNode, item: _Axis, coordinates: str) -> Value:
    """Where each of the target's elements lies in the source, [target] float32."""
    place = node.add("cast", node.add("iota", start=0, step=1, length=item.target), to="float32")
    scale = (
        _number(node, item.scale)
        if item.scale is not None
        else node.add("div", _size(node, item.target), _size(node, item.source))
    )
    half = _number(node, 0.5)
    last = _size(node, item.source - 1)
    if coordinates == "asymmetric":
        return node.add("div", place, scale)
    if coordinates == "align_corners":
        if item.target == 1:
            return node.add("mul", place, _number(node, 0))
        span = node.add("sub", _target_size(node, item), _number(node, 1))
        return node.add("div", node.add("mul", place, last), span)
    if coordinates == "tf_crop_and_resize":
        if item.target == 1:
            middle = node.add("mul", _number(node, 0.5 * (item.start + item.end)), last)
            return node.add("add", node.add("mul", place, _number(node, 0)), middle)
        span = node.add("sub", _target_size(node, item), _number(node, 1))
        step = node.add("div", node.add("mul", _number(node, item.end - item.start), last), span)
        return node.add("add", node.add("mul", _number(node, item.start), last), node.add("mul", place, step))
    if coordinates == "pytorch_half_pixel" and item.target == 1:
        return node.add("mul", place, _number(node, 0))
    centred = node.add("sub", node.add("div", node.add("add", place, half), scale), half)
    if coordinates == "half_pixel_symmetric" and item.scale is not None:
        exact = node.add("mul", _size(node, item.source), scale)
        adjustment = node.add("div", _size(node, item.target), exact)
        middle = node.add("div", _size(node, item.source), _number(node, 2))
        shift = node.add("mul", middle, node.add("sub", _number(node, 1), adjustment))
        return node.add("add", shift, centred)
    return centred


def _index(node: OnnxNode, place: Value, source: Dim) -> Value:
    """A whole position as an index, at the nearest end where it lies outside."""
    bounded = node.add("max", _number(node, 0), node.add("min", place, _size(node, source - 1)))
    return node.add("cast", bounded, to="int64")


def _along(node: OnnxNode, table: Value, number: int, rank: int) -> Value:
    return node.add("reshape", table, shape=(*(dim(1),) * number, table.shape[0], *(dim(1),) * (rank - number - 1)))


def _is_inside(node: OnnxNode, place: Value, item: _Axis) -> Value:
    above = node.add("ge", place, _number(node, 0))
    return node.add("and", above, node.add("le", place, _size(node, item.source - 1)))


def _both(node: OnnxNode, first: Value | None, second: Value) -> Value:
    return second if first is None else node.add("and", first, second)


def _resized(node: OnnxNode, x: Value, place: Value, item: _Axis, mode: str) -> Value:
    if mode == "nearest":
        return node.add("gather", x, _index(node, _nearest(node, place), item.source), axis=item.number)
    below = node.add("floor", place)
    fraction = node.add("sub", place, below)
    if mode == "linear":
        one = _number(node, 1)
        taps = [(0, node.add("sub", one, fraction)), (1, fraction)]
    else:
        taps = _cubic_taps(node, place, below, fraction, item)
    result: Value | None = None
    for offset, weight in taps:
        at = _index(node, node.add("add", below, _number(node, offset)), item.source)
        weight = _along(node, weight, item.number, x.rank)
        weight = weight if x.dtype == "float32" else node.add("cast", weight, to=x.dtype)
        term = node.add("mul", node.add("gather", x, at, axis=item.number), weight)
        result = term if result is None else node.add("add", result, term)
    assert result is not None
    return result


def _nearest(node: OnnxNode, place: Value) -> Value:
    rounding = node.attribute("nearest_mode", "round_prefer_floor")
    half = _number(node, 0.5)
    if rounding == "floor":
        return node.add("floor", place)
    if rounding == "ceil":
        return node.add("ceil", place)
    if rounding == "round_prefer_floor":
        return node.add("ceil", node.add("sub", place, half))
    if rounding == "round_prefer_ceil":
        return node.add("floor", node.add("add", place, half))
    raise Unsupported(f"nearest_mode={rounding!r} is unknown")


def _cubic_taps(node: OnnxNode, place: Value, below: Value, fraction: Value, item: _Axis) -> list[tuple[int, Value]]:
    """Keys' cubic convolution (1981) over four neighbours; with exclude_outside those outside weigh nothing."""
    a = float(node.attribute("cubic_coeff_a", -0.75))

    def polynomial(t: Value, *coefficients: float) -> Value:
        result = _number(node, coefficients[0])
        for c in coefficients[1:]:
            result = node.add("add", node.add("mul", result, t), _number(node, c))
        return result

    one, two = _number(node, 1), _number(node, 2)
    rest = node.add("sub", one, fraction)
    weights = [
        polynomial(node.add("add", fraction, one), a, -5 * a, 8 * a, -4 * a),
        polynomial(fraction, a + 2, -(a + 3), 0, 1),
        polynomial(rest, a + 2, -(a + 3), 0, 1),
        polynomial(node.add("sub", two, fraction), a, -5 * a, 8 * a, -4 * a),
    ]
    taps = list(zip(range(-1, 3), weights, strict=True))
    if not node.attribute("exclude_outside", 0):
        return taps
    kept = []
    for offset, weight in taps:
        inside = _is_inside(node, node.add("add", below, _number(node, offset)), item)
        kept.append((offset, node.add("select", inside, weight, _number(node, 0))))
    total = kept[0][1]
    for _, weight in kept[1:]:
        total = node.add("add", total, weight)
    return [(offset, node.add("div", weight, total)) for offset, weight in kept]
