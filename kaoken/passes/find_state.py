"""State: a graph input `past` whose only use is to be continued, `present = concat(past, new)`, both input and output."""

from __future__ import annotations

import re

from kaoken.ir.graph import Graph, Node, State, Value
from kaoken.passes.explain import explanation
from kaoken.passes.rewriter import Rewriter


def find_state(graph: Graph) -> None:
    """Turn each concat of a past input and new positions, that is a graph output, into `append`, and note the pair as state.

    All of them or none: a handle that keeps some of the past still needs the rest from its caller.
    """
    kinds, continued = _kinds(graph), _continued(graph)
    for node in continued:
        if node.output not in kinds:
            explanation(graph).miss("state", node, "no attention reads it; the whole past is copied in every call")
    if any(node.output not in kinds for node in continued):
        return
    rewriter = Rewriter(graph)
    for node in rewriter:
        if node not in continued:
            continue
        past, kind = node.inputs[0], kinds[node.output]
        assert past is not None
        made = rewriter.add("append", node.inputs, {}, node.origin, [node.output.name])
        place = len(graph.states)
        graph.states.append(State(_state_name(past, place), past, made.output, kind, _layer(past, place)))
        rewriter.replace(node.output, made.output)
        explanation(graph).hit("state")


def _continued(graph: Graph) -> list[Node]:
    """The concats that continue an input, and are outputs."""
    outputs, inputs, uses = graph.output_values(), set(graph.inputs), graph.uses()
    found = []
    for node in graph.nodes:
        if node.op != "concat" or node.output not in outputs or len(node.inputs) != 2:
            continue
        past, new = node.inputs
        assert past is not None and new is not None
        if past not in inputs or past.rank != 4 or node.attrs["axis"] != 2:
            explanation(graph).miss("state", node, f"{past.name} is no input [batch, heads, past, size] continued on axis 2")
        elif (
            past.shape[2].constant is not None
            or new.shape[2].constant is not None
            or not new.shape[2].symbols().isdisjoint(past.shape[2].symbols())
        ):
            explanation(graph).miss("state", node, f"{past.name} has a fixed number of positions; export it with dynamic sizes")
        elif any(user is not node for user in uses.get(past, [])):
            explanation(graph).miss("state", node, f"{past.name} is read by other nodes too")
        else:
            found.append(node)
    return found


def _kinds(graph: Graph) -> dict[Value, str]:
    """Whether a value serves attention as keys or as values."""
    kinds: dict[Value, str] = {}
    for node in graph.nodes:
        if node.op == "attention":
            for slot, kind in ((1, "keys"), (2, "values")):
                value = node.inputs[slot]
                if value is not None:
                    kinds[value] = kind
    return kinds


def _state_name(past: Value, position: int) -> str:
    return past.name or f"state_{position}"


def _layer(past: Value, position: int) -> int:
    match = re.search(r"\.(\d+)\.", past.name)
    return int(match[1]) if match else position // 2
