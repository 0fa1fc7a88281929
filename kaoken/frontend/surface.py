"""Sequences and optionals that a model takes or gives: tensors at its surface, and what says which belong together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import onnx

from kaoken.frontend.composite import (
    RECORD,
    Kind,
    Maps,
    Maybe,
    Strings,
    declared_kind,
    extents_text,
    helper,
    is_composite,
    kind_of,
    parts_of,
    rebuilt,
    surface,
    without_names,
)
from kaoken.frontend.registry import Unsupported
from kaoken.frontend.sequences import got
from kaoken.frontend.strings import given_strings, packed
from kaoken.ir.dims import dim
from kaoken.ir.graph import Shape, Value
from kaoken.ops.registry import ShapeError

if TYPE_CHECKING:
    from kaoken.frontend.importer import Importer


def bind_input(importer: Importer, info: onnx.ValueInfoProto) -> None:
    """Make the inputs of a sequence or an optional: `NAME.values`, `NAME.shapes` and perhaps `NAME.present`; of strings, of which
    there may be a tensor, `NAME.bytes`, of all, and `NAME.ends`, where each ends, in order."""
    name, table = info.name, importer.table
    shapes: dict[str, tuple[Shape, str]] = {"present": ((), "bool")}
    try:
        if is_composite(info.type):
            kind = declared_kind(info.type)
            elements = table.count(f"{name}_elements")
            count = table.count(f"{name}_length", 1 if kind.what == "optional" else None)
            shapes |= {"shapes": ((count, dim(RECORD)), "int64"), "values": ((elements,), kind.dtype)}
            shapes["ends"], described = ((elements,), "int64"), surface(kind, name)
        else:
            kind = Kind("strings", "string", None)
            shape = tuple(importer.extent(name, n, d) for n, d in enumerate(info.type.tensor_type.shape.dim))
            shapes["ends"], described = (shape, "int64"), surface(kind, name, shape)
        if kind.dtype == "string":
            shapes["bytes"] = ((table.count(f"{name}_bytes"),), "uint8")
        parts = [Value(own, *shapes[part]) for part, own in zip(kind.parts, described["parts"], strict=True)]
        for part in parts:
            importer.bind(part.name, part)
            importer.graph.inputs.append(part)
        held = given_strings(importer, name, parts[0], parts[1]) if kind.dtype == "string" else None
        if held is not None and kind.what != "strings":
            parts[1] = held.tensor
        importer.bind(name, held if held is not None and kind.what == "strings" else rebuilt(kind, parts, name))
    except Unsupported as error:
        importer.problems.append(f"input {name}: {error}")
        importer.broken.add(name)
        return
    importer.graph.composed[name] = described


def output_parts(importer: Importer, info: onnx.ValueInfoProto) -> None:
    """Make the outputs of a sequence or an optional, of the kind that the model declares."""
    builder, name = importer.builder, info.name
    builder.origin = (f"output {name}",)
    node = helper(builder, name)
    value = importer.values[name]
    try:
        wanted = declared_kind(info.type)
        inner = value.places if isinstance(value, Strings) else value
        if isinstance(inner, Maybe) and wanted.what == "sequence":
            value = replace(value, places=got(node, inner)) if isinstance(value, Strings) else got(node, inner)
        own = wanted if isinstance(value, Value) else kind_of(value)
        if own.dtype != wanted.dtype and not own.vague:
            raise Unsupported(f"it is declared as {wanted.text}, and is {own.text}")
        kind = without_names(Kind(wanted.what, wanted.dtype if own.vague else own.dtype, own.extents))
        parts = parts_of(node, value, kind)
        if kind.dtype == "string":
            once = isinstance(value, Strings) and value.once
            parts[:2] = (part.value for part in packed(node, Strings(parts[0], parts[1], once), name))
    except (Unsupported, ShapeError) as error:
        importer.problems.append(f"output {name}: {error}")
        return
    described = surface(kind, name)
    for part, own_name in zip(parts, described["parts"], strict=True):
        if part.known is not None and part.producer is None and part.data is None:
            part = builder.materialize(part)
        importer.graph.outputs.append((own_name, part))
    importer.graph.composed[name] = described


def output_maps(importer: Importer, name: str) -> None:
    """Make the output of a sequence of maps: a tensor of their values, with the keys in the description."""
    given: Maps = importer.values[name]
    importer.graph.outputs.append((name, given.values))
    described = {"name": name, "kind": "maps", "dtype": given.values.dtype, "shape": extents_text(given.values.shape)}
    importer.graph.composed[name] = described | {"parts": [name], "keys": list(given.keys)}


def output_strings(importer: Importer, name: str) -> None:
    """Make the outputs of a tensor of strings: `NAME.bytes` and `NAME.ends`, as of an input."""
    given: Strings = importer.values[name]
    importer.builder.origin = (f"output {name}",)
    data, ends = packed(helper(importer.builder, name), given, name)
    described = surface(Kind("strings", "string", None), name, given.shape)
    importer.graph.outputs += zip(described["parts"], [data.value, ends.reshape(*given.shape).value], strict=True)
    importer.graph.composed[name] = described
