"""What cannot be compiled into tables is refused by name, and damaged tables are refused in C."""

from __future__ import annotations

import importlib.util
import itertools
import json
import random
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tokenizers")

from c_build import build_program
from c_tokenizer import SOURCES, TEXT, CTokenizer, StatusError
from text_samples import (
    FUZZ_STRINGS,
    bert_like,
    compile_tables,
    fuzz_string,
    gpt2_like,
    llama_like,
    sentencepiece_charsmap,
    t5_like,
)
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers, processors

from kaoken.errors import UnsupportedModelError, UsageError
from kaoken.text.tokenizer_tables import tokenizer_tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_tables(gpt2_like(), tmp_path_factory.mktemp("tables"))


# --- damaged tables


def test_any_flipped_bit_and_any_cut_is_noticed(tables: bytes) -> None:
    chooser = random.Random(0)
    header = 4 * (21 + 2 * 27)
    flips = itertools.chain(range(8 * header), (chooser.randrange(8 * len(tables)) for _ in range(1000)))
    for bit in flips:
        damaged = bytearray(tables)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StatusError) as caught:
            CTokenizer(bytes(damaged))
        assert caught.value.status == TEXT
    for length in [*range(header + 8), *(chooser.randrange(len(tables)) for _ in range(100))]:
        with pytest.raises(StatusError) as caught:
            CTokenizer(tables[:length])
        assert caught.value.status == TEXT
    assert len(CTokenizer(tables + b"more")) == 1500


def _byte_level() -> Tokenizer:
    reference = Tokenizer.from_str(gpt2_like(400, 50_000))
    reference.add_tokens([AddedToken("<m>", lstrip=True, rstrip=True, single_word=True), AddedToken("the")])
    reference.post_processor = processors.BertProcessing(("[SEP]", 4), ("[CLS]", 3))
    reference.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    return reference


def _word_piece() -> Tokenizer:
    reference = Tokenizer.from_str(bert_like(True, 400, 50_000))
    reference.add_tokens([AddedToken("THE", normalized=True, lstrip=True)])
    return reference


def _unigram() -> Tokenizer:
    """Every kind of step: a map, canonical order and composition, SentencePiece's map, replacing, stripping."""
    reference = Tokenizer.from_str(t5_like(1200, 50_000))
    charsmap = [normalizers.Precompiled(sentencepiece_charsmap())] if importlib.util.find_spec("sentencepiece") else []
    steps = [
        normalizers.NFKC(),
        *charsmap,
        normalizers.Replace(Regex(" {2,}"), "▁▁"),
        normalizers.Strip(),
        normalizers.Prepend("x"),
    ]
    reference.normalizer = normalizers.Sequence(steps)
    return reference


def _characters() -> Tokenizer:
    return Tokenizer.from_str(llama_like(600, 50_000))


