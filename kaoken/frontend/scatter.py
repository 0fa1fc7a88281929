"""ONNX scatters; those that write a box, as exporters spell `x[:, 3:] = u`, become plain movement."""

from __future__ import annotations

from kaoken.frontend.movement import reshape_to
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, iota, tensor, wrapped
from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.graph import Value
from kaoken.ops.movement import check_indices
from kaoken.ops.registry import normalize_axis
from kaoken.ops.scatter import COMBINE, scatter_box


def _reduction(node: OnnxNode) -> str:
    kind = node.attribute("reduction", "none")
    if kind not in COMBINE:
        raise Unsupported(f"reduction={kind!r} is none of {', '.join(COMBINE)}")
    return str(kind)


@onnx_op("ScatterND", since=11)
def scatter_nd(node: OnnxNode) -> Value:
    x, indices, updates = (node.input(n) for n in range(3))
    kind = _reduction(node)
    box = scatter_box(x, indices)
    if box is None:
        depth = int(indices.shape[-1])
        where = tensor(node, indices).cast("int64")
        place = tensor(node, dim(0)).expand(*indices.shape[:-1])
        for n in range(depth):
            place = place * x.shape[n] + wrapped(where.take(dim(n), indices.rank - 1), x.shape[n])
        return _scattered(node, x, place * product(x.shape[depth:]), updates, kind)
    starts, runs = box
    own = indices.rank - 1
    order = [r for r in runs if r is not None]
    single = [n for n in range(own) if n not in order]
    rest = list(range(own, own + x.rank - len(starts)))
    perm = tuple(single + order + rest)
    moved = updates if list(perm) == sorted(perm) else node.add("transpose", updates, perm=perm)
    extents = [dim(1) if r is None else indices.shape[r] for r in runs] + list(x.shape[len(starts) :])
    return _write_box(node, x, reshape_to(node, moved, extents), starts + [dim(0)] * len(rest), kind)


def _write_box(node: OnnxNode, x: Value, updates: Value, starts: list[Dim], kind: str) -> Value:
    if kind != "none":
        lengths = updates.shape
        old = node.add("slice", x, starts=tuple(starts), steps=(1,) * x.rank, lengths=lengths)
        updates = node.add(COMBINE[kind], old, updates)
    if updates.shape == x.shape and all(start == 0 for start in starts):
        return updates
    return node.add("update_slice", x, updates, starts=tuple(starts))


@onnx_op("ScatterElements", since=11)
@onnx_op("Scatter", since=9)
def scatter_elements(node: OnnxNode) -> Value:
    x, indices, updates = (node.input(n) for n in range(3))
    axis = normalize_axis(int(node.attribute("axis", 0)), x.rank)
    check_indices(indices, x.shape[axis])
    place = tensor(node, dim(0)).expand(*indices.shape)
    for n, extent in enumerate(x.shape):
        own = iota(node, indices.shape[n]).along(n, x.rank) if n != axis else wrapped(tensor(node, indices), extent)
        place = place * extent + own
    return _scattered(node, x, place, updates, _reduction(node))


def _scattered(node: OnnxNode, x: Value, places: Tensor, updates: Value, kind: str) -> Value:
    """Bools are combined as 0 and 1: their sum is or, their product is and."""
    kind = {"add": "max", "mul": "min"}.get(kind, kind) if x.dtype == "bool" else kind
    return node.add("scatter", x, places.value, updates, reduction=kind)


@onnx_op("TensorScatter", since=24)
def tensor_scatter(node: OnnxNode) -> Value:
    mode = node.attribute("mode", "linear")
    if mode not in ("linear", "circular"):
        raise Unsupported(f"mode={mode!r} is neither 'linear' nor 'circular'")
    axis = int(node.attribute("axis", -2))
    return node.add("tensor_scatter", node.input(0), node.input(1), node.optional(2), axis=axis, circular=mode == "circular")
