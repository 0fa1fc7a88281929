"""The trained T5: text through C, greedy, sampled and by beam search, against transformers on the same weights."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaoken.export.zoo import models_folder
from kaoken.session import SessionError, TextGenerator
from tests.test_cli import process

TEXTS = [
    'past: Mira walks to the harbour. "I am lost," she says.',
    "present: Hazel lived in a red farmhouse and had a friend called Pim, who was a baker. They heard a noise and hid.",
    "past: Nell laughs.",
]
SETTINGS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "2 beams": {"num_beams": 2},
    "4 beams": {"num_beams": 4},
    "4 beams, long": {"num_beams": 4, "length_penalty": 2.0, "early_stopping": True},
    "3 beams, short, all returned": {
        "num_beams": 3,
        "num_return_sequences": 3,
        "length_penalty": 0.3,
        "early_stopping": "never",
    },
    "4 beams, no bigram twice": {"num_beams": 4, "no_repeat_ngram_size": 2},
    "greedy, at least 30": {"min_new_tokens": 30, "repetition_penalty": 1.2},
}


@pytest.fixture(scope="module")
def original() -> Any:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = models_folder() / "story_t5"
    return transformers.T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def reference() -> Any:
    tokenizers = pytest.importorskip("tokenizers")
    return tokenizers.Tokenizer.from_file(str(models_folder() / "story_t5" / "tokenizer.json"))


@pytest.fixture(scope="module")
def generator(story_t5: Path) -> TextGenerator:
    return TextGenerator(story_t5, threads=2)


def expected(original: Any, rows: list[list[int]], **settings: Any) -> list[list[int]]:
    """transformers' tokens, without start, end and padding."""
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    with torch.no_grad():
        made = original.generate(input_ids=ids, attention_mask=mask, max_new_tokens=60, **settings)
    return [[token for token in row[1:] if token not in (0, 1)] for row in made.tolist()]


@pytest.mark.parametrize("name", SETTINGS)
def test_texts_are_transformers_own_token_for_token(name: str, generator: TextGenerator, original: Any, reference: Any) -> None:
    rows = [reference.encode(text).ids for text in TEXTS[:2]]
    texts = generator.generate_batch(2, 60, encoder_ids=rows, **SETTINGS[name])
    assert [text.ids for group in texts for text in group] == expected(original, rows, **SETTINGS[name])


def test_rows_of_a_batch_are_what_they_are_alone(generator: TextGenerator, reference: Any) -> None:
    rows = [reference.encode(text).ids for text in TEXTS]
    together = generator.generate_batch(3, 60, encoder_ids=rows, num_beams=2)
    alone = [generator.generate_batch(1, 60, encoder_ids=[row], num_beams=2)[0] for row in rows]
    assert [t[0].ids for t in together] == [t[0].ids for t in alone]


def test_the_decoder_may_be_given_how_the_text_begins(generator: TextGenerator, reference: Any) -> None:
    source = reference.encode(TEXTS[0]).ids
    whole = generator.generate(encoder_ids=source, max_new_tokens=30)
    assert generator.generate([0, *whole[:5]], 25, encoder_ids=source) == whole[5:]


def test_equal_seeds_give_equal_texts(generator: TextGenerator, reference: Any) -> None:
    source = reference.encode(TEXTS[1]).ids
    sampled = [generator.generate(encoder_ids=source, max_new_tokens=30, temperature=4.0, seed=seed) for seed in (3, 3, 4)]
    assert sampled[0] == sampled[1] != sampled[2]


def test_generation_before_encoding_is_refused(story_t5: Path) -> None:
    with pytest.raises(SessionError, match="encode an input first"):
        TextGenerator(story_t5).generate(max_new_tokens=3)


def test_text_in_c_is_what_the_tokenizers_package_reads_and_writes(generator: TextGenerator, reference: Any) -> None:
    for text in [*TEXTS, "", " ", "naïve café 東京 🙂", "a" * 300]:
        assert generator.tokenize(text) == reference.encode(text).ids
        assert generator.detokenize(reference.encode(text).ids) == reference.decode(reference.encode(text).ids)


def test_the_command_line_puts_a_story_into_the_past(story_t5: Path) -> None:
    done = process("run", story_t5, TEXTS[0], "--beams", "3", "-n", "60", "-q")
    assert done.stdout.strip() == 'Mira walked to the harbour. "I am lost," she said.'


def test_the_example_in_plain_c_takes_text_and_gives_text(story_t5: Path, tmp_path: Path) -> None:
    sources = [*story_t5.glob("*.c"), *(story_t5 / "kaoken").glob("*.c"), story_t5 / "example" / "main.c"]
    subprocess.run(["cc", "-O1", *sources, "-lm", "-lpthread", "-o", tmp_path / "main"], check=True)
    command = [tmp_path / "main", story_t5 / "story_t5.weights", "-b", "2", TEXTS[0]]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == 'Mira walked to the harbour. "I am lost," she said.\n'


def test_the_model_answers_in_cpp(story_t5: Path, tmp_path: Path) -> None:
    (tmp_path / "answer.cpp").write_text(
        '#include "story_t5.hpp"\n#include <cstdio>\n'
        "int main(int, char **argv) { kaoken::story_t5::Model model(argv[1]); std::puts(model.answer(argv[2]).c_str()); }\n"
    )
    library = story_t5 / "build" / "libstory_t5.so"
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{story_t5}", f"-Wl,-rpath,{library.parent}"]
    subprocess.run(["g++", *flags, tmp_path / "answer.cpp", library, "-o", tmp_path / "answer"], check=True)
    command = [tmp_path / "answer", story_t5 / "story_t5.weights", TEXTS[0]]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == 'Mira walked to the harbour. "I am lost," she said.\n'


def test_streamed_pieces_join_to_the_text(generator: TextGenerator, reference: Any) -> None:
    source = np.array(reference.encode(TEXTS[1]).ids)
    pieces = list(generator.stream(encoder_ids=source, max_new_tokens=60))
    assert "".join(p for _, p in pieces) == generator.detokenize([t for t, _ in pieces if t >= 0])
