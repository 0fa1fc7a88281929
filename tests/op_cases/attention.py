"""Attention and rotary embedding."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto
from op_cases.case import Case, bools, floats, integers

Q, K, V = floats(2, 4, 3, 8), floats(2, 4, 5, 8, seed=1), floats(2, 4, 5, 6, seed=2)
GROUPED = (Q, floats(2, 2, 5, 8, seed=1), floats(2, 2, 5, 6, seed=2))
FLAT = (floats(2, 3, 32), floats(2, 5, 16, seed=1), floats(2, 5, 12, seed=2))
HEADS = {"q_num_heads": 4, "kv_num_heads": 2}
PAST = (floats(2, 4, 7, 8, seed=3), floats(2, 4, 7, 6, seed=4))
SEEN = bools(3, 5, seed=3) | (np.arange(5) == 0)
HIDDEN_ROW = SEEN & (np.arange(3) != 1)[:, None]
ADDED = floats(2, 4, 3, 5, seed=5)


def attention(*inputs: np.ndarray | None, since: int = 23, **attrs: object) -> Case:
    """Extents are symbols unless one is as large as the number of heads, or as the columns of a short mask."""
    short = len(inputs) > 3 and inputs[3] is not None and inputs[3].shape[-1] != inputs[1].shape[-2]
    ambiguous = short or inputs[1].shape[1] == 2
    return Case("Attention", inputs, attrs, since=since, sizes=() if ambiguous else (2, 3, 5, 7), rtol=1e-5, oracle="reference")


CASES: list[Case] = [
    attention(Q, K, V),
    attention(Q, K, V, scale=0.1),
    attention(Q, K, V, is_causal=1),
    attention(*GROUPED),
    attention(*FLAT, **HEADS),
    attention(*FLAT, **HEADS, is_causal=1),
    attention(Q, K, V, SEEN),
    attention(Q, K, V, HIDDEN_ROW),
    attention(Q, K, V, SEEN[None, None]),
    attention(Q, K, V, ADDED),
    attention(Q, K, V, ADDED[0, 0]),
    attention(Q, K, V, ADDED, is_causal=1),
    attention(Q, K, V, SEEN, is_causal=1),
    attention(Q, K, V, softcap=0.7),
    attention(Q, K, V, SEEN, softcap=2.0, scale=0.5),
    attention(Q, K, V, softmax_precision=TensorProto.FLOAT),
    attention(Q, K, V, softmax_precision=TensorProto.DOUBLE),
    attention(Q, K, V, SEEN[:, :4], since=24),
    attention(Q, K, V, ADDED[..., :3], since=24),
    attention(Q, K, V, None, None, None, np.array([3, 5]), since=24),
    attention(Q, K, V, None, None, None, np.array([3, 5]), since=24, is_causal=1),
    attention(Q, K, V, SEEN, None, None, np.array([4, 2]), since=24),
    attention(Q, K, V, since=25, left_window_size=1),
    attention(Q, K, V, since=25, left_window_size=1, right_window_size=1),
    attention(Q, K, V, since=25, right_window_size=0),
    attention(Q, K, V, SEEN, since=25, left_window_size=2, is_causal=1),
]
CASES += [
    Case(
        "Attention",
        (Q, K, V, mask, *PAST),
        {"is_causal": c},
        outputs=("y", "key", "value"),
        since=23,
        sizes=(2, 3),
        rtol=1e-5,
        oracle="reference",
    )
    for c in (0, 1)
    for mask in (None, bools(3, 12, seed=1) | (np.arange(12) < 2))
]
CASES += [
    Case(
        "Attention",
        (Q, K, V, SEEN),
        {"qk_matmul_output_mode": m, "softcap": 1.5 if m else 0.0},
        outputs=("y", "", "", "qk"),
        since=23,
        rtol=1e-5,
        oracle="reference",
    )
    for m in range(4)
]
HALF = floats(2, 3, 4, seed=7)
TABLE = floats(10, 4, seed=8)
PLACES = integers(0, 9, 2, 3)
for interleaved in (0, 1):
    CASES += [
        Case(
            "RotaryEmbedding",
            inputs,
            {"interleaved": interleaved, **attrs},
            since=23,
            sizes=(2, 3),
            rtol=4e-6,
            oracle="reference",
        )
        for inputs, attrs in (
            ((floats(2, 5, 3, 8), HALF, floats(2, 3, 4, seed=9)), {}),
            ((floats(2, 5, 3, 8), TABLE, floats(10, 4, seed=9), PLACES), {}),
            ((floats(2, 3, 40), HALF, floats(2, 3, 4, seed=9)), {"num_heads": 5}),
            ((floats(2, 5, 3, 12), HALF, floats(2, 3, 4, seed=9)), {"rotary_embedding_dim": 8}),
            ((floats(2, 3, 60), TABLE, floats(10, 4, seed=9), PLACES), {"num_heads": 5, "rotary_embedding_dim": 8}),
        )
    ]
