"""Strings of a model: known ones, those at its surface, and what moves them.

A tensor of strings is bytes beside an int64 tensor of places (see `composite.Strings`). What moves strings is read as what moves
int64, on the places, and bytes stay where they are; operands that lie in different bytes are first put into one pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kaoken.frontend.composite import Maybe, Ragged, Strings, TensorList, helper
from kaoken.frontend.registry import OnnxNode, Reader, Unsupported
from kaoken.frontend.spelled import F, Tensor, join, reader_of, tensor
from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.found_sizes import largest
from kaoken.ir.graph import Value

if TYPE_CHECKING:
    from kaoken.frontend.importer import Importer

_LENGTH_BITS = 32
_MOST_BYTES = 2**31

STRINGS: dict[str, Callable[[OnnxNode], Any]] = {}
"""Readers of operators that look into strings, used where an operand is strings."""

MOVEMENT = frozenset(
    """Identity Reshape Flatten Squeeze Unsqueeze Transpose Expand Tile Concat Slice Split Gather GatherElements GatherND Pad
    ReverseSequence DepthToSpace SpaceToDepth Where Compress Scatter ScatterElements ScatterND TensorScatter OneHot Trilu Shape
    Size SequenceConstruct SequenceLength SequenceAt SequenceInsert SequenceErase ConcatFromSequence SplitToSequence Optional
    OptionalHasElement OptionalGetElement ai.onnx.ml.ArrayFeatureExtractor""".split()
)
"""Operators that move elements whatever they are. A place of 0, which they may fill in, is the empty string."""

_NUMBERS = frozenset(("Shape", "Size", "SequenceLength", "OptionalHasElement"))
"""Of those the ones that give no strings."""

_ONCE = frozenset(
    """Identity Reshape Flatten Squeeze Unsqueeze Transpose Slice Split Compress ReverseSequence DepthToSpace SpaceToDepth Trilu
    SequenceConstruct SequenceAt SequenceErase ConcatFromSequence SplitToSequence Optional OptionalGetElement""".split()
)
"""Those that give no element of their first operand twice."""


def string_op(*names: str) -> Callable[[F], F]:
    """Register operators where an operand is strings, by what `spelled.onnx_formula` takes; such operands come as they are."""

    def register(reader: F) -> F:
        STRINGS.update(dict.fromkeys(names, reader_of(reader)))
        return reader

    return register


def strings(node: OnnxNode, index: int) -> Strings:
    """An input that is a tensor of strings. Raises Unsupported for any other."""
    value: Any = node.input(index)
    if not isinstance(value, Strings):
        raise Unsupported(f"input {index} holds no strings")
    _ = value.tensor
    return value


def starts(node: OnnxNode, given: Strings) -> Tensor:
    """Where each string begins: int64 of the tensor's shape."""
    return tensor(node, given.tensor).shift_right(_LENGTH_BITS)


def lengths(node: OnnxNode, given: Strings) -> Tensor:
    """How many bytes each string has: int64 of the tensor's shape."""
    return tensor(node, given.tensor).bit_and(2**_LENGTH_BITS - 1)


def located(data: Value, begins: Tensor, sizes: Tensor, once: bool = False) -> Strings:
    """Strings that begin in some bytes at these places and have these lengths, both int64 of one shape.

    Raises Unsupported for bytes that places of 64 bits cannot tell apart."""
    most = largest(data.shape[0])
    if most is not None and (most.constant or 0) >= _MOST_BYTES:
        raise Unsupported(f"{data.name} may have {most} bytes; strings of a tensor may have 2**31 - 1: bound them with --dim")
    return Strings(data, (begins * 2**_LENGTH_BITS + sizes).value, once)


def coded(texts: Any) -> list[bytes]:
    """The UTF-8 of an attribute's or a tensor's strings."""
    return [t.encode() if isinstance(t, str) else bytes(t) for t in np.asarray(texts, object).reshape(-1)]


def known_strings(node: OnnxNode, texts: Any) -> Strings:
    """Strings that are known when compiling, as a tensor of the shape of `texts`.

    Raises Unsupported for bytes that are no UTF-8."""
    each = coded(texts)
    for text in each:
        try:
            text.decode()
        except UnicodeDecodeError:
            raise Unsupported(f"the string {text!r} is no UTF-8") from None
    sizes = np.array([len(text) for text in each], np.int64)
    places = ((np.cumsum(sizes) - sizes) << _LENGTH_BITS | sizes).reshape(np.shape(np.asarray(texts, object)))
    data = np.frombuffer(b"".join(each) or b"\0", np.uint8).copy()
    return Strings(tensor(node, data).value, tensor(node, places).value, True)