@pytest.mark.parametrize("make", [_byte_level, _word_piece, _unigram, _characters])
def test_tables_with_a_right_checksum_but_wrong_contents_never_crash(make: Callable[[], Tokenizer], tmp_path: Path) -> None:
    """The sanitizers watch while texts are encoded with tables whose numbers were changed behind the checksum."""
    (tmp_path / "tables").write_bytes(compile_tables(make().to_str(), tmp_path))
    chooser = random.Random(1)
    texts = [fuzz_string(chooser) + "<m> the 12" for _ in range(4)]
    (tmp_path / "texts").write_bytes("\0".join(t.replace("\0", "") for t in texts).encode())
    program = build_program([Path(__file__).with_name("tokenizer_damage.c"), *SOURCES], sanitize=True)
    done = subprocess.run(
        [str(program), str(tmp_path / "tables"), str(tmp_path / "texts"), str(max(600, FUZZ_STRINGS // 10))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    opened, refused = map(int, re.findall(r"\d+", done.stdout))
    # Both kinds must occur, or nothing was tried.
    assert opened > 60
    assert refused > 60


# --- what cannot be compiled


def changed(**members: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(gpt2_like())
    for path, value in members.items():
        target = document
        *folders, last = path.split("__")
        for folder in folders:
            target = target[folder]
        target[last] = value
    return document


BYTE_LEVEL_JSON = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def split_json(pattern: Any, behavior: str = "Isolated") -> dict[str, Any]:
    step = {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": False}
    return {"type": "Sequence", "pretokenizers": [step, BYTE_LEVEL_JSON]}


UNSUPPORTED: dict[str, dict[str, Any]] = {
    "normalizer 'ByteLevel'": {"normalizer": {"type": "ByteLevel"}},
    "normalizer 'Odd'": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Odd"}]}},
    "precompiled_charsmap is damaged": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
    "is not base64": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "?"}},
    "Replace cannot replace": {"normalizer": {"type": "Replace", "pattern": {"Regex": "a*"}, "content": "b"}},
    "no text of at most 255 bytes": {"normalizer": {"type": "Prepend", "prepend": "x" * 256}},
    "model 'WordLevel'": {"model__type": "WordLevel"},
    "ByteLevel before WordPiece": {"model__type": "WordPiece"},
    "[UNK]' is not": {"model__type": "WordPiece"},
    "is not a text and a score": {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", "b"]]}},
    "unk_id None": {"model": {"type": "Unigram", "vocab": []}},
    "continuing_subword_prefix": {"model__continuing_subword_prefix": "##"},
    "end_of_word_suffix": {"model__end_of_word_suffix": "</w>"},
    "byte_fallback together with ByteLevel": {"model__byte_fallback": True},
    "dropout": {"model__dropout": 0.1},
    "unk_token '<u>' is not": {"model__unk_token": "<u>"},
    "pre-tokenizer 'UnicodeScripts'": {"pre_tokenizer": {"type": "UnicodeScripts"}},
    "'Whitespace' after Metaspace": {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Metaspace"}, {"type": "Whitespace"}]}
    },
    "prepend_scheme 'odd'": {"pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "odd"}},
    "where one character belongs": {"pre_tokenizer": {"type": "Metaspace", "replacement": "__"}},
    "after ByteLevel": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [BYTE_LEVEL_JSON, {"type": "Digits"}]}},
    "decoder null": {"decoder": None},
    "decoder 'BPEDecoder'": {"decoder": {"type": "BPEDecoder"}},
    "post-processor 'Odd'": {"post_processor": {"type": "Odd"}},
    "each of them once": {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {},
        }
    },
    "decoder Strip at the end": {
        "pre_tokenizer": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 0, "stop": 1}],
        },
    },
    "normalizes to nothing": {
        "normalizer": {"type": "Strip", "strip_left": True, "strip_right": True},
        "added_tokens": [{"id": 1500, "content": "  ", "normalized": True}],
    },
    "hold the text once": {"post_processor": {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}},
    "two post-processors": {
        "post_processor": {
            "type": "Sequence",
            "processors": [{"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]}] * 2,
        }
    },
    "which is not in the vocabulary": {"model__merges": [["z", "zz"]]},
    "not a pair": {"model__merges": ["a b c"]},
    "ids of vocab": {"model__vocab": {"a": -1}},
    "share an id": {"model__vocab": {"a": 0, "b": 0}, "model__merges": []},
    "id 7, where 1500 is next": {"added_tokens": [{"id": 7, "content": "<new>"}]},
    "listed twice": {"added_tokens": [{"id": 1500, "content": "<n>"}, {"id": 1501, "content": "<n>"}]},
    "has no content": {"added_tokens": ["<n>"]},
    "empty text": {"pre_tokenizer": split_json({"Regex": r"\s*"})},
    "lookahead": {"pre_tokenizer": split_json({"Regex": r"a(?=bc)"})},
    "the group (?<": {"pre_tokenizer": split_json({"Regex": r"(?<=a)b"})},
    "a group without": {"pre_tokenizer": split_json({"Regex": r"(a"})},
    "an unmatched )": {"pre_tokenizer": split_json({"Regex": r"a)"})},
    "the property 'Klingon'": {"pre_tokenizer": split_json({"Regex": r"\p{Klingon}"})},
    r"the escape \b": {"pre_tokenizer": split_json({"Regex": r"\bx"})},
    "excludes all of ASCII": {"pre_tokenizer": split_json({"Regex": r"[a[^\u0000-é]]"})},
    "'--' inside a class": {"pre_tokenizer": split_json({"Regex": r"[\p{L}--[a-z]]"})},
    "'&&' inside a class": {"pre_tokenizer": split_json({"Regex": r"[a&&b]"})},
    "an unfinished construct": {"pre_tokenizer": split_json({"Regex": r"[a"})},
    "outside ASCII, ignoring case": {"pre_tokenizer": split_json({"Regex": r"(?i:é)"})},
    "one character folds to": {"pre_tokenizer": split_json({"Regex": r"(?i:ss)"})},
    "the quantifier {1,9999}": {"pre_tokenizer": split_json({"Regex": r"a{1,9999}"})},
    "states": {"pre_tokenizer": split_json({"Regex": r"(a|b)*a(a|b){14}"})},
    "behavior 'Odd'": {"pre_tokenizer": split_json({"Regex": "a"}, "Odd")},
    "the pattern {} is not supported": {"pre_tokenizer": split_json({})},
}


@pytest.mark.parametrize("message", UNSUPPORTED)
def test_what_the_tables_cannot_hold_is_refused_by_name(message: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        compile_tables(json.dumps(changed(**UNSUPPORTED[message])), tmp_path)
    assert message in str(caught.value)


def test_everything_unsupported_is_listed_at_once(tmp_path: Path) -> None:
    document = changed(normalizer={"type": "Odd"}, decoder={"type": "CTC"}, model__dropout=0.5)
    with pytest.raises(UnsupportedModelError) as caught:
        compile_tables(json.dumps(document), tmp_path)
    assert all(name in str(caught.value) for name in ("'Odd'", "'CTC'", "dropout"))


@pytest.mark.parametrize("document", ["", "{", "[]", "7", '"text"', "{}", '{"model": 3}', "[" * 100_000])
def test_a_file_that_is_no_tokenizer_is_refused(document: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"tokenizer\.json"):
        compile_tables(document, tmp_path)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        tokenizer_tables(tmp_path / "nothing.json")


def test_equal_files_give_equal_tables(tables: bytes, tmp_path: Path) -> None:
    assert compile_tables(gpt2_like(), tmp_path) == tables
    assert struct.unpack_from("<4sII", tables) == (b"KKTK", 2, 1)


@pytest.mark.parametrize(
    "make", [lambda: gpt2_like(270, 20_000), lambda: bert_like(True, 300, 20_000), lambda: t5_like(1200, 20_000)]
)
def test_random_damage_to_the_file_gives_a_message_or_tables(make: Callable[[], str], tmp_path: Path) -> None:
    """Any one member of tokenizer.json replaced by something else: an error that says so, or a usable section."""
    chooser = random.Random(2)
    document = make()
    for _ in range(40 + FUZZ_STRINGS // 100):
        damaged = json.loads(document)
        target, parent, key = damaged, damaged, "model"
        while isinstance(target, (dict, list)) and target and (chooser.random() < 0.8 or target is damaged):
            parent = target
            key = chooser.choice(list(target) if isinstance(target, dict) else range(len(target)))
            target = target[key]
        parent[key] = chooser.choice([None, -1, 3, 1.5, "", "ab", "(", [], {}, ["a"], {"type": "Split"}, 1 << 40, True])
        try:
            tokenizer = CTokenizer(compile_tables(json.dumps(damaged), tmp_path))
        except UnsupportedModelError as error:
            assert len(str(error)) < 2000
        else:
            tokenizer.decode(tokenizer.encode("the self<|endoftext|>"))
