"""Renders the hot float32 kernels as C: register tiles, linear layers, attention and normalisation.

The templates hold the C, this file the names, literals and tables in it. What they emit is written against
`kk_simd.h`, `kk_math.h` and `kk_threads.h`, is the same for every instruction set level, and gives the same bits on
every level with fused multiply-add.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kaoken.emit.templating import templates
from kaoken.ir.schedule import FEW_TILES, LEVELS, PANEL, AttentionSchedule, LinearSchedule, Tile, TileSet

FLOAT_BYTES = 4
EMPTY_ROWS = {"zero": "zeros", "mean": "the mean of all values", "nan": "NaN"}
"""What attention gives a query that sees no key, and how the C comment says it."""


@dataclass(frozen=True)
class Part:
    """A run of a linear layer's columns with a destination of its own.

    kind: "rows" (a row-major matrix), "keys" or "values" (a key/value cache).
    columns: how many; for a cache, heads * head_dim.
    head_dim: width of a head, for a cache.
    """

    kind: str
    columns: int
    head_dim: int = 0

    @property
    def heads(self) -> int:
        return self.columns // self.head_dim if self.head_dim else 0


@dataclass(frozen=True)
class LinearSpec:
    """y = activation(x W + bias) + residual with W of [k, n] in packed panels; or its columns split into `parts`.

    activation: name of a function of the vector math without its prefix ("gelu_tanh"), or None.
    """

    name: str
    k: int
    n: int
    bias: bool
    activation: str | None
    residual: bool
    parts: tuple[Part, ...] | None
    schedule: LinearSchedule

    def __post_init__(self) -> None:
        if self.parts is None:
            return
        if self.activation or self.residual:
            raise ValueError(f"{self.name}: a linear layer in parts has neither activation nor residual")
        if sum(part.columns for part in self.parts) != self.n:
            raise ValueError(f"{self.name}: the parts have {[p.columns for p in self.parts]} of {self.n} columns")
        for part in self.parts:
            if part.kind not in ("rows", "keys", "values"):
                raise ValueError(f"{self.name}: no such kind of part: {part.kind}")
            if part.kind != "rows" and (part.head_dim <= 0 or part.columns % part.head_dim):
                raise ValueError(f"{self.name}: {part.columns} columns are no heads of {part.head_dim}")
        kinds = [part.kind for part in self.parts]
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"{self.name}: two parts have the same destination: {kinds}")


@dataclass(frozen=True)
class AttentionSpec:
    """softmax(scale q K + bias, over the keys that the masks show) V, with grouped heads, from a key/value cache.

    scale: multiplies the scores; 1.0 emits no multiplication.
    causal: the query at position p sees keys up to p. mask: a padding mask of mask_type is an argument, a key
    is seen where its element satisfies mask_test. bias: an additive one is; relative: a table by distance.
    empty_row: what a query gets that sees no key: "zero", "mean" or "nan" (see EMPTY_ROWS).
    """

    name: str
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    scale: float
    causal: bool
    mask: bool
    bias: bool
    empty_row: str
    schedule: AttentionSchedule
    mask_type: str = "int64_t"
    mask_test: str = "!= 0"
    relative: bool = False

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.name}: {self.heads} heads do not share {self.kv_heads} key/value heads evenly")
        if self.empty_row not in EMPTY_ROWS:
            raise ValueError(f"{self.name}: empty_row is one of {', '.join(EMPTY_ROWS)}, not {self.empty_row}")
        if self.schedule.key_block % (2 * PANEL):
            raise ValueError(f"{self.name}: key_block {self.schedule.key_block} is no multiple of {2 * PANEL}")
        if max(tile_set.main.rows for tile_set in self.schedule.tiles) > PANEL:
            raise ValueError(f"{self.name}: the softmax of a tile takes at most {PANEL} rows at once")


@dataclass(frozen=True)
class NormSpec:
    """Layer or RMS normalisation of rows of `width`: kind is "layer" or "rms"; scale and shift say what is applied."""

    name: str
    kind: str
    width: int
    eps: float
    scale: bool
    shift: bool

    def __post_init__(self) -> None:
        if self.kind not in ("layer", "rms"):
            raise ValueError(f"{self.name}: no such normalisation: {self.kind}")


Schedule = LinearSchedule | AttentionSchedule
Spec = LinearSpec | AttentionSpec | NormSpec


def _render(template: str, **values: Any) -> str:
    text: str = templates().get_template(template).render(**values)
    return text.lstrip("\n")


def float_literal(value: float) -> str:
    """The shortest C literal of the float32 nearest to a value."""
    text = str(np.float32(value))
    if not np.isfinite(np.float32(value)):
        raise ValueError(f"{value} is no finite float32")
    return text + ("f" if "." in text or "e" in text else ".0f")


def _tiles_name(tiles: Sequence[TileSet]) -> str:
    """Name of the C table that holds these widths, the same wherever the same tiles are used."""
    distinct = dict.fromkeys("".join(map(str, (*s.panels, s.main_panels))) for s in tiles)
    return "tiles_" + "_".join(distinct)


def render_tiles(schedules: Iterable[Schedule]) -> str:
    """The register tiles that schedules use, for each level: once in a file, before the other kernels; expects kk_matmul.h."""
    names = {_tiles_name(schedule.tiles): schedule.tiles for schedule in schedules}
    branches: list[tuple[list[str], tuple[TileSet, ...]]] = []
    for position, level in enumerate(LEVELS):
        sets = tuple(tiles[position] for tiles in names.values())
        widths = [(tile_set.panels, tile_set.main_panels) for tile_set in sets]
        if branches and [(tile_set.panels, tile_set.main_panels) for tile_set in branches[-1][1]] == widths:
            branches[-1][0].append(level)
        else:
            branches.append(([level], sets))
    levels = []
    for position, (covered, sets) in enumerate(branches):
        test = " || ".join(f"defined(KK_LEVEL_{level.upper()})" for level in covered)
        last = position == len(branches) - 1
        condition = f"#else /* {', '.join(covered)} */" if last else f"#{'el' if position else ''}if {test}"
        if last and position == 0:
            condition = "#if 1 /* the same on every level */"
        tiles = sorted(frozenset[Tile]().union(*(tile_set.tiles() for tile_set in sets)))
        tables = [(name, tile_set.panels, tile_set.main) for name, tile_set in zip(names, sets, strict=True)]
        levels.append((condition, tiles, _table(tiles), tables))
    return _render("tiles.mako", levels=levels)


def _table(tiles: Sequence[Tile]) -> list[list[str]]:
    """Rows of the C table tiles[rows][panels]; without a tile one panel wide, the narrowest there is."""
    table = []
    for rows in range(1, max(tile.rows for tile in tiles) + 1):
        widths = [tile.panels for tile in tiles if tile.rows == rows]
        row = [f"tile_{rows}x{PANEL * p}" if p in widths else "0" for p in range(5)]
        if widths and 1 not in widths:
            row[1] = f"tile_{rows}x{PANEL * min(widths)}"
        table.append(row)
    return table


def _branches(parts: Sequence[Part]) -> list[tuple[Part, str, str]]:
    """Each part with the C test that a column of it passes, and what is subtracted from the column."""
    found, begin = list[tuple[Part, str, str]](), 0
    for n, part in enumerate(parts):
        end = begin + part.columns
        test = "else" if n == len(parts) - 1 else f"{'else ' if n else ''}if (column < {end})"
        found.append((part, test if len(parts) > 1 else "", f" - {begin}" if begin else ""))
        begin = end
    return found


def render_linear(spec: LinearSpec) -> str:
    """The C function of a linear layer (signature in its comment), after `render_tiles` in the same file."""
    parts = spec.parts or ()
    kinds = {part.kind for part in parts}
    cached = bool(kinds & {"keys", "values"})
    whole = spec.parts is None
    arguments = ["kk_thread *t", *(["int64_t rows"] if whole else ["int64_t batch", "int64_t seq"])]
    arguments += ["const float *x", "int64_t x_stride", "const float *weight"]
    outputs = ["0", "0", "0", "0", "0", "0", "0"]
    if spec.bias:
        arguments.append("const float *bias")
        outputs[0] = "bias"
    if spec.residual:
        arguments += ["const float *residual", "int64_t residual_stride"]
        outputs[1:3] = ["residual", "residual_stride"]
    if whole or "rows" in kinds:
        name = "y" if whole else "q"
        arguments += [f"float *{name}", f"int64_t {name}_stride"]
        outputs[3:5] = [name, f"{name}_stride"]
    if not whole:
        outputs[5] = "seq"
    if cached:
        arguments.append("const kk_cache *cache")
        outputs[6] = "cache"
    ragged = spec.n % PANEL != 0

    def load(pointer: str) -> str:
        return f"kk_load_part({pointer}, width)" if ragged else f"kk_load({pointer})"

    begins = [sum(part.columns for part in parts[:i]) for i in range(len(parts))]
    aligned = not ragged and all(
        begin % PANEL == 0 and part.head_dim % PANEL == 0 for begin, part in zip(begins, parts, strict=True)
    )
    return _render(
        "linear.mako",
        spec=spec,
        activation=f"kk_{spec.activation}" if spec.activation else None,
        parts=_branches(parts),
        cached=cached,
        aligned=aligned,
        arguments=arguments,
        outputs=outputs,
        load=load,
        tiles_name=_tiles_name(spec.schedule.tiles),
    )


@dataclass(frozen=True)
class _Geometry:
    """Scratch of an attention task: rows it may have, floats of a row of sums, where the ragged edge's sums lie."""

    query_rows: int
    value_width: int
    edge_slot: int


