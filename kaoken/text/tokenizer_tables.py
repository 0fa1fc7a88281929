"""Compiles a `tokenizer.json` into one binary section that `runtime/kk_tokenizer.c` reads where it lies.

The layout (all numbers little-endian, `docs/text.md` has it in words):

    u32 magic "KKTK", version, kind, CRC-32 of all that follows this field, bytes of the section
    u32 for each of `_NUMBERS`, then the number of arrays
    u32 (offset in bytes, elements) for each array, in the order of `_ARRAYS`
    the arrays, each at a multiple of 8 bytes
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kaoken.errors import UnsupportedModelError
from kaoken.text.character_tables import CharacterTables
from kaoken.text.hash_table import byte_hash, hash_table, pair_hash
from kaoken.text.normalizer import Growth, growth, normalized
from kaoken.text.tokenizer_description import (
    BEHAVIORS,
    AddedToken,
    Bpe,
    Metaspace,
    PrefixSpace,
    Split,
    Tokenizer,
    Unigram,
    WordPiece,
    byte_alphabet,
)
from kaoken.text.tokenizer_json import read_tokenizer
from kaoken.text.trie import NONE, build_trie

MAGIC = 0x4B544B4B  # the bytes "KKTK"
VERSION = 2
KIND_BYTE_LEVEL_BPE, KIND_CHARACTER_BPE, KIND_WORD_PIECE, KIND_UNIGRAM = 1, 2, 3, 4
TOKEN_BYTES_LIMIT = 1 << 20
GROWTH_LIMIT = 1024

FLAG_FUSE_UNKNOWN, FLAG_BYTE_FALLBACK, FLAG_RAW_BYTES = 1, 2, 4
UNKNOWN_PENALTY = 10.0
"""How much worse than the worst piece an unknown character is to Unigram."""

_TOKEN_EXISTS, _TOKEN_SPECIAL, _TOKEN_BYTE = 1, 2, 4
_ADDED_SINGLE_WORD, _ADDED_LSTRIP, _ADDED_RSTRIP = 1, 2, 4
_STAGE_PREFIX_SPACE, _STAGE_SPLIT, _STAGE_METASPACE = 0, 1, 2
_PREPEND = ("never", "always", "first")
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f+][0-9A-Fa-f])>")

_NUMBERS = (
    "flags",
    "tokens",
    "unknown",
    "longest_token",
    "property_table",
    "padding",
    "padding_type",
    "mark",  # the code point that spaces in the tables stand for, or NONE
    "most_characters",
    "continuation",  # the slot of `units` where pieces begin that go on a word
    "growth",
    "extra",
    "buffers",
    "strip",
    "strip_count",
)

_ARRAYS = {
    "token_offsets": "<u4",  # [tokens + 1], where each token's text begins in token_bytes
    "token_bytes": "u1",  # the tokens' texts as decoding gives them
    "token_flags": "u1",  # [tokens]
    "first_offsets": "<u4",  # the same for tokens that begin a text; empty where nothing differs
    "first_bytes": "u1",
    "byte_ids": "<u4",  # [256], the id of each byte, or NONE
    "words": "<u4",  # slots of (hash, id): pieces that are one token as they are
    "merges": "<u4",  # slots of (left, right, rank, result)
    "units": "<u4",  # the pieces as a double array: (base, parent) a slot
    "unit_ids": "<u4",  # the piece that ends in each slot, or NONE
    "scores": "<f8",  # of each piece, then that of an unknown character
    "added": "<u4",  # (id, flags) of each added token
    "trie_nodes": "<u4",  # (first edge, edges, added token or NONE); node 0 and 1 are the roots
    "trie_edges": "<u4",  # (byte, node), by byte
    "steps": "<u4",  # 8 numbers a step of the normalizer
    "map_index": "<u2",  # [8704] a character map: which block of map_blocks holds 128 code points
    "map_blocks": "<u4",  # [128] a block
    "texts": "u1",  # a length, and a text of so many bytes
    "charsmap_units": "<u4",  # SentencePiece's map as a double array
    "charsmap_texts": "<u4",  # the place in `texts` for each slot, or NONE
    "compositions": "<u4",  # slots of (first, second, composite)
    "stages": "<u4",  # 8 numbers a pre-tokenizer stage
    "transitions": "<u2",  # the automata of stages and steps
    "class_index": "<u2",  # [8704] a table: which block of class_blocks holds 128 code points
    "class_blocks": "u1",  # [128] a block
    "single": "<u4",  # (kind, id, type) of each part around one text
    "pair": "<u4",  # the same around two
}


def tokenizer_tables(path: str | PathLike[str]) -> bytes:
    """The section for a `tokenizer.json` of the `tokenizers` package: BPE, WordPiece or Unigram.

    Equal files give equal bytes. Raises UsageError when the file cannot be read and UnsupportedModelError when it
    is damaged or asks for what the tables cannot hold (the message names everything that does).
    """
    return _Writer(read_tokenizer(Path(path))).section()


def text_demand(section: bytes) -> tuple[int, int, int, int]:
    """The members of the runtime's kk_text_demand: kind, growth, extra, buffers; they give the size of scratch memory."""
    numbers = struct.unpack_from(f"<{5 + len(_NUMBERS)}I", section)
    first = 5 + _NUMBERS.index("growth")
    return numbers[2], numbers[first], numbers[first + 1], numbers[first + 2]


