"""Models in memory to built folders, cached by content: equal models, options and sources of Kaoken are built once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import onnx

from kaoken.compiler import CompileOptions, compile_model
from kaoken.emit.runtime_sources import runtime_folder
from kaoken.paths import cache_folder
from kaoken.session import library_path
from kaoken.toolchain import c_compiler, run_compiler

NAME = "model"
PLAIN = ("-O1", "-DKK_BASELINE_ONLY")
"""Flags for results, not for speed: the baseline level alone, built in a tenth of a second."""
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
MOST_MODELS = 8192
"""Models that the cache keeps; when there are more, the half that was used longest ago goes."""


def models_folder() -> Path:
    """Where built models are kept."""
    return cache_folder("backend")


@cache
def sources_digest() -> str:
    """Changes with every source that a compiled folder depends on."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.mako"), *runtime_folder().rglob("*.[ch]")]):
        if path.parent != Path(__file__).parent:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def built_folder(model: onnx.ModelProto, dims: Mapping[str, str], flags: Sequence[str] = PLAIN, fuse: bool = True) -> Path:
    """The folder of a model, compiled and built: its library, weights and C, without what makes a folder a product.

    Raises what the compiler raises, ToolchainError where the C compiler refuses what was written.
    """
    content = model.SerializeToString(deterministic=True)
    options = (sources_digest(), sorted(dims.items()), tuple(flags), c_compiler(), fuse)
    key = hashlib.sha256(content + repr(options).encode()).hexdigest()[:24]
    folder = models_folder() / key[:2] / key
    if (folder / "report.json").is_file():
        os.utime(folder)
        return folder
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models_folder()) as scratch:
        source, out = Path(scratch) / "model.onnx", Path(scratch) / "out"
        source.write_bytes(content)
        compile_model(source, out, CompileOptions(name=NAME, dims=dict(dims), bare=True, fuse=fuse))
        _build(out, flags)
        shutil.rmtree(out / "kaoken")
        shutil.copyfile(source, out / "model.onnx")
        with contextlib.suppress(OSError):  # another process was faster
            os.replace(out, folder)
    if key.startswith("0"):  # now and then
        _evict()
    return folder


def _build(folder: Path, flags: Sequence[str]) -> None:
    """The library of a compiled folder. The runtime's objects, which are the same for many models, are made once."""
    target = library_path(folder, NAME)
    target.parent.mkdir()
    sources = [folder / f"{NAME}.c", folder / f"{NAME}_kernels.c"]
    if "-DKK_BASELINE_ONLY" not in flags:
        sources += sorted(folder.glob(f"{NAME}_kernels_*.c"))
    command = [*WARNINGS, *flags, "-shared", "-fPIC", *map(str, [*sources, *_runtime(folder, flags)])]
    run_compiler([*command, "-o", str(target), "-lm", "-lpthread"], "what was generated")


def _runtime(folder: Path, flags: Sequence[str]) -> list[Path]:
    """Objects of the runtime's sources that a folder carries."""
    files = sorted((folder / "kaoken").iterdir())
    contents = [(path.name, path.read_bytes()) for path in files]
    kept = models_folder() / f"runtime-{hashlib.sha256(repr((c_compiler(), flags, contents)).encode()).hexdigest()[:24]}"
    if not kept.is_dir():
        with _locked(kept.with_suffix(".lock")), tempfile.TemporaryDirectory(dir=models_folder()) as scratch:
            for source in files if not kept.is_dir() else []:
                if source.suffix == ".c":
                    made = Path(scratch) / f"{source.stem}.o"
                    run_compiler([*WARNINGS, *flags, "-fPIC", "-c", str(source), "-o", str(made)], source.name)
            if not kept.is_dir():
                shutil.copytree(scratch, kept)
    return sorted(kept.glob("*.o"))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _evict() -> None:
    """Keep the cache within its bound. A folder that goes while another process reads it is built again by the next."""
    folders = [path for path in models_folder().glob("??/*") if path.is_dir()]
    if len(folders) <= MOST_MODELS:
        return
    with contextlib.suppress(OSError):
        for path in sorted(folders, key=lambda p: p.stat().st_mtime)[: len(folders) - MOST_MODELS // 2]:
            shutil.rmtree(path, ignore_errors=True)


__all__ = ["PLAIN", "SANITIZED", "built_folder", "models_folder"]
