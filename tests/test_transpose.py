"""Rows and columns exchanged: right for every shape, on every level, without reading or writing beyond the matrices."""

from __future__ import annotations

from pathlib import Path

import c_build
import pytest
from test_simd import CROSS, X86_LEVELS, run

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
