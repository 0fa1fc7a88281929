"""report.html: report.json as one page to read, without scripts or anything from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from kaoken.emit.templating import templates
from kaoken.report import pictures

FOLDER = Path(__file__).parent / "templates"


def render_page(report: dict[str, Any], profile: dict[str, Any] | None = None) -> str:
    """The page as HTML, with what `kaoken profile` measured where it did."""
    page = templates(FOLDER).get_template("report.html.mako")
    text: str = page.render(r=report, p=profile, layers=layers(report), size=readable_size, pictures=pictures)
    return re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n"


def layers(report: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Calls in order, grouped by the block they belong to: `transformer.h.0`, else the layer itself."""
    groups: list[tuple[str, list[dict[str, Any]]]] = []
    for call in report["calls"]:
        parts = call["layer"].split(".")
        numbers = [n for n, part in enumerate(parts) if part.isdigit()]
        group = ".".join(parts[: numbers[0] + 1]) if numbers else call["layer"]
        if not groups or groups[-1][0] != group:
            groups.append((group, []))
        groups[-1][1].append(call)
    return groups


def readable_size(count: int) -> str:
    """Bytes with a decimal unit, three digits."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {unit}"
    return f"{count} bytes"
