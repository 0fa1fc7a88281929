"""Reads regular expressions in RE2's syntax (https://github.com/google/re2/wiki/Syntax) for matching whole texts.

What a group captures and which repetition is preferred do not matter to whether a text matches, so both are left out of the tree.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Union

import numpy as np

from kaoken.errors import KaokenError, UnsupportedModelError
from kaoken.text import unicode16
from kaoken.text.pattern_syntax import Alternation, Character, Repeat, Sequence
from kaoken.text.unicode16 import CODE_POINTS, CodePointSet, code_points
from kaoken.text.unicode_tables import capital_letters, small_letters

REPEAT_LIMIT = 1000
"""RE2's own."""


@dataclass(frozen=True)
class Assertion:
    """Takes nothing; kind: `text start`, `text end`, `line start`, `line end`, `word edge` or `no word edge`."""

    kind: str


Part = Union[Character, Sequence, Alternation, Repeat, Assertion]

_ASCII_SETS: dict[str, tuple[tuple[int, int], ...]] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": ((48, 57),),
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_SHORTHANDS = {"d": _ASCII_SETS["digit"], "w": _ASCII_SETS["word"], "s": ((9, 10), (12, 13), (32, 32))}
_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_ASSERTIONS = {"A": "text start", "z": "text end", "b": "word edge", "B": "no word edge"}
_REFUSED = {"(?=": "a lookahead", "(?!": "a lookahead", "(?<=": "a lookbehind", "(?<!": "a lookbehind", "(?>": "an atomic group"}


def word() -> CodePointSet:
    """What is a word to `\\b` and `\\w`: ASCII's letters, digits and the underscore."""
    return code_points(*_ASCII_SETS["word"])


@functools.cache
def _folded_forms() -> np.ndarray:
    """int32 [0x110000]: equal for code points that differ in case only (simple folding; the dotless i is a letter of its own)."""
    forms = []
    for mapping in (capital_letters(), small_letters()):
        table = np.arange(CODE_POINTS, dtype=np.int32)
        for code_point, text in mapping.items():
            if len(text) == 1 and code_point not in (0x130, 0x131):
                table[code_point] = ord(text)
        forms.append(table)
    folded: np.ndarray = forms[1][forms[0]]
    return folded


