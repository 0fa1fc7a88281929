"""The table of operations: for each its shape rule and, where it is one, its formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kaoken.ir.dims import Dim
from kaoken.ir.dtypes import DType
from kaoken.ir.expr import Formula
from kaoken.ir.graph import Node, Shape, Value

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
