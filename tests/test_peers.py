"""The benchmark beside other runtimes: what it makes of measurements, and one round with tiny models and whoever is installed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from compiled import compiled
from models_fixture import GRAPHS

from benchmarks.peers.adapters import PEERS, Task, quickest
from benchmarks.peers.child import Child, ChildError
from benchmarks.peers.files import ModelFiles
from benchmarks.peers.measure import Agreement, Found, agreement, turned
from benchmarks.peers.report import agreement_table, markdown, peers_table, plot, times_table
from kaoken.bench.contestants import Workload
from kaoken.bench.probes import Limits
from kaoken.bench.run import Row
from kaoken.errors import VerificationError

CALM, BUSY = Limits(100e9, 10e9), Limits(80e9, 10e9)


def rows() -> list[Row]:
    """Two workloads of three rounds; the second one's last round was disturbed, and one peer cannot do it."""
    first = {"kaoken": [0.010, 0.012, 0.011], "onnxruntime": [0.022, 0.022, 0.022], "torch": [0.033, 0.030, 0.040]}
    second = {"kaoken": [1.0, 1.0, 9.0], "onnxruntime": [2.0, 2.0, 1.0]}
    return [
        Row("prefill 8", 1, first, [CALM] * 3, CALM, 0.0055),
        Row("decode at 8", 1, second, [CALM, CALM, BUSY], CALM, 0.5),
    ]


def found() -> Found:
    agreements = [
        Agreement("prefill 8", "onnxruntime", 1e-6, 2.0, True),
        Agreement("decode at 8", "onnxruntime", 3e-6, 3.0, False),
    ]
    return Found("tiny", "avx512", rows(), agreements, {"openvino": "not installed"}, ["a note"])


def test_every_contestant_begins_once_before_one_begins_again() -> None:
    names = ["kaoken", "onnxruntime", "torch"]
    orders = [turned(names, n) for n in range(6)]
    assert [order[0] for order in orders] == [*names, *names]
    assert all(sorted(order) == sorted(names) for order in orders)


def test_a_row_of_the_table_has_times_ratios_shares_and_the_limit() -> None:
    lines = times_table(rows(), ["kaoken", "onnxruntime", "torch"]).splitlines()
    assert lines[0] == "| workload | kaoken | onnxruntime | torch | limit |"
    assert lines[2] == "| prefill 8 | 11 · 50% | 22 · **2.00** · 25% | 33 · **3.00** · 17% | 5.5 |"
    assert lines[3] == "| decode at 8* | 1000 · 50% | 2000 · **2.00** · 25% | - | 500 |", "the disturbed round is left out"


def test_the_page_says_who_is_missing_and_who_agrees() -> None:
    versions = {"kaoken": "1", "openvino": None}
    assert "not installed: `pip install openvino`" in peers_table(versions)
    assert "| onnxruntime | 3e-06 | 3 | 1.0e-06 | 1 of 2 |" in agreement_table(found())
    page = markdown([found()], versions, "a machine", {"tiny": Path("far/tiny.svg")})
    limits = "### 1 thread: 100 GFLOP/s, 10.0 GB/s"
    for part in ("## tiny (avx512)", limits, "(tiny.svg)", "* a note", "* left out: openvino: not installed"):
        assert part in page


def test_the_record_holds_every_round_and_everybodys_share() -> None:
    record = json.loads(json.dumps(found().as_json()))
    first, second = record["rows"]
    assert first["roofline_share"] == {"kaoken": 0.5, "onnxruntime": 0.25, "torch": pytest.approx(1 / 6)}
    assert second["disturbed"] == [False, False, True] and len(second["rounds_ms"]["kaoken"]) == 3
    assert record["agreements"][1]["argmax"] is False and record["left_out"] == {"openvino": "not installed"}


def test_results_that_are_of_other_work_are_refused() -> None:
    ours = np.array([1, 2, 3], np.float32)
    close = agreement("prefill 8", "torch", ours, ours + np.float32(1e-3), True)
    assert close.argmax is True and close.difference == pytest.approx(1e-3, rel=1e-2) and close.scale == 3
    assert agreement("encode 8", "torch", ours, ours, False).argmax is None
    for theirs in (ours[:2], ours[::-1].copy(), ours * np.float32("nan")):
        with pytest.raises(VerificationError, match="prefill 8: torch"):
            agreement("prefill 8", "torch", ours, theirs, True)


