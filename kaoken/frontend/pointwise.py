"""ONNX elementwise operators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kaoken.frontend.narrow import to_narrow_float
from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype, onnx_op
from kaoken.frontend.spelled import Tensor, tensor
from kaoken.ir.dtypes import NARROW_FLOATS, is_float
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
    "BitwiseAnd": "bit_and",
    "BitwiseOr": "bit_or",
    "BitwiseXor": "bit_xor",
    "BitwiseNot": "bit_not",
}


@onnx_op(*_SAME)
def same(node: OnnxNode) -> Value:
    return node.add(_SAME[node.op], *node.inputs)


@onnx_op("Identity")
def identity(node: OnnxNode) -> Value:
    return node.input(0)


@onnx_op("IsInf", since=10)
def is_inf(node: OnnxNode) -> Value:
    x = node.input(0)
    up, down = bool(node.attribute("detect_positive", 1)), bool(node.attribute("detect_negative", 1))
    if up and down:
        return node.add("isinf", x)
    if not up and not down:
        return node.add("fill", shape=x.shape, value=False, dtype="bool")
    return node.add("eq", x, node.scalar(np.inf if up else -np.inf, x))


@onnx_op("BitShift", since=11)
def bit_shift(node: OnnxNode) -> Value:
    direction = node.attribute("direction")
    if direction not in ("LEFT", "RIGHT"):
        raise Unsupported(f"direction={direction!r} is neither 'LEFT' nor 'RIGHT'")
    return node.add("shift_left" if direction == "LEFT" else "shift_right", node.input(0), node.input(1))


_SPELLED: dict[str, Callable[[Tensor], Tensor]] = {
    "Tan": lambda x: x.sin() / x.cos(),
    "Atan": lambda x: x.atan(),
    "Asin": lambda x: (x / ((1 - x) * (1 + x)).sqrt()).atan(),
    "Acos": lambda x: 2 * ((1 - x) / (1 + x)).sqrt().atan(),
    "Sinh": lambda x: 0.5 * (x.expm1() - (-x).expm1()),
    "Cosh": lambda x: 0.5 * (x.exp() + (-x).exp()),
    "Asinh": lambda x: x.sign() * (x.abs() + x * x / (1 + (x * x + 1).sqrt())).log1p(),
    "Acosh": lambda x: (x - 1 + ((x - 1) * (x + 1)).sqrt()).log1p(),
    "Atanh": lambda x: 0.5 * (2 * x / (1 - x)).log1p(),
}
"""Functions that others say without cancellation."""


@onnx_op(*_SPELLED)
def spelled(node: OnnxNode) -> Value:
    return _SPELLED[node.op](tensor(node, node.input(0))).value


@onnx_op("BitCast", since=26)
def bit_cast(node: OnnxNode) -> Value:
    x, to = node.input(0), element_dtype(int(node.attribute("to")))
    if to == "bool":
        return node.add("cast", x, to="bool")
    return x if to == x.dtype else node.add(f"bits_as_{to}", x)


@onnx_op("Reciprocal")
def reciprocal(node: OnnxNode) -> Value:
    return node.add("div", node.scalar(1, node.input(0)), node.input(0))


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
    if exponent.dtype != x.dtype and not is_float(x.dtype) and is_float(exponent.dtype):
        wide = node.add("pow", node.add("cast", x, to="float64"), cast_value(node, exponent, "float64"))
        return node.add("cast", wide, to=x.dtype)
    exponent = cast_value(node, exponent, x.dtype)
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
    if is_float(node.input(0).dtype) and not fmod and node.version < 28:
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


@onnx_op("CastLike", since=15)
def cast_like(node: OnnxNode) -> Value:
    return converted(node, node.input(0), node.input(1).dtype)


def cast_to(node: OnnxNode, x: Value, element_type: int) -> Value:
    """Cast to an ONNX element type, as the node's attributes say."""
    return converted(node, x, element_dtype(element_type))


def converted(node: OnnxNode, x: Value, dtype: str) -> Value:
    """Cast as the attributes of Cast and its kin say."""
    return to_narrow_float(node, x, dtype) if dtype in NARROW_FLOATS and x.dtype != dtype else cast_value(node, x, dtype)


def cast_value(node: OnnxNode, x: Value, dtype: str) -> Value:
    """Cast; to the same type it is nothing."""
    return x if x.dtype == dtype else node.add("cast", x, to=dtype)
