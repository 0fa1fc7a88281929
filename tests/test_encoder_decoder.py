"""Encoder-decoders as one library: whole runs against the oracle, encode and feed against whole runs, rows sharing an input."""

from __future__ import annotations

import ctypes
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kaoken.compiler import CompileOptions, compile_model, lower
from kaoken.errors import UnsupportedModelError
from kaoken.frontend.encoder_decoder import write_joined
from kaoken.ir.graph import Graph
from kaoken.session import Library, Session, SessionError, TextGenerator
from kaoken.verify.compare import contract
from kaoken.verify.inputs import make_inputs
from kaoken.verify.oracle import Oracle
from tests.compiled import GRAPHS, compiled

ort = pytest.importorskip("onnxruntime")

MODELS = ["tiny-t5", "tiny-bart"]
SIZES = [(1, 1, 1, 0, "none"), (2, 7, 5, 0, "right"), (3, 33, 1, 17, "left"), (8, 5, 18, 3, "right")]


def onnxruntime_session(path: Path):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def dims(batch: int, encoder: int, decoder: int, past: int) -> dict[str, int]:
    return {
        "batch_size": batch,
        "encoder_sequence_length": encoder,
        "decoder_sequence_length": decoder,
        "past_decoder_sequence_length": past,
    }


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def joined(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("joined") / f"{model}.onnx"
    write_joined(GRAPHS / model, path)
    return path


def test_outputs_meet_the_accuracy_contract(model: str, joined: Path) -> None:
    session, reference, oracle = Session(compiled(model), threads=2), onnxruntime_session(joined), Oracle(joined)
    for batch, encoder, decoder, past, padding in SIZES:
        inputs = make_inputs(joined, dims(batch, encoder, decoder, past), seed=encoder, padding=padding)
        exact, ours, theirs = oracle.run(inputs), session.run(None, inputs), reference.run(None, inputs)
        for node, mine, other in zip(session.get_outputs(), ours, theirs, strict=True):
            report = contract(exact[node.name], mine, other)
            assert report.ok, f"{node.name} at {batch} x {encoder} -> {past} + {decoder}, {padding} padding: {report}"


def test_the_joined_graph_is_the_exporters_graphs(model: str, joined: Path) -> None:
    """onnxruntime on the three files, one after the other, and on the joined one."""
    inputs = make_inputs(joined, dims(2, 9, 4, 0), seed=3, padding="right")
    folder = GRAPHS / model
    mask = inputs["attention_mask"]
    hidden = onnxruntime_session(folder / "encoder_model.onnx").run(
        None, {"input_ids": inputs["input_ids"], "attention_mask": mask}
    )[0]
    first = onnxruntime_session(folder / "decoder_model.onnx").run(
        ["logits"],
        {"input_ids": inputs["decoder_input_ids"], "encoder_hidden_states": hidden, "encoder_attention_mask": mask},
    )[0]
    whole = onnxruntime_session(joined).run(["logits", "encoder_last_hidden_state"], inputs)
    np.testing.assert_allclose(whole[0], first, atol=1e-5)
    np.testing.assert_allclose(whole[1], hidden, atol=1e-5)


def test_the_merged_decoder_gives_the_same_library(model: str, tmp_path: Path) -> None:
    folder = tmp_path / model
    shutil.copytree(GRAPHS / model, folder)
    for name in ("decoder_model.onnx", "decoder_with_past_model.onnx"):
        (folder / name).unlink()
    merged = lower(folder, CompileOptions(), "m")
    separate = lower(GRAPHS / model, CompileOptions(), "m")
    assert [n.op for n in merged.nodes] == [n.op for n in separate.nodes]
    assert merged.metadata["weights"].total == separate.metadata["weights"].total


def test_feed_gives_the_bits_of_a_whole_run_however_the_ids_are_cut(model: str, joined: Path) -> None:
    inputs = make_inputs(joined, dims(1, 11, 23, 0), seed=5)
    whole = Session(compiled(model)).run(["logits"], inputs)[0][0]
    generator = TextGenerator(compiled(model))
    ids = inputs["decoder_input_ids"][0]
    generator.encode(inputs["input_ids"], inputs["attention_mask"])
    steps = np.stack([generator.feed([token]) for token in ids])
    assert np.array_equal(steps.view(np.int32), whole.view(np.int32))
    generator.encode(inputs["input_ids"], None)
    generator.feed(ids[:7])
    assert np.array_equal(generator.feed(ids[7:]).view(np.int32), whole[-1].view(np.int32))


class Rows:
    """A handle of several rows, through the C API."""

    def __init__(self, folder: Path, batch: int, threads: int = 1):
        self.library = Library(folder)
        self.handle = self.library.create({"batch": batch, "threads": threads})
        self.vocabulary: int = self.library.interface["vocabulary"]

    def call(self, name: str, *arguments: object) -> int:
        given = [
            ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else ctypes.c_int64(a) if isinstance(a, int) else a
            for a in arguments
        ]
        return int(self.library.function(name)(self.handle, *given))

    def encode(self, ids: np.ndarray, mask: np.ndarray | None) -> int:
        return self.call("encode", ids.shape[0], ids.shape[1], ids, mask, None)

    def feed(self, ids: np.ndarray) -> np.ndarray:
        logits = np.empty((ids.shape[0], self.vocabulary), np.float32)
        self.library.check(self.call("feed", ids.shape[0], ids.shape[1], np.ascontiguousarray(ids), logits))
        return logits

    def close(self) -> None:
        self.library.destroy(self.handle)


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_that_share_an_input_give_the_bits_of_rows_of_their_own(model: str, joined: Path, threads: int) -> None:
    """Beams: the cache of cross-attention is stored once an input, `reorder` says who reads which."""
    inputs = make_inputs(joined, dims(2, 9, 4, 0), seed=8, padding="right")
    ids, mask, decoder = inputs["input_ids"], inputs["attention_mask"], inputs["decoder_input_ids"]
    beams = np.array([0, 0, 1, 1], np.int64)
    apart, shared = Rows(compiled(model), 4), Rows(compiled(model), 4, threads)
    assert apart.encode(np.ascontiguousarray(ids[beams]), np.ascontiguousarray(mask[beams])) == 0
    assert shared.encode(ids, mask) == 0
    shared.feed(decoder[:, :2])
    apart.feed(decoder[beams][:, :2])
    assert shared.call("reorder", beams, 4) == 0
    tokens = np.arange(4)[:, None] + decoder[beams][:, 2:3] % 100
    assert np.array_equal(shared.feed(tokens).view(np.int32), apart.feed(tokens).view(np.int32))
    swap = np.array([3, 1, 2, 0], np.int64)
    assert shared.call("reorder", swap, 4) == 0
    swapped, straight = shared.feed(tokens[::-1]), apart.feed(tokens[::-1][[3, 1, 2, 0]])
    assert np.array_equal(swapped.view(np.int32), straight[[3, 1, 2, 0]].view(np.int32))
    apart.close()
    shared.close()


def test_a_rows_bits_do_not_depend_on_the_rows_beside_it(model: str, joined: Path) -> None:
    session = Session(compiled(model))
    inputs = make_inputs(joined, dims(3, 13, 6, 0), seed=2, padding="right")
    before = session.run(["logits"], inputs)[0][0]
    for name in ("input_ids", "decoder_input_ids", "attention_mask"):
        inputs[name][1:] = inputs[name][1:][::-1]
    assert np.array_equal(before.view(np.int32), session.run(["logits"], inputs)[0][0].view(np.int32))


def test_calls_out_of_order_and_out_of_bounds_get_status_codes(model: str) -> None:
    folder = compiled(model)
    rows = Rows(folder, 2)
    header = (folder / f"{rows.library.name}.h").read_text()
    codes = {line.split("_ERROR_")[1].split()[0]: int(line.split("=")[1].split()[0].strip(",")) for line in header.splitlines()
             if "_ERROR_" in line and " = " in line}  # fmt: skip
    one = np.array([[1]], np.int64)
    logits = np.empty(rows.vocabulary, np.float32)
    assert rows.call("feed", 1, 1, one, logits) == codes["ORDER"]
    assert rows.encode(np.full((1, 3), rows.vocabulary, np.int64), None) == codes["RANGE"]
    assert rows.call("feed", 1, 1, one, logits) == codes["ORDER"], "what could not be encoded is not attended to"
    assert rows.call("encode", 1, 1, None, None, None) == codes["ARGUMENT"]
    assert rows.call("encode", 3, 1, one, None, None) == codes["RANGE"]
    assert rows.call("encode", 1, 0, one, None, None) == codes["RANGE"]
    assert rows.encode(one, None) == 0
    assert rows.call("feed", 2, 1, np.ones((2, 1), np.int64), logits) == codes["ORDER"], "only one row was encoded"
    assert rows.call("feed", 1, 1, one, logits) == 0
    assert rows.call("reset") == 0
    assert rows.call("feed", 1, 1, one, logits) == codes["ORDER"]
    rows.close()


def test_a_mask_that_the_graph_multiplies_by_must_be_zeros_and_ones(joined: Path, model: str) -> None:
    """T5 multiplies; BART compares, and its outputs are the graph's for any element."""
    inputs = make_inputs(joined, dims(1, 4, 1, 0), seed=1)
    inputs["attention_mask"][0, 2] = 2
    session = Session(compiled(model))
    if model == "tiny-t5":
        with pytest.raises(SessionError, match="out of bounds"):
            session.run(None, inputs)
    else:
        reference = onnxruntime_session(joined).run(["logits"], inputs)[0]
        np.testing.assert_allclose(session.run(["logits"], inputs)[0], reference, atol=1e-5)


def layer_kernels(graph: Graph, layer: str) -> list[str]:
    return [
        n.op for n in graph.nodes if n.op not in ("view", "reshape") and n.origin and f".{layer}." in f".{_module(n.origin[0])}."
    ]


def _module(name: str) -> str:
    return name.strip("/").replace("/", ".")


@pytest.mark.parametrize(
    ("graph", "encoder", "decoder"),
    [("tiny-t5", "encoder.block.1", "decoder.block.1"), ("tiny-bart", "encoder.layers.1", "decoder.layers.1")],
)
def test_layers_are_few_kernels_and_nothing_else_is_left(graph: str, encoder: str, decoder: str) -> None:
    lowered = lower(GRAPHS / graph, CompileOptions(), "m")
    assert sorted(layer_kernels(lowered, encoder)) == ["attention", *["linear"] * 4, "norm", "norm"]
    cross = [n for n in lowered.nodes if n.stage == "encode" and any(v in lowered.encoded for v in n.outputs)]
    assert [n.op for n in cross] == ["linear"] * 2, "keys and values of a layer's cross-attention are one product"
    lowered.nodes = [n for n in lowered.nodes if n.stage == "decode"]
    inside = layer_kernels(lowered, decoder)
    assert sorted(inside) == ["attention"] * 2 + ["linear"] * 6 + ["norm"] * 3
    loops = [n.output.name for n in lowered.nodes if n.op not in ("linear", "attention", "norm", "view")]
    assert len(loops) <= 2, f"the embedding, and T5's scale of the logits: {loops}"


def test_weights_of_several_graphs_are_stored_once(model: str) -> None:
    """The file is no larger than the distinct initializers of the joined graph and what compiling adds to them."""
    folder = compiled(model)
    report = json.loads((folder / "report.json").read_text())
    largest = max((GRAPHS / model / f).stat().st_size for f in ("decoder_model.onnx", "decoder_model_merged.onnx"))
    encoder = (GRAPHS / model / "encoder_model.onnx").stat().st_size
    assert report["weights_bytes"] < largest + encoder
    assert report["parameters"] * 4 < report["weights_bytes"] * 1.02


def test_the_vocabulary_that_is_embedding_and_head_is_stored_once(model: str) -> None:
    """BART's exporter folds the transposed embedding into a constant of its own."""
    constants = lower(GRAPHS / model, CompileOptions(), "m").constants()
    assert [v.name for v in constants if v.data is not None and v.data.size == 512 * 64] == ["embed_tokens.weight"]


def test_a_decoder_without_a_cache_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "no-cache"
    shutil.copytree(GRAPHS / "tiny-t5-dynamo-op20", folder)
    with pytest.raises(UnsupportedModelError, match="--task text2text-generation-with-past"):
        compile_model(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
