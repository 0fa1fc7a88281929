"""`view` and `map`: operations that carry their formula as an attribute, made by passes.

`view` reads one element of its operand at another place (attrs formula); `map` computes anything pointwise over its operands, and
may reduce inside (attrs formula, dtype). `append` joins a past and a new tensor on the position axis, where a cache keeps
them; once loops are fused the new one is a formula over stored operands.
"""

from __future__ import annotations

from kaoken.ir.dims import dim
from kaoken.ir.expr import Formula, Int, Read, apply, axes_for, bind, extent_of, select
from kaoken.ir.graph import Node, Shape
from kaoken.ops.registry import Attrs, Inputs, ShapeError, define, operand


def _infer_view(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    return [(tuple(extent_of(a) for a in attrs["formula"].axes), operand(inputs, 0).dtype)]


def _infer_map(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    return [(tuple(extent_of(a) for a in attrs["formula"].axes), attrs["dtype"])]


def _carried(node: Node, output: int) -> Formula:
    formula = node.attrs["formula"]
    assert isinstance(formula, Formula)
    return formula


define("view", "movement", _infer_view, _carried)
define("map", "pointwise", _infer_map, _carried)


def _infer_append(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    past = inputs[0]
    formula = attrs.get("formula")
    shape = operand(inputs, 1).shape if formula is None else tuple(extent_of(a) for a in formula.axes)
    if len(shape) != 4 or (past is not None and past.rank != 4):
        raise ShapeError(f"append of {past} and {list(shape)}")
    total = shape[2] + (past.shape[2] if past is not None else 0)
    return [((*shape[:2], total, shape[3]), "float32")]


def appended(node: Node) -> Formula:
    """The new positions of an append as a formula over [batch, heads, position, size]."""
    formula = node.attrs.get("formula")
    if formula is not None:
        return formula
    new = operand(node.inputs, 1)
    axes = axes_for(new.shape)
    return Formula(axes, Read(new, tuple(Int(dim(a)) for a in axes)))


def _append_formula(node: Node, output: int) -> Formula:
    past, new = node.inputs[0], appended(node)
    axes = axes_for(node.output.shape)
    b, h, t, d = (Int(dim(a)) for a in axes)
    offset = past.shape[2] if past is not None else dim(0)
    where = (b, h, apply("sub", t, Int(offset)), d)
    fresh = bind(new.body, dict(zip(new.axes, where, strict=True)))
    if past is None:
        return Formula(axes, fresh)
    return Formula(axes, select(apply("lt", t, Int(offset)), Read(past, (b, h, t, d)), fresh))


define("append", "kernel", _infer_append, _append_formula)
