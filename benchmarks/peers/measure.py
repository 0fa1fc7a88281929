"""The rounds: every workload for every contestant in turn, with the machine's limits probed before each workload."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.peers.adapters import PEERS
from benchmarks.peers.child import Child, ChildError
from benchmarks.peers.files import ModelFiles
from kaoken.bench import encoder_decoder
from kaoken.bench.contestants import Workload
from kaoken.bench.cost import Cost, graph_costs, limit_seconds
from kaoken.bench.probes import Limits, Probes
from kaoken.bench.run import Row
from kaoken.bench.workloads import generation_workloads, whole_workloads
from kaoken.compiler import CompileOptions, lower, model_name
from kaoken.errors import UsageError, VerificationError
from kaoken.frontend.mapped_file import find_model_file
from kaoken.session import TextGenerator
from kaoken.verify.run import level_of

Say = Callable[[str], None]
SETTLE_SECONDS = 0.05  # until the last contestant's idle workers sleep
OTHER_WORK = 0.05  # a difference, as a share of the largest value, that no rounding explains


@dataclass(frozen=True)
class Choices:
    """What to measure.

    lengths: of prompts and encoders' inputs; decode: contexts; encoded and written: an encoder-decoder's lengths.
    seconds: for a contestant and workload in a round. peers: names of adapters.PEERS. clock: wall, or cpu for processor time.
    """

    lengths: Sequence[int] = (16, 128, 512)
    decode: Sequence[int] = (128, 512)
    batches: Sequence[tuple[int, int]] = ((8, 128),)
    encoded: Sequence[int] = (128,)
    written: Sequence[int] = (1, 32)
    threads: Sequence[int] = (1, 2)
    rounds: int = 3
    seconds: float = 0.3
    peers: Sequence[str] = tuple(PEERS)
    dims: Mapping[str, str] = field(default_factory=dict)
    clock: str = "wall"


@dataclass(frozen=True)
class Agreement:
    """How far a contestant's result is from Kaoken's: the largest difference, Kaoken's largest value, whether the argmax is one.

    argmax is None for a result that is no row of logits.
    """

    workload: str
    peer: str
    difference: float
    scale: float
    argmax: bool | None


@dataclass
class Found:
    """Everything that was measured of one model."""

    model: str
    level: str
    rows: list[Row] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def peers(self) -> list[str]:
        """Who was measured, in the table's order."""
        return [name for name in PEERS if any(name in row.seconds for row in self.rows)]

    def as_json(self) -> dict[str, Any]:
        rows = []
        for row in self.rows:
            shares = {name: row.limit / row.median(name) for name in row.seconds}
            rows.append({**row.as_json(), "roofline_share": shares})
        agreements = [vars(a) for a in self.agreements]
        named = {"model": self.model, "level": self.level, "notes": self.notes, "left_out": self.left_out}
        return {**named, "rows": rows, "agreements": agreements}


def turned(names: Sequence[str], round_number: int) -> list[str]:
    """The contestants of a round: each begins once before one begins again."""
    at = round_number % len(names)
    return [*names[at:], *names[:at]]


def agreement(workload: str, peer: str, ours: np.ndarray, theirs: np.ndarray, is_logits: bool) -> Agreement:
    """Compare two results. Raises VerificationError where they are not of the same work: sizes or values differ too much."""
    if ours.size != theirs.size:
        raise VerificationError(f"{workload}: {peer} gives {theirs.size} values, Kaoken {ours.size}")
    difference, scale = float(np.abs(ours - theirs).max()), float(np.abs(ours).max())
    if not difference <= OTHER_WORK * scale:
        raise VerificationError(f"{workload}: {peer} differs from Kaoken by {difference:.3g} of {scale:.3g}")
    same = bool(ours.argmax() == theirs.argmax()) if is_logits else None
    return Agreement(workload, peer, difference, scale, same)


def measure(files: ModelFiles, choices: Choices, say: Say) -> Found:
    """Time one model. Raises UsageError where no workload fits, VerificationError where contestants compute different things."""
    graph = lower(files.exported, CompileOptions(dims=dict(choices.dims)), model_name(files.exported, None))
    workloads, costs = _workloads(files, graph, choices)
    level = level_of(files.compiled)
    found = Found(files.name, level, notes=list(files.notes))
    missing = {name: "not installed" for name in choices.peers if PEERS[name].version is None}
    found.left_out |= missing
    with tempfile.TemporaryDirectory(prefix="kaoken-peers-") as scratch:
        probes = Probes(level, graph.metadata["weights"].total, Path(scratch))
        for threads in choices.threads:
            names = [name for name in choices.peers if name not in missing]
            with _children(names, files, threads, choices.clock, found, say) as children:
                _measure(children, workloads, costs, threads, choices, probes, found, say)
    return found


