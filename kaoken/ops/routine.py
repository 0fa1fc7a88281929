"""Operations that are no formula but a routine of the runtime (`runtime/kk_*.c`): what NumPy makes of them, and the C call.

Every thread calls `function(t, operands..., results..., sizes...)` and does its share; a barrier follows. Where a routine finds
sizes (attrs finds), its last results are int64 scalars that become these symbols; it writes no more than their bounds allow, and
the call ends where they are exceeded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from kaoken.ir.dims import Dim, Symbol, dim, product
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.control import no_formula
from kaoken.ops.registry import ShapeError, by_name, define

SUFFIXES = {"float32": "f32", "float64": "f64", "bool": "u8"} | {
    f"{sign}int{bits}": f"{sign or 'i'}{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
"""How C functions of an element type end."""


@dataclass(frozen=True)
class Routine:
    """One routine: the runtime's header, the C function, its int64 arguments, and its meaning on arrays and these arguments.

    into: it works in its one result, into which the first operand is copied before."""

    header: str
    function: Callable[[Node], str]
    sizes: Callable[[Node], list[Dim]]
    run: Callable[[Node, list[np.ndarray], list[int]], list[np.ndarray]]
    into: bool = False


ROUTINES: dict[str, Routine] = {}

MT19937_WORDS = 624
"""The length of the Mersenne Twister's state; KK_MT19937_WORDS in the runtime."""


Run = TypeVar("Run", bound=Callable[..., list[np.ndarray]])


def routine(
    name: str, header: str, shapes: Callable[..., Any], sizes: Callable[..., Any],
    function: Callable[[Node], str] | None = None, into: bool = False,
) -> Callable[[Run], Run]:  # fmt: skip
    """Define a routine; what is decorated is its meaning on arrays. All rules take operands and, by keyword, the attributes that
    they name (see `registry.operation`); the meaning takes `sizes` too. function: its name in C where that is not `kk_NAME`."""

    def register(run: Run) -> Run:
        shapes_of, sizes_of, meaning = by_name(shapes), by_name(sizes), by_name(run)
        define(name, "control", shapes_of, no_formula)
        ROUTINES[name] = Routine(
            header,
            function or (lambda node: f"kk_{name}"),
            lambda node: [dim(size) for size in sizes_of(node.inputs, node.attrs)],
            lambda node, arrays, found: meaning(arrays, node.attrs | {"sizes": found}),
            into,
        )
        return run

    return register


# positions: the indices of a bool vector's true elements, ascending, and how many there are ---------------------------------


def _positions_shapes(mask: Value, *, finds: tuple[Symbol, ...]) -> list[tuple[Shape, str]]:
    if mask.dtype != "bool" or mask.rank != 1:
        raise ShapeError(f"positions of {mask}")
    return [((dim(finds[0]),), "int64"), ((), "int64")]


def _positions_sizes(mask: Value, *, finds: tuple[Symbol, ...]) -> list[Any]:
    bound = finds[0].upper
    return [mask.shape[0], mask.shape[0] if bound is None else bound]


@routine("positions", "kk_threads.h", _positions_shapes, _positions_sizes, lambda node: "kk_true_positions")
def _positions(mask: np.ndarray) -> list[np.ndarray]:
    found = np.flatnonzero(mask).astype(np.int64)
    return [found, np.array(found.size)]


# argsort: keys int64 [rows, count, width]; attrs first: the order that sorts each row, equal elements in their order, by the
# first key and then by the next, of so many elements (`run` gives all); and room to work in. Or keys float32 [rows, count, 1] of
# at most LONGEST_FLOATS; attrs descending: NaN is above all numbers -----------------------------------------------------------

LONGEST_FLOATS = 1 << 31


def _argsort_shapes(keys: Value, *, first: Dim, descending: bool = False) -> list[tuple[Shape, str]]:
    if keys.rank != 3 or (keys.dtype != "int64" and (keys.dtype != "float32" or keys.shape[2] != 1)):
        raise ShapeError(f"argsort of {keys}")
    return [((keys.shape[0], dim(first)), "int64")] * 2


def _argsort_sizes(keys: Value, *, first: Dim, descending: bool = False) -> list[Dim]:
    return [*keys.shape[:2], dim(int(descending)) if keys.dtype == "float32" else keys.shape[2], first]


def _argsort_function(node: Node) -> str:
    keys = node.inputs[0]
    return "kk_argsort_f32" if keys is not None and keys.dtype == "float32" else "kk_argsort"


