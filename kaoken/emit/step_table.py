"""The steps of a call, numbered for the profile: kernel calls in order, control flow, the caches' way in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kaoken.emit.program import Call, Program
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

    def shared(self, layers: Sequence[Sequence[Call]], names: Sequence[str]) -> list[StepRow]:
        """The rows of equal layers without the layer's name in front; none where they differ in more than that."""
        first = [self.rows[call.number] for call in layers[0]]
        shared = [replace(row, layer=row.layer.removeprefix(names[0])) for row in first]
        for calls, name in zip(layers, names, strict=True):
            if [self.rows[call.number] for call in calls] != [replace(row, layer=name + row.layer) for row in shared]:
                return []
        return shared

    def _add(self, layer: str, kernel: str, cost: KernelCost) -> None:
        self.rows.append(StepRow(layer, kernel, self._cost(cost)))

    def _cost(self, cost: KernelCost) -> int:
        if cost not in self._known:
            self._known[cost] = len(self.costs)
            self.costs.append((to_c(cost.flop), to_c(cost.bytes)))
        return self._known[cost]
