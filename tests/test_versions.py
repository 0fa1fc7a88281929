"""Every version of every operator of ai.onnx from opset 7 on: compiled to C, run, and compared with onnxruntime or the reference.

KAOKEN_VERSIONS_ALL=1 takes every sample that a version can express instead of a few that show all there is to show.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import tempfile
import warnings
from functools import cache
from pathlib import Path

import pytest
from compiled import sources_digest
from version_rows import Row, is_default, rows, schemas
from version_runs import Outcome, outcomes, verdict

from kaoken.operators import operators

pytest.importorskip("onnxruntime")

NOT_SUPPORTED = {"ImageDecoder": "needs codecs of pictures"}
"""Operators that are refused by name."""

WITHOUT_ROW = {
    "StringNormalizer": {"locale"},
}
"""Attributes that no row has at a value of its own: `locale` is that of the machine, which compiled code does not ask."""


@cache
def everything() -> dict[str, list[tuple[Row, Outcome]]]:
    """Every row with what became of it, by operator: computed once for all test processes and runs of equal sources."""
    digest = hashlib.sha256(os.environ.get("KAOKEN_VERSIONS_ALL", "").encode())
    folder = Path(__file__).parent
    for path in sorted([*folder.glob("version_*.py"), *folder.glob("op_cases/*.py"), *folder.glob("version_samples/*.py")]):
        digest.update(path.read_bytes())
    kept = Path(tempfile.gettempdir()) / f"kaoken-tests-{os.getuid()}" / sources_digest()
    kept.mkdir(parents=True, exist_ok=True)
    file = kept / f"versions-{digest.hexdigest()[:16]}.pickle"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            table = rows(bool(os.environ.get("KAOKEN_VERSIONS_ALL")))
            found = outcomes(table)
            file.write_bytes(pickle.dumps([(row, found[row]) for row in table]))
    by_operator: dict[str, list[tuple[Row, Outcome]]] = {}
    for row, outcome in pickle.loads(file.read_bytes()):
        by_operator.setdefault(row.op, []).append((row, outcome))
    return by_operator


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(tempfile.gettempdir()) / f"kaoken-tests-{os.getuid()}" / "versions"
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("KAOKEN_CACHE", str(folder))


@pytest.mark.parametrize("op", sorted(schemas()))
def test_every_version_gives_what_the_standard_says(op: str) -> None:
    wrong, judged = [], 0
    for row, outcome in everything()[op]:
        if op in NOT_SUPPORTED:
            assert outcome.outputs is None and f"operator {op} is not supported" in outcome.error
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = verdict(row, outcome)
        judged += said is not None and not row.sample.derived
        if said:
            wrong.append(f"{row} ({row.sample.source} {row.sample.derived}): {said}")
        elif said is None and not row.sample.derived:
            wrong.append(f"{row} ({row.sample.source}): neither onnxruntime nor the reference implementation takes it")
    assert not wrong, "\n".join(wrong)
    assert judged or op in NOT_SUPPORTED


def test_every_version_has_rows_and_every_attribute_one_at_a_value_of_its_own() -> None:
    missing = []
    for op, versions in schemas().items():
        for schema in versions:
            own = [row.sample for row, _ in everything()[op] if row.since == schema.since_version]
            missing += [] if own or op in NOT_SUPPORTED else [f"{op} {schema.since_version}"]
            for name, attribute in schema.attributes.items():
                shown = any(not is_default(sample.attributes.get(name), attribute) for sample in own)
                if not shown and name not in WITHOUT_ROW.get(op, ()):
                    missing.append(f"{op} {schema.since_version}: {name}")
    assert missing == []


def test_table_of_operators_has_the_versions_that_have_rows() -> None:
    listed = {o.name: o.versions for o in operators() if o.domain == "ai.onnx"}
    for op, versions in schemas().items():
        assert listed[op] == ([] if op in NOT_SUPPORTED else [s.since_version for s in versions]), op
