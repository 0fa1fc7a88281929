"""report.json: of what the model was made, its surface, kernels, calls and memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import asdict
from pathlib import Path
from typing import Any

import kaoken
from kaoken.emit.interface import Interface, Tensor
from kaoken.emit.kernels import AttentionSpec, LinearSpec
from kaoken.emit.model import ModelFiles
from kaoken.emit.program import Kernel, Program
from kaoken.ir.dims import dim, evaluate, product, to_text
from kaoken.ir.found_sizes import found_symbols, largest
from kaoken.ir.graph import Graph, Value
from kaoken.passes.assign_schedules import scheduled_name
from kaoken.passes.explain import explanation
from kaoken.passes.plan_memory import MemoryPlan, at_creation
from kaoken.report.spec_json import spec_json


def report_json(m: ModelFiles, rendered: dict[str, str], copied: list[Path]) -> dict[str, Any]:
    """What report.json holds. `rendered`: the model's own C files; `copied`: those of the runtime."""
    program, interface, graph = m.program, m.interface, m.program.graph
    parameters = sum(v.data.size for v in graph.constants() if v.data is not None)
    return {
        "kaoken": kaoken.__version__,
        "name": m.name,
        "source": m.source,
        "tokenizer": m.tokenizer is not None,
        "interface": interface_json(interface),
        "parameters": int(parameters),
        "weights_bytes": program.weights.total,
        "onnx_nodes": graph.metadata["onnx_nodes"],
        "kernel_calls": len(program.calls),
        "steps": len(m.steps.rows),
        "index_bounds": _index_bounds(program),
        "c_lines": sum(text.count("\n") for text in rendered.values()),
        "runtime_files": sorted(p.name for p in copied),
        "kernels": [_kernel(k, program) for k in program.kernels],
        "calls": [
            {"kernel": c.kernel.name, "layer": c.module, "origin": list(c.node.origin), **edges}
            for c, edges in zip(program.calls, _call_edges(program), strict=True)
        ],
        "fusions": explanation(graph).fired,
        "misses": [list(m) for m in explanation(graph).misses],
        "memory": _memory(graph, interface),
        "end_ids": list(m.generation.stop_ids),
        "generation": asdict(m.generation) if interface.feed else None,
    }


def _kernel(kernel: Kernel, program: Program) -> dict[str, Any]:
    """A kernel for the report; of a scheduled one also what it takes to render it again."""
    entry = {"name": kernel.name, "layers": list(dict.fromkeys(kernel.origins)), "schedule": "rows over threads"}
    if isinstance(kernel.spec, LinearSpec | AttentionSpec):
        nodes = [call.node for call in program.calls if call.kernel is kernel]
        entry["schedule"] = str(kernel.spec.schedule)
        return {**entry, "spec": spec_json(kernel.spec, scheduled_name(nodes[0]), nodes)}
    return entry


def interface_json(interface: Interface) -> dict[str, Any]:
    """The surface: what `kaoken.Session` builds its calls from."""

    def tensor(t: Tensor) -> dict[str, Any]:
        entry = {"name": t.name, "dtype": t.dtype, "shape": [to_text(d) for d in t.shape], "state": t.is_state}
        entry |= {"encoder": True} if t in interface.encoder_outputs else {}
        most = largest(product(t.shape))
        finds = any(found_symbols(extent) for extent in t.shape)  # the product may lack them: one that is 0 hides the others
        return entry | ({"most": to_text(most)} if finds and most is not None else {})

    return {
        "sizes": [{"name": s.name, "lower": s.lower, "upper": s.upper, "default": s.default} for s in interface.sizes],
        "dims": [
            {"name": d.name, "lower": d.lower, "upper": d.upper, "size": d.limit.rsplit(".", 1)[-1]} for d in interface.dims
        ],
        "inputs": [tensor(t) for t in interface.inputs],
        "outputs": [tensor(t) for t in interface.outputs],
        "found": [{"name": f.name, "upper": to_text(f.upper)} for f in interface.found],
        "composed": list(interface.composed.values()),
        "feed": interface.feed,
        "vocabulary": interface.vocabulary,
        "context": interface.context,
        "batch": interface.batch,
        "sequence": interface.seq,
        "past": interface.past,
        "encode": interface.encode,
        "encoder_inputs": [t.name for t in interface.encoder_inputs] if interface.encode else [],
        "encoder_dims": [d.name for d in interface.encoder_dims],
        "embedding": interface.embedding.as_json() if interface.embedding else None,
    }


