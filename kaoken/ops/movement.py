"""Movement: operations whose every output element is one input element. Layout only; most cost nothing once seen through."""

from __future__ import annotations

from kaoken.ir.dims import Dim, dim, exact_division, is_nonnegative, maximum, minimum, product
from kaoken.ir.expr import Expr, Formula, Int, Read, apply, axes_for, const, integer, literal, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.registry import Attrs, ExtentsDiffer, Inputs, ShapeError, define, normalize_axis, operand


def _at(node: Node) -> tuple[tuple, tuple[Expr, ...]]:
    axes = axes_for(node.output.shape)
    return axes, tuple(Int(dim(a)) for a in axes)


def _same_type(shape_rule):  # type: ignore[no-untyped-def]
    def infer(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
        x = operand(inputs, 0)
        return [(tuple(dim(d) for d in shape_rule(x, attrs)), x.dtype)]

    return infer


# reshape: attrs shape (dims), checked: the call makes sure that it fits; same elements in row-major order ------------------


def _reshape_shape(x: Value, attrs: Attrs) -> Shape:
    target = tuple(dim(d) for d in attrs["shape"])
    if product(target) != product(x.shape) and not attrs.get("checked"):
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


def _reshape_formula(node: Node, output: int) -> Formula:
    axes, at = _at(node)
    x = operand(node.inputs, 0)
    return Formula(axes, Read(x, reshape_indices(x.shape, node.output.shape, at)))


define("reshape", "movement", _same_type(_reshape_shape), _reshape_formula)


# transpose: attrs perm ----------------------------------------------------------------------------------------------------


def _transpose_shape(x: Value, attrs: Attrs) -> Shape:
    perm = attrs["perm"]
    if sorted(perm) != list(range(x.rank)):
        raise ShapeError(f"perm {list(perm)} is no permutation of {x.rank} axes")
    return tuple(x.shape[p] for p in perm)


def _transpose_formula(node: Node, output: int) -> Formula:
    axes, at = _at(node)
    perm = list(node.attrs["perm"])
    return Formula(axes, Read(operand(node.inputs, 0), tuple(at[perm.index(n)] for n in range(len(perm)))))


define("transpose", "movement", _same_type(_transpose_shape), _transpose_formula)


# expand: attrs shape; broadcasting, also of the target by the operand -------------------------------------------------------


def _expand_shape(x: Value, attrs: Attrs) -> Shape:
    from kaoken.ops.pointwise import broadcast_shapes

    return broadcast_shapes(x.shape, tuple(dim(d) for d in attrs["shape"]))


def _expand_formula(node: Node, output: int) -> Formula:
    from kaoken.ops.pointwise import broadcast_read

    axes, at = _at(node)
    return Formula(axes, broadcast_read(operand(node.inputs, 0), at, node.output.shape))


define("expand", "movement", _same_type(_expand_shape), _expand_formula)


# slice: attrs starts, steps, lengths, one for each axis; index = start + step * i ----------------------------------------------


def _slice_formula(node: Node, output: int) -> Formula:
    axes, at = _at(node)
    indices = tuple(
        apply("add", Int(dim(start)), apply("mul", integer(step), i))
        for start, step, i in zip(node.attrs["starts"], node.attrs["steps"], at, strict=True)
    )
    return Formula(axes, Read(operand(node.inputs, 0), indices))


def _slice_shape(x: Value, attrs: Attrs) -> Shape:
    for extent, start, step, length in zip(x.shape, attrs["starts"], attrs["steps"], attrs["lengths"], strict=True):
        numbers = extent.constant, dim(start).constant, dim(length).constant
        if None in numbers or numbers[2] == 0:
            continue
        ends = int(dim(start)), int(dim(start)) + step * (int(dim(length)) - 1)
        if min(ends) < 0 or max(ends) >= int(extent):
            raise ShapeError(f"slice of {min(ends)}..{max(ends)} from an axis of extent {extent}")
    return tuple(dim(length) for length in attrs["lengths"])


define("slice", "movement", _same_type(_slice_shape), _slice_formula)


# fill: no operand; attrs shape, value, dtype: one literal everywhere -----------------------------------------------------------


def _infer_fill(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    return [(tuple(dim(d) for d in attrs["shape"]), attrs["dtype"])]


def _fill_formula(node: Node, output: int) -> Formula:
    axes, _ = _at(node)
    return Formula(axes, const(node.attrs["value"], node.attrs["dtype"]))


define("fill", "movement", _infer_fill, _fill_formula)


# iota: no operand; attrs start, step, length: an int64 range -------------------------------------------------------------------


def _infer_iota(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    return [((dim(attrs["length"]),), "int64")]


def _iota_formula(node: Node, output: int) -> Formula:
    axes, at = _at(node)
    return Formula(axes, apply("add", Int(dim(node.attrs["start"])), apply("mul", Int(dim(node.attrs["step"])), at[0])))


define("iota", "movement", _infer_iota, _iota_formula)


# elements: no operand; attrs shape, elements (expressions of the dims, row-major), dtype ------------------------------------


def _elements_formula(node: Node, output: int) -> Formula:
    from kaoken.ops.compose import choose

    axes, at = _at(node)
    flat: Expr = integer(0)
    for extent, i in zip(node.output.shape, at, strict=True):
        flat = apply("add", apply("mul", flat, Int(extent)), i)
    return Formula(axes, choose(node.attrs["elements"], flat))


define("elements", "pointwise", _infer_fill, _elements_formula)


# concat: attrs axis. Several reads, each guarded: no pure movement ------------------------------------------------------------


def _infer_concat(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    values = [operand(inputs, n) for n in range(len(inputs))]
    first = values[0]
    axis = normalize_axis(attrs["axis"], first.rank)
    for other in values[1:]:
        if other.rank != first.rank or other.dtype != first.dtype:
            raise ShapeError(f"concat of {first} and {other}")
        for n in range(first.rank):
            if n != axis and other.shape[n] != first.shape[n]:
                message = f"concat on axis {axis} of {list(first.shape)} and {list(other.shape)}"
                raise ExtentsDiffer(message, (first.shape[n], other.shape[n]))
    shape = list(first.shape)
    for other in values[1:]:
        shape[axis] = shape[axis] + other.shape[axis]
    return [(tuple(shape), first.dtype)]


def _concat_formula(node: Node, output: int) -> Formula:
    axes, at = _at(node)
    axis = normalize_axis(node.attrs["axis"], len(at))
    parts = []
    start: Dim = dim(0)
    for value in node.inputs:
        assert value is not None
        index = apply("sub", at[axis], Int(start))
        parts.append((start + value.shape[axis], Read(value, (*at[:axis], index, *at[axis + 1 :]))))
        start = start + value.shape[axis]
    body: Expr = parts[-1][1]
    for end, part in reversed(parts[:-1]):
        body = select(apply("lt", at[axis], Int(end)), part, body)
    return Formula(axes, body)


define("concat", "pointwise", _infer_concat, _concat_formula)


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
            return _inside(index.value, extent)
        if is_nonnegative(-index.value - 1):
            return _inside(index.value + extent, extent)
        wrapped = (_inside(index.value + extent, extent), _inside(index.value, extent))
        return select(apply("lt", index, integer(0)), *wrapped)
    if index.dtype != "int64":
        from kaoken.ir.expr import cast

        index = cast(index, "int64")
    return select(apply("lt", index, integer(0)), apply("add", index, Int(extent)), index)


def _inside(index: Dim, extent: Dim) -> Expr:
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


def _infer_gather(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, indices = operand(inputs, 0), operand(inputs, 1)
    axis = normalize_axis(attrs["axis"], x.rank)
    if x.rank == 0:
        raise ShapeError("gather from a scalar")
    check_indices(indices, x.shape[axis])
    return [(x.shape[:axis] + indices.shape + x.shape[axis + 1 :], x.dtype)]


def _gather_formula(node: Node, output: int) -> Formula:
    from kaoken.ops.compose import read

    axes, at = _at(node)
    x, indices = operand(node.inputs, 0), operand(node.inputs, 1)
    axis = normalize_axis(node.attrs["axis"], x.rank)
    index = wrap_index(read(indices, at[axis : axis + indices.rank]), x.shape[axis])
    return Formula(axes, Read(x, (*at[:axis], index, *at[axis + indices.rank :])))


define("gather", "movement", _infer_gather, _gather_formula)


def _infer_gather_elements(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, indices = operand(inputs, 0), operand(inputs, 1)
    axis = normalize_axis(attrs["axis"], x.rank)
    if indices.rank != x.rank or x.rank == 0:
        raise ShapeError(f"gather_elements of {x} with indices {indices}")
    for n, (own, extent) in enumerate(zip(indices.shape, x.shape, strict=True)):
        if n != axis and not is_nonnegative(extent - own):
            message = f"indices of {own} elements along axis {n} of extent {extent}"
            raise ExtentsDiffer(message, (own, extent), (x.rank - n, 0), "within")
    check_indices(indices, x.shape[axis])
    return [(indices.shape, x.dtype)]


def _gather_elements_formula(node: Node, output: int) -> Formula:
    from kaoken.ops.compose import read

    axes, at = _at(node)
    x, indices = operand(node.inputs, 0), operand(node.inputs, 1)
    axis = normalize_axis(node.attrs["axis"], x.rank)
    index = wrap_index(read(indices, at), x.shape[axis])
    return Formula(axes, Read(x, (*at[:axis], index, *at[axis + 1 :])))


define("gather_elements", "movement", _infer_gather_elements, _gather_elements_formula)


def _infer_gather_nd(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, indices = operand(inputs, 0), operand(inputs, 1)
    depth = indices.shape[-1].constant if indices.rank else None
    if depth is None:
        raise ShapeError("the last extent of gather_nd's indices must be a constant")
    batch = attrs["batch_dims"]
    if depth < 1 or depth > x.rank - batch or indices.shape[:batch] != x.shape[:batch] or batch >= indices.rank:
        raise ShapeError(f"gather_nd of {x} with indices {indices} and {batch} batch axes")
    for n in range(depth):
        check_indices(indices, x.shape[batch + n], n)
    return [(indices.shape[:-1] + x.shape[attrs["batch_dims"] + depth :], x.dtype)]


def gather_nd_index(indices: Value, place: tuple[Expr, ...], component: int, extent: Dim) -> Expr:
    """Component `component` of the index tuple at `place`, which may be joined from one tensor a component."""
    from kaoken.ops.compose import expand, read

    at = (*place, integer(component))
    producer = indices.producer
    item = expand(indices, at) if producer is not None and producer.op == "concat" else read(indices, at)
    return wrap_index(item, extent)


def _gather_nd_formula(node: Node, output: int) -> Formula:
    axes, at = _at(node)
    x, indices = operand(node.inputs, 0), operand(node.inputs, 1)
    batch, depth, rank = node.attrs["batch_dims"], int(indices.shape[-1]), indices.rank - 1
    steps = [gather_nd_index(indices, at[:rank], n, x.shape[batch + n]) for n in range(depth)]
    return Formula(axes, Read(x, (*at[:batch], *steps, *at[rank:])))


define("gather_nd", "movement", _infer_gather_nd, _gather_nd_formula)


# pad: operands x, value (optional); attrs before, after: constant padding; negative crops -------------------------------------


def _pad_shape(x: Value, attrs: Attrs) -> Shape:
    return tuple(d + b + a for d, b, a in zip(x.shape, attrs["before"], attrs["after"], strict=True))


def _pad_formula(node: Node, output: int) -> Formula:
    axes, at = _at(node)
    x = operand(node.inputs, 0)
    fill = node.inputs[1] if len(node.inputs) > 1 else None
    outside = Read(fill, tuple(integer(0) for _ in fill.shape)) if fill is not None else const(0, x.dtype)
    inside: Expr = const(True, "bool")
    indices = []
    for extent, before, i in zip(x.shape, node.attrs["before"], at, strict=True):
        index = apply("sub", i, Int(dim(before)))
        inside = apply("and", inside, apply("ge", index, integer(0)))
        inside = apply("and", inside, apply("lt", index, Int(extent)))
        indices.append(index)
    return Formula(axes, select(inside, Read(x, tuple(indices)), outside))


define("pad", "pointwise", _same_type(_pad_shape), _pad_formula)


# pad_index: operand x; attrs before, after, mode (edge, reflect, wrap): what lies outside is an element inside --


def _pad_index_formula(node: Node, output: int) -> Formula:
    axes, at = _at(node)
    x = operand(node.inputs, 0)
    indices: list[Expr] = []
    for extent, before, after, i in zip(x.shape, node.attrs["before"], node.attrs["after"], at, strict=True):
        index = apply("sub", i, Int(dim(before)))
        if before == 0 and after == 0:
            indices.append(index)
        elif extent == 1:
            indices.append(integer(0))
        elif node.attrs["mode"] == "wrap":
            indices.append(apply("mod", index, Int(maximum(dim(1), extent))))
        elif node.attrs["mode"] == "edge":
            indices.append(apply("max", integer(0), apply("min", index, Int(extent - 1))))
        else:
            period = maximum(dim(1), 2 * extent - 2)
            folded = apply("mod", index, Int(period))
            mirrored = apply("min", folded, apply("sub", Int(period), folded))
            indices.append(apply("min", mirrored, Int(extent - 1)))
    return Formula(axes, Read(x, tuple(indices)))


define("pad_index", "movement", _same_type(_pad_shape), _pad_index_formula)


# reverse_sequence: operands x, lengths; attrs batch_axis, time_axis: the first lengths[b] steps of each row, backwards --


def _reverse_sequence_formula(node: Node, output: int) -> Formula:
    axes, at = _at(node)
    x, lengths = operand(node.inputs, 0), operand(node.inputs, 1)
    time = node.attrs["time_axis"]
    length = Read(lengths, (at[node.attrs["batch_axis"]],))
    turned = apply("sub", apply("sub", length, integer(1)), at[time])
    index = select(apply("lt", at[time], length), turned, at[time])
    return Formula(axes, Read(x, (*at[:time], index, *at[time + 1 :])))


def _infer_reverse_sequence(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, lengths = operand(inputs, 0), operand(inputs, 1)
    if x.rank < 2 or lengths.shape != (x.shape[attrs["batch_axis"]],):
        raise ShapeError(f"reverse_sequence of {x} with lengths {lengths}")
    check_indices(lengths, x.shape[attrs["time_axis"]] + 1)
    return [(x.shape, x.dtype)]


define("reverse_sequence", "movement", _infer_reverse_sequence, _reverse_sequence_formula)


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
