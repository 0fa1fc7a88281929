"""Beam search and generation options on the trained story model, token for token what transformers generates from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaoken.export.zoo import models_folder
from kaoken.session import Generated, TextGenerator

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

PROMPTS = ["Once upon a time", "One winter, a brave painter named", "The"]


@pytest.fixture(scope="module")
def generator(story: Path) -> TextGenerator:
    return TextGenerator(story, threads=2)


@pytest.fixture(scope="module")
def original() -> Any:
    torch.set_num_threads(1)
    return transformers.GPT2LMHeadModel.from_pretrained(models_folder() / "story", dtype=torch.float32).eval()


_NAMES = {
    "forced_bos_id": "forced_bos_token_id",
    "forced_eos_id": "forced_eos_token_id",
    "stop_ids": "eos_token_id",
    "suppress_ids": "suppress_tokens",
    "begin_suppress_ids": "begin_suppress_tokens",
    "bad_words": "bad_words_ids",
}


def by_transformers(model: Any, ids: list[int], max_new_tokens: int, options: dict[str, Any]) -> list[tuple[list[int], float]]:
    """The new ids of each text, up to where it ends, and its score."""
    stops = options.get("stop_ids", [0])
    settings = {_NAMES.get(name, name): value for name, value in options.items()}
    settings |= {"eos_token_id": stops or None, "pad_token_id": 0, "do_sample": False, "max_new_tokens": max_new_tokens}
    with torch.no_grad():
        made = model.generate(torch.tensor([ids]), return_dict_in_generate=True, output_scores=True, **settings)
    texts = []
    for n, row in enumerate(made.sequences[:, len(ids) :].tolist()):
        end = next((i for i, token in enumerate(row) if token in stops), len(row))
        texts.append((row[:end], float(made.sequences_scores[n]) if options.get("num_beams", 1) > 1 else 0.0))
    return texts


def assert_equal(found: list[Generated], expected: list[tuple[list[int], float]]) -> None:
    assert [text.ids for text in found] == [ids for ids, _ in expected]
    np.testing.assert_allclose([text.score for text in found], [score for _, score in expected], rtol=1e-5, atol=1e-5)


CASES: dict[str, dict[str, Any]] = {
    "beams 2": {"num_beams": 2},
    "beams 3": {"num_beams": 3},
    "beams 4": {"num_beams": 4},
    "beams 5": {"num_beams": 5},
    "all texts": {"num_beams": 5, "num_return_sequences": 5},
    "long": {"num_beams": 4, "length_penalty": 2.0, "num_return_sequences": 3},
    "short": {"num_beams": 4, "length_penalty": 0.2, "num_return_sequences": 3},
    "sums": {"num_beams": 3, "length_penalty": 0.0, "early_stopping": "never"},
    "shortest": {"num_beams": 3, "length_penalty": -1.5, "num_return_sequences": 2},
    "early": {"num_beams": 4, "early_stopping": True, "num_return_sequences": 4},
    "never early": {"num_beams": 4, "early_stopping": "never", "num_return_sequences": 2},
    "never early, short": {"num_beams": 4, "early_stopping": "never", "length_penalty": -0.5},
    "no repeats": {"num_beams": 4, "no_repeat_ngram_size": 3, "num_return_sequences": 2},
    "no pairs": {"num_beams": 3, "no_repeat_ngram_size": 2, "repetition_penalty": 1.3},
    "penalty": {"num_beams": 4, "repetition_penalty": 1.2, "num_return_sequences": 4},
    "least length": {"num_beams": 4, "min_length": 40, "early_stopping": True, "num_return_sequences": 4},
    "least new": {"num_beams": 2, "min_new_tokens": 25},
    "forced end": {"num_beams": 4, "forced_eos_id": 0, "num_return_sequences": 4},
    "several ends": {"num_beams": 4, "stop_ids": [0, 13, 21, 300], "num_return_sequences": 4},
    "several ends, early": {"num_beams": 3, "stop_ids": [0, 18, 14], "early_stopping": True, "num_return_sequences": 3},
    "no end": {"num_beams": 4, "stop_ids": []},
    "bans": {"num_beams": 4, "suppress_ids": [18, 14, 262], "begin_suppress_ids": [270, 16], "bad_words": [[300], [270, 280]]},
    "greedy": {},
    "greedy, no repeats": {"no_repeat_ngram_size": 3},
    "greedy, everything": {"repetition_penalty": 1.4, "no_repeat_ngram_size": 4, "min_new_tokens": 30, "suppress_ids": [18]},
}


@pytest.mark.parametrize("case", CASES)
def test_texts_are_transformers_own(case: str, generator: TextGenerator, original: Any) -> None:
    options = CASES[case]
    number = list(CASES).index(case)
    ids = generator.tokenize(PROMPTS[number % len(PROMPTS)])
    length = (16, 28, 48)[number // len(PROMPTS) % 3]
    (found,) = generator.generate_batch([ids], length, **{"stop_ids": [0], **options})
    assert_equal(found, by_transformers(original, ids, length, options))


def test_prompts_of_other_lengths_side_by_side_are_what_each_is_alone(generator: TextGenerator, original: Any) -> None:
    prompts = [generator.tokenize(text) for text in PROMPTS]
    options: dict[str, Any] = {"num_beams": 2, "num_return_sequences": 2, "no_repeat_ngram_size": 4, "early_stopping": True}
    found = generator.generate_batch(prompts, 24, **options)
    greedy = generator.generate_batch(prompts, 24)
    for prompt, texts, (single,) in zip(prompts, found, greedy, strict=True):
        assert_equal(texts, by_transformers(original, prompt, 24, options))
        generator.reset()
        assert generator.generate(prompt, 24) == single.ids


def test_bits_do_not_depend_on_threads_or_neighbours(story: Path, generator: TextGenerator) -> None:
    prompts = [generator.tokenize(text) for text in PROMPTS[:2]]
    options: dict[str, Any] = {"num_beams": 3, "num_return_sequences": 3, "repetition_penalty": 1.1}
    together = generator.generate_batch(prompts, 30, **options)
    alone = TextGenerator(story, threads=1)
    assert [alone.generate_batch([prompt], 30, **options)[0] for prompt in prompts] == together


def test_texts_of_an_encoder_decoder_are_transformers_own(story_t5: Path) -> None:
    """A search behind an encoder: beams of an input share what was encoded, and rows are padded to one length."""
    torch.set_num_threads(1)
    original = transformers.T5ForConditionalGeneration.from_pretrained(models_folder() / "story_t5", dtype=torch.float32).eval()
    generator = TextGenerator(story_t5, batch=8)
    texts = ["to past: The dog runs to the river and finds a red stone.", "to past: One winter, a brave painter meets Theo."]
    rows = [[*generator.tokenize(text)] for text in texts]
    width = max(map(len, rows))
    ids = np.array([row + [0] * (width - len(row)) for row in rows], np.int64)
    mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows], np.int64)
    for options in (
        {},
        {"num_beams": 4, "num_return_sequences": 3},
        {"num_beams": 3, "length_penalty": 2.0, "early_stopping": True},
    ):
        generator.encode(ids, mask)
        found = generator.generate_batch(2, 32, **options)
        for row, texts_found in zip(rows, found, strict=True):
            with torch.no_grad():
                settings = {"max_new_tokens": 32, "do_sample": False, "return_dict_in_generate": True, "output_scores": True}
                made = original.generate(torch.tensor([row]), **settings, **options)
            expected = []
            for n, text in enumerate(made.sequences[:, 1:].tolist()):
                end = text.index(1) if 1 in text else len(text)
                expected.append((text[:end], float(made.sequences_scores[n]) if options else 0.0))
            assert_equal(texts_found, expected)
            assert any(token > 1 for text in texts_found for token in text.ids)
