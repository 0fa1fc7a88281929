"""Values of a model that are no tensors: sequences and optionals, made of tensors.

A sequence whose length is known when compiling is a list of tensors and leaves nothing behind at run time. Any other one is two
tensors, of which all its operations are made (`ragged.py`): the elements of all its tensors one after the other, and a record of
`RECORD` integers for each tensor: its rank, then its extents, ones behind. An optional is a bool beside what it may hold; one
of a tensor is, where only the call knows, a sequence of none or one. So the arena, its bounds and its checks serve them all.

Strings, in a tensor, a sequence or an optional, are bytes beside a tensor, a sequence or an optional of int64 that say where in
them each string lies: what moves strings moves these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Union

import numpy as np
import onnx

from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype
from kaoken.frontend.spelled import Tensor, join, tensor
from kaoken.ir.builder import Builder, literal_elements
from kaoken.ir.dims import dim, product
from kaoken.ir.dtypes import packed_bits
from kaoken.ir.graph import Shape, Value

MOST_AXES = 8
"""Axes that a tensor of a sequence may have."""

RECORD = 1 + MOST_AXES

Extents = tuple[Union[int, str, None], ...]
"""What is known of the shape of each tensor of a sequence: a number, a name that the model gives the extent, or nothing."""


@dataclass(frozen=True)
class TensorList:
    """A sequence of known length."""

    items: tuple[Value, ...]
    dtype: str


@dataclass(frozen=True)
class Ragged:
    """A sequence as tensors: elements [their number], shapes int64 [length, RECORD]. extents: None where the rank is not known.
    vague: it is empty as far as known, and what is inserted first says what it holds."""

    elements: Value
    shapes: Value
    extents: Extents | None
    name: str
    vague: bool = False

    @property
    def dtype(self) -> str:
        return self.elements.dtype


@dataclass(frozen=True)
class Maybe:
    """An optional. has: a bool scalar, None where it is `item` that says it: a sequence of none or one tensors, which is held.
    item: None where nothing is held and no type is known."""

    has: Value | None
    item: Value | TensorList | Ragged | None


@dataclass(frozen=True)
class Strings:
    """Strings. data: uint8 [bytes]; places: for each string an int64, where it begins in them times 2^32, and how long it is.
    once: no byte is of two strings."""

    data: Value
    places: Value | TensorList | Ragged | Maybe
    once: bool = False

    @property
    def dtype(self) -> str:
        return "string"

    @property
    def shape(self) -> Shape:
        return self.tensor.shape

    @property
    def tensor(self) -> Value:
        """The places of a tensor of strings. Raises Unsupported for a sequence or an optional."""
        if isinstance(self.places, Value):
            return self.places
        raise Unsupported(f"{kind_of(self).text}; a tensor of strings is asked for")


@dataclass(frozen=True)
class Maps:
    """A sequence of maps, of the same keys all. values: [maps, keys], or [keys] of one; keys: integers or texts."""

    values: Value
    keys: tuple[int | str, ...]


Composite = TensorList | Ragged | Maybe | Strings | Maps
Held = Value | Composite


@dataclass(frozen=True)
class Kind:
    """What a composite is: its parts follow from it. what: `sequence`, `optional` (of a tensor), `optional sequence`, or
    `strings` for a tensor of them.

    vague: an optional that holds nothing and has no type, or an empty list; it is whatever it meets.
    """

    what: str
    dtype: str
    extents: Extents | None
    vague: bool = False

    def joined(self, other: Kind) -> Kind:
        """The kind that holds both. Raises Unsupported where there is none."""
        both, vague = {self.what, other.what}, self.vague or other.vague
        fits = len(both) == 1 or ("optional sequence" in both and (vague or "optional" not in both))
        if not fits or not (vague or self.dtype == other.dtype):
            raise Unsupported(f"a value is {self.text} at one time and {other.text} at another")
        what = self.what if len(both) == 1 else "optional sequence"
        if vague:
            known = other if self.vague else self
            return Kind(what if not known.what.startswith("optional") else known.what, known.dtype, known.extents, known.vague)
        return Kind(what, self.dtype, joined_extents([self.extents, other.extents]))

    @property
    def text(self) -> str:
        if self.what == "strings":
            return "a tensor of strings"
        return f"{'a' if self.what == 'sequence' else 'an'} {self.what} of {self.dtype}"

    @property
    def parts(self) -> list[str]:
        """Names of the tensors that one is made of; at a model's surface the values of strings are where they end."""
        if self.what == "strings":
            return ["bytes", "ends"]
        parts = ["values", "shapes", "present"] if self.what == "optional sequence" else ["values", "shapes"]
        return ["bytes", "ends", *parts[1:]] if self.dtype == "string" else parts

    @property
    def of_places(self) -> Kind:
        """Of a sequence or an optional of strings, that of their places."""
        return replace(self, dtype="int64")


