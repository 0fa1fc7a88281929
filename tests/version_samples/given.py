"""Uses of operators that no other table has: attributes at values of their own, old forms, every optional input, inner graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser
from op_cases.case import Case, floats

NEWEST = onnx.defs.onnx_opset_version()


def use(
    op: str,
    inputs: tuple[Any, ...],
    attrs: dict[str, Any] | None = None,
    fixed: tuple[int, ...] = (),
    outputs: tuple[str, ...] = ("y",),
    since: int = 7,
    until: int = NEWEST,
    rtol: float = 2e-6,
    oracle: str = "onnxruntime",
) -> Case:
    """A use of an operator in the form that is in force at `until`, for rows from `since` on. Lists are sequences of matrices."""
    return Case(op, inputs, attrs or {}, fixed, (), outputs, since, until, rtol, oracle)


def graph(text: str) -> onnx.GraphProto:
    return parser.parse_graph(text)


def sparse(values: np.ndarray, places: np.ndarray, shape: list[int]) -> onnx.SparseTensorProto:
    return helper.make_sparse_tensor(numpy_helper.from_array(values), numpy_helper.from_array(places), shape)


IMAGE = floats(2, 3, 6, 7)
TENSORS = [floats(2, 3, seed=n) for n in range(3)]
