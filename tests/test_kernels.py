"""The float32 kernels against float64 NumPy, within bounds from the theory of rounding errors; and their bits."""

from __future__ import annotations

import functools
import itertools
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from kernel_harness import Call, Program

from kaoken.emit.kernels import (
    AttentionSpec,
    LinearSpec,
    NormSpec,
    Part,
    float_literal,
    render_linear,
    render_tiles,
)
from kaoken.ir.schedule import LinearSchedule, TileSet
from kaoken.passes.choose_schedule import choose_attention, choose_linear, choose_tiles, fits, registers_needed
from kaoken.passes.targets import TARGETS

U = 2.0**-24
"""Unit roundoff of float32."""


def linear(name: str, k: int, n: int, **options: object) -> LinearSpec:
    values: dict[str, object] = {"bias": True, "activation": None, "residual": False, "parts": None}
    values.update(schedule=choose_linear(k, n), comment=())
    return LinearSpec(name=name, k=k, n=n, **{**values, **options})  # type: ignore[arg-type]


def blocked(k: int, n: int, k_block: int, row_block: int, partition: str = "columns") -> LinearSchedule:
    return LinearSchedule(choose_linear(k, n).tiles, k_block, row_block, partition)


def attention(name: str, heads: int, kv_heads: int, head_dim: int, value_dim: int, **options: object) -> AttentionSpec:
    values: dict[str, object] = {"causal": True, "mask": False, "bias": False, "empty_row": "zero", "comment": ()}
    values.update(scale=head_dim**-0.5, schedule=choose_attention())
    return AttentionSpec(name, heads=heads, kv_heads=kv_heads, head_dim=head_dim, value_dim=value_dim,
                         **{**values, **options})  # type: ignore[arg-type]  # fmt: skip


LINEAR = {
    spec.name: spec
    for spec in (
        linear("one", 1, 1, bias=False),
        linear("column", 50, 1),
        linear("thin", 1, 40, activation="relu"),
        linear("odd", 33, 50, residual=True),
        linear("even", 64, 96, activation="gelu_tanh"),
        linear("silu", 70, 33, bias=False, activation="silu", residual=True),
        linear("wide", 40, 1003),
        linear("blocked", 600, 130, residual=True, schedule=blocked(600, 130, 256, 16)),
        linear("by_rows", 300, 200, schedule=blocked(300, 200, 256, 24, "rows")),
    )
}
PARTS = {
    spec.name: spec
    for spec in (
        linear("qkv", 48, 192, parts=(Part("rows", 64), Part("keys", 64, 32), Part("values", 64, 32))),
        linear("qkv_grouped", 40, 128, parts=(Part("rows", 64), Part("keys", 32, 16), Part("values", 32, 16))),
        linear("qkv_odd", 21, 90, bias=False, parts=(Part("rows", 30), Part("keys", 20, 10), Part("values", 40, 20))),
        linear("kv", 32, 88, parts=(Part("keys", 40, 20), Part("values", 48, 24))),
        linear("vk", 32, 96, parts=(Part("values", 48, 16), Part("keys", 48, 16))),
    )
}
ATTENTION = {
    spec.name: spec
    for spec in (
        attention("plain", 3, 3, 64, 64, causal=False),
        attention("causal", 2, 2, 64, 64),
        attention("masked", 2, 2, 32, 32, mask=True, empty_row="mean"),
        attention("encoder", 2, 2, 16, 16, causal=False, mask=True),
        attention("grouped", 6, 2, 20, 24, mask=True, empty_row="nan"),
        attention("biased", 4, 2, 40, 72, causal=False, bias=True, scale=1.0),
        attention("everything", 4, 1, 9, 17, mask=True, bias=True, empty_row="mean"),
        attention("many", 40, 1, 8, 5),
    )
}
NORM = {
    spec.name: spec
    for spec in (
        NormSpec("layer", (), "layer", 768, 1e-5, True, True),
        NormSpec("layer_odd", (), "layer", 37, 1e-12, True, True),
        NormSpec("layer_small", (), "layer", 5, 1e-5, False, True),
        NormSpec("layer_bare", (), "layer", 64, 1e-5, False, False),
        NormSpec("rms", (), "rms", 576, 1e-6, True, False),
        NormSpec("rms_odd", (), "rms", 19, 1e-6, False, False),
    )
}
ALL = [*LINEAR.values(), *PARTS.values(), *ATTENTION.values(), *NORM.values()]


