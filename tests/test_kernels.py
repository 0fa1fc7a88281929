"""Linear layers and norms against float64 NumPy, within bounds from the theory of rounding errors; all kernels' bits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from kernel_cases import (
    AVX2,
    AVX512,
    LINEAR,
    NEON,
    NORM,
    PARTS,
    PLAIN,
    Build,
    U,
    best,
    linear,
    linear_call,
    norm_call,
    parts_call,
    program,
    same_bits,
    sample_calls,
    unpack_keys,
    values_of,
)
from kernel_harness import Call

from kaoken.emit.kernels import LinearSpec, NormSpec, Part, float_literal, render_linear, render_tiles
from kaoken.emit.runtime_sources import runtime_folder
from kaoken.ir.schedule import FEW_TILES, MOST_TILE_PANELS, MOST_TILE_ROWS, SUM_BLOCK, LinearSchedule, TileSet
from kaoken.passes.choose_schedule import choose_attention, choose_linear, choose_tiles, fits, registers_needed
from kaoken.passes.targets import TARGETS


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
    rows = (1, 2, 3, 5, 7, 8, 9, 16, 17, 31, 48, 57, 64)
    calls = [linear_call(spec, r, threads) for r, threads in itertools.product(rows, (1, 3))]
    for call, result in zip(calls, program(build).run(calls), strict=True):
        y, bound = exact_linear(spec, call.arguments)
        assert np.all(np.abs(result["y"][:, : spec.n] - y) <= bound), call.arguments["rows"]
        assert np.all(np.isnan(result["y"][:, spec.n :])), "wrote between the rows"


@pytest.mark.parametrize("name", [name for name, spec in LINEAR.items() if spec.residual])
def test_linear_may_write_over_its_residual(name: str) -> None:
    sizes = list(itertools.product((1, 9, 33, 60), (1, 3)))
    calls = [linear_call(LINEAR[name], rows, threads, alias=alias) for rows, threads in sizes for alias in (False, True)]
    results = program(best()).run(calls)
    for apart, over in zip(results[::2], results[1::2], strict=True):
        assert same_bits(apart["y"], over["residual"])


@pytest.mark.parametrize("name", LINEAR)
def test_a_row_has_the_same_bits_whatever_is_computed_beside_it(name: str) -> None:
    calls = [
        linear_call(LINEAR[name], rows, threads) for rows in (*range(1, 20), 31, 33, 48, 49, 57, 64) for threads in (1, 2, 5)
    ]
    whole, *others = reversed(program(best()).run(calls))
    for other in others:
        assert same_bits(whole["y"][: len(other["y"])], other["y"])


def test_linear_without_rows_does_nothing() -> None:
    program(best()).run([linear_call(LINEAR["odd"], 0)])


def parts_of(spec: LinearSpec, call: Call, result: dict[str, np.ndarray]) -> np.ndarray:
    """The columns of a call's result, [batch, seq, n], from where its parts lie; checks that nothing else was written."""
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


def exact_norm(spec: NormSpec, a: dict) -> tuple[np.ndarray, np.ndarray]:
    """Results in float64 and their bound: each sum of w terms in 16 lanes errs by (w / 16 + 5) u times the sum of sizes."""
    x = a["x"][:, : a["rows"], : spec.width].astype(np.float64)
    scale, shift = a.get("scale", np.float32(1)), a.get("shift", np.float32(0))
    terms = (spec.width / 16 + 8) * U
    mean, mean_error = np.zeros((*x.shape[:-1], 1)), 0.0
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


SAME_BITS = [
    AVX2,
    Build("avx512", "gcc", ("-O3",)),
    Build("avx512", "clang"),
    Build("avx512", "clang", ("-O3",)),
    Build("avx2", "gcc", ("-O3",)),
    Build("avx2", "clang"),
    Build("avx2", "gcc", ("-O0",)),
    Build("avx2", "gcc", ("-march=native",)),
    Build("", "gcc", ("-mfma",)),
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


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.level)
def test_chosen_tiles_fit_the_registers_and_no_taller_one_would(target: object) -> None:
    target = next(t for t in TARGETS if t is target)
    tiles = choose_tiles(target)
    assert all(registers_needed(target, tile.rows, tile.panels) <= target.registers for tile in tiles.tiles())
    assert not fits(target, tiles.main.rows + 1, tiles.main.panels)
    assert tiles.main.panels * target.panel_registers >= 2, "a broadcast feeds two multiply-adds"


def test_schedules_read_as_one_line() -> None:
    assert str(choose_linear(768, 3072)).count("\n") == 0
    assert "avx512 14x32" in str(choose_linear(768, 3072))
    assert "128 keys" in str(choose_attention())


def test_long_sums_are_cut_into_the_shortest_blocks_and_short_ones_are_whole() -> None:
    assert [choose_linear(k, 768).k_block for k in (64, 256, 300, 768, 1024, 3072)] == [256, 256, 512, 768, 256, 256]
    assert choose_linear(3072, 768).row_block == choose_linear(768, 768).row_block == 168


def test_the_loops_in_c_know_the_numbers_of_the_schedules() -> None:
    text = (runtime_folder() / "kk_matmul.h").read_text()
    assert f"#define KK_SUM_BLOCK {SUM_BLOCK}\n" in text and f"#define KK_FEW_TILES {FEW_TILES}\n" in text
    assert f"KK_TILE_ROWS_{MOST_TILE_ROWS}(" in text and f"KK_TILE_STEP_{16 * MOST_TILE_PANELS}(" in text


def test_rendering_twice_gives_the_same_text() -> None:
    specs = [*LINEAR.values(), *PARTS.values()]
    once = [render_tiles([spec.schedule for spec in specs]), *map(render_linear, specs)]
    assert once == [render_tiles([spec.schedule for spec in specs]), *map(render_linear, specs)]


def test_levels_may_have_tiles_of_their_own() -> None:
    chosen = choose_linear(64, 64).tiles
    other = tuple(TileSet(t.level, (1,), 1) if t.level == "plain" else t for t in chosen)
    text = render_tiles([LinearSchedule(other, 256, 48, 64, "columns")])
    assert text.count("static kk_tile *const tiles") == 3


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
