"""Reads a Hugging Face `tokenizer.json` into a description of what its tokenizer does.

The meaning of every field is that of the `tokenizers` package. `truncation` belongs to batching, not to text, and is
ignored; so is all that only concerns character offsets.
"""

from __future__ import annotations

import json
from pathlib import Path

from kaoken.errors import UnsupportedModelError, UsageError
from kaoken.text.decoder_json import read_decoder
from kaoken.text.json_reader import JsonReader
from kaoken.text.model_json import read_model
from kaoken.text.normalizer_json import read_normalizer
from kaoken.text.post_processor_json import read_post_processor
from kaoken.text.pre_tokenizer_json import read_pre_tokenizer
from kaoken.text.tokenizer_description import AddedToken, Metaspace, Model, Tokenizer, Unigram

_PADDING = ("[PAD]", "<pad>", "<|pad|>", "<PAD>")
"""How tokens that fill a row are called, where the file has no section `padding`."""


def read_tokenizer(path: Path) -> Tokenizer:
    """Reads `tokenizer.json`.

    Raises UsageError when there is no such file, UnsupportedModelError when it is damaged or does what the tables
    cannot hold; the message lists everything that is unsupported.
    """
    try:
        document = json.loads(path.read_bytes(), parse_float=read_float)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); give the path of a tokenizer.json") from error
    except (ValueError, RecursionError) as error:
        raise UnsupportedModelError(f"{path}: not a JSON document ({error})") from error
    reader = JsonReader(document)
    tokenizer = _read(reader)
    if reader.offenders or tokenizer is None:
        raise UnsupportedModelError(f"{path}: " + "; ".join(reader.offenders))
    return tokenizer


def read_float(text: str) -> float:
    """A number as the JSON reader inside the `tokenizers` package rounds it.

    It divides or multiplies the digits, as one rounded number, by a rounded power of ten, so that the last bit may differ
    from the nearest float; scores of Unigram's pieces that add up to the same sum are told apart by that bit.
    """
    digits, _, power = text.lower().partition("e")
    whole, _, fraction = digits.lstrip("-").partition(".")
    exponent = int(power or 0)
    significand, full = 0, False
    for place, digit in enumerate(whole + fraction):
        longer = significand * 10 + int(digit)
        full = full or longer >= 1 << 64
        if not full:
            significand = longer
            exponent -= place >= len(whole)
        else:
            exponent += place < len(whole)
    value = float(significand)
    while exponent < -308 and value:
        value /= 1e308
        exponent += 308
    power_of_ten = float(f"1e{min(abs(exponent), 308)}")
    value = value / power_of_ten if exponent < 0 else value * power_of_ten if exponent <= 308 or not value else float("inf")
    return -value if text.startswith("-") else value


def _read(reader: JsonReader) -> Tokenizer | None:
    normalizer = read_normalizer(reader)
    stages, byte_level = read_pre_tokenizer(reader)
    if byte_level and any(isinstance(stage, Metaspace) for stage in stages):
        reader.refuse("Metaspace and ByteLevel together are not supported")
    decoder = read_decoder(reader)
    model = read_model(reader, byte_level)
    if byte_level and decoder is not None and not decoder.byte_level:
        reader.refuse(f"the decoder {reader.kind('decoder')} is not supported (only ByteLevel, after a pre-tokenizer ByteLevel)")
    single, pair = read_post_processor(reader)
    if model is None or decoder is None:
        return None
    added = _added_tokens(reader, model)
    padding = _padding(reader, model, added)
    return Tokenizer(model, added, normalizer, stages, decoder, single, pair, padding)


def _added_tokens(reader: JsonReader, model: Model) -> list[AddedToken]:
    added: list[AddedToken] = []
    size = len(model.pieces) if isinstance(model, Unigram) else len(model.vocabulary)
    entries = reader.document.get("added_tokens") or []
    for entry in entries if isinstance(entries, list) else [entries]:
        content = entry.get("content") if isinstance(entry, dict) else None
        if not isinstance(content, str) or not reader.is_id(entry.get("id")):
            reader.refuse(f"the added token {entry!r} has no content or no id")
            continue
        if not content:
            continue
        options = {name: bool(entry.get(name)) for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        token = AddedToken(entry["id"], content, **options)
        # A token of the model keeps its id; a new one gets the next free id, as the tokenizers package does.
        taken = [size, *(other.id + 1 for other in added)]
        expected = model.vocabulary.get(content, max(taken))
        if token.id != expected:
            reader.refuse(f"the added token {content!r} has id {token.id}, where {expected} is next")
        if any(other.content == content for other in added):
            reader.refuse(f"the added token {content!r} is listed twice")
        added.append(token)
    return added


def _padding(reader: JsonReader, model: Model, added: list[AddedToken]) -> tuple[int, int]:
    """The id and the type that fill a row: those of the section `padding`, else of a token with a usual name, else 0."""
    section = reader.section("padding")
    if section:
        pad_id, pad_type = section.get("pad_id", 0), section.get("pad_type_id", 0)
        if reader.is_id(pad_id) and reader.is_id(pad_type):
            return pad_id, pad_type
        reader.refuse(f"the padding {section!r} has no ids")
    known = model.vocabulary | {token.content: token.id for token in added}
    return next((known[name] for name in _PADDING if name in known), 0), 0
