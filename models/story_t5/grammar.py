"""Short stories in two tenses: the pairs that the T5 is trained on.

    past: Mira walks to the harbour. "I am lost," she says.   ->   Mira walked to the harbour. "I am lost," she said.
    present: Mira walked to the harbour.                      ->   Mira walks to the harbour.

The story grammar (models/story) draws the cast and chooses between alternatives; verbs are marked in the sentences and put
into either tense here. The text is a function of the seed alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from models.story.grammar import cast, expand, polish

from .scenes import DOUBLED, ENDINGS, IRREGULAR, MIDDLES, OPENINGS, PAST, WEATHER

TASKS = ("past", "present")


def pairs(seed: int) -> Iterator[tuple[str, str]]:
    """Endless (source, target) pairs, the source with its task's prefix; equal seeds give equal pairs."""
    rng = random.Random(seed)
    while True:
        present, past = tenses(rng)
        yield (f"past: {present}", past) if rng.random() < 0.5 else (f"present: {past}", present)


def tenses(rng: random.Random) -> tuple[str, str]:
    """One story of three to six sentences, in the present tense and in the past tense."""
    slots = cast(rng)
    sentences = [rng.choice(OPENINGS)]
    sentences += [rng.choice(WEATHER)] if rng.random() < 0.4 else []
    sentences += rng.sample(MIDDLES, rng.randint(1, 3))
    sentences += [rng.choice(ENDINGS)] if rng.random() < 0.7 else []
    marked = " ".join(expand(sentence, slots, rng) for sentence in sentences)
    return polish(conjugate(marked, "present")), polish(conjugate(marked, "past"))


def conjugate(text: str, tense: str) -> str:
    """Put every `<verb>` (one person) and `<verb+>` (several) into a tense of TASKS."""
    return re.sub(r"<(\w+)(\+?)>", lambda match: verb_form(match[1], tense, bool(match[2])), text)


def verb_form(verb: str, tense: str, plural: bool) -> str:
    """The third person of a verb, given in the infinitive."""
    if verb in IRREGULAR:
        return IRREGULAR[verb][2 * (tense == "past") + plural]
    if tense == "past":
        return PAST.get(verb) or _regular_past(verb)
    if plural:
        return verb
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ies"
    return f"{verb}es" if re.search(r"(s|x|z|ch|sh|o)$", verb) else f"{verb}s"


def _regular_past(verb: str) -> str:
    if verb in DOUBLED:
        return f"{verb}{verb[-1]}ed"
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ied"
    return f"{verb}d" if verb.endswith("e") else f"{verb}ed"
