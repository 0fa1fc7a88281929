"""Streaming attention against float64 NumPy, within bounds from the theory of rounding errors; and its bits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from kernel_cases import (
    ATTENTION,
    AVX2,
    AVX512,
    PLAIN,
    Build,
    U,
    attention_call,
    best,
    mask_of,
    pack_keys,
    program,
    same_bits,
    unpack_keys,
)
from kernel_harness import Call

from kaoken.emit.kernels import AttentionSpec


def exact_attention(spec: AttentionSpec, call: Call) -> tuple[np.ndarray, np.ndarray]:
    """Results in float64 [batch, seq, heads, value_dim], and the error that float32 rounding explains.

    With d the error of a score, exp(score) is off by the factor exp(d), and so are weights by exp(2 d); the sums over keys and
    the exponential (under 4 ulp) add their own relative errors.
    """
    a = call.arguments
    batch, seq, appended = a["batch"], a["seq"], a["appended"]
    past = np.zeros(batch, np.int64) if a["cache.past"] is None else a["cache.past"]
    keys, values = unpack_keys(a["cache.keys"]).astype(np.float64), a["cache.values"].astype(np.float64)
    q = a["q"][:, : spec.heads * spec.head_dim].astype(np.float64).reshape(batch, seq, spec.heads, spec.head_dim)
    y = np.zeros((batch, seq, spec.heads, spec.value_dim))
    bound = np.zeros_like(y)
    scale = float(np.float32(spec.scale))
    for b, h in itertools.product(range(batch), range(spec.heads)):
        total = int(past[b]) + appended
        k = keys[b, h * spec.kv_heads // spec.heads, :total]
        v = values[b, h * spec.kv_heads // spec.heads, :total]
        score = scale * q[b, :, h] @ k.T
        delta = (spec.head_dim + 2) * U * scale * np.abs(q[b, :, h]) @ np.abs(k).T
        if spec.bias:
            bias = a["bias"][b if a["bias_batch"] else 0, h, :, :total]
            score, delta = score + bias, delta + U * np.abs(score + bias)
        seen = np.ones((seq, total), bool)
        if spec.causal:
            seen &= np.arange(total) <= past[b] + np.arange(seq)[:, None]
        if spec.mask and a["mask"] is not None:
            seen &= a["mask"][b, :total] != 0
        empty = ~seen.any(axis=1)
        if empty.any():
            y[b, empty, h] = {"zero": 0.0, "mean": v.mean(axis=0), "nan": np.nan}[spec.empty_row]
            bound[b, empty, h] = total * U * np.abs(v).mean(axis=0)
        score = np.where(seen, score, -np.inf)[~empty]
        if not score.size:
            continue
        delta = np.where(seen, delta, 0)[~empty].max(axis=1, keepdims=True)
        delta = delta + U * np.abs(np.where(np.isfinite(score), score, 0)).max(axis=1, keepdims=True) * 2
        p = np.exp(score - score.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        y[b, ~empty, h] = p @ v
        relative = np.expm1(2 * delta) + (2 * total + 16) * U
        bound[b, ~empty, h] = relative * (p @ np.abs(v)) + 1e-30
    return y, bound


def outputs(spec: AttentionSpec, call: Call, result: dict[str, np.ndarray]) -> np.ndarray:
    width = spec.heads * spec.value_dim
    assert np.all(np.isnan(result["y"][:, width:])), "wrote between the rows"
    return result["y"][:, :width].reshape(call.arguments["batch"], call.arguments["seq"], spec.heads, spec.value_dim)  # type: ignore[arg-type]


ATTENTION_SIZES = [
    (1, 1, None),
    (1, 5, None),
    (2, 40, None),
    (1, 131, None),
    (1, 1, [299]),
    (3, 1, [0, 130, 16]),
    (2, 9, [127, 250]),
]


@pytest.mark.parametrize("build", [AVX512, AVX2, PLAIN], ids=str)
@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        (name, pattern)
        for name, spec in ATTENTION.items()
        for pattern in (("none", "left", "right", "holes", "blocks", "empty") if spec.mask else ("none",))
    ],
)
def test_attention_is_within_the_rounding_bound(build: Build, name: str, pattern: str) -> None:
    spec = ATTENTION[name]
    calls = []
    for (batch, seq, past), threads in itertools.product(ATTENTION_SIZES, (1, 2)):
        mask = mask_of(pattern, batch, max(past or [0]) + seq)
        calls.append(attention_call(spec, batch, seq, past, mask=mask, threads=threads, shared_bias=threads == 2))
    for call, result in zip(calls, program(build).run(calls), strict=True):
        y, bound = exact_attention(spec, call)
        found = outputs(spec, call, result)
        assert np.array_equal(np.isnan(found), np.isnan(y))
        assert np.all((np.abs(found - y) <= bound) | np.isnan(y))


@pytest.mark.parametrize("name", [name for name, spec in ATTENTION.items() if not spec.causal])
def test_attention_over_more_keys_than_queries(name: str) -> None:
    spec = ATTENTION[name]
    calls = [attention_call(spec, 2, seq, appended=77, threads=threads) for seq in (1, 3) for threads in (1, 4)]
    for call, result in zip(calls, program(best()).run(calls), strict=True):
        y, bound = exact_attention(spec, call)
        assert np.all(np.abs(outputs(spec, call, result) - y) <= bound)


@pytest.mark.parametrize("name", [name for name, spec in ATTENTION.items() if spec.causal and not spec.bias])
def test_attention_has_the_same_bits_however_a_prompt_is_fed(name: str) -> None:
    spec = ATTENTION[name]
    for mask in (None, mask_of("left", 2, 150)) if spec.mask and spec.empty_row != "mean" else (None,):
        cuts = [0, 1, 2, 9, 65, 66, 149, 150]
        calls = [attention_call(spec, 2, 150, mask=mask, threads=threads) for threads in (1, 2, 3)]
        calls += [attention_call(spec, 2, b - a, [a, a], mask=mask, threads=1 + a % 3) for a, b in itertools.pairwise(cuts)]
        results = program(best()).run(calls)
        whole, second, third, *pieces = (outputs(spec, c, r) for c, r in zip(calls, results, strict=True))
        assert same_bits(whole, second) and same_bits(whole, third)
        assert same_bits(whole, np.concatenate(pieces, axis=1))


@pytest.mark.parametrize("name", ["masked", "grouped"])
def test_attention_does_not_see_what_its_mask_hides(name: str) -> None:
    """Right padding, other values of hidden keys, and the batch around a row leave its bits alone."""
    spec = ATTENTION[name]
    mask = mask_of("left", 2, 60)
    assert mask is not None
    whole = attention_call(spec, 2, 60, mask=mask)
    changed = attention_call(spec, 2, 60, mask=mask)
    changed.arguments["cache.keys"] = whole.arguments["cache.keys"].copy()  # type: ignore[union-attr]
    keys = unpack_keys(changed.arguments["cache.keys"])  # type: ignore[arg-type]
    keys[1, :, :30] += 1.0
    changed.arguments["cache.keys"] = pack_keys(keys)
    first, second = program(best()).run([whole, changed])
    assert same_bits(outputs(spec, whole, first)[1, 30:], outputs(spec, whole, second)[1, 30:])
