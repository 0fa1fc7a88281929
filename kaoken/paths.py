"""Where Kaoken's own data lies, inside the installed package or beside it in a source tree; and where a cache does."""

from __future__ import annotations

import os
from pathlib import Path

from kaoken.errors import UsageError


def data_folder(name: str, landmark: str) -> Path:
    """The folder `name` ("runtime" or "models"); `landmark` is a file that it must hold.

    A wheel carries it as kaoken/_NAME, a source tree as NAME beside the package. Raises UsageError where neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / f"_{name}", package.parent / name):
        if (folder / landmark).is_file():
            return folder
    raise UsageError(f"Kaoken's folder {name} is missing beside {package}; install Kaoken again")


def cache_folder(name: str) -> Path:
    """The folder `name` in `$KAOKEN_CACHE`, else in the user's cache folder. Raises OSError where there can be none."""
    base = os.environ.get("KAOKEN_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kaoken"
    folder = Path(base) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
