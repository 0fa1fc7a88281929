"""Control flow: the table of cases through the formulas and through the generated C, against onnxruntime."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from compiled import GRAPHS, compiled
from control_cases import CASES, Control, merged
from op_batches import build, compile_proto, sanitized_runs

from kaoken.frontend import import_model
from kaoken.ir.graph import graph_text
from kaoken.ir.interpret import run_graph
from kaoken.ir.verify import verify
from kaoken.session import Session

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
