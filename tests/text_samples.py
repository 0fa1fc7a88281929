"""Tokenizers trained for tests, and the strings that they are tried on."""

from __future__ import annotations

import io
import json
import os
import random
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from kaoken.text.tokenizer_tables import tokenizer_tables

FUZZ_STRINGS = int(os.environ.get("KAOKEN_FUZZ_STRINGS", "0"))
"""How many strings the full comparison takes; 0 for the short one of every day."""

END_OF_TEXT = "<|endoftext|>"


def _corpus(characters: int) -> Iterator[str]:
    """The standard library's sources, then words in other scripts."""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        if characters <= 0:
            break
        if "site-packages" not in path.parts:
            text = path.read_text(encoding="utf-8", errors="replace")
            characters -= len(text)
            yield text
    chooser = random.Random(0)
    scripts = [(0x61, 0x7A), (0xC0, 0x17F), (0x391, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA), (0x4E00, 0x5000)]
    for _ in range(2000):
        first, last = chooser.choice(scripts)
        yield " ".join(
            "".join(chr(min(last, first + int(chooser.expovariate(0.1)))) for _ in range(chooser.randint(1, 9)))
            for _ in range(20)
        )


@cache
def gpt2_like(vocabulary: int = 1500, characters: int = 600_000) -> str:
    """A trained tokenizer as GPT-2's is set up, as the text of its tokenizer.json."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(characters), trainer)
    return str(tokenizer.to_str())


@cache
def bert_like(lowercase: bool = True, vocabulary: int = 2000, characters: int = 600_000) -> str:
    """A trained tokenizer as BERT's is set up, as the text of its tokenizer.json."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=names, show_progress=False)
    tokenizer.train_from_iterator(_corpus(characters), trainer)
    return str(tokenizer.to_str())


@cache
def sentencepiece_charsmap(rule: str = "nmt_nfkc") -> bytes:
    """The precompiled map of one of SentencePiece's normalization rules, as a model that it trains holds it."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the quick brown fox jumps over the lazy dog"] * 20),
        model_writer=written,
        vocab_size=40,
        normalization_rule_name=rule,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(written.getvalue())
    return bytes(model.normalizer_spec.precompiled_charsmap)


@cache
def t5_like(vocabulary: int = 1200, characters: int = 150_000) -> str:
    """A trained tokenizer as T5's is set up, but for the map of its normalizer, as the text of its tokenizer.json."""
    names = ["<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=vocabulary, special_tokens=names, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(_corpus(characters), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return str(tokenizer.to_str())


@cache
def llama_like(vocabulary: int = 1500, characters: int = 300_000) -> str:
    """A trained tokenizer as Llama 2's is set up, as the text of its tokenizer.json."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=True)
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=names, limit_alphabet=300, show_progress=False)
    tokenizer.train_from_iterator(_corpus(characters), trainer)
    document = json.loads(tokenizer.to_str())
    document["pre_tokenizer"] = None
    document["added_tokens"] = document["added_tokens"][:3]
    document = Tokenizer.from_str(json.dumps(document))
    document.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    document.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    document.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return str(document.to_str())


def compile_tables(document: str, folder: Path) -> bytes:
    """The tables of a tokenizer.json that is written into a folder."""
    path = folder / "tokenizer.json"
    path.write_text(document, encoding="utf-8")
    return tokenizer_tables(path)


_COMMON = [
    *("the", "and", "ing", "of", "to", "self", "return", "import", "def", "class", "None", "don't", "12", "1234"),
    *("'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "3.14", "__x"),
]
_ODD: list[str] = [
    *" \t\n\r\v\f\x00\x1c\x85\xa0\u1680\u2003\u2028\u200b\u200c\u200d\u202f\u3000\ufeff\ufffd",
    *"\u00df\u0130\u017f\u212a\u0301\u0489\u20dd\ufe0f\u00b2\u00bd\u2160\u2460\u0966\u5bf8",
    *("  ", "   ", "\r\n", "\n\n", " \n ", "\n  x", "'", "''", END_OF_TEXT, f" {END_OF_TEXT} ", "<|end", "|>"),
    *("[CLS]", "[MASK]", " [SEP]", "[PAD]x", "</s>", "<pad>", "<unk>", "▁", "▁the", "<0x41>", "##ing", "n't", "do not", " . "),
    *("\u1100\u1161\u11a8", "\u1112\u1175", "\uac00", "\uac01\u11a8", "\ud7a3", "\u0345\u0300\u0323", "a\u0323\u0301"),
    *("\u212b", "\u1e9e", "\ufb01", "\ufdfa", "\u3392", "\u1e69", "\u0344", "\u0958", "\U0001d160", "\U0002f800", "\u00ad"),
    *("\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3", "\u00a9\ufe0f", "\u00a9\u200d", "\u0e33", "\u0600", "e\u0301", "\U00020000"),
    *("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U000105c0", "\U00011db0", "\U0010ffff", "\ue000", "'\u017f"),
]


def fuzz_string(chooser: random.Random) -> str:
    """A string of up to some 40 parts: words, runs, odd characters, any code points."""
    return "".join(_part(chooser) for _ in range(chooser.randrange(40)))


def _part(chooser: random.Random) -> str:
    match chooser.randrange(9):
        case 0 | 1:
            return chr(chooser.randrange(32, 127))
        case 2:
            return " " + chooser.choice(_COMMON)
        case 3:
            return chooser.choice(_COMMON)
        case 4 | 5:
            return chooser.choice(_ODD)
        case 6:
            return chr(chooser.randrange(0x80, 0x2000))
        case 7:
            return chooser.choice([chr(chooser.randrange(32, 127)), " ", "\n", "9", "é"]) * chooser.randrange(1, 70)
        case _:
            code_point = chooser.randrange(0x2000, 0x110000 - 0x800)
            return chr(code_point if code_point < 0xD800 else code_point + 0x800)
