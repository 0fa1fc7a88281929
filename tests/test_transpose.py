"""Rows and columns exchanged: right for every shape, on every level, without reading or writing beyond the matrices."""

from __future__ import annotations

from pathlib import Path

import c_build
import numpy as np
import pytest
from test_simd import CROSS, X86_LEVELS, run

from kaoken.ops.compose import closed_form

PROGRAM = Path(__file__).with_name("transpose.c")
LEVELS = [*(("gcc", level) for level in X86_LEVELS), ("clang", "avx512"), ("clang", "plain"), (CROSS, "neon")]


@pytest.mark.parametrize(("compiler", "level"), LEVELS)
def test_every_element_goes_to_its_place(compiler: str, level: str) -> None:
    found = run(compiler, level, () if level == "loops" else ("-O2",), program=PROGRAM)
    assert found == dict.fromkeys(("8", "16", "32", "64"), "0")


@pytest.mark.parametrize("level", ["avx512", "plain"])
def test_nothing_beyond_the_matrices_is_touched(level: str) -> None:
    found = run("gcc", level, ("-O1", *c_build.SANITIZERS), program=PROGRAM)
    assert set(found.values()) == {"0"}


@pytest.mark.parametrize(
    ("elements", "form"),
    [
        (np.arange(256) // 2, (1, 0, 2)),
        (np.arange(9) * 3, (3, 0, 1)),
        (5 - np.arange(7), (-1, 5, 1)),
        ((np.arange(30) + 1) // 3, (1, 1, 3)),
        (np.array([0, 0, 1, 1, 3, 3]), None),
        (np.array([4, 1, 0, 2]), None),
        (np.array([-(2**63), 2**63 - 1]), None),
    ],
)
def test_tables_of_repeated_places_have_a_closed_form(elements: np.ndarray, form: tuple[int, int, int] | None) -> None:
    assert closed_form(elements) == form


@pytest.mark.parametrize("repeats", range(1, 17))
def test_closed_forms_are_exact(repeats: int) -> None:
    random = np.random.default_rng(repeats)
    for step in random.integers(-20, 20, 10):
        elements = (step * np.arange(random.integers(2, 100)) + random.integers(-50, 50)) // repeats
        found = closed_form(elements)
        assert found is not None
        a, b, k = found
        assert np.array_equal((a * np.arange(elements.size) + b) // k, elements)
