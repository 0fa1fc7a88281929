"""Kernels in a library of their own, with the memory that their calls need, and a clock in C around them."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaoken.emit.kernels import (
    AttentionSpec,
    LinearSpec,
    NormSpec,
    Spec,
    render_kernel,
    render_tiles,
    scratch_bytes,
)
from kaoken.emit.runtime_sources import runtime_folder
from kaoken.errors import ToolchainError
from kaoken.ir.schedule import PANEL
from kaoken.toolchain import run_compiler

FMA_FLOP = 12 * 16 * 2 * 1_000_000
LARGEST_WEIGHTS = 96 << 20
"""Floats that successive calls walk through at most: more than caches hold."""

POOL_BYTES = 1 << 16
"""What a pool of threads needs beside their scratch, with room to spare."""

_RUNTIME = ("kk_threads.c", "kk_platform.c")

_DECLARATIONS = """
typedef struct tune_memory {
    float *weights, *x, *y, *cache, *zeros;
    unsigned char *pool; /* of threads, with scratch_bytes each */
    int64_t weight_floats, scratch_bytes, pool_bytes, cursor;
    int64_t zero_floats; /* half of them lie before a relative bias */
} tune_memory;
typedef struct tune_call {
    int64_t batch, rows, keys, floats; /* floats of weights, or of a cache, that a call reads */
} tune_call;
typedef struct tune_case {
    void (*run)(kk_thread *t, tune_memory *m, const tune_call *c, float *w);
} tune_case;
"""


@dataclass(frozen=True)
class Size:
    """Sizes of a call: rows of x in all, or batch rows of so many queries that see `keys` positions."""

    rows: int
    batch: int = 1
    keys: int = 0

    def __str__(self) -> str:
        rows = f"{self.batch}x{self.rows}" if self.batch > 1 else str(self.rows)
        return f"{rows} at {self.keys}" if self.keys else rows


NOTHING = Size(0)


def padded(positions: int) -> int:
    """Capacity of a cache for so many positions."""
    return -(-positions // PANEL) * PANEL


def floats_read(spec: Spec, size: Size) -> int:
    """Floats of packed weights, or of keys and values, that a call has to read from memory."""
    if isinstance(spec, LinearSpec):
        return spec.k * padded(spec.n)
    if isinstance(spec, AttentionSpec):
        return size.batch * spec.kv_heads * padded(size.keys) * (spec.head_dim + spec.value_dim)
    return 0


def flop(spec: Spec, size: Size) -> float:
    """Floating-point operations of a call, a multiply-add being two."""
    if isinstance(spec, LinearSpec):
        return 2.0 * size.rows * spec.k * spec.n
    if isinstance(spec, AttentionSpec):
        seen = size.rows * size.keys - (size.rows * (size.rows - 1) // 2 if spec.causal else 0)
        return 2.0 * size.batch * spec.heads * seen * (spec.head_dim + spec.value_dim)
    return 7.0 * size.rows * spec.width


def _call(spec: Spec) -> str:
    """C statements that call a kernel with sizes `c` and memory `m`."""
    if isinstance(spec, NormSpec):
        tail = "".join(", m->x" for given in (spec.scale, spec.shift) if given)
        return f"(void)w; {spec.name}(t, 1, c->rows, m->x, 0, {spec.width}{tail}, m->y);"
    if isinstance(spec, LinearSpec):
        arguments = ["t", *(["c->rows"] if spec.parts is None else ["c->batch", "c->rows / c->batch"]), "m->x", str(spec.k), "w"]
        arguments += ["m->x"] if spec.bias else []
        arguments += ["m->y", str(spec.n)] if spec.residual else []
        rows = [spec.n] if spec.parts is None else [part.columns for part in spec.parts if part.kind == "rows"]
        arguments += ["m->y", str(rows[0])] if rows else []
        cached = {part.kind: part for part in spec.parts or () if part.kind != "rows"}
        if not cached:
            return f"{spec.name}({', '.join(arguments)});"
        capacity = "((c->rows / c->batch + 15) / 16 * 16)"
        values = f"c->batch * {cached['keys'].columns} * {capacity}" if "keys" in cached else "0"
        head = f"const kk_cache cache = {{m->cache, m->cache + {values}, {capacity}, NULL, NULL}};"
        return f"{head} {spec.name}({', '.join([*arguments, '&cache'])});"
    capacity, past = "((c->keys + 15) / 16 * 16)", "c->keys - c->rows" if spec.causal else "0"
    head = f"int64_t past[{MOST_BATCH}]; for (int64_t b = 0; b < c->batch; b++) past[b] = {past};"
    values = f"c->batch * {spec.kv_heads * spec.head_dim} * {capacity}"
    head += f" const kk_cache cache = {{w, w + {values}, {capacity}, past, NULL}};"
    tail = "NULL, 0, " if spec.mask else ""
    if spec.relative:
        tail += "m->zeros + m->zero_floats / 2, 0, "
    elif spec.bias:
        tail += "m->zeros, 0, 0, 0, "
    q = f"m->x, {spec.heads * spec.head_dim}"
    return (
        f"{head} {spec.name}(t, c->batch, c->rows, {q}, &cache, c->keys - ({past}), {tail}m->y, {spec.heads * spec.value_dim});"
    )


MOST_BATCH = 64


def render(specs: Sequence[Spec], level: str) -> str:
    """The C of a library with these kernels, each name once, as cases 0, 1, ... in their order."""
    schedules = [spec.schedule for spec in specs if not isinstance(spec, NormSpec)]
    lines = [f"#define KK_LEVEL_{level.upper()} 1"] if level in ("avx512", "avx2") else []
    lines += ["#define _POSIX_C_SOURCE 200809L", "#include <math.h>", '#include "kk_simd.h"']
    lines += ['#include "kk_activation.h"', '#include "kk_matmul.h"', '#include "kk_norm.h"', _DECLARATIONS]
    lines += [render_tiles(schedules)] if schedules else []
    for spec in specs:
        lines.append(render_kernel(spec))
        head = f"static void case_{spec.name}(kk_thread *t, tune_memory *m, const tune_call *c, float *w)"
        lines.append(f"{head}\n{{\n    {_call(spec)}\n}}")
    table = ", ".join(f"{{case_{spec.name}}}" for spec in specs)
    lines.append(f"static const tune_case cases[] = {{{table}}};")
    lines.append((Path(__file__).parent / "harness.c").read_text(encoding="utf-8"))
    return "\n".join([*lines, '#include "kk_simd_end.h"']) + "\n"


class _Memory(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("weights", "x", "y", "cache", "zeros", "pool")),
        *((name, ctypes.c_int64) for name in ("weight_floats", "scratch_bytes", "pool_bytes", "cursor", "zero_floats")),
    ]


class _Call(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("batch", "rows", "keys", "floats")]


class Memory:
    """What calls of some kernels at some sizes read and write: random weights, inputs and caches, results, scratch."""

    def __init__(self, uses: Sequence[tuple[Spec, Size]], weight_floats: int, threads: int, scratch: int = 0) -> None:
        """weight_floats: of the model, whose weights come from memory when they are many, from a cache when they are few.

        scratch: bytes a thread, at least; kernels that come later may need more than these.
        """
        largest = max((floats_read(spec, size) for spec, size in uses), default=0)
        weights = max(largest, min(weight_floats, max(LARGEST_WEIGHTS, largest)))
        x = max((_x_floats(spec, size) for spec, size in uses), default=0)
        y = max((_y_floats(spec, size) for spec, size in uses), default=0)
        cache = max((_cache_floats(spec, size) for spec, size in uses), default=0)
        zeros = 2 * max((padded(size.keys) for _, size in uses), default=0) + 2 * PANEL
        each = -(-max([scratch, 64, *(scratch_bytes(spec) for spec, _ in uses)]) // 4096) * 4096
        self.arrays = {
            "weights": _random(weights),
            "x": _random(x),
            "y": _aligned(y),
            "cache": _aligned(cache),
            "zeros": _aligned(zeros),
            "pool": _aligned((POOL_BYTES + each * threads) // 4),
        }
        self.c = _Memory()
        for name, array in self.arrays.items():
            setattr(self.c, name, array.ctypes.data)
        self.c.weight_floats, self.c.scratch_bytes, self.c.zero_floats = weights, each, zeros
        self.c.pool_bytes = self.arrays["pool"].nbytes

    def fits(self, spec: Spec, size: Size = NOTHING) -> bool:
        """Whether a kernel's scratch fits, and a call of that size."""
        room = {name: array.size for name, array in self.arrays.items()}
        return (
            scratch_bytes(spec) <= int(self.c.scratch_bytes)
            and floats_read(spec, size) <= room["weights"]
            and _x_floats(spec, size) <= room["x"]
            and _y_floats(spec, size) <= room["y"]
            and _cache_floats(spec, size) <= room["cache"]
            and 2 * padded(size.keys) + 2 * PANEL <= room["zeros"]
        )


