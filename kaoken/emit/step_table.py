"""The steps of a call, numbered for the profile: kernel calls in order, control flow, the caches' way in and out."""

from __future__ import annotations

from dataclasses import dataclass

from kaoken.emit.program import Program
from kaoken.ir.dims import to_c
from kaoken.ir.graph import Node
from kaoken.passes.cost import FREE, KernelCost, kernel_cost

IMPORTED, EXPORTED = "past_key_values", "present"


@dataclass(frozen=True)
class StepRow:
    """A step: its layer in the words of the user's model, the function that does it, and which of `StepTable.costs` it has."""

    layer: str
    kernel: str
    cost: int


class StepTable:
    """`rows` by number; `costs` are FLOP and bytes as C over the call's dims, the first nothing at all."""

    def __init__(self, program: Program):
        self.costs: list[tuple[str, str]] = []
        self._known: dict[KernelCost, int] = {}
        self.rows: list[StepRow] = []
        self._number: dict[Node, int] = {}
        self._cost(FREE)
        for call in program.calls:
            self._add(call.module, call.kernel.name, kernel_cost(call.node, program.weights))
        for node in program.control:
            self._number[node] = len(self.rows)
            self._add(node.origin[-1] if node.origin else node.op, node.op, FREE)
        self.imported = len(self.rows)
        if program.graph.states:
            self._add(IMPORTED, "kk_cache_import", FREE)
            self._add(EXPORTED, "kk_cache_export", FREE)
        if not self.rows:
            self._add("", "", FREE)  # C has no empty tables

    def number(self, node: Node) -> int:
        """The step of a node of control flow."""
        return self._number[node]

    def _add(self, layer: str, kernel: str, cost: KernelCost) -> None:
        self.rows.append(StepRow(layer, kernel, self._cost(cost)))

    def _cost(self, cost: KernelCost) -> int:
        if cost not in self._known:
            self._known[cost] = len(self.costs)
            self.costs.append((to_c(cost.flop), to_c(cost.bytes)))
        return self._known[cost]
