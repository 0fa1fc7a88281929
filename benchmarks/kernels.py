"""Measures the float32 kernels at GPT-2's shapes against the machine's own limits, probed in the same rounds.

    python -m benchmarks.kernels [--threads 1,2] [--level avx512] [--rounds 5] [--only linear]

The limit of a kernel is max(multiply-adds / peak, bytes that must come from memory / read bandwidth), with both probed in C
between the cases. A virtual machine's speed wanders; so for each case the best time of all rounds is set against the best
probe, and the median of the rounds is shown beside it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kaoken.emit.kernels import AttentionSpec, LinearSpec, NormSpec, Part, Spec
from kaoken.passes.choose_schedule import choose_attention, choose_linear
from kaoken.tune.harness import LARGEST_WEIGHTS, Library, Memory, Size, floats_read, flop

ROWS = (1, 2, 4, 8, 16, 32, 128, 512)
HEADS, HEAD_DIM = 12, 64
STREAMS = (1, 4, 8)
CASES_A_PROBE = 8


@dataclass(frozen=True)
class Case:
    """One row of the table: a kernel, the sizes of its call, and the bytes that it has to read from memory."""

    name: str
    spec: Spec
    size: Size
    bytes: float


def linear_cases(k_block: int, row_block: int) -> list[Case]:
    table = [
        ("qkv", 768, 2304, None, False),
        ("attn_proj", 768, 768, None, True),
        ("fc", 768, 3072, "gelu_tanh", False),
        ("mlp_proj", 3072, 768, None, True),
        ("lm_head", 768, 50257, None, False),
    ]
    cases = []
    for name, k, n, activation, residual in table:
        parts = (Part("rows", 768), Part("keys", 768, 64), Part("values", 768, 64)) if name == "qkv" else None
        schedule = choose_linear(k, n)
        if k_block or row_block:
            schedule = replace(schedule, k_block=k_block or -(-k // 256) * 256, row_block=row_block or 256)
        spec = LinearSpec(name, k, n, name != "lm_head", activation, residual, parts, schedule)
        cases += [Case(f"linear {k}x{n} {rows}", spec, Size(rows), 4.0 * floats_read(spec, Size(rows))) for rows in ROWS]
    return cases


def attention_cases() -> list[Case]:
    spec = AttentionSpec("attention", HEADS, HEADS, HEAD_DIM, HEAD_DIM, 0.125, True, False, False, "zero", choose_attention())
    cases = []
    for seq in (128, 512):  # the cache was just written
        cases.append(Case(f"attention prompt {seq}", spec, Size(seq, keys=seq), 0.0))
    for context in (128, 512, 1024):
        size = Size(1, keys=context)
        cases.append(Case(f"attention decode {context}", spec, size, 4.0 * floats_read(spec, size)))
    return cases


def norm_cases() -> list[Case]:
    spec = NormSpec("norm", "layer", 768, 1e-5, True, True)
    return [Case(f"norm 768 {rows}", spec, Size(rows), 0.0) for rows in (1, 128, 512)]


class Bench:
    """Times of all rounds for some threads, by case; probes beside them."""

    def __init__(self, cases: Sequence[Case], level: str, threads: int, folder: Path, cpu: bool) -> None:
        self.cases, self.threads, self.cpu = cases, threads, cpu
        specs = list(dict.fromkeys(case.spec for case in cases))
        self.numbers = [specs.index(case.spec) for case in cases]
        self.library = Library(specs, level, folder)
        self.memory = Memory([(case.spec, case.size) for case in cases], LARGEST_WEIGHTS, threads)
        self.times: dict[int, list[float]] = defaultdict(list)
        self.peaks: list[float] = []
        self.reads: dict[int, list[float]] = defaultdict(list)

    def round(self, number: int, seconds: float) -> None:
        """Every case for some seconds, in turning order, with probes among them: other tenants of the machine come and go."""
        order = range(len(self.cases))
        for place, case in enumerate(order if number % 2 == 0 else reversed(order)):
            if place % CASES_A_PROBE == 0:
                self.peaks.append(self.library.fma(self.memory, self.threads, self.cpu))
                for streams in STREAMS:
                    self.reads[streams].append(self.library.read(self.memory, self.threads, streams, self.cpu))
            arguments = (self.memory, self.numbers[case], self.cases[case].size, self.threads)
            calls = max(1, min(10000, int(seconds / self.library.run(*arguments, 1, self.cpu))))
            self.times[case].append(self.library.run(*arguments, calls, self.cpu) / calls)

    def report(self) -> str:
        """The table: time, speed, and share of the limit by best and by median."""
        peak, bandwidth = max(self.peaks), max(max(speeds) for speeds in self.reads.values())
        middle = statistics.median
        reads = ", ".join(f"read {streams} {max(speeds) / 1e9:.1f} GB/s" for streams, speeds in self.reads.items())
        lines = [f"{self.threads} thread(s): FMA {peak / 1e9:.0f} GFLOP/s, {reads}"]
        typical = max(middle(speeds) for speeds in self.reads.values())
        lines.append(f"  (medians: FMA {middle(self.peaks) / 1e9:.0f}, read {typical / 1e9:.1f})")
        lines.append(f"{'case':30} {'best us':>10} {'median us':>10} {'GFLOP/s':>8} {'GB/s':>6} {'bound':>7} {'share':>6}")
        for number, case in enumerate(self.cases):
            best, median, work = min(self.times[number]), middle(self.times[number]), flop(case.spec, case.size)
            compute, memory = work / peak, case.bytes / bandwidth
            bound = "compute" if compute > memory else "memory"
            lines.append(
                f"{case.name:30} {1e6 * best:10.1f} {1e6 * median:10.1f} {work / best / 1e9:8.1f} "
                f"{case.bytes / best / 1e9:6.1f} {bound:>7} {100 * max(compute, memory) / best:5.0f}%"
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
    cases = linear_cases(options.k_block, options.row_block) + attention_cases() + norm_cases()
    cases = [case for case in cases if options.only in case.name]
    if not cases:
        parser.error(f"no case has {options.only} in its name")
    with tempfile.TemporaryDirectory() as folder:
        for threads in map(int, options.threads.split(",")):
            bench = Bench(cases, options.level, threads, Path(folder), options.clock == "cpu")
            for number in range(options.rounds):
                bench.round(number, options.seconds)
            print(bench.report(), flush=True)


if __name__ == "__main__":
    main()
