"""What the tests of the float32 kernels share: specs of every shape, builds, and calls with reproducible inputs."""

from __future__ import annotations

import functools
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from kernel_harness import Call, Program

from kaoken.emit.kernels import AttentionSpec, LinearSpec, NormSpec, Part
from kaoken.ir.schedule import LinearSchedule
from kaoken.passes.choose_schedule import choose_attention, choose_linear

U = 2.0**-24
"""Unit roundoff of float32."""


def linear(name: str, k: int, n: int, **options: object) -> LinearSpec:
    values: dict[str, object] = {"bias": True, "activation": None, "residual": False, "parts": None}
    values.update(schedule=choose_linear(k, n))
    return LinearSpec(name=name, k=k, n=n, **{**values, **options})  # type: ignore[arg-type]


def blocked(k: int, n: int, k_block: int, row_block: int, partition: str = "columns") -> LinearSchedule:
    return LinearSchedule(choose_linear(k, n).tiles, k_block, 5, row_block, partition)


def attention(name: str, heads: int, kv_heads: int, head_dim: int, value_dim: int, **options: object) -> AttentionSpec:
    values: dict[str, object] = {"causal": True, "mask": False, "bias": False, "empty_row": "zero"}
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
        linear("tall", 600, 100, activation="relu", schedule=blocked(600, 100, 256, 168)),
        linear("blocked", 600, 130, residual=True, schedule=blocked(600, 130, 256, 16)),
        linear("by_rows", 300, 200, residual=True, schedule=blocked(300, 200, 256, 24, "rows")),
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
        attention("encoder", 2, 2, 16, 16, causal=False, mask=True, mask_type="uint8_t", mask_test="!= 0"),
        attention("grouped", 6, 2, 20, 24, mask=True, empty_row="nan"),
        attention("biased", 4, 2, 40, 72, causal=False, bias=True, scale=1.0),
        attention("everything", 4, 1, 9, 17, mask=True, bias=True, empty_row="mean"),
        attention("many", 40, 1, 8, 5),
    )
}


NORM = {
    spec.name: spec
    for spec in (
        NormSpec("layer", "layer", 768, 1e-5, True, True),
        NormSpec("layer_odd", "layer", 37, 1e-12, True, True),
        NormSpec("layer_small", "layer", 5, 1e-5, False, True),
        NormSpec("layer_bare", "layer", 64, 1e-5, False, False),
        NormSpec("rms", "rms", 576, 1e-6, True, False),
        NormSpec("rms_odd", "rms", 19, 1e-6, False, False),
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
        if mask is not None:
            mask = mask.astype({"int64_t": np.int64, "uint8_t": np.uint8}[spec.mask_type])
        arguments |= {"mask": mask, "mask_stride": 0 if mask is None else mask.shape[1]}
    if spec.bias:
        shape = (1 if shared_bias else batch, spec.heads, seq, max(totals))
        bias = r.standard_normal((batch, spec.heads, capacity, capacity)).astype(np.float32)
        begin = min(start)
        bias = np.ascontiguousarray(bias[: shape[0], :, begin : begin + seq, : shape[3]])
        arguments |= {"bias": bias, "bias_head": seq * shape[3], "bias_row": shape[3]}
        arguments["bias_batch"] = 0 if shared_bias else spec.heads * seq * shape[3]
    return Call(spec.name, threads, arguments)


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


def sample_calls() -> list[Call]:
    """A few calls of each kernel that together take every path."""
    calls = [linear_call(spec, rows, threads) for spec in LINEAR.values() for rows, threads in ((1, 1), (6, 2), (37, 3), (64, 2))]
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
