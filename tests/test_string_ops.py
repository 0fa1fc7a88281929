"""Strings in every operator of the standard that takes them."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal, getcontext
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_build import compiler
from run_string_rows import HOSTILE, refuses
from string_cases import FEEDS, ROWS, model_of, session

import kaoken.backend

getcontext().prec = 2000


@cache
def results() -> list[Any]:
    return session().run(None, FEEDS)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[row.text.partition("{y}")[2].split()[1] for row in ROWS])
def test_strings_are_what_python_makes_of_them(number: int) -> None:
    ours, theirs = results()[number], ROWS[number].expected
    assert ours.shape == theirs.shape
    if theirs.dtype.kind == "O":
        assert ours.tolist() == theirs.tolist()
    else:
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("change", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_no_text_or_no_number_ends_the_call(change: dict[str, np.ndarray]) -> None:
    assert refuses(session(), change)


def test_sanitizers_find_nothing() -> None:
    folder = Path(__file__).parent
    libraries = [
        subprocess.check_output([compiler(), f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    settings = {"LD_PRELOAD": " ".join(libraries), "ASAN_OPTIONS": "detect_leaks=0", "PYTHONPATH": str(folder.parent)}
    command = [sys.executable, str(folder / "run_string_rows.py")]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def random_numbers() -> np.ndarray:
    """Doubles of every exponent, powers of two, and what lies beside them."""
    bits = np.random.default_rng(0).integers(0, 2**63 - 1, 3000, dtype=np.int64)
    powers = np.ldexp(1.0, np.arange(-1074, 1024))
    drawn = bits.view(np.float64)
    return np.concatenate([drawn[np.isfinite(drawn)], powers, np.nextafter(powers, 0), np.nextafter(powers, np.inf)])


@pytest.mark.parametrize("name", ["double", "float"])
def test_numbers_become_the_shortest_text_and_text_the_nearest_number(name: str) -> None:
    """Against Python's own repr and float(), which are exact."""
    element, dtype = {"double": (11, np.float64), "float": (1, np.float32)}[name]
    nodes = ["s = Cast <to = 8> (x)", f"v = Cast <to = {element}> (s)", f"r = Cast <to = {element}> (t)"]
    model = model_of(nodes, {"x": f"{name}[n]", "t": "string[k]"}, ["s", "v", "r"])
    bounds = {"n": "0..16384", "k": "0..4096", "t_bytes": "0..4000000", "s_bytes": "0..600000"}
    run = kaoken.backend.prepare(model, dims=bounds).session
    with np.errstate(over="ignore"):
        x = random_numbers().astype(dtype)
    x = x[np.isfinite(x)]
    texts = [f"{a}e{b}" for a, b in zip(np.random.default_rng(1).integers(1, 10**18, 400), range(-350, 330), strict=False)]
    exact = [
        f"{Decimal(float(a)) / 2 + Decimal(float(np.nextafter(a, dtype(np.inf)))) / 2:.1100f}" for a in dtype([1.5, 3e-5, 7e20])
    ]
    texts += [*exact, *(text.rstrip("0") + "1" for text in exact), "0." + "0" * 400 + "1e400", "1" + "0" * 900 + "e-900"]
    s, v, r = run.run(None, {"x": x, "t": np.array(texts, object)})
    np.testing.assert_array_equal(v, x)
    if dtype is np.float64:
        assert s.tolist() == [repr(item) for item in x.tolist()]
        np.testing.assert_array_equal(r, [float(text) for text in texts])
    else:
        assert s.tolist() == [repr(float(np.format_float_scientific(item))) for item in x]
        assert [nearest_float(text) for text in texts] == r.tolist()


def nearest_float(text: str) -> float:
    """The float32 that is nearest to a decimal, ties to even, by exact arithmetic."""
    value = Fraction(Decimal(text))
    with np.errstate(over="ignore"):
        guess = np.float32(float(text))
    if not np.isfinite(guess):
        return float(guess)
    near = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    near = [item for item in near if np.isfinite(item)]
    best = min(near, key=lambda item: (abs(Fraction(float(item)) - value), int(item.view(np.uint32)) & 1))
    return float(best)
