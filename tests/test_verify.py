"""What is compared: at the bounds of the folder, and few values over several inputs, so that chance is no verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from compiled import compiled
from onnx import TensorProto, helper, numpy_helper

from kaoken.compiler import CompileOptions, compile_model
from kaoken.errors import UsageError
from kaoken.verify import run as verify_run
from kaoken.verify.run import VerifyOptions, verify_model

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def two_logits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of 24 numbers into two classes."""
    rng = np.random.default_rng(0)
    weights = numpy_helper.from_array(rng.normal(size=(24, 2)).astype(np.float32), "w")
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, size]) for n, size in (("x", 24), ("logits", 2)))
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["logits"])], "g", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    path = tmp_path_factory.mktemp("few") / "model.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("wrong_at, ok", [(None, True), (0, False), (7, False)])
def test_few_values_are_judged_over_several_inputs(
    two_logits: Path, monkeypatch: pytest.MonkeyPatch, wrong_at: int | None, ok: bool
) -> None:
    folder, shapes, calls = compiled(str(two_logits)), [], []
    compare, run = verify_run._compare, verify_run.Session.run

    def seen(name: str, exact: np.ndarray, *others: np.ndarray) -> object:
        shapes.append(exact.shape)
        return compare(name, exact, *others)

    def disturbed(self: object, *words: object) -> list[np.ndarray]:
        calls.append(1)
        found = run(self, *words)  # type: ignore[arg-type]
        return [value + np.float32(1e-3) for value in found] if len(calls) - 1 == wrong_at else found

    monkeypatch.setattr(verify_run, "_compare", seen)
    monkeypatch.setattr(verify_run.Session, "run", disturbed)
    found = verify_model(two_logits, folder, VerifyOptions(layers=False))
    assert shapes == [(8, 1, 2)] and found.cases[0].ok == ok


def test_bounds_are_those_of_the_compiled_folder(tmp_path: Path) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 3]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Sqrt", ["x"], ["y"])], "g", values[:1], values[1:])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    compile_model(path, tmp_path / "c", CompileOptions(dims={"rows": "5..9"}))
    found = verify_model(path, tmp_path / "c", VerifyOptions(layers=False))
    assert found.ok and [case.case.dims["dim_rows"] for case in found.cases] == [5, 7]
    with pytest.raises(UsageError, match=r"5\.\.9"):
        verify_model(path, tmp_path / "c", VerifyOptions(layers=False, sizes=[4]))
