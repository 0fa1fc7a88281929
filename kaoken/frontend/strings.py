"""Strings: tensors of them are the bytes of all beside where each begins and how long it is, two integer tensors of its shape.

What moves strings moves the two; bytes stay where they are. What compares them is a routine of the runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from kaoken.frontend.composite import helper
from kaoken.frontend.mapped_file import tensor_array
from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.selection import positions
from kaoken.frontend.spelled import Tensor, join, tensor
from kaoken.ir.dims import Dim, dim, maximum, minimum, product
from kaoken.ir.graph import Shape, Value

if TYPE_CHECKING:
    from kaoken.frontend.importer import Importer


@dataclass(frozen=True)
class Strings:
    """A tensor of strings. data: uint8 [their bytes]; starts, lengths: int64 of the tensor's shape."""

    data: Value
    starts: Value
    lengths: Value

    @property
    def shape(self) -> Shape:
        return self.starts.shape


def strings(node: OnnxNode, index: int) -> Strings:
    value: Any = node.input(index)
    if not isinstance(value, Strings):
        raise Unsupported(f"input {index} holds no strings")
    return value


def bind_strings(importer: Importer, info: onnx.ValueInfoProto) -> None:
    """Make the inputs of a tensor of strings: `NAME.bytes`, of all strings, and `NAME.ends`, where each string ends, in order.

    The call checks that no string ends before it begins or behind the bytes.
    """
    name, builder = info.name, importer.builder
    shape = tuple(importer.extent(name, n, d) for n, d in enumerate(info.type.tensor_type.shape.dim))
    data = Value(f"{name}.bytes", (importer.table.count(f"{name}_bytes"),), "uint8")
    given = Value(f"{name}.ends", shape, "int64")
    for value in (data, given):
        importer.bind(value.name, value)
        importer.graph.inputs.append(value)
    builder.origin = (f"input {name}",)
    node, count = helper(builder, name), product(shape)
    ends = tensor(node, given).reshape(count)
    starts = join(0, tensor(node, np.zeros(1, np.int64)), ends).part(0, 0, count)
    lengths = ends - starts
    wrong = ((lengths < 0) | (ends > data.shape[0])).cast("int64").reduce("sum", 0).reshape(1)
    node.found_size(wrong.value, 0, f"{name}_wrong", None, dim(0))
    importer.bind(name, Strings(data, starts.reshape(*shape).value, lengths.reshape(*shape).value))
    described = [str(d.constant if d.constant is not None else d) for d in shape]
    parts = [data.name, given.name]
    importer.graph.composed[name] = {"name": name, "kind": "strings", "dtype": "string", "shape": described, "parts": parts}


def _candidates(node: OnnxNode, texts: list[bytes]) -> tuple[Tensor, Tensor, Tensor]:
    """A table of known strings: their bytes, and [1, count] starts and lengths."""
    lengths = np.array([len(text) for text in texts], np.int64)
    starts = np.cumsum(lengths) - lengths
    data = np.frombuffer(b"".join(texts) or b"\0", np.uint8)
    return tensor(node, data.copy()), tensor(node, starts[None]), tensor(node, lengths[None])


