"""The runtime's narrow element types against ml_dtypes, bit for bit."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from c_build import build_shared
from test_simd import BASE_FLAGS, need

from kaoken.element_types import memory_for, memory_of, tensor_in
from kaoken.ir.dtypes import C_TYPES, NARROW_FLOATS, largest_finite, packed_bits, stored

NARROW_INTEGERS = ("int4", "uint4", "int2", "uint2")


@cache
def library(level: str) -> ctypes.CDLL:
    return ctypes.CDLL(str(build_shared([Path(__file__).with_name("narrow_types.c")], flags=BASE_FLAGS[level])))


def call(function: str, given: np.ndarray, dtype: type, level: str = "plain") -> np.ndarray:
    result = np.empty(given.size, dtype)
    given = np.ascontiguousarray(given)
    getattr(library(level), function)(
        ctypes.c_void_p(given.ctypes.data), ctypes.c_void_p(result.ctypes.data), ctypes.c_int64(given.size)
    )
    return result


def code_type(dtype: str) -> type:
    return {"uint16_t": np.uint16, "int16_t": np.int16, "int8_t": np.int8}.get(C_TYPES[dtype], np.uint8)


def all_codes(dtype: str) -> np.ndarray:
    return np.arange(1 << (packed_bits(dtype) or 8 * np.dtype(dtype).itemsize)).astype(code_type(dtype))


def hard_floats() -> np.ndarray:
    """Every upper half of a float32 with lower halves around the ties of each narrow type."""
    upper = np.arange(1 << 16, dtype=np.uint32) << 16
    lower = np.array([0, 1, 0x0FFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    return (upper[:, None] | lower).reshape(-1).view(np.float32)


@pytest.mark.parametrize("dtype", NARROW_FLOATS)
def test_every_code_is_its_value(dtype: str) -> None:
    codes = all_codes(dtype)
    with np.errstate(all="ignore"):
        expected = codes.view(dtype).astype(np.float32)
    found = call(f"from_{dtype}", codes, np.float32)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found[expected == 0]), np.signbit(expected[expected == 0]))


@pytest.mark.parametrize("dtype", NARROW_FLOATS)
def test_floats_are_rounded_to_the_nearest_code(dtype: str) -> None:
    values = hard_floats()
    codes = all_codes(dtype)
    finite = call(f"from_{dtype}", codes, np.float32)
    finite = np.sort(finite[np.isfinite(finite)].astype(np.float64))
    ties = ((finite[1:] + finite[:-1]) / 2).astype(np.float32)
    values = np.concatenate([values, ties, np.nextafter(ties, np.float32(np.inf)), np.nextafter(ties, np.float32(-np.inf))])
    with np.errstate(all="ignore"):
        expected = values.astype(dtype).view(code_type(dtype))
    found = call(f"to_{dtype}", values, code_type(dtype))
    is_nan = np.isnan(values)
    if dtype == "float4_e2m1fn":
        np.testing.assert_array_equal(found[is_nan] & 7, 0)
    else:
        assert np.isnan(found[is_nan].view(dtype).astype(np.float32)).all()
    wrong = np.flatnonzero((found != expected) & ~is_nan)
    assert wrong.size == 0, (wrong.size, values[wrong[:5]], found[wrong[:5]], expected[wrong[:5]])


@pytest.mark.parametrize("dtype", NARROW_FLOATS)
def test_lanes_convert_as_elements_do(dtype: str) -> None:
    codes, values = all_codes(dtype), hard_floats()[:-3]
    one_by_one = call(f"to_{dtype}", values, code_type(dtype))
    np.testing.assert_array_equal(call(f"lanes_to_{dtype}", values, code_type(dtype)), one_by_one)
    np.testing.assert_array_equal(call(f"lanes_from_{dtype}", codes, np.float32), call(f"from_{dtype}", codes, np.float32))
    expected = call(f"from_{dtype}", one_by_one, np.float32)
    np.testing.assert_array_equal(call(f"lanes_round_{dtype}", values, np.float32), expected)


@pytest.mark.parametrize("level", ["avx512", "avx2"])
@pytest.mark.parametrize("dtype", [*NARROW_FLOATS, "int8", "uint8", "int16", "uint16"])
def test_levels_convert_alike(dtype: str, level: str) -> None:
    need("gcc", level)
    codes, values = all_codes(dtype), np.concatenate([hard_floats()[:-3], np.linspace(-70000, 70000, 999, dtype=np.float32)])
    for function, given, result in (("from", codes, np.float32), ("to", values, code_type(dtype)), ("round", values, np.float32)):
        if function != "round" or dtype in NARROW_FLOATS:
            name = f"lanes_{function}_{dtype}"
            np.testing.assert_array_equal(call(name, given, result, level), call(name, given, result))


def test_float64_is_rounded_to_float16_once() -> None:
    rng = np.random.default_rng(5)
    codes = all_codes("float16").view(np.float16)
    finite = np.sort(codes[np.isfinite(codes)].astype(np.float64))
    ties = (finite[1:] + finite[:-1]) / 2
    near = [ties * (1 + s * 2.0**-k) for s in (1, -1) for k in (20, 24, 25, 30, 40, 52)]
    others = [rng.standard_normal(100_000) * 10.0 ** rng.integers(-12, 8, 100_000), np.array([np.inf, -np.inf, 1e300, -1e-300])]
    values = np.concatenate([ties, *near, *others])
    with np.errstate(all="ignore"):
        expected = values.astype(np.float16)
    np.testing.assert_array_equal(call("to_float16_f64", values, np.uint16), expected.view(np.uint16))


@pytest.mark.parametrize("dtype", NARROW_INTEGERS)
def test_integers_keep_their_low_bits(dtype: str) -> None:
    values = np.array([*range(-300, 300), -(2**63), 2**63 - 1, 2**40 + 5], np.int64)
    found = call(f"low_{dtype}", values, np.int8 if dtype.startswith("i") else np.uint8)
    np.testing.assert_array_equal(found, stored(values.astype(dtype)))


@pytest.mark.parametrize("dtype", [*NARROW_INTEGERS, "float4_e2m1fn"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5)])
def test_packing_is_that_of_onnx(dtype: str, shape: tuple[int, ...]) -> None:
    from onnx import numpy_helper

    array = np.random.default_rng(1).integers(-2, 4, shape).astype(dtype)
    memory = memory_of(array)
    assert memory.tobytes() == numpy_helper.from_array(array).raw_data
    assert memory_for(shape, dtype).shape == memory.shape
    back = tensor_in(memory, shape, dtype)
    np.testing.assert_array_equal(back.astype(np.float32), array.astype(np.float32))


def test_largest_values_are_those_of_the_standard() -> None:
    assert [largest_finite(t) for t in ("float8_e4m3fn", "float8_e5m2", "float4_e2m1fn")] == [448, 57344, 6]
