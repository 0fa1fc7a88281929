"""ONNX operators that read tensors at computed places: grids, regions, deformed windows; and those that write windows back."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from functools import reduce

from kaoken.frontend.convolution import window_of
from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.spelled import Tensor, iota, join, onnx_formula, plus, tensor
from kaoken.ir.dims import Dim, dim, exact_division, maximum, product
from kaoken.ops.registry import normalize_axis

Taps = list[tuple[Tensor, Tensor]]
"""Indices along an axis, with their weights."""


MOST_ELIMINATED = 64
"""Determinants of more rows would be too much C."""


def linear_taps(place: Tensor) -> Taps:
    below = place.floor()
    rest, index = place - below, below.cast("int64")
    return [(index, 1 - rest), (index + 1, rest)]


def cubic_inner(t: Tensor, a: float) -> Tensor:
    """Keys' weight of an element at a distance of 1 at most."""
    return ((a + 2) * t - (a + 3)) * t * t + 1


def cubic_outer(t: Tensor, a: float) -> Tensor:
    """Of one at a distance of 1 to 2."""
    return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a


def cubic_taps(place: Tensor, a: float = -0.75) -> Taps:
    """Keys' cubic convolution (1981) over four neighbours."""
    below = place.floor()
    rest, index = place - below, below.cast("int64")
    weights = (cubic_outer(rest + 1, a), cubic_inner(rest, a), cubic_inner(1 - rest, a), cubic_outer(2 - rest, a))
    return [(index + n - 1, weight) for n, weight in enumerate(weights)]


def sampled(x: Tensor, leading: Sequence[Tensor], taps: Sequence[Taps], read: str, combine: Callable[..., Tensor]) -> Tensor:
    """The elements around a place, each times its weights along all axes, combined. `read`: `at` or `at_or_zero`."""
    terms = []
    for chosen in itertools.product(*taps):
        term = getattr(x, read)(*leading, *(index for index, _ in chosen))
        for _, weight in chosen:
            term = term * weight.cast(x.dtype)
        terms.append(term)
    return reduce(combine, terms)


@onnx_formula("GridSample", since=16)
def grid_sample(
    node: OnnxNode, x: Tensor, grid: Tensor, *, mode: str = "linear", padding_mode: str = "zeros", align_corners: int = 0
) -> Tensor:
    mode, axes = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode), x.rank - 2
    padding = ("zeros", "border", "reflection")
    if mode not in ("linear", "nearest", "cubic") or padding_mode not in padding or grid.rank != x.rank:
        raise Unsupported(f"mode={mode!r} with padding_mode={padding_mode!r} of {x.rank} axes")
    taps: list[Taps] = []
    for n, extent in enumerate(x.shape[2:]):
        size = tensor(node, extent).cast(grid.dtype)
        place = grid.take(axes - 1 - n, grid.rank - 1)
        place = (place + 1) / 2 * (size - 1) if align_corners else ((place + 1) * size - 1) / 2
        place = place.with_axis(1)
        if mode == "nearest":
            own = [(place.round().cast("int64"), place * 0 + 1)]
        else:
            own = linear_taps(place) if mode == "linear" else cubic_taps(place)
        reflects = padding_mode == "reflection"
        taps.append([(_reflected(index, extent, bool(align_corners)) if reflects else index, w) for index, w in own])
    leading = [iota(node, x.shape[n]).along(n, x.rank) for n in (0, 1)]
    return sampled(x, leading, taps, "at_or_zero" if padding_mode == "zeros" else "at", operator.add)


def _reflected(index: Tensor, extent: Dim, align: bool) -> Tensor:
    """Mirrored at the middles of the outermost elements (`align`), else at their outer edges."""
    period = maximum(dim(1), 2 * extent - 2 if align else 2 * extent)
    folded = index.mod(period)
    return folded.min(tensor(index.node, period if align else period - 1) - folded)


