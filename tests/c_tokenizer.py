"""Calls the C tokenizer from tests, as a C program would."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import byref, c_int, c_int64, c_size_t, c_uint32, c_void_p
from functools import cache

from c_build import RUNTIME, build_shared

from kaoken.emit.runtime_sources import runtime_closure

SOURCES = [RUNTIME / name for name in runtime_closure(["kk_tokenizer.c"]) if name.endswith(".c")]

SPECIAL, CUT = 1, 2

OK, ARGUMENT, RANGE, CAPACITY, TEXT = 0, 1, 2, 6, 7


class Decoder(ctypes.Structure):
    """struct kk_decoder."""

    _fields_ = (
        ("tokenizer", c_void_p),
        ("skip_special", c_int),
        ("held", ctypes.c_ubyte * 4),
        ("held_bytes", c_uint32),
        ("begun", c_int),
        ("strip", c_uint32),
    )


class TextPair(ctypes.Structure):
    """struct kk_text_pair."""

    _fields_ = (("text", ctypes.c_char_p), ("bytes", c_size_t), ("second", ctypes.c_char_p), ("second_bytes", c_size_t))


class StatusError(Exception):
    """A call did not return KK_OK."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@cache
def library() -> ctypes.CDLL:
    """The tokenizer as a shared library."""
    loaded = ctypes.CDLL(str(build_shared(SOURCES)))
    for name in ("kk_tokenizer_size", "kk_tokenizer_scratch", "kk_decoder_capacity"):
        getattr(loaded, name).restype = c_size_t
    loaded.kk_tokenizer_tokens.restype = c_int64
    return loaded


class CTokenizer:
    """A tokenizer opened from a section of tables; its methods raise StatusError."""

    def __init__(self, section: bytes) -> None:
        self.library = library()
        self.section = section
        self.handle = ctypes.create_string_buffer(self.library.kk_tokenizer_size())
        check(self.library.kk_tokenizer_open(section, c_size_t(len(section)), self.handle))

    def __len__(self) -> int:
        return int(self.library.kk_tokenizer_tokens(self.handle))

    def encode(self, text: str | bytes, *, special: bool = True) -> list[int]:
        data = text.encode() if isinstance(text, str) else text
        scratch_bytes = self.library.kk_tokenizer_scratch(self.handle, c_size_t(len(data)))
        scratch = (c_int64 * (scratch_bytes // 8 + 1))()
        capacity = 4 * len(data) + 64
        ids = (c_int64 * capacity)()
        count = c_size_t()
        check(
            self.library.kk_tokenizer_encode(
                self.handle,
                data,
                c_size_t(len(data)),
                int(special),
                scratch,
                c_size_t(scratch_bytes),
                ids,
                c_size_t(capacity),
                byref(count),
            )
        )
        return ids[: count.value]

    def encode_pair(
        self, text: str, second: str | None, *, choices: int = SPECIAL, capacity: int | None = None
    ) -> tuple[list[int], list[int]]:
        """Ids and types of a text, or of two."""
        data = [text.encode(), (second or "").encode()]
        texts = TextPair(data[0], len(data[0]), None if second is None else data[1], 0 if second is None else len(data[1]))
        scratch_bytes = self.library.kk_tokenizer_scratch(self.handle, c_size_t(max(map(len, data))))
        scratch = (c_int64 * (scratch_bytes // 8 + 1))()
        room = 4 * sum(map(len, data)) + 64 if capacity is None else capacity
        ids, types, count = (c_int64 * max(1, room))(), (c_int64 * max(1, room))(), c_size_t()
        check(
            self.library.kk_tokenizer_encode_pair(
                self.handle, byref(texts), choices, scratch, c_size_t(scratch_bytes), ids, types, c_size_t(room), byref(count)
            )
        )
        return ids[: count.value], types[: count.value]

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        count = c_size_t(len(ids))
        given = (c_int64 * len(ids))(*ids)
        length = c_size_t()
        capacity = 64 * len(ids) + 64
        while True:
            text = ctypes.create_string_buffer(capacity)
            status = self.library.kk_tokenizer_decode(
                self.handle, given, count, int(skip_special), text, c_size_t(capacity), byref(length)
            )
            if status != CAPACITY:
                check(status)
                return text.raw[: length.value].decode()
            capacity = length.value

    def stream(self, ids: Sequence[int], *, skip_special: bool = True) -> list[str]:
        """What each push gives, and what the flush gives."""
        decoder = Decoder()
        check(self.library.kk_decoder_open(byref(decoder), self.handle, int(skip_special)))
        capacity = self.library.kk_decoder_capacity(self.handle)
        text = ctypes.create_string_buffer(capacity)
        length = c_size_t()
        parts = []
        for token in ids:
            check(self.library.kk_decoder_push(byref(decoder), c_int64(token), text, c_size_t(capacity), byref(length)))
            parts.append(text.raw[: length.value].decode())
        check(self.library.kk_decoder_flush(byref(decoder), text, c_size_t(capacity), byref(length)))
        return [*parts, text.raw[: length.value].decode()]


def check(status: int) -> None:
    """Raises StatusError for a status other than KK_OK."""
    if status != OK:
        raise StatusError(status)
