"""What counts as a regression: the rule that decides the exit code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kaoken.zoo.result import RowResult, ZooRun

# What must not grow: field and name.
_GROWTH = (
    ("kernels", "distinct kernels"),
    ("kernel_calls", "kernel calls"),
    ("c_lines", "lines of C"),
    ("arena_bytes", "arena bytes"),
    ("weights_bytes", "weights bytes"),
)


@dataclass(frozen=True)
class Rule:
    """growth: percent that kernels, lines, arena and weights may grow. speed: percent that a ratio to onnxruntime's speed may
    fall; None: speed is reported only, as it should be where others share the machine."""

    growth: float = 2.0
    speed: float | None = None


def regressions(after: ZooRun, before: ZooRun | None, rule: Rule) -> list[str]:
    """A sentence for each regression, naming its row.

    A failing row is one, unless the same step of it failed before; a failing verification or other tokens always are. Rows that
    either run lacks are not compared.
    """
    earlier = {row.name: row for row in before.rows} if before else {}
    return [f"{row.name}: {text}" for row in after.rows for text in _of_row(row, earlier.get(row.name), rule)]


def _of_row(row: RowResult, before: RowResult | None, rule: Rule) -> Iterator[str]:
    if row.failed in ("verify", "tokens"):
        yield row.message
    elif row.failed and (before is None or before.failed != row.failed):
        yield f"{row.failed} failed: {row.message.splitlines()[0] if row.message else 'no message'}"
    if before is None:
        return
    for name, words in _GROWTH:
        new, old = getattr(row, name), getattr(before, name)
        if new is not None and old and new > old * (1 + rule.growth / 100):
            yield f"{words} grew from {old:,} to {new:,} ({100 * (new / old - 1):+.1f}%)"
    if before.tokens and row.tokens is None and not row.failed:
        yield "tokens are no longer compared"
    if rule.speed is not None:
        yield from _slower(row, before, rule.speed)


def _slower(row: RowResult, before: RowResult, percent: float) -> Iterator[str]:
    old = {(s.workload, s.threads): s.ratio for s in before.speed}
    for s in row.speed:
        known = old.get((s.workload, s.threads))
        if known is not None and s.ratio < known * (1 - percent / 100):
            place = f"{s.workload}, {s.threads} thread{'s' if s.threads > 1 else ''}"
            yield f"{place}: speed beside onnxruntime fell from {known:.2f} to {s.ratio:.2f}"