def helper(builder: Builder, name: str = "") -> OnnxNode:
    """What readers spell operations with, for values that belong to no node."""
    return OnnxNode(name, 0, [], {}, 0, builder, [name])


def joined_extents(all_extents: Sequence[Extents | None]) -> Extents | None:
    """What is known of tensors of which each is as one of these says."""
    if not all_extents or any(e is None for e in all_extents):
        return None
    first = all_extents[0]
    assert first is not None
    if any(e is None or len(e) != len(first) for e in all_extents):
        return None
    columns = zip(*(e for e in all_extents if e is not None), strict=True)
    return tuple(column[0] if len(set(column)) == 1 else None for column in columns)


def extents_of(value: Value) -> Extents:
    return tuple(d.constant for d in value.shape)


def kind_of(value: Held) -> Kind:
    """Raises Unsupported for a tensor and for maps."""
    if isinstance(value, Maps):
        raise Unsupported(f"a sequence of maps ({value.values.name}) can only be given as a result of the model")
    if isinstance(value, Strings):
        if isinstance(value.places, Value):
            return Kind("strings", "string", extents_of(value.places))
        return replace(kind_of(value.places), dtype="string")
    if isinstance(value, Ragged):
        return Kind("sequence", value.dtype, value.extents, value.vague)
    if isinstance(value, TensorList):
        extents = joined_extents([extents_of(item) for item in value.items])
        return Kind("sequence", value.dtype, extents, vague=not value.items)
    if isinstance(value, Maybe):
        if value.item is None:
            return Kind("optional", "float32", None, vague=True)
        if value.has is None or isinstance(value.item, Value):
            extents = extents_of(value.item) if isinstance(value.item, Value) else kind_of(value.item).extents
            return Kind("optional", value.item.dtype, extents)
        inner = kind_of(value.item)
        return Kind("optional sequence", inner.dtype, inner.extents, inner.vague)
    raise Unsupported(f"{value.name} is a tensor, and should be a sequence or an optional")


def declared_kind(proto: onnx.TypeProto) -> Kind:
    """The kind that a model declares. Raises Unsupported for sequences of anything but tensors, maps and sparse tensors."""
    which = proto.WhichOneof("value")
    if which == "optional_type":
        inner = proto.optional_type.elem_type
        if inner.WhichOneof("value") == "sequence_type":
            kind = declared_kind(inner)
            return Kind("optional sequence", kind.dtype, kind.extents)
        what, element = "optional", inner
    elif which == "sequence_type":
        what, element = "sequence", proto.sequence_type.elem_type
    else:
        raise Unsupported(f"a {str(which).removesuffix('_type').replace('_', ' ')} is not supported")
    if element.WhichOneof("value") != "tensor_type":
        nested = str(element.WhichOneof("value")).removesuffix("_type").replace("_", " ")
        raise Unsupported(f"{what}s of a {nested} are not supported; only of tensors")
    tensor_type = element.tensor_type
    is_text = tensor_type.elem_type == onnx.TensorProto.STRING
    dtype = "string" if is_text else element_dtype(tensor_type.elem_type)
    if not is_text and packed_bits(dtype):
        raise Unsupported(f"{what}s of {dtype} are not supported")
    extents = None
    if tensor_type.HasField("shape"):
        extents = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor_type.shape.dim)
    return Kind(what, dtype, extents)


def is_composite(proto: onnx.TypeProto) -> bool:
    return proto.WhichOneof("value") in ("sequence_type", "optional_type")


def record(node: OnnxNode, value: Value) -> Tensor:
    """[1, RECORD]: what a sequence says of one of its tensors. Raises Unsupported for one of too many axes."""
    if value.rank > MOST_AXES:
        raise Unsupported(f"{value.name} has {value.rank} axes; a tensor of a sequence may have {MOST_AXES}")
    extents = [dim(value.rank), *value.shape, *[dim(1)] * (MOST_AXES - value.rank)]
    return tensor(node, extents).reshape(1, RECORD)


