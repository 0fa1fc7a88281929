"""The profile: every step counted under its layer's name, at the cost the formulas say, and nothing where it is off."""

from __future__ import annotations

import ctypes
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from control_case import Control, X, calls

from kaoken.bench.cost import graph_costs
from kaoken.bench.probes import Limits
from kaoken.cli import main
from kaoken.compiler import CompileOptions, compile_model, lower
from kaoken.errors import UsageError
from kaoken.profile.run import Profile, StepTime, WorkloadProfile, _StepStruct, profile_folder
from kaoken.profile.table import kernel_table, layer_table
from kaoken.profile.workloads import ProfileOptions, find_workloads
from kaoken.session import Session, TextGenerator
from tests.compiled import GRAPHS, compiled

QUICK = {"seconds": 0.01}


def profiled(folder: Path, **options: Any) -> dict[str, WorkloadProfile]:
    return {w.name: w for w in profile_folder(folder, ProfileOptions(**{**QUICK, **options})).workloads}


def counted(library: Any, handle: Any, work: Any) -> list[_StepStruct]:
    """The rows that a handle fills while `work` runs."""
    rows = (_StepStruct * library.report["steps"])()
    profile = library.function("profile")
    profile.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.check(profile(handle, rows))
    work()
    library.check(profile(handle, None))
    return list(rows)


@pytest.mark.parametrize("threads", [1, 3])
def test_steps_of_a_language_model_have_their_layers_names_and_costs(threads: int) -> None:
    folder = compiled("tiny-gpt2")
    found = profiled(folder, prefill=[5], decode=[3], threads=threads)
    graph = lower(GRAPHS / "tiny-gpt2", CompileOptions(), "tiny_gpt2")
    report = json.loads((folder / "report.json").read_text())
    for name, sequence, past in (("prefill 5", 5, 0), ("decode at 3", 1, 3)):
        dims = {"batch_size": 1, "sequence_length": sequence, "past_sequence_length": past, "logit_rows": 1}
        expected = graph_costs(graph, dims)
        steps = found[name].steps
        assert [s.layer for s in steps] == [c["layer"] for c in report["calls"]]
        assert [s.kernel for s in steps] == [c["kernel"] for c in report["calls"]]
        assert [(s.flop, s.bytes) for s in steps] == [(c.flop, c.bytes) for c in expected]
        assert all(s.calls == 1 and s.seconds >= s.waiting >= 0 for s in steps)
        assert sum(s.seconds for s in steps) <= found[name].seconds * 1.001


@pytest.mark.parametrize(
    ("graph", "options", "names"),
    [
        ("tiny-bert", {"dims": {"batch_size": 2}, "prefill": [7]}, ["batch_size 2, sequence_length 7"]),
        ("tiny-t5", {"prefill": [9], "decode": [2]}, ["encode 9", "decode at 2"]),
        ("tiny-vit-static", {}, ["fixed sizes"]),
    ],
)
def test_every_kind_of_model_is_profiled_in_its_own_way(graph: str, options: dict[str, Any], names: list[str]) -> None:
    found = profiled(compiled(graph), **options)
    assert list(found) == names
    calls = json.loads((compiled(graph) / "report.json").read_text())["calls"]
    ran = {step.number for workload in found.values() for step in workload.steps}
    assert ran == set(range(len(calls)))
    assert all(sum(step.flop for step in workload.steps) > 0 for workload in found.values())


def test_a_stateless_call_counts_the_caches_way_in_and_out() -> None:
    session = Session(compiled("tiny-gpt2"))
    work = _stateless(session)
    work()
    rows = counted(session._library, session._handle, lambda: (work(), work()))
    assert [(r.layer, r.kernel) for r in rows[-2:]] == [
        (b"past_key_values", b"kk_cache_import"),
        (b"present", b"kk_cache_export"),
    ]
    assert all(r.calls == 2 for r in rows)


def _stateless(session: Session) -> Any:
    dims = {"batch_size": 1, "sequence_length": 4, "past_sequence_length": 2}
    inputs = {}
    for node in session.get_inputs():
        shape = [eval(e, {}, dims) for e in node.expressions]
        inputs[node.name] = np.ones(shape, node.dtype)
    return lambda: session.run(None, inputs)


def test_results_are_the_same_bits_while_profiled() -> None:
    model = TextGenerator(compiled("tiny-gpt2"), threads=2)
    plain = model.feed([1, 2, 3])
    model.reset()
    found: list[np.ndarray] = []
    rows = counted(model._library, model._handle, lambda: found.append(model.feed([1, 2, 3])))
    assert plain.tobytes() == found[0].tobytes()
    assert sum(r.calls for r in rows) == len(rows) - 2
    before = [r.calls for r in rows]
    model.feed([4])
    assert [r.calls for r in rows] == before, "off again"


