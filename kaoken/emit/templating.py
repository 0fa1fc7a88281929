"""The Mako templates, compiled once for each state of their sources: parsing them takes longer than compiling a small model."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from functools import cache
from pathlib import Path

import mako
from mako.lookup import TemplateLookup

from kaoken.paths import cache_folder

FOLDER = Path(__file__).parent / "templates"
KEPT_SECONDS = 86400
"""Age at which those of earlier states go; another process may still be reading younger ones."""


@cache
def templates(folder: Path = FOLDER) -> TemplateLookup:
    """Looks templates up by their path below a folder; an undefined name in one is an error."""
    return TemplateLookup(
        directories=[str(folder)], strict_undefined=True, input_encoding="utf-8", module_directory=_compiled_folder(folder)
    )


def _compiled_folder(templates: Path) -> str | None:
    """Where Mako keeps templates as Python modules, or None where the user has no cache folder that can be written."""
    state = [mako.__version__]
    for path in sorted(templates.rglob("*.mako")):
        about = path.stat()
        state.append(f"{path.relative_to(templates)} {about.st_mtime_ns} {about.st_size}")
    place, content = (hashlib.sha256(text.encode()).hexdigest()[:16] for text in (str(templates), "\n".join(state)))
    try:
        parent = cache_folder("templates") / place
        folder = parent / content
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for other in parent.iterdir():
                if other.stat().st_mtime < time.time() - KEPT_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)
        # Modules are executed: nobody else may have put them there.
        mine = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
        return str(folder) if mine and os.access(folder, os.W_OK) else None
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None
