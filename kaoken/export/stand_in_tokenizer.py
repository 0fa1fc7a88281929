"""Stand-in tokenizers for models with random weights: text goes in and comes out, without the hub's
tokenizer.

They have the vocabulary size of the model and are trained on words made up from a seed, so equal sizes and
seeds give equal files. They are no substitute for a real model's tokenizer, whose ids differ.
"""

from __future__ import annotations

import base64
import json
import math
import random
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kaoken.export.extras import import_extra
from kaoken.export.zoo import models_folder

LONGEST_PIECE = 10

_ONSETS = (
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p ph pl pr qu r s sc sh sk sl sm sn sp st str sw t th tr tw v w wh y z"
)
_NUCLEI = "a ai au e ea ee i ie o oa oo ou u ä é ø"
_CODAS = "b ck d f g l ld ll m mp n nd ng nt p r rd rk rn rt s sh ss st t th x ß"
_COMMON = (
    "the of and a to in he was that it his her with as had you for not she but at on is be him they all "
    "I have this by were from one so which when we there an my said would me or what who if them will "
    "no out do up more into about some then could very time now like little than old any man made over "
    "before good must us way well came such where long here how first after much day other down its "
    "only your never again know see come great did work home night house told water once upon story "
    "friend"
)


def write_byte_bpe(folder: Path, vocabulary: int, end_id: int | None, seed: int) -> int:
    """Byte-level BPE as GPT-2 defines it, its last entry `<|endoftext|>`; returns the number of entries.

    The end is given the id `end_id` where the vocabulary reaches it exactly, else the last id used.
    """
    size = vocabulary if end_id is None else min(vocabulary, end_id + 1)
    tokenizer = _train_byte_bpe(size - 1, seed)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    special = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    return _save(tokenizer, folder, special)


def write_roberta_bpe(folder: Path, vocabulary: int, seed: int) -> int:
    """Byte-level BPE as RoBERTa has it: `<s>`, `<pad>`, `</s>`, `<unk>` first, `<mask>` last, sentences between `<s>` and
    `</s>`; returns the number of entries."""
    tokenizers = import_extra("tokenizers")
    first = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>"}
    tokenizer = _train_byte_bpe(vocabulary - 1, seed, list(first.values()))
    tokenizer.add_special_tokens([tokenizers.AddedToken("<mask>", lstrip=True, special=True)])
    cls, sep = (tokenizer.token_to_id(first[name]) for name in ("bos", "eos"))
    tokenizer.post_processor = tokenizers.processors.RobertaProcessing(
        sep=(first["eos"], sep), cls=(first["bos"], cls), add_prefix_space=False
    )
    special = {f"{name}_token": token for name, token in first.items()}
    return _save(tokenizer, folder, {**special, "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"})


