"""Compiled folders built in other ways: another compiler, other flags, a whole program; each once for the same sources."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kaoken.session import build_library
from tests.compiled import compiled

TESTS = Path(__file__).parent
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
PLAIN = ("-O1", "-Wall", "-Wextra", "-pedantic", "-Werror")
"""Flags that programs share, so that the C of a model is compiled once for all of them."""
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")


def name_of(graph: str) -> str:
    """The C prefix of a kept graph."""
    return graph.replace("-", "_")


def available(*tools: str) -> bool:
    return all(shutil.which(shlex.split(tool)[0]) for tool in tools)


def run(command: Sequence[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command that has to succeed; its output is the failure's message."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done  # type: ignore[no-any-return]


def sources(folder: Path) -> list[Path]:
    """The C files of a folder, without its example."""
    return sorted(folder.glob("*.c")) + sorted((folder / "kaoken").glob("*.c"))


def _variant(folder: Path, text: str, extra: Sequence[Path] = ()) -> Path:
    """A place beside a compiled folder, new for every text and content of the extra files and the tests' headers."""
    digest = hashlib.sha256(text.encode())
    for path in [*extra, *sorted(TESTS.glob("*.h"))]:
        digest.update(path.read_bytes())
    return folder.with_name(f"{folder.name}-{digest.hexdigest()[:12]}")


def library(graph: str, compiler: str, flags: Sequence[str]) -> Path:
    """A copy of the compiled folder whose library was built by `compiler` with `flags`: for Session."""
    folder = compiled(graph, build=False)
    out = _variant(folder, repr((compiler, flags)))
    with _locked(out):
        if not out.exists():
            work = out.with_name(f"{out.name}.work")
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(folder, work, ignore=shutil.ignore_patterns("build"))
            build_library(work, compiler, flags)
            os.replace(work, out)
    return out


def program(
    graphs: Sequence[str], drivers: Sequence[Path], compiler: str, flags: Sequence[str], libraries: Sequence[str] = ()
) -> Path:
    """An executable of test drivers (C, or C++ by a C++ compiler's name) and all C of the compiled folders."""
    folders = [compiled(graph, build=False) for graph in graphs]
    c_compiler = compiler.replace("clang++", "clang").replace("g++", "gcc")
    c_flags = [f for f in flags if not f.startswith("-std=c++")]
    linked = [o for folder in folders for o in _objects(folder, sources(folder), c_compiler, c_flags, ())]
    linked += _objects(folders[0], drivers, compiler, flags, [f"-I{folder}" for folder in folders])
    out = _variant(folders[0], repr(("program", graphs, compiler, flags, libraries)), drivers)
    with _locked(out):
        if not out.exists():
            made = out.with_suffix(".work")
            run([*shlex.split(compiler), *flags, *linked, "-o", made, *libraries, "-lm", "-lpthread"])
            os.replace(made, out)
    return out


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    with out.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _objects(folder: Path, files: Sequence[Path], compiler: str, flags: Sequence[str], includes: Sequence[str]) -> list[Path]:
    """Object files, kept beside the compiled folder for whoever asks with the same compiler, flags and contents."""
    out = _variant(folder, repr((compiler, flags, includes, list(map(str, files)))), files)
    with _locked(out):
        if not out.exists():
            work = out.with_name(f"{out.name}.work")
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            running: list[subprocess.Popen[str]] = []
            for number, file in enumerate(files):
                command = [*shlex.split(compiler), *flags, *includes, "-c", str(file), "-o", str(work / f"{number}.o")]
                running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
                if len(running) == 2:
                    _finish(running)
            _finish(running)
            os.replace(work, out)
    return [out / f"{number}.o" for number in range(len(files))]


def _finish(running: list[subprocess.Popen[str]]) -> None:
    for process in running:
        output, _ = process.communicate()
        assert process.returncode == 0, f"{shlex.join(map(str, process.args))}\n{output}"  # type: ignore[arg-type]
    running.clear()


def weights(graph: str) -> Path:
    return compiled(graph, build=False) / f"{name_of(graph)}.weights"


def token_ids(count: int, vocabulary: int, start: int = 0) -> np.ndarray:
    """The ids that the test programs make up: (start + i) * 37 + 11, within the vocabulary."""
    return ((start + np.arange(count, dtype=np.int64)) * 37 + 11) % vocabulary
