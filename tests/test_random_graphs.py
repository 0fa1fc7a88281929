"""Random graphs against what they mean, a few of them (`make random-graphs` runs thousands), and what such runs have found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime")

from control_case import Control, row, table
from random_graphs import CALLS, Case
from random_graphs_run import AGREES, ROUNDING, WRONG, Outcome, compared, judge, random_graph, rounding

from kaoken.compiler import CompileOptions, compile_model
from kaoken.verify.oracle import Oracle

SEED = int(os.environ.get("KAOKEN_SEED", "0"))
GRAPHS, SANITIZED_GRAPHS = 40, 8


def test_random_graphs_give_what_they_mean() -> None:
    """Fused and not, by 1 and 2 threads, at three sets of sizes."""
    wrong = [o for o in judge([random_graph(SEED + n) for n in range(GRAPHS)]) if o.status not in (AGREES, ROUNDING)]
    assert not wrong, "\n".join(
        f"seed {o.case.seed}, {o.status}: {o.reason}\n{onnx.printer.to_text(o.case.model)}" for o in wrong
    )


def test_sanitizers_find_nothing_in_random_graphs(tmp_path: Path) -> None:
    script = Path(__file__).with_name("random_graphs_run.py")
    arguments = [str(SANITIZED_GRAPHS), "--seed", str(SEED + GRAPHS), "--sanitize", "--tries", "0", "--save", str(tmp_path)]
    paths = os.pathsep.join([str(script.parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


INDICES = np.array([3, -9, 40, 0])

FOUND = [
    Control(
        "a_size_that_only_a_comment_names",
        "(float[m, 1] x, float[2, n] y) => (a, b) { a = Softplus (x) b = Exp (y) }",
        tuple({"x": np.ones((m, 1), np.float32), "y": np.ones((2, n), np.float32)} for m, n in ((1, 2), (5, 3), (2, 7))),
        {"m": "1..9", "n": "1..9"},
    ),
    Control(
        "a_constant_index_of_32_bits",
        "(float[3, 2] x) => (y) <int32 i = {-2}> { y = Gather (x, i) }",
        ({"x": np.arange(6, dtype=np.float32).reshape(3, 2)},),
    ),
    Control(
        "what_looks_like_an_index_is_arithmetic",
        """(int64[4] i, float[3] x) => (h, w) <int64 depth = {1}, int64 zero = {0}, int64 n = {5}, float[2] values = {0, 1}> {
            h = OneHot (i, depth, values)
            negative = Less (i, zero)
            up = Add (i, n)
            w = Where (negative, up, i)
        }""",
        ({"i": INDICES, "x": np.ones(3, np.float32)},),
    ),
    Control(
        "a_sum_of_what_is_the_same_in_all_lanes",
        """(float[1] x, bool[1, 1] c) => (y) <int64[2] shape = {5, 7}, int64[2] axes = {0, 1}> {
            w = ConstantOfShape (shape)
            all = Where (c, x, w)
            y = ReduceSum (all, axes)
        }""",
        ({"x": row(-2.625), "c": np.array([[True]])}, {"x": row(3), "c": np.array([[False]])}),
    ),
    Control(
        "a_matrix_that_is_scattered_into_too",
        """(float[2, 3] x, int64[1, 1] i, float[1, 3] u) => (product, scattered) <float[3, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9}> {
            product = MatMul (x, w)
            scattered = ScatterND (w, i, u)
        }""",
        ({"x": table(2, 3), "i": np.array([[1]]), "u": table(1, 3, 1)},),
    ),
    Control(
        "a_matrix_that_is_given_out_in_another_shape_too",
        f"""(float[2, 7] x) => (y, flat) <float[7, 17] w = {{{", ".join(map(str, range(119)))}}}, int64[1] shape = {{119}}> {{
            y = MatMul (x, w)
            flat = Reshape (w, shape)
        }}""",
        ({"x": table(2, 7)},),
    ),
    Control(
        "a_row_from_data_of_a_square_matrix",
        """(float[n, 1] x, float[n, 1] y, int64[1] i) => (row) {
            other = Transpose <perm = [1, 0]> (y)
            square = MatMul (x, other)
            row = GatherND (square, i)
        }""",
        tuple({"x": table(n, 1), "y": table(n, 1, 1), "i": np.array([n // 2])} for n in (3, 1, 17)),
        {"n": "1..17"},
    ),
    Control(
        "a_softmax_of_four_axes_times_a_matrix_of_three",
        "(float[2, 1, 7, 1] x, float[1, 1, 5] w) => (y) { p = Softmax <axis = -1> (x) y = MatMul (p, w) }",
        ({"x": table(14, 1).reshape(2, 1, 7, 1), "w": table(1, 5, 1).reshape(1, 1, 5)},),
    ),
    Control(
        "a_matrix_of_three_axes_times_values_of_four",
        "(float[3, 2, 4] x, float[5, 3, 4, 6] v) => (y) { p = Softmax <axis = -1> (x) y = MatMul (p, v) }",
        ({"x": table(6, 4).reshape(3, 2, 4), "v": table(60, 6, 1).reshape(5, 3, 4, 6)},),
    ),
    Control(
        "activations_that_are_nearly_0",
        "(float[3] x, float[3] z) => (a, b, c, d, e) { a = Softplus (x) b = Mish (x) c = Elu (z) d = Selu (z) e = Celu (z) }",
        ({"x": row(-9.7, -11.3, -12.9), "z": row(-1.1e-4, -2.3e-5, 1.7e-5)},),
    ),
]
"""Graphs that random runs found to be wrong, refused or not to compile, cut down."""


def case_of(control: Control) -> Case:
    """A graph and its feeds, begun again until there are enough calls."""
    model = control.model()
    inferred = onnx.shape_inference.infer_shapes(model).graph
    infos = [*inferred.input, *inferred.value_info, *inferred.output]
    types = {i.name: str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type))) for i in infos}
    oracle = Oracle(model)
    feeds = tuple(control.arrays(call) for call in range(CALLS))
    expected = tuple({name: np.asarray(array) for name, array in oracle.run(feed).items()} for feed in feeds)
    return Case(model, feeds, expected, dict(control.dims), types)


def test_what_random_graphs_have_found_stays_mended() -> None:
    outcomes = list(judge([case_of(control) for control in FOUND]))
    assert [(c.name, o.status, o.reason) for c, o in zip(FOUND, outcomes, strict=True)] == [(c.name, AGREES, "") for c in FOUND]


def test_without_fusion_every_operation_is_a_loop_nest(tmp_path: Path) -> None:
    text = "(float[9] x) => (y) { a = Exp (x) b = Neg (a) s = Softmax <axis = 0> (b) y = Add (s, x) }"
    onnx.save(Control("chain", text, ()).model(), tmp_path / "model.onnx")
    calls = [
        compile_model(tmp_path / "model.onnx", tmp_path / str(fuse), CompileOptions(fuse=fuse, bare=True)).report["calls"]
        for fuse in (True, False)
    ]
    origins = [[set(call["origin"]) for call in found] for found in calls]
    assert all(len(names) == 1 for names in origins[1]) and len(calls[0]) < len(calls[1]) >= 4, origins


def one_case() -> Case:
    text = "(float[4] x, float[4] y) => (z) { s = Add (x, y) z = Sub (s, x) }"
    random = np.random.default_rng(0)
    return case_of(Control("sum", text, tuple({k: random.random(4, np.float32) for k in "xy"} for _ in range(CALLS))))


def judged(case: Case, change: float) -> Outcome:
    """The outcome where every way gives what the graph means plus `change`, and the peer just what it means."""
    ours = [{k: (v + change).astype(np.float32) for k, v in call.items()} for call in case.expected]
    exact = [{k: v.astype(np.float32) for k, v in call.items()} for call in case.expected]
    return compared(case, {"fused": ours, "fused, 2 threads": ours, "not fused": ours}, "onnxruntime", exact)


def test_an_error_beyond_what_rounding_costs_is_wrong() -> None:
    """The sum of two numbers below 1 may be off by 2 ** -24, and what is left of it too."""
    case = one_case()
    assert judged(case, 0).status == AGREES
    assert 2.0**-25 < rounding(case, "z") < 2.0**-22
    assert judged(case, 1e-5).status == WRONG


def test_threads_that_change_a_bit_are_wrong() -> None:
    case = one_case()
    same = [{k: v.astype(np.float32) for k, v in call.items()} for call in case.expected]
    other = [{k: np.nextafter(v, np.float32(2)) for k, v in call.items()} for call in same]
    outcome = compared(case, {"fused": same, "fused, 2 threads": other}, "onnxruntime", same)
    assert (outcome.status, outcome.reason) == (WRONG, "z: threads change bits")


def test_a_graph_that_ends_its_process_costs_no_other_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    import random_graphs_run

    control = FOUND[0]
    cases = [case_of(control), case_of(FOUND[1])]
    run_batch = random_graphs_run.run_batch

    def dies(batch: list[Case], flags: tuple[str, ...]) -> Any:
        if cases[0] in batch:
            os._exit(7)
        return run_batch(batch, flags)

    monkeypatch.setattr(random_graphs_run, "run_batch", dies)
    outcomes = list(judge(cases))
    assert [o.status for o in outcomes] == ["crashed", AGREES] and "ended with 7" in outcomes[0].reason
