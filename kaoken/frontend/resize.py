"""ONNX Resize, axis by axis: a table of source positions, then reads of the neighbours, weighted.

The positions are computed by nodes, in float32 as onnxruntime does; for fixed extents they fold into constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.sampling import cubic_inner, cubic_outer, cubic_taps, linear_taps
from kaoken.frontend.spelled import Tensor, iota, tensor
from kaoken.ir.builder import literal_elements
from kaoken.ir.dims import Dim, dim, maximum
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis

_COORDINATES = "half_pixel half_pixel_symmetric pytorch_half_pixel align_corners asymmetric tf_crop_and_resize".split()


@dataclass(frozen=True)
class _Axis:
    """One axis to resize: its number, extents, the scale (None: the ratio of the extents) and the region of interest."""

    number: int
    source: Dim
    target: Dim
    scale: Tensor | None
    start: Tensor
    end: Tensor


@onnx_op("Resize", since=11)
def resize(node: OnnxNode) -> Value:
    return _resize(node, node.optional(2), node.optional(3))


@onnx_op("Upsample", since=7)
@onnx_op("Resize", since=10)
def upsample(node: OnnxNode) -> Value:
    """What Resize was before it knew of more coordinates."""
    node.attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "toward_next"}
    given = node.attribute("scales")
    return _resize(node, node.input(1) if given is None else node.builder.constant(np.asarray(given, np.float32)), None)


def _resize(node: OnnxNode, scales: Value | None, sizes: Value | None) -> Value:
    x = tensor(node, node.input(0))
    mode, coordinates = node.attribute("mode", "nearest"), node.attribute("coordinate_transformation_mode", "half_pixel")
    if mode not in ("nearest", "linear", "cubic") or coordinates not in _COORDINATES:
        raise Unsupported(f"mode={mode!r} with coordinate_transformation_mode={coordinates!r}")
    result = x
    inside: Tensor | None = None
    for item in _axes(node, x.value, scales, sizes):
        kept = item.scale is None or literal_elements(item.scale.value) == np.float32(1)
        if item.target == item.source and coordinates != "tf_crop_and_resize" and kept:
            continue
        place = _positions(node, item, coordinates)
        if coordinates == "tf_crop_and_resize":
            own = ((place >= 0) & (place <= item.source - 1)).along(item.number, x.rank)
            inside = own if inside is None else inside & own
        antialias = node.attribute("antialias", 0) and mode != "nearest"
        result = (_filtered if antialias else _resized)(result, place, item, mode)
    if inside is not None:
        result = inside.where(result, node.attribute("extrapolation_value", 0.0))
    return result.value


def _axes(node: OnnxNode, x: Value, scales: Value | None, sizes: Value | None) -> list[_Axis]:
    numbers = [normalize_axis(int(a), x.rank) for a in node.attribute("axes", range(x.rank))]
    count = len(numbers)
    roi = node.optional(1) if node.attribute("coordinate_transformation_mode") == "tf_crop_and_resize" else None
    whole = node.builder.constant(np.array([0.0] * count + [1.0] * count, np.float32))
    regions = tensor(node, whole if roi is None or roi.shape == (dim(0),) else roi).cast("float32")
    scales, sizes = (None if v is None or v.shape == (dim(0),) else v for v in (scales, sizes))
    given = sizes if scales is None else scales
    if given is None or given.shape != (dim(count),) or regions.shape != (dim(2 * count),):
        raise Unsupported(f"no scale or size for each of {count} axes")
    ends = [(regions.take(n), regions.take(n + count)) for n in range(count)]
    declared, policy = node.declared_shape(x.rank), node.attribute("keep_aspect_ratio_policy", "stretch")
    targets: list[Dim] = []
    own: list[Tensor | None] = [None] * count
    if scales is not None:
        own = [tensor(node, scales).take(n) for n in range(count)]
        for a, scale, (start, end) in zip(numbers, own, ends, strict=True):
            assert scale is not None
            constants = [literal_elements(v.value) for v in (scale, start, end)]
            if any(c is None for c in constants):
                length = (_float(node, x.shape[a]) * scale * (end - start)).floor().cast("int64")
                targets.append(node.found_size(length.value, 0, f"{node.names[0]}_{a}", None, declared[a]))
            else:
                targets.append(_scaled(x.shape[a], *(float(c.reshape(-1)[0]) for c in constants if c is not None)))
    else:
        if policy not in ("stretch", "not_larger", "not_smaller"):
            raise Unsupported(f"keep_aspect_ratio_policy={policy!r} is unknown")
        if policy != "stretch":
            extents = tensor(node, [x.shape[a] for a in numbers]).cast("float64")
            common = (tensor(node, given).cast("float64") / extents).reduce("min" if policy == "not_larger" else "max", 0)
            rounded, own = (extents * common + 0.5).floor().cast("int64").value, [common.cast("float32")] * count
        targets = node.found_sizes(given if policy == "stretch" else rounded, given.name, [declared[a] for a in numbers])
    return [_Axis(a, x.shape[a], targets[n], own[n], *ends[n]) for n, a in enumerate(numbers)]


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


def _ratio(node: OnnxNode, item: _Axis) -> Tensor:
    return item.scale if item.scale is not None else _float(node, item.target) / item.source


def _float(node: OnnxNode, extent: Dim) -> Tensor:
    return tensor(node, extent).cast("float32")


def _positions(node: OnnxNode, item: _Axis, coordinates: str) -> Tensor:
    """Where each of the target's elements lies in the source, [target] float32."""
    place, scale = iota(node, item.target, "float32"), _ratio(node, item)
    source, target = _float(node, item.source), _float(node, item.target)
    last = source - 1
    # The target's extent, not rounded down where a scale is given.
    exact = target if item.scale is None else source * (item.scale * (item.end - item.start))
    alone = tensor(node, item.target).eq(1)
    if coordinates == "asymmetric":
        result = place / scale
    elif coordinates == "align_corners":
        result = alone.where(place * 0, place * last / alone.where(1, exact - 1))
    elif coordinates == "tf_crop_and_resize":
        step = (item.end - item.start) * last / alone.where(1, exact - 1)
        middle = 0.5 * (item.start + item.end) * last
        result = alone.where(place * 0 + middle, item.start * last + place * step)
    else:
        result = (place + 0.5) / scale - 0.5
        if coordinates == "pytorch_half_pixel":
            result = alone.where(place * 0, result)
        if coordinates == "half_pixel_symmetric" and item.scale is not None:
            result = source / 2 + (place + 0.5 - target / 2) / scale - 0.5  # from the middle, which is exact so
    return result


