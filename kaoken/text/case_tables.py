"""Upper and lower case as tables: Unicode's full mappings (SpecialCasing.txt without its rules for single languages)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kaoken.text.unicode16 import CODE_POINTS, binary_property
from kaoken.text.unicode_tables import capital_letters, small_letters

CASED, CASE_IGNORABLE = 1, 2


@dataclass(frozen=True, eq=False)
class CaseTables:
    """What `runtime/kk_string_case.h` reads. growth: the most that a string's bytes can multiply.

    codes: int32 [n], ascending, the code points that change. texts: uint8, ends: int32 [n], the UTF-8 of what they become.
    runs: int32 [r], where the class of code points changes; kinds: uint8 [r], `CASED` and `CASE_IGNORABLE`.
    """

    codes: npt.NDArray[np.int32]
    texts: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int32]
    runs: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    growth: int


@functools.cache
def case_tables(upper: bool) -> CaseTables:
    """The mapping to upper or to lower case. Only to lower case it matters what stands around a character."""
    pieces = {code: text.encode() for code, text in sorted((capital_letters() if upper else small_letters()).items())}
    kinds = np.zeros(CODE_POINTS, np.uint8)
    if not upper:
        kinds[binary_property("Cased")] |= CASED
        kinds[binary_property("Case_Ignorable")] |= CASE_IGNORABLE
    runs = np.flatnonzero(np.diff(kinds, prepend=255))
    return CaseTables(
        np.array(list(pieces), np.int32),
        np.frombuffer(b"".join(pieces.values()), np.uint8).copy(),
        np.cumsum([len(text) for text in pieces.values()], dtype=np.int32),
        runs.astype(np.int32),
        kinds[runs],
        max(-(-len(text) // len(chr(code).encode())) for code, text in pieces.items()),
    )
