"""The accuracy contract: how far a compiled model may be from the float64 oracle.

Its largest error and its RMS error are each at most max(2 x onnxruntime's own, 4 eps x the largest output),
with eps the distance from 1 to the next float32 (2 ** -23), or to the next value of a narrower type that the
output has. Integers and bools are equal. NaN compares as NaN, and infinities have to be the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from kaoken.ir.dtypes import is_float, is_storage

FLOAT32_EPSILON = 2.0**-23


@dataclass(frozen=True)
class ErrorReport:
    """Errors against the oracle, as largest and as root mean square, and what they may be."""

    max_error: float
    rms_error: float
    peer_max_error: float
    peer_rms_error: float
    max_limit: float
    rms_limit: float
    largest: float
    ok: bool
    reason: str = ""

    def __str__(self) -> str:
        verdict = "ok" if self.ok else f"FAILED {self.reason}".rstrip()
        return (
            f"{verdict}: max {self.max_error:.2e} (onnxruntime {self.peer_max_error:.2e}, "
            f"limit {self.max_limit:.2e}), "
            f"rms {self.rms_error:.2e} (onnxruntime {self.peer_rms_error:.2e}, limit {self.rms_limit:.2e}), "
            f"largest output {self.largest:.3g}"
        )


def contract(oracle: np.ndarray, ours: np.ndarray, onnxruntime: np.ndarray | None = None) -> ErrorReport:
    """Judge one output. Without onnxruntime's result its error counts as 0, which leaves the 4 eps limit."""
    if ours.shape != oracle.shape:
        return _failed(f"the shape is {list(ours.shape)}, the oracle's is {list(oracle.shape)}")
    if oracle.dtype.kind != "f":
        differing = int(np.count_nonzero(ours != oracle))
        if differing:
            return _failed(f"{differing} of {oracle.size} values differ; integers and bools must be equal")
        return ErrorReport(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, _largest(oracle), True)
    largest = _largest(oracle)
    max_error, rms_error = errors(oracle, ours)
    peer_max, peer_rms = (0.0, 0.0) if onnxruntime is None else errors(oracle, onnxruntime)
    # Where the peer itself puts a NaN or an infinity elsewhere, its error says nothing.
    peer_max, peer_rms = (0.0, 0.0) if np.isinf(peer_max) else (peer_max, peer_rms)
    narrow = is_storage(str(ours.dtype)) and is_float(str(ours.dtype))
    floor = 4 * (float(ml_dtypes.finfo(ours.dtype).eps) if narrow else FLOAT32_EPSILON) * largest
    max_limit, rms_limit = max(2 * peer_max, floor), max(2 * peer_rms, floor)
    reason = "NaN or infinity in other places than the oracle's" if np.isinf(max_error) else ""
    ok = max_error <= max_limit and rms_error <= rms_limit
    return ErrorReport(max_error, rms_error, peer_max, peer_rms, max_limit, rms_limit, largest, ok, reason)


def contract_all(
    oracle: Mapping[str, np.ndarray], ours: Mapping[str, np.ndarray], onnxruntime: Mapping[str, np.ndarray]
) -> dict[str, ErrorReport]:
    """`contract` for every output that the oracle has, by name. Raises KeyError where ours lacks one."""
    return {name: contract(value, ours[name], onnxruntime.get(name)) for name, value in oracle.items()}


def errors(oracle: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """(largest, root mean square) distance; infinite where NaNs or infinities do not match."""
    exact, near = oracle.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(exact)
    same = np.array_equal(exact[~finite], near[~finite], equal_nan=True) and bool(np.isfinite(near[finite]).all())
    if not same:
        return float("inf"), float("inf")
    distance = np.abs(exact[finite] - near[finite])
    if not distance.size:
        return 0.0, 0.0
    return float(distance.max()), float(np.sqrt(np.mean(distance * distance)))


def argmax_agrees(oracle: np.ndarray, ours: np.ndarray, allowed: float, axis: int = -1) -> bool:
    """Whether ours has its largest entry where the oracle has, or where the oracle is at most `allowed`
    lower.

    `allowed` is the error that the values themselves may have (`ErrorReport.max_limit`): an entry may come
    out on top only where the float64 gap is within it.
    """
    chosen = np.take_along_axis(oracle, np.expand_dims(ours.argmax(axis), axis), axis)
    return bool((oracle.max(axis, keepdims=True) - chosen <= allowed).all())


def _largest(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return float(np.abs(finite.astype(np.float64)).max()) if finite.size else 0.0


def _failed(reason: str) -> ErrorReport:
    infinite = float("inf")
    return ErrorReport(infinite, infinite, 0.0, 0.0, 0.0, 0.0, 0.0, False, reason)
