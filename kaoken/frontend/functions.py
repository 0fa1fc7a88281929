"""Functions: those of the model, put in place of their calls, and operators that the ONNX standard defines by a function body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx

from kaoken.errors import UnsupportedModelError
from kaoken.ir.graph import Value

MAX_NODES = 1_000_000


def inlined(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions of its own. Raises UnsupportedModelError for functions that call themselves or explode."""
    from onnx import inliner

    functions = {(f.domain, f.name, f.overload): f for f in proto.functions}
    sizes: dict[tuple[str, str, str], int] = {}

    def size(key: tuple[str, str, str], calling: tuple[tuple[str, str, str], ...]) -> int:
        if key in calling:
            raise UnsupportedModelError(f"function {key[1]} calls itself; ONNX does not allow that")
        if key not in sizes:
            sizes[key] = count(functions[key].node, (*calling, key))
        return sizes[key]

    def count(nodes: Iterable[onnx.NodeProto], calling: tuple[tuple[str, str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type, node.overload)
            total += size(key, calling) if key in functions else 1
            total += sum(count(a.g.node, calling) for a in node.attribute if a.HasField("g"))
        return total

    total = count(proto.graph.node, ())
    if total > MAX_NODES:
        raise UnsupportedModelError(f"its functions expand to {total} nodes; at most {MAX_NODES} are supported")
    try:
        return inliner.inline_local_functions(proto)
    except Exception as error:
        raise UnsupportedModelError(f"the model's functions cannot be expanded: {error}") from None


def has_definition(schema: Any) -> bool:
    """Whether the standard defines an operator's version by others."""
    return bool(schema.has_function or schema.has_context_dependent_function)


def function_body(
    node: onnx.NodeProto, own_version: int, version: int, inputs: list[Value | None]
) -> tuple[list[onnx.NodeProto], int] | None:
    """The nodes that the standard spells `node` with, from its operands to its results, and their opset; None without a body.

    own_version: of the node's domain; version: of the standard's operators.
    """
    schema: Any
    try:
        schema = onnx.defs.get_schema(node.op_type, own_version, "" if node.domain == "ai.onnx" else node.domain)
    except onnx.defs.SchemaError:
        return None
    text: bytes | None = None
    if schema.has_function:
        versions = [v for v in schema.function_opset_versions if v <= version]
        text = schema.get_function_with_opset_version(max(versions)) if versions else None
    if not text and schema.has_context_dependent_function:
        versions = [v for v in schema.context_dependent_function_opset_versions if v <= version]
        types = [_type(value).SerializeToString() for value in inputs]
        whole = node.SerializeToString()
        text = schema.get_context_dependent_function_with_opset_version(max(versions), whole, types) if versions else None
    if not text:
        return None
    function = onnx.FunctionProto()
    function.ParseFromString(text)
    opset = next((o.version for o in function.opset_import if o.domain in ("", "ai.onnx")), version)
    defaults = [a.default_value for a in schema.attributes.values() if a.default_value.type]
    return _between(function, node, defaults), opset


def _type(value: Value | None) -> onnx.TypeProto:
    if value is None:
        return onnx.TypeProto()
    text = value.dtype == "string"
    element_type = onnx.TensorProto.STRING if text else onnx.helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
    return onnx.helper.make_tensor_type_proto(element_type, [d.constant for d in value.shape])


def _between(function: onnx.FunctionProto, node: onnx.NodeProto, defaults: list[onnx.AttributeProto]) -> list[onnx.NodeProto]:
    """The body with the node's names and attributes in place of its formal ones; inner names are made unique."""
    names = {"": ""} | dict(zip(function.input, node.input, strict=False))
    names |= {formal: "" for formal in function.input if formal not in names}
    names |= {formal: actual for formal, actual in zip(function.output, node.output, strict=False) if actual}
    prefix = f"{next(o for o in node.output if o)}/"
    given = {a.name: a for a in (*defaults, *function.attribute_proto, *node.attribute)}
    return [_renamed(inner, names, prefix, given) for inner in function.node]


def _renamed(node: onnx.NodeProto, names: dict[str, str], prefix: str, given: dict[str, onnx.AttributeProto]) -> onnx.NodeProto:
    """A node of a body, and the graphs inside it, with actual names and attributes."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    del copy.input[:], copy.output[:], copy.attribute[:]
    copy.name = f"{prefix}{node.name or node.op_type}"
    copy.input.extend(names.get(name, prefix + name) for name in node.input)
    copy.output.extend(names.get(name, prefix + name) for name in node.output)
    for attribute in node.attribute:
        source = given.get(attribute.ref_attr_name) if attribute.ref_attr_name else attribute
        if source is None:
            continue
        actual = copy.attribute.add()
        actual.CopyFrom(source)
        actual.name = attribute.name
        if attribute.HasField("g"):
            del actual.g.node[:]
            actual.g.node.extend(_renamed(inner, names, prefix, given) for inner in attribute.g.node)
            for named in (*actual.g.output, *actual.g.initializer, *actual.g.input):
                named.name = names.get(named.name, prefix + named.name)
    return copy
