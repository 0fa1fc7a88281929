"""The arena: which activations share memory. Sizes are expressions of the dims, so one plan serves every size of a handle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kaoken.ir.dims import Dim, dim, evaluate, product, substitute
from kaoken.ir.dtypes import item_size
from kaoken.ir.expr import Formula, Int, Read, reads
from kaoken.ir.found_sizes import largest
from kaoken.ir.graph import Graph, Node, Value
from kaoken.passes.body_memory import Flow, plan_flow, root
from kaoken.passes.last_position import LOGIT_ROWS
from kaoken.passes.text_encoder import kept_outputs

CACHE_ALIGNMENT = 16
SLOT_ALIGNMENT = 64
CACHE_KINDS = ("state", "encoded", "arena")
"""Caches are numbered in this order."""


@dataclass(eq=False)
class Slot:
    """A place in the arena: it begins behind every (slot, size) of `behind`, or at 0. Its size is the largest of `sizes`.

    Sizes are bytes. Slots may overlap: only values that are never alive together lie in slots that do.
    """

    index: int
    behind: tuple[tuple[Slot, Dim], ...] = ()
    sizes: list[Dim] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)


@dataclass(eq=False)
class Buffer:
    """Values that overwrite one another in place, alive from kernel `start` to kernel `end`."""

    start: int
    end: int
    size: Dim
    values: list[Value]
    bytes: int = 0
    offset: int = 0
    below: set[Buffer] = field(default_factory=set)

    def meets(self, other: Buffer) -> bool:
        """Whether both are ever alive together."""
        return self.start <= other.end and other.start <= self.end


@dataclass(eq=False)
class CachePlan:
    """Keys and values of one attention. `kind` says where they stay: "state", which the handle appends to, "encoded", which the
    encoder fills once for an input, or "arena", in its slots.

    `offset` is the position of the first query among the keys of a causal attention in the arena, 0 where they begin together.
    """

    index: int
    attention: Node
    keys: Value
    values: Value
    kind: str
    offset: Dim


@dataclass
class MemoryPlan:
    """`slot_of` maps stored values (roots of aliases) to slots; `external` are inputs and outputs, in the caller's memory;
    `live` is, for each kernel, the bytes of the arena's values alive while it runs (a value written in place counts once), and
    `buffers` are these values with their positions in time;
    `flow` says of values of bodies in whose memory they lie."""

    slots: list[Slot] = field(default_factory=list)
    slot_of: dict[Value, Slot] = field(default_factory=dict)
    external: set[Value] = field(default_factory=set)
    caches: list[CachePlan] = field(default_factory=list)
    live: list[Dim] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    flow: Flow = field(default_factory=Flow)

    def cache_of(self, value: Value) -> CachePlan:
        """The cache whose keys or values `value` is."""
        return next(c for c in self.caches if value in (c.keys, c.values))

    def offsets(self, size_of: Callable[[Dim], int]) -> dict[Slot, int]:
        """Where each slot begins, a multiple of 64, where `size_of` gives the bytes of a size."""
        offsets: dict[Slot, int] = {}
        for slot in self.slots:
            offsets[slot] = max((_aligned(offsets[s] + size_of(size)) for s, size in slot.behind), default=0)
        return offsets

    def arena_bytes(self, size_of: Callable[[Dim], int]) -> int:
        """Bytes of the arena."""
        offsets = self.offsets(size_of)
        return max((_aligned(offsets[s] + size_of(size)) for s in self.slots for size in s.sizes), default=0)


def size_in_bytes(value: Value) -> Dim:
    """Bytes a stored value takes; caches round their positions up to whole vectors."""
    if value.packing in ("keys", "values"):
        b, h, t, d = value.shape
        return b * h * d * 4 * ((t + CACHE_ALIGNMENT - 1) // CACHE_ALIGNMENT) * CACHE_ALIGNMENT
    return product(value.shape) * item_size(value.dtype)


def plan_memory(graph: Graph) -> None:
    """Place every stored value; kept in `graph.metadata["memory"]`.

    Values are laid out for typical sizes, largest or earliest or longest first, each at the lowest offset that is free while
    it is alive; the best of these layouts says which value lies above which. That order, with the sizes left as expressions,
    gives offsets that are right for any sizes. The greedy layouts are those of Y. Pisarchyk and J. Lee, "Efficient Memory
    Management for Deep Neural Net Inference" (2020).
    """
    plan = MemoryPlan()
    states, encoded = {s.present for s in graph.states}, set(graph.encoded)
    plan.flow = plan_flow(graph, _overwritable)
    for node in plan.flow.nodes:
        if node.op == "attention":
            keys, values = node.inputs[1], node.inputs[2]
            assert keys is not None and values is not None
            causal = node.attrs["causal"] and keys not in states
            offset = keys.shape[2] - node.output.shape[1] if causal else dim(0)
            kind = "state" if keys in states else "encoded" if keys in encoded else "arena"
            plan.caches.append(CachePlan(0, node, keys, values, kind, offset))
    plan.caches.sort(key=lambda c: CACHE_KINDS.index(c.kind))
    for index, cache in enumerate(plan.caches):
        cache.index = index
    plan.external = {root(v) for _, v in graph.outputs} | set(graph.inputs) | states | encoded
    plan.buffers = buffers = _buffers(graph, plan)
    sample = _sample(graph)
    for buffer in buffers:
        buffer.bytes = _aligned(evaluate(at_creation(graph, buffer.size), sample))
    orders: list[Callable[[Buffer], tuple[int, ...]]] = [
        lambda b: (-b.bytes, b.start),
        lambda b: (b.start, -b.bytes),
        lambda b: (b.start - b.end, -b.bytes, b.start),
    ]
    best = min(orders, key=lambda order: _lay_out(sorted(buffers, key=order)))
    _lay_out(sorted(buffers, key=best))
    _make_slots(plan, sorted(buffers, key=lambda b: (b.offset, b.start)))
    graph.metadata["memory"] = plan


def _aligned(size: int) -> int:
    return -(-size // SLOT_ALIGNMENT) * SLOT_ALIGNMENT


def _buffers(graph: Graph, plan: MemoryPlan) -> list[Buffer]:
    """The arena's values in order of execution, and what is alive at each kernel."""
    flow = plan.flow
    last_use = flow.last_uses()
    buffer_of: dict[Value, Buffer] = {}
    buffers: list[Buffer] = []
    for node in flow.nodes:
        first, last = flow.first[node], flow.last[node]
        taken = _in_place(buffer_of, node, first, flow, last_use)
        for value in node.outputs:
            if value in plan.external or flow.place(value)[0] is not value or node.op == "size":
                continue
            end = max(last, last_use.get(value, last))
            if node.outputs == [value] and taken is not None:
                buffer = taken
                buffer.values.append(value)
                buffer.end = end
            else:
                buffer = Buffer(first, end, size_in_bytes(value), [value])
                buffers.append(buffer)
            buffer_of[value] = buffer
    end = len(flow.first) + len(flow.last)
    made = {value: flow.first[node] for node in flow.nodes for value in node.outputs}
    buffers += [Buffer(made[v], end, size_in_bytes(v), [v]) for v in map(root, kept_outputs(graph)) if v in made]
    for position, _ in flow.kernels():
        plan.live.append(sum((b.size for b in buffers if b.start <= position <= b.end), dim(0)))
    return buffers


