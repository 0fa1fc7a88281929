"""Classes of characters equal those that the tokenizers package matches with."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from text_samples import FUZZ_STRINGS
from tokenizers import Regex, pre_tokenizers

from kaoken.text import unicode16
from kaoken.text.pattern_syntax import Character, parse_pattern

# --- Unicode


@cache
def every_code_point() -> list[str]:
    return [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


@cache
def populated_planes() -> list[str]:
    """Without the planes of private use and those that are empty, where all code points are alike."""
    return [c for c in every_code_point() if FUZZ_STRINGS or ord(c) < 0x34000 or 0xE0000 <= ord(c) < 0xE0200]


def differing(members: np.ndarray, pattern: str, characters: list[str]) -> list[str]:
    """Where a set differs from what the tokenizers package lets a one-character pattern match."""
    found = np.zeros(0x110000, dtype=np.bool_)
    splitter = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    for start in range(0, len(characters), 4096):
        pieces = splitter.pre_tokenize_str("".join(characters[start : start + 4096]))
        found[[ord(character) for piece, _ in pieces for character in piece]] = True
    return [f"U+{ord(c):04X}" for c in characters if members[ord(c)] != found[ord(c)]]


@pytest.mark.parametrize("name", sorted(unicode16.GENERAL_CATEGORIES))
def test_general_categories_equal_those_of_the_tokenizers_package(name: str) -> None:
    assert differing(unicode16.category(name), rf"\p{{{name}}}", populated_planes()) == []


@pytest.mark.parametrize("pattern", [r"\s", r"\w", r"\W", r"\d", r"\D", r"[^\S\n]", ".", r"\x{e9}", r"[\p{Lu}[^a-é]_]"])
def test_classes_in_patterns_hold_what_the_tokenizers_package_lets_match(pattern: str) -> None:
    node = parse_pattern(pattern)
    assert isinstance(node, Character)
    assert differing(node.members, pattern, populated_planes()) == []


def test_words_and_spaces_around_added_tokens_equal_those_of_the_tokenizers_package() -> None:
    # Between "_" and "!", a word character joins the first and a space neither.
    word = np.zeros(0x110000, dtype=np.bool_)
    space = np.zeros(0x110000, dtype=np.bool_)
    splitter = pre_tokenizers.Whitespace()
    characters = populated_planes()
    for start in range(0, len(characters), 2048):
        chunk = characters[start : start + 2048]
        pieces = splitter.pre_tokenize_str("".join(f"_{c}!" for c in chunk))
        covered = np.zeros(3 * len(chunk) + 1, dtype=np.int64)
        for number, (_, (begin, end)) in enumerate(pieces):
            covered[begin:end] = number + 1
        for place, character in enumerate(chunk):
            before, at = covered[3 * place], covered[3 * place + 1]
            word[ord(character)] = at == before
            space[ord(character)] = at == 0
    checked = [ord(c) for c in characters]
    assert np.flatnonzero(unicode16.word()[checked] != word[checked]).size == 0
    assert np.flatnonzero(unicode16.white_space()[checked] != space[checked]).size == 0
