"""Sequences and optionals: as lists that leave nothing behind, and as tensors where only a call knows, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, parser

import kaoken.backend
from kaoken.errors import UnsupportedModelError
from kaoken.frontend import import_model
from kaoken.session import SessionError

onnxruntime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(3)


def model_of(text: str, opset: int = 18) -> onnx.ModelProto:
    graph = parser.parse_graph(f"g {text}")
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def tensors(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [RNG.standard_normal(shape).astype(np.float32) for shape in shapes]


def integer(value: int) -> np.ndarray:
    return np.array(value, np.int64)


LISTS = {
    "made of tensors, changed and taken apart": """(float[2,3] a, float[2,3] b) => (y, z, n) {
        zero = Constant <value_int = 0> ()
        last = Constant <value_int = -1> ()
        s = SequenceConstruct (a, b)
        t = SequenceInsert (s, b, zero)
        u = SequenceErase (t, last)
        v = SequenceAt (u, last)
        y = ConcatFromSequence <axis = 1> (t)
        w = ConcatFromSequence <axis = -1, new_axis = 1> (u)
        z = Add (w, w)
        n = SequenceLength (u) }""",
    "split, mapped and joined": """(float[5,4] x, float[4] b) => (y, z) {
        two = Constant <value_int = 2> ()
        s = SplitToSequence <axis = 0> (x, two)
        m = SequenceMap (s, b) <body = f (float[r,4] e, float[4] c) => (float[r,4] d) { h = Add (e, c) d = Relu (h) }>
        y = ConcatFromSequence <axis = 0> (m)
        rows = SplitToSequence <axis = 1, keepdims = 0> (x)
        z = ConcatFromSequence <axis = 0, new_axis = 1> (rows) }""",
    "an optional that is there": """(float[3] x) => (y, h) {
        o = Optional (x)
        h = OptionalHasElement (o)
        g = OptionalGetElement (o)
        y = Neg (g) }""",
}


@pytest.mark.parametrize("name", LISTS)
def test_sequences_that_are_known_when_compiling_leave_no_trace(name: str, tmp_path: Any) -> None:
    model = model_of(LISTS[name])
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    graph = import_model(path)
    assert not graph.composed
    assert not [node for node in graph.every_node() if node.op in ("loop", "if", "size")]
    shapes = [[int(d.dim_value) for d in i.type.tensor_type.shape.dim] for i in model.graph.input]
    _compare(model, [{i.name: a for i, a in zip(model.graph.input, tensors(*map(tuple, shapes)), strict=True)}])


RAGGED: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "changed at places that the call gives": (
        """(seq(float[n,m]) s, float[k,2] x, int64 i, int64 j) => (seq(float[?,?]) t, seq(float[?,?]) u, float[?,?] y, int64 c) {
        t = SequenceInsert (s, x, i)
        u = SequenceErase (t, j)
        y = SequenceAt (t, j)
        c = SequenceLength (u) }""",
        [
            {"s": tensors((2, 3), (1, 1)), "x": tensors((4, 2))[0], "i": integer(1), "j": integer(-1)},
            {"s": tensors((2, 3), (1, 1)), "x": tensors((1, 2))[0], "i": integer(-2), "j": integer(0)},
        ],
    ),
    "joined along each axis": (
        """(seq(float[n,m]) s) => (float[?,?] a, float[?,?,?] c, float[?,?,?] d) {
        a = ConcatFromSequence <axis = 0> (s)
        c = ConcatFromSequence <axis = 1, new_axis = 1> (s)
        d = ConcatFromSequence <axis = -1, new_axis = 1> (s) }""",
        [{"s": tensors((2, 3), (2, 3), (2, 3))}, {"s": tensors((1, 5))}],
    ),
    "of different widths": (
        "(seq(float[n,m,3]) s) => (float[?,?,3] y) { y = ConcatFromSequence <axis = 1> (s) }",
        [{"s": tensors((2, 3, 3), (2, 1, 3), (2, 4, 3))}],
    ),
    "split into pieces of a size that the call gives": (
        """(float[2,r,3] x, int64 p) => (seq(float[?,?,?]) s, float[?,?,?] y) {
        s = SplitToSequence <axis = 1> (x, p)
        y = ConcatFromSequence <axis = 1> (s) }""",
        [{"x": tensors((2, 7, 3))[0], "p": integer(p)} for p in (1, 3, 7)],
    ),
    "each row by itself": (
        "(float[r,3] x) => (seq(float[3]) s) { s = SplitToSequence <axis = 0, keepdims = 0> (x) }",
        [{"x": tensors((4, 3))[0]}],
    ),
    "a loop that appends": (
        """(int64 count, seq(float[n]) s) => (seq(float[?]) t) {
        yes = Constant <value = bool {1}> ()
        t = Loop (count, yes, s) <body = b (int64 i, bool c, seq(float[?]) g) => (bool d, seq(float[?]) h) {
            d = Identity (c)
            x = SequenceAt (g, i)
            w = Concat <axis = 0> (x, x)
            h = SequenceInsert (g, w) }> }""",
        [{"count": integer(n), "s": tensors((2,), (1,))} for n in (0, 1, 3)],
    ),
    "one of two branches": (
        """(bool c, float[3] x, float[2,2] z, seq(float) s) => (seq(float) y, int64 n) {
        y = If (c) <then_branch = t () => (seq(float) a) { a = SequenceConstruct (x, x) },
                    else_branch = e () => (seq(float) b) { b = SequenceInsert (s, z) }>
        n = SequenceLength (y) }""",
        [{"c": np.array(c), "x": tensors((3,))[0], "z": tensors((2, 2))[0], "s": tensors((), (1, 2, 3))} for c in (True, False)],
    ),
}


@pytest.mark.parametrize("name", RAGGED)
def test_sequences_whose_length_and_shapes_the_call_gives(name: str) -> None:
    text, feeds = RAGGED[name]
    _compare(model_of(text), feeds)


def _compare(model: onnx.ModelProto, feeds: list[dict[str, Any]]) -> None:
    ours = kaoken.backend.prepare(model)
    for feed in feeds:
        for got, expected in zip(ours.run(feed), _expected(model, feed), strict=True):
            pairs = list(zip(got, expected, strict=True)) if isinstance(expected, list) else [(got, expected)]
            for a, b in pairs:
                assert a.dtype == np.asarray(b).dtype
                np.testing.assert_array_equal(a, b)


def _expected(model: onnx.ModelProto, feed: dict[str, Any]) -> list[Any]:
    onnxruntime.set_default_logger_severity(3)
    return list(onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed))


def test_an_empty_sequence_takes_a_tensor_and_gives_it_back() -> None:
    text, _ = RAGGED["changed at places that the call gives"]
    (x,) = tensors((3, 2))
    t, u, y, count = kaoken.backend.prepare(model_of(text)).run({"s": [], "x": x, "i": integer(0), "j": integer(0)})
    assert [a.tolist() for a in t] == [x.tolist()] and u == [] and y.tolist() == x.tolist() and count == 0


def test_session_takes_lists_and_says_what_does_not_fit() -> None:
    model = model_of(
        """(seq(float[n]) s, optional(float[2]) o) => (bool h, seq(float[n]) t, optional(float[2]) p) {
        h = OptionalHasElement (o)
        t = Identity (s)
        p = Identity (o) }"""
    )
    run = kaoken.backend.prepare(model).session.run
    session = kaoken.backend.prepare(model).session
    assert [(n.name, n.type) for n in session.get_inputs()] == [("s", "seq(tensor(float))"), ("o", "optional(tensor(float))")]
    s, (x,) = tensors((2,), (0,)), tensors((2,))
    there, same, held = run(None, {"s": s, "o": x})
    assert there and [a.tolist() for a in same] == [a.tolist() for a in s] and held.tolist() == x.tolist()
    missing, held = run(["h", "p"], {"s": s})
    assert not missing and held is None
    for feed, words in [
        ({"o": None}, "input s is missing"),
        ({"s": x}, "takes a list of arrays"),
        ({"s": [x.astype(np.float64)]}, "tensor 0 of input s is float64"),
        ({"s": tensors((1,) * 9)}, "9 axes"),
        ({"s": [x] * 65}, "outside"),
    ]:
        with pytest.raises(ValueError, match=words):
            run(None, feed)


@pytest.mark.parametrize(
    ("shapes", "position"),
    [
        ([[1, 3]], 0),  # more than there are elements
        ([[1, -3]], 0),
        ([[2, 1, 2]], 0),  # not the rank that the model declares
        ([[1, 2]], 1),
        ([[1, 2]], -2),
        ([[1, 2**62], [1, 4]], 1),
        ([], 0),
    ],
)
def test_records_that_lie_end_the_call(shapes: list[list[int]], position: int) -> None:
    session = kaoken.backend.prepare(model_of("(seq(float[n]) s, int64 i) => (float[n] y) { y = SequenceAt (s, i) }")).session
    rows = np.ones((len(shapes), 9), np.int64)
    for row, shape in zip(rows, shapes, strict=True):
        row[: len(shape)] = shape
    feed = {"s.values": np.ones(2, np.float32), "s.shapes": rows, "i": integer(position)}
    with pytest.raises(SessionError):
        session.bind(["y"], feed)()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(seq(seq(float)) s) => (seq(seq(float)) t) { t = Identity (s) }", "sequences of a sequence are not supported"),
        ("(seq(float[2]) s) => (float[2] y) { y = Relu (s) }", "takes tensors, and is given a sequence"),
        (
            "(float[2] x) => (float[2] y) { i = Constant <value_int = 1> () s = SequenceConstruct (x) y = SequenceAt (s, i) }",
            "pos",
        ),
        ("(float[2] x, int64[2] z) => (y) { s = SequenceConstruct (x, z) y = SequenceLength (s) }", "different element types"),
        (
            "(bool c, float[2] x) => (y) { y = If (c) <then_branch = t () => (float[2] a) { a = Identity (x) },"
            " else_branch = e () => (seq(float[2]) b) { b = SequenceConstruct (x) }> }",
            "a tensor at one time and a sequence",
        ),
    ],
)
def test_what_cannot_be_is_named(text: str, words: str) -> None:
    with pytest.raises(UnsupportedModelError, match=words):
        kaoken.backend.prepare(model_of(text))