def _lay_out(buffers: list[Buffer]) -> tuple[int, int]:
    """Give each buffer in turn the lowest free offset; returns the bytes needed and the number of distinct offsets."""
    placed: list[Buffer] = []
    for buffer in buffers:
        offset = 0
        for other in sorted((b for b in placed if b.meets(buffer)), key=lambda b: b.offset):
            if offset + buffer.bytes <= other.offset:
                break
            offset = max(offset, other.offset + other.bytes)
        buffer.offset = offset
        placed.append(buffer)
    return max((b.offset + b.bytes for b in placed), default=0), len({b.offset for b in placed})


def _make_slots(plan: MemoryPlan, buffers: list[Buffer]) -> None:
    """Slots for buffers that come by ascending offset: equal places of equal layers become one slot."""
    slot_of: dict[Buffer, Slot] = {}
    known: dict[frozenset[tuple[Slot, Dim]], Slot] = {}
    for position, buffer in enumerate(buffers):
        buffer.below = {b for b in buffers[:position] if b.meets(buffer)}
        # What lies below something that lies below is behind already.
        direct = [b for b in buffers[:position] if b in buffer.below and not any(b in other.below for other in buffer.below)]
        ends = dict.fromkeys((slot_of[b], b.size) for b in direct)
        behind = [end for end in ends if not any(end in other.behind for other, _ in ends)]
        key = frozenset(behind)
        if key not in known:
            known[key] = Slot(len(plan.slots), tuple(behind))
            plan.slots.append(known[key])
        slot = slot_of[buffer] = known[key]
        if buffer.size not in slot.sizes:
            slot.sizes.append(buffer.size)
        slot.values += buffer.values
        plan.slot_of.update(dict.fromkeys(buffer.values, slot))


