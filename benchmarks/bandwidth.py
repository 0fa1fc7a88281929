"""Elementwise chains, movement and reductions against the machine's bandwidth and onnxruntime, on one thread.

    python -m benchmarks.bandwidth
    python -m benchmarks.bandwidth --only Transpose --sizes 1,16 --rounds 5

Each case is a small model over 1, 4 and 16 million elements. In every round the machine's bandwidth (copying or reading as many
bytes as so many floats have, in the fastest way known), Kaoken and onnxruntime are timed in turn, all on tensors that lie in
memory: inputs and outputs are bound once, and nobody copies them. The bytes of a case are those that it must read and write.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import command
from benchmarks.bandwidth_cases import UNIT, Case, all_cases, dims
from kaoken.backend.build import built_folder
from kaoken.bench.contestants import CompiledModel, OnnxRuntime, Workload
from kaoken.bench.probes import Probes
from kaoken.cli.shared import numbers
from kaoken.errors import KaokenError, UsageError
from kaoken.session import SessionError
from kaoken.verify.run import level_of

FLAGS = ("-O2",)
TARGET = 0.8
FEWEST_CALLS = 3
LIMITS = {"copy": 8 * UNIT, "read": 4 * UNIT}
"""Bytes that a probe moves for each unit."""

Step = Callable[[], object]


@dataclass
class Row:
    """A case at a size: seconds of every round for each contestant and for the fastest probe, and the bytes of each."""

    case: str
    units: int
    bound: str
    bytes: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    difference: float = 0.0

    @property
    def share(self) -> float:
        """Kaoken's bandwidth over the machine's, the median of the rounds."""
        rounds = zip(self.seconds["kaoken"], self.seconds["probe"], strict=True)
        return statistics.median(self.bytes / ours * probe / (LIMITS[self.bound] * self.units) for ours, probe in rounds)

    @property
    def ratio(self) -> float:
        """onnxruntime's time over Kaoken's, the median of the rounds."""
        return statistics.median(
            theirs / ours for ours, theirs in zip(self.seconds["kaoken"], self.seconds["onnxruntime"], strict=True)
        )

    def milliseconds(self, who: str) -> float:
        return 1e3 * statistics.median(self.seconds[who])

    def as_json(self) -> dict[str, Any]:
        rounds = {who: [1e3 * s for s in times] for who, times in self.seconds.items()}
        return {**vars(self), "seconds": None, "rounds_ms": rounds, "share": self.share, "ratio": self.ratio}


def main(words: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("bandwidth", __doc__)
    parser.add_argument("--only", default="", help="cases whose name contains one of these words, separated by |")
    parser.add_argument("--sizes", default="1,4,16", help="in units of 2^20 elements")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.02, help="time for a contestant in a round")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a busy machine")
    parser.add_argument("--work", type=Path, default=Path("build/bandwidth"), help="folder for what is found")
    return command.exit_code(_run, parser.parse_args(words))


def _run(options: argparse.Namespace) -> int:
    started = time.perf_counter()
    wanted = options.only.lower().split("|")
    cases = [case for case in all_cases() if any(word in case.name.lower() for word in wanted)]
    sizes = numbers("sizes", options.sizes)
    if not cases or options.rounds < 1:
        raise UsageError(f"no case has {options.only} in its name" if not cases else "rounds begin with 1")
    clock = time.perf_counter if options.clock == "wall" else time.thread_time
    rows: list[Row] = []
    left_out, probes = [], _Probes()
    with ProcessPoolExecutor(os.cpu_count()) as pool:  # nothing is timed until all is built
        list(pool.map(_build, cases, [max(sizes)] * len(cases)))
    print(f"built in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    for case in cases:
        try:
            rows += measure(case, sizes, options.rounds, options.seconds, clock, probes)
        except (KaokenError, SessionError) as error:
            left_out.append(f"* left out: {case.name}: {error}")
            continue
        print("\n".join(map(_line, rows[-len(sizes) :])), file=sys.stderr, flush=True)
    options.work.mkdir(parents=True, exist_ok=True)
    text = "\n".join([table(rows), *left_out])
    (options.work / "bandwidth.md").write_text(text + "\n")
    (options.work / "bandwidth.json").write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")
    print(text)
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    return 0


def _build(case: Case, most: int) -> None:
    """Fills the cache of built models; what fails here fails again where it is told."""
    model = case.model()
    with contextlib.suppress(KaokenError):
        built_folder(model, dims(model, most), FLAGS)


class _Probes:
    """Ways to read and to copy, by the size."""

    def __init__(self) -> None:
        self._made: dict[int, dict[str, list[Step]]] = {}

    def at(self, units: int, level: str) -> dict[str, list[Step]]:
        if units not in self._made:
            with tempfile.TemporaryDirectory(prefix="kaoken-bandwidth-") as scratch:
                reads, copies = Probes(level, 4 * UNIT * units, Path(scratch)).passes()
            self._made[units] = {"read": list(reads), "copy": list(copies)}
        return self._made[units]


def measure(
    case: Case, sizes: Sequence[int], rounds: int, seconds: float, clock: Callable[[], float], probes: _Probes
) -> list[Row]:
    """One row for each size, of `seconds` for each contestant in each round."""
    model = case.model()
    folder = built_folder(model, dims(model, max(sizes)), FLAGS)
    level = level_of(folder)
    ours, theirs = CompiledModel(folder, 1, 1), OnnxRuntime("onnxruntime", model.SerializeToString(), 1)
    rows = []
    for units in sizes:
        inputs = case.inputs(model, units)
        workload = Workload(case.name, {}, inputs)
        steps: dict[str, Step] = {"kaoken": ours.prepare(workload), "onnxruntime": theirs.prepare(workload)}
        mine, other = (np.asarray(steps[who]()) for who in steps)
        row = Row(case.name, units, case.bound, case.bytes(inputs, mine, units))
        row.difference = float(np.max(np.abs(mine.astype(np.float64) - other.astype(np.float64)), initial=0))
        for number in range(rounds):
            ways = [_time(way, seconds / 2, clock) for way in probes.at(units, level)[case.bound]]
            row.seconds.setdefault("probe", []).append(min(ways))
            for who in steps if number % 2 == 0 else reversed(steps):
                row.seconds.setdefault(who, []).append(_time(steps[who], seconds, clock))
        rows.append(row)
    return rows


def _time(step: Step, seconds: float, clock: Callable[[], float]) -> float:
    """Seconds of a call: the median of as many as fit, after one that is not counted."""
    step()
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < FEWEST_CALLS or time.perf_counter() - begun < seconds:
        start = clock()
        step()
        times.append(clock() - start)
        if times[-1] > 10 * seconds:
            break
    return statistics.median(times)


def _line(row: Row) -> str:
    speed = row.bytes / row.milliseconds("kaoken") / 1e6
    return (
        f"| {row.case} | {row.units}M | {row.milliseconds('kaoken'):.2f} | {speed:.1f} | {100 * row.share:.0f}%"
        f"{'' if row.share >= TARGET else ' ▼'} | {row.ratio:.2f}{'' if row.ratio >= 1 else ' ▼'} |"
    )


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown, and how many of them reach what is asked for."""
    head = [
        "| case | elements | ms | GB/s | of the machine's bandwidth | onnxruntime's time over ours |",
        "| --- |" + " ---: |" * 5,
    ]
    reached = sum(row.share >= TARGET for row in rows), sum(row.ratio >= 1 for row in rows)
    summary = (
        f"{reached[0]} of {len(rows)} rows reach {TARGET:.0%} of the bandwidth, "
        f"{reached[1]} are at least as fast as onnxruntime; ▼ marks the others."
    )
    return "\n".join([*head, *map(_line, rows), "", summary])


if __name__ == "__main__":
    sys.exit(main())
