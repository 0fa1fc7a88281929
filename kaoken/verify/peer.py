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


def open_session(model: Path | bytes, threads: int) -> Any:
    """An onnxruntime session on the CPU with so many threads. Raises UsageError, in its own words, where it refuses the model."""
    runtime = load_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    try:
        return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise UsageError(f"onnxruntime {runtime.__version__} cannot load the model to compare with: {words[0]}") from error


class Peer:
    """A model in onnxruntime on the CPU, float32, as its own optimiser runs it.

    `model` is a path (a folder means its model.onnx) or the bytes of a model.
    """

    def __init__(self, model: str | Path | bytes, threads: int = 1) -> None:
        if not isinstance(model, bytes):
            model = Path(model) / "model.onnx" if Path(model).is_dir() else Path(model)
        self.session = open_session(model, threads)
        self.output_names: list[str] = [output.name for output in self.session.get_outputs()]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name."""
        return dict(zip(self.output_names, self.session.run(None, dict(inputs)), strict=True))