def test_a_task_rewinds_before_every_step_and_the_quickest_is_taken() -> None:
    said: list[str] = []

    def step() -> np.ndarray:
        said.append("step")
        return np.zeros((2, 3))

    task = Task(step, lambda: said.append("rewind"))
    assert task.result().shape == (6,) and len(task.times(0)) == 1
    assert said == ["rewind", "step"] * 2, "a step that fills the time is its own warming up"
    times = task.times(0.001)
    assert len(said) == 2 * (2 + 1 + len(times)) and min(times) > 0

    class Fixed(Task):
        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        def times(self, seconds: float) -> list[float]:
            return [self.seconds]

    assert isinstance(best := quickest([Fixed(2), Fixed(1), Fixed(3)]), Fixed) and best.seconds == 1


def test_the_picture_has_a_panel_for_each_number_of_threads(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    one = found()
    one.rows += [Row(row.workload, 2, row.seconds, row.probes, row.best, row.limit) for row in rows()]
    assert plot(one, tmp_path / "tiny.svg") and "<svg" in (tmp_path / "tiny.svg").read_text()


def test_a_child_that_cannot_load_says_why(tmp_path: Path) -> None:
    files = ModelFiles("tiny", "generator", tmp_path, tmp_path, tmp_path / "missing", None, tmp_path)
    child = Child("kaoken", files, 1)
    with pytest.raises(ChildError, match=r"report\.json is missing"):
        try:
            child.prepare(0, Workload("prefill 2", {}, {}, feed=np.array([1, 2])))
        finally:
            child.close()


@pytest.mark.parametrize("graph", ["tiny-gpt2", "tiny-bert", "tiny-t5"])
def test_whoever_is_installed_computes_the_same(graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that start from a checkpoint are left out here: the graphs of the tests come without one."""
    from benchmarks.peers.__main__ import main

    pytest.importorskip("onnxruntime")
    short = ["--prompts", "8", "--decode", "8", "--batches", "2x8", "--encode", "8", "--write", "1,3", "--threads", "1"]
    quick = ["--rounds", "2", "--seconds", "0.01", "--work", str(tmp_path), "--peers", "onnxruntime,openvino,llama.cpp"]
    assert main([str(GRAPHS / graph), *short, *quick]) == 0, capsys.readouterr().err
    record = json.loads((tmp_path / "peers.json").read_text())
    (model,) = record["models"]
    installed = {name for name in ("onnxruntime", "openvino") if PEERS[name].version is not None}
    for row in model["rows"]:
        assert set(row["median_ms"]) == {"kaoken", *installed} and row["limit_ms"] > 0
        assert all(len(times) == 2 for times in row["rounds_ms"].values())
    assert {a["peer"] for a in model["agreements"]} == installed
    assert all(a["difference"] < 1e-4 * a["scale"] and a["argmax"] is not False for a in model["agreements"])
    assert "checkpoint" in " ".join([*model["notes"], *model["left_out"].values()])
    assert (tmp_path / "peers.md").read_text().startswith("# Kaoken beside its peers")


def test_fresh_processes_find_the_same_first_token(tmp_path: Path) -> None:
    from benchmarks.cold_start import Starts, build_program, contestants, start, table

    graph = GRAPHS / "tiny-gpt2"
    files = ModelFiles("tiny-gpt2", "generator", graph, graph / "model.onnx", compiled("tiny-gpt2"), None, tmp_path)
    program = build_program(files.compiled, tmp_path / "cold_start")
    found, left_out = contestants(files, ["onnxruntime", "torch"], 1, program)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    for one in found.values():
        start(one, environment)
    assert len({one.token for one in found.values()}) == 1 and all(one.memory > 1000 for one in found.values())
    assert len(found["kaoken"].creation) == 1 and "torch" in left_out
    text = table({**found, "other": Starts([], [1.0], [0.5], -2)})
    assert "| kaoken | " in text and "Another first token than Kaoken's: other." in text