LOOP = Control(
    "trips",
    """(int64 n, float[3] x) => (float[3] y) {
        begin = Constant <value_int = 1> ()
        go = Cast <to = 9> (begin)
        y = Loop (n, go, x) <
            body = b (int64 i, bool c, float[3] v) => (bool k, float[3] w) { k = Identity (c)  s = Softmax (v)  w = Add (s, x) }>
    }""",
    calls(n=(np.array(5),), x=(X,)),
)


def test_a_step_in_a_loop_counts_each_trip(tmp_path: Path) -> None:
    onnx.save(LOOP.model(), tmp_path / "trips.onnx")
    compile_model(tmp_path / "trips.onnx", tmp_path / "out", CompileOptions(dims={"Loop_2_trips": "0..9"}))
    session = Session(tmp_path / "out", threads=2)
    session.run(None, LOOP.arrays(0))
    rows = counted(session._library, session._handle, lambda: session.run(None, LOOP.arrays(0)))
    calls_of = {r.kernel.decode(): r.calls for r in rows}
    assert 5 in calls_of.values(), calls_of
    assert calls_of["loop"] >= 1, "control flow is a step of its own"


STEPS = [
    StepTime(0, "h.0.fc", "linear", 1, 2.0, 0.5, 8.0, 1.0),
    StepTime(1, "h.0.norm", "norm", 1, 1.0, 0.0, 1.0, 0.0),
    StepTime(2, "h.1.fc", "linear", 1, 4.0, 0.0, 8.0, 30.0),
]
MADE = WorkloadProfile("call", 3, 8.0, STEPS, Limits(4.0, 10.0))


def test_the_limit_is_the_longer_of_computing_and_reading_step_by_step() -> None:
    linear, norm = MADE.kernels()
    assert (linear.name, linear.calls, linear.seconds, linear.waiting) == ("linear", 2, 6.0, 0.5)
    assert linear.limit(MADE.limits) == 2.0 + 3.0
    assert linear.share(MADE.limits) == 5.0 / 6.0
    assert (linear.bound(MADE.limits), norm.bound(MADE.limits)) == ("compute", "compute")
    assert MADE.as_json()["total"]["limit_ms"] == 5250.0


def test_tables_list_kernels_by_time_or_order_and_layers_by_name() -> None:
    found = Profile("m", "avx2", 2, MADE.limits, [MADE])
    text = _rendered(kernel_table(found, MADE, "time"))
    assert re.search(r"linear +2 +6000.000 +85.7% +0.0 +0.00 +83% +compute +8.3%", text)
    assert text.index("linear") < text.index("norm") < text.index("total")
    layers = _rendered(layer_table(found, MADE, "order"))
    assert layers.index("h.0.fc") < layers.index("h.0.norm") < layers.index("h.1.fc")
    assert "waiting" not in _rendered(layer_table(Profile("m", "avx2", 1, MADE.limits, [MADE]), MADE, "order"))


def _rendered(table: Any) -> str:
    from rich.console import Console

    console = Console(width=160)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        ("tiny-gpt2", {"prefill": [5000]}, "holds 128 positions"),
        ("tiny-gpt2", {"dims": {"batch_size": 2}}, "--prefill and --decode"),
        ("tiny-bert", {"dims": {"rows": 2}}, "no dimension rows; its dimensions are batch_size, sequence_length"),
        ("tiny-bert", {"dims": {"batch_size": 99}}, "batch_size is 99, outside 1..8"),
        ("tiny-t5", {"prefill": [10**6]}, "give shorter"),
    ],
)
def test_sizes_that_the_model_does_not_take_are_a_usage_error(graph: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        find_workloads(compiled(graph), ProfileOptions(**options))


def test_the_command_prints_a_table_and_draws_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    shutil.copytree(compiled("tiny-gpt2"), folder)
    options = ["--prefill", "4", "--decode", "-", "--seconds", "0.01", "-q"]
    assert main(["profile", str(folder), *options, "--layers"]) == 0
    text = capsys.readouterr().out
    assert "GFLOP/s" in text and "transformer.h.1.attn.c_proj" in text
    assert main(["profile", str(folder), *options, "--json", "--no-report"]) == 0
    assert [w["workload"] for w in json.loads(capsys.readouterr().out)["workloads"]] == ["prefill 4"]


def test_no_workload_at_all_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="nothing to profile"):
        profiled(compiled("tiny-gpt2"), prefill=[], decode=[])


def test_a_null_handle_is_refused() -> None:
    library = Session(compiled("tiny-gpt2"))._library
    assert library.function("profile")(None, None) != 0
