"""Pooling: the largest, the mean or the p-norm of a window that slides over the spatial axes.

Operand x [N,C,...]. Attributes kernel, strides, dilations, before (padding), after, extents (of the result's spatial axes);
average_pool: count_padding; lp_pool: p; max_pool_index: column_major.
"""

from __future__ import annotations

from kaoken.ir.dims import Symbol, dim
from kaoken.ir.expr import FALSE, TRUE, Expr, Int, Read, apply, axis, const, reduce, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ir.scalars import neutral_element
from kaoken.ops.registry import Index, ShapeError, inside, operation, row_major


def _shape(x: Value, *, kernel: tuple[int, ...], extents: Shape) -> Shape:
    if x.rank != len(kernel) + 2 or any((e.constant or 0) < 0 for e in extents):
        raise ShapeError(f"a window of {list(kernel)} does not fit into {x}")
    return (*x.shape[:2], *extents)


class _Window:
    """The taps of the window at an output element: `inside` says whether a tap meets the tensor, `place` where."""

    def __init__(self, at: Index, node: Node, prefix: str):
        x, attrs = node.inputs[0], node.attrs
        assert x is not None
        self.taps: tuple[Symbol, ...] = tuple(axis(f"{prefix}{n}", extent) for n, extent in enumerate(attrs["kernel"]))
        self.inside: Expr = TRUE
        self.padded: Expr = TRUE
        self.place: list[Expr] = []
        for i, extent, tap, stride, dilation, before, after in zip(
            at[2:], x.shape[2:], self.taps, *(attrs[name] for name in ("strides", "dilations", "before", "after")), strict=True
        ):
            assert isinstance(i, Int)
            p = Int(i.value * stride + dim(tap) * dilation - before)
            self.inside = inside(self.inside, p, extent)
            self.padded = apply("and", self.padded, apply("lt", p, Int(extent + after)))
            self.place.append(p)
        self.element = Read(x, (*at[:2], *self.place))
        self.dtype = x.dtype

    def reduce(self, kind: str, element: Expr) -> Expr:
        """Reduce over the taps inside the tensor."""
        return reduce(kind, self.taps, select(self.inside, element, const(neutral_element(kind, element.dtype), element.dtype)))

    def count(self, test: Expr) -> Expr:
        """How many taps pass the test."""
        return reduce("sum", self.taps, select(test, const(1, self.dtype), const(0, self.dtype)))


@operation("max_pool", "reduction", _shape)
def _max(at: Index, *, node: Node) -> Expr:
    window = _Window(at, node, "r")
    return window.reduce("max", window.element)


@operation("max_pool_index", "reduction", lambda x, *, kernel, extents: [(_shape(x, kernel=kernel, extents=extents), "int64")])
def _max_index(at: Index, x: Value, *, node: Node, column_major: bool) -> Expr:
    """The flat position in x of the first largest element; spatial axes reversed where column_major."""
    best, own = _Window(at, node, "r"), _Window(at, node, "s")
    turn = -1 if column_major else 1
    flat = row_major(x.shape[2:][::turn], tuple(own.place[::turn]))
    hit = select(own.inside, apply("eq", own.element, best.reduce("max", best.element)), FALSE)
    first = reduce("min", own.taps, select(hit, flat, const(neutral_element("min", "int64"), "int64")))
    plane = apply("add", apply("mul", at[0], Int(x.shape[1])), at[1])
    for extent in x.shape[2:]:
        plane = apply("mul", plane, Int(extent))
    return apply("add", plane, first)


@operation("average_pool", "reduction", _shape)
def _average(at: Index, *, node: Node, count_padding: bool) -> Expr:
    """The mean over the taps inside, or inside the padded tensor where the padding counts."""
    window, counted = _Window(at, node, "r"), _Window(at, node, "s")
    return apply("div", window.reduce("sum", window.element), counted.count(counted.padded if count_padding else counted.inside))


@operation("lp_pool", "reduction", _shape)
def _norm(at: Index, *, node: Node, p: int) -> Expr:
    window = _Window(at, node, "r")
    e, dtype = window.element, window.dtype
    power = apply("mul", e, e) if p == 2 else apply("abs", e)
    total = window.reduce("sum", power if p in (1, 2) else apply("pow", power, const(p, dtype)))
    if p == 2:
        return apply("sqrt", total)
    return total if p == 1 else apply("pow", total, const(1 / p, dtype))