def parse(pattern: str) -> Part:
    """Raises UnsupportedModelError that names the first construct that is not of RE2, or needs more than an automaton."""
    parser = _Parser(pattern)
    part = parser.alternation()
    if parser.at < len(pattern):
        raise parser.refused("an unmatched )")
    return part


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0
        self.flags: frozenset[str] = frozenset()

    def refused(self, what: str) -> UnsupportedModelError:
        return UnsupportedModelError(f"the pattern {self.pattern!r} has {what} at position {self.at}, which is not supported")

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self, text: str) -> bool:
        found = self.peek(text)
        self.at += len(text) if found else 0
        return found

    def character(self) -> str:
        if self.at >= len(self.pattern):
            raise self.refused("an unfinished construct")
        self.at += 1
        return self.pattern[self.at - 1]

    def until(self, end: str) -> str:
        """What stands before `end`, which is taken too."""
        place = self.pattern.find(end, self.at)
        if place < 0:
            raise self.refused(f"no {end}")
        found, self.at = self.pattern[self.at : place], place + len(end)
        return found

    def alternation(self) -> Part:
        outer, branches = self.flags, [self.sequence()]
        while self.take("|"):
            branches.append(self.sequence())
        self.flags = outer
        return branches[0] if len(branches) == 1 else Alternation(tuple(branches))  # type: ignore[arg-type]

    def sequence(self) -> Part:
        parts: list[Part] = []
        while self.at < len(self.pattern) and not self.peek("|") and not self.peek(")"):
            if self.take("\\Q"):
                end = self.pattern.find("\\E", self.at)
                text = self.pattern[self.at :] if end < 0 else self.until("\\E")
                self.at = len(self.pattern) if end < 0 else self.at
                literal = [self.one(ord(c)) for c in text]
                parts += literal[:-1]
                if not literal:
                    continue
                atom: Part | None = literal[-1]
            else:
                atom = self.atom()
            if atom is not None:
                parts.append(self.repeated(atom))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))  # type: ignore[arg-type]

    def repeated(self, atom: Part) -> Part:
        bounds = self.bounds()
        if bounds is None:
            return atom
        self.take("?")
        if any(map(self.peek, "*+?")) or self.bounds() is not None:
            raise self.refused("a repetition of a repetition")
        return Repeat(atom, *bounds, greedy=True)  # type: ignore[arg-type]

    def bounds(self) -> tuple[int, int | None] | None:
        for symbol, least, most in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self.take(symbol):
                return least, most
        end = self.pattern.find("}", self.at)
        if not self.peek("{") or end < 0:
            return None
        low, comma, high = self.pattern[self.at + 1 : end].partition(",")
        if not low.isdecimal() or not (high.isdecimal() or not high):
            return None  # then { stands for itself
        counts = int(low), int(high) if high else None if comma else int(low)
        if max(counts[0], counts[1] or 0) > REPEAT_LIMIT or (counts[1] is not None and counts[1] < counts[0]):
            raise self.refused(f"the repetition {self.pattern[self.at : end + 1]}")
        self.at = end + 1
        return counts

    def atom(self) -> Part | None:
        """One atom; None for flags, which stand for nothing themselves."""
        for opening, what in _REFUSED.items():
            if self.peek(opening):
                raise self.refused(what)
        if self.take("("):
            return self.group()
        if self.take("["):
            return Character(self.bracketed())
        if self.take("."):
            return Character(code_points((0, CODE_POINTS - 1)) if "s" in self.flags else ~code_points((10, 10)))
        if self.take("^"):
            return Assertion("line start" if "m" in self.flags else "text start")
        if self.take("$"):
            return Assertion("line end" if "m" in self.flags else "text end")
        if self.take("\\"):
            kind = _ASSERTIONS.get(self.pattern[self.at : self.at + 1])
            if kind is not None:
                self.at += 1
                return Assertion(kind)
            return Character(self.folded(self.escape()))
        if any(map(self.peek, "*+?")):
            raise self.refused("a repetition of nothing")
        return self.one(ord(self.character()))

    def one(self, code_point: int) -> Character:
        return Character(self.folded(code_points((code_point, code_point))))

    def folded(self, members: CodePointSet) -> CodePointSet:
        """The members and what differs from them in case only, where the flag i asks for it."""
        if "i" not in self.flags or members.all():
            return members
        forms, held = _folded_forms(), np.zeros(CODE_POINTS, np.bool_)
        held[forms[members]] = True
        return held[forms]

    def group(self) -> Part | None:
        outer = self.flags
        if self.take("?P<") or self.take("?<"):
            name = self.until(">")
            if not name.isidentifier():
                raise self.refused(f"the group name {name!r}")
        elif self.take("?"):
            on, off, negative = set(outer), set[str](), False
            while not self.peek(":") and not self.peek(")"):
                flag = self.character()
                if flag not in "imsU-" or (flag == "-" and negative):
                    raise self.refused(f"the group (?{flag}")
                negative |= flag == "-"
                (off if negative else on).update(flag)
            self.flags = frozenset(on - off)
            if self.take(")"):
                return None
            self.take(":")
        part = self.alternation()
        self.flags = outer
        if not self.take(")"):
            raise self.refused("a group without its )")
        return part

    def escape(self) -> CodePointSet:
        """The set after a backslash, inside and outside brackets."""
        letter = self.character()
        if letter.lower() in _SHORTHANDS:
            members = code_points(*_SHORTHANDS[letter.lower()])
            return members if letter.islower() else ~members
        if letter in "pP":
            return self.property(negative=letter == "P")
        if letter in _CONTROLS:
            return code_points((_CONTROLS[letter],) * 2)
        if letter in "x01234567":
            return code_points((self.number(letter),) * 2)
        if letter.isascii() and letter.isalnum():
            raise self.refused(f"a reference to a group, \\{letter}," if letter.isdecimal() else f"the escape \\{letter}")
        return code_points((ord(letter),) * 2)

    def number(self, letter: str) -> int:
        """A code point as \\x7F, \\x{10FFFF} or \\123; a single digit other than 0 would refer to a group."""
        if letter == "x":
            digits = self.until("}") if self.take("{") else self.character() + self.character()
            base = 16
        else:
            digits, base = letter, 8
            while len(digits) < 3 and self.pattern[self.at : self.at + 1] in tuple("01234567"):
                digits += self.character()
            if letter != "0" and len(digits) == 1:
                raise self.refused(f"a reference to a group, \\{letter},")
        try:
            value = int(digits, base)
        except ValueError:
            value = CODE_POINTS
        if value >= CODE_POINTS or not digits.isalnum():
            raise self.refused(f"the escape \\{letter}{digits}")
        return value

    def property(self, negative: bool) -> CodePointSet:
        """A general category or a script: \\pN, \\p{Greek}, \\p{^Greek}."""
        name = self.until("}") if self.take("{") else self.character()
        negative ^= name.startswith("^")
        name = name.removeprefix("^")
        if name == "Any":
            members = code_points((0, CODE_POINTS - 1))
        elif name in unicode16.GENERAL_CATEGORIES:
            members = unicode16.category(name)
        else:
            try:
                members = unicode16.property_value("Script", name if name.replace("_", "").isalnum() else "?")
            except KaokenError:
                raise
            except Exception:
                raise self.refused(f"the property {name!r}") from None
        return ~members if negative else members

    def bracketed(self) -> CodePointSet:
        """A class behind its opening bracket."""
        negative, members, first = self.take("^"), code_points(), True
        while first or not self.take("]"):
            first = False
            if self.take("[:"):
                name = self.until(":]")
                if name.removeprefix("^") not in _ASCII_SETS:
                    raise self.refused(f"the class [:{name}:]")
                held = code_points(*_ASCII_SETS[name.removeprefix("^")])
                members |= self.folded(~held if name.startswith("^") else held)
                continue
            item = self.item()
            if self.peek("-") and not self.peek("-]"):
                self.at += 1
                last = self.item()
                ends = np.flatnonzero(item), np.flatnonzero(last)
                if ends[0].size != 1 or ends[1].size != 1 or ends[0][0] > ends[1][0]:
                    raise self.refused("a range without two ends in order")
                item = code_points((int(ends[0][0]), int(ends[1][0])))
            members |= self.folded(item)
        return ~members if negative else members

    def item(self) -> CodePointSet:
        if self.take("\\"):
            return self.escape()
        code_point = ord(self.character())
        return code_points((code_point, code_point))