def _x_floats(spec: Spec, size: Size) -> int:
    if isinstance(spec, LinearSpec):
        return max(size.rows * spec.k, padded(spec.n))
    if isinstance(spec, AttentionSpec):
        return size.batch * size.rows * spec.heads * spec.head_dim
    return size.rows * spec.width


def _cache_floats(spec: Spec, size: Size) -> int:
    return size.batch * spec.n * padded(size.rows) if isinstance(spec, LinearSpec) else 0


def _y_floats(spec: Spec, size: Size) -> int:
    if isinstance(spec, LinearSpec):
        return size.rows * spec.n
    if isinstance(spec, AttentionSpec):
        return size.batch * size.rows * spec.heads * spec.value_dim
    return size.rows * spec.width


def _aligned(floats: int) -> np.ndarray:
    """Zeros on pages of the common size, as those of a mapped weights file are (NumPy asks for huge ones)."""
    return np.frombuffer(mmap.mmap(-1, 4 * (floats + PANEL)), np.float32)


def _random(floats: int) -> np.ndarray:
    """Values within -0.5..0.5; a long array repeats a short random one, which no kernel can tell."""
    array = _aligned(floats)
    piece = np.random.default_rng(0).random(min(array.size, 1 << 20), np.float32) - np.float32(0.5)
    for start in range(0, array.size, piece.size):
        array[start : start + piece.size] = piece[: array.size - start]
    return array


