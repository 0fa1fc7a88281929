"""ONNX operators spelled as arithmetic: a value that Python's operators add nodes to, and the axes of run-time operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, Union

import numpy as np

from kaoken.frontend.registry import OnnxNode, Reader, onnx_op
from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.expr import Int
from kaoken.ir.graph import Value

Operand = Union["Tensor", Value, Dim, int, float, bool]


class Tensor:
    """A value with arithmetic. Numbers and dimensions beside it take its type; any other operation of the IR is a method."""

    def __init__(self, node: OnnxNode, value: Value):
        self.node, self.value = node, value
        self.shape, self.dtype, self.rank = value.shape, value.dtype, value.rank

    def __getattr__(self, op: str) -> Callable[..., Tensor]:
        def add(*others: Operand, **attrs: Any) -> Tensor:
            return Tensor(self.node, self.node.add(op, self.value, *map(self.other, others), **attrs))

        return add

    def other(self, operand: Operand) -> Value:
        """What stands beside this value in an operation."""
        if isinstance(operand, (Tensor, Value)):
            return operand.value if isinstance(operand, Tensor) else operand
        if isinstance(operand, Dim):
            return tensor(self.node, operand).cast(self.dtype).value
        return self.node.scalar(operand, self.value)

    def cast(self, to: str) -> Tensor:
        return self if self.dtype == to else Tensor(self.node, self.node.add("cast", self.value, to=to))

    def reshape(self, *shape: Dim | int, **attrs: Any) -> Tensor:
        wanted = tuple(map(dim, shape))
        return self if wanted == self.shape else Tensor(self.node, self.node.add("reshape", self.value, shape=wanted, **attrs))

    def transpose(self, *perm: int) -> Tensor:
        return (
            self if list(perm) == list(range(self.rank)) else Tensor(self.node, self.node.add("transpose", self.value, perm=perm))
        )

    def expand(self, *shape: Dim | int) -> Tensor:
        return Tensor(self.node, self.node.add("expand", self.value, shape=tuple(map(dim, shape))))

    def along(self, axis: int, rank: int) -> Tensor:
        """A vector as a tensor of `rank` axes that runs along one."""
        return self.reshape(*(1,) * axis, self.shape[0], *(1,) * (rank - axis - 1))

    def take(self, index: Operand, axis: int = 0) -> Tensor:
        """The elements at an index of an axis; a number takes the axis away."""
        if isinstance(index, (int, Dim)):
            starts = tuple(dim(index) if n == axis else dim(0) for n in range(self.rank))
            lengths = tuple(dim(1) if n == axis else d for n, d in enumerate(self.shape))
            row = self.node.add("slice", self.value, starts=starts, steps=(1,) * self.rank, lengths=lengths)
            return Tensor(self.node, row).reshape(*self.shape[:axis], *self.shape[axis + 1 :])
        return Tensor(self.node, self.node.add("gather", self.value, self.other(index), axis=axis))

    def part(self, axis: int, start: Dim | int, length: Dim | int) -> Tensor:
        """`length` elements of an axis from `start` on."""
        starts = tuple(dim(start) if n == axis else dim(0) for n in range(self.rank))
        lengths = tuple(dim(length) if n == axis else d for n, d in enumerate(self.shape))
        if lengths == self.shape:
            return self
        return Tensor(self.node, self.node.add("slice", self.value, starts=starts, steps=(1,) * self.rank, lengths=lengths))

    def where(self, then: Operand, otherwise: Operand) -> Tensor:
        """`then` where this bool holds; one of both is a tensor, whose type a number takes."""
        like = then if isinstance(then, (Tensor, Value)) else otherwise
        assert isinstance(like, (Tensor, Value))
        typed = tensor(self.node, like)
        return Tensor(self.node, self.node.add("select", self.value, typed.other(then), typed.other(otherwise)))

    def reduce(self, kind: str, *axes: int, keep: bool = False) -> Tensor:
        chosen = tuple(sorted(a % self.rank for a in axes))
        return Tensor(self.node, self.node.add(f"reduce_{kind}", self.value, axes=chosen, keepdims=keep))

    def flip(self, axis: int) -> Tensor:
        starts = tuple(d - 1 if n == axis else dim(0) for n, d in enumerate(self.shape))
        steps = tuple(-1 if n == axis else 1 for n in range(self.rank))
        return Tensor(self.node, self.node.add("slice", self.value, starts=starts, steps=steps, lengths=self.shape))

    def accumulate(self, kind: str, axis: int) -> Tensor:
        """`cumsum` or `cumprod`."""
        return Tensor(self.node, self.node.add(kind, self.value, axis=axis))

    def clamp(self, low: Operand, high: Operand) -> Tensor:
        return self.max(low).min(high)

    def __add__(self, other: Operand) -> Tensor:
        return self.add(other)

    def __sub__(self, other: Operand) -> Tensor:
        return self.sub(other)

    def __rsub__(self, other: Operand) -> Tensor:
        return Tensor(self.node, self.other(other)).sub(self)

    def __mul__(self, other: Operand) -> Tensor:
        return self.mul(other)

    def __truediv__(self, other: Operand) -> Tensor:
        return self.div(other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return Tensor(self.node, self.other(other)).div(self)

    def __floordiv__(self, other: Operand) -> Tensor:
        return self.floordiv(other)

    def __mod__(self, other: Operand) -> Tensor:
        return self.mod(other)

    def __matmul__(self, other: Operand) -> Tensor:
        return self.matmul(other)

    def __lt__(self, other: Operand) -> Tensor:
        return self.lt(other)

    def __le__(self, other: Operand) -> Tensor:
        return self.le(other)

    def __gt__(self, other: Operand) -> Tensor:
        return self.gt(other)

    def __ge__(self, other: Operand) -> Tensor:
        return self.ge(other)

    def __and__(self, other: Operand) -> Tensor:
        return Tensor(self.node, self.node.add("and", self.value, self.other(other)))

    def __or__(self, other: Operand) -> Tensor:
        return Tensor(self.node, self.node.add("or", self.value, self.other(other)))

    def __invert__(self) -> Tensor:
        return Tensor(self.node, self.node.add("not", self.value))

    def __neg__(self) -> Tensor:
        return self.neg()

    __radd__ = __add__
    __rmul__ = __mul__


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


def onnx_formulas(since: int = 1, **rows: Callable[..., Tensor]) -> None:
    """Register operators, from opset `since` on, that are one formula each. Its positional parameters are the operator's inputs,
    those with a default absent ones; keywords are attributes, with the defaults of the standard."""
    for name, formula in rows.items():
        onnx_op(name, since=since)(_reader_of(formula))


def _reader_of(formula: Callable[..., Tensor]) -> Reader:
    parameters = signature(formula).parameters.values()
    needed = sum(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters)
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def read(node: OnnxNode) -> Value:
        given = [node.input(n) if n < needed else node.optional(n) for n in range(max(needed, len(node.inputs)))]
        operands = [None if value is None else tensor(node, value) for value in given]
        return formula(*operands, **{name: node.attribute(name, default) for name, default in defaults.items()}).value

    return read


def optional_tensor(node: OnnxNode, index: int) -> Tensor | None:
    value = node.optional(index)
    return None if value is None else Tensor(node, value)


def iota(node: OnnxNode, length: Dim | int, dtype: str = "int64") -> Tensor:
    """0, 1, ... below `length`."""
    return Tensor(node, node.add("iota", start=0, step=1, length=dim(length))).cast(dtype)


def join(axis: int, *parts: Tensor) -> Tensor:
    """Parts side by side along an axis."""
    filled = [p for p in parts if p.shape[axis] != 0] or list(parts[:1])
    return (
        filled[0]
        if len(filled) == 1
        else Tensor(parts[0].node, parts[0].node.add("concat", *(p.value for p in filled), axis=axis))
    )


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
