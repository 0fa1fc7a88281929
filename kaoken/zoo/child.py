"""Runs a step in a process of its own and measures it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from kaoken.zoo.result import Cost

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Finished:
    """How a child ended. `code` is negative where a signal ended it."""

    code: int
    stdout: str
    stderr: str
    cost: Cost

    @property
    def value(self) -> dict[str, Any]:
        """The first JSON object on stdout; empty where there is none."""
        start = self.stdout.find("{")
        try:
            found = json.JSONDecoder().raw_decode(self.stdout, start)[0] if start >= 0 else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def message(self) -> str:
        """Why it failed, in its own words."""
        if self.code < 0:
            return f"ended by signal {-self.code}" + (" (out of memory?)" if self.code == -9 else "")
        lines = [line for line in self.stderr.strip().splitlines() if line.strip()]
        said = [n for n, line in enumerate(lines) if line.startswith("kaoken: error: ")]
        if said:
            return "\n".join(lines[said[-1] :]).removeprefix("kaoken: error: ")
        return lines[-1] if lines else f"exit code {self.code} without a word"


# The system counts what a process was before it became another program as its own, so a child of a large process seems large.
# A small one in between starts the child and writes "code peak" to a descriptor. It ends the child's session when its own parent
# is gone, however that ended.
_STARTER = """
import os, signal, sys
parent = os.getppid()
signal.signal(signal.SIGALRM, lambda *_: os.getppid() == parent or os.killpg(0, signal.SIGKILL))
signal.setitimer(signal.ITIMER_REAL, 1, 1)
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
status, usage = os.wait4(pid, 0)[1:]
os.write(int(sys.argv[1]), b"%d %d" % (os.waitstatus_to_exitcode(status), usage.ru_maxrss))
"""


def run_child(arguments: Sequence[str], text: str = "", timeout: float | None = None) -> Finished:
    """Run this Python with `arguments`, `text` on its standard input.

    The peak is that of the child or of one process that it waited for, whichever is larger. A child that runs longer than
    `timeout` seconds is killed with all that it started.
    """
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": path}
    with ExitStack() as stack:
        given, out, err, end = (stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(4))
        given.write(text)
        given.seek(0)
        command = [sys.executable, "-I", "-S", "-c", _STARTER, str(end.fileno()), sys.executable, *arguments]
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=given, stdout=out, stderr=err, env=environment, pass_fds=[end.fileno()], start_new_session=True
        )
        _wait(process, timeout)
        seconds = time.perf_counter() - started
        for file in (out, err, end):
            file.seek(0)
        code, peak = map(int, (end.read() or f"{process.returncode} 0").split())
        return Finished(code, out.read(), err.read(), Cost(round(seconds, 3), peak * _RSS_UNIT))


def _wait(process: subprocess.Popen[bytes], timeout: float | None) -> None:
    """Wait for a child that leads a session of its own; the session ends with the wait, however that ends."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
