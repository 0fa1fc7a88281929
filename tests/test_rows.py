"""Rows of a cache that change places: what is copied, and that every row then holds what it should."""

from __future__ import annotations

import ctypes
import random
from ctypes import POINTER, byref, c_int, c_int32, c_int64, c_size_t
from functools import cache

import pytest
from c_build import RUNTIME, build_shared

RANGE, CAPACITY, ORDER = 2, 6, 15


class Copy(ctypes.Structure):
    """struct kk_row_copy."""

    _fields_ = (("source", c_int64), ("target", c_int64), ("first", c_int64), ("end", c_int64))


class Rows(ctypes.Structure):
    """struct kk_rows."""

    _fields_ = (
        ("count", c_int64),
        *((name, POINTER(c_int64)) for name in ("length", "place", "input")),
        ("shared", POINTER(c_int32)),
        ("copy", POINTER(Copy)),
        *((name, POINTER(c_int64)) for name in ("call_length", "call_place", "call_input")),
        *((name, c_int) for name in ("whole", "uniform", "encoded")),
    )


@cache
def library() -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(build_shared([RUNTIME / "kk_rows.c"])))
    loaded.kk_rows_bytes.restype = c_size_t
    return loaded


class Cache:
    """Rows whose places hold tokens; `copied` counts the positions that reordering copied."""

    def __init__(self, count: int):
        self.rows, self.places, self.copied = Rows(), [[] for _ in range(count)], 0  # type: ignore[var-annotated]
        self.memory = (c_int64 * (library().kk_rows_bytes(c_int64(count)) // 8))()
        library().kk_rows_open(byref(self.rows), c_int64(count), self.memory)

    def held(self, row: int) -> list[int]:
        return list(self.places[self.rows.place[row]][: self.rows.length[row]])

    def feed(self, row: int, token: int) -> None:
        place = self.places[self.rows.place[row]]
        place[self.rows.length[row] :] = [token]
        self.rows.length[row] += 1

    def truncate(self, row: int, length: int) -> None:
        assert library().kk_rows_truncate(byref(self.rows), c_int64(row), c_int64(length)) == 0

    def reorder(self, rows: list[int]) -> int:
        """Returns how many positions were copied."""
        copies = c_int64()
        assert library().kk_rows_reorder(byref(self.rows), (c_int64 * len(rows))(*rows), c_int64(len(rows)), byref(copies)) == 0
        done = 0
        for copy in self.rows.copy[: copies.value]:
            source, target = self.places[copy.source], self.places[copy.target]
            assert source[: copy.first] == target[: copy.first], "only what is equal is left out"
            target[:] = source[: copy.end]
            done += copy.end - copy.first
        return done


def test_rows_that_change_places_are_not_copied() -> None:
    cache = Cache(4)
    for row in range(4):
        cache.feed(row, row)
    assert cache.reorder([3, 0, 1, 2]) == cache.reorder([1, 0]) == cache.reorder([0, 1, 2, 3]) == 0
    assert [cache.held(row) for row in range(4)] == [[0], [3], [1], [2]]


def test_a_row_that_is_wanted_twice_is_copied_from_where_it_differs() -> None:
    cache = Cache(4)
    for token in range(100):
        cache.feed(0, token)
    assert cache.reorder([0, 0, 0, 0]) == 300, "once, whole"
    assert cache.reorder([2, 2, 1, 1]) == 0, "equal rows are equal already"
    for step in range(50):
        for row in range(4):
            cache.feed(row, 1000 + 4 * step + row)
        assert cache.reorder([step % 4] * 4) == 3, "a position each, whatever the length"
    assert cache.held(2) == cache.held(0) and len(cache.held(0)) == 150


def test_random_use_leaves_every_row_what_it_should_hold() -> None:
    chosen = random.Random(4)
    for count in (1, 2, 3, 6):
        cache, expected = Cache(count), [[] for _ in range(count)]  # type: ignore[var-annotated]
        for step in range(2000):
            kind, row = chosen.randrange(4), chosen.randrange(count)
            if kind < 2:
                cache.feed(row, step)
                expected[row].append(step)
            elif kind == 2 and chosen.random() < 0.3:
                length = chosen.randint(0, len(expected[row]))
                cache.truncate(row, length)
                del expected[row][length:]
            else:
                rows = [chosen.randrange(count) for _ in range(chosen.randint(0, count))]
                cache.reorder(rows)
                expected = [list(expected[rows[i] if i < len(rows) else i]) for i in range(count)]
            assert [cache.held(i) for i in range(count)] == expected
            assert sorted(cache.rows.place[:count]) == list(range(count))


def test_the_input_of_a_row_goes_along() -> None:
    cache = Cache(4)
    cache.reorder([0, 0, 1, 1])
    cache.reorder([1, 0, 3, 3])
    assert cache.rows.input[:4] == [0, 0, 1, 1]
    library().kk_rows_select(byref(cache.rows), (c_int64 * 2)(3, 1), c_int64(2))
    assert cache.rows.call_input[:2] == [1, 0]
    assert cache.rows.call_place[:2] == [cache.rows.place[3], cache.rows.place[1]]


@pytest.mark.parametrize("rows", [[4], [-1], [0, 1, 2, 3, 0]])
def test_rows_that_are_none_change_nothing(rows: list[int]) -> None:
    cache, copies = Cache(4), c_int64(7)
    before = bytes(cache.memory)
    call = library().kk_rows_reorder(byref(cache.rows), (c_int64 * len(rows))(*rows), c_int64(len(rows)), byref(copies))
    assert (call, copies.value, bytes(cache.memory)) == (RANGE, 0, before)


@pytest.mark.parametrize(
    ("which", "call_count", "count", "flags", "status"),
    [
        (None, 4, 3, {}, 0),
        ([3, 1], 2, 8, {}, 0),
        (None, 4, 6, {}, CAPACITY),
        (None, 0, 1, {}, RANGE),
        (None, 5, 1, {}, RANGE),
        (None, 1, 0, {}, RANGE),
        (None, 3, 1, {"whole": 1}, RANGE),
        (None, 4, 1, {"uniform": 1}, RANGE),
        ([1, 3], 2, 1, {"uniform": 1}, 0),
        (None, 1, 1, {"encoded": 1}, ORDER),
    ],
)
def test_what_may_be_appended_is_told_before(
    which: list[int] | None, call_count: int, count: int, flags: dict[str, int], status: int
) -> None:
    """Row 0 of four holds three positions of eight."""
    cache = Cache(4)
    for token in range(3):
        cache.feed(0, token)
    for name, value in flags.items():
        setattr(cache.rows, name, value)
    library().kk_rows_forget_inputs(byref(cache.rows))  # where inputs are encoded none has come yet
    rows = None if which is None else (c_int64 * len(which))(*which)
    assert library().kk_rows_may_append(byref(cache.rows), rows, c_int64(call_count), c_int64(count), c_int64(8)) == status