def find(node: OnnxNode, given: Strings, table: Strings, by_row: bool = False) -> Tensor:
    """For each string the last of a table's that is equal to it, or -1. by_row: it has a row of its own in the table."""
    texts = [given.data, starts(node, given).value, lengths(node, given).value]
    rows = product(given.shape) if by_row else dim(1)
    width = 1 if by_row else product(table.shape)
    columns = [place(node, table).reshape(rows, width).value for place in (starts, lengths)]
    return tensor(node, node.builder.add("find_strings", [*texts, table.data, *columns]))


def pooled(node: OnnxNode, given: Sequence[Strings]) -> tuple[Value, list[Any]]:
    """The bytes of all, each Value once, and the places of each in them."""
    pool, before = list(dict.fromkeys(text.data for text in given)), dict[Value, Dim]()
    total = dim(0)
    for data in pool:
        before[data] = total
        total = total + data.shape[0]
    whole = join(0, *(tensor(node, data) for data in pool)).value
    return whole, [_moved(node, text.places, before[text.data]) for text in given]


def _moved(node: OnnxNode, places: Any, by: Dim) -> Any:
    """The places of what moves together with the bytes before it."""
    if by == 0 or places is None:
        return places
    if isinstance(places, TensorList):
        return TensorList(tuple(_moved(node, item, by) for item in places.items), places.dtype)
    if isinstance(places, Ragged):
        return replace(places, elements=_moved(node, places.elements, by))
    if isinstance(places, Maybe):
        return Maybe(places.has, _moved(node, places.item, by))
    return (tensor(node, places) + by * 2**_LENGTH_BITS).value


def lifted(reader: Reader, node: OnnxNode) -> Any:
    """What a reader that moves elements makes of strings."""
    given: list[Any] = [value for value in node.inputs if isinstance(value, Strings)]
    if node.attribute("reduction", "none") != "none":
        raise Unsupported(f"reduction={node.attribute('reduction')!r} of strings")
    data, places = pooled(node, given)
    left = iter(places)
    results = reader(replace(node, inputs=[next(left) if isinstance(v, Strings) else v for v in node.inputs]))
    if node.op in _NUMBERS:
        return results
    once = node.op in _ONCE and all(text.once for text in given) and len({text.data for text in given}) == len(given)
    listed = results if isinstance(results, list) else [results]
    return [None if value is None else Strings(data, value, once) for value in listed]


def packed(node: OnnxNode, given: Strings, name: str, most: Dim | None = None) -> tuple[Tensor, Tensor]:
    """The bytes of strings one after the other, as many as the call finds there are, and [their number] where each ends.

    most: what they are at most, where more is known than that every string may be all bytes."""
    count = product(given.shape)
    begins, sizes = (place(node, given).reshape(count) for place in (starts, lengths))
    ends = sizes.accumulate("cumsum", 0)
    whole = sizes.reduce("sum", 0).reshape(1)
    most = most if most is not None else given.data.shape[0] if given.once else count * given.data.shape[0]
    (total,) = node.found_sizes(whole.value, f"{name}_bytes", (), [most])
    places = [given.data, begins.value, sizes.value, (ends - sizes).value]
    return tensor(node, node.builder.add("copy_strings", places, total=total)), ends


def given_strings(importer: Importer, name: str, data: Value, given: Value) -> Strings:
    """Strings by where they end. The call checks that each ends in the bytes, not before the one before it, and is UTF-8."""
    builder = importer.builder
    builder.origin = (f"input {name}",)
    node, count = helper(builder, name), product(given.shape)
    ends = tensor(node, given).reshape(count)
    begins = join(0, tensor(node, np.zeros(1, np.int64)), ends).part(0, 0, count)
    sizes = ends - begins
    wrong = tensor(node, builder.add("malformed_strings", [data, begins.value, sizes.value])).reduce("sum", 0).reshape(1)
    node.found_size(wrong.value, 0, f"{name}_wrong", None, dim(0))
    return located(data, begins.reshape(*given.shape), sizes.reshape(*given.shape), True)