def _workloads(files: ModelFiles, graph: Any, choices: Choices) -> tuple[list[Workload], list[list[Cost]]]:
    proto = onnx.load(find_model_file(files.exported), load_external_data=False)
    if files.kind == "generator":
        found = generation_workloads(graph, proto, choices.dims, choices.lengths, choices.decode)
    elif files.kind in ("encoder", "layer"):
        found = whole_workloads(graph, proto, choices.dims, choices.lengths, choices.batches)
        found = [replace(w, inputs=_first_kind(w.inputs), name=_tokens(w)) for w in found]
    else:
        found = encoder_decoder.workloads(files.compiled, files.exported, choices.encoded, choices.written)
        found = [_with_own_ids(files, workload) for workload in found]
        return found, [encoder_decoder.costs(graph, workload) for workload in found]
    return found, [graph_costs(graph, workload.dims) for workload in found]


def _tokens(workload: Workload) -> str:
    """A short name for rows and tokens, where these are all the dimensions."""
    rows = [size for name, size in workload.dims.items() if "batch" in name]
    lengths = [size for name, size in workload.dims.items() if "batch" not in name]
    if len(rows) > 1 or len(lengths) != 1:
        return workload.name
    return f"{rows[0]} x {lengths[0]} tokens" if rows and rows[0] > 1 else f"{lengths[0]} token{'s' if lengths[0] > 1 else ''}"


def _first_kind(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Inputs whose tokens are all of the first segment: llama.cpp knows no other."""
    return {name: np.zeros_like(array) if name == "token_type_ids" else array for name, array in inputs.items()}


def _with_own_ids(files: ModelFiles, workload: Workload) -> Workload:
    """The decoder's ids are the model's own likeliest (but not the end): a peer that cannot be told any comes to them as well."""
    assert workload.feed is not None
    model = TextGenerator(files.compiled, sequence=1)
    model.encode(*workload.inputs.values())
    ids = [int(model._library.report["generation"]["decoder_start_id"])]
    while len(ids) < len(workload.feed):
        logits = model.feed([ids[-1]])
        logits[model.end_ids] = -np.inf
        ids.append(int(logits.argmax()))
    return replace(workload, feed=np.array(ids, np.int64))


@contextmanager
def _children(
    names: Sequence[str], files: ModelFiles, threads: int, clock: str, found: Found, say: Say
) -> Iterator[dict[str, Child]]:
    """A process for each contestant; those that cannot load the model are noted."""
    children: dict[str, Child] = {}
    try:
        for name in names:
            say(f"{files.name}, {threads} threads: loading {name}")
            try:
                children[name] = Child(name, files, threads, clock)
            except ChildError as error:
                found.left_out[name] = str(error)
        if "kaoken" not in children:
            raise UsageError(f"Kaoken cannot run the model: {found.left_out.get('kaoken', 'it is not among --peers')}")
        yield children
    finally:
        for child in children.values():
            child.close()


def _measure(
    children: dict[str, Child],
    workloads: Sequence[Workload],
    costs: Sequence[list[Cost]],
    threads: int,
    choices: Choices,
    probes: Probes,
    found: Found,
    say: Say,
) -> None:
    ready = {workload.name: _prepare(children, n, workload, found, say) for n, workload in enumerate(workloads)}
    rows = [Row(workload.name, threads) for workload in workloads]
    for turn in range(choices.rounds):
        say(f"{found.model}, {threads} threads: round {turn + 1} of {choices.rounds}")
        for number, row in enumerate(rows):
            time.sleep(SETTLE_SECONDS)
            row.probes.append(probes.measure(threads))
            for name in turned(ready[row.workload], turn):
                time.sleep(SETTLE_SECONDS)
                times = children[name].times(number, choices.seconds)
                row.seconds.setdefault(name, []).append(statistics.median(times))
    best = Limits(max(p.flops for row in rows for p in row.probes), max(p.bandwidth for row in rows for p in row.probes))
    for row, cost in zip(rows, costs, strict=True):
        row.best, row.limit = best, limit_seconds(cost, best)
        row.seconds = {name: row.seconds[name] for name in PEERS if name in row.seconds}
    found.rows += rows


def _prepare(children: dict[str, Child], number: int, workload: Workload, found: Found, say: Say) -> list[str]:
    """Who can do a workload; what each of them computes is compared with Kaoken's result."""
    ours = children["kaoken"].prepare(number, workload)
    ready = ["kaoken"]
    known = {(a.workload, a.peer) for a in found.agreements}
    for name, child in children.items():
        if name == "kaoken":
            continue
        say(f"{found.model}: {name} prepares {workload.name}")
        try:
            theirs = child.prepare(number, workload)
            compared = agreement(workload.name, name, ours, theirs, workload.feed is not None)
        except (ChildError, VerificationError) as error:
            found.left_out[f"{name}, {workload.name}"] = str(error)
            continue
        ready.append(name)
        if (workload.name, name) not in known:
            found.agreements.append(compared)
    return ready
