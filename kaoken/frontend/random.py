"""ONNX random operators: formulas over Philox, a counter-based generator, so that equal inputs give equal results.

The key is the seed, or, where a node has none, a hash of its name; the counter is the element's index. Each call of the model
draws the same numbers. Dropout with a seed alone draws as the standard's reference does, from MT19937.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from kaoken.frontend.registry import OnnxNode, element_dtype, onnx_op
from kaoken.frontend.spelled import Tensor, iota, tensor
from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.graph import Value

FLOAT = 1


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


def _drawn(node: OnnxNode, shape: tuple[Dim, ...], dtype: str) -> Value:
    if "Normal" in node.op:
        return (normal(node, shape, dtype) * node.attribute("scale", 1.0) + node.attribute("mean", 0.0)).value
    low, high = node.attribute("low", 0.0), node.attribute("high", 1.0)
    return (uniform(node, shape, dtype) * (high - low) + low).value


@onnx_op("RandomNormal", "RandomUniform")
def random(node: OnnxNode) -> Value:
    return _drawn(node, tuple(dim(int(d)) for d in node.attribute("shape")), element_dtype(node.attribute("dtype", FLOAT)))


@onnx_op("RandomNormalLike", "RandomUniformLike")
def random_like(node: OnnxNode) -> Value:
    x = node.input(0)
    return _drawn(node, x.shape, element_dtype(node.attributes["dtype"]) if "dtype" in node.attributes else x.dtype)


@onnx_op("Bernoulli", since=15)
def bernoulli(node: OnnxNode) -> Value:
    """1 with the probability that the operand gives, else 0."""
    x = tensor(node, node.input(0))
    to = element_dtype(node.attributes["dtype"]) if "dtype" in node.attributes else x.dtype
    return (uniform(node, x.shape, x.dtype) < x).cast(to).value


@onnx_op("Multinomial", since=7)
def multinomial(node: OnnxNode) -> Value:
    """Classes by unnormalised log-probabilities [batch, class]: the largest of each and a Gumbel variate (Gumbel 1954)."""
    x = tensor(node, node.input(0))
    batch, classes = x.shape
    count = dim(int(node.attribute("sample_size", 1)))
    noise = -((-((1 - uniform(node, (batch, count, classes), x.dtype)).log())).log())
    chosen = (x.reshape(batch, 1, classes) + noise).argmax(axis=2, keepdims=False, last=False)
    return chosen.cast(element_dtype(node.attribute("dtype", 6))).value


def _seeded(node: OnnxNode, shape: tuple[Dim, ...], seed: int) -> Tensor:
    """float64, uniform in [0, 1): what NumPy's legacy generator draws after the seed, of which the lower 32 bits count."""
    made = node.builder.add_node("mt19937_uniform", [], count=product(shape), seed=seed % 2**32)
    return tensor(node, made.outputs[0]).reshape(*shape)


@onnx_op("Dropout", since=12)
def dropout(node: OnnxNode) -> list[Value | None]:
    """In inference the operand itself; in training elements are kept with probability 1 - ratio, and divided by that."""
    x = tensor(node, node.input(0))
    training = node.optional(2)
    given = node.optional(1)
    mode = None if training is None else training.data
    if training is None or (mode is not None and not mode.reshape(-1)[0]):
        keeps = node.add("fill", shape=x.shape, value=True, dtype="bool") if node.output_count > 1 else None
        return [x.value, keeps]
    ratio = tensor(node, np.array(0.5, x.dtype) if given is None else given).reshape().cast(x.dtype)
    if mode is None:
        ratio = tensor(node, training).reshape().where(ratio, 0)
    seed = node.attribute("seed")
    if seed is None:
        kept = uniform(node, x.shape, x.dtype) >= ratio
    else:
        kept = _seeded(node, x.shape, int(seed)) >= ratio.cast("float64")
    return [kept.where(x / (1 - ratio), 0).value, kept.value]


@onnx_op("Dropout", since=7)
def dropout_in_inference(node: OnnxNode) -> list[Value | None]:
    x = node.input(0)
    dtype = x.dtype if node.version < 10 else "bool"
    return [x, node.add("fill", shape=x.shape, value=1, dtype=dtype) if node.output_count > 1 else None]
