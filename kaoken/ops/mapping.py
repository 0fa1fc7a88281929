"""`view` and `map`: operations that carry their formula as an attribute, made by passes.

`view` reads one element of its operand at another place (attrs formula); `map` computes anything pointwise over its operands, and
may reduce inside (attrs formula, dtype). `append` joins a past and a new tensor on the position axis, where a cache keeps them.
"""

from __future__ import annotations

from kaoken.ir.dims import dim
from kaoken.ir.expr import Formula, Int, Read, apply, axes_for, extent_of, select
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
    past, new = inputs[0], operand(inputs, 1)
    if new.rank != 4 or (past is not None and past.rank != 4):
        raise ShapeError(f"append of {past} and {new}")
    total = new.shape[2] + (past.shape[2] if past is not None else 0)
    return [((*new.shape[:2], total, new.shape[3]), new.dtype)]


def _append_formula(node: Node, output: int) -> Formula:
    past, new = node.inputs[0], operand(node.inputs, 1)
    axes = axes_for(node.output.shape)
    b, h, t, d = (Int(dim(a)) for a in axes)
    if past is None:
        return Formula(axes, Read(new, (b, h, t, d)))
    fresh = Read(new, (b, h, apply("sub", t, Int(past.shape[2])), d))
    return Formula(axes, select(apply("lt", t, Int(past.shape[2])), Read(past, (b, h, t, d)), fresh))


define("append", "kernel", _infer_append, _append_formula)
