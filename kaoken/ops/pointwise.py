"""Pointwise operations: each scalar function, select, cast, and the activations, all with ONNX (NumPy) broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kaoken.ir.dims import Dim, dim
from kaoken.ir.expr import Expr, Formula, Int, Read, apply, axes_for, cast, const, integer, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ir.scalars import SCALARS
from kaoken.ops.registry import Attrs, ExtentsDiffer, Inputs, ShapeError, define, operand


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
    return f"; give values that make them equal, such as {' '.join(f'--dim {n}=224' for n in names)}" if names else ""


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that shapes broadcast to, aligned at the right. Raises ShapeError where constants clash."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[Dim] = [dim(1)] * rank
    for shape in shapes:
        offset = rank - len(shape)
        for n, extent in enumerate(shape):
            result[offset + n] = broadcast_dim(result[offset + n], extent, rank - offset - n)
    return tuple(result)


def broadcast_read(value: Value, axes: tuple[Expr, ...], shape: Shape) -> Expr:
    """The element of `value` that meets index `axes` of the broadcast shape."""
    offset = len(shape) - value.rank
    indices = tuple(
        integer(0) if extent == 1 and shape[offset + n] != 1 else axes[offset + n] for n, extent in enumerate(value.shape)
    )
    return Read(value, indices)


ACTIVATIONS: dict[str, Callable[[Expr], Expr]] = {}
"""Named unary formulas that kernels may take as an epilogue."""


def _number(x: Expr, value: float) -> Expr:
    return const(value, x.dtype)


def _gelu(x: Expr) -> Expr:
    inner = apply("add", apply("erf", apply("div", x, _number(x, math.sqrt(2)))), _number(x, 1))
    return apply("mul", apply("mul", x, _number(x, 0.5)), inner)


def _gelu_tanh(x: Expr) -> Expr:
    cube = apply("mul", apply("mul", x, x), x)
    inner = apply("add", x, apply("mul", _number(x, 0.044715), cube))
    tanh = apply("tanh", apply("mul", _number(x, math.sqrt(2 / math.pi)), inner))
    return apply("mul", apply("mul", x, _number(x, 0.5)), apply("add", tanh, _number(x, 1)))


def _relu(x: Expr) -> Expr:
    return apply("max", x, _number(x, 0))


ACTIVATIONS["gelu"] = _gelu
ACTIVATIONS["gelu_tanh"] = _gelu_tanh
ACTIVATIONS["silu"] = lambda x: apply("mul", x, apply("sigmoid", x))
ACTIVATIONS["quick_gelu"] = lambda x: apply("mul", x, apply("sigmoid", apply("mul", _number(x, 1.702), x)))
ACTIVATIONS["relu"] = _relu
ACTIVATIONS["tanh"] = lambda x: apply("tanh", x)
ACTIVATIONS["sigmoid"] = lambda x: apply("sigmoid", x)


def _infer_scalar(name: str) -> Callable[[Inputs, Attrs], list[tuple[Shape, str]]]:
    def infer(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
        values = [operand(inputs, n) for n in range(SCALARS[name].arity)]
        try:
            dtype = SCALARS[name].result_dtype(tuple(v.dtype for v in values))
        except TypeError as error:
            raise ShapeError(str(error)) from None
        return [(broadcast_shapes(*(v.shape for v in values)), dtype)]

    return infer


def _scalar_formula(name: str) -> Callable[[Node, int], Formula]:
    def formula(node: Node, output: int) -> Formula:
        shape = node.output.shape
        axes = axes_for(shape)
        at = tuple(Int(dim(a)) for a in axes)
        return Formula(axes, apply(name, *(broadcast_read(v, at, shape) for v in node.inputs if v is not None)))

    return formula


def _infer_select(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    condition, then, otherwise = (operand(inputs, n) for n in range(3))
    if condition.dtype != "bool" or then.dtype != otherwise.dtype:
        raise ShapeError(f"select of {condition.dtype}, {then.dtype}, {otherwise.dtype}")
    return [(broadcast_shapes(condition.shape, then.shape, otherwise.shape), then.dtype)]


def _select_formula(node: Node, output: int) -> Formula:
    shape = node.output.shape
    axes = axes_for(shape)
    at = tuple(Int(dim(a)) for a in axes)
    return Formula(axes, select(*(broadcast_read(v, at, shape) for v in node.inputs if v is not None)))


def _unary(name: str, body: Callable[[Expr, Attrs], Expr], dtype: Callable[[Value, Attrs], str]) -> None:
    def infer(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
        x = operand(inputs, 0)
        return [(x.shape, dtype(x, attrs))]

    def formula(node: Node, output: int) -> Formula:
        axes = axes_for(node.output.shape)
        return Formula(axes, body(Read(operand(node.inputs, 0), tuple(Int(dim(a)) for a in axes)), node.attrs))

    define(name, "pointwise", infer, formula)


for _name in SCALARS:
    define(_name, "pointwise", _infer_scalar(_name), _scalar_formula(_name))
define("select", "pointwise", _infer_select, _select_formula)
_unary("cast", lambda x, attrs: cast(x, attrs["to"]), lambda x, attrs: str(np.dtype(attrs["to"])))
for _name, _body in ACTIVATIONS.items():
    if _name not in SCALARS:
        _unary(_name, lambda x, attrs, body=_body: body(x), lambda x, attrs: x.dtype)  # type: ignore[misc]
