"""The arena: which activations share memory. Sizes are expressions of the dims, so one plan serves every size of a handle."""

from __future__ import annotations

from dataclasses import dataclass, field

from kaoken.ir.dims import Dim, dim, evaluate, product, substitute
from kaoken.ir.dtypes import item_size
from kaoken.ir.expr import Formula, Int, Read, reads
from kaoken.ir.graph import Graph, Node, Value
from kaoken.passes.last_position import LOGIT_ROWS

CACHE_ALIGNMENT = 16


@dataclass(eq=False)
class Slot:
    """A stretch of the arena. Its size is the largest of `sizes`, in bytes; values in it are never alive together."""

    index: int
    sizes: list[Dim] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)


@dataclass(eq=False)
class CachePlan:
    """Keys and values of one attention: in the handle's state, or in slots of the arena.

    `offset` is the position of the first query among the keys of a causal attention in the arena, 0 where they begin together.
    """

    index: int
    attention: Node
    keys: Value
    values: Value
    is_state: bool
    offset: Dim


@dataclass
class MemoryPlan:
    """`slot_of` maps stored values (roots of aliases) to slots; `external` are inputs and outputs, in the caller's memory;
    `live` is, for each kernel, the bytes of the arena's values alive while it runs (a value written in place counts once)."""

    slots: list[Slot] = field(default_factory=list)
    slot_of: dict[Value, Slot] = field(default_factory=dict)
    external: set[Value] = field(default_factory=set)
    caches: list[CachePlan] = field(default_factory=list)
    live: list[Dim] = field(default_factory=list)

    def cache_of(self, value: Value) -> CachePlan:
        """The cache whose keys or values `value` is."""
        return next(c for c in self.caches if value in (c.keys, c.values))


def root(value: Value) -> Value:
    """The value whose memory `value` is: reshapes and strided views are aliases."""
    while value.producer is not None and value.producer.op in ("reshape", "view"):
        source = value.producer.inputs[0]
        assert source is not None
        value = source
    return value


def size_in_bytes(value: Value) -> Dim:
    """Bytes a stored value takes; caches round their positions up to whole vectors."""
    if value.packing in ("keys", "values"):
        b, h, t, d = value.shape
        return b * h * d * 4 * ((t + CACHE_ALIGNMENT - 1) // CACHE_ALIGNMENT) * CACHE_ALIGNMENT
    return product(value.shape) * item_size(value.dtype)


def plan_memory(graph: Graph) -> None:
    """Assign slots in order of execution; kept in `graph.metadata["memory"]`."""
    plan = MemoryPlan()
    states = {s.present for s in graph.states}
    for node in graph.nodes:
        if node.op == "attention":
            keys, values = node.inputs[1], node.inputs[2]
            assert keys is not None and values is not None
            causal = node.attrs["causal"] and keys not in states
            offset = keys.shape[2] - node.output.shape[1] if causal else dim(0)
            plan.caches.append(CachePlan(len(plan.caches), node, keys, values, keys in states, offset))
    plan.external = {root(v) for _, v in graph.outputs} | set(graph.inputs) | states
    last_use = _last_uses(graph)
    sample = _sample(graph)
    free: list[Slot] = []
    alive: list[Value] = []
    for position, node in enumerate(graph.nodes):
        if node.op in ("reshape", "view"):
            continue
        taken = _in_place(plan, node, position, last_use)
        for value in node.outputs:
            if value in plan.external:
                continue
            size = size_in_bytes(value)
            slot = taken if taken is not None else _pick(plan, free, size, sample)
            if taken is not None:
                alive = [v for v in alive if plan.slot_of[v] is not taken]
            alive.append(value)
            taken = None
            if slot in free:
                free.remove(slot)
            if size not in slot.sizes:
                slot.sizes.append(size)
            slot.values.append(value)
            plan.slot_of[value] = slot
        _release(plan, free, node, position, last_use)
        plan.live.append(sum(map(size_in_bytes, alive), dim(0)))
        alive = [v for v in alive if last_use.get(v, position) > position]
    graph.metadata["memory"] = plan


def _last_uses(graph: Graph) -> dict[Value, int]:
    last: dict[Value, int] = {}
    for position, node in enumerate(graph.nodes):
        for value in node.inputs:
            if value is not None:
                last[root(value)] = position
    return last


def _sample(graph: Graph) -> dict[str, int]:
    """Typical sizes, to compare expressions by: the upper bounds, batch 1."""
    return {s.name: 1 if s.lower == 1 and (s.upper or 0) in range(2, 17) else _upper(s.upper) for s in graph.symbols.values()}


def _upper(bound: int | Dim | None) -> int:
    return 64 if bound is None or isinstance(bound, Dim) else max(1, min(bound, 4096))


def _pick(plan: MemoryPlan, free: list[Slot], size: Dim, sample: dict[str, int]) -> Slot:
    """A free slot of equal size, else the smallest that is large enough, else the largest (which grows), else a new one."""
    wanted = evaluate(size, sample)

    def held(slot: Slot) -> int:
        return max(evaluate(s, sample) for s in slot.sizes)

    exact = [s for s in free if any(x == size for x in s.sizes) and held(s) == wanted]
    large = [s for s in free if held(s) >= wanted]
    if exact:
        return min(exact, key=lambda s: s.index)
    if large:
        return min(large, key=lambda s: (held(s), s.index))
    if free:
        return max(free, key=lambda s: (held(s), -s.index))
    slot = Slot(len(plan.slots))
    plan.slots.append(slot)
    return slot


def _in_place(plan: MemoryPlan, node: Node, position: int, last_use: dict[Value, int]) -> Slot | None:
    """The slot of an operand that ends here and that the node may overwrite element by element."""
    if len(node.outputs) != 1 or node.output.packing != "rows" or node.output in plan.external:
        return None
    operands = [root(v) for v in node.inputs if v is not None]
    for value in _overwritable(node):
        base = root(value)
        if operands.count(base) > 1:
            continue  # also read elsewhere, or in another order
        if base in plan.slot_of and last_use.get(base) == position and size_in_bytes(base) == size_in_bytes(node.output):
            if base.packing == "rows":
                return plan.slot_of[base]
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


def _release(plan: MemoryPlan, free: list[Slot], node: Node, position: int, last_use: dict[Value, int]) -> None:
    ended = [root(v) for v in node.inputs if v is not None]
    ended += [v for v in node.outputs if v not in last_use]
    for value in dict.fromkeys(ended):
        slot = plan.slot_of.get(value)
        if slot is not None and last_use.get(value, position) <= position and slot.values[-1] is value and slot not in free:
            free.append(slot)


def at_creation(graph: Graph, size: Dim) -> Dim:
    """A size for which memory is reserved: all positions may be asked for logits."""
    rows = graph.symbols.get(LOGIT_ROWS)
    if rows is None:
        return size
    logits = next(v for name, v in graph.outputs if name == "logits")
    seq = next(v.shape[1] for v in graph.inputs if v.rank == 2 and v.dtype == "int64" and len(v.shape[1].symbols()) == 1)
    assert logits.rank == 3
    return substitute(size, {rows: seq})
