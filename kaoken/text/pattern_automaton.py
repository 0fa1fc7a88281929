"""Turns a pattern into a table that finds its matches in one forward pass.

The table is a deterministic automaton over classes of characters that the pattern does not tell apart. It keeps
the priorities of a backtracking matcher (the first branch, the greedy repetition first): a state is the *ordered*
list of positions a backtracking matcher would still try, as in R. Cox, "Regular Expression Matching: the Virtual
Machine Approach" (2009). A match is reported one character late, so that a lookahead can still refuse it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kaoken.errors import UnsupportedModelError
from kaoken.text.pattern_syntax import Ahead, Alternation, Character, Node, Repeat, Sequence, can_be_empty
from kaoken.text.unicode16 import CODE_POINTS, CodePointSet

STATE_LIMIT = 4096
SYMBOL_LIMIT = 255
MATCH = 0x8000
"""Set in a transition when a match ends before the character that it takes."""

DEAD = 0
"""The state that nothing leaves; no match can follow."""

START = 1


@dataclass(frozen=True, eq=False)
class Automaton:
    """A compiled pattern.

    classes: uint8 [0x110000], the class of each code point, below `transitions.shape[1] - 1`.
    transitions: uint16 [states, classes + 1]; the last column is the end of the text. The low 15 bits are the
        next state, `MATCH` says that a match ends here. State 0 is dead, state 1 starts.
    """

    classes: npt.NDArray[np.uint8]
    transitions: npt.NDArray[np.uint16]


def compile_pattern(node: Node, name: str) -> Automaton:
    """Builds the automaton of a pattern; `name` is what messages call it.

    Raises UnsupportedModelError when the pattern matches the empty text or needs too large a table.
    """
    if can_be_empty(node):
        raise UnsupportedModelError(f"{name} can match an empty text, which cannot split anything")
    sets = list(_sets(node))
    classes, members = partition(sets, name)
    end = len(members[0])
    program = _Program(dict(zip(map(id, sets), members, strict=True)), end)
    first = program.add(node, program.add_match())
    return Automaton(classes, _determinise(program, first, end + 1, name))


def partition(sets: list[CodePointSet], name: str) -> tuple[npt.NDArray[np.uint8], list[list[bool]]]:
    """Classes of code points that no set tells apart: uint8 [0x110000], and for each set which classes it holds."""
    changes = np.zeros(CODE_POINTS, dtype=np.bool_)
    changes[0] = True
    for members in sets:
        changes[1:] |= members[1:] != members[:-1]
    starts = np.flatnonzero(changes)
    columns: dict[tuple[bool, ...], int] = {}
    rows = zip(*(members[starts].tolist() for members in sets), strict=True)
    run_classes = [columns.setdefault(tuple(row), len(columns)) for row in rows]
    if len(columns) > SYMBOL_LIMIT:
        raise UnsupportedModelError(f"{name} tells more than {SYMBOL_LIMIT} classes of characters apart")
    lengths = np.diff(starts, append=CODE_POINTS)
    classes = np.repeat(np.array(run_classes, dtype=np.uint8), lengths)
    return classes, [list(held) for held in zip(*columns, strict=True)]


def _sets(node: Node) -> list[CodePointSet]:
    match node:
        case Character(members) | Ahead(members):
            return [members]
        case Sequence(parts) | Alternation(parts):
            return [members for part in parts for members in _sets(part)]
        case Repeat(body):
            return _sets(body)


@dataclass(frozen=True)
class _Instruction:
    """kind "match"; "take" (a character of `mask`); "guard" (the next one is of `mask`); "split" (try in order)."""

    kind: str
    mask: int
    targets: tuple[int, ...]


class _Program:
    """The pattern as instructions; masks are sets of classes, bit `end` being the end of the text."""

    def __init__(self, members: dict[int, list[bool]], end: int) -> None:
        self.members = members
        self.end = end
        self.instructions: list[_Instruction] = []

    def add_match(self) -> int:
        return self._append("match", 0, ())

    def _append(self, kind: str, mask: int, targets: tuple[int, ...]) -> int:
        if len(self.instructions) > 16 * STATE_LIMIT:
            raise UnsupportedModelError("a tokenizer pattern repeats too much for a table")
        self.instructions.append(_Instruction(kind, mask, targets))
        return len(self.instructions) - 1

    def _mask(self, members: CodePointSet) -> int:
        return sum(1 << symbol for symbol, held in enumerate(self.members[id(members)]) if held)

    def add(self, node: Node, after: int) -> int:
        """Adds a node that continues at `after`; returns where it begins."""
        match node:
            case Character(members):
                return self._append("take", self._mask(members), (after,))
            case Ahead(members, at_end):
                return self._append("guard", self._mask(members) | at_end << self.end, (after,))
            case Sequence(parts):
                for part in reversed(parts):
                    after = self.add(part, after)
                return after
            case Alternation(branches):
                return self._append("split", 0, tuple(self.add(branch, after) for branch in branches))
            case Repeat(body, least, most, greedy):
                if most is None:
                    loop = self._append("split", 0, ())
                    again = self.add(body, loop)
                    self.instructions[loop] = _Instruction("split", 0, self._order(again, after, greedy))
                    after = loop
                else:
                    leave = after
                    for _ in range(most - least):
                        after = self._append("split", 0, self._order(self.add(body, after), leave, greedy))
                for _ in range(least):
                    after = self.add(body, after)
                return after

    @staticmethod
    def _order(again: int, leave: int, greedy: bool) -> tuple[int, int]:
        return (again, leave) if greedy else (leave, again)


_Thread = tuple[int, int]
"""An instruction that takes or matches, and the classes that the next character may have."""


def _closure(program: _Program, start: int, anything: int, threads: dict[_Thread, None]) -> None:
    """Appends what `start` leads to without taking a character, in order of priority."""
    stack = [(start, anything)]
    seen: set[_Thread] = set()
    while stack:
        at, allowed = stack.pop()
        if (at, allowed) in seen or not allowed:
            continue
        seen.add((at, allowed))
        instruction = program.instructions[at]
        if instruction.kind == "split":
            stack.extend((target, allowed) for target in reversed(instruction.targets))
        elif instruction.kind == "guard":
            stack.append((instruction.targets[0], allowed & instruction.mask))
        else:
            threads.setdefault((at, allowed))


def _determinise(program: _Program, first: int, symbols: int, name: str) -> npt.NDArray[np.uint16]:
    anything = (1 << symbols) - 1
    opening: dict[_Thread, None] = {}
    _closure(program, first, anything, opening)
    states: dict[tuple[_Thread, ...], int] = {(): DEAD, tuple(opening): START}
    pending = [tuple(opening)]
    rows: dict[int, list[int]] = {DEAD: [DEAD] * symbols}
    while pending:
        threads = pending.pop()
        row = []
        for symbol in range(symbols):
            following: dict[_Thread, None] = {}
            matched = False
            for at, allowed in threads:
                if not allowed >> symbol & 1:
                    continue
                instruction = program.instructions[at]
                if instruction.kind == "match":
                    matched = True
                    break
                if instruction.mask >> symbol & 1:
                    _closure(program, instruction.targets[0], anything, following)
            key = tuple(following)
            if key not in states:
                states[key] = len(states)
                pending.append(key)
                if len(states) > STATE_LIMIT:
                    raise UnsupportedModelError(f"{name} needs more than {STATE_LIMIT} states")
            row.append(states[key] | (MATCH if matched else 0))
        rows[states[threads]] = row
    return np.array([rows[state] for state in range(len(states))], dtype=np.uint16)
