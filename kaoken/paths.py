"""Where Kaoken's own data lies: inside the installed package, or beside it in a source tree."""

from __future__ import annotations

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
