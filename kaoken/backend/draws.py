"""The standard's cases of Bernoulli expect one draw of NumPy's: what can be judged is how often 1 is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx

TIMES = 4096
"""As often is each of a case's elements drawn."""

DEVIATIONS = 5.0
"""So many standard deviations may a frequency be away: one element of 1.7 million is, by chance."""


def is_draw(case: Any) -> bool:
    """Whether a case's results are draws that no other generator repeats."""
    return str(case.name).startswith("test_bernoulli")


def repeated(model: onnx.ModelProto) -> onnx.ModelProto:
    """The case's model for each of its elements `TIMES` times, along a new first axis."""
    large = onnx.ModelProto()
    large.CopyFrom(model)
    del large.graph.value_info[:]
    for info in (*large.graph.input, *large.graph.output):
        shape = [d.dim_value for d in info.type.tensor_type.shape.dim]
        element = info.type.tensor_type.elem_type
        info.CopyFrom(onnx.helper.make_tensor_value_info(info.name, element, [TIMES, *shape]))
    return large


def judge(model: onnx.ModelProto, run: Callable[[list[Any]], Sequence[Any]], probabilities: np.ndarray) -> str:
    """What is wrong with the draws of a case's repeated model, or nothing.

    `run` gives the model's outputs; `probabilities` are the case's input. The standard's function body of Bernoulli, which the
    expanded cases hold, draws 1 where a uniform number is greater than the operand, so with one minus the probability.
    """
    drawn = np.asarray(run([np.broadcast_to(probabilities, (TIMES, *probabilities.shape)).copy()])[0])
    dtype = onnx.helper.tensor_dtype_to_np_dtype(model.graph.output[0].type.tensor_type.elem_type)
    if drawn.dtype != dtype or not np.isin(drawn, (0, 1)).all():
        return f"draws of {drawn.dtype} instead of {dtype}, or others than 0 and 1"
    asked = probabilities.astype(np.float64)
    if any(node.op_type == "Greater" for node in model.graph.node):
        asked = 1 - asked
    away = np.abs(drawn.astype(np.float64).mean(axis=0) - asked)
    allowed = DEVIATIONS * np.sqrt(asked * (1 - asked) / TIMES) + 1 / TIMES
    centred = drawn.reshape(TIMES, -1).astype(np.float64) - asked.reshape(-1)
    products = centred.T @ centred / TIMES  # of independent draws, 0 off the diagonal, with a deviation of at most 1/4
    dependent = np.abs(products - np.diag(np.diag(products))).max() > DEVIATIONS / 4 / np.sqrt(TIMES)
    if (away > allowed).any() or dependent:
        return f"1 is drawn {away.max():.4f} too often or too seldom, or elements depend on each other"
    return ""
