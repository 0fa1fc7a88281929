"""Runs the rows of string_cases.py and hostile calls in a process of its own, whose libraries carry the sanitizers."""

from __future__ import annotations

import sys

import numpy as np
from c_build import SANITIZERS
from string_cases import FEEDS, ROWS, session

from kaoken.session import Session, SessionError

HOSTILE = {
    "malformed UTF-8": {"w.bytes": np.frombuffer(b"a\xff\xe2\x82x", np.uint8), "w.ends": np.array([1, 2, 4, 5])},
    "a character cut in two": {"w.bytes": np.frombuffer("éé".encode(), np.uint8), "w.ends": np.array([1, 2, 3, 4])},
    "ends that fall": {"w.bytes": np.zeros(4, np.uint8), "w.ends": np.array([3, 2, 4, 4])},
    "ends beyond the bytes": {"w.bytes": np.zeros(4, np.uint8), "w.ends": np.array([1, 2, 3, 2**62])},
    "an end below 0": {"w.bytes": np.zeros(4, np.uint8), "w.ends": np.array([-(2**63), 2, 3, 4])},
    "no number": {"t.bytes": np.frombuffer(b"1.5e", np.uint8), "t.ends": np.array([0] * 9 + [4])},
    "an integer out of range": {"c.bytes": np.frombuffer(b"1281-12", np.uint8), "c.ends": np.array([3, 4, 7])},
}


def parts() -> dict[str, np.ndarray]:
    """The inputs as arrays of bytes and ends."""
    result: dict[str, np.ndarray] = {}
    for name, array in FEEDS.items():
        if array.dtype.kind != "O":
            result[name] = array
            continue
        texts = [text.encode() for text in array.reshape(-1)]
        result[f"{name}.bytes"] = np.frombuffer(b"".join(texts), np.uint8)
        result[f"{name}.ends"] = np.cumsum([len(text) for text in texts]).reshape(array.shape)
    return result


def refuses(run: Session, change: dict[str, np.ndarray]) -> bool:
    """Whether a call with other parts ends with a status."""
    try:
        run.bind(None, parts() | change)()
    except SessionError:
        return True
    return False


def main() -> None:
    run = session(("-O1", *SANITIZERS))
    for row, ours in zip(ROWS, run.run(None, FEEDS), strict=True):
        assert ours.tolist() == row.expected.tolist() or np.array_equal(ours, row.expected, equal_nan=True), row.text
    for name, change in HOSTILE.items():
        assert refuses(run, change), name


if __name__ == "__main__":
    sys.exit(main())
