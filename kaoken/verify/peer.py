"""onnxruntime as the peer whose own error sets the limit (extra `kaoken[verify]`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kaoken.errors import UsageError


def load_onnxruntime() -> Any:
    """The onnxruntime module; UsageError with what to install where it is missing."""
    try:
        import onnxruntime  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise UsageError('onnxruntime is not installed; run: pip install "kaoken[verify]"') from error
    return onnxruntime


class Peer:
    """A model in onnxruntime on the CPU, float32, as its own optimiser runs it.

    `model` is a path (a folder means its model.onnx) or the bytes of a model.
    """

    def __init__(self, model: str | Path | bytes, threads: int = 1) -> None:
        runtime = load_onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        if not isinstance(model, bytes):
            model = str(Path(model) / "model.onnx" if Path(model).is_dir() else model)
        self.session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.output_names: list[str] = [output.name for output in self.session.get_outputs()]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name."""
        return dict(zip(self.output_names, self.session.run(None, dict(inputs)), strict=True))
