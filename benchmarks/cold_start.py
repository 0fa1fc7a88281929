"""Measures how soon a fresh process reaches a language model's first token: Kaoken's C program beside the installed peers.

    python -m benchmarks.cold_start gpt2
    python -m benchmarks.cold_start my-export/ --rounds 9 --peers kaoken,llama.cpp

Time runs from before the process is made until its answer is read; processes take turns, the file cache is warm. Resident memory
is the peak, mapped weights included (VmHWM, Linux). The aim is 0.15 s for GPT-2, and 5 ms for making the handle.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import command
from benchmarks.peers.adapters import PEERS
from benchmarks.peers.child import Child, ChildError
from benchmarks.peers.files import ModelFiles, make_files
from benchmarks.peers.measure import turned
from kaoken.errors import ToolchainError, UsageError
from kaoken.session import Library

HERE = Path(__file__).resolve().parent
IDS = (1, 2, 3, 4)


@dataclass
class Starts:
    """One contestant: seconds of each round by the wall and of the processor, the token it found, peak memory in KB.

    creation: of the C program, milliseconds that making the handle takes.
    """

    command: list[str]
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    token: int = -1
    memory: int = 0
    creation: list[float] = field(default_factory=list)


def build_program(compiled: Path, out: Path) -> Path:
    """The C program for a compiled language model. Raises ToolchainError with the compiler's words."""
    library = Library(compiled)
    sources = [HERE / "cold_start.c", *sorted(compiled.glob("*.c")), *sorted((compiled / "kaoken").glob("*.c"))]
    defines = [f"-DMODEL={library.name}", f'-DHEADER="{library.name}.h"', f"-DVOCABULARY={library.interface['vocabulary']}"]
    command = [*shlex.split(os.environ.get("CC") or "cc"), "-O2", "-std=c99", *defines, f"-I{compiled}"]
    done = subprocess.run([*command, *map(str, sources), "-o", str(out), "-lm", "-lpthread"], capture_output=True, text=True)
    if done.returncode != 0:
        raise ToolchainError(f"the C compiler refused cold_start.c:\n{done.stderr.strip()}")
    return out


def contestants(files: ModelFiles, names: Sequence[str], threads: int, program: Path) -> tuple[dict[str, Starts], dict[str, str]]:
    """Commands by name, and who is left out. Each peer loads the model once before, which writes its form of it."""
    forms = {
        "onnxruntime": ("onnxruntime", files.graph),
        "openvino": ("openvino", files.graph),
        "ctranslate2": ("ctranslate2", files.work / "ctranslate2"),
        "llama.cpp": ("llama_cpp", files.work / "model.gguf"),
        "torch": ("torch", files.checkpoint),
    }
    end = [str(threads), *map(str, IDS)]
    script = [sys.executable, str(HERE / "cold_start_peers.py")]
    weights = next(files.compiled.glob("*.weights"))
    found = {"kaoken": Starts([str(program), str(weights), *end])}
    found["kaoken, Python"] = Starts([*script, "kaoken", str(files.compiled), *end])
    left_out: dict[str, str] = {}
    for name in names:
        if name not in forms:
            continue
        if PEERS[name].version is None:
            left_out[name] = f"not installed: pip install {PEERS[name].package}"
            continue
        try:
            Child(name, files, 1).close()
        except ChildError as error:
            left_out[name] = str(error)
            continue
        function, form = forms[name]
        found[name] = Starts([*script, function, str(form), *end])
    return found, left_out


def start(one: Starts, environment: Mapping[str, str]) -> None:
    """One fresh process. Raises UsageError where it fails."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen(one.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environment)) as process:
        assert process.stdout is not None and process.stderr is not None
        words = process.stdout.readline().split()
        one.seconds.append(time.perf_counter() - began)
        errors = process.stderr.read().decode(errors="replace").strip().splitlines()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    one.processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    if process.returncode != 0 or len(words) not in (2, 5):
        raise UsageError(f"{one.command[0]} failed: {errors[-1] if errors else process.returncode}")
    if len(words) == 5:
        one.creation.append(int(words[1]) / 1e6)
    one.token, one.memory = int(words[0]), max(one.memory, int(words[-1]))


def table(found: Mapping[str, Starts]) -> str:
    """Markdown: median seconds, ratio to Kaoken's, the processor's time to the end of the process, memory; creation."""
    ours = statistics.median(found["kaoken"].seconds)
    lines = ["| | first token, s | ratio | all rounds | processor, s | resident, MB |", "| --- | --- | --- | --- | --- | --- |"]
    for name, one in found.items():
        seconds = statistics.median(one.seconds)
        rounds = " ".join(f"{s:.3f}" for s in one.seconds)
        cells = [name, f"{seconds:.3f}", f"{seconds / ours:.1f}", rounds, f"{statistics.median(one.processor):.3f}"]
        lines.append(f"| {' | '.join([*cells, f'{one.memory / 1000:.0f}'])} |")
    creation = found["kaoken"].creation
    lines.append("")
    lines.append(f"Making Kaoken's handle takes {statistics.median(creation):.2f} ms.")
    other = [name for name, one in found.items() if one.token != found["kaoken"].token]
    lines.append(f"Another first token than Kaoken's: {', '.join(other)}." if other else "All find the same first token.")
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("cold_start", __doc__)
    parser.add_argument("model", help="a name of the zoo, or a folder with an export")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--checkpoint", type=Path, help="what the model was exported from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("build/peers"), help="folder for what is made and found")
    return command.exit_code(_run, parser.parse_args(words))


def _run(options: argparse.Namespace) -> int:
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    files = make_files(options.model, work, {}, options.checkpoint, options.seed, _say)
    if files.kind != "generator":
        raise UsageError(f"{options.model} is no language model with a cache")
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory(prefix="kaoken-cold-") as scratch:
        program = build_program(files.compiled, Path(scratch) / "cold_start")
        found, left_out = contestants(files, options.peers.split(","), options.threads, program)
        for one in found.values():  # once before, which warms the file cache
            start(one, environment)
            for measured in (one.seconds, one.processor, one.creation):
                measured.clear()
        for turn in range(options.rounds):
            _say(f"round {turn + 1} of {options.rounds}")
            for name in turned(list(found), turn):
                start(found[name], environment)
    print(table(found))
    for name, reason in left_out.items():
        print(f"* left out: {name}: {reason}")
    record = {name: {key: value for key, value in vars(one).items() if key != "command"} for name, one in found.items()}
    (work / "cold_start.json").write_text(json.dumps(record, indent=1) + "\n")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
