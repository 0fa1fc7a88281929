"""`kaoken tune` as a function: measures the alternatives of a compiled model's kernels on this machine, and writes the best."""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaoken.compiler import REPORT, CompileOptions, compile_model
from kaoken.errors import UsageError
from kaoken.ir.schedule import MOST_TILE_ROWS
from kaoken.ir.schedule_file import ScheduleFile, schedule_table, write_schedules
from kaoken.report.spec_json import spec_of
from kaoken.session import build_library
from kaoken.tune.harness import Memory
from kaoken.tune.search import MOST_SCRATCH, Kernel, Point, Race, Say, Search, few_sizes
from kaoken.tune.situations import Situation, kernel_sizes, situations
from kaoken.tune.whole import Comparison, NotRenderedHereError, compare, rescheduled_folder
from kaoken.verify.run import level_of

SEARCH_SHARE = 0.7
"""Of the time, for the search; what is left is for timing the result beside what there was."""
CONFIRM_ROUNDS = 7
RUNS = {"avx512": ("avx512", "avx2", "plain"), "avx2": ("avx2", "plain"), "neon": ("neon",), "plain": ("plain",)}
"""Levels that a machine of a level can measure."""
KEPT, NO_WORSE = 0.995, 1.005
"""A tuned schedule has to be faster by so much, where it matters, when it is timed again, and no slower on the whole."""


@dataclass(frozen=True)
class TuneOptions:
    """minutes: what all takes, about. threads: counts that a schedule is to be good for. dims: as of `compile --dim`, for ONNX.

    only: kernels whose shape's name contains this. level: one below the machine's own, for machines that have no better.
    """

    minutes: float = 5.0
    threads: Sequence[int] = (1,)
    dims: Mapping[str, str] = field(default_factory=dict)
    only: str = ""
    level: str | None = None


@dataclass(frozen=True)
class KernelTime:
    """A kernel at one size: seconds with the old and with the new schedule."""

    size: str
    threads: int
    before: float
    after: float


@dataclass
class TunedKernel:
    """A kernel and what the search made of it. ratio: time after over time before, the geometric mean over sizes."""

    shape: str
    before: str
    after: str
    changed: bool
    ratio: float = 1.0
    times: list[KernelTime] = field(default_factory=list)


@dataclass
class Tuning:
    """What was found: by kernel, and for the model as a whole."""

    file: Path
    level: str
    threads: tuple[int, ...]
    kernels: list[TunedKernel] = field(default_factory=list)
    whole: list[Comparison] = field(default_factory=list)
    measured: int = 0
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        kernels = [{**vars(k), "times": [vars(t) for t in k.times]} for k in self.kernels]
        whole = [row.as_json() for row in self.whole]
        return {**vars(self), "file": str(self.file), "kernels": kernels, "whole": whole}


def tune_model(path: Path, file: Path, options: TuneOptions | None = None, progress: Say | None = None) -> Tuning:
    """Tune a compiled folder, or an ONNX model that is compiled for the purpose, and write the schedules to `file`.

    An interrupt ends the search; what is known by then is written. Raises UsageError for what is neither, and where there are no
    scheduled kernels; ToolchainError and session.BuildError when the C compiler fails; VerificationError if bits change.
    """
    options, say = options or TuneOptions(), progress or (lambda _text: None)
    with tempfile.TemporaryDirectory(prefix="kaoken-tune-") as scratch:
        folder = path
        if not (path / REPORT).is_file():
            say("compiling")
            folder = compile_model(path, Path(scratch) / "model", CompileOptions(dims=dict(options.dims))).out
        elif options.dims:
            raise UsageError(f"{path} is compiled already, and its bounds with it: leave out --dim, or give the ONNX model")
        return _Tune(folder, file, options, say, Path(scratch)).run()


