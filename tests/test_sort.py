"""Sorting in C against qsort: all elements and the first few, by one key and by several."""

from __future__ import annotations

import subprocess
from pathlib import Path

import c_build
import pytest


@pytest.mark.parametrize("sanitize", [False, True])
def test_elements_come_in_the_order_of_their_keys_and_places(sanitize: bool) -> None:
    sources = [Path(__file__).with_name("sort.c"), c_build.RUNTIME / "kk_sort.c", c_build.RUNTIME / "kk_sort_floats.c"]
    program = c_build.build_program(sources, sanitize=sanitize)
    done = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "0\n"
