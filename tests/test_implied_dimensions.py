"""Dimensions that exporters leave open although the model fits one value alone, or values up to a table's length."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kaoken.backend.interface import KaokenBackend
from kaoken.errors import KaokenError, UsageError
from kaoken.frontend import import_model
from kaoken.session import SessionError


def saved(folder: Path, text: str, **weights: np.ndarray) -> Path:
    """A model in onnx's text form, its weights as initializers."""
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 17]>\n{text}')
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def picture(folder: Path) -> Path:
    text = "g (float[batch_size, num_channels, height, width] x) => (y) { y = Conv (x, w) }"
    return saved(folder, text, w=np.ones((4, 3, 2, 2), np.float32))


def positions(folder: Path) -> Path:
    """As CLIP's text model: a table of 10 positions is cut at the sequence's length and added."""
    text = """g (float[batch_size, sequence_length, 8] x) => (y) {
        shape = Shape (x)
        length = Slice (shape, one, two)
        rows = Slice (table, zero, length, zero)
        y = Add (x, rows)
    }"""
    numbers = {name: np.array([n], np.int64) for n, name in enumerate(("zero", "one", "two"))}
    return saved(folder, text, table=np.ones((1, 10, 8), np.float32)[0], **numbers)


def test_channels_of_a_picture_are_those_of_the_weights(tmp_path: Path) -> None:
    graph = import_model(picture(tmp_path), {"height": "8", "width": "1..9"})
    assert [str(d) for d in graph.inputs[0].shape] == ["batch_size", "3", "8", "width"]
    assert import_model(picture(tmp_path), {"height": "8", "width": "8", "num_channels": "1..4"}).inputs[0].shape[1] == 3


def test_other_channels_are_refused_with_the_ones_that_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"num_channels must be 3.*--dim num_channels=3$"):
        import_model(picture(tmp_path), {"height": "8", "width": "8", "num_channels": "4..5"})
    with pytest.raises(KaokenError, match="4 channels"):
        import_model(picture(tmp_path), {"height": "8", "width": "8", "num_channels": "4"})


@pytest.mark.parametrize(
    "given, bounds", [({}, (1, 10)), ({"sequence_length": "2..7"}, (2, 7)), ({"sequence_length": "3..99"}, (3, 10))]
)
def test_length_is_at_most_that_of_the_table_of_positions(given: dict[str, str], bounds: tuple[int, int], tmp_path: Path) -> None:
    (symbol,) = import_model(positions(tmp_path), given).inputs[0].shape[1].symbols()
    assert (symbol.lower, symbol.upper) == bounds


def test_sizes_beyond_the_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KaokenError, match=r"sequence_length and 10 .*--dim sequence_length=10$"):
        import_model(positions(tmp_path), {"sequence_length": "20..30"})


@pytest.mark.parametrize("size, expected", [(24, ["24", "24"]), ([16, 8], ["16", "8"])])
def test_pictures_are_as_large_as_the_configuration_says(size: object, expected: list[str], tmp_path: Path) -> None:
    path = picture(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"image_size": size}), encoding="utf-8")
    assert [str(d) for d in import_model(path).inputs[0].shape[2:]] == expected
    assert [str(d) for d in import_model(path, {"height": "1..40", "width": "8"}).inputs[0].shape[2:]] == ["height", "8"]


@pytest.mark.parametrize("given, least", [("1..99", 20), ("30..99", 30), ("1..19", 8), ("1..6", 1)])
def test_sound_is_long_enough_for_the_windows(given: str, least: int, tmp_path: Path) -> None:
    """So what is divided by strides is not negative, however exporters write it."""
    text = "g (float[1, 1, samples] x) => (y) { c = Conv <strides = [4]> (x, w) y = Conv <strides = [4]> (c, v) }"
    weights = {"w": np.ones((1, 1, 8), np.float32), "v": np.ones((1, 1, 4), np.float32)}
    graph = import_model(saved(tmp_path, text, **weights), {"samples": given})
    assert graph.symbols["samples"].lower == least


def test_extents_that_differ_in_being_clamped_at_0_are_equal(tmp_path: Path) -> None:
    """The length that convolutions leave, once as such and once as a number that a slice ends at."""
    text = """g (float[1, 1, samples] x) => (y) {
        c = Conv <strides = [4]> (x, w)
        shape = Shape (c)
        length = Gather (shape, two)
        counted = Range (zero, length, one)
        numbers = Cast <to = 1> (counted)
        y = Add (c, numbers)
    }"""
    numbers = {name: np.array(n, np.int64) for n, name in enumerate(("zero", "one", "two"))}
    graph = import_model(saved(tmp_path, text, w=np.ones((1, 1, 8), np.float32), **numbers), {"samples": "1..64"})
    assert graph.outputs[0][1].rank == 3


@pytest.mark.parametrize(
    ("names", "count", "hint"),
    [
        (("height", "width"), 224 * 224, "such as --dim height=224 --dim width=224"),
        (("height", "width"), 17, "with --dim height=NUMBER and --dim width=NUMBER"),
        (("boxes", "corners"), 64 * 64, "such as --dim boxes=64 --dim corners=64"),
    ],
)
def test_hint_names_dimensions_that_can_be_given(names: tuple[str, str], count: int, hint: str, tmp_path: Path) -> None:
    """Only pictures are thought to be 224 high and wide."""
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, names)
    nodes = [helper.make_node("Reshape", ["x", "flat"], ["r"]), helper.make_node("Add", ["r", "w"], ["y"])]
    weights = [
        numpy_helper.from_array(np.array([-1], np.int64), "flat"),
        numpy_helper.from_array(np.ones(count, np.float32), "w"),
    ]
    graph = helper.make_graph(nodes, "g", [info], [onnx.ValueInfoProto(name="y")], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    with pytest.raises(KaokenError, match=hint):
        import_model(tmp_path / "m.onnx", dict.fromkeys(names, "1..9"))


def test_reshape_that_fits_some_sizes_is_checked_when_called() -> None:
    """Rows padded to whole windows of 4, as windowed attention cuts them; an axis that is no multiple of 3 ends the call."""
    text = """g (float[n, 2] x, float[m] z) => (y, w) {
        shape = Shape (x)
        rows = Slice (shape, zero, one)
        over = Mod (rows, four)
        under = Sub (four, over)
        missing = Mod (under, four)
        pads = Concat <axis = 0> (noughts, missing, zero)
        padded = Pad (x, pads)
        whole = Add (rows, missing)
        windows = Div (whole, four)
        target = Concat <axis = 0> (windows, four, two)
        y = Reshape (padded, target)
        size = Shape (z)
        half = Div (size, two)
        pairs = Concat <axis = 0> (half, two)
        w = Reshape (z, pairs)
    }"""
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 17]>\n{text}')
    numbers = {"zero": [0], "one": [1], "two": [2], "four": [4], "noughts": [0, 0]}
    model.graph.initializer.extend(numpy_helper.from_array(np.array(v, np.int64), name) for name, v in numbers.items())
    prepared = KaokenBackend.prepare(model, dims={"n": "1..9", "m": "2..8"})
    for n in (1, 4, 7):
        x = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
        y, w = prepared.run([x, np.arange(6, dtype=np.float32)])
        assert y.shape == (-(-n // 4), 4, 2) and w.shape == (3, 2)
        np.testing.assert_array_equal(y.reshape(-1, 2)[:n], x)
    with pytest.raises(SessionError):
        prepared.run([x, np.arange(5, dtype=np.float32)])
