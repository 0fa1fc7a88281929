"""The trained story model: text, greedy and sampled, through C against transformers on the same weights."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from kaoken.export.zoo import models_folder
from kaoken.session import TextGenerator

PROMPTS = ["Once upon a time", "One winter, a brave painter named", "The"]


@pytest.fixture(scope="module")
def generator(story: Path) -> TextGenerator:
    return TextGenerator(story, threads=2)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_text_is_transformers_own_for_200_tokens(generator: TextGenerator, prompt: str) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    original = transformers.GPT2LMHeadModel.from_pretrained(models_folder() / "story", dtype=torch.float32).eval()
    ids = generator.tokenize(prompt)
    with torch.no_grad():
        settings = {"max_new_tokens": 200, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
        expected = original.generate(torch.tensor([ids]), **settings)[0, len(ids) :].tolist()
    generator.reset()
    assert generator.generate(ids, 200, stop_ids=()) == expected
    assert len(set(expected)) > 40, "the text repeats itself: a broken cache could hide"


def test_text_in_c_is_what_the_tokenizers_package_reads_and_writes(generator: TextGenerator) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    reference = tokenizers.Tokenizer.from_file(str(models_folder() / "story" / "tokenizer.json"))
    for text in [*PROMPTS, "", " ", "naïve café 東京 🙂", "a" * 300]:
        assert generator.tokenize(text) == reference.encode(text).ids
        assert generator.detokenize(generator.tokenize(text)) == reference.decode(reference.encode(text).ids)


def sample(generator: TextGenerator, **options: object) -> list[int]:
    generator.reset()
    return generator.generate(generator.tokenize(PROMPTS[0]), 60, temperature=0.9, **options)


def test_equal_seeds_give_equal_texts_and_others_do_not(generator: TextGenerator) -> None:
    first = sample(generator, seed=11, top_k=50, top_p=0.95)
    assert sample(generator, seed=11, top_k=50, top_p=0.95) == first
    assert sample(generator, seed=12, top_k=50, top_p=0.95) != first


def test_streamed_pieces_join_to_the_decoded_text_and_stops_stop(generator: TextGenerator) -> None:
    generator.reset()
    pieces = list(generator.stream(generator.tokenize(PROMPTS[0]), 80))
    text = "".join(piece for _, piece in pieces)
    assert text == generator.detokenize([token for token, _ in pieces if token >= 0])
    stop = text[30:36]
    generator.reset()
    stopped = "".join(piece for _, piece in generator.stream(generator.tokenize(PROMPTS[0]), 80, stop_strings=[stop]))
    assert stopped == text[: text.index(stop)]
    generator.reset()
    heard: list[int] = []
    generator.generate(generator.tokenize(PROMPTS[0]), 80, on_token=lambda token, _: heard.append(token) or len(heard) == 5)
    assert len(heard) == 5


def test_the_c_program_writes_the_same_text(story: Path, generator: TextGenerator, tmp_path: Path) -> None:
    program = tmp_path / "story"
    sources = [str(story / "example" / "main.c"), *map(str, [*sorted(story.glob("*.c")), *sorted(story.glob("kaoken/*.c"))])]
    subprocess.run(["cc", "-O2", *sources, "-o", str(program), "-lm", "-lpthread"], check=True, cwd=story)
    weights = next(story.glob("*.weights"))
    result = subprocess.run([program, weights, PROMPTS[0], "-n", "40"], capture_output=True, text=True, check=True, cwd=tmp_path)
    generator.reset()
    ours = generator.detokenize(generator.generate(generator.tokenize(PROMPTS[0]), 40))
    assert ours.strip() in result.stdout


def test_a_truncated_cache_continues_as_if_nothing_had_come_after(generator: TextGenerator) -> None:
    ids = generator.tokenize(PROMPTS[1])
    generator.reset()
    plain = generator.feed(ids)
    generator.feed([5, 6, 7])
    generator.truncate(len(ids) - 1)
    assert np.array_equal(generator.feed(ids[-1:]), plain)
