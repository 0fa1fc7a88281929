"""Operator cases as models of many independent nodes, compiled to C and built: a batch costs one compiler run, not sixty."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from c_build import SANITIZERS, compiler
from compiled import ROOT, sources_digest
from onnx import helper
from op_cases import CASES, Case
from op_cases.case import NEWEST, opset_imports

from kaoken.compiler import CompileOptions, compile_model
from kaoken.errors import KaokenError
from kaoken.session import library_path

BATCH = 64
NAME = "cases"
UPPER = 64
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")


@dataclass(frozen=True)
class Batch:
    """Cases, by number, in one model. `symbolic` makes symbols of the extents that a case names in `sizes`."""

    opset: int
    symbolic: bool
    cases: tuple[int, ...]


@dataclass(frozen=True)
class Built:
    """A batch's folder, or for each case that cannot be compiled alone what its error says."""

    batch: Batch
    folder: Path | None
    error: str = ""


def all_batches() -> list[Batch]:
    """Every case once with fixed sizes, and once more with symbols where it names some; one opset each, the newest."""
    groups: dict[tuple[bool, int], list[int]] = {}
    for number, case in enumerate(CASES):
        opset = min(case.until, NEWEST)
        for symbolic in (False, True) if symbols(case) else (False,):
            groups.setdefault((symbolic, opset), []).append(number)
    return [
        Batch(opset, symbolic, tuple(numbers[first : first + BATCH]))
        for (symbolic, opset), numbers in sorted(groups.items())
        for first in range(0, len(numbers), BATCH)
    ]


def symbols(case: Case) -> dict[str, int]:
    """The symbols of the symbolic variant, with their values."""
    return {f"n{size}": size for size in case.sizes if any(size in value.shape for value in case.feeds().values())}


def dims_of(batch: Batch) -> dict[str, str]:
    """The bounds of a batch's symbols."""
    return {name: f"0..{UPPER}" for n in batch.cases for name in symbols(CASES[n])} if batch.symbolic else {}


def merged_model(batch: Batch) -> onnx.ModelProto:
    """The cases' models side by side; names of case 12 begin with `c12_`."""
    graph = onnx.GraphProto(name="cases")
    for number in batch.cases:
        part = CASES[number].model(batch.opset, batch.symbolic).graph
        for kind in ("input", "output", "initializer"):
            for item in getattr(part, kind):
                item.name = f"c{number}_{item.name}"
                getattr(graph, kind).append(item)
        for node in part.node:
            node.name = f"c{number}_{node.op_type}"
            node.input[:] = [f"c{number}_{name}" if name else "" for name in node.input]
            node.output[:] = [f"c{number}_{name}" if name else "" for name in node.output]
            graph.node.append(node)
    return helper.make_model(graph, opset_imports=opset_imports(batch.opset), ir_version=10)


def feeds(batch: Batch) -> dict[str, np.ndarray]:
    return {f"c{n}_{name}": value for n in batch.cases for name, value in CASES[n].feeds().items()}


def cache_folder() -> Path:
    """Kept while no source changes."""
    folder = Path(tempfile.gettempdir()) / f"kaoken-tests-{os.getuid()}" / sources_digest() / "operators"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def compile_batch(batch: Batch) -> Path:
    """The batch's folder of C. Raises what the compiler raises."""
    return compile_proto(merged_model(batch), dims_of(batch))


def compile_proto(proto: onnx.ModelProto, dims: dict[str, str]) -> Path:
    """A model's folder of C, under the name that `build` expects. Raises what the compiler raises."""
    model = proto.SerializeToString(deterministic=True)
    folder = cache_folder() / hashlib.sha256(model + repr(dims).encode()).hexdigest()[:16]
    with locked(folder.with_suffix(".lock")):
        if not (folder / "report.json").exists():
            source = folder.with_suffix(".onnx")
            source.write_bytes(model)
            compile_model(source, folder, CompileOptions(name=NAME, dims=dims))
    return folder


BASELINE = ("-O1", "-DKK_BASELINE_ONLY")


