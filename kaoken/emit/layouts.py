"""Where an element of a value lies in memory, counted in elements."""

from __future__ import annotations

from collections.abc import Sequence

from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.graph import Shape, Value
from kaoken.passes.pack_weights import PANEL, WeightEntry


def row_major(at: Sequence[Dim], shape: Shape) -> Dim:
    """Offset of an element in row-major order."""
    return sum((index * product(shape[n + 1 :]) for n, index in enumerate(at)), dim(0))


def panel_offset(entry: WeightEntry, at: Sequence[Dim]) -> Dim:
    """Offset of W[k, n] (or W[n, k] when stored transposed) in packed panels of 16 columns."""
    row, column = at[::-1] if entry.transposed[0] else at
    source = entry.sources[0]
    assert source is not None
    k = int(source.shape[1 if entry.transposed[0] else 0])
    return (column // PANEL) * (PANEL * k) + row * PANEL + column % PANEL


def cache_offset(value: Value, at: Sequence[Dim], capacity: Dim) -> Dim:
    """Offset of [b, h, t, d] in a cache of keys (16 positions are the lanes) or values."""
    b, h, t, d = at
    heads, size = int(value.shape[1]), int(value.shape[3])
    row = (b * heads + h) * capacity
    if value.packing == "keys":
        return row * size + (t // PANEL) * (PANEL * size) + d * PANEL + t % PANEL
    return (row + t) * size + d
