"""report.html: report.json as one page to read, without scripts or anything from elsewhere."""

from __future__ import annotations

from typing import Any

from kaoken.emit.interface import Interface
from kaoken.emit.kernels import templates
from kaoken.ir.dims import dim, evaluate, to_text
from kaoken.ir.graph import Graph
from kaoken.passes.plan_memory import MemoryPlan, at_creation


def memory_report(graph: Graph, interface: Interface) -> dict[str, Any]:
    """The arena for report.json: its slots, and bytes at the default sizes.

    `live_bytes` are what each kernel call needs alive; the largest of them is what no plan can do without.
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
    caches = [
        {"heads": int(c.keys.shape[1]), "key_dim": int(c.keys.shape[3]), "value_dim": int(c.values.shape[3]), "kind": c.kind}
        for c in plan.caches
    ]
    return {
        "default_sizes": sizes,
        "arena_bytes": plan.arena_bytes(at_default),
        "live_bytes": [at_default(live) for live in plan.live],
        "slots": slots,
        "caches": caches,
    }


def render_page(report: dict[str, Any], profile: dict[str, Any] | None = None) -> str:
    """The page as HTML, with what `kaoken profile` measured where it did."""
    text: str = templates().get_template("kit/report.html.mako").render(r=report, layers=layers(report), size=readable_size)
    return text


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
