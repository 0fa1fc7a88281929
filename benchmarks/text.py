"""Tokenizer and sampler in C beside the tokenizers package, one thread each; prints a table.

    python benchmarks/text.py [--rounds 3] [--vocabulary 50257] [--megabytes 4]

The tokenizers are trained here, on the standard library's sources, and encode sources that they have not seen.
"""

from __future__ import annotations

import argparse
import os
import sys
import sysconfig
import time
from collections.abc import Callable
from ctypes import byref, c_int64, c_size_t
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
from c_sampler import CSampler
from c_tokenizer import CTokenizer
from text_samples import bert_like, compile_tables, gpt2_like, sentencepiece_charsmap, t5_like
from tokenizers import Tokenizer, normalizers


def documents(megabytes: float) -> list[str]:
    """Sources of installed packages, then manuals' texts, until they are so large together."""
    found: list[str] = []
    left = megabytes * 1e6
    for path in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py")):
        if left <= 0:
            break
        text = path.read_text(encoding="utf-8", errors="replace")
        left -= len(text.encode())
        found.append(text)
    return found


def encoder(tokenizer: CTokenizer, texts: list[str]) -> Callable[[], int]:
    """Encodes all texts into one buffer, as a C program would."""
    encoded = [text.encode() for text in texts]
    longest = max(map(len, encoded))
    scratch_bytes = tokenizer.library.kk_tokenizer_scratch(tokenizer.handle, c_size_t(longest))
    scratch = (c_int64 * (scratch_bytes // 8 + 1))()
    ids = (c_int64 * (longest + 16))()
    count = c_size_t()

    def encode() -> int:
        total = 0
        for data in encoded:
            status = tokenizer.library.kk_tokenizer_encode(
                tokenizer.handle, data, c_size_t(len(data)), 0, scratch, c_size_t(scratch_bytes), ids,
                c_size_t(len(ids)), byref(count),
            )  # fmt: skip
            assert status == 0
            total += count.value
        return total

    return encode


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(name: str, document: str, texts: list[str], rounds: int) -> CTokenizer:
    """Prints how fast a tokenizer encodes texts, beside the tokenizers package; both must give as many ids."""
    reference = Tokenizer.from_str(document)
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        section = compile_tables(document, Path(folder))
        print(f"{name}: tables in {time.perf_counter() - start:.2f} s, {len(section) / 1e6:.1f} MB")
    tokenizer = CTokenizer(section)
    encode = encoder(tokenizer, texts)
    size = sum(len(text.encode()) for text in texts) / 1e6
    ids = sum(len(reference.encode(text, add_special_tokens=False).ids) for text in texts)
    assert encode() == ids
    print(f"{len(texts)} texts, {size:.1f} MB, {ids} tokens; MB/s by round")
    rows: dict[str, Callable[[], object]] = {
        "kaoken encode": encode,
        "tokenizers encode": lambda: [reference.encode(text, add_special_tokens=False) for text in texts],
        "tokenizers encode_batch_fast": lambda: reference.encode_batch_fast(texts, add_special_tokens=False),
    }
    results: dict[str, list[float]] = {row: [] for row in rows}
    for _ in range(rounds):
        for row, call in rows.items():
            results[row].append(size / timed(call))
    for row, rates in results.items():
        print(f"{row:32}", *(f"{rate:8.1f}" for rate in rates))
    return tokenizer


def t5_document(vocabulary: int) -> str:
    """A Unigram tokenizer with SentencePiece's map."""
    reference = Tokenizer.from_str(t5_like(vocabulary, 3_000_000))
    reference.normalizer = normalizers.Precompiled(sentencepiece_charsmap())
    return str(reference.to_str())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--vocabulary", type=int, default=50257)
    parser.add_argument("--megabytes", type=float, default=4)
    arguments = parser.parse_args()
    texts = documents(arguments.megabytes)
    tokenizer = compare("GPT-2's kind", gpt2_like(arguments.vocabulary, 60_000_000), texts, arguments.rounds)
    compare("BERT's kind", bert_like(True, min(30_522, arguments.vocabulary), 20_000_000), texts, arguments.rounds)
    compare("T5's kind", t5_document(min(8_000, arguments.vocabulary)), texts, arguments.rounds)
    for length in (1_000, 10_000, 100_000, 1_000_000):
        text = "a" * length
        print(f"{length:9} times one letter: {timed(lambda: tokenizer.encode(text)) * 1e3:8.2f} ms")  # noqa: B023
    logits = (np.random.default_rng(0).standard_normal(50257) * 3).astype(np.float32)
    settings: list[dict[str, float]] = [
        {},
        {"temperature": 0.8},
        {"temperature": 0.8, "top_k": 50},
        {"temperature": 0.8, "top_p": 0.95},
    ]
    for values in settings:
        sampler = CSampler(50257, (), **values)
        seconds = timed(lambda: [sampler.sample(logits) for _ in range(100)]) / 100  # noqa: B023
        print(f"sample of 50257, {values or 'greedy'}: {seconds * 1e6:.0f} us")


if __name__ == "__main__":
    main()
