"""Control flow: the table of cases through the formulas and through the generated C, against onnxruntime."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from c_build import compiler
from compiled import GRAPHS, compiled
from control_case import Control, X, merged, side_by_side
from control_cases import CASES
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from onnx.backend.test.loader import load_model_tests
from op_batches import build, compile_proto, run_compiler, sanitized_runs
from random_nests import Nest

from kaoken.errors import UnsupportedModelError, UsageError
from kaoken.frontend import import_model
from kaoken.ir.graph import graph_text
from kaoken.ir.interpret import run_graph
from kaoken.ir.verify import verify
from kaoken.passes.pipeline import run_passes
from kaoken.passes.simplify import simplify
from kaoken.passes.tidy_control import tidy_control
from kaoken.session import Session, SessionError

onnxruntime = pytest.importorskip("onnxruntime")

CALLS = max(len(case.feeds) for case in CASES)
ROWS = [(case, call) for case in CASES for call in range(len(case.feeds))]
IDS = [f"{case.name}-{call}" for case, call in ROWS]

Arrays = dict[str, np.ndarray]

MERGED_BOUNDS = {
    "batch_size": "1..4",
    "decoder_sequence_length": "1..16",
    "past_decoder_sequence_length": "0..16",
    "encoder_sequence_length": "1..16",
}


@cache
def expected(case: Control, call: int) -> Arrays:
    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(case.model().SerializeToString())
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, case.arrays(call)), strict=True))


@cache
def folder() -> Path:
    """All cases as one library."""
    made = compile_proto(*merged(CASES))
    build(made)
    return made


def inputs(call: int) -> Arrays:
    return {f"{case.name}_{name}": value for case in CASES for name, value in case.arrays(call).items()}


@cache
def results(call: int, threads: int) -> Arrays:
    session = Session(folder(), threads=threads)
    return dict(zip([node.name for node in session.get_outputs()], session.run(None, inputs(call)), strict=True))


def assert_same(ours: np.ndarray, theirs: np.ndarray, name: str) -> None:
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, name
    if theirs.dtype.kind == "f":
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=name)
    else:
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_graph_means_what_onnxruntime_does(case: Control, tmp_path: Path) -> None:
    onnx.save(case.model(), tmp_path / "model.onnx")
    graph = import_model(tmp_path / "model.onnx", case.dims)
    verify(graph)
    for call in range(len(case.feeds)):
        ours = run_graph(graph, case.arrays(call))
        for name, theirs in expected(case, call).items():
            assert_same(ours[name], theirs, name)


@pytest.mark.parametrize(("case", "call"), ROWS, ids=IDS)
def test_compiled_c_gives_what_onnxruntime_does(case: Control, call: int) -> None:
    ours = results(call, 2)
    for name, theirs in expected(case, call).items():
        assert_same(ours[f"{case.name}_{name}"], theirs, f"{name}, in {folder()}")


def test_threads_change_no_bit() -> None:
    for call in range(CALLS):
        one, three = results(call, 1), results(call, 3)
        assert all(one[name].tobytes() == three[name].tobytes() for name in one)


def test_sanitizers_find_nothing_and_change_nothing(tmp_path: Path) -> None:
    runs = [(folder(), inputs(call)) for call in range(CALLS)]
    for call, checked in enumerate(sanitized_runs(runs, tmp_path)):
        for name, array in results(call, 2).items():
            np.testing.assert_array_equal(checked[name], array, err_msg=name)


@pytest.mark.parametrize(("past", "count", "cached"), [(1, 5, False), (6, 1, True), (1, 1, True)])
def test_a_merged_decoder_takes_its_branch_when_it_runs(past: int, count: int, cached: bool) -> None:
    """Optimum's decoder_model_merged: two decoders under one If, whose outputs have different shapes."""
    session = Session(compiled("tiny-t5/decoder_model_merged.onnx", name="merged", dims=MERGED_BOUNDS), threads=2)
    sizes = {
        "batch_size": 2,
        "decoder_sequence_length": count,
        "past_decoder_sequence_length": past,
        "encoder_sequence_length": 7,
    }
    rng = np.random.default_rng(past)
    feed: Arrays = {}
    for node in session.get_inputs():
        shape = [sizes.get(str(d), d) for d in node.shape]
        if node.dtype == "float32":
            feed[node.name] = rng.standard_normal(shape).astype(np.float32)
        else:
            ids = np.ones(shape, np.int64) if "mask" in node.name else rng.integers(0, 512, shape)
            feed[node.name] = np.full(shape, cached) if node.dtype == "bool" else ids
    theirs = onnxruntime.InferenceSession(str(GRAPHS / "tiny-t5" / "decoder_model_merged.onnx")).run(None, feed)
    for node, ours, expected in zip(session.get_outputs(), session.run(None, feed), theirs, strict=True):
        assert ours.shape == expected.shape, node.name
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5, err_msg=node.name)


