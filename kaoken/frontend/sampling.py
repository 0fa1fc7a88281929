"""ONNX operators that read tensors at computed places: grids, regions, deformed windows; and those that write windows back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import reduce

from kaoken.frontend.convolution import Window, window_of
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, iota, join, tensor
from kaoken.ir.dims import Dim, dim, exact_division, maximum, product
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis

Taps = list[tuple[Tensor, Tensor]]
"""Indices along an axis, with their weights."""


MOST_ELIMINATED = 64
"""Determinants of more rows would be too much C."""


def linear_taps(place: Tensor) -> Taps:
    below = place.floor()
    rest, index = place - below, below.cast("int64")
    return [(index, 1 - rest), (index + 1, rest)]


def cubic_taps(place: Tensor, a: float = -0.75) -> Taps:
    """Keys' cubic convolution (1981) over four neighbours."""
    below = place.floor()
    rest, index = place - below, below.cast("int64")

    def inner(t: Tensor) -> Tensor:
        return ((a + 2) * t - (a + 3)) * t * t + 1

    def outer(t: Tensor) -> Tensor:
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a

    weights = (outer(rest + 1), inner(rest), inner(1 - rest), outer(2 - rest))
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


def _sum(a: Tensor, b: Tensor) -> Tensor:
    return a + b


@onnx_op("GridSample", since=16)
def grid_sample(node: OnnxNode) -> Value:
    x, grid = tensor(node, node.input(0)), tensor(node, node.input(1))
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(*[str(node.attribute("mode", "linear"))] * 2)
    padding, align = node.attribute("padding_mode", "zeros"), bool(node.attribute("align_corners", 0))
    axes = x.rank - 2
    if mode not in ("linear", "nearest", "cubic") or padding not in ("zeros", "border", "reflection") or grid.rank != x.rank:
        raise Unsupported(f"mode={mode!r} with padding_mode={padding!r} of {x.rank} axes")
    taps: list[Taps] = []
    for n in range(axes):
        extent = x.shape[n + 2]
        size = tensor(node, extent).cast(grid.dtype)
        place = grid.take(axes - 1 - n, grid.rank - 1)
        place = (place + 1) / 2 * (size - 1) if align else ((place + 1) * size - 1) / 2
        place = place.reshape(place.shape[0], 1, *place.shape[1:])
        if mode == "nearest":
            own = [(place.round().cast("int64"), place * 0 + 1)]
        else:
            own = linear_taps(place) if mode == "linear" else cubic_taps(place)
        taps.append([(_reflected(index, extent, align) if padding == "reflection" else index, w) for index, w in own])
    leading = [iota(node, x.shape[n]).along(n, x.rank) for n in (0, 1)]
    return sampled(x, leading, taps, "at_or_zero" if padding == "zeros" else "at", _sum).value


def _reflected(index: Tensor, extent: Dim, align: bool) -> Tensor:
    """Mirrored at the middles of the outermost elements (`align`), else at their outer edges."""
    period = maximum(dim(1), 2 * extent - 2 if align else 2 * extent)
    folded = index.mod(period)
    return folded.min(tensor(index.node, period if align else period - 1) - folded)


@onnx_op("RoiAlign", since=10)
def roi_align(node: OnnxNode) -> Value:
    """[region, channel, row, column]: means (or maxima) over a grid of samples in each bin of each region."""
    x, regions, batch = (tensor(node, node.input(n)) for n in range(3))
    count, extents = regions.shape[0], (int(node.attribute("output_height", 1)), int(node.attribute("output_width", 1)))
    default = "half_pixel" if node.version >= 16 else "output_half_pixel"
    half = node.attribute("coordinate_transformation_mode", default) == "half_pixel"
    ratio = int(node.attribute("sampling_ratio", 0))
    corners = regions * node.attribute("spatial_scale", 1.0) - (0.5 if half else 0.0)
    taps: list[Taps] = []
    samples: list[Tensor] = []
    weights: list[Tensor] = []
    # Axes: region, channel, rows of bins, columns of bins, rows and columns of samples.
    for n, bins in enumerate(extents):
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
    if node.attribute("mode", "avg") == "avg":
        total = sampled(x, leading, taps, "at", _sum).reduce("sum", 4, 5)
        return (total / (weights[0] * weights[1]).max(1).reshape(count, 1, 1, 1)).value
    found = sampled(x, leading, taps, "at", lambda a, b: a.max(b))
    return (samples[0] & samples[1]).where(found, float("-inf")).reduce("max", 4, 5).value


