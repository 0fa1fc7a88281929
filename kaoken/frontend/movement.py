"""ONNX operators that move elements: reshape, transpose, slices, joins, gathers, pads."""

from __future__ import annotations

from kaoken.frontend.by_data import (
    expand_by_data,
    pad_by_data,
    reshape_by_data,
    slice_by_data,
    slice_needs_data,
    split_sizes,
    squeeze_by_data,
    unsqueeze_by_data,
)
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, from_data, join, onnx_formula, onnx_formulas, reader_of, tensor
from kaoken.ir.dims import Dim, dim, floordiv, is_nonnegative, maximum, minimum, product
from kaoken.ir.found_sizes import found_symbols
from kaoken.ops.movement import infer_minus_one
from kaoken.ops.registry import normalize_axis


@onnx_formula("Reshape")
def reshape(node: OnnxNode, x: Tensor, given: Tensor, *, allowzero: int = 0) -> Tensor:
    if from_data(given.value):
        return reshape_by_data(node, x, given, allowzero)
    target = node.dims(1)
    copied = [n for n, d in enumerate(target) if d == 0 and n < x.rank and not allowzero]
    left = product(d for n, d in enumerate(x.shape) if n not in copied)  # what -1 stands for must not divide 0 by a copied 0
    rest = iter(infer_minus_one([d for n, d in enumerate(target) if n not in copied], left))
    shape = [x.shape[n] if n in copied else next(rest) for n in range(len(target))]
    more = product(shape) - product(x.shape)
    if more.constant is None and not is_nonnegative(more - 1) and not is_nonnegative(-more - 1):  # rows padded to whole windows
        node.require(tensor(node, product(shape)).eq(tensor(node, product(x.shape))).value)
        return x.add_node("reshape", shape=tuple(shape), checked=True)
    return x.reshape(*shape)


def _flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    at = axis + x.rank if axis < 0 else axis
    return x.reshape(product(x.shape[:at]), product(x.shape[at:]))


onnx_formulas(Flatten=_flatten)


@onnx_formula("Squeeze")
def squeeze(node: OnnxNode, x: Tensor, given: Tensor | None = None, *, axes: list[int] | None = None) -> Tensor:
    """Axes are the second input (opset 13) or the attribute (before)."""
    if given is not None and from_data(given.value):
        return squeeze_by_data(x, given.value)
    axes = axes if given is None else node.integers(1)
    drop = {n for n, d in enumerate(x.shape) if d == 1} if axes is None else {normalize_axis(a, x.rank) for a in axes}
    for n in drop:
        if found_symbols(x.shape[n]):
            node.require(tensor(node, x.shape[n]).eq(tensor(node, dim(1))).value)
            x = x.part(n, 0, 1)
        elif x.shape[n] != 1:
            raise Unsupported(f"cannot squeeze axis {n} of extent {x.shape[n]}")
    return x.reshape(*(d for n, d in enumerate(x.shape) if n not in drop))


@onnx_formula("Unsqueeze")
def unsqueeze(node: OnnxNode, x: Tensor, given: Tensor | None = None, *, axes: list[int] | None = None) -> Tensor:
    if given is not None and from_data(given.value):
        return unsqueeze_by_data(x, given.value)
    axes = (axes or []) if given is None else node.integers(1)
    rank = x.rank + len(axes)
    new, kept = {normalize_axis(a, rank) for a in axes}, iter(x.shape)
    return x.reshape(*(dim(1) if n in new else next(kept) for n in range(rank)))


@onnx_formula("Expand")
def expand(node: OnnxNode, x: Tensor, target: Tensor) -> Tensor:
    result = x.expand(*(expand_by_data(node, x, target) if from_data(target.value) else node.dims(1)))
    return x if result.shape == x.shape else result


@onnx_formula("Tile")
def tile(node: OnnxNode, x: Tensor, _: Tensor) -> Tensor:
    repeats = node.sizes(1, [_ratio(d, own) for d, own in zip(node.declared_shape(x.rank), x.shape, strict=True)])
    pairs = list(zip(repeats, x.shape, strict=True))
    wide = x.reshape(*(d for extent in x.shape for d in (1, extent))).expand(*(d for pair in pairs for d in pair))
    return wide.reshape(*(repeat * extent for repeat, extent in pairs))


