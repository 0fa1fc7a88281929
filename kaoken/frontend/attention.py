"""ONNX attention and rotary embedding."""

from __future__ import annotations

import math

import numpy as np
import onnx

from kaoken.frontend.movement import reshape_to
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.ir.dims import Dim, dim, exact_division, is_nonnegative
from kaoken.ir.expr import Int
from kaoken.ir.graph import Value


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
    if not 0 < rotary <= size or rotary % 2:
        raise Unsupported(f"rotary_embedding_dim={rotary} of heads {size} wide")
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
    """Expanded by the standard's definition; the attention fusion recognises it again, with whatever stands around it.

    A row that sees no key gives 0, by the guard that exporters put around their own softmax: a NaN weight counts as 0.
    """
    q, k, v = (node.input(n) for n in range(3))
    flat = q.rank == 3
    if flat:
        q = _split_heads(node, q, int(node.attribute("q_num_heads", 0)))
        k, v = (_split_heads(node, t, int(node.attribute("kv_num_heads", 0))) for t in (k, v))
    past_k, past_v = node.optional(4), node.optional(5)
    if past_k is not None and past_v is not None:
        k, v = node.add("concat", past_k, k, axis=2), node.add("concat", past_v, v, axis=2)
    present: list[Value | None] = [k, v]
    heads, kv_heads = int(q.shape[1]), int(k.shape[1])
    if kv_heads == 0 or heads % kv_heads:
        raise Unsupported(f"{heads} query heads do not share {kv_heads} key heads evenly")
    k, v = (_repeat_heads(node, t, heads // kv_heads) for t in (k, v))
    scale = node.attribute("scale", 0.0) or 1 / math.sqrt(int(q.shape[3]))
    scores = node.add("matmul", q, node.add("transpose", k, perm=(0, 1, 3, 2)))
    scores = node.add("mul", scores, node.scalar(scale, scores))
    stages = [scores]
    cap = float(node.attribute("softcap", 0.0))
    if cap > 0:
        squashed = node.add("tanh", node.add("div", scores, node.scalar(cap, scores)))
        scores = node.add("mul", squashed, node.scalar(cap, scores))
    stages.append(scores)
    biases = _attention_biases(node, q, k, past_k)
    for bias in biases:
        scores = node.add("add", scores, bias)
    stages.append(scores)
    weights = _attention_softmax(node, scores)
    if node.optional(3) is not None or node.optional(6) is not None or len(biases) > 1:
        weights = node.add("select", node.add("isnan", weights), node.scalar(0, weights), weights)
    stages.append(weights)
    mixed = node.add("matmul", weights, v)
    if flat:
        mixed = node.add("transpose", mixed, perm=(0, 2, 1, 3))
        mixed = reshape_to(node, mixed, [mixed.shape[0], mixed.shape[1], mixed.shape[2] * mixed.shape[3]])
    return [mixed, *present, stages[int(node.attribute("qk_matmul_output_mode", 0))]]


def _attention_softmax(node: OnnxNode, scores: Value) -> Value:
    dtype = scores.dtype
    if "softmax_precision" in node.attributes:
        dtype = str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.attributes["softmax_precision"])))
    wide = scores if dtype == scores.dtype else node.add("cast", scores, to=dtype)
    weights = node.add("softmax", wide, axis=3)
    return weights if dtype == scores.dtype else node.add("cast", weights, to=scores.dtype)


def _attention_biases(node: OnnxNode, q: Value, k: Value, past_k: Value | None) -> list[Value]:
    """What is added to the scores [batch, heads, rows, total]: 0 or -inf for each kind of masking, and the caller's bias."""
    rows, total = q.shape[2], k.shape[2]
    mask, filled = node.optional(3), node.optional(6)
    hidden, shown = node.scalar(-math.inf, q), node.scalar(0, q)
    column = node.add("iota", start=0, step=1, length=total)
    row = node.add("iota", start=past_k.shape[2] if past_k is not None else 0, step=1, length=rows)
    row = reshape_to(node, row, [rows, dim(1)])
    if filled is not None:
        filled = reshape_to(node, filled, [filled.shape[0], dim(1), dim(1), dim(1)])
        if past_k is None:
            row = node.add("add", row, node.add("sub", filled, node.builder.known(Int(rows))))
    left, right = int(node.attribute("left_window_size", -1)), int(node.attribute("right_window_size", -1))
    visible: list[Value] = []
    if node.attribute("is_causal", 0):
        visible.append(node.add("le", column, row))
    if left >= 0:
        visible.append(node.add("ge", column, node.add("sub", row, node.builder.constant(np.asarray(left)))))
    if right >= 0:
        visible.append(node.add("le", column, node.add("add", row, node.builder.constant(np.asarray(right)))))
    if filled is not None:
        visible.append(node.add("lt", column, filled))
    biases = [node.add("select", test, shown, hidden) for test in visible]
    if mask is not None:
        mask = _padded_mask(node, mask, total)
        biases.append(node.add("select", mask, shown, hidden) if mask.dtype == "bool" else mask)
    return biases


def _padded_mask(node: OnnxNode, mask: Value, total: Dim) -> Value:
    """A mask that is shorter than the keys hides those beyond it."""
    missing = total - mask.shape[-1]
    if missing == 0:
        return mask
    if not is_nonnegative(missing):
        raise Unsupported(f"a mask of {mask.shape[-1]} columns for {total} keys; make them equal with --dim")
    value = node.builder.constant(np.asarray(False if mask.dtype == "bool" else -math.inf, mask.dtype))
    before = (dim(0),) * mask.rank
    return node.add("pad", mask, value, before=before, after=(*before[1:], missing))


def _split_heads(node: OnnxNode, x: Value, heads: int) -> Value:
    batch, seq, width = x.shape
    size = exact_division(width, dim(heads)) if heads > 0 else None
    if size is None:
        raise Unsupported(f"rank-3 operands need q_num_heads and kv_num_heads that divide their width {width}, not {heads}")
    return node.add("transpose", reshape_to(node, x, [batch, seq, dim(heads), size]), perm=(0, 2, 1, 3))


def _repeat_heads(node: OnnxNode, x: Value, groups: int) -> Value:
    """Each key/value head serves `groups` query heads."""
    if groups == 1:
        return x
    batch, heads, total, size = x.shape
    spread = node.add(
        "expand", reshape_to(node, x, [batch, heads, dim(1), total, size]), shape=(batch, heads, dim(groups), total, size)
    )
    return reshape_to(node, spread, [batch, heads * groups, total, size])
