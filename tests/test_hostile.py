"""What a hostile caller can do to a compiled model: get status codes. Under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from kaoken.compiler import compile_model
from kaoken.session import Session, SessionError, TextGenerator
from tests.compiled import GRAPHS
from tests.variants import SANITIZERS, TESTS, WARNINGS, program, run, weights

ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1:max_allocation_size_mb=4096",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
FLAGS = ["-O1", *WARNINGS, "-std=gnu11", *SANITIZERS]


def test_ten_thousand_bad_calls_get_status_codes(tmp_path: Path) -> None:
    driver = program(["tiny-gpt2"], [TESTS / "hostile_calls.c"], "cc", FLAGS)
    total = opened = 0
    for seed in range(6):
        arguments = [weights("tiny-gpt2"), weights("tiny-bert"), str(seed), "5000", tmp_path / "scratch.weights"]
        done = run([driver, *arguments], env=ENVIRONMENT)
        found = re.fullmatch(r"(\d+) refused, (\d+) accepted, (\d+) damaged files opened\n", done.stdout)
        assert found is not None, done.stdout
        total += int(found[1])
        opened += int(found[3])
        assert int(found[2]) > 500
    assert total >= 10_000 and opened > 50


def test_bad_calls_of_a_model_without_state_get_status_codes() -> None:
    driver = program(["tiny-bert"], [TESTS / "hostile_encoder.c"], "cc", FLAGS)
    total = 0
    for seed in range(3):
        done = run([driver, weights("tiny-bert"), weights("tiny-gpt2"), str(seed), "3000"], env=ENVIRONMENT)
        found = re.fullmatch(r"(\d+) refused, (\d+) accepted\n", done.stdout)
        assert found is not None, done.stdout
        total += int(found[1])
        assert int(found[2]) > 500
    assert total >= 3000


def test_calls_of_an_encoder_decoder_in_any_order_get_the_predicted_status() -> None:
    driver = program(["tiny-t5"], [TESTS / "hostile_encoder_decoder.c"], "cc", FLAGS)
    total = 0
    for seed in range(3):
        done = run([driver, weights("tiny-t5"), str(seed), "1500"], env=ENVIRONMENT)
        found = re.fullmatch(r"(\d+) refused, (\d+) accepted\n", done.stdout)
        assert found is not None, done.stdout + done.stderr
        total += int(found[1])
        assert int(found[2]) > 300
    assert total >= 1000


def test_random_pieces_rows_and_truncations_leave_what_a_fresh_row_holds() -> None:
    driver = program(["tiny-gpt2"], [TESTS / "feed_fuzz.c"], "cc", FLAGS)
    for seed in range(12):
        done = run([driver, weights("tiny-gpt2"), str(seed), "400"], env=ENVIRONMENT)
        found = re.fullmatch(r"(\d+) rows compared\n", done.stdout)
        assert found is not None and int(found[1]) > 100, done.stdout


def changed_gpt2(out: Path, change: Callable[[onnx.GraphProto], None]) -> Path:
    """tiny-gpt2 with another graph, compiled."""
    source = out / "tiny_gpt2"
    source.mkdir()
    model = onnx.load(GRAPHS / "tiny-gpt2" / "model.onnx")
    change(model.graph)
    onnx.save(model, source / "model.onnx")
    (source / "config.json").write_bytes((GRAPHS / "tiny-gpt2" / "config.json").read_bytes())
    compile_model(source, out / "compiled")
    return out / "compiled"


def shorten_embedding(graph: onnx.GraphProto) -> None:
    table = next(i for i in graph.initializer if i.name == "transformer.wte.weight")
    graph.initializer.append(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(table)[:500], "short"))
    next(n for n in graph.node if n.op_type == "Gather" and table.name in n.input).input[0] = "short"


def test_ids_that_only_the_head_knows_are_refused(tmp_path: Path) -> None:
    """Where the vocabulary is wider than the embedding table, ids are checked against the table."""
    generator = TextGenerator(changed_gpt2(tmp_path, shorten_embedding))
    assert generator.vocabulary == 512
    expected = generator.feed([3, 499])
    for bad in (500, 511, 512, -1):
        with pytest.raises(SessionError, match="out of bounds"):
            generator.feed([3, bad])
    assert generator.position == 2
    generator.reset()
    np.testing.assert_array_equal(generator.feed([3, 499]), expected)


def cap_logits(graph: onnx.GraphProto) -> None:
    head = next(n for n in graph.node if "logits" in n.output)
    head.output[:] = ["uncapped"]
    graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.5), "cap"))
    graph.node.extend(
        [
            onnx.helper.make_node("Div", ["uncapped", "cap"], ["divided"], "cap_div"),
            onnx.helper.make_node("Tanh", ["divided"], ["bent"], "cap_tanh"),
            onnx.helper.make_node("Mul", ["cap", "bent"], ["logits"], "cap_mul"),
        ]
    )


def test_feed_gives_the_last_position_of_a_capped_head(tmp_path: Path) -> None:
    folder = changed_gpt2(tmp_path, cap_logits)
    ids = np.arange(20)[None] * 7
    session = Session(folder)
    inputs = {i.name: np.zeros((1, 4, 0, 16), np.float32) for i in session.get_inputs() if len(i.shape) == 4}
    inputs |= {"input_ids": ids, "attention_mask": np.ones_like(ids), "position_ids": np.arange(20)[None]}
    whole = session.run(["logits"], inputs)[0]
    np.testing.assert_array_equal(TextGenerator(folder).feed(ids[0]), whole[0, -1])
    assert np.abs(whole).max() <= 0.5
