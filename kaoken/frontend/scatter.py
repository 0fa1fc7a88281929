"""ONNX scatters; those that write a box, as exporters spell `x[:, 3:] = u`, become plain movement."""

from __future__ import annotations

from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.spelled import Tensor, iota, onnx_formula, tensor, wrapped
from kaoken.ir.dims import Dim, dim, product
from kaoken.ops.movement import check_indices
from kaoken.ops.registry import normalize_axis
from kaoken.ops.scatter import COMBINE, scatter_box


def _combining(x: Tensor, kind: str) -> str:
    """The scatter's reduction. Bools are combined as 0 and 1: their sum is or, their product is and."""
    return {"add": "max", "mul": "min"}.get(kind, kind) if x.dtype == "bool" else kind


def _check(kind: str) -> None:
    if kind not in COMBINE:
        raise Unsupported(f"reduction={kind!r} is none of {', '.join(COMBINE)}")


@onnx_formula("ScatterND", since=11)
def scatter_nd(node: OnnxNode, x: Tensor, indices: Tensor, updates: Tensor, *, reduction: str = "none") -> Tensor:
    _check(reduction)
    box = scatter_box(x.value, indices.value)
    if box is None:
        depth, where = int(indices.shape[-1]), indices.cast("int64")
        place = tensor(node, dim(0)).expand(*indices.shape[:-1])
        for n in range(depth):
            place = place * x.shape[n] + wrapped(where.take(n, indices.rank - 1), x.shape[n])
        return x.scatter(place * product(x.shape[depth:]), updates, reduction=_combining(x, reduction))
    starts, runs = box
    own = indices.rank - 1
    order = [r for r in runs if r is not None]
    rest = range(own, own + x.rank - len(starts))
    moved = updates.transpose(*(n for n in range(own) if n not in order), *order, *rest)
    extents = [dim(1) if r is None else indices.shape[r] for r in runs] + list(x.shape[len(starts) :])
    return _write_box(x, moved.reshape(*extents), (*starts, *(dim(0) for _ in rest)), reduction)


def _write_box(x: Tensor, updates: Tensor, starts: tuple[Dim, ...], kind: str) -> Tensor:
    if kind != "none":
        old = x.slice(starts=starts, steps=(1,) * x.rank, lengths=updates.shape)
        updates = old.add_node(COMBINE[kind], updates)
    if updates.shape == x.shape and all(start == 0 for start in starts):
        return updates
    return x.update_slice(updates, starts=starts)


@onnx_formula("ScatterElements", since=11)
@onnx_formula("Scatter", since=9)
def scatter_elements(
    node: OnnxNode, x: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, reduction: str = "none"
) -> Tensor:
    _check(reduction)
    axis = normalize_axis(axis, x.rank)
    check_indices(indices.value, x.shape[axis])
    place = tensor(node, dim(0)).expand(*indices.shape)
    for n, extent in enumerate(x.shape):
        own = iota(node, indices.shape[n]).along(n, x.rank) if n != axis else wrapped(indices, extent)
        place = place * extent + own
    return x.scatter(place, updates, reduction=_combining(x, reduction))


@onnx_formula("TensorScatter", since=24)
def tensor_scatter(x: Tensor, updates: Tensor, starts: Tensor | None = None, *, axis: int = -2, mode: str = "linear") -> Tensor:
    if mode not in ("linear", "circular"):
        raise Unsupported(f"mode={mode!r} is neither 'linear' nor 'circular'")
    return x.tensor_scatter(updates, starts, axis=axis, circular=mode == "circular")
