"""Operations on sequences whose length or shapes only a call knows, spelled on their two tensors (see `composite.py`).

Records that do not fit the elements read nothing that is not there: sizes are checked against the number of elements when they
are found, and every read at a computed place is checked.
"""

from __future__ import annotations

import numpy as np

from kaoken.frontend.composite import MOST_AXES, RECORD, Extents, Ragged, record
from kaoken.frontend.registry import OnnxNode, Unsupported, share
from kaoken.frontend.spelled import Tensor, iota, join, tensor
from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis


def length(sequence: Ragged) -> Dim:
    return sequence.shapes.shape[0]


def counts(node: OnnxNode, sequence: Ragged) -> Tensor:
    """[length]: how many elements each tensor has."""
    return tensor(node, sequence.shapes).part(1, 1, MOST_AXES).reduce("prod", 1)


def begins(node: OnnxNode, sequence: Ragged) -> Tensor:
    """[length]: where each tensor's elements begin."""
    own = counts(node, sequence)
    return own.accumulate("cumsum", 0) - own


def at(node: OnnxNode, sequence: Ragged, position: Tensor) -> Value:
    """The tensor at a position, a scalar; it is checked. Raises Unsupported where the rank is not known."""
    extents = sequence.extents
    if extents is None:
        raise Unsupported(f"the tensors of {sequence.name} have no known rank; declare the shape of its elements in the model")
    row = tensor(node, sequence.shapes).take(position)
    node.found_size(row.part(0, 0, 1).value, 0, f"{sequence.name}_rank", None, dim(len(extents)))
    own, sizes = row.part(0, 1, MOST_AXES).value, []
    upper = sequence.elements.shape[0]
    for n, extent in enumerate(extents):
        name = f"{sequence.name}_{n}"
        if isinstance(extent, int):
            sizes.append(node.found_size(own, n, name, None, dim(extent)))
            continue
        known = _meaning(node, extent, position)
        numbers = [dim(e) for e in extents[n + 1 :] if isinstance(e, int)]
        sizes.append(node.found_size(own, n, name, share(upper, [*sizes, *numbers]), known))
        if extent and known is None:
            node.builder.named_sizes[id(node.builder.graph), position.value, extent] = (node.builder.graph, sizes[-1])
    start = begins(node, sequence).take(position)
    index = start.reshape(1) + iota(node, product(sizes))
    return tensor(node, sequence.elements).take(index).reshape(*sizes).value


def _meaning(node: OnnxNode, name: str | None, position: Tensor) -> Dim | None:
    """What a name that the model gives an extent is known to mean: a dimension of the model, or what it meant in another sequence
    at the same position."""
    if name is not None and name in node.builder.dimensions:
        return dim(node.builder.dimensions[name])
    same = node.builder.named_sizes.get((id(node.builder.graph), position.value, name or ""))
    return None if same is None else same[1]


def _place(node: OnnxNode, sequence: Ragged, position: Tensor, last: Dim) -> Dim:
    """A position from 0 to `last` as a size, which the call checks."""
    given = position.reshape(1)  # no index: it may be the length, one beyond the last
    wanted = given + (given < 0).where(tensor(node, length(sequence)), 0)
    return node.found_sizes(wanted.value, f"{sequence.name}_position", (), [last])[0]


def _begin(node: OnnxNode, sequence: Ragged, place: Dim) -> Dim:
    """How many elements stand before a place."""
    if place == 0:
        return dim(0)
    if place == length(sequence):
        return sequence.elements.shape[0]
    before = iota(node, length(sequence)) < place
    total = before.where(counts(node, sequence), 0).reduce("sum", 0).reshape(1)
    return node.found_sizes(total.value, f"{sequence.name}_before", (), [sequence.elements.shape[0]])[0]


def insert(node: OnnxNode, sequence: Ragged, item: Value, position: Tensor | None, extents: Extents | None) -> Ragged:
    """A sequence with one tensor more, before a position or at the end. extents: those of the result."""
    elements, shapes = tensor(node, sequence.elements), tensor(node, sequence.shapes)
    count, total = length(sequence), sequence.elements.shape[0]
    place = count if position is None else _place(node, sequence, position, count)
    begin = _begin(node, sequence, place)
    flat = tensor(node, item).reshape(product(item.shape))
    made = join(0, elements.part(0, 0, begin), flat, elements.part(0, begin, total - begin))
    records = join(0, shapes.part(0, 0, place), record(node, item), shapes.part(0, place, count - place))
    return Ragged(made.value, records.value, extents, sequence.name)


def erase(node: OnnxNode, sequence: Ragged, position: Tensor | None) -> Ragged:
    """A sequence without the tensor at a position, or without its last."""
    elements, shapes = tensor(node, sequence.elements), tensor(node, sequence.shapes)
    count, total = length(sequence), sequence.elements.shape[0]
    wanted = tensor(node, np.array(-1)) if position is None else position
    place = _place(node, sequence, wanted, count - 1)
    begin = _begin(node, sequence, place)
    own = counts(node, sequence).take(place).reshape(1)
    gone = node.found_sizes(own.value, f"{sequence.name}_erased", (), [total - begin])[0]
    kept = join(0, elements.part(0, 0, begin), elements.part(0, begin + gone, total - begin - gone))
    records = join(0, shapes.part(0, 0, place), shapes.part(0, place + 1, count - place - 1))
    return Ragged(kept.value, records.value, sequence.extents, sequence.name)


