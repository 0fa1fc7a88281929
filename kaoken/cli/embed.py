"""`kaoken embed`: texts in, vectors out, by a compiled encoder."""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from kaoken.cli.shared import Json, Progress, Quiet, build, compiled_folder_errors, print_json
from kaoken.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command("embed", no_args_is_help=True)(embed_command)


def embed_command(
    folder: Annotated[Path, typer.Argument(help="A folder that `kaoken compile` wrote.")],
    prompt: Annotated[list[str], typer.Option("-p", "--prompt", help="A text. Repeat for more.")] = [],  # noqa: B006
    file: Annotated[
        Path | None,
        typer.Option("-f", "--file", help='JSON lines, each "a text" or {"text": "a text"}; - or no text at all: stdin.'),
    ] = None,
    pooling: Annotated[str | None, typer.Option(help="mean, cls or last; by default the checkpoint's, else mean.")] = None,
    normalize: Annotated[
        bool | None, typer.Option("--normalize/--no-normalize", help="To length 1; by default as the checkpoint does it.")
    ] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut texts to so many tokens; by default the model's.")] = None,
    batch: Annotated[int | None, typer.Option("-b", "--batch", min=1, help="Texts computed at a time.")] = None,
    threads: Annotated[int, typer.Option("-t", "--threads", min=1, max=256, help="Threads that compute.")] = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn texts into vectors with a compiled encoder; one line of numbers a text, the speed goes to stderr.

    \b
    Examples:
      kaoken embed minilm-c/ -p "A cat sat on the mat." -p "The dog barked."
      kaoken embed minilm-c/ --file texts.jsonl --batch 8 --threads 2 > vectors.txt
      kaoken embed bert-c/ -p "One text" --pooling cls --no-normalize --json
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; make it with `kaoken compile MODEL -o {folder}`")
    if not (folder / "report.json").is_file():
        hint = f"; compile it first: kaoken compile {folder} -o {folder}-c" if any(folder.glob("*.onnx")) else ""
        raise UsageError(f"{folder} is no folder that `kaoken compile` wrote{hint}")
    from kaoken.encoder import TextEncoder

    texts = [*prompt, *_lines(file)] if file is not None or not prompt else prompt
    with compiled_folder_errors(folder), Progress(quiet) as progress:
        build(folder, progress)
        model = TextEncoder(folder, threads=threads, max_length=max_length)
    if not model.has_tokenizer:
        raise UsageError(f"{folder} was compiled without a tokenizer; compile a folder that holds tokenizer.json")
    with compiled_folder_errors(folder):
        result = _embed(model, texts, {"pooling": pooling, "normalize": normalize, "batch": batch})
    if json:
        print_json(result)
        return
    for row in result["embeddings"]:
        sys.stdout.write(" ".join(map(str, row)) + "\n")
    sys.stdout.flush()
    if not quiet:
        _speed(result)


def _lines(file: Path | None) -> Iterator[str]:
    """The texts of JSON lines. Raises UsageError naming the line that is none."""
    name = "stdin" if file is None or str(file) == "-" else str(file)
    if name == "stdin" and sys.stdin.isatty():
        typer.echo('(type JSON lines such as "a text", then Ctrl-D)', err=True)
    if name != "stdin" and (not Path(name).exists() or Path(name).is_dir()):
        raise UsageError(f"there is no file {name}")
    content = sys.stdin.buffer.read() if name == "stdin" else Path(name).read_bytes()
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            value = json_module.loads(line.decode("utf-8"))
        except ValueError as error:
            raise UsageError(f'{name}, line {number} is no JSON ({error}); write "a text" or {{"text": "a text"}}') from None
        text = value.get("text") if isinstance(value, dict) else value
        if not isinstance(text, str):
            raise UsageError(f'{name}, line {number} holds no text; write "a text" or {{"text": "a text"}}')
        yield text


def _embed(model: Any, texts: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """What --json prints. Numbers are the shortest decimals that are the same float32 again."""
    started = time.perf_counter()
    rows = [model.tokenize(text) for text in texts]
    cut = [model.truncate(row) for row in rows]
    found = model.encode_ids(cut, **options)
    return {
        "texts": texts,
        "embeddings": [[float(str(x)) for x in row] for row in found],
        "width": model.width,
        "tokens": sum(map(len, cut)),
        "cut": [n for n, (row, kept) in enumerate(zip(rows, cut, strict=True)) if len(kept) < len(row)],
        "pooling": options["pooling"] or model.pooling,
        "normalize": model.normalize if options["normalize"] is None else options["normalize"],
        "seconds": time.perf_counter() - started,
        "level": model.level,
    }


def _speed(result: dict[str, Any]) -> None:
    texts, seconds = len(result["texts"]), result["seconds"]
    line = f"{texts} text{'s' if texts != 1 else ''}, {result['tokens']} tokens in {1000 * seconds:.0f} ms"
    if result["cut"]:
        line += f"; {len(result['cut'])} cut to the longest that the model takes"
    typer.echo(f"{line} ({result['level']})", err=True)
