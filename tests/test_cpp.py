"""Compiled models from C++17: two in one program, with the results that Session gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kaoken.session import Session, TextGenerator
from tests.compiled import compiled
from tests.variants import PLAIN, TESTS, available, program, run, token_ids, weights

MODELS = ["tiny-gpt2", "tiny-bert"]


@pytest.mark.parametrize(("compiler", "level"), [("g++", "-O1"), ("clang++", "-O0")])
def test_two_models_in_one_program_give_what_session_gives(compiler: str, level: str, tmp_path: Path) -> None:
    if not available(compiler):
        pytest.skip(f"{compiler} is not installed")
    driver = program(MODELS, [TESTS / "two_models.cpp"], compiler, [level, *PLAIN[1:], "-std=c++17"])
    done = run([driver, weights("tiny-gpt2"), weights("tiny-bert"), tmp_path / "out"])
    assert done.stdout == ""
    data = (tmp_path / "out").read_bytes()

    gpt2, bert = Session(compiled("tiny-gpt2")), Session(compiled("tiny-bert"))
    ids = token_ids(38, 512).reshape(2, 19)
    inputs = {i.name: np.zeros((2, 4, 0, 16), np.float32) for i in gpt2.get_inputs() if len(i.shape) == 4}
    inputs |= {"input_ids": ids, "attention_mask": np.ones_like(ids), "position_ids": np.tile(np.arange(19), (2, 1))}
    by_run = gpt2.run(["logits"], inputs)[0]
    ids = token_ids(42, 512).reshape(2, 21)
    hidden = bert.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})[0]
    generator = TextGenerator(compiled("tiny-gpt2"))
    by_feed = []
    for row in token_ids(34, 512).reshape(2, 17):
        generator.reset()
        by_feed.append(generator.feed(row))
    generator.reset()
    choices = {"temperature": 0.8, "top_k": 40, "repetition_penalty": 1.2, "seed": 7}
    stream = list(generator.stream(generator.tokenize("A dog ran"), 20, **choices))
    expected = b"".join(
        [by_run.tobytes(), hidden.tobytes(), np.stack(by_feed).tobytes()]
        + [np.array([token for token, _ in stream if token >= 0], np.int64).tobytes()]
        + [text.encode() for _, text in stream]
    )
    assert data == expected
