"""The nodes of the expression language, their text, and questions about them. `expr` builds and simplifies them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

import numpy as np

from kaoken.ir.dims import Dim, Symbol, dim
from kaoken.ir.dtypes import DType
from kaoken.ir.scalars import SCALARS

if TYPE_CHECKING:
    from kaoken.ir.graph import Value


@dataclass(frozen=True)
class Const:
    """A literal; float literals hold the value already rounded to `dtype`."""

    value: Union[int, float, bool]
    dtype: DType

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self.dtype == other.dtype and _same_number(self.value, other.value)

    def __hash__(self) -> int:
        return hash((self.dtype, repr(self.value)))


@dataclass(frozen=True)
class Int:
    """An int64 scalar that is a known polynomial of dimensions and loop axes."""

    value: Dim

    @property
    def dtype(self) -> DType:
        return "int64"


@dataclass(frozen=True)
class Read:
    """One element of a tensor. Indices lie inside its shape, or are checked at run time where they come from data."""

    value: "Value"
    indices: tuple["Expr", ...]

    @property
    def dtype(self) -> DType:
        return self.value.dtype


@dataclass(frozen=True)
class Apply:
    """A scalar function of `scalars.SCALARS` applied to its arguments."""

    function: str
    arguments: tuple["Expr", ...]
    dtype: DType


@dataclass(frozen=True)
class Select:
    """`then` where the condition holds, else `otherwise`; only the taken branch is evaluated."""

    condition: "Expr"
    then: "Expr"
    otherwise: "Expr"

    @property
    def dtype(self) -> DType:
        return self.then.dtype


@dataclass(frozen=True)
class Cast:
    """Conversion as ONNX Cast defines it."""

    argument: "Expr"
    dtype: DType


@dataclass(frozen=True)
class Reduce:
    """`sum`, `prod`, `max` or `min` of the body over axes, first axis outermost, each ascending."""

    kind: str
    axes: tuple[Symbol, ...]
    body: "Expr"

    @property
    def dtype(self) -> DType:
        return self.body.dtype


Expr = Union[Const, Int, Read, Apply, Select, Cast, Reduce]


@dataclass(frozen=True)
class Formula:
    """An output tensor as a formula: `body` is the element at index `axes`."""

    axes: tuple[Symbol, ...]
    body: Expr


def axis(name: str, extent: Dim | int) -> Symbol:
    """A loop axis that runs over 0..extent-1."""
    return Symbol(name, 0, dim(extent) - 1, True)


def extent_of(symbol: Symbol) -> Dim:
    """How many values an axis takes."""
    assert isinstance(symbol.upper, Dim)
    return symbol.upper + 1


def axes_for(shape: tuple[Dim, ...], prefix: str = "i") -> tuple[Symbol, ...]:
    return tuple(axis(f"{prefix}{n}", extent) for n, extent in enumerate(shape))


def literal(expression: Expr) -> int | float | bool | None:
    """The value of a literal, else None."""
    if isinstance(expression, Const):
        return expression.value
    if isinstance(expression, Int):
        return expression.value.constant
    return None


def _same_number(a: object, b: object) -> bool:
    return repr(a) == repr(b)


def reads(expression: Expr) -> list[Read]:
    """Every read in the expression, outermost first, index reads included."""
    found: list[Read] = []

    def visit(node: Expr) -> None:
        if isinstance(node, Read):
            found.append(node)
        for child in children(node):
            visit(child)

    visit(expression)
    return found


def children(node: Expr) -> tuple[Expr, ...]:
    if isinstance(node, Read):
        return node.indices
    if isinstance(node, Apply):
        return node.arguments
    if isinstance(node, Select):
        return node.condition, node.then, node.otherwise
    if isinstance(node, Cast):
        return (node.argument,)
    if isinstance(node, Reduce):
        return (node.body,)
    return ()


def symbols_of(expression: Expr) -> set[Symbol]:
    """Every symbol that the expression names, reduction axes included."""
    found = set(expression.value.symbols()) if isinstance(expression, Int) else set()
    if isinstance(expression, Reduce):
        found |= set(expression.axes)
    for child in children(expression):
        found |= symbols_of(child)
    return found


def size(expression: Expr) -> int:
    """How many nodes the expression has."""
    return 1 + sum(size(child) for child in children(expression))


def contains_reduce(expression: Expr) -> bool:
    return isinstance(expression, Reduce) or any(contains_reduce(c) for c in children(expression))


def to_text(expression: Expr, name: Callable[["Value"], str] | None = None) -> str:
    """Readable text, for dumps and for the comments of generated C."""
    spell = name or (lambda value: value.name)
    if isinstance(expression, Const):
        return str(expression.value) if expression.dtype != "float32" else str(np.float32(expression.value))
    if isinstance(expression, Int):
        return repr(expression.value)
    if isinstance(expression, Read):
        return f"{spell(expression.value)}[{', '.join(to_text(i, name) for i in expression.indices)}]"
    if isinstance(expression, Apply):
        arguments = [to_text(a, name) for a in expression.arguments]
        infix = SCALARS[expression.function].infix
        return f"({arguments[0]} {infix} {arguments[1]})" if infix else f"{expression.function}({', '.join(arguments)})"
    if isinstance(expression, Select):
        parts = (expression.condition, expression.then, expression.otherwise)
        return f"select({', '.join(to_text(p, name) for p in parts)})"
    if isinstance(expression, Cast):
        return f"{expression.dtype}({to_text(expression.argument, name)})"
    axes = ", ".join(f"{s.name}<{extent_of(s)}" for s in expression.axes)
    return f"{expression.kind}({axes}: {to_text(expression.body, name)})"
