"""Matrix products with a constant matrix become `linear`, with their bias. Reshapes around them are no obstacle."""

from __future__ import annotations

from kaoken.ir.dims import dim
from kaoken.ir.expr import Int, Read, axes_for
from kaoken.ir.graph import Graph, Node, Value, merged_origin
from kaoken.ops import read
from kaoken.ops.linear import plain_linear
from kaoken.ops.pointwise import ACTIVATIONS
from kaoken.passes.explain import explanation
from kaoken.passes.rewriter import Rewriter


def fuse_linear(graph: Graph) -> None:
    """matmul(x, W) -> linear, then add(linear, bias) -> linear with bias."""
    rewriter = Rewriter(graph)
    for node in rewriter:
        if node.op == "matmul":
            _from_matmul(graph, rewriter, node)
        elif node.op == "add":
            _take_bias(rewriter, node)


def under_reshapes(value: Value) -> Value:
    """The value that `value` is a reshape of."""
    while value.producer is not None and value.producer.op == "reshape" and value.producer.inputs[0] is not None:
        value = value.producer.inputs[0]
    return value


def lift_reshapes(graph: Graph) -> None:
    """linear(reshape(x)) is reshape(linear(x)) when the last axis stays; the reshape then meets its inverse.

    So it is with products whose operands have batch and heads in one axis.
    """
    rewriter = Rewriter(graph)
    for node in rewriter:
        if node.op == "matmul" and node.output.rank == 3:
            _split_batch(rewriter, node)
            continue
        plain = node.op == "linear" and node.inputs[1] is None and len(node.outputs) == 1
        if not plain and node.op not in ACTIVATIONS:
            continue
        x = node.inputs[0]
        source = x
        while source is not None and source.producer is not None and source.producer.op == "reshape":
            inner = source.producer.inputs[0]
            if inner is None or inner.rank < 2 or inner.shape[-1] != source.shape[-1]:
                break
            source = inner
        if source is not None and source is not x:
            made = rewriter.add(node.op, [source, *node.inputs[1:]], node.attrs, node.origin, [node.output.name])
            rewriter.replace(node.output, reshaped(rewriter, made.output, node.output))


def _split_batch(rewriter: Rewriter, node: Node) -> None:
    """[b * h, m, k] times [b * h, k, n] as the product of [b, h, ...] where the left operand was that before."""
    left, right = node.inputs
    assert left is not None and right is not None
    source = left.producer.inputs[0] if left.producer is not None and left.producer.op == "reshape" else None
    if source is None or source.rank != 4 or left.rank != 3 or right.rank != 3 or left.shape[0] != right.shape[0]:
        return
    if source.shape[2:] != left.shape[1:]:
        return
    batch = source.shape[:2]
    split = rewriter.add("reshape", [right], {"shape": (*batch, *right.shape[1:])}, node.origin, [f"{right.name}.split"])
    made = rewriter.add("matmul", [source, split.output], node.attrs, node.origin, [node.output.name])
    rewriter.replace(node.output, reshaped(rewriter, made.output, node.output))


def constant_matrix(value: Value) -> tuple[Value, bool] | None:
    """The constant matrix that `value` [K, N] is, and whether it is stored as [N, K]."""
    axes = axes_for(value.shape)
    if len(axes) != 2:
        return None
    k, n = (Int(dim(a)) for a in axes)
    source = read(value, (k, n))
    if not isinstance(source, Read) or source.value.data is None or source.value.rank != 2:
        return None
    if source.indices == (k, n) and source.value.shape == value.shape:
        return source.value, False
    if source.indices == (n, k) and source.value.shape == value.shape[::-1]:
        return source.value, True
    return None


def _from_matmul(graph: Graph, rewriter: Rewriter, node: Node) -> None:
    x, w = node.inputs[0], node.inputs[1]
    assert x is not None and w is not None
    if x.rank < 2 or x.dtype != "float32":
        return
    found = constant_matrix(w)
    if found is None:
        if w.rank == 2:
            explanation(graph).miss("linear", node, f"the right operand {w.name} is no constant matrix")
        return
    weight, transposed = found
    made = rewriter.add("linear", [x, None, weight, None], plain_linear(weight, transposed), node.origin, [node.output.name])
    explanation(graph).hit("linear")
    rewriter.replace(node.output, reshaped(rewriter, made.output, node.output))


def reshaped(rewriter: Rewriter, value: Value, like: Value) -> Value:
    """`value` in the shape of `like`."""
    if value.shape == like.shape:
        return value
    assert value.producer is not None
    return rewriter.add("reshape", [value], {"shape": like.shape}, value.producer.origin, [like.name]).output


def bias_vector(value: Value, columns: int) -> Value | None:
    """The constant vector that `value` adds along the last axis, or None."""
    at = tuple(Int(dim(a)) for a in axes_for(value.shape))
    if not at or value.shape[-1] != columns:
        return None
    source = read(value, at)
    if isinstance(source, Read) and source.value.data is not None and source.value.rank == 1 and source.indices == at[-1:]:
        return source.value
    if value.data is not None and value.data.size == columns and value.rank > 1:
        from kaoken.ir.graph import constant

        return constant(value.name, value.data.reshape(-1))
    return None


def _take_bias(rewriter: Rewriter, node: Node) -> None:
    for product, other in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
        assert product is not None and other is not None
        source = under_reshapes(product)
        linear = source.producer
        if linear is None or linear.op != "linear" or linear.inputs[3] is not None or product.shape != node.output.shape:
            continue
        if product.shape[-1] != source.shape[-1] or not _only_read_by(rewriter, product, source, node):
            continue
        bias = bias_vector(other, linear.attrs["parts"][0].columns)
        if bias is None:
            continue
        inputs = [*linear.inputs[:3], bias]
        origin = merged_origin([linear, node])
        made = rewriter.add("linear", inputs, dict(linear.attrs), origin, [node.output.name])
        rewriter.replace(node.output, reshaped(rewriter, made.output, node.output))
        return


def _only_read_by(rewriter: Rewriter, product: Value, source: Value, reader: Node) -> bool:
    """Whether `reader` is the only one to read `product`, which is `source` reshaped."""
    value = product
    while True:
        if not rewriter.single_use(value):
            return False
        if value is source:
            return True
        assert value.producer is not None and value.producer.inputs[0] is not None
        value = value.producer.inputs[0]
