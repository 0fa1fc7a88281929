"""Movement: operations whose every output element is one input element. Layout only; most cost nothing once seen through."""

from __future__ import annotations

from kaoken.ir.dims import Dim, dim, exact_division, is_nonnegative, maximum, minimum, product
from kaoken.ir.expr import TRUE, Expr, Int, Read, apply, cast, const, integer, literal, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.registry import ExtentsDiffer, Index, ShapeError, inside, normalize_axis, operation, row_major

# reshape: attrs shape (dims), checked: the call makes sure that it fits; same elements in row-major order ------------------


def _reshape_shape(x: Value, *, shape: Shape, checked: bool = False) -> Shape:
    target = tuple(map(dim, shape))
    if product(target) != product(x.shape) and not checked:
        raise ShapeError(f"cannot reshape {list(x.shape)} into {list(target)}")
    return target


def reshape_indices(source: Shape, target: Shape, at: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Where the element at index `at` of `target` lies in `source`. Extents are matched in groups of equal product."""
    indices: list[Expr] = []
    s = t = 0
    while s < len(source) or t < len(target):
        s_end, t_end = _group(source, s, target, t)
        flat: Expr = integer(0)
        for n in range(t, t_end):
            flat = apply("add", apply("mul", flat, Int(target[n])), at[n]) if n > t else at[n]
        rest = source[s:s_end]
        for n in range(len(rest)):
            inner = product(rest[n + 1 :])
            index = apply("floordiv", flat, Int(inner)) if inner != 1 else flat
            indices.append(index if n == 0 else apply("mod", index, Int(rest[n])))
        s, t = s_end, t_end
    return tuple(integer(0) if extent == 1 else i for extent, i in zip(source, indices, strict=True))


def _group(source: Shape, s: int, target: Shape, t: int) -> tuple[int, int]:
    """The smallest groups of extents, from s and t on, whose products are equal."""
    for s_end in range(s + 1, len(source) + 1):
        for t_end in range(t + 1, len(target) + 1):
            if product(source[s:s_end]) == product(target[t:t_end]):
                while s_end == len(source) and t_end < len(target) and target[t_end] == 1:
                    t_end += 1
                while t_end == len(target) and s_end < len(source) and source[s_end] == 1:
                    s_end += 1
                return s_end, t_end
    return len(source), len(target)


@operation("reshape", "movement", _reshape_shape)
def _reshape(at: Index, x: Value, *, node: Node) -> Expr:
    return Read(x, reshape_indices(x.shape, node.output.shape, at))


# transpose: attrs perm ----------------------------------------------------------------------------------------------------


def _transpose_shape(x: Value, *, perm: tuple[int, ...]) -> Shape:
    if sorted(perm) != list(range(x.rank)):
        raise ShapeError(f"perm {list(perm)} is no permutation of {x.rank} axes")
    return tuple(x.shape[p] for p in perm)


@operation("transpose", "movement", _transpose_shape)
def _transpose(at: Index, x: Value, *, perm: tuple[int, ...]) -> Expr:
    return Read(x, tuple(at[list(perm).index(n)] for n in range(x.rank)))


# slice: attrs starts, steps, lengths, one for each axis; index = start + step * i ----------------------------------------------


def _slice_shape(x: Value, *, starts: Shape, steps: tuple[int, ...], lengths: Shape) -> Shape:
    for extent, start, step, length in zip(x.shape, starts, steps, lengths, strict=True):
        numbers = extent.constant, dim(start).constant, dim(length).constant
        if None in numbers or numbers[2] == 0:
            continue
        ends = int(dim(start)), int(dim(start)) + step * (int(dim(length)) - 1)
        if min(ends) < 0 or max(ends) >= int(extent):
            raise ShapeError(f"slice of {min(ends)}..{max(ends)} from an axis of extent {extent}")
    return tuple(map(dim, lengths))


@operation("slice", "movement", _slice_shape)
def _slice(at: Index, x: Value, *, starts: Shape, steps: tuple[int, ...]) -> Expr:
    moved = (apply("mul", integer(step), i) for step, i in zip(steps, at, strict=True))
    return Read(x, tuple(apply("add", Int(dim(start)), i) for start, i in zip(starts, moved, strict=True)))


# without operands. fill: attrs shape, value, dtype: one literal everywhere. iota: attrs start, step, length: an int64 range.
# elements: attrs shape, elements (expressions of the dims, row-major), dtype ------------------------------------------------


def _filled_shape(*, shape: Shape, dtype: str) -> list[tuple[Shape, str]]:
    return [(tuple(map(dim, shape)), dtype)]


@operation("fill", "movement", _filled_shape)
def _fill(at: Index, *, value: object, dtype: str) -> Expr:
    return const(value, dtype)


@operation("iota", "movement", lambda *, length: [((dim(length),), "int64")])
def _iota(at: Index, *, start: Dim, step: Dim) -> Expr:
    return apply("add", Int(dim(start)), apply("mul", Int(dim(step)), at[0]))


@operation("elements", "pointwise", _filled_shape)
def _elements(at: Index, *, shape: Shape, elements: tuple[Expr, ...]) -> Expr:
    from kaoken.ops.compose import choose

    return choose(elements, row_major(shape, at))


# concat: attrs axis. Several reads, each guarded: no pure movement ------------------------------------------------------------


def _concat_shape(*values: Value, axis: int) -> Shape:
    first = values[0]
    over = normalize_axis(axis, first.rank)
    for other in values[1:]:
        if other.rank != first.rank or other.dtype != first.dtype:
            raise ShapeError(f"concat of {first} and {other}")
        for n in range(first.rank):
            if n != over and other.shape[n] != first.shape[n]:
                message = f"concat on axis {over} of {list(first.shape)} and {list(other.shape)}"
                raise ExtentsDiffer(message, (first.shape[n], other.shape[n]))
    return (*first.shape[:over], sum((v.shape[over] for v in values), dim(0)), *first.shape[over + 1 :])


@operation("concat", "pointwise", _concat_shape)
def _concat(at: Index, *values: Value, axis: int) -> Expr:
    axis = normalize_axis(axis, len(at))
    parts = []
    start: Dim = dim(0)
    for value in values:
        index = apply("sub", at[axis], Int(start))
        parts.append((start + value.shape[axis], Read(value, (*at[:axis], index, *at[axis + 1 :]))))
        start = start + value.shape[axis]
    body: Expr = parts[-1][1]
    for end, part in reversed(parts[:-1]):
        body = select(apply("lt", at[axis], Int(end)), part, body)
    return body


# gather: operands x, indices; attrs axis. gather_nd: attrs batch_dims. Negative indices count from the end --------------------


def wrap_index(index: Expr, extent: Dim) -> Expr:
    """ONNX index: negative counts from the end. An index that sizes decide is kept inside the extent, as those from data are.

    Raises ShapeError for one that is always outside.
    """
    number = literal(index)
    if number is not None:
        index = integer(int(number))
    if isinstance(index, Int):
        if is_nonnegative(index.value):
            return _clamped(index.value, extent)
        if is_nonnegative(-index.value - 1):
            return _clamped(index.value + extent, extent)
        wrapped = (_clamped(index.value + extent, extent), _clamped(index.value, extent))
        return select(apply("lt", index, integer(0)), *wrapped)
    if index.dtype != "int64":
        index = cast(index, "int64")
    return select(apply("lt", index, integer(0)), apply("add", index, Int(extent)), index)


def _clamped(index: Dim, extent: Dim) -> Expr:
    if is_nonnegative(index - extent) or is_nonnegative(-index - 1):
        raise ShapeError(f"index {index} is outside an axis of extent {extent}")
    return Int(maximum(dim(0), minimum(index, extent - 1)))


def check_indices(indices: Value, extent: Dim, component: int | None = None) -> None:
    """Raises ShapeError where a constant index, or one component of constant index tuples, is outside -extent..extent-1."""
    if indices.dtype not in ("int64", "int32"):
        raise ShapeError(f"indices of type {indices.dtype}")
    if indices.data is None or not indices.data.size or extent.constant is None:
        return
    numbers = indices.data if component is None else indices.data[..., component]
    low, high = int(numbers.min()), int(numbers.max())
    if low < -extent.constant or high >= extent.constant:
        raise ShapeError(f"index {low if low < -extent.constant else high} is outside an axis of extent {extent}")


def _gather_shape(x: Value, indices: Value, *, axis: int) -> Shape:
    axis = normalize_axis(axis, x.rank)
    if x.rank == 0:
        raise ShapeError("gather from a scalar")
    check_indices(indices, x.shape[axis])
    return x.shape[:axis] + indices.shape + x.shape[axis + 1 :]


@operation("gather", "movement", _gather_shape)
def _gather(at: Index, x: Value, indices: Value, *, axis: int) -> Expr:
    from kaoken.ops.compose import read

    axis = normalize_axis(axis, x.rank)
    index = wrap_index(read(indices, at[axis : axis + indices.rank]), x.shape[axis])
    return Read(x, (*at[:axis], index, *at[axis + indices.rank :]))


def _gather_elements_shape(x: Value, indices: Value, *, axis: int) -> Shape:
    axis = normalize_axis(axis, x.rank)
    if indices.rank != x.rank or x.rank == 0:
        raise ShapeError(f"gather_elements of {x} with indices {indices}")
    for n, (own, extent) in enumerate(zip(indices.shape, x.shape, strict=True)):
        if n != axis and not is_nonnegative(extent - own):
            message = f"indices of {own} elements along axis {n} of extent {extent}"
            raise ExtentsDiffer(message, (own, extent), (x.rank - n, 0), "within")
    check_indices(indices, x.shape[axis])
    return indices.shape


@operation("gather_elements", "movement", _gather_elements_shape)
def _gather_elements(at: Index, x: Value, indices: Value, *, axis: int) -> Expr:
    from kaoken.ops.compose import read

    axis = normalize_axis(axis, x.rank)
    return Read(x, (*at[:axis], wrap_index(read(indices, at), x.shape[axis]), *at[axis + 1 :]))


def _gather_nd_shape(x: Value, indices: Value, *, batch_dims: int) -> Shape:
    depth = indices.shape[-1].constant if indices.rank else None
    if depth is None:
        raise ShapeError("the last extent of gather_nd's indices must be a constant")
    if not 1 <= depth <= x.rank - batch_dims or indices.shape[:batch_dims] != x.shape[:batch_dims] or batch_dims >= indices.rank:
        raise ShapeError(f"gather_nd of {x} with indices {indices} and {batch_dims} batch axes")
    for n in range(depth):
        check_indices(indices, x.shape[batch_dims + n], n)
    return indices.shape[:-1] + x.shape[batch_dims + depth :]


def gather_nd_index(indices: Value, place: Index, component: int, extent: Dim) -> Expr:
    """Component `component` of the index tuple at `place`, which may be joined from one tensor a component."""
    from kaoken.ops.compose import expand, read

    at = (*place, integer(component))
    producer = indices.producer
    item = expand(indices, at) if producer is not None and producer.op == "concat" else read(indices, at)
    return wrap_index(item, extent)


@operation("gather_nd", "movement", _gather_nd_shape)
def _gather_nd(at: Index, x: Value, indices: Value, *, batch_dims: int) -> Expr:
    depth, rank = int(indices.shape[-1]), indices.rank - 1
    steps = [gather_nd_index(indices, at[:rank], n, x.shape[batch_dims + n]) for n in range(depth)]
    return Read(x, (*at[:batch_dims], *steps, *at[rank:]))


# pad: operands x, value (optional); attrs before, after: constant padding; negative crops -------------------------------------


def _pad_shape(x: Value, fill: Value | None = None, *, before: Shape, after: Shape) -> Shape:
    return tuple(d + b + a for d, b, a in zip(x.shape, before, after, strict=True))


@operation("pad", "pointwise", _pad_shape)
def _pad(at: Index, x: Value, fill: Value | None = None, *, before: Shape) -> Expr:
    outside = Read(fill, tuple(integer(0) for _ in fill.shape)) if fill is not None else const(0, x.dtype)
    indices = tuple(apply("sub", i, Int(dim(b))) for b, i in zip(before, at, strict=True))
    test: Expr = TRUE
    for extent, index in zip(x.shape, indices, strict=True):
        test = inside(test, index, extent)
    return select(test, Read(x, indices), outside)


# pad_index: operand x; attrs before, after, mode (edge, reflect, wrap): what lies outside is an element inside --


@operation("pad_index", "movement", _pad_shape)
def _pad_index(at: Index, x: Value, *, before: Shape, after: Shape, mode: str) -> Expr:
    indices: list[Expr] = []
    for extent, low, high, i in zip(x.shape, before, after, at, strict=True):
        index = apply("sub", i, Int(dim(low)))
        if low == 0 and high == 0:
            indices.append(index)
        elif extent == 1:
            indices.append(integer(0))
        elif mode == "wrap":
            indices.append(apply("mod", index, Int(maximum(dim(1), extent))))
        elif mode == "edge":
            indices.append(apply("max", integer(0), apply("min", index, Int(extent - 1))))
        else:
            period = maximum(dim(1), 2 * extent - 2)
            folded = apply("mod", index, Int(period))
            mirrored = apply("min", folded, apply("sub", Int(period), folded))
            indices.append(apply("min", mirrored, Int(extent - 1)))
    return Read(x, tuple(indices))


# reverse_sequence: operands x, lengths; attrs batch_axis, time_axis: the first lengths[b] steps of each row, backwards --


def _reverse_sequence_shape(x: Value, lengths: Value, *, batch_axis: int, time_axis: int) -> Shape:
    if x.rank < 2 or lengths.shape != (x.shape[batch_axis],):
        raise ShapeError(f"reverse_sequence of {x} with lengths {lengths}")
    check_indices(lengths, x.shape[time_axis] + 1)
    return x.shape


@operation("reverse_sequence", "movement", _reverse_sequence_shape)
def _reverse_sequence(at: Index, x: Value, lengths: Value, *, batch_axis: int, time_axis: int) -> Expr:
    step, length = at[time_axis], Read(lengths, (at[batch_axis],))
    turned = apply("sub", apply("sub", length, integer(1)), step)
    return Read(x, (*at[:time_axis], select(apply("lt", step, length), turned, step), *at[time_axis + 1 :]))


def infer_minus_one(shape: list[Dim], total: Dim) -> list[Dim]:
    """Replace the one -1 of a reshape target by what is left of `total`. Raises ShapeError if nothing fits."""
    holes = [n for n, d in enumerate(shape) if d == -1]
    if not holes:
        return shape
    if len(holes) > 1:
        raise ShapeError("a reshape target has more than one -1")
    rest = exact_division(total, product(d for d in shape if d != -1))
    if rest is None:
        raise ShapeError(f"{total} elements do not divide into {shape}")
    return [rest if d == -1 else d for d in shape]
