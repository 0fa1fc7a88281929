"""The C sampler filters as transformers does, chooses in proportion, and chooses the same everywhere."""

from __future__ import annotations

import ctypes
import itertools
import math
from ctypes import byref, c_int64, c_size_t
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from c_build import build_shared
from c_sampler import NUMBER, SOURCES, CSampler, SamplerStruct, library, options
from c_tokenizer import ARGUMENT, CAPACITY, OK, RANGE, StatusError

SETTINGS: list[dict[str, Any]] = [
    {"temperature": 1.0},
    {"temperature": 0.7},
    {"temperature": 2.5},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 0.9, "top_k": 40},
    {"temperature": 1.0, "top_k": 100_000},
    {"temperature": 1.1, "top_k": 700, "top_p": 0.7},
    {"temperature": 1.0, "top_p": 0.999},
    {"temperature": 1.0, "top_p": 0.9},
    {"temperature": 1.3, "top_p": 0.05},
    {"temperature": 1.0, "top_p": 0.0},
    {"temperature": 1.0, "min_p": 0.02},
    {"temperature": 1.0, "min_p": 1.0},
    {"temperature": 0.8, "top_k": 50, "top_p": 0.95, "min_p": 0.01},
    {"temperature": 1.7, "top_k": 7, "top_p": 0.6, "min_p": 0.2},
]


def normal_logits(seed: int, vocabulary: int, scale: float) -> npt.NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal(vocabulary) * scale).astype(np.float32)


