"""Identity removal: known results leave the graph, movement is seen through, and what moves nothing goes."""

from __future__ import annotations

from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.expr import Int, Read, axes_for
from kaoken.ir.graph import Graph, Node, Value
from kaoken.ops import OPS, read
from kaoken.passes.rewriter import Rewriter


def fold_known(graph: Graph) -> None:
    """Results whose elements are known need no node: readers take the elements."""
    for node in graph.nodes:
        if not node.finds and all(value.known is not None for value in node.outputs):
            for value in node.outputs:
                value.producer = None
    graph.nodes = [n for n in graph.nodes if n.outputs[0].producer is n]
    graph.remove_dead()


def simplify(graph: Graph) -> None:
    """Replace movement that changes nothing by its source, and movement that keeps row-major order by one reshape."""
    rewriter = Rewriter(graph)
    for node in rewriter:
        if node.op == "cast" and node.inputs[0] is not None and node.inputs[0].dtype == node.output.dtype:
            rewriter.replace(node.output, node.inputs[0])
        elif OPS[node.op].kind == "movement" and node.inputs:
            _simplify_movement(rewriter, node)


def _simplify_movement(rewriter: Rewriter, node: Node) -> None:
    value = node.output
    axes = axes_for(value.shape)
    at = tuple(Int(dim(a)) for a in axes)
    source = read(value, at)
    if not isinstance(source, Read) or source.value is value:
        return
    origin = source.value
    if origin.shape == value.shape and source.indices == at:
        rewriter.replace(value, origin)
    elif node.op == "reshape" and node.inputs[0] is origin:
        return
    elif product(origin.shape) == product(value.shape) and _same_order(source, value, at):
        made = rewriter.add("reshape", [origin], {"shape": value.shape}, node.origin, [value.name])
        rewriter.replace(value, made.output)


def _same_order(source: Read, value: Value, at: tuple[Int, ...]) -> bool:
    """Whether element n in row-major order is element n of the source too."""
    if not all(isinstance(i, Int) for i in source.indices):
        return False
    there = _flat([i.value for i in source.indices if isinstance(i, Int)], source.value.shape)
    return there == _flat([i.value for i in at], value.shape)


def _flat(indices: list[Dim], shape: tuple[Dim, ...]) -> Dim:
    flat = dim(0)
    for index, extent in zip(indices, shape, strict=True):
        flat = flat * extent + index
    return flat