@onnx_formula("RoiAlign", since=10)
def roi_align(
    node: OnnxNode, x: Tensor, regions: Tensor, batch: Tensor, *, output_height: int = 1, output_width: int = 1,
    coordinate_transformation_mode: str | None = None, sampling_ratio: int = 0, spatial_scale: float = 1.0, mode: str = "avg",
) -> Tensor:  # fmt: skip
    """[region, channel, row, column]: means (or maxima) over a grid of samples in each bin of each region."""
    count, ratio = regions.shape[0], sampling_ratio
    default = "half_pixel" if node.version >= 16 else "output_half_pixel"
    half = (coordinate_transformation_mode or default) == "half_pixel"
    corners = regions * spatial_scale - (0.5 if half else 0.0)
    taps: list[Taps] = []
    samples: list[Tensor] = []
    weights: list[Tensor] = []
    # Axes: region, channel, rows of bins, columns of bins, rows and columns of samples.
    for n, bins in enumerate((output_height, output_width)):
        extent = x.shape[n + 2]
        first, last = corners.take(1 - n, 1), corners.take(3 - n, 1)
        length = last - first if half else (last - first).max(1)
        size = length / bins
        each = size * 0 + ratio if ratio > 0 else size.ceil().max(0)
        most = dim(ratio)
        if ratio <= 0:
            largest = each.cast("int64").reduce("max", 0).max(0)
            most = node.found_size(largest.value, 0, f"{node.names[0]}_samples_{n}", maximum(dim(1), extent))
        row = (iota(node, bins, x.dtype)).along(2 + n, 6)
        sample = iota(node, most, x.dtype).along(4 + n, 6)
        first, size, each = (v.reshape(count, 1, 1, 1, 1, 1) for v in (first, size, each))
        place = first + row * size + (sample + 0.5) * size / each
        limit = tensor(node, extent).cast(x.dtype)
        outside = (place < -1) | (place > limit) | (sample >= each)
        taps.append([(i, outside.where(0, w)) for i, w in linear_taps(place.clamp(0, limit - 1))])
        weights.append(each)
        samples.append(sample < each)
    leading = [batch.cast("int64").reshape(count, 1, 1, 1, 1, 1), iota(node, x.shape[1]).along(1, 6)]
    if mode == "avg":
        total = sampled(x, leading, taps, "at", operator.add).reduce("sum", 4, 5)
        return total / (weights[0] * weights[1]).max(1).reshape(count, 1, 1, 1)
    found = sampled(x, leading, taps, "at", lambda a, b: a.max(b))
    return (samples[0] & samples[1]).where(found, float("-inf")).reduce("max", 4, 5)


@onnx_formula("MaxRoiPool")
def max_roi_pool(node: OnnxNode, x: Tensor, regions: Tensor, *, pooled_shape: list[int], spatial_scale: float = 1.0) -> Tensor:
    """[region, channel, row, column]: maxima of each bin of each region, whose corners are rounded, half away from zero; of a bin
    without elements 0."""
    corners = regions.part(1, 1, 4) * spatial_scale
    corners = (corners.abs() + 0.5).floor() * corners.sign()
    result = x.take(regions.take(0, 1).cast("int64"))
    for n, bins in enumerate(pooled_shape):
        first, last = (corners.take(at, 1).reshape(regions.shape[0], 1, 1) for at in (1 - n, 3 - n))
        size = (last - first + 1).max(1) / bins
        row, place = iota(node, bins, x.dtype).along(1, 3), iota(node, x.shape[n + 2], x.dtype).along(2, 3)
        inside = (place >= (row * size).floor() + first) & (place < ((row + 1) * size).ceil() + first)
        wide = inside.with_axis(1).with_axis(4 if n == 0 else 2)
        result = wide.where(result.with_axis(2 + n), float("-inf")).reduce("max", 3 + n)
    return result.eq(float("-inf")).where(0, result)


