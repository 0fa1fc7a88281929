"""Compiled folders that tests share: each graph is compiled and built once for all test processes and runs of equal sources."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

from kaoken.compiler import CompileOptions, compile_model
from kaoken.session import build_library

ROOT = Path(__file__).parents[1]
GRAPHS = Path(__file__).parent / "graphs"

BOUNDS = {"dynamo": {"seq": "1..128", "past": "0..127"}}
"""Bounds for graphs that come without config.json."""


@cache
def sources_digest() -> str:
    """Changes with every source that a compiled folder depends on."""
    digest = hashlib.sha256()
    for folder in ("kaoken", "runtime"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".mako", ".c", ".h"):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def bounds_for(graph: str) -> dict[str, str]:
    """The --dim options a kept graph needs."""
    if "dynamo" not in graph or (GRAPHS / graph / "config.json").is_file():
        return {}
    bounds = dict(BOUNDS["dynamo"])
    if "past" not in graph:
        bounds.pop("past")
    return bounds


def compiled(graph: str, *, dims: dict[str, str] | None = None, name: str | None = None, build: bool = True) -> Path:
    """The folder that tests/graphs/`graph` (or a path) compiles to, built unless told otherwise."""
    source = Path(graph) if os.sep in graph and Path(graph).exists() else GRAPHS / graph
    options = CompileOptions(name=name, dims=bounds_for(graph) if dims is None else dims)
    key = hashlib.sha256(repr((str(source), source.stat().st_mtime_ns, options)).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"kaoken-tests-{os.getuid()}" / sources_digest()
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / f"{source.stem if source.suffix else source.name}-{key}"
    with (folder / f"{out.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / "report.json").exists():
            compile_model(source, out, options)
        if build:
            build_library(out)
    return out
