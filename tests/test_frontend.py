"""Every kept graph of both exporters imports, and its formulas give what its operators mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from models_fixture import DIMS, GRAPHS, graph_files, graph_id

from kaoken.errors import UnsupportedModelError
from kaoken.frontend import import_model
from kaoken.ir.graph import Graph
from kaoken.ir.interpret import dims_of, interpret, known_array
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


def test_an_if_on_data_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        import_model(MERGED, overrides_of(MERGED))
    assert "optimum::if: If: its condition use_cache_branch is only known at run time" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
