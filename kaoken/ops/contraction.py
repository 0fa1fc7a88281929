"""Contractions: matrix product (NumPy's matmul), convolution, its transpose, and sums of products by letters (einsum)."""

from __future__ import annotations

from functools import reduce as folded

from kaoken.ir.dims import Dim, dim, exact_division
from kaoken.ir.expr import TRUE, Expr, Int, Read, apply, axis, cast, const, integer, reduce, select
from kaoken.ir.graph import Shape, Value
from kaoken.ops.pointwise import broadcast_dim, broadcast_shapes
from kaoken.ops.registry import ExtentsDiffer, Index, ShapeError, inside, operation

# matmul: NumPy semantics, ranks >= 1 -------------------------------------------------------------------------------------------


def _matmul_shape(a: Value, b: Value) -> Shape:
    if a.rank < 1 or b.rank < 1 or a.dtype != b.dtype:
        raise ShapeError(f"matmul of {a} and {b}")
    k_a, k_b = a.shape[-1], b.shape[-2] if b.rank > 1 else b.shape[0]
    if k_a != k_b:
        raise ExtentsDiffer(f"matmul contracts {k_a} with {k_b}", (k_a, k_b))
    try:
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ExtentsDiffer as differ:
        places = (differ.places[0] + 2, differ.places[1] + 2)
        raise ExtentsDiffer(str(differ), differ.extents, places, differ.rule) from None
    return batch + (a.shape[-2:-1] if a.rank > 1 else ()) + (b.shape[-1:] if b.rank > 1 else ())


def _batch_read(value: Value, at: Index, inner: Index) -> Expr:
    batch_rank = max(value.rank - 2, 0)
    mine = at[len(at) - batch_rank :] if batch_rank else ()
    own = tuple(integer(0) if value.shape[n] == 1 else mine[n] for n in range(batch_rank))
    return Read(value, own + inner)


@operation("matmul", "contraction", _matmul_shape)
def _matmul(at: Index, a: Value, b: Value) -> Expr:
    k = axis("r0", a.shape[-1])
    row = (at[-2] if b.rank > 1 else at[-1],) if a.rank > 1 else ()
    column = (at[-1],) if b.rank > 1 else ()
    batch = at[: len(at) - len(row) - len(column)]
    left = _batch_read(a, batch, (*row, Int(dim(k))))
    right = _batch_read(b, batch, (Int(dim(k)), *column))
    return reduce("sum", (k,), apply("mul", left, right))


# short_matmul: x [..., K] int16 by rows w [N, K] of int16 or int8, in int32: no product of two overflows, so sums are plain C ---


def _short_matmul_shape(x: Value, w: Value) -> list[tuple[Shape, str]]:
    if x.dtype != "int16" or w.dtype not in ("int16", "int8") or x.rank < 1 or w.rank != 2 or x.shape[-1] != w.shape[1]:
        raise ShapeError(f"short_matmul of {x} and {w}")
    return [((*x.shape[:-1], w.shape[0]), "int32")]


@operation("short_matmul", "contraction", _short_matmul_shape)
def _short_matmul(at: Index, x: Value, w: Value) -> Expr:
    k = axis("r0", x.shape[-1])
    sides = Read(x, (*at[:-1], Int(dim(k)))), Read(w, (at[-1], Int(dim(k))))
    return reduce("sum", (k,), apply("mul", *(cast(side, "int32") for side in sides)))


# conv: operands x [N,C,...], w [M,C/group,...], bias; attrs strides, dilations, before, after, group ---------------------------
# conv_transpose: operands x [N,C,...], w [C,M/group,...], bias; attrs strides, dilations, before, extents (spatial), group ----


def window_reach(kernel: int, dilation: int) -> int:
    """How many positions a window covers from its first element to its last."""
    return dilation * (kernel - 1) + 1


