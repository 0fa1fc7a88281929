"""What the schedule chooser knows of each instruction set level, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One instruction set level.

    level: its name, as KK_LEVEL_NAME has it.
    registers: architectural vector registers.
    panel_registers: registers that 16 float32 lanes take.
    rows: the most rows of a tile whose addresses, a pointer for three, fit the general registers beside the others.
    l2_bytes: level-2 cache of a core, of the smallest machine that the level is common on.
    """

    level: str
    registers: int
    panel_registers: int
    rows: int
    l2_bytes: int


TARGETS = (
    Target("avx512", registers=32, panel_registers=1, rows=16, l2_bytes=1 << 20),
    Target("avx2", registers=16, panel_registers=2, rows=16, l2_bytes=512 << 10),
    Target("neon", registers=32, panel_registers=4, rows=16, l2_bytes=512 << 10),
    # Plain C is for any compiler; it is shaped like AVX2, which suits what auto-vectorisers make of it.
    Target("plain", registers=16, panel_registers=2, rows=16, l2_bytes=512 << 10),
)
