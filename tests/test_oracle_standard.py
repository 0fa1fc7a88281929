"""The oracle on the ONNX standard's own node cases, for the operators that transformers' graphs are made of."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from kaoken.verify.oracle import Oracle
from kaoken.verify.oracle_ops import OPERATORS

OPERATOR_TYPES = sorted(
    OPERATORS.keys()
    | {"Attention", "RMSNormalization", "RotaryEmbedding", "LayerNormalization", "Softmax", "If", "Loop", "Where", "Gather"}
)


@cache
def cases() -> dict[str, list[Any]]:
    """The standard's cases by the operator that they are about (their only kind of node, constants aside)."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    found: dict[str, list[Any]] = {}
    for test in tests:
        kinds = {node.op_type for node in test.model.graph.node}
        kinds = kinds if kinds == {"Constant"} else kinds - {"Constant"}
        if len(kinds) == 1:
            found.setdefault(kinds.pop(), []).append(test)
    return found


def array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def agrees(found: Any, expected: Any) -> bool:
    """Integers, bools and text equal; floats within what the expected value's own type can hold."""
    if isinstance(expected, list) or expected is None:
        return isinstance(found, list) and len(found) == len(expected) and all(map(agrees, found, expected))
    expected = np.asarray(expected)
    if found.shape != expected.shape:
        return False
    if expected.dtype.kind in "OUS":
        return bool((found.astype(str) == expected.astype(str)).all())
    if expected.dtype.kind in "iub":
        return found.dtype == expected.dtype and bool((found == expected).all())
    # The expected values of narrow floats were rounded on the way; the oracle's were not.
    tolerance = 2e-2 if expected.dtype.itemsize <= 2 else 1e-5
    return np.allclose(found.astype(np.float64), expected.astype(np.float64), rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("operator", OPERATOR_TYPES)
def test_oracle_gives_what_the_standard_expects(operator: str) -> None:
    # An optional of a sequence, which no exporter writes, is not held as the standard's runner holds it.
    tests = [test for test in cases()[operator] if test.name != "test_if_opt"]
    assert tests
    wrong = []
    for test in tests:
        graph = test.model.graph
        for inputs, expected in test.data_sets:
            feeds = {value.name: array(given) for value, given in zip(graph.input, inputs, strict=True)}
            found = Oracle(test.model).run(feeds)
            if not all(agrees(found[o.name], array(e)) for o, e in zip(graph.output, expected, strict=True)):
                wrong.append(test.name)
    assert not wrong
