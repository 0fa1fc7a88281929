"""An encoder-decoder is cut in two where cross-attention reads: the encoder runs once for an input, the decoder at every step.

What crosses the cut is the keys and values of cross-attention, caches that the handle keeps, and encoder inputs that mask them.
Cheap nodes that both sides need are computed on both.
"""

from __future__ import annotations

from collections.abc import Iterable

from kaoken.ir.dims import Symbol
from kaoken.ir.expr import Formula, symbols_of
from kaoken.ir.graph import Graph, Node, Value, new_node
from kaoken.passes.explain import explanation

ENCODE, DECODE = "encode", "decode"
_CHEAP = ("map", "view", "reshape")


def split_stages(graph: Graph) -> None:
    """Give every node its stage and put the encoder's nodes first; a graph without encoder inputs and state has one stage."""
    if not graph.encoder_inputs or not graph.states:
        return
    if any(node.finds for node in graph.nodes):
        return  # a size that one stage finds means nothing in the other
    independent = _independent_of_decoder(graph)
    encoded = _crossing_caches(graph, independent)
    if len({v.shape[2] for v in encoded}) != 1:
        return
    first = _ancestors([*encoded, *(v for _, v in graph.outputs if v in independent)])
    crossing = {
        v
        for n in graph.nodes
        if n not in first
        for v in n.inputs
        if v is not None and v not in encoded and v.producer is not None and v.producer in first
    }
    repeated = _ancestors(crossing)
    if any(n.op not in _CHEAP for n in repeated):
        heavy = next(n for n in repeated if n.op not in _CHEAP)
        explanation(graph).miss("encoder stage", heavy, "its result is used by the decoder outside of cross-attention")
        return
    copies = _copies(graph, repeated)
    graph.encoded = list(encoded)
    for node in graph.nodes:
        node.stage = ENCODE if node in first else DECODE
        if node.stage == DECODE:
            node.inputs = [copies.get(v, v) if v is not None else None for v in node.inputs]
    again = [value.producer for value in copies.values() if value.producer is not None]
    encode = [n for n in graph.nodes if n.stage == ENCODE]
    decode = [n for n in graph.nodes if n.stage == DECODE]
    graph.nodes = [*encode, *dict.fromkeys(again), *decode]
    explanation(graph).hit("encoder stage")


def _independent_of_decoder(graph: Graph) -> set[Value]:
    """Values that only the encoder's inputs, their sizes and constants go into."""
    others = set(graph.inputs) - set(graph.encoder_inputs)
    sizes = {s for v in graph.encoder_inputs for d in v.shape for s in d.symbols()}
    found: set[Value] = set(graph.encoder_inputs)
    for node in graph.nodes:
        inputs = [v for v in node.inputs if v is not None]
        if all(v in found or (v.producer is None and v not in others) for v in inputs) and _sizes_of(node) <= sizes:
            found.update(node.outputs)
    return found


def _sizes_of(node: Node) -> set[Symbol]:
    """The dimensions that a node's results depend on by their values or shapes."""
    found = {s for v in node.outputs for d in v.shape for s in d.symbols()}
    formula = node.attrs.get("formula")
    if isinstance(formula, Formula):
        found |= {s for s in symbols_of(formula.body) if not s.is_axis}
    return found


def _crossing_caches(graph: Graph, independent: set[Value]) -> dict[Value, None]:
    """Keys and values of the encoder's that attention of the decoder's reads, in order."""
    found: dict[Value, None] = {}
    for node in graph.nodes:
        if node.op == "attention" and node.output not in independent:
            found.update((v, None) for v in node.inputs[1:3] if v is not None and v in independent)
    return found


def _ancestors(values: Iterable[Value]) -> set[Node]:
    found: set[Node] = set()
    stack = list(values)
    while stack:
        producer = stack.pop().producer
        if producer is not None and producer not in found:
            found.add(producer)
            stack += [v for v in producer.inputs if v is not None]
    return found


def _copies(graph: Graph, repeated: set[Node]) -> dict[Value, Value]:
    """Nodes of the encoder's once more, for the decoder: old result to new."""
    made: dict[Value, Value] = {}
    for node in graph.nodes:
        if node in repeated:
            inputs = [made.get(v, v) if v is not None else None for v in node.inputs]
            copy = new_node(node.op, inputs, [(v.name, v.shape, v.dtype) for v in node.outputs], node.attrs, node.origin)
            copy.stage = DECODE
            made.update(zip(node.outputs, copy.outputs, strict=True))
    return made
