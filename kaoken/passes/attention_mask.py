"""What is added to attention scores, taken apart: a causal rule, a padding mask, or a bias that must be computed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kaoken.ir.dims import Dim, dim, is_nonnegative
from kaoken.ir.dtypes import is_integer
from kaoken.ir.expr import (
    Apply,
    Const,
    Expr,
    Int,
    Read,
    Select,
    apply,
    children,
    const,
    literal,
    map_children,
    rewrite,
    to_text,
)
from kaoken.ir.graph import Value

HIDING = -1e30
"""A finite value at or below this, added to a score, hides the key: exp() of the difference is exactly 0."""


@dataclass
class MaskFacts:
    """Facts about which keys a row sees. `low` holds the values that hide; `bias` the terms that are no such fact.

    `binary` says that the facts hold only while the mask's elements are 0 and 1.
    """

    causal: bool = False
    mask: Value | None = None
    mask_test: tuple[str, int | bool] | None = None
    binary: bool = False
    low: list[float] = field(default_factory=list)
    bias: list[Expr] = field(default_factory=list)
    reason: str = ""


@dataclass(frozen=True)
class ScoreAxes:
    """The axes of a score: batch, head, query row, key; and the offset of the first query row among the keys."""

    batch: Int
    head: Int
    row: Int
    key: Int
    past: Dim


def simplify_branches(expression: Expr) -> Expr:
    """In the branch where `m == c` holds, m is c: `select(m != 1, low, 1 - m)` is `select(m != 1, low, 0)`."""

    def leaf(node: Expr) -> Expr | None:
        if not isinstance(node, Select) or not isinstance(node.condition, Apply) or node.condition.function not in ("eq", "ne"):
            return None
        subject, number = node.condition.arguments
        value = literal(number)
        if value is None:
            subject, number = number, subject
            value = literal(number)
        if value is None:
            return None
        equal = const(value, subject.dtype)
        fixed = node.then if node.condition.function == "eq" else node.otherwise
        replaced = rewrite(fixed, lambda e: equal if e == subject else None)
        if replaced == fixed:
            return None
        if node.condition.function == "eq":
            return Select(node.condition, replaced, node.otherwise)
        return Select(node.condition, node.then, replaced)

    return rewrite(expression, leaf)


def hiding_terms(expression: Expr) -> tuple[Expr, float] | None:
    """`select(visible, 0, low)` as (visible, low), or None."""
    if not isinstance(expression, Select):
        return None
    then, otherwise = literal(expression.then), literal(expression.otherwise)
    if then == 0 and otherwise is not None and otherwise <= HIDING:
        return expression.condition, float(otherwise)
    if otherwise == 0 and then is not None and then <= HIDING:
        return apply("not", expression.condition), float(then)
    return None


MOST_CONDITIONS = 6


@dataclass(frozen=True)
class Cases:
    """A term that is 0 where `visible` holds and `low` elsewhere, if the elements of `masks` are 0 or 1.

    A term that is 0 everywhere has no `low`.
    """

    visible: Expr
    low: float | None
    masks: frozenset[Value]


def hiding_by_cases(term: Expr) -> Cases | None:
    """A mask in whatever arithmetic it was written, `(1 - float(m)) * low` for instance: try every outcome of its conditions.

    None unless all outcomes are 0 or one value that hides, and those that are 0 are a conjunction of conditions. Outcomes that
    cannot be, a key behind the row without being behind the row less the past, are none.
    """
    found: dict[Expr, None] = {}
    _collect_conditions(term, found)
    conditions = list(found)
    if not 0 < len(conditions) <= MOST_CONDITIONS:
        return None
    outcomes = list(_possible_outcomes(conditions))
    shown, lows = [], set()
    for outcome in outcomes:
        chosen = {c: const(value, c.dtype) for c, value in zip(conditions, outcome, strict=True)}
        value = literal(_replaced(term, chosen))
        if value == 0:
            shown.append(outcome)
        elif value is not None and value <= HIDING:
            lows.add(float(value))
        else:
            return None
    if not shown or len(lows) > 1:
        return None
    visible: Expr = const(True, "bool")
    agreeing = outcomes
    for n, condition in enumerate(conditions):
        values = {outcome[n] for outcome in shown}
        if len(values) == 2:
            continue
        needed = values == {True}
        agreeing = [outcome for outcome in agreeing if outcome[n] == needed]
        if condition.dtype == "bool":
            test = condition if needed else apply("not", condition)
        else:
            test = apply("eq", condition, const(needed, condition.dtype))
        visible = apply("and", visible, test)
    if len(shown) != len(agreeing):
        return None
    masks = frozenset(c.value for c in conditions if isinstance(c, Read) and c.dtype != "bool")
    return Cases(visible, lows.pop() if lows else None, masks)


def _possible_outcomes(conditions: list[Expr]) -> Iterator[tuple[bool, ...]]:
    """What conditions can be together: a comparison of indices may imply another."""
    slacks = [_slack(c) for c in conditions]
    implied = [
        (n, m)
        for (n, a), (m, b) in itertools.permutations(enumerate(slacks), 2)
        if a is not None and b is not None and is_nonnegative(b - a)
    ]
    for outcome in itertools.product((False, True), repeat=len(conditions)):
        if all(outcome[m] or not outcome[n] for n, m in implied):
            yield outcome


def _slack(condition: Expr) -> Dim | None:
    """What is not negative if and only if a comparison of integers holds."""
    if not isinstance(condition, Apply) or not all(isinstance(a, Int) for a in condition.arguments):
        return None
    if len(condition.arguments) != 2:
        return None
    left, right = (a.value for a in condition.arguments if isinstance(a, Int))
    return {"le": right - left, "ge": left - right, "lt": right - left - 1, "gt": left - right - 1}.get(condition.function)


def _replaced(expression: Expr, chosen: Mapping[Expr, Expr]) -> Expr:
    """The expression with conditions decided, from the outside in."""
    if expression in chosen:
        return chosen[expression]
    return map_children(expression, lambda child: _replaced(child, chosen))


def _collect_conditions(expression: Expr, found: dict[Expr, None]) -> bool:
    """Note the innermost conditions, and integers used as numbers; returns whether there were any inside."""
    if isinstance(expression, (Int, Const)):
        return False
    if isinstance(expression, Read):
        # A vector of integers holds lengths, which are no mask's 0 and 1.
        if expression.dtype == "bool" or (is_integer(expression.dtype) and expression.value.rank > 1):
            found[expression] = None
            return True
        return False
    inside: dict[Expr, None] = {}
    hit = False
    for child in children(expression):
        hit |= _collect_conditions(child, inside)
    compares_a_mask = hit and all(isinstance(c, Read) and c.dtype != "bool" for c in inside) and _compares(expression)
    if expression.dtype == "bool" and (not hit or compares_a_mask):
        found[expression] = None
        return True
    found.update(inside)
    return hit


def _compares(expression: Expr) -> bool:
    """Whether this is a comparison of an element with a number, which is a condition of its own."""
    if not isinstance(expression, Apply) or expression.function not in ("eq", "ne", "lt", "le", "gt", "ge"):
        return False
    return any(isinstance(a, Read) for a in expression.arguments) and any(literal(a) is not None for a in expression.arguments)


def add_visibility(facts: MaskFacts, visible: Expr, axes: ScoreAxes) -> bool:
    """Split a conjunction into facts. False, with `reason` set, when a part is none."""
    if isinstance(visible, Apply) and visible.function == "and":
        return all(add_visibility(facts, part, axes) for part in visible.arguments)
    if literal(visible):
        return True
    if _is_causal(visible, axes):
        facts.causal = True
        return True
    test = _mask_test(visible, axes)
    if test is None:
        facts.reason = f"the condition {to_text(visible):.160} is neither causal nor a test of a padding mask"
        return False
    if facts.mask is not None and (facts.mask, facts.mask_test) != test:
        facts.reason = f"there are two padding masks, {facts.mask.name} and {test[0].name}"
        return False
    facts.mask, facts.mask_test = test
    return True


def _is_causal(visible: Expr, axes: ScoreAxes) -> bool:
    slack = _slack(visible)
    return slack is not None and slack == axes.row.value + axes.past - axes.key.value


def _mask_test(visible: Expr, axes: ScoreAxes) -> tuple[Value, tuple[str, int | bool]] | None:
    function, number = "ne", 0
    if isinstance(visible, Apply) and visible.function == "not":
        function, visible = "eq", visible.arguments[0]
    elif isinstance(visible, Apply) and visible.function in ("eq", "ne", "lt", "le", "gt", "ge"):
        value = literal(visible.arguments[1])
        if value is None or value != int(value):
            return None
        function, number, visible = visible.function, int(value), visible.arguments[0]
    if not isinstance(visible, Read) or visible.value.dtype not in ("int64", "int32", "bool", "uint8"):
        return None
    if visible.value.rank != 2 or visible.indices[1] != axes.key or visible.indices[0] not in (axes.batch, Int(dim(0))):
        return None
    return visible.value, (function, number)
