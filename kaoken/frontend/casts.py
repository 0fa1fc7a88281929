"""Cast and CastLike: between numbers, as the attributes say; from strings and to them, by the decimal text of numbers."""

from __future__ import annotations

from typing import Any

import onnx

from kaoken.frontend.composite import Strings
from kaoken.frontend.narrow import wide as held
from kaoken.frontend.pointwise import cast_value, converted
from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype, onnx_op
from kaoken.frontend.spelled import iota, tensor
from kaoken.frontend.strings import known_strings, located, string_op, strings
from kaoken.frontend.text import string_operands
from kaoken.ir.dims import dim, product
from kaoken.ir.dtypes import is_float, wide_type
from kaoken.ir.graph import Value
from kaoken.ops.string_routine import NUMBER_WIDTH


@string_op("Cast")
@onnx_op("Cast")
def cast(node: OnnxNode) -> Any:
    element_type = int(node.attribute("to"))
    return _cast(node, "string" if element_type == onnx.TensorProto.STRING else element_dtype(element_type))


@string_op("CastLike")
@onnx_op("CastLike", since=15)
def cast_like(node: OnnxNode) -> Any:
    return _cast(node, node.input(1).dtype)


def _cast(node: OnnxNode, dtype: str) -> Any:
    x: Any = node.input(0)
    if isinstance(x, Strings):
        return x if dtype == "string" else numbers_of(node, strings(node, 0), dtype)
    return texts_of(node, x) if dtype == "string" else converted(node, x, dtype)


def numbers_of(node: OnnxNode, given: Strings, dtype: str) -> Value:
    """The numbers that strings are the text of. The call checks that each is one, and that the type holds it."""
    if dtype == "bool":
        raise Unsupported("strings have no standard meaning as bool; compare them with Equal")
    floats = is_float(dtype)
    if floats:
        attrs: dict[str, Any] = {"bits": 24 if dtype == "float32" else 53}
    else:
        attrs = {"bits": int(dtype.lstrip("uint")), "unsigned": dtype.startswith("u")}
    made = node.builder.add_node("parse_floats" if floats else "parse_integers", string_operands(node, given), **attrs)
    values, wrong = (tensor(node, value) for value in made.outputs)
    node.found_size(wrong.reduce("sum", 0).reshape(1).value, 0, f"{node.names[0]}_no_number", None, dim(0))
    if dtype == "uint64":
        return values.bits_as_uint64().reshape(*given.shape).value
    return converted(node, values.reshape(*given.shape).value, dtype)


_FLOATS = {"float64": (53, -1074), "float32": (24, -149), "float16": (11, -24)}
"""Bits of a float, and the exponent of the least that is above 0."""


def texts_of(node: OnnxNode, x: Value) -> Strings:
    """Numbers as text: the shortest that reads as the same number; True and False."""
    if x.dtype == "bool":
        places = tensor(node, known_strings(node, ["False", "True"]).tensor)
        return Strings(known_strings(node, ["False", "True"]).data, places.take(tensor(node, x).cast("int64")).value)
    floats, count = is_float(wide_type(x.dtype)), product(x.shape)
    attrs: dict[str, Any]
    if floats:
        bits, least = _FLOATS.get(x.dtype, _FLOATS["float32"])
        kind, attrs, wide = "format_floats", {"bits": bits, "least": least}, "float64"
        x = x if x.dtype in ("float64", "float32") else cast_value(node, x, "float32")
    else:
        kind, attrs, wide = "format_integers", {"unsigned": x.dtype == "uint64"}, "int64"
    values = tensor(node, x).bits_as_int64() if x.dtype == "uint64" else tensor(node, cast_value(node, held(node, x), wide))
    data, sizes = node.builder.add_node(kind, [values.reshape(count).value], **attrs).outputs
    return located(data, (iota(node, count) * NUMBER_WIDTH).reshape(*x.shape), tensor(node, sizes).reshape(*x.shape), True)
