"""Pointwise operations: each scalar function, select, cast, and the activations, all with ONNX (NumPy) broadcasting; expand."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import numpy as np

from kaoken.ir.dims import Dim, dim, evaluate
from kaoken.ir.expr import Expr, Read, apply, cast, const, integer, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ir.scalars import SCALARS
from kaoken.ops.registry import ExtentsDiffer, Index, ShapeError, operation


def broadcast_dim(a: Dim, b: Dim, place: int = 0) -> Dim:
    """The extent two extents broadcast to. Raises ExtentsDiffer where they are not shown to be equal or 1."""
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    raise ExtentsDiffer(f"extents {a} and {b} do not broadcast{_hint(a, b)}", (a, b), (place, place), "broadcast")


def _hint(a: Dim, b: Dim) -> str:
    """How `--dim` makes extents equal, where it can."""
    for one, other in ((b, a), (a, b)):
        if any(one == dim(symbol) for symbol in one.symbols()):
            return f"; if they are equal, say so with --dim {one}={other}"
    names = sorted(s.name for s in a.symbols() | b.symbols() if not s.is_found)
    for size in (128, 64, 16, 1):
        values = {name: _PICTURE if re.search("height|width", name, re.I) else size for name in names}
        if len(names) == len(a.symbols() | b.symbols()) > 0 and evaluate(a, values) == evaluate(b, values):
            return f"; give values that make them equal, such as {' '.join(f'--dim {n}={v}' for n, v in values.items())}"
    return f"; give values that make them equal, with {' and '.join(f'--dim {n}=NUMBER' for n in names)}" if names else ""


_PICTURE = 224
"""The height and width that most models of pictures were trained with."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that shapes broadcast to, aligned at the right. Raises ShapeError where constants clash."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[Dim] = [dim(1)] * rank
    for shape in shapes:
        offset = rank - len(shape)
        for n, extent in enumerate(shape):
            result[offset + n] = broadcast_dim(result[offset + n], extent, rank - offset - n)
    return tuple(result)


def broadcast_read(value: Value, at: Index, shape: Shape) -> Read:
    """The element of `value` that meets an index of the broadcast shape."""
    offset = len(shape) - value.rank
    own = (integer(0) if d == 1 and shape[offset + n] != 1 else at[offset + n] for n, d in enumerate(value.shape))
    return Read(value, tuple(own))


def _number(x: Expr, value: float) -> Expr:
    return const(value, x.dtype)


ACTIVATIONS: dict[str, Callable[[Expr], Expr]] = {
    **{name: partial(apply, name) for name in ("gelu", "gelu_tanh", "tanh", "sigmoid")},
    "silu": lambda x: apply("mul", x, apply("sigmoid", x)),
    "quick_gelu": lambda x: apply("mul", x, apply("sigmoid", apply("mul", _number(x, 1.702), x))),
    "relu": lambda x: apply("max", x, _number(x, 0)),
}
"""Named unary formulas that kernels may take as an epilogue."""


def _define_scalar(name: str) -> None:
    def shape(*values: Value) -> list[tuple[Shape, str]]:
        if len(values) < SCALARS[name].arity:
            raise ShapeError(f"operand {len(values)} is missing")
        try:
            dtype = SCALARS[name].result_dtype(tuple(v.dtype for v in values))
        except TypeError as error:
            raise ShapeError(str(error)) from None
        return [(broadcast_shapes(*(v.shape for v in values)), dtype)]

    @operation(name, "pointwise", shape)
    def element(at: Index, *values: Value, node: Node) -> Expr:
        return apply(name, *(broadcast_read(v, at, node.output.shape) for v in values))


def _select_shape(condition: Value, then: Value, otherwise: Value) -> list[tuple[Shape, str]]:
    if condition.dtype != "bool" or then.dtype != otherwise.dtype:
        raise ShapeError(f"select of {condition.dtype}, {then.dtype}, {otherwise.dtype}")
    return [(broadcast_shapes(condition.shape, then.shape, otherwise.shape), then.dtype)]


@operation("select", "pointwise", _select_shape)
def _select(at: Index, *values: Value, node: Node) -> Expr:
    return select(*(broadcast_read(v, at, node.output.shape) for v in values))


@operation("cast", "pointwise", lambda x, *, to: [(x.shape, str(np.dtype(to)))])
def _cast(at: Index, x: Value, *, to: str) -> Expr:
    return cast(Read(x, at), to)


@operation("expand", "movement", lambda x, *, shape: broadcast_shapes(x.shape, tuple(map(dim, shape))))
def _expand(at: Index, x: Value, *, node: Node) -> Expr:
    """Broadcasting, also of the target by the operand."""
    return broadcast_read(x, at, node.output.shape)


def _define_activation(name: str) -> None:
    @operation(name, "pointwise", lambda x: x.shape)
    def element(at: Index, x: Value) -> Expr:
        return ACTIVATIONS[name](Read(x, at))


for _name in SCALARS:
    _define_scalar(_name)
for _name in ACTIVATIONS:
    if _name not in SCALARS:
        _define_activation(_name)
