"""report.html: report.json as one page to read, without scripts or anything from elsewhere."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

from kaoken.emit import pictures
from kaoken.emit.interface import Interface
from kaoken.emit.program import Program
from kaoken.emit.templating import templates
from kaoken.ir.dims import dim, evaluate, to_text
from kaoken.ir.graph import Graph, Value
from kaoken.passes.plan_memory import MemoryPlan, at_creation


def memory_report(graph: Graph, interface: Interface) -> dict[str, Any]:
    """The arena for report.json: its slots, and bytes at the default sizes.

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


def render_page(report: dict[str, Any], profile: dict[str, Any] | None = None) -> str:
    """The page as HTML, with what `kaoken profile` measured where it did."""
    page = templates().get_template("kit/report.html.mako")
    text: str = page.render(r=report, p=profile, layers=layers(report), size=readable_size, pictures=pictures)
    return text


def call_edges(program: Program) -> list[dict[str, list[Any]]]:
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


def layers(report: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Calls in order, grouped by the block they belong to: `transformer.h.0`, else the layer itself."""
    groups: list[tuple[str, list[dict[str, Any]]]] = []
    for call in report["calls"]:
        parts = call["layer"].split(".")
        numbers = [n for n, part in enumerate(parts) if part.isdigit()]
        group = ".".join(parts[: numbers[0] + 1]) if numbers else call["layer"]
        if not groups or groups[-1][0] != group:
            groups.append((group, []))
        groups[-1][1].append(call)
    return groups


def readable_size(count: int) -> str:
    """Bytes with a decimal unit, three digits."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {unit}"
    return f"{count} bytes"
