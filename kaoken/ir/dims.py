"""Integer expressions over bounded symbols: the language of dimensions, strides and indices.

An expression is a polynomial with integer coefficients over *atoms* (`kaoken.ir.polynomials`). An atom is a `Symbol` (a
dimension of the model such as `batch`, or a loop axis) or one of the functions floor division, modulo, maximum and minimum.
Simplifications that need bounds (is `(b*S + s) // S` just `b`?) are decided here. What holds, holds for every value of the
symbols within their bounds; a loop that is empty evaluates nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from kaoken.ir.polynomials import (
    FUNCTIONS,
    INT64_MAX,
    Atom,
    Call,
    Dim,
    Monomial,
    Symbol,
    dim,
    exact_division,
    product,
    split,
    to_text,
)

__all__ = [
    "FUNCTIONS", "INT64_MAX", "Atom", "Call", "Dim", "Monomial", "Symbol", "bounds", "dim", "evaluate", "exact_division",
    "factor", "floordiv", "is_nonnegative", "maximum", "minimum", "mod", "product", "substitute", "to_c", "to_text",
]  # fmt: skip


def substitute(expression: Dim, values: Mapping[Symbol, Dim | int]) -> Dim:
    """Replace symbols by expressions, everywhere, and simplify."""
    if not values or not (expression.symbols() & values.keys()):
        return expression
    result = dim(0)
    for monomial, coefficient in expression.terms:
        term = dim(coefficient)
        for atom, power in monomial:
            if isinstance(atom, Symbol):
                base = dim(values.get(atom, atom))
            else:
                base = FUNCTIONS[atom.function](substitute(atom.left, values), substitute(atom.right, values))
            for _ in range(power):
                term = term * base
        result = result + term
    return result


def _call(function: str, left: Dim, right: Dim) -> Dim:
    return Dim({((Call(function, left, right), 1),): 1})


def _positive_divisor(value: Dim, divisor: Dim) -> tuple[Dim, Dim]:
    if divisor == 0:
        raise ZeroDivisionError(f"{value} is divided by 0")
    return (-value, -divisor) if (divisor.constant or 1) < 0 else (value, divisor)


def floordiv(value: Dim, divisor: Dim) -> Dim:
    """Floor division. A divisor that is no literal is taken to be positive, as strides and extents are.

    Raises ZeroDivisionError where the divisor is 0.
    """
    value, divisor = _positive_divisor(value, divisor)
    if divisor == 1:
        return value
    quotient, rest = split(value, divisor)
    if is_nonnegative(rest) and is_nonnegative(divisor - 1 - rest):
        return quotient
    return quotient + _call("floordiv", rest, divisor)


def mod(value: Dim, divisor: Dim) -> Dim:
    """The rest of floor division: it has the divisor's sign. Raises ZeroDivisionError where the divisor is 0."""
    if (divisor.constant or 1) < 0:
        return -mod(-value, -divisor)
    value, divisor = _positive_divisor(value, divisor)
    if divisor == 1:
        return dim(0)
    _, rest = split(value, divisor)
    if is_nonnegative(rest) and is_nonnegative(divisor - 1 - rest):
        return rest
    inner = _without_inner_rests(rest, divisor)
    return _call("mod", rest, divisor) if inner == rest else mod(inner, divisor)


def _without_inner_rests(value: Dim, divisor: Dim) -> Dim:
    """What leaves the same rest: `x % n` is as good as x where `divisor` divides n."""
    result = dim(0)
    for monomial, coefficient in value.terms:
        term = dim(coefficient)
        for atom, power in monomial:
            base = Dim({((atom, 1),): 1})
            if isinstance(atom, Call) and atom.function == "mod" and exact_division(atom.right, divisor) is not None:
                base = atom.left
            for _ in range(power):
                term = term * base
        result = result + term
    return result


def maximum(left: Dim, right: Dim) -> Dim:
    if left == right or is_nonnegative(left - right):
        return left
    if is_nonnegative(right - left):
        return right
    return _call("max", *sorted((left, right), key=to_text))


def minimum(left: Dim, right: Dim) -> Dim:
    if left == right or is_nonnegative(right - left):
        return left
    if is_nonnegative(left - right):
        return right
    return _call("min", *sorted((left, right), key=to_text))


FUNCTIONS.update(floordiv=floordiv, mod=mod, max=maximum, min=minimum)


@lru_cache(maxsize=65536)
def bounds(expression: Dim) -> tuple[int | None, int | None]:
    """Inclusive numeric bounds (None: unbounded), by interval arithmetic term by term: sound, not always tight."""
    low: int | None = 0
    high: int | None = 0
    for monomial, coefficient in expression.terms:
        term_low: int | None = 1
        term_high: int | None = 1
        for atom, power in monomial:
            for _ in range(power):
                term_low, term_high = _times((term_low, term_high), _atom_bounds(atom))
        if coefficient < 0:
            term_low, term_high = term_high, term_low
        low = None if low is None or term_low is None else low + coefficient * term_low
        high = None if high is None or term_high is None else high + coefficient * term_high
    return low, high


