"""report.html: one page that needs nothing else, whose pictures say what the plan says."""

from __future__ import annotations

import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from kaoken.profile.run import Profile, WorkloadProfile
from kaoken.profile.workloads import ProfileOptions
from kaoken.report import pictures
from kaoken.report.page import render_page
from tests.compiled import compiled
from tests.test_profile import MADE

GRAPHS = ["tiny-gpt2", "tiny-bert", "tiny-t5", "tiny-vit-static"]


def report_of(graph: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((compiled(graph, build=False) / "report.json").read_text())
    return found


@pytest.mark.parametrize("graph", GRAPHS)
def test_blocks_that_live_at_once_share_no_memory(graph: str) -> None:
    memory = report_of(graph)["memory"]
    blocks = memory["blocks"]
    assert blocks
    for a, b in itertools.combinations(blocks, 2):
        if a["first"] <= b["last"] and b["first"] <= a["last"]:
            assert a["offset"] + a["bytes"] <= b["offset"] or b["offset"] + b["bytes"] <= a["offset"], (a, b)
    for number, live in enumerate(memory["live_bytes"]):
        assert live == sum(b["bytes"] for b in blocks if b["first"] <= number <= b["last"])
    assert max(b["offset"] + b["bytes"] for b in blocks) <= memory["arena_bytes"]


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_graphs_edges_lead_from_what_is_made_to_what_reads_it(graph: str) -> None:
    calls = report_of(graph)["calls"]
    assert all(source < number for number, call in enumerate(calls) for source in call["inputs"])
    read = {source for call in calls for source in call["inputs"]}
    dead = [c["layer"] for n, c in enumerate(calls) if n not in read and not c["gives"]]
    assert not dead, "whatever nobody reads is an output"
    assert calls[0]["reads"]


def test_a_residual_is_an_arc() -> None:
    calls = report_of("tiny-gpt2")["calls"]
    at = next(n for n, c in enumerate(calls) if c["layer"] == "transformer.h.0.attn.c_proj")
    assert calls[at]["inputs"] == [at - 4, at - 1]
    arc, line = pictures.graph_rows(calls, 90)[at].paths
    assert "C" in arc and "V" in line


@pytest.mark.parametrize("profile", [None, Profile("m", "avx2", 2, MADE.limits, [MADE]).as_json()])
@pytest.mark.parametrize("graph", GRAPHS)
def test_the_page_is_whole_and_loads_nothing(graph: str, profile: dict[str, Any] | None) -> None:
    page = render_page(report_of(graph), profile)
    assert not re.search(r"<script|<link|<img|@import|url\(|https?://", page)
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)
    assert ('class="roofline"' in page) == (profile is not None)
    assert "h.1.fc" in page or profile is None


def test_dots_lie_under_the_roof_as_far_as_their_share_says() -> None:
    limits = {"flops": 100e9, "bandwidth": 10e9}
    kernels = [
        {"kernel": "at_the_roof", "ms": 1.0, "flop": 1e8, "bytes": 1e6, "share": 1.0},
        {"kernel": "half", "ms": 1.0, "flop": 5e7, "bytes": 1e5, "share": 0.5},
        {"kernel": "cached", "ms": 1.0, "flop": 1e7, "bytes": 0.0, "share": 0.1},
        {"kernel": "free", "ms": 1.0, "flop": 0.0, "bytes": 0.0, "share": 0.0},
    ]
    plot = pictures.roofline(limits, {"kernels": kernels, "total": {"ms": 4.0}})
    roof = [tuple(map(float, corner.split(","))) for corner in plot.roof.split()]
    top, half, cached = plot.dots
    assert top.y == pytest.approx(roof[-1][1], abs=0.01), "100 GFLOP/s is the flat part"
    assert half.y > top.y and cached.y > half.y
    assert cached.x == 100 and half.x < 100
    assert "half: 50 GFLOP/s, 500 FLOP a byte, 50% of its limit, 25% of the time" in half.text


def test_profiling_draws_into_the_report(tmp_path: Path) -> None:
    import shutil

    from kaoken.profile.report import add_to_report
    from kaoken.profile.run import profile_folder

    folder = tmp_path / "out"
    shutil.copytree(compiled("tiny-gpt2"), folder)
    before = (folder / "report.html").read_text()
    found = profile_folder(folder, ProfileOptions(prefill=[4], decode=[], seconds=0.01))
    assert isinstance(found.workloads[0], WorkloadProfile)
    assert add_to_report(folder, found) == folder / "report.html"
    after = (folder / "report.html").read_text()
    assert "prefill 4" in after and "prefill 4" not in before
