"""Reads the regular expressions of tokenizers (Oniguruma's Ruby syntax) into a small tree.

What a table-driven matcher can do in one pass is read: literals, classes, groups, alternation, repetition
(greedy, lazy, and possessive of one character) and a lookahead for one character. The rest is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kaoken.errors import UnsupportedModelError
from kaoken.text import unicode16
from kaoken.text.unicode16 import CodePointSet, code_points

REPEAT_LIMIT = 256


@dataclass(frozen=True, eq=False)
class Character:
    """One character out of a set."""

    members: CodePointSet


@dataclass(frozen=True, eq=False)
class Ahead:
    """Takes nothing; holds where the next character is a member, or (`at_end`) where there is none."""

    members: CodePointSet
    at_end: bool


@dataclass(frozen=True, eq=False)
class Sequence:
    """All parts, one after the other; no parts is the empty text."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Alternation:
    """The first branch that lets the whole pattern match."""

    branches: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Repeat:
    """`body` from `least` to `most` times (None: any number), preferring more if `greedy`."""

    body: Node
    least: int
    most: int | None
    greedy: bool


Node = Character | Ahead | Sequence | Alternation | Repeat

_CONTROL_ESCAPES = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "a": 7, "e": 27}
# Letters whose simple case folding reaches outside ASCII, and pairs that a single character folds to.
_FOLDED_BEYOND_ASCII = {"s": 0x017F, "k": 0x212A}
_FOLDED_PAIRS = ("ss", "ff", "fi", "fl", "st")


def parse_pattern(pattern: str) -> Node:
    """Reads a regular expression.

    Raises UnsupportedModelError that names the first construct a tokenizer table cannot hold.
    """
    return _Parser(pattern).parse()


def literal(text: str) -> Node:
    """The tree of a text that stands for itself."""
    return Sequence(tuple(Character(code_points((ord(c), ord(c)))) for c in text))


