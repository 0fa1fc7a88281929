"""ONNX operators that move elements: reshape, transpose, slices, joins, gathers, pads."""

from __future__ import annotations

from kaoken.frontend.by_data import (
    expand_by_data,
    pad_by_data,
    reshape_by_data,
    slice_by_data,
    slice_needs_data,
    split_sizes,
    squeeze_by_data,
    unsqueeze_by_data,
)
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import from_data, tensor
from kaoken.ir.dims import Dim, dim, floordiv, is_nonnegative, maximum, minimum, product
from kaoken.ir.expr import Int
from kaoken.ir.found_sizes import found_symbols
from kaoken.ir.graph import Value
from kaoken.ops.movement import infer_minus_one
from kaoken.ops.registry import normalize_axis


def reshape_to(node: OnnxNode, x: Value, shape: list[Dim]) -> Value:
    """Reshape, or the value itself when nothing changes."""
    return x if tuple(shape) == x.shape else node.add("reshape", x, shape=tuple(shape))


@onnx_op("Reshape")
def reshape(node: OnnxNode) -> Value:
    x = node.input(0)
    if from_data(node.input(1)):
        return reshape_by_data(node)
    target = node.dims(1)
    copied = [n for n, d in enumerate(target) if d == 0 and n < x.rank and not node.attribute("allowzero", 0)]
    left = product(d for n, d in enumerate(x.shape) if n not in copied)  # what -1 stands for must not divide 0 by a copied 0
    rest = iter(infer_minus_one([d for n, d in enumerate(target) if n not in copied], left))
    shape = [x.shape[n] if n in copied else next(rest) for n in range(len(target))]
    more = product(shape) - product(x.shape)
    if more.constant is None and not is_nonnegative(more - 1) and not is_nonnegative(-more - 1):  # rows padded to whole windows
        node.require(tensor(node, product(shape)).eq(tensor(node, product(x.shape))).value)
        return node.add("reshape", x, shape=tuple(shape), checked=True)
    return reshape_to(node, x, shape)


@onnx_op("Flatten")
def flatten(node: OnnxNode) -> Value:
    x = node.input(0)
    at = int(node.attribute("axis", 1))
    at = at + x.rank if at < 0 else at
    return reshape_to(node, x, [product(x.shape[:at]), product(x.shape[at:])])


def _axes(node: OnnxNode) -> list[int] | None:
    """Axes from the second input (opset 13) or the attribute (before)."""
    if node.optional(1) is not None:
        return node.integers(1)
    axes = node.attribute("axes")
    return None if axes is None else [int(a) for a in axes]


@onnx_op("Squeeze")
def squeeze(node: OnnxNode) -> Value:
    x = node.input(0)
    if node.optional(1) is not None and from_data(node.input(1)):
        return squeeze_by_data(node)
    axes = _axes(node)
    drop = {n for n, d in enumerate(x.shape) if d == 1} if axes is None else {normalize_axis(a, x.rank) for a in axes}
    for n in drop:
        if found_symbols(x.shape[n]):
            node.require(node.add("eq", tensor(node, x.shape[n]).value, tensor(node, dim(1)).value))
            x = tensor(node, x).part(n, 0, 1).value
        elif x.shape[n] != 1:
            raise Unsupported(f"cannot squeeze axis {n} of extent {x.shape[n]}")
    return reshape_to(node, x, [d for n, d in enumerate(x.shape) if n not in drop])


@onnx_op("Unsqueeze")
def unsqueeze(node: OnnxNode) -> Value:
    x = node.input(0)
    if node.optional(1) is not None and from_data(node.input(1)):
        return unsqueeze_by_data(node)
    axes = _axes(node) or []
    rank = x.rank + len(axes)
    new = {normalize_axis(a, rank) for a in axes}
    kept = iter(x.shape)
    return reshape_to(node, x, [dim(1) if n in new else next(kept) for n in range(rank)])


@onnx_op("Transpose")
def transpose(node: OnnxNode) -> Value:
    x = node.input(0)
    perm = [int(p) for p in node.attribute("perm", range(x.rank - 1, -1, -1))]
    return x if perm == list(range(x.rank)) else node.add("transpose", x, perm=tuple(perm))


