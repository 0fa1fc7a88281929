"""Measure Kaoken beside every peer that is installed: the same weights and inputs, outputs compared, interleaved rounds.

    python -m benchmarks.peers gpt2 bert-base-uncased t5-small
    python -m benchmarks.peers gpt2 --prompts 128 --decode 128 --threads 1 --peers kaoken,onnxruntime,llama.cpp
    python -m benchmarks.peers my-export/ --checkpoint my-checkpoint/ --dim batch_size=1..8

A model is a name of the zoo, which is exported with random weights from --seed, or a folder that `kaoken export` wrote. What is
made of it (other runtimes' files) stays in --work for the next time. Install what it needs with `pip install ".[benchmarks]"`;
peers that are not installed are listed and left out. Leave the machine alone while it measures.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path

from benchmarks import command
from benchmarks.peers.adapters import PEERS
from benchmarks.peers.files import make_files
from benchmarks.peers.measure import Choices, Found, measure
from benchmarks.peers.report import markdown, plot
from kaoken.cli.shared import batch_sizes, dims_table, numbers
from kaoken.errors import UsageError


def main(words: list[str] | None = None) -> int:
    """Returns the exit code."""
    return command.exit_code(_run, _parser().parse_args(words))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("peers", __doc__)
    parser.add_argument("models", nargs="+", help="names of the zoo, or folders with an export")
    parser.add_argument("--prompts", default="16,128,512", help="lengths of prompts and of encoders' inputs")
    parser.add_argument("--encode", default="128", help="lengths of an encoder-decoder's input")
    parser.add_argument("--decode", default="128,512", help="contexts of one-token steps")
    parser.add_argument("--batches", default="8x128", help="batches of encoders, rows x length; none: -")
    parser.add_argument("--write", default="1,32", help="tokens that an encoder-decoder writes")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="time for a contestant and workload in a round")
    parser.add_argument("--peers", default=",".join(PEERS), help="contestants by name")
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=RANGE", help="bounds, as for kaoken compile")
    parser.add_argument("--checkpoint", type=Path, help="what the one model was exported from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: one thread on a busy machine")
    parser.add_argument("--work", type=Path, default=Path("build/peers"), help="folder for what is made and found")
    return parser


def _choices(options: argparse.Namespace) -> Choices:
    peers = options.peers.split(",")
    unknown = [name for name in peers if name not in PEERS]
    if unknown:
        raise UsageError(f"there is no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if options.checkpoint is not None and len(options.models) > 1:
        raise UsageError("--checkpoint is for one model")
    return Choices(
        numbers("prompts", options.prompts),
        numbers("decode", options.decode),
        batch_sizes(options.batches),
        numbers("encode", options.encode),
        numbers("write", options.write),
        numbers("threads", options.threads),
        options.rounds,
        options.seconds,
        ["kaoken", *(name for name in peers if name != "kaoken")],
        dims_table(options.dim),
        options.clock,
    )


def _run(options: argparse.Namespace) -> int:
    choices, started = _choices(options), time.perf_counter()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    versions = {name: PEERS[name].version for name in choices.peers}
    found: list[Found] = []
    plots: dict[str, Path] = {}
    for model in options.models:
        files = make_files(model, work, dict(choices.dims), options.checkpoint, options.seed, _say)
        found.append(measure(files, choices, _say))
        picture = work / f"{files.name}.svg"
        if plot(found[-1], picture):
            plots[files.name] = picture
        page = markdown(found, versions, _machine(), plots)  # after each model, so that an interrupted run leaves something
        (work / "peers.md").write_text(page)
        record = {"machine": _machine(), "versions": versions, "models": [one.as_json() for one in found]}
        (work / "peers.json").write_text(json.dumps(record, indent=1) + "\n")
    print(page)
    _say(f"written: {work / 'peers.md'}, peers.json{' and pictures' if plots else ''}; {time.perf_counter() - started:.0f} s")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _machine() -> str:
    """The processor by its own name, the system, the C library's kind."""
    names = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()} x {len(names) or 1}, {platform.system()} {platform.release()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
