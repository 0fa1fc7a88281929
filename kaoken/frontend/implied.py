"""Dimensions that a model leaves open although its weights or tables fit one value or range alone: it is read again with that.

Exporters name every extent of a picture, its three channels too, and cut tables of positions at the sequence's length.
"""

from __future__ import annotations

from dataclasses import dataclass

from kaoken.ir.dims import Call, Dim, Symbol, dim, minimum
from kaoken.ops.registry import ExtentsDiffer


@dataclass
class ImpliedBounds(Exception):  # no ShapeError: it ends the reading of the model
    """The model means something only where the caller's dimension is `lower` to `upper`; `reason` is why."""

    symbol: Symbol
    lower: int
    upper: int
    reason: str

    def __str__(self) -> str:
        return f"{self.symbol.name} must be {self.lower}{'' if self.lower == self.upper else f' to {self.upper}'}: {self.reason}"


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
