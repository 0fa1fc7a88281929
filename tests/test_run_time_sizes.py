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
from run_time_sizes import CASES
from sized_case import Sized
from test_sequences import model_of

from kaoken.errors import UnboundedDimensionsError
from kaoken.frontend import import_model
from kaoken.session import Session, SessionError

onnxruntime = pytest.importorskip("onnxruntime")

Arrays = dict[str, np.ndarray]

REFUSED = {
    "a range": (
        "(int64 n) => (int64[k] y) { z = Constant <value_int = 0> () o = Constant <value_int = 1> () y = Range (z, n, o) }",
        "n",
    ),
    "an expansion": ("(int64[2] s, float[1,3] x) => (float[p,3] y) { y = Expand (x, s) }", "s_0"),
    "repeats": ("(int64[2] r, float[2,3] x) => (float[p,q] y) { y = Tile (x, r) }", "r_0, r_1"),
    "a shape": ("(int64[2] s) => (float[p,q] y) { y = ConstantOfShape (s) }", "s_0, s_1"),
    "a depth": (
        "(int64 d, int64[2] i) => (float[2,k] y) { v = Constant <value_floats = [0.0, 1.0]> () y = OneHot (i, d, v) }",
        "d",
    ),
    "widths of a pad": ("(int64[2] w, float[5] x) => (float[p] y) { y = Pad (x, w) }", "y_0"),
    "sizes of a resize": ("(int64[4] s, float[1,1,3,3] x) => (float[a,b,c,d] y) { y = Resize (x, , , s) }", "s_0, s_1, s_2, s_3"),
    "a loop": (
        "(int64 m, float[2] x) => (float[k,2] r) { l, r = Loop (m, , x) <body = b (int64 i, bool g, float[2] v) =>"
        " (bool o, float[2] w, float[2] e) { o = Identity (g) w = Neg (v) e = Identity (w) }> }",
        "Loop_0_trips",
    ),
    "an input without bounds": ("(float[n] x) => (int64[1,k] y) { y = NonZero (x) }", "n"),
}
"""Models that need a bound, and the dimensions that the message names."""

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
    with pytest.raises(SessionError, match=r"too small|out of bounds"):
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
