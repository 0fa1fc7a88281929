"""ONNX matrix products, convolution, normalisation, rotary embedding and attention."""

from __future__ import annotations

import math

import numpy as np

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


@onnx_op("RotaryEmbedding", since=23)
def rotary_embedding(node: OnnxNode) -> Value:
    """Su et al. 2021, with half-split or interleaved pairs and an untouched tail."""
    x = node.input(0)
    flat = x.rank == 3
    if flat:
        heads = int(node.attribute("num_heads", 0))
        if heads <= 0:
            raise Unsupported("RotaryEmbedding of a rank-3 tensor needs num_heads")
        batch, seq, width = x.shape
        x = node.add("transpose", reshape_to(node, x, [batch, seq, dim(heads), width // heads]), perm=(0, 2, 1, 3))
    size = int(x.shape[3])
    rotary = int(node.attribute("rotary_embedding_dim", 0)) or size
    half = rotary // 2
    tables = []
    for n in (1, 2):
        table = node.input(n)
        if node.optional(3) is not None:
            table = node.add("gather", table, node.input(3), axis=0)
        tables.append(reshape_to(node, table, [table.shape[0], dim(1), table.shape[1], table.shape[2]]))
    cos, sin = tables
    interleaved = bool(node.attribute("interleaved", 0))

    def part(start: int, count: int, step: int) -> Value:
        starts = (dim(0), dim(0), dim(0), dim(start))
        return node.add("slice", x, starts=starts, steps=(1, 1, 1, step), lengths=(*x.shape[:3], dim(count)))

    first, second = (part(0, half, 2), part(1, half, 2)) if interleaved else (part(0, half, 1), part(half, half, 1))
    real = node.add("sub", node.add("mul", cos, first), node.add("mul", sin, second))
    imaginary = node.add("add", node.add("mul", sin, first), node.add("mul", cos, second))
    if interleaved:
        pair = [reshape_to(node, v, [*v.shape, dim(1)]) for v in (real, imaginary)]
        turned = reshape_to(node, node.add("concat", *pair, axis=4), [*x.shape[:3], dim(rotary)])
    else:
        turned = node.add("concat", real, imaginary, axis=3)
    if rotary < size:
        turned = node.add("concat", turned, part(rotary, size - rotary, 1), axis=3)
    if flat:
        turned = node.add("transpose", turned, perm=(0, 2, 1, 3))
        turned = reshape_to(node, turned, [turned.shape[0], turned.shape[1], turned.shape[2] * turned.shape[3]])
    return turned


@onnx_op("Attention", since=23)
def attention(node: OnnxNode) -> list[Value | None]:
    """Expanded by the standard's definition; the attention fusion recognises it again, with whatever stands around it."""
    if node.output_count > 3 or node.attribute("softcap", 0.0) or node.optional(6) is not None:
        raise Unsupported("Attention's softcap, qk_matmul_output and nonpad_kv_seqlen are not supported")
    q, k, v = (node.input(n) for n in range(3))
    flat = q.rank == 3
    if flat:
        q = _split_heads(node, q, int(node.attribute("q_num_heads")))
        k, v = (_split_heads(node, t, int(node.attribute("kv_num_heads"))) for t in (k, v))
    past_k, past_v = node.optional(4), node.optional(5)
    if past_k is not None and past_v is not None:
        k, v = node.add("concat", past_k, k, axis=2), node.add("concat", past_v, v, axis=2)
    present: list[Value | None] = [k, v]
    groups = int(q.shape[1]) // int(k.shape[1])
    k, v = (_repeat_heads(node, t, groups) for t in (k, v))
    scale = node.attribute("scale", 1 / math.sqrt(int(q.shape[3])))
    scores = node.add("matmul", q, node.add("transpose", k, perm=(0, 1, 3, 2)))
    scores = node.add("mul", scores, node.scalar(scale, scores))
    mask = node.optional(3)
    hidden = node.builder.constant(np.asarray(-np.inf, q.dtype))
    shown = node.builder.constant(np.asarray(0, q.dtype))
    if node.attribute("is_causal", 0):
        rows, total = q.shape[2], k.shape[2]
        offset = past_k.shape[2] if past_k is not None else dim(0)
        i = reshape_to(node, node.add("iota", start=offset, step=1, length=rows), [rows, dim(1)])
        visible = node.add("le", node.add("iota", start=0, step=1, length=total), i)
        scores = node.add("add", scores, node.add("select", visible, shown, hidden))
    if mask is not None:
        scores = node.add("add", scores, node.add("select", mask, shown, hidden) if mask.dtype == "bool" else mask)
    mixed = node.add("matmul", node.add("softmax", scores, axis=3), v)
    if flat:
        mixed = node.add("transpose", mixed, perm=(0, 2, 1, 3))
        mixed = reshape_to(node, mixed, [mixed.shape[0], mixed.shape[1], mixed.shape[2] * mixed.shape[3]])
    return [mixed, *present][: node.output_count]


def _split_heads(node: OnnxNode, x: Value, heads: int) -> Value:
    batch, seq, width = x.shape
    return node.add("transpose", reshape_to(node, x, [batch, seq, dim(heads), width // heads]), perm=(0, 2, 1, 3))


def _repeat_heads(node: OnnxNode, x: Value, groups: int) -> Value:
    """Each key/value head serves `groups` query heads."""
    if groups == 1:
        return x
    batch, heads, total, size = x.shape
    spread = node.add(
        "expand", reshape_to(node, x, [batch, heads, dim(1), total, size]), shape=(batch, heads, dim(groups), total, size)
    )
    return reshape_to(node, spread, [batch, heads * groups, total, size])
