"""The search: one choice after the other, alternatives timed beside what there is, in rounds that drop what is clearly slower.

A kernel's schedule is improved step by step (coordinate descent): all alternatives to each of its choices are built into one
library; per step they race at the sizes that can tell them apart; what won is put together and has to win again, together,
against what there was. Ratios are taken within a round, so that a machine that slows down slows both sides.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from kaoken.emit.kernels import LinearSpec
from kaoken.ir.schedule_space import Schedule, Step, steps, tile_set, with_tiles
from kaoken.passes.choose_schedule import registers_needed
from kaoken.passes.targets import TARGETS
from kaoken.report.spec_json import ScheduledSpec
from kaoken.tune.harness import Library, Memory, Size

Say = Callable[[str], None]
Point = tuple[Size, int]
"""Sizes of a call, and a number of threads."""

SLICE = 0.006
"""Seconds of calls that one measurement takes, unless one call takes longer."""
MARGINS = (0.12, 0.08, 0.06, 0.05, 0.04, 0.03)
"""After each round, and after the last in all that follow: how much slower than the best one may be to stay."""
LEAST_ROUNDS = 4
PAIRS = 24
"""Measurements beside what there was that a race takes of each alternative at least: more rounds where there are few points."""
AGREED = 2 / 3
"""The part of those that have to be faster for an alternative to win: one that wins by a few strokes of luck does not."""
WORTH = 0.99
"""A ratio of times that counts as faster: differences below a percent are noise."""
MOST_SCRATCH = 4 << 20
"""Bytes of scratch a thread that a schedule may need; a handle allocates as much."""
GRACE = 5.0
"""Seconds behind the deadline in which what was found may still be put together."""


@dataclass
class Kernel:
    """A kernel under search: what it is, the sizes of its calls, its schedule so far.

    ratio: of times, after over before, as the search saw it, at the points where the changes matter: `touched`. searched: whether
    the time sufficed to measure alternatives at all.
    """

    shape: str
    spec: ScheduledSpec
    sizes: list[Size]
    weight: float = 0.0
    best: Schedule = field(init=False)
    ratio: float = 1.0
    touched: dict[Point, None] = field(default_factory=dict)
    searched: bool = False

    def __post_init__(self) -> None:
        self.best = self.spec.schedule

    @property
    def changed(self) -> bool:
        return self.best != self.spec.schedule

    def variant(self, schedule: Schedule, name: str) -> ScheduledSpec:
        """The kernel with another schedule, under another name."""
        return replace(self.spec, name=name, schedule=schedule)  # type: ignore[arg-type]


class Race:
    """Times of kernels of one library, taken in turns. cpu: processor time, for one thread, which neighbours disturb less."""

    def __init__(self, library: Library, memory: Memory, deadline: float = math.inf) -> None:
        self.library, self.memory, self.deadline = library, memory, deadline
        self.seconds: dict[tuple[int, Point], list[float]] = defaultdict(list)
        self.calls: dict[Point, int] = {}

    def round(self, numbers: Sequence[int], points: Sequence[Point], turn: int) -> None:
        """Every kernel once at every point, each time in another order."""
        for place, point in enumerate(points):
            shift = (turn + place) % len(numbers)
            for number in [*numbers[shift:], *numbers[:shift]]:
                self.seconds[number, point].append(self._time(number, point))

    def _time(self, number: int, point: Point) -> float:
        size, threads = point
        if point not in self.calls:
            once = min(self._run(number, size, threads, 1) for _ in range(2))
            self.calls[point] = max(1, min(2000, int(SLICE / once)))
        return self._run(number, size, threads, self.calls[point]) / self.calls[point]

    def _run(self, number: int, size: Size, threads: int, calls: int) -> float:
        return self.library.run(self.memory, number, size, threads, calls, cpu=threads == 1)

    def ratio(self, number: int, base: int, points: Sequence[Point]) -> float:
        """Time beside another kernel's: the geometric mean over points of the median over rounds."""
        logs = []
        for point in points:
            pairs = zip(self.seconds[number, point], self.seconds[base, point], strict=False)
            logs.append(math.log(statistics.median(a / b for a, b in pairs)))
        return math.exp(sum(logs) / len(logs))

    def best(self, numbers: Sequence[int], points: Sequence[Point]) -> tuple[int, float]:
        """The fastest of some kernels and its time beside the first of them: that itself unless another is faster for sure."""
        base, alive = numbers[0], list(numbers)
        for turn in range(max(len(MARGINS), math.ceil(PAIRS / len(points)))):
            if time.monotonic() > self.deadline:
                break
            margin = MARGINS[min(turn, len(MARGINS) - 1)]
            self.round(alive, points, turn)
            ratios = {n: self.ratio(n, base, points) for n in alive}
            bar = min(ratios.values()) * (1 + margin)
            alive = [n for n in alive if n == base or (ratios[n] <= bar and (turn + 1 < LEAST_ROUNDS or ratios[n] < 1))]
            if len(alive) == 1:
                return base, 1.0
        rounds = min(len(self.seconds[n, points[0]]) for n in alive)
        found = min(alive, key=lambda n: self.ratio(n, base, points)) if rounds >= LEAST_ROUNDS else base
        if found == base or self.agreement(found, base, points) < AGREED:
            return base, 1.0
        ratio = self.ratio(found, base, points)
        return (found, ratio) if ratio < WORTH else (base, 1.0)

    def agreement(self, number: int, base: int, points: Sequence[Point]) -> float:
        """The part of all measurements, paired by round, in which a kernel was faster than another."""
        pairs = [pair for p in points for pair in zip(self.seconds[number, p], self.seconds[base, p], strict=False)]
        return sum(a < b for a, b in pairs) / len(pairs)


