"""Reads the pre-tokenizer of a `tokenizer.json`."""

from __future__ import annotations

from typing import Any

from kaoken.errors import UnsupportedModelError
from kaoken.text import unicode16, unicode_tables
from kaoken.text.json_reader import JsonReader
from kaoken.text.normalizer_json import read_pattern
from kaoken.text.pattern_syntax import Alternation, Character, Node, Repeat, literal, parse_pattern
from kaoken.text.tokenizer_description import BEHAVIORS, Metaspace, PrefixSpace, Split, Stage

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""How ByteLevel splits text (A. Radford et al., GPT-2, 2019)."""

STAGE_LIMIT = 8

_PREPEND = ("never", "always", "first")


def read_pre_tokenizer(reader: JsonReader) -> tuple[list[Stage], bool]:
    """The stages of the pre-tokenizer, and whether pieces then become bytes (ByteLevel)."""
    stages: list[Stage] = []
    byte_level = False
    for step in reader.steps(reader.document.get("pre_tokenizer"), "pretokenizers"):
        kind = step.get("type")
        last = stages[-1] if stages else None
        if byte_level:
            reader.refuse(f"the pre-tokenizer {kind!r} after ByteLevel is not supported")
        elif any(isinstance(stage, Metaspace) for stage in stages) and kind not in ("Digits", "Punctuation"):
            reader.refuse(f"the pre-tokenizer {kind!r} after Metaspace is not supported ({last})")
        elif kind == "ByteLevel":
            byte_level = True
            if step.get("add_prefix_space", True):
                stages.append(PrefixSpace())
            if step.get("use_regex", True):
                stages.append(Split(parse_pattern(GPT2_PATTERN), "Isolated", False, "ByteLevel's pattern"))
        else:
            try:
                stages += _stages(step)
            except UnsupportedModelError as error:
                reader.refuse(str(error))
    if len(stages) > STAGE_LIMIT:
        reader.refuse(f"more than {STAGE_LIMIT} pre-tokenizer steps are not supported")
    return stages, byte_level


def _stages(step: dict[str, Any]) -> list[Stage]:
    kind = step.get("type")
    space = Character(unicode16.white_space())
    punctuation = Character(unicode_tables.punctuation())
    match kind:
        case "BertPreTokenizer":
            return [Split(space, "Removed", False, kind), Split(punctuation, "Isolated", False, kind)]
        case "Whitespace":
            word, other = unicode16.word(), ~(unicode16.word() | unicode16.white_space())
            runs: tuple[Node, ...] = tuple(Repeat(Character(members), 1, None, greedy=True) for members in (word, other))
            return [Split(Alternation(runs), "Removed", True, kind)]
        case "WhitespaceSplit":
            return [Split(space, "Removed", False, kind)]
        case "Punctuation":
            return [Split(punctuation, _behavior(step.get("behavior", "Isolated"), kind), False, kind)]
        case "Digits":
            behavior = "Isolated" if step.get("individual_digits") else "Contiguous"
            return [Split(Character(unicode_tables.numeric()), behavior, False, kind)]
        case "CharDelimiterSplit":
            return [Split(literal(_character(step.get("delimiter"), kind)), "Removed", False, kind)]
        case "Metaspace":
            return _metaspace(step)
        case "Split":
            pattern, name = read_pattern(step.get("pattern"))
            return [Split(pattern, _behavior(step.get("behavior"), kind), bool(step.get("invert")), name)]
    raise UnsupportedModelError(f"the pre-tokenizer {kind!r} is not supported")


def _behavior(value: Any, kind: str) -> str:
    if value not in BEHAVIORS:
        raise UnsupportedModelError(f"the {kind} behavior {value!r} is not supported")
    return str(value)


def _character(value: Any, kind: str) -> str:
    if not isinstance(value, str) or len(value) != 1:
        raise UnsupportedModelError(f"{kind} names {value!r} where one character belongs")
    return value


def prepend_scheme(step: dict[str, Any]) -> str:
    """When a Metaspace puts its mark before a piece, in old files and new ones."""
    scheme = step.get("prepend_scheme")
    if scheme is None:
        return "always" if step.get("add_prefix_space", True) else "never"
    if scheme not in _PREPEND:
        raise UnsupportedModelError(f"the Metaspace prepend_scheme {scheme!r} is not supported")
    return str(scheme)


def metaspace_mark(step: dict[str, Any]) -> str:
    """The character that stands for a space."""
    return _character(step.get("replacement", "▁"), "Metaspace")


def _metaspace(step: dict[str, Any]) -> list[Stage]:
    stages: list[Stage] = [Metaspace(metaspace_mark(step), prepend_scheme(step))]
    if step.get("split", True):
        stages.append(Split(literal(" "), "MergedWithNext", False, "Metaspace"))
    return stages
