"""Models of opsets before 7, which broadcast by attribute, brought to opset 7 by onnx's version converter."""

from __future__ import annotations

import onnx

from kaoken.errors import UnsupportedModelError

FIRST = 7
"""Since this opset operators broadcast as they do now (https://onnx.ai/onnx/repo-docs/Broadcasting.html)."""


def with_newer_opset(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model itself where its opset is 7 or newer, else what it means in opset 7; initializers keep their names.

    Raises UnsupportedModelError for operators that the converter does not know.
    """
    opset = next((e.version for e in proto.opset_import if e.domain in ("", "ai.onnx")), FIRST)
    if not 1 <= opset < FIRST:
        return proto
    try:
        converted = onnx.version_converter.convert_version(_with_channel_slopes(proto), FIRST)
    except (RuntimeError, ValueError, IndexError) as error:
        raise UnsupportedModelError(
            f"the model cannot be brought from opset {opset} to {FIRST} ({error}); export it again with a newer opset"
        ) from None
    return converted


def _with_channel_slopes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """PRelu's slopes belonged to the channels of axis 1, which the converter overlooks: here they get the axes behind it."""
    if not any(node.op_type == "PRelu" for node in proto.graph.node):
        return proto
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    graph = onnx.shape_inference.infer_shapes(model).graph
    ranks = {i.name: len(i.type.tensor_type.shape.dim) for i in (*graph.input, *graph.value_info, *graph.output)}
    ranks |= {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    nodes = []
    for number, node in enumerate(model.graph.node):
        if node.op_type == "PRelu" and ranks.get(node.input[1]) == 1 and ranks.get(node.input[0], 0) > 2:
            name = f"{node.input[1]}_of_channels_{number}"
            axes = list(range(1, ranks[node.input[0]] - 1))
            nodes.append(onnx.helper.make_node("Unsqueeze", [node.input[1]], [name], axes=axes))
            node.input[1] = name
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model