@dataclass(frozen=True)
class Build:
    """How the kernels are built: level ("" for the compiler's target), compiler, flags, sanitizers, emulator."""

    level: str
    compiler: str = "gcc"
    flags: tuple[str, ...] = ()
    sanitize: bool = False
    run_with: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [self.level or "target", self.compiler, *self.flags, "sanitized" if self.sanitize else ""]
        return " ".join(word for word in words if word)

    def missing(self) -> str | None:
        """What this machine lacks for it, if anything."""
        for program in (self.compiler, *self.run_with[:1]):
            if shutil.which(program) is None:
                return f"{program} is not installed"
        cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
        wanted = {"avx512": "avx512dq", "avx2": "avx2"}.get(self.level, "")
        if self.compiler in ("gcc", "clang") and wanted and wanted not in cpu:
            return f"the processor has no {self.level}"
        return None


@functools.cache
def program(build: Build) -> Program:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return Program(ALL, level=build.level, compiler=build.compiler, flags=build.flags, sanitize=build.sanitize,
                   run_with=build.run_with)  # fmt: skip


AVX512, AVX2 = Build("avx512"), Build("avx2")
PLAIN = Build("")
NEON = Build("", "aarch64-linux-gnu-gcc", ("-static",), run_with=("qemu-aarch64",))


def best() -> Build:
    return next(build for build in (AVX512, AVX2, PLAIN) if build.missing() is None)


