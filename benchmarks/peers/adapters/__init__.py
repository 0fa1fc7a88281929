"""The contestants: Kaoken and its peers, one module each, imported only in the child process that runs it.

A module has a class `Adapter(files, threads)` whose `prepare(workload)` gives a `Task`, or raises `Unsupported` with the reason.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

import kaoken
from benchmarks.peers.files import ModelFiles
from kaoken.bench.contestants import Workload

CLOCK = "KAOKEN_BENCHMARK_CLOCK"
"""Environment variable: `cpu` has a contestant's processor time measured, for one thread on a machine that others use."""

LINE = 64


def clock() -> float:
    """Seconds of the clock that is asked for."""
    return time.process_time() if os.environ.get(CLOCK) == "cpu" else time.perf_counter()


class Unsupported(Exception):
    """A peer that cannot do a model or a workload; the message says why."""


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy that begins a cache line, as memory that runtimes allocate themselves does."""
    raw = np.empty(array.nbytes + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class Task:
    """A workload that is ready to run again and again.

    step does it once and gives its first output (of a language model the last position's logits). rewind, which is not
    timed, brings back the state that a step starts from.
    """

    def __init__(self, step: Callable[[], np.ndarray], rewind: Callable[[], object] = lambda: None) -> None:
        self._step, self._rewind = step, rewind

    def result(self) -> np.ndarray:
        """What a step gives, in memory of its own."""
        self._rewind()
        return np.array(self._step(), np.float32).reshape(-1)

    def times(self, seconds: float) -> list[float]:
        """Seconds of each of so many steps as fill the time, after one that warms up; where that one fills it, its own."""
        first, end = self._time(), time.perf_counter() + seconds
        found = [first] if first >= seconds else []
        while not found or (first < seconds and time.perf_counter() < end):
            found.append(self._time())
        return found

    def _time(self) -> float:
        self._rewind()
        started = clock()
        self._step()
        return clock() - started


class Adapter(Protocol):
    """A contestant that has loaded a model."""

    def prepare(self, workload: Workload) -> Task: ...


@dataclass(frozen=True)
class Peer:
    """A contestant's name, its module here, the package that it needs (none for Kaoken), and how it is set up."""

    name: str
    module: str
    package: str | None
    settings: str

    @property
    def version(self) -> str | None:
        """The installed version, or None."""
        if self.package is None:
            return kaoken.__version__
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return None

    def load(self, files: ModelFiles, threads: int) -> Adapter:
        """Raises Unsupported where the peer cannot do the model."""
        adapter: Any = importlib.import_module(f"benchmarks.peers.adapters.{self.module}")
        made: Adapter = adapter.Adapter(files, threads)
        return made


PEERS = {
    peer.name: peer
    for peer in (
        Peer("kaoken", "compiled", None, "the compiled folder, called through ctypes"),
        Peer(
            "onnxruntime",
            "onnxruntime",
            "onnxruntime",
            "all optimisations; inputs, outputs and cache bound to buffers; the graph cut to the last position's logits",
        ),
        Peer(
            "openvino",
            "openvino",
            "openvino",
            "the cut graph, float32 also for the cache, latency hint, one stream; the cache kept as the request's own state",
        ),
        Peer(
            "ctranslate2",
            "ctranslate2",
            "ctranslate2",
            "converted from the checkpoint, float32; a prompt by the quicker of generate_batch and forward_batch, "
            "steps behind a cached static prompt",
        ),
        Peer(
            "llama.cpp",
            "llama_cpp",
            "llama-cpp-python",
            "GGUF with float32 weights and cache, one batch a prompt; its GELU goes through a table in half precision",
        ),
        Peer("torch", "torch_eager", "torch", "eager, scaled_dot_product_attention, a cache cropped between steps"),
        Peer(
            "torch.compile",
            "torch_compiled",
            "torch",
            "one graph for each workload, static shapes and cache, weights frozen and packed",
        ),
    )
}


def quickest(tasks: list[Task]) -> Task:
    """Of several ways to do one workload the one with the least median of a few runs."""
    if len(tasks) == 1:
        return tasks[0]
    medians = [statistics.median([statistics.median(task.times(0)) for _ in range(3)]) for task in tasks]
    return tasks[medians.index(min(medians))]
