"""Every operator case through the generated C: the same table that the formulas are held against."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from op_batches import Batch, Built, all_batches, built_batches, feeds, prepare, sanitized, symbols
from op_cases import CASES, Case
from op_cases.case import NEWEST
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


def sample(symbolic: bool, count: int) -> Batch:
    """Seeded random cases of the newest opset as one batch; KAOKEN_SEED chooses others."""
    numbers = [n for n, case in enumerate(CASES) if case.until >= NEWEST and (symbols(case) or not symbolic)]
    chosen = np.random.default_rng([int(os.environ.get("KAOKEN_SEED", "0")), symbolic]).choice(numbers, count, replace=False)
    return Batch(NEWEST, symbolic, tuple(sorted(int(n) for n in chosen)))


def test_sanitizers_find_nothing_and_change_nothing(tmp_path: Path) -> None:
    """A sample of the cases; all of them with KAOKEN_SANITIZE_ALL=1."""
    batches = all_batches() if os.environ.get("KAOKEN_SANITIZE_ALL") else [sample(False, 64), sample(True, 32)]
    for batch, checked in zip(batches, sanitized(batches, tmp_path), strict=True):
        plain = results(prepare(batch)[0])
        assert checked.keys() == plain.keys()
        for name, array in checked.items():
            np.testing.assert_array_equal(array, plain[name], err_msg=name)
