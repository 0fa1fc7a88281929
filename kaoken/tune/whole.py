"""A compiled folder with other schedules beside the folder itself: the same bits, and how much faster the whole model is."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kaoken.emit.kernels import render_kernel, render_tiles, scratch_bytes
from kaoken.errors import VerificationError
from kaoken.ir.schedule_space import Schedule
from kaoken.report.spec_json import ScheduledSpec, spec_of
from kaoken.session import Session, TextGenerator, _evaluate, build_library
from kaoken.tune.situations import Situation

SLICE = 0.05
"""Seconds that a side is timed for in a round, at least one call."""
MOST_ROUNDS = 15
STEPS_BEHIND_ENCODING = 8
SET_IN_STONE = ("partition",)
"""Fields that more than the kernel's own C follows from."""
Calls = Callable[[], Any]


class NotRenderedHereError(Exception):
    """The folder's C is not what this Kaoken renders."""


@dataclass
class Comparison:
    """A situation at a number of threads: seconds of each round, before and after."""

    name: str
    threads: int
    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Time after, over time before: the median over rounds."""
        return statistics.median(a / b for a, b in zip(self.after, self.before, strict=True))

    def as_json(self) -> dict[str, Any]:
        milliseconds = {n: 1e3 * statistics.median(t) for n, t in (("before_ms", self.before), ("after_ms", self.after))}
        return {"situation": self.name, "threads": self.threads, **milliseconds, "ratio": self.ratio}


def rescheduled_folder(folder: Path, report: Mapping[str, Any], chosen: Mapping[str, Schedule], out: Path) -> Path:
    """A copy of a compiled folder in `out` whose kernels have other schedules, by the name of their shape.

    What threads share stays as it was: where the model's C waits for all threads depends on it. Weights are linked, not copied.
    Raises NotRenderedHereError for a folder that another version of Kaoken wrote.
    """
    name = report["name"]
    shutil.copytree(folder, out, ignore=shutil.ignore_patterns("build", f"{name}.weights", f"{name}_weights.o"))
    for path in (folder / f"{name}.weights", folder / f"{name}_weights.o"):
        if path.exists():
            os.symlink(path.resolve(), out / path.name)
    before = [spec_of(k["name"], k["spec"]) for k in report["kernels"] if "spec" in k]
    shapes = [k["spec"]["shape"] for k in report["kernels"] if "spec" in k]
    after = [_with(spec, chosen.get(shape)) for spec, shape in zip(before, shapes, strict=True)]
    source = out / f"{name}_kernels.c"
    text = re.sub(r"^ \* For .*\n", "", source.read_text(encoding="utf-8"), flags=re.MULTILINE)
    texts = [(_tidy(render_tiles(s.schedule for s in before)), _tidy(render_tiles(s.schedule for s in after)))]
    texts += [(_tidy(render_kernel(old)), _tidy(render_kernel(new))) for old, new in zip(before, after, strict=True)]
    for old, new in texts:
        if text.count(old) != 1:
            raise NotRenderedHereError
        text = text.replace(old, new)
    source.write_text(text, encoding="utf-8")
    _give_scratch(out / f"{name}.c", max((scratch_bytes(spec) for spec in after), default=0))
    return out


def _with(spec: ScheduledSpec, schedule: Schedule | None) -> ScheduledSpec:
    if schedule is None:
        return spec
    kept = {name: getattr(spec.schedule, name) for name in SET_IN_STONE if hasattr(schedule, name)}
    return replace(spec, schedule=replace(schedule, **kept))  # type: ignore[arg-type]


def _tidy(text: str) -> str:
    """As files have it: the emitter leaves one empty line where a template leaves several."""
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _give_scratch(source: Path, needed: int) -> None:
    """See to it that a handle's threads have as much scratch as the kernels need."""
    text = source.read_text(encoding="utf-8")
    found = re.search(r"\benum \{ thread_scratch = (\d+) \};", text)
    if found is None:
        raise NotRenderedHereError
    most = max(needed, int(found[1]))
    source.write_text(text[: found.start(1)] + str(most) + text[found.end(1) :], encoding="utf-8")


