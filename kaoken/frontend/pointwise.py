"""ONNX elementwise operators."""

from __future__ import annotations

import numpy as np
import onnx

from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.ir.dtypes import is_float
from kaoken.ir.graph import Value

_SAME = {
    "Add": "add",
    "Sub": "sub",
    "Mul": "mul",
    "Div": "div",
    "Neg": "neg",
    "Abs": "abs",
    "Sign": "sign",
    "Floor": "floor",
    "Ceil": "ceil",
    "Round": "round",
    "Sqrt": "sqrt",
    "Exp": "exp",
    "Log": "log",
    "Tanh": "tanh",
    "Erf": "erf",
    "Sin": "sin",
    "Cos": "cos",
    "Sigmoid": "sigmoid",
    "Less": "lt",
    "LessOrEqual": "le",
    "Greater": "gt",
    "GreaterOrEqual": "ge",
    "Equal": "eq",
    "And": "and",
    "Or": "or",
    "Xor": "xor",
    "Not": "not",
    "IsNaN": "isnan",
    "Where": "select",
}


@onnx_op(*_SAME)
def same(node: OnnxNode) -> Value:
    return node.add(_SAME[node.op], *node.inputs)


@onnx_op("Identity", "Dropout")
def identity(node: OnnxNode) -> list[Value | None]:
    if node.op == "Dropout" and node.output_count > 1:
        raise Unsupported("Dropout's mask output belongs to training; export the model for inference")
    return [node.input(0)]


@onnx_op("Relu")
def relu(node: OnnxNode) -> Value:
    return node.add("max", node.input(0), node.scalar(0, node.input(0)))


@onnx_op("Reciprocal")
def reciprocal(node: OnnxNode) -> Value:
    return node.add("div", node.scalar(1, node.input(0)), node.input(0))


@onnx_op("Softplus")
def softplus(node: OnnxNode) -> Value:
    x = node.input(0)
    small = node.add("exp", node.add("neg", node.add("abs", x)))
    return node.add("add", node.add("max", x, node.scalar(0, x)), node.add("log", node.add("add", small, node.scalar(1, x))))


@onnx_op("LeakyRelu")
def leaky_relu(node: OnnxNode) -> Value:
    x = node.input(0)
    slope = node.scalar(node.attribute("alpha", 0.01), x)
    return node.add("select", node.add("ge", x, node.scalar(0, x)), x, node.add("mul", x, slope))


@onnx_op("HardSigmoid")
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


@onnx_op("Max", "Min")
def extremes(node: OnnxNode) -> Value:
    result = node.input(0)
    for n in range(1, len(node.inputs)):
        result = node.add(node.op.lower(), result, node.input(n))
    return result


@onnx_op("Sum", "Mean")
def variadic_sum(node: OnnxNode) -> Value:
    result = node.input(0)
    for n in range(1, len(node.inputs)):
        result = node.add("add", result, node.input(n))
    if node.op == "Mean":
        result = node.add("div", result, node.scalar(len(node.inputs), result))
    return result


@onnx_op("Pow")
def power(node: OnnxNode) -> Value:
    x, exponent = node.input(0), node.input(1)
    if exponent.dtype != x.dtype:
        exponent = node.add("cast", exponent, to=x.dtype)
    if exponent.data is not None and exponent.data.size == 1:
        number = float(exponent.data.reshape(-1)[0])
        if number == 2:
            return node.add("mul", x, x)
        if number == 3:
            return node.add("mul", node.add("mul", x, x), x)
        if number == 0.5 and is_float(x.dtype):
            return node.add("sqrt", x)
    return node.add("pow", x, exponent)


@onnx_op("Mod")
def modulo(node: OnnxNode) -> Value:
    fmod = bool(node.attribute("fmod", 0))
    if is_float(node.input(0).dtype) and not fmod:
        raise Unsupported("Mod of floats needs fmod=1")
    return node.add("fmod" if fmod else "mod", node.input(0), node.input(1))


@onnx_op("Clip", since=11)
def clip(node: OnnxNode) -> Value:
    x = node.input(0)
    low, high = node.optional(1), node.optional(2)
    if low is not None:
        x = node.add("max", x, low)
    if high is not None:
        x = node.add("min", x, high)
    return x


@onnx_op("Clip", since=6)
def clip_attributes(node: OnnxNode) -> Value:
    x = node.input(0)
    if "min" in node.attributes:
        x = node.add("max", x, node.scalar(node.attributes["min"], x))
    if "max" in node.attributes:
        x = node.add("min", x, node.scalar(node.attributes["max"], x))
    return x


@onnx_op("Cast")
def cast(node: OnnxNode) -> Value:
    return cast_to(node, node.input(0), int(node.attribute("to")))


@onnx_op("CastLike")
def cast_like(node: OnnxNode) -> Value:
    x, like = node.input(0), node.input(1)
    return x if x.dtype == like.dtype else node.add("cast", x, to=like.dtype)


def cast_to(node: OnnxNode, x: Value, element_type: int) -> Value:
    """Cast to an ONNX element type; a cast to the same type is nothing."""
    try:
        dtype = str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(element_type)))
    except (KeyError, TypeError):
        raise Unsupported(f"element type {element_type} is not supported") from None
    return x if x.dtype == dtype else node.add("cast", x, to=dtype)
