"""The table of operators says what is so, and the page about adding one builds what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from compiled import ROOT
from onnx import helper

import kaoken.backend
from kaoken.backend.suite import cases
from kaoken.cli import main
from kaoken.frontend.importer import WHOLE
from kaoken.frontend.registry import READERS
from kaoken.operators import Operator, failed_cases, operators
from kaoken.operators_table import page
from kaoken.ops.registry import OPS

PAGE = ROOT / "docs" / "operators.md"


@pytest.fixture(scope="module")
def table() -> list[Operator]:
    return operators((), failed_cases(None))


def test_page_is_what_the_command_writes(table: list[Operator]) -> None:
    written = PAGE.read_text(encoding="utf-8")
    if f"onnx {onnx.__version__};" not in written:
        pytest.skip("the page was made with another onnx")
    assert written == page(table), "run `kaoken ops --markdown docs/operators.md`"


def test_every_reader_is_in_the_table_and_what_has_none_is_refused_with_a_reason(table: list[Operator]) -> None:
    accepted = {o.name if o.domain == "ai.onnx" else f"{o.domain}.{o.name}" for o in table if o.accepted}
    assert {*READERS, *WHOLE} <= accepted
    refused = {o.name: o for o in table if not o.accepted}
    assert {"ImageDecoder", "Gradient"} <= set(refused)
    assert all(o.reason and not o.versions and o.refused_versions and not o.passed for o in refused.values())


def test_operators_are_compiled_as_they_should_be(table: list[Operator]) -> None:
    ways = {o.name: o.compiled for o in table if o.domain == "ai.onnx"}
    assert ways["Tanh"] == ["formula"] and ways["Shape"] == ["folded away"] and ways["If"] == ["control flow"]
    assert "routine" in ways["TopK"] and "scheduled kernel" in ways["MatMul"] and "scheduled kernel" in ways["LayerNormalization"]
    types = {o.name: (o.types, o.other_types) for o in table if o.domain == "ai.onnx"}
    assert types["And"] == (["bool"], []) and "bfloat16" in types["Exp"][0] and "complex64" in types["Gather"][1]


def test_command_filters_by_name_and_takes_results(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    rows = {name: {"status": "wrong" if name == "test_tanh" else "passed"} for name in cases()}
    results.write_text(json.dumps({"cases": rows}))
    assert main(["ops", "tanh", "com.microsoft.Gelu", "--results", str(results), "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)["operators"]
    assert [(o["domain"], o["name"], o["passed"], o["cases"]) for o in found] == [
        ("ai.onnx", "Tanh", 1, 2),
        ("com.microsoft", "Gelu", 0, 0),
    ]
    assert main(["ops", "ImageDecoder", "-q"]) == 0
    assert "refused: operator ImageDecoder is not supported" in " ".join(capsys.readouterr().out.split())


def test_command_refuses_unknown_names_and_other_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"cases": {}}')
    for words, said in (
        (["NoSuchOperator"], "no operator nosuchoperator"),
        (["--results", str(other), "Abs"], "python -m kaoken.backend --all"),
        (["--results", __file__, "Abs"], "is no result of"),
        (["Abs", "--markdown", str(tmp_path / "page.md")], "name none"),
    ):
        assert main(["ops", *words, "-q"]) == 2
        assert said in capsys.readouterr().err


def test_worked_example_of_the_page_builds_and_is_right(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAOKEN_CACHE", str(tmp_path))
    monkeypatch.setitem(OPS, "window_square_sum", None)  # so that what the page defines goes again
    del OPS["window_square_sum"]
    monkeypatch.setitem(READERS, "LRN", [])
    text = (ROOT / "docs" / "adding-an-op.md").read_text(encoding="utf-8")
    blocks = {b.split("\n", 1)[0].removeprefix("# "): b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL)}
    exec(compile(blocks["kaoken/ops/window.py"], "window.py", "exec"), {})
    reader: dict[str, Any] = {}
    imports = "from kaoken.frontend.spelled import Tensor, onnx_formula\n"
    exec(compile(imports + blocks["kaoken/frontend/reduction.py"], "reduction.py", "exec"), reader)
    assert [since for since, _ in READERS["LRN"]] == [1]
    x = np.random.default_rng(3).standard_normal((2, 6, 3, 4)).astype(np.float32)
    for size in (1, 3, 5):
        node = helper.make_node("LRN", ["x"], ["y"], size=size, alpha=0.2, beta=0.6)
        (y,) = kaoken.backend.run_node(node, [x])
        around = [x[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1] for c in range(x.shape[1])]
        total = np.stack([(part.astype(np.float64) ** 2).sum(axis=1) for part in around], axis=1)
        np.testing.assert_allclose(y, x / (1 + 0.2 / size * total) ** 0.6, rtol=2e-6)
