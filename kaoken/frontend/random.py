"""ONNX random operators: formulas over Philox, a counter-based generator, so that equal inputs give equal results.

The key is the seed, or, where a node has none, a hash of its name; the counter is the element's index. Each call of the model
draws the same numbers. Dropout with a seed alone draws as the standard's reference does, from MT19937.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import onnx

from kaoken.frontend.registry import OnnxNode, element_dtype
from kaoken.frontend.spelled import Tensor, iota, onnx_formula, tensor
from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.graph import Value


def uniform(node: OnnxNode, shape: tuple[Dim, ...], dtype: str = "float32", stream: int = 0) -> Tensor:
    """Uniform in [0, 1), one of several independent tensors of a node by `stream`."""
    seed = node.attribute("seed")
    if isinstance(seed, float):
        key = int(np.float32(seed).view(np.uint32))
    else:
        key = zlib.crc32(node.names[0].encode()) if seed is None else int(seed) % 2**32
    counter = iota(node, product(shape), "uint64")
    bits = tensor(node, np.array(key + (stream << 32), np.uint64)).random_bits(counter)
    kept = 53 if dtype == "float64" else 24
    return (bits.shift_right(64 - kept).cast(dtype) * 2.0**-kept).reshape(*shape)


def normal(node: OnnxNode, shape: tuple[Dim, ...], dtype: str = "float32") -> Tensor:
    """Of mean 0 and deviation 1 (Box and Muller 1958)."""
    radius = ((1 - uniform(node, shape, dtype)).log() * -2).sqrt()
    return radius * (uniform(node, shape, dtype, 1) * (2 * math.pi)).cos()


def _drawn(node: OnnxNode, shape: tuple[Dim, ...], dtype: str) -> Tensor:
    if "Normal" in node.op:
        return normal(node, shape, dtype) * node.attribute("scale", 1.0) + node.attribute("mean", 0.0)
    low, high = node.attribute("low", 0.0), node.attribute("high", 1.0)
    return uniform(node, shape, dtype) * (high - low) + low


@onnx_formula("RandomNormal", "RandomUniform")
def random(node: OnnxNode, *, shape: list[int], dtype: int = onnx.TensorProto.FLOAT) -> Tensor:
    return _drawn(node, tuple(map(dim, shape)), element_dtype(dtype))


@onnx_formula("RandomNormalLike", "RandomUniformLike")
def random_like(node: OnnxNode, x: Tensor, *, dtype: int | None = None) -> Tensor:
    return _drawn(node, x.shape, x.dtype if dtype is None else element_dtype(dtype))


@onnx_formula("Bernoulli", since=15)
def bernoulli(node: OnnxNode, x: Tensor, *, dtype: int | None = None) -> Tensor:
    """1 with the probability that the operand gives, else 0."""
    return (uniform(node, x.shape, x.dtype) < x).cast(x.dtype if dtype is None else element_dtype(dtype))


@onnx_formula("Multinomial", since=7)
def multinomial(node: OnnxNode, x: Tensor, *, sample_size: int = 1, dtype: int = onnx.TensorProto.INT32) -> Tensor:
    """Classes by unnormalised log-probabilities [batch, class]: the largest of each and a Gumbel variate (Gumbel 1954)."""
    batch, classes = x.shape
    noise = -((-((1 - uniform(node, (batch, dim(sample_size), classes), x.dtype)).log())).log())
    return (x.with_axis(1) + noise).first_extreme("argmax", 2).cast(element_dtype(dtype))


def _seeded(node: OnnxNode, shape: tuple[Dim, ...], seed: int) -> Tensor:
    """float64, uniform in [0, 1): what NumPy's legacy generator draws after the seed, of which the lower 32 bits count."""
    made = node.builder.add_node("mt19937_uniform", [], count=product(shape), seed=seed % 2**32)
    return tensor(node, made.outputs[0]).reshape(*shape)


@onnx_formula("Dropout", since=12)
def dropout(
    node: OnnxNode, x: Tensor, given: Tensor | None = None, training: Tensor | None = None, *, seed: int | None = None
) -> list[Tensor | Value | None]:
    """In inference the operand itself; in training elements are kept with probability 1 - ratio, and divided by that."""
    mode = None if training is None else training.value.data
    if training is None or (mode is not None and not mode.reshape(-1)[0]):
        return _all_kept(node, x, True, "bool")
    ratio = tensor(node, np.array(0.5, x.dtype) if given is None else given).reshape().cast(x.dtype)
    ratio = training.reshape().where(ratio, 0) if mode is None else ratio
    if seed is None:
        kept = uniform(node, x.shape, x.dtype) >= ratio
    else:
        kept = _seeded(node, x.shape, seed) >= ratio.cast("float64")
    return [kept.where(x / (1 - ratio), 0), kept]


@onnx_formula("Dropout", since=7)
def dropout_in_inference(node: OnnxNode, x: Tensor) -> list[Tensor | Value | None]:
    return _all_kept(node, x, 1, x.dtype if node.version < 10 else "bool")


def _all_kept(node: OnnxNode, x: Tensor, value: int, dtype: str) -> list[Tensor | Value | None]:
    return [x, node.add("fill", shape=x.shape, value=value, dtype=dtype) if node.output_count > 1 else None]
