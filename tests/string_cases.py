"""Models of many small uses of strings, and their expected results: NumPy's, Python's or onnxruntime's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import helper, parser

import kaoken.backend
from kaoken.session import Session

WORDS = np.array(
    ["", "a", "ab", "ba", "Grüße", "Gruß", "日本", "a\0b", "a\0c", "\U0001f600", "Zz", "a"],
    object,
).reshape(3, 4)
NUMBERS = np.array(["1.5", "-2e3", " .25 ", "+INF", "nan", "1e-45", "3.4028235e38", "0.1", "9007199254740993", "-0"], object)


@dataclass(frozen=True)
class Row:
    """One node, or a few, on the inputs of `INPUTS`: its text in ONNX's textual form, with {y} for each result."""

    text: str
    expected: Any


def model_of(nodes: list[str], inputs: dict[str, str], outputs: list[str], opset: int = 21) -> onnx.ModelProto:
    """A model in the textual form; results have no declared type."""
    head = ", ".join(f"{shape} {name}" for name, shape in inputs.items())
    graph = parser.parse_graph(f"g ({head}) => () {{ {' '.join(nodes)} }}")
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 4)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


INPUTS = {
    "x": "string[3,4]",
    "w": "string[4]",
    "i": "int64[2]",
    "b": "bool[3,4]",
    "f": "float[6]",
    "d": "double[6]",
    "h": "float16[6]",
    "n": "int64[3]",
    "u": "uint64[2]",
    "t": "string[10]",
    "c": "string[3]",
}
FEEDS: dict[str, np.ndarray] = {
    "x": WORDS,
    "w": np.array(["a", "日本", "", "zz"], object),
    "i": np.array([2, -1]),
    "b": (np.arange(12) % 3 == 0).reshape(3, 4),
    "f": np.array([0.1, -1e16, 1e-5, 123456789, np.nan, -np.inf], np.float32),
    "d": np.array([0.1, 5e-324, 1.7976931348623157e308, -0.0, 2.5, 9007199254740993.0]),
    "h": np.array([0.1, 65504, 6e-8, -2, 1 / 3, 0], np.float16),
    "n": np.array([0, -(2**63), 2**63 - 1]),
    "u": np.array([2**64 - 1, 7], np.uint64),
    "t": NUMBERS,
    "c": np.array(["12", " -7 ", "+0"], object),
}


def _scattered() -> np.ndarray:
    result = WORDS.copy()
    result[[2, 1], :] = np.stack([FEEDS["w"], FEEDS["w"]])
    return result


def _texts(x: np.ndarray) -> np.ndarray:
    """Numbers as Python writes the shortest decimal that rounds to them."""
    shortest = [float(np.format_float_scientific(item)) if x.dtype.kind == "f" else item for item in x.reshape(-1)]
    return np.array([str(item) for item in shortest], object).reshape(x.shape)


