"""`kaoken ops`: the operators that can be compiled, and how each is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaoken.cli.shared import Json, Progress, Quiet, print_json
from kaoken.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command("ops")(ops_command)


def ops_command(
    names: Annotated[
        list[str], typer.Argument(metavar="[OPERATOR]...", help="Only these, with or without domain; all where none is named.")
    ] = [],  # noqa: B006
    results: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What passes, as `python -m kaoken.backend --all --json FILE` wrote it."),
    ] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table of all operators as a page.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show every operator: its versions, its element types, how it is compiled, and how many of the standard's cases pass.

    The table is found by asking the compiler: the standard's cases, which come with the onnx package, are read
    with every element type. That takes some 20 seconds for all operators.

    \b
    Examples:
      kaoken ops
      kaoken ops Conv LayerNormalization com.microsoft.MatMulNBits
      kaoken ops TopK --json
      kaoken ops --results results.json --markdown operators.md
    """
    if markdown is not None and names:
        raise UsageError("--markdown writes all operators; name none")
    with Progress(quiet) as progress:
        progress("reading the standard's cases")
        from kaoken.operators import failed_cases, operators
        from kaoken.operators_table import page, table

        found = operators(names, failed_cases(results))
    if markdown is not None:
        markdown.write_text(page(found), encoding="utf-8")
    if json:
        print_json({"operators": [operator.as_json() for operator in found]})
        return
    if markdown is not None:
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    console.print(table(found))
    refused = sum(not operator.accepted for operator in found)
    console.print(f"{len(found)} operators, {refused} of them refused by name")
