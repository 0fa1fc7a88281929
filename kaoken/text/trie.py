"""A set of byte strings as a double array (J. Aoe, 1989): one step of a search is one look at one slot.

Slot `base[node] ^ byte` is the child of a node if that slot's `parent` is the node. Bases are below the number of
slots, which is a multiple of 256, so a search stays inside whatever the numbers are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kaoken.errors import UnsupportedModelError

NONE = 0xFFFFFFFF
BLOCK = 256
SLOT_LIMIT = 1 << 28
TRIED_BLOCKS = 16
"""How many of the last blocks a node with several children is tried in, before it gets a new one."""


@dataclass(frozen=True, eq=False)
class Trie:
    """units: uint32 [slots][2], base and parent (NONE: a free slot); values: uint32 [slots], NONE where no key ends.

    The root is slot 0.
    """

    units: npt.NDArray[np.uint32]
    values: npt.NDArray[np.uint32]

    def find(self, key: bytes) -> int | None:
        """The slot that a key leads to; None when no key begins so."""
        node = 0
        for byte in key:
            child = int(self.units[node, 0]) ^ byte
            if int(self.units[child, 1]) != node:
                return None
            node = child
        return node


def build_trie(keys: Mapping[bytes, int]) -> Trie:
    """The double array of keys with their values, each at least 0 and below NONE. An empty key is left out."""
    ordered = sorted(key for key in keys if key)
    builder = _Builder()
    # A range of keys that share their first `depth` bytes hangs at a slot.
    pending = [(0, len(ordered), 0, 0)]
    while pending:
        first, last, depth, slot = pending.pop()
        if first < last and len(ordered[first]) == depth:
            builder.values[slot] = keys[ordered[first]]
            first += 1
        groups: list[tuple[int, int, int]] = []
        at = first
        while at < last:
            byte = ordered[at][depth]
            begin = at
            while at < last and ordered[at][depth] == byte:
                at += 1
            groups.append((byte, begin, at))
        if groups:
            base = builder.place(slot, [byte for byte, _, _ in groups])
            pending += [(begin, end, depth + 1, base ^ byte) for byte, begin, end in groups]
    units = np.array([builder.base, builder.parent], dtype=np.uint32).T.copy()
    return Trie(units, np.array(builder.values, dtype=np.uint32))


class _Builder:
    def __init__(self) -> None:
        self.base: list[int] = []
        self.parent: list[int] = []
        self.values: list[int] = []
        self.free: list[list[int]] = []
        self.single = 0
        self._add_block()
        self._take(0, NONE - 1)

    def _add_block(self) -> None:
        start = len(self.base)
        if start >= SLOT_LIMIT:
            raise UnsupportedModelError("the vocabulary is too large for a table")
        self.base += [0] * BLOCK
        self.parent += [NONE] * BLOCK
        self.values += [NONE] * BLOCK
        self.free.append(list(range(start + BLOCK - 1, start - 1, -1)))

    def _take(self, slot: int, parent: int) -> None:
        self.parent[slot] = parent

    def _free_slots(self, block: int) -> list[int]:
        """The free slots of a block, the least last; those taken since are dropped."""
        slots = [slot for slot in self.free[block] if self.parent[slot] == NONE]
        self.free[block] = slots
        return slots

    def _single_base(self, byte: int) -> int:
        """A base for one child: any free slot will do."""
        while True:
            slots = self.free[self.single]
            while slots:
                slot = slots.pop()
                if self.parent[slot] == NONE:
                    return slot ^ byte
            self.single += 1
            if self.single == len(self.free):
                self._add_block()

    def place(self, node: int, children: list[int]) -> int:
        """Finds room for a node's children and returns its base."""
        base = self._single_base(children[0]) if len(children) == 1 else self._shared_base(children)
        self.base[node] = base
        for byte in children:
            self._take(base ^ byte, node)
        return base

    def _shared_base(self, children: list[int]) -> int:
        for block in range(max(self.single, len(self.free) - TRIED_BLOCKS), len(self.free)):
            slots = self._free_slots(block)
            if len(slots) >= len(children):
                for slot in slots:
                    base = slot ^ children[0]
                    if all(self.parent[base ^ byte] == NONE for byte in children):
                        return base
        self._add_block()
        return len(self.base) - BLOCK
