"""A model's inputs and outputs as Python sees them: arrays, lists of arrays for sequences, None for optionals that hold nothing.

The compiled model takes and gives arrays alone; report.json says of which a sequence or an optional is made. `NAME.values` has
the elements of all its tensors, `NAME.shapes` a row of integers for each: its rank, its extents, then ones; `NAME.present` says
whether an optional sequence is there. Needs NumPy, nothing else of Kaoken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kaoken.element_types import numpy_type, onnx_type

RECORD = 9
"""Integers that describe a tensor of a sequence."""


class Node:
    """An input or output: name, shape (integers, or dimension expressions as text), type such as `tensor(float)`.

    `most` is the largest number of elements of an output whose sizes a call finds, as an expression of the dimensions.
    """

    def __init__(self, entry: Mapping[str, Any]):
        self.name: str = entry["name"]
        self.dtype: str = entry["dtype"]
        self.expressions: list[str] = entry["shape"]
        self.most: str | None = entry.get("most")
        self.shape: list[int | str] = [int(d) if d.lstrip("-").isdigit() else d for d in entry["shape"]]
        self.type = onnx_type(self.dtype)

    def __repr__(self) -> str:
        return f"Node(name={self.name!r}, type={self.type!r}, shape={self.shape!r})"


class ComposedNode(Node):
    """A sequence, an optional, a tensor of strings or a sequence of maps, made of the tensors `parts`. `shape` is that of the
    tensors in it, of maps that of their values."""

    def __init__(self, entry: Mapping[str, Any]):
        shape = [str(extent) if extent is not None else "?" for extent in entry["shape"] or []]
        super().__init__({"name": entry["name"], "dtype": entry["dtype"], "shape": shape})
        self.kind: str = entry["kind"]
        self.parts: list[str] = entry["parts"]
        self.keys: list[int | str] = entry.get("keys", [])
        if self.kind == "strings":
            return
        if self.kind == "maps":
            self.type = f"seq(map({'string' if isinstance(self.keys[0], str) else 'int64'},{self.type}))"
            return
        inner = f"seq({self.type})" if self.kind.endswith("sequence") else self.type
        self.type = f"optional({inner})" if self.kind.startswith("optional") else inner

    def taken_apart(self, value: Any) -> list[np.ndarray]:
        """The arrays that are its parts. Raises ValueError for what is no list of arrays of its type, TypeError likewise."""
        if self.kind == "strings":
            return self._tensor_of_strings(value)
        if value is None and self.kind == "sequence":
            raise ValueError(f"input {self.name} is None, the model takes a list of arrays")
        if self.kind == "optional":
            value = [] if value is None else [value]
        elif isinstance(value, np.ndarray) or (value is not None and not isinstance(value, Sequence)):
            raise ValueError(f"input {self.name} is {type(value).__name__}, the model takes a list of arrays")
        is_text = self.dtype == "string"
        arrays = [np.asarray(item) for item in value or []]
        for n, array in enumerate(arrays):
            if is_text != _holds_text(array) or (not is_text and array.dtype != numpy_type(self.dtype)):
                raise ValueError(f"tensor {n} of input {self.name} is {array.dtype}, the model takes {self.dtype}")
            if array.ndim >= RECORD:
                raise ValueError(f"tensor {n} of input {self.name} has {array.ndim} axes; at most {RECORD - 1} are supported")
        shapes = np.ones((len(arrays), RECORD), np.int64)
        for row, array in zip(shapes, arrays, strict=True):
            row[0], row[1 : 1 + array.ndim] = array.ndim, array.shape
        if is_text:
            texts = np.array([item for array in arrays for item in array.reshape(-1)], object)
            return [*_bytes_and_ends(texts), shapes, np.array(value is not None)][: len(self.parts)]
        elements = np.concatenate([np.zeros(0, numpy_type(self.dtype)), *(array.reshape(-1) for array in arrays)])
        return [elements, shapes, np.array(value is not None)][: len(self.parts)]

    def _tensor_of_strings(self, value: Any) -> list[np.ndarray]:
        array = np.asarray(value)
        if not _holds_text(array):
            raise ValueError(f"input {self.name} is {array.dtype}, the model takes strings")
        if array.ndim != len(self.expressions):
            raise ValueError(f"input {self.name} has {array.ndim} axes, the model takes {len(self.expressions)}: {self.shape}")
        return _bytes_and_ends(array)

    def put_together(self, parts: Sequence[np.ndarray]) -> Any:
        """What its parts make: a list of arrays, an array, None, or a list of dictionaries."""
        if self.kind == "maps":
            return [dict(zip(self.keys, row, strict=True)) for row in parts[0].reshape(-1, len(self.keys)).tolist()]
        if self.kind == "strings":
            return _strings(parts[0], parts[1])
        if self.dtype == "string":
            parts = [_strings(parts[0], parts[1]), *parts[2:]]
        if len(parts) > 2 and not parts[2]:
            return None
        elements, shapes = parts[0], parts[1]
        tensors, start = [], 0
        for rank, *extents in shapes.tolist():
            count = int(np.prod(extents[:rank], dtype=np.int64))
            tensors.append(elements[start : start + count].reshape(extents[:rank]).copy())
            start += count
        return tensors if self.kind != "optional" else (tensors[0] if tensors else None)


class Composed:
    """The inputs and outputs that a model has, of the tensors that its compiled form has."""

    def __init__(self, entries: Sequence[Mapping[str, Any]], inputs: Sequence[Node], outputs: Sequence[Node]):
        nodes = [ComposedNode(entry) for entry in entries]
        self.inputs = _whole(nodes, inputs)
        self.outputs = _whole(nodes, outputs)

    def input_parts(self, feed: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """The arrays of a call. Raises ValueError for values that do not fit."""
        composed = {node.name: node for node in self.inputs if isinstance(node, ComposedNode)}
        if not composed:
            return feed
        missing = [name for name, node in composed.items() if name not in feed and not node.kind.startswith("optional")]
        if missing:
            raise ValueError(f"input {missing[0]} is missing; the inputs are {', '.join(node.name for node in self.inputs)}")
        parts = {name: array for name, array in feed.items() if name not in composed}
        for name, node in composed.items():
            parts |= zip(node.parts, node.taken_apart(feed.get(name)), strict=True)
        return parts

    def output_parts(self, names: Sequence[str] | None) -> list[str] | None:
        """The tensors that named outputs are made of; None for all. Raises ValueError for unknown names."""
        if names is None:
            return None
        nodes = {node.name: node for node in self.outputs}
        for name in names:
            if name not in nodes:
                raise ValueError(f"there is no output {name}; the outputs are {', '.join(nodes)}")
        return [part for name in names for part in _parts(nodes[name])]

    def results(self, names: Sequence[str] | None, parts: list[np.ndarray]) -> list[Any]:
        """The outputs, from the tensors that `output_parts` named."""
        nodes = {node.name: node for node in self.outputs}
        given, result = iter(parts), []
        for name in nodes if names is None else names:
            node = nodes[name]
            own = [next(given) for _ in _parts(node)]
            result.append(node.put_together(own) if isinstance(node, ComposedNode) else own[0])
        return result


def _holds_text(array: np.ndarray) -> bool:
    return array.dtype.kind in "OUS" and all(isinstance(item, (str, bytes)) for item in array.reshape(-1))


def _bytes_and_ends(array: np.ndarray) -> list[np.ndarray]:
    """The UTF-8 of an array of str or bytes, all of it, and where each string ends."""
    texts = [item.encode() if isinstance(item, str) else item for item in array.reshape(-1)]
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64).reshape(array.shape)
    return [np.frombuffer(b"".join(texts), np.uint8), ends]


def _strings(data: np.ndarray, given: np.ndarray) -> np.ndarray:
    """The strings that end at these places of UTF-8 bytes."""
    whole, ends = data.tobytes(), given.reshape(-1).tolist()
    result = np.empty(len(ends), object)
    result[:] = [whole[a:b].decode(errors="surrogateescape") for a, b in zip([0, *ends], ends, strict=False)]
    return result.reshape(given.shape)


def _parts(node: Node) -> list[str]:
    return node.parts if isinstance(node, ComposedNode) else [node.name]


def _whole(composed: Sequence[ComposedNode], tensors: Sequence[Node]) -> list[Node]:
    """Tensors with those that belong together replaced by what they make."""
    owner = {part: node for node in composed for part in node.parts}
    return list(dict.fromkeys(owner.get(tensor.name, tensor) for tensor in tensors))