def pack(w: np.ndarray) -> np.ndarray:
    """W[k, n] as panels [(n + 15) / 16][k][16]."""
    k, n = w.shape
    padded = np.zeros((k, -(-n // 16) * 16), np.float32)
    padded[:, :n] = w
    return np.ascontiguousarray(padded.reshape(k, -1, 16).transpose(1, 0, 2))


def pack_keys(keys: np.ndarray) -> np.ndarray:
    """[batch, heads, capacity, d] as [batch, heads, capacity / 16, d, 16]."""
    b, h, c, d = keys.shape
    return np.ascontiguousarray(keys.reshape(b, h, c // 16, 16, d).transpose(0, 1, 2, 4, 3))


def unpack_keys(keys: np.ndarray) -> np.ndarray:
    b, h, blocks, d, _ = keys.shape
    return keys.transpose(0, 1, 2, 4, 3).reshape(b, h, blocks * 16, d)


def strided(rows: int, columns: int, extra: int, values: np.ndarray | None = None) -> np.ndarray:
    """A [rows, columns + extra] float32 array that is NaN where `values` are not."""
    array = np.full((rows, columns + extra), np.nan, np.float32)
    if values is not None:
        array[:, :columns] = values
    return array


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal as NaN or as bits."""
    nan = np.isnan(a) & np.isnan(b)
    return a.shape == b.shape and bool(np.all(nan | (a.view(np.int32) == b.view(np.int32))))


# ---- Linear ---------------------------------------------------------------------------------------------------------


def linear_call(spec: LinearSpec, rows: int, threads: int = 1, seed: int = 0, alias: bool = False, extra: int = 3) -> Call:
    r = np.random.default_rng([seed, spec.k, spec.n])
    x = r.standard_normal((64, spec.k)).astype(np.float32)[:rows]
    arguments: dict = {
        "rows": rows,
        "x": strided(rows, spec.k, extra, x),
        "x_stride": spec.k + extra,
        "weight": pack(r.standard_normal((spec.k, spec.n)).astype(np.float32)),
    }
    if spec.bias:
        arguments["bias"] = r.standard_normal(spec.n).astype(np.float32)
    if spec.residual:
        residual = r.standard_normal((64, spec.n)).astype(np.float32)[:rows]
        arguments |= {"residual": strided(rows, spec.n, extra, residual), "residual_stride": spec.n + extra}
    arguments |= {"y": "residual" if alias else strided(rows, spec.n, extra), "y_stride": spec.n + extra}
    return Call(spec.name, threads, arguments)


def exact_linear(spec: LinearSpec, arguments: dict) -> tuple[np.ndarray, np.ndarray]:
    """Results in float64 and the largest error that float32 rounding explains."""
    x = arguments["x"][:, : spec.k].astype(np.float64)
    w = arguments["weight"].astype(np.float64).transpose(1, 0, 2).reshape(spec.k, -1)[:, : spec.n]
    y = x @ w
    error = spec.k * U * (np.abs(x) @ np.abs(w))
    if spec.bias:
        y = y + arguments["bias"]
        error = error + U * np.abs(y)
    if spec.activation == "relu":
        y = np.maximum(y, 0)
    elif spec.activation == "silu":
        y = y / (1 + np.exp(-y))
        error = 1.1 * error + 8 * U * np.abs(y)
    elif spec.activation == "gelu_tanh":
        y = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        error = 1.13 * error + 16 * U * np.maximum(np.abs(y), 1)
    if spec.residual:
        y = y + arguments["residual"][:, : spec.n]
        error = error + U * np.abs(y)
    return y, 1.001 * error + 1e-30


@pytest.mark.parametrize("build", [AVX512, AVX2, PLAIN], ids=str)
@pytest.mark.parametrize("name", LINEAR)
def test_linear_is_within_the_rounding_bound(build: Build, name: str) -> None:
    spec = LINEAR[name]
    rows = (1, 2, 3, 5, 7, 8, 9, 16, 17, 31, 48)
    calls = [linear_call(spec, r, threads) for r, threads in itertools.product(rows, (1, 3))]
    for call, result in zip(calls, program(build).run(calls), strict=True):
        y, bound = exact_linear(spec, call.arguments)
        assert np.all(np.abs(result["y"][:, : spec.n] - y) <= bound), call.arguments["rows"]
        assert np.all(np.isnan(result["y"][:, spec.n :])), "wrote between the rows"


@pytest.mark.parametrize("name", [name for name, spec in LINEAR.items() if spec.residual])
def test_linear_may_write_over_its_residual(name: str) -> None:
    calls = [linear_call(LINEAR[name], rows, alias=alias) for rows in (1, 9, 33) for alias in (False, True)]
    results = program(best()).run(calls)
    for apart, over in zip(results[::2], results[1::2], strict=True):
        assert same_bits(apart["y"], over["residual"])


@pytest.mark.parametrize("name", LINEAR)
def test_a_row_has_the_same_bits_whatever_is_computed_beside_it(name: str) -> None:
    calls = [linear_call(LINEAR[name], rows, threads) for rows in range(1, 49) for threads in (1, 2, 5)]
    whole, *others = reversed(program(best()).run(calls))
    for other in others:
        assert same_bits(whole["y"][: len(other["y"])], other["y"])


def test_linear_without_rows_does_nothing() -> None:
    program(best()).run([linear_call(LINEAR["odd"], 0)])


# ---- Linear in parts ------------------------------------------------------------------------------------------------


def parts_call(spec: LinearSpec, batch: int, seq: int, past: list[int] | None, threads: int = 1, capacity: int = 48) -> Call:
    r = np.random.default_rng([spec.k, spec.n])
    x = r.standard_normal((batch, 40, spec.k)).astype(np.float32)
    start = past or [0] * batch
    x = np.concatenate([x[b, start[b] : start[b] + seq] for b in range(batch)])
    arguments: dict = {
        "batch": batch,
        "seq": seq,
        "x": strided(batch * seq, spec.k, 2, x),
        "x_stride": spec.k + 2,
        "weight": pack(r.standard_normal((spec.k, spec.n)).astype(np.float32)),
        "cache.keys": None,
        "cache.values": None,
        "cache.capacity": capacity,
        "cache.past": None if past is None else np.array(past, np.int64),
    }
    if spec.bias:
        arguments["bias"] = r.standard_normal(spec.n).astype(np.float32)
    for part in spec.parts or ():
        if part.kind == "rows":
            arguments |= {"q": strided(batch * seq, part.columns, 5), "q_stride": part.columns + 5}
        else:
            shape = (batch, part.columns // part.head_dim, capacity // 16, part.head_dim, 16)
            arguments[f"cache.{part.kind}"] = np.full(shape, np.nan, np.float32)
    return Call(spec.name, threads, arguments)


def parts_of(spec: LinearSpec, call: Call, result: dict[str, np.ndarray]) -> np.ndarray:
    """The columns of a call's result, [batch, seq, n], gathered from where its parts lie; checks that nothing else was written."""
    batch, seq = call.arguments["batch"], call.arguments["seq"]
    assert isinstance(batch, int) and isinstance(seq, int)
    past = result.get("cache.past", np.zeros(batch, np.int64))
    found = []
    for part in spec.parts or ():
        if part.kind == "rows":
            found.append(result["q"][:, : part.columns].reshape(batch, seq, part.columns))
            assert np.all(np.isnan(result["q"][:, part.columns :]))
            continue
        held = result[f"cache.{part.kind}"]
        if part.kind == "keys":
            held = unpack_keys(held)
        held = held.reshape(batch, part.columns // part.head_dim, -1, part.head_dim)
        new = np.stack([held[b, :, past[b] : past[b] + seq] for b in range(batch)])
        assert np.isnan(held).sum() + new.size == held.size
        found.append(new.transpose(0, 2, 1, 3).reshape(batch, seq, part.columns))
    return np.concatenate(found, axis=2)


@pytest.mark.parametrize("build", [AVX512, AVX2, PLAIN], ids=str)
@pytest.mark.parametrize("name", PARTS)
def test_parts_go_where_attention_reads_them(build: Build, name: str) -> None:
    spec = PARTS[name]
    table = [(1, 1, None), (1, 1, [17]), (1, 20, None), (3, 5, [0, 3, 30]), (2, 17, [15, 16])]
    calls = [parts_call(spec, b, s, past, threads) for (b, s, past) in table for threads in (1, 2)]
    for call, result in zip(calls, program(build).run(calls), strict=True):
        y, bound = exact_linear(spec, call.arguments)
        found = parts_of(spec, call, result).reshape(y.shape)
        assert np.all(np.abs(found - y) <= bound)


@pytest.mark.parametrize("name", PARTS)
def test_parts_have_the_same_bits_however_a_prompt_is_fed(name: str) -> None:
    spec = PARTS[name]
    calls = [parts_call(spec, 2, 33, None)]
    calls += [parts_call(spec, 2, n, [at, at], threads) for at, n, threads in ((0, 1, 1), (1, 7, 2), (8, 25, 3))]
    whole, *pieces = program(best()).run(calls)
    fed = [parts_of(spec, call, piece) for call, piece in zip(calls[1:], pieces, strict=True)]
    assert same_bits(parts_of(spec, calls[0], whole), np.concatenate(fed, axis=1))


# ---- Attention ------------------------------------------------------------------------------------------------------


def attention_call(
    spec: AttentionSpec,
    batch: int,
    seq: int,
    past: list[int] | None = None,
    *,
    appended: int | None = None,
    mask: np.ndarray | None = None,
    threads: int = 1,
    capacity: int = 320,
    shared_bias: bool = False,
) -> Call:
    """Queries at positions past[b] + s; every position of the cache and every query depends on the seed alone."""
    r = np.random.default_rng([spec.heads, spec.head_dim, spec.value_dim])
    appended = seq if appended is None else appended
    start = past or [0] * batch
    totals = [p + appended for p in start]
    queries = 1.5 * r.standard_normal((batch, capacity, spec.heads * spec.head_dim)).astype(np.float32)
    keys = r.standard_normal((batch, spec.kv_heads, capacity, spec.head_dim)).astype(np.float32)
    values = r.standard_normal((batch, spec.kv_heads, capacity, spec.value_dim)).astype(np.float32)
    for b, total in enumerate(totals):
        keys[b, :, total:] = np.nan
        values[b, :, total:] = np.nan
    q = np.concatenate([queries[b, start[b] : start[b] + seq] for b in range(batch)])
    width = spec.heads * spec.head_dim
    arguments: dict = {
        "batch": batch,
        "seq": seq,
        "q": strided(batch * seq, width, 4, q),
        "q_stride": width + 4,
        "cache.keys": pack_keys(keys),
        "cache.values": values,
        "cache.capacity": capacity,
        "cache.past": None if past is None else np.array(past, np.int64),
        "appended": appended,
        "y": strided(batch * seq, spec.heads * spec.value_dim, 6),
        "y_stride": spec.heads * spec.value_dim + 6,
    }
    if spec.mask:
        arguments |= {"mask": mask, "mask_stride": 0 if mask is None else mask.shape[1]}
    if spec.bias:
        shape = (1 if shared_bias else batch, spec.heads, seq, max(totals))
        bias = r.standard_normal((batch, spec.heads, capacity, capacity)).astype(np.float32)
        begin = min(start)
        bias = np.ascontiguousarray(bias[: shape[0], :, begin : begin + seq, : shape[3]])
        arguments |= {"bias": bias, "bias_head": seq * shape[3], "bias_row": shape[3]}
        arguments["bias_batch"] = 0 if shared_bias else spec.heads * seq * shape[3]
    return Call(spec.name, threads, arguments)


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


def mask_of(pattern: str, batch: int, total: int) -> np.ndarray | None:
    """A padding mask [batch, total + 3]; what lies behind the keys is 1, and must not matter."""
    if pattern == "none":
        return None
    r = np.random.default_rng(total)
    mask = np.ones((batch, total + 3), np.int64)
    for b in range(batch):
        cut = (b * total) // batch
        if pattern == "left":
            mask[b, :cut] = 0
        elif pattern == "right":
            mask[b, total - cut : total] = 0
        elif pattern == "holes":
            mask[b, :total] = r.integers(0, 2, total)
        elif pattern == "blocks":
            mask[b, :total] = (np.arange(total) // 128) % 2
        elif pattern == "empty":
            mask[b, :total] = b % 2
    return mask


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
@pytest.mark.parametrize("pattern", ["none", "left", "right", "holes", "blocks", "empty"])
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_is_within_the_rounding_bound(build: Build, pattern: str, name: str) -> None:
    spec = ATTENTION[name]
    if pattern != "none" and not spec.mask:
        pytest.skip("has no padding mask")
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


# ---- Normalisation --------------------------------------------------------------------------------------------------


def norm_call(spec: NormSpec, batch: int, rows: int, threads: int = 1, dense: bool = False, offset: float = 2.0) -> Call:
    r = np.random.default_rng([spec.width])
    x = (3 * r.standard_normal((4, 20, spec.width)) + offset).astype(np.float32)[:batch, :rows]
    stride = spec.width + (0 if dense else 5)
    held = np.full((batch, rows + (0 if dense else 2), stride), np.nan, np.float32)
    held[:, :rows, : spec.width] = x
    arguments: dict = {
        "batch": batch,
        "rows": rows,
        "x": held,
        "batch_stride": held.shape[1] * stride,
        "row_stride": stride,
        "y": "x" if dense else np.full((batch, rows, spec.width), np.nan, np.float32),
    }
    if spec.scale:
        arguments["scale"] = r.standard_normal(spec.width).astype(np.float32)
    if spec.shift:
        arguments["shift"] = r.standard_normal(spec.width).astype(np.float32)
    return Call(spec.name, threads, arguments)


def exact_norm(spec: NormSpec, a: dict) -> tuple[np.ndarray, np.ndarray]:
    """Results in float64 and their bound: each sum of w terms in 16 lanes errs by (w / 16 + 5) u times the sum of sizes."""
    x = a["x"][:, : a["rows"], : spec.width].astype(np.float64)
    scale, shift = a.get("scale", np.float32(1)), a.get("shift", np.float32(0))
    terms = (spec.width / 16 + 8) * U
    mean, mean_error = np.zeros(x.shape[:-1] + (1,)), 0.0
    if spec.kind == "layer":
        mean = x.mean(axis=-1, keepdims=True)
        mean_error = terms * np.abs(x).mean(axis=-1, keepdims=True)
    d = x - mean
    d_error = mean_error + U * (np.abs(x) + np.abs(mean))
    square = (d * d).mean(axis=-1, keepdims=True)
    square_error = (2 * np.abs(d) * d_error + d_error**2).mean(axis=-1, keepdims=True) + terms * square
    factor = 1 / np.sqrt(square + float(np.float32(spec.eps)))
    factor_error = 0.5 * square_error * factor**3 * 1.1 + 4 * U * factor
    y = d * factor * scale + shift
    error = np.abs(scale) * (d_error * factor + np.abs(d) * factor_error) + 4 * U * (np.abs(y) + np.abs(shift))
    return y, 1.01 * error + 1e-30


@pytest.mark.parametrize("build", [AVX512, AVX2, PLAIN], ids=str)
@pytest.mark.parametrize("name", NORM)
def test_norm_is_within_the_rounding_bound(build: Build, name: str) -> None:
    spec = NORM[name]
    sizes = itertools.product((1, 3), (1, 2, 20), (1, 2, 4), (False, True), (0.0, 100.0))
    calls = [norm_call(spec, b, r, threads, dense, offset) for b, r, threads, dense, offset in sizes]
    for call, result in zip(calls, program(build).run(calls), strict=True):
        y, bound = exact_norm(spec, call.arguments)
        found = (result["y"] if "y" in result else result["x"])[:, : int(call.arguments["rows"])]
        assert np.all(np.abs(found - y) <= bound)


def test_a_normalised_row_has_the_same_bits_whatever_is_computed_beside_it() -> None:
    for spec in NORM.values():
        calls = [norm_call(spec, 2, rows, threads) for rows in (20, 1, 7) for threads in (1, 3)]
        whole, *others = (result["y"] for result in program(best()).run(calls))
        assert all(same_bits(whole[:, : other.shape[1]], other) for other in others)


# ---- Everything on every build --------------------------------------------------------------------------------------


def sample_calls() -> list[Call]:
    """A few calls of each kernel that together take every path."""
    calls = [linear_call(spec, rows, threads) for spec in LINEAR.values() for rows, threads in ((1, 1), (6, 2), (37, 3))]
    for spec in PARTS.values():
        calls += [parts_call(spec, 2, 1, [3, 15], 2), parts_call(spec, 2, 19, None)]
    for attends in ATTENTION.values():
        for pattern in ("none", "holes", "empty") if attends.mask else ("none",):
            for batch, seq, past in ((1, 1, [40]), (2, 1, [17, 140]), (2, 37, None), (1, 11, [120])):
                mask = mask_of(pattern, batch, max(past or [0]) + seq)
                calls.append(attention_call(attends, batch, seq, past, mask=mask, threads=batch, capacity=160))
    calls += [norm_call(spec, 2, 5, 2, dense) for spec in NORM.values() for dense in (False, True)]
    return calls


def values_of(results: list[dict[str, np.ndarray]]) -> np.ndarray:
    return np.concatenate([a.ravel() for result in results for a in result.values() if a.dtype == np.float32])


SAME_BITS = [
    AVX2,
    Build("avx512", "gcc", ("-O3",)),
    Build("avx512", "clang"),
    Build("avx512", "clang", ("-O3",)),
    Build("avx2", "gcc", ("-O3",)),
    Build("avx2", "clang"),
    Build("avx2", "gcc", ("-O0",)),
    Build("avx2", "gcc", ("-march=native",)),
    NEON,
    Build("", "aarch64-linux-gnu-gcc", ("-static", "-O3"), run_with=("qemu-aarch64",)),
]


@pytest.mark.parametrize("build", SAME_BITS, ids=str)
def test_bits_are_the_same_on_every_level_compiler_and_optimisation(build: Build) -> None:
    calls = sample_calls()
    reference = AVX512 if AVX512.missing() is None else AVX2
    assert same_bits(values_of(program(reference).run(calls)), values_of(program(build).run(calls)))


@pytest.mark.parametrize("level", ["avx512", "avx2", ""])
def test_kernels_are_clean_under_the_sanitizers(level: str) -> None:
    # Plain C, where every lane is checked, takes gcc minutes to optimise with checks and seconds not to.
    program(Build(level, flags=("-O1" if level else "-O0",), sanitize=True)).run(sample_calls())


# ---- Schedules and rendering ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.level)
def test_chosen_tiles_fit_the_registers_and_no_taller_one_would(target: object) -> None:
    target = next(t for t in TARGETS if t is target)
    tiles = choose_tiles(target)
    assert all(registers_needed(target, tile.rows, tile.panels) <= target.registers for tile in tiles.tiles())
    assert not fits(target, tiles.main.rows + 1, 1)


def test_schedules_read_as_one_line() -> None:
    assert str(choose_linear(768, 3072)).count("\n") == 0
    assert "avx512 8x48" in str(choose_linear(768, 3072))
    assert "128 keys" in str(choose_attention())


def test_k_blocks_are_as_few_and_as_even_as_the_cache_allows() -> None:
    assert choose_linear(768, 768).k_block == 768
    assert choose_linear(3072, 768).k_block == 1024


def test_rendering_twice_gives_the_same_text() -> None:
    specs = [*LINEAR.values(), *PARTS.values()]
    once = [render_tiles([spec.schedule for spec in specs]), *map(render_linear, specs)]
    assert once == [render_tiles([spec.schedule for spec in specs]), *map(render_linear, specs)]


def test_levels_may_have_tiles_of_their_own() -> None:
    chosen = choose_linear(64, 64).tiles
    other = tuple(TileSet(t.level, (1,), 1) if t.level == "plain" else t for t in chosen)
    text = render_tiles([LinearSchedule(other, 256, 64, "columns")])
    assert text.count("static tile_function *const tiles") == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.0f"), (0.125, "0.125f"), (1e-12, "1e-12f"), (3e38, "3e+38f"), (0.1, "0.1f"), (2.0**40, "1.0995116e+12f")],
)
def test_float_literals_are_short_and_exact(value: float, text: str) -> None:
    assert float_literal(value) == text
    assert np.float32(text[:-1]) == np.float32(value)


@pytest.mark.parametrize(
    "parts",
    [
        (Part("rows", 10),),
        (Part("rows", 16), Part("rows", 16)),
        (Part("rows", 16), Part("keys", 16, 5)),
        (Part("cache", 32),),
    ],
)
def test_parts_that_make_no_sense_are_refused(parts: tuple[Part, ...]) -> None:
    with pytest.raises(ValueError, match="bad"):
        linear("bad", 8, 32, parts=parts)


def test_the_compiler_of_the_tests_is_there() -> None:
    assert subprocess.run([best().compiler, "--version"], capture_output=True, check=False).returncode == 0