def _filtered(x: Tensor, place: Tensor, item: _Axis, mode: str) -> Tensor:
    """With antialias the filter is as much wider as the result is smaller: a product with the matrix of all weights."""
    node, a = x.node, float(x.node.attribute("cubic_coeff_a", -0.75))
    narrow = _ratio(node, item).min(1)
    reach = (2 * item.source + item.target - 1) // maximum(dim(1), item.target) + 2
    column = iota(node, item.source + 2 * reach, "float32") - reach
    distance = ((column - place.reshape(item.target, 1)) * narrow).abs()
    if mode == "linear":
        weight = (1 - distance).max(0)
    else:
        weight = (distance <= 1).where(cubic_inner(distance, a), (distance < 2).where(cubic_outer(distance, a), 0))
    if node.attribute("exclude_outside", 0):
        weight = ((column >= 0) & (column < item.source)).where(weight, 0)
    weight = weight / weight.reduce("sum", 1, keep=True)
    widths = tuple(reach if n == item.number else dim(0) for n in range(x.rank))
    order = [n for n in range(x.rank) if n != item.number] + [item.number]
    rows = x.pad_index(before=widths, after=widths, mode="edge").transpose(*order)
    return (rows @ weight.transpose(1, 0).cast(x.dtype)).transpose(*(order.index(n) for n in range(x.rank)))


_NEAREST: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "floor": lambda place, _scale: place.floor(),
    "ceil": lambda place, _scale: place.ceil(),
    "round_prefer_floor": lambda place, _scale: (place - 0.5).ceil(),
    "round_prefer_ceil": lambda place, _scale: (place + 0.5).floor(),
    "toward_next": lambda place, scale: (scale < 1).where(place.ceil(), place.floor()),  # before opset 11
}


def _resized(x: Tensor, place: Tensor, item: _Axis, mode: str) -> Tensor:
    """Neighbours of each position, at the nearest end where they lie outside, times their weights."""
    node = x.node
    if mode == "nearest":
        rounding = node.attribute("nearest_mode", "round_prefer_floor")
        if rounding not in _NEAREST:
            raise Unsupported(f"nearest_mode={rounding!r} is unknown")
        return x.take(_NEAREST[rounding](place, _ratio(node, item)).clamp(0, item.source - 1).cast("int64"), item.number)
    taps = linear_taps(place) if mode == "linear" else cubic_taps(place, float(node.attribute("cubic_coeff_a", -0.75)))
    if mode == "cubic" and node.attribute("exclude_outside", 0):
        kept = [((index >= 0) & (index < item.source)).where(weight, 0) for index, weight in taps]
        total = sum(kept[1:], kept[0])
        taps = [(index, weight / total) for (index, _), weight in zip(taps, kept, strict=True)]
    terms = [
        x.take(index.clamp(0, item.source - 1), item.number) * weight.along(item.number, x.rank).cast(x.dtype)
        for index, weight in taps
    ]
    return sum(terms[1:], terms[0])