class _Tune:
    def __init__(self, folder: Path, file: Path, options: TuneOptions, say: Say, scratch: Path) -> None:
        self.folder, self.file, self.options, self.say, self.scratch = folder, file, options, say, scratch
        self.report: dict[str, Any] = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        self.situations = situations(self.report["interface"])
        self.kernels = self._kernels()
        say("building with the C compiler")
        build_library(folder)
        self.started, self.written = time.monotonic(), False
        self.seconds = 60 * options.minutes
        self.own_level = level_of(folder)
        runs = RUNS[self.own_level]
        if options.level is not None and options.level not in runs:
            raise UsageError(f"this machine does not run {options.level}; --level is one of {', '.join(runs)}")
        self.found = Tuning(file, options.level or self.own_level, tuple(options.threads))
        uses = [(kernel.spec, size) for kernel in self.kernels for size in (*kernel.sizes, *few_sizes(kernel, MOST_TILE_ROWS))]
        self.memory = Memory(uses, self.report["weights_bytes"] // 4, max(options.threads), MOST_SCRATCH)
        (scratch / "kernels").mkdir()
        self.search = Search(self.kernels, self.found.level, options.threads, self.memory, scratch / "kernels")

    def _kernels(self) -> list[Kernel]:
        """One for each shape that is called at sizes known beforehand."""
        entries = [k for k in self.report["kernels"] if k.get("schedule") != "rows over threads"]
        if any("spec" not in k for k in entries):
            raise UsageError(f"{self.folder} was compiled by an earlier Kaoken, which did not say enough; compile it again")
        made: dict[str, Kernel] = {}
        for entry in entries:
            shape = entry["spec"]["shape"]
            sizes = kernel_sizes(entry["spec"], self.situations)
            if shape not in made and sizes and self.options.only in shape:
                made[shape] = Kernel(shape, spec_of(entry["name"], entry["spec"]), sizes)
        if not made:
            names = ", ".join(dict.fromkeys(entry["spec"]["shape"] for entry in entries))
            raise UsageError(f"{self.folder} has no kernel to tune" + (f"; --only takes a part of {names}" if names else ""))
        return list(made.values())

    def run(self) -> Tuning:
        try:
            self.say("timing the kernels as they are")
            self.search.weigh()
            self.search.run(self.started + SEARCH_SHARE * self.seconds, self.say)
            self._confirm()
            self._write()
            self._compare_whole()
        except KeyboardInterrupt:
            self.found.interrupted = True
            self.found.notes.append("interrupted: what was known by then was written")
            if not self.written:
                self._write()
        return self.found

    def _confirm(self) -> None:
        """Time every changed kernel beside its old schedule once more; an old one that is as fast stays."""
        changed = [k for k in self.search.kernels if k.changed]
        if changed:
            self.say(f"timing {len(changed)} kernels before and after")
            specs = [
                k.variant(s, f"k{n}_{side}") for n, k in enumerate(changed) for side, s in enumerate((k.spec.schedule, k.best))
            ]
            race = Race(self.search.library(specs), self.memory)
            for turn in range(CONFIRM_ROUNDS):
                for number, kernel in enumerate(changed):
                    race.round((2 * number, 2 * number + 1), self._all_points(kernel), turn)
        entries = []
        for kernel in self.search.kernels:
            entry = TunedKernel(kernel.shape, str(kernel.spec.schedule), str(kernel.best), False)
            if kernel in changed:
                number = changed.index(kernel)
                where_it_matters = race.ratio(2 * number + 1, 2 * number, list(kernel.touched))
                kernel.ratio = race.ratio(2 * number + 1, 2 * number, self.search.points(kernel))
                entry.times = [self._time(race, number, point) for point in self._all_points(kernel)]
                if where_it_matters > KEPT or kernel.ratio > NO_WORSE:
                    kernel.best, kernel.ratio = kernel.spec.schedule, 1.0
            entry.changed, entry.ratio, entry.after = kernel.changed, kernel.ratio, str(kernel.best)
            entries.append(entry)
        self.found.kernels = entries

    def _all_points(self, kernel: Kernel) -> list[Point]:
        return sorted({**dict.fromkeys(self.search.points(kernel)), **kernel.touched}, key=lambda p: (p[1], p[0].keys, p[0].rows))

    def _time(self, race: Race, number: int, point: Point) -> KernelTime:
        before, after = (statistics.median(race.seconds[2 * number + side, point]) for side in (0, 1))
        return KernelTime(str(point[0]), point[1], before, after)

    def _write(self) -> None:
        """The file with the kernels that were searched, as they are known by now: unchanged ones too are the best measured."""
        if not self.found.kernels:
            made = [(k.shape, str(k.spec.schedule), str(k.best), k.changed, k.ratio) for k in self.search.kernels]
            self.found.kernels = [TunedKernel(*values) for values in made]
        self.found.measured = self.search.measured
        file = ScheduleFile(self.file, measured=self._measured())
        known = [k for k in self.search.kernels if k.searched or k.changed]
        for kernel in known:
            file.overrides[kernel.shape] = schedule_table(kernel.best, (self.found.level,))
            file.entries[kernel.shape] = {"threads": list(self.options.threads), "gain": round(1 / kernel.ratio, 3)}
        if missed := len(self.search.kernels) - len(known):
            self.found.notes.append(
                f"the time did not suffice for {missed} kernels, which are not in the file; give more --minutes"
            )
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_schedules(self.file, file)
        self.written = True

    def _measured(self) -> dict[str, Any]:
        return {
            "model": self.report["name"],
            "kaoken": self.report["kaoken"],
            "level": self.found.level,
            "threads": list(self.options.threads),
            "processor": _processor(),
            "compiler": _compiler(),
            "minutes": round((time.monotonic() - self.started) / 60, 2),
        }

    def _compare_whole(self) -> None:
        chosen = {k.shape: k.best for k in self.search.kernels if k.changed}
        if not chosen:
            return
        if self.found.level != self.own_level:
            self.found.notes.append(f"the whole model was not timed: it runs at {self.own_level} here")
            return
        self.say("timing the whole model before and after")
        try:
            other = rescheduled_folder(self.folder, self.report, chosen, self.scratch / "tuned")
        except NotRenderedHereError:
            self.found.notes.append("the whole model was not timed: another version of Kaoken compiled it")
            return
        rows = [s for s in self.situations if s.whole]
        deadline = self.started + self.seconds
        self.found.whole = compare(self.folder, other, rows, self.options.threads, deadline)


def _processor() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "CPU part")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _compiler() -> str:
    command = [*shlex.split(os.environ.get("CC") or "cc"), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].strip()


def mean_ratio(kernels: Sequence[TunedKernel]) -> float:
    """The geometric mean of the kernels' ratios."""
    return math.exp(sum(math.log(k.ratio) for k in kernels) / len(kernels)) if kernels else 1.0


__all__ = ["KernelTime", "Situation", "TuneOptions", "TunedKernel", "Tuning", "mean_ratio", "tune_model"]
