"""WordPiece, Unigram and BPE of characters in C give what the tokenizers package gives: ids, types of pairs, texts."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from c_tokenizer import CAPACITY, CUT, SPECIAL, CTokenizer, StatusError
from text_samples import (
    FUZZ_STRINGS,
    bert_like,
    compile_tables,
    fuzz_string,
    llama_like,
    sentencepiece_charsmap,
    t5_like,
)
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors

from kaoken.text.tokenizer_json import read_float


def both(reference: Tokenizer, folder: Path) -> CTokenizer:
    return CTokenizer(compile_tables(reference.to_str(), folder))


def assert_equal(reference: Tokenizer, tokenizer: CTokenizer, strings: int, seed: int = 0) -> None:
    """Compares ids and types of texts and pairs, with and without special tokens, and texts, whole and streamed."""
    chooser = random.Random(seed)
    for number in range(strings):
        text = fuzz_string(chooser)
        second = fuzz_string(chooser) if number % 3 == 0 else None
        special = bool(number & 1)
        expected = reference.encode(text, second, add_special_tokens=special)
        given = tokenizer.encode_pair(text, second, choices=SPECIAL * special)
        assert given == (expected.ids, expected.type_ids), repr((text, second))
        ids = expected.ids
        if number % 4 > 1:
            ids = [chooser.randrange(len(tokenizer) + 2) for _ in range(chooser.randrange(12))]
        skip = chooser.random() < 0.5
        decoded = reference.decode(ids, skip_special_tokens=skip)
        assert tokenizer.decode(ids, skip_special=skip) == decoded, ids
        assert "".join(tokenizer.stream(ids, skip_special=skip)) == decoded, ids


# --- WordPiece


@pytest.mark.parametrize("lowercase", [True, False])
def test_word_pieces_equal_those_of_the_tokenizers_package(lowercase: bool, tmp_path: Path) -> None:
    document = bert_like(lowercase, 30_000, 60_000_000) if FUZZ_STRINGS else bert_like(lowercase)
    reference = Tokenizer.from_str(document)
    assert_equal(reference, both(reference, tmp_path), FUZZ_STRINGS or 2000)


BERT_OPTIONS = [
    {
        name: chosen >> bit & 1 == 1
        for bit, name in enumerate(("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"))
    }
    for chosen in range(16)
]


@pytest.mark.parametrize("options", BERT_OPTIONS, ids=lambda options: "".join("-+"[value] for value in options.values()))
def test_each_option_of_the_bert_normalizer_is_followed(options: dict[str, bool], tmp_path: Path) -> None:
    reference = Tokenizer.from_str(bert_like())
    reference.normalizer = normalizers.BertNormalizer(**options)
    assert_equal(reference, both(reference, tmp_path), max(100, FUZZ_STRINGS // 50))


WORD_PIECE_OPTIONS = [
    {"max_input_chars_per_word": 5},
    {"max_input_chars_per_word": 0},
    {"continuing_subword_prefix": ""},
    {"continuing_subword_prefix": "zz"},
    {"unk_token": "the"},
]


@pytest.mark.parametrize("options", WORD_PIECE_OPTIONS, ids=str)
def test_options_of_word_piece_are_followed(options: dict[str, object], tmp_path: Path) -> None:
    document = json.loads(bert_like())
    document["model"] |= options
    document["decoder"]["cleanup"] = False
    reference = Tokenizer.from_str(json.dumps(document))
    assert_equal(reference, both(reference, tmp_path), max(150, FUZZ_STRINGS // 50))


@pytest.mark.parametrize("seed", range(8))
def test_added_tokens_are_found_in_raw_and_in_normalized_text(seed: int, tmp_path: Path) -> None:
    chooser = random.Random(seed)
    reference = Tokenizer.from_str(bert_like())
    for content in chooser.sample(["THE", "é", "[Z]", "日", "do", " x", "New York", "ß", "i\u0307", "Å", "1"], 5):
        options = {name: chooser.random() < 0.4 for name in ("single_word", "normalized", "special")}
        reference.add_tokens([AddedToken(content, lstrip=seed % 2 == 0, rstrip=False, **options)])
    assert_equal(reference, both(reference, tmp_path), max(150, FUZZ_STRINGS // 50), seed)


# --- pairs, rows


PAIRS = {
    "BERT": lambda: processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
    "RoBERTa": lambda: processors.RobertaProcessing(("</s>", 3), ("<s>", 2)),
    "second first": lambda: processors.TemplateProcessing(
        single="$A [SEP]", pair="[CLS] $B:5 [SEP]:2 [CLS]:1 $A:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    ),
    "none": lambda: None,
}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_put_together_as_the_post_processor_asks(name: str, tmp_path: Path) -> None:
    reference = Tokenizer.from_str(bert_like())
    document = json.loads(reference.to_str())
    post_processor = PAIRS[name]()
    document["post_processor"] = None
    reference = Tokenizer.from_str(json.dumps(document))
    if post_processor is not None:
        reference.post_processor = post_processor
    assert_equal(reference, both(reference, tmp_path), 150)


@pytest.mark.parametrize("length", [3, 4, 5, 8, 9, 17, 40])
def test_texts_are_cut_as_the_tokenizers_package_cuts_the_longest_first(length: int, tmp_path: Path) -> None:
    reference = Tokenizer.from_str(bert_like())
    tokenizer = both(reference, tmp_path)
    reference.enable_truncation(length)
    chooser = random.Random(length)
    for number in range(150):
        text, second = fuzz_string(chooser), fuzz_string(chooser) if number % 3 else None
        expected = reference.encode(text, second)
        assert tokenizer.encode_pair(text, second, choices=SPECIAL | CUT, capacity=length) == (expected.ids, expected.type_ids)


def test_a_row_too_short_for_the_special_tokens_is_refused(tmp_path: Path) -> None:
    tokenizer = CTokenizer(compile_tables(bert_like(), tmp_path))
    assert tokenizer.encode_pair("the", None, choices=SPECIAL | CUT, capacity=2) == ([2, 3], [0, 0])
    for second, capacity in ((None, 1), ("the", 2)):
        with pytest.raises(StatusError) as caught:
            tokenizer.encode_pair("the", second, choices=SPECIAL | CUT, capacity=capacity)
        assert caught.value.status == CAPACITY


# --- pre-tokenizers that have no bytes


PRE_TOKENIZERS = {
    "BERT": pre_tokenizers.BertPreTokenizer,
    "Whitespace": pre_tokenizers.Whitespace,
    "WhitespaceSplit": pre_tokenizers.WhitespaceSplit,
    "Digits": lambda: pre_tokenizers.Digits(individual_digits=True),
    "delimiter": lambda: pre_tokenizers.CharDelimiterSplit("e"),
    **{
        f"Punctuation {behavior}": lambda behavior=behavior: pre_tokenizers.Punctuation(behavior)
        for behavior in ("isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous")
    },
}


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_each_pre_tokenizer_splits_as_the_tokenizers_package_does(name: str, tmp_path: Path) -> None:
    reference = Tokenizer.from_str(bert_like())
    reference.pre_tokenizer = PRE_TOKENIZERS[name]()
    assert_equal(reference, both(reference, tmp_path), max(150, FUZZ_STRINGS // 50))


# --- Unigram


@pytest.mark.parametrize("rule", ["nmt_nfkc", "nmt_nfkc_cf"])
def test_unigram_with_the_map_of_sentencepiece_equals_the_tokenizers_package(rule: str, tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    reference = Tokenizer.from_str(t5_like(8000, 2_000_000) if FUZZ_STRINGS else t5_like())
    reference.normalizer = normalizers.Precompiled(sentencepiece_charsmap(rule))
    assert_equal(reference, both(reference, tmp_path), FUZZ_STRINGS or 2000)


def _precompiled() -> normalizers.Normalizer:
    pytest.importorskip("sentencepiece")
    return normalizers.Precompiled(sentencepiece_charsmap())


NORMALIZERS = {
    "NFC": normalizers.NFC,
    "NFD": normalizers.NFD,
    "NFKC": normalizers.NFKC,
    "NFKD": normalizers.NFKD,
    "Lowercase": normalizers.Lowercase,
    "Strip": normalizers.Strip,
    "Strip left": lambda: normalizers.Strip(right=False),
    "StripAccents": normalizers.StripAccents,
    "Prepend": lambda: normalizers.Prepend("▁"),
    "Replace": lambda: normalizers.Replace("the", "THE"),
    "Replace by a pattern": lambda: normalizers.Replace(Regex(" {2,}"), " "),
    "Nmt": normalizers.Nmt,
    "ALBERT": lambda: normalizers.Sequence(
        [
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            _precompiled(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    ),
    "many": lambda: normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(), normalizers.NFC()]
    ),
}


@pytest.mark.parametrize("name", NORMALIZERS)
def test_each_normalizer_does_what_the_tokenizers_package_does(name: str, tmp_path: Path) -> None:
    reference = Tokenizer.from_str(t5_like())
    reference.normalizer = NORMALIZERS[name]()
    # What is normalized is seen as it is in added tokens, and by a Metaspace that looks for the first character.
    reference.add_tokens([AddedToken("\u00e5\u0323", normalized=True), AddedToken("the \ufb01", normalized=True)])
    reference.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    assert_equal(reference, both(reference, tmp_path), max(150, FUZZ_STRINGS // 50))


METASPACES = {
    f"{scheme}, split={split}, {before}": (scheme, split, before)
    for scheme in ("always", "never", "first")
    for split in (True, False)
    for before in ("alone", "WhitespaceSplit", "Punctuation")
}


@pytest.mark.parametrize("name", METASPACES)
def test_each_way_to_mark_spaces_is_followed(name: str, tmp_path: Path) -> None:
    scheme, split, before = METASPACES[name]
    reference = Tokenizer.from_str(t5_like())
    metaspace = pre_tokenizers.Metaspace("▁", scheme, split)
    steps = {"alone": [], "WhitespaceSplit": [pre_tokenizers.WhitespaceSplit()], "Punctuation": [pre_tokenizers.Punctuation()]}
    after = [pre_tokenizers.Digits()] if before == "Punctuation" else []
    reference.pre_tokenizer = pre_tokenizers.Sequence([*steps[before], metaspace, *after])
    reference.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFKD()])
    reference.decoder = decoders.Metaspace("▁", scheme, split)
    assert_equal(reference, both(reference, tmp_path), max(100, FUZZ_STRINGS // 50))


def test_unigram_falls_back_to_bytes(tmp_path: Path) -> None:
    document = json.loads(t5_like())
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    document["model"]["vocab"] += [[name, -9.0] for name in names]
    document["model"]["byte_fallback"] = True
    reference = Tokenizer.from_str(json.dumps(document))
    assert_equal(reference, both(reference, tmp_path), max(200, FUZZ_STRINGS // 50))
    document["model"]["vocab"] = [entry for entry in document["model"]["vocab"] if entry[0] != "<0xE2>"]
    reference = Tokenizer.from_str(json.dumps(document))
    assert_equal(reference, both(reference, tmp_path), max(200, FUZZ_STRINGS // 50))


def test_scores_are_rounded_as_the_tokenizers_package_reads_them(tmp_path: Path) -> None:
    """Its JSON reader is off by a bit for one number in seven, which decides between ways of equal sums."""
    chooser = random.Random(0)
    numbers = [repr(-chooser.uniform(0, 20)) for _ in range(2000)]
    numbers += [f"-{chooser.random():.25f}" for _ in range(300)]
    numbers += ["-123456789012345678901234567890.5", "-1e-320", "-2.5e30", "-0.1E5", "-12345678901234567890123.4e-20", "0.0"]
    document = json.loads(t5_like()) | {"added_tokens": [], "post_processor": None}
    document["model"] |= {"vocab": "@", "unk_id": 0}
    pieces = ",".join(f'["{number}", {number}]' for number in numbers)
    read = Tokenizer.from_str(json.dumps(document).replace('"@"', f"[{pieces}]"))
    written = json.loads(read.to_str())["model"]["vocab"]
    assert [read_float(number) for number in numbers] == [score for _, score in written]
    assert [float(number) for number in numbers] != [score for _, score in written]


def test_equal_sums_are_decided_as_in_the_tokenizers_package(tmp_path: Path) -> None:
    chooser = random.Random(1)
    document = json.loads(t5_like())
    for entry in document["model"]["vocab"][3:]:
        entry[1] = -9.012345678901234 - chooser.randrange(3)
    document["model"]["vocab"] += [["9" * count, -9.034567890123457 - count / 3] for count in range(2, 9)]
    document["added_tokens"] = []
    reference = Tokenizer.from_str(json.dumps(document))
    tokenizer = CTokenizer(compile_tables(json.dumps(document), tmp_path))
    for text in ["9" * count + "the" * (count % 5) for count in range(1, 200)]:
        assert tokenizer.encode(text) == reference.encode(text).ids


def test_long_texts_without_a_break_are_pieces_in_linear_time(tmp_path: Path) -> None:
    reference = Tokenizer.from_str(t5_like())
    tokenizer = both(reference, tmp_path)
    for text in ("the" * 7000, "日" * 20_000, "a" * 20_000, "\u0301" * 9000):
        assert tokenizer.encode(text) == reference.encode(text).ids
    assert len(tokenizer.encode("the" * 1_000_000)) > 1000


# --- BPE of characters


def test_bpe_of_characters_with_bytes_equals_the_tokenizers_package(tmp_path: Path) -> None:
    """Ids as Llama 2 has them; texts too, but streamed runs of bytes that are no UTF-8 keep their whole characters."""
    reference = Tokenizer.from_str(llama_like())
    tokenizer = both(reference, tmp_path)
    chooser = random.Random(3)
    for number in range(FUZZ_STRINGS or 1000):
        text = fuzz_string(chooser)
        assert tokenizer.encode(text) == reference.encode(text).ids, repr(text)
        ids = reference.encode(text).ids
        if number % 3 == 0:
            ids = [
                chooser.choice([chooser.randrange(len(tokenizer)), 3 + chooser.choice(b"\xf0\x9f\x98\x80 a")]) for _ in range(9)
            ]
        for skip in (True, False):
            decoded = reference.decode(ids, skip_special_tokens=skip)
            assert tokenizer.decode(ids, skip_special=skip) == decoded, ids
            if "\ufffd" not in decoded:
                assert "".join(tokenizer.stream(ids, skip_special=skip)) == decoded, ids


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(
    "missing", [(), ("<0xE2>",), tuple(f"<0x{byte:02X}>" for byte in range(256))], ids=["all", "some", "none"]
)
def test_characters_without_a_token_become_bytes_or_unknown(missing: tuple[str, ...], fuse: bool, tmp_path: Path) -> None:
    document = json.loads(llama_like())
    kept = [token for token in document["model"]["vocab"] if token not in missing]
    document["model"] |= {"vocab": {token: number for number, token in enumerate(kept)}, "fuse_unk": fuse}
    reference = Tokenizer.from_str(json.dumps(document))
    tokenizer = both(reference, tmp_path)
    chooser = random.Random(4)
    for _ in range(max(150, FUZZ_STRINGS // 50)):
        text = fuzz_string(chooser)
        assert tokenizer.encode(text) == reference.encode(text).ids, repr(text)
