"""`view` and `map`: operations that carry their formula as an attribute, made by passes.

`view` reads one element of its operand at another place (attrs formula); `map` computes anything pointwise over its operands, and
may reduce inside (attrs formula, dtype). `append` joins a past and a new tensor on the position axis, where a cache keeps
them; once loops are fused the new one is a formula over stored operands.
"""

from __future__ import annotations

from kaoken.ir.dims import dim
from kaoken.ir.expr import Expr, Formula, Int, Read, apply, axes_for, bind, extent_of, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.registry import Index, ShapeError, define, operand, operation


def _extents(formula: Formula) -> Shape:
    return tuple(map(extent_of, formula.axes))


def _carried(node: Node, output: int) -> Formula:
    formula = node.attrs["formula"]
    assert isinstance(formula, Formula)
    return formula


define("view", "movement", lambda inputs, attrs: [(_extents(attrs["formula"]), operand(inputs, 0).dtype)], _carried)
define("map", "pointwise", lambda inputs, attrs: [(_extents(attrs["formula"]), attrs["dtype"])], _carried)


def _appended_shape(past: Value | None, new: Value | None = None, *, formula: Formula | None = None) -> list[tuple[Shape, str]]:
    shape = _extents(formula) if formula is not None else operand([new], 0).shape
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


@operation("append", "kernel", _appended_shape)
def _append(at: Index, past: Value | None, *, node: Node) -> Expr:
    new, (b, h, t, d) = appended(node), at
    offset = past.shape[2] if past is not None else dim(0)
    fresh = bind(new.body, dict(zip(new.axes, (b, h, apply("sub", t, Int(offset)), d), strict=True)))
    return fresh if past is None else select(apply("lt", t, Int(offset)), Read(past, at), fresh)
