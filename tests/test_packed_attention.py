"""Packed operands of com.microsoft.MultiHeadAttention, which onnxruntime has no CPU kernel for: as those of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from op_cases.case import Case, floats

from kaoken.frontend import import_model
from kaoken.ir.interpret import run_graph

ATTRIBUTES = {"num_heads": 2, "unidirectional": 1}


def result(inputs: tuple[np.ndarray | None, ...], path: Path) -> np.ndarray:
    case = Case("MultiHeadAttention", inputs, ATTRIBUTES, until=21, domain="com.microsoft")
    onnx.save(case.model(21), path)
    return run_graph(import_model(path), case.feeds())["y"]


@pytest.mark.parametrize("bias", [None, floats(24)], ids=["", "bias"])
@pytest.mark.parametrize("packed", [3, 2], ids=["qkv", "kv"])
def test_packed_operands_are_those_of_their_own(packed: int, bias: np.ndarray | None, tmp_path: Path) -> None:
    apart = [floats(2, 5, 8, seed=n) for n in range(3)]
    heads = [t.reshape(2, 5, 2, 1, 4) for t in apart]
    together = np.concatenate(heads[3 - packed :], axis=3)
    inputs = (together, None, None, bias) if packed == 3 else (apart[0], together, None, bias)
    ours, theirs = result(inputs, tmp_path / "packed.onnx"), result((*apart, bias), tmp_path / "apart.onnx")
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
