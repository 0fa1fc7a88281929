"""Calls the C generation loop from tests, with models written in Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import CFUNCTYPE, POINTER, byref, c_char, c_char_p, c_float, c_int, c_int64, c_size_t, c_void_p
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from c_build import RUNTIME, build_shared
from c_sampler import SOURCES as SAMPLER_SOURCES
from c_sampler import Options
from c_sampler import options as sampler_options
from c_tokenizer import SOURCES as TOKENIZER_SOURCES
from c_tokenizer import CTokenizer, check

SOURCES = [RUNTIME / "kk_generate.c", *SAMPLER_SOURCES, *TOKENIZER_SOURCES]

LENGTH, STOP_ID, STOP_STRING, CALLBACK, CONTEXT = range(5)

FEED = CFUNCTYPE(c_int, c_void_p, POINTER(c_int64), c_int64, POINTER(c_float))
POSITION = CFUNCTYPE(c_int64, c_void_p)
TOKEN = CFUNCTYPE(c_int, c_int64, POINTER(c_char), c_size_t, c_void_p)


class ModelStruct(ctypes.Structure):
    """struct kk_language_model."""

    _fields_ = (
        ("model", c_void_p),
        ("feed", FEED),
        ("position", POSITION),
        ("capacity", c_int64),
        ("vocabulary", c_int64),
    )


class GenerateOptions(ctypes.Structure):
    """struct kk_generate_options."""

    _fields_ = (
        ("max_new_tokens", c_int64),
        ("sampler", Options),
        ("stop_ids", POINTER(c_int64)),
        ("stop_id_count", c_size_t),
        ("stop_strings", POINTER(c_char_p)),
        ("stop_string_count", c_size_t),
        ("keep_special", c_int),
        ("callback", TOKEN),
        ("user", c_void_p),
    )


class Result(ctypes.Structure):
    """struct kk_generate_result."""

    _fields_ = (("reason", c_int), ("tokens", c_int64), ("last_id", c_int64))


@cache
def library() -> ctypes.CDLL:
    """The generation loop with what it needs as a shared library."""
    loaded = ctypes.CDLL(str(build_shared(SOURCES)))
    loaded.kk_generate_scratch.restype = c_size_t
    loaded.kk_generate_defaults.restype = GenerateOptions
    return loaded


@dataclass
class Model:
    """A language model whose logits are a function of all ids in its cache."""

    vocabulary: int
    logits: Callable[[list[int]], npt.NDArray[np.float32]]
    capacity: int = 1 << 30
    status: int = 0
    cache: list[int] = field(default_factory=list)
    feeds: list[list[int]] = field(default_factory=list)

    def struct(self) -> ModelStruct:
        def feed(_: int | None, ids: Any, count: int, logits: Any) -> int:
            self.feeds.append(ids[:count])
            self.cache += ids[:count]
            np.ctypeslib.as_array(logits, (self.vocabulary,))[:] = self.logits(self.cache)
            return self.status

        return ModelStruct(None, FEED(feed), POSITION(lambda _: len(self.cache)), self.capacity, self.vocabulary)


def scripted(vocabulary: int, prompt: int, ids: Sequence[int], **values: Any) -> Model:
    """A model that greedily writes `ids` after a prompt of a length, then 0 for ever."""

    def logits(cache: list[int]) -> npt.NDArray[np.float32]:
        place = len(cache) - prompt
        scores = np.zeros(vocabulary, dtype=np.float32)
        scores[ids[place] if place < len(ids) else 0] = 1
        return scores

    return Model(vocabulary, logits, **values)


@dataclass
class Generated:
    """What a call gave: the callback's tokens with their texts, and the result."""

    tokens: list[tuple[int, str]]
    reason: int
    count: int
    last_id: int

    @property
    def ids(self) -> list[int]:
        return [token for token, _ in self.tokens if token >= 0]

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.tokens)


def make_options(
    stop_ids: Sequence[int] = (),
    stop_strings: Sequence[str | bytes] = (),
    max_new_tokens: int = 128,
    keep_special: bool = False,
    **sampler: float,
) -> GenerateOptions:
    """The default options with some changed; keeps the arrays that it points to alive."""
    made: GenerateOptions = library().kk_generate_defaults()
    made.max_new_tokens = max_new_tokens
    made.sampler = sampler_options(**sampler)
    made.keep_special = int(keep_special)
    made.stop_ids = (c_int64 * len(stop_ids))(*stop_ids)
    made.stop_id_count = len(stop_ids)
    encoded = [stop.encode() if isinstance(stop, str) else stop for stop in stop_strings]
    made.stop_strings = (c_char_p * len(encoded))(*encoded)
    made.stop_string_count = len(encoded)
    return made


def generate(
    model: Model,
    prompt: Sequence[int],
    tokenizer: CTokenizer | None = None,
    stop_after: int | None = None,
    **values: Any,
) -> Generated:
    """Calls kk_generate; raises StatusError. stop_after: the callback stops at so many tokens."""
    tokens: list[tuple[int, str]] = []

    def callback(token: int, text: Any, length: int, _: int | None) -> int:
        tokens.append((token, bytes(text[:length]).decode("utf-8", "strict")))
        return int(len(tokens) == stop_after)

    chosen = make_options(**values)
    chosen.callback = TOKEN(callback)
    struct = model.struct()
    handle = tokenizer.handle if tokenizer is not None else None
    needed = library().kk_generate_scratch(byref(struct), handle, byref(chosen))
    # The exact size, with nothing after it that could hide a write too far.
    scratch = (c_int64 * ((needed + 7) // 8))()
    result = Result()
    check(
        library().kk_generate(
            byref(struct),
            handle,
            (c_int64 * len(prompt))(*prompt),
            c_size_t(len(prompt)),
            byref(chosen),
            scratch,
            c_size_t(needed),
            byref(result),
        )
    )
    return Generated(tokens, result.reason, result.tokens, result.last_id)
