"""The emitted C and the final IR of two tiny models, kept as files: a change of either is seen in review.

After a change on purpose: KAOKEN_UPDATE_GOLDEN=1 python -m pytest tests/test_golden.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kaoken.compiler import CompileOptions, lower
from kaoken.ir.graph import graph_text
from tests.compiled import GRAPHS, compiled

GOLDEN = Path(__file__).parent / "golden"


def compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("KAOKEN_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, (
        f"{name} changed; on purpose? run with KAOKEN_UPDATE_GOLDEN=1, review the diff"
    )


@pytest.mark.parametrize("graph", ["tiny-gpt2", "tiny-bert"])
def test_final_ir_is_as_kept(graph: str) -> None:
    compare(f"{graph}.ir", graph_text(lower(GRAPHS / graph, CompileOptions(), graph)))


@pytest.mark.parametrize("graph", ["tiny-gpt2", "tiny-bert"])
def test_entry_points_and_header_are_as_kept(graph: str) -> None:
    folder = compiled(graph, build=False)
    name = graph.replace("-", "_")
    source = (folder / f"{name}.c").read_text(encoding="utf-8")
    compare(f"{name}.c", "\n".join(line for line in source.splitlines() if "model_hash[32]" not in line) + "\n")
    compare(f"{name}.h", (folder / f"{name}.h").read_text(encoding="utf-8"))