@routine("argsort", "kk_sort.h", _argsort_shapes, _argsort_sizes, _argsort_function)
def _argsort(keys: np.ndarray, *, descending: bool = False) -> list[np.ndarray]:
    if keys.dtype == np.float32:
        bits = (keys + np.float32(0)).view(np.int32)
        keys = np.where(np.isnan(keys), np.iinfo(np.int32).max, bits ^ (bits >> 31 & np.iinfo(np.int32).max))
        keys = ~keys if descending else keys
    rows = [np.lexsort(row.T[::-1]) if row.shape[1] else np.arange(row.shape[0]) for row in keys]
    return [np.array(rows, np.int64).reshape(keys.shape[:2])] * 2


# scatter: operands x, places int64, updates; attrs reduction: rows of updates into a copy of x, each from a place on, counted in
# elements; of several at one place `none` keeps the last, the others combine them in order ----------------------------------

_COMBINE: dict[str, Callable[..., np.ndarray]] = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _scatter_shapes(x: Value, places: Value, updates: Value) -> list[tuple[Shape, str]]:
    if places.dtype != "int64" or updates.shape[: places.rank] != places.shape or x.dtype != updates.dtype:
        raise ShapeError(f"scatter into {x} at {places} of {updates}")
    return [(x.shape, x.dtype)]


def _scatter_sizes(x: Value, places: Value, updates: Value) -> list[Dim]:
    return [product(x.shape), product(places.shape), product(updates.shape[places.rank :])]


def _scatter_function(node: Node) -> str:
    return f"kk_scatter_{node.attrs['reduction']}_{SUFFIXES[node.output.dtype]}"


@routine("scatter", "kk_scatter.h", _scatter_shapes, _scatter_sizes, _scatter_function, into=True)
def _scatter(x: np.ndarray, places: np.ndarray, updates: np.ndarray, *, reduction: str) -> list[np.ndarray]:
    result, width = x.reshape(-1).copy(), int(np.prod(updates.shape[places.ndim :]))
    for place, row in zip(places.reshape(-1), updates.reshape(-1, width) if width else [], strict=False):
        if 0 <= place <= result.size - width:
            old, combine = result[place : place + width], _COMBINE.get(reduction)
            old[:] = row if combine is None else combine(old, row)
    return [result.reshape(x.shape)]


# suppress: greedy non-maximum suppression. boxes float32 [rows, count, 4] as corners (low, high), order int64
# [rows, classes, count] by falling score, candidates bool likewise, float32 [1] (overlap), int64 [1] (how many): which places of
# the order are kept ----------------------------------------------------------------------------------------------------------


def _suppress_shapes(boxes: Value, order: Value, candidates: Value, _threshold: Value, _most: Value) -> list[tuple[Shape, str]]:
    if boxes.rank != 3 or order.shape != candidates.shape or order.rank != 3 or boxes.shape[2] != 4:
        raise ShapeError(f"suppress of {boxes} in the order {order}")
    return [(order.shape, "bool")]


@routine("suppress", "kk_suppress.h", _suppress_shapes, lambda boxes, order, *others: order.shape)
def _suppress(
    boxes: np.ndarray, order: np.ndarray, candidates: np.ndarray, threshold: np.ndarray, most: np.ndarray
) -> list[np.ndarray]:
    kept = np.zeros(order.shape, bool)
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    for row, own in np.ndindex(order.shape[:2]):
        chosen: list[int] = []
        for place, box in enumerate(order[row, own]):
            if not candidates[row, own, place] or len(chosen) >= most.reshape(-1)[0]:
                continue
            low = np.maximum(boxes[row, box, :2], boxes[row, chosen, :2])
            high = np.minimum(boxes[row, box, 2:], boxes[row, chosen, 2:])
            shared = np.maximum(high - low, 0).prod(-1)
            if not (shared > threshold.reshape(-1)[0] * (area[row, box] + area[row, chosen] - shared)).any():
                chosen.append(int(box))
                kept[row, own, place] = True
    return [kept]


# mt19937_uniform: attrs count, seed (below 2^32): float64 [count], the draws of numpy.random.seed(seed) and uniform; and room for
# the generator's state ----------------------------------------------------------------------------------------------------------


def _mt19937_shapes(*, count: Dim) -> list[tuple[Shape, str]]:
    return [((dim(count),), "float64"), ((dim(MT19937_WORDS),), "uint32")]


@routine("mt19937_uniform", "kk_mt19937.h", _mt19937_shapes, lambda *, count, seed: [count, seed])
def _mt19937_uniform(*, sizes: list[int]) -> list[np.ndarray]:
    generator = np.random.RandomState(sizes[1])
    return [generator.uniform(size=sizes[0]), generator.get_state(legacy=False)["state"]["key"]]
