"""Matching scalar expressions: patterns are written as formulas, commutative functions match both ways."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Union

from kaoken.ir.expr import Apply, Expr, Read, literal
from kaoken.ir.scalars import SCALARS
from kaoken.ops import OPS, expand


@dataclass(frozen=True)
class Wild:
    """Matches any one expression; the same name must match equal expressions."""

    name: str


@dataclass(frozen=True)
class Number:
    """A literal within a relative 1e-4: exporters round their constants differently."""

    value: float


@dataclass(frozen=True)
class Term:
    """A scalar function of patterns."""

    function: str
    arguments: tuple["Pattern", ...]


Pattern = Union[Wild, Number, Term]
Bindings = dict[str, Expr]
X = Wild("x")


def term(function: str, *arguments: Pattern | float) -> Term:
    return Term(function, tuple(Number(a) if isinstance(a, (int, float)) else a for a in arguments))


def one_step(expression: Expr) -> Expr:
    """A read of a pointwise result becomes its formula; anything else stays."""
    if isinstance(expression, Read):
        producer = expression.value.producer
        if producer is not None and producer.op in SCALARS and OPS[producer.op].kind == "pointwise":
            from kaoken.ops.compose import see_through

            return see_through(expand(expression.value, expression.indices))
    return expression


def match(pattern: Pattern, expression: Expr, bound: Bindings | None = None) -> Bindings | None:
    """The bindings under which the pattern is the expression, or None."""
    bound = bound or {}
    if isinstance(pattern, Wild):
        if pattern.name in bound:
            return bound if bound[pattern.name] == expression else None
        return {**bound, pattern.name: expression}
    if isinstance(pattern, Number):
        value = literal(expression)
        return bound if value is not None and math.isclose(float(value), pattern.value, rel_tol=1e-4) else None
    stepped = one_step(expression)
    if not isinstance(stepped, Apply) or stepped.function != pattern.function:
        return None
    orders = [pattern.arguments]
    if SCALARS[pattern.function].commutative:
        orders.append(pattern.arguments[::-1])
    for order in orders:
        found: Bindings | None = bound
        for part, argument in zip(order, stepped.arguments, strict=True):
            found = match(part, argument, found)
            if found is None:
                break
        if found is not None:
            return found
    return None
