"""The machine's limits, probed in C between the measurements: multiply-adds and reading memory."""

from __future__ import annotations

import ctypes
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from kaoken.emit.runtime_sources import runtime_folder
from kaoken.toolchain import run_compiler

LARGEST_BUFFER = 96 << 22  # bytes; 403 MB
COPY_WAYS, READ_STREAMS = (0, 1), (1, 4, 8)

READ_BYTES = 128 << 20  # what a probe reads at least, in as many passes as that takes

FMA_REPEATS, FMA_SETTLING = 15, 6  # of some milliseconds each; those that are not counted


@dataclass(frozen=True)
class Limits:
    """What `threads` threads can do together: FLOP and bytes a second."""

    flops: float
    bandwidth: float


class Probes:
    """Built once with the system's C compiler, at an instruction set level ("avx512", "avx2", "neon" or "plain").

    The bandwidth is that of reading as many bytes as the model has weights again and again: from memory for a large model, from
    the cache that holds them for a small one.
    """

    def __init__(self, level: str, weights_bytes: int, folder: Path) -> None:
        """`folder` takes the library. Raises ToolchainError."""
        here, library = Path(__file__).parent, folder / "probes.so"
        defines = [f"-DKK_LEVEL_{level.upper()}=1"] if level in ("avx512", "avx2") else []
        flags = ["-O2", "-std=c99", "-fPIC", "-shared", *defines, f"-I{runtime_folder()}", f"-I{here}"]
        run_compiler([*flags, str(here / "probes.c"), "-o", str(library), "-lpthread"], "probes.c")
        self._library = ctypes.CDLL(str(library))
        self._library.kaoken_probe_read.restype = ctypes.c_double
        self._floats = max(1 << 16, min(weights_bytes, LARGEST_BUFFER)) // 4
        self._buffer = _aligned(self._floats)

    def measure(self, threads: int) -> Limits:
        """Probe once; takes about a quarter of a second."""
        speeds = (ctypes.c_double * FMA_REPEATS)()
        self._library.kaoken_probe_fma(ctypes.c_int(threads), ctypes.c_int(FMA_REPEATS), speeds)
        flops = statistics.median(speeds[FMA_SETTLING:])
        passes = -(-READ_BYTES // (4 * self._floats))
        sizes = (ctypes.c_int64(self._floats), ctypes.c_int64(passes))
        return Limits(
            flops, self._library.kaoken_probe_read(ctypes.c_int(threads), ctypes.c_void_p(self._buffer.ctypes.data), *sizes)
        )

    def passes(self) -> tuple[list[Callable[[], object]], list[Callable[[], object]]]:
        """Functions that read the buffer once, and that copy it once to another, each in the calling thread: one for each way.

        The fastest way is the limit. Who calls them times them, by the clock of his choice.
        """
        target = _aligned(self._floats)
        to, at, floats = (
            ctypes.c_void_p(target.ctypes.data),
            ctypes.c_void_p(self._buffer.ctypes.data),
            ctypes.c_int64(self._floats),
        )

        def copy(way: int) -> None:
            _ = target  # kept
            self._library.kaoken_probe_copy_once(to, at, floats, ctypes.c_int(way))

        read = self._library.kaoken_probe_read_once
        read.restype = ctypes.c_float
        reads: list[Callable[[], object]] = [partial(read, at, floats, ctypes.c_int(streams)) for streams in READ_STREAMS]
        return reads, [partial(copy, way) for way in COPY_WAYS]


def _aligned(floats: int) -> np.ndarray:
    """So many ones that begin where a line of the cache does."""
    raw = np.ones(floats + 16, np.float32)
    start = -raw.ctypes.data % 64 // 4
    return raw[start : start + floats]
