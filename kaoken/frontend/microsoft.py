"""com.microsoft: the operators of onnxruntime's and Optimum's optimized graphs that are no attention and not quantised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kaoken.frontend.microsoft_quantized import as_standard, channels_first, channels_last
from kaoken.frontend.neural import normalized
from kaoken.frontend.quantization import real
from kaoken.frontend.registry import OnnxNode
from kaoken.frontend.spelled import Tensor, iota, onnx_formula, onnx_formulas, plus, tensor

_DOMAIN = "com.microsoft"


_ROWS: dict[str, Callable[..., Tensor]] = {
    f"{_DOMAIN}.Gelu": lambda x: x.gelu(),
    f"{_DOMAIN}.BiasGelu": lambda x, bias=None: plus(x, bias).gelu(),
    f"{_DOMAIN}.FastGelu": lambda x, bias=None: plus(x, bias).gelu_tanh(),
    f"{_DOMAIN}.QuickGelu": lambda x, *, alpha=1.702: x * (x * alpha).sigmoid(),
    f"{_DOMAIN}.Trilu": lambda x, k=None: as_standard(x.node, "Trilu", x, k, version=14),
    f"{_DOMAIN}.NhwcMaxPool": lambda x: channels_last(as_standard(x.node, "MaxPool", channels_first(x))),
}
onnx_formulas(1, **_ROWS)


# products with what follows them ------------------------------------------------------------------------------------------------


@onnx_formula(f"{_DOMAIN}.FusedMatMul", f"{_DOMAIN}.TransposeMatMul")
def fused_matmul(node: OnnxNode, a: Tensor, b: Tensor, *, alpha: float = 1.0) -> Tensor:
    sides = []
    for side, name in ((a, "A"), (b, "B")):
        if node.attribute(f"transBatch{name}", 0) and side.rank > 2:  # the first axis goes behind the other batch axes
            side = side.transpose(*range(1, side.rank - 1), 0, side.rank - 1)
        swapped = (*range(side.rank - 2), side.rank - 1, side.rank - 2)
        sides.append(side.transpose(*swapped) if node.attribute(f"trans{name}", 0) and side.rank > 1 else side)
    result = sides[0] @ sides[1]
    return result if alpha == 1.0 else result * alpha


def _activated(node: OnnxNode, x: Tensor) -> Tensor:
    """The activation that a fused operator names; its parameters are a list, or attributes of their own."""
    name, parameters = node.attribute("activation"), list(node.attribute("activation_params", []))
    if not name:
        return x
    if name == "Clip":
        return x.clamp(*parameters)
    named = {k.removeprefix("activation_"): v for k, v in node.attributes.items() if k.startswith("activation_")}
    named |= dict(zip(("alpha", "beta"), parameters, strict=False))
    return as_standard(replace(node, attributes={}), name, x, **named)


@onnx_formula(f"{_DOMAIN}.FusedConv", f"{_DOMAIN}.FusedGemm")
def fused_product(node: OnnxNode, *parts: Tensor | None) -> Tensor:
    result = as_standard(node, node.op.removeprefix("Fused"), *parts[:3])
    return _activated(node, plus(result, parts[3] if len(parts) > 3 else None))


# normalisation ------------------------------------------------------------------------------------------------------------------


@onnx_formula(f"{_DOMAIN}.SkipLayerNormalization")
def skip_layer_normalization(
    x: Tensor, skip: Tensor, gamma: Tensor, beta: Tensor | None = None, bias: Tensor | None = None, *, epsilon: float = 1e-12
) -> list[Tensor | None]:
    """The norm of input + skip + bias, and that sum."""
    total = plus(x + skip, bias)
    return [*normalized(total, gamma, beta, 1, -1, epsilon), None, None, total]


@onnx_formula(f"{_DOMAIN}.SkipSimplifiedLayerNormalization")
def skip_rms_normalization(
    x: Tensor, skip: Tensor, gamma: Tensor, bias: Tensor | None = None, *, epsilon: float = 1e-12
) -> list[Tensor | None]:
    total = plus(x + skip, bias)
    return [*normalized(total, gamma, None, 1, -1, epsilon, rms=True), None, None, total]


def _embedded(
    ids: Tensor, segments: Tensor | None, tables: Sequence[Tensor | None], norm: Sequence[Tensor | None], epsilon: float,
    mask: Tensor | None, places: Tensor | None = None,
) -> list[Tensor]:  # fmt: skip
    """Rows of tables of words, positions and segments, summed and normalised; the mask's lengths; the sum."""
    words, positions, kinds = tables
    assert words is not None and positions is not None
    node = ids.node
    total = words.take(ids) + positions.take(iota(node, ids.shape[1]) if places is None else places)
    if kinds is not None and segments is not None:
        total = total + kinds.take(segments)
    counts = mask.cast("int32") if mask is not None else tensor(node, np.zeros((1, 1), np.int32)).expand(*ids.shape)
    return [*normalized(total, norm[0], norm[1], 1, -1, epsilon), counts.reduce("sum", 1), total]


@onnx_formula(f"{_DOMAIN}.EmbedLayerNormalization")
def embed_layer_normalization(
    ids: Tensor, segments: Tensor | None, words: Tensor, positions: Tensor, kinds: Tensor | None, gamma: Tensor, beta: Tensor,
    mask: Tensor | None = None, places: Tensor | None = None, *, epsilon: float = 1e-12,
) -> list[Tensor]:  # fmt: skip
    return _embedded(ids, segments, (words, positions, kinds), (gamma, beta), epsilon, mask, places)


@onnx_formula(f"{_DOMAIN}.QEmbedLayerNormalization")
def quantized_embed_layer_normalization(ids: Tensor, segments: Tensor | None, *rest: Any, epsilon: float = 1e-12) -> list[Tensor]:
    """Five tables and vectors of the norm in 8 bits, the mask, then their scales, then their zero points."""
    reals: list[Tensor | None] = []
    for n in range(5):
        table, scale, zero = (rest[m] if m < len(rest) else None for m in (n, n + 6, n + 11))
        zero = None if zero is None else zero.reshape()
        reals.append(None if table is None or scale is None else real(table, scale.reshape(), zero))
    return _embedded(ids, segments, reals[:3], reals[3:], epsilon, rest[5])
