"""ONNX operators that sort or select, some with results as long as data says; orders and positions are routines."""

from __future__ import annotations

import numpy as np

from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, iota, join, tensor
from kaoken.ir.dims import Dim, dim, minimum, product
from kaoken.ir.dtypes import is_float
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis


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


def argsort(keys: Tensor, first: Dim | None = None) -> Tensor:
    """[rows, count, width] keys: [rows, first or count], the order of each row by its first keys, then by the next."""
    made = keys.node.builder.add_node("argsort", [keys.value], first=keys.shape[1] if first is None else first)
    return tensor(keys.node, made.outputs[0])


def scattered(zeros: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    return zeros.scatter(places, updates, reduction="none")


@onnx_op("NonZero", since=9)
def non_zero(node: OnnxNode) -> Value:
    """[rank, count]: the indices of elements other than 0, in row-major order; a NaN is other than 0."""
    x = tensor(node, node.input(0))
    if x.rank == 0:
        raise Unsupported("NonZero of a scalar")
    flat = x.reshape(product(x.shape))
    found = positions(flat if x.dtype == "bool" else flat.ne(0))
    return join(0, *(index.reshape(1, *found.shape) for index in unraveled(found, x.shape))).value


@onnx_op("Compress", since=9)
def compress(node: OnnxNode) -> Value:
    """The slices of an axis (without one: the elements) where the condition holds, which may be shorter or longer."""
    x, condition = tensor(node, node.input(0)), tensor(node, node.input(1))
    if condition.rank != 1:
        raise Unsupported(f"a condition of {condition.rank} axes")
    axis = node.attribute("axis")
    source = x.reshape(product(x.shape)) if axis is None else x
    along = normalize_axis(int(axis or 0), source.rank)
    condition = condition.part(0, 0, minimum(condition.shape[0], source.shape[along]))
    return source.take(positions(condition), along).value


@onnx_op("TopK")
def top_k(node: OnnxNode) -> list[Value | None]:
    """The first k of the sorted axis; of equal elements that with the lowest index comes first."""
    x = tensor(node, node.input(0))
    axis = normalize_axis(int(node.attribute("axis", -1)), x.rank)
    extent = x.shape[axis]
    if node.version < 10:
        count = dim(int(node.attribute("k")))
    else:
        count = node.found_sizes(node.input(1), node.input(1).name, [node.declared_shape(x.rank)[axis]], [extent])[0]
    count = minimum(count, extent)
    order = [n for n in range(x.rank) if n != axis] + [axis]
    rows = x.transpose(*order)
    keys = sort_keys(rows, bool(node.attribute("largest", 1)))
    ranked = argsort(keys.reshape(product(rows.shape[:-1]), extent, 1), count)
    back = [order.index(n) for n in range(x.rank)]
    index = ranked.reshape(*rows.shape[:-1], count).transpose(*back)
    return [x.gather_elements(index, axis=axis).value, index.value]


@onnx_op("Unique", since=11)
def unique(node: OnnxNode) -> list[Value | None]:
    """Distinct elements, or slices of an axis: sorted, neighbours that differ begin a group; how many is a found size."""
    x = tensor(node, node.input(0))
    whole = node.attribute("axis") is None
    axis = 0 if whole else normalize_axis(int(node.attribute("axis")), x.rank)
    x = x.reshape(product(x.shape)) if whole else x
    count = x.shape[axis]
    if count == 0:
        return [x.value, *(iota(node, 0).value for _ in range(3))]
    rows = x.transpose(axis, *(n for n in range(x.rank) if n != axis))
    keys = sort_keys(rows).reshape(count, product(rows.shape[1:]))
    order = argsort(keys.reshape(1, *keys.shape)).reshape(count)
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
    if not node.attribute("sorted", 1):
        appearance = argsort(index.reshape(1, found, 1)).reshape(found)
        inverse = scattered(index * 0, appearance, iota(node, found)).take(inverse)
        index, counts = index.take(appearance), counts.take(appearance)
    return [x.take(index, axis).value, index.value, inverse.value, counts.value]


@onnx_op("NonMaxSuppression", since=10)
def non_max_suppression(node: OnnxNode) -> Value:
    """[count, 3]: batch, class and box of what is kept, by falling score within a class."""
    boxes, scores = (tensor(node, node.input(n)).cast("float32") for n in range(2))
    rows, classes, count = scores.shape

    def limit(n: int, default: float, dtype: str) -> Tensor:
        value = node.optional(n)
        given = tensor(node, np.array(default)) if value is None else tensor(node, value).reshape()
        return given.cast(dtype).reshape(1)

    if node.attribute("center_point_box", 0):
        middle, half = boxes.part(2, 0, 2), boxes.part(2, 2, 2) * 0.5
        corners = join(2, middle - half, middle + half)
    else:
        ends = boxes.part(2, 0, 2), boxes.part(2, 2, 2)
        corners = join(2, ends[0].min(ends[1]), ends[0].max(ends[1]))
    order = argsort(sort_keys(scores, True).reshape(rows * classes, count, 1)).reshape(*scores.shape)
    ranked = scores.gather_elements(order, axis=2)
    candidates = ranked > limit(4, -np.inf, "float32").reshape()
    kept = corners.suppress(order, candidates, limit(3, 0.0, "float32"), limit(2, 0, "int64"))
    found = positions(kept.reshape(product(scores.shape)))
    row, own, _ = unraveled(found, scores.shape)
    box = order.reshape(product(scores.shape)).take(found)
    return join(1, *(index.reshape(found.shape[0], 1) for index in (row, own, box))).value
