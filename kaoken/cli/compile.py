"""`kaoken compile`: an ONNX model to a folder of C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kaoken.cli.shared import Dims, Json, Progress, Quiet, build, dims_table, print_json, require_compiler, size_text


def register(app: typer.Typer) -> None:
    app.command("compile", no_args_is_help=True)(compile_command)


def compile_command(
    model: Annotated[Path, typer.Argument(help="An ONNX file, or a folder that an exporter wrote.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder to write; MODEL-c by default.")] = None,
    name: Annotated[str | None, typer.Option(help="Prefix of files and C symbols; by default the model folder's name.")] = None,
    dim: Dims = [],  # noqa: B006  (typer reads it, nobody writes it)
    build_it: Annotated[bool, typer.Option("--build", help="Also build the library with the C compiler ($CC, else cc).")] = False,
    embed: Annotated[bool, typer.Option("--embed", help="Also write the weights as an object file to link in.")] = False,
    target: Annotated[
        str | None, typer.Option(help="Machine of --embed's object file: x86_64 or aarch64; by default this one.")
    ] = None,
    dump_ir: Annotated[
        Path | None, typer.Option("--dump-ir", metavar="DIR", help="Write the graph after every pass as text.")
    ] = None,
    schedule: Annotated[
        Path | None,
        typer.Option("--schedule", metavar="FILE", help="Schedules that `kaoken tune` measured, instead of the cost model's."),
    ] = None,
    fuse: Annotated[
        bool, typer.Option("--fuse/--no-fuse", help="--no-fuse: a loop nest an operation, slow; is a fusion what goes wrong?")
    ] = True,
    explain: Annotated[bool, typer.Option("--explain", help="Tell which fusions fired, and why others nearly did.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compile an ONNX model into a folder of portable C.

    \b
    Examples:
      kaoken compile gpt2-onnx/ -o gpt2-c/ --build
      kaoken compile model.onnx --dim batch=1..4 --dim seq=1..512
      kaoken compile gpt2-onnx/ --embed --target aarch64
      kaoken compile gpt2-onnx/ -o gpt2-c/ --schedule gpt2.toml
      kaoken compile model.onnx --explain --dump-ir ir/
    """
    from kaoken.errors import UsageError

    if not model.exists():
        raise UsageError(f"there is no file or folder {model}")
    if build_it:
        require_compiler()
    from kaoken.compiler import CompileOptions, compile_model

    out = output or Path(f"{_stem(model)}-c")
    options = CompileOptions(name, dims_table(dim), _machine(target) if embed else None, dump_ir, schedule=schedule, fuse=fuse)
    with Progress(quiet) as progress:
        result = compile_model(model, out, options, progress)
        library = build(out, progress) if build_it else None
    if json:
        print_json({**result.report, "folder": str(out), "library": str(library) if library else None, "notes": result.notes})
        return
    _summary(result.report, out, library)
    for note in result.notes:
        typer.echo(f"  note: {note}")
    if explain:
        from kaoken.passes.explain import explanation

        typer.echo(explanation(result.graph).text())
    if result.report["interface"]["feed"] and result.report["tokenizer"]:
        prompt = "a text" if result.report["interface"]["encode"] else "Once upon a time"
        typer.echo(f'next: kaoken run {out}/ "{prompt}"')


def _stem(model: Path) -> str:
    name = model.resolve().name if model.is_dir() else model.stem
    return name.removesuffix("-onnx") or "model"


def _machine(wanted: str | None) -> str:
    """The name of a machine as object files know it."""
    import platform

    name = (wanted or platform.machine()).lower()
    return {"amd64": "x86_64", "x86-64": "x86_64", "arm64": "aarch64"}.get(name, name)


def _summary(report: dict[str, Any], out: Path, library: Path | None) -> None:
    typer.echo(f"{out}/: {report['name']}.h, {report['c_lines']:,} lines of C, {size_text(report['weights_bytes'])} of weights")
    typer.echo(
        f"  {report['onnx_nodes']:,} ONNX nodes became {report['kernel_calls']:,} calls of {len(report['kernels'])} kernels; "
        f"{report['parameters']:,} parameters; {report['seconds']:.1f} s"
    )
    if library is not None:
        typer.echo(f"  built {library}: {size_text(library.stat().st_size)}")
