"""`kaoken inspect`: what a model holds, and what Kaoken would make of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaoken.cli.shared import Dims, Json, Progress, Quiet, dims_table, print_json, size_text
from kaoken.errors import UnsupportedModelError, UsageError

if TYPE_CHECKING:
    from kaoken.inspect import Inspection, TensorInfo


def register(app: typer.Typer) -> None:
    app.command("inspect", no_args_is_help=True)(inspect_command)


def inspect_command(
    model: Annotated[Path, typer.Argument(help="An ONNX file, or a folder that an exporter wrote.")],
    dim: Dims = [],  # noqa: B006
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show a model's operators, inputs, dimensions and memory, and what of it is unsupported (then exit code 3).

    \b
    Examples:
      kaoken inspect gpt2-onnx/
      kaoken inspect model.onnx --dim seq=1..512 --json
    """
    if not model.exists():
        raise UsageError(f"there is no file or folder {model}")
    from kaoken.inspect import inspect_model

    with Progress(quiet) as progress:
        found = inspect_model(model, dims_table(dim), progress)
    if json:
        print_json(found.as_json())
    else:
        _show(found)
    if found.unsupported:
        raise UnsupportedModelError(f"{model} cannot be compiled; {len(found.unsupported)} problem(s) are listed above")


def _show(found: Inspection) -> None:
    producer = found.producer or "an unnamed exporter"
    typer.echo(f"{found.file}: opset {found.opset}, from {producer}, {size_text(found.model_bytes)}")
    typer.echo(f"parameters: {found.parameters:,}")
    for title, tensors in (("inputs", found.inputs), ("outputs", found.outputs)):
        typer.echo(f"{title}:")
        for tensor in _folded(tensors):
            typer.echo(f"  {tensor.name}: {tensor.dtype}[{', '.join(tensor.shape)}]")
    if found.dims:
        typer.echo("dimensions:")
        for name, (low, high) in found.dims.items():
            typer.echo(f"  {name}: {low}..{'?' if high is None else high}")
    typer.echo(f"operators: {sum(found.operators.values()):,} nodes of {len(found.operators)} kinds")
    listed = ", ".join(f"{name} {count:,}" for name, count in found.operators.items())
    typer.echo(_wrapped(listed))
    if found.plan is not None:
        plan = found.plan
        typer.echo(f"compiled: {plan.kernel_calls:,} kernel calls of {plan.kernels} kernels")
        for layer in plan.layers:
            typer.echo(f"  {layer.count} x {layer.name}: {len(layer.kernels)} kernels a layer ({', '.join(layer.kernels)})")
        sizes = ", ".join(f"{k} {v}" for k, v in plan.sizes.items())
        typer.echo(
            f"memory: weights {size_text(plan.weights_bytes)}; arena {size_text(plan.arena_bytes)}"
            + (f" and cache {size_text(plan.cache_bytes)}" if plan.cache_bytes else "")
            + (f" at {sizes}" if sizes else "")
        )
    if found.unsupported:
        typer.echo("unsupported:")
        for problem in found.unsupported:
            typer.echo(f"  {problem}")
    for note in found.notes:
        typer.echo(f"note: {note}")


def _folded(tensors: list[TensorInfo]) -> list[TensorInfo]:
    """Tensors without those that repeat an earlier layer's."""
    import re

    seen: dict[tuple, int] = {}
    kept = []
    for tensor in tensors:
        key = (re.sub(r"\d+", "N", tensor.name), tensor.dtype, tuple(tensor.shape))
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 1:
            kept.append((key, tensor))
    from dataclasses import replace

    return [replace(t, name=f"{t.name} (and {seen[k] - 1} more like it)") if seen[k] > 1 else t for k, t in kept]


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 110, initial_indent="  ", subsequent_indent="  ")
