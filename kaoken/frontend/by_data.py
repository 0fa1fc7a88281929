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


def reshape_by_data(node: OnnxNode, x: Tensor, given: Tensor, allowzero: int) -> Tensor:
    """A target from data: zeros and -1 are resolved, and the call checks that it has as many elements as there are.

    A number that is a size elsewhere is that size here too, also where it is 0.
    """
    target = given.cast("int64")
    same = [node.size_known(given.value, n) for n in range(count_of(given.value))]
    if not allowzero:
        own = [x.shape[n] if n < x.rank else dim(0) for n in range(len(same))]
        target = target.eq(0).where(tensor(node, own), target)
    rest = target.eq(-1).where(1, target).reduce("prod", 0)
    target = target.eq(-1).where(tensor(node, product(x.shape)).div(rest), target)
    return _shaped(x, target, given.value.name, same)


def squeeze_by_data(x: Tensor, axes: Value) -> Tensor:
    rank = x.rank - count_of(axes)
    return _shaped(x, kept_extents(x.node, x.shape, axis_mask(x.node, axes, x.rank), rank), axes.name, [None] * rank)


def unsqueeze_by_data(x: Tensor, axes: Value) -> Tensor:
    rank = x.rank + count_of(axes)
    if x.rank == 0:
        return x.reshape(*(1,) * rank)
    mask = axis_mask(x.node, axes, rank)
    place = (1 - mask).accumulate("cumsum", 0) - (1 - mask)
    target = mask.cast("bool").where(1, tensor(x.node, list(x.shape)).take(place.min(x.rank - 1)))
    return _shaped(x, target, axes.name, [None] * rank)


def _shaped(x: Tensor, target: Tensor, name: str, known: Sequence[Dim | None]) -> Tensor:
    """`x` in a shape that a vector says, of which some extents are known: together they are as many elements as there are, which
    bounds each of the others by what those before it leave."""
    node, sizes = x.node, list[Dim]()
    declared, most = node.declared_shape(len(known)), maximum(dim(1), product(x.shape))
    for n, size in enumerate(known):
        fixed = [k or d for k, d in zip(known, declared, strict=True)]
        others = [*sizes, *(d for d in fixed[n + 1 :] if d is not None)]
        own = name if len(known) == 1 else f"{name}_{n}"
        sizes.append(size or node.found_size(target.value, n, own, share(most, others), declared[n]))
    if product(sizes) != product(x.shape):
        node.found_size(target.reduce("prod", 0).value, 0, f"{name}_count", None, product(x.shape))
    return x.add_node("reshape", shape=tuple(sizes), checked=True)


def reduce_by_data(node: OnnxNode, x: Tensor, over: Tensor, kind: str, keepdims: bool) -> Tensor:
    """A reduction over run-time axes: each axis is seen as an outer and an inner one, of which one is 1."""
    axes, mask = over.value, axis_mask(node, over.value, x.rank)
    bits = []
    declared = node.declared_shape(x.rank) if keepdims else [None] * x.rank
    for n, (extent, outer) in enumerate(zip(x.shape, declared, strict=True)):
        known = None if outer is None else dim(1 if outer == 1 else 0)
        bits.append(dim(0) if extent == 1 else node.found_size(mask.value, n, f"{axes.name}_has_{n}", dim(1), known))
    pairs = tuple((1 + (1 - bit) * (d - 1), 1 + bit * (d - 1)) for bit, d in zip(bits, x.shape, strict=True))
    result = x.window(extents=pairs).reduce(kind, *range(x.rank, 2 * x.rank))
    if keepdims:
        return result
    rank = x.rank - count_of(axes)
    return _shaped(result, kept_extents(node, x.shape, mask, rank), axes.name, [None] * rank)


