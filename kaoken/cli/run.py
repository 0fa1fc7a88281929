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
    max_new_tokens: Annotated[
        int | None, typer.Option("-n", "--max-new-tokens", min=1, help="The most tokens to write; 128 unless the model says.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="0 takes the most likely token; more is more random.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=0, help="Choose among the k most likely tokens; 0: all.")] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Choose among the most likely that together reach p.")
    ] = None,
    min_p: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Leave out tokens below this share of the likeliest.")
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(min=0.01, help="Above 1 makes tokens that were used less likely.")
    ] = None,
    no_repeat_ngram_size: Annotated[
        int | None, typer.Option("--no-repeat-ngram", min=0, help="No run of so many tokens comes twice; 0: any may.")
    ] = None,
    num_beams: Annotated[
        int | None, typer.Option("--beams", min=1, help="Search for the likeliest text with so many beams.")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(help="With beams: above 0 favours long texts, below 0 short ones.")
    ] = None,
    early_stopping: Annotated[
        str | None, typer.Option(help="With beams: end with the first texts found (true), by a guess (false), or never early.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal texts.")] = 0,
    stop: Annotated[list[str], typer.Option(help="A text that ends the answer before it. Repeat for more.")] = [],  # noqa: B006
    threads: Annotated[int, typer.Option("-t", "--threads", min=1, max=256, help="Threads that compute.")] = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Continue a text with a compiled language model, or have an encoder-decoder answer it; the text streams to stdout.

    The speed goes to stderr. Options that are left out are as the model's generation_config.json says.

    \b
    Examples:
      kaoken run story-c/ "Once upon a time"
      kaoken run story-c/ "One winter" -n 200 --temperature 0.8 --top-k 40 --seed 7
      kaoken run story-c/ "The" --beams 4 --length-penalty 0.8
      kaoken run t5-c/ "translate English to German: The house is wonderful."
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
    options |= {"repetition_penalty": repetition_penalty, "no_repeat_ngram_size": no_repeat_ngram_size, "seed": seed}
    options |= {"num_beams": num_beams, "length_penalty": length_penalty, "early_stopping": _early(early_stopping)}
    options |= {"stop_strings": stop} if stop else {}
    if temperature and (num_beams or 1) > 1:
        raise UsageError("--beams searches for the likeliest text and draws no lots; leave out --temperature or --beams")
    if stop and (num_beams or 1) > 1:
        raise UsageError("--beams takes no --stop; leave one of them out")
    with compiled_folder_errors(folder):
        result = _generate(model, text, max_new_tokens, options, echo=not json)
    if json:
        print_json(result)
    elif not quiet:
        _speed(result)


def _early(text: str | None) -> bool | str | None:
    choices: dict[str | None, bool | str | None] = {None: None, "true": True, "false": False, "never": "never"}
    if text not in choices:
        raise UsageError(f"--early-stopping {text} is none of true, false and never")
    return choices[text]


def _read_stdin() -> str:
    if sys.stdin.isatty():
        typer.echo("(type a text, then Ctrl-D)", err=True)
    return sys.stdin.read().removesuffix("\n")


def _generate(model: Any, text: str, max_new_tokens: int | None, options: dict[str, Any], echo: bool) -> dict[str, Any]:
    """Stream the continuation; returns what --json prints. Ctrl-C ends the text, not the program."""
    ids = model.tokenize(text)
    if not ids:
        raise UsageError("the prompt is empty; give a text to continue")
    longest = model.encoder_length if model.encodes else model.capacity - 1
    if len(ids) > longest:
        raise UsageError(f"the prompt has {len(ids)} tokens, the model takes {longest} at most; shorten it")
    room = model.capacity if model.encodes else model.capacity - len(ids)
    prompt: dict[str, Any] = {"encoder_ids": ids} if model.encodes else {"ids": ids}
    echo_prompt = echo and not model.encodes
    interrupted = False
    pieces: list[str] = []
    made: list[int] = []
    times: list[float] = []

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True

    def on_token(token: int, piece: str) -> bool:
        times.append(time.perf_counter())  # of tokens as they come, or of a search's steps
        if token >= 0:
            made.append(token)
        pieces.append(piece)
        if echo:
            sys.stdout.write(piece)
            sys.stdout.flush()
        return interrupted

    if echo_prompt:
        sys.stdout.write(text)
        sys.stdout.flush()
    before = signal.signal(signal.SIGINT, interrupt)
    started = time.perf_counter()
    try:
        for _ in model.stream(max_new_tokens=max_new_tokens, on_token=on_token, **prompt, **options):
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
