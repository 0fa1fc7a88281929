"""Reads the post-processor of a `tokenizer.json`: the tokens around one text, and around and between two."""

from __future__ import annotations

from typing import Any

from kaoken.text.json_reader import JsonReader
from kaoken.text.tokenizer_description import SPECIAL, TEXT_A, TEXT_B, Part

Templates = tuple[list[Part], list[Part]]

_PART_LIMIT = 64
_PLAIN = [Part(TEXT_A, 0, 0)], [Part(TEXT_A, 0, 0), Part(TEXT_B, 0, 1)]


def read_post_processor(reader: JsonReader) -> Templates:
    """The templates of one text and of two."""
    templates: Templates | None = None
    for step in reader.steps(reader.document.get("post_processor"), "processors"):
        kind = step.get("type")
        if kind == "ByteLevel":
            continue
        if templates is not None:
            reader.refuse("two post-processors that add tokens are not supported")
        if kind == "TemplateProcessing":
            templates = _template(reader, step, "single"), _template(reader, step, "pair")
        elif kind in ("RobertaProcessing", "BertProcessing"):
            templates = _fixed(_pair_id(reader, step.get("cls")), _pair_id(reader, step.get("sep")), kind == "BertProcessing")
        else:
            reader.refuse(f"the post-processor {kind!r} is not supported")
    return templates or _PLAIN


def _fixed(begin: int, end: int, typed: bool) -> Templates:
    """BERT has one separator between the texts and types; RoBERTa has two separators and no types."""
    single = [Part(SPECIAL, begin, 0), Part(TEXT_A, 0, 0), Part(SPECIAL, end, 0)]
    if typed:
        return single, [*single, Part(TEXT_B, 0, 1), Part(SPECIAL, end, 1)]
    return single, [*single, Part(SPECIAL, end, 0), Part(TEXT_B, 0, 0), Part(SPECIAL, end, 0)]


def _pair_id(reader: JsonReader, pair: Any) -> int:
    if isinstance(pair, list) and len(pair) == 2 and reader.is_id(pair[1]):
        return int(pair[1])
    reader.refuse(f"the post-processor names {pair!r} where a token and its id belong")
    return 0


def _template(reader: JsonReader, step: dict[str, Any], name: str) -> list[Part]:
    parts: list[Part] = []
    pieces = step.get(name)
    special_tokens = step.get("special_tokens")
    for piece in pieces if isinstance(pieces, list) else []:
        (key, value), *_ = piece.items() if isinstance(piece, dict) and piece else [("", {})]
        value = value if isinstance(value, dict) else {}
        type_id = value.get("type_id", 0)
        if not reader.is_id(type_id) or key not in ("Sequence", "SpecialToken"):
            reader.refuse(f"the template's part {piece!r} is not supported")
        elif key == "Sequence":
            parts.append(Part(TEXT_B if value.get("id") == "B" else TEXT_A, 0, type_id))
        else:
            token = special_tokens.get(str(value.get("id"))) if isinstance(special_tokens, dict) else None
            ids = token.get("ids") if isinstance(token, dict) else None
            if not isinstance(ids, list) or not all(reader.is_id(token_id) for token_id in ids):
                reader.refuse(f"the template's special token {value.get('id')!r} has no ids")
                continue
            parts += [Part(SPECIAL, token_id, type_id) for token_id in ids]
    texts = [part.kind for part in parts if part.kind != SPECIAL]
    if name == "single" and texts != [TEXT_A]:
        reader.refuse("a template that does not hold the text once is not supported")
    elif name == "pair" and sorted(texts) != [TEXT_A, TEXT_B]:
        reader.refuse("a template of two texts that does not hold each of them once is not supported")
    if len(parts) > _PART_LIMIT:
        reader.refuse(f"a template of more than {_PART_LIMIT} parts is not supported")
    return parts
