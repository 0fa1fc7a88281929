"""Common-subexpression removal: two nodes that compute the same become one, and equal constants one constant."""

from __future__ import annotations

import hashlib
from typing import Any

from kaoken.ir.graph import Graph, Value
from kaoken.passes.rewriter import Rewriter

_HASHED_BYTES = 1 << 16


def share_common_subexpressions(graph: Graph) -> None:
    """Merge equal nodes. Constants are equal when type, shape and bytes are; only small ones are compared."""
    rewriter = Rewriter(graph)
    seen: dict[Any, list[Value]] = {}
    constants: dict[Any, int] = {}

    def identity(value: Value | None) -> Any:
        if value is None:
            return None
        if value.data is not None and value.data.nbytes <= _HASHED_BYTES:
            digest = hashlib.sha256(value.data.tobytes()).digest()
            return constants.setdefault((value.dtype, value.shape, digest), id(value))
        if value.producer is None and value.known is not None:
            return ("known", value.shape, tuple(value.known.ravel()))
        return id(value)

    for node in rewriter:
        key = (node.op, tuple(identity(v) for v in node.inputs), _frozen(node.attrs))
        if key in seen:
            for old, new in zip(node.outputs, seen[key], strict=True):
                rewriter.replace(old, new)
        else:
            seen[key] = node.outputs


def _frozen(attrs: dict[str, Any]) -> Any:
    return tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in attrs.items()))
