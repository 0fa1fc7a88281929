"""The ONNX standard's own cases through `kaoken.backend`: a sample by default, all of them with KAOKEN_BACKEND_ALL=1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.backend.test import BackendTest

import kaoken.backend
from kaoken.backend import draws
from kaoken.backend.suite import KINDS, cases, data_sets, known_names, model_of, operators_of, sample, updated_known
from kaoken.errors import UnsupportedModelError, UsageError

KNOWN = Path(__file__).with_name("backend-known.txt")
"""Cases that need not pass yet, a line each: made with `python -m kaoken.backend --all --write-known tests/backend-known.txt`."""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAOKEN_CACHE", str(tmp_path_factory.getbasetemp() / "kaoken-cache"))


@pytest.mark.parametrize(
    "kind, count", [("node", 240), ("simple", 23), ("pytorch-converted", 24), ("pytorch-operator", 12), ("real", 2)]
)
def test_standard_cases_pass_but_those_that_are_known_not_to(kind: str, count: int, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    chosen = ["--all"] if os.environ.get("KAOKEN_BACKEND_ALL") else ["--sample", str(count)]
    command = [sys.executable, "-m", "kaoken.backend", *chosen, "--kind", kind, "--jobs", "1", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert file.exists(), done.stderr[-4000:]
    known = set(known_names(KNOWN.read_text(encoding="utf-8")))
    rows = json.loads(file.read_text(encoding="utf-8"))["cases"]
    failed = [f"{name}: {row['status']}: {row['reason']}" for name, row in rows.items() if row["status"] != "passed"]
    assert [line for line in failed if line.partition(":")[0] not in known] == []
    assert sum(row["status"] == "passed" for row in rows.values()) >= len(rows) // 3


def test_sample_is_the_same_every_time_and_takes_every_operator_first() -> None:
    names = list(cases())
    operators = {operators_of(case.model)[0] for case in cases().values()}
    chosen = sample(names, len(operators) + 10)
    assert chosen == sample(reversed(names), len(operators) + 10)
    assert {operators_of(cases()[name].model)[0] for name in chosen[: len(operators)]} == operators


def test_list_of_known_cases_keeps_its_comments_and_names_cases() -> None:
    text = "# why\na\n# for b\nb  # own\nd\n"
    assert known_names(text) == ["a", "b", "d"]
    assert updated_known(text, ["c", "b"], ["a"]) == "# why\n# for b\nb  # own\nd\nc\n"
    every = {name for kind in KINDS for name in cases(kind)}
    assert set(known_names(KNOWN.read_text(encoding="utf-8"))) <= every


@pytest.mark.parametrize("shift, wrong", [(0.0, False), (0.1, True), (-0.1, True)])
def test_draws_of_bernoulli_are_judged_by_how_often_they_are_1(shift: float, wrong: bool) -> None:
    case = cases()["test_bernoulli_double"]
    model = model_of(case)
    ((inputs, _),) = data_sets(case, model)
    generator = np.random.default_rng(1)

    def run(given: list[np.ndarray]) -> list[np.ndarray]:
        return [(generator.random(given[0].shape) < given[0] + shift).astype(np.float64)]

    assert bool(draws.judge(model, run, inputs[0])) == wrong
    assert "float32" in draws.judge(model, lambda given: [run(given)[0].astype(np.float32)], inputs[0])
    assert "depend" in draws.judge(model, lambda given: [(generator.random((len(given[0]), 1)) < given[0]) * 1.0], inputs[0])


@pytest.mark.parametrize("name", ["test_dft_inverse", "test_dft_inverse_opset19"])
def test_exact_result_fails_the_standards_inverse_dft_cases(name: str) -> None:
    """Why these are known: in float64 the frequency of half the length is real, outside the tolerance of the case."""
    case = cases()[name]
    ((inputs, (expected,)),) = data_sets(case, model_of(case))
    x = inputs[0].astype(np.float64)
    exact = np.fft.ifft(x[..., 0] + 1j * x[..., 1], axis=1)
    signs = (-1.0) ** np.arange(x.shape[1])
    assert abs(np.tensordot(signs, x[0, :, :, 1], 1)).max() == 0  # the sum that the imaginary part at frequency 5 is
    outside = abs(exact.imag - expected[..., 1]) > case.atol + case.rtol * abs(expected[..., 1])
    assert np.argwhere(outside)[:, 1].tolist() == [5] * x.shape[2]


def test_standards_own_runner_runs_with_it() -> None:
    runner = BackendTest(kaoken.backend, __name__)
    runner.include(r"^test_(add|softmax_axis_1|matmul_2d)_cpu$")
    names = [name for group in runner.test_cases.values() for name in dir(group) if name.endswith("_cpu")]
    assert len(names) > 1884
    result = unittest.TestResult()
    runner.test_suite.run(result)
    assert not result.errors and not result.failures
    assert result.testsRun - len(result.skipped) == 3


def test_node_runs_alone() -> None:
    node = helper.make_node("Add", ["a", "b"], ["c"])
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    outputs = kaoken.backend.run_node(node, [a, np.float32(1).reshape(1)])
    np.testing.assert_array_equal(outputs[0], a + 1)
    np.testing.assert_array_equal(outputs["c"], a + 1)


def test_model_without_bounds_runs_up_to_the_default_bound() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    model = helper.make_model(helper.make_graph([helper.make_node("Exp", ["x"], ["y"])], "g", [x], [y]))
    prepared = kaoken.backend.prepare(model)
    for n in (1, 64):
        np.testing.assert_allclose(prepared.run([np.zeros(n, np.float32)])[0], np.ones(n))
    with pytest.raises(ValueError, match="n is 65"):
        prepared.run(np.zeros(65, np.float32))
    with pytest.raises(ValueError, match="2 inputs for a model that takes 1"):
        prepared.run([np.zeros(1, np.float32)] * 2)


def test_only_the_cpu_is_a_device() -> None:
    assert kaoken.backend.supports_device("CPU") and not kaoken.backend.supports_device("CUDA:0")
    assert not kaoken.backend.supports_device("ABACUS")
    with pytest.raises(UsageError, match="CUDA"):
        kaoken.backend.prepare(onnx.ModelProto(), "CUDA")


def test_unsupported_operator_is_named() -> None:
    node = helper.make_node("NoSuchOperator", ["a"], ["c"], domain="somewhere")
    with pytest.raises(UnsupportedModelError, match=r"somewhere\.NoSuchOperator"):
        kaoken.backend.run_node(node, [np.zeros(1, np.float32)])
