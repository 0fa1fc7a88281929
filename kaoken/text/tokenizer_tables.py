"""Compiles a `tokenizer.json` into one binary section that `runtime/kk_tokenizer.c` reads where it lies.

The layout (all numbers little-endian, `docs/text.md` has it in words):

    u32 magic "KKTK", version, kind, CRC-32 of all that follows this field, bytes of the section
    u32 flags, tokens, unknown id, bytes of the longest token, property table, arrays
    u32 (offset in bytes, elements) for each array, in the order of `_ARRAYS`
    the arrays, each at a multiple of 8 bytes

`kind` says which model the arrays describe; other models (WordPiece, Unigram) are further kinds.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from itertools import pairwise
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kaoken.errors import UnsupportedModelError
from kaoken.text import unicode16
from kaoken.text.pattern_automaton import compile_pattern, partition
from kaoken.text.tokenizer_json import (
    BEHAVIORS,
    AddedToken,
    PrefixSpace,
    Split,
    Tokenizer,
    byte_alphabet,
    read_tokenizer,
)

MAGIC = 0x4B544B4B  # the bytes "KKTK"
VERSION = 1
KIND_BYTE_LEVEL_BPE = 1
NONE = 0xFFFFFFFF
TOKEN_BYTES_LIMIT = 1 << 20

FLAG_FUSE_UNKNOWN = 1

_TOKEN_EXISTS, _TOKEN_SPECIAL = 1, 2
_ADDED_SINGLE_WORD, _ADDED_LSTRIP, _ADDED_RSTRIP = 1, 2, 4
_PROPERTY_WORD, _PROPERTY_SPACE = 1, 2
_STAGE_PREFIX_SPACE, _STAGE_SPLIT = 0, 1

BLOCK = 128
"""Code points that share one entry of a class index."""

_ARRAYS = {
    "token_offsets": "<u4",  # [tokens + 1], where each token's text begins in token_bytes
    "token_bytes": "u1",  # the tokens' texts as decoding gives them
    "token_flags": "u1",  # [tokens]
    "byte_ids": "<u4",  # [256], the id of each byte, or NONE
    "words": "<u4",  # slots of (hash, id): pieces that are one token as they are
    "merges": "<u4",  # slots of (left, right, rank, result)
    "added": "<u4",  # (id, flags) of each added token
    "trie_nodes": "<u4",  # (first edge, edges, added token or NONE); node 0 and 1 are the roots
    "trie_edges": "<u4",  # (byte, node), by byte
    "stages": "<u4",  # 8 numbers a pre-tokenizer stage
    "transitions": "<u2",  # the stages' automata
    "class_index": "<u2",  # [8704] a table: which block of class_blocks holds 128 code points
    "class_blocks": "u1",  # [128] a block
    "prefix": "<u4",  # ids before the text, when special tokens are asked for
    "suffix": "<u4",  # ids after it
}


def tokenizer_tables(path: str | PathLike[str]) -> bytes:
    """The section for a `tokenizer.json`: a byte-level BPE tokenizer of the `tokenizers` package.

    Equal files give equal bytes. Raises UsageError when the file cannot be read and UnsupportedModelError when it
    is damaged or asks for what the tables cannot hold (the message names everything that does).
    """
    return _Writer(read_tokenizer(Path(path))).section()


def byte_hash(text: bytes) -> int:
    """FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo), 32 bits, its high half folded into the low bits."""
    value = 0x811C9DC5
    for byte in text:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value ^ value >> 15


def pair_hash(left: int, right: int) -> int:
    """Where a pair of ids is looked for first."""
    value = (left * 0x9E3779B1 + right) * 0x85EBCA6B & 0xFFFFFFFF
    return value ^ value >> 15


def _hash_table(entries: Iterable[tuple[int, tuple[int, ...]]], count: int, width: int) -> npt.NDArray[np.uint32]:
    """Slots of `width` numbers, filled by linear probing from each entry's hash; at least a third stays empty.

    An empty slot holds NONE in its last number.
    """
    size = 4
    while size * 2 < count * 3:
        size *= 2
    slots: list[tuple[int, ...]] = [(NONE,) * width] * size
    for hashed, entry in entries:
        at = hashed & (size - 1)
        while slots[at][-1] != NONE:
            at = (at + 1) & (size - 1)
        slots[at] = entry
    return np.array(slots, dtype=np.uint32).reshape(-1)


class _Writer:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.arrays: dict[str, npt.NDArray[np.generic]] = {}
        self.index: list[npt.NDArray[np.uint16]] = []
        self.blocks: dict[bytes, int] = {}
        self.transitions: list[npt.NDArray[np.uint16]] = []
        self.byte_of = {character: byte for byte, character in enumerate(byte_alphabet())}

    def section(self) -> bytes:
        tokens = self.tokens()
        self.words()
        self.merges()
        self.stages()
        properties = self.properties()
        self.trie()
        for name, ids in (("prefix", self.tokenizer.prefix), ("suffix", self.tokenizer.suffix)):
            if ids and max(ids) >= len(tokens):
                raise UnsupportedModelError(f"the post-processor adds id {max(ids)}, which is no token")
            self.arrays[name] = np.array(ids, dtype=np.uint32)
        self.arrays["transitions"] = np.concatenate([*self.transitions, np.zeros(0, np.uint16)])
        self.arrays["class_index"] = np.concatenate([*self.index, np.zeros(0, np.uint16)])
        self.arrays["class_blocks"] = np.frombuffer(b"".join(self.blocks), dtype=np.uint8)
        unknown = NONE if self.tokenizer.unknown is None else self.tokenizer.unknown
        flags = FLAG_FUSE_UNKNOWN if self.tokenizer.fuse_unknown else 0
        longest = max((len(text) for text in tokens), default=0)
        if longest > TOKEN_BYTES_LIMIT:
            raise UnsupportedModelError(f"a token of {longest} bytes is longer than {TOKEN_BYTES_LIMIT}")
        return self.pack(flags, len(tokens), unknown, longest, properties)

    def pack(self, *numbers: int) -> bytes:
        body = bytearray()
        start = 4 * (5 + len(numbers) + 1 + 2 * len(_ARRAYS))
        directory: list[int] = []
        for name, dtype in _ARRAYS.items():
            body += bytes(-(start + len(body)) % 8)
            directory += [start + len(body), self.arrays[name].size]
            body += self.arrays[name].astype(dtype).tobytes()
        after = struct.pack(f"<{2 + len(numbers) + len(directory)}I", start + len(body), *numbers, len(_ARRAYS), *directory)
        checked = after + bytes(body)
        return struct.pack("<4I", MAGIC, VERSION, KIND_BYTE_LEVEL_BPE, zlib.crc32(checked)) + checked

    def piece_bytes(self, token: str) -> bytes | None:
        """The bytes that a token of the byte-level alphabet stands for; None when it has other characters."""
        try:
            return bytes(self.byte_of[character] for character in token)
        except KeyError:
            return None

    def tokens(self) -> list[bytes]:
        """Decoded texts by id; an id without a token decodes to nothing."""
        named = {token_id: token for token, token_id in self.tokenizer.vocabulary.items()}
        named |= {token.id: token.content for token in self.tokenizer.added}
        special = {token.content for token in self.tokenizer.added if token.special}
        count = max(named, default=-1) + 1
        texts = [b""] * count
        flags = np.zeros(count, dtype=np.uint8)
        for token_id, token in named.items():
            decoded = self.piece_bytes(token)
            texts[token_id] = token.encode("utf-8", "replace") if decoded is None else decoded
            flags[token_id] = _TOKEN_EXISTS | (_TOKEN_SPECIAL if token in special else 0)
        self.arrays["token_offsets"] = np.cumsum([0, *map(len, texts)])
        self.arrays["token_bytes"] = np.frombuffer(b"".join(texts), dtype=np.uint8)
        self.arrays["token_flags"] = flags
        return texts

    def words(self) -> None:
        """Pieces that encode as one token: found by one look-up instead of by merging."""
        ranks: dict[tuple[int | None, int | None], tuple[int, int]] = {
            (left, right): (rank, result) for rank, (left, right, result) in enumerate(self.tokenizer.merges)
        }
        vocabulary = self.tokenizer.vocabulary
        byte_ids = [vocabulary.get(character) for character in byte_alphabet()]
        words = []
        for token, token_id in vocabulary.items():
            piece = self.piece_bytes(token)
            if not piece:
                continue
            if self.tokenizer.ignore_merges or _merged([byte_ids[byte] for byte in piece], ranks) == [token_id]:
                words.append((byte_hash(piece), (byte_hash(piece), token_id)))
        self.arrays["words"] = _hash_table(words, len(words), 2)
        self.arrays["byte_ids"] = np.array([NONE if i is None else i for i in byte_ids], dtype=np.uint32)

    def merges(self) -> None:
        # A pair listed twice has its last rank.
        last = {(left, right): (rank, result) for rank, (left, right, result) in enumerate(self.tokenizer.merges)}
        entries = [(pair_hash(left, right), (left, right, rank, result)) for (left, right), (rank, result) in last.items()]
        self.arrays["merges"] = _hash_table(entries, len(entries), 4)

    def class_table(self, classes: npt.NDArray[np.uint8]) -> int:
        """Adds a table of a class for each code point; returns its number."""
        rows = classes.reshape(-1, BLOCK)
        index = [self.blocks.setdefault(row.tobytes(), len(self.blocks)) for row in rows]
        self.index.append(np.array(index, dtype=np.uint16))
        return len(self.index) - 1

    def stages(self) -> None:
        rows: list[list[int]] = []
        for stage in self.tokenizer.stages:
            match stage:
                case PrefixSpace():
                    rows.append([_STAGE_PREFIX_SPACE, 0, 0, 0, 0, 0, 0, 0])
                case Split(pattern, behavior, invert, name):
                    automaton = compile_pattern(pattern, name)
                    states, symbols = automaton.transitions.shape
                    first = sum(table.size for table in self.transitions)
                    table = self.class_table(automaton.classes)
                    rows.append(
                        [
                            _STAGE_SPLIT,
                            BEHAVIORS.index(behavior),
                            int(invert),
                            table,
                            first,
                            states,
                            symbols,
                            0,
                        ]
                    )
                    self.transitions.append(automaton.transitions.reshape(-1))
        self.arrays["stages"] = np.array(rows, dtype=np.uint32).reshape(-1)

    def properties(self) -> int:
        """The table of word characters and spaces, when an added token asks for what surrounds it."""
        if not any(token.single_word or token.lstrip or token.rstrip for token in self.tokenizer.added):
            return NONE
        classes, (word, space) = partition([unicode16.word(), unicode16.white_space()], "properties")
        bits = [_PROPERTY_WORD * w + _PROPERTY_SPACE * s for w, s in zip(word, space, strict=True)]
        return self.class_table(np.array(bits, dtype=np.uint8)[classes])

    def trie(self) -> None:
        """Two tries of added tokens: those looked for in the raw text, then those in the normalized text."""
        added = self.tokenizer.added
        children: list[dict[int, int]] = [{}, {}]
        ends = [NONE, NONE]
        for number, token in enumerate(added):
            at = 1 if token.normalized else 0
            for byte in token.content.encode("utf-8", "replace"):
                if byte not in children[at]:
                    children[at][byte] = len(children)
                    children.append({})
                    ends.append(NONE)
                at = children[at][byte]
            ends[at] = number
        nodes: list[int] = []
        edges: list[int] = []
        for node, end in zip(children, ends, strict=True):
            nodes += [len(edges) // 2, len(node), end]
            for byte, child in sorted(node.items()):
                edges += [byte, child]
        self.arrays["trie_nodes"] = np.array(nodes, dtype=np.uint32)
        self.arrays["trie_edges"] = np.array(edges, dtype=np.uint32)
        self.arrays["added"] = np.array([(token.id, _added_flags(token)) for token in added], dtype=np.uint32)
        self.arrays["added"] = self.arrays["added"].reshape(-1)


def _added_flags(token: AddedToken) -> int:
    return _ADDED_SINGLE_WORD * token.single_word + _ADDED_LSTRIP * token.lstrip + _ADDED_RSTRIP * token.rstrip


def _merged(symbols: list[int | None], ranks: Mapping[tuple[int | None, int | None], tuple[int, int]]) -> list[int | None]:
    """Byte-pair encoding of one piece (R. Sennrich et al., 2016): the pair of lowest rank first, leftmost first."""
    while len(symbols) > 1:
        found = [(ranks[pair][0], at) for at, pair in enumerate(pairwise(symbols)) if pair in ranks]
        if not found:
            break
        _, at = min(found)
        symbols[at : at + 2] = [ranks[symbols[at], symbols[at + 1]][1]]
    return symbols
