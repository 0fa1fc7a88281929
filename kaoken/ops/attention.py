"""Scaled dot-product attention (Vaswani et al. 2017) with what exporters put around it folded into facts.

Operands: q rows [batch, seq, heads * head_dim]; keys [batch, kv_heads, total, head_dim]; values [batch, kv_heads, total,
value_dim]; mask [batch, at least total] of integers or None; bias broadcastable to [batch, heads, seq, total] or None; with
bias_center a table [1, heads or 1, distances] instead, of which element bias_center + t - (past + s) is added to key t's score.
Attributes: heads, kv_heads, scale, causal (key t is visible to row s iff t <= past + s, past = total - seq), mask_test (the
comparison a mask element must satisfy to be attended, such as ("ne", 0)), binary_mask (whether the mask's elements must be 0
or 1 for that, which is checked when the model is called), empty_row (what a row that sees no key gives: `zero`, `mean` of all
values, or `nan`). Result: rows [batch, seq, heads * value_dim].
"""

from __future__ import annotations

import math

from kaoken.ir.dims import dim
from kaoken.ir.expr import TRUE, Expr, Int, Read, apply, axis, cast, const, integer, literal, reduce, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.registry import Index, ShapeError, operation


def _shape(q: Value, k: Value, v: Value, *, heads: int) -> Shape:
    if q.rank != 3 or k.rank != 4 or v.rank != 4 or q.shape[2] != k.shape[3] * heads:
        raise ShapeError(f"attention of {q}, {k}, {v}")
    return (q.shape[0], q.shape[1], v.shape[3] * heads)


@operation("attention", "kernel", _shape)
def _attention(
    at: Index, q: Value, k: Value, v: Value, mask: Value | None = None, bias: Value | None = None, *, node: Node
) -> Expr:
    heads, kv_heads = node.attrs["heads"], node.attrs["kv_heads"]
    b, s, column = at
    h = apply("floordiv", column, Int(v.shape[3]))
    kv = apply("floordiv", h, integer(heads // kv_heads)) if heads != kv_heads else h
    total, past = k.shape[2], k.shape[2] - q.shape[1]

    def score(t: Expr, name: str) -> tuple[Expr, Expr]:
        d = axis(f"{name}d", k.shape[3])
        q_column = apply("add", apply("mul", h, Int(k.shape[3])), Int(dim(d)))
        product = apply("mul", Read(q, (b, s, q_column)), Read(k, (b, kv, t, Int(dim(d)))))
        value = apply("mul", reduce("sum", (d,), product), const(node.attrs["scale"], q.dtype))
        if bias is not None and node.attrs.get("bias_center") is not None:
            distance = apply("sub", t, apply("add", s, Int(past)))
            head = h if bias.shape[1] != 1 else integer(0)
            place: tuple[Expr, ...] = (integer(0), head, apply("add", distance, integer(node.attrs["bias_center"])))
            value = apply("add", value, Read(bias, place))
        elif bias is not None:
            place = tuple(integer(0) if n == 1 else i for n, i in zip(bias.shape, (b, h, s, t)[4 - bias.rank :], strict=True))
            value = apply("add", value, Read(bias, place))
        visible: Expr = TRUE
        if node.attrs["causal"]:
            visible = apply("le", t, apply("add", s, Int(past)))
        if mask is not None:
            test, number = node.attrs["mask_test"]
            hit = apply(test, Read(mask, (integer(0) if mask.shape[0] == 1 else b, t)), const(number, mask.dtype))
            visible = apply("and", visible, hit)
        return value, visible

    lowest = const(-math.inf, q.dtype)
    t_m, t_s, t_v, t_e = (axis(name, total) for name in ("tm", "ts", "tv", "te"))
    value_m, visible_m = score(Int(dim(t_m)), "m")
    largest = reduce("max", (t_m,), select(visible_m, value_m, lowest))

    def weight(t: Expr, name: str) -> Expr:
        value, visible = score(t, name)
        return select(visible, apply("exp", apply("sub", value, largest)), const(0, q.dtype))

    position = apply("mod", column, Int(v.shape[3]))
    norm = reduce("sum", (t_s,), weight(Int(dim(t_s)), "s"))
    mixed = reduce("sum", (t_v,), apply("mul", weight(Int(dim(t_v)), "v"), Read(v, (b, kv, Int(dim(t_v)), position))))
    body = apply("div", mixed, norm)
    if literal(visible_m) is None:
        rule = node.attrs["empty_row"]
        empty: Expr = const(0 if rule == "zero" else math.nan, q.dtype)
        if rule == "mean":
            everything = reduce("sum", (t_e,), Read(v, (b, kv, Int(dim(t_e)), position)))
            empty = apply("div", everything, cast(Int(total), q.dtype))
        body = select(apply("eq", largest, lowest), empty, body)
    return body
