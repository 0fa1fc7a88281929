"""The ONNX graph with logits of the last position only: what onnxruntime is compared on where Kaoken computes no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper


def last_position_model(path: Path, out: Path) -> str | None:
    """Write the model to `out` with a Gather of the last position before the head, or return why it cannot be done.

    Between logits and the head's matrix product only element-wise nodes are looked through.
    """
    model = onnx.load(path)
    nodes = {name: node for node in model.graph.node for name in node.output}
    constants = {t.name for t in model.graph.initializer}
    value = "logits"
    while value in nodes and nodes[value].op_type in ("Identity", "Cast", "Add", "Mul", "Div"):
        value = next(i for i in nodes[value].input if i in nodes and not _is_constant(i, nodes, constants))
    head = nodes.get(value)
    if head is None or head.op_type != "MatMul" or not _is_constant(head.input[1], nodes, constants):
        return f"the head is {head.op_type if head else 'missing'}, where a MatMul by a constant is expected"
    _insert_gather(model.graph, head)
    for output in model.graph.output:
        if output.name == "logits":
            output.type.tensor_type.shape.dim[1].CopyFrom(onnx.TensorShapeProto.Dimension(dim_value=1))
    del model.graph.value_info[:]
    large = model.ByteSize() > 2**31 - 2**20
    onnx.save(model, out, save_as_external_data=large, location=f"{out.name}_data")
    return None


def _is_constant(name: str, nodes: dict[str, NodeProto], constants: set[str]) -> bool:
    """Whether a value depends on weights alone (a transposed embedding table does)."""
    if name in constants:
        return True
    node = nodes.get(name)
    return node is not None and (node.op_type == "Constant" or all(_is_constant(i, nodes, constants) for i in node.input if i))


def _insert_gather(graph: onnx.GraphProto, head: NodeProto) -> None:
    """Gather keeps the axis, since its index is a vector: [batch, seq, width] becomes [batch, 1, width]."""
    index = numpy_helper.from_array(np.array([-1], np.int64), "kaoken_last_position")
    graph.initializer.append(index)
    made = helper.make_node("Gather", [head.input[0], index.name], ["kaoken_last_hidden"], axis=1)
    at = list(graph.node).index(head)
    head.input[0] = made.output[0]
    graph.node.insert(at, made)