def _find(node: OnnxNode, given: Strings, data: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    operands = [given.data, given.starts, given.lengths, data.value, starts.value, lengths.value]
    return tensor(node, node.builder.add("find_strings", operands))


def equal(importer: Importer, node: OnnxNode) -> list[Any]:
    """Byte for byte, with broadcasting."""
    a, b = strings(node, 0), strings(node, 1)
    shape = (tensor(node, a.starts) + tensor(node, b.starts)).shape
    wide = Strings(a.data, *(tensor(node, v).expand(*shape).value for v in (a.starts, a.lengths)))
    rows: list[Dim | int] = [product(shape), 1]
    starts, lengths = (tensor(node, v).expand(*shape).reshape(*rows) for v in (b.starts, b.lengths))
    return [_find(node, wide, tensor(node, b.data), starts, lengths).eq(0).value]


def label_encoder(importer: Importer, node: OnnxNode) -> list[Any]:
    """The number of the key that is met, else the default; of equal keys the last counts."""
    given = strings(node, 0)
    whole = node.attribute("keys_tensor")
    keys = list(tensor_array(whole).reshape(-1)) if whole is not None else list(node.attribute("keys_strings", []))
    texts = [key.encode() if isinstance(key, str) else bytes(key) for key in keys]
    values = _values(node)
    if not texts or len(values) != len(texts):
        raise Unsupported(f"{len(texts)} keys for {len(values)} values")
    default = node.attribute("default_tensor")
    if default is not None:
        other = tensor_array(default).reshape(-1)[0]
    elif values.dtype.kind in "iu":
        other = node.attribute("default_int64", -1)
    else:
        other = node.attribute("default_float", 0.0)
    place = _find(node, given, *_candidates(node, texts))
    table = tensor(node, np.append(values, np.array([other], values.dtype)))
    return [table.take((place < 0).where(len(texts), place)).value]


def _values(node: OnnxNode) -> np.ndarray:
    for suffix, dtype in (("int64s", np.int64), ("floats", np.float32)):
        if node.attribute(f"values_{suffix}") is not None:
            return np.array(node.attribute(f"values_{suffix}"), dtype)
    whole = node.attribute("values_tensor")
    data = None if whole is None else tensor_array(whole).reshape(-1)
    if data is None or data.dtype.kind not in "iufb":
        raise Unsupported("values that are strings are not supported")
    return data


def packed(node: OnnxNode, given: Strings, name: str) -> tuple[Tensor, Tensor]:
    """The bytes of strings one after the other, as many as the call finds there are, and [their number] where each ends."""
    count = product(given.shape)
    lengths = tensor(node, given.lengths).reshape(count)
    ends = lengths.accumulate("cumsum", 0)
    whole = lengths.reduce("sum", 0).reshape(1)
    (total,) = node.found_sizes(whole.value, f"{name}_bytes", (), [count * given.data.shape[0]])
    places = [given.data, tensor(node, given.starts).reshape(count).value, lengths.value, (ends - lengths).value]
    return tensor(node, node.builder.add("copy_strings", places, total=total)), ends


def concatenated(importer: Importer, node: OnnxNode) -> list[Any]:
    """The strings of both, with broadcasting: what is copied together from two of each."""
    a, b = strings(node, 0), strings(node, 1)
    shape = (tensor(node, a.starts) + tensor(node, b.starts)).shape
    count = product(shape)

    def pairs(first: Tensor, second: Tensor) -> Value:
        return join(1, *(x.expand(*shape).reshape(count, 1) for x in (first, second))).value

    first = [tensor(node, v) for v in (a.starts, a.lengths)]
    second = [tensor(node, b.starts) + a.data.shape[0], tensor(node, b.lengths)]
    both = join(0, tensor(node, a.data), tensor(node, b.data)).value
    data, ends = packed(node, Strings(both, *map(pairs, first, second)), node.names[0])
    lengths = (first[1] + second[1]).reshape(*shape)
    starts = ends.reshape(count, 2).take(1, 1).reshape(*shape) - lengths
    return [Strings(data.value, starts.value, lengths.value)]


def normalizer(importer: Importer, node: OnnxNode) -> list[Any]:
    """[n] or [1,n]: the strings that are no stop words, in their order; one empty string where none is left."""
    given = strings(node, 0)
    action = node.attribute("case_change_action", "NONE")
    words = [w.encode() if isinstance(w, str) else bytes(w) for w in node.attribute("stopwords", [])]
    if action != "NONE" or (words and not node.attribute("is_case_sensitive", 0)):
        raise Unsupported("changing or ignoring the case of letters is not supported; do it before the model")
    if len(given.shape) not in (1, 2) or (len(given.shape) == 2 and given.shape[0] != 1):
        raise Unsupported(f"strings of shape {list(map(str, given.shape))}; [n] or [1, n] is asked for")
    count = given.shape[-1]
    kept = tensor(node, np.array(True)).expand(*given.shape)
    if words:
        kept = _find(node, given, *_candidates(node, words)) < 0
    kept = kept.reshape(count).cast("int64")
    none_left = kept.reduce("sum", 0).reshape(1).eq(0)
    place = positions(join(0, kept.cast("bool"), none_left), maximum(count, dim(1)))
    shape = (*given.shape[:-1], place.shape[0])
    zero = tensor(node, np.zeros(1, np.int64))
    chosen = [join(0, tensor(node, v).reshape(count), zero).take(place).reshape(*shape) for v in (given.starts, given.lengths)]
    return [Strings(given.data, *(x.value for x in chosen))]


def split(importer: Importer, node: OnnxNode) -> list[Any]:
    """[..., most]: the pieces of each string, then empty ones; and how many each has. Without a delimiter white space cuts."""
    given, builder = strings(node, 0), node.builder
    text = node.attribute("delimiter") or ""
    delimiter = text.encode() if isinstance(text, str) else bytes(text)
    most, count, size = int(node.attribute("maxsplit", -1)), product(given.shape), given.data.shape[0]
    table = np.frombuffer(delimiter or b"\0", np.uint8).copy()
    places = [tensor(node, v).reshape(count).value for v in (given.starts, given.lengths)]
    operands = [given.data, *places, tensor(node, table).value]
    attrs: dict[str, Any] = {"delimiter": len(delimiter), "most": max(most, -1)}
    pieces = tensor(node, builder.add("count_pieces", operands, **attrs))
    widest = join(0, tensor(node, np.zeros(1, np.int64)), pieces).reduce("max", 0).reshape(1)
    bound = size + 1 if most < 0 else minimum(size + 1, dim(most + 1))
    (width,) = node.found_sizes(widest.value, f"{node.names[0]}_pieces", node.declared_shape(len(given.shape) + 1)[-1:], [bound])
    starts, lengths = builder.add_node("split_strings", operands, **attrs, width=width).outputs
    shape = (*given.shape, width)
    found = Strings(given.data, *(tensor(node, v).reshape(*shape).value for v in (starts, lengths)))
    return [found, pieces.reshape(*given.shape).value]


def identity(importer: Importer, node: OnnxNode) -> list[Any]:
    return [strings(node, 0)]


def output_strings(importer: Importer, name: str) -> None:
    """Make the outputs of a tensor of strings: `NAME.bytes` and `NAME.ends`, as of an input."""
    builder, given = importer.builder, importer.values[name]
    builder.origin = (f"output {name}",)
    data, ends = packed(helper(builder, name), given, name)
    shape = [str(d.constant if d.constant is not None else d) for d in given.shape]
    parts = [f"{name}.bytes", f"{name}.ends"]
    importer.graph.outputs += zip(parts, [data.value, ends.reshape(*given.shape).value], strict=True)
    importer.graph.composed[name] = {"name": name, "kind": "strings", "dtype": "string", "shape": shape, "parts": parts}


STRINGS = {
    "Equal": equal,
    "Identity": identity,
    "StringConcat": concatenated,
    "StringNormalizer": normalizer,
    "StringSplit": split,
    "ai.onnx.ml.LabelEncoder": label_encoder,
}
"""Operators that take strings."""
