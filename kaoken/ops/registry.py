"""The table of operations: for each its shape rule and, where it is one, its formula."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, TypeVar

from kaoken.ir.dims import Dim, dim
from kaoken.ir.dtypes import DType
from kaoken.ir.expr import Expr, Formula, Int, apply, axes_for, integer
from kaoken.ir.graph import Node, Shape, Value

Index = tuple[Expr, ...]
"""Where an element is: an int64 expression for each axis."""
Inputs = list["Value | None"]
Attrs = dict[str, Any]
InferRule = Callable[[Inputs, Attrs], list[tuple[Shape, DType]]]
FormulaRule = Callable[[Node, int], Formula]


class ShapeError(ValueError):
    """Operands or attributes that an operation does not take; the message says which and why."""


class ExtentsDiffer(ShapeError):
    """Two extents that are not known to fit one another, of axes so many from the last; sizes that a call finds may yet fit.

    rule: `equal`, `broadcast` (equal, or one of them is 1), or `within` (the first is the second at most).
    """

    def __init__(self, message: str, extents: tuple[Dim, Dim], places: tuple[int, int] = (0, 0), rule: str = "equal"):
        super().__init__(message)
        self.extents, self.places, self.rule = extents, places, rule


@dataclass(frozen=True)
class Op:
    """An operation of the IR.

    `kind` is `pointwise` (reads each operand at one index), `movement` (one read, no arithmetic), `reduction`, `contraction`,
    `kernel` (scheduled, its formula is its meaning), or `control` (no formula).
    """

    name: str
    kind: str
    infer: InferRule
    formula: FormulaRule


OPS: dict[str, Op] = {}


def define(name: str, kind: str, infer: InferRule, formula: FormulaRule) -> None:
    """Add an operation to the table. Raises ValueError if the name is taken."""
    if name in OPS:
        raise ValueError(f"operation {name} is defined twice")
    OPS[name] = Op(name, kind, infer, formula)


ElementRule = TypeVar("ElementRule", bound=Callable[..., Expr])


def operation(name: str, kind: str, shape: Callable[..., Any]) -> Callable[[ElementRule], ElementRule]:
    """Define an operation by its shape rule and, decorated, by what an element of its result is, given the element's indices.

    Both are called with the operands (None for one that is left out and has a default) and, by keyword, with the attributes that
    they name; the element's rule with `node` and `output` too if it names these. The shape rule gives the shape of a result of
    the first operand's type, or a list of the shape and type of each output.
    """

    def register(element: ElementRule) -> ElementRule:
        shape_of, element_of = by_name(shape), by_name(element, 1)

        def infer(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, DType]]:
            found = shape_of(inputs, attrs)
            return found if isinstance(found, list) else [(found, operand(inputs, 0).dtype)]

        def formula(node: Node, output: int) -> Formula:
            axes = axes_for(node.outputs[output].shape)
            at = tuple(Int(dim(a)) for a in axes)
            return Formula(axes, element_of(node.inputs, node.attrs | {"node": node, "output": output}, at))

        define(name, kind, infer, formula)
        return element

    return register


def by_name(rule: Callable[..., Any], first: int = 0) -> Callable[..., Any]:
    """A rule that is called with all operands and attributes, of which it takes those that it names behind its first own ones.

    Operands with a default, or annotated so (or as Any), may be None. Raises ShapeError where another operand is missing, or an
    attribute.
    """
    parameters = list(signature(rule).parameters.values())[first:]
    places = [p for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    rest = [p for p in parameters if p.kind is Parameter.VAR_POSITIONAL]
    named = {p.name: p.default is p.empty for p in parameters if p.kind is Parameter.KEYWORD_ONLY}
    needed = [p.default is p.empty and not re.search("None|Any", str(p.annotation)) for p in (*places, *rest)]
    names_all = any(p.kind is Parameter.VAR_KEYWORD for p in parameters)

    def call(inputs: Inputs, attrs: Attrs, *own: Any) -> Any:
        operands = []
        for n in range(max(len(places), len(inputs) if rest else 0)):
            given = inputs[n] if n < len(inputs) else None
            operands.append(operand(inputs, n) if given is None and needed[min(n, len(places))] else given)
        if missing := [name for name, is_needed in named.items() if is_needed and name not in attrs]:
            raise ShapeError(f"attribute {missing[0]} is missing")
        return rule(*own, *operands, **(attrs if names_all else {name: attrs[name] for name in named if name in attrs}))

    return call


def inside(test: Expr, index: Expr, extent: Dim) -> Expr:
    """Whether a test holds and an index lies within 0..extent-1."""
    return apply("and", apply("and", test, apply("ge", index, integer(0))), apply("lt", index, Int(extent)))


def row_major(shape: Shape, at: Index) -> Expr:
    """The number of the element at an index, counted row by row."""
    flat: Expr = integer(0)
    for extent, i in zip(shape, at, strict=True):
        flat = apply("add", apply("mul", flat, Int(dim(extent))), i)
    return flat


def operand(inputs: Inputs, index: int) -> Value:
    """The operand at `index`, which must be there."""
    value = inputs[index] if index < len(inputs) else None
    if value is None:
        raise ShapeError(f"operand {index} is missing")
    return value


def normalize_axis(axis: int, rank: int) -> int:
    """A negative axis counts from the end. Raises ShapeError outside -rank..rank-1."""
    if not -rank <= axis < max(rank, 1):
        raise ShapeError(f"axis {axis} is outside a tensor of rank {rank}")
    return axis % rank if rank else 0
