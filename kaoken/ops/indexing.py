"""`at`: the elements of a tensor at computed indices, one index tensor an axis; `window`: each axis seen as two."""

from __future__ import annotations

from kaoken.ir.dims import Dim
from kaoken.ir.expr import TRUE, Expr, Int, Read, apply, cast, const, integer, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.compose import read
from kaoken.ops.pointwise import broadcast_read, broadcast_shapes
from kaoken.ops.registry import Index, ShapeError, operation

# at, at_or_zero: operands x, one integer tensor for each axis of x, which broadcast together to the result's shape. Outside of x
# `at` takes the nearest element, `at_or_zero` gives 0.


def _at_shape(x: Value, *indices: Value) -> Shape:
    if len(indices) != x.rank or any(i.dtype not in ("int64", "int32") for i in indices):
        raise ShapeError(f"{x} at indices {', '.join(map(str, indices))}")
    return broadcast_shapes(*(i.shape for i in indices))


@operation("at_or_zero", "pointwise", _at_shape)
@operation("at", "movement", _at_shape)
def _at(at: Index, x: Value, *indices: Value, node: Node) -> Expr:
    inside: Expr = TRUE
    found: list[Expr] = []
    for index, extent in zip(indices, x.shape, strict=True):
        own = broadcast_read(index, at, node.output.shape)
        element = cast(read(index, own.indices), "int64")
        inside = apply("and", inside, apply("and", apply("ge", element, integer(0)), apply("lt", element, Int(extent))))
        found.append(apply("max", integer(0), apply("min", element, Int(extent - 1))) if node.op == "at" else element)
    element = Read(x, tuple(found))
    return element if node.op == "at" else select(inside, element, const(0, x.dtype))


# window: attrs extents: (outer, inner) for each axis of x, of which one is 1 whatever the sizes: [outer..., inner...] ------


def _window_shape(x: Value, *, extents: tuple[tuple[Dim, Dim], ...]) -> Shape:
    if len(extents) != x.rank or any(outer + inner - 1 != d for (outer, inner), d in zip(extents, x.shape, strict=True)):
        raise ShapeError(f"window of {x} with {extents}")
    return (*(outer for outer, _ in extents), *(inner for _, inner in extents))


@operation("window", "movement", _window_shape)
def _window(at: Index, x: Value) -> Expr:
    return Read(x, tuple(apply("add", a, b) for a, b in zip(at[: x.rank], at[x.rank :], strict=True)))
