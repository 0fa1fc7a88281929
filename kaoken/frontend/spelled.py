"""ONNX operators spelled as arithmetic: a value that Python's operators add nodes to, and the axes of run-time operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, TypeVar, Union

import numpy as np

from kaoken.frontend.registry import OnnxNode, Reader, onnx_op
from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.expr import Int
from kaoken.ir.graph import Value
from kaoken.ops.registry import by_name

Operand = Union["Tensor", Value, Dim, int, float, bool]


def _operator(op: str, swapped: bool = False) -> Callable[[Tensor, Operand], Tensor]:
    return lambda x, other: Tensor(x.node, x.other(other)).add_node(op, x) if swapped else x.add_node(op, other)


class Tensor:
    """A value with arithmetic. Numbers and dimensions beside it take its type; any other operation of the IR is a method."""

    def __init__(self, node: OnnxNode, value: Value):
        self.node, self.value = node, value
        self.shape, self.dtype, self.rank = value.shape, value.dtype, value.rank

    def __getattr__(self, op: str) -> Callable[..., Tensor]:
        return lambda *others, **attrs: self.add_node(op, *others, **attrs)

    def add_node(self, op: str, *others: Operand | None, **attrs: Any) -> Tensor:
        """The result of an operation of the IR."""
        values = (None if operand is None else self.other(operand) for operand in others)
        return Tensor(self.node, self.node.add(op, self.value, *values, **attrs))

    def other(self, operand: Operand) -> Value:
        """What stands beside this value in an operation."""
        if isinstance(operand, (Tensor, Value)):
            return operand.value if isinstance(operand, Tensor) else operand
        if isinstance(operand, Dim):
            return tensor(self.node, operand).cast(self.dtype).value
        return self.node.scalar(operand, self.value)

    def cast(self, to: str) -> Tensor:
        return self if self.dtype == to else self.add_node("cast", to=to)

    def reshape(self, *shape: Dim | int, **attrs: Any) -> Tensor:
        wanted = tuple(map(dim, shape))
        return self if wanted == self.shape else self.add_node("reshape", shape=wanted, **attrs)

    def transpose(self, *perm: int) -> Tensor:
        return self if list(perm) == list(range(self.rank)) else self.add_node("transpose", perm=perm)

    def expand(self, *shape: Dim | int) -> Tensor:
        return self.add_node("expand", shape=tuple(map(dim, shape)))

    def along(self, axis: int, rank: int) -> Tensor:
        """A vector as a tensor of `rank` axes that runs along one."""
        return self.reshape(*(1,) * axis, self.shape[0], *(1,) * (rank - axis - 1))

    def with_axis(self, axis: int) -> Tensor:
        """With one axis more, of extent 1, before an axis."""
        return self.reshape(*self.shape[:axis], 1, *self.shape[axis:])

    def take(self, index: Operand, axis: int = 0) -> Tensor:
        """The elements at an index of an axis; a number takes the axis away."""
        if isinstance(index, (int, Dim)):
            return self.box(axis, dim(index), dim(1)).reshape(*self.shape[:axis], *self.shape[axis + 1 :])
        return self.add_node("gather", index, axis=axis)

    def part(self, axis: int, start: Dim | int, length: Dim | int) -> Tensor:
        """`length` elements of an axis from `start` on."""
        return self if length == self.shape[axis] else self.box(axis, dim(start), dim(length))

    def box(self, axis: int, start: Dim, length: Dim, step: int = 1) -> Tensor:
        """`length` elements of an axis from `start` on, one in `step`."""
        starts = tuple(start if n == axis else dim(0) for n in range(self.rank))
        lengths = tuple(length if n == axis else d for n, d in enumerate(self.shape))
        return self.add_node(
            "slice", starts=starts, steps=tuple(step if n == axis else 1 for n in range(self.rank)), lengths=lengths
        )

    def flip(self, axis: int) -> Tensor:
        return self.box(axis, self.shape[axis] - 1, self.shape[axis], -1)

    def where(self, then: Operand, otherwise: Operand) -> Tensor:
        """`then` where this bool holds; one of both is a tensor, whose type a number takes."""
        like = then if isinstance(then, (Tensor, Value)) else otherwise
        assert isinstance(like, (Tensor, Value))
        typed = tensor(self.node, like)
        return self.add_node("select", typed.other(then), typed.other(otherwise))

    def reduce(self, kind: str, *axes: int, keep: bool = False) -> Tensor:
        return self.add_node(f"reduce_{kind}", axes=tuple(sorted(a % self.rank for a in axes)), keepdims=keep)

    def first_extreme(self, kind: str, axis: int, keep: bool = False) -> Tensor:
        """Where the first greatest (`argmax`) or least (`argmin`) element of an axis is."""
        return self.add_node(kind, axis=axis, keepdims=keep, last=False)

    def accumulate(self, kind: str, axis: int) -> Tensor:
        """`cumsum` or `cumprod`."""
        return self.add_node(kind, axis=axis)

    def clamp(self, low: Operand, high: Operand) -> Tensor:
        return self.max(low).min(high)

    __add__ = __radd__ = _operator("add")
    __sub__, __rsub__ = _operator("sub"), _operator("sub", swapped=True)
    __mul__ = __rmul__ = _operator("mul")
    __truediv__, __rtruediv__ = _operator("div"), _operator("div", swapped=True)
    __floordiv__, __mod__, __matmul__ = _operator("floordiv"), _operator("mod"), _operator("matmul")
    __lt__, __le__, __gt__, __ge__ = _operator("lt"), _operator("le"), _operator("gt"), _operator("ge")
    __and__, __or__ = _operator("and"), _operator("or")

    def __invert__(self) -> Tensor:
        return self.add_node("not")

    def __neg__(self) -> Tensor:
        return self.neg()


def tensor(node: OnnxNode, what: Operand | Sequence[Dim] | np.ndarray) -> Tensor:
    """A value, a number, dimensions or an array as a tensor."""
    if isinstance(what, Tensor):
        return what
    if isinstance(what, Value):
        return Tensor(node, what)
    if isinstance(what, Dim):
        return Tensor(node, node.builder.known(Int(what)))
    if isinstance(what, (list, tuple)):
        return Tensor(node, node.builder.known([Int(dim(d)) for d in what]))
    return Tensor(node, node.builder.constant(np.asarray(what)))


F = TypeVar("F", bound=Callable[..., Any])


def onnx_formula(*names: str, since: int = 1) -> Callable[[F], F]:
    """Register operators, from opset `since` on, whose results follow from operands and attributes. The positional parameters of
    what is decorated are the operator's inputs as tensors; those with a default, or annotated so, may be None. Keywords are
    attributes, with the defaults of the standard; a first parameter `node` is the node. Results may be tensors or values, one or
    a list of them."""

    def register(formula: F) -> F:
        onnx_op(*names, since=since)(reader_of(formula))
        return formula

    return register


def onnx_formulas(since: int = 1, **rows: Callable[..., Any]) -> None:
    """`onnx_formula` for operators that are a line each."""
    for name, formula in rows.items():
        onnx_formula(name, since=since)(formula)


def reader_of(formula: Callable[..., Any]) -> Reader:
    """The reader that calls a formula as `onnx_formula` says; it raises ShapeError where an operand or attribute is missing."""
    takes_node = next(iter(signature(formula).parameters)) == "node"
    called = by_name(formula, int(takes_node))

    def read(node: OnnxNode) -> Any:
        operands = [Tensor(node, value) if isinstance(value, Value) else value for value in node.inputs]
        results = called(operands, node.attributes, *([node] if takes_node else []))
        return list(map(_plain, results)) if isinstance(results, (list, tuple)) else _plain(results)

    return read


def _plain(result: Any) -> Any:
    return result.value if isinstance(result, Tensor) else result


def plus(x: Tensor, more: Tensor | None) -> Tensor:
    """x + more, where there is more."""
    return x if more is None else x + more


def iota(node: OnnxNode, length: Dim | int, dtype: str = "int64") -> Tensor:
    """0, 1, ... below `length`."""
    return Tensor(node, node.add("iota", start=0, step=1, length=dim(length))).cast(dtype)


def join(axis: int, *parts: Tensor) -> Tensor:
    """Parts side by side along an axis."""
    first, *rest = [p for p in parts if p.shape[axis] != 0] or list(parts[:1])
    return first.add_node("concat", *rest, axis=axis) if rest else first


def from_data(value: Value) -> bool:
    """Whether the elements are only known when the model runs."""
    return value.known is None and value.data is None and value.shape != (dim(0),)


def wrapped(x: Tensor, extent: Operand) -> Tensor:
    """Indices or axes, of which negative ones count from the end."""
    x = x.cast("int64")
    return (x < 0).where(x + extent, x)


def named_axes(node: OnnxNode, axes: Value, rank: int) -> Tensor:
    """[count, rank] bool: which axis each of the run-time axes names; the call checks that it is one, and each another."""
    count = product(axes.shape)
    named = wrapped(tensor(node, axes), rank).reshape(count, 1)
    hits = named.eq(iota(node, rank).reshape(1, rank))
    times = hits.cast("int64").reduce("sum", 0)
    node.require(((times.reduce("max", 0) <= 1) & times.reduce("sum", 0).eq(count)).value)
    return hits


def axis_mask(node: OnnxNode, axes: Value, rank: int) -> Tensor:
    """[rank] int64, 1 for each axis that run-time axes name, else 0."""
    return named_axes(node, axes, rank).cast("int64").reduce("max", 0)


def kept_extents(node: OnnxNode, shape: Sequence[Dim], mask: Tensor, count: int) -> Tensor:
    """[count]: the extents of axes that a mask does not name, in order."""
    kept = 1 - mask
    place = kept.accumulate("cumsum", 0) - kept
    here = place.reshape(1, len(shape)).eq(iota(node, count).reshape(count, 1)) & kept.cast("bool")
    return here.where(tensor(node, list(shape)), 0).reduce("sum", 1)
