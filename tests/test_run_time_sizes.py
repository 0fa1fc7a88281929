"""Sizes that only a call knows: legal ones work and are reported, others end it with an error and touch no foreign memory."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from control_case import merged
from op_batches import build, compile_proto, sanitized_runs
from run_time_sizes import CASES, REFUSED, Sized
from test_sequences import model_of

from kaoken.errors import UnboundedDimensionsError
from kaoken.frontend import import_model
from kaoken.session import Session, SessionError

onnxruntime = pytest.importorskip("onnxruntime")

Arrays = dict[str, np.ndarray]

LEGAL = [(case, n) for case in CASES for n in range(len(case.legal))]
ILLEGAL = [(case, n) for case in CASES for n in range(len(case.illegal))]


def ids(rows: list[tuple[Sized, int]]) -> list[str]:
    return [f"{case.name}-{n}" for case, n in rows]


@cache
def folder() -> Path:
    """All cases as one library."""
    made = compile_proto(*merged([case.control() for case in CASES]))
    build(made)
    return made


@cache
def session() -> Session:
    return Session(folder(), threads=2)


def feeds(chosen: Sized | None = None, feed: dict[str, Any] | None = None, number: int = 0) -> Arrays:
    """Legal feeds of all cases, of one another one."""
    own = [(case, feed if case is chosen and feed is not None else case.legal[number % len(case.legal)]) for case in CASES]
    return {f"{case.name}_{name}": value for case, given in own for name, value in case.arrays(given).items()}


@cache
def results(number: int) -> Arrays:
    return dict(zip([node.name for node in session().get_outputs()], session().run(None, feeds(number=number)), strict=True))


@cache
def expected(case: Sized, number: int) -> Arrays:
    onnxruntime.set_default_logger_severity(4)
    peer = onnxruntime.InferenceSession(case.control().model().SerializeToString())
    return dict(zip([o.name for o in peer.get_outputs()], peer.run(None, case.arrays(case.legal[number])), strict=True))


@pytest.mark.parametrize(("case", "number"), LEGAL, ids=ids(LEGAL))
def test_legal_sizes_give_what_onnxruntime_gives(case: Sized, number: int) -> None:
    for name, theirs in expected(case, number).items():
        ours = results(number)[f"{case.name}_{name}"]
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, name
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("case", "number"), ILLEGAL, ids=ids(ILLEGAL))
def test_other_sizes_end_the_call_with_an_error_and_the_handle_lives(case: Sized, number: int) -> None:
    with pytest.raises(SessionError):
        session().run(None, feeds(case, case.illegal[number]))
    again = session().run(None, feeds())
    for ours, first in zip(again, results(0).values(), strict=True):
        np.testing.assert_array_equal(ours, first)


def test_no_size_reads_or_writes_out_of_bounds(tmp_path: Path) -> None:
    calls = [feeds(number=n) for n in range(max(len(case.legal) for case in CASES))]
    calls += [feeds(case, case.illegal[n]) for case, n in ILLEGAL]
    ran = sanitized_runs([(folder(), call) for call in calls], tmp_path)
    assert sum("error" in result for result in ran) == len(ILLEGAL)
    for name, array in results(0).items():
        np.testing.assert_array_equal(ran[0][name], array, err_msg=name)


@pytest.mark.parametrize("name", REFUSED)
def test_what_nothing_bounds_is_refused_with_the_dimensions_to_give(name: str, tmp_path: Path) -> None:
    text, wanted = REFUSED[name]
    onnx.save(model_of(text), tmp_path / "model.onnx")
    with pytest.raises(UnboundedDimensionsError) as error:
        import_model(tmp_path / "model.onnx")
    assert error.value.dimensions == wanted.split(", "), str(error.value)
    for dimension in error.value.dimensions:
        assert f"--dim {dimension}=" in str(error.value)
    import_model(tmp_path / "model.onnx", dict.fromkeys(error.value.dimensions, "0..9"))
