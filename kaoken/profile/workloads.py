"""What a compiled folder can be asked to do again and again while it is profiled: prompts, single tokens, whole calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kaoken.errors import UsageError
from kaoken.session import Session, TextGenerator, _evaluate

TYPICAL_LENGTH = 128
"""Of dimensions that nobody gave a size, and that are no batch."""


@dataclass(frozen=True)
class ProfileOptions:
    """prefill: prompt lengths, of an encoder-decoder the encoder's; decode: contexts of one-token steps. dims: sizes by name, of
    models without a cache. seconds: time for each workload."""

    prefill: Sequence[int] = (TYPICAL_LENGTH,)
    decode: Sequence[int] = (TYPICAL_LENGTH,)
    dims: Mapping[str, int] = field(default_factory=dict)
    threads: int = 1
    seconds: float = 1.0


@dataclass
class Workload:
    """`once` does it once; before the first time `begin` prepares it. Both call the handle that `handle` gives."""

    name: str
    begin: Callable[[], Any]
    once: Callable[[], Any]
    handle: Callable[[], Any]
    library: Any
    kept: Any


def find_workloads(folder: Path, options: ProfileOptions) -> list[Workload]:
    """The workloads that fit the model. Raises UsageError for sizes that it does not take, and what session.py raises."""
    session = Session(folder, threads=options.threads)
    report = session._library.report
    if "steps" not in report:
        raise UsageError(f"{folder} was compiled by an earlier Kaoken, which could not be profiled; compile the model again")
    if report["interface"]["feed"]:
        if options.dims:
            raise UsageError("--dim is for models without a cache; a language model takes --prefill and --decode")
        kind = _encoder_decoder if report["interface"]["encode"] else _language_model
        return kind(folder, report, options)
    return [_whole_call(session, dims) for dims in _sizes(session, options)]


def _language_model(folder: Path, report: Mapping[str, Any], options: ProfileOptions) -> list[Workload]:
    context = int(report["interface"]["context"])
    longest = max([*options.prefill, *(n + 1 for n in options.decode)], default=0)
    if longest > context:
        raise UsageError(f"the model holds {context} positions; give shorter --prefill and --decode")
    pieces = max([*options.prefill, *options.decode, 1])
    largest = next(s["upper"] for s in report["interface"]["sizes"] if s["name"] == "sequence")
    model = TextGenerator(folder, options.threads, sequence=min(pieces, largest), batch=_least_rows(report))
    ids = _ids(report, max(longest, 1))
    found = [_fed(model, f"prefill {n}", 0, ids, ids[:n]) for n in options.prefill]
    return found + [_fed(model, f"decode at {n}", n, ids, ids[n : n + 1]) for n in options.decode]


def _fed(model: TextGenerator, name: str, past: int, ids: np.ndarray, timed: np.ndarray) -> Workload:
    def begin() -> None:
        model.reset()
        if past:
            model.feed(ids[:past])

    def once() -> None:
        model.truncate(past)
        model.feed(timed)

    return Workload(name, begin, once, lambda: model._handle, model._library, model)


def _encoder_decoder(folder: Path, report: Mapping[str, Any], options: ProfileOptions) -> list[Workload]:
    interface = report["interface"]
    longest = min(d["upper"] for d in interface["dims"] if d["name"] in interface["encoder_dims"])
    if max(options.prefill, default=0) > longest or max(options.decode, default=0) >= interface["context"]:
        limits = f"reads {longest} positions and writes {interface['context']}"
        raise UsageError(f"the model {limits} at most; give shorter --prefill and --decode")
    model = TextGenerator(folder, options.threads, batch=_least_rows(report))
    ids = _ids(report, max([*options.decode, 0]) + 1)
    entries = {e["name"]: e for e in interface["inputs"]}

    def inputs(length: int) -> list[np.ndarray]:
        dims = {d["name"]: 1 for d in interface["dims"]} | dict.fromkeys(interface["encoder_dims"], length)
        return [_tensor(report, entries[name], dims) for name in interface["encoder_inputs"]]

    found = []
    for length in options.prefill:
        given = inputs(length)
        encode = lambda given=given: model.encode(*given)  # noqa: E731
        found.append(Workload(f"encode {length}", lambda: None, encode, lambda: model._handle, model._library, model))
    read = inputs(max([*options.prefill, 1]))
    for past in options.decode:
        fed = _fed(model, f"decode at {past}", past, ids, ids[past : past + 1])
        feed = fed.begin

        def begin(feed: Callable[[], Any] = feed, past: int = past) -> None:
            model.encode(*read)
            if past:
                model.feed(ids[:past])

        found.append(Workload(fed.name, begin, fed.once, fed.handle, fed.library, model))
    return found


def _sizes(session: Session, options: ProfileOptions) -> list[dict[str, int]]:
    """The sizes of each call: those given, batches of 1, and lengths of `prefill`."""
    bounds = session.bounds
    unknown = sorted(set(options.dims) - set(bounds))
    if unknown:
        known = f"its dimensions are {', '.join(bounds)}" if bounds else "it has none"
        raise UsageError(f"the model has no dimension {', '.join(unknown)}; {known}")
    free = [name for name in bounds if name not in options.dims]
    lengths = [name for name in free if "batch" not in name]
    found = []
    for length in options.prefill if lengths else [1]:
        sizes = {name: min(max(length if name in lengths else 1, bounds[name][0]), bounds[name][1]) for name in free}
        sizes = {name: {**options.dims, **sizes}[name] for name in bounds}
        for name, size in sizes.items():
            low, high = bounds[name]
            if not low <= size <= high:
                raise UsageError(f"{name} is {size}, outside {low}..{high}, for which the model was compiled")
        if sizes not in found:
            found.append(sizes)
    return found


def _whole_call(session: Session, dims: dict[str, int]) -> Workload:
    report = session._library.report
    inputs = {e["name"]: _tensor(report, e, dims) for e in report["interface"]["inputs"]}
    name = ", ".join(f"{n} {v}" for n, v in dims.items()) or "fixed sizes"

    def once() -> None:
        session.run(None, inputs)

    return Workload(name, once, once, lambda: session._handle, session._library, session)


def _least_rows(report: Mapping[str, Any]) -> int:
    return int(next((s["lower"] for s in report["interface"]["sizes"] if s["name"] == "batch"), 1))


def _ids(report: Mapping[str, Any], count: int) -> np.ndarray:
    names = [e["name"] for e in report["interface"]["inputs"] if e["name"].endswith("input_ids")]
    limits = [report["index_bounds"][name] for name in names if name in report["index_bounds"]]
    below = min([report["interface"]["vocabulary"], *limits])
    return np.random.default_rng(0).integers(0, below, count, np.int64)


def _tensor(report: Mapping[str, Any], entry: Mapping[str, Any], dims: Mapping[str, int]) -> np.ndarray:
    """Random indices and numbers, masks of ones."""
    shape, dtype = [_evaluate(d, dims) for d in entry["shape"]], entry["dtype"]
    random = np.random.default_rng(0)
    if dtype.startswith("float"):
        return random.standard_normal(shape).astype(dtype)
    below = report["index_bounds"].get(entry["name"])
    if below is None or "mask" in entry["name"]:
        return np.ones(shape, dtype)
    if "position" in entry["name"] and shape and shape[-1] <= below:
        return np.ascontiguousarray(np.broadcast_to(np.arange(shape[-1]), shape), dtype)
    return random.integers(0, below, shape).astype(dtype)
