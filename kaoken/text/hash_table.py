"""Hash tables that the C runtime searches by linear probing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from kaoken.text.trie import NONE


def byte_hash(text: bytes) -> int:
    """FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo), 32 bits, its high half folded into the low bits."""
    value = 0x811C9DC5
    for byte in text:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value ^ value >> 15


def pair_hash(left: int, right: int) -> int:
    """Where a pair of numbers is looked for first."""
    value = (left * 0x9E3779B1 + right) * 0x85EBCA6B & 0xFFFFFFFF
    return value ^ value >> 15


def hash_table(entries: Iterable[tuple[int, tuple[int, ...]]], count: int, width: int) -> npt.NDArray[np.uint32]:
    """Slots of `width` numbers, filled by linear probing from each entry's hash; at least a third stays empty.

    An empty slot holds NONE in its last number.
    """
    size = 4
    while size * 2 < count * 3:
        size *= 2
    slots: list[tuple[int, ...]] = [(NONE,) * width] * size
    for hashed, entry in entries:
        at = hashed & (size - 1)
        while slots[at][-1] != NONE:
            at = (at + 1) & (size - 1)
        slots[at] = entry
    return np.array(slots, dtype=np.uint32).reshape(-1)
