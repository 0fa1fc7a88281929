"""Borders of control flow: what a body need not carry, capture, compute on every trip or give leaves it.

Only what is certain to change nothing crosses a border: every operation is defined for all operands, so a product or a reduction
of captured values may be computed before the loop, also where that then takes no trip.
"""

from __future__ import annotations

from kaoken.ir.dims import Symbol
from kaoken.ir.found_sizes import node_symbols, value_symbols
from kaoken.ir.graph import Graph, Node, Value
from kaoken.ops import OPS
from kaoken.passes.rewriter import Rewriter

WORTH_HOISTING = ("contraction", "reduction")
"""Kinds of operations that are computed once before a loop; cheaper ones are fused into what reads them."""


def tidy_control(graph: Graph) -> None:
    """Inner bodies first, so that what leaves an inner loop may leave the outer one too."""
    for body in reversed(list(graph.walk())):
        rewriter = Rewriter(body)
        for node in rewriter:
            if node.op == "loop":
                _hoist(rewriter, node)
                _capture_what_never_changes(rewriter, node)
            if node.bodies:
                _drop_results(rewriter, node)
                _drop_captures(node)


def _captures(node: Node) -> int:
    """How many of a body's inputs come before what it captures."""
    return node.attrs["carried"] if node.op == "loop" else 0


def _hoist(rewriter: Rewriter, node: Node) -> None:
    """Products and reductions of captured values, and what they are computed from, move before the loop."""
    (body,) = node.bodies
    first = _captures(node)
    outside: dict[Value, Value | None] = dict(zip(body.inputs[first:], node.inputs[2 + first :], strict=True))
    inside = {symbol for inner in body.walk() for n in inner.nodes for symbol in n.finds}
    inside |= {node.attrs["index"], *(symbol for symbol, *_ in node.attrs["sizes"])}
    fixed = _invariant(body, set(outside), inside)
    wanted = [n for n in fixed if OPS[n.op].kind in WORTH_HOISTING]
    moved: set[Node] = set()
    while wanted:
        needed = wanted.pop()
        if needed not in moved:
            moved.add(needed)
            wanted += [v.producer for v in needed.inputs if v is not None and v.producer is not None]
    for inner in [n for n in body.nodes if n in moved]:
        operands = [outside.get(v, v) if v is not None else None for v in inner.inputs]
        made = rewriter.add(inner.op, operands, inner.attrs, inner.origin, [v.name for v in inner.outputs])
        for old, new in zip(inner.outputs, made.outputs, strict=True):
            formal = Value(old.name, old.shape, old.dtype)
            outside[formal] = outside[old] = new
            body.inputs.append(formal)
            node.inputs.append(new)
            body.replace({old: formal})
    body.nodes = [n for n in body.nodes if n not in moved]


def _invariant(body: Graph, given: set[Value], inside: set[Symbol]) -> dict[Node, None]:
    """Nodes that compute the same on every trip."""
    known = set(given)
    found: dict[Node, None] = {}
    for node in body.nodes:
        fixed = all(v is None or v in known or (v.producer is None and v.data is not None) for v in node.inputs)
        if fixed and node.inputs and not node.bodies and not node.finds and node_symbols(node).isdisjoint(inside):
            found[node] = None
            known.update(node.outputs)
    return found


def _capture_what_never_changes(rewriter: Rewriter, node: Node) -> None:
    """A carried value that goes on as it is need not be carried."""
    (body,) = node.bodies
    begin = 1 if node.attrs["conditional"] else 0
    for n in reversed(range(node.attrs["carried"])):
        formal, initial, output = body.inputs[n], node.inputs[2 + n], node.outputs[n]
        assert initial is not None
        if body.outputs[begin + n][1] is not formal or initial.shape != formal.shape:
            continue
        body.inputs.append(body.inputs.pop(n))
        node.inputs.append(node.inputs.pop(2 + n))
        del body.outputs[begin + n], node.outputs[n]
        node.attrs = {**node.attrs, "carried": node.attrs["carried"] - 1}
        rewriter.replace(output, initial)


def _drop_results(rewriter: Rewriter, node: Node) -> None:
    """Results of branches, and collected tensors, that nobody reads and whose extents the node does not have to find."""
    extents = {symbol for symbol, *_ in (*node.attrs["sizes"], *node.attrs.get("equal", ()))}
    begin = 0 if node.op == "if" else int(node.attrs["conditional"])
    for n in reversed(range(_captures(node), len(node.outputs))):
        value = node.outputs[n]
        if rewriter.uses.get(value) or value in rewriter.outputs or value.known is not None or len(node.outputs) == 1:
            continue
        if not value_symbols(value).isdisjoint(extents):
            continue
        del node.outputs[n]
        for body in node.bodies:
            del body.outputs[begin + n]
        if node.op == "loop":
            kept = list(node.attrs["backward"])
            del kept[n - node.attrs["carried"]]
            node.attrs = {**node.attrs, "backward": tuple(kept)}
    for body in node.bodies:
        body.remove_dead()


def _drop_captures(node: Node) -> None:
    """Captured values that no body reads, and the second of two that are one."""
    first = _captures(node)
    operands = node.inputs[len(node.inputs) - len(node.bodies[0].inputs) + first :]
    read = [_reads(body) for body in node.bodies]
    kept: list[Value | None] = []
    place: dict[Value | None, int] = {}
    for n, operand in enumerate(operands):
        formals = [body.inputs[first + n] for body in node.bodies]
        if operand in place:
            for body, formal in zip(node.bodies, formals, strict=True):
                body.replace({formal: body.inputs[first + place[operand]]})
        elif any(formal in used for formal, used in zip(formals, read, strict=True)):
            place[operand] = n
            kept.append(operand)
    for body in node.bodies:
        body.inputs = body.inputs[:first] + [body.inputs[first + n] for n in sorted(place.values())]
    node.inputs = node.inputs[: len(node.inputs) - len(operands)] + kept


def _reads(body: Graph) -> set[Value]:
    return {v for n in body.nodes for v in n.inputs if v is not None} | {value for _, value in body.outputs}
