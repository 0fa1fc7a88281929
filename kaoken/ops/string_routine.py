"""Routines on strings: uint8 bytes, and int64 of where each string begins in them and how long it is.

Their meaning on arrays is Python's own on bytes and texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.graph import Shape, Value
from kaoken.ops.registry import ShapeError, by_name
from kaoken.ops.routine import routine

Results = list[tuple[Shape, str]]


def _texts(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Iterator[bytes]:
    for start, length in zip(starts.reshape(-1).tolist(), lengths.reshape(-1).tolist(), strict=True):
        yield data[start : start + length].tobytes()


# find_strings: operands bytes uint8 [size], starts and lengths int64 (any shape, of `count` elements), others uint8 [other size],
# starts and lengths int64 [count or 1, width]: for each string the last candidate in its row that is equal to it, or -1 ------


def _find_shapes(data: Value, starts: Value, lengths: Value, others: Value, other_starts: Value, other_lengths: Value) -> Results:
    rows = other_starts.shape[0] if other_starts.rank == 2 else None
    if (data.dtype, others.dtype, data.rank, others.rank) != ("uint8", "uint8", 1, 1):
        raise ShapeError(f"strings of {data} and {others}")
    if starts.shape != lengths.shape or other_starts.shape != other_lengths.shape or rows not in (1, product(starts.shape)):
        raise ShapeError(f"strings at {starts} of {lengths} in strings at {other_starts} of {other_lengths}")
    return [(starts.shape, "int64")]


def _find_sizes(data: Value, starts: Value, _lengths: Value, others: Value, candidates: Value, _: Value) -> list[Dim]:
    rows, width = candidates.shape
    return [product(starts.shape), data.shape[0], others.shape[0], width, dim(0) if rows == 1 else width]


@routine("find_strings", "kk_strings.h", _find_shapes, _find_sizes)
def _find_strings(
    data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, others: np.ndarray, columns: np.ndarray, widths: np.ndarray
) -> list[np.ndarray]:
    found = []
    for i, text in enumerate(_texts(data, starts, lengths)):
        row = i if columns.shape[0] > 1 else 0
        equal = [j for j, other in enumerate(_texts(others, columns[row], widths[row])) if other == text]
        found.append(equal[-1] if equal else -1)
    return [np.array(found, np.int64).reshape(starts.shape)]


# copy_strings: operands bytes uint8 [size], starts, lengths and begins int64 of one shape; attrs total: uint8 [total], each
# string from where it begins on -----------------------------------------------------------------------------------------------


def _copy_shapes(data: Value, *places: Value, total: Dim) -> Results:
    if data.dtype != "uint8" or data.rank != 1 or any(p.dtype != "int64" or p.shape != places[0].shape for p in places):
        raise ShapeError(f"copies of strings in {data} at {', '.join(map(str, places))}")
    return [((total,), "uint8")]


def _copy_sizes(data: Value, starts: Value, *others: Value, total: Dim) -> list[Dim]:
    return [product(starts.shape), data.shape[0], total]


@routine("copy_strings", "kk_strings.h", _copy_shapes, _copy_sizes)
def _copy_strings(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, _begins: np.ndarray) -> list[np.ndarray]:
    return [np.frombuffer(b"".join(_texts(data, starts, lengths)), np.uint8)]


# count_pieces and split_strings: operands bytes uint8 [size], starts and lengths int64 [count], delimiter uint8; attrs delimiter
# (its bytes, 0: white space), most (cuts, negative: any number): int64 [count], how many pieces each string falls into; with
# width, int64 [count, width] twice, where these begin and how long they are -------------------------------------------------


def _count_shapes(data: Value, starts: Value, lengths: Value, cut: Value) -> Results:
    if (data.dtype, cut.dtype, data.rank, cut.rank) != ("uint8", "uint8", 1, 1):
        raise ShapeError(f"strings of {data} cut at {cut}")
    if starts.rank != 1 or starts.shape != lengths.shape or starts.dtype != "int64":
        raise ShapeError(f"strings at {starts} of {lengths}")
    return [(starts.shape, "int64")]


def _split_shapes(data: Value, starts: Value, lengths: Value, cut: Value, *, width: Dim) -> Results:
    ((shape, dtype),) = _count_shapes(data, starts, lengths, cut)
    return [((*shape, width), dtype)] * 2


def _piece_sizes(data: Value, starts: Value, *others: Value, delimiter: int, most: int, width: Dim | None = None) -> list[Any]:
    return [starts.shape[0], data.shape[0], delimiter, most, *([] if width is None else [width])]


def _pieces(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, cut: bytes, most: int) -> Iterator[list[tuple[int, int]]]:
    """Where the pieces of each string begin and how long they are. An empty `cut`: white space."""
    for start, whole in zip(starts.tolist(), _texts(data, starts, lengths), strict=True):
        at, places = start, list[tuple[int, int]]()
        for piece in whole.decode("utf-8", "surrogateescape").split(cut.decode() or None, most):
            own = piece.encode("utf-8", "surrogateescape")
            at = data.tobytes().index(own, at)
            places.append((at, len(own)))
            at += len(own) + len(cut)
        yield places


@routine("count_pieces", "kk_strings.h", _count_shapes, _piece_sizes)
def _count_pieces(
    data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, cut: np.ndarray, *, delimiter: int, most: int
) -> list[np.ndarray]:
    found = _pieces(data, starts, lengths, cut.tobytes()[:delimiter], most)
    return [np.array([len(places) for places in found], np.int64)]


@routine("split_strings", "kk_strings.h", _split_shapes, _piece_sizes)
def _split_strings(
    data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, cut: np.ndarray, *, delimiter: int, most: int, sizes: list[int]
) -> list[np.ndarray]:
    result = np.zeros((2, sizes[0], sizes[-1]), np.int64)
    for row, places in enumerate(_pieces(data, starts, lengths, cut.tobytes()[:delimiter], most)):
        for column, place in enumerate(places):
            result[:, row, column] = place
    return list(result)


# What follows takes strings first (bytes, starts, lengths) and then tables of its own; C is given how many strings there are and
# how many bytes, then `sizes`. -------------------------------------------------------------------------------------------------


def _each(*dtypes: str) -> Callable[[Dim], Results]:
    """Results with an element for each string."""
    return lambda count: [((count,), dtype) for dtype in dtypes]


def _string_routine(
    name: str, header: str, results: Callable[..., Results], sizes: Callable[..., Any] = list
) -> Callable[[Callable[..., list[np.ndarray]]], None]:
    """Define a routine by its results, given how many strings there are, its further sizes, given its tables, and, decorated, its
    meaning on strings and tables; all take the attributes that they name."""
    results_of, sizes_of = by_name(results, 1), by_name(sizes)

    def shapes(data: Value, starts: Value, lengths: Value, *tables: Value, **attrs: Any) -> Results:
        if (data.dtype, data.rank, starts.dtype) != ("uint8", 1, "int64") or starts.shape != lengths.shape:
            raise ShapeError(f"strings in {data} at {starts} of {lengths}")
        found: Results = results_of([], attrs, product(starts.shape))
        return found

    def counts(data: Value, starts: Value, lengths: Value, *tables: Value, **attrs: Any) -> list[Dim]:
        return [product(starts.shape), data.shape[0], *sizes_of(list(tables), attrs)]

    def register(run: Callable[..., list[np.ndarray]]) -> None:
        meaning = by_name(run, 1)

        @routine(name, header, shapes, counts)
        def on_arrays(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, *tables: Any, **attrs: Any) -> list[np.ndarray]:
            found: list[np.ndarray] = meaning(list(tables), attrs, list(_texts(data, starts, lengths)))
            return found

    return register


@_string_routine("malformed_strings", "kk_strings.h", _each("int64"))
def _malformed(texts: list[bytes]) -> list[np.ndarray]:
    """1 for each string that does not lie within the bytes or is no UTF-8."""
    return [np.array([text.decode("utf-8", "ignore").encode() != text for text in texts], np.int64)]


@_string_routine("rank_strings", "kk_strings.h", _each("int64", "int64"))
def _rank(texts: list[bytes]) -> list[np.ndarray]:
    """Numbers that are ordered as the strings' bytes are, equal ones for equal strings; and the order, room to work in."""
    order = {text: n for n, text in enumerate(sorted(texts))}
    ranks = np.array([order[text] for text in texts], np.int64)
    return [ranks, np.argsort(ranks, kind="stable")]