class Library:
    """Kernels, built for one level with the system's C compiler."""

    def __init__(self, specs: Sequence[Spec], level: str, folder: Path) -> None:
        """`folder` takes the source and the library. Raises ToolchainError."""
        self.specs = tuple(specs)
        number = len(list(folder.glob("kernels_*.c")))
        source, library = folder / f"kernels_{number}.c", folder / f"kernels_{number}.so"
        source.write_text(render(specs, level), encoding="utf-8")
        here = Path(__file__).parent
        flags = [
            "-O2",
            "-std=c99",
            "-fPIC",
            "-shared",
            "-Wno-unused-function",
            f"-I{runtime_folder()}",
            f"-I{here.parent / 'bench'}",
        ]
        sources = [str(source), *(str(runtime_folder() / name) for name in _RUNTIME)]
        run_compiler([*flags, *sources, "-o", str(library), "-lm", "-lpthread"], "kernels")
        self._library = ctypes.CDLL(str(library))
        self._library.kaoken_tune_run.restype = self._library.kaoken_tune_probe.restype = ctypes.c_double

    def run(self, memory: Memory, number: int, size: Size, threads: int, calls: int, cpu: bool = False) -> float:
        """Seconds for `calls` calls of the kernel of a number: wall time, or processor time of the first thread.

        Raises ValueError for a call that the memory was not made for.
        """
        if not memory.fits(self.specs[number], size):
            raise ValueError(f"{self.specs[number].name} at {size} does not fit the memory")
        just_written = size.rows == size.keys  # keys and values of a prompt, which attention finds in the caches
        call = _Call(size.batch, size.rows, size.keys, 0 if just_written else floats_read(self.specs[number], size))
        run = self._library.kaoken_tune_run
        arguments = (ctypes.c_int(number), ctypes.byref(call), ctypes.c_int(threads), ctypes.c_int64(calls), ctypes.c_int(cpu))
        return _positive(run(ctypes.byref(memory.c), *arguments))

    def fma(self, memory: Memory, threads: int, cpu: bool = False) -> float:
        """FLOP a second that threads multiply and add at most."""
        probe = self._library.kaoken_tune_probe
        arguments = (ctypes.c_int(0), ctypes.c_int64(1), ctypes.c_int(threads), ctypes.c_int(cpu))
        return threads * FMA_FLOP / _positive(probe(ctypes.byref(memory.c), *arguments))

    def read(self, memory: Memory, threads: int, streams: int, cpu: bool = False) -> float:
        """Bytes a second that threads read of the weights, in 1, 4 or 8 streams."""
        passes = -(-(128 << 20) // (4 * int(memory.c.weight_floats)))
        probe = self._library.kaoken_tune_probe
        arguments = (ctypes.c_int(streams), ctypes.c_int64(passes), ctypes.c_int(threads), ctypes.c_int(cpu))
        return 4.0 * int(memory.c.weight_floats) * passes / _positive(probe(ctypes.byref(memory.c), *arguments))


def _positive(seconds: float) -> float:
    if seconds < 0:
        raise ToolchainError("the system refuses to start threads for measuring")
    return max(seconds, 1e-9)
