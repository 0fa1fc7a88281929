"""What a schedule may be instead: the alternatives of each field of `ir/schedule.py`, as data that `kaoken tune` walks through.

A new field of a schedule gets a line here, or a place in PART_OF_THE_BITS; a test says so where it is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from kaoken.ir.schedule import FEW_TILES, AttentionSchedule, LinearSchedule, TileSet

Schedule = LinearSchedule | AttentionSchedule
Fits = Callable[[int, int], bool]
"""Whether a tile of so many rows and panels runs from registers on the machine's level."""

PART_OF_THE_BITS = frozenset({"key_block"})
"""Fields that a result's bits depend on: nobody searches them and no file changes them."""

ANY, FEW, MANY = "any", "few", "many"


@dataclass(frozen=True)
class Field:
    """One line of the table.

    values: the alternatives. rows: where the field matters, FEW tiles of rows, MANY, or ANY number.
    least_threads: the number of threads from which on it matters.
    """

    name: str
    values: tuple[Any, ...]
    rows: str = ANY
    least_threads: int = 1


SPACE: dict[type, tuple[Field, ...]] = {
    LinearSchedule: (
        Field("k_block", (256, 512, 768, 1024, 1536, 3072), MANY),
        Field("column_block", (8, 16, 24, 48, 96), MANY),
        Field("row_block", (32, 64, 128, 192, 256, 512), MANY),
        Field("partition", ("columns", "rows"), ANY, least_threads=2),
    ),
    AttentionSchedule: (Field("query_block", (14, 28, 42, 56, 112), ANY),),
    TileSet: (
        Field("panels", (1, 2, 3, 4), FEW),  # of each height on its own
        Field("main_panels", (1, 2, 3, 4), MANY),  # at each height: wider tiles are lower
    ),
}
TILE_ROWS = (4, 5, 6, 8, 10, 12, 14, 16)
"""Heights of the tile of many rows."""


@dataclass(frozen=True)
class Step:
    """Alternatives to one choice of a schedule. rows, least_threads: as in Field; height: of the tiles that it is for, if few."""

    name: str
    schedules: tuple[Schedule, ...]
    rows: str
    least_threads: int = 1
    height: int | None = None

    def matters(self, rows: int, threads: int, schedule: Schedule, level: str) -> bool:
        """Whether so many rows on so many threads can tell the alternatives apart."""
        few = rows <= few_rows(schedule, level)
        if self.height is not None:
            wanted = few or isinstance(schedule, AttentionSchedule)  # where every task has few tiles
            return wanted and height_of(rows, schedule, level) == self.height
        return threads >= self.least_threads and self.rows in (ANY, FEW if few else MANY)


def tile_set(schedule: Schedule, level: str) -> TileSet:
    """The tiles of a level. Raises KeyError for a level that the schedule has none for."""
    for tiles in schedule.tiles:
        if tiles.level == level:
            return tiles
    raise KeyError(level)


def with_tiles(schedule: Schedule, tiles: TileSet) -> Schedule:
    """The schedule with other tiles for one level."""
    return replace(schedule, tiles=tuple(tiles if t.level == tiles.level else t for t in schedule.tiles))


def few_rows(schedule: Schedule, level: str) -> int:
    """The largest number of rows that are few: see FEW_TILES. For attention what one task takes."""
    return FEW_TILES * tile_set(schedule, level).main.rows if isinstance(schedule, LinearSchedule) else schedule.query_block


def height_of(rows: int, schedule: Schedule, level: str) -> int:
    """The height of the highest of the tiles, as few as there can be and nearly equal, that rows are cut into."""
    if isinstance(schedule, AttentionSchedule):
        rows = -(-rows // -(-rows // schedule.query_block))  # of one task
    count = -(-rows // tile_set(schedule, level).main.rows)
    return -(-rows // count)


def changed(schedule: Any, **values: Any) -> Any:
    """`replace`, or None where the values are no legal schedule."""
    try:
        return replace(schedule, **values)
    except ValueError:
        return None


def steps(schedule: Schedule, level: str, fits: Fits, reduction: int = 0) -> Iterator[Step]:
    """Every choice that may be searched, with its alternatives to this schedule's own: legal ones only, itself left out.

    reduction: length of the sum, beyond which blocks of it are all the same (0: unknown).
    """
    own = tile_set(schedule, level)
    table = {field.name: field for field in SPACE[TileSet]}

    def distinct(found: list[Any]) -> tuple[Schedule, ...]:
        return tuple(dict.fromkeys(s for s in found if s is not None and s != schedule))

    sets = []
    for height in TILE_ROWS:
        widths = [w for w in table["main_panels"].values if fits(height, w)]
        for width in widths[-2:]:
            sets.append(changed(own, panels=_heights(own.panels, height, fits), main_panels=width))
    yield Step("tile", distinct([with_tiles(schedule, t) for t in sets if t is not None]), ANY)
    for field in SPACE[type(schedule)]:
        values = field.values
        if field.name == "k_block" and reduction:
            values = tuple(v for v in values if v < reduction) + tuple(v for v in values if v >= reduction)[:1]
        yield Step(field.name, distinct([changed(schedule, **{field.name: v}) for v in values]), field.rows, field.least_threads)
    for height, width in enumerate(own.panels, start=1):
        found = []
        for other in (w for w in table["panels"].values if w != width and (fits(height, w) or height == 1)):
            tiles = changed(own, panels=(*own.panels[: height - 1], other, *own.panels[height:]))
            found.append(with_tiles(schedule, tiles) if tiles is not None else None)
        yield Step(f"panels of {height} row{'s' if height > 1 else ''}", distinct(found), FEW, height=height)


def _heights(panels: tuple[int, ...], height: int, fits: Fits) -> tuple[int, ...]:
    """Widths for tiles of up to `height` rows: those there are, then as wide as the last that fits."""
    made = list(panels[:height])
    while len(made) < height:
        made.append(max(w for w in range(1, made[-1] + 1) if w == 1 or fits(len(made) + 1, w)))
    return tuple(made)


def searched(kind: type) -> set[str]:
    """Names of a schedule's fields that the table has alternatives for, or that are never searched."""
    return {field.name for field in SPACE[kind]} | ({f.name for f in fields(kind)} & (PART_OF_THE_BITS | {"tiles", "level"}))