def compare(
    before: Path, after: Path, found: Sequence[Situation], threads: Sequence[int], deadline: float, least_rounds: int = 3
) -> list[Comparison]:
    """Time both folders in turns until the deadline, `least_rounds` at least and MOST_ROUNDS at most.

    Raises VerificationError if their bits differ.
    """
    for folder in (before, after):
        build_library(folder)
    rows: dict[tuple[str, int], Comparison] = {}
    outputs: dict[str, list[bytes]] = defaultdict(list)
    turn = 0
    while turn < least_rounds or (turn < MOST_ROUNDS and time.monotonic() < deadline):
        for count in threads:
            sides = [_Side(folder, count) for folder in (before, after)]
            for situation in found:
                row = rows.setdefault((situation.name, count), Comparison(situation.name, count))
                for number in (0, 1) if turn % 2 == 0 else (1, 0):
                    call = sides[number].prepare(situation)
                    result = _bytes(call())
                    outputs[situation.name].append(result)
                    if result != outputs[situation.name][0]:
                        raise VerificationError(f"{situation.name}: the schedules change the result, which is a bug in Kaoken")
                    (row.before, row.after)[number].append(_seconds(call, time.thread_time if count == 1 else time.perf_counter))
        turn += 1
    return list(rows.values())


def _seconds(call: Calls, clock: Callable[[], float]) -> float:
    """The median of some calls: one thread's processor time is not disturbed by what else runs, several need the wall's."""
    times: list[float] = []
    end = time.perf_counter() + SLICE
    while not times or time.perf_counter() < end:
        started = clock()
        call()
        times.append(clock() - started)
    return statistics.median(times)


def _bytes(result: Any) -> bytes:
    return b"".join(np.ascontiguousarray(a).tobytes() for a in (result if isinstance(result, list) else [result]))


class _Side:
    """One folder at one number of threads."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.session = Session(folder, threads=threads)
        self.interface = self.session._library.interface
        self.generator = TextGenerator(folder, threads=threads) if self.interface["feed"] else None

    def prepare(self, situation: Situation) -> Calls:
        """A function that does what the situation says once and gives outputs."""
        dims, generator = situation.dims, self.generator
        if generator is None:
            inputs = self._inputs(dims)
            return lambda: self.session.run(None, inputs)
        random = np.random.default_rng(0)
        length, past = dims[self.interface["sequence"]], dims[self.interface["past"]]
        ids = random.integers(0, generator.vocabulary, length + past + STEPS_BEHIND_ENCODING)
        if self.interface["encode"]:
            given = {e["name"]: e for e in self.interface["inputs"]}
            encoder = [self._array(given[name], dims) for name in self.interface["encoder_inputs"]]

            def encode_and_write() -> list[np.ndarray]:
                generator.encode(*encoder)
                return [generator.feed([token]) for token in ids[:STEPS_BEHIND_ENCODING]]

            return encode_and_write
        generator.reset()
        if past:
            generator.feed(ids[:past])

        def step() -> np.ndarray:
            generator.truncate(past)
            return generator.feed(ids[past : past + length])

        return step

    def _inputs(self, dims: Mapping[str, int]) -> dict[str, np.ndarray]:
        return {entry["name"]: self._array(entry, dims) for entry in self.interface["inputs"]}

    def _array(self, entry: Mapping[str, Any], dims: Mapping[str, int]) -> np.ndarray:
        """An input that any model takes: random numbers, small ids, masks that hide nothing."""
        shape = [_evaluate(extent, dims) for extent in entry["shape"]]
        kind = np.dtype(entry["dtype"]).kind
        if kind == "f":
            return np.random.default_rng(1).random(shape).astype(entry["dtype"])
        if kind == "b" or "mask" in entry["name"]:
            return np.ones(shape, entry["dtype"])
        return np.random.default_rng(2).integers(0, 2, shape).astype(entry["dtype"])