@_string_routine(
    "match_strings",
    "kk_string_pattern.h",
    _each("bool"),
    lambda runs, classes, transitions, accepting: [runs.shape[0], *transitions.shape],
)
def _match(
    texts: list[bytes], runs: np.ndarray, classes: np.ndarray, transitions: np.ndarray, accepting: np.ndarray
) -> list[np.ndarray]:
    """runs int32 [r], classes uint8 [r], transitions uint16 [states, classes], accepting uint8 [states]: whether all of it
    matches."""
    found = []
    for text in texts:
        state = 1
        for code_point in map(ord, text.decode()):
            state = transitions[state, classes[np.searchsorted(runs, code_point, "right") - 1]]
        found.append(bool(accepting[state]))
    return [np.array(found, np.bool_)]


_SIGMA, _FINAL_SIGMA = 0x3A3, 0x3C2


def _mapped(text: bytes, codes: np.ndarray, texts: np.ndarray, ends: np.ndarray, runs: np.ndarray, kinds: np.ndarray) -> bytes:
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


@_string_routine(
    "mapped_lengths",
    "kk_string_case.h",
    _each("int64"),
    lambda codes, texts, ends, runs, kinds: [codes.shape[0], runs.shape[0]],
)
def _mapped_lengths(given: list[bytes], *tables: np.ndarray) -> list[np.ndarray]:
    """codes int32 [n], ascending, texts uint8, ends int32 [n], runs int32 [r], kinds uint8 [r]: bytes of each string, mapped."""
    return [np.array([len(_mapped(text, *tables)) for text in given], np.int64)]


