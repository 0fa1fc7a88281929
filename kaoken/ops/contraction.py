"""Contractions: matrix product (NumPy's matmul), convolution, its transpose, and sums of products by letters (einsum)."""

from __future__ import annotations

from kaoken.ir.dims import Dim, dim, exact_division
from kaoken.ir.expr import Expr, Formula, Int, Read, apply, axes_for, axis, cast, const, integer, reduce, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.pointwise import broadcast_dim, broadcast_shapes
from kaoken.ops.registry import Attrs, ExtentsDiffer, Inputs, ShapeError, define, operand

# matmul: NumPy semantics, ranks >= 1 -------------------------------------------------------------------------------------------


def _infer_matmul(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    a, b = operand(inputs, 0), operand(inputs, 1)
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
    rows = a.shape[-2:-1] if a.rank > 1 else ()
    columns = b.shape[-1:] if b.rank > 1 else ()
    return [(batch + rows + columns, a.dtype)]


def _batch_read(value: Value, at: tuple[Expr, ...], inner: tuple[Expr, ...]) -> Expr:
    batch_rank = max(value.rank - 2, 0)
    mine = at[len(at) - batch_rank :] if batch_rank else ()
    own = tuple(integer(0) if value.shape[n] == 1 else mine[n] for n in range(batch_rank))
    return Read(value, own + inner)


def _matmul_formula(node: Node, output: int) -> Formula:
    a, b = operand(node.inputs, 0), operand(node.inputs, 1)
    axes = axes_for(node.output.shape)
    at = tuple(Int(dim(x)) for x in axes)
    k = axis("r0", a.shape[-1])
    row = (at[-2] if b.rank > 1 else at[-1],) if a.rank > 1 else ()
    column = (at[-1],) if b.rank > 1 else ()
    batch = at[: len(at) - len(row) - len(column)]
    left = _batch_read(a, batch, (*row, Int(dim(k))))
    right = _batch_read(b, batch, (Int(dim(k)), *column))
    return Formula(axes, reduce("sum", (k,), apply("mul", left, right)))


define("matmul", "contraction", _infer_matmul, _matmul_formula)


# short_matmul: x [..., K] int16 by rows w [N, K] of int16 or int8, in int32: no product of two overflows, so sums are plain C ---


def _infer_short_matmul(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, w = operand(inputs, 0), operand(inputs, 1)
    if x.dtype != "int16" or w.dtype not in ("int16", "int8") or x.rank < 1 or w.rank != 2 or x.shape[-1] != w.shape[1]:
        raise ShapeError(f"short_matmul of {x} and {w}")
    return [((*x.shape[:-1], w.shape[0]), "int32")]


def _short_matmul_formula(node: Node, output: int) -> Formula:
    x, w = operand(node.inputs, 0), operand(node.inputs, 1)
    axes, k = axes_for(node.output.shape), axis("r0", x.shape[-1])
    *rows, column = (Int(dim(a)) for a in axes)
    sides = Read(x, (*rows, Int(dim(k)))), Read(w, (column, Int(dim(k))))
    return Formula(axes, reduce("sum", (k,), apply("mul", *(cast(side, "int32") for side in sides))))


define("short_matmul", "contraction", _infer_short_matmul, _short_matmul_formula)


# conv: operands x [N,C,...], w [M,C/group,...], bias; attrs strides, dilations, before, after, group ---------------------------


def window_reach(kernel: int, dilation: int) -> int:
    """How many positions a window covers from its first element to its last."""
    return dilation * (kernel - 1) + 1


def _infer_conv(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, w = operand(inputs, 0), operand(inputs, 1)
    if x.rank != w.rank or x.rank < 3:
        raise ShapeError(f"conv of {x} with {w}")
    if x.shape[1] != w.shape[1] * attrs["group"]:
        message = f"conv of {x.shape[1]} channels in {attrs['group']} groups with weights of {w.shape[1]}"
        raise ExtentsDiffer(message, (x.shape[1], w.shape[1] * attrs["group"]))
    if attrs["group"] < 1 or exact_division(w.shape[0], dim(attrs["group"])) is None or x.dtype != w.dtype:
        raise ShapeError(f"conv of {x} with {w} in {attrs['group']} groups")
    _check_bias(inputs, w.shape[0])
    spatial = []
    for n in range(x.rank - 2):
        reach = window_reach(int(w.shape[n + 2]), attrs["dilations"][n])
        room = x.shape[n + 2] + attrs["before"][n] + attrs["after"][n] - reach
        if (room.constant or 0) < 0:
            raise ShapeError(f"a window of {reach} does not fit into {list(x.shape[2:])}")
        spatial.append(room // attrs["strides"][n] + 1)
    return [((x.shape[0], w.shape[0], *spatial), x.dtype)]


def _conv_formula(node: Node, output: int) -> Formula:
    x, w = operand(node.inputs, 0), operand(node.inputs, 1)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    axes = axes_for(node.output.shape)
    at = tuple(Int(dim(a)) for a in axes)
    channel = axis("r0", w.shape[1])
    taps = tuple(axis(f"r{n + 1}", w.shape[n + 2]) for n in range(x.rank - 2))
    group_size = w.shape[0] // node.attrs["group"]
    group = apply("floordiv", at[1], Int(group_size)) if node.attrs["group"] > 1 else integer(0)
    c = apply("add", apply("mul", group, Int(w.shape[1])), Int(dim(channel)))
    inside: Expr = const(True, "bool")
    position: list[Expr] = []
    for n, tap in enumerate(taps):
        p = Int(at[n + 2].value * node.attrs["strides"][n] + dim(tap) * node.attrs["dilations"][n] - node.attrs["before"][n])
        inside = apply("and", inside, apply("ge", p, integer(0)))
        inside = apply("and", inside, apply("lt", p, Int(x.shape[n + 2])))
        position.append(p)
    element = select(inside, Read(x, (at[0], c, *position)), const(0, x.dtype))
    weight = Read(w, (at[1], Int(dim(channel)), *(Int(dim(t)) for t in taps)))
    body = reduce("sum", (channel, *taps), apply("mul", element, weight))
    if bias is not None:
        body = apply("add", body, Read(bias, (at[1],)))
    return Formula(axes, body)


define("conv", "contraction", _infer_conv, _conv_formula)


# conv_transpose: operands x [N,C,...], w [C,M/group,...], bias; attrs strides, dilations, before, extents (spatial), group ----


def _check_bias(inputs: Inputs, channels: Dim) -> None:
    bias = inputs[2] if len(inputs) > 2 else None
    if bias is not None and bias.shape != (channels,):
        raise ShapeError(f"a bias of {list(bias.shape)} for {channels} channels")


def _infer_conv_transpose(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, w = operand(inputs, 0), operand(inputs, 1)
    if x.rank != w.rank or x.rank < 3 or x.shape[1] != w.shape[0]:
        raise ShapeError(f"conv_transpose of {x} with {w}")
    if attrs["group"] < 1 or exact_division(x.shape[1], dim(attrs["group"])) is None or x.dtype != w.dtype:
        raise ShapeError(f"conv_transpose of {x} with {w} in {attrs['group']} groups")
    _check_bias(inputs, w.shape[1] * attrs["group"])
    return [((x.shape[0], w.shape[1] * attrs["group"], *(dim(e) for e in attrs["extents"])), x.dtype)]


def _conv_transpose_formula(node: Node, output: int) -> Formula:
    """Output position p takes from input position q through tap r where q * stride + r * dilation - before = p."""
    x, w = operand(node.inputs, 0), operand(node.inputs, 1)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    axes = axes_for(node.output.shape)
    at = tuple(Int(dim(a)) for a in axes)
    group_size = x.shape[1] // node.attrs["group"]
    channel = axis("r0", group_size)
    taps = tuple(axis(f"r{n + 1}", w.shape[n + 2]) for n in range(x.rank - 2))
    group = apply("floordiv", at[1], Int(w.shape[1])) if node.attrs["group"] > 1 else integer(0)
    c = apply("add", apply("mul", group, Int(group_size)), Int(dim(channel)))
    inside: Expr = const(True, "bool")
    position: list[Expr] = []
    for n, tap in enumerate(taps):
        stride = integer(node.attrs["strides"][n])
        spread = Int(at[n + 2].value + node.attrs["before"][n] - dim(tap) * node.attrs["dilations"][n])
        q = apply("floordiv", spread, stride)
        inside = apply("and", inside, apply("eq", apply("mod", spread, stride), integer(0)))
        inside = apply("and", inside, apply("ge", q, integer(0)))
        inside = apply("and", inside, apply("lt", q, Int(x.shape[n + 2])))
        position.append(q)
    element = select(inside, Read(x, (at[0], c, *position)), const(0, x.dtype))
    own = apply("sub", at[1], apply("mul", group, Int(w.shape[1])))
    weight = Read(w, (c, own, *(Int(dim(t)) for t in taps)))
    body = reduce("sum", (channel, *taps), apply("mul", element, weight))
    if bias is not None:
        body = apply("add", body, Read(bias, (at[1],)))
    return Formula(axes, body)


define("conv_transpose", "contraction", _infer_conv_transpose, _conv_transpose_formula)


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


def _einsum_extents(inputs: Inputs, terms: tuple[tuple[str, ...], ...]) -> dict[str, Dim]:
    extents: dict[str, Dim] = {}
    for n, term in enumerate(terms):
        for label, extent in zip(term, operand(inputs, n).shape, strict=True):
            extents[label] = broadcast_dim(extents[label], extent) if label in extents else extent
    return extents


def _infer_einsum(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    extents = _einsum_extents(inputs, attrs["terms"])
    return [(tuple(extents[label] for label in attrs["result"]), operand(inputs, 0).dtype)]


def _einsum_formula(node: Node, output: int) -> Formula:
    terms, result = node.attrs["terms"], node.attrs["result"]
    extents = _einsum_extents(node.inputs, terms)
    axes = axes_for(node.output.shape)
    place = {label: Int(dim(a)) for label, a in zip(result, axes, strict=True)}
    summed = [label for label in extents if label not in place]
    own = tuple(axis(f"r{n}", extents[label]) for n, label in enumerate(summed))
    place |= {label: Int(dim(a)) for label, a in zip(summed, own, strict=True)}
    factors: list[Expr] = []
    for n, term in enumerate(terms):
        value = operand(node.inputs, n)
        at = (integer(0) if extent == 1 else place[label] for label, extent in zip(term, value.shape, strict=True))
        factors.append(Read(value, tuple(at)))
    body = factors[0]
    for factor in factors[1:]:
        body = apply("mul", body, factor)
    return Formula(axes, reduce("sum", own, body))


define("einsum", "contraction", _infer_einsum, _einsum_formula)
