"""How a model continues texts unless told otherwise: what generation_config.json, or config.json, says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

NEW_TOKENS = 128
UNSET_LENGTH = 20
"""transformers' own default of max_length, which means that nobody gave one."""
SAMPLED_TOP_K = 50
"""transformers' own default of top_k, where a configuration asks for sampling."""
EARLY_STOPPING = {False: "FALSE", True: "TRUE", "never": "NEVER"}


@dataclass(frozen=True)
class GenerationDefaults:
    """The fields of the generated header's options struct; ids within the vocabulary, -1 for none."""

    max_new_tokens: int = NEW_TOKENS
    max_length: int = 0
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: str = "FALSE"
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    min_length: int = 0
    min_new_tokens: int = 0
    forced_bos_id: int = -1
    forced_eos_id: int = -1
    decoder_start_id: int = -1
    pad_id: int = -1
    stop_ids: tuple[int, ...] = ()
    suppress_ids: tuple[int, ...] = ()
    begin_suppress_ids: tuple[int, ...] = ()
    bad_words: tuple[tuple[int, ...], ...] = ()

    def numbers(self) -> list[tuple[str, str]]:
        """The options that are numbers, as C."""
        return [(k, repr(v)) for k, v in asdict(self).items() if isinstance(v, int | float) and k != "pad_id"]


def generation_defaults(folder: Path, config: Mapping[str, Any], vocabulary: int) -> GenerationDefaults:
    """Read the files beside a model as transformers does; entries of the wrong type or outside their bounds count as not there.

    config: what config.json says. A model's own generation_config.json takes the place of what config.json says about generation.
    """
    path = folder / "generation_config.json"
    given: Mapping[str, Any] = config
    if path.is_file():
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            read = None
        if isinstance(read, dict):
            given = read
    return _Reader(given, config, vocabulary).defaults()


class _Reader:
    def __init__(self, given: Mapping[str, Any], config: Mapping[str, Any], vocabulary: int):
        self.given, self.config, self.vocabulary = given, config, vocabulary

    def count(self, key: str, default: int, least: int) -> int:
        value = self.given.get(key)
        plain = isinstance(value, int) and not isinstance(value, bool)
        return int(value) if plain and least <= value < 2**31 else default  # type: ignore[arg-type, operator]

    def number(self, key: str, default: float, low: float, high: float) -> float:
        value = self.given.get(key)
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if plain and low <= value <= high else default  # type: ignore[arg-type, operator]

    def ids(self, key: str, *, fallback: bool = False) -> tuple[int, ...]:
        """One id or a list of them, each once; `fallback`: config.json's where generation_config.json has no such entry."""
        value = self.config.get(key) if fallback and key not in self.given else self.given.get(key)
        listed = value if isinstance(value, list) else [value]
        return tuple(dict.fromkeys(int(i) for i in listed if _is_id(i, self.vocabulary)))

    def id(self, *keys: str) -> int:
        """The id of the first key that has just one."""
        for key in keys:
            found = self.ids(key, fallback=True)
            if len(found) == 1:
                return found[0]
        return -1

    def bad_words(self) -> tuple[tuple[int, ...], ...]:
        words = self.given.get("bad_words_ids")
        listed = [w for w in words if isinstance(w, list) and w] if isinstance(words, list) else []
        return tuple(tuple(w) for w in listed if all(_is_id(i, self.vocabulary) for i in w))

    def defaults(self) -> GenerationDefaults:
        samples = self.given.get("do_sample") is True
        beams = self.count("num_beams", 1, 1)
        early = self.given.get("early_stopping")
        new_tokens = self.count("max_new_tokens", -1, 0)
        length = self.count("max_length", UNSET_LENGTH, 1)
        by_length = new_tokens < 0 and length != UNSET_LENGTH
        encoder_decoder = self.config.get("is_encoder_decoder") is True
        return GenerationDefaults(
            max_new_tokens=new_tokens if new_tokens >= 0 else -1 if by_length else NEW_TOKENS,
            max_length=length if by_length else 0,
            num_beams=beams,
            length_penalty=self.number("length_penalty", 1.0, -1e3, 1e3),
            early_stopping=EARLY_STOPPING.get(early if isinstance(early, bool | str) else False, "FALSE"),
            temperature=self.number("temperature", 1.0, 1e-6, 1e6) if samples and beams == 1 else 0.0,
            top_k=self.count("top_k", SAMPLED_TOP_K if samples else 0, 0),
            top_p=self.number("top_p", 1.0, 0.0, 1.0),
            min_p=self.number("min_p", 0.0, 0.0, 1.0),
            repetition_penalty=self.number("repetition_penalty", 1.0, 1e-6, 1e6),
            no_repeat_ngram_size=self.count("no_repeat_ngram_size", 0, 0),
            min_length=self.count("min_length", 0, 0),
            min_new_tokens=self.count("min_new_tokens", 0, 0),
            forced_bos_id=self.id("forced_bos_token_id"),
            forced_eos_id=self.id("forced_eos_token_id"),
            decoder_start_id=self.id("decoder_start_token_id", *(["bos_token_id"] if encoder_decoder else [])),
            pad_id=self.id("pad_token_id"),
            stop_ids=self.ids("eos_token_id", fallback=True),
            suppress_ids=self.ids("suppress_tokens"),
            begin_suppress_ids=self.ids("begin_suppress_tokens"),
            bad_words=self.bad_words(),
        )


def _is_id(value: Any, vocabulary: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < vocabulary
