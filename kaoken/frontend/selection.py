"""ONNX operators that sort or select, some with results as long as data says; orders and positions are routines."""

from __future__ import annotations

from typing import Any

import numpy as np

from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.spelled import Tensor, iota, join, onnx_formula, tensor
from kaoken.ir.dims import Dim, dim, is_nonnegative, minimum, product
from kaoken.ir.dtypes import is_float
from kaoken.ops.registry import normalize_axis
from kaoken.ops.routine import LONGEST_FLOATS


def positions(mask: Tensor, upper: Dim | None = None) -> Tensor:
    """Indices of the true elements of a bool vector, ascending; how many there are is a size that the call finds."""
    node = mask.node
    symbol = node.builder.found(f"{node.names[0] or 'found'}_count", 0, mask.shape[0] if upper is None else upper)
    return tensor(node, node.builder.add_node("positions", [mask.value], finds=(symbol,)).outputs[0])


def unraveled(index: Tensor, shape: tuple[Dim, ...]) -> list[Tensor]:
    """Flat indices as one index for each axis."""
    result = []
    for n, extent in enumerate(shape):
        inner = product(shape[n + 1 :])
        own = index.floordiv(inner) if inner != 1 else index
        result.append(own.mod(extent) if n > 0 else own)
    return result


def sort_keys(x: Tensor, descending: bool = False) -> Tensor:
    """int64 that are ordered as x is: NaN above all, both zeros alike."""
    if is_float(x.dtype):
        signed, bits = ("int32", 31) if x.dtype == "float32" else ("int64", 63)
        raw = getattr(x + 0.0, f"bits_as_{signed}")()
        key = raw.bit_xor(raw.shift_right(bits).bit_and(np.iinfo(signed).max)).cast("int64")
        key = x.isnan().where(np.iinfo("int64").max, key)
    elif x.dtype == "uint64":
        key = x.bits_as_int64().bit_xor(np.iinfo("int64").min)
    else:
        key = x.cast("int64")
    return key.bit_not() if descending else key


def argsort(keys: Tensor, first: Dim | None = None, **attrs: Any) -> Tensor:
    """[rows, count, width] keys: [rows, first or count], the order of each row by its first keys, then by the next."""
    made = keys.node.builder.add_node("argsort", [keys.value], first=keys.shape[1] if first is None else first, **attrs)
    return tensor(keys.node, made.outputs[0])


