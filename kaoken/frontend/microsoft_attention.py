"""com.microsoft: attention as onnxruntime fuses it, and its rotary embedding. Optimized and quantized exports contain these."""

from __future__ import annotations

import numpy as np

from kaoken.frontend.attention import attended, hiding, merged_heads, over_heads, rotated, split_heads, window
from kaoken.frontend.microsoft_quantized import scaled_product
from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.spelled import Tensor, iota, join, onnx_formula, plus, tensor
from kaoken.ir.dims import Dim, dim

_DOMAIN = "com.microsoft"


def _refuse(node: OnnxNode, *attributes: str, inputs: tuple[int, ...] = ()) -> None:
    """Raises Unsupported for what the CPU kernels of onnxruntime do not have either, and for memory shared with the past."""
    given = [name for name in attributes if node.attribute(name, 0) not in (0, "NONE")]
    given += [f"input {n}" for n in inputs if node.optional(n) is not None]
    if given:
        raise Unsupported(f"{', '.join(given)} of {_DOMAIN}.{node.op} is not supported; export the model without")


def _mask_bias(node: OnnxNode, mask: Tensor | None, batch: Dim, total: Dim, dtype: str) -> list[Tensor]:
    """What a mask adds to scores: 0 where it shows a key, else `mask_filter_value`.

    A vector holds lengths of the rows [batch], behind which the first keys' places may follow [2 * batch].
    """
    if mask is None:
        return []
    if mask.rank == 1:
        column = iota(node, total).reshape(1, total)
        ends = mask.cast("int64")
        kept = column < ends.part(0, 0, batch).reshape(batch, 1)
        if mask.shape[0] == 2 * batch:
            kept = kept & (column >= ends.part(0, batch, batch).reshape(batch, 1))
        kept = kept.reshape(batch, 1, 1, total)
    elif mask.rank in (2, 3):
        kept = (mask > 0).reshape(mask.shape[0], 1, *([1] * (3 - mask.rank)), *mask.shape[1:])
    else:
        raise Unsupported(f"a mask of {mask.rank} axes; use one of 1 to 3")
    return [kept.where(tensor(node, np.array(0, dtype)), float(node.attribute("mask_filter_value", -10000.0)))]


def _masked(node: OnnxNode, q: Tensor, k: Tensor, v: Tensor, past: Dim, mask: Tensor | None, bias: Tensor | None) -> Tensor:
    """Attention of heads with a mask, a bias of the scores and the attribute `unidirectional`, as [batch, position, columns]."""
    biases = [*([] if bias is None else [bias]), *_mask_bias(node, mask, q.shape[0], k.shape[2], q.dtype)]
    if node.attribute("unidirectional", 0):
        row = (iota(node, q.shape[2]) + past).reshape(q.shape[2], 1)
        biases += hiding(window(row, iota(node, k.shape[2]), -1, 0), q)
    return merged_heads(attended(node, q, k, v, biases)[0])


