"""`kaoken run`: text in, text streamed out, by a compiled language model."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from kaoken.cli.shared import Json, Progress, Quiet, build, compiled_folder_errors, print_json
from kaoken.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command("run", no_args_is_help=True)(run_command)


def run_command(
    folder: Annotated[Path, typer.Argument(help="A folder that `kaoken compile` wrote.")],
    prompt: Annotated[str | None, typer.Argument(help="The text to continue; read from stdin when it is left out.")] = None,
    max_new_tokens: Annotated[int, typer.Option("-n", "--max-new-tokens", min=1, help="The most tokens to write.")] = 128,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the most likely token; more is more random.")] = 0.0,
    top_k: Annotated[int, typer.Option(min=0, help="Choose among the k most likely tokens; 0: all.")] = 0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="Choose among the most likely that together reach p.")] = 1.0,
    min_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="Leave out tokens below this share of the likeliest.")] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(min=0.01, help="Above 1 makes tokens that were used less likely.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal texts.")] = 0,
    stop: Annotated[list[str], typer.Option(help="A text that ends the answer before it. Repeat for more.")] = [],  # noqa: B006
    threads: Annotated[int, typer.Option("-t", "--threads", min=1, max=256, help="Threads that compute.")] = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Continue a text with a compiled language model; the text streams to stdout, the speed goes to stderr.

    \b
    Examples:
      kaoken run story-c/ "Once upon a time"
      kaoken run story-c/ "One winter" -n 200 --temperature 0.8 --top-k 40 --seed 7
      echo "Once upon a time" | kaoken run story-c/ --stop "The end" --threads 2
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; make it with `kaoken compile MODEL -o {folder}`")
    if not (folder / "report.json").is_file():
        hint = f"; compile it first: kaoken compile {folder} -o {folder}-c" if any(folder.glob("*.onnx")) else ""
        raise UsageError(f"{folder} is no folder that `kaoken compile` wrote{hint}")
    from kaoken.session import TextGenerator

    with compiled_folder_errors(folder), Progress(quiet) as progress:
        build(folder, progress)
        model = TextGenerator(folder, threads=threads)
    if not model.has_tokenizer:
        raise UsageError(f"{folder} was compiled without a tokenizer; compile a folder that holds tokenizer.json")
    text = prompt if prompt is not None else _read_stdin()
    options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    options |= {"repetition_penalty": repetition_penalty, "seed": seed, "stop_strings": stop}
    options["stop_ids"] = model.end_ids
    with compiled_folder_errors(folder):
        result = _generate(model, text, max_new_tokens, options, echo=not json)
    if json:
        print_json(result)
    elif not quiet:
        _speed(result)


def _read_stdin() -> str:
    if sys.stdin.isatty():
        typer.echo("(type a text, then Ctrl-D)", err=True)
    return sys.stdin.read().removesuffix("\n")


def _generate(model: Any, text: str, max_new_tokens: int, options: dict[str, Any], echo: bool) -> dict[str, Any]:
    """Stream the continuation; returns what --json prints. Ctrl-C ends the text, not the program."""
    ids = model.tokenize(text)
    if not ids:
        raise UsageError("the prompt is empty; give a text to continue")
    room = model.capacity - len(ids)
    if room < 1:
        raise UsageError(f"the prompt has {len(ids)} tokens, the model takes {model.capacity - 1} at most; shorten it")
    interrupted = False
    pieces: list[str] = []
    made: list[int] = []
    times: list[float] = []

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True

    def on_token(token: int, piece: str) -> bool:
        times.append(time.perf_counter())
        if token >= 0:
            made.append(token)
        pieces.append(piece)
        if echo:
            sys.stdout.write(piece)
            sys.stdout.flush()
        return interrupted

    if echo:
        sys.stdout.write(text)
        sys.stdout.flush()
    before = signal.signal(signal.SIGINT, interrupt)
    started = time.perf_counter()
    try:
        for _ in model.stream(ids, max_new_tokens, on_token=on_token, **options):
            pass
    finally:
        signal.signal(signal.SIGINT, before)
    if echo:
        sys.stdout.write("\n")
    prompt_seconds = times[0] - started if times else time.perf_counter() - started
    seconds = times[-1] - times[0] if len(times) > 1 else 0.0
    return {
        "prompt": text,
        "text": "".join(pieces),
        "prompt_tokens": len(ids),
        "tokens": len(made),
        "ids": made,
        "prompt_seconds": prompt_seconds,
        "seconds": seconds,
        "tokens_per_second": (len(made) - 1) / seconds if seconds > 0 and len(made) > 1 else None,
        "level": model.level,
        "interrupted": interrupted,
        "context_full": len(made) >= room,
    }


def _speed(result: dict[str, Any]) -> None:
    prompt, seconds = result["prompt_tokens"], result["prompt_seconds"]
    line = f"{prompt} tokens read in {1000 * seconds:.0f} ms, {result['tokens']} written"
    speed = result["tokens_per_second"]
    if speed:
        line += f" at {speed:,.{0 if speed >= 1000 else 1}f} tokens/s"
    if result["context_full"]:
        line += "; the context is full"
    sys.stdout.flush()
    typer.echo(f"{line} ({result['level']})", err=True)
