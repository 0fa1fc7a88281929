"""The float64 oracle, the inputs it is fed, and the accuracy contract built on both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kaoken.errors import UnsupportedModelError, UsageError
from kaoken.verify.compare import FLOAT32_EPSILON, argmax_agrees, contract, errors
from kaoken.verify.inputs import index_bounds, make_inputs
from kaoken.verify.oracle import Oracle
from kaoken.verify.peer import Peer
from tests.models_fixture import DIMS, GRAPHS, graph_files, graph_id

GPT2 = GRAPHS / "tiny-gpt2" / "model.onnx"


def model_of(nodes: list[onnx.NodeProto], outputs: list[str], **weights: np.ndarray) -> onnx.ModelProto:
    """A model over one float input `x` of any shape."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


@pytest.mark.parametrize("padding", ["none", "left", "right"])
@pytest.mark.parametrize("path", graph_files(), ids=graph_id)
def test_oracle_agrees_with_onnxruntime_within_float32_error(path: Path, padding: Any) -> None:
    inputs = make_inputs(path, DIMS, seed=3, padding=padding)
    exact, near = Oracle(path).run(inputs), Peer(path).run(inputs)
    assert exact.keys() == near.keys()
    for name, value in exact.items():
        assert value.dtype == np.float64 and value.shape == near[name].shape
        largest = np.abs(value).max(initial=0)
        assert errors(value, near[name])[0] <= 1e-5 * largest, name


@pytest.mark.parametrize("cached", [False, True])
def test_oracle_takes_the_branch_of_an_if_and_sees_inside(cached: bool) -> None:
    path = GRAPHS / "tiny-t5" / "decoder_model_merged.onnx"
    inputs = make_inputs(path, DIMS | {"past_decoder_sequence_length": 3 if cached else 0}, seed=1)
    assert inputs["use_cache_branch"].tolist() == [cached]
    branch = onnx.load(path).graph.node[0].attribute
    graph = next(a.g for a in branch if a.name == ("then_branch" if cached else "else_branch"))
    inner = next(node.output[0] for node in graph.node if node.op_type == "Softmax")
    assert np.allclose(Oracle(path).run(inputs, [inner])[inner].sum(-1), 1, rtol=1e-12)


def test_oracle_keeps_what_float32_would_lose() -> None:
    nodes = [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)]
    values = np.array([1e8, 1, -1e8], np.float32)
    assert Oracle(model_of(nodes, ["y"])).run({"x": values})["y"] == 1.0


def test_float_constants_and_casts_become_float64_with_their_stored_value() -> None:
    tensor = numpy_helper.from_array(np.array([0.1], np.float32))
    nodes = [
        helper.make_node("Constant", [], ["c"], value=tensor),
        helper.make_node("Constant", [], ["f"], value_float=0.1),
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Cast", ["s"], ["t"], to=TensorProto.FLOAT),
        helper.make_node("ConstantOfShape", ["s"], ["z"], value=tensor),
    ]
    results = Oracle(model_of(nodes, ["c", "f", "t", "z"])).run({"x": np.zeros(3, np.float32)})
    assert all(value.dtype == np.float64 for value in results.values())
    stored = float(np.float32(0.1))
    assert results["c"][0] == results["f"] == results["z"][2] == stored


def test_masks_made_of_the_lowest_float32_still_mask() -> None:
    lowest = np.array([0, np.finfo(np.float32).min], np.float32)
    nodes = [
        helper.make_node("Add", ["x", "mask"], ["m"]),
        helper.make_node("Softmax", ["m"], ["y"], axis=-1),
    ]
    y = Oracle(model_of(nodes, ["y"], mask=lowest)).run({"x": np.array([[1.0, 900.0]], np.float32)})["y"]
    assert y.tolist() == [[1.0, 0.0]]


def test_float_to_integer_truncates_what_float32_means() -> None:
    nodes = [
        helper.make_node("Log", ["x"], ["a"]),
        helper.make_node("Log", ["two"], ["b"]),
        helper.make_node("Div", ["a", "b"], ["q"]),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.INT64),
    ]
    x = np.array([2.0**k for k in range(1, 40)], np.float32)
    y = Oracle(model_of(nodes, ["y"], two=np.array(2, np.float32))).run({"x": x})["y"]
    assert y.tolist() == list(range(1, 40))


@pytest.mark.parametrize(
    "group, stride, dilation, auto_pad",
    [
        (1, 1, 1, b"NOTSET"),
        (2, 2, 2, b"NOTSET"),
        (4, 2, 1, b"SAME_UPPER"),
        (1, 3, 1, b"SAME_LOWER"),
        (1, 1, 2, b"VALID"),
    ],
)
def test_convolution_equals_onnxruntime(group: int, stride: int, dilation: int, auto_pad: bytes) -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((8, 4 // group, 3, 3)).astype(np.float32)
    pads = {"pads": [1, 0, 2, 1]} if auto_pad == b"NOTSET" else {}
    node = helper.make_node(
        "Conv", ["x", "w", "b"], ["y"], group=group, strides=[stride, 1], dilations=[dilation, 1],
        auto_pad=auto_pad.decode(), **pads,
    )  # fmt: skip
    model = model_of([node], ["y"], w=w, b=rng.standard_normal(8).astype(np.float32))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4))
    model.ir_version = 9
    inputs = {"x": rng.standard_normal((2, 4, 9, 7)).astype(np.float32)}
    exact, near = Oracle(model).run(inputs)["y"], Peer(model.SerializeToString()).run(inputs)["y"]
    assert exact.shape == near.shape and np.allclose(exact, near, atol=1e-5)


