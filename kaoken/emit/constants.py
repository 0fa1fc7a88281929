"""Writes packed constants: each source is read where it lies in the model file and written once, to its packed place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kaoken.emit.panels import pack_panels
from kaoken.emit.weights import WeightsWriter
from kaoken.ir.dtypes import stored
from kaoken.passes.pack_weights import ALIGNMENT, WeightEntry, WeightPlan


def write_weights(path: Path, plan: WeightPlan, tables: bytes | None) -> bytes:
    """Write the weights file and return its 32-byte hash. `tables` are the compiled tokenizer tables, or None.

    Raises UsageError when it cannot be written; nothing half-written is left behind.
    """
    with WeightsWriter(path) as writer:
        writer.add("weights", _section(plan))
        if tables is not None:
            writer.add("tokenizer", tables)
        return writer.finish()


def _section(plan: WeightPlan) -> Iterator[bytes | np.ndarray]:
    for entry in plan.entries:
        written = 0
        for chunk in _chunks(entry):
            written += chunk.nbytes
            yield chunk
        assert written == entry.size, f"{entry.name}: {written} bytes instead of {entry.size}"
        yield bytes(-written % ALIGNMENT)


def _chunks(entry: WeightEntry) -> Iterator[np.ndarray]:
    if entry.layout == "rows":
        source = entry.sources[0]
        assert source is not None and source.data is not None
        yield np.ascontiguousarray(stored(source.data))
    elif entry.layout == "vector":
        for source, width in zip(entry.sources, entry.widths, strict=True):
            yield np.zeros(width, np.float32) if source is None or source.data is None else np.ascontiguousarray(source.data)
    else:
        matrices = [
            s.data.T if t else s.data
            for s, t in zip(entry.sources, entry.transposed, strict=True)
            if s is not None and s.data is not None
        ]
        yield from pack_panels(matrices[0] if len(matrices) == 1 else np.concatenate(matrices, axis=1))