def _train_byte_bpe(size: int, seed: int, special: Sequence[str] = ()) -> Any:
    """A byte-level BPE tokenizer of `size` entries, the special ones first."""
    tokenizers = import_extra("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(special),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(seed, words=max(2000, size + size // 4)), trainer)
    return tokenizer


def write_wordpiece(folder: Path, vocabulary: int, seed: int) -> int:
    """WordPiece as BERT's uncased models define it; returns the number of entries."""
    tokenizers = import_extra("tokenizers")
    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = tokenizers.decoders.WordPiece()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=list(special.values()), show_progress=False
    )
    tokenizer.train_from_iterator(corpus(seed, words=max(2000, vocabulary + vocabulary // 4)), trainer)
    cls, sep = (tokenizer.token_to_id(special[name]) for name in ("cls", "sep"))
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )
    return _save(tokenizer, folder, {f"{name}_token": token for name, token in special.items()})


def write_unigram(folder: Path, vocabulary: int, seed: int) -> int:
    """SentencePiece's Unigram model in the form that T5's tokenizer.json has; returns the number of entries.

    As in the published T5, a large vocabulary ends with 100 sentinels (`<extra_id_99>` to `<extra_id_0>`) and the model's
    own vocabulary is 28 rows longer than the tokenizer. Trainers of Unigram models depend on the order of hash tables, so
    the pieces are counted here: the substrings that cover most text, with the logarithm of their share as their score.
    """
    tokenizers = import_extra("tokenizers")
    special = {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"}
    large = vocabulary > 4096
    sentinels = [f"<extra_id_{n}>" for n in reversed(range(100))] if large else []
    pieces = _counted_pieces(vocabulary - (28 if large else 0) - len(sentinels) - len(special), seed)
    entries = [(token, 0.0) for token in special.values()] + pieces + [(token, 0.0) for token in sentinels]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram(entries, unk_id=2))
    tokenizer.normalizer = tokenizers.normalizers.Precompiled(_sentencepiece_charsmap())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.WhitespaceSplit(), tokenizers.pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = tokenizers.decoders.Metaspace()
    tokenizer.add_special_tokens([*special.values(), *sentinels])
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return _save(tokenizer, folder, {f"{name}_token": token for name, token in special.items()})


def _counted_pieces(count: int, seed: int) -> list[tuple[str, float]]:
    """Pieces with their scores, best first: every character of the corpus, then the substrings that cover most of it."""
    words = Counter(f"\u2581{word}" for line in corpus(seed, words=max(2000, count + count // 4)) for word in line.split())
    found: Counter[str] = Counter()
    for word, times in words.items():
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + LONGEST_PIECE) + 1):
                piece = word[start:end]
                if len(piece) == 1 or piece.lstrip("\u2581").isalnum():  # punctuation stands alone, as SentencePiece has it
                    found[piece] += times
    letters = {*string.ascii_letters, *string.digits, *string.punctuation, *(piece for piece in found if len(piece) == 1)}
    longer = sorted((p for p in found if len(p) > 1), key=lambda p: (-found[p] * len(p), p))
    chosen = sorted([*letters, *longer[: count - len(letters)]], key=lambda p: (-found[p], p))
    total = sum(found[piece] + 1 for piece in chosen)
    return [(piece, math.log((found[piece] + 1) / total)) for piece in chosen]


def _sentencepiece_charsmap() -> bytes:
    """SentencePiece's table of nmt_nfkc, from the tokenizer that was trained with it."""
    trained = models_folder() / "story_t5" / "tokenizer.json"
    return base64.b64decode(json.loads(trained.read_text(encoding="utf-8"))["normalizer"]["precompiled_charsmap"])


def corpus(seed: int, words: int) -> Iterator[str]:
    """Lines of made-up text with about `words` distinct words, common ones more often, as in real text."""
    rng, common = random.Random(seed), _COMMON.split()
    made = _made_up_words(rng, words)
    for start in range(0, len(made), 4):
        line = [word for fresh in made[start : start + 4] for word in (rng.choice(common), fresh)]
        # Words met a second time give the trainer a reason to prefer their pieces.
        line += [made[int(len(made) * rng.random() ** 3)] for _ in range(3)]
        text = " ".join(line)
        yield f"{text[0].upper()}{text[1:]}{rng.choice('.,;!?')} {rng.randrange(10_000)}\n"


def _made_up_words(rng: random.Random, count: int) -> list[str]:
    """Distinct words of one to four syllables."""
    onsets, nuclei = _ONSETS.split(), _NUCLEI.split()
    codas = ["", "", "", *_CODAS.split()]
    words: dict[str, None] = {}
    while len(words) < count:
        syllables = 1 + min(3, int(rng.expovariate(0.8)))
        parts = (rng.choice(onsets) + rng.choice(nuclei) + rng.choice(codas) for _ in range(syllables))
        words["".join(parts)] = None
    return list(words)


def _save(tokenizer: Any, folder: Path, special: dict[str, str]) -> int:
    """Write tokenizer.json and what transformers wants beside it."""
    transformers = import_extra("transformers")
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return int(tokenizer.get_vocab_size())
