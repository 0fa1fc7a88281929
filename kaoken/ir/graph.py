"""The graph: values are objects, nodes keep the ONNX names they stand for, and order is topological."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kaoken.ir.dims import Dim, Symbol
from kaoken.ir.dtypes import DType
from kaoken.ir.found_sizes import node_symbols, value_symbols

Shape = tuple[Dim, ...]


class Value:
    """A tensor: the output of a node, a graph input, or a constant.

    `data` holds a constant's elements (often a view of the mapped model file). `known` holds elements that are known as
    expressions of the dims (an object array of `Int` and `Const`): shape arithmetic lives there and nowhere else.
    """

    __slots__ = ("data", "dtype", "known", "name", "packing", "producer", "shape")

    def __init__(self, name: str, shape: Shape, dtype: DType):
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.producer: Node | None = None
        self.data: np.ndarray | None = None
        self.known: np.ndarray | None = None
        self.packing: str = "rows"

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(repr, self.shape))}]"

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass(eq=False)
class Node:
    """One operation. `attrs` are plain values; `origin` lists the names of the ONNX nodes it stands for.

    Control flow has graphs in its attribute `bodies`: each reads its own inputs, its own nodes' outputs and constants, nothing
    else; what it captures from outside is an operand of the node. `finds` are the symbols whose values the node sets.
    `stage` is "encode" or "decode" in an encoder-decoder whose stages were told apart, else empty.
    """

    op: str
    inputs: list[Value | None]
    outputs: list[Value]
    attrs: dict[str, Any] = field(default_factory=dict)
    origin: tuple[str, ...] = ()
    stage: str = ""

    @property
    def output(self) -> Value:
        return self.outputs[0]

    @property
    def bodies(self) -> tuple[Graph, ...]:
        return self.attrs.get("bodies", ())

    @property
    def finds(self) -> tuple[Symbol, ...]:
        return self.attrs.get("finds", ())

    def __repr__(self) -> str:
        return node_text(self)


@dataclass(eq=False)
class State:
    """A pair `past -> present` that the handle owns between calls: `present` is `past` with new positions appended."""

    name: str
    past: Value
    present: Value
    kind: str  # "keys" or "values"
    layer: int


@dataclass(eq=False)
class Graph:
    """A model. `symbols` are its dimensions; `nodes` are in topological order; outputs have the ONNX names.

    An encoder-decoder runs in two stages, once they are told apart: nodes of the stage "encode" depend on `encoder_inputs` alone
    and fill the caches `encoded`, which the other nodes read at every step.

    `packed` are the shapes and types that inputs and outputs, by name, have for the caller where elements are less than a byte;
    the graph itself takes and gives their bytes.

    `composed` says, by name, of which inputs or outputs a sequence or an optional of the model is made.

    A body of a control-flow node is a graph too; it shares the symbols and the metadata of the model.
    """

    name: str
    symbols: dict[str, Symbol] = field(default_factory=dict)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[tuple[str, Value]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    encoder_inputs: list[Value] = field(default_factory=list)
    encoded: list[Value] = field(default_factory=list)
    is_body: bool = False
    packed: dict[str, tuple[Shape, DType]] = field(default_factory=dict)
    composed: dict[str, dict[str, Any]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def uses(self) -> dict[Value, list[Node]]:
        """For each value the nodes that read it (a node twice if it reads twice)."""
        result: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                if value is not None:
                    result.setdefault(value, []).append(node)
        return result

    def output_values(self) -> set[Value]:
        return {value for _, value in self.outputs} | {state.present for state in self.states}

    def constants(self) -> list[Value]:
        """The constants that nodes read, those inside bodies too, in order of first use."""
        seen: dict[Value, None] = {}
        for graph in self.walk():
            for node in graph.nodes:
                for value in node.inputs:
                    if value is not None and value.producer is None and value.data is not None:
                        seen.setdefault(value)
        return list(seen)

    def given_symbols(self) -> list[Symbol]:
        """The symbols whose values the caller gives."""
        return [symbol for symbol in self.symbols.values() if not symbol.is_found]

    def walk(self) -> Iterator[Graph]:
        """The graph and all bodies inside it, outer ones first."""
        yield self
        for node in self.nodes:
            for body in node.bodies:
                yield from body.walk()

    def every_node(self) -> Iterator[Node]:
        """The nodes in order of execution, each before those of its bodies."""
        for node in self.nodes:
            yield node
            for body in node.bodies:
                yield from body.every_node()

    def finders(self) -> dict[Symbol, Node]:
        """The nodes that set symbols, bodies' nodes not among them."""
        return {symbol: node for node in self.nodes for symbol in node.finds}

    def replace(self, replacements: dict[Value, Value]) -> None:
        """Let every reader of a key read its replacement instead (chains are followed)."""

        def final(value: Value) -> Value:
            while value in replacements:
                value = replacements[value]
            return value

        for node in self.nodes:
            node.inputs = [None if value is None else final(value) for value in node.inputs]
        self.outputs = [(name, final(value)) for name, value in self.outputs]
        for state in self.states:
            state.present = final(state.present)

    def remove_dead(self) -> int:
        """Remove nodes none of whose outputs is read, and whose symbols nobody needs, but checks; returns how many went."""
        live = self.output_values()
        finders = self.finders()
        needed = {s for value in live for s in value_symbols(value)} if finders else set()
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if any(value in live for value in node.outputs) or not needed.isdisjoint(node.finds) or node.attrs.get("checks"):
                live.update(value for value in node.inputs if value is not None)
                needed |= node_symbols(node) if finders else set()
                kept.append(node)
        removed = len(self.nodes) - len(kept)
        self.nodes = kept[::-1]
        return removed

    def sort(self) -> None:
        """Restore topological order after nodes were inserted, keeping the present order where it is free."""
        done: set[int] = set()
        ordered: list[Node] = []
        finders = self.finders()
        for root in self.nodes:
            stack = [(root, False)]
            while stack:
                node, ready = stack.pop()
                if id(node) in done:
                    continue
                if ready:
                    done.add(id(node))
                    ordered.append(node)
                    continue
                stack.append((node, True))
                before = [finders[s] for s in node_symbols(node) if s in finders] if finders else []
                before += [v.producer for v in reversed(node.inputs) if v is not None and v.producer is not None]
                stack += [(needed, False) for needed in before if id(needed) not in done and needed is not node]
        self.nodes = ordered


