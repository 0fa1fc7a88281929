"""The verifier: what must hold of a graph between any two passes."""

from __future__ import annotations

from kaoken.ir.dims import Symbol
from kaoken.ir.found_sizes import node_symbols, value_symbols
from kaoken.ir.graph import Graph, Node, Value, node_text, shape_text


class InvalidGraph(AssertionError):
    """A pass left the graph inconsistent: a bug in Kaoken, never a user's mistake."""


def verify(graph: Graph, after: str = "import") -> None:
    """Check order, producers, shapes and types, in bodies too. Raises InvalidGraph naming the pass and the node at fault."""
    has_sizes = any(node.finds for inner in graph.walk() for node in inner.nodes)
    _verify(graph, after, set() if has_sizes else None)


def _verify(graph: Graph, after: str, set_before: set[Symbol] | None) -> None:
    """`set_before`: the found symbols that have values when the graph begins; None where there are none at all."""
    from kaoken.ops import OPS

    available: set[Value] = set(graph.inputs)

    def fail(message: str) -> None:
        raise InvalidGraph(f"after {after}: {message}")

    for node in graph.nodes:
        if node.op not in OPS:
            fail(f"unknown operation in {node_text(node)}")
        for value in node.inputs:
            if value is None or value in available or value.data is not None or value.known is not None:
                continue
            fail(f"{value.name} is read before it is computed, by {node_text(node)}")
        expected = OPS[node.op].infer(list(node.inputs), node.attrs)
        if len(expected) != len(node.outputs):
            fail(f"{len(expected)} outputs expected of {node_text(node)}")
        for value, (shape, dtype) in zip(node.outputs, expected, strict=True):
            if value.shape != shape or value.dtype != dtype:
                fail(f"{value.name} should be {dtype}{shape_text(shape)} in {node_text(node)}")
            if value.producer is not node:
                fail(f"{value.name} does not know its producer {node_text(node)}")
            available.add(value)
        if set_before is not None:
            for symbol in node_symbols(node) - set_before:
                fail(f"nothing sets {symbol.name} before {node_text(node)}")
            for body in node.bodies:
                _verify(body, after, set_before | set_inside(node))
            set_before = set_before | set(node.finds)
        else:
            for body in node.bodies:
                _verify(body, after, None)
    for name, value in graph.outputs:
        if value not in available and value.data is None and value.known is None:
            fail(f"output {name} is not computed")
        if set_before is not None and not value_symbols(value) <= set_before:
            fail(f"nothing sets the sizes of output {name}")


def set_inside(node: Node) -> set[Symbol]:
    """The symbols that a node's bodies may use of those that it sets."""
    if node.op != "loop":
        return set()
    return {node.attrs["index"], *(symbol for symbol, *_ in node.attrs["sizes"])}