def _index_bounds(program: Program) -> dict[str, int]:
    """For inputs whose elements are indices the number that they lie below, where it is fixed."""
    found: dict[str, int] = {}
    for use in program.checks:
        if use.extent.constant is not None:
            found[use.value.name] = min(int(use.extent), found.get(use.value.name, int(use.extent)))
    return found


def _call_edges(program: Program) -> list[dict[str, list[Any]]]:
    """For each call the numbers of the calls that made what it reads, the inputs that it reads, and the outputs that it gives."""
    place = program.memory.flow.place
    inputs = {value: value.name for value in program.graph.inputs}
    outputs = {place(value)[0]: name for name, value in program.graph.outputs}
    made: dict[Value, int] = {}
    found: list[dict[str, list[Any]]] = []
    for call in program.calls:
        bases = [place(v)[0] for v in call.node.inputs if v is not None]
        written = [place(v)[0] for v in call.node.outputs]
        sources = sorted({made[base] for base in bases if base in made})
        reads = [inputs[base] for base in dict.fromkeys(bases) if base in inputs]
        found.append({"inputs": sources, "reads": reads, "gives": [outputs[base] for base in written if base in outputs]})
        made |= dict.fromkeys(written, call.number)
    return found


def _memory(graph: Graph, interface: Interface) -> dict[str, Any]:
    """The arena: its slots, and bytes at the default sizes.

    `live_bytes` are what each kernel call needs alive; the largest of them is what no plan can do without. `blocks` are the
    arena's values, each from the call that makes it to the last that needs it; those that overwrite one another in place are one.
    """
    plan: MemoryPlan = graph.metadata["memory"]
    defaults = {size.name: size.default for size in interface.sizes}
    sizes = {symbol.name: defaults[code.removeprefix("sizes->")] for symbol, code in interface.creation.items()}

    def at_default(expression: Any) -> int:
        return int(evaluate(at_creation(graph, dim(expression)), sizes))

    slots = []
    for slot in plan.slots:
        item = {
            "behind": sorted({other.index for other, _ in slot.behind}),
            "bytes": [to_text(s) for s in slot.sizes],
            "default_bytes": max(at_default(s) for s in slot.sizes),
            "values": [v.name for v in slot.values],
        }
        slots.append(item)
    offsets, times = plan.offsets(at_default), [position for position, _ in plan.flow.kernels()]
    blocks = []
    for buffer in plan.buffers:
        slot = plan.slot_of[buffer.values[0]]
        item = {
            "value": ", ".join(v.name for v in buffer.values),
            "slot": slot.index,
            "offset": offsets[slot],
            "bytes": at_default(buffer.size),
            "first": min(bisect_left(times, buffer.start), max(0, len(times) - 1)),
            "last": max(bisect_right(times, buffer.end) - 1, 0),
        }
        blocks.append(item)
    caches = [
        {"heads": int(c.keys.shape[1]), "key_dim": int(c.keys.shape[3]), "value_dim": int(c.values.shape[3]), "kind": c.kind}
        for c in plan.caches
    ]
    return {
        "default_sizes": sizes,
        "arena_bytes": plan.arena_bytes(at_default),
        "live_bytes": [at_default(live) for live in plan.live],
        "slots": slots,
        "blocks": blocks,
        "caches": caches,
    }
