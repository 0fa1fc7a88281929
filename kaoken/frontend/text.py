"""ONNX operators that look into strings: compared, put together, cut, normalised, matched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kaoken.errors import UnsupportedModelError
from kaoken.frontend.composite import Strings
from kaoken.frontend.registry import OnnxNode, Unsupported, reader_for
from kaoken.frontend.selection import positions
from kaoken.frontend.spelled import join, tensor
from kaoken.frontend.strings import coded, find, known_strings, lengths, located, packed, pooled, starts, string_op, strings
from kaoken.ir.dims import Dim, dim, exact_division, maximum, minimum, product
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis
from kaoken.text.case_tables import case_tables
from kaoken.text.full_match import full_match_tables


def string_operands(node: OnnxNode, given: Strings) -> list[Value]:
    """What routines on strings take first: bytes, and vectors of starts and lengths."""
    count = product(given.shape)
    return [given.data, *(place(node, given).reshape(count).value for place in (starts, lengths))]


def _tables(node: OnnxNode, *arrays: np.ndarray) -> list[Value]:
    return [node.builder.constant(array) for array in arrays]


@string_op("Equal")
def equal(node: OnnxNode) -> Value:
    """Byte for byte, with broadcasting."""
    a, b = strings(node, 0), strings(node, 1)
    shape = (tensor(node, a.tensor) + tensor(node, b.tensor)).shape
    wide = [Strings(text.data, tensor(node, text.tensor).expand(*shape).value) for text in (a, b)]
    return find(node, wide[0], wide[1], by_row=True).eq(0).value


@string_op("StringConcat")
def concatenated(node: OnnxNode) -> Strings:
    """The strings of both, with broadcasting: what is copied together from two of each."""
    given = [strings(node, 0), strings(node, 1)]
    data, (a, b) = pooled(node, given)
    shape = (tensor(node, a) + tensor(node, b)).shape
    count = product(shape)
    pairs = join(1, *(tensor(node, places).expand(*shape).reshape(count, 1) for places in (a, b)))
    joined = Strings(data, pairs.value)
    most = sum((text.data.shape[0] * _repeats(text, count) for text in given), dim(0))
    whole, ends = packed(node, joined, node.names[0], most)
    sizes = lengths(node, joined).reduce("sum", 1)
    return located(whole.value, (ends.reshape(count, 2).take(1, 1) - sizes).reshape(*shape), sizes.reshape(*shape), True)


def _repeats(given: Strings, count: Dim) -> Dim:
    """How often each byte of strings is in `count` of them at most, to which they are broadcast."""
    own = product(given.shape)
    repeats = exact_division(count, own) if given.once else None
    return count if repeats is None else repeats


@string_op("StringNormalizer")
def normalizer(node: OnnxNode) -> Strings:
    """[n] or [1,n]: the strings that are no stop words, in their order, in the case that is asked for; one empty string where
    none is left. Without regard to case, strings and stop words are compared in that case, or in lower case."""
    given = strings(node, 0)
    action = node.attribute("case_change_action", "NONE")
    words = coded(node.attribute("stopwords", []))
    if action not in ("NONE", "LOWER", "UPPER"):
        raise Unsupported(f"case_change_action={action!r} is none of NONE, LOWER and UPPER")
    if len(given.shape) not in (1, 2) or (len(given.shape) == 2 and given.shape[0] != 1):
        raise Unsupported(f"strings of shape {list(map(str, given.shape))}; [n] or [1, n] is asked for")
    count, folds = given.shape[-1], bool(words) and not node.attribute("is_case_sensitive", 0)
    mapped = _in_case(node, given, action == "UPPER") if folds or action != "NONE" else given
    if folds:
        words = [(text.decode().upper() if action == "UPPER" else text.decode().lower()).encode() for text in words]
    kept = tensor(node, np.array(True)).expand(*given.shape)
    if words:
        kept = find(node, mapped if folds else given, known_strings(node, words)) < 0
    kept = kept.reshape(count).cast("int64")
    none_left = kept.reduce("sum", 0).reshape(1).eq(0)
    place = positions(join(0, kept.cast("bool"), none_left), maximum(count, dim(1)))
    source = given if action == "NONE" else mapped
    places = join(0, tensor(node, source.tensor).reshape(count), tensor(node, np.zeros(1, np.int64)))
    return Strings(source.data, places.take(place).reshape(*given.shape[:-1], place.shape[0]).value, source.once)


def _in_case(node: OnnxNode, given: Strings, upper: bool) -> Strings:
    """In upper or lower case, by Unicode's full mappings."""
    tables = case_tables(upper)
    operands = [*string_operands(node, given), *_tables(node, tables.codes, tables.texts, tables.ends, tables.runs, tables.kinds)]
    sizes = tensor(node, node.builder.add("mapped_lengths", operands))
    ends = sizes.accumulate("cumsum", 0)
    size, count = given.data.shape[0], product(given.shape)
    most = (size if given.once else count * size) * tables.growth
    (total,) = node.found_sizes(sizes.reduce("sum", 0).reshape(1).value, f"{node.names[0]}_bytes", (), [most])
    begins = ends - sizes
    data = node.builder.add("map_strings", [*operands, begins.value], total=total)
    return located(data, begins.reshape(*given.shape), sizes.reshape(*given.shape), True)