def _sample(graph: Graph) -> dict[str, int]:
    """Typical sizes, to compare expressions by: the upper bounds, batch 1."""
    given = graph.given_symbols()
    return {s.name: 1 if s.lower == 1 and (s.upper or 0) in range(2, 17) else _upper(s.upper) for s in given}


def _upper(bound: int | Dim | None) -> int:
    return 64 if bound is None or isinstance(bound, Dim) else max(1, min(bound, 4096))


def _in_place(buffer_of: dict[Value, Buffer], node: Node, position: int, flow: Flow, last_use: dict[Value, int]) -> Buffer | None:
    """The buffer of an operand that ends here and that the node may overwrite element by element."""
    if len(node.outputs) != 1 or node.output.packing != "rows" or flow.place(node.output)[0] is not node.output:
        return None
    operands = [flow.place(v)[0] for v in node.inputs if v is not None]
    for value in _overwritable(node):
        base, _ = flow.place(value)
        if operands.count(base) > 1:
            continue  # also read elsewhere, or in another order
        fits = base in buffer_of and base.packing == "rows" and size_in_bytes(base) == size_in_bytes(node.output)
        if fits and last_use.get(base) == position:
            return buffer_of[base]
    return None


def _overwritable(node: Node) -> list[Value]:
    if node.op == "linear":
        return [node.inputs[1]] if node.inputs[1] is not None else []
    if node.op == "norm":
        x = node.inputs[0]
        return [x] if x is not None and (x.producer is None or x.producer.op != "view") else []
    if node.op == "map":
        return _read_in_step(node)
    return []


def _read_in_step(node: Node) -> list[Value]:
    """Operands of a map that are only read at the very element that is written."""
    formula = node.attrs["formula"]
    assert isinstance(formula, Formula)
    at = tuple(Int(dim(a)) for a in formula.axes)
    found = reads(formula.body)
    result = []
    for value in dict.fromkeys(r.value for r in found):
        mine: list[Read] = [r for r in found if r.value is value]
        if all(r.indices == at for r in mine) and value.shape == node.output.shape and value.dtype == node.output.dtype:
            result.append(value)
    return result


def at_creation(graph: Graph, size: Dim) -> Dim:
    """A size for which memory is reserved: all positions may be asked for logits, sizes that are found may be the largest."""
    bound = largest(size)
    assert bound is not None, f"nothing bounds {size}"
    size = bound
    rows = graph.symbols.get(LOGIT_ROWS)
    if rows is None:
        return size
    logits = next(v for name, v in graph.outputs if name == "logits")
    seq = graph.states[0].present.shape[2] - graph.states[0].past.shape[2]
    assert logits.rank == 3
    return substitute(size, {rows: seq})
