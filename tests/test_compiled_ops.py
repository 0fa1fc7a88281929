"""Every operator case through the generated C: the same table that the formulas are held against."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from op_batches import (
    BASELINE,
    UPPER,
    Batch,
    Built,
    all_batches,
    built_batches,
    compile_batch,
    dims_of,
    feeds,
    prepare,
    sanitized,
    symbols,
    variant,
)
from op_cases import CASES, Case
from op_cases.case import NEWEST
from test_ops import assert_close, expected

from kaoken.frontend import import_model
from kaoken.ir.interpret import run_graph
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


def whole(batch: Batch) -> Built:
    """The batch, built in one piece."""
    built = prepare(batch)
    assert len(built) == 1 and built[0].folder is not None, [b.error for b in built]
    return built[0]


def test_sanitizers_find_nothing_and_change_nothing(tmp_path: Path) -> None:
    """A sample of the cases; all of them with KAOKEN_SANITIZE_ALL=1."""
    batches = all_batches() if os.environ.get("KAOKEN_SANITIZE_ALL") else [sample(False, 64), sample(True, 32)]
    for batch, checked in zip(batches, sanitized(batches, tmp_path), strict=True):
        plain = results(whole(batch))
        assert checked.keys() == plain.keys()
        for name, array in checked.items():
            np.testing.assert_array_equal(array, plain[name], err_msg=name)


def bits(arrays: dict[str, np.ndarray]) -> dict[str, bytes]:
    """What must not change: every bit, the sign and payload of NaNs aside."""
    return {
        n: np.where(a != a, np.float32(np.nan), a).tobytes() if a.dtype == np.float32 else a.tobytes() for n, a in arrays.items()
    }


def test_threads_do_not_change_a_bit() -> None:
    for symbolic in (False, True):
        built = whole(sample(symbolic, 64))
        assert bits(results(built, 1)) == bits(results(built, 3)) == bits(results(built, 7))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="levels of x86-64")
def test_levels_with_fused_multiply_add_do_not_change_a_bit() -> None:
    """This machine's best level against plain C that is allowed the processor's fused multiply-add."""
    batch = sample(False, 64)
    folder = compile_batch(batch)
    flags = subprocess.run(["grep", "-o", "-m1", "-w", "fma", "/proc/cpuinfo"], capture_output=True, check=False)
    if flags.returncode != 0:
        pytest.skip("no fused multiply-add here")
    plain, best = variant(folder, "plain", [*BASELINE, "-mfma"]), variant(folder, "levels", ["-O2"])
    assert bits(results(Built(batch, plain))) == bits(results(Built(batch, best)))


@pytest.mark.parametrize("grow", [1, 17])
def test_one_library_serves_other_sizes(grow: int) -> None:
    """The symbolic sample with every size that much larger, or as large as may be, against the formulas."""
    batch = sample(True, 64)
    built = whole(batch)
    assert built.folder is not None
    numbers = {number: min(number + grow, UPPER) for case in CASES for number in case.sizes}
    inputs: dict[str, np.ndarray] = {}
    for n in batch.cases:
        for name, value in CASES[n].feeds().items():
            shape = [numbers[s] if s in CASES[n].sizes else s for s in value.shape]
            inputs[f"c{n}_{name}"] = np.resize(value, shape)
    graph = import_model(built.folder.with_suffix(".onnx"), dims_of(batch))
    session = Session(built.folder, threads=2)
    ours = dict(zip([node.name for node in session.get_outputs()], session.run(None, inputs), strict=True))
    theirs = run_graph(graph, inputs, {f"n{number}": size for number, size in numbers.items()})
    for name, array in theirs.items():
        case = CASES[int(name[1:].partition("_")[0])]
        assert_close(ours[name], array, max(case.rtol, 1e-5), f"{name} in {built.folder}")
