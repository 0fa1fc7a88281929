"""The steps that a text is normalized by before it is cut into words: what each does, and how much it can add.

`runtime/kk_normalizer.c` does these steps to texts; here they are done to added tokens, which are looked for in
normalized text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from kaoken.text import unicode_tables
from kaoken.text.grapheme_clusters import CLUSTER_LIMIT, cluster_lengths
from kaoken.text.pattern_automaton import compile_pattern
from kaoken.text.pattern_match import find_all
from kaoken.text.pattern_syntax import Alternation, Node, Repeat, Sequence
from kaoken.text.unicode16 import CodePointSet

STEP_LIMIT = 16
TEXT_LIMIT = 255
"""Bytes of a replacement."""


@dataclass(frozen=True)
class CharacterMap:
    """Each character becomes a text, by itself; those that are not listed stay."""

    texts: dict[int, str]


@dataclass(frozen=True)
class Reorder:
    """Combining marks are sorted by their class (the Canonical Ordering Algorithm of the Unicode standard, D109)."""


@dataclass(frozen=True)
class Compose:
    """A character and a mark become the one character that is both (the Canonical Composition Algorithm, D117)."""


@dataclass(frozen=True)
class Charsmap:
    """SentencePiece's map. A grapheme cluster of fewer than 6 bytes becomes the text of the shortest key it begins with;
    else each of its characters that is a key becomes that key's text."""

    texts: dict[bytes, bytes]


@dataclass(frozen=True)
class Replace:
    """Every match of a pattern becomes a text."""

    pattern: Node
    text: str
    name: str


@dataclass(frozen=True)
class Strip:
    """White space at the ends goes."""

    left: bool
    right: bool
    space: CodePointSet


@dataclass(frozen=True)
class Prepend:
    """A text is put before every text that is not empty."""

    text: str


Step = CharacterMap | Reorder | Compose | Charsmap | Replace | Strip | Prepend


def fused(steps: Iterable[Step]) -> list[Step]:
    """The same steps, neighbouring character maps made one."""
    done: list[Step] = []
    for step in steps:
        before = done[-1] if done else None
        if isinstance(step, CharacterMap) and isinstance(before, CharacterMap):
            done[-1] = CharacterMap(_composed(before.texts, step.texts))
        else:
            done.append(step)
    return done


def _composed(first: dict[int, str], second: dict[int, str]) -> dict[int, str]:
    texts = {code_point: text.translate(second) for code_point, text in first.items()}
    return texts | {code_point: text for code_point, text in second.items() if code_point not in first}


def normalized(steps: Iterable[Step], text: str) -> str:
    """A text after all steps."""
    for step in steps:
        text = _apply(step, text)
    return text


def _apply(step: Step, text: str) -> str:
    match step:
        case CharacterMap(texts):
            return text.translate(texts)
        case Reorder():
            return _reordered(text)
        case Compose():
            return _recomposed(text)
        case Charsmap(texts):
            return _mapped(texts, text)
        case Replace(pattern, replacement, name):
            automaton = compile_pattern(pattern, name)
            spans = find_all(automaton, text)
            ends = [0, *(end for _, end in spans)]
            starts = [*(start for start, _ in spans), len(text)]
            return replacement.join(text[end:start] for end, start in zip(ends, starts, strict=True))
        case Strip(left, right, space):
            while left and text and space[ord(text[0])]:
                text = text[1:]
            while right and text and space[ord(text[-1])]:
                text = text[:-1]
            return text
        case Prepend(before):
            return before + text if text else text


def _reordered(text: str) -> str:
    classes = unicode_tables.combining_classes()
    done: list[str] = []
    marks: list[str] = []
    for character in [*text, ""]:
        if character and classes[ord(character)]:
            marks.append(character)
        else:
            done += sorted(marks, key=lambda mark: int(classes[ord(mark)]))
            done.append(character)
            marks = []
    return "".join(done)


def _recomposed(text: str) -> str:
    classes, pairs = unicode_tables.combining_classes(), unicode_tables.compositions()
    done: list[int] = []
    starter, last = -1, 0
    for code_point in map(ord, text):
        kind = int(classes[code_point])
        if starter >= 0 and (last == 0 or last < kind):
            composite = _hangul(done[starter], code_point) or pairs.get((done[starter], code_point))
            if composite:
                done[starter] = composite
                continue
        if kind == 0:
            starter = len(done)
        last = kind
        done.append(code_point)
    return "".join(map(chr, done))


def _hangul(left: int, right: int) -> int | None:
    if 0x1100 <= left < 0x1113 and 0x1161 <= right < 0x1176:
        return unicode_tables.HANGUL_FIRST + ((left - 0x1100) * 21 + right - 0x1161) * 28
    syllable = left - unicode_tables.HANGUL_FIRST
    if 0 <= syllable < unicode_tables.HANGUL_COUNT and syllable % 28 == 0 and 0x11A7 < right < 0x11C3:
        return left + right - 0x11A7
    return None


def _mapped(texts: dict[bytes, bytes], text: str) -> str:
    done: list[str] = []
    at = 0
    for length in cluster_lengths(text):
        cluster = text[at : at + length]
        at += length
        data = cluster.encode("utf-8", "replace")
        parts = [cluster] if len(data) < CLUSTER_LIMIT and _shortest(texts, data) is not None else list(cluster)
        for part in parts:
            found = _shortest(texts, part.encode("utf-8", "replace"))
            done.append(part if found is None else found.decode())
    return "".join(done)


def _shortest(texts: dict[bytes, bytes], data: bytes) -> bytes | None:
    data = data.partition(b"\0")[0]
    return next((texts[data[:end]] for end in range(1, len(data) + 1) if data[:end] in texts), None)


@dataclass(frozen=True)
class Growth:
    """n bytes of text become at most `factor * n + extra` bytes, in every step."""

    factor: int
    extra: int


def growth(steps: Iterable[Step]) -> Growth:
    """What buffers for the steps must hold."""
    factor, extra = most_factor, most_extra = Fraction(1), Fraction(0)
    for step in steps:
        ratio = _ratio(step)
        factor, extra = factor * ratio, extra * ratio
        if isinstance(step, Prepend):
            extra += len(step.text.encode("utf-8", "replace"))
        most_factor, most_extra = max(factor, most_factor), max(extra, most_extra)
    return Growth(-int(-most_factor // 1), -int(-most_extra // 1))


def _ratio(step: Step) -> Fraction:
    match step:
        case CharacterMap(texts):
            ratios = (Fraction(len(v.encode("utf-8", "replace")), _utf8_bytes(c)) for c, v in texts.items() if v)
            return max(ratios, default=Fraction(1))
        case Charsmap(mapped):
            return max((Fraction(len(value), len(key)) for key, value in mapped.items()), default=Fraction(1))
        case Replace(pattern, text):
            return max(Fraction(1), Fraction(len(text.encode("utf-8", "replace")), max(1, _least_bytes(pattern))))
        case _:
            return Fraction(1)


def _utf8_bytes(code_point: int) -> int:
    return 1 + (code_point > 0x7F) + (code_point > 0x7FF) + (code_point > 0xFFFF)


def _least_bytes(node: Node) -> int:
    """The bytes that a match takes at least."""
    least: Callable[[Node], int] = _least_bytes
    match node:
        case Sequence(parts):
            return sum(map(least, parts))
        case Alternation(branches):
            return min(map(least, branches), default=0)
        case Repeat(body, count):
            return count * least(body)
        case _:
            members = getattr(node, "members", None)
            return _utf8_bytes(int(members.argmax())) if members is not None and type(node).__name__ == "Character" else 0