class Search:
    """Improves kernels until nothing is won any more or the time is up; what it knows at any moment is in the kernels."""

    def __init__(self, kernels: Sequence[Kernel], level: str, threads: Sequence[int], memory: Memory, folder: Path) -> None:
        """level: the instruction set level measured. folder: takes sources and libraries."""
        self.kernels, self.level, self.threads = list(kernels), level, tuple(threads)
        self.memory, self.folder = memory, folder
        self.target = next(t for t in TARGETS if t.level == level)
        self.measured = 0

    def weigh(self) -> None:
        """Time every kernel once as it is, so that what takes most is searched first."""
        library = self.library([k.variant(k.best, f"kernel_{n}") for n, k in enumerate(self.kernels)])
        race = Race(library, self.memory)
        for number, kernel in enumerate(self.kernels):
            points = self.points(kernel)
            race.round([number], points, 0)
            kernel.weight = sum(race.seconds[number, point][0] for point in points)
        self.kernels.sort(key=lambda k: -k.weight)

    def run(self, deadline: float, say: Say) -> None:
        """Passes over all kernels until one changes nothing. A kernel that nothing was won for is left out of the next."""
        waiting = self.kernels
        while waiting:
            changed = []
            for kernel in waiting:
                if time.monotonic() > deadline:
                    return
                say(f"searching {kernel.shape}: building alternatives")
                if self.improve(kernel, deadline, say):
                    changed.append(kernel)
            waiting = changed

    def improve(self, kernel: Kernel, deadline: float, say: Say) -> bool:
        """One pass over the choices of a kernel; whether it is faster now."""
        reduction = kernel.spec.k if isinstance(kernel.spec, LinearSpec) else 0
        found = []
        for step in steps(kernel.best, self.level, self._fits, reduction):
            points = self._points_of(step, kernel)
            legal = [s for s in step.schedules if self.memory.fits(kernel.variant(s, "x"))]
            if points and legal:
                found.append((step, points, legal))
        variants = list(dict.fromkeys(s for _, _, legal in found for s in legal))
        if not variants:
            return False
        library = self.library([kernel.variant(s, f"variant_{n}") for n, s in enumerate([kernel.best, *variants])])
        if not self.measured:
            deadline = max(deadline, time.monotonic() + GRACE)  # however short the time, something is measured
        number = {schedule: n for n, schedule in enumerate(variants, start=1)}
        won: list[tuple[float, Schedule, list[Point]]] = []
        for step, points, legal in found:
            say(f"searching {kernel.shape}: {step.name}")
            race = Race(library, self.memory, deadline)
            best, ratio = race.best([0, *(number[s] for s in legal)], points)
            if race.seconds:
                kernel.searched = True
                self.measured += len(legal)
            if best:
                say(f"searching {kernel.shape}: {step.name}, {100 * (1 / ratio - 1):.1f}% faster")
                won.append((ratio, variants[best - 1], points))
        return bool(won) and self._settle(kernel, sorted(won, key=lambda item: item[0]), deadline)

    def _settle(self, kernel: Kernel, won: Sequence[tuple[float, Schedule, list[Point]]], deadline: float) -> bool:
        """Put what won together, and keep it, or the best single change, if it is faster where the changes matter."""
        together = won[0][1]
        for _, other, _ in won[1:]:
            together = merged(kernel.best, together, other)
        rivals = list(dict.fromkeys([kernel.best, together, *(schedule for _, schedule, _ in won[:2])]))
        points = list(dict.fromkeys(point for _, _, points in won for point in points))
        library = self.library([kernel.variant(s, f"rival_{n}") for n, s in enumerate(rivals)])
        best, ratio = Race(library, self.memory, deadline + GRACE).best(range(len(rivals)), points)
        if best:
            kernel.best, kernel.ratio = rivals[best], kernel.ratio * ratio
            kernel.touched |= dict.fromkeys(points)
        return best > 0

    def library(self, specs: Sequence[ScheduledSpec]) -> Library:
        return Library(specs, self.level, self.folder)

    def points(self, kernel: Kernel, exact: bool = False) -> list[Point]:
        """Where a kernel is measured as a whole; with `exact` also at the few rows that have tiles of their own."""
        sizes = kernel.sizes
        if exact:
            sizes = [*few_sizes(kernel, len(tile_set(kernel.best, self.level).panels)), *sizes]
        return [(size, threads) for size in dict.fromkeys(sizes) for threads in self.threads]

    def _points_of(self, step: Step, kernel: Kernel) -> list[Point]:
        points = self.points(kernel, exact=step.height is not None)
        return [(s, t) for s, t in points if step.matters(s.rows, t, kernel.best, self.level)]

    def _fits(self, rows: int, panels: int) -> bool:
        """Whether a tile fits the vector registers. Where row pointers spill is for the clock to say."""
        return registers_needed(self.target, rows, panels) <= self.target.registers


