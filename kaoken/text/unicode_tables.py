"""Character data of the libraries inside the `tokenizers` package, each at its own version of Unicode.

Punctuation, non-spacing marks and format controls follow Unicode 8.0, canonical and compatibility decompositions,
combining classes and combining marks Unicode 11.0, letters' case and numbers Unicode 17.0. Newer data has every older
character unchanged but for the few named here; what came later lies in short lists of intervals and is masked out.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import Literal

import numpy as np
import numpy.typing as npt

from kaoken.text.unicode16 import CODE_POINTS, CodePointSet, assigned, category, code_points

# Punctuation, non-spacing marks and format controls that came after 8.0, as intervals without older ones of the kind.
_AFTER_8 = """
    61D 7FD 890-8E2 9FD-9FE A76 AFA-AFF B55 C04-C3C C77 C84 D00 D3B-D3C D81 EBA ECE 180F-1886 1ABF-1ACE 1B4E-1B4F
    1B7D-1B7F 1DF6-1DFB 2E43-2E5D A82C A8C5 A8FF A9BD 10D24-10F89 11070-11074 110C2-110CD 111C9 111CF 1123E-11241
    1133B 113BB-1145E 11660-1166C 116B9 1182F-11FFF 12FF1-1612F 16D6D-16F4F 16FE2-16FE4 1CF00-1CF46 1E000-1E5FF
    1E944-1E95F
"""

# Marks, and characters with a combining class, that came after the normalization library's tables. The first four decompose.
_AFTER_11 = """
    340-341 343-344 7FD 897-8D3 9FE AFA-AFF B55 C04-C3C CF3-D00 D3B-D3C D81 EBA ECE 1715 180F 1ABF-1ACE 1CF7 1DF6-1DFA
    A82C A8FF 10D24-10F85 11070-11074 110C2 11145-11146 111C9 111CE-111CF 11241 1133B 113B8-113E2 1145E 1182C-11A99
    11D31-1612F 16F4F 16F7F-16F87 16FE4-16FF1 1CF00-1CF46 1E08F-1E5EF
"""

# Characters with a decomposition that came after those tables.
_DECOMPOSED_AFTER_11 = """
    32FF A7F1-A7F4 AB69 105C0-105FF 10781-107BA 11380-113FF 11938 16100-1613F 16D40-16D7F 1CC00-1CEBF 1E030-1E08F
    1F16C 1FBF0-1FBF9
"""

# Capital letters that may be newer than the running Python, and what their small letters are.
_NEW_CAPITALS = {0x1C89: 0x1C8A, 0xA7CB: 0x264, 0xA7DC: 0x19B} | {
    capital: capital + distance
    for first, last, distance in (
        *((pair, pair, 1) for pair in (0xA7CC, 0xA7CE, 0xA7D2, 0xA7D4, 0xA7DA)),
        (0x10D50, 0x10D65, 0x20),
        (0x16EA0, 0x16EB8, 0x1B),
    )
    for capital in range(first, last + 1)
}

HANGUL_FIRST, HANGUL_COUNT = 0xAC00, 11172


def _intervals(text: str) -> CodePointSet:
    bounds = [part.partition("-") for part in text.split()]
    return code_points(*((int(first, 16), int(last or first, 16)) for first, _, last in bounds))


@functools.cache
def punctuation() -> CodePointSet:
    """What BERT's pre-tokenizer takes for punctuation: the categories P, and all of ASCII's symbols."""
    members = category("P") & ~_intervals(_AFTER_8)
    members[[0x166D, 0x111C9]] = True
    for code_point in range(0x21, 0x7F):
        members[code_point] = not chr(code_point).isalnum()
    return members


@functools.cache
def nonspacing_marks() -> CodePointSet:
    """What BERT's normalizer takes for accents."""
    members = category("Mn") & ~_intervals(_AFTER_8)
    members[[0x1734, 0x1171E]] = True
    return members


@functools.cache
def controls() -> CodePointSet:
    """What BERT's normalizer removes as no text: controls, formats, private use, U+FFFD; not tab and line ends."""
    members = category("Cc") | category("Co") | (category("Cf") & ~_intervals(_AFTER_8))
    members[[0x9, 0xA, 0xD]] = False
    members[0xFFFD] = True
    return members


@functools.cache
def combining_marks() -> CodePointSet:
    """What StripAccents removes."""
    newer = _intervals(_AFTER_11)
    newer[[0x340, 0x341, 0x343, 0x344]] = False
    members = category("M") & ~newer
    members[[0x1CF2, 0x1CF3]] = True
    return members


@functools.cache
def numeric() -> CodePointSet:
    """What the pre-tokenizer Digits takes for a digit."""
    return category("N") | code_points((0x11DE0, 0x11DE9), (0x16FF4, 0x16FF6))


def ideographs() -> CodePointSet:
    """What BERT's normalizer puts spaces around (handle_chinese_chars)."""
    extensions = (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF)
    return code_points((0x4E00, 0x9FFF), (0x3400, 0x4DBF), *extensions, (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))


@functools.cache
def combining_classes() -> npt.NDArray[np.uint8]:
    """The canonical combining class of every code point, uint8 [0x110000]."""
    classes = np.zeros(CODE_POINTS, dtype=np.uint8)
    for code_point in np.flatnonzero(category("M") & ~_intervals(_AFTER_11)).tolist():
        classes[code_point] = unicodedata.combining(chr(code_point))
    return classes


@functools.cache
def decompositions(compatible: bool) -> dict[int, str]:
    """Full canonical (or compatibility) decompositions of the characters that have one. Do not change the result."""
    form: Literal["NFD", "NFKD"] = "NFKD" if compatible else "NFD"
    known = assigned() & ~_intervals(_DECOMPOSED_AFTER_11)
    found = {}
    for code_point in np.flatnonzero(known & ~category("C")).tolist():
        text = chr(code_point)
        if not unicodedata.is_normalized(form, text):
            found[code_point] = unicodedata.normalize(form, text)
    return found


@functools.cache
def compositions() -> dict[tuple[int, int], int]:
    """Pairs of code points and the one that canonical composition makes of them; Hangul is left to arithmetic."""
    found = {}
    for code_point in decompositions(compatible=False):
        text = chr(code_point)
        parts = unicodedata.decomposition(text).split()
        if len(parts) == 2 and unicodedata.is_normalized("NFC", text):
            found[int(parts[0], 16), int(parts[1], 16)] = code_point
    return found


@functools.cache
def small_letters() -> dict[int, str]:
    """What lower case makes of the characters that it changes, each by itself. Do not change the result."""
    found = {code_point: chr(small) for code_point, small in _NEW_CAPITALS.items()}
    for code_point in np.flatnonzero(category("L") | category("N") | category("S") | category("M")).tolist():
        text = chr(code_point).lower()
        if text != chr(code_point):
            found[code_point] = text
    return found


@functools.cache
def capital_letters() -> dict[int, str]:
    """What upper case makes of the characters that it changes, each by itself. Do not change the result."""
    found = {small: chr(capital) for capital, small in _NEW_CAPITALS.items()}
    for code_point in np.flatnonzero(category("L") | category("N") | category("S") | category("M")).tolist():
        text = chr(code_point).upper()
        if text != chr(code_point):
            found[code_point] = text
    return found
