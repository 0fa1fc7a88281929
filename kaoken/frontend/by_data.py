"""Movement whose axes, ends or sizes come from data: sizes are found while the model runs, elements read at computed places."""

from __future__ import annotations

from collections.abc import Sequence

from kaoken.frontend.registry import OnnxNode, Unsupported, share
from kaoken.frontend.spelled import Tensor, axis_mask, from_data, iota, kept_extents, named_axes, tensor
from kaoken.ir.dims import Dim, dim, is_nonnegative, maximum, product
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis

WIDEST = 2**40
"""What pads may be at most: sums of them and extents do not wrap around."""


def count_of(value: Value) -> int:
    """How many elements a vector has. Raises Unsupported where that is not known when compiling."""
    count = product(value.shape).constant
    if count is None:
        raise Unsupported(f"{value.name} has {product(value.shape)} elements; their number must be known")
    return count


def reshape_by_data(node: OnnxNode) -> Value:
    """A target from data: zeros and -1 are resolved, and the call checks that it has as many elements as there are.

    A number that is a size elsewhere is that size here too, also where it is 0.
    """
    x, rank = node.input(0), count_of(node.input(1))
    target = tensor(node, node.input(1)).cast("int64")
    same = [node.size_known(node.input(1), n) for n in range(rank)]
    if not node.attribute("allowzero", 0):
        own = [x.shape[n] if n < x.rank else dim(0) for n in range(rank)]
        target = target.eq(0).where(tensor(node, own), target)
    rest = target.eq(-1).where(1, target).reduce("prod", 0)
    target = target.eq(-1).where(tensor(node, product(x.shape)).div(rest), target)
    return _shaped(node, x, target, node.input(1).name, same)


def squeeze_by_data(node: OnnxNode) -> Value:
    x, axes = node.input(0), node.input(1)
    rank = x.rank - count_of(axes)
    return _shaped(node, x, kept_extents(node, x.shape, axis_mask(node, axes, x.rank), rank), axes.name, [None] * rank)


def unsqueeze_by_data(node: OnnxNode) -> Value:
    x, axes = node.input(0), node.input(1)
    rank = x.rank + count_of(axes)
    if x.rank == 0:
        return node.add("reshape", x, shape=(dim(1),) * rank)
    mask = axis_mask(node, axes, rank)
    place = (1 - mask).accumulate("cumsum", 0) - (1 - mask)
    target = mask.cast("bool").where(1, tensor(node, list(x.shape)).take(place.min(x.rank - 1)))
    return _shaped(node, x, target, axes.name, [None] * rank)


def _shaped(node: OnnxNode, x: Value, target: Tensor, name: str, known: Sequence[Dim | None]) -> Value:
    """`x` in a shape that a vector says, of which some extents are known: together they are as many elements as there are, which
    bounds each of the others by what those before it leave."""
    sizes: list[Dim] = []
    declared, most = node.declared_shape(len(known)), maximum(dim(1), product(x.shape))
    for n, size in enumerate(known):
        fixed = [k or d for k, d in zip(known, declared, strict=True)]
        others = [*sizes, *(d for d in fixed[n + 1 :] if d is not None)]
        own = name if len(known) == 1 else f"{name}_{n}"
        sizes.append(size or node.found_size(target.value, n, own, share(most, others), declared[n]))
    if product(sizes) != product(x.shape):
        node.found_size(target.reduce("prod", 0).value, 0, f"{name}_count", None, product(x.shape))
    return node.add("reshape", x, shape=tuple(sizes), checked=True)


def reduce_by_data(node: OnnxNode, op: str, keepdims: bool) -> Value:
    """A reduction over run-time axes: each axis is seen as an outer and an inner one, of which one is 1."""
    x, axes = node.input(0), node.input(1)
    mask = axis_mask(node, axes, x.rank)
    bits = []
    declared = node.declared_shape(x.rank) if keepdims else [None] * x.rank
    for n, (extent, outer) in enumerate(zip(x.shape, declared, strict=True)):
        known = None if outer is None else dim(1 if outer == 1 else 0)
        bits.append(dim(0) if extent == 1 else node.found_size(mask.value, n, f"{axes.name}_has_{n}", dim(1), known))
    pairs = tuple((1 + (1 - bit) * (d - 1), 1 + bit * (d - 1)) for bit, d in zip(bits, x.shape, strict=True))
    wide = node.add("window", x, extents=pairs)
    result = node.add(op, wide, axes=tuple(range(x.rank, 2 * x.rank)), keepdims=False)
    if keepdims:
        return result
    rank = x.rank - count_of(axes)
    return _shaped(node, result, kept_extents(node, x.shape, mask, rank), axes.name, [None] * rank)


def expand_by_data(node: OnnxNode) -> list[Dim]:
    """The extents of Expand's result: the target's where the operand has 1 or no axis, else the operand's, as the call checks."""
    x, target = node.input(0), node.input(1)
    count = count_of(target)
    rank = max(count, x.rank)
    own = [dim(1)] * (rank - x.rank) + list(x.shape)
    declared = node.declared_shape(rank)
    sizes = own[: rank - count]
    for at, extent in enumerate(own[rank - count :]):
        name = target.name if count == 1 else f"{target.name}_{at}"
        exactly = declared[rank - count + at]
        known, given, whole = node.size_known(target, at), tensor(node, target).take(at).cast("int64"), tensor(node, extent)
        if known is not None and (known in (1, extent) or extent == 1):
            sizes.append(extent if known == 1 else known)
        elif extent == 1:
            sizes.append(node.found_size(target, at, name, None, exactly))
        else:
            found = whole.eq(1).where(given, whole)
            sizes.append(extent if is_nonnegative(extent - 2) else node.found_size(found.value, 0, name, None, exactly))
            node.require(node.add("or", given.eq(1).value, given.eq(sizes[-1]).value))
    return sizes


