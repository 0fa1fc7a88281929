"""ONNX operators whose results are as long as data says: they find the positions of what holds, and gather by them."""

from __future__ import annotations

from kaoken.frontend.movement import reshape_to
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.ir.dims import dim, product
from kaoken.ir.expr import Int
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis


def positions(node: OnnxNode, mask: Value) -> Value:
    """Indices of the true elements of a bool vector, ascending; how many there are is a size that the call finds."""
    symbol = node.builder.found(f"{node.names[0] or 'found'}_count", 0, mask.shape[0])
    made = node.builder.add_node("positions", [mask], finds=(symbol,))
    return made.output


@onnx_op("NonZero", since=9)
def non_zero(node: OnnxNode) -> Value:
    """[rank, count]: the indices of elements other than 0, in row-major order; a NaN is other than 0."""
    x = node.input(0)
    if x.rank == 0:
        raise Unsupported("NonZero of a scalar")
    flat = reshape_to(node, x, [product(x.shape)])
    mask = flat if x.dtype == "bool" else node.add("ne", flat, node.scalar(0, flat))
    found = positions(node, mask)
    rows = []
    for n, extent in enumerate(x.shape):
        inner = product(x.shape[n + 1 :])
        index = node.add("floordiv", found, node.builder.known(Int(inner))) if inner != 1 else found
        if n > 0:
            index = node.add("mod", index, node.builder.known(Int(extent)))
        rows.append(reshape_to(node, index, [dim(1), *found.shape]))
    return node.add("concat", *rows, axis=0) if len(rows) > 1 else rows[0]


@onnx_op("Compress", since=9)
def compress(node: OnnxNode) -> Value:
    """The slices of an axis (or, without one, the elements) where the condition holds; it may be shorter than the axis."""
    x, condition = node.input(0), node.input(1)
    if condition.rank != 1:
        raise Unsupported(f"a condition of {condition.rank} axes")
    axis = node.attribute("axis")
    source = reshape_to(node, x, [product(x.shape)]) if axis is None else x
    return node.add("gather", source, positions(node, condition), axis=normalize_axis(int(axis or 0), source.rank))
