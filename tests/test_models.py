"""Whole models through C against the float64 oracle, and the shape of what the passes leave of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kaoken.compiler import CompileOptions, lower
from kaoken.frontend.mapped_file import find_model_file
from kaoken.ir.dtypes import is_integer
from kaoken.ir.graph import Graph
from kaoken.session import Session, SessionError, TextGenerator
from kaoken.verify.compare import contract
from kaoken.verify.inputs import make_inputs
from kaoken.verify.oracle import Oracle
from tests.compiled import GRAPHS, bounds_for, compiled

ort = pytest.importorskip("onnxruntime")

GPT2 = ["tiny-gpt2", "tiny-gpt2-op20", "tiny-gpt2-past-dynamo-op20", "tiny-gpt2-past-dynamo-op23"]
GPT2_WITHOUT_CACHE = ["tiny-gpt2-dynamo-op20", "tiny-gpt2-dynamo-op23"]
BERT = ["tiny-bert", "tiny-bert-op14", "tiny-bert-op20", "tiny-bert-dynamo-op20"]
ENCODERS = [f"tiny-{name}{exporter}" for name in ("distilbert", "electra", "roberta") for exporter in ("", "-dynamo-op20")]
LLAMA = ["tiny-llama", "tiny-llama-op20", "tiny-llama-past-dynamo-op20", "tiny-llama-past-dynamo-op23"]
FIXED = ["tiny-gpt2-static", "tiny-bert-static", "tiny-vit-static"]
SIZES = [(1, 1, 0, "none"), (1, 7, 0, "none"), (3, 16, 5, "left"), (2, 33, 20, "right"), (3, 1, 40, "left"), (8, 17, 3, "left")]


def onnxruntime_session(graph: str):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(str(find_model_file(GRAPHS / graph)), options, providers=["CPUExecutionProvider"])


def dims_for(session, batch: int, seq: int, past: int) -> dict[str, int]:
    """A value for every symbol the exporter left in the inputs."""
    dims = {}
    for symbol in sorted({d for i in session.get_inputs() for d in i.shape if isinstance(d, str) and "+" not in d}):
        dims[symbol] = (
            batch if "batch" in symbol else past if "past" in symbol else seq if symbol.startswith("seq") else past + seq
        )
    return dims


@pytest.mark.parametrize("graph", GPT2 + GPT2_WITHOUT_CACHE + BERT + ENCODERS + LLAMA + FIXED)
def test_compiled_outputs_meet_the_accuracy_contract(graph: str) -> None:
    session, reference, oracle = (
        Session(compiled(graph), threads=2),
        onnxruntime_session(graph),
        Oracle(find_model_file(GRAPHS / graph)),
    )
    for batch, seq, past, padding in SIZES if graph not in FIXED else SIZES[:1]:
        inputs = make_inputs(find_model_file(GRAPHS / graph), dims_for(reference, batch, seq, past), seed=seq, padding=padding)
        exact, ours, theirs = oracle.run(inputs), session.run(None, inputs), reference.run(None, inputs)
        for node, mine, other in zip(session.get_outputs(), ours, theirs, strict=True):
            report = contract(exact[node.name], mine, other)
            assert report.ok, f"{node.name} at batch {batch}, sequence {seq}, past {past}, {padding} padding: {report}"


@pytest.mark.parametrize("graph", ["tiny-gpt2", "tiny-gpt2-past-dynamo-op23", "tiny-llama"])
def test_cached_steps_give_the_logits_of_the_whole_prompt(graph: str) -> None:
    """200 teacher-forced steps on random ids would overrun the tiny context of 128: 120 of them, each against the oracle."""
    folder = compiled(graph)
    generator, session = TextGenerator(folder), Session(folder)
    ids = np.random.default_rng(7).integers(0, generator.vocabulary, 120)
    model = find_model_file(GRAPHS / graph)
    inputs = make_inputs(model, dims_for(onnxruntime_session(graph), 1, len(ids), 0), seed=1)
    inputs["input_ids"] = ids[None]
    exact = Oracle(model).run(inputs, ["logits"])["logits"][0]
    whole = session.run(["logits"], inputs)[0][0]
    steps = np.stack([generator.feed([token]) for token in ids])
    assert np.array_equal(steps.view(np.int32), whole.view(np.int32)), "a step's bits depend on how the prompt was cut"
    report = contract(exact, steps, onnxruntime_session(graph).run(["logits"], inputs)[0][0])
    assert report.ok, str(report)


def kernels_of_layer(graph: Graph, layer: str) -> list[str]:
    """Operations whose first name lies inside the layer."""
    named = [(n, n.origin[0].replace("/", ".") + ".") for n in graph.nodes if n.op not in ("reshape", "view") and n.origin]
    return [n.op for n, name in named if f".{layer}." in f".{name}"]


@pytest.mark.parametrize(
    ("graph", "layer"), [(g, "h.1") for g in GPT2 + GPT2_WITHOUT_CACHE] + [(g, "layer.1") for g in BERT + ENCODERS]
)
def test_a_transformer_layer_is_seven_kernels(graph: str, layer: str) -> None:
    lowered = lower(GRAPHS / graph, CompileOptions(dims=bounds_for(graph)), "m")
    assert sorted(kernels_of_layer(lowered, layer)) == ["attention", *["linear"] * 4, "norm", "norm"]


@pytest.mark.parametrize("graph", GPT2 + GPT2_WITHOUT_CACHE + BERT + [g for g in ENCODERS if "roberta" not in g])
def test_no_shape_arithmetic_mask_copy_or_concat_is_left(graph: str) -> None:
    lowered = lower(GRAPHS / graph, CompileOptions(dims=bounds_for(graph)), "m")
    loops = [n for n in lowered.nodes if n.op not in ("linear", "attention", "norm", "view", "reshape")]
    assert [n.op for n in loops] == ["map"], "only the embedding may be a loop"
    assert loops[0] is lowered.nodes[0]
    assert not any(is_integer(v.dtype) or v.dtype == "bool" for n in lowered.nodes for v in n.outputs)
    assert all(n.op != "reshape" for n in lowered.nodes)


@pytest.mark.parametrize("graph", ["tiny-roberta", "tiny-roberta-dynamo-op20"])
def test_positions_counted_over_real_tokens_are_one_loop(graph: str) -> None:
    lowered = lower(GRAPHS / graph, CompileOptions(dims=bounds_for(graph)), "m")
    positions, embedding = lowered.nodes[:2]
    assert positions.op == embedding.op == "map" and is_integer(positions.output.dtype) and positions.output in embedding.inputs
    loops = [n for n in lowered.nodes[2:] if n.op not in ("linear", "attention", "norm", "view")]
    assert all(".pooler." in f".{n.origin[0].replace('/', '.')}" for n in loops), "the pooler's first row alone is copied"


@pytest.mark.parametrize("graph", ["tiny-gpt2", "tiny-bert"])
def test_equal_layers_share_one_function(graph: str) -> None:
    folder = compiled(graph)
    report = json.loads((folder / "report.json").read_text())
    source = (folder / f"{report['name']}.c").read_text()
    assert source.count("k->attention_") == 1
    assert report["c_lines"] < 3000


def test_the_vocabulary_matrix_is_stored_once() -> None:
    report = json.loads((compiled("tiny-gpt2") / "report.json").read_text())
    assert report["weights_bytes"] < 1.02 * 4 * report["parameters"] + 64 * 64


def test_ids_outside_the_vocabulary_are_refused_and_nothing_is_appended() -> None:
    generator = TextGenerator(compiled("tiny-gpt2"))
    generator.feed([1, 2, 3])
    for bad in (-1, generator.vocabulary, 2**40):
        with pytest.raises(SessionError, match="out of bounds"):
            generator.feed([4, bad])
    assert generator.position == 3
    with pytest.raises(SessionError, match="too small"):
        generator.feed(np.zeros(generator.capacity, np.int64))
    assert generator.position == 3


def test_a_context_never_outgrows_the_table_of_positions() -> None:
    generator = TextGenerator(compiled("tiny-gpt2-past-dynamo-op20"))
    assert generator.capacity == 128, "seq and past are bounded by 128 each, but there are 128 positions"
    generator.feed(np.zeros(128, np.int64))


def test_a_mask_that_is_multiplied_must_be_of_zeros_and_ones() -> None:
    """ELECTRA adds (1 - mask) * lowest: with other elements that is no padding mask, and the compiled model says so."""
    model = find_model_file(GRAPHS / "tiny-electra")
    inputs = make_inputs(model, {"batch_size": 2, "sequence_length": 5}, seed=0, padding="right")
    session = Session(compiled("tiny-electra"))
    session.run(None, inputs)
    for wrong in (2, -1):
        inputs["attention_mask"][1, 0] = wrong
        with pytest.raises(SessionError, match="out of bounds"):
            session.run(None, inputs)


@pytest.mark.parametrize("graph", [g for g in BERT + ENCODERS if "dynamo" not in g])
def test_a_row_is_the_same_alone_and_among_others(graph: str) -> None:
    """Its bits depend neither on what other rows hold nor on how many there are nor on their padding."""
    session, rng = Session(compiled(graph), threads=2), np.random.default_rng(3)
    model = find_model_file(GRAPHS / graph)
    for seq in (1, 3, 16, 40):
        inputs = make_inputs(model, {"batch_size": 5, "sequence_length": seq}, seed=seq)
        mask = inputs["attention_mask"] = (rng.random((5, seq)) < 0.6).astype(np.int64)
        mask[0, 0], mask[4] = 1, 0
        together = session.run(None, inputs)[0]
        for row in range(5):
            alone = session.run(None, {name: value[row : row + 1] for name, value in inputs.items()})[0][0]
            assert np.array_equal(alone.view(np.int32), together[row].view(np.int32)), f"row {row} of length {seq}"


def test_positions_that_begin_behind_the_padding_id_bound_the_sequence() -> None:
    bounds = {
        d["name"]: d["upper"] for d in json.loads((compiled("tiny-roberta") / "report.json").read_text())["interface"]["dims"]
    }
    assert bounds["sequence_length"] == 64, "66 rows of positions, of which the first two are for padding"


def test_a_bound_call_reads_its_inputs_where_they_lie() -> None:
    session, small, large = (
        Session(compiled("tiny-bert")),
        *(make_inputs(find_model_file(GRAPHS / "tiny-bert"), {"batch_size": 1, "sequence_length": n}, seed=n) for n in (4, 9)),
    )
    bound = session.bind(None, small)
    before = [output.copy() for output in bound()]
    assert all(map(np.array_equal, before, session.run(None, small)))
    expected = session.run(None, large)  # a larger handle takes the place of the bound call's
    assert all(map(np.array_equal, before, bound())) and all(map(np.array_equal, expected, session.run(None, large)))
    small["input_ids"][:] = np.roll(small["input_ids"], 1, axis=1)
    memory = [output.ctypes.data for output in bound()]
    after = bound()
    assert [output.ctypes.data for output in after] == memory and not np.array_equal(after[0], before[0])
    assert all(map(np.array_equal, after, session.run(None, small)))


def test_session_names_what_does_not_fit() -> None:
    session = Session(compiled("tiny-bert"))
    good = make_inputs(find_model_file(GRAPHS / "tiny-bert"), {"batch_size": 1, "sequence_length": 4}, seed=0)
    with pytest.raises(ValueError, match="attention_mask is missing"):
        session.run(None, {k: v for k, v in good.items() if k != "attention_mask"})
    with pytest.raises(ValueError, match="int32, the model takes int64"):
        session.run(None, {**good, "input_ids": good["input_ids"].astype(np.int32)})
    with pytest.raises(ValueError, match="attention_mask has shape"):
        session.run(None, {**good, "attention_mask": good["attention_mask"][:, :2]})
    with pytest.raises(ValueError, match="unknown input extra"):
        session.run(None, {**good, "extra": good["input_ids"]})
    with pytest.raises(ValueError, match="no output nothing"):
        session.run(["nothing"], good)