def by_transformers(logits: npt.NDArray[np.float32], values: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Scores after the warpers that transformers' generate() makes of these settings, in its order."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    process = transformers.generation.logits_process
    steps = []
    if values["temperature"] != 1.0:
        steps.append(process.TemperatureLogitsWarper(values["temperature"]))
    if values.get("top_k", 0) != 0:
        steps.append(process.TopKLogitsWarper(values["top_k"]))
    if values.get("top_p", 1.0) < 1.0:
        steps.append(process.TopPLogitsWarper(values["top_p"]))
    if values.get("min_p", 0.0) > 0.0:
        steps.append(process.MinPLogitsWarper(values["min_p"]))
    scores = torch.tensor(logits)[None]
    for step in steps:
        scores = step(torch.tensor([[0]]), scores)
    return np.asarray(scores[0].numpy(), dtype=np.float32)


@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_distributions_equal_those_of_transformers(values: dict[str, Any]) -> None:
    for seed, vocabulary, scale in itertools.product(range(3), (5, 1000, 50257), (0.5, 3.0)):
        logits = normal_logits(seed, vocabulary, scale)
        expected = by_transformers(logits, values).astype(np.float64)
        weights = np.exp(expected - expected.max())
        got = CSampler(vocabulary, **values).distribution(logits)
        difference = (got > 0) != (weights > 0)
        # transformers sums float32 probabilities: one token on the very edge of top-p may fall on either side.
        assert difference.sum() <= (1 if "top_p" in values else 0)
        weights[difference] = got[difference] * weights.sum()
        np.testing.assert_allclose(got, weights / weights.sum(), rtol=2e-3 if difference.any() else 2e-6)


def test_scores_that_equal_the_least_of_the_top_k_stay() -> None:
    logits = np.array([3, 1, 2, 2, 2, 0], dtype=np.float32)
    assert (CSampler(6, temperature=1.0, top_k=2).distribution(logits) > 0).tolist() == [1, 0, 1, 1, 1, 0]
    expected = by_transformers(logits, {"temperature": 1.0, "top_k": 2})
    assert np.isfinite(expected).tolist() == [1, 0, 1, 1, 1, 0]


@pytest.mark.parametrize(("top_p", "kept"), [(0.0, 1), (1e-17, 1), (0.25, 1), (0.3, 2), (0.5, 2), (0.75, 3), (0.76, 4), (1.0, 4)])
def test_of_equal_scores_top_p_keeps_as_many_as_it_needs(top_p: float, kept: int) -> None:
    got = CSampler(4, temperature=1.0, top_p=top_p).distribution(np.zeros(4, dtype=np.float32))
    assert got.tolist() == [0.0] * (4 - kept) + [1 / kept] * kept


@pytest.mark.parametrize("top_p", [0.0, 1e-300, 1e-17, 1e-16, 0.5, 1 - 1e-16])
@pytest.mark.parametrize("spread", [0.0, 1e-7, 1.0])
def test_some_token_always_stays(top_p: float, spread: float) -> None:
    for vocabulary in (1, 2, 3, 1001):
        logits = normal_logits(vocabulary, vocabulary, spread)
        sampler = CSampler(vocabulary, temperature=1.0, top_p=top_p, min_p=1.0, top_k=3)
        assert sampler.distribution(logits)[logits == logits.max()].sum() == pytest.approx(1)
        assert 0 <= sampler.sample(logits) < vocabulary


def test_equal_scores_in_great_number_take_no_time() -> None:
    logits = np.zeros(1_000_000, dtype=np.float32)
    got = CSampler(len(logits), temperature=1.0, top_p=0.5, top_k=999_999).distribution(logits)
    assert (got > 0).sum() == 500_000


@pytest.mark.parametrize("values", [{"temperature": 1.0}, {"temperature": 0.8, "top_k": 12, "top_p": 0.9, "min_p": 0.05}])
def test_tokens_are_chosen_in_proportion(values: dict[str, Any]) -> None:
    vocabulary, draws = 40, 60_000
    logits = normal_logits(4, vocabulary, 1.5)
    for seed in (0, 1, 2**64 - 1):
        sampler = CSampler(vocabulary, seed=seed, **values)
        probabilities = sampler.distribution(logits)
        counts = np.bincount([sampler.sample(logits) for _ in range(draws)], minlength=vocabulary)
        assert counts[probabilities == 0].sum() == 0
        expected = probabilities[probabilities > 0] * draws
        statistic = float(((counts[probabilities > 0] - expected) ** 2 / expected).sum())
        freedom = len(expected) - 1
        # Chi-square is about normal: mean `freedom`, variance 2 * freedom. Five deviations is one in a million.
        assert statistic < freedom + 5 * math.sqrt(2 * freedom) + 5


def test_consecutive_draws_are_independent() -> None:
    sampler = CSampler(2, temperature=1.0, seed=3)
    logits = np.zeros(2, dtype=np.float32)
    draws = np.array([sampler.sample(logits) for _ in range(40_000)])
    pairs = np.bincount(draws[:-1] * 2 + draws[1:], minlength=4)
    assert np.abs(pairs - 9999.75).max() < 5 * math.sqrt(10_000 * 0.75)


def test_probabilities_are_exact_to_a_few_units_in_the_last_place() -> None:
    logits = np.linspace(-700, 0, 200_001, dtype=np.float32)
    got = CSampler(len(logits), temperature=1.0).distribution(logits).astype(np.longdouble)
    expected = np.exp(logits.astype(np.longdouble))
    assert np.abs(got / got[-1] / expected - 1).max() < 5e-16


def test_what_is_beyond_the_range_of_double_has_no_probability() -> None:
    logits = np.array([0, -708, -709, -1e30, -np.inf], dtype=np.float32)
    assert (CSampler(5, temperature=1.0).distribution(logits) > 0).tolist() == [True, True, False, False, False]


def splitmix(seed: int) -> float:
    """The first number in [0, 1) of the documented generator."""
    mask = 2**64 - 1
    z = (seed + 0x9E3779B97F4A7C15) & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return ((z ^ z >> 31) >> 11) / 2**53


def test_the_generator_is_the_documented_one() -> None:
    logits = np.zeros(1 << 16, dtype=np.float32)
    for seed in (0, 1, 12345, 2**64 - 1):
        assert CSampler(1 << 16, temperature=1.0, seed=seed).sample(logits) == int(splitmix(seed) * (1 << 16))


@pytest.mark.parametrize("flags", [(), ("-O0",), ("-O3", "-march=native", "-std=gnu11"), ("-ffp-contract=fast",)])
def test_a_seed_gives_the_same_tokens_whatever_the_compiler_does(flags: tuple[str, ...]) -> None:
    values = {"temperature": 0.9, "top_k": 300, "top_p": 0.97, "min_p": 0.001}
    reference = CSampler(2000, **values)
    logits = ((np.arange(2000) * 7919 % 4001 - 2000) / 500).astype(np.float32)
    logits[::3] = np.where(logits[::3] < 0, logits[::3] * np.float32(1.2), logits[::3] / np.float32(1.2))
    expected = reference.distribution(logits)
    drawn = [reference.sample(logits) for _ in range(50)]
    other = ctypes.CDLL(str(build_shared(SOURCES, flags=flags)))
    again = CSampler(2000, **values)
    got = np.zeros(2000)
    where = ctypes.c_void_p(logits.ctypes.data)
    assert other.kk_sampler_distribution(byref(again.sampler), where, ctypes.c_void_p(got.ctypes.data)) == OK
    assert np.array_equal(got, expected)
    chosen = c_int64()
    for token in drawn:
        assert other.kk_sampler_sample(byref(again.sampler), where, byref(chosen)) == OK
        assert chosen.value == token
    # Seen on x86-64 (gcc, clang) and aarch64; every machine and compiler must agree.
    assert drawn[:12] == [1784, 869, 49, 1933, 194, 675, 339, 1546, 484, 1885, 779, 1543]


def test_greedy_takes_the_first_of_the_greatest() -> None:
    logits = np.array([1, 5, 5, -2, 4.9], dtype=np.float32)
    assert CSampler(5).sample(logits) == 1
    assert CSampler(5).distribution(logits).tolist() == [0, 1, 0, 0, 0]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize(
    ("bad", "refused"),
    [
        ([0, np.nan, 1], (True, True)),
        ([-np.inf, -np.inf, -np.inf], (True, True)),
        ([0, np.inf, 1], (False, True)),
        ([0, -np.inf, 1], (False, False)),
    ],
)
def test_logits_that_are_no_numbers_give_a_status(bad: list[float], refused: tuple[bool, bool], temperature: float) -> None:
    sampler = CSampler(3, temperature=temperature)
    logits = np.array(bad, dtype=np.float32)
    if refused[temperature > 0]:
        for call in (sampler.sample, sampler.distribution):
            with pytest.raises(StatusError) as caught:
                call(logits)
            assert caught.value.status == NUMBER
    else:
        assert sampler.sample(logits) in (0, 1, 2)


BAD_OPTIONS = [
    {"temperature": -0.1},
    {"temperature": math.nan},
    {"temperature": math.inf},
    {"temperature": 1e-300},
    {"top_k": -1},
    {"top_p": -0.01},
    {"top_p": 1.01},
    {"top_p": math.nan},
    {"min_p": 1.5},
    {"min_p": -1.0},
    {"min_p": math.nan},
]


@pytest.mark.parametrize("values", BAD_OPTIONS, ids=str)
def test_options_out_of_bounds_give_a_status(values: dict[str, Any]) -> None:
    with pytest.raises(StatusError) as caught:
        CSampler(3, **values)
    assert caught.value.status == RANGE


def test_bad_arguments_give_a_status() -> None:
    call, sampler, good = library(), SamplerStruct(), options()
    scratch = (c_int64 * 100)()
    misaligned = ctypes.c_void_p(ctypes.addressof(scratch) + 4)
    three, full = c_int64(3), c_size_t(800)
    assert call.kk_sampler_open(None, byref(good), three, scratch, full) == ARGUMENT
    assert call.kk_sampler_open(byref(sampler), None, three, scratch, full) == ARGUMENT
    assert call.kk_sampler_open(byref(sampler), byref(good), three, None, full) == ARGUMENT
    assert call.kk_sampler_open(byref(sampler), byref(good), three, misaligned, full) == ARGUMENT
    assert call.kk_sampler_open(byref(sampler), byref(good), three, scratch, c_size_t(8)) == CAPACITY
    for vocabulary in (0, -1, 2**31, 2**62, -(2**63)):
        assert call.kk_sampler_scratch(c_int64(vocabulary)) == 0
        assert call.kk_sampler_open(byref(sampler), byref(good), c_int64(vocabulary), scratch, full) == RANGE
    logits = (ctypes.c_float * 3)()
    assert call.kk_sampler_sample(byref(sampler), logits, byref(three)) == ARGUMENT, "not open"
    assert call.kk_sampler_open(byref(sampler), byref(good), three, scratch, full) == OK
    assert call.kk_sampler_sample(byref(sampler), None, byref(three)) == ARGUMENT
    assert call.kk_sampler_sample(byref(sampler), logits, None) == ARGUMENT
    assert call.kk_sampler_distribution(byref(sampler), logits, None) == ARGUMENT
