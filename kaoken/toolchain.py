"""The system's C compiler."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

from kaoken.errors import ToolchainError


def c_compiler() -> list[str]:
    """The command that CC names, or cc, as words."""
    return shlex.split(os.environ.get("CC") or "cc")


def run_compiler(arguments: Sequence[str], what: str) -> None:
    """Compile or link. Raises ToolchainError with the compiler's words; `what`: what it was given, for the message.

    A sanitizer that is preloaded here stays out of the compiler.
    """
    command = [*c_compiler(), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError as error:
        raise ToolchainError(f"cannot run the C compiler {command[0]}: {error.strerror}; install gcc or set CC") from None
    if done.returncode != 0:
        raise ToolchainError(f"the C compiler refused {what}:\n{done.stderr.strip()[:4000]}")