def test_any_value_of_the_graph_can_be_asked_for() -> None:
    inputs = make_inputs(GPT2, DIMS)
    names = [node.output[0] for node in onnx.load(GPT2).graph.node if node.op_type == "LayerNormalization"]
    values = Oracle(GPT2).run(inputs, names)
    assert len(names) == 5 and all(values[name].shape == (2, 5, 64) for name in names)
    with pytest.raises(UsageError, match="no value called"):
        Oracle(GPT2).run(inputs, ["nowhere"])
    with pytest.raises(UsageError, match="attention_mask"):
        Oracle(GPT2).run({"input_ids": inputs["input_ids"]})


def test_bad_model_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no model"):
        Oracle(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(UnsupportedModelError):
        Oracle(tmp_path)


def test_inputs_are_valid_and_repeatable() -> None:
    inputs = make_inputs(GPT2, DIMS | {"batch_size": 6, "sequence_length": 90, "past_sequence_length": 4}, 5)
    again = make_inputs(GPT2, DIMS | {"batch_size": 6, "sequence_length": 90, "past_sequence_length": 4}, 5)
    assert all(np.array_equal(inputs[name], again[name]) for name in inputs)
    assert inputs["input_ids"].max() < 512 and inputs["input_ids"].max() > 400
    assert inputs["attention_mask"].shape == (6, 94) and inputs["position_ids"][0].tolist() == list(range(4, 94))
    assert inputs["past_key_values.0.key"].dtype == np.float32


def test_left_and_right_padding_are_ragged_and_positions_follow() -> None:
    dims = DIMS | {"batch_size": 8, "sequence_length": 12, "past_sequence_length": 4}
    left, right = (make_inputs(GPT2, dims, 2, padding=side) for side in ("left", "right"))
    for inputs in (left, right):
        lengths = inputs["attention_mask"].sum(1)
        assert lengths[0] == 16 and len(set(lengths.tolist())) > 3 and lengths.min() > 0
    assert (np.diff(left["attention_mask"], axis=1) >= 0).all()
    assert (np.diff(right["attention_mask"], axis=1) <= 0).all()
    for row in range(8):
        real = left["attention_mask"][row, 4:] == 1
        positions = left["position_ids"][row][real]
        assert positions[-1] == left["attention_mask"][row].sum() - 1 and (np.diff(positions) == 1).all()


def test_bounds_of_ids_come_from_the_tables_they_index() -> None:
    assert index_bounds(onnx.load(GPT2)) == {"input_ids": 512, "position_ids": 128}
    bert = index_bounds(onnx.load(GRAPHS / "tiny-bert" / "model.onnx"))
    assert bert["token_type_ids"] == 2 and bert["input_ids"] > 100
    merged = index_bounds(onnx.load(GRAPHS / "tiny-t5" / "decoder_model_merged.onnx"))
    assert merged["input_ids"] > 100


def test_inputs_ask_for_missing_dims_and_refuse_positions_outside_the_table() -> None:
    with pytest.raises(UsageError, match="past_sequence_length"):
        make_inputs(GPT2, {"batch_size": 1, "sequence_length": 2})
    with pytest.raises(UsageError, match="128 positions"):
        make_inputs(GPT2, DIMS | {"sequence_length": 200})


@pytest.mark.parametrize(
    "error, peer, ok",
    [(0.0, 0.0, True), (3.9, 0.0, True), (4.1, 0.0, False), (19.0, 10.0, True), (21.0, 10.0, False)],
)
def test_contract_is_twice_onnxruntime_or_four_epsilon(error: float, peer: float, ok: bool) -> None:
    oracle = np.array([8.0, -1.0, 0.5])
    shift = np.array([0.0, 8.0 * FLOAT32_EPSILON, 0.0])
    report = contract(oracle, oracle + error * shift, oracle + peer * shift)
    assert report.ok is ok and report.largest == 8.0
    assert str(report).startswith("ok" if ok else "FAILED")


def test_contract_also_bounds_the_rms_error() -> None:
    oracle = np.ones(1000)
    peer = oracle.copy()
    peer[0] += 1e-4
    report = contract(oracle, oracle + 9e-5, peer)
    assert report.max_error < report.max_limit and not report.ok


@pytest.mark.parametrize(
    "oracle, ours, ok",
    [
        ([1, 2], [1, 2], True),
        ([1, 2], [1, 3], False),
        ([True], [False], False),
        ([np.nan, 1.0], [np.nan, 1.0], True),
        ([np.nan, 1.0], [0.0, 1.0], False),
        ([1.0, 1.0], [np.nan, 1.0], False),
        ([np.inf, 1.0], [np.inf, 1.0], True),
        ([np.inf, 1.0], [-np.inf, 1.0], False),
        ([1.0], [1.0, 1.0], False),
        ([], [], True),
    ],
)
def test_contract_on_exact_and_special_values(oracle: list[Any], ours: list[Any], ok: bool) -> None:
    assert contract(np.array(oracle), np.array(ours)).ok is ok


@pytest.mark.parametrize("allowed, ok", [(1e-3, True), (1e-5, False)])
def test_argmax_may_differ_only_within_the_error(allowed: float, ok: bool) -> None:
    oracle, swapped = np.array([[1.0, 1.0001, 0.0]]), np.array([[1.0001, 1.0, 0.0]])
    assert argmax_agrees(oracle, swapped, allowed) is ok
    assert argmax_agrees(oracle, oracle, 0.0)
