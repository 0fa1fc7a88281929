"""The compiler as a function: an ONNX model in, a folder of C out. The command line and tests call this."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaoken.emit.constants import write_weights
from kaoken.emit.embed import write_elf_object
from kaoken.emit.embedding import find_embedding
from kaoken.emit.generation import generation_defaults
from kaoken.emit.interface import build_interface, serve_rows
from kaoken.emit.kit import write_kit
from kaoken.emit.model import build_model_files, render_files
from kaoken.emit.names import c_name
from kaoken.emit.program import build_program
from kaoken.emit.runtime_sources import copy_runtime, included
from kaoken.errors import UnsupportedModelError, UsageError
from kaoken.frontend import import_model
from kaoken.frontend.mapped_file import find_model_file, is_encoder_decoder
from kaoken.frontend.pooling import read_pooling
from kaoken.ir.graph import Graph, graph_text
from kaoken.ir.schedule_file import ScheduleFile, read_schedules
from kaoken.passes.pipeline import run_passes
from kaoken.report.content import report_json
from kaoken.report.page import render_page
from kaoken.text.tokenizer_tables import text_demand, tokenizer_tables

REPORT = "report.json"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class CompileOptions:
    """What `kaoken compile` can be told.

    name: the C prefix; from the model's folder or file by default. dims: bounds by dimension name. embed: "x86_64" or "aarch64"
    to write the weights as an object file too. dump_ir: a folder for the graph's text after every pass. taps: values of the ONNX
    graph, by name, that become outputs as well (verification looks at layers through them). bare: only what a library is built
    from and runs with, without build files, example, wrappers and the page of the report. schedule: a file of `kaoken tune`.
    fuse: False leaves every operation a loop nest of its own, which is slow and stateless, and shows whether a fusion is wrong.
    """

    name: str | None = None
    dims: dict[str, str] = field(default_factory=dict)
    embed: str | None = None
    dump_ir: Path | None = None
    taps: tuple[str, ...] = ()
    bare: bool = False
    schedule: Path | None = None
    fuse: bool = True


@dataclass
class CompileResult:
    """What was written, for whoever reports on it."""

    out: Path
    name: str
    report: dict[str, Any]
    graph: Graph
    notes: list[str]


def compile_model(
    model: Path, out: Path, options: CompileOptions | None = None, progress: Progress | None = None
) -> CompileResult:
    """Compile an ONNX file, or an exporter's folder, into `out`.

    Nothing is left half-written: the folder appears when everything in it is complete, and replaces an earlier one of Kaoken's.
    Raises UsageError, UnsupportedModelError (see errors.py).
    """
    options = options or CompileOptions()
    say = progress or (lambda text: None)
    started = time.perf_counter()
    _check_target(out)
    name = model_name(model, options.name)
    if options.schedule is not None:
        read_schedules(options.schedule)  # a mistake in it is told before the model is read
    say("reading the model")
    graph = lower(model, options, name)
    notes: list[str] = []
    tables = _tables(model, notes)
    say("writing weights")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        report = _write(folder, name, graph, tables, options, say)
        report["seconds"] = round(time.perf_counter() - started, 3)
        text = json.dumps({k: v for k, v in report.items() if k != "seconds"}, indent=1) + "\n"
        (folder / REPORT).write_text(text, encoding="utf-8")
        folder.chmod(0o755)
        _replace(folder, out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if report["interface"]["embedding"] and (missing := read_pooling(find_model_file(model).parent).note):
        notes.append(f"{missing}, which is not supported: vectors of texts need a pooling of your choice")
    if "schedules" in graph.metadata:
        notes.append(_schedule_note(graph.metadata["schedules"], report))
    return CompileResult(out, name, report, graph, notes)


def _schedule_note(file: ScheduleFile, report: dict[str, Any]) -> str:
    """How much of the model a schedule file was for."""
    shapes = dict.fromkeys(kernel["spec"]["shape"] for kernel in report["kernels"] if "spec" in kernel)
    taken = [shape for shape in shapes if shape in file.overrides]
    others = [name for name in file.overrides if name not in shapes]
    text = f"{len(taken)} of {len(shapes)} schedules are from {file.path}"
    return text + (f"; it also has {', '.join(others)}, which the model has not" if others else "")


def lower(model: Path, options: CompileOptions, name: str) -> Graph:
    """Import and run all passes."""
    graph = import_model(model, options.dims, name)
    computed = {value.name: value for node in graph.nodes for value in node.outputs}
    graph.outputs += [(tap, computed[tap]) for tap in options.taps]
    if options.schedule is not None:
        graph.metadata["schedules"] = read_schedules(options.schedule)
    dump = None
    if options.dump_ir is not None:
        options.dump_ir.mkdir(parents=True, exist_ok=True)
        counter = iter(range(1000))

        def dump(after: str, current: Graph) -> None:
            path = options.dump_ir / f"{next(counter):02d}-{after}.ir"  # type: ignore[operator]
            path.write_text(graph_text(current), encoding="utf-8")

    return run_passes(graph, dump, options.fuse)


def model_name(model: Path, wanted: str | None) -> str:
    """The prefix of files and C symbols. Raises UsageError for a name that is no C identifier."""
    if wanted is not None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", wanted) or wanted.startswith("kk_"):
            raise UsageError(f"--name {wanted} is no C identifier; use letters, digits and _")
        return wanted
    file = find_model_file(model)
    stem = file.stem if file.stem != "model" and not is_encoder_decoder(model) else file.resolve().parent.name
    stem = re.sub(r"[-_.]?onnx$", "", stem) or "model"
    return c_name(stem, "model").lower()


def _check_target(out: Path) -> None:
    if out.is_file():
        raise UsageError(f"{out} is a file; give a folder to write to")
    if out.is_dir() and any(out.iterdir()) and not (out / REPORT).is_file():
        raise UsageError(f"{out} is not empty and was not written by Kaoken; give another folder or empty it")


def _replace(folder: Path, out: Path) -> None:
    if out.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
        os.replace(out, old / "out")
        os.replace(folder, out)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(folder, out)


def _tables(model: Path, notes: list[str]) -> bytes | None:
    """The tokenizer's tables if tokenizer.json lies beside the model; one that is not supported is told, not fatal."""
    path = find_model_file(model).parent / "tokenizer.json"
    if not path.is_file():
        return None
    try:
        return tokenizer_tables(path)
    except UnsupportedModelError as error:
        notes.append(f"text in C is left out: {error}")
        return None


