"""The verifier: what must hold of a graph between any two passes."""

from __future__ import annotations

from kaoken.ir.graph import Graph, Value, node_text, shape_text


class InvalidGraph(AssertionError):
    """A pass left the graph inconsistent: a bug in Kaoken, never a user's mistake."""


def verify(graph: Graph, after: str = "import") -> None:
    """Check order, producers, shapes and types. Raises InvalidGraph naming the pass and the node at fault."""
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
    for name, value in graph.outputs:
        if value not in available and value.data is None and value.known is None:
            fail(f"output {name} is not computed")
