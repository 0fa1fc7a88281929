"""Reads sections of a `tokenizer.json`; collects what is unsupported instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TOKEN_LIMIT = 1 << 24
"""Ids are below this, so that a damaged file cannot ask for a table of gigabytes."""


class JsonReader:
    """A document and the offenders found in it."""

    def __init__(self, document: Any) -> None:
        self.document: dict[str, Any] = document if isinstance(document, dict) else {}
        self.offenders: list[str] = []

    def refuse(self, what: str) -> None:
        """Note something that the tables cannot hold."""
        self.offenders.append(what)

    def section(self, name: str) -> dict[str, Any]:
        """A member that is an object; else an empty one."""
        value = self.document.get(name)
        return value if isinstance(value, dict) else {}

    def kind(self, name: str) -> str:
        """The type of a section, for messages."""
        value = self.document.get(name)
        return "null" if value is None else repr(self.section(name).get("type", "without a type"))

    def steps(self, value: Any, key: str) -> Iterator[dict[str, Any]]:
        """The steps of a normalizer, pre-tokenizer, post-processor or decoder, sequences flattened."""
        pending = [value]
        while pending:
            step = pending.pop(0)
            if step is None:
                continue
            if not isinstance(step, dict):
                self.refuse(f"{key} holds {step!r} where an object belongs")
            elif step.get("type") == "Sequence" and isinstance(step.get(key), list):
                pending = [*step[key], *pending]
            else:
                yield step

    def is_id(self, value: Any) -> bool:
        """Whether a value can be a token's id."""
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < TOKEN_LIMIT