def scattered(zeros: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    return zeros.scatter(places, updates, reduction="none")


@onnx_formula("NonZero", since=9)
def non_zero(x: Tensor) -> Tensor:
    """[rank, count]: the indices of elements other than 0, in row-major order; a NaN is other than 0."""
    if x.rank == 0:
        raise Unsupported("NonZero of a scalar")
    flat = x.reshape(product(x.shape))
    found = positions(flat if x.dtype == "bool" else flat.ne(0))
    return join(0, *(index.with_axis(0) for index in unraveled(found, x.shape)))


@onnx_formula("Compress", since=9)
def compress(x: Tensor, condition: Tensor, *, axis: int | None = None) -> Tensor:
    """The slices of an axis (without one: the elements) where the condition holds, which may be shorter or longer."""
    if condition.rank != 1:
        raise Unsupported(f"a condition of {condition.rank} axes")
    source = x.reshape(product(x.shape)) if axis is None else x
    along = normalize_axis(axis or 0, source.rank)
    condition = condition.part(0, 0, minimum(condition.shape[0], source.shape[along]))
    return source.take(positions(condition), along)


@onnx_formula("TopK")
def top_k(
    node: OnnxNode, x: Tensor, most: Tensor | None = None, *, axis: int = -1, k: int | None = None, largest: int = 1
) -> list[Tensor]:
    """The first k of the sorted axis; of equal elements that with the lowest index comes first."""
    axis = normalize_axis(axis, x.rank)
    extent = x.shape[axis]
    if most is None:
        count = dim(k or 0)
    else:
        count = node.found_sizes(most.value, most.value.name, [node.declared_shape(x.rank)[axis]], [extent])[0]
    count = minimum(count, extent)
    order = [n for n in range(x.rank) if n != axis] + [axis]
    rows = x.transpose(*order)
    shape = (product(rows.shape[:-1]), extent, dim(1))
    if x.dtype == "float32" and is_nonnegative(LONGEST_FLOATS - extent):
        ranked = argsort(rows.reshape(*shape), count, descending=bool(largest))
    else:
        ranked = argsort(sort_keys(rows, bool(largest)).reshape(*shape), count)
    index = ranked.reshape(*rows.shape[:-1], count).transpose(*(order.index(n) for n in range(x.rank)))
    return [x.gather_elements(index, axis=axis), index]


@onnx_formula("Unique", since=11)
def unique(node: OnnxNode, x: Tensor, *, axis: int | None = None, sorted: int = 1) -> list[Tensor]:
    """Distinct elements, or slices of an axis: sorted, neighbours that differ begin a group; how many is a found size."""
    x = x.reshape(product(x.shape)) if axis is None else x
    axis = normalize_axis(axis or 0, x.rank)
    count = x.shape[axis]
    if count == 0:
        return [x, *(iota(node, 0) for _ in range(3))]
    rows = x.transpose(axis, *(n for n in range(x.rank) if n != axis))
    keys = sort_keys(rows).reshape(count, product(rows.shape[1:]))
    order = argsort(keys.with_axis(0)).reshape(count)
    ranked, place = keys.take(order), iota(node, count)
    differs = ranked.ne(ranked.take((place - 1).max(0))).cast("int64").reduce("max", 1).cast("bool")
    begins = differs | place.eq(0)
    first = positions(begins)
    group = begins.cast("int64").accumulate("cumsum", 0) - 1
    found = first.shape[0]
    following = (iota(node, found) + 1) < found
    ends = following.where(first.at(iota(node, found) + 1), tensor(node, count))
    index, counts = order.take(first), ends - first
    inverse = scattered(place * 0, order, group)
    if not sorted:
        appearance = argsort(index.reshape(1, found, 1)).reshape(found)
        inverse = scattered(index * 0, appearance, iota(node, found)).take(inverse)
        index, counts = index.take(appearance), counts.take(appearance)
    return [x.take(index, axis), index, inverse, counts]


@onnx_formula("NonMaxSuppression", since=10)
def non_max_suppression(
    node: OnnxNode, boxes: Tensor, scores: Tensor, most: Tensor | None = None, overlap: Tensor | None = None,
    least: Tensor | None = None, *, center_point_box: int = 0,
) -> Tensor:  # fmt: skip
    """[count, 3]: batch, class and box of what is kept, by falling score within a class."""
    boxes, scores = boxes.cast("float32"), scores.cast("float32")
    rows, classes, count = scores.shape

    def limit(given: Tensor | None, default: float, dtype: str) -> Tensor:
        return (tensor(node, np.array(default)) if given is None else given.reshape()).cast(dtype).reshape(1)

    first, last = boxes.part(2, 0, 2), boxes.part(2, 2, 2)
    if center_point_box:
        half = last * 0.5
        corners = join(2, first - half, first + half)
    else:
        corners = join(2, first.min(last), first.max(last))
    order = argsort(sort_keys(scores, True).reshape(rows * classes, count, 1)).reshape(*scores.shape)
    candidates = scores.gather_elements(order, axis=2) > limit(least, -np.inf, "float32").reshape()
    kept = corners.suppress(order, candidates, limit(overlap, 0.0, "float32"), limit(most, 0, "int64"))
    found = positions(kept.reshape(product(scores.shape)))
    row, own, _ = unraveled(found, scores.shape)
    box = order.reshape(product(scores.shape)).take(found)
    return join(1, *(index.with_axis(1) for index in (row, own, box)))
