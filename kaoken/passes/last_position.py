"""Logits for the last positions only: what generation asks for. The number of positions becomes a dimension of its own."""

from __future__ import annotations

from kaoken.ir.dims import Symbol, dim
from kaoken.ir.expr import Formula, Int, Read, apply, axes_for
from kaoken.ir.graph import Graph, Node, Value
from kaoken.ops.registry import OPS
from kaoken.passes.rewriter import Rewriter

LOGIT_ROWS = "logit_rows"


def keep_last_positions(graph: Graph) -> None:
    """In a model with state, compute the head for the last `logit_rows` positions; `run` asks for all of them.

    The head is what lies between the last attention layer's result and the output `logits`: only operations that treat every row
    by itself.
    """
    logits = next((value for name, value in graph.outputs if name == "logits" and value.rank == 3), None)
    if not graph.states or logits is None:
        return
    uses = graph.uses()
    chain: list[Node] = []
    value = logits
    while True:
        node = value.producer
        rows_of = _rows_of(node) if node is not None else None
        if node is None or rows_of is None:
            break
        chain.append(node)
        source = node.inputs[rows_of]
        assert source is not None
        if len(set(map(id, uses.get(source, [])))) > 1 or source in graph.output_values():
            value = source
            break
        value = source
        if node.op == "norm":
            break
    if not chain or value.rank != 3:
        return
    seq = value.shape[1]
    symbols = list(seq.symbols())
    if len(symbols) != 1 or seq != dim(symbols[0]):
        return
    rows = Symbol(LOGIT_ROWS, 1, symbols[0].upper)
    graph.symbols[LOGIT_ROWS] = rows
    _rebuild(graph, value, chain[::-1], rows)


def _rows_of(node: Node) -> int | None:
    """Which operand's rows the node treats each by itself; None where positions meet."""
    if node.op == "linear":
        return 0 if node.inputs[1] is None and len(node.outputs) == 1 else None
    if node.op == "norm":
        by_rows = node.attrs["axis"] == node.output.rank - 1 and all(v is None or v.rank == 1 for v in node.inputs[1:])
        return 0 if by_rows else None
    if OPS[node.op].kind != "pointwise":
        return None
    moving = [n for n, v in enumerate(node.inputs) if v is not None and any(d != 1 for d in v.shape[:-1])]
    operand = node.inputs[moving[0]] if len(moving) == 1 else None
    return moving[0] if operand is not None and operand.shape == node.output.shape else None


def _rebuild(graph: Graph, start: Value, chain: list[Node], rows: Symbol) -> None:
    rewriter = Rewriter(graph)
    for node in rewriter:
        if node not in chain:
            continue
        inputs = list(node.inputs)
        if node is chain[0]:
            inputs[inputs.index(start)] = _last_rows(rewriter, start, rows, node)
        made = rewriter.add(node.op, inputs, node.attrs, node.origin, [node.output.name])
        rewriter.replace(node.output, made.output)


def _last_rows(rewriter: Rewriter, start: Value, rows: Symbol, node: Node) -> Value:
    axes = axes_for((start.shape[0], dim(rows), start.shape[2]))
    b, r, e = (Int(dim(a)) for a in axes)
    at = apply("add", r, Int(start.shape[1] - dim(rows)))
    attrs = {"formula": Formula(axes, Read(start, (b, at, e)))}
    return rewriter.add("view", [start], attrs, node.origin, [f"{start.name}.last"]).output
