"""ONNX attention and rotary embedding, and the parts of them that onnxruntime's own variants share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx

from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.spelled import Tensor, iota, join, onnx_formula, tensor
from kaoken.ir.dims import Dim, dim, exact_division, is_nonnegative


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[batch, position, heads * size] as [batch, heads, position, size]."""
    size = exact_division(x.shape[2], dim(heads)) if heads > 0 else None
    if size is None:
        raise Unsupported(f"{x.shape[2]} columns do not divide into {heads} heads")
    return x.reshape(x.shape[0], x.shape[1], heads, size).transpose(0, 2, 1, 3)


def merged_heads(x: Tensor) -> Tensor:
    """[batch, heads, position, size] as [batch, position, heads * size]."""
    x = x.transpose(0, 2, 1, 3)
    return x.reshape(x.shape[0], x.shape[1], x.shape[2] * x.shape[3])


def rotated(x: Tensor, cos: Tensor, sin: Tensor, places: Tensor | None, interleaved: bool) -> Tensor:
    """Su et al. 2021 on x [batch, heads, position, size]: half-split or interleaved pairs, and a tail that stays.

    cos, sin: [position, half] of which `places` [batch, position] takes rows, else [batch, position, half].
    """
    half, size = int(cos.shape[-1]), int(x.shape[3])
    if not 0 < 2 * half <= size:
        raise Unsupported(f"rotary embedding of {2 * half} elements of heads {size} wide")
    tables = (cos, sin) if places is None else (cos.take(places), sin.take(places))
    cos, sin = (t.reshape(t.shape[0], 1, t.shape[1], half) for t in tables)
    step, behind = (2, 1) if interleaved else (1, half)
    first, second = (x.box(3, dim(start), dim(half), step) for start in (0, behind))
    turned = [cos * first - sin * second, sin * first + cos * second]
    if interleaved:
        pairs = join(4, *(t.reshape(*t.shape, 1) for t in turned))
        turned = [pairs.reshape(*x.shape[:3], 2 * half)]
    return join(3, *turned, x.box(3, dim(2 * half), dim(size - 2 * half)))


def over_heads(x: Tensor, heads: int, size: int) -> tuple[Tensor, bool]:
    """x as [batch, heads, position, size], and whether it came as [batch, position, columns]."""
    if x.rank != 3:
        return x, False
    if heads <= 0 and size > 0:
        heads = int(x.shape[2]) // size
    if heads <= 0:
        raise Unsupported("rotary embedding of a rank-3 tensor needs num_heads")
    return split_heads(x, heads), True


@onnx_formula("RotaryEmbedding", since=23)
def rotary_embedding(
    x: Tensor, cos: Tensor, sin: Tensor, places: Tensor | None = None, *,
    num_heads: int = 0, rotary_embedding_dim: int = 0, interleaved: int = 0,
) -> Tensor:  # fmt: skip
    x, flat = over_heads(x, num_heads, 0)
    width = rotary_embedding_dim or int(x.shape[3])
    if width != 2 * int(cos.shape[-1]):
        raise Unsupported(f"rotary_embedding_dim={width} with tables {cos.shape[-1]} wide")
    result = rotated(x, cos, sin, places, bool(interleaved))
    return merged_heads(result) if flat else result


