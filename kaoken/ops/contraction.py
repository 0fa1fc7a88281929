"""Contractions: matrix product (NumPy's matmul) and convolution."""

from __future__ import annotations

from kaoken.ir.dims import dim
from kaoken.ir.expr import Expr, Formula, Int, Read, apply, axes_for, axis, const, integer, reduce, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.pointwise import broadcast_shapes
from kaoken.ops.registry import Attrs, Inputs, ShapeError, define, operand

# matmul: NumPy semantics, ranks >= 1 -------------------------------------------------------------------------------------------


def _infer_matmul(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    a, b = operand(inputs, 0), operand(inputs, 1)
    if a.rank < 1 or b.rank < 1 or a.dtype != b.dtype:
        raise ShapeError(f"matmul of {a} and {b}")
    k_a, k_b = a.shape[-1], b.shape[-2] if b.rank > 1 else b.shape[0]
    if k_a != k_b:
        raise ShapeError(f"matmul contracts {k_a} with {k_b}")
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
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


# conv: operands x [N,C,...], w [M,C/group,...], bias; attrs strides, dilations, before, after, group ---------------------------


def _infer_conv(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, w = operand(inputs, 0), operand(inputs, 1)
    if x.rank != w.rank or x.rank < 3:
        raise ShapeError(f"conv of {x} with {w}")
    if x.shape[1] != w.shape[1] * attrs["group"]:
        raise ShapeError(f"conv of {x.shape[1]} channels in {attrs['group']} groups with weights of {w.shape[1]}")
    spatial = []
    for n in range(x.rank - 2):
        reach = attrs["dilations"][n] * (w.shape[n + 2] - 1) + 1
        padded = x.shape[n + 2] + attrs["before"][n] + attrs["after"][n]
        spatial.append((padded - reach) // attrs["strides"][n] + 1)
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