def split_sizes(node: OnnxNode, axis: int) -> list[Dim]:
    """Sizes from data; the call checks their sum."""
    x, value = node.input(0), node.input(1)
    count = count_of(value)
    declared = [node.declared_shape(x.rank, n)[axis] for n in range(count)]
    sizes = node.found_sizes(value, value.name, declared, [x.shape[axis]] * count)
    if sum(sizes, dim(0)) != x.shape[axis]:
        node.found_size(tensor(node, value).reduce("sum", 0).value, 0, f"{value.name}_sum", None, x.shape[axis])
    return sizes


def _for_axes(node: OnnxNode, x: Value, axes: Value | None, parts: Sequence[Tensor]) -> list[list[Tensor] | None]:
    """What vectors with an element for each named axis say of every axis of x: scalars, with 1 or 0 for whether it is named
    before them, or None for an axis that is not."""
    count = count_of(parts[0].value)
    if axes is not None and from_data(axes):
        hits = named_axes(node, axes, x.rank).transpose(1, 0)
        spread = [hits.cast("int64").reduce("max", 1), *(hits.where(p.reshape(1, count), 0).reduce("sum", 1) for p in parts)]
        return [[p.take(n) for p in spread] for n in range(x.rank)]
    numbers = list(range(count)) if axes is None else [normalize_axis(a, x.rank) for a in node.integers(node.inputs.index(axes))]
    one = tensor(node, dim(1))
    return [[one, *(p.take(numbers.index(n)) for p in parts)] if n in numbers else None for n in range(x.rank)]


def slice_needs_data(node: OnnxNode) -> bool:
    """Whether axes or steps come from data, or ends do where a step is negative."""
    operands = [node.optional(n) for n in range(1, 5)]
    if any(v is not None and from_data(v) for v in operands[2:]):
        return True
    steps = node.integers(4) if operands[3] is not None else [1]
    return min(steps, default=1) < 0 and any(v is not None and from_data(v) for v in operands[:2])


def slice_by_data(node: OnnxNode) -> Value:
    x, axes = node.input(0), node.optional(3)
    count = count_of(node.input(1))
    ends = [tensor(node, node.input(n)).cast("int64") for n in (1, 2)]
    steps = tensor(node, node.input(4)).cast("int64") if node.optional(4) is not None else iota(node, count) * 0 + 1
    node.require(steps.ne(0).cast("int64").reduce("min", 0).cast("bool").value)
    declared = node.declared_shape(x.rank)
    places = []
    for n, (extent, found) in enumerate(zip(x.shape, _for_axes(node, x, axes, [*ends, steps]), strict=True)):
        if found is None:
            places.append(iota(node, extent).along(n, x.rank))
            continue
        named, start, end, step = found[0].eq(1), *found[1:]
        back = step < 0
        low, high = back.where(-1, tensor(node, dim(0))), back.where(tensor(node, extent) - 1, tensor(node, extent))
        # No indices, which the call would check: they may lie beyond the axis.
        start, end = (place + (place < 0).where(tensor(node, extent), 0) for place in (start, end))
        first, last = named.where(start.clamp(low, high), 0), named.where(end.clamp(low, high), tensor(node, extent))
        step = named.where(step, 1)
        length = (-((first - last).floordiv(step))).max(0)
        size = node.found_size(length.value, 0, f"{node.names[0]}_{n}", extent, declared[n])
        places.append((iota(node, size) * step + first).along(n, x.rank))
    return node.add("at", x, *(p.value for p in places))


def pad_by_data(node: OnnxNode, mode: str) -> Value:
    x, axes = node.input(0), node.optional(3)
    widths = tensor(node, node.input(1)).cast("int64")
    half = count_of(widths.value) // 2
    node.require(((widths >= -WIDEST) & (widths <= WIDEST)).cast("int64").reduce("min", 0).cast("bool").value)
    declared = node.declared_shape(x.rank)
    places: list[Tensor] = []
    inside: Tensor | None = None
    found = _for_axes(node, x, axes, [widths.part(0, 0, half), widths.part(0, half, half)])
    for n, (extent, own) in enumerate(zip(x.shape, found, strict=True)):
        if own is None:
            places.append(iota(node, extent).along(n, x.rank))
            continue
        _, before, after = own
        size = node.found_size((before + after + extent).value, 0, f"{node.names[0]}_{n}", None, declared[n])
        place = (iota(node, size) - before).along(n, x.rank)
        if mode == "constant":
            within = (place >= 0) & (place < extent)
            inside = within if inside is None else inside & within
        elif mode == "wrap":
            place = place.mod(maximum(dim(1), extent))
        elif mode == "reflect":
            place = place.mod(maximum(dim(1), 2 * extent - 2))
            place = place.min(tensor(node, maximum(dim(1), 2 * extent - 2)) - place)
        places.append(place)
    result = tensor(node, node.add("at", x, *(p.value for p in places)))
    value = node.optional(2)
    return result.value if inside is None else inside.where(result, 0 if value is None else tensor(node, value).reshape()).value