def expand_by_data(node: OnnxNode, x: Tensor, target: Tensor) -> list[Dim]:
    """The extents of Expand's result: the target's where the operand has 1 or no axis, else the operand's, as the call checks."""
    value = target.value
    count = count_of(value)
    rank = max(count, x.rank)
    own = [dim(1)] * (rank - x.rank) + list(x.shape)
    declared = node.declared_shape(rank)
    sizes = own[: rank - count]
    for at, extent in enumerate(own[rank - count :]):
        name = value.name if count == 1 else f"{value.name}_{at}"
        exactly = declared[rank - count + at]
        known, given, whole = node.size_known(value, at), target.take(at).cast("int64"), tensor(node, extent)
        if known is not None and (known in (1, extent) or extent == 1):
            sizes.append(extent if known == 1 else known)
        elif extent == 1:
            sizes.append(node.found_size(value, at, name, None, exactly))
        else:
            found = whole.eq(1).where(given, whole)
            sizes.append(extent if is_nonnegative(extent - 2) else node.found_size(found.value, 0, name, None, exactly))
            node.require((given.eq(1) | given.eq(sizes[-1])).value)
    return sizes


def split_sizes(node: OnnxNode, given: Tensor, axis: int, extent: Dim, rank: int) -> list[Dim]:
    """Sizes from data; the call checks their sum."""
    value = given.value
    count = count_of(value)
    declared = [node.declared_shape(rank, n)[axis] for n in range(count)]
    sizes = node.found_sizes(value, value.name, declared, [extent] * count)
    if sum(sizes, dim(0)) != extent:
        node.found_size(given.reduce("sum", 0).value, 0, f"{value.name}_sum", None, extent)
    return sizes


def _for_axes(x: Tensor, axes: Tensor | None, parts: Sequence[Tensor]) -> list[list[Tensor] | None]:
    """What vectors with an element for each named axis say of every axis of x: scalars, with 1 or 0 for whether it is named
    before them, or None for an axis that is not."""
    node, count = x.node, count_of(parts[0].value)
    if axes is not None and from_data(axes.value):
        hits = named_axes(node, axes.value, x.rank).transpose(1, 0)
        spread = [hits.cast("int64").reduce("max", 1), *(hits.where(p.reshape(1, count), 0).reduce("sum", 1) for p in parts)]
        return [[p.take(n) for p in spread] for n in range(x.rank)]
    numbers = list(range(count))
    if axes is not None:
        numbers = [normalize_axis(a, x.rank) for a in node.integers(node.inputs.index(axes.value))]
    one = tensor(node, dim(1))
    return [[one, *(p.take(numbers.index(n)) for p in parts)] if n in numbers else None for n in range(x.rank)]


def slice_needs_data(node: OnnxNode) -> bool:
    """Whether axes or steps come from data, or ends do where a step is negative."""
    operands = [node.optional(n) for n in range(1, 5)]
    if any(v is not None and from_data(v) for v in operands[2:]):
        return True
    steps = node.integers(4) if operands[3] is not None else [1]
    return min(steps, default=1) < 0 and any(v is not None and from_data(v) for v in operands[:2])


def slice_by_data(node: OnnxNode, x: Tensor, ends: Sequence[Tensor], axes: Tensor | None, steps: Tensor | None) -> Tensor:
    count = count_of(ends[0].value)
    every = iota(node, count) * 0 + 1 if steps is None else steps.cast("int64")
    node.require(every.ne(0).cast("int64").reduce("min", 0).cast("bool").value)
    declared = node.declared_shape(x.rank)
    places = []
    given = _for_axes(x, axes, [*(end.cast("int64") for end in ends), every])
    for n, (extent, found) in enumerate(zip(x.shape, given, strict=True)):
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
    return x.at(*places)


def pad_by_data(node: OnnxNode, x: Tensor, widths: Tensor, value: Tensor | None, axes: Tensor | None, mode: str) -> Tensor:
    widths = widths.cast("int64")
    half = count_of(widths.value) // 2
    node.require(((widths >= -WIDEST) & (widths <= WIDEST)).cast("int64").reduce("min", 0).cast("bool").value)
    declared = node.declared_shape(x.rank)
    places: list[Tensor] = []
    inside: Tensor | None = None
    found = _for_axes(x, axes, [widths.part(0, 0, half), widths.part(0, half, half)])
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
    result = x.at(*places)
    return result if inside is None else inside.where(result, 0 if value is None else value.reshape())
