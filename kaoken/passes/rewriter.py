"""The one way passes change a graph: walk the nodes in order, add nodes before the current one, replace values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kaoken.ir.builder import known_elements
from kaoken.ir.graph import Graph, Node, Value, new_node
from kaoken.ops import OPS


class Rewriter:
    """Iterate over it to visit every node with its inputs already replaced; leaving the loop applies the changes."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.uses = graph.uses()
        self.outputs = graph.output_values()
        self.changes = 0
        self._replaced: dict[Value, Value] = {}
        self._result: list[Node] = []

    def __iter__(self) -> Iterator[Node]:
        for node in self.graph.nodes:
            node.inputs = [None if v is None else self.current(v) for v in node.inputs]
            yield node
            self._result.append(node)
        self.graph.nodes = self._result
        self.graph.replace(self._replaced)
        self.graph.remove_dead()

    def current(self, value: Value) -> Value:
        """The value that now stands for `value`."""
        while value in self._replaced:
            value = self._replaced[value]
        return value

    def add(
        self,
        op: str,
        inputs: Sequence[Value | None],
        attrs: dict[str, Any],
        origin: tuple[str, ...],
        names: Sequence[str],
    ) -> Node:
        """Add a node before the current one. Its output shapes are inferred."""
        spec = [(name, shape, dtype) for name, (shape, dtype) in zip(names, OPS[op].infer(list(inputs), attrs), strict=True)]
        node = new_node(op, inputs, spec, attrs, origin)
        for n, value in enumerate(node.outputs):
            value.known = known_elements(node, n)
            for operand in node.inputs:
                if operand is not None:
                    self.uses.setdefault(operand, []).append(node)
        self._result.append(node)
        return node

    def replace(self, old: Value, new: Value) -> None:
        """Let every later reader of `old` read `new`."""
        if old is not new:
            self._replaced[old] = new
            self.uses.setdefault(new, []).extend(self.uses.get(old, []))
            if old in self.outputs:
                self.outputs.add(new)
            self.changes += 1

    def single_use(self, value: Value) -> bool:
        """Whether exactly one node, and no output, reads the value."""
        return value not in self.outputs and len(set(map(id, self.uses.get(value, [])))) == 1
