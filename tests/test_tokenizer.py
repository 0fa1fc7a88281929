"""The C tokenizer gives what the tokenizers package gives, and a status for everything that it cannot take."""

from __future__ import annotations

import ctypes
import json
import random
from collections.abc import Callable
from ctypes import byref, c_int64, c_size_t
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tokenizers")

from c_tokenizer import ARGUMENT, CAPACITY, OK, RANGE, TEXT, CTokenizer, StatusError, library
from text_samples import FUZZ_STRINGS, compile_tables, fuzz_string, gpt2_like
from tokenizers import AddedToken, Regex, Tokenizer, pre_tokenizers, processors

from kaoken.text.tokenizer_description import byte_alphabet

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$"
    r"|\s*[\r\n]|\s+(?!\S)|\s"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BLOOM = r" ?[^(\s|[.,!?…。\uff0c、।\u06d4،])]+"

BYTE_LEVEL = {"add_prefix_space": False, "use_regex": False}


def both(reference: Tokenizer, folder: Path) -> CTokenizer:
    return CTokenizer(compile_tables(reference.to_str(), folder))


def assert_equal(reference: Tokenizer, tokenizer: CTokenizer, strings: int, seed: int = 0) -> None:
    """Compares ids with and without special tokens, texts whole and streamed, also of ids in no order."""
    chooser = random.Random(seed)
    for number in range(strings):
        text = fuzz_string(chooser)
        special = bool(number & 1)
        expected = reference.encode(text, add_special_tokens=special).ids
        assert tokenizer.encode(text, special=special) == expected, repr(text)
        ids = expected
        if number % 4 > 1:
            ids = [chooser.randrange(len(tokenizer) + 2) for _ in range(chooser.randrange(12))]
        skip = chooser.random() < 0.5
        decoded = reference.decode(ids, skip_special_tokens=skip)
        assert tokenizer.decode(ids, skip_special=skip) == decoded, ids
        assert "".join(tokenizer.stream(ids, skip_special=skip)) == decoded, ids


# --- the whole tokenizer, as GPT-2 has it


def test_ids_and_texts_equal_those_of_the_tokenizers_package(tmp_path: Path) -> None:
    if FUZZ_STRINGS:
        reference = Tokenizer.from_str(gpt2_like(50257, 60_000_000))
        assert reference.get_vocab_size() == 50257
    else:
        reference = Tokenizer.from_str(gpt2_like())
    assert_equal(reference, both(reference, tmp_path), FUZZ_STRINGS or 2500)


def small() -> str:
    """A tokenizer of 1500 tokens, as tokenizer.json."""
    return gpt2_like()


def split(pattern: str, behavior: str = "isolated", invert: bool = False) -> pre_tokenizers.PreTokenizer:
    stages = [pre_tokenizers.Split(Regex(pattern), behavior, invert), pre_tokenizers.ByteLevel(**BYTE_LEVEL)]
    return pre_tokenizers.Sequence(stages)


BEHAVIORS = ("isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous")

