"""Where an element of a value lies in memory, as a C expression."""

from __future__ import annotations

from kaoken.ir.graph import Value
from kaoken.passes.pack_weights import WeightEntry


def row_major(indices: list[str], extents: list[str]) -> str:
    """Offset of an element in row-major order."""
    offset = ""
    for index, extent in zip(indices, extents, strict=True):
        if extent == "1" and index == "0":
            continue
        if offset and offset != "0":
            offset = f"{factor(offset)}*{factor(extent)}" + (f" + {index}" if index != "0" else "")
        else:
            offset = index
    return offset or "0"


def factor(text: str) -> str:
    """C text as it may stand beside `*` and `/`."""
    return text if text.replace("_", "").isalnum() else f"({text})"


def panel_offset(entry: WeightEntry, indices: list[str]) -> str:
    """Offset of W[k, n] (or W[n, k] when stored transposed) in packed panels of 16 columns."""
    row, column = indices[::-1] if entry.transposed[0] else indices
    source = entry.sources[0]
    assert source is not None
    k = int(source.shape[1 if entry.transposed[0] else 0])
    return f"({factor(column)} / 16 * {k} + {row}) * 16 + {factor(column)} % 16"


def cache_offset(value: Value, indices: list[str], capacity: str) -> str:
    """Offset of [b, h, t, d] in a cache of keys (16 positions are the lanes) or values."""
    b, h, t, d = indices
    heads, size = int(value.shape[1]), int(value.shape[3])
    if value.packing == "keys":
        block = f"{factor(t)} / 16 * {16 * size} + {factor(d)} * 16 + {factor(t)} % 16"
        return f"({factor(b)} * {heads} + {h}) * {capacity} * {size} + {block}"
    return f"(({factor(b)} * {heads} + {h}) * {capacity} + {t}) * {size} + {d}"
