"""The options and results of a compiled model's generate functions, as ctypes. Needs NumPy, nothing else of Kaoken."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

STOP_REASONS = ("length", "id", "string", "callback", "context")
TOKEN_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)

_KINDS: dict[str, Any] = {
    "q": ctypes.c_int64,
    "Q": ctypes.c_uint64,
    "n": ctypes.c_size_t,
    "d": ctypes.c_double,
    "i": ctypes.c_int,
    "p": ctypes.c_void_p,
}
_FIELDS = """
    q max_new_tokens, q max_length, q num_beams, q num_return_sequences, d length_penalty, i early_stopping,
    d temperature, q top_k, d top_p, d min_p, Q seed, d repetition_penalty, q no_repeat_ngram_size, q min_length,
    q min_new_tokens, q forced_bos_id, q forced_eos_id, q decoder_start_id, p stop_ids, n stop_id_count, p suppress_ids,
    n suppress_id_count, p begin_suppress_ids, n begin_suppress_id_count, p bad_words, p bad_word_lengths,
    n bad_word_count, p stop_strings, n stop_string_count, i keep_special
"""
_TYPED: list[tuple[str, Any]] = [(name, _KINDS[kind]) for kind, name in (field.split() for field in _FIELDS.split(","))]
_SCALARS = sorted(name for name, kind in _TYPED if kind is not ctypes.c_void_p and not name.endswith("_count"))
_EARLY_STOPPING = {False: 0, True: 1, "never": 2}


class GenerateOptions(ctypes.Structure):
    """The generated header's options struct, field for field."""

    _fields_ = (*_TYPED, ("callback", TOKEN_CALLBACK), ("user", ctypes.c_void_p))


class GenerateResult(ctypes.Structure):
    """The generated header's result struct."""

    _fields_ = (("reason", ctypes.c_int), ("tokens", ctypes.c_int64), ("last_id", ctypes.c_int64), ("score", ctypes.c_double))


class Generated(NamedTuple):
    """A generated text.

    ids: the new ones, without the stop id. score: of a beam search, the sum of log probabilities by length^length_penalty.
    reason: why it ended, one of STOP_REASONS. last_id: the last that was chosen, the stop id too; -1 for none.
    """

    ids: list[int]
    score: float
    reason: str
    last_id: int


def make_options(library: Any, options: Mapping[str, Any]) -> tuple[GenerateOptions, list[Any]]:
    """The default options of a `kaoken.session.Library` with some changed, and what they point to. Raises as `set_options`."""
    defaults = library.function("generate_defaults")
    defaults.restype = GenerateOptions
    choices: GenerateOptions = defaults()
    return choices, set_options(choices, options)


def continue_texts(
    library: Any,
    handle: ctypes.c_void_p | None,
    prompts: Sequence[Sequence[int]] | int,
    choices: GenerateOptions,
    kept: list[Any],
    capacity: int,
) -> list[list[Generated]]:
    """Call the model's generate_batch; for each prompt its texts.

    prompts: the ids of each, or how many texts begin with the start token.
    choices, kept: from `make_options`. capacity: how many ids a row can hold.
    Raises the library's error for what the model refuses.
    """
    batch, texts = prompts if isinstance(prompts, int) else len(prompts), max(1, choices.num_return_sequences)
    arrays = [] if isinstance(prompts, int) else [np.ascontiguousarray(p, np.int64).reshape(-1) for p in prompts]
    begins = (ctypes.c_void_p * max(1, batch))(*(a.ctypes.data for a in arrays)) if arrays else None
    counts = (ctypes.c_size_t * max(1, batch))(*(a.size for a in arrays))
    longest = choices.max_new_tokens if choices.max_new_tokens >= 0 else choices.max_length
    room = max(1, min(longest, capacity))
    ids = np.zeros((max(1, batch * texts), room), np.int64)
    results = (GenerateResult * len(ids))()
    call = library.function("generate_batch")
    call.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] + [ctypes.c_void_p] * 2 + [ctypes.c_int64, ctypes.c_void_p]
    library.check(call(handle, begins, counts, batch, ctypes.byref(choices), ids.ctypes.data, room, results))
    del kept
    made = [Generated(ids[n, : r.tokens].tolist(), r.score, STOP_REASONS[r.reason], r.last_id) for n, r in enumerate(results)]
    return [made[i * texts : (i + 1) * texts] for i in range(batch)]


def set_options(choices: GenerateOptions, options: Mapping[str, Any]) -> list[Any]:
    """Put options that are not None into the struct; returns what it points to, to be kept as long as it is used.

    A beam search takes neither a temperature nor stop strings: these turn default beams off, and beams a default temperature.
    Raises TypeError for a name that is no option, ValueError for an early_stopping that is none.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if given.get("temperature") or given.get("stop_strings"):
        given.setdefault("num_beams", 1)
    if given.get("num_beams", 1) > 1:
        given.setdefault("temperature", 0.0)
    kept: list[Any] = []
    for name, value in given.items():
        if name == "early_stopping":
            if value not in _EARLY_STOPPING:
                raise ValueError(f"early_stopping is {value!r}, not False, True or 'never'")
            choices.early_stopping = _EARLY_STOPPING[value]
        elif name in ("stop_ids", "suppress_ids", "begin_suppress_ids"):
            ids = np.ascontiguousarray(list(value), np.int64)
            setattr(choices, name, ids.ctypes.data)
            setattr(choices, name.removesuffix("s") + "_count", ids.size)
            kept.append(ids)
        elif name == "stop_strings":
            kept += _point_to(choices, name, [text.encode() + b"\0" for text in value])
        elif name == "bad_words":
            kept += _point_to(choices, name, [np.ascontiguousarray(word, np.int64).tobytes() for word in value])
            lengths = (ctypes.c_size_t * max(1, len(value)))(*map(len, value))
            choices.bad_word_lengths = ctypes.addressof(lengths)
            kept.append(lengths)
        elif name in _SCALARS:
            setattr(choices, name, value & (2**64 - 1) if name == "seed" else value)
        else:
            lists = "stop_ids, suppress_ids, begin_suppress_ids, bad_words, stop_strings"
            raise TypeError(f"there is no option {name}; there are {', '.join(_SCALARS)}, {lists}")
    return kept


def _point_to(choices: GenerateOptions, name: str, items: list[bytes]) -> list[Any]:
    """Make a field an array of pointers to these bytes."""
    buffers = [ctypes.create_string_buffer(item, max(1, len(item))) for item in items]
    table = (ctypes.c_void_p * max(1, len(items)))(*map(ctypes.addressof, buffers))
    setattr(choices, name, ctypes.addressof(table))
    setattr(choices, name.removesuffix("s") + "_count", len(items))
    return [*buffers, table]