def few_sizes(kernel: Kernel, most: int) -> list[Size]:
    """Every number of rows that one tile can hold, of a linear layer that may be called with so few."""
    least = min(size.rows for size in kernel.sizes)
    return [Size(rows) for rows in range(least, most + 1)] if isinstance(kernel.spec, LinearSpec) else []


def merged(base: Schedule, first: Schedule, second: Schedule) -> Schedule:
    """`first` with what `second` changes of `base` and `first` does not."""
    changes: dict[str, Any] = {}
    for f in fields(base):
        before, one, two = (getattr(s, f.name) for s in (base, first, second))
        if f.name != "tiles" and one == before:
            changes[f.name] = two
    try:
        made = replace(first, **changes)
    except ValueError:
        return first
    for tiles in second.tiles:
        old, own = tile_set(base, tiles.level), tile_set(made, tiles.level)
        if own.main_panels != old.main_panels and len(own.panels) != len(old.panels):
            continue  # another tile altogether
        values: dict[str, Any] = {"main_panels": tiles.main_panels} if own.main_panels == old.main_panels else {}
        if len(tiles.panels) == len(own.panels) == len(old.panels):
            values["panels"] = tuple(b if a == o else a for o, a, b in zip(old.panels, own.panels, tiles.panels, strict=True))
            made = with_tiles(made, replace(own, **values))
    return made