def concatenated(node: OnnxNode, sequence: Ragged, axis: int, new_axis: bool) -> Value:
    """All tensors side by side along an axis, or stacked along a new one; their other extents are checked to be the first's."""
    if sequence.extents is None:
        raise Unsupported(f"the tensors of {sequence.name} have no known rank; declare the shape of its elements in the model")
    rank = len(sequence.extents)
    axis = normalize_axis(axis, rank + new_axis)
    count, upper = length(sequence), sequence.elements.shape[0]
    shapes = tensor(node, sequence.shapes)
    expected = join(0, tensor(node, [dim(rank)]), shapes.take(0).part(0, 1, MOST_AXES)).reshape(1, RECORD)
    fixed = np.array([[new_axis or n != axis + 1 for n in range(RECORD)]])
    differ = (shapes.ne(expected) & tensor(node, fixed)).cast("int64").reduce("sum", 0, 1)
    node.found_size(differ.reshape(1).value, 0, f"{sequence.name}_differ", None, dim(0))
    sizes: list[Dim] = []
    first = expected.reshape(RECORD)
    for n, extent in enumerate(sequence.extents):
        known = dim(extent) if isinstance(extent, int) else None
        column = shapes.part(1, n + 1, 1).reduce("sum", 0) if n == axis and not new_axis else first.part(0, n + 1, 1)
        known = None if n == axis and not new_axis else known
        others = [*sizes, *(dim(e) for m, e in enumerate(sequence.extents) if m > n and m != axis and isinstance(e, int))]
        most = share(upper, [*others, count] if new_axis else others)
        sizes.append(node.found_size(column.value, 0, f"{sequence.name}_{n}", most, known))
    inner = product(sizes[axis if new_axis else axis + 1 :])
    along = iota(node, count if new_axis else sizes[axis])
    if new_axis:
        owner, within, widths = along, along * 0, tensor(node, dim(1)).expand(count)
    else:
        widths = shapes.part(1, axis + 1, 1).reshape(count)
        ends = widths.accumulate("cumsum", 0)
        owner = (ends.reshape(1, count) <= along.reshape(along.shape[0], 1)).cast("int64").reduce("sum", 1)
        within = along - (ends - widths).take(owner)
    base = begins(node, sequence).take(owner) + within * inner
    stride = widths.take(owner) * inner
    outer = product(sizes[:axis])
    rows = iota(node, outer).reshape(outer, 1, 1) * stride.reshape(1, along.shape[0], 1)
    index = rows + base.reshape(1, along.shape[0], 1) + iota(node, inner).reshape(1, 1, inner)
    shape = [*sizes[:axis], along.shape[0], *sizes[axis if new_axis else axis + 1 :]]
    return tensor(node, sequence.elements).take(index).reshape(*shape).value


def split(node: OnnxNode, x: Value, axis: int, size: Dim, keep: bool) -> Ragged:
    """Pieces of `size` along an axis, the last one shorter; without `keep` pieces of 1 lose the axis."""
    extent, name = x.shape[axis], node.names[0] or x.name
    given = tensor(node, size)
    pieces = ((tensor(node, extent) + given - 1) // given).reshape(1)
    if size.constant is None:
        count = node.found_size(pieces.value, 0, f"{name}_length", extent)
    else:
        (count,) = node.found_sizes(pieces.value, f"{name}_length")
    widths = (tensor(node, extent) - iota(node, count) * size).min(given)
    outer, inner = product(x.shape[:axis]), product(x.shape[axis + 1 :])
    place = iota(node, product(x.shape))
    owner = place // (outer * inner * size) if outer != 1 else place * 0
    within = place - owner * (outer * inner * size)
    own = widths.take(owner) * inner if outer != 1 else tensor(node, extent * inner).expand(product(x.shape))
    index = within // own * (extent * inner) + within % own + owner * (inner * size)
    elements = tensor(node, x).reshape(product(x.shape))
    elements = elements if outer == 1 else elements.take(index)
    columns: list[Tensor] = []
    for n, d in enumerate(x.shape):
        if n != axis:
            columns.append(tensor(node, d).expand(count, 1))
        elif keep:
            columns.append(widths.reshape(count, 1))
    rank = len(columns)
    columns = [tensor(node, dim(rank)).expand(count, 1), *columns]
    columns += [tensor(node, dim(1)).expand(count, 1)] * (MOST_AXES - rank)
    extents = tuple(None if n == axis else d.constant for n, d in enumerate(x.shape) if keep or n != axis)
    return Ragged(elements.value, join(1, *columns).value, extents, name)
