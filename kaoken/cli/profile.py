"""`kaoken profile`: where a compiled model's time goes, kernel by kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaoken.cli.shared import Json, Progress, Quiet, compiled_folder_errors, numbers, print_json, require_compiler
from kaoken.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command("profile", no_args_is_help=True)(profile_command)


def profile_command(
    compiled: Annotated[Path, typer.Argument(help="A folder that `kaoken compile` made.")],
    prefill: Annotated[
        str, typer.Option(metavar="N,N,...", help="Prompt lengths (other models: lengths); none: -", show_default=True)
    ] = "128",
    decode: Annotated[str, typer.Option(metavar="N,N,...", help="Contexts of one-token steps; none: -")] = "128",
    dim: Annotated[
        list[str], typer.Option("--dim", metavar="NAME=N", help="A size of the call, of models without a cache. Repeat for more.")
    ] = [],  # noqa: B006
    threads: Annotated[int, typer.Option("-t", "--threads", min=1, max=256, help="Threads.")] = 1,
    layers: Annotated[bool, typer.Option("--layers", help="Also one line for each layer.")] = False,
    sort: Annotated[str, typer.Option(metavar="time|order", help="Longest first, or as they run.")] = "time",
    seconds: Annotated[float, typer.Option(min=0.01, help="Time for each workload.")] = 1.0,
    report: Annotated[bool, typer.Option(help="Draw the roofline into the folder's report.html.")] = True,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show where a compiled model's time goes: each kernel's time, FLOP/s, bytes/s and share of the machine's limit.

    A kernel's limit is the time that computing its FLOP or reading its weights and cache takes at the speeds
    probed in the same run, whichever is longer. The layers' names are the ONNX model's. Run it on a machine
    with nothing else to do.

    \b
    Examples:
      kaoken profile gpt2-c/
      kaoken profile gpt2-c/ --prefill 16,512 --decode 512 --threads 2 --layers
      kaoken profile bert-c/ --dim batch_size=8 --dim sequence_length=128 --sort order
      kaoken profile t5-c/ --prefill 128 --decode 32 --json
    """
    if not compiled.exists():
        raise UsageError(f"there is no folder {compiled}")
    if sort not in ("time", "order"):
        raise UsageError(f"--sort is time or order, not {sort}")
    from kaoken.profile.run import profile_folder
    from kaoken.profile.table import heading, kernel_table, layer_table
    from kaoken.profile.workloads import ProfileOptions

    sizes = dict(_size(item) for item in dim)
    options = ProfileOptions(numbers("prefill", prefill), numbers("decode", decode), sizes, threads, seconds)
    require_compiler()
    with compiled_folder_errors(compiled), Progress(quiet) as progress:
        found = profile_folder(compiled, options, progress)
    if report:
        from kaoken.profile.report import add_to_report

        written = add_to_report(compiled, found)
    if json:
        print_json(found.as_json())
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    console.print(heading(found), markup=False, soft_wrap=True)
    for workload in found.workloads:
        console.print(kernel_table(found, workload, sort))
        if layers:
            console.print(layer_table(found, workload, sort))
    if report and written is not None:
        console.print(f"roofline, memory and graph: {written}", markup=False, soft_wrap=True)


def _size(text: str) -> tuple[str, int]:
    name, equal, value = text.partition("=")
    if not equal or not value.isdecimal():
        raise UsageError(f"--dim {text} is no size such as sequence_length=128")
    return name, int(value)
