"""Timing an encoder-decoder beside onnxruntime's three graphs: both do the same work, and costs are counted as they arise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from compiled import compiled
from models_fixture import GRAPHS

from kaoken.bench.cost import graph_costs
from kaoken.bench.encoder_decoder import contestants, costs, workloads
from kaoken.bench.run import BenchOptions, bench_model
from kaoken.compiler import CompileOptions, lower
from kaoken.errors import UsageError

pytest.importorskip("onnxruntime")
MODEL = GRAPHS / "tiny-t5"


@pytest.fixture(scope="module")
def tiny_t5() -> Path:
    return compiled(str(MODEL))


def test_both_sides_compute_the_same_logits(tiny_t5: Path) -> None:
    for workload in workloads(tiny_t5, MODEL, [3, 20]):
        ours, theirs = (side.prepare(workload) for side in contestants(tiny_t5, MODEL, 1))
        first = ours().copy()
        assert np.abs(first - theirs()).max() < 1e-4 * np.abs(first).max()
        assert np.array_equal(ours(), first), "a second run starts anew"


def test_the_table_has_a_row_for_each_length_and_count(tiny_t5: Path) -> None:
    found = bench_model(MODEL, tiny_t5, BenchOptions(prefill=[4], threads=[1], rounds=1, seconds=0.01))
    assert [row.workload for row in found.rows] == ["encode 4, write 1", "encode 4, write 32"]
    assert all(row.median("kaoken") > 0 and row.median("onnxruntime") > 0 and row.limit > 0 for row in found.rows)


def test_the_encoder_is_counted_once_and_the_decoder_for_every_token(tiny_t5: Path) -> None:
    graph = lower(MODEL, CompileOptions(), "tiny_t5")
    one, many = (costs(graph, workload) for workload in workloads(tiny_t5, MODEL, [20]))
    per_token = (sum(c.flop for c in many) - sum(c.flop for c in one)) / 31
    encoder = sum(c.flop for c in one) - per_token
    assert encoder > 5 * per_token > 0, "20 positions against one, less the decoder's head and cross-attention"
    assert len(many) > len(one)


def test_lengths_beyond_the_encoder_and_missing_graphs_are_refused(tiny_t5: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="shorter --prefill"):
        workloads(tiny_t5, MODEL, [10**6])
    with pytest.raises(UsageError, match=r"has no encoder_model\.onnx, decoder_model\.onnx"):
        contestants(tiny_t5, tmp_path, 1)


def test_sums_so_far_are_counted_over_half_their_axis() -> None:
    """RoBERTa's positions are a running sum over the mask, whose extent is an axis of the loop."""
    graph = lower(GRAPHS / "tiny-roberta", CompileOptions(), "tiny_roberta")
    small, large = (dict.fromkeys(graph.symbols, 1) | {"sequence_length": size} for size in (8, 64))
    flops = [sum(cost.flop for cost in graph_costs(graph, dims)) for dims in (small, large)]
    assert 0 < 7 * flops[0] < flops[1]
