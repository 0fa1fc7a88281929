"""Strings: compared byte for byte, with bounds that hold whatever the caller gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, parser

import kaoken.backend
from kaoken.compiler import CompileOptions, lower
from kaoken.frontend import import_model
from kaoken.ir.dims import to_text
from kaoken.ir.found_sizes import largest
from kaoken.ir.interpret import run_graph
from kaoken.session import Session, SessionError

WORDS = ["", "a", "ab", "ba", "Grüße", "Gruß", "日本", "a\0b", "a\0c"]


def session_of(text: str) -> Session:
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 4)]
    model = helper.make_model(parser.parse_graph(f"g {text}"), opset_imports=opsets, ir_version=10)
    dims = {"n": "0..16", "x_bytes": "0..128"} | ({"other": "0..16", "z_bytes": "0..128"} if "string[other] z" in text else {})
    return kaoken.backend.prepare(model, dims=dims).session


EQUAL = "(string[n,1] x, string[other] z) => (bool[n,other] y) { y = Equal (x, z) }"


def test_strings_are_equal_byte_for_byte_with_broadcasting() -> None:
    session = session_of(EQUAL)
    assert [(node.name, node.type, node.shape) for node in session.get_inputs()] == [
        ("x", "tensor(string)", ["n", 1]),
        ("z", "tensor(string)", ["other"]),
    ]
    x = np.array(WORDS, object)
    (y,) = session.run(None, {"x": x[:, None], "z": x[::-1]})
    np.testing.assert_array_equal(y, x[:, None] == x[::-1])
    (y,) = session.run(None, {"x": x[:0, None], "z": x})
    assert y.shape == (0, len(WORDS))
    with pytest.raises(ValueError, match="the model takes strings"):
        session.run(None, {"x": np.zeros((2, 1)), "z": x})


@pytest.mark.parametrize("ends", [[3, 2], [-1, 4], [2, 5], [2**63 - 1, 4], [-(2**63), 4]])
def test_ends_that_lie_end_the_call(ends: list[int]) -> None:
    feed = {"x.bytes": np.zeros(4, np.uint8), "x.ends": np.array(ends)[:, None]}
    session = session_of(EQUAL)
    with pytest.raises(SessionError):
        session.bind(None, feed | {"z.bytes": np.zeros(1, np.uint8), "z.ends": np.array([1])})()


def test_label_encoder_looks_strings_up() -> None:
    keys = [word for word in WORDS if "\0" not in word]
    node = helper.make_node(
        "LabelEncoder",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        keys_strings=[*keys, "a"],
        values_floats=[*map(float, range(len(keys))), 50.0],
        default_float=-2.5,
    )
    x = helper.make_tensor_value_info("x", onnx.TensorProto.STRING, ["n"])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n"])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 4)]
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=opsets, ir_version=10)
    session = kaoken.backend.prepare(model, dims={"n": "0..32", "x_bytes": "0..128"}).session
    given = [*keys, "b", "A", "Gru"]
    (labels,) = session.run(None, {"x": np.array(given)})
    assert labels.tolist() == [50.0 if word == "a" else float(keys.index(word)) if word in keys else -2.5 for word in given]


def test_strings_are_put_together_and_given_back() -> None:
    session = session_of(
        """(string[n,1] x, string[other] z) => (string[n,1] w, string[n,other] y) {
        w = Identity (x)
        a = StringConcat (x, z)
        y = StringConcat (a, x) }"""
    )
    x = np.array(WORDS, object)
    for rows, columns in ((len(WORDS), len(WORDS)), (1, 3), (2, 0), (0, 2)):
        w, y = session.run(None, {"x": x[:rows, None], "z": x[:columns]})
        assert w.tolist() == x[:rows, None].tolist()
        assert y.shape == (rows, columns)
        assert y.tolist() == [[a + b + a for b in x[:columns]] for a in x[:rows]]


def test_strings_beyond_their_bound_end_the_call() -> None:
    opsets = [helper.make_opsetid("", 21)]
    graph = parser.parse_graph("g (string[n] x) => (string[n] y) { y = StringConcat (x, x) }")
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = kaoken.backend.prepare(model, dims={"n": "0..4", "x_bytes": "0..16", "y_bytes": "0..6"}).session
    (y,) = session.run(None, {"x": np.array(["abc"])})
    assert y.tolist() == ["abcabc"]
    with pytest.raises(SessionError):
        session.run(None, {"x": np.array(["abc", "d"])})


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("(string[n] x, string[n] z) => (string[n] y) { y = StringConcat (x, z) }", "x_bytes + z_bytes"),
        ("(string[n,1] x, string[other] z) => (string[n,other] y) { y = StringConcat (x, z) }", "n*z_bytes + other*x_bytes"),
        ("(string[n] x) => (string[n] y) { y = Identity (x) }", "x_bytes"),
        ("(string[n] x, int64[other] i) => (string[other] y) { y = Gather (x, i) }", "other*x_bytes"),
    ],
)
def test_bytes_of_a_result_are_bounded_by_the_strings_that_it_is_made_of(text: str, most: str, tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(parser.parse_graph(f"g {text}"), opset_imports=opsets, ir_version=10), tmp_path / "model.onnx")
    dims = {"n": "0..4", "other": "0..4", "x_bytes": "0..16", "z_bytes": "0..16"}
    graph = import_model(tmp_path / "model.onnx", {name: bound for name, bound in dims.items() if name.partition("_")[0] in text})
    bound = largest(dict(graph.outputs)["y.bytes"].shape[0])
    assert bound is not None and to_text(bound) == most


def test_stop_words_are_left_out() -> None:
    session = session_of(
        """(string[n] x) => (string[k] y) {
        y = StringNormalizer <is_case_sensitive = 1, stopwords = ["a", "日本"]> (x) }"""
    )
    for given in (WORDS, ["a", "A", "日本"], ["a", "a"], []):
        (y,) = session.run(None, {"x": np.array(given, object)})
        assert y.tolist() == ([word for word in given if word not in ("a", "日本")] or [""])


@pytest.mark.parametrize(
    ("delimiter", "most"), [("", -1), ("", 0), ("", 1), ("aa", -1), ("aa", 1), ("é", -1), (" ", 2), ("xyz", 0)]
)
def test_strings_are_split_as_python_splits_them(delimiter: str, most: int) -> None:
    settings = f'<delimiter = "{delimiter}"' + (f", maxsplit = {most}>" if most >= 0 else ">")
    session = session_of(f"(string[n] x) => (string[n,k] y, int64[n] z) {{ y, z = StringSplit {settings} (x) }}")
    given = [
        "",
        " ",
        "a",
        "aaaaa",
        " a  b c ",
        "é aaé\u3000\u2003b\x1c",
        "aa",
        "\u00a0x\u0085y\u1680",
        "日本 ééé",
        "x\u200by\u2029",
    ]
    for texts in (given, given[:2], given[3:4], []):
        y, z = session.run(None, {"x": np.array(texts, object)})
        expected = [text.split(delimiter or None, most) for text in texts]
        assert z.tolist() == [len(pieces) for pieces in expected]
        width = max(map(len, expected), default=0)
        assert y.shape == (len(texts), width)
        assert y.tolist() == [pieces + [""] * (width - len(pieces)) for pieces in expected]


def test_the_meaning_of_splitting_on_arrays_is_the_compiled_one(tmp_path: Path) -> None:
    text = "(string[n] x) => (string[n,k] y, int64[n] z) { y, z = StringSplit <maxsplit = 1> (x) }"
    model = helper.make_model(parser.parse_graph(f"g {text}"), opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, tmp_path / "m.onnx")
    graph = lower(tmp_path / "m.onnx", CompileOptions(dims={"n": "0..16", "x_bytes": "0..128"}, bare=True), "m")
    texts = [" a  b c ", "é", "", "x\u3000y"]
    data, ends = np.frombuffer("".join(texts).encode(), np.uint8), np.cumsum([len(t.encode()) for t in texts])
    found = run_graph(graph, {"x.bytes": data, "x.ends": ends})
    y, z = session_of(text).run(None, {"x": np.array(texts, object)})
    np.testing.assert_array_equal(found["z"], z)
    np.testing.assert_array_equal(found["y.ends"], np.cumsum([len(piece.encode()) for piece in y.reshape(-1)]).reshape(y.shape))
    assert found["y.bytes"].tobytes().decode() == "".join(y.reshape(-1))