class _Writer:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.model = tokenizer.model
        self.characters = CharacterTables()
        self.arrays: dict[str, npt.NDArray[np.generic]] = {name: np.zeros(0, dtype=dtype) for name, dtype in _ARRAYS.items()}
        self.numbers = dict.fromkeys(_NUMBERS, 0) | {"unknown": NONE, "property_table": NONE, "mark": NONE}
        self.byte_of = {character: byte for byte, character in enumerate(byte_alphabet())}
        marks = [stage.mark for stage in tokenizer.stages if isinstance(stage, Metaspace)]
        self.mark = marks[0] if marks else ""

    def section(self) -> bytes:
        tokenizer, numbers = self.tokenizer, self.numbers
        tokens = self.tokens()
        self.vocabulary()
        self.stages()
        self.arrays |= self.characters.steps(tokenizer.normalizer)
        numbers["property_table"] = self.properties()
        self.trie()
        self.templates(tokens)
        self.arrays |= self.characters.arrays()
        demand = growth(tokenizer.normalizer) if tokenizer.normalizer else Growth(1, 0)
        if demand.factor > GROWTH_LIMIT:
            raise UnsupportedModelError(
                f"the normalizer can make a text {demand.factor} times as long, {GROWTH_LIMIT} is the most"
            )
        numbers["growth"], numbers["extra"] = demand.factor, demand.extra
        prefixes = any(isinstance(stage, (PrefixSpace, Metaspace)) for stage in tokenizer.stages)
        numbers["buffers"] = 2 * bool(tokenizer.normalizer) + prefixes
        numbers["padding"], numbers["padding_type"] = tokenizer.padding
        numbers["mark"] = ord(self.mark) if self.mark else NONE
        if tokenizer.decoder.strip:
            numbers["strip"], numbers["strip_count"] = ord(tokenizer.decoder.strip), tokenizer.decoder.strip_count
        return self.pack()

    def pack(self) -> bytes:
        body = bytearray()
        start = 4 * (5 + len(_NUMBERS) + 1 + 2 * len(_ARRAYS))
        directory: list[int] = []
        for name, dtype in _ARRAYS.items():
            body += bytes(-(start + len(body)) % 8)
            directory += [start + len(body), self.arrays[name].size]
            body += self.arrays[name].astype(dtype).tobytes()
        numbers = [self.numbers[name] for name in _NUMBERS]
        after = struct.pack(f"<{2 + len(numbers) + len(directory)}I", start + len(body), *numbers, len(_ARRAYS), *directory)
        checked = after + bytes(body)
        return struct.pack("<4I", MAGIC, VERSION, self.kind(), zlib.crc32(checked)) + checked

    def kind(self) -> int:
        match self.model:
            case Bpe():
                return KIND_BYTE_LEVEL_BPE if self.model.byte_level else KIND_CHARACTER_BPE
            case WordPiece():
                return KIND_WORD_PIECE
            case Unigram():
                return KIND_UNIGRAM

    def piece_bytes(self, token: str) -> bytes | None:
        """The bytes that a token of the byte-level alphabet stands for; None when it has other characters."""
        try:
            return bytes(self.byte_of[character] for character in token)
        except KeyError:
            return None

    def tokens(self) -> int:
        """The texts that tokens decode to, by id; an id without a token has none. Returns how many ids there are."""
        model, decoder = self.model, self.tokenizer.decoder
        named = dict(enumerate(model.pieces)) if isinstance(model, Unigram) else {i: t for t, i in model.vocabulary.items()}
        named |= {token.id: token.content for token in self.tokenizer.added}
        special = {token.content for token in self.tokenizer.added if token.special}
        count = max(named, default=-1) + 1
        later, first = [b""] * count, [b""] * count
        flags = np.zeros(count, dtype=np.uint8)
        for token_id, token in named.items():
            flags[token_id] = _TOKEN_EXISTS | (_TOKEN_SPECIAL if token in special else 0)
            texts = [decoder.text(token, is_first) for is_first in (False, True)]
            later[token_id], first[token_id] = (text.encode("utf-8", "replace") for text in texts)
            byte = _BYTE_TOKEN.fullmatch(texts[0]) if decoder.byte_fallback else None
            if byte and texts[0] == texts[1]:
                later[token_id] = first[token_id] = bytes([int(byte[1], 16)])
                flags[token_id] |= _TOKEN_BYTE
            elif decoder.byte_level:
                decoded = self.piece_bytes(token)
                later[token_id] = first[token_id] = later[token_id] if decoded is None else decoded
        self.arrays["token_flags"] = flags
        longest = 0
        for name, texts_by_id in (("token", later), *((("first", first),) if first != later else ())):
            self.arrays[f"{name}_offsets"] = np.cumsum([0, *map(len, texts_by_id)])
            self.arrays[f"{name}_bytes"] = np.frombuffer(b"".join(texts_by_id), dtype=np.uint8)
            longest = max([longest, *map(len, texts_by_id)])
        if longest > TOKEN_BYTES_LIMIT:
            raise UnsupportedModelError(f"a token of {longest} bytes is longer than {TOKEN_BYTES_LIMIT}")
        self.numbers["tokens"], self.numbers["longest_token"] = count, longest
        self.numbers["flags"] |= FLAG_RAW_BYTES if decoder.byte_level else 0
        return count

    def key(self, piece: str) -> bytes:
        """A piece as it is looked for: spaces in the place of the mark. Empty where it can never be found."""
        if self.mark not in ("", " "):
            piece = "" if " " in piece else piece.replace(self.mark, " ")
        return piece.encode("utf-8", "replace")

    def vocabulary(self) -> None:
        model, numbers = self.model, self.numbers
        self.arrays["byte_ids"] = np.full(256, NONE, dtype=np.uint32)
        self.arrays["words"] = self.arrays["merges"] = np.full(16, NONE, dtype=np.uint32)
        numbers["unknown"] = NONE if model.unknown is None else model.unknown
        keys: dict[bytes, int] = {}
        match model:
            case Bpe():
                numbers["flags"] |= FLAG_FUSE_UNKNOWN * model.fuse_unknown | FLAG_BYTE_FALLBACK * model.byte_fallback
                keys = self.byte_pairs(model)
            case WordPiece(vocabulary, _, _, most_characters):
                keys = {self.key(token): token_id for token, token_id in vocabulary.items()}
                numbers["most_characters"] = most_characters
            case Unigram(vocabulary, _, scores, _, byte_fallback):
                keys = {self.key(token): token_id for token, token_id in vocabulary.items()}
                numbers["flags"] |= FLAG_BYTE_FALLBACK * byte_fallback
                self.arrays["scores"] = np.array([*scores, min(scores, default=0.0) - UNKNOWN_PENALTY])
        if isinstance(model, Unigram) or (isinstance(model, Bpe) and model.byte_fallback):
            names = (f"<0x{byte:02X}>" for byte in range(256))
            self.arrays["byte_ids"] = np.array([model.vocabulary.get(name, NONE) for name in names], dtype=np.uint32)
        pieces_trie = build_trie(keys)
        self.arrays["units"], self.arrays["unit_ids"] = pieces_trie.units.reshape(-1), pieces_trie.values
        if isinstance(model, WordPiece):
            after = pieces_trie.find(self.key(model.prefix))
            numbers["continuation"] = NONE if after is None else after

    def byte_pairs(self, model: Bpe) -> dict[bytes, int]:
        """The tables of a BPE model. Returns the pieces that are one token as they are, of a model of characters."""
        # A pair listed twice has its last rank.
        last = {(left, right): (rank, result) for rank, (left, right, result) in enumerate(model.merges)}
        entries = [(pair_hash(left, right), (left, right, rank, result)) for (left, right), (rank, result) in last.items()]
        self.arrays["merges"] = hash_table(entries, len(entries), 4)
        byte_ids = [model.vocabulary.get(character) for character in byte_alphabet()]
        whole: dict[bytes, int] = {}
        for token, token_id in model.vocabulary.items():
            piece = self.piece_bytes(token) if model.byte_level else self.key(token)
            if not piece:
                continue
            symbols = [byte_ids[byte] for byte in piece] if model.byte_level else [*map(model.vocabulary.get, token)]
            if model.ignore_merges or _merged(symbols, last) == [token_id]:
                whole[piece] = token_id
        if not model.byte_level:
            return whole
        self.arrays["words"] = hash_table(
            [(byte_hash(piece), (byte_hash(piece), token_id)) for piece, token_id in whole.items()], len(whole), 2
        )
        self.arrays["byte_ids"] = np.array([NONE if i is None else i for i in byte_ids], dtype=np.uint32)
        return {}

    def stages(self) -> None:
        rows: list[list[int]] = []
        for stage in self.tokenizer.stages:
            match stage:
                case PrefixSpace():
                    rows.append([_STAGE_PREFIX_SPACE, 0, 0, 0, 0, 0, 0, 0])
                case Metaspace(mark, prepend):
                    rows.append([_STAGE_METASPACE, _PREPEND.index(prepend), ord(mark), 0, 0, 0, 0, 0])
                case Split(pattern, behavior, invert, name):
                    automaton = self.characters.automaton(pattern, name)
                    rows.append([_STAGE_SPLIT, BEHAVIORS.index(behavior), int(invert), *automaton, 0])
        self.arrays["stages"] = np.array(rows, dtype=np.uint32).reshape(-1)

    def properties(self) -> int:
        """The table of word characters and spaces, where something asks for them."""
        added = self.tokenizer.added
        asked = any(token.single_word or token.lstrip or token.rstrip for token in added)
        return self.characters.properties() if asked or self.characters.strips else NONE

    def trie(self) -> None:
        """Two tries of added tokens: those looked for in the raw text, then those in the normalized text."""
        added = self.tokenizer.added
        children: list[dict[int, int]] = [{}, {}]
        ends = [NONE, NONE]
        # Of tokens that normalize to the same text the first counts, special ones before others.
        for number, token in sorted(enumerate(added), key=lambda entry: not entry[1].special):
            at = 1 if token.normalized else 0
            content = normalized(self.tokenizer.normalizer, token.content) if token.normalized else token.content
            if not content:
                raise UnsupportedModelError(f"the added token {token.content!r} normalizes to nothing")
            for byte in content.encode("utf-8", "replace"):
                if byte not in children[at]:
                    children[at][byte] = len(children)
                    children.append({})
                    ends.append(NONE)
                at = children[at][byte]
            ends[at] = number if ends[at] == NONE else ends[at]
        nodes: list[int] = []
        edges: list[int] = []
        for node, end in zip(children, ends, strict=True):
            nodes += [len(edges) // 2, len(node), end]
            for byte, child in sorted(node.items()):
                edges += [byte, child]
        self.arrays["trie_nodes"] = np.array(nodes, dtype=np.uint32)
        self.arrays["trie_edges"] = np.array(edges, dtype=np.uint32)
        flags = [(token.id, _added_flags(token)) for token in added]
        self.arrays["added"] = np.array(flags, dtype=np.uint32).reshape(-1)

    def templates(self, tokens: int) -> None:
        for name, parts in (("single", self.tokenizer.single), ("pair", self.tokenizer.pair)):
            largest = max(part.id for part in parts)
            if largest and largest >= tokens:
                raise UnsupportedModelError(f"the post-processor adds id {largest}, which is no token")
            rows = [(part.kind, part.id, part.type) for part in parts]
            self.arrays[name] = np.array(rows, dtype=np.uint32).reshape(-1)


def _added_flags(token: AddedToken) -> int:
    return _ADDED_SINGLE_WORD * token.single_word + _ADDED_LSTRIP * token.lstrip + _ADDED_RSTRIP * token.rstrip


def _merged(symbols: list[int | None], ranks: Mapping[Any, tuple[int, int]]) -> list[int | None]:
    """Byte-pair encoding of one piece (R. Sennrich et al., 2016): the pair of lowest rank first, leftmost first."""
    while len(symbols) > 1:
        found = [(ranks[pair][0], at) for at, pair in enumerate(pairwise(symbols)) if pair in ranks]
        if not found:
            break
        _, at = min(found)
        symbols[at : at + 2] = [ranks[symbols[at], symbols[at + 1]][1]]
    return symbols
