"""Extended grapheme clusters (UAX #29) as a pattern: SentencePiece's map takes whole ones of fewer than 6 bytes."""

from __future__ import annotations

import functools

from kaoken.text import unicode16
from kaoken.text.pattern_automaton import Automaton, compile_pattern
from kaoken.text.pattern_match import match_length
from kaoken.text.pattern_syntax import Alternation, Character, Node, Repeat, Sequence
from kaoken.text.unicode16 import CodePointSet, code_points

CLUSTER_LIMIT = 6


def _any(node: Node) -> Node:
    return Repeat(node, 0, None, greedy=True)


def _some(node: Node) -> Node:
    return Repeat(node, 1, None, greedy=True)


def _class(name: str) -> CodePointSet:
    return unicode16.property_value("Grapheme_Cluster_Break", name)


@functools.cache
def cluster_pattern() -> Node:
    """The regular expression of table 1b of UAX #29, longest branches first."""
    carriage_return, line_feed = code_points((13, 13)), code_points((10, 10))
    control = _class("Control") | carriage_return | line_feed
    prepend, regional = Character(_class("Prepend")), Character(_class("Regional_Indicator"))
    extend, joiner = _class("Extend"), code_points((0x200D, 0x200D))
    after = Character(extend | joiner | _class("SpacingMark"))
    lead, vowel, trail = Character(_class("L")), Character(_class("V")), Character(_class("T"))
    vowels = Alternation((Sequence((Character(_class("LV")), _any(vowel))), _some(vowel)))
    syllable = Alternation(
        (
            Sequence((_any(lead), Alternation((Character(_class("LVT")), vowels)), _any(trail))),
            _some(lead),
            _some(trail),
        )
    )
    picture = Character(unicode16.binary_property("Extended_Pictographic"))
    joined = _any(Sequence((_any(Character(extend)), Character(joiner), picture)))
    core = Alternation((syllable, Sequence((regional, regional)), Sequence((picture, joined)), Character(~control)))
    cluster = Sequence((_any(prepend), core, _any(after)))
    line_end = Sequence((Character(carriage_return), Character(line_feed)))
    return Alternation((line_end, cluster, Character(control)))


@functools.cache
def cluster_automaton() -> Automaton:
    """The pattern as a table. (Conjuncts, rule GB9c, are left out: they are all longer than 5 bytes.)"""
    return compile_pattern(cluster_pattern(), "grapheme clusters")


def cluster_lengths(text: str) -> list[int]:
    """Characters of each cluster of a text."""
    lengths, at = [], 0
    while at < len(text):
        lengths.append(max(1, match_length(cluster_automaton(), text, at)))
        at += lengths[-1]
    return lengths
