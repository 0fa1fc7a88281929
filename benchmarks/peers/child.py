"""A contestant in a process of its own, so that thread pools and allocators do not meet; asked over pipes what to do.

A child waits for the next request in a read, and pools are told to sleep soon after a run: whoever is not asked takes no time.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.adapters import CLOCK, PEERS, Adapter, Task, Unsupported, aligned
from benchmarks.peers.files import ModelFiles
from kaoken.bench.contestants import Workload

BLOCK_MILLISECONDS = "20"  # that idle workers of Intel's OpenMP spin, instead of 200
MOST_WORDS = 300  # of an error


class ChildError(RuntimeError):
    """A child that ended, or refused; the message is its own."""


class Child:
    """The parent's side: one contestant with so many threads, which has loaded a model."""

    def __init__(self, peer: str, files: ModelFiles, threads: int, clock: str = "wall") -> None:
        """clock: `wall`, or `cpu` for processor time. Raises ChildError where the peer cannot be loaded."""
        self.peer = peer
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (close() does)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.child", peer, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **_environment(threads), CLOCK: clock},
            cwd=Path(__file__).resolve().parent.parent.parent,
        )
        try:
            self._ask("load", files)
        except ChildError:
            self.close()
            raise

    def prepare(self, number: int, workload: Workload) -> np.ndarray:
        """Make a workload ready under a number; its result."""
        found: np.ndarray = self._ask("prepare", number, workload)
        return found

    def times(self, number: int, seconds: float) -> list[float]:
        """Seconds of each run of a workload that is ready."""
        found: list[float] = self._ask("times", number, seconds)
        return found

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def _ask(self, *request: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            pickle.dump(request, self._process.stdin)
            self._process.stdin.flush()
            status, answer = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            self._process.wait()
            raise ChildError(f"{self.peer}: its process ended with {self._process.returncode}: {self._last_words()}") from None
        if status != "fine":
            raise ChildError(answer)
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        return lines[-1][:MOST_WORDS]


def _environment(threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "KMP_BLOCKTIME": BLOCK_MILLISECONDS}
    return {**dict.fromkeys(names, str(threads)), **quiet}


class _Served:
    """The child's side."""

    def __init__(self, peer: str, threads: int) -> None:
        self._peer, self._threads = PEERS[peer], threads
        self._adapter: Adapter | None = None
        self._tasks: dict[int, Task] = {}

    def load(self, files: ModelFiles) -> None:
        self._adapter = self._peer.load(files, self._threads)

    def prepare(self, number: int, workload: Workload) -> np.ndarray:
        assert self._adapter is not None
        inputs = {name: aligned(array) for name, array in workload.inputs.items()}
        self._tasks[number] = self._adapter.prepare(replace(workload, inputs=inputs))
        return self._tasks[number].result()

    def times(self, number: int, seconds: float) -> list[float]:
        return self._tasks[number].times(seconds)


def main() -> None:
    """Answer requests until there are no more. Whatever libraries print goes to the error stream."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    served = _Served(sys.argv[1], int(sys.argv[2]))
    while True:
        try:
            name, *arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = "fine", getattr(served, name)(*arguments)
        except Unsupported as error:
            answer = "refused", str(error)
        except Exception as error:
            words = str(error).strip().splitlines() or [""]
            answer = "refused", f"{type(error).__name__}: {words[0][:MOST_WORDS]}"
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
