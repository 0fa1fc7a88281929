"""LayerNorm and RMSNorm written out as means, differences and roots become `norm`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaoken.ir.graph import Graph, Node, Value
from kaoken.passes.explain import explanation
from kaoken.passes.rewriter import Rewriter


@dataclass
class _Match:
    x: Value
    kind: str
    axis: int
    epsilon: float
    nodes: list[Node]


def fuse_norm(graph: Graph) -> None:
    """First the quotient (x - mean) / sqrt(variance + epsilon), then scale and shift by constant vectors."""
    rewriter = Rewriter(graph)
    for node in rewriter:
        if not node.outputs or node.output.dtype != "float32":
            continue
        if node.op in ("div", "mul"):
            found = _quotient(node)
            if found is not None:
                attrs = {"kind": found.kind, "axis": found.axis, "epsilon": found.epsilon}
                origin = tuple(dict.fromkeys(name for n in found.nodes for name in n.origin))
                made = rewriter.add("norm", [found.x, None, None], attrs, origin, [node.output.name])
                rewriter.replace(node.output, made.output)
                explanation(graph).hit("norm")
                continue
        if node.op in ("mul", "add"):
            _take_vector(rewriter, node)


def _producer(value: Value | None, op: str) -> Node | None:
    return value.producer if value is not None and value.producer is not None and value.producer.op == op else None


def _scalar(value: Value | None) -> float | None:
    if value is None or value.data is None or value.data.size != 1:
        return None
    return float(value.data.reshape(-1)[0])


def _quotient(node: Node) -> _Match | None:
    """a / sqrt(mean(a*a) + eps), or a * (1 / sqrt(...)): LayerNorm when a = x - mean(x), else RMSNorm."""
    numerator, root_node = node.inputs[0], None
    nodes = [node]
    if node.op == "div":
        root_node = _producer(node.inputs[1], "sqrt")
    else:
        for a, b in ((0, 1), (1, 0)):
            inverse = _producer(node.inputs[b], "div")
            if inverse is not None and _scalar(inverse.inputs[0]) == 1.0:
                numerator, root_node = node.inputs[a], _producer(inverse.inputs[1], "sqrt")
                nodes.append(inverse)
                break
    if root_node is None or numerator is None:
        return None
    shifted = _producer(root_node.inputs[0], "add")
    if shifted is None:
        return None
    for mean_value, epsilon_value in ((shifted.inputs[0], shifted.inputs[1]), (shifted.inputs[1], shifted.inputs[0])):
        epsilon, mean = _scalar(epsilon_value), _producer(mean_value, "reduce_mean")
        if epsilon is None or mean is None or not mean.attrs["keepdims"]:
            continue
        square = _producer(mean.inputs[0], "mul")
        if square is None or square.inputs[0] is not numerator or square.inputs[1] is not numerator:
            continue
        axes = mean.attrs["axes"]
        if list(axes) != list(range(numerator.rank - len(axes), numerator.rank)):
            continue
        nodes += [root_node, shifted, mean, square]
        centre = _centred(numerator, axes)
        if centre is not None:
            return _Match(centre[0], "layer", axes[0], epsilon, [*nodes, *centre[1]])
        return _Match(numerator, "rms", axes[0], epsilon, nodes)
    return None


def _centred(value: Value, axes: tuple[int, ...]) -> tuple[Value, list[Node]] | None:
    difference = _producer(value, "sub")
    if difference is None:
        return None
    x, mean = difference.inputs[0], _producer(difference.inputs[1], "reduce_mean")
    if mean is None or x is None or mean.inputs[0] is not x or tuple(mean.attrs["axes"]) != tuple(axes):
        return None
    return x, [difference, mean]


def _take_vector(rewriter: Rewriter, node: Node) -> None:
    """norm * vector is its scale, norm + vector its shift."""
    for normal, vector in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
        norm = _producer(normal, "norm")
        if norm is None or vector is None or vector.data is None or normal is None or not rewriter.single_use(normal):
            continue
        axis = norm.attrs["axis"]
        x = norm.inputs[0]
        slot = 1 if node.op == "mul" else 2
        if x is None or norm.inputs[slot] is not None or (slot == 1 and norm.inputs[2] is not None):
            continue
        if tuple(d.constant for d in x.shape[axis:]) != np.shape(vector.data):
            continue
        inputs = list(norm.inputs)
        inputs[slot] = vector
        origin = tuple(dict.fromkeys((*norm.origin, *node.origin)))
        made = rewriter.add("norm", inputs, dict(norm.attrs), origin, [node.output.name])
        rewriter.replace(node.output, made.output)
        return
