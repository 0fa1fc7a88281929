"""Every operator case through the generated C: the same table that the formulas are held against."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from op_batches import Built, all_batches, built_batches, feeds
from op_cases import CASES, Case
from test_ops import assert_close, expected

from kaoken.session import Session

pytest.importorskip("onnxruntime")

ROWS = [(number, batch.symbolic) for batch in all_batches() for number in batch.cases]
IDS = [f"{CASES[n].op}-{n}{'-symbolic' if symbolic else ''}" for n, symbolic in ROWS]


@cache
def results(built: Built, threads: int = 2) -> dict[str, np.ndarray]:
    """What the compiled batch gives, by the outputs' names."""
    assert built.folder is not None
    session = Session(built.folder, threads=threads)
    return dict(zip([node.name for node in session.get_outputs()], session.run(None, feeds(built.batch)), strict=True))


@cache
def reference(number: int) -> list[np.ndarray]:
    return expected(CASES[number], CASES[number].opsets()[-1])


@pytest.mark.parametrize(("number", "symbolic"), ROWS, ids=IDS)
def test_compiled_c_gives_what_the_standard_says(number: int, symbolic: bool) -> None:
    case: Case = CASES[number]
    built = built_batches()[number, symbolic]
    assert built.folder is not None, built.error
    ours = results(built)
    for name, theirs in zip([o for o in case.outputs if o], reference(number), strict=True):
        assert_close(ours[f"c{number}_{name}"], theirs, case.rtol, f"{name}, in {built.folder}")
