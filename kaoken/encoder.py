"""Vectors of texts from a compiled encoder. Needs NumPy and kaoken.session, nothing else of Kaoken."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kaoken.session import Library
from kaoken.text_calls import TextCalls

POOLINGS = {"mean": 1, "cls": 2, "last": 3}


class _EmbedOptions(ctypes.Structure):
    """The generated header's options struct."""

    _fields_ = (("pooling", ctypes.c_int), ("normalize", ctypes.c_int))


class TextEncoder(TextCalls):
    """An encoder of texts. `TextEncoder(folder).encode(["a text", "another"])` gives float32 [2, width].

    Builds the library on first use; memory grows with the longest batch. `max_length` is the most tokens of a text that are
    looked at, by default what the checkpoint was made for. Pickles by folder, so it may be sent to worker processes.
    """

    def __init__(self, folder: str | Path, threads: int = 1, max_length: int | None = None):
        self._library = Library(folder)
        about = self._library.interface["embedding"]
        if about is None:
            raise ValueError(f"{folder} is no encoder of texts (ids in, last_hidden_state out); use Session")
        self._folder, self._threads, self._given_length = Path(folder).resolve(), threads, max_length
        self.width: int = about["width"]
        self.pooling: str = about["pooling"]
        self.normalize: bool = about["normalize"]
        bounds = {d["name"]: d["upper"] for d in self._library.interface["dims"]}
        self._names = (about["batch"], about["sequence"])
        self._most = (bounds[about["batch"]], bounds[about["sequence"]])
        self.max_length: int = min(max_length or about["max_length"] or self._most[1], self._most[1])
        if self.max_length < 1:
            raise ValueError(f"max_length is {max_length}; it must be 1 or more")
        self._padding: int = about["padding"]
        self._sizes = {self._names[0]: 1, self._names[1]: min(64, self._most[1]), "text_bytes": 4096}
        self._handle: ctypes.c_void_p | None = self._create()
        embed = self._library.function("embed")
        embed.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, *(4 * [ctypes.c_void_p])]
        self._library.function("level").restype = ctypes.c_char_p

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._folder, self._threads, self._given_length)

    def __del__(self) -> None:
        handle, self._handle = getattr(self, "_handle", None), None
        if handle is not None:
            self._library.destroy(handle)

    @property
    def level(self) -> str:
        """The instruction set level in use."""
        text: bytes = self._library.function("level")(self._handle)
        return text.decode()

    def encode(
        self,
        texts: str | Sequence[str],
        *,
        pooling: str | None = None,
        normalize: bool | None = None,
        batch: int | None = None,
    ) -> np.ndarray:
        """Vectors of texts: float32 [texts, width], or [width] for one `str`.

        pooling: mean, cls or last; normalize: to length 1; both as the checkpoint says by default. batch: texts computed at a
        time, at most what the model was compiled for. Texts longer than max_length tokens are cut, special tokens stay.
        Raises ValueError without a tokenizer, SessionError for what the model refuses.
        """
        several = [texts] if isinstance(texts, str) else list(texts)
        rows = [self.truncate(self.tokenize(text)) for text in several]
        found = self.encode_ids(rows, pooling=pooling, normalize=normalize, batch=batch)
        return found[0] if isinstance(texts, str) else found

    def encode_ids(
        self,
        rows: Sequence[Sequence[int]],
        *,
        pooling: str | None = None,
        normalize: bool | None = None,
        batch: int | None = None,
    ) -> np.ndarray:
        """The same for texts as token ids: float32 [rows, width]. Raises ValueError for a row with more ids than the model takes.

        Rows of like length are computed together; what a row's vector is does not depend on that.
        """
        options = self._options(pooling, normalize)
        count = self._most[0] if batch is None else batch
        if not 1 <= count <= self._most[0]:
            hint = f"compile with --dim {self._names[0]}=1..{max(count, 1)}"
            raise ValueError(f"batch is {batch}, outside 1..{self._most[0]}; {hint}")
        for n, row in enumerate(rows):
            if len(row) > self._most[1]:
                raise ValueError(f"row {n} has {len(row)} ids, the model takes {self._most[1]} at most")
        result = np.empty((len(rows), self.width), np.float32)
        order = sorted(range(len(rows)), key=lambda n: len(rows[n]))
        for first in range(0, len(order), count):
            chosen = order[first : first + count]
            result[chosen] = self._embed([rows[n] for n in chosen], options)
        return result

    def truncate(self, ids: Sequence[int]) -> list[int]:
        """Ids of a text cut to max_length; special tokens that the tokenizer puts at its end stay there."""
        if len(ids) <= self.max_length:
            return list(ids)
        empty, short = self.tokenize(""), self.tokenize("a")
        before = next((n for n, (a, b) in enumerate(zip(empty, short, strict=False)) if a != b), len(empty))
        after = min(len(empty) - before, self.max_length)
        return [*ids[: self.max_length - after], *ids[len(ids) - after :]]

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, with the special tokens around it, by the tables compiled into the model."""
        size = len(text.encode("utf-8"))
        if self.has_tokenizer and size > self._sizes["text_bytes"]:
            self._grow({"text_bytes": size})
        return super().tokenize(text)

    def _options(self, pooling: str | None, normalize: bool | None) -> _EmbedOptions:
        if pooling is not None and pooling not in POOLINGS:
            raise ValueError(f"pooling is one of {', '.join(POOLINGS)}, not {pooling}")
        if pooling is None and not self.pooling:
            raise ValueError("the checkpoint's own pooling is not supported: give pooling mean, cls or last")
        return _EmbedOptions(POOLINGS.get(pooling or "", 0), 0 if normalize is None else 1 if normalize else -1)

    def _embed(self, rows: Sequence[Sequence[int]], options: _EmbedOptions) -> np.ndarray:
        """Rows that fit one call, padded to the longest."""
        length = max([1, *map(len, rows)])
        ids = np.full((len(rows), length), self._padding, np.int64)
        mask = np.zeros((len(rows), length), np.int64)
        for n, row in enumerate(rows):
            ids[n, : len(row)], mask[n, : len(row)] = row, 1
        self._grow({self._names[0]: len(rows), self._names[1]: length})
        result = np.empty((len(rows), self.width), np.float32)
        pointers = (ids.ctypes.data, mask.ctypes.data, ctypes.addressof(options), result.ctypes.data)
        self._library.check(self._library.function("embed")(self._handle, len(rows), length, *pointers))
        return result

    def _grow(self, needed: dict[str, int]) -> None:
        """A handle large enough: the one there is, or a new one."""
        if all(self._sizes[name] >= size for name, size in needed.items()):
            return
        self._sizes = {name: max(size, needed.get(name, 0)) for name, size in self._sizes.items()}
        handle, self._handle = self._handle, None
        if handle is not None:
            self._library.destroy(handle)
        self._handle = self._create()

    def _create(self) -> ctypes.c_void_p:
        return self._library.create({**self._sizes, "threads": self._threads})
