"""`kaoken tune`: measures other schedules for a model's kernels on this machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaoken.cli.shared import Dims, Json, Quiet, compiled_folder_errors, dims_table, numbers, print_json, require_compiler
from kaoken.errors import UsageError

if TYPE_CHECKING:
    from kaoken.tune.run import TunedKernel, Tuning


def register(app: typer.Typer) -> None:
    app.command("tune", no_args_is_help=True)(tune_command)


class TimeBar:
    """Says on stderr what is being done: on a terminal beside a bar of the time that is used up, elsewhere a line a kernel.

    Nothing is drawn between two calls: a thread that draws would take part in the measurements.
    """

    def __init__(self, seconds: float, quiet: bool) -> None:
        self._seconds, self._quiet, self._head = seconds, quiet, ""
        self._bar: Any = None

    def __enter__(self) -> TimeBar:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (BarColumn(bar_width=20), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
            self._bar = Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
            self._task = self._bar.add_task("", total=self._seconds)
            self._bar.start()
        self._started = time.monotonic()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, text: str) -> None:
        """What is being done now; behind a colon a detail of it."""
        if self._bar is not None:
            done = min(time.monotonic() - self._started, self._seconds)
            self._bar.update(self._task, description=text, completed=done, refresh=True)
        elif not self._quiet and (text.partition(":")[0] != self._head or "faster" in text):
            print(f"{text} ...", file=sys.stderr, flush=True)
        self._head = text.partition(":")[0]


def tune_command(
    model: Annotated[Path, typer.Argument(help="A folder that Kaoken compiled, or an ONNX model to compile for the purpose.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write; NAME-schedules.toml by default.")] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="What it may take, about.")] = 5.0,
    threads: Annotated[
        str, typer.Option("-t", "--threads", metavar="N,N,...", help="Thread counts that the schedules are to be good for.")
    ] = "1",
    only: Annotated[str, typer.Option(metavar="TEXT", help="Only kernels whose name contains this.")] = "",
    level: Annotated[
        str | None, typer.Option(help="Instruction set to measure: avx512, avx2, neon or plain; by default this machine's best.")
    ] = None,
    dim: Dims = [],  # noqa: B006
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure other schedules for every matmul and attention kernel of a model, and write the best to a file.

    Results never change by it, only times. Ctrl-C ends the search and keeps what is known so far. Run it on a
    machine with nothing else to do, then compile again with the file.

    \b
    Examples:
      kaoken tune gpt2-c/ --minutes 5
      kaoken tune gpt2-c/ -o gpt2.toml --threads 1,2 --only linear
      kaoken compile gpt2-onnx/ -o gpt2-c/ --schedule gpt2.toml
    """
    if not model.exists():
        raise UsageError(f"there is no file or folder {model}")
    counts = numbers("threads", threads)
    if not counts or max(counts) > 64:
        raise UsageError(f"--threads {threads}: give thread counts from 1 to 64, such as 1,2")
    require_compiler()
    from kaoken.tune.run import TuneOptions, tune_model

    stem = model.resolve().name if model.is_dir() else model.stem
    file = output or Path(f"{stem.removesuffix('-c').removesuffix('-onnx')}-schedules.toml")
    if file.is_dir():
        raise UsageError(f"{file} is a folder; give the file to write")
    options = TuneOptions(minutes, tuple(dict.fromkeys(counts)), dims_table(dim), only, level)
    with compiled_folder_errors(model), TimeBar(60 * minutes, quiet) as progress:
        found = tune_model(model, file, options, progress)
    if json:
        print_json(found.as_json())
    else:
        _show(found, model)


def _show(found: Tuning, model: Path) -> None:
    from kaoken.tune.run import mean_ratio

    threads = ", ".join(map(str, found.threads))
    typer.echo(f"{found.level}, threads {threads}: {found.measured} alternatives measured; ratio: time after over time before")
    width = max(len(kernel.shape) for kernel in found.kernels)
    typer.echo(f"\n{'kernel':{width}}   ratio")
    for kernel in found.kernels:
        typer.echo(f"{kernel.shape:{width}}  {kernel.ratio:6.3f}" + ("" if kernel.changed else "   as it was"))
        if kernel.changed:
            _show_change(kernel)
    worst = min(kernel.ratio for kernel in found.kernels)
    typer.echo(f"\nmean of the kernels {mean_ratio(found.kernels):.3f}; of the one that gained most {worst:.3f}")
    if found.whole:
        wide = max(len(row.name) for row in found.whole)
        typer.echo(f"\n{'whole model':{wide}}  threads  before ms   after ms   ratio")
        for row in found.whole:
            data = row.as_json()
            typer.echo(f"{row.name:{wide}}  {row.threads:7}  {data['before_ms']:9.3f}  {data['after_ms']:9.3f}  {row.ratio:6.3f}")
        typer.echo("outputs have the same bits before and after")
    for note in found.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"\nwrote {found.file}; next: kaoken compile MODEL.onnx -o {model}/ --schedule {found.file}")


def _show_change(kernel: TunedKernel) -> None:
    typer.echo(f"    was {kernel.before}\n    is  {kernel.after}")
    for row in kernel.times:
        where = f"{row.size} rows, {row.threads} thread{'s' if row.threads > 1 else ''}"
        typer.echo(f"    {where:28} {1e6 * row.before:10.1f} us {1e6 * row.after:10.1f} us  {row.after / row.before:6.3f}")