@settings(max_examples=8, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_random_nests_mean_what_onnxruntime_does(seed: int, tmp_path: Path) -> None:
    """As they are read, and after all passes."""
    nest = Nest(seed)
    onnx.save(nest.model(), tmp_path / "nest.onnx")
    try:
        graphs = [import_model(tmp_path / "nest.onnx"), run_passes(import_model(tmp_path / "nest.onnx"))]
    except UsageError:
        assume(False)  # lists that grow through several loops need bounds of the user's
    session = onnxruntime.InferenceSession(nest.model().SerializeToString())
    for call in range(3):
        theirs = session.run(None, nest.feeds(call))
        for graph in graphs:
            for (name, ours), expected in zip(run_graph(graph, nest.feeds(call)).items(), theirs, strict=True):
                assert_same(ours, expected, name)


SEEDS = range(8)


@cache
def nests() -> Path:
    """Random nests as one library."""
    made = compile_proto(side_by_side([(f"s{seed}_", Nest(seed).model().graph) for seed in SEEDS]), {})
    build(made)
    return made


@cache
def nest_results(call: int, threads: int) -> Arrays:
    session = Session(nests(), threads=threads)
    feeds = {f"s{seed}_{name}": value for seed in SEEDS for name, value in Nest(seed).feeds(call).items()}
    return dict(zip([node.name for node in session.get_outputs()], session.run(None, feeds), strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_nests_as_c_give_what_onnxruntime_does(seed: int) -> None:
    session = onnxruntime.InferenceSession(Nest(seed).model().SerializeToString())
    for call in range(6):
        for node, theirs in zip(session.get_outputs(), session.run(None, Nest(seed).feeds(call)), strict=True):
            name = f"s{seed}_{node.name}"
            assert_same(nest_results(call, 2)[name], theirs, name)
            assert nest_results(call, 1)[name].tobytes() == nest_results(call, 2)[name].tobytes()


def test_sanitizers_find_nothing_in_random_nests(tmp_path: Path) -> None:
    feeds = [{f"s{s}_{name}": value for s in SEEDS for name, value in Nest(s).feeds(call).items()} for call in range(4)]
    for call, checked in enumerate(sanitized_runs([(nests(), feed) for feed in feeds], tmp_path)):
        assert all(checked[name].tobytes() == array.tobytes() for name, array in nest_results(call, 2).items())


@pytest.mark.parametrize(
    ("name", "feed"), [("counted", {"m": 8, "x": X}), ("growing", {"m": 7, "x": np.ones((1, 2), np.float32)})]
)
def test_a_size_beyond_its_bound_is_a_status(name: str, feed: dict[str, Any]) -> None:
    """And the next call works: what stops a call leaves nothing behind."""
    session = Session(folder(), threads=3)
    wrong = inputs(0) | {f"{name}_{key}": np.asarray(value) for key, value in feed.items()}
    for _ in range(2):
        with pytest.raises(SessionError, match="too small"):
            session.run(None, wrong)
    for node, ours in zip(session.get_outputs(), session.run(None, inputs(0)), strict=True):
        assert ours.tobytes() == results(0, 3)[node.name].tobytes(), node.name


NODE_CASES = [
    case
    for case in load_model_tests(kind="node")
    if re.fullmatch(r"test_(if|loop\d+|scan\w*|nonzero\w*|compress\w*)", case.name) and "bfloat16" not in case.name
]


@pytest.mark.parametrize("case", NODE_CASES, ids=lambda case: case.name)
def test_the_standards_own_cases(case: Any) -> None:
    made = compile_proto(case.model, {"Loop_0_trips": "0..5"} if case.name == "test_loop11" else {})
    build(made)
    session = Session(made)
    for values, expected in case.data_sets:
        feed = {node.name: np.asarray(value) for node, value in zip(session.get_inputs(), values, strict=True)}
        for node, ours, theirs in zip(session.get_outputs(), session.run(None, feed), expected, strict=True):
            assert_same(ours, np.asarray(theirs), node.name)


REFUSED = {
    "a_sequence": (
        "(float[3] x, seq(float[2]) s) => (y) { y = Scan <num_scan_inputs = 1, body = b (seq(float[2]) a, float e)"
        " => (seq(float[2]) c, float d) { c = Identity (a) d = Neg (e) }> (s, x) }",
        "a sequence",
    ),
    "ranks": (
        "(bool c, float[2] x) => (y) { y = If (c) <then_branch = t () => (a) { a = Identity (x) },"
        " else_branch = e () => (b) { n = Constant <value_ints = [0]> () b = Unsqueeze (x, n) }> }",
        "y has 1 axes in one branch and 2",
    ),
    "endless": (
        "(float[2] x) => (y) { y = Loop (, , x) <body = b (int64 i, bool g, float[2] v) => (bool o, float[2] w)"
        " { o = Identity (g) w = Add (v, v) }> }",
        "it would not end",
    ),
    "types": (
        "(int64 m, float[2] x) => (y) { y = Loop (m, , x) <body = b (int64 i, bool g, float[2] v) => (bool o, w)"
        " { o = Identity (g) w = Cast <to = 7> (v) }> }",
        "begins as float32 of rank 1 and goes on as int64 of rank 1",
    ),
    "inside": (
        "(bool c, float[2] x) => (y) { y = If (c) <then_branch = t () => (a) { a = ImageDecoder (x) },"
        " else_branch = e () => (b) { b = StringNormalizer (x) }> }",
        "operator ImageDecoder is not supported",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_named(name: str, tmp_path: Path) -> None:
    text, message = REFUSED[name]
    onnx.save(Control(name, text, ()).model(), tmp_path / "model.onnx")
    with pytest.raises(UnsupportedModelError, match=re.escape(message)):
        import_model(tmp_path / "model.onnx")


def test_a_size_without_a_bound_is_asked_for(tmp_path: Path) -> None:
    case = next(c for c in CASES if c.name == "doubling")
    onnx.save(case.model(), tmp_path / "model.onnx")
    with pytest.raises(UsageError, match="no bounds are known for the dimension x_0; give them: --dim x_0"):
        import_model(tmp_path / "model.onnx")


def test_branches_share_memory_and_bodies_count_in_their_nodes_life() -> None:
    memory = json.loads(
        (compiled("tiny-t5/decoder_model_merged.onnx", name="merged", dims=MERGED_BOUNDS) / "report.json").read_text()
    )
    assert memory["memory"]["arena_bytes"] <= 1.1 * max(memory["memory"]["live_bytes"])


def test_found_sizes_come_back_in_c_and_cpp(tmp_path: Path) -> None:
    """The folder's own example, and the C++ wrapper."""
    case = next(c for c in CASES if c.name == "growing")
    made = compile_proto(case.model(), case.dims)
    sources = [str(p) for p in (*made.glob("*.c"), *(made / "kaoken").glob("*.c"))]
    libraries = ["-lm", "-lpthread"]
    flags = ["-O1", "-DKK_BASELINE_ONLY", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    run_compiler([compiler(), *flags, str(made / "example" / "main.c"), *sources, "-o", str(tmp_path / "main"), *libraries])
    done = subprocess.run([tmp_path / "main", made / "cases.weights"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].startswith("y:")
    (tmp_path / "driver.cpp").write_text(DRIVER)
    objects = []
    for source in sources:
        objects.append(str(tmp_path / f"{Path(source).stem}.o"))
        run_compiler([compiler(), *flags, "-c", source, "-o", objects[-1]])
    cpp = ["g++", *flags, "-std=c++17", f"-I{made}", str(tmp_path / "driver.cpp"), *objects]
    run_compiler([*cpp, "-o", str(tmp_path / "driver"), *libraries])
    done = subprocess.run([tmp_path / "driver", made / "cases.weights"], capture_output=True, text=True, check=True)
    assert done.stdout == "5 rows of 2: 10\n1 rows of 2: 2\n"


DRIVER = """
#include "cases.hpp"
#include <cstdio>

int main(int, char **arguments)
{
    kaoken::cases::Model model(arguments[1]);
    for (std::int64_t trips : {4, 0}) {
        kaoken::cases::Inputs in;
        in.n = 1;
        in.input_m = {trips};
        in.input_x = {1.0f, 2.0f};
        const kaoken::cases::Outputs out = model.run(in);
        std::printf("%ld rows of 2: %lu\\n", static_cast<long>(out.x_0), static_cast<unsigned long>(out.output_y.size()));
    }
}
"""


def test_the_text_form_shows_bodies(tmp_path: Path) -> None:
    case = next(c for c in CASES if c.name == "three_deep")
    onnx.save(case.model(), tmp_path / "model.onnx")
    text = graph_text(import_model(tmp_path / "model.onnx", case.dims))
    for line in (
        "    body(v: float32[3], x: float32[2, 3], c: bool[])",
        "            then(",
        "            else(",
        " = loop(",
        " = if(",
    ):
        assert line in text, text


BORDERS = """(int64 m, float[2, 2] p, float[2, 2] q, float[2] x, float[2] k) => (float[2] y, float[2] same) {
    y, same, unread = Loop (m, , x, k) <
        body = b (int64 i, bool go, float[2] v, float[2] c) => (bool on, float[2] w, float[2] d, float[2] e) {
        on = Identity (go)
        d = Identity (c)
        pq = MatMul (p, q)
        moved = MatMul (pq, v)
        w = Add (moved, c)
        e = Tanh (w)
    }>
}"""


def test_what_a_loop_need_not_do_on_every_trip_leaves_it(tmp_path: Path) -> None:
    """A product of captured matrices is computed once, a carried value that stays is captured, what nobody reads is not made."""
    onnx.save(Control("borders", BORDERS, ()).model(), tmp_path / "model.onnx")
    graph = import_model(tmp_path / "model.onnx", {"Loop_0_trips": "0..9"})
    for run in (simplify, tidy_control):
        for body in list(graph.walk()):
            run(body)
    verify(graph, "tidy-control")
    text = graph_text(graph)
    assert [node.op for node in graph.nodes] == ["matmul", "loop"], text
    (loop,) = (node for node in graph.nodes if node.bodies)
    assert loop.attrs["carried"] == 1 and len(loop.outputs) == 1, text
    assert [node.op for node in loop.bodies[0].nodes] == ["matmul", "add"], text
    assert "output same = k" in text
