"""WordPiece, Unigram and BPE of characters in C give what the tokenizers package gives: ids, types of pairs, texts."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from c_tokenizer import CAPACITY, CUT, SPECIAL, CTokenizer, StatusError
from text_samples import FUZZ_STRINGS, bert_like, compile_tables, fuzz_string
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers, processors


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
