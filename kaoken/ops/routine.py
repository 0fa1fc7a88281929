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


def _routine(name: str, infer: Callable[[Inputs, Attrs], list[tuple[Shape, str]]], routine: Routine) -> None:
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


_routine(
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


_routine(
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


_routine(
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


_routine(
    "suppress",
    _infer_suppress,
    Routine(
        "kk_suppress.h",
        lambda node: "kk_suppress",
        lambda node: [operand(node.inputs, 1).shape[0], operand(node.inputs, 1).shape[1], operand(node.inputs, 1).shape[2]],
        _run_suppress,
    ),
)


# find_strings: operands bytes uint8 [size], starts and lengths int64 (any shape, of `count` elements), others uint8 [other size],
# starts and lengths int64 [count or 1, width]: for each string the last candidate in its row that is equal to it, or -1 ------


def _infer_find_strings(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    data, starts, lengths, others, other_starts, other_lengths = (operand(inputs, n) for n in range(6))
    rows = other_starts.shape[0] if other_starts.rank == 2 else None
    if (data.dtype, others.dtype, data.rank, others.rank) != ("uint8", "uint8", 1, 1):
        raise ShapeError(f"strings of {data} and {others}")
    if starts.shape != lengths.shape or other_starts.shape != other_lengths.shape or rows not in (1, product(starts.shape)):
        raise ShapeError(f"strings at {starts} of {lengths} in strings at {other_starts} of {other_lengths}")
    return [(starts.shape, "int64")]


def _run_find_strings(node: Node, operands: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    data, starts, lengths, others, other_starts, other_lengths = operands
    found = np.full(starts.size, -1, np.int64)
    for i, (start, length) in enumerate(zip(starts.reshape(-1), lengths.reshape(-1), strict=True)):
        row = i if other_starts.shape[0] > 1 else 0
        own = data[start : start + length].tobytes()
        for j, (begin, size) in enumerate(zip(other_starts[row], other_lengths[row], strict=True)):
            if own == others[begin : begin + size].tobytes():
                found[i] = j
    return [found.reshape(starts.shape)]


def _find_strings_sizes(node: Node) -> list[Dim]:
    data, starts, _, others, candidates, _ = (operand(node.inputs, n) for n in range(6))
    width = candidates.shape[1]
    step = dim(0) if candidates.shape[0] == 1 else width
    return [product(starts.shape), data.shape[0], others.shape[0], width, step]


_routine(
    "find_strings",
    _infer_find_strings,
    Routine("kk_strings.h", lambda node: "kk_find_strings", _find_strings_sizes, _run_find_strings),
)


# copy_strings: operands bytes uint8 [size], starts, lengths and begins int64 of one shape; attrs total: uint8 [total], each
# string from where it begins on -----------------------------------------------------------------------------------------------


def _infer_copy_strings(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    data, *places = (operand(inputs, n) for n in range(4))
    if data.dtype != "uint8" or data.rank != 1 or any(p.dtype != "int64" or p.shape != places[0].shape for p in places):
        raise ShapeError(f"copies of strings in {data} at {', '.join(map(str, places))}")
    return [((attrs["total"],), "uint8")]


def _run_copy_strings(node: Node, operands: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    data, starts, lengths, _ = operands
    texts = [data[start : start + length] for start, length in zip(starts.reshape(-1), lengths.reshape(-1), strict=True)]
    return [np.concatenate([np.zeros(0, np.uint8), *texts])]


def _copy_strings_sizes(node: Node) -> list[Dim]:
    return [product(operand(node.inputs, 1).shape), operand(node.inputs, 0).shape[0], node.output.shape[0]]


_routine(
    "copy_strings",
    _infer_copy_strings,
    Routine("kk_strings.h", lambda node: "kk_copy_strings", _copy_strings_sizes, _run_copy_strings),
)


# mt19937_uniform: attrs count, seed (below 2^32): float64 [count], the draws of numpy.random.seed(seed) and uniform; and room for
# the generator's state ----------------------------------------------------------------------------------------------------------


def _infer_mt19937_uniform(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    return [((dim(attrs["count"]),), "float64"), ((dim(MT19937_WORDS),), "uint32")]


def _run_mt19937_uniform(node: Node, operands: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    generator = np.random.RandomState(sizes[1])
    return [generator.uniform(size=sizes[0]), generator.get_state(legacy=False)["state"]["key"]]


_routine(
    "mt19937_uniform",
    _infer_mt19937_uniform,
    Routine(
        "kk_mt19937.h",
        lambda node: "kk_mt19937_uniform",
        lambda node: [node.output.shape[0], dim(node.attrs["seed"])],
        _run_mt19937_uniform,
    ),
)


# count_pieces and split_strings: operands bytes uint8 [size], starts and lengths int64 [count], delimiter uint8; attrs delimiter
# (its bytes, 0: white space), most (cuts, negative: any number): int64 [count], how many pieces each string falls into; with
# width, int64 [count, width] twice, where these begin and how long they are -------------------------------------------------


def _infer_pieces(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    data, starts, lengths, delimiter = (operand(inputs, n) for n in range(4))
    if (data.dtype, delimiter.dtype, data.rank, delimiter.rank) != ("uint8", "uint8", 1, 1):
        raise ShapeError(f"strings of {data} cut at {delimiter}")
    if starts.rank != 1 or starts.shape != lengths.shape or starts.dtype != "int64":
        raise ShapeError(f"strings at {starts} of {lengths}")
    return [(starts.shape, "int64")]


def _infer_split_strings(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    ((shape, dtype),) = _infer_pieces(inputs, attrs)
    return [((*shape, attrs["width"]), dtype)] * 2


def _pieces(node: Node, operands: list[np.ndarray]) -> list[list[tuple[int, int]]]:
    """Where the pieces of each string begin and how long they are."""
    data, starts, lengths, delimiter = operands
    found = []
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        text = data[start : start + length].tobytes().decode("utf-8", "surrogateescape")
        at, places = start, list[tuple[int, int]]()
        for piece in text.split(delimiter.tobytes().decode() if node.attrs["delimiter"] else None, node.attrs["most"]):
            own = piece.encode("utf-8", "surrogateescape")
            at = data.tobytes().index(own, at)
            places.append((at, len(own)))
            at += len(own) + node.attrs["delimiter"]
        found.append(places)
    return found


def _run_count_pieces(node: Node, operands: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    return [np.array([len(places) for places in _pieces(node, operands)], np.int64)]


def _run_split_strings(node: Node, operands: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    result = np.zeros((2, sizes[0], sizes[-1]), np.int64)
    for row, places in enumerate(_pieces(node, operands)):
        for column, place in enumerate(places):
            result[:, row, column] = place
    return list(result)


def _pieces_sizes(node: Node) -> list[Dim]:
    data, starts = operand(node.inputs, 0), operand(node.inputs, 1)
    return [starts.shape[0], data.shape[0], dim(node.attrs["delimiter"]), dim(node.attrs["most"])]


_routine(
    "count_pieces",
    _infer_pieces,
    Routine("kk_strings.h", lambda node: "kk_count_pieces", _pieces_sizes, _run_count_pieces),
)

_routine(
    "split_strings",
    _infer_split_strings,
    Routine(
        "kk_strings.h",
        lambda node: "kk_split_strings",
        lambda node: [*_pieces_sizes(node), node.output.shape[1]],
        _run_split_strings,
    ),
)
