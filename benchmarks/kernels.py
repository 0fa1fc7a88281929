"""Measures the float32 kernels at GPT-2's shapes against the machine's own limits, probed in the same rounds.

    python -m benchmarks.kernels [--threads 1,2] [--level avx512] [--rounds 5] [--only linear]

The limit of a kernel is max(multiply-adds / peak, bytes that must come from memory / read bandwidth), with both probed in C
between the cases. A virtual machine's speed wanders; so for each case the best time of all rounds is set against the best
probe, and the median of the rounds is shown beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kaoken.emit.kernels import (
    AttentionSpec,
    LinearSpec,
    NormSpec,
    Part,
    render_attention,
    render_linear,
    render_norm,
    render_tiles,
)
from kaoken.passes.choose_schedule import choose_attention, choose_linear

ROOT = Path(__file__).resolve().parent.parent
ROWS = (1, 2, 4, 8, 16, 32, 128, 512)
FMA_FLOP = 12 * 16 * 2 * 1_000_000
BUFFER_BYTES = 4 * (96 << 20)
MOST_ROWS, MOST_WIDTH = 512, 3072
HEADS, HEAD_DIM, CAPACITY = 12, 64, 1040
PROBES = {-1: "fma", -2: "read 1", -3: "read 4", -4: "read 8"}


@dataclass(frozen=True)
class Case:
    """One row of the table: C statements that run it, its cost, and the floats of weights or cache it walks through."""

    name: str
    call: str
    flop: float
    bytes: float
    weight_floats: int


def linear_cases() -> tuple[list[LinearSpec], list[Case]]:
    table = [
        ("qkv", 768, 2304, None, False),
        ("attn_proj", 768, 768, None, True),
        ("fc", 768, 3072, "gelu_tanh", False),
        ("mlp_proj", 3072, 768, None, True),
        ("lm_head", 768, 50257, None, False),
    ]
    specs, cases = [], []
    for name, k, n, activation, residual in table:
        parts = (Part("rows", 768), Part("keys", 768, 64), Part("values", 768, 64)) if name == "qkv" else None
        spec = LinearSpec(name, (), k, n, name != "lm_head", activation, residual, parts, choose_linear(k, n))
        specs.append(spec)
        floats = k * -(-n // 16) * 16
        bias = ", m->x" if spec.bias else ""
        for rows in ROWS:
            if parts:
                call = f"{name}(t, 1, {rows}, m->x, {k}, w{bias}, m->y, 768, &cache);"
            else:
                more = f", m->y, {n}" if residual else ""
                call = f"{name}(t, {rows}, m->x, {k}, w{bias}{more}, m->y, {n});"
            flop = 2.0 * rows * k * n
            cases.append(Case(f"linear {k}x{n} {rows}", call, flop, 4.0 * floats, floats))
    return specs, cases


def attention_cases() -> tuple[list[AttentionSpec], list[Case]]:
    spec = AttentionSpec("attention", (), HEADS, HEADS, HEAD_DIM, HEAD_DIM, 0.125, True, False, False, "zero", choose_attention())
    floats = 2 * HEADS * CAPACITY * HEAD_DIM
    cases = []
    for seq in (128, 512):
        call = f"attention(t, 1, {seq}, m->x, 768, &cache, {seq}, m->y, 768);"
        flop = 4.0 * HEADS * HEAD_DIM * seq * (seq + 1) / 2
        cases.append(Case(f"attention prompt {seq}", call, flop, 0.0, 0))  # the cache was just written
    for context in (128, 512, 1024):
        past = f"static const int64_t past[] = {{{context - 1}}}; cache.past = past; "
        call = past + "attention(t, 1, 1, m->x, 768, &cache, 1, m->y, 768);"
        flop = 4.0 * HEADS * HEAD_DIM * context
        cases.append(Case(f"attention decode {context}", call, flop, 4.0 * 2 * HEADS * HEAD_DIM * context, floats))
    return [spec], cases


def norm_cases() -> tuple[list[NormSpec], list[Case]]:
    spec = NormSpec("norm", (), "layer", 768, 1e-5, True, True)
    cases = []
    for rows in (1, 128, 512):
        call = f"(void)w; norm(t, 1, {rows}, m->x, 0, 768, m->x, m->x, m->y);"
        cases.append(Case(f"norm 768 {rows}", call, 7.0 * rows * 768, 0.0, 0))
    return [spec], cases


def source(level: str, only: str, k_block: int, row_block: int) -> tuple[str, list[Case]]:
    """The C program and its cases, in the order of the numbers that it prints."""
    linears, cases = linear_cases()
    if k_block or row_block:
        linears = [replace(s, schedule=replace(s.schedule, k_block=k_block or s.k, row_block=row_block or 256)) for s in linears]
    attentions, more = attention_cases()
    norms, rest = norm_cases()
    cases = [case for case in cases + more + rest if only in case.name]
    lines = [f"#define KK_LEVEL_{level.upper()} 1"] if level in ("avx512", "avx2") else []
    lines += ["#define _POSIX_C_SOURCE 200809L", "#include <math.h>", '#include "kk_simd.h"']
    lines += ['#include "kk_activation.h"', '#include "kk_threads.h"', '#include "kk_cache.h"']
    lines.append(render_tiles([spec.schedule for spec in (*linears, *attentions)]))
    lines += [*map(render_linear, linears), *map(render_attention, attentions), *map(render_norm, norms)]
    lines.append(f"enum {{ BENCH_ROWS = {MOST_ROWS}, BENCH_WIDTH = {MOST_WIDTH} }};")
    lines.append("typedef struct bench_memory { float *buffer, *x, *y; } bench_memory;")
    lines.append(
        "typedef struct bench_case { void (*run)(kk_thread *t, bench_memory *m, float *w); int64_t weight_floats; } bench_case;"
    )
    for number, case in enumerate(cases):
        cache = ""
        if "&cache" in case.call:
            # Linear layers write keys and values behind y's rows; attention reads them where the weights would be.
            place = "m->y + 512 * 768" if case.name.startswith("linear") else "w"
            cache = f"float *c = {place}; kk_cache cache = {{c, c + {HEADS * CAPACITY * HEAD_DIM}, {CAPACITY}, NULL}}; "
        unused = "" if "w" in case.call.replace("norm", "").split("(t")[1] or "= w" in cache else "(void)w; "
        lines.append(f"static void case_{number}(kk_thread *t, bench_memory *m, float *w) {{ {unused}{cache}{case.call} }}")
    table = ", ".join(f"{{case_{number}, {case.weight_floats}}}" for number, case in enumerate(cases))
    lines.append(f"static const bench_case cases[] = {{{table}}};")
    lines.append((ROOT / "benchmarks" / "kernels.c").read_text())
    lines.append('#include "kk_simd_end.h"')
    return "\n".join(lines) + "\n", cases


def build(text: str, folder: Path, compiler: str) -> Path:
    path, program = folder / "bench.c", folder / "bench"
    path.write_text(text)
    command = [
        compiler,
        "-std=c99",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Wno-unused-function",
        f"-I{ROOT / 'runtime'}",
        f"-I{ROOT / 'kaoken' / 'bench'}",
    ]
    subprocess.run([*command, str(path), "-o", str(program), "-lpthread", "-lm"], check=True)
    return program


def report(text: str, cases: Sequence[Case], threads: int) -> str:
    """The table of one run: time, speed, and share of the limit by best and by median."""
    times: dict[int, list[float]] = defaultdict(list)
    for line in text.splitlines():
        _, number, seconds = line.split()
        times[int(number)].append(float(seconds))
    peak = threads * FMA_FLOP / min(times[-1])
    reads = {PROBES[p]: BUFFER_BYTES / min(times[p]) for p in (-2, -3, -4)}
    bandwidth = max(reads.values())
    middle = statistics.median
    lines = [
        f"{threads} thread(s): FMA {peak / 1e9:.0f} GFLOP/s, " + ", ".join(f"{k} {v / 1e9:.1f} GB/s" for k, v in reads.items())
    ]
    lines.append(
        f"  (medians: FMA {threads * FMA_FLOP / middle(times[-1]) / 1e9:.0f}, "
        f"read {BUFFER_BYTES / min(middle(times[p]) for p in (-2, -3, -4)) / 1e9:.1f})"
    )
    lines.append(f"{'case':30} {'best us':>10} {'median us':>10} {'GFLOP/s':>8} {'GB/s':>6} {'bound':>7} {'share':>6}")
    for number, case in enumerate(cases):
        best, median = min(times[number]), statistics.median(times[number])
        compute, memory = case.flop / peak, case.bytes / bandwidth
        bound = "compute" if compute > memory else "memory"
        share = max(compute, memory) / best
        lines.append(
            f"{case.name:30} {1e6 * best:10.1f} {1e6 * median:10.1f} {case.flop / best / 1e9:8.1f} "
            f"{case.bytes / best / 1e9:6.1f} {bound:>7} {100 * share:5.0f}%"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2", help="thread counts, each measured in a run of its own")
    parser.add_argument("--level", default="avx512", help="avx512, avx2, or target for what the compiler gives")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.02, help="time for a case in a round")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: one thread on a busy machine")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--k-block", type=int, default=0, help="instead of the chosen one")
    parser.add_argument("--row-block", type=int, default=0, help="instead of the chosen one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text, cases = source(options.level, options.only, options.k_block, options.row_block)
        program = build(text, Path(folder), os.environ.get("CC", "cc"))
        for threads in map(int, options.threads.split(",")):
            command = [str(program), str(threads), str(options.rounds), str(options.seconds), options.clock]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(report(done.stdout, cases, threads), flush=True)


if __name__ == "__main__":
    main()
