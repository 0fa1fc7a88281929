"""com.microsoft: the operators of onnxruntime's and Optimum's optimized graphs that are no attention and not quantised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kaoken.frontend.microsoft_quantized import as_standard, channels_first, channels_last
from kaoken.frontend.neural import normalized
from kaoken.frontend.quantization import real
from kaoken.frontend.registry import OnnxNode, onnx_op
from kaoken.frontend.spelled import Tensor, iota, optional_tensor, tensor
from kaoken.ir.graph import Value

_DOMAIN = "com.microsoft"


def _plus(x: Tensor, more: Tensor | None) -> Tensor:
    return x if more is None else x + more


@onnx_op(f"{_DOMAIN}.Gelu", f"{_DOMAIN}.FastGelu", f"{_DOMAIN}.BiasGelu")
def gelu(node: OnnxNode) -> Value:
    x = _plus(tensor(node, node.input(0)), optional_tensor(node, 1))
    return (x.gelu_tanh() if node.op == "FastGelu" else x.gelu()).value


@onnx_op(f"{_DOMAIN}.QuickGelu")
def quick_gelu(node: OnnxNode) -> Value:
    x = tensor(node, node.input(0))
    return (x * (x * node.attribute("alpha", 1.702)).sigmoid()).value


@onnx_op(f"{_DOMAIN}.Trilu")
def trilu(node: OnnxNode) -> Value:
    return as_standard(node, "Trilu", tensor(node, node.input(0)), optional_tensor(node, 1), version=14).value


# products with what follows them ------------------------------------------------------------------------------------------------


@onnx_op(f"{_DOMAIN}.FusedMatMul", f"{_DOMAIN}.TransposeMatMul")
def fused_matmul(node: OnnxNode) -> Value:
    sides = []
    for n, name in enumerate("AB"):
        side = tensor(node, node.input(n))
        if node.attribute(f"transBatch{name}", 0) and side.rank > 2:  # the first axis goes behind the other batch axes
            side = side.transpose(*range(1, side.rank - 1), 0, side.rank - 1)
        swapped = (*range(side.rank - 2), side.rank - 1, side.rank - 2)
        sides.append(side.transpose(*swapped) if node.attribute(f"trans{name}", 0) and side.rank > 1 else side)
    result, alpha = sides[0] @ sides[1], node.attribute("alpha", 1.0)
    return (result if alpha == 1.0 else result * alpha).value


def _activated(node: OnnxNode, x: Tensor) -> Tensor:
    """The activation that a fused operator names; its parameters are a list, or attributes of their own."""
    name = node.attribute("activation")
    if not name:
        return x
    parameters = list(node.attribute("activation_params", []))
    if name == "Clip":
        return x.clamp(*parameters)
    named = {
        short: node.attributes[f"activation_{short}"]
        for short in ("alpha", "beta", "gamma")
        if f"activation_{short}" in node.attributes
    }
    named |= dict(zip(("alpha", "beta"), parameters, strict=False))
    return as_standard(replace(node, attributes={}), name, x, **named)


@onnx_op(f"{_DOMAIN}.FusedConv", f"{_DOMAIN}.FusedGemm")
def fused_product(node: OnnxNode) -> Value:
    op, parts = node.op.removeprefix("Fused"), [optional_tensor(node, n) for n in range(4)]
    return _activated(node, _plus(as_standard(node, op, *parts[:3]), parts[3])).value


@onnx_op(f"{_DOMAIN}.NhwcMaxPool")
def channels_last_max_pool(node: OnnxNode) -> Value:
    return channels_last(as_standard(node, "MaxPool", channels_first(tensor(node, node.input(0))))).value


# normalisation ------------------------------------------------------------------------------------------------------------------


@onnx_op(f"{_DOMAIN}.SkipLayerNormalization", f"{_DOMAIN}.SkipSimplifiedLayerNormalization")
def skip_layer_normalization(node: OnnxNode) -> list[Value | None]:
    """The norm of input + skip + bias, and that sum."""
    simple = node.op == "SkipSimplifiedLayerNormalization"
    total = _plus(tensor(node, node.input(0)) + tensor(node, node.input(1)), optional_tensor(node, 3 if simple else 4))
    single = replace(node, output_count=1)
    (normal,) = normalized(single, total.value, node.input(2), None if simple else node.optional(3), rms=simple, default=1e-12)
    return [normal, None, None, total.value]


def _embedded(
    node: OnnxNode, tables: list[Tensor | None], norm: Sequence[Value], mask: Tensor | None, places: Tensor | None
) -> list[Value | None]:
    """Rows of tables of words, positions and segments, summed and normalised; the mask's lengths; the sum."""
    words, positions, segments = tables
    assert words is not None and positions is not None
    ids = tensor(node, node.input(0))
    total = words.take(ids) + positions.take(iota(node, ids.shape[1]) if places is None else places)
    if segments is not None:
        total = total + segments.take(tensor(node, node.input(1)))
    (normal,) = normalized(replace(node, output_count=1), total.value, norm[0], norm[1], default=1e-12)
    counts = mask.cast("int32") if mask is not None else tensor(node, np.zeros((1, 1), np.int32)).expand(*ids.shape)
    return [normal, counts.reduce("sum", 1).value, total.value]


@onnx_op(f"{_DOMAIN}.EmbedLayerNormalization")
def embed_layer_normalization(node: OnnxNode) -> list[Value | None]:
    tables = [optional_tensor(node, n) for n in (2, 3, 4)]
    return _embedded(node, tables, [node.input(5), node.input(6)], optional_tensor(node, 7), optional_tensor(node, 8))


@onnx_op(f"{_DOMAIN}.QEmbedLayerNormalization")
def quantized_embed_layer_normalization(node: OnnxNode) -> list[Value | None]:
    """Tables and the norm's vectors in 8 bits: their scales are inputs 8 to 12, their zero points 13 to 17."""
    reals: list[Tensor | None] = []
    for n in range(5):
        table, scale, zero = (optional_tensor(node, m) for m in (n + 2, n + 8, n + 13))
        reals.append(
            None if table is None or scale is None else real(table, scale.reshape(), None if zero is None else zero.reshape())
        )
    norm = [t.value for t in reals[3:] if t is not None]
    return _embedded(node, reals[:3], norm, optional_tensor(node, 7), None)
