"""Packs matrices into the panels that the linear kernels read: 16 columns wide on every target."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

PANEL = 16
_CHUNK_BYTES = 4 << 20


def panel_count(columns: int) -> int:
    """Panels that hold `columns` columns."""
    return -(-columns // PANEL)


def pack_panels(weight: NDArray[np.generic]) -> Iterator[NDArray[np.float32]]:
    """Yields the panels of a matrix weight[K, N] (y = x @ weight), some at a time, each chunk as float32[panels, K, 16].

    panel[p][k][j] = weight[k][16 p + j]; columns beyond N are 0. The chunks one after another are the packed matrix.
    weight: any real dtype and any strides: a transposed view, for a source stored as [N, K], or a mapped file packs
    as fast. At most about 8 MB are in memory beside it (one panel at least).
    """
    rows, columns = weight.shape
    step = max(1, _CHUNK_BYTES // max(1, rows * PANEL * 4))
    for first in range(0, panel_count(columns), step):
        last = min(first + step, panel_count(columns))
        yield _pack(weight[:, first * PANEL : last * PANEL], last - first)


def _pack(block: NDArray[np.generic], panels: int) -> NDArray[np.float32]:
    rows, columns = block.shape
    packed = np.empty((panels, rows, PANEL), np.float32)
    whole = columns // PANEL
    wide = block[:, : whole * PANEL]
    if abs(block.strides[0]) < abs(block.strides[1]):
        # The source's rows are our columns: short runs of k keep both sides of the transposition in the cache.
        source = wide.T.reshape(whole, PANEL, rows)
        for start in range(0, rows, 256):
            packed[:whole, start : start + 256] = source[:, :, start : start + 256].transpose(0, 2, 1)
    else:
        packed[:whole] = wide.reshape(rows, whole, PANEL).transpose(1, 0, 2)
    if whole < panels:
        packed[whole] = 0
        packed[whole, :, : columns - whole * PANEL] = block[:, whole * PANEL :]
    return packed
