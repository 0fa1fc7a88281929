"""What a checkpoint's files say about generation, as the compiler reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kaoken.emit.generation import GenerationDefaults, generation_defaults

BART = {
    "num_beams": 4,
    "length_penalty": 2.0,
    "early_stopping": True,
    "no_repeat_ngram_size": 3,
    "max_length": 142,
    "min_length": 56,
    "decoder_start_token_id": 2,
    "forced_bos_token_id": 0,
    "forced_eos_token_id": 2,
    "eos_token_id": 2,
    "pad_token_id": 1,
}
BART_DEFAULTS = GenerationDefaults(
    max_new_tokens=-1, max_length=142, num_beams=4, length_penalty=2.0, early_stopping="TRUE", no_repeat_ngram_size=3,
    min_length=56, decoder_start_id=2, forced_bos_id=0, forced_eos_id=2, stop_ids=(2,), pad_id=1,
)  # fmt: skip

CASES: dict[str, tuple[dict[str, Any] | None, dict[str, Any], GenerationDefaults]] = {
    "nothing": (None, {}, GenerationDefaults()),
    "config only": (None, BART, BART_DEFAULTS),
    "own file": (BART, {"eos_token_id": 7, "num_beams": 9}, BART_DEFAULTS),
    "end of config": ({"do_sample": False}, {"eos_token_id": [5, 6, 5]}, GenerationDefaults(stop_ids=(5, 6))),
    "sampling": (
        {"do_sample": True, "top_p": 0.9, "temperature": 0.6, "repetition_penalty": 1.1, "max_new_tokens": 40},
        {},
        GenerationDefaults(max_new_tokens=40, temperature=0.6, top_k=50, top_p=0.9, repetition_penalty=1.1),
    ),
    "sampling beams": ({"do_sample": True, "num_beams": 2}, {}, GenerationDefaults(num_beams=2, top_k=50)),
    "length nobody gave": ({"max_length": 20}, {}, GenerationDefaults()),
    "start of a decoder": ({"bos_token_id": 3}, {"is_encoder_decoder": True}, GenerationDefaults(decoder_start_id=3)),
    "lists": (
        {"suppress_tokens": [1, 2], "begin_suppress_tokens": [3], "bad_words_ids": [[4], [5, 6]], "early_stopping": "never"},
        {},
        GenerationDefaults(suppress_ids=(1, 2), begin_suppress_ids=(3,), bad_words=((4,), (5, 6)), early_stopping="NEVER"),
    ),
    "nonsense": (
        {"num_beams": "four", "temperature": None, "eos_token_id": 1000, "min_length": -3, "top_k": True,
         "bad_words_ids": [7, []], "length_penalty": float("nan"), "suppress_tokens": {"a": 1},
         "early_stopping": [1], "forced_eos_token_id": [1, 2]},
        {},
        GenerationDefaults(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_defaults(case: str, tmp_path: Path) -> None:
    own, config, expected = CASES[case]
    if own is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(own), encoding="utf-8")
    assert generation_defaults(tmp_path, config, 100) == expected


def test_a_damaged_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text("{", encoding="utf-8")
    assert generation_defaults(tmp_path, {"eos_token_id": 4}, 100).stop_ids == (4,)
