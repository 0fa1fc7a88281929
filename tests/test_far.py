"""Results far larger than the caches: copies, gathers and transposes of them are right, on every level and in whole models."""

from __future__ import annotations

from pathlib import Path

import c_build
import numpy as np
import onnx
import pytest
from test_simd import CROSS, X86_LEVELS, run

import kaoken
from kaoken.backend.build import built_folder
from kaoken.element_types import LINE, memory_for
from kaoken.emit.loops import FAR_BYTES, LINE_BYTES

PROGRAM = Path(__file__).with_name("far.c")


@pytest.mark.parametrize(("compiler", "level"), [*(("gcc", level) for level in X86_LEVELS), (CROSS, "neon")])
def test_copies_are_those_of_memmove(compiler: str, level: str) -> None:
    assert run(compiler, level, ("-O2",), program=PROGRAM) == {"wrong": "0"}


def test_nothing_beyond_a_copy_is_touched() -> None:
    assert run("gcc", "avx512", ("-O1", *c_build.SANITIZERS), program=PROGRAM) == {"wrong": "0"}


def test_the_emitter_knows_the_limits_of_the_runtime() -> None:
    text = (c_build.RUNTIME / "kk_far.h").read_text()
    assert f"#define KK_FAR_BYTES ((int64_t){FAR_BYTES >> 20} << 20)" in text
    assert f"#define KK_LINE {LINE_BYTES} " in text


def test_memory_for_results_begins_with_a_line() -> None:
    assert all(memory_for((n, 3), "float32").ctypes.data % LINE == 0 for n in range(1, 20))
    assert memory_for((), "float64").shape == ()


@pytest.mark.parametrize("threads", [1, 2])
def test_models_move_large_tensors(threads: int) -> None:
    body = """
        a = Transpose <perm = [1, 0]> (x)
        b = Gather <axis = 0> (rows, at)
        c = Concat <axis = 1> (rows, b)
        d = Slice (x, begin, end, axes)
    """
    given = "float[n,1024] x, float[m,64] rows, int64[m] at"
    header = '<ir_version: 10, opset_import: ["" : 22]>'
    initial = "<int64[1] begin = {1}, int64[1] end = {1001}, int64[1] axes = {1}>"
    model = onnx.parser.parse_model(f"{header} main ({given}) => (float a, float b, float c, float d) {initial} {{ {body} }}")
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    session = kaoken.Session(built_folder(model, {"n": "1..16384", "m": "1..262144"}, ("-O2",)), threads=threads)
    random = np.random.default_rng(3)
    for n, m in ((9000, 140000), (37, 91)):
        x, rows = random.random((n, 1024), np.float32), random.random((m, 64), np.float32)
        at = random.integers(-m, m, m)
        a, b, c, d = session.run(None, {"x": x, "rows": rows, "at": at})
        assert np.array_equal(a, x.T)
        assert np.array_equal(b, rows[at])
        assert np.array_equal(c, np.concatenate([rows, rows[at]], 1))
        assert np.array_equal(d, x[:, 1:1001])
