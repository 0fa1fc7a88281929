"""Routines on strings: uint8 bytes, and int64 of where each string begins in them and how long it is.

Their meaning on arrays is Python's own on bytes and texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.graph import Node, Shape
from kaoken.ops.registry import Attrs, Inputs, ShapeError, operand
from kaoken.ops.routine import Routine, define_routine

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


define_routine(
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


define_routine(
    "copy_strings",
    _infer_copy_strings,
    Routine("kk_strings.h", lambda node: "kk_copy_strings", _copy_strings_sizes, _run_copy_strings),
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


define_routine(
    "count_pieces",
    _infer_pieces,
    Routine("kk_strings.h", lambda node: "kk_count_pieces", _pieces_sizes, _run_count_pieces),
)

define_routine(
    "split_strings",
    _infer_split_strings,
    Routine(
        "kk_strings.h",
        lambda node: "kk_split_strings",
        lambda node: [*_pieces_sizes(node), node.output.shape[1]],
        _run_split_strings,
    ),
)


# What follows takes strings first (bytes, starts, lengths) and then tables of its own; C is given how many strings there are and
# how many bytes, then `sizes`. -------------------------------------------------------------------------------------------------


def _texts(operands: list[np.ndarray]) -> list[bytes]:
    data, starts, lengths = operands[:3]
    places = zip(starts.reshape(-1).tolist(), lengths.reshape(-1).tolist(), strict=True)
    return [data[start : start + length].tobytes() for start, length in places]


def _string_routine(
    name: str,
    header: str,
    results: Callable[[Inputs, Attrs, Shape], list[tuple[Shape, str]]],
    sizes: Callable[[Node], list[Dim]],
    run: Callable[[Node, list[bytes], list[np.ndarray]], list[np.ndarray]],
) -> None:
    """Define a routine by its results, its further sizes, and its meaning on strings and the other operands."""

    def infer(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
        data, starts, lengths = (operand(inputs, n) for n in range(3))
        if (data.dtype, data.rank, starts.dtype) != ("uint8", 1, "int64") or starts.shape != lengths.shape:
            raise ShapeError(f"strings in {data} at {starts} of {lengths}")
        return results(inputs, attrs, starts.shape)

    def counts(node: Node) -> list[Dim]:
        return [product(operand(node.inputs, 1).shape), operand(node.inputs, 0).shape[0], *sizes(node)]

    def meaning(node: Node, operands: list[np.ndarray], _sizes: list[int]) -> list[np.ndarray]:
        return run(node, _texts(operands), operands[3:])

    define_routine(name, infer, Routine(header, lambda node: f"kk_{name}", counts, meaning))


def _run_malformed(node: Node, texts: list[bytes], tables: list[np.ndarray]) -> list[np.ndarray]:
    found = [text.decode("utf-8", "ignore").encode() != text for text in texts]
    return [np.array(found, np.int64).reshape(-1)]


_string_routine(
    "malformed_strings", "kk_strings.h", lambda _, attrs, shape: [((product(shape),), "int64")], lambda node: [], _run_malformed
)  # 1 for each string that does not lie within the bytes or is no UTF-8


def _run_rank(node: Node, texts: list[bytes], tables: list[np.ndarray]) -> list[np.ndarray]:
    order = {text: n for n, text in enumerate(sorted(texts))}
    ranks = np.array([order[text] for text in texts], np.int64)
    return [ranks, np.argsort(ranks, kind="stable")]


_string_routine(
    "rank_strings", "kk_strings.h", lambda _, attrs, shape: [((product(shape),), "int64")] * 2, lambda node: [], _run_rank
)  # numbers that are ordered as the strings' bytes are, equal ones for equal strings; and the order, which is room to work in


def _run_match(node: Node, texts: list[bytes], tables: list[np.ndarray]) -> list[np.ndarray]:
    runs, classes, transitions, accepting = tables
    found = []
    for text in texts:
        state = 1
        for code_point in map(ord, text.decode()):
            state = transitions[state, classes[np.searchsorted(runs, code_point, "right") - 1]]
        found.append(bool(accepting[state]))
    return [np.array(found, np.bool_)]


_string_routine(
    "match_strings",
    "kk_string_pattern.h",
    lambda _, attrs, shape: [((product(shape),), "bool")],
    lambda node: [operand(node.inputs, 3).shape[0], *operand(node.inputs, 5).shape],
    _run_match,
)  # runs int32 [r], classes uint8 [r], transitions uint16 [states, classes], accepting uint8 [states]: whether all of it matches


def _mapped(node: Node, text: bytes, tables: list[np.ndarray]) -> bytes:
    codes, texts, ends, runs, kinds = tables[:5]
    starts = np.append(0, ends[:-1])
    pieces = {int(code): texts[a:b].tobytes().decode() for code, a, b in zip(codes, starts, ends, strict=True)}
    points = [ord(character) for character in text.decode()]
    kind: list[int] = kinds[np.searchsorted(runs, points, "right") - 1].tolist()
    result = ""
    for n, point in enumerate(points):
        around = [next((k & 1 for k in side if not k & 2), 0) for side in (kind[:n][::-1], kind[n + 1 :])]
        final = point == _SIGMA and len(runs) > 1 and around == [1, 0]
        result += chr(_FINAL_SIGMA) if final else pieces.get(point, chr(point))
    return result.encode()


_SIGMA, _FINAL_SIGMA = 0x3A3, 0x3C2


def _run_mapped_lengths(node: Node, texts: list[bytes], tables: list[np.ndarray]) -> list[np.ndarray]:
    return [np.array([len(_mapped(node, text, tables)) for text in texts], np.int64)]


def _run_map_strings(node: Node, texts: list[bytes], tables: list[np.ndarray]) -> list[np.ndarray]:
    return [np.frombuffer(b"".join(_mapped(node, text, tables) for text in texts), np.uint8)]


def _map_sizes(node: Node) -> list[Dim]:
    return [operand(node.inputs, 3).shape[0], operand(node.inputs, 6).shape[0]]


_string_routine(
    "mapped_lengths", "kk_string_case.h", lambda _, attrs, shape: [((product(shape),), "int64")], _map_sizes, _run_mapped_lengths
)  # codes int32 [n], ascending, texts uint8, ends int32 [n], runs int32 [r], kinds uint8 [r]: bytes of each string, mapped
_string_routine(
    "map_strings",
    "kk_string_case.h",
    lambda _, attrs, shape: [((attrs["total"],), "uint8")],
    lambda node: [*_map_sizes(node), node.output.shape[0]],
    _run_map_strings,
)  # the same and begins int64 [strings]: the mapped strings, each from where it begins on


# numbers ------------------------------------------------------------------------------------------------------------------------


def _run_parse_floats(node: Node, texts: list[bytes], tables: list[np.ndarray]) -> list[np.ndarray]:
    values, wrong = np.zeros(len(texts)), np.zeros(len(texts), np.int64)
    dtype = np.float32 if node.attrs["bits"] == 24 else np.float64
    for n, text in enumerate(texts):
        try:
            values[n] = dtype(text.decode("ascii").replace("_", "?"))
        except ValueError:
            wrong[n] = 1
    return [values, wrong]


_string_routine(
    "parse_floats",
    "kk_string_numbers.h",
    lambda _, attrs, shape: [((product(shape),), "float64"), ((product(shape),), "int64")],
    lambda node: [dim(node.attrs["bits"])],
    _run_parse_floats,
)  # attrs bits: the value of each string, rounded once to so many bits (24 or 53), and 1 for each that is no number


def _run_parse_integers(node: Node, texts: list[bytes], tables: list[np.ndarray]) -> list[np.ndarray]:
    values, wrong = np.zeros(len(texts), np.uint64), np.zeros(len(texts), np.int64)
    for n, text in enumerate(texts):
        try:
            number = int(text.decode("ascii").replace("_", "?"))
            bits, unsigned = node.attrs["bits"], node.attrs["unsigned"]
            if not (0 <= number < 2**bits if unsigned else -(2 ** (bits - 1)) <= number < 2 ** (bits - 1)):
                raise ValueError
            values[n] = number % 2**64
        except ValueError:
            wrong[n] = 1
    return [values.view(np.int64), wrong]


_string_routine(
    "parse_integers",
    "kk_string_numbers.h",
    lambda _, attrs, shape: [((product(shape),), "int64")] * 2,
    lambda node: [dim(node.attrs["bits"]), dim(int(node.attrs["unsigned"]))],
    _run_parse_integers,
)  # attrs bits, unsigned: the value of each string (of uint64 its bits), and 1 for each that is no such integer


NUMBER_WIDTH = 32
"""Bytes that the text of a number may have; KK_NUMBER_WIDTH in the runtime."""


def _define_format(name: str, dtype: str, sizes: Callable[[Node], list[Dim]], text: Callable[[Node, Any], str]) -> None:
    def infer(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
        x = operand(inputs, 0)
        if x.dtype != dtype or x.rank != 1:
            raise ShapeError(f"texts of {x}")
        return [((x.shape[0] * NUMBER_WIDTH,), "uint8"), (x.shape, "int64")]

    def run(node: Node, operands: list[np.ndarray], _sizes: list[int]) -> list[np.ndarray]:
        texts = [text(node, item).encode() for item in operands[0]]
        data = b"".join(t.ljust(NUMBER_WIDTH, b"\0") for t in texts)
        return [np.frombuffer(data, np.uint8), np.array([len(t) for t in texts], np.int64)]

    counts = Routine("kk_string_numbers.h", lambda node: f"kk_{name}", lambda n: [operand(n.inputs, 0).shape[0], *sizes(n)], run)
    define_routine(name, infer, counts)


_NARROW = {24: np.float32, 11: np.float16}

# attrs bits, least: the shortest text that rounds to each float64 [count], a value of so many bits of which the last is worth
# 2^least or more: from NUMBER_WIDTH * i on, and how long it is. attrs unsigned: of int64, or the uint64 that its bits are
_define_format(
    "format_floats",
    "float64",
    lambda node: [dim(node.attrs["bits"]), dim(node.attrs["least"])],
    lambda node, item: str(_NARROW.get(node.attrs["bits"], np.float64)(item)),
)
_define_format(
    "format_integers",
    "int64",
    lambda node: [dim(int(node.attrs["unsigned"]))],
    lambda node, item: str(int(item) % 2**64 if node.attrs["unsigned"] else int(item)),
)