def _side_by_side(
    node: OnnxNode, together: Tensor, mask: Tensor | None, past: Tensor | None, bias: Tensor | None = None
) -> list[Tensor | None]:
    """Of queries, keys and values side by side; past and present are [2, batch, heads, position, size]."""
    _refuse(node, "do_rotary", "past_present_share_buffer")
    heads, width = int(node.attribute("num_heads")), int(together.shape[2])
    sizes = [int(s) for s in node.attribute("qkv_hidden_sizes", [width // 3] * 3)]
    if len(sizes) != 3 or sum(sizes) != width:
        raise Unsupported(f"qkv_hidden_sizes={sizes} of {width} columns")
    starts = (0, sizes[0], sizes[0] + sizes[1])
    q, k, v = (split_heads(together.part(2, start, size), heads) for start, size in zip(starts, sizes, strict=True))
    if past is not None:
        k, v = (join(2, past.take(n), t) for n, t in enumerate((k, v)))
    present = join(0, *(t.reshape(1, *t.shape) for t in (k, v))) if node.output_count > 1 else None
    return [_masked(node, q, k, v, dim(0) if past is None else past.shape[3], mask, bias), present]


@onnx_formula(f"{_DOMAIN}.Attention")
def attention(
    node: OnnxNode, x: Tensor, weights: Tensor, bias: Tensor | None = None, mask: Tensor | None = None,
    past: Tensor | None = None, scores: Tensor | None = None,
) -> list[Tensor | None]:  # fmt: skip
    _refuse(node, inputs=(6,))
    return _side_by_side(node, plus(x @ weights, bias), mask, past, scores)


@onnx_formula(f"{_DOMAIN}.QAttention")
def quantized_attention(
    node: OnnxNode, x: Tensor, weights: Tensor, bias: Tensor | None, x_scale: Tensor, w_scale: Tensor, mask: Tensor | None = None,
    x_zero: Tensor | None = None, w_zero: Tensor | None = None, past: Tensor | None = None,
) -> list[Tensor | None]:  # fmt: skip
    return _side_by_side(node, scaled_product(x, weights, x_scale, w_scale, x_zero, w_zero, bias), mask, past)


def _cached(k: Tensor, v: Tensor, past_k: Tensor | None, past_v: Tensor | None) -> tuple[Tensor, Tensor, Dim]:
    """Keys and values behind those of the past, and how many these are."""
    if past_k is None or past_v is None:
        return k, v, dim(0)
    return join(2, past_k, k), join(2, past_v, v), past_k.shape[2]


@onnx_formula(f"{_DOMAIN}.MultiHeadAttention")
def multi_head_attention(
    node: OnnxNode, query: Tensor, key: Tensor | None = None, value: Tensor | None = None, bias: Tensor | None = None,
    mask: Tensor | None = None, scores: Tensor | None = None, past_k: Tensor | None = None, past_v: Tensor | None = None, *,
    num_heads: int,
) -> list[Tensor]:  # fmt: skip
    """Keys and values as [batch, position, columns], as heads, or packed as [batch, position, heads, n, size]."""
    _refuse(node, inputs=(8, 9))
    parts = [t for t in (query, key, value) if t is not None]
    if parts[-1].rank == 5:
        last = parts.pop()
        parts += [t.reshape(*t.shape[:2], t.shape[2] * t.shape[3]) for t in (last.take(n, 3) for n in range(int(last.shape[3])))]
    if len(parts) != 3 or parts[0].rank != 3:
        raise Unsupported(f"queries, keys and values of shapes {[list(p.shape) for p in parts]}")
    if bias is not None:
        starts = (dim(0), parts[0].shape[2], 2 * parts[0].shape[2])
        parts = [p if p.rank == 4 else p + bias.part(0, start, p.shape[2]) for p, start in zip(parts, starts, strict=True)]
    q, k, v = (p if p.rank == 4 else split_heads(p, num_heads) for p in parts)
    k, v, before = _cached(k, v, past_k, past_v)
    return [_masked(node, q, k, v, before, mask, scores), k, v]


@onnx_formula(f"{_DOMAIN}.GroupQueryAttention")
def group_query_attention(
    node: OnnxNode, q: Tensor, k: Tensor | None, v: Tensor | None, past_k: Tensor | None = None, past_v: Tensor | None = None,
    _ends: Tensor | None = None, _total: Tensor | None = None, _cos: Tensor | None = None, _sin: Tensor | None = None,
    places: Tensor | None = None, bias: Tensor | None = None, sink: Tensor | None = None, *,
    num_heads: int, kv_num_heads: int, causal: int = 1, local_window_size: int = -1, qk_output: int = 0,
) -> list[Tensor | None]:  # fmt: skip
    """Grouped heads with a past that is as long for every row, which the call checks: `seqlens_k` says how long each is.

    Without a past the rows may be padded at their ends; what stands there is attended to by what follows it alone.
    """
    _refuse(node, "k_quant_type", "v_quant_type", "sliding_window_cache", inputs=(12, 13, 14, 15))
    widths = (num_heads, kv_num_heads, kv_num_heads)
    parts = [q] if k is None or v is None else [q, k, v]
    if len(parts) == 1:
        size, starts = int(q.shape[2]) // sum(widths), (0, num_heads, num_heads + kv_num_heads)
        parts = [q.part(2, start * size, n * size) for start, n in zip(starts, widths, strict=True)]
    q, k, v = (split_heads(t, n) for t, n in zip(parts, widths, strict=True))
    before = past_k.shape[2] if past_k is not None and past_v is not None else dim(0)
    if before != 0:
        own = node.input(5)
        lengths = tensor(node, own).cast("int64").reshape(q.shape[0])
        for kind in ("min", "max"):
            node.found_size((lengths.reduce(kind, 0) + 1).value, 0, f"{own.name}_{kind}", None, before + q.shape[2])
    if node.attribute("do_rotary", 0):
        if places is None:
            places = (iota(node, q.shape[2]) + before).reshape(1, q.shape[2]).expand(q.shape[0], q.shape[2])
        tables = tensor(node, node.input(7)), tensor(node, node.input(8))
        q, k = (rotated(t, *tables, places.cast("int64"), bool(node.attribute("rotary_interleaved", 0))) for t in (q, k))
    k, v, _ = _cached(k, v, past_k, past_v)
    biases = [] if bias is None else [bias.part(3, 0, k.shape[2])]
    if causal:
        row, column = (iota(node, q.shape[2]) + before).reshape(q.shape[2], 1), iota(node, k.shape[2])
        biases += hiding(window(row, column, local_window_size - 1 if local_window_size > 0 else -1, 0), q)
    if sink is not None:
        sink = sink.reshape(1, num_heads, 1, 1)
    elif node.attribute("smooth_softmax", -1) == 1:
        sink = tensor(node, np.zeros((1, 1, 1, 1), q.dtype))
    mixed, stages = attended(node, q, k, v, biases, sink=sink)
    return [merged_heads(mixed), k, v, stages[1 + qk_output] if qk_output else None]


@onnx_formula(f"{_DOMAIN}.RotaryEmbedding")
def microsoft_rotary_embedding(
    node: OnnxNode, x: Tensor, place: Tensor, cos: Tensor, sin: Tensor, *, num_heads: int = 0, interleaved: int = 0
) -> Tensor:
    """Positions come before the tables; one position is that of the first element of every row."""
    _refuse(node, "is_packed_batching")
    if node.attribute("scale", 1.0) != 1.0:
        raise Unsupported(f"scale={node.attribute('scale')} is not supported")
    place = place.cast("int64")
    x, flat = over_heads(x, num_heads, 2 * int(cos.shape[1]))
    if place.rank == 1:
        place = (iota(node, x.shape[2]) + place.reshape()).reshape(1, x.shape[2]).expand(x.shape[0], x.shape[2])
    result = rotated(x, cos, sin, place, bool(interleaved))
    return merged_heads(result) if flat else result
