"""The vector math keeps the error that its comments state, on a dense sample of all float32 arguments."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import c_build
import pytest
import test_simd

PROGRAM = Path(__file__).resolve().parent / "math_errors.c"
RUNTIME = c_build.RUNTIME

ULP = {
    "exp": 0.91,
    "exp_nonpositive": 0.91,
    "expm1": 1.6,
    "tanh": 2.6,
    "erf": 1.9,
    "log": 0.88,
    "log1p": 1.5,
    "atan": 1.5,
    "sin": 1.6,
    "cos": 1.6,
    "pow": 5.2,
    "sigmoid": 2.6,
    "silu": 3.4,
    "softplus": 1.9,
    "softsign": 1.5,
    "mish": 4.2,
    "gelu": 3.1,
    "gelu_tanh": 3.1,
    "quick_gelu": 3.1,
}
"""Greatest error in ULP over all arguments; for silu and mish x >= -87, for the gelus x >= -1."""

LOWER_BOUNDED = {"silu": "-87", "mish": "-87", "gelu": "-1", "gelu_tanh": "-1", "quick_gelu": "-1"}

ABSOLUTE = 1.8e-7
"""Greatest error of every function but pow relative to max(1, |result|), on the whole axis."""


def measured(compiler: str, level: str, *arguments: str) -> dict[str, tuple[float, float, float, int]]:
    """ULP, ULP where bounded, absolute error and wrong special values of each function."""
    lines = test_simd.run(compiler, level, ("-O2",), *arguments, program=PROGRAM)
    result = {}
    for name, line in lines.items():
        ulp, bounded, absolute, special, _ = line.split()
        result[name] = (float(ulp), float(bounded), float(absolute), int(special))
    return result


@functools.cache
def sampled() -> dict[str, tuple[float, float, float, int]]:
    level = "avx512" if "avx512f" in test_simd.cpu_flags() else "plain-fused"
    return measured("gcc", level, "2017") | measured("gcc", level, "pow", "2000000")


@pytest.mark.parametrize("name", ULP)
def test_error_stays_within_the_stated_ulp(name: str) -> None:
    assert 0.5 <= sampled()[name][1] <= ULP[name]


@pytest.mark.parametrize("name", ULP)
def test_special_values_are_those_of_the_exact_function(name: str) -> None:
    assert sampled()[name][3] == 0


@pytest.mark.parametrize("name", sorted(set(ULP) - {"pow"}))
def test_absolute_error_is_small_on_the_whole_axis(name: str) -> None:
    assert sampled()[name][2] <= ABSOLUTE


def test_plain_c_without_fused_multiply_add_stays_close() -> None:
    errors = measured("gcc", "plain", "20011") | measured("gcc", "plain", "pow", "200000")
    assert {name: found[1] for name, found in errors.items() if found[1] > ULP[name] + 1} == {}
    assert {name for name, found in errors.items() if found[3]} == set()


def test_comments_state_the_bounds_that_these_tests_hold() -> None:
    text = (RUNTIME / "kk_math.h").read_text() + (RUNTIME / "kk_activation.h").read_text()
    stated = {}
    for comment, name in re.findall(r"/\*((?:[^*]|\*(?!/))*)\*/\nKK_INLINE kk_f32 kk_(\w+)\(", text):
        found = re.search(r"ULP[^:]*: ([\d.]+)(?: for x >= (-\d+))?", comment)
        if found:
            stated[name] = (float(found[1]), found[2])
    assert stated.pop("exp_bounded") == stated["exp"]
    assert stated == {name: (bound, LOWER_BOUNDED.get(name)) for name, bound in ULP.items()}