X, W, C = WORDS, FEEDS["w"], FEEDS["c"]
ROWS = [
    Row("{y} = Identity (x)", X),
    Row("s = Constant <value_ints = [2, -1, 2]> () {y} = Reshape (x, s)", X.reshape(2, 3, 2)),
    Row("{y} = Flatten <axis = 0> (x)", X.reshape(1, 12)),
    Row("{y} = Transpose (x)", X.T),
    Row("s = Constant <value_ints = [1]> () {y} = Unsqueeze (x, s)", X[:, None]),
    Row("s = Constant <value_ints = [2, 3, 4]> () {y} = Expand (x, s)", np.broadcast_to(X, (2, 3, 4))),
    Row("s = Constant <value_ints = [1, 2]> () {y} = Tile (x, s)", np.tile(X, (1, 2))),
    Row("{y} = Concat <axis = 1> (x, x)", np.concatenate([X, X], 1)),
    Row("k = Constant <value_strings = [\"q\", \"ré\"]> () {y} = Concat <axis = 0> (w, k, c)",
        np.array([*W, "q", "ré", *C], object)),
    Row("a = Constant <value_ints = [2, 3]> () e = Constant <value_ints = [-9, 0]> () s = Constant <value_ints = [-1, -2]> ()"
        " o = Constant <value_ints = [0, 1]> () {y} = Slice (x, a, e, o, s)", X[2::-1, 3:0:-2]),
    Row("l, {y} = Split <axis = 1, num_outputs = 2> (x)", X[:, 2:]),
    Row("{y} = Gather <axis = 0> (x, i)", X[[2, -1]]),
    Row("j = Constant <value = int64[1,2] {3, -4}> () {y} = GatherElements <axis = 1> (x, j)", X[:1, [3, 0]]),
    Row("j = Constant <value = int64[2,2] {2, 1, -3, 0}> () {y} = GatherND (x, j)", np.array([X[2, 1], X[0, 0]], object)),
    Row("p = Constant <value_ints = [1, 0, 0, 2]> () {y} = Pad (x, p)", np.pad(X, ((1, 0), (0, 2)), constant_values="")),
    Row("p = Constant <value_ints = [0, 1, 0, 0]> () k = Constant <value_string = \"é\"> () {y} = Pad (x, p, k)",
        np.pad(X, ((0, 0), (1, 0)), constant_values="é")),
    Row("p = Constant <value_ints = [0, 2, 0, 2]> () {y} = Pad <mode = \"reflect\"> (x, p)",
        np.pad(X, ((0, 0), (2, 2)), "reflect")),
    Row("{y} = Where (b, x, w)", np.where(FEEDS["b"], X, W)),
    Row("k = Constant <value = bool[3] {1, 0, 1}> () {y} = Compress <axis = 0> (x, k)", X[[0, 2]]),
    Row("j = Constant <value = int64[2,1] {2, 1}> () k = Constant <value_ints = [2, 4]> () q = Expand (w, k)"
        " {y} = ScatterND (x, j, q)", _scattered()),
    Row("l = Constant <value_ints = [2, 1, 3, 0]> () {y} = ReverseSequence <time_axis = 0, batch_axis = 1> (x, l)",
        np.stack([np.append(X[:n, m][::-1], X[n:, m]) for m, n in enumerate([2, 1, 3, 0])], 1)),
    Row("s = Constant <value_ints = [2, 3]> () {y} = CenterCropPad (x, s)", X[:2, :3]),
    Row("{y} = Shape (x)", np.array([3, 4])),
    Row("{y} = Size (x)", np.array(12)),
    Row("{y} = Equal (x, w)", X == W),
    Row("{y}, j, v, k = Unique (x)", np.unique(X.astype(str)).astype(object)),
    Row("l, {y}, v, k = Unique <sorted = 0> (x)", np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])),
    Row("l, j, {y}, k = Unique (x)", np.unique(X.astype(str), return_inverse=True)[1].reshape(-1)),
    Row("l, j, v, {y} = Unique (x)", np.unique(X.astype(str), return_counts=True)[1]),
    Row("k = Concat <axis = 0> (x, x) {y}, j, v, m = Unique <axis = 0> (k)", np.array(sorted(X.tolist()), object)),
    Row("s = SequenceConstruct (w, c, w) p = Constant <value_int = 2> () l = SequenceAt (s, p) {y} = Identity (l)", W),
    Row("s = SequenceConstruct (w, c) {y} = ConcatFromSequence <axis = 0> (s)", np.array([*W, *C], object)),
    Row("e = SequenceEmpty <dtype = 8> () s = SequenceInsert (e, c)"
        " r = SequenceInsert (s, w) {y} = SequenceLength (r)", np.array(2)),
    Row("s = SplitToSequence <axis = 0, keepdims = 0> (x) p = Constant <value_int = -1> () {y} = SequenceAt (s, p)", X[-1]),
    Row("{y} = StringConcat (x, w)", X + W),
    Row("k = StringConcat (x, x) l, m = StringSplit <delimiter = \"a\"> (k) {y} = Identity (m)",
        np.array([len((t + t).split("a")) for t in X.reshape(-1)]).reshape(X.shape)),
    Row("{y} = Cast <to = 8> (f)", _texts(FEEDS["f"])),
    Row("{y} = Cast <to = 8> (d)", _texts(FEEDS["d"])),
    Row("{y} = Cast <to = 8> (h)", _texts(FEEDS["h"])),
    Row("{y} = Cast <to = 8> (n)", _texts(FEEDS["n"])),
    Row("{y} = Cast <to = 8> (u)", _texts(FEEDS["u"])),
    Row("{y} = CastLike (b, x)", _texts(FEEDS["b"])),
    Row("{y} = Cast <to = 1> (t)", np.array([np.float32(text) for text in NUMBERS])),
    Row("{y} = Cast <to = 11> (t)", np.array([np.float64(text) for text in NUMBERS])),
    Row("{y} = CastLike (c, i)", np.array([12, -7, 0])),
    Row("{y} = Cast <to = 3> (c)", np.array([12, -7, 0], np.int8)),
    Row("k = Cast <to = 8> (d) {y} = Cast <to = 11> (k)", FEEDS["d"]),
    Row("{y} = StringNormalizer <case_change_action = \"UPPER\"> (w)", np.array([t.upper() for t in W], object)),
    Row("k = Reshape (x, z) {y} = StringNormalizer <case_change_action = \"LOWER\", stopwords = [\"AB\", \"gruSS\", \"日本\"]>"
        " (k)",
        np.array([t.lower() for t in X.reshape(-1) if t.lower() not in ("ab", "gruss", "日本")], object)),
    Row("{y} = RegexFullMatch <pattern = \"[[:alpha:]]*|\\\\p{Han}+|a.b\"> (x)",
        np.isin(X, ["", "a", "ab", "ba", "Zz", "日本", "a\0b"])),
    Row("k = Reshape (x, z) {y} = TfIdfVectorizer <mode = \"TF\", min_gram_length = 1, max_gram_length = 2, max_skip_count = 0,"
        " ngram_counts = [0, 3], ngram_indexes = [0, 1, 2, 3], pool_strings = [\"a\", \"Gruß\", \"q\", \"a\", \"ab\"]> (k)",
        np.array([2, 1, 0, 1], np.float32)),
]  # fmt: skip
"""What strings give in every operator that takes them. z: the shape [12]."""


def nodes_of(number: int, row: Row) -> str:
    """A row's nodes with names of their own."""
    names = {f"{name}" for name in "abcdefghijklmnopqrstuvwxyz"} - set(INPUTS) - {"z"}
    text = row.text.replace("{y}", f"y{number}")
    made = {part.strip() for line in text.replace(")", ")\n").split("\n") for part in line.partition("=")[0].split(",")}
    tokens: list[str] = []
    quoted = False
    for piece in _pieces(text):
        quoted ^= piece == '"'
        tokens.append(f"{piece}_{number}" if piece in names & made and not quoted else piece)
    return "".join(tokens)


def _pieces(text: str) -> list[str]:
    return re.findall(r"\w+|.", text, re.DOTALL)


@cache
def session(flags: tuple[str, ...] = ("-O1",)) -> Session:
    """All rows in one model."""
    nodes = ["z = Constant <value_ints = [12]> ()", *(nodes_of(n, row) for n, row in enumerate(ROWS))]
    model = model_of(nodes, INPUTS, [f"y{n}" for n in range(len(ROWS))])
    return kaoken.backend.prepare(model, flags=flags).session
