"""Every operator case: it imports, its shape rule holds, and its formula gives what the standard says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import pytest
from op_cases import CASES, Case

from kaoken.frontend import import_model
from kaoken.ir.dims import is_nonnegative
from kaoken.ir.expr import Expr, Int, Read, Select, children, to_text
from kaoken.ir.graph import graph_text
from kaoken.ir.interpret import run_graph
from kaoken.ops import OPS, formula_of

ROWS = [(case, opset) for case in CASES for opset in case.opsets()]


IDS = [f"{case.op}-{n}-opset{opset}" for n, case in enumerate(CASES) for opset in case.opsets()]


def expected(case: Case, opset: int) -> list[np.ndarray]:
    """What onnxruntime gives, or, where it lacks the operator, the type or the opset, onnx's reference implementation."""
    if case.oracle == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        try:
            session = onnxruntime.InferenceSession(case.model(opset).SerializeToString(), options, ["CPUExecutionProvider"])
            return list(session.run(None, case.feeds()))
        except Exception as error:
            if "NOT_IMPLEMENTED" not in str(error) and "NotImplemented" not in type(error).__name__ and "opset" not in str(error):
                raise
    with np.errstate(all="ignore"):
        return list(onnx.reference.ReferenceEvaluator(case.model(opset)).run(None, case.feeds()))


def assert_close(ours: np.ndarray, theirs: np.ndarray, rtol: float, text: str) -> None:
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, text
    if ours.dtype.kind != "f":
        np.testing.assert_array_equal(ours, theirs, err_msg=text)
        return
    finite = np.isfinite(theirs)
    np.testing.assert_array_equal(ours[~finite], theirs[~finite], err_msg=text)
    largest = np.abs(theirs[finite]).max(initial=0) if theirs.size else 0
    np.testing.assert_allclose(ours[finite], theirs[finite], rtol=rtol, atol=rtol * min(largest, 1e30), err_msg=text)


@pytest.mark.parametrize(("case", "opset"), ROWS, ids=IDS)
def test_formula_gives_what_the_standard_says(case: Case, opset: int, tmp_path: Path) -> None:
    theirs = expected(case, opset)
    for symbolic in [False, True] if case.sizes else [False]:
        path = tmp_path / "case.onnx"
        onnx.save(case.model(opset, symbolic), path)
        graph = import_model(path, {f"n{size}": "0..64" for size in case.sizes if symbolic and has(case, size)})
        ours = run_graph(graph, case.feeds(), {f"n{size}": size for size in case.sizes})
        assert len(ours) == len(theirs)
        for (name, result), reference in zip(ours.items(), theirs, strict=True):
            assert_close(result, reference, case.rtol, f"{name} of\n{graph_text(graph)}")


def unproven(expression: Expr) -> list[str]:
    """Reads outside any guard of which an index that sizes decide is not shown to be inside."""
    if isinstance(expression, Select):
        return unproven(expression.condition)
    found: list[str] = []
    if isinstance(expression, Read):
        for index, extent in zip(expression.indices, expression.value.shape, strict=True):
            inside = isinstance(index, Int) and is_nonnegative(index.value) and is_nonnegative(extent - 1 - index.value)
            if isinstance(index, Int) and not inside:
                found.append(f"{to_text(expression)} in {list(expression.value.shape)}")
    return found + [text for child in children(expression) for text in unproven(child)]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.op}-{n}" for n, case in enumerate(CASES)])
def test_indices_that_sizes_decide_are_inside(case: Case, tmp_path: Path) -> None:
    """No formula reads outside a tensor, whatever the symbols are: such indices are not checked at run time."""
    for symbolic in [False, True] if case.sizes else [False]:
        path = tmp_path / "case.onnx"
        onnx.save(case.model(case.opsets()[-1], symbolic), path)
        graph = import_model(path, {f"n{size}": "1..64" for size in case.sizes if symbolic and has(case, size)})
        for node in graph.nodes:
            if OPS[node.op].kind == "control" or node.attrs.get("checked"):
                continue  # a routine checks what it reads; the call has checked that such a reshape fits
            for n, value in enumerate(node.outputs):
                if all(extent != 0 for extent in value.shape):
                    assert not unproven(formula_of(node, n).body), node


def has(case: Case, size: int) -> bool:
    return any(size in value.shape for value in case.feeds().values())
