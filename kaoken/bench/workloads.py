"""What is timed: prompts and steps of a language model, or whole runs of another, with their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto

from kaoken.bench.contestants import Workload
from kaoken.errors import UsageError
from kaoken.ir.graph import Graph
from kaoken.passes.last_position import LOGIT_ROWS
from kaoken.verify.cases import complete
from kaoken.verify.inputs import index_bounds, make_inputs

Overrides = Mapping[str, str]


def generation_workloads(
    graph: Graph, proto: ModelProto, overrides: Overrides, prefill: Sequence[int], decode: Sequence[int]
) -> list[Workload]:
    """Prompts of several lengths, and steps of one token behind a context; ids are random, the same in every workload.

    `graph` went through the passes, `proto` is the model it was made from, `overrides` are bounds as `--dim` takes them.
    Raises UsageError where no length fits.
    """
    past = graph.states[0].past.shape
    batch, before = (next(iter(d.symbols())).name for d in (past[0], past[2]))
    length = next(iter((graph.states[0].present.shape[2] - past[2]).symbols())).name
    upper = graph.symbols[length].upper
    most = upper if isinstance(upper, int) else 2**31
    bound = index_bounds(proto).get("input_ids", 2)
    ids = np.random.default_rng(0).integers(0, bound, max([*prefill, *decode, 0]) + 1)

    def inputs_of(held: int, fed: np.ndarray) -> tuple[dict[str, int], dict[str, np.ndarray]]:
        dims = complete(graph, overrides, {batch: 1, length: len(fed), before: held})
        return {**dims, LOGIT_ROWS: 1}, make_inputs(proto, dims) | {"input_ids": fed[None].astype(np.int64)}

    found = []
    for size in [n for n in prefill if n <= most]:
        dims, inputs = inputs_of(0, ids[:size])
        found.append(Workload(f"prefill {size}", dims, inputs, feed=ids[:size]))
    for context in [n for n in decode if n < most]:
        timed, held = ids[context : context + 1], ids[:context]
        dims, inputs = inputs_of(context, timed)
        filling = inputs_of(0, held)[1]
        found.append(Workload(f"decode at {context}", dims, inputs, feed=timed, context=held, filling=filling))
    if not found:
        raise UsageError(f"the model takes {most} positions at most; give shorter --prefill and --decode")
    return found


def whole_workloads(
    graph: Graph, proto: ModelProto, overrides: Overrides, lengths: Sequence[int], batches: Sequence[tuple[int, int]]
) -> list[Workload]:
    """One run for each length, and for each (rows, length) of `batches`, or one of the model's fixed sizes."""
    bounds = {s.name: (s.lower, s.upper) for s in graph.given_symbols()}
    long = [name for name in bounds if "batch" not in name]
    rows = [name for name in bounds if name not in long]
    sizes = [(0, n) for n in lengths if long and _fits(n, [bounds[name] for name in long])]
    if long and rows:
        fitting = [(b, n) for b, n in batches if _fits(b, [bounds[name] for name in rows])]
        sizes += [(b, n) for b, n in fitting if _fits(n, [bounds[name] for name in long])]
    found = []
    for batch, size in sizes or [(0, 1)]:
        chosen = {name: size if name in long else max(1, batch, bounds[name][0]) for name in bounds}
        dims = complete(graph, overrides, chosen)
        name = ", ".join(f"{n} {v}" for n, v in chosen.items()) or "fixed sizes"
        found.append(Workload(name, dims, make_inputs(proto, dims)))
    return found


def _fits(size: int, bounds: Sequence[tuple[int, Any]]) -> bool:
    return all(low <= size and (not isinstance(high, int) or size <= high) for low, high in bounds)
