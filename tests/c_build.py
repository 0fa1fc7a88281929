"""Builds the runtime's C sources for tests; equal sources and flags are built once a machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

RUNTIME = Path(__file__).resolve().parent.parent / "runtime"

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")


def compiler() -> str:
    """The C compiler of the tests: `$CC`, or `cc`."""
    return os.environ.get("CC", "cc")


def build_shared(sources: Sequence[Path], *, sanitize: bool = False, flags: Sequence[str] = ()) -> Path:
    """Compiles C files into a shared library and returns its path.

    sources: C files; headers are found in their folders and in `runtime/`.
    sanitize: adds the address and undefined-behaviour sanitizers. Python loads such a library only with
        libasan preloaded, so for these `build_program` is usually wanted.
    flags: further compiler flags, after the default ones (so `-O0` overrides `-O2`).
    Raises AssertionError with the compiler's messages (warnings are errors) when it refuses.
    """
    shared = ("-shared", "-fPIC")
    return _build(sources, [*shared, *(SANITIZERS if sanitize else ()), *flags], ".so")


def build_program(sources: Sequence[Path], *, sanitize: bool = False, flags: Sequence[str] = ()) -> Path:
    """Like `build_shared`, for an executable: one of the sources defines `main`."""
    return _build(sources, [*(SANITIZERS if sanitize else ()), *flags], "")


def _build(sources: Sequence[Path], flags: Sequence[str], suffix: str) -> Path:
    folders = list(dict.fromkeys([*(source.resolve().parent for source in sources), RUNTIME]))
    command = [compiler(), "-O2", *WARNINGS, *(f"-I{folder}" for folder in folders), *flags]
    digest = hashlib.sha256(" ".join(command).encode())
    headers = [header for folder in folders for header in sorted(folder.glob("*.h"))]
    for path in [*sources, *headers]:
        digest.update(str(path).encode() + b"\0" + path.read_bytes())
    cache = Path(tempfile.gettempdir()) / f"kaoken-test-builds-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    built = cache / (sources[0].stem + "-" + digest.hexdigest()[:20] + suffix)
    if not built.exists():
        work = Path(tempfile.mkdtemp(dir=cache))
        made = work / built.name
        arguments = [*command, "-o", str(made), *map(str, sources), "-lm", "-lpthread"]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            shutil.rmtree(work)
            raise AssertionError(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")
        made.replace(built)
        shutil.rmtree(work)
    return built
