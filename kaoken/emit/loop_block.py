"""Lines of C being written inside a loop nest, and what the locals in scope hold."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kaoken.ir.dims import Symbol
from kaoken.ir.expr import Expr

WIDTH = 130

OWN_NAMES = (
    *("y", "t", "row", "count", "begin", "end", "rest", "band", "band_width", "band_count", "first", "end_column", "far"),
    *("cache", "capacity"),
)
"""Names that loops themselves use."""


@dataclass
class Block:
    """Lines of C being written. `known` are expressions that a local holds, `lanes` those of which a local holds sixteen."""

    lines: list[str] = field(default_factory=list)
    depth: int = 1
    known: dict[Expr, str] = field(default_factory=dict)
    lanes: dict[Expr, str] = field(default_factory=dict)
    defined: set[Symbol] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)

    def line(self, text: str) -> None:
        """A statement, or the first line of a block; a long one goes on in the next line."""
        indent = "    " * self.depth
        kept = textwrap.wrap(text, WIDTH - len(indent), subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        self.lines.append("\n".join(f"{indent}{part}" for part in kept))

    def declared(self) -> tuple[dict[Expr, str], dict[Expr, str], set[Symbol], set[str]]:
        """What is declared by now."""
        return dict(self.known), dict(self.lanes), set(self.defined), set(self.taken)

    def forget(self, declared: tuple[dict[Expr, str], dict[Expr, str], set[Symbol], set[str]]) -> None:
        """Go back to what was declared then: a scope ended."""
        self.known, self.lanes, self.defined, self.taken = declared

    @contextmanager
    def braces(self, header: str) -> Iterator[None]:
        """A block in braces; what it declares is forgotten behind it."""
        kept = self.declared()
        self.line(f"{header} {{".lstrip())
        self.depth += 1
        yield
        self.depth -= 1
        self.line("}")
        self.forget(kept)


@dataclass(frozen=True)
class Run:
    """Sixteen elements along an axis, or, where `part` is C text, so many."""

    axis: Symbol
    part: str = ""