def _geometry(spec: AttentionSpec) -> _Geometry:
    # A tile that takes one panel twice also writes the slot behind it: whole panels get an even number of slots, the
    # ragged edge two.
    whole = spec.value_dim // PANEL
    edge_slot = PANEL * (whole + whole % 2)
    value_width = edge_slot + (2 * PANEL if spec.value_dim % PANEL else 0)
    return _Geometry(max(spec.schedule.query_block, spec.heads // spec.kv_heads), value_width, edge_slot)


def render_attention(spec: AttentionSpec) -> str:
    """The C functions of streaming attention (signature in the comment), after `render_tiles` in the same file."""
    grouped = spec.heads > spec.kv_heads
    position_call = ", past + s, together > 1 ? 0 : 1" if grouped else ", past + s, 1"
    bias_step = "together > 1 ? bias_head : bias_row" if grouped else "bias_row"
    bias_call = f", bias + b * bias_batch + head * bias_head + s * bias_row, {bias_step}"
    if spec.relative:
        bias_call = f", bias + head * bias_head - past - s, {'together > 1 ? bias_head : -1' if grouped else '-1'}"
    rest = spec.value_dim % PANEL

    def load_values(pointer: str) -> str:
        if not rest:
            return f"kk_load({pointer})"
        return f"kk_load_part({pointer}, {spec.value_dim} - d < 16 ? (int)({spec.value_dim} - d) : 16)"

    def store_values(pointer: str, value: str) -> str:
        if not rest:
            return f"kk_store({pointer}, {value})"
        return f"kk_store_part({pointer}, {value}, {spec.value_dim} - d < 16 ? (int)({spec.value_dim} - d) : 16)"

    return _render(
        "attention.mako",
        spec=spec,
        geometry=_geometry(spec),
        tile_rows=max(tile_set.main.rows for tile_set in spec.schedule.tiles),
        tiles_name=_tiles_name(spec.schedule.tiles),
        scale=None if spec.scale == 1.0 else float_literal(spec.scale),
        scale_text="" if spec.scale == 1.0 else f"{float_literal(spec.scale)[:-1]} ",
        position_call=position_call if spec.causal else "",
        mask_call=", mask ? mask + row * mask_stride : 0" if spec.mask else "",
        bias_call=bias_call if spec.bias else "",
        load_values=load_values,
        store_values=store_values,
        empty_text=EMPTY_ROWS[spec.empty_row],
    )


def render_kernel(spec: Spec) -> str:
    """The C of a kernel (signature in its comment), after `render_tiles` in the same file."""
    if isinstance(spec, LinearSpec):
        return render_linear(spec)
    if isinstance(spec, AttentionSpec):
        return render_attention(spec)
    return _render("norm.mako", spec=spec, eps=float_literal(spec.eps))


def scratch_bytes(spec: Spec) -> int:
    """Bytes of scratch that each thread needs for a kernel."""
    if isinstance(spec, NormSpec):
        return 0
    rows = max(tile_set.main.rows for tile_set in spec.schedule.tiles)
    if isinstance(spec, LinearSpec):
        # A last panel alone is computed twice, side by side: one more than a block has.
        widest = max(max(tile_set.panels) for tile_set in spec.schedule.tiles)
        floats = FEW_TILES * rows * PANEL * (widest + 1)
        if spec.schedule.k_block < spec.k:
            floats = max(floats, spec.schedule.row_block * PANEL * (spec.schedule.column_block + 1))
        return floats * FLOAT_BYTES
    geometry = _geometry(spec)
    floats = rows * spec.schedule.key_block + geometry.query_rows * (geometry.value_width + 2)
    key_block = spec.schedule.key_block
    floats += key_block if spec.mask else 0
    floats += PANEL * key_block if spec.value_dim % PANEL else 0
    return floats * FLOAT_BYTES
