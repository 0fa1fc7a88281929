"""Schedules: every hot kernel gets its tiles and blocks, as data on the node; `kaoken tune` may have chosen others."""

from __future__ import annotations

from kaoken.ir.graph import Graph
from kaoken.passes.choose_schedule import choose_attention, choose_linear


def assign_schedules(graph: Graph) -> None:
    """Put a schedule on every linear and attention node."""
    for node in graph.every_node():
        if node.op == "linear":
            x = node.inputs[0]
            assert x is not None
            node.attrs["schedule"] = choose_linear(int(x.shape[-1]), sum(p.columns for p in node.attrs["parts"]))
        elif node.op == "attention":
            node.attrs["schedule"] = choose_attention()