def _times(a: tuple[int | None, int | None], b: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    if a[0] is not None and b[0] is not None and a[0] >= 0 and b[0] >= 0:
        return a[0] * b[0], None if a[1] is None or b[1] is None else a[1] * b[1]
    if None in a or None in b:
        return None, None
    corners = [x * y for x in a for y in b if x is not None and y is not None]
    return min(corners), max(corners)


def _atom_bounds(atom: Atom) -> tuple[int | None, int | None]:
    if isinstance(atom, Symbol):
        upper = bounds(atom.upper)[1] if isinstance(atom.upper, Dim) else atom.upper
        return atom.lower, upper
    (left_low, left_high), (right_low, right_high) = bounds(atom.left), bounds(atom.right)
    if atom.function == "max":
        lows = [x for x in (left_low, right_low) if x is not None]
        return max(lows) if lows else None, None if left_high is None or right_high is None else max(left_high, right_high)
    if atom.function == "min":
        highs = [x for x in (left_high, right_high) if x is not None]
        return None if left_low is None or right_low is None else min(left_low, right_low), min(highs) if highs else None
    least = max(1, right_low or 1)
    if atom.function == "mod":
        highs = [right_high - 1] if right_high is not None else []
        highs += [left_high] if left_low is not None and left_low >= 0 and left_high is not None else []
        return 0, min(highs) if highs else None
    return _quotient_bound(left_low, least, right_high, below=True), _quotient_bound(left_high, least, right_high, below=False)


def _quotient_bound(value: int | None, least: int, most: int | None, below: bool) -> int | None:
    """The smallest (`below`) or largest quotient of `value` by a divisor in least..most."""
    if value is None:
        return None
    if (value >= 0) == below:
        return value // most if most is not None else (0 if below else -1)
    return value // least


@lru_cache(maxsize=65536)
def is_nonnegative(expression: Dim) -> bool:
    """Whether the expression is provably >= 0 for every value its symbols may take."""
    if not expression.terms:
        return True
    low, _ = bounds(expression)
    if (low is not None and low >= 0) or _is_nonnegative_by_cases(expression):
        return True
    replaced = _at_extreme_axes(expression)
    if replaced is not expression:
        return is_nonnegative(replaced)
    shift = {s: dim(Symbol(s.name + "'")) + s.lower for s in expression.symbols() if s.lower and not s.name.endswith("'")}
    shifted = substitute(expression, shift) if shift else expression
    low, _ = bounds(shifted)
    return low is not None and low >= 0


def _is_nonnegative_by_cases(expression: Dim) -> bool:
    """Whether it follows from what one of its functions is bounded by: the sides of a maximum, the divisor of a rest, ..."""
    calls = [(m[0][0], c) for m, c in expression.terms if len(m) == 1 and m[0][1] == 1]
    for call, c in [(a, c) for a, c in calls if isinstance(a, Call)][:3]:
        rest, enough = expression - c * _call(call.function, call.left, call.right), all
        try:
            if call.function in ("max", "min"):
                cases = [rest + c * call.left, rest + c * call.right]
                enough = all if (call.function == "max") == (c < 0) else any
            elif call.function == "mod":
                cases = [rest + c * (call.right - 1) if c < 0 else rest]
            elif abs(c) == 1:
                cases = [(rest + 1) * call.right - 1 - call.left if c < 0 else rest * call.right + call.left]
            else:
                cases = [rest * call.right + c * (call.left if c < 0 else call.left - call.right + 1)]
        except OverflowError:
            continue
        if enough(is_nonnegative(case) for case in cases):
            return True
    return False


def _at_extreme_axes(expression: Dim) -> Dim:
    """Replace loop axes in negative terms by their largest value and in positive terms by their smallest: a lower bound.

    Terms of which another factor may be negative stay as they are, as do axes inside functions and axes that others' extents
    depend on, which get their turn when those are gone.
    """
    present = {a for monomial, _ in expression.terms for a, _ in monomial if isinstance(a, Symbol) and isinstance(a.upper, Dim)}
    inner = present - {s for axis in present if isinstance(axis.upper, Dim) for s in axis.upper.symbols()}
    result, changed = dim(0), False
    for monomial, coefficient in expression.terms:
        term = dim(coefficient)
        monotone = all((low := _atom_bounds(atom)[0]) is not None and low >= 0 for atom, _ in monomial)
        for atom, power in monomial:
            base = Dim({((atom, 1),): 1})
            if isinstance(atom, Symbol) and isinstance(atom.upper, Dim) and atom in inner and monotone:
                base, changed = (atom.upper if coefficient < 0 else dim(atom.lower)), True
            for _ in range(power):
                term = term * base
        result = result + term
    return result if changed else expression


_INTEGERS: dict[str, Callable[[int, int], int]] = {
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "max": max,
    "min": min,
}


def evaluate(expression: Dim | int, values: Mapping[str, int]) -> int:
    """The integer value at `values` (symbol name -> integer). Raises KeyError naming a missing symbol."""
    if isinstance(expression, int):
        return expression
    total = 0
    for monomial, coefficient in expression.terms:
        term = coefficient
        for atom, power in monomial:
            if isinstance(atom, Symbol):
                base = values[atom.name]
            else:
                left, right = evaluate(atom.left, values), evaluate(atom.right, values)
                base = _INTEGERS[atom.function](left, right)
            term *= base**power
        total += term
    return total


def to_c(expression: Dim | int) -> str:
    """C text with int64 semantics. Division and modulo are floored, through the runtime's `kk_floordiv` and `kk_mod`."""

    def call(atom: Call) -> str:
        low, _ = bounds(atom.left)
        left, right = to_text(atom.left, call), to_text(atom.right, call)
        if atom.function in ("max", "min"):
            return f"kk_{atom.function}_i64({left}, {right})"
        if low is not None and low >= 0:
            return f"({factor(left)} {'/' if atom.function == 'floordiv' else '%'} {factor(right)})"
        return f"kk_{atom.function}_i64({left}, {right})"

    return to_text(dim(expression), call)


def factor(text: str) -> str:
    """C text of an expression as it may stand beside `*`, `/` and `%`."""
    return text if re.fullmatch(r"\w+|\([^()]*\)|\w+\([^()]*\)", text) else f"({text})"
