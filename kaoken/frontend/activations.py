"""ONNX activations."""

from __future__ import annotations

from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.ir.dims import dim
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis


@onnx_op("Relu")
def relu(node: OnnxNode) -> Value:
    return node.add("max", node.input(0), node.scalar(0, node.input(0)))


@onnx_op("Softplus")
def softplus(node: OnnxNode) -> Value:
    return _softplus(node, node.input(0))


def _softplus(node: OnnxNode, x: Value) -> Value:
    """log(1 + exp(x)) without overflow."""
    small = node.add("exp", node.add("neg", node.add("abs", x)))
    return node.add("add", node.add("max", x, node.scalar(0, x)), node.add("log", node.add("add", small, node.scalar(1, x))))


@onnx_op("LeakyRelu")
def leaky_relu(node: OnnxNode) -> Value:
    x = node.input(0)
    slope = node.scalar(node.attribute("alpha", 0.01), x)
    return node.add("select", node.add("ge", x, node.scalar(0, x)), x, node.add("mul", x, slope))


@onnx_op("HardSigmoid", since=6)
def hard_sigmoid(node: OnnxNode) -> Value:
    x = node.input(0)
    alpha, beta = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    line = node.add("add", node.add("mul", x, node.scalar(alpha, x)), node.scalar(beta, x))
    return node.add("max", node.scalar(0, x), node.add("min", node.scalar(1, x), line))


@onnx_op("HardSwish")
def hard_swish(node: OnnxNode) -> Value:
    x = node.input(0)
    line = node.add("add", node.add("mul", x, node.scalar(1 / 6, x)), node.scalar(0.5, x))
    return node.add("mul", x, node.add("max", node.scalar(0, x), node.add("min", node.scalar(1, x), line)))


@onnx_op("Gelu", since=20)
def gelu(node: OnnxNode) -> Value:
    approximate = node.attribute("approximate", "none")
    if approximate not in ("none", "tanh"):
        raise Unsupported(f"approximate={approximate!r} is neither 'none' nor 'tanh'")
    return node.add("gelu_tanh" if approximate == "tanh" else "gelu", node.input(0))


@onnx_op("Swish", since=24)
def swish(node: OnnxNode) -> Value:
    x = node.input(0)
    alpha = node.attribute("alpha", 1.0)
    if alpha == 1.0:
        return node.add("silu", x)
    return node.add("mul", x, node.add("sigmoid", node.add("mul", x, node.scalar(alpha, x))))


def _negative_part(node: OnnxNode, x: Value, body: Value) -> Value:
    """x where it is positive or 0, else `body`."""
    return node.add("select", node.add("ge", x, node.scalar(0, x)), x, body)


def _exp_minus_one(node: OnnxNode, x: Value) -> Value:
    return node.add("sub", node.add("exp", x), node.scalar(1, x))


@onnx_op("Elu")
def elu(node: OnnxNode) -> Value:
    x = node.input(0)
    alpha = node.scalar(node.attribute("alpha", 1.0), x)
    return _negative_part(node, x, node.add("mul", alpha, _exp_minus_one(node, x)))


@onnx_op("Celu", since=12)
def celu(node: OnnxNode) -> Value:
    x = node.input(0)
    alpha = node.scalar(node.attribute("alpha", 1.0), x)
    return _negative_part(node, x, node.add("mul", alpha, _exp_minus_one(node, node.add("div", x, alpha))))


@onnx_op("Selu", since=6)
def selu(node: OnnxNode) -> Value:
    x = node.input(0)
    alpha = node.scalar(node.attribute("alpha", 1.67326319217681884765625), x)
    gamma = node.scalar(node.attribute("gamma", 1.05070102214813232421875), x)
    return node.add("mul", gamma, _negative_part(node, x, node.add("mul", alpha, _exp_minus_one(node, x))))


@onnx_op("PRelu", since=9)
def prelu(node: OnnxNode) -> Value:
    x = node.input(0)
    return _negative_part(node, x, node.add("mul", x, node.input(1)))


@onnx_op("ThresholdedRelu")
def thresholded_relu(node: OnnxNode) -> Value:
    x = node.input(0)
    above = node.add("gt", x, node.scalar(node.attribute("alpha", 1.0), x))
    return node.add("select", above, x, node.scalar(0, x))


@onnx_op("Softsign")
def softsign(node: OnnxNode) -> Value:
    x = node.input(0)
    return node.add("div", x, node.add("add", node.scalar(1, x), node.add("abs", x)))


@onnx_op("Mish", since=18)
def mish(node: OnnxNode) -> Value:
    return node.add("mul", node.input(0), node.add("tanh", _softplus(node, node.input(0))))


@onnx_op("Shrink")
def shrink(node: OnnxNode) -> Value:
    x = node.input(0)
    bias, limit = node.scalar(node.attribute("bias", 0.0), x), node.attribute("lambd", 0.5)
    low = node.add("lt", x, node.scalar(-limit, x))
    high = node.add("gt", x, node.scalar(limit, x))
    middle = node.add("select", high, node.add("sub", x, bias), node.scalar(0, x))
    return node.add("select", low, node.add("add", x, bias), middle)


@onnx_op("Hardmax", since=13)
def hardmax(node: OnnxNode) -> Value:
    """1 at the first largest element of each row along the axis, else 0."""
    x = node.input(0)
    axis = normalize_axis(int(node.attribute("axis", -1)), x.rank)
    best = node.add("argmax", x, axis=axis, keepdims=True, last=False)
    place = node.add("iota", start=0, step=1, length=x.shape[axis])
    place = node.add("reshape", place, shape=(*(dim(1),) * axis, x.shape[axis], *(dim(1),) * (x.rank - axis - 1)))
    return node.add("cast", node.add("eq", place, best), to=x.dtype)
