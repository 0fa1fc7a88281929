"""Sequences and optionals that a model takes or gives: tensors at its surface, and what says which belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from kaoken.frontend.composite import (
    RECORD,
    Kind,
    Maybe,
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
from kaoken.ir.dims import dim
from kaoken.ir.graph import Value
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
    shapes = {"values": ((elements,), kind.dtype), "shapes": ((count, dim(RECORD)), "int64"), "present": ((), "bool")}
    parts = []
    for part, name in zip(kind.parts, described["parts"], strict=True):
        shape, dtype = shapes[part]
        parts.append(Value(name, shape, dtype))
        importer.bind(name, parts[-1])
        importer.graph.inputs.append(parts[-1])
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
        if isinstance(value, Maybe) and wanted.what == "sequence":
            value = got(node, value)
        own = wanted if isinstance(value, Value) else kind_of(value)
        if own.dtype != wanted.dtype and not own.vague:
            raise Unsupported(f"it is declared as {wanted.text}, and is {own.text}")
        kind = without_names(Kind(wanted.what, wanted.dtype if own.vague else own.dtype, own.extents))
        parts = parts_of(node, value, kind)
    except (Unsupported, ShapeError) as error:
        importer.problems.append(f"output {name}: {error}")
        return
    described = surface(kind, name)
    for part, own_name in zip(parts, described["parts"], strict=True):
        if part.known is not None and part.producer is None and part.data is None:
            part = builder.materialize(part)
        importer.graph.outputs.append((own_name, part))
    importer.graph.composed[name] = described
