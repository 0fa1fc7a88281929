"""Barriers: one behind a kernel at most, none where the next touches only what the same thread touched, and never too few."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest
from onnx import parser
from test_profile import LOOP

from kaoken.compiler import CompileOptions, compile_model
from kaoken.emit.barriers import needed_barriers
from kaoken.emit.blocks import find_blocks
from kaoken.emit.program import Program, build_program
from tests.compiled import compiled
from tests.variants import TESTS, program, run, weights

RACES = ("-O1", "-g", "-fsanitize=thread", "-DKK_BASELINE_ONLY=1")


def lowered(text: str, tmp_path: Path) -> Program:
    """The program of a graph in ONNX's text form."""
    graph = parser.parse_graph(f"g {text}")
    opsets = [onnx.helper.make_opsetid("", 21)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "g.onnx")
    return build_program(compile_model(tmp_path / "g.onnx", tmp_path / "out", CompileOptions(dims={"n": "1..9"})).graph)


def barriers(program: Program) -> list[bool]:
    """For each call but the last whether a barrier is behind it."""
    blocks, _ = find_blocks(program)
    needed = needed_barriers(program, [block.layers for block in blocks])
    return [call.number in needed for call in program.calls[:-1]]


def ones(rows: int, columns: int) -> str:
    return f"<float[{rows}, {columns}] w = {{{', '.join(['1'] * rows * columns)}}}>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            f"(float[n, 64] x) => (float[n, 64] z) {ones(64, 64)} {{ y = Softmax (x) z = MatMul (y, w) }}",
            [False],
            id="rows-of-what-the-same-thread-wrote",
        ),
        pytest.param(
            f"(float[n, 64] x) => (float[n, 256] z) {ones(64, 256)} {{ y = Softmax (x) z = MatMul (y, w) }}",
            [True],
            id="columns-need-whole-rows",
        ),
        pytest.param(
            "(float[n, 64] x) => (float[64] z) <int64[1] a = {0}> { y = Softmax (x) z = ReduceSum <keepdims = 0> (y, a) }",
            [True],
            id="a-sum-over-rows",
        ),
        pytest.param(
            "(float[n, 64] x) => (float[n, 64] y, float[n, 64] z) { y = Softmax (x) z = LogSoftmax (x) }",
            [False],
            id="both-read-the-input-alone",
        ),
    ],
)
def test_a_barrier_stands_where_another_threads_part_is_read(text: str, expected: list[bool], tmp_path: Path) -> None:
    made = lowered(text, tmp_path)
    assert barriers(made) == expected, [call.kernel.name for call in made.calls]


def test_layers_that_share_a_function_share_its_barriers() -> None:
    source = (compiled("tiny-gpt2", build=False) / "tiny_gpt2.c").read_text()
    body = source[source.index("static void transformer_h(") : source.index("static void forward(")]
    ends = re.findall(r"kk_(barrier|step)\(t, w->first_step(?: \+ (\d))?\);", body)
    assert [int(n or 0) for _, n in ends] == list(range(7)), "every kernel ends one step"
    assert sum(kind == "barrier" for kind, _ in ends) < 7
    assert ends[-1][0] == "barrier", "its rows are shared, but the next layer writes where others still read"


def test_control_flow_has_a_barrier_behind_every_call(tmp_path: Path) -> None:
    onnx.save(LOOP.model(), tmp_path / "trips.onnx")
    graph = compile_model(tmp_path / "trips.onnx", tmp_path / "out", CompileOptions(dims={"Loop_2_trips": "0..9"})).graph
    assert all(barriers(build_program(graph)))


@pytest.mark.parametrize("graph", ["tiny-bert", "tiny-gpt2", "tiny-t5"])
def test_no_data_race_in_a_model(graph: str) -> None:
    """The thread sanitizer watches three threads; with too few barriers it finds what one wrote and another read."""
    if graph in ("tiny-bert", "tiny-gpt2"):
        flags = [*RACES, *(["-DGPT2"] if graph == "tiny-gpt2" else [])]
        run([program([graph], [TESTS / "bits_dump.c"], "gcc", flags), weights(graph), "3"])
    else:
        example = compiled(graph, build=False) / "example" / "main.c"
        run([program([graph], [example], "gcc", RACES), "-j", "3", "-n", "4", "-t", "0", weights(graph), "a text of words"])