def ragged(node: OnnxNode, value: TensorList | Ragged) -> Ragged:
    """A sequence as two tensors."""
    if isinstance(value, Ragged):
        return value
    if not value.items:
        empty = tensor(node, np.zeros(0, value.dtype)).value
        return Ragged(empty, tensor(node, np.zeros((0, RECORD), np.int64)).value, None, node.op)
    elements = join(0, *(tensor(node, item).reshape(product(item.shape)) for item in value.items))
    shapes = join(0, *(record(node, item) for item in value.items))
    return Ragged(elements.value, shapes.value, kind_of(value).extents, value.items[0].name)


def single(node: OnnxNode, value: Value) -> Ragged:
    """A sequence of one tensor."""
    return ragged(node, TensorList((value,), value.dtype))


def nothing(node: OnnxNode, kind: Kind) -> Ragged:
    """A sequence of no tensors."""
    return ragged(node, TensorList((), kind.dtype))


def presence(node: OnnxNode, value: Maybe) -> Value:
    """Whether an optional holds something, as a bool scalar."""
    if value.has is not None:
        return value.has
    assert isinstance(value.item, Ragged)
    return (tensor(node, value.item.shapes.shape[0]) > 0).value


def parts_of(node: OnnxNode, value: Held, kind: Kind) -> list[Value]:
    """The tensors that a value is made of when it is seen as being of a kind, which is its own or holds it."""
    if kind.dtype == "string":
        if not isinstance(value, Strings):
            if isinstance(value, (Value, Maps)) or not kind_of(value).vague:
                raise Unsupported(f"a value of other than strings should be {kind.text}")
            value = Strings(no_bytes(node), value)
        return [value.data, *([value.tensor] if kind.what == "strings" else parts_of(node, value.places, kind.of_places))]
    if isinstance(value, (Strings, Maps)):
        raise Unsupported(f"{kind_of(value).text} should be {kind.text}")
    if isinstance(value, Value) and kind.what == "optional":
        value = Maybe(None, single(node, value))
    if isinstance(value, Value):
        raise Unsupported(f"{value.name} is a tensor, and should be {kind.text}")
    optional = value if isinstance(value, Maybe) else None
    item = value.item if isinstance(value, Maybe) else value
    always = node.builder.constant(np.array(True))
    if kind.what == "optional" and optional is not None and optional.has is not None and isinstance(item, Value):
        has = literal_elements(optional.has)
        if has is None:
            raise Unsupported(
                f"whether {item.name} is present is only known when the model runs; nothing is there to choose from"
            )
        item = single(node, item) if has else nothing(node, kind)
    if isinstance(item, Value):
        item = single(node, item)
    is_empty = item is None or (isinstance(item, TensorList) and not item.items)
    sequence = nothing(node, kind) if item is None or is_empty else ragged(node, item)  # an empty list takes the kind's type
    if kind.what != "optional sequence":
        return [sequence.elements, sequence.shapes]
    return [sequence.elements, sequence.shapes, always if optional is None else presence(node, optional)]


def rebuilt(kind: Kind, parts: Sequence[Value], name: str) -> Composite:
    """The value of a kind that is made of these tensors."""
    if kind.what == "strings":
        return Strings(parts[0], parts[1])
    if kind.dtype == "string":
        places: Any = rebuilt(kind.of_places, parts[1:], name)
        return Strings(parts[0], places)
    sequence = Ragged(parts[0], parts[1], kind.extents, name, kind.vague)
    if kind.what == "sequence":
        return sequence
    return Maybe(None, sequence) if kind.what == "optional" else Maybe(parts[2], sequence)


def no_bytes(node: OnnxNode) -> Value:
    """What no string lies in; a byte, as every tensor of the runtime has one."""
    return node.builder.constant(np.zeros(1, np.uint8))


def without_names(kind: Kind) -> Kind:
    """Names that extents have hold for one scope alone; what leaves it keeps numbers."""
    extents = None if kind.extents is None else tuple(e if isinstance(e, int) else None for e in kind.extents)
    return Kind(kind.what, kind.dtype, extents, kind.vague)


def extents_text(shape: Shape) -> list[str]:
    return [str(d.constant if d.constant is not None else d) for d in shape]


def surface(kind: Kind, name: str, shape: Shape | None = None) -> dict[str, Any]:
    """What the Python side needs to know to make one of its parts, and back; shape: that of a tensor."""
    extents = extents_text(shape) if shape is not None else None if kind.extents is None else list(kind.extents)
    return {"name": name, "kind": kind.what, "dtype": kind.dtype, "shape": extents, "parts": [f"{name}.{p}" for p in kind.parts]}
