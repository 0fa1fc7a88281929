"""Schedules: how a hot kernel is to be computed, as small frozen values that passes choose and templates obey.

A schedule never changes a result: every choice below gives the same bits. `str()` of each is one readable line
for IR dumps, the report and the comments in the generated C.
"""

from __future__ import annotations

from dataclasses import dataclass

PANEL = 16
"""Columns of a weight panel: the logical lanes of the vector vocabulary, the same on every target."""

SUM_BLOCK = 256
"""Products that one accumulator takes before its sum is added to the sum of those before: part of every result's bits."""

FEW_TILES = 4
"""Where 2 to so many tiles hold all rows, they take SUM_BLOCK of k at a time: the weights pass from memory through the
first-level cache once, and the next ones follow while the other tiles work."""

MOST_TILE_ROWS, MOST_TILE_PANELS = 16, 4
"""The largest tile that a schedule may name."""

MOST_QUERY_BLOCK = 1024

MOST_SCRATCH = 16 << 20
"""Bytes that a thread's sums between blocks of k may take."""

PARTITIONS = ("columns", "rows")

LEVELS = ("avx512", "avx2", "neon", "plain")
"""Instruction set levels in the order in which the C preprocessor asks for them; the last one is the rest."""


@dataclass(frozen=True, order=True)
class Tile:
    """A register tile: `rows` rows of x times `panels` panels of 16 columns, accumulated in registers."""

    rows: int
    panels: int

    def __str__(self) -> str:
        return f"{self.rows}x{PANEL * self.panels}"


@dataclass(frozen=True)
class TileSet:
    """The tiles of one level. Rows are cut into the fewest tiles of nearly equal height, at most `len(panels)` each.

    panels: `panels[r - 1]` is the width of a tile of r rows, and of its neighbours a row lower, where FEW_TILES or fewer hold
        all rows.
    main_panels: the width where there are more tiles.
    """

    level: str
    panels: tuple[int, ...]
    main_panels: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.panels) <= MOST_TILE_ROWS:
            raise ValueError(f"panels has {len(self.panels)} heights; a tile has 1 to {MOST_TILE_ROWS} rows")
        if not all(1 <= panels <= MOST_TILE_PANELS for panels in (*self.panels, self.main_panels)):
            raise ValueError(f"a tile is 1 to {MOST_TILE_PANELS} panels wide, not {self.panels} and {self.main_panels}")

    @property
    def main(self) -> Tile:
        """The tile of many rows."""
        return Tile(len(self.panels), self.main_panels)

    def tiles(self) -> frozenset[Tile]:
        """Every microkernel that the set may call, remainders in columns included."""
        most = len(self.panels)
        needed = set()
        for rows, panels in enumerate(self.panels, start=1):
            needed.add(Tile(rows, panels))
            if rows > 1 and rows > most // 2:  # so many come in several tiles, some a row lower
                needed.add(Tile(rows - 1, panels))
            if rows >= (FEW_TILES * most + 1) // (FEW_TILES + 1):
                needed.add(Tile(rows, self.main_panels))
        return frozenset(needed | {Tile(tile.rows, 2) for tile in needed if tile.panels > 2})

    def __str__(self) -> str:
        return f"{self.level} {self.main}"


@dataclass(frozen=True)
class LinearSchedule:
    """How y = x W is computed from packed panels.

    tiles: one set a level, in the order of LEVELS.
    k_block: rows of a panel that one call of a tile takes, a multiple of SUM_BLOCK; partial sums wait in scratch in between.
    column_block: panels that one k-block passes over before the next, where there are several.
    row_block: rows of x for which the weights are read once.
    partition: what the threads share, "columns" or "rows"; never the sum over k.
    """

    tiles: tuple[TileSet, ...]
    k_block: int
    column_block: int
    row_block: int
    partition: str

    def __post_init__(self) -> None:
        if self.k_block < 1 or self.k_block % SUM_BLOCK:
            raise ValueError(f"k_block {self.k_block} is no multiple of {SUM_BLOCK}, which would change the result's bits")
        if self.row_block < 1 or self.column_block < 1:
            raise ValueError(f"row_block {self.row_block} and column_block {self.column_block} must be 1 or more")
        if 4 * PANEL * self.row_block * self.column_block > MOST_SCRATCH:
            raise ValueError(
                f"row_block {self.row_block} and column_block {self.column_block} keep more than {MOST_SCRATCH >> 20} MB of sums"
            )
        if self.partition not in PARTITIONS:
            raise ValueError(f"partition is one of {', '.join(PARTITIONS)}, not {self.partition}")

    def __str__(self) -> str:
        tiles = ", ".join(str(tile_set) for tile_set in self.tiles)
        blocks = f"blocks of {self.row_block} rows x {self.k_block} k x {PANEL * self.column_block} columns"
        return f"tiles {tiles}; {blocks}; {self.partition} over threads"


@dataclass(frozen=True)
class AttentionSchedule:
    """How streaming attention is computed.

    tiles: one set a level, in the order of LEVELS.
    query_block: query rows of a head that one task takes.
    key_block: keys a step of the online softmax, a multiple of 16 at absolute positions. Unlike all other choices it
        is part of the result's bits, so it is the same on every target.
    """

    tiles: tuple[TileSet, ...]
    query_block: int
    key_block: int

    def __post_init__(self) -> None:
        if not 1 <= self.query_block <= MOST_QUERY_BLOCK:
            raise ValueError(f"query_block {self.query_block} is not within 1..{MOST_QUERY_BLOCK}")

    def __str__(self) -> str:
        tiles = ", ".join(str(tile_set) for tile_set in self.tiles)
        blocks = f"blocks of {self.query_block} queries x {self.key_block} keys"
        return f"tiles {tiles}; {blocks}; batch, heads and query blocks over threads"
