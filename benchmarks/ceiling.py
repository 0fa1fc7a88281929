"""What a matmul can reach at most: the register tile beside multiply-adds that need no data, step by step, and beside a BLAS.

    python -m benchmarks.ceiling [--level avx512] [--rounds 9]

Multiply-adds from registers are the FLOP limit of every table here. No kernel reaches it: each multiply-add of a matmul needs
data, and loading it takes power or ports even from the first-level cache. One thread, processor time, medians of
interleaved rounds.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np

from kaoken.emit.kernels import render_tiles
from kaoken.emit.runtime_sources import runtime_folder
from kaoken.passes.choose_schedule import choose_linear

HERE = Path(__file__).parent
STEPS = ("multiply-adds from registers", "tile, data in L1", "tile, weights in L2", "tile, weights from memory")
SIZE = 1536


def build(level: str, folder: Path) -> Path:
    """The program with the main tile of a level. Raises CalledProcessError where the C compiler fails."""
    schedule = choose_linear(768, 768)
    tile = next(tiles.main for tiles in schedule.tiles if tiles.level == level)
    text = [f"#define KK_LEVEL_{level.upper()} 1", "#define _GNU_SOURCE", '#include "kk_simd.h"', '#include "kk_activation.h"']
    text += ['#include "kk_matmul.h"', render_tiles([schedule])]
    text += [f"#define ROWS {tile.rows}", f"#define PANELS {tile.panels}", f"#define TILE tiles[{tile.rows}][{tile.panels}]"]
    source, program = folder / "ceiling.c", folder / "ceiling"
    source.write_text("\n".join(text) + "\n" + (HERE / "ceiling.c").read_text())
    folders = [f"-I{runtime_folder()}", f"-I{HERE.parent / 'kaoken' / 'bench'}"]
    compiler = shlex.split(os.environ.get("CC") or "cc")
    subprocess.run([*compiler, "-O2", "-Wno-unused", *folders, str(source), "-o", str(program), "-lm"], check=True)
    return program


def blas() -> float:
    """FLOP/s of NumPy's matrix product of two SIZE x SIZE matrices, in one thread."""
    a, b = (np.random.default_rng(seed).standard_normal((SIZE, SIZE), np.float32) for seed in (0, 1))
    out = a @ b
    start = time.thread_time()
    np.matmul(a, b, out=out)
    return 2.0 * SIZE**3 / (time.thread_time() - start)


def torch_blas() -> float:
    """FLOP/s of PyTorch's, or 0 where it is not installed."""
    try:
        import torch
    except ImportError:
        return 0.0
    torch.set_num_threads(1)
    a, b = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    out = torch.mm(a, b)
    start = time.thread_time()
    torch.mm(a, b, out=out)
    return 2.0 * SIZE**3 / (time.thread_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--level", default="avx512", choices=("avx512", "avx2"))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = build(options.level, Path(folder))
        rounds = []
        for _ in range(options.rounds):
            done = subprocess.run([str(program), "1"], capture_output=True, text=True, check=True)
            rounds.append([*map(float, done.stdout.split()), blas(), torch_blas()])
    peak = statistics.median(r[0] for r in rounds)
    print(f"{'':30} {'GFLOP/s':>8} {'share':>6}  rounds")
    names = (*STEPS, f"NumPy's sgemm {SIZE}^3", f"PyTorch's sgemm {SIZE}^3")
    for name, speeds in zip(names, zip(*rounds, strict=True), strict=True):
        if speeds[0]:
            middle = statistics.median(speeds)
            print(f"{name:30} {middle / 1e9:8.0f} {100 * middle / peak:5.0f}%  " + " ".join(f"{s / 1e9:.0f}" for s in speeds))


if __name__ == "__main__":
    main()
