"""Operations that are no formula but a routine of the runtime (`runtime/kk_*.c`): what NumPy makes of them, and the C call.

Every thread calls `function(t, operands..., results..., sizes...)` and does its share; a barrier follows. Where a routine finds
sizes (attrs finds), its last results are int64 scalars that become these symbols; it writes no more than their bounds allow, and
the call ends where they are exceeded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.graph import Node, Shape
from kaoken.ops.control import no_formula
from kaoken.ops.registry import Attrs, Inputs, ShapeError, define, operand

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


def define_routine(name: str, infer: Callable[[Inputs, Attrs], list[tuple[Shape, str]]], routine: Routine) -> None:
    define(name, "control", infer, no_formula)
    ROUTINES[name] = routine


# positions: the indices of a bool vector's true elements, ascending, and how many there are ---------------------------------


def _infer_positions(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    mask = operand(inputs, 0)
    if mask.dtype != "bool" or mask.rank != 1:
        raise ShapeError(f"positions of {mask}")
    (symbol,) = attrs["finds"]
    return [((dim(symbol),), "int64"), ((), "int64")]


def _positions_sizes(node: Node) -> list[Dim]:
    size, bound = operand(node.inputs, 0).shape[0], node.finds[0].upper
    return [size, size if bound is None else dim(bound)]


def _run_positions(node: Node, operands: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    found = np.flatnonzero(operands[0]).astype(np.int64)
    return [found, np.array(found.size)]


define_routine(
    "positions",
    _infer_positions,
    Routine("kk_threads.h", lambda node: "kk_true_positions", _positions_sizes, _run_positions),
)


# argsort: keys int64 [rows, count, width]; attrs first: the order that sorts each row, equal elements in their order, by the
# first key and then by the next, of so many elements (`run` gives all); and room to work in -----------------------------


def _infer_argsort(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    keys = operand(inputs, 0)
    if keys.dtype != "int64" or keys.rank != 3:
        raise ShapeError(f"argsort of {keys}")
    shape = (keys.shape[0], dim(attrs["first"]))
    return [(shape, "int64"), (shape, "int64")]


def _run_argsort(node: Node, operands: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    rows = [np.lexsort(row.T[::-1]) if row.shape[1] else np.arange(row.shape[0]) for row in operands[0]]
    order = np.array(rows, np.int64).reshape(operands[0].shape[:2])
    return [order, order]


def _argsort_sizes(node: Node) -> list[Dim]:
    return [*operand(node.inputs, 0).shape, dim(node.attrs["first"])]


define_routine(
    "argsort",
    _infer_argsort,
    Routine("kk_sort.h", lambda node: "kk_argsort", _argsort_sizes, _run_argsort),
)


# scatter: operands x, places int64, updates; attrs reduction: rows of updates into a copy of x, each from a place on, counted in
# elements; of several at one place `none` keeps the last, the others combine them in order ----------------------------------

_COMBINE: dict[str, Callable[..., np.ndarray]] = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _infer_scatter(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x, places, updates = (operand(inputs, n) for n in range(3))
    if places.dtype != "int64" or updates.shape[: places.rank] != places.shape or x.dtype != updates.dtype:
        raise ShapeError(f"scatter into {x} at {places} of {updates}")
    return [(x.shape, x.dtype)]


def _run_scatter(node: Node, operands: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    x, places, updates = operands
    result, width = x.reshape(-1).copy(), int(np.prod(updates.shape[places.ndim :]))
    for place, row in zip(places.reshape(-1), updates.reshape(-1, width) if width else [], strict=False):
        if 0 <= place <= result.size - width:
            old, combine = result[place : place + width], _COMBINE.get(node.attrs["reduction"])
            old[:] = row if combine is None else combine(old, row)
    return [result.reshape(x.shape)]


def _scatter_sizes(node: Node) -> list[Dim]:
    x, places, updates = (operand(node.inputs, n) for n in range(3))
    return [product(x.shape), product(places.shape), product(updates.shape[places.rank :])]


define_routine(
    "scatter",
    _infer_scatter,
    Routine(
        "kk_scatter.h",
        lambda node: f"kk_scatter_{node.attrs['reduction']}_{SUFFIXES[node.output.dtype]}",
        _scatter_sizes,
        _run_scatter,
        into=True,
    ),
)


# suppress: greedy non-maximum suppression. boxes float32 [rows, count, 4] as corners (low, high), order int64
# [rows, classes, count] by falling score, candidates bool likewise, float32 [1] (overlap), int64 [1] (how many): which places of
# the order are kept ----------------------------------------------------------------------------------------------------------


def _infer_suppress(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    boxes, order, candidates = (operand(inputs, n) for n in range(3))
    if boxes.rank != 3 or order.shape != candidates.shape or order.rank != 3 or boxes.shape[2] != 4:
        raise ShapeError(f"suppress of {boxes} in the order {order}")
    return [(order.shape, "bool")]


def _run_suppress(node: Node, operands: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    boxes, order, candidates, threshold, most = operands
    kept = np.zeros(order.shape, bool)
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    for row, own in np.ndindex(order.shape[:2]):
        chosen: list[int] = []
        for place, box in enumerate(order[row, own]):
            if not candidates[row, own, place] or len(chosen) >= most.reshape(-1)[0]:
                continue
            low, high = (
                np.maximum(boxes[row, box, :2], boxes[row, chosen, :2]),
                np.minimum(boxes[row, box, 2:], boxes[row, chosen, 2:]),
            )
            shared = np.maximum(high - low, 0).prod(-1)
            if not (shared > threshold.reshape(-1)[0] * (area[row, box] + area[row, chosen] - shared)).any():
                chosen.append(int(box))
                kept[row, own, place] = True
    return [kept]


define_routine(
    "suppress",
    _infer_suppress,
    Routine(
        "kk_suppress.h",
        lambda node: "kk_suppress",
        lambda node: [operand(node.inputs, 1).shape[0], operand(node.inputs, 1).shape[1], operand(node.inputs, 1).shape[2]],
        _run_suppress,
    ),
)


# mt19937_uniform: attrs count, seed (below 2^32): float64 [count], the draws of numpy.random.seed(seed) and uniform; and room for
# the generator's state ----------------------------------------------------------------------------------------------------------


def _infer_mt19937_uniform(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    return [((dim(attrs["count"]),), "float64"), ((dim(MT19937_WORDS),), "uint32")]


def _run_mt19937_uniform(node: Node, operands: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    generator = np.random.RandomState(sizes[1])
    return [generator.uniform(size=sizes[0]), generator.get_state(legacy=False)["state"]["key"]]


define_routine(
    "mt19937_uniform",
    _infer_mt19937_uniform,
    Routine(
        "kk_mt19937.h",
        lambda node: "kk_mt19937_uniform",
        lambda node: [node.output.shape[0], dim(node.attrs["seed"])],
        _run_mt19937_uniform,
    ),
)