PRE_TOKENIZERS: dict[str, Callable[[], pre_tokenizers.PreTokenizer]] = {
    "prefix space": lambda: pre_tokenizers.ByteLevel(add_prefix_space=True),
    "no pattern": lambda: pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False),
    "digits": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(True)]),
    "digit runs": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(False), pre_tokenizers.ByteLevel(False)]),
    "string": lambda: pre_tokenizers.Sequence([pre_tokenizers.Split(" t", "merged_with_next"), pre_tokenizers.ByteLevel(False)]),
    "three splits": lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated"),
            pre_tokenizers.Split(Regex(r"[一-龥\u3040-ゟ\u30a0-ヿ]+"), "isolated"),
            pre_tokenizers.Split(Regex(r"\p{Lu}+?x*|[\r\n]"), "merged_with_previous"),
            pre_tokenizers.ByteLevel(**BYTE_LEVEL),
        ]
    ),
    "Llama 3": lambda: split(LLAMA3),
    "GPT-4": lambda: split(CL100K),
    "GPT-4 inverted": lambda: split(LLAMA3, "removed", True),
    "GPT-4o": lambda: split(O200K),
    "BLOOM": lambda: split(BLOOM),
} | {
    f"{behavior}, invert={invert}": lambda behavior=behavior, invert=invert: split(r"\s+|e", behavior, invert)
    for behavior in BEHAVIORS
    for invert in (False, True)
}


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_each_pre_tokenizer_splits_as_the_tokenizers_package_does(name: str, tmp_path: Path) -> None:
    reference = Tokenizer.from_str(small())
    reference.pre_tokenizer = PRE_TOKENIZERS[name]()
    assert_equal(reference, both(reference, tmp_path), max(150, FUZZ_STRINGS // 10))


ADDED_CONTENTS = ["the", " the", "th", "ing", "<m>", "é", " ", "  ", "\n", "日本", "a b", "_x", "'s", "\u00a0z", "9"]


@pytest.mark.parametrize("seed", range(12))
def test_added_tokens_are_found_with_all_their_options(seed: int, tmp_path: Path) -> None:
    chooser = random.Random(seed)
    reference = Tokenizer.from_str(small())
    options = ("single_word", "lstrip", "rstrip", "normalized", "special")
    for content in chooser.sample(ADDED_CONTENTS, 5):
        chosen = {option: chooser.random() < 0.4 for option in options}
        # Two tokens that take spaces and meet make the tokenizers package panic; one such token does not.
        if content.isspace() or seed % 3:
            chosen["lstrip"] = chosen["rstrip"] = False
        reference.add_tokens([AddedToken(content, **chosen)])
    if seed % 3 == 0:
        reference.add_tokens([AddedToken("word", single_word=True, lstrip=True, rstrip=True)])
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=seed % 2 == 0)
    assert_equal(reference, both(reference, tmp_path), max(150, FUZZ_STRINGS // 10), seed)


POST_PROCESSORS: dict[str, Callable[[], processors.PostProcessor]] = {
    "template": lambda: processors.TemplateProcessing(
        single="<a> <b> $A <a>", pair="$A $B", special_tokens=[("<a>", 5), ("<b>", 6)]
    ),
    "RoBERTa": lambda: processors.RobertaProcessing(("</s>", 2), ("<s>", 1)),
    "BERT": lambda: processors.BertProcessing(("[SEP]", 4), ("[CLS]", 3)),
    "sequence": lambda: processors.Sequence(
        [
            processors.ByteLevel(),
            processors.TemplateProcessing(single="<a> $A", pair="$A $B", special_tokens=[("<a>", 5)]),
            processors.ByteLevel(trim_offsets=False),
        ]
    ),
}


@pytest.mark.parametrize("name", POST_PROCESSORS)
def test_special_tokens_are_added_as_the_post_processor_asks(name: str, tmp_path: Path) -> None:
    reference = Tokenizer.from_str(small())
    reference.post_processor = POST_PROCESSORS[name]()
    assert_equal(reference, both(reference, tmp_path), 100)


def edited(**model: Any) -> Tokenizer:
    """The small tokenizer with members of its BPE model replaced; without one byte's token if there is an unk."""
    document = json.loads(small())
    document["model"] |= model
    if "unk_token" in model:
        # "Q" and what is made of it go, so that some bytes have no token.
        vocabulary = {
            token: number for number, token in enumerate(t for t in document["model"]["vocab"] if "Q" not in t and "é" not in t)
        }
        document["added_tokens"] = []
        document["model"]["vocab"] = vocabulary
        document["model"]["merges"] = [
            pair for pair in document["model"]["merges"] if all(t in vocabulary for t in (*pair, "".join(pair)))
        ]
    return Tokenizer.from_str(json.dumps(document))


@pytest.mark.parametrize(
    "model",
    [
        {"ignore_merges": True},
        {"unk_token": None},
        {"unk_token": "e", "fuse_unk": False},
        {"unk_token": "e", "fuse_unk": True},
    ],
)
def test_options_of_the_model_are_followed(model: dict[str, Any], tmp_path: Path) -> None:
    reference = edited(**model)
    tokenizer = both(reference, tmp_path)
    assert_equal(reference, tokenizer, 300)
    for text in ("QQ", "xQQy", "Q", "theQe", "éé"):
        assert tokenizer.encode(text) == reference.encode(text).ids


def test_merges_as_strings_equal_merges_as_pairs(tmp_path: Path) -> None:
    document = json.loads(small())
    pairs = compile_tables(json.dumps(document), tmp_path)
    document["model"]["merges"] = ["#version: 0.2", *map(" ".join, document["model"]["merges"])]
    assert compile_tables(json.dumps(document), tmp_path) == pairs


@pytest.mark.parametrize("pattern", ["a", " ", "the", "日"])
def test_long_runs_without_a_break_take_linear_time(pattern: str, tmp_path: Path) -> None:
    reference = Tokenizer.from_str(small())
    tokenizer = both(reference, tmp_path)
    text = (pattern * 20_000)[:20_000]
    assert tokenizer.encode(text) == reference.encode(text).ids
    # Quadratic time would be many minutes here.
    assert tokenizer.decode(tokenizer.encode(pattern * 250_000)) == pattern * 250_000


# --- the interface in C


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_tables(small(), tmp_path_factory.mktemp("tables"))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",
        b"a\xff",
        b"\xc3",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\xf4\x90\x80\x80",
        b"\xe0\x80\x80x",
    ],
)
def test_text_that_is_not_utf8_is_refused(data: bytes, tables: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        data.decode()
    with pytest.raises(StatusError) as caught:
        CTokenizer(tables).encode(data)
    assert caught.value.status == TEXT


def test_count_says_how_many_ids_are_needed(tables: bytes) -> None:
    tokenizer = CTokenizer(tables)
    text = "the quick brown fox"
    ids = tokenizer.encode(text)
    count = c_size_t()
    scratch = (c_int64 * 1000)()
    received = (c_int64 * len(ids))(*[-1] * len(ids))
    for capacity in range(len(ids) + 1):
        status = tokenizer.library.kk_tokenizer_encode(
            tokenizer.handle, text.encode(), c_size_t(len(text)), 0, scratch, c_size_t(8000),
            received if capacity else None, c_size_t(capacity), byref(count),
        )  # fmt: skip
        assert status == (OK if capacity == len(ids) else CAPACITY)
        assert count.value == len(ids)
        assert received[:] == ids[:capacity] + [-1] * (len(ids) - capacity)


def test_bytes_says_how_much_text_there_is(tables: bytes) -> None:
    tokenizer = CTokenizer(tables)
    ids = tokenizer.encode("née, ☃")
    given = (c_int64 * len(ids))(*ids)
    length = c_size_t()
    whole = "née, ☃".encode()
    for capacity in range(len(whole) + 1):
        text = ctypes.create_string_buffer(b"?" * 20, 20)
        status = tokenizer.library.kk_tokenizer_decode(
            tokenizer.handle, given, c_size_t(len(ids)), 0, text, c_size_t(capacity), byref(length)
        )
        assert status == (OK if capacity == len(whole) else CAPACITY)
        assert length.value == len(whole)
        assert text.raw[capacity:] == b"?" * (20 - capacity)


def test_the_streaming_decoder_holds_back_what_is_no_whole_character(tables: bytes) -> None:
    tokenizer = CTokenizer(tables)
    ids = [tokenizer.encode("a")[0], *byte_tokens("☃".encode()[:2]), tokenizer.encode("b")[0]]
    assert tokenizer.stream(ids) == ["a", "", "", "\ufffdb", ""]
    assert tokenizer.stream(ids[:3]) == ["a", "", "", "\ufffd"]
    assert tokenizer.stream(byte_tokens("☃".encode())) == ["", "", "☃", ""]


def byte_tokens(data: bytes) -> list[int]:
    """The tokens of single bytes."""
    vocabulary = json.loads(small())["model"]["vocab"]
    return [vocabulary[byte_alphabet()[byte]] for byte in data]


@pytest.mark.parametrize(("token_id", "status"), [(-1, RANGE), (1 << 32, RANGE), ((1 << 32) - 1, OK), (10**6, OK)])
def test_ids_outside_the_vocabulary_decode_as_in_the_tokenizers_package(token_id: int, status: int, tables: bytes) -> None:
    tokenizer = CTokenizer(tables)
    if status == OK:
        assert tokenizer.decode([token_id]) == Tokenizer.from_str(small()).decode([token_id]) == ""
    else:
        with pytest.raises(StatusError) as caught:
            tokenizer.decode([token_id])
        assert caught.value.status == status
        with pytest.raises(StatusError) as caught:
            tokenizer.stream([token_id])
        assert caught.value.status == status


def test_null_misaligned_and_small_buffers_give_a_status(tables: bytes) -> None:
    tokenizer = CTokenizer(tables)
    handle = tokenizer.handle
    scratch = (c_int64 * 100)()
    misaligned = ctypes.c_void_p(ctypes.addressof(scratch) + 4)
    ids, count = (c_int64 * 9)(), c_size_t()
    full, nine = c_size_t(800), c_size_t(9)
    encode = library().kk_tokenizer_encode
    two = c_size_t(2)
    assert encode(None, b"ab", two, 0, scratch, full, ids, nine, byref(count)) == ARGUMENT
    assert encode(handle, None, two, 0, scratch, full, ids, nine, byref(count)) == ARGUMENT
    assert encode(handle, b"ab", two, 0, None, full, ids, nine, byref(count)) == ARGUMENT
    assert encode(handle, b"ab", two, 0, misaligned, full, ids, nine, byref(count)) == ARGUMENT
    assert encode(handle, b"ab", two, 0, scratch, full, None, nine, byref(count)) == ARGUMENT
    assert encode(handle, b"ab", two, 0, scratch, full, ids, nine, None) == ARGUMENT
    assert encode(handle, b"ab", two, 0, scratch, c_size_t(8), ids, nine, byref(count)) == CAPACITY
    assert encode(handle, b"ab", c_size_t(2**62), 0, scratch, full, ids, nine, byref(count)) == RANGE
    assert encode(handle, None, c_size_t(0), 0, scratch, full, ids, nine, byref(count)) == OK
    assert library().kk_tokenizer_scratch(handle, c_size_t(2**62)) == 2 ** (8 * ctypes.sizeof(c_size_t)) - 1
    assert library().kk_tokenizer_scratch(None, two) == 0
    assert library().kk_tokenizer_open(None, full, handle) == ARGUMENT
    assert library().kk_tokenizer_open(tables, c_size_t(len(tables)), None) == ARGUMENT
    assert library().kk_tokenizer_tokens(None) == library().kk_decoder_capacity(None) == 0
