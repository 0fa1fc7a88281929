"""Behind which calls threads must meet: where a later one touches memory that another thread wrote, or writes what another read.

A call's threads each take some rows (partition.py). Two calls need no barrier between them when whatever both touch, and one of
them writes, is read and written by the same thread: same count, same bytes a row, same place. What lies in different places of
the arena counts as the same memory unless both values are alive at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kaoken.emit.program import Call, Program
from kaoken.ir.dims import Dim, dim
from kaoken.ir.dtypes import item_size
from kaoken.ir.graph import Node, Value
from kaoken.passes.body_memory import root
from kaoken.passes.plan_memory import MemoryPlan


@dataclass(frozen=True)
class Access:
    """What a call does to a value with memory of its own. `share`: what a thread touches of it, None where that is anything."""

    base: Value
    writes: bool
    share: tuple[str, Dim, Dim] | None


def needed_barriers(program: Program, layers: Sequence[Sequence[Sequence[Call]]]) -> set[int]:
    """Numbers of the calls behind which a barrier is needed. `layers`: for each function that layers share, its calls for each
    of them; what one layer needs all have. A program with control flow has a barrier behind every call: what decides must be
    settled."""
    if program.control:
        return {call.number for call in program.calls}
    same = [{call.number for call in calls} for block in layers for calls in zip(*block, strict=True)]
    found: set[int] = set()
    stages = dict.fromkeys(call.node.stage for call in program.calls)
    plan = _Lives(program.memory)
    while True:
        before = len(found)
        for stage in stages:
            _visit([call for call in program.calls if call.node.stage == stage], plan, found)
        for numbers in same:
            if not found.isdisjoint(numbers):
                found |= numbers
        if len(found) == before:
            return found


def _visit(calls: Sequence[Call], lives: _Lives, found: set[int]) -> None:
    """Add a barrier before each call that must not run beside one since the last barrier."""
    open_: list[Access] = []
    for at, call in enumerate(calls):
        own = lives.accesses(call)
        if at and calls[at - 1].number in found:
            open_ = []
        elif any(lives.conflict(a, b) for a in open_ for b in own):
            found.add(calls[at - 1].number)
            open_ = []
        open_ += own


class _Lives:
    """When values of the arena are alive, and where they are."""

    def __init__(self, memory: MemoryPlan):
        self.memory = memory
        self.last = memory.flow.last_uses()
        self.made = {value: memory.flow.first[node] for node in memory.flow.nodes for value in node.outputs}

    def accesses(self, call: Call) -> list[Access]:
        node = call.node
        inputs = [self._access(call, v, False) for v in node.inputs if v is not None and not _is_constant(v)]
        return inputs + [self._access(call, v, True) for v in node.outputs]

    def _access(self, call: Call, value: Value, writes: bool) -> Access:
        base, offset = self.memory.flow.place(value)
        partition = call.partition
        if partition is None or offset != dim(0) or value.packing != "rows" or base.packing != "rows" or _is_view(value):
            return Access(base, writes, None)
        stride = partition.output if writes else partition.strides.get(value)
        share = None if stride is None else (partition.kind, partition.count, stride * item_size(value.dtype))
        return Access(base, writes, share)

    def conflict(self, a: Access, b: Access) -> bool:
        if not (a.writes or b.writes) or not self._overlap(a.base, b.base):
            return False
        return a.share is None or a.share != b.share

    def _overlap(self, a: Value, b: Value) -> bool:
        """Whether two values may lie in the same memory."""
        if a is b:
            return True
        slots = self.memory.slot_of.get(a), self.memory.slot_of.get(b)
        if slots[0] is None or slots[1] is None:
            return False  # a tensor of the caller's, or a cache of its own
        return slots[0] is slots[1] or not self._alive_together(a, b)

    def _alive_together(self, a: Value, b: Value) -> bool:
        return max(self.made[a], self.made[b]) <= min(self.last.get(v, self.made[v]) for v in (a, b))


def _is_constant(value: Value) -> bool:
    return root(value).producer is None and root(value).data is not None


def _is_view(value: Value) -> bool:
    """Whether elements of the value lie apart in its memory."""
    producer: Node | None = value.producer
    while producer is not None and producer.op in ("reshape", "view"):
        if producer.op == "view":
            return True
        source = producer.inputs[0]
        producer = source.producer if source is not None else None
    return False
