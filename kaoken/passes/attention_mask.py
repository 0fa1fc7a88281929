"""What is added to attention scores, taken apart: a causal rule, a padding mask, or a bias that must be computed."""

from __future__ import annotations

from dataclasses import dataclass, field

from kaoken.ir.dims import Dim, dim
from kaoken.ir.expr import Apply, Expr, Int, Read, Select, apply, const, literal, reads, rewrite, to_text
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


def scaled_mask(expression: Expr) -> tuple[Expr, float] | None:
    """`(1 - mask) * low` as (mask is 1, low), where `mask` is read once and 0 at one of 0 and 1, a low value at the other.

    What it is for other elements of the mask is left out of account: the caller sees to it that there are none.
    """
    found = set(reads(expression))
    if len(found) != 1 or isinstance(expression, Select):
        return None
    element = next(iter(found))
    zero, one = (literal(_replaced(expression, element, const(value, element.dtype))) for value in (0, 1))
    if zero is None or one is None or element.dtype not in ("bool", "int32", "int64", "uint8"):
        return None
    if zero == 0 and one <= HIDING:
        return apply("eq", element, const(0, element.dtype)), float(one)
    if one == 0 and zero <= HIDING:
        return apply("eq", element, const(1, element.dtype)), float(zero)
    return None


def _replaced(expression: Expr, old: Expr, new: Expr) -> Expr:
    return rewrite(expression, lambda node: new if node == old else None)


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
    if not isinstance(visible, Apply) or not all(isinstance(a, Int) for a in visible.arguments):
        return False
    left, right = (a.value for a in visible.arguments if isinstance(a, Int))
    slack = {"le": right - left, "ge": left - right, "lt": right - left - 1, "gt": left - right - 1}.get(visible.function)
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
