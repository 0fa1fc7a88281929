"""Polynomials with integer coefficients over symbols and calls of integer functions: what `kaoken.ir.dims` is made of.

One canonical form, so that equal polynomials compare equal; division as far as it needs no bounds. Functions of two expressions
decide by bounds, so they are in `kaoken.ir.dims`, which lists them in `FUNCTIONS`: import from there.
"""

from __future__ import annotations

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
FUNCTIONS: dict[str, Callable[["Dim", "Dim"], "Dim"]] = {}
"""What builds a call of each function, simplified; `kaoken.ir.dims` fills it."""


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
            kept = list(_without_rests(dict(kept)).items())
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
        return FUNCTIONS["floordiv"](self, dim(other))

    def __mod__(self, other: "Dim | int") -> "Dim":
        return FUNCTIONS["mod"](self, dim(other))

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


@lru_cache(maxsize=65536)
def _spelled_out(rest: Call) -> tuple[tuple[Dim, Dim], ...]:
    """A rest as sums of a value and a multiple of its divisor: `y % n` is -(-y) + n*ceil(-y / n), and y - n*(y // n)."""
    value, divisor = rest.left, rest.right
    try:
        _, negative = split(-value, divisor)
        up, down = FUNCTIONS["floordiv"](negative + divisor - 1, divisor), FUNCTIONS["floordiv"](value, divisor)
        return (-negative, up * divisor), (value, -down * divisor)
    except OverflowError:
        return ()


def _without_rests(terms: dict[Monomial, int]) -> dict[Monomial, int]:
    """Rests that complete something leave, so that a multiple is seen as one.

    `n - n % 4` is 4*(n // 4), `n + -n % 4` is 4*((n + 3) // 4), `(n // 4)*4 + n % 4` is n. A rest is spelled out where either
    its value or its multiple of the divisor goes with what the other terms have, up to multiples of a literal divisor.
    """
    for monomial, coefficient in terms.items():
        for place, (atom, power) in enumerate(monomial):
            if not isinstance(atom, Call) or atom.function != "mod" or power != 1:
                continue
            factor = Dim({monomial[:place] + monomial[place + 1 :]: coefficient})
            step = coefficient * (atom.right.constant or 0)
            spelled = [(factor * value, factor * multiple) for value, multiple in _spelled_out(atom)]
            left = [[terms.get(m, 0) + c for m, c in value.terms] for value, _ in spelled]
            order = range(len(spelled)) if coefficient > 0 else reversed(range(len(spelled)))
            for n in sorted(order, key=lambda n: sum(c != 0 for c in left[n])):
                value, multiple = spelled[n]
                completes = all(c % step == 0 if step else c == 0 for c in left[n])
                if completes or all(terms.get(m) == -c for m, c in multiple.terms):
                    rest = Dim({m: c for m, c in terms.items() if m != monomial})
                    return dict((rest + value + multiple).terms)
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


def split(value: Dim, divisor: Dim) -> tuple[Dim, Dim]:
    """(quotient, rest) with value = quotient * divisor + rest; for a literal divisor the rest's coefficients are below it."""
    number = divisor.constant
    if number is None:
        return _divide_terms(value, divisor)
    quotient = Dim({monomial: coefficient // number for monomial, coefficient in value.terms})
    return quotient, value - quotient * number


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
