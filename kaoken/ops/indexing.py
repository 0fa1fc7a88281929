"""`at`: the elements of a tensor at computed indices, one index tensor an axis; `window`: each axis seen as two."""

from __future__ import annotations

from kaoken.ir.dims import Dim, dim
from kaoken.ir.expr import TRUE, Expr, Formula, Int, Read, apply, axes_for, cast, const, integer, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.compose import read
from kaoken.ops.pointwise import broadcast_shapes
from kaoken.ops.registry import Attrs, Inputs, ShapeError, define, operand

# at, at_or_zero: operands x, one integer tensor for each axis of x, which broadcast together to the result's shape. Outside of x
# `at` takes the nearest element, `at_or_zero` gives 0.


def _infer_at(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, *indices = (operand(inputs, n) for n in range(len(inputs)))
    if len(indices) != x.rank or any(i.dtype not in ("int64", "int32") for i in indices):
        raise ShapeError(f"{x} at indices {', '.join(map(str, indices))}")
    return [(broadcast_shapes(*(i.shape for i in indices)), x.dtype)]


def _at_formula(node: Node, output: int) -> Formula:
    x, *indices = (operand(node.inputs, n) for n in range(len(node.inputs)))
    shape = node.output.shape
    axes = axes_for(shape)
    place = tuple(Int(dim(a)) for a in axes)
    inside: Expr = TRUE
    found: list[Expr] = []
    for index, extent in zip(indices, x.shape, strict=True):
        element = cast(_broadcast(index, place, shape), "int64")
        inside = apply("and", inside, apply("and", apply("ge", element, integer(0)), apply("lt", element, Int(extent))))
        found.append(apply("max", integer(0), apply("min", element, Int(extent - 1))) if node.op == "at" else element)
    element = Read(x, tuple(found))
    return Formula(axes, element if node.op == "at" else select(inside, element, const(0, x.dtype)))


def _broadcast(value: Value, place: tuple[Expr, ...], shape: Shape) -> Expr:
    offset = len(shape) - value.rank
    own = (integer(0) if d == 1 and shape[offset + n] != 1 else place[offset + n] for n, d in enumerate(value.shape))
    return read(value, tuple(own))


define("at", "movement", _infer_at, _at_formula)
define("at_or_zero", "pointwise", _infer_at, _at_formula)


# window: attrs extents: (outer, inner) for each axis of x, of which one is 1 whatever the sizes: [outer..., inner...] ------


def _infer_window(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x = operand(inputs, 0)
    pairs: list[tuple[Dim, Dim]] = attrs["extents"]
    if len(pairs) != x.rank or any(outer + inner - 1 != d for (outer, inner), d in zip(pairs, x.shape, strict=True)):
        raise ShapeError(f"window of {x} with {pairs}")
    return [((*(outer for outer, _ in pairs), *(inner for _, inner in pairs)), x.dtype)]


def _window_formula(node: Node, output: int) -> Formula:
    x = operand(node.inputs, 0)
    axes = axes_for(node.output.shape)
    sums = (Int(dim(a) + dim(b)) for a, b in zip(axes[: x.rank], axes[x.rank :], strict=True))
    return Formula(axes, Read(x, tuple(sums)))


define("window", "movement", _infer_window, _window_formula)
