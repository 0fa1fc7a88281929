"""`kaoken export`: a model's name or checkpoint folder to ONNX, through Optimum."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kaoken.cli.shared import Json, Progress, Quiet, print_json, size_text


def register(app: typer.Typer) -> None:
    app.command("export", no_args_is_help=True)(export_command)


def export_command(
    model: Annotated[str, typer.Argument(help="A zoo model (see --list), a checkpoint folder, or a name on the hub.")] = "",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder to write; MODEL-onnx by default.")] = None,
    task: Annotated[str | None, typer.Option(help="Optimum's task, such as text-generation-with-past.")] = None,
    opset: Annotated[int | None, typer.Option(help="ONNX opset, 13 to 20; 18 by default.")] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Make it from its configuration, at true size.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of --random-weights.")] = 0,
    show: Annotated[bool, typer.Option("--list", help="List the zoo and exit.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Export a model to ONNX with Optimum (needs kaoken[export]).

    \b
    Examples:
      kaoken export story                        the small trained model that comes with Kaoken
      kaoken export gpt2 -o gpt2-onnx/           GPT-2 124M from the hub
      kaoken export gpt2 --random-weights        the same at true size where no hub can be reached
      kaoken export ./my-checkpoint --task text-generation-with-past
    """
    from kaoken.errors import UsageError
    from kaoken.export import export, load_zoo

    if show:
        _list_zoo(json)
        return
    if not model:
        raise UsageError("name a model to export; `kaoken export --list` names the zoo's")
    folder = output or Path(f"{Path(model).resolve().name if Path(model).is_dir() else model.rsplit('/', 1)[-1]}-onnx")
    if Path(model).is_dir() and model in load_zoo() and not (Path(model) / "config.json").is_file():
        typer.echo(f"{model} is the zoo's model, not the folder of that name", err=True)
    with Progress(quiet) as progress:
        result = export(model, folder, task=task, random_weights=random_weights, seed=seed, opset=opset, progress=progress)
    if json:
        print_json({**asdict(result), "folder": str(result.folder)})
        return
    typer.echo(f"{folder}/: {', '.join(result.files)} ({size_text(result.size_bytes)}, {result.parameters:,} parameters)")
    typer.echo(f"  {result.task}, opset {result.opset}, tokenizer: {result.tokenizer}")
    for note in result.notes:
        typer.echo(f"  note: {note}")
    typer.echo(f"next: kaoken compile {folder}/ --build")


def _list_zoo(as_json: bool) -> None:
    from kaoken.export import load_zoo

    rows = load_zoo().values()
    if as_json:
        print_json([{**asdict(row), "trained": row.hub is not None or row.folder is not None} for row in rows])
        return
    width = max(len(row.name) for row in rows)
    for row in rows:
        kept = "trained, included" if row.folder else "random weights only"
        weights = f"from the hub ({row.hub}), or random" if row.hub else kept
        typer.echo(f"{row.name:{width}}  {row.task}; {weights}")
