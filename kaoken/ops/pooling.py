"""Pooling: the largest, the mean or the p-norm of a window that slides over the spatial axes.

Operand x [N,C,...]. Attributes kernel, strides, dilations, before (padding), after, extents (of the result's spatial axes);
average_pool: count_padding; lp_pool: p; max_pool_index: column_major.
"""

from __future__ import annotations

from kaoken.ir.dims import Symbol, dim
from kaoken.ir.expr import FALSE, TRUE, Expr, Formula, Int, Read, apply, axes_for, axis, const, integer, reduce, select
from kaoken.ir.graph import Node, Shape
from kaoken.ir.scalars import neutral_element
from kaoken.ops.registry import Attrs, InferRule, Inputs, ShapeError, define, operand


def _infer(dtype: str = "") -> InferRule:
    def infer(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
        x = operand(inputs, 0)
        if x.rank != len(attrs["kernel"]) + 2 or any((e.constant or 0) < 0 for e in attrs["extents"]):
            raise ShapeError(f"a window of {list(attrs['kernel'])} does not fit into {x}")
        return [((x.shape[0], x.shape[1], *attrs["extents"]), dtype or x.dtype)]

    return infer


class _Window:
    """The taps of the window at an output element: `inside` says whether a tap meets the tensor, `place` where."""

    def __init__(self, node: Node, prefix: str):
        x, attrs = operand(node.inputs, 0), node.attrs
        self.axes = axes_for(node.output.shape)
        at = tuple(Int(dim(a)) for a in self.axes)
        self.taps: tuple[Symbol, ...] = tuple(axis(f"{prefix}{n}", extent) for n, extent in enumerate(attrs["kernel"]))
        self.inside: Expr = TRUE
        self.padded: Expr = TRUE
        place: list[Expr] = []
        for n, tap in enumerate(self.taps):
            extent = x.shape[n + 2]
            p = Int(at[n + 2].value * attrs["strides"][n] + dim(tap) * attrs["dilations"][n] - attrs["before"][n])
            self.inside = apply("and", self.inside, apply("ge", p, integer(0)))
            self.inside = apply("and", self.inside, apply("lt", p, Int(extent)))
            self.padded = apply("and", self.padded, apply("lt", p, Int(extent + attrs["after"][n])))
            place.append(p)
        self.place = place
        self.element = Read(x, (at[0], at[1], *place))
        self.dtype = x.dtype

    def reduce(self, kind: str, element: Expr) -> Expr:
        """Reduce over the taps inside the tensor."""
        return reduce(kind, self.taps, select(self.inside, element, const(neutral_element(kind, element.dtype), element.dtype)))

    def count(self, test: Expr) -> Expr:
        """How many taps pass the test."""
        return reduce("sum", self.taps, select(test, const(1, self.dtype), const(0, self.dtype)))


def _max(node: Node, output: int) -> Formula:
    window = _Window(node, "r")
    return Formula(window.axes, window.reduce("max", window.element))


def _max_index(node: Node, output: int) -> Formula:
    """The flat position in x of the first largest element; spatial axes reversed where column_major."""
    x = operand(node.inputs, 0)
    best, own = _Window(node, "r"), _Window(node, "s")
    flat: Expr = integer(0)
    order = list(range(len(own.place)))
    for n in reversed(order) if node.attrs["column_major"] else order:
        flat = apply("add", apply("mul", flat, Int(x.shape[n + 2])), own.place[n])
    hit = select(own.inside, apply("eq", own.element, best.reduce("max", best.element)), FALSE)
    highest = const(neutral_element("min", "int64"), "int64")
    first = reduce("min", own.taps, select(hit, flat, highest))
    at = [Int(dim(a)) for a in own.axes[:2]]
    plane = apply("add", apply("mul", at[0], Int(x.shape[1])), at[1])
    for extent in x.shape[2:]:
        plane = apply("mul", plane, Int(extent))
    return Formula(own.axes, apply("add", plane, first))


def _average(node: Node, output: int) -> Formula:
    """The mean over the taps inside, or inside the padded tensor where the padding counts."""
    window, counted = _Window(node, "r"), _Window(node, "s")
    count = counted.count(counted.padded if node.attrs["count_padding"] else counted.inside)
    return Formula(window.axes, apply("div", window.reduce("sum", window.element), count))


def _norm(node: Node, output: int) -> Formula:
    window, p = _Window(node, "r"), node.attrs["p"]
    power = {1: lambda e: apply("abs", e), 2: lambda e: apply("mul", e, e)}.get(
        p, lambda e: apply("pow", apply("abs", e), const(p, window.dtype))
    )
    total = window.reduce("sum", power(window.element))
    root = {1: lambda e: e, 2: lambda e: apply("sqrt", e)}.get(p, lambda e: apply("pow", e, const(1 / p, window.dtype)))
    return Formula(window.axes, root(total))


define("max_pool", "reduction", _infer(), _max)
define("max_pool_index", "reduction", _infer("int64"), _max_index)
define("average_pool", "reduction", _infer(), _average)
define("lp_pool", "reduction", _infer(), _norm)
