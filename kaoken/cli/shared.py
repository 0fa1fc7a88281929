"""What the commands share: their common options, progress on stderr, JSON on stdout, errors of a compiled folder."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from kaoken.errors import ToolchainError, UsageError

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Dims = Annotated[
    list[str],
    typer.Option(
        "--dim",
        metavar="NAME=LOW..HIGH",
        help="Bounds of a dimension, or its one value (batch=1), or what it equals (total=past+seq). Repeat for more.",
    ),
]


def dims_table(items: list[str]) -> dict[str, str]:
    """`--dim` options as the compiler takes them. Raises UsageError for what is not NAME=VALUE."""
    from kaoken.frontend.dimensions import parse_overrides

    return parse_overrides(items)


def numbers(name: str, text: str) -> list[int]:
    """An option such as `--threads 1,2`; `-` is none. Raises UsageError for what is no list of numbers from 1 on."""
    try:
        found = [] if text == "-" else [int(word) for word in text.split(",")]
    except ValueError:
        found = [0]
    if any(n < 1 for n in found):
        raise UsageError(f"--{name} {text} is no list of numbers such as 1,2")
    return found


def batch_sizes(text: str) -> list[tuple[int, int]]:
    """`8x128,4x512` as rows and lengths."""
    parts = [] if text == "-" else [word.split("x") for word in text.split(",")]
    if any(len(part) != 2 or not all(n.isdecimal() and int(n) for n in part) for part in parts):
        raise UsageError(f"--batches {text} is no list of rows and lengths such as 8x128")
    return [(int(rows), int(length)) for rows, length in parts]


class Progress:
    """Says on stderr what is being done: a line that moves on a terminal, a line a step elsewhere.

    Steps that end within a second leave no line on a terminal.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Any = None
        self._text = ""
        self._started = 0.0

    def __enter__(self) -> Progress:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console

            self._console = Console(stderr=True)
            self._live = self._console.status("")
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()
        if self._live is not None:
            self._live.stop()

    def __call__(self, text: str) -> None:
        """Begin a step."""
        self._end()
        self._text, self._started = text, time.monotonic()
        if self._live is not None:
            self._live.update(f"{text} ...")
            self._live.start()
        elif not self._quiet:
            print(f"{text} ...", file=sys.stderr, flush=True)

    def _end(self) -> None:
        seconds = time.monotonic() - self._started
        if self._live is not None and self._text and seconds >= 1:
            self._console.print(f"{self._text}: {seconds:.1f} s", style="dim", highlight=False, markup=False)
        self._text = ""


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    json.dump(value, sys.stdout, indent=1, default=str)
    sys.stdout.write("\n")


def size_text(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


@contextmanager
def compiled_folder_errors(folder: Path) -> Iterator[None]:
    """Errors of session.py, which stands alone and knows no exit codes, as errors that have one."""
    from kaoken.session import BuildError, SessionError

    try:
        yield
    except BuildError as error:
        raise ToolchainError(str(error)) from error
    except SessionError as error:
        damaged = "file" in str(error) and "again" not in str(error)
        hint = "; compile the model again" if damaged else ""
        raise UsageError(f"{folder}: {error}{hint}") from error
    except FileNotFoundError as error:
        raise UsageError(str(error)) from error
    except ValueError as error:
        raise UsageError(str(error)) from error


def require_compiler() -> None:
    """Raise ToolchainError unless a C compiler can be run, before long work is begun in vain."""
    import os
    import shlex
    import shutil

    command = shlex.split(os.environ.get("CC") or "cc")
    if not command or shutil.which(command[0]) is None:
        name = command[0] if command else "cc"
        raise ToolchainError(f"there is no C compiler {name}; install gcc or clang, or set CC")


def build(folder: Path, progress: Progress) -> Path:
    """Build a compiled folder's library. Raises ToolchainError with the compiler's own words."""
    from kaoken.session import build_library

    with compiled_folder_errors(folder):
        if not any((folder / "build").glob("lib*")):
            require_compiler()
            progress("building with the C compiler")
        return build_library(folder)
