"""Movement that exchanges rows and columns: which nests are such, for kk_transpose.h."""

from __future__ import annotations

from dataclasses import dataclass

from kaoken.emit.nests import Nest, offset_of
from kaoken.ir.dims import Dim, Symbol, dim, substitute
from kaoken.ir.dtypes import DType, item_size
from kaoken.ir.expr import Read, extent_of

TOGETHER, MANY = 64, 4096
"""Columns that a thread takes at once: a line or more of each row of a matrix; more where there are few rows."""
FEWEST = 32
"""Matrices with fewer elements are moved one by one."""

MOST_REPEATS = 16
"""An element that is repeated more often is written on lanes."""

MOST_STREAMS = 64
"""Rows far from each other that are written in turn: for so many pages an address is found at once."""


@dataclass(frozen=True)
class Transposition:
    """y[at + c * to + r] = x[from + r * step + c], of which r runs over `rows` and c over `columns`. Where the step is 0, each
    element is there several times."""

    read: Read
    rows: Symbol
    columns: Symbol
    step: Dim
    to: Dim
    width: int

    @property
    def together(self) -> int:
        """Columns of a call."""
        length = extent_of(self.rows).constant
        return MANY if length is not None and length < TOGETHER else TOGETHER


def transposition(nest: Nest, dtype: DType) -> Transposition | None:
    """How a nest that only moves elements of the type exchanges two axes: it writes along one and reads along the other."""
    read = nest.body
    width = 8 * item_size(dtype)
    if not isinstance(read, Read) or read.dtype != dtype or nest.indices or width not in (8, 16, 32, 64):
        return None
    source = offset_of(read)
    rows = next((a for a in nest.axes if _step(nest.offset, a) == 1), None)
    columns = next((a for a in nest.axes if _step(source, a) == 1), None)
    if rows is None or columns is None or rows == columns:
        return None
    step, to = _step(source, rows), _step(nest.offset, columns)
    if step is None or to is None or to == 0:
        return None
    if step == 0 and (to != extent_of(rows) or (to.constant or MOST_REPEATS + 1) > MOST_REPEATS):
        return None
    elements = (extent_of(rows) * extent_of(columns)).constant
    if elements is not None and elements < FEWEST:
        return None
    return Transposition(read, rows, columns, step, to, width)


def in_few_streams(nest: Nest, outer: list[Symbol]) -> list[Symbol]:
    """The order of a nest's outer axes. Rows that move to other places are taken as they are written, unless fewer streams come
    of taking them as they are read."""
    if not isinstance(nest.body, Read) or nest.indices or len(outer) < 2:
        return outer
    steps = {a: step.constant for a in outer if (step := _step(offset_of(nest.body), a)) is not None and step.constant}
    nearest = min(steps, key=lambda a: abs(steps[a] or 0), default=outer[-1])
    streams, others = extent_of(nearest).constant, extent_of(outer[-1]).constant
    if len(steps) < len(outer) or streams is None or streams > min(MOST_STREAMS, (others or MOST_STREAMS + 1) - 1):
        return outer
    return [*(a for a in outer if a != nearest), nearest]


def _step(offset: Dim, symbol: Symbol) -> Dim | None:
    """By how much the offset grows with each step of an axis, if that is the same everywhere."""
    first = substitute(offset, {symbol: 0})
    step = substitute(offset, {symbol: 1}) - first
    linear = not any(s.is_axis for s in step.symbols()) and offset == first + dim(symbol) * step
    return step if linear else None
