"""Finds a compiled pattern's matches in a text, as runtime/kk_automaton.h does."""

from __future__ import annotations

from kaoken.text.pattern_automaton import DEAD, MATCH, START, Automaton


def match_length(automaton: Automaton, text: str, start: int) -> int:
    """Characters of the match that begins at `start`; 0 for none."""
    state, found = START, start
    end_of_text = automaton.transitions.shape[1] - 1
    for at in range(start, len(text) + 1):
        symbol = int(automaton.classes[ord(text[at])]) if at < len(text) else end_of_text
        transition = int(automaton.transitions[state, symbol])
        if transition & MATCH:
            found = at
        state = transition & (MATCH - 1)
        if state == DEAD:
            break
    return found - start


def find_all(automaton: Automaton, text: str) -> list[tuple[int, int]]:
    """Where each match begins and ends, from left to right."""
    found, at = [], 0
    while at < len(text):
        length = match_length(automaton, text, at)
        if length:
            found.append((at, at + length))
        at += max(1, length)
    return found
