"""Calls the C generation loop from tests, with models written in Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import CFUNCTYPE, POINTER, byref, c_char, c_char_p, c_double, c_float, c_int, c_int64, c_size_t, c_void_p
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from c_build import RUNTIME, build_shared
from c_sampler import SOURCES as SAMPLER_SOURCES
from c_sampler import Options
from c_tokenizer import SOURCES as TOKENIZER_SOURCES
from c_tokenizer import CTokenizer, check

PARTS = ["kk_generate.c", "kk_stream.c", "kk_logits.c", "kk_beam.c", "kk_log_softmax.c"]
SOURCES = [*(RUNTIME / name for name in PARTS), *SAMPLER_SOURCES, *TOKENIZER_SOURCES]

LENGTH, STOP_ID, STOP_STRING, CALLBACK, CONTEXT = range(5)

FEED = CFUNCTYPE(c_int, c_void_p, POINTER(c_int64), c_int64, c_int64, POINTER(POINTER(c_int64)), POINTER(c_float))
REORDER = CFUNCTYPE(c_int, c_void_p, POINTER(c_int64), c_int64)
POSITION = CFUNCTYPE(c_int64, c_void_p, c_int64)
TOKEN = CFUNCTYPE(c_int, c_int64, c_int64, POINTER(c_char), c_size_t, c_void_p)


class ModelStruct(ctypes.Structure):
    """struct kk_language_model."""

    _fields_ = (
        ("model", c_void_p),
        ("feed", FEED),
        ("reorder", REORDER),
        ("position", POSITION),
        ("rows", c_int64),
        ("capacity", c_int64),
        ("vocabulary", c_int64),
        ("uniform", c_int),
    )


class LogitsOptions(ctypes.Structure):
    """struct kk_logits_options."""

    _fields_ = (
        ("repetition_penalty", c_double),
        ("no_repeat_ngram_size", c_int64),
        ("min_length", c_int64),
        ("min_new_tokens", c_int64),
        ("forced_bos_id", c_int64),
        ("forced_eos_id", c_int64),
        ("suppress_ids", POINTER(c_int64)),
        ("suppress_id_count", c_size_t),
        ("begin_suppress_ids", POINTER(c_int64)),
        ("begin_suppress_id_count", c_size_t),
        ("bad_words", POINTER(POINTER(c_int64))),
        ("bad_word_lengths", POINTER(c_size_t)),
        ("bad_word_count", c_size_t),
    )


class StreamOptions(ctypes.Structure):
    """struct kk_stream_options."""

    _fields_ = (
        ("stop_strings", POINTER(c_char_p)),
        ("stop_string_count", c_size_t),
        ("keep_special", c_int),
        ("callback", TOKEN),
        ("user", c_void_p),
    )


class GenerateOptions(ctypes.Structure):
    """struct kk_generate_options."""

    _fields_ = (
        ("max_new_tokens", c_int64),
        ("max_length", c_int64),
        ("num_beams", c_int64),
        ("num_return_sequences", c_int64),
        ("length_penalty", c_double),
        ("early_stopping", c_int),
        ("decoder_start_id", c_int64),
        ("logits", LogitsOptions),
        ("sampler", Options),
        ("stop_ids", POINTER(c_int64)),
        ("stop_id_count", c_size_t),
        ("stream", StreamOptions),
    )


class Result(ctypes.Structure):
    """struct kk_generate_result."""

    _fields_ = (("reason", c_int), ("tokens", c_int64), ("last_id", c_int64), ("score", c_double))


class Request(ctypes.Structure):
    """struct kk_generate_request."""

    _fields_ = (
        ("prompts", POINTER(POINTER(c_int64))),
        ("prompt_counts", POINTER(c_size_t)),
        ("batch", c_int64),
        ("options", POINTER(GenerateOptions)),
        ("ids", POINTER(c_int64)),
        ("ids_capacity", c_int64),
        ("results", POINTER(Result)),
    )


@cache
def library() -> ctypes.CDLL:
    """The generation loop with what it needs as a shared library."""
    loaded = ctypes.CDLL(str(build_shared(SOURCES)))
    loaded.kk_generate_scratch.restype = loaded.kk_generate_scratch_for.restype = c_size_t
    loaded.kk_generate_defaults.restype = GenerateOptions
    return loaded


@dataclass
class Model:
    """A language model whose logits are a function of all ids that a row holds. `feeds`: rows and ids of every call."""

    vocabulary: int
    logits: Callable[[list[int]], npt.NDArray[np.float32]]
    capacity: int = 1 << 30
    status: int = 0
    cache: list[int] = field(default_factory=list)
    rows: int = 1
    uniform: bool = False
    feeds: list[list[int]] = field(default_factory=list)
    calls: list[dict[int, list[int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.held = [self.cache, *([] for _ in range(self.rows - 1))]

    def struct(self) -> ModelStruct:
        def feed(_: int | None, rows: Any, row_count: int, count: int, ids: Any, logits: Any) -> int:
            new = {rows[i]: ids[i][:count] for i in range(row_count)}
            assert len(new) == row_count and (not self.uniform or len({len(self.held[row]) for row in new}) == 1)
            self.calls.append(new)
            for i, (row, own) in enumerate(new.items()):
                self.feeds.append(own)
                self.held[row] += own
                made = np.ctypeslib.as_array(logits, (row_count * self.vocabulary,))
                made[i * self.vocabulary : (i + 1) * self.vocabulary] = self.logits(self.held[row])
            return self.status

        def reorder(_: int | None, rows: Any, count: int) -> int:
            self.held[:count] = [list(self.held[row]) for row in rows[:count]]
            return 0

        position = POSITION(lambda _, row: len(self.held[row]))
        feeds, moves = FEED(feed), REORDER(reorder)
        return ModelStruct(None, feeds, moves, position, self.rows, self.capacity, self.vocabulary, int(self.uniform))


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
    """What a call gave for one text: the callback's tokens with their texts, the ids, and the result."""

    tokens: list[tuple[int, str]]
    written: list[int]
    reason: int
    count: int
    last_id: int
    score: float

    @property
    def ids(self) -> list[int]:
        return [token for token, _ in self.tokens if token >= 0]

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.tokens)


