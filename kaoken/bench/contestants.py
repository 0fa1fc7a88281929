"""The two sides of a comparison: a compiled folder, and onnxruntime with bound buffers, doing one workload again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kaoken.session import Session, TextGenerator
from kaoken.verify.peer import load_onnxruntime, open_session

Step = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Workload:
    """One row of the table. `inputs` are the model's, by name.

    For a language model `feed` has the ids that are timed, `context` those in the cache before them, and `filling` the inputs
    of a run that computes such a cache.
    """

    name: str
    dims: Mapping[str, int]
    inputs: Mapping[str, np.ndarray]
    feed: np.ndarray | None = None
    context: np.ndarray | None = None
    filling: Mapping[str, np.ndarray] | None = None


class Contestant(Protocol):
    """Somebody who can be timed."""

    name: str

    def prepare(self, workload: Workload) -> Step:
        """A function that does the workload once and returns its first output (for a language model: the last logits)."""
        ...


class CompiledModel:
    """A compiled folder. A language model is fed; another model is run as a whole."""

    name = "kaoken"

    def __init__(self, folder: Path, threads: int, longest: int) -> None:
        self._session = Session(folder, threads=threads)
        self._generator: TextGenerator | None = None
        if self._session._library.interface["feed"]:
            context = int(self._session._library.interface["context"])
            self._generator = TextGenerator(folder, threads=threads, sequence=min(longest, context))

    @property
    def is_language_model(self) -> bool:
        return self._generator is not None

    def prepare(self, workload: Workload) -> Step:
        generator, session = self._generator, self._session
        if generator is None or workload.feed is None:
            bound = session.bind(None, dict(workload.inputs))
            return lambda: bound()[0]
        ids, past = workload.feed, 0 if workload.context is None else len(workload.context)
        generator.reset()
        if past:
            assert workload.context is not None
            generator.feed(workload.context)

        def step() -> np.ndarray:
            generator.truncate(past)
            return generator.feed(ids)

        return step


class OnnxRuntime:
    """onnxruntime's own choice of kernels, with every input and output bound to a buffer that is made once."""

    def __init__(self, name: str, model: Path | bytes, threads: int) -> None:
        self.name = name
        self._runtime = load_onnxruntime()
        self._session = open_session(model, threads)

    def prepare(self, workload: Workload) -> Step:
        """The cache, where there is one, is an OrtValue like every other input: no step copies it outside the graph."""
        value = self._runtime.OrtValue
        names = [output.name for output in self._session.get_outputs()]
        inputs = {name: np.ascontiguousarray(array) for name, array in workload.inputs.items()}
        if workload.filling is not None:
            held = dict(zip(names, self._session.run(None, dict(workload.filling)), strict=True))
            inputs |= {name: held[_present(name)] for name in inputs if _present(name) in held}
        first = self._session.run(None, inputs)
        binding = self._session.io_binding()
        kept: list[Any] = []
        for name, array in inputs.items():
            kept.append(value.ortvalue_from_numpy(array))
            binding.bind_ortvalue_input(name, kept[-1])
        outputs = [value.ortvalue_from_numpy(np.zeros_like(array)) for array in first]
        for name, buffer in zip(names, outputs, strict=True):
            binding.bind_ortvalue_output(name, buffer)

        def step() -> np.ndarray:
            self._session.run_with_iobinding(binding)
            _ = kept
            array: np.ndarray = outputs[0].numpy()
            return array[:, -1].reshape(-1) if workload.feed is not None else array

        return step


def _present(past: str) -> str:
    """The output that a cache's input continues, as exporters name them."""
    return past.replace("past_key_values", "present", 1)
