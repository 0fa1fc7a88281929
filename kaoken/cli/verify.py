"""`kaoken verify`: a compiled model against the float64 oracle and onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaoken.cli.shared import (
    Dims,
    Json,
    Progress,
    Quiet,
    compiled_folder_errors,
    dims_table,
    numbers,
    print_json,
    require_compiler,
)
from kaoken.errors import UsageError, VerificationError

if TYPE_CHECKING:
    from kaoken.verify.run import OutputResult, Verification


def register(app: typer.Typer) -> None:
    app.command("verify", no_args_is_help=True)(verify_command)


def verify_command(
    model: Annotated[Path, typer.Argument(help="An ONNX file, or a folder that an exporter wrote.")],
    compiled: Annotated[Path | None, typer.Argument(help="The folder made from it; by default it is compiled anew.")] = None,
    dim: Dims = [],  # noqa: B006
    sizes: Annotated[str | None, typer.Option(metavar="N,N,...", help="Lengths to compare; by default some up to 63.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Rows of the cases with padding.")] = 3,
    steps: Annotated[int, typer.Option(min=0, help="Teacher-forced steps through the cache, for language models.")] = 32,
    layers: Annotated[bool, typer.Option("--layers/--no-layers", help="Compare layer by layer too.")] = True,
    threads: Annotated[int, typer.Option("-t", "--threads", min=1, help="Threads of the compiled model.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the random inputs.")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare a compiled model with the ONNX graph in float64 and with onnxruntime (needs kaoken[verify]).

    The largest and the RMS error of each output may be twice onnxruntime's own, or 4 eps of the largest
    value. Layers tell where an error begins. Exit code 4 where the contract is broken.

    \b
    Examples:
      kaoken verify gpt2-onnx/
      kaoken verify gpt2-onnx/ gpt2-c/ --sizes 1,16,128,1024 --steps 200
      kaoken verify model.onnx --dim seq=1..64 --no-layers --json
    """
    if not model.exists():
        raise UsageError(f"there is no file or folder {model}")
    require_compiler()
    from kaoken.verify.run import VerifyOptions, verify_model

    options = VerifyOptions(dims_table(dim), numbers("sizes", sizes or "-"), batch, steps, layers, threads, seed)
    with compiled_folder_errors(compiled or model), Progress(quiet) as progress:
        found = verify_model(model, compiled, options, progress)
    if json:
        print_json(found.as_json())
    else:
        _show(found)
    if not found.ok:
        raise VerificationError(f"{model} does not keep the accuracy contract; the lines above that say FAILED tell where")


_HEAD = f"{'Kaoken / onnxruntime':44} {'largest error':>23} {'limit':>9}  {'RMS error':>23} {'limit':>9}"


def _show(found: Verification) -> None:
    typer.echo(f"{found.model}, {found.level}, against the ONNX graph in float64")
    typer.echo(_HEAD)
    for case in found.cases:
        typer.echo(f"{case.case}")
        for output in _worst(case.outputs):
            typer.echo(_line(output))
    if found.steps is not None:
        typer.echo(f"{found.step_count} cached steps, one token each")
        typer.echo(_line(found.steps))
    if found.layers:
        typer.echo("layers (not judged)")
        for output in found.layers:
            typer.echo(_line(output, judged=False))
    for text, held in found.bits.items():
        typer.echo(f"{text}: {'yes' if held else 'FAILED'}")
    typer.echo("verified" if found.ok else "FAILED")


def _worst(outputs: list[OutputResult]) -> list[OutputResult]:
    """Logits and other outputs each; of the many caches only the one nearest to its limit."""
    caches = [o for o in outputs if o.name.startswith("present")]
    plain = [o for o in outputs if o not in caches]
    failed = [o for o in caches if not o.ok]
    worst = sorted(caches, key=lambda o: -o.report.max_error / (o.report.max_limit or 1))[:1]
    return plain + (failed or worst)


def _line(output: OutputResult, judged: bool = True) -> str:
    r = output.report
    verdict = "" if r.ok or not judged else f"  FAILED {r.reason}".rstrip()
    argmax = f"  argmax {100 * output.argmax:.4g}%" if output.argmax is not None else ""
    name = output.name if len(output.name) <= 42 else f"...{output.name[-39:]}"
    return (
        f"  {name:42} {r.max_error:>10.2e} / {r.peer_max_error:<10.2e} {r.max_limit:>9.2e}  "
        f"{r.rms_error:>10.2e} / {r.peer_rms_error:<10.2e} {r.rms_limit:>9.2e}{argmax}{verdict}"
    )
