"""Times an encoder-decoder: reading an input and writing the first tokens behind it, the decoder's ids given beforehand.

Where encoding ends is another place for each side (Kaoken projects the keys and values of cross-attention while it encodes,
exporters do so in the first step's decoder), so encoding is timed with the first token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from kaoken.bench.contestants import Contestant, Step, Workload
from kaoken.bench.cost import Cost, graph_costs
from kaoken.errors import UsageError
from kaoken.frontend.mapped_file import ENCODER, FIRST_STEP, OTHER_STEPS
from kaoken.ir.graph import Graph
from kaoken.passes.last_position import LOGIT_ROWS
from kaoken.passes.split_stages import DECODE, ENCODE
from kaoken.session import TextGenerator
from kaoken.verify.inputs import index_bounds
from kaoken.verify.peer import load_onnxruntime, open_session

WRITTEN = (1, 32)


class CompiledEncoderDecoder:
    """A compiled folder: `encode`, then `feed` of one id after another."""

    name = "kaoken"

    def __init__(self, folder: Path, threads: int) -> None:
        self._generator = TextGenerator(folder, threads=threads, sequence=1)

    def prepare(self, workload: Workload) -> Step:
        generator, ids = self._generator, workload.feed
        assert ids is not None
        inputs = list(workload.inputs.values())

        def step() -> np.ndarray:
            generator.encode(*inputs)
            for token in ids:
                logits = generator.feed([token])
            return logits

        return step


class _BoundGraph:
    """One graph in onnxruntime, called with OrtValues."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        self._inputs = [node.name for node in self._session.get_inputs()]
        self._outputs = [node.name for node in self._session.get_outputs()]

    def __call__(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All outputs, in memory that onnxruntime takes from its own pool."""
        binding = self._session.io_binding()
        for name in self._inputs:
            binding.bind_ortvalue_input(name, values[name])
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        return dict(zip(self._outputs, binding.get_outputs(), strict=True))


class OnnxRuntimeEncoderDecoder:
    """The three graphs in onnxruntime. Every tensor between them is an OrtValue that it made: nothing is copied outside."""

    name = "onnxruntime"

    def __init__(self, folder: Path, threads: int) -> None:
        self._value = load_onnxruntime().OrtValue
        files = (ENCODER, FIRST_STEP, OTHER_STEPS)
        self._encoder, self._first, self._others = (_BoundGraph(folder / file, threads) for file in files)

    def prepare(self, workload: Workload) -> Step:
        ids = workload.feed
        assert ids is not None
        inputs = {name: self._value.ortvalue_from_numpy(array) for name, array in workload.inputs.items()}
        tokens = [self._value.ortvalue_from_numpy(np.array([[token]], np.int64)) for token in ids]

        def step() -> np.ndarray:
            values = {"encoder_hidden_states": self._encoder(inputs)["last_hidden_state"]}
            values |= {f"encoder_{name}": value for name, value in inputs.items()}
            for position, token in enumerate(tokens):
                results = (self._others if position else self._first)({**values, "input_ids": token})
                presents = {name: value for name, value in results.items() if name.startswith("present")}
                values |= {name.replace("present", "past_key_values", 1): value for name, value in presents.items()}
            logits: np.ndarray = results["logits"].numpy()
            return logits[0, -1]

        return step


def contestants(compiled: Path, exported: Path, threads: int) -> list[Contestant]:
    """Both sides. Raises UsageError for a folder that lacks one of the three graphs."""
    missing = [file for file in (ENCODER, FIRST_STEP, OTHER_STEPS) if not (exported / file).is_file()]
    if missing:
        raise UsageError(f"{exported} has no {', '.join(missing)}, which onnxruntime is timed with")
    return [CompiledEncoderDecoder(compiled, threads), OnnxRuntimeEncoderDecoder(exported, threads)]


def workloads(compiled: Path, exported: Path, lengths: Sequence[int], written: Sequence[int] = WRITTEN) -> list[Workload]:
    """For each length of the encoder's input each count of tokens that are `written`. Ids are random, rows are not padded."""
    report = TextGenerator(compiled)._library.interface
    bounds = {d["name"]: d["upper"] for d in report["dims"]}
    names = report["encoder_inputs"]
    length = next(name for name in report["encoder_dims"])
    proto = onnx.load(exported / ENCODER, load_external_data=False)
    bound = index_bounds(proto).get("input_ids", report["vocabulary"])
    random = np.random.default_rng(0)
    found = []
    for size in [n for n in lengths if n <= bounds[length]]:
        ids = random.integers(2, bound, (1, size))
        inputs = {name: np.ones((1, size), np.int64) if "mask" in name else ids for name in names}
        for count in [n for n in written if n <= report["context"]]:
            dims = {length: size, report["batch"]: 1, report["sequence"]: 1, report["past"]: 0}
            name = f"encode {size}, write {count}"
            found.append(Workload(name, dims, inputs, feed=random.integers(2, report["vocabulary"], count)))
    if not found:
        raise UsageError(f"the encoder takes {bounds[length]} positions at most; give shorter --prefill")
    return found


def costs(graph: Graph, workload: Workload) -> list[Cost]:
    """The encoder's kernels once and the decoder's for every token."""
    assert workload.feed is not None
    dims = {**workload.dims, LOGIT_ROWS: 1}
    past = next(iter(graph.states[0].past.shape[2].symbols())).name
    found = graph_costs(graph, dims, ENCODE)
    for position in range(len(workload.feed)):
        found += graph_costs(graph, {**dims, past: position}, DECODE)
    return found