@onnx_formula("DeformConv", since=19)
def deform_conv(
    node: OnnxNode, x: Tensor, w: Tensor, offset: Tensor, bias: Tensor | None = None, mask: Tensor | None = None, *,
    group: int = 1, offset_group: int = 1,
) -> Tensor:  # fmt: skip
    """A convolution whose taps are moved by offsets and weighted by a mask."""
    axes, moved = x.rank - 2, offset_group
    window = window_of(node, x, tuple(int(d) for d in w.shape[2:]))
    batch, channels, out = x.shape[0], x.shape[1], offset.shape[2:]
    taps_count = product(w.shape[2:])
    offset = offset.reshape(batch, moved, taps_count, axes, *out)
    # Axes: batch, channel, tap, result's axes.
    rank = 3 + axes
    group_of = iota(node, channels).floordiv(exact(channels, moved))
    tap = iota(node, taps_count)
    taps: list[Taps] = []
    for n in range(axes):
        step = tap.floordiv(product(w.shape[3 + n :])).mod(w.shape[2 + n]) * window.dilations[n]
        start = iota(node, out[n]) * window.strides[n] - window.before[n]
        place = (step.along(2, rank) + start.along(3 + n, rank)).cast(x.dtype)
        taps.append(linear_taps(place + offset.take(n, 3).take(group_of, 1)))
    leading = [iota(node, batch).along(0, rank), iota(node, channels).along(1, rank)]
    columns = sampled(x, leading, taps, "at_or_zero", operator.add)
    if mask is not None:
        columns = columns * mask.reshape(batch, moved, taps_count, *out).take(group_of, 1)
    depth = w.shape[1] * taps_count
    columns = columns.reshape(batch, group, depth, product(out))
    result = (w.reshape(1, group, exact(w.shape[0], group), depth) @ columns).reshape(batch, w.shape[0], *out)
    return plus(result, None if bias is None else bias.along(1, x.rank))


def exact(whole: Dim, parts: int) -> Dim:
    """Raises Unsupported where channels do not divide into groups."""
    size = exact_division(whole, dim(parts)) if parts > 0 else None
    if size is None:
        raise Unsupported(f"{whole} channels do not divide into {parts} groups")
    return size


@onnx_formula("Col2Im", since=18)
def col2im(
    node: OnnxNode, x: Tensor, extents: Tensor, blocks: Tensor, *,
    strides: list[int] | None = None, dilations: list[int] | None = None, pads: list[int] | None = None,
) -> Tensor:  # fmt: skip
    """Every element of the image is the sum of the places where windows show it."""
    axes = int(product(extents.shape))
    declared = node.declared_shape(2 + axes)
    image = node.found_sizes(extents.value, extents.value.name, declared[2:])
    block = node.found_sizes(blocks.value, blocks.value.name, (), [x.shape[1]] * axes)
    strides, dilations, pads = strides or [1] * axes, dilations or [1] * axes, pads or [0] * 2 * axes
    channels = declared[1] if declared[1] is not None else x.shape[1] // product(block)
    # Axes: batch, channel, the image's, the block's.
    rank = 2 + 2 * axes
    row = iota(node, channels).along(1, rank)
    column, inside = tensor(node, dim(0)), tensor(node, dim(0)).eq(0)
    for n in range(axes):
        tap = iota(node, block[n]).along(2 + axes + n, rank)
        start = iota(node, image[n]).along(2 + n, rank) + pads[n] - tap * dilations[n]
        place = start.floordiv(strides[n])
        count = (image[n] + pads[n] + pads[n + axes] - (block[n] - 1) * dilations[n] - 1) // strides[n] + 1
        inside = inside & (start.mod(strides[n]).eq(0)) & (place >= 0) & (place < count)
        row, column = row * block[n] + tap, column * count + place
    taken = x.at_or_zero(iota(node, x.shape[0]).along(0, rank), row, column)
    return inside.where(taken, 0).reduce("sum", *range(2 + axes, rank))


@onnx_formula("MaxUnpool", since=9)
def max_unpool(
    node: OnnxNode, x: Tensor, places: Tensor, wanted: Tensor | None = None, *,
    kernel_shape: list[int], strides: list[int] | None = None, pads: list[int] | None = None,
) -> Tensor:  # fmt: skip
    """Elements go back to the places that MaxPool gave, in the shape its window follows from; a larger result is padded."""
    axes = len(kernel_shape)
    strides, pads, shape = strides or [1] * axes, pads or [0] * 2 * axes, list(x.shape[:2])
    for n, size in enumerate(kernel_shape):
        shape.append((x.shape[n + 2] - 1) * strides[n] + size - pads[n] - pads[n + axes])
    zeros = tensor(node, node.add("fill", shape=tuple(shape), value=0.0, dtype=x.dtype))
    result = zeros.scatter(places, x, reduction="none")
    if wanted is None:
        return result
    sizes = node.found_sizes(wanted.value, wanted.value.name, node.declared_shape(x.rank))
    after = tuple(size - d for size, d in zip(sizes, shape, strict=True))
    return result.pad(0, before=(dim(0),) * x.rank, after=after)


