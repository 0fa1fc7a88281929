"""A matrix that a graph holds twice is kept once: as it is, or transposed, as a vocabulary that is embedding and head may be.

An exporter that folds `Transpose(embedding)` into a constant of its own doubles the largest matrix of a model. A product takes
either order, so it can read the embedding's.
"""

from __future__ import annotations

import numpy as np

from kaoken.ir.graph import Graph, Node, Value
from kaoken.passes.explain import explanation

FEWEST_BYTES = 1 << 14
_ROWS = 256


def share_constants(graph: Graph) -> None:
    """Let products read one constant where two have the same elements, in either order."""
    matrices = [v for v in graph.constants() if v.data is not None and v.rank == 2 and v.data.nbytes >= FEWEST_BYTES]
    rows = {v for n in graph.nodes if n.op != "linear" for v in n.inputs if v is not None}
    for node in graph.nodes:
        if node.op == "linear":
            for slot in _weight_slots(node):
                _share(graph, node, slot, matrices, rows)


def _weight_slots(node: Node) -> range:
    return range(2, 2 + node.attrs["weights"])


def _share(graph: Graph, node: Node, slot: int, matrices: list[Value], rows: set[Value]) -> None:
    value = node.inputs[slot]
    if value is None or value.data is None or value in rows or value.data.nbytes < FEWEST_BYTES or value.rank != 2:
        return
    for flipped in (False, True):
        shape = value.data.shape[::-1] if flipped else value.data.shape
        for other in matrices:
            if other is value or other.data is None or other.data.shape != shape or other.dtype != value.dtype:
                continue
            if (other in rows or matrices.index(other) < matrices.index(value)) and _equal(
                value.data, other.data.T if flipped else other.data
            ):
                node.inputs[slot] = other
                if flipped:
                    transposed = list(node.attrs["transposed"])
                    transposed[slot - 2] = not transposed[slot - 2]
                    node.attrs["transposed"] = tuple(transposed)
                explanation(graph).hit("shared constant")
                return


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two matrices have the same bits; a few rows and columns first, since most that are compared differ."""
    if not np.array_equal(a[:1], b[:1]) or not np.array_equal(a[:, :1], b[:, :1]):
        return False
    return all(a[n : n + _ROWS].tobytes() == b[n : n + _ROWS].tobytes() for n in range(0, len(a), _ROWS))
