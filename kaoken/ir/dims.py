"""Integer expressions over bounded symbols: the language of dimensions, strides and indices.

An expression is a polynomial with integer coefficients over *atoms*. An atom is a `Symbol` (a dimension of the model such
as `batch`, or a loop axis) or one of the functions floor division, modulo, maximum and minimum. Polynomials are kept in one
canonical form, so that equal expressions compare equal, and simplifications that need bounds (is `(b*S + s) // S` just `b`?)
are decided here. What holds, holds for every value of the symbols within their bounds; a loop that is empty evaluates nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Union

INT64_MAX = 2**63 - 1
MAX_TERMS, MAX_DEGREE, MAX_COEFFICIENT = 1024, 32, 2**128
"""Beyond these an expression is no dimension of any model; products that reach them raise OverflowError."""


@dataclass(frozen=True)
class Symbol:
    """A named integer, `lower` and `upper` inclusive; a loop axis has a symbolic `upper`; `is_found`: see found_sizes.py."""

    name: str
    lower: int = 0
    upper: Union[int, "Dim", None] = None
    is_axis: bool = False
    is_found: bool = False


@dataclass(frozen=True)
class Call:
    """An integer function that is no polynomial: `floordiv`, `mod`, `max` or `min` of two expressions."""

    function: str
    left: "Dim"
    right: "Dim"


Atom = Union[Symbol, Call]
Monomial = tuple[tuple[Atom, int], ...]


def _atom_key(atom: Atom) -> tuple[int, str]:
    return (0, atom.name) if isinstance(atom, Symbol) else (1, f"{atom.function}({atom.left},{atom.right})")


def _monomial_key(monomial: Monomial) -> tuple[int, list[tuple[tuple[int, str], int]]]:
    return (-sum(power for _, power in monomial), [(_atom_key(atom), -power) for atom, power in monomial])


class Dim:
    """An immutable integer expression. Build with `dim(...)` and the operators + - * // %; compare with `==`."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[Monomial, int]):
        kept = [(m, c) for m, c in terms.items() if c]
        if any(isinstance(atom, Call) and atom.function == "mod" for m, _ in kept for atom, _ in m):
            kept = list(_join_quotients(dict(kept)).items())
        kept.sort(key=lambda term: _monomial_key(term[0]))
        self.terms: tuple[tuple[Monomial, int], ...] = tuple(kept)
        self._hash = hash(self.terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.terms == ((((), other),) if other else ())
        return isinstance(other, Dim) and self._hash == other._hash and self.terms == other.terms

    @property
    def constant(self) -> int | None:
        """The value when the expression is a plain integer, else None."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and not self.terms[0][0]:
            return self.terms[0][1]
        return None

    def __int__(self) -> int:
        value = self.constant
        if value is None:
            raise TypeError(f"dimension {self} is not a constant")
        return value

    def __add__(self, other: "Dim | int") -> "Dim":
        terms = dict(self.terms)
        for monomial, coefficient in dim(other).terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Dim(terms)

    __radd__ = __add__

    def __neg__(self) -> "Dim":
        return Dim({m: -c for m, c in self.terms})

    def __sub__(self, other: "Dim | int") -> "Dim":
        return self + (-dim(other))

    def __rsub__(self, other: "Dim | int") -> "Dim":
        return dim(other) - self

    def __mul__(self, other: "Dim | int") -> "Dim":
        terms: dict[Monomial, int] = {}
        if len(self.terms) * len(dim(other).terms) > MAX_TERMS:
            raise OverflowError(f"a product of {len(self.terms)} and {len(dim(other).terms)} terms is too large")
        for left, left_coefficient in self.terms:
            for right, right_coefficient in dim(other).terms:
                powers: dict[Atom, int] = dict(left)
                for atom, power in right:
                    powers[atom] = powers.get(atom, 0) + power
                monomial = tuple(sorted(powers.items(), key=lambda item: _atom_key(item[0])))
                total = terms.get(monomial, 0) + left_coefficient * right_coefficient
                if abs(total) > MAX_COEFFICIENT or sum(powers.values()) > MAX_DEGREE:
                    raise OverflowError("an expression of the dimensions grows too large")
                terms[monomial] = total
        return Dim(terms)

    __rmul__ = __mul__

    def __floordiv__(self, other: "Dim | int") -> "Dim":
        return floordiv(self, dim(other))

    def __mod__(self, other: "Dim | int") -> "Dim":
        return mod(self, dim(other))

    def __repr__(self) -> str:
        return to_text(self)

    def symbols(self) -> set[Symbol]:
        """Every symbol in the expression, also inside functions (bounds of axes are not followed)."""
        found: set[Symbol] = set()
        for monomial, _ in self.terms:
            for atom, _ in monomial:
                if isinstance(atom, Symbol):
                    found.add(atom)
                else:
                    found |= atom.left.symbols() | atom.right.symbols()
        return found


def _join_quotients(terms: dict[Monomial, int]) -> dict[Monomial, int]:
    """`(a // n) * n + a % n` is a, also with a common factor."""
    for monomial, coefficient in terms.items():
        for place, (atom, power) in enumerate(monomial):
            if not isinstance(atom, Call) or atom.function != "mod" or power != 1:
                continue
            factor = Dim({monomial[:place] + monomial[place + 1 :]: coefficient})
            partner = factor * atom.right * floordiv(atom.left, atom.right)
            if partner.terms and all(terms.get(m) == c for m, c in partner.terms):
                rest = {m: c for m, c in terms.items() if m != monomial and m not in dict(partner.terms)}
                return dict((Dim(rest) + factor * atom.left).terms)
    return terms


def dim(value: "Dim | Symbol | int") -> Dim:
    """Make an expression of an integer or a symbol; a loop axis of extent 1 is 0."""
    if isinstance(value, Dim):
        return value
    if isinstance(value, Symbol):
        if value.is_axis and value.upper == 0:
            return Dim({})
        return Dim({((value, 1),): 1})
    return Dim({(): int(value)})


def product(dims: Iterable[Dim | int]) -> Dim:
    result = dim(1)
    for item in dims:
        result = result * item
    return result


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


def _divide_terms(value: Dim, divisor: Dim) -> tuple[Dim, Dim]:
    """Split `value` into (quotient, rest): the terms that `divisor`, when it is one monomial, divides exactly, and the others."""
    if len(divisor.terms) != 1:
        return _long_division(value, divisor)
    (monomial, coefficient) = divisor.terms[0]
    quotient: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for term, c in value.terms:
        powers = dict(term)
        if c % coefficient == 0 and all(powers.get(atom, 0) >= power for atom, power in monomial):
            for atom, power in monomial:
                powers[atom] -= power
            key = tuple((a, p) for a, p in sorted(powers.items(), key=lambda item: _atom_key(item[0])) if p)
            quotient[key] = quotient.get(key, 0) + c // coefficient
        else:
            rest[term] = c
    return Dim(quotient), Dim(rest)


def _long_division(value: Dim, divisor: Dim) -> tuple[Dim, Dim]:
    """Polynomial division by the divisor's leading term; the rest is what that term no longer divides."""
    lead = Dim(dict(divisor.terms[:1]))
    quotient, rest = dim(0), value
    for _ in range(32):
        part, _ = _divide_terms(rest, lead)
        if not part.terms:
            return quotient, rest
        quotient, rest = quotient + part, rest - part * divisor
    return dim(0), value


def exact_division(value: Dim, divisor: Dim) -> Dim | None:
    """The polynomial quotient if `divisor` divides `value` without rest, else None (long division by the leading term)."""
    if not divisor.terms:
        return None
    lead = Dim(dict(divisor.terms[:1]))
    quotient, rest = dim(0), value
    for _ in range(32):
        if not rest.terms:
            return quotient
        part, _ = _divide_terms(Dim(dict(rest.terms[:1])), lead)
        if not part.terms:
            return None
        quotient, rest = quotient + part, rest - part * divisor
    return None


def _split(value: Dim, divisor: Dim) -> tuple[Dim, Dim]:
    """(quotient, rest) with value = quotient * divisor + rest; for a literal divisor the rest's coefficients are below it."""
    number = divisor.constant
    if number is None:
        return _divide_terms(value, divisor)
    quotient = Dim({monomial: coefficient // number for monomial, coefficient in value.terms})
    return quotient, value - quotient * number


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
    quotient, rest = _split(value, divisor)
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
    _, rest = _split(value, divisor)
    if is_nonnegative(rest) and is_nonnegative(divisor - 1 - rest):
        return rest
    return _call("mod", rest, divisor)


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


FUNCTIONS: dict[str, Callable[[Dim, Dim], Dim]] = {
    "floordiv": floordiv,
    "mod": mod,
    "max": maximum,
    "min": minimum,
}


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


def to_text(expression: Dim, call: Callable[[Call], str] | None = None) -> str:
    """Infix text such as `batch*seq + 1`; valid Python and, with `call` printing the functions, valid C."""
    if not expression.terms:
        return "0"
    render = call or (lambda c: _python_call(c))
    parts: list[str] = []
    for monomial, coefficient in sorted(expression.terms, key=lambda term: term[1] < 0):
        factors = [name for atom, power in monomial for name in [atom.name if isinstance(atom, Symbol) else render(atom)] * power]
        magnitude = abs(coefficient)
        if magnitude != 1 or not factors:
            factors.append(str(magnitude))
        text = "*".join(factors)
        if parts:
            parts.append((" - " if coefficient < 0 else " + ") + text)
        else:
            parts.append(("-" if coefficient < 0 else "") + text)
    return "".join(parts)


def _python_call(atom: Call) -> str:
    left, right = to_text(atom.left), to_text(atom.right)
    if atom.function in ("max", "min"):
        return f"{atom.function}({left}, {right})"
    return f"(({left}) {'//' if atom.function == 'floordiv' else '%'} ({right}))"


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