@onnx_op("MaxRoiPool")
def max_roi_pool(node: OnnxNode) -> Value:
    """[region, channel, row, column]: maxima of each bin of each region, whose corners are rounded, half away from zero; of a bin
    without elements 0."""
    x, regions = tensor(node, node.input(0)), tensor(node, node.input(1))
    corners = regions.part(1, 1, 4) * node.attribute("spatial_scale", 1.0)
    corners = (corners.abs() + 0.5).floor() * corners.sign()
    result = x.take(regions.take(0, 1).cast("int64"))
    for n, bins in enumerate(int(b) for b in node.attribute("pooled_shape")):
        first, last = (corners.take(at, 1).reshape(regions.shape[0], 1, 1) for at in (1 - n, 3 - n))
        size = (last - first + 1).max(1) / bins
        row, place = iota(node, bins, x.dtype).along(1, 3), iota(node, x.shape[n + 2], x.dtype).along(2, 3)
        inside = (place >= (row * size).floor() + first) & (place < ((row + 1) * size).ceil() + first)
        wide = (regions.shape[0], 1, bins, x.shape[2], 1) if n == 0 else (regions.shape[0], 1, 1, bins, x.shape[3])
        rows = (
            result.reshape(*result.shape[:2], 1, *result.shape[2:])
            if n == 0
            else result.reshape(*result.shape[:3], 1, x.shape[3])
        )
        result = inside.reshape(*wide).where(rows, float("-inf")).reduce("max", 3 + n)
    return result.eq(float("-inf")).where(0, result).value


@onnx_op("DeformConv", since=19)
def deform_conv(node: OnnxNode) -> Value:
    """A convolution whose taps are moved by offsets and weighted by a mask."""
    x, w, offset = (tensor(node, node.input(n)) for n in range(3))
    bias, mask = node.optional(3), node.optional(4)
    axes = x.rank - 2
    window = window_of(node, x.value, tuple(int(d) for d in w.shape[2:]))
    groups, moved = int(node.attribute("group", 1)), int(node.attribute("offset_group", 1))
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
    columns = sampled(x, leading, taps, "at_or_zero", _sum)
    if mask is not None:
        columns = columns * tensor(node, mask).reshape(batch, moved, taps_count, *out).take(group_of, 1)
    depth = w.shape[1] * taps_count
    columns = columns.reshape(batch, groups, depth, product(out))
    result = (w.reshape(1, groups, exact(w.shape[0], groups), depth) @ columns).reshape(batch, w.shape[0], *out)
    return (result if bias is None else result + tensor(node, bias).along(1, x.rank)).value


def exact(whole: Dim, parts: int) -> Dim:
    """Raises Unsupported where channels do not divide into groups."""
    size = exact_division(whole, dim(parts)) if parts > 0 else None
    if size is None:
        raise Unsupported(f"{whole} channels do not divide into {parts} groups")
    return size


@onnx_op("Col2Im", since=18)
def col2im(node: OnnxNode) -> Value:
    """Every element of the image is the sum of the places where windows show it."""
    x = tensor(node, node.input(0))
    axes = int(product(node.input(1).shape))
    declared = node.declared_shape(2 + axes)
    image = node.found_sizes(node.input(1), node.input(1).name, declared[2:])
    block = node.found_sizes(node.input(2), node.input(2).name, (), [x.shape[1]] * axes)
    window = Window(
        (1,) * axes,
        tuple(node.attribute("strides", [1] * axes)),
        tuple(node.attribute("dilations", [1] * axes)),
        tuple(map(dim, node.attribute("pads", [0] * 2 * axes)[:axes])),
        tuple(map(dim, node.attribute("pads", [0] * 2 * axes)[axes:])),
    )
    channels = declared[1] if declared[1] is not None else x.shape[1] // product(block)
    # Axes: batch, channel, the image's, the block's.
    rank = 2 + 2 * axes
    row = iota(node, channels).along(1, rank)
    column, inside = tensor(node, dim(0)), tensor(node, dim(0)).eq(0)
    for n in range(axes):
        tap = iota(node, block[n]).along(2 + axes + n, rank)
        start = iota(node, image[n]).along(2 + n, rank) + window.before[n] - tap * window.dilations[n]
        place = start.floordiv(window.strides[n])
        count = (image[n] + window.before[n] + window.after[n] - (block[n] - 1) * window.dilations[n] - 1) // window.strides[
            n
        ] + 1
        inside = inside & (start.mod(window.strides[n]).eq(0)) & (place >= 0) & (place < count)
        row, column = row * block[n] + tap, column * count + place
    taken = x.at_or_zero(iota(node, x.shape[0]).along(0, rank), row, column)
    return inside.where(taken, 0).reduce("sum", *range(2 + axes, rank)).value