@string_op("StringSplit")
def split(node: OnnxNode) -> list[Any]:
    """[..., most]: the pieces of each string, then empty ones; and how many each has. Without a delimiter white space cuts."""
    given, builder = strings(node, 0), node.builder
    (delimiter,) = coded([node.attribute("delimiter") or ""])
    most, size = int(node.attribute("maxsplit", -1)), given.data.shape[0]
    operands = [*string_operands(node, given), *_tables(node, np.frombuffer(delimiter or b"\0", np.uint8).copy())]
    attrs: dict[str, Any] = {"delimiter": len(delimiter), "most": max(most, -1)}
    pieces = tensor(node, builder.add("count_pieces", operands, **attrs))
    widest = join(0, tensor(node, np.zeros(1, np.int64)), pieces).reduce("max", 0).reshape(1)
    bound = size + 1 if most < 0 else minimum(size + 1, dim(most + 1))
    (width,) = node.found_sizes(widest.value, f"{node.names[0]}_pieces", node.declared_shape(len(given.shape) + 1)[-1:], [bound])
    begins, sizes = (tensor(node, v) for v in builder.add_node("split_strings", operands, **attrs, width=width).outputs)
    shape = (*given.shape, width)
    found = located(given.data, begins.reshape(*shape), sizes.reshape(*shape), given.once)
    return [found, pieces.reshape(*given.shape).value]


@string_op("RegexFullMatch")
def regex_full_match(node: OnnxNode) -> Value:
    """Whether each whole string matches a pattern, which becomes a table of the states of an automaton."""
    given = strings(node, 0)
    try:
        tables = full_match_tables(str(node.attribute("pattern", "")))
    except UnsupportedModelError as error:
        raise Unsupported(str(error)) from None
    operands = [*string_operands(node, given), *_tables(node, tables.runs, tables.classes, tables.transitions, tables.accepting)]
    return tensor(node, node.builder.add("match_strings", operands)).reshape(*given.shape).value


@string_op("Unique")
def unique(node: OnnxNode) -> list[Any]:
    """Of numbers that are ordered as the strings are; the strings are then taken where these are."""
    given = strings(node, 0)
    ranks = node.builder.add_node("rank_strings", string_operands(node, given)).outputs[0]
    reader: Any = reader_for("Unique", node.version)
    _, index, *others = reader(replace(node, inputs=[tensor(node, ranks).reshape(*given.shape).value]))
    axis, places = node.attribute("axis"), tensor(node, given.tensor)
    if axis is None:
        places, axis = places.reshape(product(given.shape)), 0
    found = places.take(index, normalize_axis(int(axis), places.rank))
    return [Strings(given.data, found.value, given.once), index, *others]


@string_op("TfIdfVectorizer")
def tf_idf_vectorizer(node: OnnxNode) -> Value:
    """As of integers, which are the places of strings in the pool."""
    pool = coded(node.attribute("pool_strings", []))
    known = list(dict.fromkeys(pool))
    reader: Any = reader_for("TfIdfVectorizer", node.version)
    numbers = {text: n for n, text in enumerate(known)}
    attributes = {**node.attributes, "pool_int64s": [numbers[text] for text in pool]}
    found = find(node, strings(node, 0), known_strings(node, known)).value
    result: Value = reader(replace(node, inputs=[found], attributes=attributes))
    return result