def merged_origin(nodes: Iterable[Node]) -> tuple[str, ...]:
    """The names a fused node stands for, in order, each once."""
    return tuple(dict.fromkeys(name for node in nodes for name in node.origin))


def shape_text(shape: Shape) -> str:
    return f"[{', '.join(map(repr, shape))}]"


def _attr_text(value: Any) -> str:
    from kaoken.ir.expr import Formula, to_text

    if isinstance(value, Symbol):
        return f"{value.name}: {value.lower}..{value.upper}"

    if isinstance(value, Formula):
        return f"[{', '.join(a.name for a in value.axes)}] -> {to_text(value.body)}"
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_attr_text(item) for item in value)}]"
    return str(value)


def node_text(node: Node) -> str:
    """One line: outputs with types, operation, operands, attributes."""
    outputs = ", ".join(f"{v.name}: {v.dtype}{shape_text(v.shape)}" for v in node.outputs)
    operands = ", ".join("-" if v is None else _operand_text(v) for v in node.inputs)
    shown = {key: value for key, value in node.attrs.items() if value is not None and key != "bodies"}
    attrs = "".join(f" {key}={_attr_text(value)}" for key, value in shown.items())
    return f"{f'{node.stage}: ' if node.stage else ''}{outputs} = {node.op}({operands}){attrs}"


def _operand_text(value: Value) -> str:
    from kaoken.ir.expr import to_text

    if value.producer is None and value.known is not None:
        if value.known.size <= 8:
            items = ", ".join(to_text(item) for item in value.known.ravel())
            return items if value.rank == 0 else f"[{items}]"
    elif value.producer is None and value.data is not None and value.data.size == 1:
        return str(value.data.reshape(-1)[0])
    return value.name


def graph_text(graph: Graph) -> str:
    """The stable text form of a graph, one line a node: what `--dump-ir` writes and pass tests compare."""
    symbols = ", ".join(f"{s.name}: {s.lower}..{s.upper}" for s in graph.given_symbols())
    lines = [f"graph {graph.name}({symbols})"]
    lines += [f"  input {value!r}" for value in graph.inputs]
    lines += [f"  const {value!r}" for value in graph.constants() if value.data is not None and value.data.size > 1]
    lines += _node_lines(graph)
    lines += [f"  state {s.name}: {s.past.name} -> {s.present.name} ({s.kind})" for s in graph.states]
    lines += [f"  output {name} = {_operand_text(value)}" for name, value in graph.outputs]
    return "\n".join(lines) + "\n"


def _node_lines(graph: Graph) -> list[str]:
    """A graph's nodes, bodies indented below theirs."""
    lines = []
    for node in graph.nodes:
        lines.append(f"  {node_text(node)}")
        for body in node.bodies:
            lines.append(f"    {body.name}({', '.join(map(repr, body.inputs))})")
            lines += [f"    {line}" for line in _node_lines(body)]
            lines += [f"      output {name} = {_operand_text(value)}" for name, value in body.outputs]
    return lines


def constant(name: str, data: np.ndarray) -> Value:
    """A value that holds its elements."""
    from kaoken.ir.dims import dim

    value = Value(name, tuple(dim(n) for n in data.shape), str(data.dtype))
    value.data = data
    return value


def new_node(
    op: str,
    inputs: Sequence[Value | None],
    outputs: Sequence[tuple[str, Shape, DType]],
    attrs: dict[str, Any] | None = None,
    origin: tuple[str, ...] = (),
) -> Node:
    """A node with fresh output values, not yet part of a graph."""
    node = Node(op, list(inputs), [Value(*spec) for spec in outputs], dict(attrs or {}), origin)
    for value in node.outputs:
        value.producer = node
    return node
