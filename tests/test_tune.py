"""Schedule search: the harness computes what the kernels compute, the search keeps what it knows, its file compiles."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kaoken.compiler import CompileOptions, compile_model
from kaoken.emit.kernels import AttentionSpec, LinearSpec, NormSpec, Part, Spec
from kaoken.errors import UsageError
from kaoken.ir.schedule import LinearSchedule, TileSet
from kaoken.ir.schedule_file import ScheduleFile, read_schedules, schedule_table, write_schedules
from kaoken.ir.schedule_space import tile_set, with_tiles
from kaoken.passes.choose_schedule import choose_attention, choose_linear
from kaoken.report.spec_json import spec_of
from kaoken.tune.harness import Library, Memory, Size
from kaoken.tune.run import TuneOptions, tune_model
from kaoken.tune.search import Race, Search, merged
from kaoken.tune.situations import kernel_sizes, situations
from kaoken.tune.whole import NotRenderedHereError, compare, rescheduled_folder
from tests.compiled import GRAPHS, compiled

PARTS = (Part("rows", 32), Part("keys", 32, 16), Part("values", 32, 16))


def linear(name: str, k: int, n: int, **options: object) -> LinearSpec:
    values: dict = {"bias": True, "activation": None, "residual": False, "parts": None, **options}
    return LinearSpec(name, k, n, schedule=choose_linear(k, n), **values)


def attention(name: str, **options: object) -> AttentionSpec:
    values: dict = {"scale": 0.25, "causal": False, "mask": True, "bias": False, "empty_row": "zero", **options}
    return AttentionSpec(name, 4, 2, 16, 24, schedule=choose_attention(), **values)


SPECS: list[tuple[Spec, Size]] = [
    (linear("plain", 40, 50, bias=False), Size(9)),
    (linear("tail", 40, 48, activation="gelu_tanh", residual=True), Size(5)),
    (linear("parts", 40, 96, parts=PARTS), Size(12, batch=2)),
    (attention("encoder", bias=True), Size(6, batch=2, keys=20)),
    (attention("decoder", causal=True, relative=True, bias=True), Size(3, batch=2, keys=37)),
    (NormSpec("norm", "layer", 40, 1e-5, True, True), Size(7)),
]


@pytest.mark.parametrize("level", ["avx2", "plain"])
def test_every_kind_of_kernel_runs_in_the_harness_and_writes_a_result(level: str, tmp_path: Path) -> None:
    memory = Memory(SPECS, 100_000, threads=2)
    library = Library([spec for spec, _ in SPECS], level, tmp_path)
    for number, (spec, size) in enumerate(SPECS):
        results = []
        for threads in (1, 2):
            memory.arrays["y"][:] = memory.arrays["cache"][:] = 0
            memory.c.cursor = 0
            assert library.run(memory, number, size, threads, calls=1) > 0
            results.append(memory.arrays["y"].tobytes() + memory.arrays["cache"].tobytes())
        y = np.frombuffer(results[0], np.float32)
        assert np.isfinite(y).all() and np.count_nonzero(y) >= size.rows * size.batch, spec.name
        assert results[0] == results[1], spec.name
    assert library.fma(memory, 1) > 0 and library.read(memory, 2, 4) > 0


def any_schedule(random: np.random.Generator) -> LinearSchedule:
    """A legal schedule, however foolish."""
    heights = int(random.integers(1, 17))
    tiles = TileSet("avx2", tuple(int(w) for w in random.integers(1, 5, heights)), int(random.integers(1, 5)))
    blocks = [int(random.choice(values)) for values in ((256, 512, 768), (1, 2, 5, 9), (1, 7, 16, 40))]
    chosen = choose_linear(600, 130)
    return with_tiles(LinearSchedule(chosen.tiles, *blocks, str(random.choice(["rows", "columns"]))), tiles)


def test_every_legal_schedule_gives_the_same_bits(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    first = linear("chosen", 600, 130, activation="relu")
    specs = [first, *(replace(first, name=f"odd_{n}", schedule=any_schedule(random)) for n in range(10))]
    sizes = [Size(rows) for rows in (1, 2, 3, 7, 13, 15, 16, 17, 29, 31, 43, 57, 70)]
    memory = Memory([(spec, size) for spec in specs for size in sizes], 0, threads=3)
    library = Library(specs, "avx2", tmp_path)
    for size in sizes:
        for threads in (1, 3):
            results = []
            for number in range(len(specs)):
                memory.arrays["y"][:] = np.nan
                library.run(memory, number, size, threads, calls=1)
                results.append(memory.arrays["y"].tobytes())
            different = [str(s.schedule) for s, r in zip(specs, results, strict=True) if r != results[0]]
            assert not different, (size.rows, threads, different)


def test_a_call_beyond_the_memory_is_refused(tmp_path: Path) -> None:
    spec = linear("plain", 40, 50)
    memory = Memory([(spec, Size(8))], 0, threads=1)
    library = Library([spec], "plain", tmp_path)
    assert library.run(memory, 0, Size(8), 1, calls=1) > 0
    for size in (Size(9), Size(4, keys=100)):
        with pytest.raises(ValueError, match="does not fit the memory"):
            library.run(memory, 0, size, 1, calls=1)


# the race -------------------------------------------------------------------------------------------------------------------


class Clockwork:
    """A library whose kernels take times that are made up: `seconds[number]` a row, and more in some calls than in others."""

    def __init__(self, seconds: list[float], noise: float = 0.0) -> None:
        self.seconds, self.noise, self.runs = seconds, noise, [0] * len(seconds)
        self.random = np.random.default_rng(0)

    def run(self, _memory: object, number: int, size: Size, _threads: int, calls: int, cpu: bool = False) -> float:
        self.runs[number] += 1
        return calls * size.rows * self.seconds[number] * (1 + self.noise * self.random.random())


POINTS = [(Size(1), 1), (Size(16), 1), (Size(16), 2)]


def race(library: Clockwork) -> Race:
    return Race(library, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "winner"),
    [([1.0, 0.9, 0.8], 2), ([1.0, 1.1, 1.2], 0), ([1.0, 0.999, 1.0], 0), ([1.0, 5.0, 0.7], 2)],
    ids=["the fastest", "what there was", "no difference to speak of", "with a bad one"],
)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_race_finds_the_fastest_and_keeps_what_there_was_without_one(seconds: list[float], winner: int, noise: float) -> None:
    library = Clockwork([1e-3 * s for s in seconds], noise)
    best, ratio = race(library).best([0, 1, 2], POINTS)
    assert best == winner
    assert ratio == pytest.approx(seconds[winner] if winner else 1.0, rel=0.02)


def test_the_race_drops_what_is_clearly_slower_after_one_round() -> None:
    library = Clockwork([1.0, 2.0, 0.9])
    race(library).best([0, 1, 2], POINTS)
    assert library.runs[1] == len(POINTS) + 2 < library.runs[2]  # and two to see how many calls a measurement takes


def test_a_race_without_time_changes_nothing() -> None:
    assert Race(Clockwork([1.0, 0.1]), None, deadline=0).best([0, 1], POINTS) == (0, 1.0)  # type: ignore[arg-type]


def test_changes_of_different_choices_are_put_together() -> None:
    base = choose_linear(3072, 768)
    tiles = tile_set(base, "avx512")
    first = with_tiles(replace(base, row_block=64), replace(tiles, panels=(1, *tiles.panels[1:])))
    second = with_tiles(replace(base, row_block=32, k_block=512), replace(tiles, panels=(4, 3, *tiles.panels[2:]), main_panels=2))
    both = merged(base, first, second)
    expected = replace(tiles, panels=(1, 3, *tiles.panels[2:]), main_panels=2)
    assert both == with_tiles(replace(base, row_block=64, k_block=512), expected)


# what is measured -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", ["tiny-gpt2", "tiny-bert", "tiny-t5", "tiny-vit-static"])
def test_every_scheduled_kernel_is_measured_within_the_models_bounds(graph: str) -> None:
    report = json.loads((compiled(graph, build=False) / "report.json").read_text())
    bounds = {d["name"]: (d["lower"], d["upper"]) for d in report["interface"]["dims"]}
    found = situations(report["interface"])
    assert found and any(s.whole for s in found)
    for situation in found:
        for name, (low, high) in bounds.items():
            assert low <= situation.dims[name] <= high
    for kernel in report["kernels"]:
        if "spec" in kernel:
            sizes = kernel_sizes(kernel["spec"], found)
            assert sizes and len(set(sizes)) == len(sizes), kernel["name"]


# the whole --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", ["tiny-gpt2", "tiny-bert"])
def test_a_folder_with_other_schedules_is_what_compiling_with_a_file_gives(graph: str, tmp_path: Path) -> None:
    folder = compiled(graph)
    report = json.loads((folder / "report.json").read_text())
    chosen: dict = {}
    for kernel in report["kernels"]:
        if "spec" in kernel:
            schedule = spec_of(kernel["name"], kernel["spec"]).schedule
            other = replace(tile_set(schedule, "avx512"), panels=(2, 2, 1, 1, 3), main_panels=4)
            changes = {"row_block": 500} if isinstance(schedule, LinearSchedule) else {"query_block": 256}
            chosen[kernel["spec"]["shape"]] = with_tiles(replace(schedule, **changes), other)
    file = ScheduleFile(tmp_path / "s.toml", {shape: schedule_table(schedule) for shape, schedule in chosen.items()})
    write_schedules(file.path, file)
    source = GRAPHS / graph
    expected = compile_model(source, tmp_path / "expected", CompileOptions(name=report["name"], schedule=file.path)).out
    made = rescheduled_folder(folder, report, chosen, tmp_path / "made")
    for name in (f"{report['name']}_kernels.c", f"{report['name']}.c"):
        theirs, ours = (re.sub(r"(?m)^ \* For .*\n", "", (f / name).read_text()) for f in (expected, made))
        assert ours == theirs
    assert "256 queries" in ours or "500 rows" in (made / f"{report['name']}_kernels.c").read_text()
    rows = [s for s in situations(report["interface"]) if s.whole][:2]
    results = compare(folder, made, rows, [1, 2], deadline=0, least_rounds=1)
    assert [(r.name, r.threads) for r in results] == [(s.name, t) for t in (1, 2) for s in rows]
    assert all(r.ratio > 0 for r in results)


def test_a_folder_of_another_version_is_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(compiled("tiny-gpt2"), folder)
    report = json.loads((folder / "report.json").read_text())
    source = folder / f"{report['name']}_kernels.c"
    source.write_text(source.read_text().replace("KK_TILE(1, 64)", "KK_TILE(2, 64)"))
    with pytest.raises(NotRenderedHereError):
        rescheduled_folder(folder, report, {}, tmp_path / "made")


def test_tune_writes_a_file_that_compile_takes(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "s.toml"
    found = tune_model(compiled("tiny-gpt2"), file, TuneOptions(minutes=0.1, threads=(1, 2), only="linear_64x512"))
    assert [k.shape for k in found.kernels] == ["linear_64x512"] and found.measured > 0
    assert json.loads(json.dumps(found.as_json()))["level"] == read_schedules(file).measured["level"]
    assert read_schedules(file).entries["linear_64x512"]["threads"] == [1, 2]
    result = compile_model(GRAPHS / "tiny-gpt2", tmp_path / "out", CompileOptions(schedule=file))
    assert f"1 of 6 schedules are from {file}" in result.notes


def test_an_interrupt_keeps_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found_one(self: Search, _deadline: float, _say: object) -> None:
        kernel = self.kernels[0]
        kernel.best, kernel.ratio = replace(kernel.best, row_block=64), 0.8  # type: ignore[call-arg]
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "run", found_one)
    found = tune_model(compiled("tiny-gpt2"), tmp_path / "s.toml", TuneOptions(only="linear_64x256"))
    assert found.interrupted and [k.changed for k in found.kernels] == [True]
    file = read_schedules(tmp_path / "s.toml")
    assert file.overrides["linear_64x256_gelu_tanh"]["row_block"] == 64
    assert file.entries["linear_64x256_gelu_tanh"]["gain"] == 1.25


def test_tune_says_why_it_refuses(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(compiled("tiny-gpt2"), folder)
    with pytest.raises(UsageError, match=r"no kernel to tune; --only takes a part of linear_64x192"):
        tune_model(folder, tmp_path / "s.toml", TuneOptions(only="conv"))
    with pytest.raises(UsageError, match=r"compiled already.*leave out --dim"):
        tune_model(folder, tmp_path / "s.toml", TuneOptions(dims={"seq": "1..4"}))
    with pytest.raises(UsageError, match=r"does not run sse; --level is one of"):
        tune_model(folder, tmp_path / "s.toml", TuneOptions(level="sse"))
    report = json.loads((folder / "report.json").read_text())
    for kernel in report["kernels"]:
        kernel.pop("spec", None)
    (folder / "report.json").write_text(json.dumps(report))
    with pytest.raises(UsageError, match=r"earlier Kaoken.*compile it again"):
        tune_model(folder, tmp_path / "s.toml")
    assert not (tmp_path / "s.toml").exists()
