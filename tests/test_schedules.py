"""Schedule files: what they hold comes back, mistakes are told, and `compile --schedule` obeys without changing a bit."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaoken.compiler import CompileOptions, compile_model
from kaoken.emit.kernels import LinearSpec
from kaoken.errors import UsageError
from kaoken.ir.schedule import LEVELS, AttentionSchedule, LinearSchedule, TileSet
from kaoken.ir.schedule_file import FORMAT, VERSION, ScheduleFile, override, read_schedules, schedule_table, write_schedules
from kaoken.ir.schedule_space import searched, steps, tile_set
from kaoken.passes.choose_schedule import choose_attention, choose_linear, fits
from kaoken.passes.targets import TARGETS
from kaoken.report.spec_json import spec_of
from kaoken.session import Session, TextGenerator
from tests.compiled import GRAPHS, compiled

HEAD = f'format = "{FORMAT}"\nversion = {VERSION}\n'
LINEAR = '[[kernel]]\nname = "linear_64x256_gelu_tanh"\n'
OTHERS = {"avx512": TileSet("avx512", (3, 1, 2, 2, 2), 4), "avx2": TileSet("avx2", (1, 1, 1), 2)}
"""Tiles that nobody would choose."""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "schedules.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("schedule", [choose_linear(768, 3072), choose_linear(64, 64), choose_attention()], ids=str)
def test_a_schedule_file_gives_back_what_was_written(schedule: Any, tmp_path: Path) -> None:
    tiles = tuple(OTHERS.get(t.level, t) for t in schedule.tiles)
    changes = {"row_block": 96, "partition": "rows"} if isinstance(schedule, LinearSchedule) else {"query_block": 8}
    other = replace(schedule, tiles=tiles, **changes)
    kernel = "linear_1x1" if isinstance(schedule, LinearSchedule) else "attention_1x1"
    measured = {
        "level": "avx512",
        "processor": 'A "CPU" \\ with\ttabs and \u00e4',
        "gain": 1.25,
        "threads": [1, 2],
        "whole": True,
    }
    file = ScheduleFile(
        tmp_path / "s.toml", {kernel: schedule_table(other)}, measured, {kernel: {"threads": [1, 2], "gain": 1.5}}
    )
    write_schedules(file.path, file)
    found = read_schedules(file.path)
    assert found.apply(kernel, schedule) == other
    assert found.apply("linear_2x2", schedule) == schedule
    assert (found.measured, found.entries) == (file.measured, file.entries)


def test_fields_and_levels_that_are_left_out_stay_the_cost_models(tmp_path: Path) -> None:
    chosen = choose_linear(768, 3072)
    text = HEAD + '[[kernel]]\nname = "linear_768x3072"\nrow_block = 40\n[kernel.tiles.avx2]\nmain_panels = 2\n'
    found = read_schedules(written(tmp_path, text)).apply("linear_768x3072", chosen)
    assert isinstance(found, LinearSchedule)
    assert found.row_block == 40 and tile_set(found, "avx2").main_panels == 2
    assert replace(found, row_block=chosen.row_block, tiles=chosen.tiles) == chosen
    assert [t for t in found.tiles if t.level != "avx2"] == [t for t in chosen.tiles if t.level != "avx2"]


REFUSED = {
    "not TOML": ("format = 3 4\n", "no valid TOML.*line 1"),
    "something else": ("[project]\nname = 1\n", "no schedule file"),
    "a newer version": (f'format = "{FORMAT}"\nversion = 99\n', "version 99.*kaoken tune"),
    "single brackets": (HEAD + '[kernel]\nname = "linear_1x1"\n', "double brackets"),
    "a stray table": (HEAD + "[kernels]\n", "no place for kernels"),
    "no name": (HEAD + "[[kernel]]\nrow_block = 32\n", "entry 1 .* has no name"),
    "a kernel twice": (HEAD + LINEAR + LINEAR, "linear_64x256_gelu_tanh is there twice"),
    "a kernel without schedule": (HEAD + '[[kernel]]\nname = "layer_norm_64"\n', "only linear and attention"),
    "a misspelt field": (HEAD + LINEAR + "rowblock = 32\n", "linear_64x256_gelu_tanh: .*did you mean row_block"),
    "part of the bits": (
        HEAD + '[[kernel]]\nname = "attention_4x16_causal"\nkey_block = 64\n',
        "key_block is part of the results' bits",
    ),
    "a wrong type": (HEAD + LINEAR + 'row_block = "32"\n', "row_block is a whole number, not '32'"),
    "a truth for a number": (HEAD + LINEAR + "row_block = true\n", "row_block is a whole number"),
    "a block that changes bits": (HEAD + LINEAR + "k_block = 100\n", "k_block 100 is no multiple of 256"),
    "nothing at a time": (HEAD + LINEAR + "row_block = 0\n", "row_block 0"),
    "more sums than memory": (HEAD + LINEAR + "row_block = 100000\ncolumn_block = 1000\n", "MB of sums"),
    "another partition": (HEAD + LINEAR + 'partition = "k"\n', "partition is one of columns, rows, not k"),
    "an unknown level": (HEAD + LINEAR + "[kernel.tiles.sse]\nmain_panels = 1\n", "tiles.sse: there is no such level"),
    "tiles that are a number": (HEAD + LINEAR + "tiles = 3\n", "tiles are written as"),
    "a misspelt tile field": (HEAD + LINEAR + "[kernel.tiles.avx2]\npanel = [1]\n", "tiles.avx2: .*did you mean panels"),
    "a tile that is too wide": (
        HEAD + LINEAR + "[kernel.tiles.avx2]\nmain_panels = 9\n",
        "tiles.avx2: a tile is 1 to 4 panels wide",
    ),
    "no tiles": (HEAD + LINEAR + "[kernel.tiles.avx2]\npanels = []\n", "tiles.avx2: panels has 0 heights"),
    "widths that are text": (HEAD + LINEAR + '[kernel.tiles.avx2]\npanels = ["1"]\n', "panels is a list of whole numbers"),
    "another model": (
        HEAD + '[[kernel]]\nname = "linear_9x9"\n',
        "of another model: its kernels are linear_9x9; .*linear_64x512",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_in_the_file_is_told_and_nothing_is_written(text: str, message: str, tmp_path: Path) -> None:
    options = CompileOptions(schedule=written(tmp_path, text))
    with pytest.raises(UsageError, match=rf"(?s)schedules\.toml.*{message}"):
        compile_model(GRAPHS / "tiny-gpt2", tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no schedule file .*none\.toml; `kaoken tune` writes one"):
        read_schedules(tmp_path / "none.toml")


def test_every_mistake_is_listed(tmp_path: Path) -> None:
    text = HEAD + LINEAR + "rowblock = 1\n[kernel.tiles.sse]\n[[kernel]]\nrow_block = 2\n"
    with pytest.raises(UsageError, match=r"(?s)rowblock.*tiles\.sse.*entry 2 of \[\[kernel\]\] has no name"):
        read_schedules(written(tmp_path, text))


def odd_schedules(folder: Path, path: Path) -> ScheduleFile:
    """A file with a schedule that nobody would choose for every kernel of a compiled folder."""
    file = ScheduleFile(path)
    for kernel in json.loads((folder / "report.json").read_text())["kernels"]:
        if "spec" in kernel:
            spec = spec_of(kernel["name"], kernel["spec"])
            tiles = tuple(OTHERS.get(t.level, TileSet(t.level, (2, 2), 1)) for t in spec.schedule.tiles)
            if isinstance(spec, LinearSpec):
                odd: Any = LinearSchedule(tiles, 256, 3, 7, "rows" if spec.schedule.partition == "columns" else "columns")
            else:
                odd = AttentionSchedule(tiles, 3, spec.schedule.key_block)
            file.overrides[kernel["spec"]["shape"]] = schedule_table(odd)
    write_schedules(path, file)
    return file


@pytest.mark.parametrize("graph", ["tiny-gpt2", "tiny-bert"])
def test_compile_obeys_a_schedule_file_and_gives_the_same_bits(graph: str, tmp_path: Path) -> None:
    plain = compiled(graph)
    file = odd_schedules(plain, tmp_path / "odd.toml")
    result = compile_model(GRAPHS / graph, tmp_path / "out", CompileOptions(schedule=file.path))
    assert any(f"{len(file.overrides)} of {len(file.overrides)} schedules are from" in note for note in result.notes)
    for kernel in result.report["kernels"]:
        if "spec" in kernel:
            spec = spec_of(kernel["name"], kernel["spec"])
            assert schedule_table(spec.schedule) == file.overrides[kernel["spec"]["shape"]]
    ids = np.random.default_rng(0).integers(0, 100, 90)
    for threads in (1, 2):
        if result.report["interface"]["feed"]:
            models = [TextGenerator(folder, threads=threads) for folder in (plain, result.out)]
            pieces = [[m.feed(ids[:71]), m.feed(ids[71:72]), m.feed(ids[72:])] for m in models]
        else:
            models = [Session(folder, threads=threads) for folder in (plain, result.out)]
            inputs = {
                n.name: np.tile(ids % 2 if "mask" in n.name or "type" in n.name else ids, (2, 1)) for n in models[0].get_inputs()
            }
            pieces = [m.run(None, inputs) for m in models]
        for before, after in zip(*pieces, strict=True):
            assert before.tobytes() == after.tobytes()


# what may be searched -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LinearSchedule, AttentionSchedule, TileSet])
def test_every_field_of_a_schedule_has_alternatives_or_is_part_of_the_bits(kind: type) -> None:
    assert {f.name for f in fields(kind)} == searched(kind)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.level)
@pytest.mark.parametrize("schedule", [choose_linear(3072, 768), choose_attention()], ids=["linear", "attention"])
def test_alternatives_are_legal_others_and_a_file_can_hold_them(schedule: Any, target: Any) -> None:
    found = list(steps(schedule, target.level, lambda rows, panels: fits(target, rows, panels), 3072))
    assert {step.name.split(" of ")[0] for step in found} >= {"tile", "panels"}
    for step in found:
        assert schedule not in step.schedules and len(set(step.schedules)) == len(step.schedules)
        for other in step.schedules:
            assert override(schedule, schedule_table(other)) == other
            apart = [a for a, b in zip(schedule.tiles, other.tiles, strict=True) if a != b]
            assert {t.level for t in apart} <= {target.level}
    assert any(step.schedules for step in found)
    assert set(LEVELS) == {t.level for t in schedule.tiles}
