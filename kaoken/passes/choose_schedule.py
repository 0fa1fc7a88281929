"""Chooses tiles and blocks from a target's description: pure functions, a cost model of a few lines.

What decides, with the figures that it was fitted to (Sapphire Rapids, 2 cores, gcc 12; `benchmarks/kernels.py`):

- A tile keeps rows x panels accumulators, its weights and one broadcast in registers; a spill costs more than any
  other choice wins. Each weight line is used once a row, so taller tiles ask less of the L2 cache: as many rows as there
  are registers for, at least two registers wide, so that a broadcast feeds two multiply-adds. (128 rows, weights from
  memory, a prefetch a panel, GFLOP/s: 14x32 193, 12x32 190, 8x48 181, 8x32 171; with one prefetch a k 8x48 draws level.)
- Fewer rows leave registers for wider tiles, and every panel more is one more stream from memory and one more chain of
  multiply-adds to hide a latency: a tile is as wide as fits. (`kaoken tune` on GPT-2: 4 panels at 2 to 6 rows and 3 at 7
  to 9 are 5 to 13% faster than 2.) Heads are narrow: in attention two panels leave no odd one over.
- General registers count too: rows share pointers in threes, and what comes next is prefetched evenly, by address and
  step. (Two prefetches a k cost 5% where weights stay in L2; none costs 14% where they come from memory.)
- A few tiles of rows would pass over weights that come from memory once a tile: in blocks of 256 k they find them in L1
  (16 rows 1 to 14% faster, 32 rows 6 to 25%, most at long sums).
- A sum of up to 768 is one block of k: a tile's rows of x stay in L1, and its panels beside a block of x in L2. Longer ones
  take 256 at a time, 2% faster than 768 at 64 to 512 rows (K = 2048, 3072, 4096; 512 lies between); one block of 3072
  costs 10%. A k-block passes over 48 panels before the next, or the rows of x would come from L3 for each tile.
"""

from __future__ import annotations

from collections.abc import Sequence

from kaoken.ir.schedule import PANEL, SUM_BLOCK, AttentionSchedule, LinearSchedule, TileSet
from kaoken.passes.targets import TARGETS, Target

FLOAT_BYTES = 4
KEY_BLOCK = 128
QUERY_BLOCK = 42
MOST_PANELS = 4
COLUMN_BLOCK = 48
K_BLOCK = 768
"""The longest sum that is one block."""


def registers_needed(target: Target, rows: int, panels: int) -> int:
    """Vector registers of a tile: accumulators, its weights (one register at a time for one row) and a broadcast."""
    weights = 1 if rows == 1 else panels * target.panel_registers
    return rows * panels * target.panel_registers + weights + 1


def fits(target: Target, rows: int, panels: int) -> bool:
    """Whether a tile runs without spilling vector registers or row pointers."""
    return rows <= target.rows and registers_needed(target, rows, panels) <= target.registers


def choose_tiles(target: Target, widest: int = MOST_PANELS) -> TileSet:
    """The tiles of one level: as high as a tile of two registers' width can be, lower ones as wide as fits.

    widest: the most panels of a tile of several rows.
    """
    rows = max(r for r in range(1, target.rows + 1) if fits(target, r, -(-2 // target.panel_registers)))
    limits = (MOST_PANELS, *(widest for _ in range(2, rows + 1)))
    panels = tuple(max(p for p in range(1, most + 1) if p == 1 or fits(target, r, p)) for r, most in enumerate(limits, start=1))
    return TileSet(target.level, panels, panels[-1])


def choose_linear(k: int, n: int, targets: Sequence[Target] = TARGETS) -> LinearSchedule:
    """The schedule of y[rows, n] = x[rows, k] W[k, n], for any number of rows."""
    tiles = tuple(choose_tiles(target) for target in targets)
    k_block = -(-k // SUM_BLOCK) * SUM_BLOCK if k <= K_BLOCK else SUM_BLOCK
    rows = min(target.l2_bytes for target in targets) // (min(max(k, SUM_BLOCK), K_BLOCK) * FLOAT_BYTES)
    row_block = min(max(rows // 8 * 8, 32), 256)
    partition = "columns" if n > 8 * PANEL else "rows"
    return LinearSchedule(tiles, k_block, COLUMN_BLOCK, row_block, partition)


def choose_attention(targets: Sequence[Target] = TARGETS) -> AttentionSchedule:
    """The schedule of streaming attention."""
    tiles = tuple(choose_tiles(target, widest=2) for target in targets)
    return AttentionSchedule(tiles, QUERY_BLOCK, KEY_BLOCK)
