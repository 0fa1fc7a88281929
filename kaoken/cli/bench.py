"""`kaoken bench`: a compiled model beside onnxruntime, and as a share of what the machine can do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaoken.cli.shared import (
    Dims,
    Json,
    Progress,
    Quiet,
    batch_sizes,
    compiled_folder_errors,
    dims_table,
    numbers,
    print_json,
    require_compiler,
)
from kaoken.errors import UsageError

if TYPE_CHECKING:
    from kaoken.bench.run import Benchmark


def register(app: typer.Typer) -> None:
    app.command("bench", no_args_is_help=True)(bench_command)


def bench_command(
    model: Annotated[Path, typer.Argument(help="An ONNX file, or a folder that an exporter wrote.")],
    compiled: Annotated[Path | None, typer.Argument(help="The folder made from it; by default it is compiled anew.")] = None,
    dim: Dims = [],  # noqa: B006
    prefill: Annotated[str, typer.Option(metavar="N,N,...", help="Prompt lengths (other models: lengths).")] = "16,128,512",
    decode: Annotated[str, typer.Option(metavar="N,N,...", help="Contexts of one-token steps; none: -")] = "128,512",
    batches: Annotated[str, typer.Option(metavar="ROWSxN,...", help="Batches of models without a cache; none: -")] = "8x128",
    threads: Annotated[str, typer.Option("-t", "--threads", metavar="N,N,...", help="Thread counts.")] = "1,2",
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.01, help="Time for a contestant in a round.")] = 0.5,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Time a model beside onnxruntime at its best, and as a share of the machine's limits (needs kaoken[verify]).

    onnxruntime runs with bound buffers and, for language models, on the graph cut to the logits of the last
    position; the graph as it was exported is a column of its own. Run it on a machine with nothing else to do.
    `kaoken profile` tells which kernels the time goes to.

    \b
    Examples:
      kaoken bench gpt2-onnx/ gpt2-c/
      kaoken bench story-onnx/ --prefill 16,128 --decode 128 --threads 1 --rounds 3
      kaoken bench bert-onnx/ bert-c/ --prefill 16,128,512 --batches 8x128 --rounds 3
    """
    if not model.exists():
        raise UsageError(f"there is no file or folder {model}")
    require_compiler()
    from kaoken.bench.run import BenchOptions, bench_model

    lengths, contexts, counts = (numbers(n, t) for n, t in (("prefill", prefill), ("decode", decode), ("threads", threads)))
    options = BenchOptions(dims_table(dim), lengths, contexts, counts, rounds, seconds, batches=batch_sizes(batches))
    with compiled_folder_errors(compiled or model), Progress(quiet) as progress:
        found = bench_model(model, compiled, options, progress)
    if json:
        print_json(found.as_json())
    else:
        _show(found)


def _show(found: Benchmark) -> None:
    typer.echo(f"{found.model}, {found.level}; medians in ms, ratio: onnxruntime's time over Kaoken's")
    for note in found.notes:
        typer.echo(f"note: {note}")
    for threads in dict.fromkeys(row.threads for row in found.rows):
        rows = [row for row in found.rows if row.threads == threads]
        best = rows[0].best
        limits = f"{best.flops / 1e9:.0f} GFLOP/s, {best.bandwidth / 1e9:.1f} GB/s"
        names = list(rows[0].seconds)
        typer.echo(f"\n{threads} thread{'s' if threads > 1 else ''} (the machine's limits: {limits})")
        columns = "".join(f"{name:>19}" for name in names)
        typer.echo(f"{'':28}{columns}{'ratio':>8}{'limit':>9}{'share':>7}")
        for row in rows:
            times = "".join(f"{1e3 * row.median(name):>19.3f}" for name in names)
            ratio = row.median("onnxruntime") / row.median("kaoken")
            share = row.limit / row.median("kaoken")
            typer.echo(f"{row.workload:28}{times}{ratio:>8.2f}{1e3 * row.limit:>9.3f}{100 * share:>6.0f}%")
        typer.echo("rounds:")
        for row in rows:
            for name in names:
                marks = "  ".join(
                    f"{1e3 * t:.3f}{'*' if bad else ''}" for t, bad in zip(row.seconds[name], row.disturbed, strict=True)
                )
                typer.echo(f"  {row.workload}, {name}: {marks}")
    if any(any(row.disturbed) for row in found.rows):
        typer.echo("* a probe of the machine's limits was 10% below its best; left out of the medians where others remain")
