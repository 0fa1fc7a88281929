"""Kaoken: the compiled folder. Each workload has a handle of its own, so that its cache stays; handles share the weights."""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import time
from pathlib import Path

import numpy as np

from benchmarks.peers.adapters import Task, aligned, clock
from benchmarks.peers.files import ModelFiles
from kaoken.bench.contestants import CompiledModel, Workload
from kaoken.bench.encoder_decoder import CompiledEncoderDecoder
from kaoken.errors import ToolchainError
from kaoken.session import Library

LAYER_SOURCE = Path(__file__).resolve().parent.parent.parent / "layer.c"
LOOP_SECONDS = 1e-3  # of calls that are timed together


class Adapter:
    def __init__(self, files: ModelFiles, threads: int) -> None:
        self._files, self._threads = files, threads

    def prepare(self, workload: Workload) -> Task:
        if self._files.kind == "layer":
            return _Layer(self._files, self._threads, workload)
        if self._files.kind == "encoder-decoder":
            return Task(CompiledEncoderDecoder(self._files.compiled, self._threads).prepare(workload))
        longest = 1 if workload.feed is None else len(workload.feed)
        if workload.context is not None:
            longest = max(longest, len(workload.context))
        return Task(CompiledModel(self._files.compiled, self._threads, longest).prepare(workload))


class _Layer(Task):
    """A layer that C calls in a loop, without Python in between; a time is the mean of a millisecond of calls."""

    def __init__(self, files: ModelFiles, threads: int, workload: Workload) -> None:
        library = ctypes.CDLL(str(_build_layer(files)))
        (hidden,) = workload.inputs.values()
        length = hidden.shape[1]
        library.layer_open.restype = ctypes.c_void_p
        weights = os.fsencode(next(files.compiled.glob("*.weights")))
        model = ctypes.c_void_p(library.layer_open(weights, ctypes.c_int64(length), ctypes.c_int64(threads)))
        if not model:
            raise RuntimeError("the handle cannot be made")
        bound = CompiledModel(files.compiled, 1, 1).prepare(workload)
        result = aligned(bound())
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (hidden, result)]

        def run(times: int) -> float:
            _ = hidden
            started = clock()
            if library.layer_run(model, ctypes.c_int64(length), *pointers, ctypes.c_int64(times)):
                raise RuntimeError("the layer refused its arguments")
            return clock() - started

        def step() -> np.ndarray:
            run(1)
            return result

        super().__init__(step)
        self._run = run

    def times(self, seconds: float) -> list[float]:
        calls = max(1, int(LOOP_SECONDS / max(min(self._run(1) for _ in range(5)), 1e-8)))
        found: list[float] = []
        end = time.perf_counter() + seconds
        while not found or time.perf_counter() < end:
            found.append(self._run(calls) / calls)
        return found


def _build_layer(files: ModelFiles) -> Path:
    """The shared library of a layer and `layer.c`. Raises ToolchainError with the compiler's words."""
    folder, out = files.compiled, files.work / "layer.so"
    name = Library(folder).name
    sources = [LAYER_SOURCE, *sorted(folder.glob("*.c")), *sorted((folder / "kaoken").glob("*.c"))]
    command = [*shlex.split(os.environ.get("CC") or "cc"), "-O2", "-fPIC", "-shared", f"-DMODEL={name}", f'-DHEADER="{name}.h"']
    command += [f"-I{folder}", *map(str, sources), "-o", str(out), "-lm", "-lpthread"]
    if not out.is_file() or any(out.stat().st_mtime < source.stat().st_mtime for source in sources):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise ToolchainError(f"the C compiler refused layer.c:\n{done.stderr.strip()}")
    return out
