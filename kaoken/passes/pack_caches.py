"""Q, K and V in one product that writes keys and values straight into the layout attention reads.

Keys and values always pass through a cache: the handle's when they are state, else one in the arena. Where the projections of one
attention read the same rows they become one `linear` with a part each; what cannot is stored by `append`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kaoken.ir.dims import dim
from kaoken.ir.expr import Int, Read, axes_for
from kaoken.ir.graph import Graph, Node, Value, merged_origin
from kaoken.ops.compose import read
from kaoken.ops.linear import Part, weight_columns
from kaoken.passes.explain import explanation
from kaoken.passes.rewriter import Rewriter


@dataclass
class _Source:
    """Where an operand of attention comes from: columns `first` to `first + columns` of a linear's rows."""

    linear: Node
    first: int
    columns: int
    kind: str
    heads: int
    past: Value | None
    target: Value


def pack_caches(graph: Graph) -> None:
    """Rewrite every attention so that its keys and values are caches (`packing` keys / values)."""
    rewriter = Rewriter(graph)
    for node in rewriter:
        if node.op != "attention":
            continue
        sources = [_query_source(node), _cache_source(node, 1, "keys"), _cache_source(node, 2, "values")]
        reason = _pack(rewriter, node, sources)
        if reason:  # the queries of cross-attention have rows of their own
            reason = _pack(rewriter, node, sources[1:]) and reason
        if reason:
            explanation(graph).miss("Q/K/V packing", node, reason)
            _store(rewriter, node)
        else:
            explanation(graph).hit("Q/K/V packing")


def _past_and_new(value: Value) -> tuple[Value | None, Value]:
    producer = value.producer
    if producer is not None and producer.op == "append" and producer.inputs[1] is not None:
        return producer.inputs[0], producer.inputs[1]
    return None, value


def _query_source(node: Node) -> _Source | None:
    q = node.inputs[0]
    assert q is not None
    at = tuple(Int(dim(a)) for a in axes_for(q.shape))
    found = read(q, at)
    if not isinstance(found, Read) or not _is_linear(found.value) or not isinstance(found.indices[-1], Int):
        return None
    offset = (found.indices[-1].value - at[-1].value).constant
    if offset is None or found.indices[:-1] != at[:-1]:
        return None
    assert found.value.producer is not None
    return _Source(found.value.producer, offset, int(q.shape[2]), "rows", 0, None, q)


def _cache_source(node: Node, slot: int, kind: str) -> _Source | None:
    value = node.inputs[slot]
    assert value is not None
    past, new = _past_and_new(value)
    at = tuple(Int(dim(a)) for a in axes_for(new.shape))
    found = read(new, at)
    if not isinstance(found, Read) or not _is_linear(found.value) or found.value.rank != 3:
        return None
    heads, size = int(new.shape[1]), int(new.shape[3])
    if found.indices[:2] != (at[0], at[2]) or not isinstance(found.indices[2], Int):
        return None
    offset = (found.indices[2].value - at[1].value * size - at[3].value).constant
    if offset is None:
        return None
    assert found.value.producer is not None
    return _Source(found.value.producer, offset, heads * size, kind, heads, past, value)


def _is_linear(value: Value) -> bool:
    producer = value.producer
    return producer is not None and producer.op == "linear" and producer.inputs[1] is None and not producer.attrs["activation"]


def _pack(rewriter: Rewriter, node: Node, found: Sequence[_Source | None]) -> str:
    """Compute these operands in one product; returns why not, or nothing."""
    sources = [s for s in found if s is not None]
    if len(sources) != len(found):
        return "an operand is no projection alone"
    linears = list({id(s.linear): s.linear for s in sources}.values())
    x = linears[0].inputs[0]
    if any(n.inputs[0] is not x or n.attrs["weights"] != 1 for n in linears):
        return "the projections read different tensors"
    base, starts = 0, {}
    for linear in linears:
        starts[id(linear)] = base
        base += weight_columns(linear.inputs[2], linear.attrs["transposed"][0])  # type: ignore[arg-type]
    ordered = sorted(sources, key=lambda s: starts[id(s.linear)] + s.first)
    position = 0
    for source in ordered:
        if starts[id(source.linear)] + source.first != position:
            return "the projections leave columns unused or use some twice"
        position += source.columns
    if position != base or not _only_feeds_attention(rewriter, linears, node):
        return "a projection is read by other nodes too"
    _emit(rewriter, node, linears, ordered)
    return ""


def _only_feeds_attention(rewriter: Rewriter, linears: list[Node], node: Node) -> bool:
    """Whether every path from the projections leads, through views and appends, to this attention."""
    stack = [linear.output for linear in linears]
    while stack:
        value = stack.pop()
        if value in rewriter.outputs and (value.producer is None or value.producer.op != "append"):
            return False
        for user in rewriter.uses.get(value, []):
            if user is node or (user.op not in ("view", "reshape", "transpose", "slice", "append") and _is_dead(rewriter, user)):
                continue
            if user.op not in ("view", "reshape", "transpose", "slice", "append"):
                return False
            stack += user.outputs
    return True


def _is_dead(rewriter: Rewriter, node: Node) -> bool:
    return all(not rewriter.uses.get(v) and v not in rewriter.outputs for v in node.outputs)


def _emit(rewriter: Rewriter, node: Node, linears: list[Node], ordered: list[_Source]) -> None:
    weights, biases = [n.inputs[2] for n in linears], [n.inputs[3] for n in linears]
    pasts = [s.past for s in ordered if s.past is not None]
    parts, names = [], []
    for source in ordered:
        past = pasts.index(source.past) if source.past is not None else None
        parts.append(Part(source.kind, source.columns, source.heads, past))
        names.append(source.target.name)
    attrs = {
        "weights": len(linears),
        "transposed": tuple(n.attrs["transposed"][0] for n in linears),
        "activation": None,
        "parts": tuple(parts),
    }
    origin = merged_origin(linears)
    made = rewriter.add("linear", [linears[0].inputs[0], None, *weights, *biases, *pasts], attrs, origin, names)
    slots = {"rows": 0, "keys": 1, "values": 2}
    for source, output in zip(ordered, made.outputs, strict=True):
        output.packing = source.kind
        rewriter.replace(source.target, output)
        node.inputs[slots[source.kind]] = output


def _store(rewriter: Rewriter, node: Node) -> None:
    """Keys and values that no product can write in place are stored by `append`."""
    for slot, kind in ((1, "keys"), (2, "values")):
        value = node.inputs[slot]
        assert value is not None
        if value.packing == kind:
            continue
        past, new = _past_and_new(value)
        made = rewriter.add("append", [past, new], {}, node.origin, [value.name])
        made.output.packing = kind
        if past is not None:
            rewriter.replace(value, made.output)
        node.inputs[slot] = made.output
