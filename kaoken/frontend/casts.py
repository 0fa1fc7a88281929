"""Cast and CastLike: between numbers, as the attributes say; from strings and to them, by the decimal text of numbers."""

from __future__ import annotations

from typing import Any

import onnx

from kaoken.frontend.composite import Strings
from kaoken.frontend.narrow import wide
from kaoken.frontend.pointwise import converted
from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype
from kaoken.frontend.spelled import Tensor, iota, onnx_formula, tensor
from kaoken.frontend.strings import known_strings, located, string_op, strings
from kaoken.frontend.text import string_operands
from kaoken.ir.dims import dim, product
from kaoken.ir.dtypes import is_float, wide_type
from kaoken.ops.string_routine import NUMBER_WIDTH


@string_op("Cast")
@onnx_formula("Cast")
def cast(node: OnnxNode, x: Tensor | Strings, *, to: int) -> Any:
    return _cast(node, x, "string" if to == onnx.TensorProto.STRING else element_dtype(to))


@string_op("CastLike")
@onnx_formula("CastLike", since=15)
def cast_like(node: OnnxNode, x: Tensor | Strings, like: Tensor | Strings) -> Any:
    return _cast(node, x, like.dtype)


def _cast(node: OnnxNode, x: Tensor | Strings, dtype: str) -> Any:
    if isinstance(x, Strings):
        return x if dtype == "string" else numbers_of(node, strings(node, 0), dtype)
    return texts_of(x) if dtype == "string" else converted(x, dtype)


def numbers_of(node: OnnxNode, given: Strings, dtype: str) -> Tensor:
    """The numbers that strings are the text of. The call checks that each is one, and that the type holds it."""
    if dtype == "bool":
        raise Unsupported("strings have no standard meaning as bool; compare them with Equal")
    attrs: dict[str, Any] = {"bits": 24 if dtype == "float32" else 53}
    if not is_float(dtype):
        attrs = {"bits": int(dtype.lstrip("uint")), "unsigned": dtype.startswith("u")}
    operands = string_operands(node, given)
    made = node.builder.add_node("parse_floats" if is_float(dtype) else "parse_integers", operands, **attrs)
    values, wrong = (tensor(node, value) for value in made.outputs)
    node.found_size(wrong.reduce("sum", 0).reshape(1).value, 0, f"{node.names[0]}_no_number", None, dim(0))
    if dtype == "uint64":
        return values.bits_as_uint64().reshape(*given.shape)
    return converted(values.reshape(*given.shape), dtype)


_FLOATS = {"float64": (53, -1074), "float32": (24, -149), "float16": (11, -24)}
"""Bits of a float, and the exponent of the least that is above 0."""


def texts_of(x: Tensor) -> Strings:
    """Numbers as text: the shortest that reads as the same number; True and False."""
    node, count = x.node, product(x.shape)
    if x.dtype == "bool":
        words = known_strings(node, ["False", "True"])
        return Strings(words.data, tensor(node, words.tensor).take(x.cast("int64")).value)
    if is_float(wide_type(x.dtype)):
        bits, least = _FLOATS.get(x.dtype, _FLOATS["float32"])
        kind, attrs = "format_floats", dict[str, Any](bits=bits, least=least)
        x = (x if x.dtype in ("float64", "float32") else x.cast("float32")).cast("float64")
    else:
        kind, attrs = "format_integers", {"unsigned": x.dtype == "uint64"}
        x = x.bits_as_int64() if x.dtype == "uint64" else wide(x).cast("int64")
    data, sizes = node.builder.add_node(kind, [x.reshape(count).value], **attrs).outputs
    return located(data, (iota(node, count) * NUMBER_WIDTH).reshape(*x.shape), tensor(node, sizes).reshape(*x.shape), True)
