"""A model whose shapes come from data, with legal calls and calls that must end with an error; and ways to write feeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from control_case import Control

LOWEST, HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Sized:
    """A graph, the bounds of its sizes, feeds that are legal, and feeds that exceed a bound or mean nothing.

    `rest` are inputs that are the same in every call.
    """

    name: str
    text: str
    legal: tuple[dict[str, Any], ...]
    illegal: tuple[dict[str, Any], ...] = ()
    dims: dict[str, str] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)

    def control(self) -> Control:
        return Control(self.name, self.text, tuple(self.arrays(feed) for feed in self.legal), self.dims)

    def arrays(self, feed: dict[str, Any]) -> dict[str, np.ndarray]:
        return {name: np.asarray(value) for name, value in {**self.rest, **feed}.items()}


def vectors(name: str, *rows: Any) -> tuple[dict[str, Any], ...]:
    """Feeds of one int64 input."""
    return tuple({name: np.array(row, np.int64)} for row in rows)


def several(**choices: Any) -> tuple[dict[str, Any], ...]:
    """Feeds of several inputs side by side, a list of values each."""
    count = max(len(c) for c in choices.values())
    return tuple({name: np.asarray(c[n % len(c)]) for name, c in choices.items()} for n in range(count))


def numbers(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)
