"""What the benchmark programs share: how they read the command line, and how an error ends them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from kaoken.errors import KaokenError


def parser(program: str, text: str | None) -> argparse.ArgumentParser:
    """An empty parser of `python -m benchmarks.PROGRAM`, whose help is the program's own description."""
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks.{program}", description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def exit_code(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """What `run` returns; where it raises a KaokenError, that error's own code, after its message."""
    try:
        return run(options)
    except KaokenError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
