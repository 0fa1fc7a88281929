"""Text to ids and back through a compiled model's own functions. Needs NumPy, nothing else of Kaoken."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np


class _Text(ctypes.Structure):
    """The generated header's struct of a text and a second one."""

    _fields_ = (
        ("text", ctypes.c_char_p),
        ("bytes", ctypes.c_size_t),
        ("second", ctypes.c_char_p),
        ("second_bytes", ctypes.c_size_t),
    )


class TextCalls:
    """What models with a tokenizer share: text to ids and back, by the tables compiled into the model."""

    _library: Any
    _handle: ctypes.c_void_p | None

    @property
    def has_tokenizer(self) -> bool:
        """Whether the model was compiled with a tokenizer."""
        return bool(self._library.report["tokenizer"])

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, by the tables compiled into the model."""
        self._need_tokenizer()
        data = text.encode("utf-8")
        tokenize = self._library.function("tokenize")
        tokenize.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
        count = ctypes.c_size_t(len(data) + 16)
        for _ in range(2):  # Mostly a byte gives one id at most; where there are more, they are asked for again.
            ids = (ctypes.c_int64 * count.value)()
            status = tokenize(self._handle, data, len(data), ids, len(ids), ctypes.byref(count))
            if count.value <= len(ids):
                break
        self._library.check(status)
        return list(ids[: count.value])

    def tokenize_batch(
        self, texts: Sequence[str], seconds: Sequence[str] | None = None, *, length: int = 512
    ) -> dict[str, np.ndarray]:
        """Texts, or pairs of texts and `seconds`, as int64 arrays [texts, longest]: input_ids, attention_mask, token_type_ids.

        Rows of more than `length` ids are cut, of a pair the longer text first; shorter ones are padded. Raises ValueError
        without a tokenizer or without texts, SessionError.
        """
        self._need_tokenizer()
        if not texts or (seconds is not None and len(seconds) != len(texts)):
            raise ValueError("give one text or more, and a second for each text or none")
        given = (_Text * len(texts))()
        for n, text in enumerate(texts):
            first, second = text.encode(), None if seconds is None else seconds[n].encode()
            given[n] = _Text(first, len(first), second, 0 if second is None else len(second))
        arrays = {name: np.empty(len(texts) * length, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
        longest = ctypes.c_int64(length)
        batch = self._library.function("tokenize_batch")
        batch.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, *(3 * [ctypes.c_void_p]), ctypes.c_void_p]
        pointers = (array.ctypes.data for array in arrays.values())
        self._library.check(batch(self._handle, given, len(texts), *pointers, ctypes.byref(longest)))
        shape = len(texts), longest.value
        return {name: array[: shape[0] * shape[1]].reshape(shape) for name, array in arrays.items()}

    def detokenize(self, ids: Sequence[int], keep_special: bool = False) -> str:
        """Text of token ids."""
        self._need_tokenizer()
        array = np.ascontiguousarray(ids, np.int64).reshape(-1)
        detokenize = self._library.function("detokenize")
        detokenize.argtypes = [
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_void_p,
        ]
        size = ctypes.c_size_t()
        buffer = ctypes.create_string_buffer(16 * array.size + 64)
        given = (self._handle, array.ctypes.data, array.size, keep_special)
        status = detokenize(*given, buffer, len(buffer), ctypes.byref(size))
        if size.value > len(buffer):
            buffer = ctypes.create_string_buffer(size.value)
            status = detokenize(*given, buffer, len(buffer), ctypes.byref(size))
        self._library.check(status)
        return buffer.raw[: size.value].decode("utf-8")

    def _need_tokenizer(self) -> None:
        if not self.has_tokenizer:
            raise ValueError("the model was compiled without tokenizer.json; compile a folder that has one")
