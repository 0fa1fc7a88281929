"""Reads the model of a `tokenizer.json`: its vocabulary, and how words become pieces of it."""

from __future__ import annotations

import math
from typing import Any

from kaoken.text.json_reader import TOKEN_LIMIT, JsonReader
from kaoken.text.tokenizer_description import Bpe, Model, Unigram, WordPiece

MOST_CHARACTERS = 100
"""A longer word is unknown to WordPiece, where the file does not say otherwise."""


def read_model(reader: JsonReader, byte_level: bool) -> Model | None:
    """The model; None where it is none that the tables hold. byte_level: pieces come as bytes."""
    model = reader.section("model")
    kind = model.get("type", "BPE" if "merges" in model else None)
    if kind == "BPE" and "merges" in model:
        return _bpe(reader, model, byte_level)
    if kind not in ("WordPiece", "Unigram"):
        reader.refuse(f"the tokenizer model {reader.kind('model')} is not supported (only BPE, WordPiece and Unigram)")
        return None
    if byte_level:
        reader.refuse(f"the pre-tokenizer ByteLevel before {kind} is not supported")
    return _word_piece(reader, model) if kind == "WordPiece" else _unigram(reader, model)


def _bpe(reader: JsonReader, model: dict[str, Any], byte_level: bool) -> Bpe:
    vocabulary = _vocabulary(reader, model)
    merges = _merges(reader, model, vocabulary)
    for option in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(option):
            reader.refuse(f"the BPE option {option} is not supported (it is {model[option]!r})")
    if model.get("dropout"):
        reader.refuse("the BPE option dropout is not supported")
    byte_fallback = bool(model.get("byte_fallback"))
    if byte_fallback and byte_level:
        reader.refuse("the BPE option byte_fallback together with ByteLevel is not supported")
    name = model.get("unk_token")
    unknown = vocabulary.get(name) if isinstance(name, str) else None
    if name is not None and unknown is None:
        reader.refuse(f"unk_token {name!r} is not in the vocabulary")
    fuse, ignore = bool(model.get("fuse_unk")), bool(model.get("ignore_merges"))
    return Bpe(vocabulary, merges, unknown, fuse, ignore, byte_level, byte_fallback)


def _word_piece(reader: JsonReader, model: dict[str, Any]) -> WordPiece:
    vocabulary = _vocabulary(reader, model)
    defaults: dict[str, Any] = {
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": MOST_CHARACTERS,
    }
    name, prefix, most = (default if model.get(key) is None else model[key] for key, default in defaults.items())
    unknown = vocabulary.get(name) if isinstance(name, str) else None
    if unknown is None:
        reader.refuse(f"unk_token {name!r} is not in the vocabulary")
    if not isinstance(prefix, str) or not reader.is_id(most):
        reader.refuse(f"continuing_subword_prefix {prefix!r} or max_input_chars_per_word {most!r} is none")
        prefix, most = "", 0
    return WordPiece(vocabulary, unknown or 0, prefix, most)


def _unigram(reader: JsonReader, model: dict[str, Any]) -> Unigram:
    pieces: list[str] = []
    scores: list[float] = []
    entries = model.get("vocab")
    for entry in entries if isinstance(entries, list) else []:
        good = isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)
        score = entry[1] if good else None
        if not isinstance(score, (int, float)) or isinstance(score, bool) or not math.isfinite(score):
            reader.refuse(f"the Unigram piece {entry!r} is not a text and a score")
            break
        pieces.append(entry[0])
        scores.append(float(score))
    unknown: Any = model.get("unk_id")
    if not reader.is_id(unknown) or unknown >= len(pieces):
        reader.refuse(f"the Unigram model's unk_id {unknown!r} is no id of a piece")
        unknown = 0
    vocabulary = {piece: token_id for token_id, piece in enumerate(pieces)}
    return Unigram(vocabulary, pieces, scores, unknown, bool(model.get("byte_fallback")))


def _vocabulary(reader: JsonReader, model: dict[str, Any]) -> dict[str, int]:
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict):
        reader.refuse(f"the {model.get('type', 'BPE')} model has no vocab")
        return {}
    bad = [token for token, token_id in vocabulary.items() if not reader.is_id(token_id)]
    if bad:
        reader.refuse(f"{len(bad)} ids of vocab are not between 0 and {TOKEN_LIMIT} (the first is {bad[0]!r}'s)")
        return {}
    if len(set(vocabulary.values())) != len(vocabulary):
        reader.refuse("two tokens of vocab share an id")
    return vocabulary


def _merges(reader: JsonReader, model: dict[str, Any], vocabulary: dict[str, int]) -> list[tuple[int, int, int]]:
    lines = model["merges"] if isinstance(model["merges"], list) else []
    merges = []
    for line in lines:
        if isinstance(line, str):
            if line.startswith("#version"):
                continue
            pair: Any = line.split(" ")
        else:
            pair = line
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
            reader.refuse(f"the merge {line!r} is not a pair of tokens")
            break
        left, right = pair
        missing = [token for token in (left, right, left + right) if token not in vocabulary]
        if missing:
            reader.refuse(f"the merge {line!r} names {missing[0]!r}, which is not in the vocabulary")
            break
        merges.append((vocabulary[left], vocabulary[right], vocabulary[left + right]))
    return merges