@onnx_op("MaxUnpool", since=9)
def max_unpool(node: OnnxNode) -> Value:
    """Elements go back to the places that MaxPool gave, in the shape its window follows from; a larger result is padded."""
    x, places = tensor(node, node.input(0)), tensor(node, node.input(1))
    kernel = [int(k) for k in node.attribute("kernel_shape")]
    strides, pads = node.attribute("strides", [1] * len(kernel)), node.attribute("pads", [0] * 2 * len(kernel))
    shape = list(x.shape[:2])
    for n, size in enumerate(kernel):
        shape.append((x.shape[n + 2] - 1) * int(strides[n]) + size - int(pads[n]) - int(pads[n + len(kernel)]))
    zeros = tensor(node, node.add("fill", shape=tuple(shape), value=0.0, dtype=x.dtype))
    result = zeros.scatter(places, x, reduction="none")
    if node.optional(2) is None:
        return result.value
    sizes = node.found_sizes(node.input(2), node.input(2).name, node.declared_shape(x.rank))
    zero = (dim(0),) * x.rank
    return result.pad(0, before=zero, after=tuple(size - d for size, d in zip(sizes, shape, strict=True))).value


@onnx_op("AffineGrid", since=20)
def affine_grid(node: OnnxNode) -> Value:
    theta = tensor(node, node.input(0))
    axes = int(theta.shape[1])
    declared = node.declared_shape(axes + 2)
    wanted = tensor(node, node.input(1)).part(0, 2, axes)
    extents = node.found_sizes(wanted.value, node.input(1).name, declared[1:])
    columns = []
    for n in reversed(range(axes)):
        place, size = iota(node, extents[n], theta.dtype), tensor(node, extents[n]).cast(theta.dtype)
        place = place * 2 / (size - 1).max(1) - 1 if node.attribute("align_corners", 0) else (place * 2 + 1) / size - 1
        columns.append(place.along(n, axes).expand(*extents).reshape(product(extents), 1))
    base = join(1, *columns, columns[0] * 0 + 1)
    return (base @ theta.transpose(0, 2, 1)).reshape(theta.shape[0], *extents, axes).value


@onnx_op("CenterCropPad", since=18)
def center_crop_pad(node: OnnxNode) -> Value:
    x = tensor(node, node.input(0))
    axes = [normalize_axis(int(a), x.rank) for a in node.attribute("axes", range(x.rank))]
    declared = node.declared_shape(x.rank)
    sizes = node.found_sizes(node.input(1), node.input(1).name, [declared[a] for a in axes])
    places = [iota(node, d).along(n, x.rank) for n, d in enumerate(x.shape)]
    for axis, size in zip(axes, sizes, strict=True):
        more = tensor(node, size - x.shape[axis])
        before = (more > 0).where(more.floordiv(2), -((-more).floordiv(2)))
        places[axis] = (iota(node, size) - before).along(axis, x.rank)
    return x.at_or_zero(*places).value


@onnx_op("LRN")
def local_response_normalization(node: OnnxNode) -> Value:
    """x / (bias + alpha * mean of squares of the channels around, zeros beyond the ends) ** beta."""
    x, size = tensor(node, node.input(0)), int(node.attribute("size"))
    squares = (x * x).reshape(x.shape[0], 1, x.shape[1], product(x.shape[2:]))
    before = (size - 1) // 2
    mean = squares.average_pool(
        kernel=(size, 1), strides=(1, 1), dilations=(1, 1), before=(dim(before), dim(0)), after=(dim(size - 1 - before), dim(0)),
        extents=squares.shape[2:], count_padding=True,
    ).reshape(*x.shape)  # fmt: skip
    base = mean * node.attribute("alpha", 1e-4) + node.attribute("bias", 1.0)
    return (x / base.pow(node.attribute("beta", 0.75))).value


@onnx_op("Det", since=11)
def determinant(node: OnnxNode) -> Value:
    """By elimination with the largest pivot of each column."""
    x = tensor(node, node.input(0))
    order = x.shape[-1].constant
    if order is None or x.shape[-2] != order or order > MOST_ELIMINATED:
        raise Unsupported(f"the determinant of {list(x.shape)}; at most {MOST_ELIMINATED} rows, fixed in number, are supported")
    rows = x.reshape(product(x.shape[:-2]), order, order)
    result = rows.take(0, 2).take(0, 1) * 0 + 1 if order else tensor(node, node.scalar(1, x.value)).expand(*x.shape[:-2])
    for left in range(order, 0, -1):
        chosen = rows.take(0, 2).abs().argmax(axis=1, keepdims=True, last=False).reshape(rows.shape[0], 1, 1)
        pivot_row = rows.gather_elements(chosen.expand(rows.shape[0], 1, left), axis=1)
        pivot = pivot_row.part(2, 0, 1)
        result = result * (pivot * chosen.eq(0).where(tensor(node, node.scalar(1, x.value)), -1)).reshape(rows.shape[0])
        if left > 1:
            moved = iota(node, left).along(1, 3).eq(chosen).where(rows.part(1, 0, 1), rows).part(1, 1, left - 1)
            factor = moved.part(2, 0, 1) / pivot.eq(0).where(1, pivot)
            rows = moved.part(2, 1, left - 1) - factor * pivot_row.part(2, 1, left - 1)
    return result.reshape(*x.shape[:-2]).value
