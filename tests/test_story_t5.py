"""The trained tense model: its grammar, its record, and that its kept weights do what the record says."""

from __future__ import annotations

import itertools
import json

import pytest

from kaoken.export.zoo import models_folder
from models.story_t5.grammar import conjugate, pairs, verb_form
from models.story_t5.scenes import DOUBLED, ENDINGS, IRREGULAR, MIDDLES, OPENINGS, PAST, WEATHER

FOLDER = models_folder() / "story_t5"


@pytest.mark.parametrize(
    "verb, plural, present, past",
    [
        ("be", False, "is", "was"),
        ("be", True, "are", "were"),
        ("have", False, "has", "had"),
        ("go", False, "goes", "went"),
        ("try", False, "tries", "tried"),
        ("play", True, "play", "played"),
        ("watch", False, "watches", "watched"),
        ("stop", True, "stop", "stopped"),
        ("live", False, "lives", "lived"),
        ("travel", True, "travel", "travelled"),
        ("read", False, "reads", "read"),
    ],
)
def test_verbs_are_conjugated(verb: str, plural: bool, present: str, past: str) -> None:
    assert verb_form(verb, "present", plural) == present
    assert verb_form(verb, "past", plural) == past


def test_a_sentence_takes_either_tense_and_speech_keeps_its_own() -> None:
    marked = '"I am lost," <say> Mira, and they <go+> home.'
    assert conjugate(marked, "present") == '"I am lost," says Mira, and they go home.'
    assert conjugate(marked, "past") == '"I am lost," said Mira, and they went home.'


def test_every_irregular_verb_is_one_that_the_sentences_use() -> None:
    text = " ".join([*OPENINGS, *WEATHER, *MIDDLES, *ENDINGS])
    assert all(f"<{verb}" in text for verb in [*IRREGULAR, *PAST, *DOUBLED])


def test_equal_seeds_give_equal_pairs_and_both_directions() -> None:
    first, again, other = (list(itertools.islice(pairs(seed), 40)) for seed in (3, 3, 4))
    assert first == again and first != other
    assert {source.split(":")[0] for source, _ in first} == {"past", "present"}
    assert all(source.split(": ", 1)[1] != target for source, target in first)
    assert not any(mark in text for pair in first for text in pair for mark in "<>{}[]|")


def test_the_record_says_what_was_trained_and_how_well() -> None:
    record = json.loads((FOLDER / "loss.json").read_text())
    assert record["held_out_loss"] < 0.002 and record["held_out_exact"] >= 0.95 * record["held_out_pairs"]
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 5_000_000
    assert record["curve"][0][1] > 5 > record["curve"][-1][1]


def test_the_kept_weights_write_held_out_stories_in_the_other_tense(story_t5_examples: list[tuple[str, str]]) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = pytest.importorskip("tokenizers").Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    model = transformers.T5ForConditionalGeneration.from_pretrained(FOLDER, dtype=torch.float32).eval()
    for source, written in story_t5_examples:
        with torch.no_grad():
            ids = model.generate(torch.tensor([tokenizer.encode(source).ids]), max_new_tokens=256, do_sample=False)
        assert tokenizer.decode(ids[0].tolist()) == written


@pytest.fixture
def story_t5_examples() -> list[tuple[str, str]]:
    """(source, what the model writes) of two held-out stories of the record."""
    return [(e["source"], e["written"]) for e in json.loads((FOLDER / "loss.json").read_text())["examples"][:2]]