def build(folder: Path, flags: Sequence[str] = BASELINE) -> None:
    """Build a folder's library, of the baseline level alone; the runtime's objects are the same for all and made once."""
    target = library_path(folder, NAME)
    with locked(folder.with_suffix(".lock")):
        if target.exists():
            return
        objects = runtime_objects(folder, flags)
        target.parent.mkdir(exist_ok=True)
        made = target.with_suffix(".new")
        levels = [] if "-DKK_BASELINE_ONLY" in flags else sorted(folder.glob(f"{NAME}_kernels_*.c"))
        sources = [folder / f"{NAME}.c", folder / f"{NAME}_kernels.c", *levels, *objects]
        run_compiler([compiler(), *WARNINGS, *flags, "-shared", "-fPIC", *map(str, sources), "-o", str(made), "-lm", "-lpthread"])
        made.rename(target)


def variant(folder: Path, name: str, flags: Sequence[str]) -> Path:
    """The same C built with other flags, in a folder beside."""
    other = folder.with_name(f"{folder.name}-{name}")
    with locked(other.with_suffix(".copy")):
        if not other.exists():
            shutil.copytree(folder, other, ignore=shutil.ignore_patterns("build"))
    build(other, flags)
    return other


def sanitized(batches: Sequence[Batch], scratch: Path) -> list[dict[str, np.ndarray]]:
    """Results of batches whose libraries carry the sanitizers."""
    return sanitized_runs([(compile_batch(batch), feeds(batch)) for batch in batches], scratch)


def sanitized_runs(runs: Sequence[tuple[Path, dict[str, np.ndarray]]], scratch: Path) -> list[dict[str, np.ndarray]]:
    """Results of folders on inputs, under the address and undefined-behaviour sanitizers: any report is an error."""
    arguments: list[str] = []
    for n, (plain, inputs) in enumerate(runs):
        folder = variant(plain, "sanitized", [*BASELINE, *SANITIZERS])
        np.savez(scratch / f"in{n}.npz", **inputs)
        arguments += [str(folder), str(scratch / f"in{n}.npz"), str(scratch / f"out{n}.npz")]
    preload = [
        subprocess.check_output([compiler(), f"-print-file-name={lib}"], text=True).strip()
        for lib in ("libasan.so", "libubsan.so")
    ]
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(preload),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(ROOT),
    }
    script = Path(__file__).with_name("run_op_batch.py")
    done = subprocess.run([sys.executable, str(script), *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-6000:]
    return [dict(np.load(scratch / f"out{n}.npz")) for n in range(len(runs))]


def runtime_objects(folder: Path, flags: Sequence[str]) -> list[Path]:
    sources = sorted((folder / "kaoken").glob("*.c"))
    contents = [(s.name, s.read_bytes()) for s in sorted((folder / "kaoken").iterdir())]
    digest = hashlib.sha256(repr((compiler(), flags, contents)).encode())
    kept = cache_folder() / f"runtime-{digest.hexdigest()[:16]}"
    with locked(kept.with_suffix(".lock")):
        if not kept.exists():
            work = Path(tempfile.mkdtemp(dir=cache_folder()))
            for source in sources:
                run_compiler([compiler(), *WARNINGS, *flags, "-fPIC", "-c", str(source), "-o", str(work / f"{source.stem}.o")])
            work.rename(kept)
    return sorted(kept.glob("*.o"))


def run_compiler(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


def prepare(batch: Batch) -> list[Built]:
    """Compile and build; where that fails, halves of the batch, so that one bad case costs no other its test."""
    try:
        folder = compile_batch(batch)
        build(folder)
        return [Built(batch, folder)]
    except (KaokenError, AssertionError, Exception) as error:
        if len(batch.cases) == 1:
            return [Built(batch, None, f"{type(error).__name__}: {error}")]
    half = len(batch.cases) // 2
    parts = (batch.cases[:half], batch.cases[half:])
    return [built for part in parts for built in prepare(Batch(batch.opset, batch.symbolic, part))]


@cache
def built_batches() -> dict[tuple[int, bool], Built]:
    """Every batch, built by two processes at a time: (case, symbolic) -> where it is."""
    with ProcessPoolExecutor(2) as pool:
        built = [b for group in pool.map(prepare, all_batches()) for b in group]
    return {(number, b.batch.symbolic): b for b in built for number in b.batch.cases}


__all__ = [
    "Batch",
    "Built",
    "all_batches",
    "build",
    "built_batches",
    "compile_batch",
    "compile_proto",
    "feeds",
    "prepare",
    "sanitized",
    "sanitized_runs",
    "symbols",
    "variant",
]
