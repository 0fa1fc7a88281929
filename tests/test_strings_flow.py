"""Strings in control flow, sequences and optionals, and class labels, maps and tables of strings."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from string_cases import model_of

import kaoken.backend
from kaoken.errors import UnsupportedModelError
from kaoken.session import Session, SessionError

TEXT = np.array(["a", "é", "", "日本"], object)


def session_of(model: onnx.ModelProto, **more: str) -> Session:
    return kaoken.backend.prepare(model, dims=more).session


def strings_info(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.STRING, shape)


def test_a_branch_gives_strings_of_its_own() -> None:
    then = helper.make_graph([helper.make_node("StringConcat", ["x", "x"], ["t"])], "then", [], [strings_info("t", "n")])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["o"])], "other", [], [strings_info("o", "n")])
    model = model_of([], {"x": "string[n]", "c": "bool"}, ["y"])
    model.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other))
    run = session_of(model)
    for condition in (True, False):
        (y,) = run.run(None, {"x": TEXT, "c": np.array(condition)})
        assert y.tolist() == [t + t if condition else t for t in TEXT]


def test_a_loop_carries_strings_that_grow() -> None:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("StringConcat", ["state", "x"], ["next"]),
            helper.make_node("Identity", ["i"], ["seen"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            strings_info("state", "n"),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            strings_info("next", "n"),
            helper.make_tensor_value_info("seen", TensorProto.INT64, []),
        ],
    )
    model = model_of(["m = Constant <value_int = 3> ()"], {"x": "string[n]"}, ["y"])
    model.graph.node.append(helper.make_node("Loop", ["m", "", "x"], ["y", "i_seen"], body=body))
    (y,) = session_of(model, next_bytes="0..256").run(None, {"x": TEXT})
    assert y.tolist() == [t * 4 for t in TEXT]


def sequence_info(name: str, *shape: int | str | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_sequence_value_info(name, TensorProto.STRING, shape)


def test_sequences_of_strings_go_in_and_out() -> None:
    nodes = [
        helper.make_node("SequenceInsert", ["s", "x"], ["r"]),
        helper.make_node("SequenceAt", ["r", "p"], ["y"]),
        helper.make_node("Identity", ["r"], ["z"]),
    ]
    inputs = [sequence_info("s", None), strings_info("x", "n"), helper.make_tensor_value_info("p", TensorProto.INT64, [])]
    graph = helper.make_graph(nodes, "g", inputs, [strings_info("y", None), sequence_info("z", None)])
    run = session_of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    given: list[Any] = [TEXT[:2], TEXT[1:]]
    for place in (0, 1, 2, -3):
        y, z = run.run(None, {"s": given, "x": TEXT, "p": np.array(place)})
        assert y.tolist() == [*given, TEXT][place].tolist()
        assert [item.tolist() for item in z] == [item.tolist() for item in [*given, TEXT]]


MAPPED = [
    ("LabelEncoder", {"keys_strings": ["a", "日本"], "values_strings": ["x", "é"]}, ["x", "_Unused", "_Unused", "é"]),
    ("LabelEncoder", {"keys_strings": ["a", ""], "values_int64s": [5, 7], "default_int64": 1}, [5, 1, 7, 1]),
    ("CategoryMapper", {"cats_strings": ["a", "é"], "cats_int64s": [5, 7]}, [5, 7, -1, -1]),
    ("OneHotEncoder", {"cats_strings": ["é", "a"]}, [[0, 1], [1, 0], [0, 0], [0, 0]]),
]


def learned(op: str, attrs: dict[str, Any], inputs: dict[str, str], outputs: list[str]) -> onnx.ModelProto:
    model = model_of([], inputs, outputs)
    model.graph.node.append(helper.make_node(op, list(inputs), outputs, domain="ai.onnx.ml", **attrs))
    return model


@pytest.mark.parametrize(("op", "attrs", "expected"), MAPPED, ids=[f"{op}{n}" for n, (op, _, _) in enumerate(MAPPED)])
def test_strings_are_looked_up(op: str, attrs: dict[str, Any], expected: list[Any]) -> None:
    (y,) = session_of(learned(op, attrs, {"x": "string[n]"}, ["y"])).run(None, {"x": TEXT})
    assert y.tolist() == expected


def test_a_category_that_is_none_ends_the_call() -> None:
    run = session_of(learned("OneHotEncoder", {"cats_strings": ["a", "é"], "zeros": 0}, {"x": "string[n]"}, ["y"]))
    assert run.run(None, {"x": TEXT[:2]})[0].tolist() == [[1, 0], [0, 1]]
    with pytest.raises(SessionError):
        run.run(None, {"x": TEXT})


LINEAR = {"coefficients": [0.5, -1.0, 2.0, 0.1, 0.3, -0.2], "intercepts": [0.2, 0.1, -0.1]}


@pytest.mark.parametrize("labels", [{"classlabels_strings": ["a", "é", "日本"]}, {"classlabels_ints": [3, 1, 2]}])
def test_labels_and_maps_are_those_of_onnxruntime(labels: dict[str, Any]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = learned("LinearClassifier", {**LINEAR, **labels, "post_transform": "SOFTMAX"}, {"x": "float[n,2]"}, ["y", "z"])
    keys = {name.replace("ints", "int64s"): value for name, value in labels.items()}
    model.graph.node.append(helper.make_node("ZipMap", ["z"], ["m"], domain="ai.onnx.ml", **keys))
    model.graph.output.append(onnx.ValueInfoProto(name="m"))
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    theirs = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    run = session_of(model)
    y, z, maps = run.run(None, {"x": x})
    assert y.tolist() == list(theirs[0])
    np.testing.assert_allclose(z, theirs[1], rtol=1e-5)
    assert [row == pytest.approx(other, rel=1e-5) for row, other in zip(maps, theirs[2], strict=True)] == [True] * len(x)
    assert run.get_outputs()[2].type.startswith("seq(map(")


REFUSED = [
    ("ReduceMax", "", "of strings is not supported"),
    ("DictVectorizer", "ai.onnx.ml", "its input is a map"),
    ("NonZero", "", "of strings is not supported"),
]


@pytest.mark.parametrize(("op", "domain", "why"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_has_no_meaning_on_strings_is_refused_by_name(op: str, domain: str, why: str) -> None:
    model = model_of([], {"x": "string[n]"}, ["y"])
    model.graph.node.append(helper.make_node(op, ["x"], ["y"], name="one", domain=domain))
    with pytest.raises(UnsupportedModelError, match=f"one.*{op}.*{why}"):
        kaoken.backend.prepare(model)


@pytest.mark.parametrize("pattern", ["(?=a)b", "(a)\\1", "a**", "(?<!x)", "[b-a]", "\\p{Klingon}", "(a|b", "x{9999}"])
def test_patterns_that_are_no_table_are_refused(pattern: str) -> None:
    model = model_of([], {"x": "string[n]"}, ["y"])
    model.graph.node.append(helper.make_node("RegexFullMatch", ["x"], ["y"], name="one", pattern=pattern))
    with pytest.raises(UnsupportedModelError, match="the pattern"):
        kaoken.backend.prepare(model)


SIGMAS = ["Σ", "ΩΣ", "ΩΣ.", "ΩΣΩ", "Ω.Σ", "Ω'Σ'", "Ω'Σ'Ω", "ΩΣ ΩΣΣ", "\u00adΣ", "ΩΣ\u0301", "ΩΣ\u0301Ω", "ʰΣ"]


def test_case_is_what_python_makes_of_every_letter() -> None:
    actions = {"u": "UPPER", "l": "LOWER"}
    nodes = [f'{name} = StringNormalizer <case_change_action = "{action}"> (x)' for name, action in actions.items()]
    bounds = {"n": "0..4096", "x_bytes": "0..32768", "u_bytes": "0..98304", "l_bytes": "0..98304"}
    run = session_of(model_of(nodes, {"x": "string[n]"}, list(actions)), **bounds)
    letters = [c for c in map(chr, range(0x20000)) if not 0xD800 <= ord(c) < 0xE000 and (c.upper() != c or c.lower() != c)]
    given = [*letters, *SIGMAS]
    upper, lower = run.run(None, {"x": np.array(given, object)})
    assert upper.tolist() == [text.upper() for text in given]
    assert lower.tolist() == [text.lower() for text in given]


PATTERNS = [
    "(a|b)*abb",
    r"^a+$|\bab\b.*",
    r"\w+\s\w+",
    r"[^ab]{2,3}?",
    r"\Ba|b\B",
    "(?m)^a$\n^b*$",
    "(?s)a.b",
    "(?i)AB+",
    "",
    r"(\W|^)a(\W|$)",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_what_python_matches(pattern: str) -> None:
    """On ASCII, where RE2's and Python's meaning is the same."""
    model = model_of([], {"x": "string[n]"}, ["y"])
    model.graph.node.append(helper.make_node("RegexFullMatch", ["x"], ["y"], pattern=pattern))
    drawn = np.random.default_rng(0)
    texts = ["", *("".join(drawn.choice(list("ab \n_B"), n)) for n in drawn.integers(1, 7, 1500))]
    (y,) = session_of(model, n="0..2048", x_bytes="0..16384").run(None, {"x": np.array(texts, object)})
    assert y.tolist() == [re.fullmatch(pattern, text, re.ASCII) is not None for text in texts]