EARLY = {False: 0, True: 1, "never": 2}


def make_options(**values: Any) -> GenerateOptions:
    """The default options with some changed, by the names of the C structs; keeps the arrays that it points to alive."""
    made: GenerateOptions = library().kk_generate_defaults()
    values = {"stop_ids": (), "stop_strings": (), **values}
    for name, value in values.items():
        owner = next(s for s in (made, made.logits, made.sampler, made.stream) if name in {f[0] for f in s._fields_})
        if name == "stop_strings":
            encoded = [text.encode() if isinstance(text, str) else text for text in value]
            owner.stop_strings = (c_char_p * len(encoded))(*encoded)
        elif name == "bad_words":
            owner.bad_words = (POINTER(c_int64) * len(value))(*((c_int64 * len(word))(*word) for word in value))
            owner.bad_word_lengths = (c_size_t * len(value))(*map(len, value))
        elif name in ("stop_ids", "suppress_ids", "begin_suppress_ids"):
            setattr(owner, name, (c_int64 * len(value))(*value))
        else:
            setattr(owner, name, EARLY[value] if name == "early_stopping" else value)
        if hasattr(owner, name.removesuffix("s") + "_count"):
            setattr(owner, name.removesuffix("s") + "_count", len(value))
    return made


def generate_all(
    model: Model,
    prompts: Sequence[Sequence[int]] | int,
    tokenizer: CTokenizer | None = None,
    stop_after: int | None = None,
    **values: Any,
) -> list[Generated]:
    """Calls kk_generate for several prompts (a number: so many texts without one); raises StatusError.

    stop_after: the callback stops at so many tokens, of whatever text.
    """
    chosen = make_options(**values)
    tokens: list[tuple[int, int, str]] = []

    def callback(row: int, token: int, text: Any, length: int, _: int | None) -> int:
        tokens.append((row, token, bytes(text[:length]).decode("utf-8", "strict")))
        return int(len(tokens) == stop_after)

    chosen.stream.callback = TOKEN(callback)
    batch = prompts if isinstance(prompts, int) else len(prompts)
    count = max(1, batch * max(1, chosen.num_return_sequences))
    room = max(1, min(chosen.max_new_tokens, 4096) if chosen.max_new_tokens >= 0 else chosen.max_length)
    ids, results = (c_int64 * (count * room))(), (Result * count)()
    request = Request(batch=batch, options=ctypes.pointer(chosen), ids=ids, ids_capacity=room, results=results)
    if not isinstance(prompts, int):
        request.prompts = (POINTER(c_int64) * batch)(*((c_int64 * len(p))(*p) for p in prompts))
        request.prompt_counts = (c_size_t * batch)(*map(len, prompts))
    struct = model.struct()
    handle = tokenizer.handle if tokenizer is not None else None
    needed = library().kk_generate_scratch(byref(struct), handle, byref(request))
    # The exact size, with nothing after it that could hide a write too far.
    scratch = (c_int64 * (needed // 8))()
    check(library().kk_generate(byref(struct), handle, byref(request), scratch, c_size_t(needed)))
    return [
        Generated(
            [(token, text) for row, token, text in tokens if row == n],
            ids[n * room : n * room + result.tokens],
            result.reason,
            result.tokens,
            result.last_id,
            result.score,
        )
        for n, result in enumerate(results)
    ]


def generate(model: Model, prompt: Sequence[int], tokenizer: CTokenizer | None = None, **values: Any) -> Generated:
    """Calls kk_generate for one prompt; raises StatusError."""
    return generate_all(model, [prompt], tokenizer, **values)[0]
