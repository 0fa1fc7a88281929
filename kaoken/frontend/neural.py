"""ONNX matrix products, convolution and normalisation."""

from __future__ import annotations

import math

from kaoken.frontend.movement import reshape_to
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.ir.dims import Dim, dim
from kaoken.ir.graph import Value
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


@onnx_op("Conv")
def conv(node: OnnxNode) -> Value:
    x, w = node.input(0), node.input(1)
    spatial = x.rank - 2
    strides = tuple(int(s) for s in node.attribute("strides", [1] * spatial))
    dilations = tuple(int(d) for d in node.attribute("dilations", [1] * spatial))
    before, after = _padding(node, x, w, strides, dilations)
    group = int(node.attribute("group", 1))
    inputs = [v for v in (x, w, node.optional(2)) if v is not None]
    return node.add("conv", *inputs, strides=strides, dilations=dilations, before=before, after=after, group=group)


def _padding(
    node: OnnxNode, x: Value, w: Value, strides: tuple[int, ...], dilations: tuple[int, ...]
) -> tuple[tuple[Dim, ...], tuple[Dim, ...]]:
    spatial = len(strides)
    mode = node.attribute("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        pads = [int(p) for p in node.attribute("pads", [0] * (2 * spatial))] if mode == "NOTSET" else [0] * (2 * spatial)
        return tuple(dim(p) for p in pads[:spatial]), tuple(dim(p) for p in pads[spatial:])
    before, after = [], []
    for n in range(spatial):
        extent, reach = x.shape[n + 2].constant, dilations[n] * (int(w.shape[n + 2]) - 1) + 1
        if extent is None:
            raise Unsupported(f"auto_pad={mode} needs constant spatial extents; fix them with --dim")
        total = max(0, (math.ceil(extent / strides[n]) - 1) * strides[n] + reach - extent)
        small, large = total // 2, total - total // 2
        before.append(dim(small if mode == "SAME_UPPER" else large))
        after.append(dim(large if mode == "SAME_UPPER" else small))
    return tuple(before), tuple(after)


@onnx_op("LayerNormalization", since=17)
def layer_normalization(node: OnnxNode) -> Value:
    if node.output_count > 1:
        raise Unsupported("LayerNormalization's mean and deviation outputs are not supported")
    x = node.input(0)
    axis = normalize_axis(int(node.attribute("axis", -1)), x.rank)
    epsilon = float(node.attribute("epsilon", 1e-5))
    return node.add("norm", x, node.optional(1), node.optional(2), kind="layer", axis=axis, epsilon=epsilon)


@onnx_op("RMSNormalization", since=23)
def rms_normalization(node: OnnxNode) -> Value:
    x = node.input(0)
    axis = normalize_axis(int(node.attribute("axis", -1)), x.rank)
    epsilon = float(node.attribute("epsilon", 1e-5))
    return node.add("norm", x, node.optional(1), None, kind="rms", axis=axis, epsilon=epsilon)


@onnx_op("InstanceNormalization")
def instance_normalization(node: OnnxNode) -> Value:
    x = node.input(0)
    spread = (x.shape[1],) + (dim(1),) * (x.rank - 2)
    normal = node.add("norm", x, None, None, kind="layer", axis=2, epsilon=float(node.attribute("epsilon", 1e-5)))
    scale, shift = (reshape_to(node, node.input(n), list(spread)) for n in (1, 2))
    return node.add("add", node.add("mul", normal, scale), shift)


@onnx_op("BatchNormalization")
def batch_normalization(node: OnnxNode) -> Value:
    if node.output_count > 1 or node.attribute("training_mode", 0):
        raise Unsupported("BatchNormalization in training mode; export the model for inference")
    x = node.input(0)
    spread = [x.shape[1]] + [dim(1)] * (x.rank - 2)
    scale, shift, mean, variance = (reshape_to(node, node.input(n), spread) for n in (1, 2, 3, 4))
    epsilon = node.scalar(node.attribute("epsilon", 1e-5), x)
    deviation = node.add("sqrt", node.add("add", variance, epsilon))
    normal = node.add("div", node.add("sub", x, mean), deviation)
    return node.add("add", node.add("mul", normal, scale), shift)


@onnx_op("GlobalAveragePool")
def global_average_pool(node: OnnxNode) -> Value:
    x = node.input(0)
    return node.add("reduce_mean", x, axes=tuple(range(2, x.rank)), keepdims=True)
