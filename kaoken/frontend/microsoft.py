"""com.microsoft: the operators of onnxruntime's and Optimum's optimized and quantized graphs, spelled in the standard's."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from kaoken.frontend.attention import rotary_embedding
from kaoken.frontend.integer_products import quantized, whole_numbers
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, iota, join, tensor
from kaoken.ir.dims import Dim, dim, exact_division
from kaoken.ir.dtypes import integer_range
from kaoken.ir.graph import Value

_DOMAIN = "com.microsoft"


def _optional(node: OnnxNode, index: int) -> Tensor | None:
    value = node.optional(index)
    return None if value is None else tensor(node, value)


def _plus(x: Tensor, more: Tensor | None) -> Tensor:
    return x if more is None else x + more


@onnx_op(f"{_DOMAIN}.Gelu", f"{_DOMAIN}.FastGelu", f"{_DOMAIN}.BiasGelu")
def gelu(node: OnnxNode) -> Value:
    x = _plus(tensor(node, node.input(0)), _optional(node, 1))
    return (x.gelu_tanh() if node.op == "FastGelu" else x.gelu()).value


@onnx_op(f"{_DOMAIN}.QuickGelu")
def quick_gelu(node: OnnxNode) -> Value:
    x = tensor(node, node.input(0))
    return (x * (x * node.attribute("alpha", 1.702)).sigmoid()).value


@onnx_op(f"{_DOMAIN}.FusedMatMul")
def fused_matmul(node: OnnxNode) -> Value:
    if node.attribute("transBatchA", 0) or node.attribute("transBatchB", 0):
        raise Unsupported("transBatchA and transBatchB are not supported")
    sides = []
    for n, name in enumerate(("transA", "transB")):
        side = tensor(node, node.input(n))
        swapped = (*range(side.rank - 2), side.rank - 1, side.rank - 2)
        sides.append(side.transpose(*swapped) if node.attribute(name, 0) and side.rank > 1 else side)
    result, alpha = sides[0] @ sides[1], node.attribute("alpha", 1.0)
    return (result if alpha == 1.0 else result * alpha).value


# normalisation ------------------------------------------------------------------------------------------------------------------


def _normal(x: Tensor, scale: Value | None, shift: Value | None, kind: str, epsilon: float) -> Value:
    return x.node.add("norm", x.value, scale, shift, kind=kind, axis=x.rank - 1, epsilon=epsilon)


@onnx_op("SimplifiedLayerNormalization", f"{_DOMAIN}.SimplifiedLayerNormalization")
def simplified_layer_normalization(node: OnnxNode) -> Value:
    x = tensor(node, node.input(0))
    if int(node.attribute("axis", -1)) not in (-1, x.rank - 1):
        raise Unsupported("only the last axis can be normalised")
    return _normal(x, node.optional(1), None, "rms", node.attribute("epsilon", 1e-5))


@onnx_op(f"{_DOMAIN}.SkipLayerNormalization", f"{_DOMAIN}.SkipSimplifiedLayerNormalization")
def skip_layer_normalization(node: OnnxNode) -> list[Value | None]:
    """The norm of input + skip + bias, and that sum."""
    simple = node.op == "SkipSimplifiedLayerNormalization"
    total = _plus(tensor(node, node.input(0)) + tensor(node, node.input(1)), _optional(node, 3 if simple else 4))
    shift = None if simple else node.optional(3)
    normal = _normal(total, node.input(2), shift, "rms" if simple else "layer", node.attribute("epsilon", 1e-12))
    return [normal, None, None, total.value]


@onnx_op(f"{_DOMAIN}.EmbedLayerNormalization")
def embed_layer_normalization(node: OnnxNode) -> list[Value | None]:
    """Words, positions and segments, summed and normalised; the mask's lengths."""
    ids, segments, mask, places = (_optional(node, n) for n in (0, 1, 7, 8))
    assert ids is not None
    total = tensor(node, node.input(2)).take(ids)
    position = iota(node, ids.shape[1]) if places is None else places
    total = total + tensor(node, node.input(3)).take(position)
    if segments is not None and node.optional(4) is not None:
        total = total + tensor(node, node.input(4)).take(segments)
    normal = _normal(total, node.input(5), node.input(6), "layer", node.attribute("epsilon", 1e-12))
    counts = mask.cast("int32") if mask is not None else tensor(node, np.zeros((1, 1), np.int32)).expand(*ids.shape)
    return [normal, counts.reduce("sum", 1).value, total.value]


