"""ONNX operators on sequences and optionals. What is known when compiling leaves no node; the rest is spelled in `ragged.py`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from kaoken.frontend import ragged as runtime
from kaoken.frontend.bodies import subgraph_results
from kaoken.frontend.composite import (
    Held,
    Maybe,
    Ragged,
    Strings,
    TensorList,
    declared_kind,
    extents_of,
    joined_extents,
    kind_of,
    no_bytes,
    nothing,
    presence,
    ragged,
    rebuilt,
)
from kaoken.frontend.loops_of_composites import looped
from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype, known_dims
from kaoken.frontend.spelled import tensor
from kaoken.frontend.strings import lifted
from kaoken.ir.builder import literal_elements
from kaoken.ir.dims import Dim, Symbol, dim
from kaoken.ir.expr import Int
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis

if TYPE_CHECKING:
    from kaoken.frontend.importer import Importer

UNROLLED = 64
"""Sequences of known length up to this are mapped tensor by tensor; longer ones in a loop."""


def _sequence(node: OnnxNode, index: int = 0) -> TensorList | Ragged:
    value: Any = node.input(index)
    if isinstance(value, (TensorList, Ragged)):
        return value
    raise Unsupported(f"input {index} is {'an optional' if isinstance(value, Maybe) else 'a tensor'}, and should be a sequence")


def _tensor(node: OnnxNode, index: int) -> Value:
    value: Any = node.input(index)
    if isinstance(value, Value):
        return value
    raise Unsupported(f"input {index} is no tensor")


def _position(node: OnnxNode, index: int, count: int | None, last: int) -> int | None:
    """A position that is known, in a list of `count` tensors: from 0 to `last`."""
    if index >= len(node.inputs) or node.inputs[index] is None or count is None:
        return None
    elements = literal_elements(_tensor(node, index))
    if elements is None or elements.size != 1:
        return None
    place = int(elements.reshape(-1)[0])
    if not -count <= place <= last:
        raise Unsupported(f"position {place} in a sequence of {count}")
    return place + count if place < 0 else place


def _run_time_position(node: OnnxNode, index: int) -> Any:
    given = node.optional(index)
    return None if given is None else tensor(node, given).cast("int64").reshape()


def construct(importer: Importer, node: OnnxNode) -> list[Any]:
    items = [_tensor(node, n) for n in range(len(node.inputs))]
    if len({item.dtype for item in items}) > 1:
        raise Unsupported("its tensors have different element types")
    return [TensorList(tuple(items), items[0].dtype)]


def empty(importer: Importer, node: OnnxNode) -> list[Any]:
    element_type = node.attribute("dtype", onnx.TensorProto.FLOAT)
    return [_empty(node, element_type)]


def _empty(node: OnnxNode, element_type: int) -> Held:
    if element_type == onnx.TensorProto.STRING:
        return Strings(no_bytes(node), TensorList((), "int64"), True)
    return TensorList((), element_dtype(element_type))


def sequence_length(importer: Importer, node: OnnxNode) -> list[Any]:
    sequence = _sequence(node)
    count = dim(len(sequence.items)) if isinstance(sequence, TensorList) else runtime.length(sequence)
    return [node.builder.known(Int(count))]


def sequence_at(importer: Importer, node: OnnxNode) -> list[Any]:
    sequence = _sequence(node)
    if isinstance(sequence, TensorList):
        place = _position(node, 1, len(sequence.items), len(sequence.items) - 1)
        if place is not None:
            return [sequence.items[place]]
    return [runtime.at(node, ragged(node, sequence), _run_time_position(node, 1))]


def sequence_insert(importer: Importer, node: OnnxNode) -> list[Any]:
    sequence, item = _sequence(node), _tensor(node, 1)
    if item.dtype != sequence.dtype:
        raise Unsupported(f"{item.name} is {item.dtype}, the sequence holds {sequence.dtype}")
    if isinstance(sequence, TensorList):
        count = len(sequence.items)
        place = count if node.optional(2) is None else _position(node, 2, count, count)
        if place is not None:
            return [TensorList((*sequence.items[:place], item, *sequence.items[place:]), sequence.dtype)]
    extents = extents_of(item) if kind_of(sequence).vague else joined_extents([kind_of(sequence).extents, extents_of(item)])
    return [runtime.insert(node, ragged(node, sequence), item, _run_time_position(node, 2), extents)]


def sequence_erase(importer: Importer, node: OnnxNode) -> list[Any]:
    sequence = _sequence(node)
    if isinstance(sequence, TensorList):
        count = len(sequence.items)
        if not count:
            raise Unsupported("nothing can be erased from an empty sequence")
        place = count - 1 if node.optional(1) is None else _position(node, 1, count, count - 1)
        if place is not None:
            return [TensorList((*sequence.items[:place], *sequence.items[place + 1 :]), sequence.dtype)]
    return [runtime.erase(node, ragged(node, sequence), _run_time_position(node, 1))]


def concat_from_sequence(importer: Importer, node: OnnxNode) -> list[Any]:
    sequence, axis, new = _sequence(node), int(node.attribute("axis")), bool(node.attribute("new_axis", 0))
    if isinstance(sequence, Ragged):
        return [runtime.concatenated(node, sequence, axis, new)]
    if not sequence.items:
        raise Unsupported("an empty sequence has nothing to concatenate")
    items = list(sequence.items)
    place = normalize_axis(axis, items[0].rank + new)
    if new:
        items = [node.add("reshape", x, shape=(*x.shape[:place], dim(1), *x.shape[place:])) for x in items]
    return [items[0] if len(items) == 1 else node.add("concat", *items, axis=place)]


def split_to_sequence(importer: Importer, node: OnnxNode) -> list[Any]:
    """By sizes that are given, or into pieces of one size; those whose number is known become a list."""
    x, given = _tensor(node, 0), node.optional(1)
    axis = normalize_axis(int(node.attribute("axis", 0)), x.rank)
    keep = given is not None or bool(node.attribute("keepdims", 1))
    extent = x.shape[axis]
    if given is not None and given.rank == 1:
        sizes = _found_pieces(node, given, extent)
        total = sum(sizes, dim(0))
        if total != extent:
            node.found_size(tensor(node, total).reshape(1).value, 0, f"{given.name}_total", None, extent)
        return [_pieces(node, x, axis, sizes, keep)]
    size = dim(1)
    if given is not None:
        (size,) = _found_pieces(node, given, extent)
    whole, step = extent.constant, size.constant
    if step is not None and step < 1:
        raise Unsupported(f"pieces of {step}")
    if whole is not None and step is not None:
        return [_pieces(node, x, axis, [dim(min(step, whole - n)) for n in range(0, whole, step)], keep)]
    return [runtime.split(node, x, axis, size, keep)]


def _found_pieces(node: OnnxNode, given: Value, extent: Dim) -> list[Dim]:
    """Sizes of pieces, which perhaps only the call knows; a piece that all are like has one element at least."""
    if (known := known_dims(given)) is not None:
        return known
    if given.rank:
        return node.found_sizes(given, given.name, (), [extent] * (given.shape[0].constant or 0))
    less = (tensor(node, given).cast("int64") - 1).reshape(1)
    return [node.found_sizes(less.value, given.name, (), [dim(2**31)])[0] + 1]


def _pieces(node: OnnxNode, x: Value, axis: int, sizes: list[Dim], keep: bool) -> TensorList:
    items, start = [], dim(0)
    for size in sizes:
        piece = tensor(node, x).part(axis, start, size)
        items.append((piece if keep else piece.reshape(*x.shape[:axis], *x.shape[axis + 1 :])).value)
        start = start + size
    return TensorList(tuple(items), x.dtype)


def sequence_map(importer: Importer, node: OnnxNode) -> list[Any]:
    """Tensor by tensor where the length is known and small, else a loop that appends to each result."""
    graph: onnx.GraphProto = node.attributes["body"]
    given: list[Any] = [node.input(n) for n in range(len(node.inputs))]
    sequence: Any = given[0].places if isinstance(given[0], Strings) else _sequence(node)
    if len(graph.input) != len(node.inputs):
        raise Unsupported(f"{len(node.inputs)} inputs for a body of {len(graph.input)}")

    def mapped(pick: Any) -> list[Any]:
        for info, value in zip(graph.input, given, strict=True):
            item = value if isinstance(value, Value) or _is_strings(value) else pick(value)
            importer.bind(info.name, item)
        results = subgraph_results(importer, graph)
        if any(not isinstance(r, Value) and not _is_strings(r) for r in results):
            raise Unsupported("its body gives a sequence; sequences of sequences are not supported")
        return results

    def gathered(reader: Any, inputs: list[Any]) -> Any:
        inner = OnnxNode("Sequence", node.version, inputs, {}, 1, node.builder, [""])
        texts = any(isinstance(value, Strings) for value in inputs)
        return (lifted(partial(reader, importer), inner) if texts else reader(importer, inner))[0]

    if isinstance(sequence, TensorList) and len(sequence.items) <= UNROLLED:
        columns: list[list[Any]] = [[] for _ in graph.output]
        for n in range(len(sequence.items)):
            values = dict(importer.values)
            index = tensor(node, dim(n))
            for column, result in zip(columns, mapped(lambda s: _item(node, s, n, index)), strict=True):  # noqa: B023
                column.append(result)
            importer.values = values
        types = [o.type.tensor_type.elem_type for o in graph.output]
        return [gathered(construct, list(c)) if c else _empty(node, t) for c, t in zip(columns, types, strict=True)]
    count = dim(len(sequence.items)) if isinstance(sequence, TensorList) else runtime.length(sequence)

    def body(index: Symbol, carried: list[Held]) -> tuple[None, list[Held]]:
        position = tensor(node, dim(index))
        results = mapped(lambda s: _item(node, s, None, position))
        return None, [gathered(sequence_insert, [state, result]) for state, result in zip(carried, results, strict=True)]

    initial = [_empty(node, o.type.tensor_type.elem_type) for o in graph.output]
    return looped(importer, node.builder.origin[0], node.names, initial, body, limit=count)


def _is_strings(value: Any) -> bool:
    """Whether a value is a tensor of strings."""
    return isinstance(value, Strings) and isinstance(value.places, Value)


def _item(node: OnnxNode, sequence: Any, n: int | None, index: Any) -> Any:
    if isinstance(sequence, Strings):
        return Strings(sequence.data, _item(node, sequence.places, n, index))
    if isinstance(sequence, TensorList) and n is not None:
        if n >= len(sequence.items):
            raise Unsupported("its sequences have different lengths")
        return sequence.items[n]
    return runtime.at(node, ragged(node, sequence), index)


# optionals ------------------------------------------------------------------------------------------------------------------


def optional(importer: Importer, node: OnnxNode) -> list[Any]:
    if node.inputs and node.inputs[0] is not None:
        return [Maybe(node.builder.constant(np.array(True)), node.inputs[0])]
    if "type" not in node.attributes:
        raise Unsupported("it has neither a value nor a type")
    never = node.builder.constant(np.array(False))
    proto = onnx.TypeProto()
    proto.optional_type.elem_type.CopyFrom(node.attributes["type"])
    kind = declared_kind(proto)
    texts = [no_bytes(node)] if kind.dtype == "string" else []
    parts = nothing(node, kind.of_places if texts else kind)
    return [rebuilt(kind, [*texts, parts.elements, parts.shapes, never], node.names[0])]


def optional_has_element(importer: Importer, node: OnnxNode) -> list[Any]:
    value: Any = node.optional(0)
    if isinstance(value, Maybe):
        return [presence(node, value)]
    return [node.builder.constant(np.array(value is not None))]


def optional_get_element(importer: Importer, node: OnnxNode) -> list[Any]:
    """What an optional holds; the call checks that it holds something. Tensors and sequences are themselves."""
    value: Any = node.input(0)
    return [got(node, value) if isinstance(value, Maybe) else value]


def got(node: OnnxNode, value: Maybe) -> Any:
    if value.item is None:
        raise Unsupported("its optional holds nothing")
    if value.has is None:
        assert isinstance(value.item, Ragged)
        return runtime.at(node, value.item, tensor(node, np.array(0)))
    has = literal_elements(value.has)
    if has is not None and not has.all():
        raise Unsupported("its optional holds nothing")
    if has is None:
        present = tensor(node, value.has).cast("int64").reshape(1)
        node.found_size(present.value, 0, f"{node.names[0] or 'optional'}_present", None, dim(1))
    return value.item


def identity(importer: Importer, node: OnnxNode) -> list[Any]:
    return [node.input(0)]


SEQUENCES: dict[str, Any] = {
    "SequenceConstruct": (11, construct),
    "SequenceEmpty": (11, empty),
    "SequenceLength": (11, sequence_length),
    "SequenceAt": (11, sequence_at),
    "SequenceInsert": (11, sequence_insert),
    "SequenceErase": (11, sequence_erase),
    "ConcatFromSequence": (11, concat_from_sequence),
    "SplitToSequence": (11, split_to_sequence),
    "SequenceMap": (17, sequence_map),
    "Optional": (15, optional),
    "OptionalHasElement": (15, optional_has_element),
    "OptionalGetElement": (15, optional_get_element),
}
"""Operators on sequences and optionals: the first opset, and the reader, which may look into the importer."""

MOVES = {"Identity": identity}
"""Operators on tensors that also take sequences and optionals."""
