"""Scatter: a copy of a tensor with some elements replaced by updates, or combined with them."""

from __future__ import annotations

from kaoken.ir.dims import Dim, Symbol, dim
from kaoken.ir.expr import TRUE, Expr, Formula, Int, Read, apply, axes_for, integer, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.compose import read
from kaoken.ops.movement import gather_nd_index
from kaoken.ops.registry import Attrs, Inputs, ShapeError, define, normalize_axis, operand

COMBINE = {"none": "", "add": "add", "mul": "mul", "max": "max", "min": "min"}
"""ONNX's reductions, and the scalar function of each."""


def _at(shape: Shape) -> tuple[tuple[Symbol, ...], tuple[Expr, ...]]:
    axes = axes_for(shape)
    return axes, tuple(Int(dim(a)) for a in axes)


def _inside(index: Expr, first: Dim, length: Dim) -> Expr:
    after_first = apply("ge", index, Int(first))
    return apply("and", after_first, apply("lt", index, Int(first + length)))


# update_slice: operands x, updates; attrs starts: the box that begins at `starts` is replaced by updates ----------------------


def _infer_update(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, updates = operand(inputs, 0), operand(inputs, 1)
    if x.rank != updates.rank or x.dtype != updates.dtype:
        raise ShapeError(f"update_slice of {x} with {updates}")
    return [(x.shape, x.dtype)]


def _update_formula(node: Node, output: int) -> Formula:
    x, updates = operand(node.inputs, 0), operand(node.inputs, 1)
    axes, at = _at(x.shape)
    inside: Expr = TRUE
    own: list[Expr] = []
    for i, start, length in zip(at, node.attrs["starts"], updates.shape, strict=True):
        inside = apply("and", inside, _inside(i, dim(start), length))
        own.append(apply("sub", i, Int(dim(start))))
    return Formula(axes, select(inside, Read(updates, tuple(own)), Read(x, at)))


define("update_slice", "pointwise", _infer_update, _update_formula)


# tensor_scatter: operands x, updates, starts [batch] or None; attrs axis, circular: updates written into each row from its start


def _infer_tensor_scatter(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, updates = operand(inputs, 0), operand(inputs, 1)
    over = normalize_axis(attrs["axis"], x.rank)
    same = x.rank == updates.rank and all(
        a == b for n, (a, b) in enumerate(zip(x.shape, updates.shape, strict=False)) if n != over
    )
    if not same or over == 0 or x.dtype != updates.dtype:
        raise ShapeError(f"tensor_scatter of {updates} into {x} along axis {attrs['axis']}")
    return [(x.shape, x.dtype)]


def _tensor_scatter_formula(node: Node, output: int) -> Formula:
    x, updates = operand(node.inputs, 0), operand(node.inputs, 1)
    starts = node.inputs[2] if len(node.inputs) > 2 else None
    over = normalize_axis(node.attrs["axis"], x.rank)
    axes, at = _at(x.shape)
    start = read(starts, (at[0],)) if starts is not None else integer(0)
    place = apply("sub", at[over], start)
    if node.attrs["circular"]:
        place = apply("mod", place, Int(x.shape[over]))
    written = Read(updates, (*at[:over], place, *at[over + 1 :]))
    return Formula(axes, select(_inside(place, dim(0), updates.shape[over]), written, Read(x, at)))


define("tensor_scatter", "pointwise", _infer_tensor_scatter, _tensor_scatter_formula)


def scatter_box(x: Value, indices: Value) -> tuple[list[Dim], list[int | None]] | None:
    """Where the indices are a mesh, the box they cover: for each indexed axis of x its first position, and the axis of the
    indices that runs over it (None: one position). None where they are no mesh.

    `x[:, 3:3 + n] = u` comes as ScatterND with such indices.
    """
    depth = indices.shape[-1].constant
    own, place = _at(indices.shape[:-1])
    if depth is None or not depth:
        return None
    starts: list[Dim] = []
    runs: list[int | None] = []
    for n in range(depth):
        index = gather_nd_index(indices, place, n, x.shape[n])
        if not isinstance(index, Int):
            return None
        mine = [a for a in own if a in index.value.symbols()]
        if len(mine) > 1 or (mine and (index.value - dim(mine[0])).symbols() & set(own)):
            return None
        starts.append(index.value - dim(mine[0]) if mine else index.value)
        runs.append(own.index(mine[0]) if mine else None)
    used = [r for r in runs if r is not None]
    free = [n for n, extent in enumerate(indices.shape[:-1]) if n not in used and extent != 1]
    return None if free or len(set(used)) < len(used) else (starts, runs)
