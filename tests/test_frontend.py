"""Every kept graph of both exporters imports, and its formulas give what its operators mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from models_fixture import DIMS, GRAPHS, graph_files, graph_id
from onnx import helper, numpy_helper

from kaoken.frontend import import_model
from kaoken.ir.graph import Graph
from kaoken.ir.interpret import dims_of, interpret, known_array, run_graph
from kaoken.verify.compare import contract_all
from kaoken.verify.inputs import make_inputs
from kaoken.verify.oracle import Oracle
from kaoken.verify.peer import Peer

MERGED = GRAPHS / "tiny-t5" / "decoder_model_merged.onnx"
OVERRIDES = {
    "seq": "1..64",
    "enc_seq": "1..64",
    "past": "0..100",
    "decoder_sequence_length": "1..64",
    "encoder_sequence_length": "1..64",
    "past_decoder_sequence_length": "0..100",
    "num_channels": "3",
    "height": "32",
    "width": "32",
}
SIZES = {
    "one row": DIMS | {"batch_size": 1, "batch": 1, "past_sequence_length": 0, "past": 0, "past_decoder_sequence_length": 0},
    "cached": DIMS,
    "padded": DIMS | {"batch_size": 3, "batch": 3, "sequence_length": 4, "seq": 4, "past_sequence_length": 6, "past": 6},
}


def overrides_of(path: Path) -> dict[str, str]:
    """Bounds for the symbols of the model that have none by default."""
    extents = [d.dim_param for i in onnx.load(path).graph.input for d in i.type.tensor_type.shape.dim]
    return {name: bounds for name, bounds in OVERRIDES.items() if any(name in extent.split() for extent in extents)}


def imported(path: Path) -> Graph:
    graph = import_model(path, overrides_of(path))
    graph.remove_dead()
    return graph


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", [p for p in graph_files() if p != MERGED], ids=graph_id)
def test_formulas_keep_the_accuracy_contract(path: Path, size: str) -> None:
    inputs: Any = make_inputs(path, SIZES[size], seed=5, padding="left" if size == "padded" else "none")
    graph = import_model(path, overrides_of(path))
    dims = dims_of(graph, inputs)
    arrays = interpret(graph, inputs, dims)
    for node in graph.nodes:
        for value in node.outputs:
            if value.known is not None:
                np.testing.assert_array_equal(arrays[value], known_array(value, dims), err_msg=repr(node))
    ours = {name: arrays[value] for name, value in graph.outputs}
    reports = contract_all(Oracle(path).run(inputs), ours, Peer(path).run(inputs))
    assert all(report.ok for report in reports.values()), {name: str(r) for name, r in reports.items() if not r.ok}


@pytest.mark.parametrize("path", [p for p in graph_files() if p != MERGED], ids=graph_id)
def test_no_shape_arithmetic_is_left(path: Path) -> None:
    """Vectors and scalars of integers that follow from the sizes alone are no nodes; ranges, masks and tables may be."""
    graph = imported(path)
    from_data = set(graph.inputs)
    for node in graph.nodes:
        if from_data.intersection(node.inputs):
            from_data.update(node.outputs)
            continue
        assert node.op not in ("elements", "fill") or node.output.rank > 1, node
        fixed = all(extent.constant is not None for extent in node.output.shape)
        assert not (fixed and node.output.rank <= 1), node


def test_an_if_on_data_has_both_branches_as_bodies() -> None:
    graph = import_model(MERGED, overrides_of(MERGED))
    (branch,) = (node for node in graph.nodes if node.op == "if")
    assert [body.name for body in branch.bodies] == ["then", "else"]
    assert all(len(body.nodes) > 50 for body in branch.bodies)
    found = {symbol.name for symbol in branch.finds}
    assert "present_0_decoder_key_2" in found  # past + 1 positions in one branch, as many as are given in the other


def with_branches(condition: list[onnx.NodeProto], deep: bool = False) -> onnx.ModelProto:
    """y = x + w where `c` holds, else x * w inside a branch with a weight of its own."""

    def branch(op: str, name: str) -> onnx.GraphProto:
        nodes = [helper.make_node(op, ["x", f"w_{name}"], [f"out_{name}"], name=f"inner_{name}")]
        if deep:
            nodes.append(helper.make_node("Identity", [f"out_{name}"], [f"deep_{name}"]))
        weights = [numpy_helper.from_array(np.array([2, 3, 4], np.float32), f"w_{name}")]
        return helper.make_graph(nodes, name, [], [onnx.ValueInfoProto(name=f"{'deep' if deep else 'out'}_{name}")], weights)

    choice = helper.make_node(
        "If", ["c"], ["y"], name="choice", then_branch=branch("Add", "then"), else_branch=branch("Mul", "other")
    )
    graph = helper.make_graph(
        [*condition, choice],
        "branches",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["rows", 3])],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(np.array(n), f"n{n}") for n in (0, 1, 3, 100)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def extent_of_x(axis: int) -> list[onnx.NodeProto]:
    return [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", f"n{axis}"], ["extent"])]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("op", "axis", "limit", "taken"), [("Equal", 1, 3, "then"), ("Less", 0, 1, "other"), ("Less", 0, 100, "then")]
)
def test_an_if_on_sizes_is_its_branch(tmp_path: Path, op: str, axis: int, limit: int, taken: str, deep: bool) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(with_branches([*extent_of_x(axis), helper.make_node(op, ["extent", f"n{limit}"], ["c"])], deep), path)
    graph = import_model(path, {"rows": "1..64"})
    x = np.array([[1, -2, 3]], np.float32)
    weights = np.array([2, 3, 4], np.float32)
    np.testing.assert_array_equal(run_graph(graph, {"x": x})["y"], x + weights if taken == "then" else x * weights)
    assert [node.origin for node in graph.nodes] == [(f"inner_{taken}",)]


def test_an_if_that_sizes_do_not_decide_stays_until_they_do(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(with_branches([*extent_of_x(0), helper.make_node("Equal", ["extent", "n1"], ["c"])]), path)
    graph = import_model(path, {"rows": "1..64"})
    assert [node.op for node in graph.nodes] == ["eq", "if"]
    weights = np.array([2, 3, 4], np.float32)
    for rows, expected in ((1, 1 + weights), (2, weights)):
        result = run_graph(graph, {"x": np.ones((rows, 3), np.float32)})["y"]
        np.testing.assert_array_equal(result, np.broadcast_to(expected, (rows, 3)))
    assert [node.op for node in import_model(path, {"rows": "2..64"}).nodes] == ["mul"]


def test_names_of_the_model_are_kept(tmp_path: Path) -> None:
    """Every node says which ONNX node it stands for, and outputs have the model's names."""
    path = GRAPHS / "tiny-gpt2" / "model.onnx"
    proto, graph = onnx.load(path), imported(path)
    assert [name for name, _ in graph.outputs] == [output.name for output in proto.graph.output]
    names = {node.name for node in proto.graph.node}
    assert all(node.origin and set(node.origin) <= names for node in graph.nodes)
    assert {value.name for value in graph.constants() if value.data is not None and value.data.size > 1000} <= {
        tensor.name for tensor in proto.graph.initializer
    }


def test_weights_stay_in_the_mapped_file() -> None:
    graph = imported(GRAPHS / "tiny-gpt2" / "model.onnx")
    large = [value.data for value in graph.constants() if value.data is not None and value.data.nbytes >= 1024]
    assert large and not any(data.flags.owndata or data.flags.writeable for data in large)


def test_a_shape_may_be_an_output_and_a_graph_may_hand_on_its_input(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Identity", ["x"], ["same"])],
        "shapes",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["rows", 3])],
        [onnx.ValueInfoProto(name=name) for name in ("s", "same", "w")],
        [numpy_helper.from_array(np.array([1.5], np.float32), "w")],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    x = np.zeros((5, 3), np.float32)
    results = run_graph(import_model(path, {"rows": "1..8"}), {"x": x})
    assert results["s"].tolist() == [5, 3] and results["same"] is not None and results["w"].tolist() == [1.5]