def _ratio(whole: Dim | None, part: Dim) -> Dim | None:
    return None if whole is None or not part.constant else dim(int(whole) // part.constant)


def slice_axis(extent: Dim, start: Dim, end: Dim, step: int) -> tuple[Dim, Dim]:
    """ONNX Slice on one axis: (first index, length), clamped as the standard says."""
    low, high = (dim(0), extent) if step > 0 else (dim(-1), extent - 1)

    def clamp(position: Dim) -> Dim:
        if position.constant is not None and abs(position.constant) >= 2**31 - 1:
            return high if position.constant > 0 else low
        if is_nonnegative(-position - 1):
            position = position + extent
        elif not is_nonnegative(position):
            raise Unsupported(f"slice bound {position} may be negative or not; its sign must be known when compiling")
        return maximum(low, minimum(high, position))

    first, last = clamp(start), clamp(end)
    if step > 0:
        span = last - first
        length = span if step == 1 else floordiv(span + step - 1, dim(step))
    else:
        length = floordiv(first - last - step - 1, dim(-step))
    return first, maximum(dim(0), length)


def _slice_ends(node: OnnxNode, index: int, axes: list[int], steps: list[int]) -> list[Dim]:
    """Starts or ends; those from data are made positions inside their axis, so that the extent bounds them."""
    x, value = node.input(0), node.input(index)
    if value.known is not None or value.data is not None or min(steps, default=1) < 0 or len(axes) != product(value.shape):
        return node.dims(index)
    given, extents = tensor(node, value).cast("int64"), [x.shape[normalize_axis(axis, x.rank)] for axis in axes]
    limit = tensor(node, extents)
    inside = (given + (given < 0).where(limit, 0)).clamp(0, limit)
    return [node.found_size(inside.value, n, f"{value.name}_{n}", extent) for n, extent in enumerate(extents)]


@onnx_formula("Slice", since=10)
def slice_(node: OnnxNode, x: Tensor, start: Tensor, end: Tensor, over: Tensor | None = None, by: Tensor | None = None) -> Tensor:
    if slice_needs_data(node):
        return slice_by_data(node, x, (start, end), over, by)
    count = int(product(start.shape))
    axes = list(range(count)) if over is None else node.integers(3)
    steps = [1] * count if by is None else node.integers(4)
    first, length, stride = [dim(0)] * x.rank, list(x.shape), [1] * x.rank
    for low, high, axis, step in zip(*(_slice_ends(node, n, axes, steps) for n in (1, 2)), axes, steps, strict=True):
        at = normalize_axis(axis, x.rank)
        if step == 0:
            raise Unsupported("a slice step of 0")
        first[at], length[at] = slice_axis(x.shape[at], low, high, step)
        stride[at] = step
    if length == list(x.shape) and stride == [1] * x.rank:
        return x
    return x.slice(starts=tuple(first), steps=tuple(stride), lengths=tuple(length))


@onnx_formula("Split")
def split(
    node: OnnxNode, x: Tensor, given: Tensor | None = None, *,
    axis: int = 0, split: list[int] | None = None, num_outputs: int | None = None,
) -> list[Tensor]:  # fmt: skip
    axis, outputs = normalize_axis(axis, x.rank), len(node.names)
    extent, checked = x.shape[axis], given is not None and from_data(given.value)
    if given is not None:
        sizes = split_sizes(node, given, axis, extent, x.rank) if checked else node.dims(1)
    elif split is not None:
        sizes = [dim(s) for s in split]
    else:
        if num_outputs not in (None, outputs):
            raise Unsupported(f"num_outputs={num_outputs} with {outputs} outputs")
        size = floordiv(extent + outputs - 1, dim(outputs))
        sizes = [*[size] * (outputs - 1), extent - size * (outputs - 1)]
    if len(sizes) != outputs or (sum(sizes, dim(0)) != extent and not checked):
        raise Unsupported(f"sizes {sizes} do not divide an extent of {extent} into {outputs} outputs")
    return [x.box(axis, sum(sizes[:n], dim(0)), size) for n, size in enumerate(sizes)]


onnx_formulas(
    Transpose=lambda x, *, perm=None: x.transpose(*(range(x.rank - 1, -1, -1) if perm is None else perm)),
    Concat=lambda *parts, axis: join(normalize_axis(axis, parts[0].rank), *parts),
    Gather=lambda x, indices, *, axis=0: x.gather(indices, axis=axis),
    GatherElements=lambda x, indices, *, axis=0: x.gather_elements(indices, axis=axis),
    GatherND=lambda x, indices, *, batch_dims=0: x.gather_nd(indices, batch_dims=batch_dims),
)


@onnx_formula("Pad", since=11)
def pad(
    node: OnnxNode, x: Tensor, pads: Tensor, value: Tensor | None = None, over: Tensor | None = None, *, mode: str = "constant"
) -> Tensor:
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise Unsupported(f"mode={mode!r} is none of constant, reflect, edge and wrap")
    if from_data(pads.value) or (over is not None and from_data(over.value)):
        return pad_by_data(node, x, pads, value, over, mode)
    widths = node.dims(1)
    axes = list(range(x.rank)) if over is None else node.integers(3)
    before, after = [dim(0)] * x.rank, [dim(0)] * x.rank
    for n, axis in enumerate(axes):
        at = normalize_axis(axis, x.rank)
        before[at], after[at] = widths[n], widths[len(axes) + n]
    if all(d == 0 for d in before + after):
        return x
    if mode == "constant":
        return x.pad(value, before=tuple(before), after=tuple(after))
    for extent, low, high in zip(x.shape, before, after, strict=True):
        if extent == 0 and (low != 0 or high != 0):
            raise Unsupported(f"mode={mode!r} of an axis without elements")
    return x.pad_index(before=tuple(before), after=tuple(after), mode=mode)


onnx_op("Slice", since=1)(lambda node: reader_of(slice_)(node.moved("starts", "ends", "axes")))
onnx_op("Pad", since=2)(lambda node: reader_of(pad)(node.moved("pads", "value")))


@onnx_formula("ReverseSequence", since=10)
def reverse_sequence(x: Tensor, lengths: Tensor, *, batch_axis: int = 1, time_axis: int = 0) -> Tensor:
    if {batch_axis, time_axis} != {0, 1}:
        raise Unsupported(f"batch_axis={batch_axis} and time_axis={time_axis} are not 0 and 1")
    return x.reverse_sequence(lengths, batch_axis=batch_axis, time_axis=time_axis)