def can_be_empty(node: Node) -> bool:
    """Whether a pattern can match without taking a character."""
    match node:
        case Character():
            return False
        case Ahead():
            return True
        case Sequence(parts):
            return all(can_be_empty(part) for part in parts)
        case Alternation(branches):
            return any(can_be_empty(branch) for branch in branches)
        case Repeat(body, least):
            return least == 0 or can_be_empty(body)


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0
        self.ignore_case = False

    def parse(self) -> Node:
        node = self.alternation()
        if self.position < len(self.pattern):
            raise self.unsupported("an unmatched )")
        return node

    def unsupported(self, what: str) -> UnsupportedModelError:
        return UnsupportedModelError(
            f"the pattern {self.pattern!r} has {what} at position {self.position}, which tokenizer tables cannot hold"
        )

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.position)

    def take(self, text: str) -> bool:
        if not self.peek(text):
            return False
        self.position += len(text)
        return True

    def next_character(self) -> str:
        if self.position >= len(self.pattern):
            raise self.unsupported("an unfinished construct")
        self.position += 1
        return self.pattern[self.position - 1]

    def alternation(self) -> Node:
        ignore_case = self.ignore_case
        branches = [self.sequence()]
        while self.take("|"):
            branches.append(self.sequence())
        self.ignore_case = ignore_case
        return branches[0] if len(branches) == 1 else Alternation(tuple(branches))

    def sequence(self) -> Node:
        parts: list[Node] = []
        letters = ""
        while self.position < len(self.pattern) and not self.peek("|") and not self.peek(")"):
            start = self.position
            atom = self.atom()
            taken = self.pattern[start : self.position].lower()
            letters += taken if len(taken) == 1 else "|"
            if atom is not None:
                parts.append(self.quantified(atom))
        if self.ignore_case and any(pair in letters for pair in _FOLDED_PAIRS):
            raise self.unsupported("letters that one character folds to, ignoring case,")
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def atom(self) -> Node | None:
        """One atom; None for a switch such as `(?i)`, which stands for nothing itself."""
        if self.take("(?i)"):
            self.ignore_case = True
            return None
        for opening, negative in (("(?=", False), ("(?!", True)):
            if self.take(opening):
                return self.ahead(negative)
        for opening in ("(?:", "(?i:", "("):
            if self.take(opening):
                if opening == "(" and self.peek("?"):
                    raise self.unsupported(f"the group ({self.pattern[self.position : self.position + 2]}")
                outer, self.ignore_case = self.ignore_case, self.ignore_case or opening == "(?i:"
                node = self.alternation()
                self.ignore_case = outer
                if not self.take(")"):
                    raise self.unsupported("a group without its )")
                return node
        if self.take("["):
            return Character(self.character_class())
        if self.take("."):
            return Character(~code_points((10, 10)))
        if self.take("\\"):
            return Character(self.folded(self.escape()))
        if self.take("$"):
            return Ahead(code_points((10, 10)), at_end=True)
        character = self.next_character()
        if character in "^*+?{":
            self.position -= 1
            raise self.unsupported(f"{character!r}")
        return Character(self.folded(code_points((ord(character), ord(character)))))

    def ahead(self, negative: bool) -> Ahead:
        node = self.alternation()
        if not isinstance(node, Character) or not self.take(")"):
            raise self.unsupported("a lookahead for other than one character")
        return Ahead(~node.members if negative else node.members, at_end=negative)

    def quantified(self, atom: Node) -> Node:
        while True:
            bounds = self.bounds()
            if bounds is None:
                return atom
            least, most, symbol = bounds
            if isinstance(atom, Ahead):
                raise self.unsupported("a repeated lookahead")
            if self.take("?"):
                if symbol == "{n}":
                    raise self.unsupported("the quantifier {n}?")
                atom = Repeat(atom, least, most, greedy=False)
            elif not symbol.startswith("{") and self.take("+"):
                atom = self.possessive(atom, least, most)
            else:
                atom = Repeat(atom, least, most, greedy=True)

    def bounds(self) -> tuple[int, int | None, str] | None:
        for symbol, least, most in (("?", 0, 1), ("*", 0, None), ("+", 1, None)):
            if self.take(symbol):
                return least, most, symbol
        if not self.peek("{"):
            return None
        end = self.pattern.find("}", self.position)
        inside = self.pattern[self.position + 1 : end] if end > 0 else "?"
        low, comma, high = inside.partition(",")
        if not all(part.isascii() and (part.isdecimal() or not part) for part in (low, high)) or not (low or high):
            raise self.unsupported("a { that is no quantifier")
        least, most = int(low or 0), int(high) if high else None if comma else int(low)
        if max(least, most or 0) > REPEAT_LIMIT or (most is not None and most < least):
            raise self.unsupported(f"the quantifier {{{inside}}}")
        self.position = end + 1
        return least, most, "{n,m}" if comma else "{n}"

    def possessive(self, atom: Node, least: int, most: int | None) -> Node:
        """What never gives back: of one character, this is a greedy repetition and a lookahead."""
        if not isinstance(atom, Character):
            raise self.unsupported("a possessive repetition of more than one character")
        no_more = Ahead(~atom.members, at_end=True)
        if most == 1:
            return Alternation((atom, no_more))
        return Sequence((Repeat(atom, least, most, greedy=True), no_more))

    def folded(self, members: CodePointSet) -> CodePointSet:
        """The members and what differs from them in case only, where `(?i)` asks for it."""
        if not self.ignore_case or members.sum() > 1:
            return members
        (code_point,) = np.flatnonzero(members)
        if code_point >= 128:
            raise self.unsupported("a letter outside ASCII, ignoring case,")
        members = members.copy()
        for cased in (chr(code_point).lower(), chr(code_point).upper()):
            members[ord(cased)] = True
        beyond = _FOLDED_BEYOND_ASCII.get(chr(code_point).lower())
        if beyond is not None:
            members[beyond] = True
        return members

    def escape(self) -> CodePointSet:
        """The set after a backslash, inside and outside classes."""
        character = self.next_character()
        if character in "pP":
            return self.property(negative=character == "P")
        if character in "sSdDwW":
            members = _SHORTHANDS[character.lower()]()
            return ~members if character.isupper() else members
        if character in _CONTROL_ESCAPES:
            return code_points((_CONTROL_ESCAPES[character],) * 2)
        if character in "xu":
            return code_points((self.code_point(character),) * 2)
        if character.isalnum():
            raise self.unsupported(f"the escape \\{character}")
        return code_points((ord(character),) * 2)

    def code_point(self, kind: str) -> int:
        """The number of `\\xHH`, `\\x{H...}` or `\\uHHHH`, after its first letter."""
        braces = kind == "x" and self.take("{")
        if braces:
            end = self.pattern.find("}", self.position)
            digits, after = self.pattern[self.position : max(end, self.position)], end + 1
        else:
            after = self.position + (2 if kind == "x" else 4)
            digits = self.pattern[self.position : after]
        try:
            value = int(digits, 16)
        except ValueError:
            value = unicode16.CODE_POINTS
        is_raw_byte = kind == "x" and not braces and value > 127
        if value >= unicode16.CODE_POINTS or is_raw_byte:
            raise self.unsupported(f"the escape \\{kind}{digits}")
        self.position = after
        return value

    def property(self, negative: bool) -> CodePointSet:
        if not self.take("{"):
            raise self.unsupported("a property without braces")
        end = self.pattern.find("}", self.position)
        name = self.pattern[self.position : end] if end > 0 else ""
        negative ^= name.startswith("^")
        name = name.removeprefix("^")
        if name not in unicode16.GENERAL_CATEGORIES or (self.ignore_case and name in ("Lu", "Ll", "Lt")):
            raise self.unsupported(f"the property {name!r}")
        self.position = end + 1
        members = unicode16.category(name)
        return ~members if negative else members

    def character_class(self) -> CodePointSet:
        """A class after its opening bracket; classes nest, as a union."""
        negative = self.take("^")
        members = code_points()
        first = True
        while first or not self.take("]"):
            first = False
            if any(map(self.peek, ("&&", "[:", "--", "-["))):
                raise self.unsupported(f"{self.pattern[self.position : self.position + 2]!r} inside a class")
            if self.take("["):
                negated = self.peek("^")
                nested = self.character_class()
                # Oniguruma then also takes what lies between U+0080 and the end of the excluded range.
                if negated and not nested[:128].any():
                    raise self.unsupported("a nested class that excludes all of ASCII")
                members = members | nested
                continue
            item = self.class_item()
            if self.peek("-") and not self.peek("-]") and item.sum() == 1:
                self.position += 1
                last = self.class_item()
                bounds = np.flatnonzero(item)[0], np.flatnonzero(last)[0]
                if last.sum() != 1 or bounds[1] < bounds[0]:
                    raise self.unsupported("a range without two ends in order")
                item = code_points((int(bounds[0]), int(bounds[1])))
                if self.ignore_case:
                    raise self.unsupported("a range, ignoring case,")
            members = members | self.folded(item)
        return ~members if negative else members

    def class_item(self) -> CodePointSet:
        if self.take("\\"):
            return self.escape()
        character = self.next_character()
        return code_points((ord(character), ord(character)))


def _onig_word() -> CodePointSet:
    r"""`\w` of Oniguruma: no join controls, but the superscripts and fractions of Latin-1."""
    members = unicode16.word().copy()
    members[[0x200C, 0x200D]] = False
    members[[0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE]] = True
    return members


_SHORTHANDS: dict[str, Callable[[], CodePointSet]] = {
    "s": unicode16.white_space,
    "d": lambda: unicode16.category("Nd"),
    "w": _onig_word,
}