def _check_groups(op: str, x: Value, w: Value, bias: Value | None, group: int, divided: Dim, channels: Dim) -> None:
    if group < 1 or exact_division(divided, dim(group)) is None or x.dtype != w.dtype:
        raise ShapeError(f"{op} of {x} with {w} in {group} groups")
    if bias is not None and bias.shape != (channels,):
        raise ShapeError(f"a bias of {list(bias.shape)} for {channels} channels")


def _conv_shape(
    x: Value, w: Value, bias: Value | None = None, *,
    strides: tuple[int, ...], dilations: tuple[int, ...], before: Shape, after: Shape, group: int,
) -> Shape:  # fmt: skip
    if x.rank != w.rank or x.rank < 3:
        raise ShapeError(f"conv of {x} with {w}")
    if x.shape[1] != w.shape[1] * group:
        message = f"conv of {x.shape[1]} channels in {group} groups with weights of {w.shape[1]}"
        raise ExtentsDiffer(message, (x.shape[1], w.shape[1] * group))
    _check_groups("conv", x, w, bias, group, w.shape[0], w.shape[0])
    spatial = []
    for n, extent in enumerate(x.shape[2:]):
        reach = window_reach(int(w.shape[n + 2]), dilations[n])
        room = extent + before[n] + after[n] - reach
        if (room.constant or 0) < 0:
            raise ShapeError(f"a window of {reach} does not fit into {list(x.shape[2:])}")
        spatial.append(room // strides[n] + 1)
    return (x.shape[0], w.shape[0], *spatial)


def _biased(body: Expr, bias: Value | None, channel: Expr) -> Expr:
    return body if bias is None else apply("add", body, Read(bias, (channel,)))


@operation("conv", "contraction", _conv_shape)
def _conv(
    at: Index, x: Value, w: Value, bias: Value | None = None, *,
    strides: tuple[int, ...], dilations: tuple[int, ...], before: Shape, group: int,
) -> Expr:  # fmt: skip
    channel = axis("r0", w.shape[1])
    taps = tuple(axis(f"r{n + 1}", extent) for n, extent in enumerate(w.shape[2:]))
    own = apply("floordiv", at[1], Int(w.shape[0] // group)) if group > 1 else integer(0)
    c = apply("add", apply("mul", own, Int(w.shape[1])), Int(dim(channel)))
    test: Expr = TRUE
    position: list[Expr] = []
    for n, (i, tap) in enumerate(zip(at[2:], taps, strict=True)):
        assert isinstance(i, Int)
        position.append(Int(i.value * strides[n] + dim(tap) * dilations[n] - before[n]))
        test = inside(test, position[-1], x.shape[n + 2])
    element = select(test, Read(x, (at[0], c, *position)), const(0, x.dtype))
    weight = Read(w, (at[1], Int(dim(channel)), *(Int(dim(t)) for t in taps)))
    return _biased(reduce("sum", (channel, *taps), apply("mul", element, weight)), bias, at[1])


def _conv_transpose_shape(x: Value, w: Value, bias: Value | None = None, *, extents: Shape, group: int) -> Shape:
    if x.rank != w.rank or x.rank < 3 or x.shape[1] != w.shape[0]:
        raise ShapeError(f"conv_transpose of {x} with {w}")
    _check_groups("conv_transpose", x, w, bias, group, x.shape[1], w.shape[1] * group)
    return (x.shape[0], w.shape[1] * group, *map(dim, extents))


@operation("conv_transpose", "contraction", _conv_transpose_shape)
def _conv_transpose(
    at: Index, x: Value, w: Value, bias: Value | None = None, *,
    strides: tuple[int, ...], dilations: tuple[int, ...], before: Shape, group: int,
) -> Expr:  # fmt: skip
    """Output position p takes from input position q through tap r where q * stride + r * dilation - before = p."""
    group_size = x.shape[1] // group
    channel = axis("r0", group_size)
    taps = tuple(axis(f"r{n + 1}", extent) for n, extent in enumerate(w.shape[2:]))
    own = apply("floordiv", at[1], Int(w.shape[1])) if group > 1 else integer(0)
    c = apply("add", apply("mul", own, Int(group_size)), Int(dim(channel)))
    test: Expr = TRUE
    position: list[Expr] = []
    for n, (i, tap) in enumerate(zip(at[2:], taps, strict=True)):
        assert isinstance(i, Int)
        stride, spread = integer(strides[n]), Int(i.value + before[n] - dim(tap) * dilations[n])
        position.append(apply("floordiv", spread, stride))
        test = apply("and", test, apply("eq", apply("mod", spread, stride), integer(0)))
        test = inside(test, position[-1], x.shape[n + 2])
    element = select(test, Read(x, (at[0], c, *position)), const(0, x.dtype))
    column = apply("sub", at[1], apply("mul", own, Int(w.shape[1])))
    weight = Read(w, (c, column, *(Int(dim(t)) for t in taps)))
    return _biased(reduce("sum", (channel, *taps), apply("mul", element, weight)), bias, at[1])


# einsum: attrs terms (a tuple of axis labels for each operand), result (labels); other labels are summed, in order of first use


def einsum_terms(equation: str, ranks: list[int]) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """The labels of each operand and of the result; the axes that `...` stands for are labelled 0, 1, ... from the right.

    Raises ShapeError for an equation that is none or does not fit the ranks.
    """
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(ranks):
        raise ShapeError(f"equation {equation!r} has {len(parts)} terms for {len(ranks)} operands")
    dots = [max(0, rank - len(part.replace("...", ""))) if "..." in part else 0 for part, rank in zip(parts, ranks, strict=True)]

    def labels(part: str, count: int) -> tuple[str, ...]:
        before, ellipsis, after = part.partition("...")
        if not all(c.isalpha() for c in before + after):
            raise ShapeError(f"equation {equation!r} cannot be read")
        return (*before, *(str(n) for n in reversed(range(count if ellipsis else 0))), *after)

    terms = tuple(labels(part, count) for part, count in zip(parts, dots, strict=True))
    for term, rank in zip(terms, ranks, strict=True):
        if len(term) != rank:
            raise ShapeError(f"equation {equation!r} does not fit operands of rank {ranks}")
    every = [label for term in terms for label in term]
    if arrow:
        result = labels(right, max(dots))
    else:
        once = sorted(label for label in set(every) if label.isalpha() and every.count(label) == 1)
        result = (*labels("...", max(dots)), *once)
    if not set(result) <= set(every) or len(set(result)) < len(result):
        raise ShapeError(f"the result of equation {equation!r} names axes that it does not have, or one twice")
    return terms, result


def _extents(values: tuple[Value, ...], terms: tuple[tuple[str, ...], ...]) -> dict[str, Dim]:
    extents: dict[str, Dim] = {}
    for value, term in zip(values, terms, strict=True):
        for label, extent in zip(term, value.shape, strict=True):
            extents[label] = broadcast_dim(extents[label], extent) if label in extents else extent
    return extents


def _einsum_shape(*values: Value, terms: tuple[tuple[str, ...], ...], result: tuple[str, ...]) -> Shape:
    extents = _extents(values, terms)
    return tuple(extents[label] for label in result)


@operation("einsum", "contraction", _einsum_shape)
def _einsum(at: Index, *values: Value, terms: tuple[tuple[str, ...], ...], result: tuple[str, ...]) -> Expr:
    extents, place = _extents(values, terms), dict(zip(result, at, strict=True))
    own = {label: axis(f"r{n}", extents[label]) for n, label in enumerate(k for k in extents if k not in place)}
    place |= {label: Int(dim(a)) for label, a in own.items()}
    factors: list[Expr] = []
    for value, term in zip(values, terms, strict=True):
        at = tuple(integer(0) if extent == 1 else place[label] for label, extent in zip(term, value.shape, strict=True))
        factors.append(Read(value, at))
    return reduce("sum", tuple(own.values()), folded(lambda a, b: apply("mul", a, b), factors))