# attention ----------------------------------------------------------------------------------------------------------------------


def _heads(x: Tensor, heads: int) -> Tensor:
    """[batch, position, heads * size] as [batch, heads, position, size]."""
    size = exact_division(x.shape[2], dim(heads)) if heads > 0 else None
    if size is None:
        raise Unsupported(f"{x.shape[2]} columns do not divide into {heads} heads")
    return x.reshape(x.shape[0], x.shape[1], heads, size).transpose(0, 2, 1, 3)


def _attended(
    node: OnnxNode, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, causal: bool, past: Dim, visible: Tensor | None = None
) -> Value:
    """softmax(q k^T scale + bias) v over heads, back as [batch, position, columns]. `visible`: which scores count."""
    groups = int(q.shape[1]) // int(k.shape[1])
    if groups > 1:
        k, v = (
            t.reshape(t.shape[0], t.shape[1], 1, *t.shape[2:])
            .expand(t.shape[0], t.shape[1], groups, *t.shape[2:])
            .reshape(t.shape[0], t.shape[1] * groups, *t.shape[2:])
            for t in (k, v)
        )
    scale = node.attribute("scale", 0.0) or 1 / math.sqrt(int(q.shape[3]))
    scores = (q @ k.transpose(0, 1, 3, 2)) * scale
    cap = float(node.attribute("softcap", 0.0))
    scores = (scores / cap).tanh() * cap if cap > 0 else scores
    scores = _plus(scores, bias)
    if causal:
        row = (iota(node, q.shape[2]) + past).reshape(q.shape[2], 1)
        sees = iota(node, k.shape[2]) <= row
        window = int(node.attribute("local_window_size", -1))
        sees = sees & (iota(node, k.shape[2]) > row - window) if window > 0 else sees
        visible = sees if visible is None else visible & sees
    if visible is not None:
        scores = scores + visible.where(tensor(node, np.array(0, q.dtype)), -math.inf)
    mixed = (scores.softmax(axis=3) @ v).transpose(0, 2, 1, 3)
    return mixed.reshape(mixed.shape[0], mixed.shape[1], mixed.shape[2] * mixed.shape[3]).value


def _mask_bias(node: OnnxNode, mask: Tensor | None, total: Dim, dtype: str) -> Tensor | None:
    """What a mask adds to scores: 0 where it is 1, else `mask_filter_value`. [batch] are lengths."""
    if mask is None:
        return None
    if mask.rank == 1:
        kept = iota(node, total).reshape(1, total) < mask.cast("int64").reshape(mask.shape[0], 1)
        kept = kept.reshape(mask.shape[0], 1, 1, total)
    elif mask.rank == 2:
        kept = mask.ne(0).reshape(mask.shape[0], 1, 1, mask.shape[1])
    elif mask.rank == 3:
        kept = mask.ne(0).reshape(mask.shape[0], 1, *mask.shape[1:])
    else:
        raise Unsupported(f"a mask of {mask.rank} axes")
    return kept.where(tensor(node, np.array(0, dtype)), float(node.attribute("mask_filter_value", -10000.0)))


def _both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return a if b is None else b if a is None else a + b


