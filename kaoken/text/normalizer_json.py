"""Reads the normalizer of a `tokenizer.json`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from kaoken.errors import UnsupportedModelError
from kaoken.text import unicode16, unicode_tables
from kaoken.text.charsmap import read_charsmap
from kaoken.text.json_reader import JsonReader
from kaoken.text.normalizer import (
    STEP_LIMIT,
    TEXT_LIMIT,
    CharacterMap,
    Charsmap,
    Compose,
    Prepend,
    Reorder,
    Replace,
    Step,
    Strip,
    fused,
)
from kaoken.text.pattern_syntax import Node, can_be_empty, literal, parse_pattern
from kaoken.text.unicode16 import CodePointSet

_FORMS = {"NFD": (False, False), "NFKD": (True, False), "NFC": (False, True), "NFKC": (True, True)}

# What the normalizer Nmt removes, and what it makes a space (SentencePiece's rules of neural machine translation).
_NMT_REMOVED = (0x1, 0x8), (0xB, 0xB), (0xE, 0x1F), (0x7F, 0x7F), (0x8F, 0x8F), (0x9F, 0x9F)
_NMT_SPACES = (
    *((0x9, 0xA), (0xC, 0xD), (0x1680, 0x1680), (0x200B, 0x200F), (0x2028, 0x2029), (0x2581, 0x2581)),
    *((0xFEFF, 0xFEFF), (0xFFFD, 0xFFFD)),
)


def read_normalizer(reader: JsonReader) -> list[Step]:
    """The steps of the normalizer; what cannot be held is refused in the reader."""
    steps: list[Step] = []
    for section in reader.steps(reader.document.get("normalizer"), "normalizers"):
        read = _READERS.get(str(section.get("type")))
        if read is None:
            reader.refuse(f"the normalizer {section.get('type')!r} is not supported")
            continue
        try:
            steps += read(section)
        except UnsupportedModelError as error:
            reader.refuse(str(error))
    steps = fused(steps)
    if len(steps) > STEP_LIMIT:
        reader.refuse(f"a normalizer of more than {STEP_LIMIT} steps is not supported")
    return steps


def _every(members: CodePointSet, text: str | None = None) -> CharacterMap:
    """Every character of a set becomes a text; None: spaces around the character itself."""
    found: list[int] = np.flatnonzero(members).tolist()
    return CharacterMap({c: f" {chr(c)} " if text is None else text for c in found if not 0xD800 <= c < 0xE000})


def _form(name: str) -> list[Step]:
    compatible, composed = _FORMS[name]
    steps: list[Step] = [CharacterMap(unicode_tables.decompositions(compatible)), Reorder()]
    return [*steps, Compose()] if composed else steps


def _normal_form(name: str, _: dict[str, Any]) -> list[Step]:
    return _form(name)


def _bert(section: dict[str, Any]) -> list[Step]:
    lowercase = bool(section.get("lowercase", True))
    strip_accents = section.get("strip_accents")
    steps: list[Step] = []
    if section.get("clean_text", True):
        spaces = unicode16.white_space() & ~unicode_tables.controls()
        spaces[0x20] = False
        steps += [_every(unicode_tables.controls(), ""), _every(spaces, " ")]
    if section.get("handle_chinese_chars", True):
        steps.append(_every(unicode_tables.ideographs()))
    if lowercase if strip_accents is None else strip_accents:
        steps += [*_form("NFD"), _every(unicode_tables.nonspacing_marks(), "")]
    if lowercase:
        steps.append(CharacterMap(unicode_tables.small_letters()))
    return steps


def _charsmap(section: dict[str, Any]) -> list[Step]:
    value = section.get("precompiled_charsmap")
    if not value:
        return []
    try:
        data = base64.b64decode(str(value), validate=True)
    except binascii.Error as error:
        raise UnsupportedModelError("the precompiled_charsmap is not base64") from error
    texts = read_charsmap(data)
    if any(len(text) > TEXT_LIMIT for text in texts.values()):
        raise UnsupportedModelError(f"the precompiled_charsmap holds a text of more than {TEXT_LIMIT} bytes")
    return [Charsmap(texts)]


def _short(text: Any, what: str) -> str:
    if not isinstance(text, str) or len(text.encode("utf-8", "replace")) > TEXT_LIMIT:
        raise UnsupportedModelError(f"{what} is no text of at most {TEXT_LIMIT} bytes")
    return text


def read_pattern(pattern: Any) -> tuple[Node, str]:
    """A pattern as `tokenizer.json` has it, {"String": …} or {"Regex": …}, and what messages call it."""
    for kind, parse in (("Regex", parse_pattern), ("String", literal)):
        text = pattern.get(kind) if isinstance(pattern, dict) else None
        if isinstance(text, str) and text:
            return parse(text), f"the pattern {text!r}"
    raise UnsupportedModelError(f"the pattern {pattern!r} is not supported")


def _replace(section: dict[str, Any]) -> list[Step]:
    pattern, name = read_pattern(section.get("pattern"))
    if can_be_empty(pattern):
        raise UnsupportedModelError(f"{name} can match an empty text, which Replace cannot replace")
    return [Replace(pattern, _short(section.get("content"), "Replace's content"), name)]


def _strip(section: dict[str, Any]) -> list[Step]:
    left, right = bool(section.get("strip_left", True)), bool(section.get("strip_right", True))
    return [Strip(left, right, unicode16.white_space())]


def _nmt(_: dict[str, Any]) -> list[Step]:
    return [
        _every(unicode16.code_points(*_NMT_REMOVED), ""),
        _every(unicode16.code_points(*_NMT_SPACES), " "),
    ]


_READERS: dict[str, Callable[[dict[str, Any]], list[Step]]] = {
    "BertNormalizer": _bert,
    "Precompiled": _charsmap,
    "Replace": _replace,
    "Strip": _strip,
    "Nmt": _nmt,
    "Prepend": lambda section: [Prepend(_short(section.get("prepend"), "Prepend's text"))],
    "Lowercase": lambda _: [CharacterMap(unicode_tables.small_letters())],
    "StripAccents": lambda _: [_every(unicode_tables.combining_marks(), "")],
    **{name: partial(_normal_form, name) for name in _FORMS},
}
