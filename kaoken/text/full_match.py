"""A regular expression as a table that says whether a whole text matches, one state a character.

A state is the set of instructions at which a matcher might stand before it looks at what follows (the subset construction), and
what the character before it was; assertions about both sides are decided when the next character is known.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kaoken.errors import UnsupportedModelError
from kaoken.text.pattern_automaton import STATE_LIMIT, partition
from kaoken.text.pattern_syntax import Alternation, Character, Repeat, Sequence
from kaoken.text.re2_syntax import Assertion, Part, parse, word
from kaoken.text.unicode16 import CodePointSet, code_points

_BORDER, _LINE, _WORD, _OTHER = range(4)
"""What stands on a side of a place: nothing, the end of a line, a character of a word, or another."""

_INSTRUCTION_LIMIT = 1 << 16


@dataclass(frozen=True, eq=False)
class FullMatch:
    """What `runtime/kk_string_pattern.h` reads.

    runs: int32 [r], where the class of code points changes, of ASCII each code point; classes: uint8 [r].
    transitions: uint16 [states, classes]: state 0 is dead, state 1 begins. accepting: uint8 [states].
    """

    runs: npt.NDArray[np.int32]
    classes: npt.NDArray[np.uint8]
    transitions: npt.NDArray[np.uint16]
    accepting: npt.NDArray[np.uint8]


@functools.cache
def full_match_tables(pattern: str) -> FullMatch:
    """Raises UnsupportedModelError for what is no pattern of RE2, or needs too large a table."""
    part = parse(pattern)
    sets = [code_points((10, 10)), word(), *_sets(part)]
    classes, members = partition(sets, f"the pattern {pattern!r}")
    kinds = [_LINE if line else _WORD if inside else _OTHER for line, inside in zip(members[0], members[1], strict=True)]
    program = _Program({id(s): held for s, held in zip(sets, members, strict=True)})
    program.steps.append(("match", None, ()))
    first = program.add(part, 0)
    changes = np.diff(classes, prepend=255) != 0
    changes[:128] = True
    runs = np.flatnonzero(changes)
    transitions, accepting = _states(program, first, kinds, pattern)
    return FullMatch(runs.astype(np.int32), classes[runs], transitions, accepting)


def _sets(part: Part) -> list[CodePointSet]:
    match part:
        case Character(members):
            return [members]
        case Sequence(parts) | Alternation(parts):
            return [members for inner in parts for members in _sets(inner)]  # type: ignore[arg-type]
        case Repeat(body):
            return _sets(body)  # type: ignore[arg-type]
    return []


class _Program:
    """Instructions: (`match`), (`take`, classes that are taken), (`assert`, kind), (`split`), each with what follows."""

    def __init__(self, members: dict[int, list[bool]]) -> None:
        self.members = members
        self.steps: list[tuple[str, object, tuple[int, ...]]] = []

    def _step(self, kind: str, what: object, following: tuple[int, ...]) -> int:
        if len(self.steps) >= _INSTRUCTION_LIMIT:
            raise UnsupportedModelError("a pattern repeats too much for a table")
        self.steps.append((kind, what, following))
        return len(self.steps) - 1

    def add(self, part: Part, after: int) -> int:
        """Adds what continues at `after`; returns where it begins."""
        match part:
            case Character(members):
                return self._step("take", self.members[id(members)], (after,))
            case Assertion(kind):
                return self._step("assert", kind, (after,))
            case Sequence(parts):
                for inner in reversed(parts):
                    after = self.add(inner, after)  # type: ignore[arg-type]
                return after
            case Alternation(branches):
                return self._step("split", None, tuple(self.add(branch, after) for branch in branches))  # type: ignore[arg-type]
            case Repeat(body, least, most):
                if most is None:
                    loop = self._step("split", None, ())
                    self.steps[loop] = ("split", None, (self.add(body, loop), after))  # type: ignore[arg-type]
                    leave = loop
                else:
                    leave = after
                    for _ in range(most - least):
                        leave = self._step("split", None, (self.add(body, leave), after))  # type: ignore[arg-type]
                for _ in range(least):
                    leave = self.add(body, leave)  # type: ignore[arg-type]
                return leave

    def reached(self, begins: frozenset[int], before: int, behind: int) -> list[int]:
        """What is reached without taking a character, between two kinds of neighbours: instructions that take one or match."""
        waiting, seen = list(begins), set(begins)
        found = []
        while waiting:
            at = waiting.pop()
            kind, what, following = self.steps[at]
            if kind in ("take", "match"):
                found.append(at)
            elif kind == "split" or _holds(str(what), before, behind):
                waiting += [step for step in following if step not in seen]
                seen.update(following)
        return found


def _holds(kind: str, before: int, behind: int) -> bool:
    match kind:
        case "text start":
            return before == _BORDER
        case "text end":
            return behind == _BORDER
        case "line start":
            return before in (_BORDER, _LINE)
        case "line end":
            return behind in (_BORDER, _LINE)
    return ((before == _WORD) != (behind == _WORD)) == (kind == "word edge")


def _states(
    program: _Program, first: int, kinds: list[int], pattern: str
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    dead: tuple[frozenset[int], int] = (frozenset(), _BORDER)
    begin = (frozenset((first,)), _BORDER)
    asserts = any(kind == "assert" for kind, _, _ in program.steps)
    numbers, waiting = {dead: 0, begin: 1}, [begin]
    rows: dict[int, list[int]] = {0: [0] * len(kinds)}
    accepting = {0: False}
    while waiting:
        state = waiting.pop()
        begins, before = state
        ways = {kind: program.reached(begins, before, kind) for kind in {*kinds, _BORDER}}
        accepting[numbers[state]] = any(program.steps[at][0] == "match" for at in ways[_BORDER])
        row = []
        for symbol, kind in enumerate(kinds):
            taken = [at for at in ways[kind] if program.steps[at][0] == "take" and program.steps[at][1][symbol]]  # type: ignore[index]
            following = frozenset(step for at in taken for step in program.steps[at][2])
            # What stood before matters to assertions alone.
            key = (following, (kind if asserts else _OTHER) if following else _BORDER)
            if key not in numbers:
                numbers[key] = len(numbers)
                waiting.append(key)
                if len(numbers) > STATE_LIMIT:
                    raise UnsupportedModelError(f"the pattern {pattern!r} needs more than {STATE_LIMIT} states")
            row.append(numbers[key])
        rows[numbers[state]] = row
    order = range(len(numbers))
    return np.array([rows[n] for n in order], np.uint16), np.array([accepting[n] for n in order], np.uint8)
