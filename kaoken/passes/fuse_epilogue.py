"""Epilogues: an activation, then a residual, that only a linear's result meets are done while the result is in registers."""

from __future__ import annotations

from kaoken.ir.graph import Graph, Node, Value, merged_origin
from kaoken.ops.pointwise import ACTIVATIONS
from kaoken.passes.explain import explanation
from kaoken.passes.rewriter import Rewriter


def fuse_epilogue(graph: Graph) -> None:
    """activation(linear) and linear + residual become part of the linear."""
    rewriter = Rewriter(graph)
    for node in rewriter:
        if node.op in ACTIVATIONS:
            _take_activation(rewriter, node)
        elif node.op == "add":
            _take_residual(rewriter, node)


def _open_linear(rewriter: Rewriter, value: Value | None) -> Node | None:
    """The linear that makes `value`, if it may still take an epilogue and nobody else reads its result."""
    linear = value.producer if value is not None else None
    if linear is None or linear.op != "linear" or value is None or not rewriter.single_use(value):
        return None
    return linear if linear.inputs[1] is None and len(linear.outputs) == 1 else None


def _take_activation(rewriter: Rewriter, node: Node) -> None:
    linear = _open_linear(rewriter, node.inputs[0])
    if linear is None or linear.attrs["activation"]:
        return
    attrs = {**linear.attrs, "activation": node.op}
    made = rewriter.add("linear", linear.inputs, attrs, merged_origin([linear, node]), [node.output.name])
    rewriter.replace(node.output, made.output)
    explanation(rewriter.graph).hit("activation epilogue")


def _take_residual(rewriter: Rewriter, node: Node) -> None:
    for product, other in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
        linear = _open_linear(rewriter, product)
        if linear is None or other is None or other is product:
            continue
        if other.data is not None or other.shape != node.output.shape or linear.output.shape != node.output.shape:
            explanation(rewriter.graph).miss("residual epilogue", node, f"{other.name} has another shape than the product")
            continue
        inputs = list(linear.inputs)
        inputs[1] = other
        made = rewriter.add("linear", inputs, dict(linear.attrs), merged_origin([linear, node]), [node.output.name])
        rewriter.replace(node.output, made.output)
        explanation(rewriter.graph).hit("residual epilogue")
        return
