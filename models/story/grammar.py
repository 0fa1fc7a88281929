"""A small grammar that tells short stories: the training text of the story model.

A story is a plot (a list of beats) told in one setting by a fixed cast. Names, pronouns, places, things and
colours are drawn once a story and referred to from then on, so a model that predicts well has to remember
what was said hundreds of tokens ago. Beats are templates: `{slot}` is replaced by the story's own word and
`[one|two|three]` by one of its choices; choices may be nested, and an empty choice is allowed.

The text is a function of the seed alone: `random.Random` gives the same numbers on every platform.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from .plots import COLOURS, ENDINGS, FEELINGS, FIGURES, KINDS, NAMES, OPENINGS, PLOTS, SETTINGS, TREASURES

_PRONOUNS = {"f": ("she", "her", "her"), "m": ("he", "him", "his")}


def stories(seed: int) -> Iterator[str]:
    """Endless stories, each one string of a few paragraphs; equal seeds give equal stories."""
    rng = random.Random(seed)
    while True:
        yield story(rng)


def story(rng: random.Random) -> str:
    """One story of about 200 to 300 words."""
    slots = cast(rng)
    beats = [rng.choice(OPENINGS), *rng.choice(PLOTS), rng.choice(ENDINGS)]
    paragraphs: list[list[str]] = [[]]
    for beat in beats:
        if beat == "¶":
            paragraphs.append([])
            continue
        text = expand(beat, slots, rng)
        if text:
            paragraphs[-1].append(text)
    return "\n\n".join(polish(" ".join(sentences)) for sentences in paragraphs if sentences)


def expand(template: str, slots: dict[str, str], rng: random.Random) -> str:
    """Replace every `[a|b]` by one choice, then every `{slot}` by its word. Raises KeyError for an unknown slot."""
    chosen, end = _choose(template, 0, rng, nested=False)
    assert end == len(template)
    return re.sub(r"\{(\w+)\}", lambda match: slots[match.group(1)], chosen).strip()


def _choose(text: str, start: int, rng: random.Random, nested: bool) -> tuple[str, int]:
    """Parse from `start` to the closing bracket (or the end) and draw one of the alternatives met."""
    alternatives, current, i = [], "", start
    while i < len(text):
        if text[i] == "[":
            inner, i = _choose(text, i + 1, rng, nested=True)
            current += inner
        elif nested and text[i] == "|":
            alternatives.append(current)
            current, i = "", i + 1
        elif nested and text[i] == "]":
            alternatives.append(current)
            return rng.choice(alternatives), i + 1
        else:
            current, i = current + text[i], i + 1
    return current, i


def cast(rng: random.Random) -> dict[str, str]:
    """Draw who, where and what of one story. Every value is a phrase that templates put in as it stands."""
    setting = rng.choice(SETTINGS)
    (hero, hero_sex), (friend, friend_sex), (rival, rival_sex) = rng.sample(NAMES, 3)
    hero_kind, friend_kind = rng.sample(KINDS[rng.choice(list(KINDS))], 2)
    figure, figure_name, figure_sex = rng.choice(FIGURES)
    spots = rng.sample(setting["spots"], 3)
    thing, hidden = rng.choice(TREASURES)
    colour, second_colour = rng.sample(COLOURS, 2)
    slots = {
        "hero": hero,
        "kind": hero_kind,
        "friend": friend,
        "friendkind": friend_kind,
        "rival": rival,
        "figure": figure,
        "figurename": figure_name,
        "home": rng.choice(setting["homes"]),
        "place": setting["place"],
        "spot": spots[0],
        "spot2": spots[1],
        "spot3": spots[2],
        "sky": rng.choice(setting["weather"]),
        "storm": rng.choice(setting["storms"]),
        "animal": rng.choice(setting["animals"]),
        "food": rng.choice(setting["food"]),
        "thing": thing,
        "hidden": hidden,
        "colour": colour,
        "colour2": second_colour,
        "number": rng.choice(["two", "three", "four", "five", "six", "seven"]),
        "feeling": rng.choice(FEELINGS),
        "season": rng.choice(["spring", "summer", "autumn", "winter"]),
    }
    for prefix, sex in (("", hero_sex), ("f", friend_sex), ("r", rival_sex), ("o", figure_sex)):
        slots[f"{prefix}he"], slots[f"{prefix}him"], slots[f"{prefix}his"] = _PRONOUNS[sex]
    slots |= {key.capitalize(): value[0].upper() + value[1:] for key, value in slots.items()}
    return slots


def polish(text: str) -> str:
    """Write `an` before a vowel and single spaces everywhere (an empty choice leaves two)."""
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    return re.sub(r" +(?=[ .,!?])", "", text)
