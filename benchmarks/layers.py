"""GPT-2's layers one by one, at 1 and at 128 tokens: PyTorch, onnxruntime and OpenVINO with bound buffers, Kaoken called from C.

    python -m benchmarks.layers
    python -m benchmarks.layers --layers gelu,layer_norm --tokens 1,128 --threads 1 --peers onnxruntime,torch.compile

Each layer is exported to ONNX with weights from a seed and compiled as a model of its own. Kaoken's is called in a loop in C; its
time is the mean of a millisecond of calls, the peers' the median of calls from Python.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from benchmarks import command
from benchmarks.layer_modules import LAYERS, export_layer
from benchmarks.peers.adapters import PEERS
from benchmarks.peers.files import ModelFiles
from benchmarks.peers.measure import Choices, Found, measure
from benchmarks.peers.report import agreement_table, times_table
from kaoken.bench.run import Row
from kaoken.cli.shared import numbers
from kaoken.compiler import CompileOptions, compile_model
from kaoken.errors import UsageError
from kaoken.session import build_library

LONGEST = 1024
DEFAULT_PEERS = ("kaoken", "onnxruntime", "openvino", "torch")


def layer_files(name: str, work: Path) -> ModelFiles:
    """A layer as ONNX and compiled, in a folder of its own."""
    place = work / name
    place.mkdir(parents=True, exist_ok=True)
    graph = place / "model.onnx"
    if not graph.is_file():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            export_layer(name, graph)
    compiled = compile_model(graph, place / "kaoken", CompileOptions(name=name, dims={"n": f"1..{LONGEST}"})).out
    build_library(compiled)
    return ModelFiles(name, "layer", graph, graph, compiled, None, place)


def rows_of(found: Sequence[Found], threads: int) -> list[Row]:
    """The rows of all layers for a number of threads, named by layer and tokens; limits and probes are each measurement's own."""
    rows = []
    for one in found:
        for row in one.rows:
            if row.threads == threads:
                title = f"{LAYERS[one.model].title}, {row.workload}"
                rows.append(Row(title, threads, row.seconds, row.probes, row.best, row.limit))
    return rows


def main(words: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("layers", __doc__)
    parser.add_argument("--layers", default=",".join(LAYERS))
    parser.add_argument("--tokens", default="1,128")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="time for a contestant and layer in a round")
    parser.add_argument("--peers", default=",".join(DEFAULT_PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: one thread on a busy machine")
    parser.add_argument("--work", type=Path, default=Path("build/layers"), help="folder for what is made and found")
    return command.exit_code(_run, parser.parse_args(words))


def _run(options: argparse.Namespace) -> int:
    started, work = time.perf_counter(), options.work.resolve()
    peers = ["kaoken", *(name for name in options.peers.split(",") if name != "kaoken")]
    layers = options.layers.split(",")
    unknown = [name for name in peers if name not in PEERS] + [name for name in layers if name not in LAYERS]
    if unknown:
        raise UsageError(f"there is no {', '.join(unknown)}; layers are {', '.join(LAYERS)}, peers {', '.join(PEERS)}")
    tokens, threads = numbers("tokens", options.tokens), numbers("threads", options.threads)
    choices = Choices(
        tokens, (), (), (), (), threads, options.rounds, options.seconds, peers, {"n": f"1..{LONGEST}"}, options.clock
    )
    found = [measure(layer_files(name, work), choices, _say) for name in layers]
    names = [name for name in PEERS if any(name in one.peers for one in found)]
    for count in threads:
        print(f"{count} thread{'s' if count > 1 else ''}; milliseconds, ratio to Kaoken's, share of the limit\n")
        print(times_table(rows_of(found, count), names), end="\n\n")
    for one in found:
        print(f"{LAYERS[one.model].title}: agreement\n\n{agreement_table(one)}\n")
        for name, reason in one.left_out.items():
            print(f"* left out: {name}: {reason}")
    (work / "layers.json").write_text(json.dumps([one.as_json() for one in found], indent=1) + "\n")
    _say(f"{time.perf_counter() - started:.0f} s")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
