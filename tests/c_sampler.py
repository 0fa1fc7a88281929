"""Calls the C sampler from tests, as a C program would."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_double, c_int64, c_size_t, c_uint64, c_void_p
from functools import cache

import numpy as np
import numpy.typing as npt
from c_build import RUNTIME, build_shared
from c_tokenizer import check

SOURCES = [RUNTIME / "kk_sampler.c"]

NUMBER = 8


class Options(ctypes.Structure):
    """struct kk_sampler_options."""

    _fields_ = (
        ("temperature", c_double),
        ("top_k", c_int64),
        ("top_p", c_double),
        ("min_p", c_double),
        ("seed", c_uint64),
    )


class SamplerStruct(ctypes.Structure):
    """struct kk_sampler."""

    _fields_ = (
        ("options", Options),
        ("vocabulary", c_int64),
        ("random", c_uint64),
        ("scores", c_void_p),
        ("weights", c_void_p),
        ("order", c_void_p),
    )


@cache
def library() -> ctypes.CDLL:
    """The sampler as a shared library."""
    loaded = ctypes.CDLL(str(build_shared(SOURCES)))
    loaded.kk_sampler_scratch.restype = c_size_t
    loaded.kk_sampler_defaults.restype = Options
    return loaded


def options(**values: float) -> Options:
    """The default options with some changed."""
    chosen: Options = library().kk_sampler_defaults()
    for name, value in values.items():
        setattr(chosen, name, value)
    return chosen


class CSampler:
    """An open sampler; its methods raise StatusError."""

    def __init__(self, vocabulary: int, **values: float) -> None:
        self.vocabulary = vocabulary
        self.sampler = SamplerStruct()
        needed = library().kk_sampler_scratch(c_int64(vocabulary))
        self.scratch = (c_int64 * (needed // 8))()
        check(
            library().kk_sampler_open(
                byref(self.sampler), byref(options(**values)), c_int64(vocabulary), self.scratch, c_size_t(needed)
            )
        )

    def sample(self, logits: npt.NDArray[np.float32]) -> int:
        chosen = c_int64()
        check(library().kk_sampler_sample(byref(self.sampler), _pointer(logits), byref(chosen)))
        return chosen.value

    def distribution(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        probabilities = np.full(self.vocabulary, np.nan)
        check(library().kk_sampler_distribution(byref(self.sampler), _pointer(logits), c_void_p(probabilities.ctypes.data)))
        return probabilities


def _pointer(logits: npt.NDArray[np.float32]) -> c_void_p:
    assert logits.dtype == np.float32
    assert logits.flags.c_contiguous
    return c_void_p(logits.ctypes.data)
