"""Times a compiled model beside onnxruntime at its best, in interleaved rounds, and against the machine's limits.

In a round every workload is timed for every contestant, in an order that turns from round to round, with the limits probed around
each workload. All rounds are kept; medians leave out those in which a probe fell 10% below its best, unless all did.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from kaoken.bench import encoder_decoder
from kaoken.bench.contestants import CompiledModel, Contestant, OnnxRuntime, Step, Workload
from kaoken.bench.cost import Cost, graph_costs, limit_seconds
from kaoken.bench.last_position import last_position_model
from kaoken.bench.probes import Limits, Probes
from kaoken.bench.workloads import generation_workloads, whole_workloads
from kaoken.compiler import CompileOptions, compile_model, lower, model_name
from kaoken.errors import VerificationError
from kaoken.frontend.mapped_file import find_model_file, is_encoder_decoder
from kaoken.ir.graph import Graph
from kaoken.session import build_library
from kaoken.verify.run import level_of

Progress = Callable[[str], None]
PROBE_TOLERANCE = 0.9
NO_LIMITS = Limits(0, 0)
SETTLE_SECONDS = 0.02  # onnxruntime's idle workers spin for a while after a run


@dataclass(frozen=True)
class BenchOptions:
    """prefill: prompt lengths (for other models: lengths). decode: contexts of one-token steps.

    batches: (rows, length) of further workloads of models without a cache, where their bounds allow.
    seconds: time for a contestant in a round. as_is: also time the graph as it was exported.
    """

    dims: Mapping[str, str] = field(default_factory=dict)
    prefill: Sequence[int] = (16, 128, 512)
    decode: Sequence[int] = (128, 512)
    threads: Sequence[int] = (1, 2)
    rounds: int = 5
    seconds: float = 0.5
    as_is: bool = True
    batches: Sequence[tuple[int, int]] = ((8, 128),)


@dataclass
class Row:
    """A workload at a number of threads: seconds of each round by contestant, and the limit by the limits that were probed."""

    workload: str
    threads: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    probes: list[Limits] = field(default_factory=list)
    best: Limits = NO_LIMITS
    limit: float = 0.0

    @property
    def disturbed(self) -> list[bool]:
        """For each round whether another tenant of the machine took 10% or more of it."""
        bars = PROBE_TOLERANCE * self.best.flops, PROBE_TOLERANCE * self.best.bandwidth
        return [p.flops < bars[0] or p.bandwidth < bars[1] for p in self.probes]

    def median(self, contestant: str) -> float:
        """Over the undisturbed rounds, or over all where there is none."""
        times = self.seconds[contestant]
        calm = [t for t, bad in zip(times, self.disturbed, strict=True) if not bad]
        return statistics.median(calm or times)

    def as_json(self) -> dict[str, Any]:
        return {
            "workload": self.workload,
            "threads": self.threads,
            "median_ms": {name: 1e3 * self.median(name) for name in self.seconds},
            "rounds_ms": {name: [1e3 * t for t in times] for name, times in self.seconds.items()},
            "ratio": {name: self.median(name) / self.median("kaoken") for name in self.seconds if name != "kaoken"},
            "limit_ms": 1e3 * self.limit,
            "roofline_share": self.limit / self.median("kaoken"),
            "disturbed": self.disturbed,
            "probes": [asdict(p) for p in self.probes],
        }


@dataclass
class Benchmark:
    """All rows, and what was said about them."""

    model: str
    level: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        rows = [row.as_json() for row in self.rows]
        return {"model": self.model, "level": self.level, "notes": self.notes, "rows": rows}


def bench_model(
    model: Path, compiled: Path | None = None, options: BenchOptions | None = None, progress: Progress | None = None
) -> Benchmark:
    """Measure a compiled folder (or one made for the purpose and thrown away) beside onnxruntime.

    Raises UsageError for a missing model or missing onnxruntime, UnsupportedModelError, session.BuildError or ToolchainError when
    the C compiler fails, VerificationError when the contestants do not compute the same.
    """
    with tempfile.TemporaryDirectory(prefix="kaoken-bench-") as scratch:
        return _Bench(model, compiled, options or BenchOptions(), progress or (lambda _text: None), Path(scratch)).run()


class _Bench:
    def __init__(self, model: Path, compiled: Path | None, options: BenchOptions, say: Progress, scratch: Path) -> None:
        self.file, self.options, self.say, self.scratch = find_model_file(model), options, say, scratch
        self.is_encoder_decoder = is_encoder_decoder(model)
        say("reading the model" if compiled is not None else "compiling")
        choices = CompileOptions(dims=dict(options.dims))
        self.graph: Graph = lower(model, choices, model_name(model, None))
        self.folder = compiled if compiled is not None else compile_model(model, scratch / "model", choices).out
        build_library(self.folder)
        self.proto = onnx.load(self.file, load_external_data=False)
        level = level_of(self.folder)
        self.found = Benchmark(str(self.file), level)
        self.probes = Probes(level, self.graph.metadata["weights"].total, scratch)
        self.peer_file: Path = self.file

    def run(self) -> Benchmark:
        if self.is_encoder_decoder:
            workloads = encoder_decoder.workloads(self.folder, self.file.parent, list(self.options.prefill))
            costs = [encoder_decoder.costs(self.graph, w) for w in workloads]
        else:
            first = CompiledModel(self.folder, 1, 1)
            choices = self.options
            given = (self.graph, self.proto, choices.dims)
            if first.is_language_model:
                workloads = generation_workloads(*given, choices.prefill, choices.decode)
                self._cut_head()
            else:
                workloads = whole_workloads(*given, choices.prefill, choices.batches)
            costs = [graph_costs(self.graph, w.dims) for w in workloads]
        for threads in self.options.threads:
            self._measure(threads, workloads, costs)
        return self.found

    def _cut_head(self) -> None:
        self.say("making onnxruntime's graph with logits of the last position")
        reason = last_position_model(self.file, self.scratch / "last_position.onnx")
        if reason is None:
            self.peer_file = self.scratch / "last_position.onnx"
        else:
            self.found.notes.append(f"onnxruntime computes logits of all positions: {reason}")

    def _contestants(self, threads: int) -> list[Contestant]:
        self.say(f"loading the model for {threads} thread{'s' if threads > 1 else ''}")
        if self.is_encoder_decoder:
            return encoder_decoder.contestants(self.folder, self.file.parent, threads)
        longest = max([*self.options.prefill, 1])
        contestants: list[Contestant] = [CompiledModel(self.folder, threads, longest)]
        contestants.append(OnnxRuntime("onnxruntime", self.peer_file, threads))
        if self.options.as_is and self.peer_file != self.file:
            contestants.append(OnnxRuntime("onnxruntime as is", self.file, threads))
        return contestants

    def _measure(self, threads: int, workloads: Sequence[Workload], costs: Sequence[list[Cost]]) -> None:
        contestants = self._contestants(threads)
        rows = [Row(w.name, threads) for w in workloads]
        for n in range(self.options.rounds):
            self.say(f"{threads} thread{'s' if threads > 1 else ''}, round {n + 1} of {self.options.rounds}")
            for workload, row in zip(workloads, rows, strict=True):
                row.probes.append(self.probes.measure(threads))
                turned = contestants[n % len(contestants) :] + contestants[: n % len(contestants)]
                results = {c.name: self._time(c.prepare(workload), row, c.name) for c in turned}
                if n == 0:
                    _check_same(workload.name, results)
        best = Limits(max(p.flops for row in rows for p in row.probes), max(p.bandwidth for row in rows for p in row.probes))
        for row, cost in zip(rows, costs, strict=True):
            row.best, row.limit = best, limit_seconds(cost, best)
            row.seconds = {c.name: row.seconds[c.name] for c in contestants}
        self.found.rows += rows

    def _time(self, step: Step, row: Row, name: str) -> np.ndarray:
        """Median seconds of a step over about options.seconds, after one that warms up."""
        time.sleep(SETTLE_SECONDS)
        result = step().copy()
        times: list[float] = []
        end = time.perf_counter() + self.options.seconds
        while not times or time.perf_counter() < end:
            started = time.perf_counter()
            step()
            times.append(time.perf_counter() - started)
        row.seconds.setdefault(name, []).append(statistics.median(times))
        return result


def _check_same(workload: str, results: Mapping[str, np.ndarray]) -> None:
    """Contestants that disagree are not doing the same work. A thousandth of the largest value is far above rounding."""
    ours = results["kaoken"]
    for name, other in results.items():
        same = other.size == ours.size
        if same:
            same = bool(np.abs(other.reshape(-1) - ours.reshape(-1)).max(initial=0) <= 1e-3 * np.abs(ours).max(initial=0))
        if not same:
            raise VerificationError(f"{workload}: {name} and Kaoken compute different things; run `kaoken verify`")