def attended(
    node: OnnxNode, q: Tensor, k: Tensor, v: Tensor, biases: Sequence[Tensor], guarded: bool = False, sink: Tensor | None = None
) -> tuple[Tensor, list[Tensor]]:
    """softmax(cap(q k^T scale) + biases) v over heads, and the scores: raw, capped, with biases, and their softmax.

    Scale and softcap are the node's attributes; each key head serves as many query heads as there are to one. `guarded`: a row
    that sees no key gives 0, by the guard that exporters put around their own softmax. `sink` [1, heads, 1, 1] is the score of
    one key more, whose value is 0.
    """
    heads, kv_heads = int(q.shape[1]), int(k.shape[1])
    if kv_heads == 0 or heads % kv_heads:
        raise Unsupported(f"{heads} query heads do not share {kv_heads} key heads evenly")
    k, v = (_repeated_heads(t, heads // kv_heads) for t in (k, v))
    scale = node.attribute("scale", 0.0) or 1 / math.sqrt(int(q.shape[3]))
    stages = [(q @ k.transpose(0, 1, 3, 2)) * scale]
    cap = float(node.attribute("softcap", 0.0))
    stages.append((stages[-1] / cap).tanh() * cap if cap > 0 else stages[-1])
    stages.append(sum(biases, stages[-1]))
    weights = _softmax(node, stages[-1], sink)
    if guarded:
        weights = weights.isnan().where(0, weights)
    stages.append(weights)
    return weights @ v, stages


def _repeated_heads(x: Tensor, groups: int) -> Tensor:
    if groups == 1:
        return x
    batch, heads, total, size = x.shape
    return (
        x.reshape(batch, heads, 1, total, size)
        .expand(batch, heads, groups, total, size)
        .reshape(batch, heads * groups, total, size)
    )


def _softmax(node: OnnxNode, scores: Tensor, sink: Tensor | None) -> Tensor:
    dtype = scores.dtype
    if "softmax_precision" in node.attributes:
        dtype = str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.attributes["softmax_precision"])))
    wide = scores.cast(dtype)
    if sink is not None:
        wide = join(3, wide, sink.cast(dtype).expand(*wide.shape[:3], 1))
    return wide.softmax(axis=3).part(3, 0, scores.shape[3]).cast(scores.dtype)


def window(rows: Tensor, keys: Tensor, left: int, right: int) -> list[Tensor]:
    """Which keys lie at most so many places before and behind a row's own; -1: any number. Positions that broadcast."""
    return [*([keys >= rows - left] if left >= 0 else []), *([keys <= rows + right] if right >= 0 else [])]


def hiding(visible: Sequence[Tensor], like: Tensor) -> list[Tensor]:
    """0 where a score counts, else -inf: what is added to the scores for each condition."""
    return [test.where(tensor(test.node, np.array(0, like.dtype)), -math.inf) for test in visible]


@onnx_formula("Attention", since=23)
def attention(
    node: OnnxNode, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, past_k: Tensor | None = None,
    past_v: Tensor | None = None, filled: Tensor | None = None, *,
    q_num_heads: int = 0, kv_num_heads: int = 0, is_causal: int = 0, left_window_size: int = -1, right_window_size: int = -1,
    qk_matmul_output_mode: int = 0,
) -> list[Tensor]:  # fmt: skip
    """Spelled as the standard's definition; the attention fusion recognises it again, with whatever stands around it."""
    flat = q.rank == 3
    if flat:
        q = split_heads(q, q_num_heads)
        k, v = (split_heads(t, kv_num_heads) for t in (k, v))
    if past_k is not None and past_v is not None:
        k, v = join(2, past_k, k), join(2, past_v, v)
    rows, total = q.shape[2], k.shape[2]
    column = iota(node, total)
    row = (iota(node, rows) + (past_k.shape[2] if past_k is not None else 0)).reshape(rows, 1)
    if filled is not None:
        filled = filled.reshape(filled.shape[0], 1, 1, 1)
        if past_k is None:
            row = row + (filled - rows)
    visible = window(row, column, -1, 0) if is_causal else []
    visible += window(row, column, left_window_size, right_window_size)
    if filled is not None:
        visible.append(column < filled)
    biases = hiding(visible, q)
    if mask is not None:
        mask = _padded_mask(mask, total)
        biases += hiding([mask], q) if mask.dtype == "bool" else [mask]
    mixed, stages = attended(node, q, k, v, biases, mask is not None or filled is not None or len(biases) > 1)
    return [merged_heads(mixed) if flat else mixed, k, v, stages[qk_matmul_output_mode]]


def _padded_mask(mask: Tensor, total: Dim) -> Tensor:
    """A mask that is shorter than the keys hides those beyond it."""
    missing = total - mask.shape[-1]
    if missing == 0:
        return mask
    if not is_nonnegative(missing):
        raise Unsupported(f"a mask of {mask.shape[-1]} columns for {total} keys; make them equal with --dim")
    before = (dim(0),) * mask.rank
    return mask.pad(False if mask.dtype == "bool" else -math.inf, before=before, after=(*before[1:], missing))
