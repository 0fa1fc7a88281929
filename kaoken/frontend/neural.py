"""ONNX matrix products and normalisation."""

from __future__ import annotations

from kaoken.frontend.movement import reshape_to
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.training import batch_norm_in_training
from kaoken.ir.dims import dim, exact_division
from kaoken.ir.graph import Value
from kaoken.ops.contraction import einsum_terms
from kaoken.ops.registry import normalize_axis


@onnx_op("MatMul")
def matmul(node: OnnxNode) -> Value:
    return node.add("matmul", node.input(0), node.input(1))


@onnx_op("Gemm")
def gemm(node: OnnxNode) -> Value:
    a, b = node.input(0), node.input(1)
    if node.attribute("transA", 0):
        a = node.add("transpose", a, perm=(1, 0))
    if node.attribute("transB", 0):
        b = node.add("transpose", b, perm=(1, 0))
    result = node.add("matmul", a, b)
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    if alpha != 1.0:
        result = node.add("mul", result, node.scalar(alpha, result))
    bias = node.optional(2)
    if bias is not None and beta != 0.0:
        if beta != 1.0:
            bias = node.add("mul", bias, node.scalar(beta, bias))
        result = node.add("add", result, bias)
    return result


def normalized(
    node: OnnxNode, x: Value, scale: Value | None, shift: Value | None, axis: int = -1, rms: bool = False, default: float = 1e-5
) -> list[Value | None]:
    """The norm over the axes from `axis` on; where the node gives more, also the mean (not of rms) and 1 / deviation."""
    axis, epsilon = normalize_axis(axis, x.rank), float(node.attribute("epsilon", default))
    result = node.add("norm", x, scale, shift, kind="rms" if rms else "layer", axis=axis, epsilon=epsilon)
    if node.output_count == 1:
        return [result]
    axes = tuple(range(axis, x.rank))
    mean = None if rms else node.add("reduce_mean", x, axes=axes, keepdims=True)
    centred = x if mean is None else node.add("sub", x, mean)
    variance = node.add("reduce_mean", node.add("mul", centred, centred), axes=axes, keepdims=True)
    deviation = node.add("sqrt", node.add("add", variance, node.scalar(epsilon, x)))
    inverse = node.add("div", node.scalar(1, x), deviation)
    return [result, inverse] if mean is None else [result, mean, inverse]


@onnx_op("LayerNormalization", since=17)
def layer_normalization(node: OnnxNode) -> list[Value | None]:
    return normalized(node, node.input(0), node.optional(1), node.optional(2), int(node.attribute("axis", -1)))


@onnx_op("RMSNormalization", since=23)
@onnx_op("SimplifiedLayerNormalization", "com.microsoft.SimplifiedLayerNormalization")
def rms_normalization(node: OnnxNode) -> list[Value | None]:
    return normalized(node, node.input(0), node.optional(1), None, int(node.attribute("axis", -1)), rms=True)


@onnx_op("InstanceNormalization")
def instance_normalization(node: OnnxNode) -> Value:
    x = node.input(0)
    spread = (x.shape[1],) + (dim(1),) * (x.rank - 2)
    scale, shift = (reshape_to(node, node.input(n), list(spread)) for n in (1, 2))
    return node.add("norm", x, scale, shift, kind="layer", axis=2, epsilon=float(node.attribute("epsilon", 1e-5)))


@onnx_op("GroupNormalization", since=18)
def group_normalization(node: OnnxNode) -> Value:
    """Channels are normalised in groups; scale and shift are one a channel, before opset 21 one a group."""
    x, groups = node.input(0), int(node.attribute("num_groups"))
    size = exact_division(x.shape[1], dim(groups)) if groups > 0 else None
    if size is None:
        raise Unsupported(f"{x.shape[1]} channels do not divide into {groups} groups")
    split = [x.shape[0], dim(groups), size, *x.shape[2:]]
    parts = reshape_to(node, x, split)
    per_group = node.version < 21
    spread = [dim(groups), dim(1) if per_group else size] + [dim(1)] * (x.rank - 2)
    scale, shift = (reshape_to(node, node.input(n), spread) for n in (1, 2))
    normal = node.add("norm", parts, scale, shift, kind="layer", axis=2, epsilon=float(node.attribute("epsilon", 1e-5)))
    return reshape_to(node, normal, list(x.shape))


@onnx_op("BatchNormalization")
def batch_normalization(node: OnnxNode) -> Value | list[Value | None]:
    if node.attribute("training_mode", int(node.version < 14 and node.output_count > 1)):
        return batch_norm_in_training(node)
    x = node.input(0)
    spread = [x.shape[1]] + [dim(1)] * (x.rank - 2)
    if not node.attribute("spatial", 1):
        spread = list(x.shape[1:])
    scale, shift, mean, variance = (reshape_to(node, node.input(n), spread) for n in (1, 2, 3, 4))
    epsilon = node.scalar(node.attribute("epsilon", 1e-5), x)
    deviation = node.add("sqrt", node.add("add", variance, epsilon))
    normal = node.add("div", node.add("sub", x, mean), deviation)
    return node.add("add", node.add("mul", normal, scale), shift)


@onnx_op("Einsum", since=12)
def einsum(node: OnnxNode) -> Value:
    """Each letter an axis; letters that the result lacks are summed. Spaces are allowed, `...` stands for leading axes."""
    operands = [node.input(n) for n in range(len(node.inputs))]
    terms, result = einsum_terms(str(node.attribute("equation")), [v.rank for v in operands])
    return node.add("einsum", *operands, terms=terms, result=result)
