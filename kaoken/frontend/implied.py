"""Dimensions that a model leaves open although its weights or tables fit one value or range alone: it is read again with that.

Exporters name every extent of a picture, its three channels too, and cut tables of positions at the sequence's length. A sound or
a picture must hold the window of a convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

from kaoken.ir.dims import Call, Dim, Symbol, dim, evaluate, is_nonnegative, minimum
from kaoken.ops.registry import ExtentsDiffer


@dataclass
class ImpliedBounds(Exception):  # no ShapeError: it ends the reading of the model
    """The model means something only where the caller's dimension is `lower` to `upper` (None: or more); `reason` is why."""

    symbol: Symbol
    lower: int
    upper: int | None
    reason: str

    def __str__(self) -> str:
        more = "" if self.lower == self.upper else " or more" if self.upper is None else f" to {self.upper}"
        return f"{self.symbol.name} must be {self.lower}{more}: {self.reason}"


def least_for_room(room: Dim, reason: str) -> ImpliedBounds | None:
    """What room for a window, which must not be negative, says of the one dimension that it grows with."""
    symbols = room.symbols()
    if len(symbols) != 1 or is_nonnegative(room):
        return None
    (symbol,) = symbols
    low, high = symbol.lower, symbol.upper if isinstance(symbol.upper, int) else symbol.lower + 2**20
    if symbol.is_axis or symbol.is_found or evaluate(room, {symbol.name: low}) >= 0 or evaluate(room, {symbol.name: high}) < 0:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if evaluate(room, {symbol.name: middle}) >= 0 else (middle, high)
    return ImpliedBounds(symbol, high, None, reason)


def implied_bounds(differ: ExtentsDiffer) -> ImpliedBounds | None:
    """What extents that must fit say of a dimension: `c = 3` where they must be equal; `s <= 64` for s and min(s, 64)."""
    first, second = differ.extents
    for extent, other in ((first, second), (second, first)):
        if differ.rule == "equal" and other.constant is not None:
            solved = _solution(extent, other.constant)
            if solved is not None:
                return ImpliedBounds(*solved, solved[1], str(differ))
        limit = _limit(extent, other)
        solved = None if limit is None else _solution(extent, limit)
        if solved is not None and differ.rule != "within":
            return ImpliedBounds(solved[0], min(solved[0].lower, solved[1]), solved[1], str(differ))
    return None


def _solution(extent: Dim, value: int) -> tuple[Symbol, int] | None:
    """The value of the one dimension in a sum of it and a number that makes the sum `value`."""
    symbols = extent.symbols()
    if len(symbols) != 1:
        return None
    (symbol,) = symbols
    rest = (extent - dim(symbol)).constant
    if rest is None or symbol.is_axis or symbol.is_found or value < rest:
        return None
    return symbol, value - rest


def _limit(extent: Dim, other: Dim) -> int | None:
    """n where `other` is min(extent, n)."""
    for monomial, _ in other.terms:
        for atom, _ in monomial:
            if isinstance(atom, Call) and atom.function == "min":
                for side in (atom.left, atom.right):
                    shift = (other - minimum(atom.left, atom.right)).constant
                    if side.constant is not None and shift is not None and other == minimum(extent, side + shift):
                        return side.constant + shift
    return None
