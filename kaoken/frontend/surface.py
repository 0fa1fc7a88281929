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
    helper,
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
    """Make the inputs of a sequence or an optional: `NAME.values`, `NAME.shapes` and perhaps `NAME.present`."""
    try:
        kind = declared_kind(info.type)
    except Unsupported as error:
        importer.problems.append(f"input {info.name}: {error}")
        importer.broken.add(info.name)
        return
    described = surface(kind, info.name)
    elements = importer.table.count(f"{info.name}_elements")
    count = importer.table.count(f"{info.name}_length", 1 if kind.what == "optional" else None)
    shapes: dict[str, tuple[Shape, str]] = {"shapes": ((count, dim(RECORD)), "int64"), "present": ((), "bool")}
    shapes |= {"values": ((elements,), kind.dtype), "ends": ((elements,), "int64")}
    if kind.dtype == "string":
        shapes["bytes"] = ((importer.table.count(f"{info.name}_bytes"),), "uint8")
    parts = []
    for part, name in zip(kind.parts, described["parts"], strict=True):
        shape, dtype = shapes[part]
        parts.append(Value(name, shape, dtype))
        importer.bind(name, parts[-1])
        importer.graph.inputs.append(parts[-1])
    if kind.dtype == "string":
        parts[1] = given_strings(importer, info.name, parts[0], parts[1]).tensor
    importer.bind(info.name, rebuilt(kind, parts, info.name))
    importer.graph.composed[info.name] = described


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
    shape = [str(d.constant if d.constant is not None else d) for d in given.values.shape]
    importer.graph.outputs.append((name, given.values))
    described = {"name": name, "kind": "maps", "dtype": given.values.dtype, "shape": shape, "parts": [name]}
    importer.graph.composed[name] = described | {"keys": list(given.keys)}
