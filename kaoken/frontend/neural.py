"""ONNX matrix products and normalisation."""

from __future__ import annotations

from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.spelled import Tensor, onnx_formula, onnx_formulas
from kaoken.frontend.training import batch_norm_in_training
from kaoken.ir.dims import dim, exact_division
from kaoken.ops.contraction import einsum_terms
from kaoken.ops.registry import normalize_axis

onnx_formulas(MatMul=lambda a, b: a @ b)


@onnx_formula("Gemm")
def gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
) -> Tensor:
    result = (a.transpose(1, 0) if transA else a) @ (b.transpose(1, 0) if transB else b)
    result = result if alpha == 1.0 else result * alpha
    if c is None or beta == 0.0:
        return result
    return result + (c if beta == 1.0 else c * beta)


def normalized(
    x: Tensor, scale: Tensor | None, shift: Tensor | None, results: int, axis: int, epsilon: float, rms: bool = False
) -> list[Tensor]:
    """The norm over the axes from `axis` on; of more results also the mean (not of rms) and 1 / deviation."""
    axis = normalize_axis(axis, x.rank)
    result = x.norm(scale, shift, kind="rms" if rms else "layer", axis=axis, epsilon=epsilon)
    if results == 1:
        return [result]
    axes = range(axis, x.rank)
    means = [] if rms else [x.reduce("mean", *axes, keep=True)]
    centred = x if rms else x - means[0]
    variance = (centred * centred).reduce("mean", *axes, keep=True)
    return [result, *means, 1 / (variance + epsilon).sqrt()]


@onnx_formula("LayerNormalization", since=17)
def layer_normalization(
    node: OnnxNode, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5
) -> list[Tensor]:
    return normalized(x, scale, shift, node.output_count, axis, epsilon)


@onnx_formula("RMSNormalization", since=23)
@onnx_formula("SimplifiedLayerNormalization", "com.microsoft.SimplifiedLayerNormalization")
def rms_normalization(
    node: OnnxNode, x: Tensor, scale: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5
) -> list[Tensor]:
    return normalized(x, scale, None, node.output_count, axis, epsilon, rms=True)


@onnx_formula("InstanceNormalization")
def instance_normalization(x: Tensor, scale: Tensor, shift: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    return x.norm(*(t.along(0, x.rank - 1) for t in (scale, shift)), kind="layer", axis=2, epsilon=epsilon)


@onnx_formula("GroupNormalization", since=18)
def group_normalization(
    node: OnnxNode, x: Tensor, scale: Tensor, shift: Tensor, *, num_groups: int, epsilon: float = 1e-5
) -> Tensor:
    """Channels are normalised in groups; scale and shift are one a channel, before opset 21 one a group."""
    size = exact_division(x.shape[1], dim(num_groups)) if num_groups > 0 else None
    if size is None:
        raise Unsupported(f"{x.shape[1]} channels do not divide into {num_groups} groups")
    parts = x.reshape(x.shape[0], num_groups, size, *x.shape[2:])
    spread = (dim(num_groups), dim(1) if node.version < 21 else size, *(dim(1),) * (x.rank - 2))
    return parts.norm(scale.reshape(*spread), shift.reshape(*spread), kind="layer", axis=2, epsilon=epsilon).reshape(*x.shape)


@onnx_formula("BatchNormalization")
def batch_normalization(
    node: OnnxNode, x: Tensor, *parameters: Tensor,
    training_mode: int | None = None, spatial: int = 1, epsilon: float = 1e-5, momentum: float = 0.9,
) -> Tensor | list[Tensor]:  # fmt: skip
    if training_mode or (training_mode is None and node.version < 14 and node.output_count > 1):
        if not spatial:
            raise Unsupported("training with spatial=0; export the model for inference")
        scale, shift, mean, variance = parameters
        return batch_norm_in_training(x, scale, shift, mean, variance, momentum, epsilon)
    spread = (x.shape[1], *(dim(1),) * (x.rank - 2)) if spatial else x.shape[1:]
    scale, shift, mean, variance = (p.reshape(*spread) for p in parameters)
    return (x - mean) / (variance + epsilon).sqrt() * scale + shift


@onnx_formula("Einsum", since=12)
def einsum(x: Tensor, *others: Tensor, equation: str) -> Tensor:
    """Each letter an axis; letters that the result lacks are summed. Spaces are allowed, `...` stands for leading axes."""
    terms, result = einsum_terms(equation, [x.rank, *(v.rank for v in others)])
    return x.einsum(*others, terms=terms, result=result)
