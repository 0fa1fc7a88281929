"""Tables over all code points, and what the steps of a normalizer look up in them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from kaoken.text import unicode16, unicode_tables
from kaoken.text.grapheme_clusters import cluster_pattern
from kaoken.text.hash_table import hash_table, pair_hash
from kaoken.text.normalizer import CharacterMap, Charsmap, Compose, Prepend, Reorder, Replace, Step, Strip
from kaoken.text.pattern_automaton import compile_pattern, partition
from kaoken.text.pattern_syntax import Node
from kaoken.text.trie import build_trie
from kaoken.text.unicode16 import CODE_POINTS

BLOCK = 128
"""Code points that share one entry of an index."""

_PROPERTY_WORD, _PROPERTY_SPACE = 1, 2
_MAP, _REORDER, _COMPOSE, _CHARSMAP, _REPLACE, _STRIP, _PREPEND = range(7)
_SAME, _REMOVED, _SPACED, _SYLLABLE, _FIRST_TEXT = range(5)

Arrays = dict[str, npt.NDArray[np.generic]]


class CharacterTables:
    """Collects tables; equal blocks and equal texts are stored once."""

    def __init__(self) -> None:
        self.index: list[npt.NDArray[np.uint16]] = []
        self.blocks: dict[bytes, int] = {}
        self.tables: dict[bytes, int] = {}
        self.map_index: list[npt.NDArray[np.uint16]] = []
        self.map_blocks: dict[bytes, int] = {}
        self.transitions: list[npt.NDArray[np.uint16]] = []
        self.texts = bytearray()
        self.text_at: dict[bytes, int] = {}
        self.strips = False

    def arrays(self) -> Arrays:
        """The arrays that all tables share."""
        nothing = np.zeros(0, np.uint16)
        return {
            "transitions": np.concatenate([*self.transitions, nothing]),
            "class_index": np.concatenate([*self.index, nothing]),
            "class_blocks": np.frombuffer(b"".join(self.blocks), dtype=np.uint8),
            "map_index": np.concatenate([*self.map_index, nothing]),
            "map_blocks": np.frombuffer(b"".join(self.map_blocks), dtype=np.uint32),
            "texts": np.frombuffer(bytes(self.texts), dtype=np.uint8),
        }

    def class_table(self, classes: npt.NDArray[np.uint8]) -> int:
        """Adds a table of a class for each code point; returns its number."""
        key = classes.tobytes()
        if key not in self.tables:
            rows = classes.reshape(-1, BLOCK)
            index = [self.blocks.setdefault(row.tobytes(), len(self.blocks)) for row in rows]
            self.tables[key] = len(self.index)
            self.index.append(np.array(index, dtype=np.uint16))
        return self.tables[key]

    def automaton(self, pattern: Node, name: str) -> tuple[int, int, int, int]:
        """Adds a pattern; returns its class table, first transition, states and symbols."""
        automaton = compile_pattern(pattern, name)
        states, symbols = automaton.transitions.shape
        first = sum(table.size for table in self.transitions)
        self.transitions.append(automaton.transitions.reshape(-1))
        return self.class_table(automaton.classes), first, states, symbols

    def properties(self) -> int:
        """Adds the table of word characters and spaces."""
        classes, (word, space) = partition([unicode16.word(), unicode16.white_space()], "properties")
        bits = [_PROPERTY_WORD * w + _PROPERTY_SPACE * s for w, s in zip(word, space, strict=True)]
        return self.class_table(np.array(bits, dtype=np.uint8)[classes])

    def text(self, text: bytes) -> int:
        """Adds a text of at most 255 bytes; returns its place."""
        if text not in self.text_at:
            self.text_at[text] = len(self.texts)
            self.texts += bytes([len(text)]) + text
        return self.text_at[text]

    def steps(self, steps: Iterable[Step]) -> Arrays:
        """The rows of a normalizer's steps and the arrays that only they use."""
        rows: list[list[int]] = []
        arrays: Arrays = {}
        for step in steps:
            match step:
                case CharacterMap(texts):
                    rows.append([_MAP, self.character_map(texts)])
                case Reorder():
                    rows.append([_REORDER, 0, 0, self.class_table(unicode_tables.combining_classes())])
                case Compose():
                    rows.append([_COMPOSE, 0, 0, self.class_table(unicode_tables.combining_classes())])
                    arrays["compositions"] = _compositions()
                case Charsmap(mapped):
                    rows.append([_CHARSMAP, 0, 0, *self.automaton(cluster_pattern(), "grapheme clusters")])
                    trie = build_trie({key: self.text(value) for key, value in sorted(mapped.items())})
                    arrays |= {"charsmap_units": trie.units.reshape(-1), "charsmap_texts": trie.values}
                case Replace(pattern, replacement, name):
                    rows.append([_REPLACE, self.text(replacement.encode("utf-8", "replace")), 0, *self.automaton(pattern, name)])
                case Strip(left, right):
                    rows.append([_STRIP, left + 2 * right])
                    self.strips = True
                case Prepend(before):
                    rows.append([_PREPEND, self.text(before.encode("utf-8", "replace"))])
        padded = [[*row, *[0] * (8 - len(row))] for row in rows]
        return arrays | {"steps": np.array(padded, dtype=np.uint32).reshape(-1)}

    def character_map(self, texts: dict[int, str]) -> int:
        """Adds a table of what each code point becomes; returns its number."""
        entries = np.full(CODE_POINTS, _SAME, dtype=np.uint32)
        syllables = range(unicode_tables.HANGUL_FIRST, unicode_tables.HANGUL_FIRST + unicode_tables.HANGUL_COUNT)
        for code_point, text in sorted(texts.items()):
            if text == "":
                entries[code_point] = _REMOVED
            elif text == f" {chr(code_point)} ":
                entries[code_point] = _SPACED
            elif code_point in syllables and text == _jamo(code_point):
                entries[code_point] = _SYLLABLE
            elif text != chr(code_point):
                entries[code_point] = _FIRST_TEXT + self.text(text.encode("utf-8", "replace"))
        rows = entries.reshape(-1, BLOCK)
        index = [self.map_blocks.setdefault(row.tobytes(), len(self.map_blocks)) for row in rows]
        self.map_index.append(np.array(index, dtype=np.uint16))
        return len(self.map_index) - 1


def _jamo(syllable: int) -> str:
    """The letters of a Hangul syllable (section 3.12 of the Unicode standard)."""
    number = syllable - unicode_tables.HANGUL_FIRST
    letters = chr(0x1100 + number // 588) + chr(0x1161 + number % 588 // 28)
    return letters + (chr(0x11A7 + number % 28) if number % 28 else "")


def _compositions() -> npt.NDArray[np.uint32]:
    pairs = unicode_tables.compositions()
    entries = [(pair_hash(first, second), (first, second, composite)) for (first, second), composite in pairs.items()]
    return hash_table(entries, len(entries), 3)