def _write(folder: Path, name: str, graph: Graph, tables: bytes | None, options: CompileOptions, say: Progress) -> dict[str, Any]:
    program = build_program(graph)
    interface = build_interface(program, tables is not None)
    config, beside = graph.metadata.get("config", {}), graph.metadata["source"].parent
    generation = generation_defaults(beside, config, interface.vocabulary)
    interface.embedding = find_embedding(program, interface, read_pooling(beside))
    serve_rows(interface, generation.num_beams)
    model_hash = write_weights(folder / f"{name}.weights", graph.metadata["weights"], tables)
    say("writing C")
    source = _source(graph)
    title = _title(graph, name)
    demand = text_demand(tables) if tables is not None else None
    files = build_model_files(name, title, source, program, interface, model_hash, demand, options.embed is not None)
    files.generation = generation
    rendered = render_files(files)
    for file_name, text in rendered.items():
        (folder / file_name).write_text(text, encoding="utf-8", newline="\n")
    copied = copy_runtime(folder, name, included(rendered.values()))
    for name_of_file in ("config.json", "generation_config.json"):
        if (beside / name_of_file).is_file():
            shutil.copyfile(beside / name_of_file, folder / name_of_file)
    if options.embed is not None:
        weights = folder / f"{name}.weights"
        write_elf_object(weights, folder / f"{name}_weights.o", f"{name}_embedded_weights", options.embed)
    report = report_json(files, rendered, copied)
    report["dims"] = dict(options.dims)
    if not options.bare:
        write_kit(folder, files)
        (folder / "report.html").write_text(render_page(report), encoding="utf-8", newline="\n")
    return report


def _source(graph: Graph) -> str:
    """What the model was made from, as its files say it."""
    name: str = graph.metadata["source"].name
    return f"{name} and the decoder beside it" if graph.encoded else name


def _title(graph: Graph, name: str) -> str:
    config = graph.metadata.get("config", {})
    kind = config.get("model_type")
    return f"the model {name}" + (f" ({kind})" if kind else "")