def _packed_attention(
    node: OnnxNode, together: Tensor, mask: Tensor | None, past: Tensor | None, bias: Tensor | None
) -> list[Value | None]:
    """Of queries, keys and values side by side; past and present are [2, batch, heads, position, size]."""
    heads = int(node.attribute("num_heads"))
    width = int(together.shape[2])
    sizes = [int(s) for s in node.attribute("qkv_hidden_sizes", [width // 3] * 3)]
    if sum(sizes) != width or node.attribute("do_rotary", 0):
        raise Unsupported(f"hidden sizes {sizes} of {width} columns, or do_rotary")
    starts = (0, sizes[0], sizes[0] + sizes[1])
    q, k, v = (_heads(together.part(2, start, size), heads) for start, size in zip(starts, sizes, strict=True))
    before = dim(0)
    if past is not None:
        before = past.shape[3]
        k, v = join(2, past.take(0), k), join(2, past.take(1), v)
    present = None
    if node.output_count > 1:
        present = join(0, *(t.reshape(1, *t.shape) for t in (k, v))).value
    both = _both(_mask_bias(node, mask, k.shape[2], q.dtype), bias)
    return [_attended(node, q, k, v, both, bool(node.attribute("unidirectional", 0)), before), present]


@onnx_op(f"{_DOMAIN}.Attention")
def attention(node: OnnxNode) -> list[Value | None]:
    together = _plus(tensor(node, node.input(0)) @ tensor(node, node.input(1)), _optional(node, 2))
    return _packed_attention(node, together, _optional(node, 3), _optional(node, 4), _optional(node, 5))


@onnx_op(f"{_DOMAIN}.QAttention")
def quantized_attention(node: OnnxNode) -> list[Value | None]:
    together = _scaled_product(node, (0, 1), (3, 4), (6, 7), _optional(node, 2))
    return _packed_attention(node, together, _optional(node, 5), _optional(node, 8), None)


@onnx_op(f"{_DOMAIN}.MultiHeadAttention")
def multi_head_attention(node: OnnxNode) -> list[Value | None]:
    if node.optional(1) is None or node.optional(2) is None or node.input(0).rank != 3:
        raise Unsupported("packed queries, keys and values are not supported")
    heads = int(node.attribute("num_heads"))
    parts = [tensor(node, node.input(n)) for n in range(3)]
    bias = _optional(node, 3)
    starts = (dim(0), parts[0].shape[2], 2 * parts[0].shape[2])
    if bias is not None:
        parts = [p if p.rank == 4 else p + bias.part(0, start, p.shape[2]) for p, start in zip(parts, starts, strict=True)]
    q, k, v = (p if p.rank == 4 else _heads(p, heads) for p in parts)
    past_k, past_v, before = _optional(node, 6), _optional(node, 7), dim(0)
    if past_k is not None and past_v is not None:
        before = past_k.shape[2]
        k, v = join(2, past_k, k), join(2, past_v, v)
    both = _both(_mask_bias(node, _optional(node, 4), k.shape[2], q.dtype), _optional(node, 5))
    return [_attended(node, q, k, v, both, bool(node.attribute("unidirectional", 0)), before), k.value, v.value]


@onnx_op(f"{_DOMAIN}.GroupQueryAttention")
def group_query_attention(node: OnnxNode) -> list[Value | None]:
    """Causal, over a past that is as long for every row, which the call checks: `seqlens_k` says how long each is."""
    heads, kv_heads = int(node.attribute("num_heads")), int(node.attribute("kv_num_heads"))
    if node.optional(1) is None or node.optional(2) is None:
        raise Unsupported("packed queries, keys and values are not supported")
    q, k, v = (_heads(tensor(node, node.input(n)), h) for n, h in ((0, heads), (1, kv_heads), (2, kv_heads)))
    past_k, past_v, lengths = _optional(node, 3), _optional(node, 4), tensor(node, node.input(5)).cast("int64")
    before = past_k.shape[2] if past_k is not None else dim(0)
    for kind in ("min", "max"):
        flat = lengths.reshape(q.shape[0]).reduce(kind, 0) + 1
        node.found_size(flat.value, 0, f"{node.input(5).name}_{kind}", None, before + q.shape[2])
    if node.attribute("do_rotary", 0):
        place = (iota(node, q.shape[2]) + before).reshape(1, q.shape[2]).expand(q.shape[0], q.shape[2])
        attributes = {"interleaved": node.attribute("rotary_interleaved", 0)}
        tables = [node.input(7), node.input(8), place.value]
        turned = (replace(node, inputs=[t.value, *tables], attributes=attributes) for t in (q, k))
        q, k = (tensor(node, _rotated(item)) for item in turned)
    if past_k is not None and past_v is not None:
        k, v = join(2, past_k, k), join(2, past_v, v)
    return [_attended(node, q, k, v, None, True, before), k.value, v.value]


def _rotated(node: OnnxNode) -> Value:
    """The standard's RotaryEmbedding, of which narrow tables turn the first part of each head."""
    tables = node.input(1)
    node.attributes["rotary_embedding_dim"] = int(tables.shape[1]) * 2
    result = rotary_embedding(node)
    assert isinstance(result, Value)
    return result


@onnx_op(f"{_DOMAIN}.RotaryEmbedding")
def microsoft_rotary_embedding(node: OnnxNode) -> Value:
    """Positions come before the tables; one position is that of the first element of every row."""
    x, place = tensor(node, node.input(0)), tensor(node, node.input(1)).cast("int64")
    tables, scale = [node.input(2), node.input(3)], node.attribute("scale", 1.0)
    if scale != 1.0:
        raise Unsupported(f"scale={scale} is not supported")
    steps = x.shape[1] if x.rank == 3 else x.shape[2]
    if place.rank == 1:
        place = (iota(node, steps) + place.reshape()).reshape(1, steps).expand(x.shape[0], steps)
    heads = int(node.attribute("num_heads", 0))
    if x.rank == 3 and not heads:
        heads = int(x.shape[2]) // (2 * int(tables[0].shape[1]))
    attributes = {"interleaved": node.attribute("interleaved", 0), "num_heads": heads}
    return _rotated(replace(node, inputs=[x.value, *tables, place.value], attributes=attributes))


# quantised products ----------------------------------------------------------------------------------------------------


def _scaled_product(
    node: OnnxNode, sides: tuple[int, int], scales: tuple[int, int], zeros: tuple[int, int], bias: Tensor | None
) -> Tensor:
    """The product of integers as floats: inputs by number."""
    a, b = (node.input(n) for n in sides)
    whole = whole_numbers(a, node.optional(zeros[0]), node, -1) @ whole_numbers(b, node.optional(zeros[1]), node, -1)
    left, right = (tensor(node, node.input(n)) for n in scales)
    scale = left.reshape() * (right.reshape() if right.rank == 0 or right.shape == (dim(1),) else right)
    return _plus(whole.cast(left.dtype) * scale, bias)


@onnx_op(f"{_DOMAIN}.MatMulIntegerToFloat")
def matmul_integer_to_float(node: OnnxNode) -> Value:
    return _scaled_product(node, (0, 1), (2, 3), (4, 5), _optional(node, 6)).value


@onnx_op(f"{_DOMAIN}.DynamicQuantizeMatMul")
def dynamic_quantize_matmul(node: OnnxNode) -> Value:
    """The left side in 8 bits over the range that it has, as DynamicQuantizeLinear finds it."""
    x = tensor(node, node.input(0))
    every = range(x.rank)
    high, low = x.reduce("max", *every).max(0), x.reduce("min", *every).min(0)
    scale = (high - low) / 255.0
    safe = scale.eq(0).where(1, scale)
    zero = (-low / safe).round().clamp(0, 255)
    small = ((x / safe).round() + zero).clamp(0, 255).cast("uint8")
    inputs = [small.value, node.input(1), safe.value, node.input(2), zero.cast("uint8").value, node.optional(3), node.optional(4)]
    result = matmul_integer_to_float(replace(node, inputs=inputs))
    assert isinstance(result, Value)
    return result


@onnx_op(f"{_DOMAIN}.MatMulNBits")
def matmul_n_bits(node: OnnxNode) -> Value:
    """Weights packed in blocks of a row; they are unpacked when compiling."""
    x = tensor(node, node.input(0))
    bits, block = int(node.attribute("bits", 4)), int(node.attribute("block_size"))
    rows, columns = int(node.attribute("N")), int(node.attribute("K"))
    packed, scales = node.input(1).data, node.input(2).data
    zeros, groups, bias = node.optional(3), node.optional(4), _optional(node, 5)
    if (
        packed is None
        or scales is None
        or bits not in (2, 4, 8)
        or groups is not None
        or (zeros is not None and zeros.data is None)
    ):
        raise Unsupported(f"weights of {bits} bits that are no constants, or with g_idx")
    blocks = -(-columns // block)

    def unpacked(data: np.ndarray, count: int) -> np.ndarray:
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        fields = data.reshape(*data.shape[:-1], -1, 1) >> shifts & (2**bits - 1)
        return fields.reshape(*data.shape[:-1], -1)[..., :count].astype(np.float32)

    numbers = unpacked(packed.reshape(rows, blocks, -1), block)
    offset: np.ndarray | float = 2.0 ** (bits - 1)
    if zeros is not None and zeros.data is not None:
        kept = zeros.data.reshape(rows, -1)
        offset = (unpacked(kept, blocks) if kept.dtype == np.uint8 else kept.astype(np.float32))[..., None]
    weights = (numbers - offset) * scales.reshape(rows, blocks, 1).astype(np.float32)
    matrix = weights.reshape(rows, blocks * block)[:, :columns].T.copy()
    return _plus(x @ tensor(node, matrix.astype(x.dtype)), bias).value


# quantised elementwise operators: (x, scale, zero) for each operand, then the result's scale and zero point ----------


def _real(node: OnnxNode, first: int) -> Tensor:
    x, scale, zero = (tensor(node, node.input(n)) for n in (first, first + 1, first + 2))
    return (x.cast("int32") - zero.cast("int32").reshape()).cast(scale.dtype) * scale.reshape()


def _small(node: OnnxNode, result: Tensor, first: int) -> Value:
    scale, zero = (tensor(node, node.input(n)).reshape() for n in (first, first + 1))
    integer_range(zero.dtype)
    return quantized(result, scale, zero, zero.dtype).value


@onnx_op(f"{_DOMAIN}.QLinearAdd", f"{_DOMAIN}.QLinearMul")
def qlinear_binary(node: OnnxNode) -> Value:
    a, b = _real(node, 0), _real(node, 3)
    return _small(node, a + b if node.op == "QLinearAdd" else a * b, 6)


@onnx_op(
    f"{_DOMAIN}.QLinearSigmoid", f"{_DOMAIN}.QLinearLeakyRelu", f"{_DOMAIN}.QLinearSoftmax", f"{_DOMAIN}.QLinearGlobalAveragePool"
)
def qlinear_unary(node: OnnxNode) -> Value:
    x = _real(node, 0)
    if node.op == "QLinearSigmoid":
        result = x.sigmoid()
    elif node.op == "QLinearLeakyRelu":
        result = (x >= 0).where(x, x * node.attribute("alpha", 0.01))
    elif node.op == "QLinearSoftmax":
        if int(node.attribute("opset", 13)) < 13:
            raise Unsupported("the softmax of opsets before 13")
        result = x.softmax(axis=int(node.attribute("axis", -1)) % x.rank)
    else:
        if node.attribute("channels_last", 0):
            raise Unsupported("channels_last=1 is not supported")
        result = x.reduce("mean", *range(2, x.rank), keep=True)
    return _small(node, result, 3)


@onnx_op(f"{_DOMAIN}.QLinearConcat")
def qlinear_concat(node: OnnxNode) -> Value:
    """The result's scale and zero point come first here."""
    parts = [_real(node, n) for n in range(2, len(node.inputs), 3)]
    return _small(node, join(int(node.attribute("axis")) % parts[0].rank, *parts), 0)