@onnx_formula("AffineGrid", since=20)
def affine_grid(node: OnnxNode, theta: Tensor, sizes: Tensor, *, align_corners: int = 0) -> Tensor:
    axes = int(theta.shape[1])
    declared = node.declared_shape(axes + 2)
    extents = node.found_sizes(sizes.part(0, 2, axes).value, sizes.value.name, declared[1:])
    columns = []
    for n in reversed(range(axes)):
        place, size = iota(node, extents[n], theta.dtype), tensor(node, extents[n]).cast(theta.dtype)
        place = place * 2 / (size - 1).max(1) - 1 if align_corners else (place * 2 + 1) / size - 1
        columns.append(place.along(n, axes).expand(*extents).reshape(product(extents), 1))
    base = join(1, *columns, columns[0] * 0 + 1)
    return (base @ theta.transpose(0, 2, 1)).reshape(theta.shape[0], *extents, axes)


@onnx_formula("CenterCropPad", since=18)
def center_crop_pad(node: OnnxNode, x: Tensor, shape: Tensor, *, axes: list[int] | None = None) -> Tensor:
    over = [normalize_axis(a, x.rank) for a in (range(x.rank) if axes is None else axes)]
    declared = node.declared_shape(x.rank)
    sizes = node.found_sizes(shape.value, shape.value.name, [declared[a] for a in over])
    places = [iota(node, d).along(n, x.rank) for n, d in enumerate(x.shape)]
    for axis, size in zip(over, sizes, strict=True):
        more = tensor(node, size - x.shape[axis])
        before = (more > 0).where(more.floordiv(2), -((-more).floordiv(2)))
        places[axis] = (iota(node, size) - before).along(axis, x.rank)
    return x.at_or_zero(*places)


@onnx_formula("LRN")
def local_response_normalization(x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Tensor:
    """x / (bias + alpha * mean of squares of the channels around, zeros beyond the ends) ** beta."""
    squares = (x * x).reshape(x.shape[0], 1, x.shape[1], product(x.shape[2:]))
    before = (size - 1) // 2
    mean = squares.average_pool(
        kernel=(size, 1), strides=(1, 1), dilations=(1, 1), before=(dim(before), dim(0)), after=(dim(size - 1 - before), dim(0)),
        extents=squares.shape[2:], count_padding=True,
    ).reshape(*x.shape)  # fmt: skip
    return x / (mean * alpha + bias).pow(beta)


@onnx_formula("Det", since=11)
def determinant(node: OnnxNode, x: Tensor) -> Tensor:
    """By elimination with the largest pivot of each column."""
    order = x.shape[-1].constant
    if order is None or x.shape[-2] != order or order > MOST_ELIMINATED:
        raise Unsupported(f"the determinant of {list(x.shape)}; at most {MOST_ELIMINATED} rows, fixed in number, are supported")
    rows = x.reshape(product(x.shape[:-2]), order, order)
    result = rows.take(0, 2).take(0, 1) * 0 + 1 if order else tensor(node, node.scalar(1, x.value)).expand(*x.shape[:-2])
    for left in range(order, 0, -1):
        chosen = rows.take(0, 2).abs().first_extreme("argmax", 1, keep=True).reshape(rows.shape[0], 1, 1)
        pivot_row = rows.gather_elements(chosen.expand(rows.shape[0], 1, left), axis=1)
        pivot = pivot_row.part(2, 0, 1)
        result = result * (pivot * chosen.eq(0).where(tensor(node, node.scalar(1, x.value)), -1)).reshape(rows.shape[0])
        if left > 1:
            moved = iota(node, left).along(1, 3).eq(chosen).where(rows.part(1, 0, 1), rows).part(1, 1, left - 1)
            factor = moved.part(2, 0, 1) / pivot.eq(0).where(1, pivot)
            rows = moved.part(2, 1, left - 1) - factor * pivot_row.part(2, 1, left - 1)
    return result.reshape(*x.shape[:-2])
