"""Where every constant lies in the weights file, and in which layout the kernels read it: each is stored once."""

from __future__ import annotations

from dataclasses import dataclass, field

from kaoken.ir.dtypes import item_size
from kaoken.ir.graph import Graph, Node, Value
from kaoken.ops.linear import linear_operands, weight_columns
from kaoken.passes.body_memory import root

_BY_FORMULA = ("map", "append")
"""Operations that find the elements of a constant in any layout; all others read rows: a reshape is the same memory."""

ALIGNMENT = 64
PANEL = 16


@dataclass(eq=False)
class WeightEntry:
    """A run of bytes in the weights file.

    `rows`: one constant in row-major order. `panels`: the matrices in `sources`, side by side, as [ceil(N / 16)][K][16].
    `vector`: the vectors in `sources` one after another, zeros where a source is None (`widths` columns each).
    """

    name: str
    layout: str
    sources: tuple[Value | None, ...]
    transposed: tuple[bool, ...]
    widths: tuple[int, ...]
    size: int
    offset: int = 0

    @property
    def dtype(self) -> str:
        return next(s.dtype for s in self.sources if s is not None)


@dataclass
class WeightPlan:
    """All entries in file order; `of_value` finds a constant that loops read, `matrix` and `bias` a linear node's."""

    entries: list[WeightEntry] = field(default_factory=list)
    of_value: dict[Value, WeightEntry] = field(default_factory=dict)
    matrix: dict[Node, WeightEntry] = field(default_factory=dict)
    bias: dict[Node, WeightEntry] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Bytes of the whole section."""
        return sum(_aligned(e.size) for e in self.entries)


def plan_weights(graph: Graph) -> None:
    """Choose layouts and offsets, in the order in which a step reads them; kept in `graph.metadata["weights"]`."""
    plan = WeightPlan()
    shared: dict[tuple, WeightEntry] = {}
    for node in graph.every_node():
        if node.op not in _BY_FORMULA:
            _plain_entries(plan, shared, node)
    for node in graph.every_node():
        if node.op == "linear":
            _linear_entries(plan, shared, node)
    for node in graph.every_node():
        if node.op in _BY_FORMULA:
            _plain_entries(plan, shared, node)
    order = {id(e): n for n, e in enumerate(_reading_order(graph, plan))}
    plan.entries.sort(key=lambda e: order[id(e)])
    offset = 0
    for entry in plan.entries:
        entry.offset = offset
        offset += _aligned(entry.size)
    graph.metadata["weights"] = plan


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _add(plan: WeightPlan, shared: dict[tuple, WeightEntry], key: tuple, entry: WeightEntry) -> WeightEntry:
    if key not in shared:
        shared[key] = entry
        plan.entries.append(entry)
    return shared[key]


def _linear_entries(plan: WeightPlan, shared: dict[tuple, WeightEntry], node: Node) -> None:
    o = linear_operands(node.inputs, node.attrs)
    transposed = tuple(node.attrs["transposed"])
    widths = tuple(weight_columns(w, t) for w, t in zip(o.weights, transposed, strict=True))
    k = int(o.x.shape[-1])
    size = -(-sum(widths) // PANEL) * PANEL * k * 4
    key = ("panels", *map(id, o.weights), *transposed)
    name = "+".join(w.name for w in o.weights)
    entry = _add(plan, shared, key, WeightEntry(name, "panels", o.weights, transposed, widths, size))
    plan.matrix[node] = entry
    if len(o.weights) == 1:
        plan.of_value.setdefault(o.weights[0], entry)
    if any(b is not None for b in o.biases):
        key = ("vector", *(id(b) if b is not None else None for b in o.biases), *widths)
        name = "+".join(b.name for b in o.biases if b is not None)
        vector = WeightEntry(name, "vector", tuple(o.biases), (), widths, sum(widths) * 4)
        plan.bias[node] = _add(plan, shared, key, vector)


def _plain_entries(plan: WeightPlan, shared: dict[tuple, WeightEntry], node: Node) -> None:
    """Constants that have no place yet. What a formula reads may be a linear's matrix too, and is read through its panels."""
    operands = node.inputs
    if node.op == "linear":
        o = linear_operands(node.inputs, node.attrs)
        operands = [o.x, o.residual, *o.pasts]
    for value in (root(v) for v in operands if v is not None):
        if value.producer is None and value.data is not None and value not in plan.of_value:
            size = value.data.size * item_size(value.dtype)
            entry = WeightEntry(value.name, "rows", (value,), (), (), size)
            plan.of_value[value] = _add(plan, shared, ("rows", id(value)), entry)


def _reading_order(graph: Graph, plan: WeightPlan) -> list[WeightEntry]:
    ordered: dict[int, WeightEntry] = {}
    for node in graph.every_node():
        found = [plan.of_value.get(v) for v in node.inputs if v is not None and node.op != "linear"]
        found += [plan.matrix.get(node), plan.bias.get(node)]
        for entry in found:
            if entry is not None:
                ordered.setdefault(id(entry), entry)
    for entry in plan.entries:
        ordered.setdefault(id(entry), entry)
    return list(ordered.values())
