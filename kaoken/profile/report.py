"""Draws a profile into the compiled folder's report.html."""

from __future__ import annotations

import json
from pathlib import Path

from kaoken.profile.run import Profile
from kaoken.report.page import render_page


def add_to_report(folder: Path, profile: Profile) -> Path | None:
    """Writes report.html anew with the profile in it; None where the folder cannot be written to."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    path = folder / "report.html"
    try:
        path.write_text(render_page(report, profile.as_json()), encoding="utf-8", newline="\n")
    except OSError:
        return None
    return path
