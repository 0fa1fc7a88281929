"""Profiles a compiled folder: what every step of a call takes, beside the machine's limits, probed in between.

Times are means over the faster half of many calls: steps then add up to the call, and calls that something else on the machine
disturbed are left out.
"""

from __future__ import annotations

import ctypes
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kaoken.bench.probes import Limits, Probes
from kaoken.errors import UsageError
from kaoken.profile.workloads import ProfileOptions, Workload, find_workloads

FEWEST_CALLS = 5
Progress = Callable[[str], None]


class _StepStruct(ctypes.Structure):
    """`NAME_step` of the generated header."""

    _fields_ = (
        ("layer", ctypes.c_char_p),
        ("kernel", ctypes.c_char_p),
        ("calls", ctypes.c_int64),
        ("nanoseconds", ctypes.c_int64),
        ("waiting", ctypes.c_int64),
        ("flop", ctypes.c_double),
        ("bytes", ctypes.c_double),
    )


@dataclass(frozen=True)
class StepTime:
    """A step of one call of the model: seconds on the calling thread until all threads were done, those of them that it waited;
    FLOP of all threads, and bytes that they had to read from memory. `calls`: more than 1 in a loop."""

    number: int
    layer: str
    kernel: str
    calls: int
    seconds: float
    waiting: float
    flop: float
    bytes: float

    def limit(self, limits: Limits) -> float:
        """The least time that this machine needs: computing or reading, whichever takes longer."""
        return max(self.flop / limits.flops, self.bytes / limits.bandwidth)


@dataclass(frozen=True)
class KernelTime:
    """All steps of a call that run the same function, or a single one."""

    name: str
    steps: tuple[StepTime, ...]

    @property
    def calls(self) -> int:
        return sum(s.calls for s in self.steps)

    @property
    def seconds(self) -> float:
        return sum(s.seconds for s in self.steps)

    @property
    def waiting(self) -> float:
        return sum(s.waiting for s in self.steps)

    @property
    def flop(self) -> float:
        return sum(s.flop for s in self.steps)

    @property
    def bytes(self) -> float:
        return sum(s.bytes for s in self.steps)

    def limit(self, limits: Limits) -> float:
        return sum(s.limit(limits) for s in self.steps)

    def share(self, limits: Limits) -> float:
        """Of the least time in the time it took; 0 where nothing is known of the cost."""
        return self.limit(limits) / self.seconds if self.seconds else 0.0

    def bound(self, limits: Limits) -> str:
        """What the least time is spent on: "memory" or "compute"; empty where the cost is nothing."""
        if not self.limit(limits):
            return ""
        return "memory" if self.bytes / limits.bandwidth > self.flop / limits.flops else "compute"


@dataclass
class WorkloadProfile:
    """A workload: seconds of a call, and its steps in order. `calls`: how many were timed."""

    name: str
    calls: int
    seconds: float
    steps: list[StepTime]
    limits: Limits

    def kernels(self) -> list[KernelTime]:
        """Steps by function, in order of first use."""
        groups: dict[str, list[StepTime]] = {}
        for step in self.steps:
            groups.setdefault(step.kernel, []).append(step)
        return [KernelTime(name, tuple(steps)) for name, steps in groups.items()]

    @property
    def total(self) -> KernelTime:
        return KernelTime("total", tuple(self.steps))

    def as_json(self) -> dict[str, Any]:
        def row(kernel: KernelTime) -> dict[str, Any]:
            return {
                "calls": kernel.calls,
                "ms": 1e3 * kernel.seconds,
                "waiting_ms": 1e3 * kernel.waiting,
                "flop": kernel.flop,
                "bytes": kernel.bytes,
                "limit_ms": 1e3 * kernel.limit(self.limits),
                "share": kernel.share(self.limits),
                "bound": kernel.bound(self.limits),
            }

        single = [KernelTime(step.layer, (step,)) for step in self.steps]
        steps = [{"layer": k.name, "kernel": k.steps[0].kernel, **row(k)} for k in single]
        kernels = [{"kernel": k.name, **row(k)} for k in self.kernels()]
        return {
            "workload": self.name,
            "calls": self.calls,
            "call_ms": 1e3 * self.seconds,
            "total": row(self.total),
            "kernels": kernels,
            "steps": steps,
        }


@dataclass
class Profile:
    """All workloads of a model at a number of threads. `limits` is the best of all probes."""

    model: str
    level: str
    threads: int
    limits: Limits
    workloads: list[WorkloadProfile] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        found = {"model": self.model, "level": self.level, "threads": self.threads, "limits": asdict(self.limits)}
        return {**found, "workloads": [w.as_json() for w in self.workloads]}


def profile_folder(folder: Path, options: ProfileOptions | None = None, progress: Progress | None = None) -> Profile:
    """Profile a compiled folder, building it first where nobody has.

    Raises UsageError for sizes that the model does not take, ToolchainError, and what session.py raises.
    """
    options, say = options or ProfileOptions(), progress or (lambda _text: None)
    say("loading the model")
    workloads = find_workloads(folder, options)
    if not workloads:
        raise UsageError("there is nothing to profile; give --prefill or --decode")
    library = workloads[0].library
    found: list[tuple[Workload, float, list[StepTime], int]] = []
    probes: list[Limits] = []
    workloads[0].begin()
    level = _level(library, workloads[0].handle())
    with tempfile.TemporaryDirectory(prefix="kaoken-profile-") as scratch:
        prober = Probes(level, int(library.report["weights_bytes"]), Path(scratch))
        for workload in workloads:
            say(f"profiling {workload.name}")
            probes.append(prober.measure(options.threads))
            found.append((workload, *_measure(workload, options.seconds)))
            probes.append(prober.measure(options.threads))
    limits = Limits(max(p.flops for p in probes), max(p.bandwidth for p in probes))
    profile = Profile(library.name, level, options.threads, limits)
    profile.workloads = [WorkloadProfile(w.name, calls, seconds, steps, limits) for w, seconds, steps, calls in found]
    return profile


def _level(library: Any, handle: Any) -> str:
    level = library.function("level")
    level.restype = ctypes.c_char_p
    text: bytes = level(handle)
    return text.decode()


def _measure(workload: Workload, seconds: float) -> tuple[float, list[StepTime], int]:
    """Seconds of a call and of its steps, and of how many calls that last so long in all they are taken."""
    library = workload.library
    count = int(library.report["steps"])
    rows = (_StepStruct * count)()
    set_profile = library.function("profile")
    set_profile.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    workload.begin()
    workload.once()
    times: list[float] = []
    measured: list[np.ndarray] = []
    end = time.perf_counter() + seconds
    try:
        while len(times) < FEWEST_CALLS or time.perf_counter() < end:
            library.check(set_profile(workload.handle(), rows))
            started = time.perf_counter()
            workload.once()
            times.append(time.perf_counter() - started)
            measured.append(np.array([(r.calls, r.nanoseconds, r.waiting, r.flop, r.bytes) for r in rows]))
    finally:
        library.check(set_profile(workload.handle(), None))
    faster = np.argsort(times)[: -(-len(times) // 2)]
    mean = np.stack(measured)[faster].mean(axis=0)
    steps = []
    for number, (row, (calls, nanoseconds, waiting, flop, read)) in enumerate(zip(rows, mean.tolist(), strict=True)):
        if calls:
            took = 1e-9 * (nanoseconds + waiting)
            step = StepTime(number, row.layer.decode(), row.kernel.decode(), int(calls), took, 1e-9 * waiting, flop, read)
            steps.append(step)
    return float(np.array(times)[faster].mean()), steps, len(times)