@onnx_op("Expand")
def expand(node: OnnxNode) -> Value:
    x, target = node.input(0), node.input(1)
    if from_data(target):
        sizes = expand_by_data(node)
    else:
        sizes = node.dims(1)
    result = node.add("expand", x, shape=tuple(sizes))
    return x if result.shape == x.shape else result


@onnx_op("Tile")
def tile(node: OnnxNode) -> Value:
    x = node.input(0)
    repeats = node.sizes(1, [_ratio(d, own) for d, own in zip(node.declared_shape(x.rank), x.shape, strict=True)])
    spread: list[Dim] = []
    for repeat, extent in zip(repeats, x.shape, strict=True):
        spread += [repeat, extent]
    split = reshape_to(node, x, [d for extent in x.shape for d in (dim(1), extent)])
    wide = node.add("expand", split, shape=tuple(spread))
    return reshape_to(node, wide, [r * d for r, d in zip(repeats, x.shape, strict=True)])


def _ratio(whole: Dim | None, part: Dim) -> Dim | None:
    return None if whole is None or not part.constant else dim(int(whole) // part.constant)


@onnx_op("Concat")
def concat(node: OnnxNode) -> Value:
    parts = [v for v in node.inputs if v is not None]
    axis = normalize_axis(int(node.attribute("axis")), parts[0].rank)
    filled = [v for v in parts if v.shape[axis] != 0] or parts[:1]
    return filled[0] if len(filled) == 1 else node.add("concat", *filled, axis=axis)


def slice_axis(extent: Dim, start: Dim, end: Dim, step: int) -> tuple[Dim, Dim]:
    """ONNX Slice on one axis: (first index, length), clamped as the standard says."""
    low, high = (dim(0), extent) if step > 0 else (dim(-1), extent - 1)

    def clamp(position: Dim) -> Dim:
        if position.constant is not None and abs(position.constant) >= 2**31 - 1:
            return high if position.constant > 0 else low
        if is_nonnegative(-position - 1):
            position = position + extent
        elif not is_nonnegative(position):
            raise Unsupported(f"slice bound {position} may be negative or not; its sign must be known when compiling")
        return maximum(low, minimum(high, position))

    first, last = clamp(start), clamp(end)
    if step > 0:
        span = last - first
        length = span if step == 1 else floordiv(span + step - 1, dim(step))
    else:
        length = floordiv(first - last - step - 1, dim(-step))
    return first, maximum(dim(0), length)


def _slice_ends(node: OnnxNode, index: int, axes: list[int], steps: list[int]) -> list[Dim]:
    """Starts or ends; those from data are made positions inside their axis, so that the extent bounds them."""
    x, value = node.input(0), node.input(index)
    if value.known is not None or value.data is not None or min(steps, default=1) < 0 or len(axes) != product(value.shape):
        return node.dims(index)
    given = value if value.dtype == "int64" else node.add("cast", value, to="int64")
    extents = [x.shape[normalize_axis(axis, x.rank)] for axis in axes]
    limit = node.builder.known([Int(extent) for extent in extents])
    zero = node.scalar(0, given)
    wrapped = node.add("add", given, node.add("select", node.add("lt", given, zero), limit, zero))
    inside = node.add("min", node.add("max", wrapped, zero), limit)
    return [node.found_size(inside, n, f"{value.name}_{n}", extent) for n, extent in enumerate(extents)]


@onnx_op("Slice", since=10)
def slice_(node: OnnxNode) -> Value:
    x = node.input(0)
    if slice_needs_data(node):
        return slice_by_data(node)
    count = int(product(node.input(1).shape))
    axes = node.integers(3) if node.optional(3) is not None else list(range(count))
    steps = node.integers(4) if node.optional(4) is not None else [1] * count
    starts, ends = (_slice_ends(node, n, axes, steps) for n in (1, 2))
    first, length, stride = [dim(0)] * x.rank, list(x.shape), [1] * x.rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = normalize_axis(axis, x.rank)
        if step == 0:
            raise Unsupported("a slice step of 0")
        first[at], length[at] = slice_axis(x.shape[at], start, end, step)
        stride[at] = step
    if length == list(x.shape) and stride == [1] * x.rank:
        return x
    return node.add("slice", x, starts=tuple(first), steps=tuple(stride), lengths=tuple(length))


@onnx_op("Slice", since=1)
def slice_attributes(node: OnnxNode) -> Value | list[Value | None]:
    return slice_(node.moved("starts", "ends", "axes"))


@onnx_op("Split")
def split(node: OnnxNode) -> list[Value | None]:
    x = node.input(0)
    axis = normalize_axis(int(node.attribute("axis", 0)), x.rank)
    extent = x.shape[axis]
    if node.optional(1) is not None:
        sizes = split_sizes(node, axis) if from_data(node.input(1)) else node.dims(1)
    elif "split" in node.attributes:
        sizes = [dim(int(s)) for s in node.attributes["split"]]
    else:
        count = int(node.attribute("num_outputs", len(node.names)))
        if count != len(node.names):
            raise Unsupported(f"num_outputs={count} with {len(node.names)} outputs")
        size = floordiv(extent + count - 1, dim(count))
        sizes = [size] * (count - 1)
        sizes.append(extent - size * (count - 1))
    total = sum(sizes, dim(0))
    checked = node.optional(1) is not None and from_data(node.input(1))
    if len(sizes) != len(node.names) or (total != extent and not checked):
        raise Unsupported(f"sizes {sizes} do not divide an extent of {extent} into {len(node.names)} outputs")
    results: list[Value | None] = []
    start = dim(0)
    for size in sizes:
        starts = tuple(start if n == axis else dim(0) for n in range(x.rank))
        lengths = tuple(size if n == axis else d for n, d in enumerate(x.shape))
        results.append(node.add("slice", x, starts=starts, steps=(1,) * x.rank, lengths=lengths))
        start = start + size
    return results


@onnx_op("Gather")
def gather(node: OnnxNode) -> Value:
    return node.add("gather", node.input(0), node.input(1), axis=int(node.attribute("axis", 0)))


@onnx_op("GatherElements")
def gather_elements(node: OnnxNode) -> Value:
    return node.add("gather_elements", node.input(0), node.input(1), axis=int(node.attribute("axis", 0)))


@onnx_op("GatherND")
def gather_nd(node: OnnxNode) -> Value:
    return node.add("gather_nd", node.input(0), node.input(1), batch_dims=int(node.attribute("batch_dims", 0)))


@onnx_op("Pad", since=11)
def pad(node: OnnxNode) -> Value:
    x = node.input(0)
    mode = node.attribute("mode", "constant")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise Unsupported(f"mode={mode!r} is none of constant, reflect, edge and wrap")
    if from_data(node.input(1)) or (node.optional(3) is not None and from_data(node.input(3))):
        return pad_by_data(node, mode)
    widths = node.dims(1)
    axes = node.integers(3) if node.optional(3) is not None else list(range(x.rank))
    before, after = [dim(0)] * x.rank, [dim(0)] * x.rank
    for n, axis in enumerate(axes):
        at = normalize_axis(axis, x.rank)
        before[at], after[at] = widths[n], widths[len(axes) + n]
    if all(d == 0 for d in before + after):
        return x
    if mode == "constant":
        return node.add("pad", x, node.optional(2), before=tuple(before), after=tuple(after))
    for extent, low, high in zip(x.shape, before, after, strict=True):
        if extent == 0 and (low != 0 or high != 0):
            raise Unsupported(f"mode={mode!r} of an axis without elements")
    return node.add("pad_index", x, before=tuple(before), after=tuple(after), mode=mode)


@onnx_op("Pad", since=2)
def pad_attributes(node: OnnxNode) -> Value | list[Value | None]:
    return pad(node.moved("pads", "value"))


@onnx_op("ReverseSequence", since=10)
def reverse_sequence(node: OnnxNode) -> Value:
    x, lengths = node.input(0), node.input(1)
    batch_axis, time_axis = int(node.attribute("batch_axis", 1)), int(node.attribute("time_axis", 0))
    if {batch_axis, time_axis} != {0, 1}:
        raise Unsupported(f"batch_axis={batch_axis} and time_axis={time_axis} are not 0 and 1")
    return node.add("reverse_sequence", x, lengths, batch_axis=batch_axis, time_axis=time_axis)
