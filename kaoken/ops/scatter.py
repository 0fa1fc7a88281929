"""Scatter: a copy of a tensor with some elements replaced by updates, or combined with them."""

from __future__ import annotations

from kaoken.ir.dims import Dim, dim
from kaoken.ir.expr import TRUE, Expr, Int, Read, apply, axes_for, integer, select
from kaoken.ir.graph import Shape, Value
from kaoken.ops.compose import read
from kaoken.ops.movement import gather_nd_index
from kaoken.ops.registry import Index, ShapeError, normalize_axis, operation

COMBINE = {"none": "", "add": "add", "mul": "mul", "max": "max", "min": "min"}
"""ONNX's reductions, and the scalar function of each."""


def _inside(index: Expr, first: Dim, length: Dim) -> Expr:
    return apply("and", apply("ge", index, Int(first)), apply("lt", index, Int(first + length)))


# update_slice: operands x, updates; attrs starts: the box that begins at `starts` is replaced by updates ----------------------


def _updated_shape(x: Value, updates: Value) -> Shape:
    if x.rank != updates.rank or x.dtype != updates.dtype:
        raise ShapeError(f"update_slice of {x} with {updates}")
    return x.shape


@operation("update_slice", "pointwise", _updated_shape)
def _update(at: Index, x: Value, updates: Value, *, starts: Shape) -> Expr:
    inside: Expr = TRUE
    for i, start, length in zip(at, starts, updates.shape, strict=True):
        inside = apply("and", inside, _inside(i, dim(start), length))
    own = tuple(apply("sub", i, Int(dim(start))) for i, start in zip(at, starts, strict=True))
    return select(inside, Read(updates, own), Read(x, at))


# tensor_scatter: operands x, updates, starts [batch] or None; attrs axis, circular: updates written into each row from its start


def _scattered_shape(x: Value, updates: Value, starts: Value | None = None, *, axis: int) -> Shape:
    over = normalize_axis(axis, x.rank)
    others = [tuple(d for n, d in enumerate(v.shape) if n != over) for v in (x, updates)]
    if x.rank != updates.rank or others[0] != others[1] or over == 0 or x.dtype != updates.dtype:
        raise ShapeError(f"tensor_scatter of {updates} into {x} along axis {axis}")
    return x.shape


@operation("tensor_scatter", "pointwise", _scattered_shape)
def _tensor_scatter(at: Index, x: Value, updates: Value, starts: Value | None = None, *, axis: int, circular: bool) -> Expr:
    over = normalize_axis(axis, x.rank)
    place = apply("sub", at[over], read(starts, at[:1]) if starts is not None else integer(0))
    if circular:
        place = apply("mod", place, Int(x.shape[over]))
    written = Read(updates, (*at[:over], place, *at[over + 1 :]))
    return select(_inside(place, dim(0), updates.shape[over]), written, Read(x, at))


def scatter_box(x: Value, indices: Value) -> tuple[list[Dim], list[int | None]] | None:
    """Where the indices are a mesh, the box they cover: for each indexed axis of x its first position, and the axis of the
    indices that runs over it (None: one position). None where they are no mesh.

    `x[:, 3:3 + n] = u` comes as ScatterND with such indices.
    """
    depth = indices.shape[-1].constant
    own = axes_for(indices.shape[:-1])
    place = tuple(Int(dim(a)) for a in own)
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