@_string_routine(
    "map_strings",
    "kk_string_case.h",
    lambda _, *, total: [((total,), "uint8")],
    lambda codes, texts, ends, runs, kinds, begins, *, total: [codes.shape[0], runs.shape[0], total],
)
def _map_strings(given: list[bytes], *tables: np.ndarray) -> list[np.ndarray]:
    """The same and begins int64 [strings]: the mapped strings, each from where it begins on."""
    return [np.frombuffer(b"".join(_mapped(text, *tables[:5]) for text in given), np.uint8)]


# numbers ------------------------------------------------------------------------------------------------------------------------


def _parsed(texts: list[bytes], number: Callable[[str], Any], values: np.ndarray) -> list[np.ndarray]:
    """The numbers that strings are, and 1 for each that is none."""
    wrong = np.zeros(len(texts), np.int64)
    for n, text in enumerate(texts):
        try:
            values[n] = number(text.decode("ascii").replace("_", "?"))
        except ValueError:
            wrong[n] = 1
    return [values, wrong]


@_string_routine("parse_floats", "kk_string_numbers.h", _each("float64", "int64"), lambda *, bits: [bits])
def _parse_floats(texts: list[bytes], *, bits: int) -> list[np.ndarray]:
    """attrs bits: the value of each string, rounded once to so many bits (24 or 53), and 1 for each that is no number."""
    return _parsed(texts, np.float32 if bits == 24 else np.float64, np.zeros(len(texts)))


@_string_routine(
    "parse_integers", "kk_string_numbers.h", _each("int64", "int64"), lambda *, bits, unsigned: [bits, int(unsigned)]
)
def _parse_integers(texts: list[bytes], *, bits: int, unsigned: bool) -> list[np.ndarray]:
    """attrs bits, unsigned: the value of each string (of uint64 its bits), and 1 for each that is no such integer."""
    least = 0 if unsigned else -(2 ** (bits - 1))

    def number(text: str) -> int:
        if not least <= int(text) < least + 2**bits:
            raise ValueError
        return int(text) % 2**64

    values, wrong = _parsed(texts, number, np.zeros(len(texts), np.uint64))
    return [values.view(np.int64), wrong]


NUMBER_WIDTH = 32
"""Bytes that the text of a number may have; KK_NUMBER_WIDTH in the runtime."""


def _define_format(name: str, dtype: str, sizes: Callable[..., list[Any]], text: Callable[..., str]) -> None:
    text_of, sizes_of = by_name(text, 1), by_name(sizes)

    def shapes(x: Value) -> Results:
        if x.dtype != dtype or x.rank != 1:
            raise ShapeError(f"texts of {x}")
        return [((x.shape[0] * NUMBER_WIDTH,), "uint8"), (x.shape, "int64")]

    @routine(name, "kk_string_numbers.h", shapes, lambda x, **attrs: [x.shape[0], *sizes_of([], attrs)])
    def run(x: np.ndarray, **attrs: Any) -> list[np.ndarray]:
        texts = [text_of([], attrs, item).encode() for item in x]
        data = b"".join(t.ljust(NUMBER_WIDTH, b"\0") for t in texts)
        return [np.frombuffer(data, np.uint8), np.array([len(t) for t in texts], np.int64)]


_NARROW = {24: np.float32, 11: np.float16}

# attrs bits, least: the shortest text that rounds to each float64 [count], a value of so many bits of which the last is worth
# 2^least or more: from NUMBER_WIDTH * i on, and how long it is. attrs unsigned: of int64, or the uint64 that its bits are
_define_format(
    "format_floats",
    "float64",
    lambda *, bits, least: [bits, least],
    lambda item, *, bits: str(_NARROW.get(bits, np.float64)(item)),
)
_define_format(
    "format_integers",
    "int64",
    lambda *, unsigned: [int(unsigned)],
    lambda item, *, unsigned: str(int(item) % 2**64 if unsigned else int(item)),
)
