"""Attention biases that depend on the distance between key and query alone: a table made when compiling.

T5 computes which bucket of a learned table each distance falls into (Raffel et al. 2020, section 2.1), ALiBi multiplies it by a
slope (Press et al. 2022); both read constants only, so every value there can be is known. Attention then reads a query's bias at
an address that moves one element back from query to query, and nothing is computed at run time.
"""

from __future__ import annotations

import numpy as np

from kaoken.ir.dims import bounds, dim
from kaoken.ir.evaluate import evaluate_formula
from kaoken.ir.expr import Expr, Formula, Int, axes_for, axis, bind, contains_reduce, extent_of, reads, symbols_of
from kaoken.ir.graph import Value, constant
from kaoken.passes.attention_mask import ScoreAxes

MOST_BYTES = 1 << 22


def relative_table(total: Expr, axes: ScoreAxes, heads: int, name: str) -> tuple[Value, int] | None:
    """`total`, a function of head and key - query position, as ([1, heads or 1, distances], distance 0's place); or None.

    A query's position is `axes.past` plus its row.
    """
    if len(axes.key.value.symbols()) != 1 or len(axes.head.value.symbols()) != 1:
        return None  # one key or one head: there is no table to make
    longest = _longest(axes)
    if longest is None or contains_reduce(total) or any(r.value.data is None for r in reads(total)):
        return None
    distance = axis("distance", 2 * longest - 1)
    key = Int(axes.row.value + axes.past + dim(distance) - (longest - 1))
    (own_key,) = axes.key.value.symbols()
    (own_head,) = axes.head.value.symbols()
    body = bind(total, {own_key: key})
    used = symbols_of(body)
    if used - {distance, own_head}:
        return None
    table_heads = heads if own_head in used else 1
    if 4 * table_heads * (2 * longest - 1) > MOST_BYTES:
        return None
    one, head, place = axes_for((dim(1), dim(table_heads), dim(2 * longest - 1)))
    body = bind(body, {distance: Int(dim(place)), own_head: Int(dim(head))})
    values = evaluate_formula(Formula((one, head, place), body), {}, _elements, total.dtype)
    return constant(name, np.ascontiguousarray(values)), longest - 1


def _longest(axes: ScoreAxes) -> int | None:
    """The most positions there can be: no distance reaches it."""
    (key,) = axes.key.value.symbols()
    return bounds(extent_of(key))[1]


def _elements(value: Value) -> np.ndarray:
    assert value.data is not None
    return value.data
