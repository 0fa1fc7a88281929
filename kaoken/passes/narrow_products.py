"""Products of quantised integers by a constant matrix read rows of 16 and 8 bits: what vector units multiply in pairs."""

from __future__ import annotations

import numpy as np

from kaoken.ir.dtypes import convert, integer_range, is_integer
from kaoken.ir.expr import literal
from kaoken.ir.graph import Graph, Value, constant
from kaoken.ops import OPS
from kaoken.passes.rewriter import Rewriter


def narrow_products(graph: Graph) -> None:
    """matmul(x, W) in int32 -> short_matmul, where x fits int16 by its types and W, zero points subtracted, by its elements."""
    rewriter = Rewriter(graph)
    matrices: dict[Value, Value | None] = {}
    for node in rewriter:
        x, w = (*node.inputs, None, None)[:2]
        if node.op != "matmul" or node.output.dtype != "int32" or x is None or w is None or w.rank != 2:
            continue
        bound = _bound(x)
        if bound is None or bound > integer_range("int16")[1]:
            continue
        if w not in matrices:
            matrices[w] = _rows(w)
        rows = matrices[w]
        if rows is None:
            continue
        short = rewriter.add("cast", [x], {"to": "int16"}, node.origin, [f"{x.name}.short"])
        made = rewriter.add("short_matmul", [short.output, rows], {}, node.origin, [node.output.name])
        rewriter.replace(node.output, made.output)


def _rows(matrix: Value) -> Value | None:
    """A constant [K, N] as [N, K] of 8 or 16 bits; None where its elements are wider or come from data."""
    whole = _elements(matrix)
    if whole is None or whole.size == 0:
        return None
    low, high = int(whole.min()), int(whole.max())
    for dtype in ("int8", "int16"):
        least, most = integer_range(dtype)
        if least <= low and high <= most:
            return constant(matrix.name, np.ascontiguousarray(whole.T.astype(dtype)))
    return None


def _elements(value: Value) -> np.ndarray | None:
    """The elements of constants that were cast, or had constants subtracted."""
    if value.data is not None:
        return value.data
    if value.known is not None:
        numbers = [literal(e) for e in value.known.reshape(-1)]
        return None if any(n is None for n in numbers) else np.array(numbers).astype(value.dtype).reshape(value.known.shape)
    node = value.producer
    if node is None or node.op not in ("cast", "sub", "reshape"):
        return None
    operands = [None if v is None else _elements(v) for v in node.inputs]
    if any(o is None for o in operands):
        return None
    first, *others = (o for o in operands if o is not None)
    if node.op == "cast":
        return convert(first, value.dtype)
    return first.reshape([int(d) for d in value.shape]) if node.op == "reshape" else first - others[0]


def _bound(value: Value) -> int | None:
    """The largest magnitude that an integer may have by the types it was computed from; None where they do not say."""
    elements = _elements(value) if value.data is not None or value.known is not None else None
    if elements is not None and elements.size and is_integer(value.dtype):
        return max(abs(int(elements.min())), abs(int(elements.max())))
    node = value.producer
    sources = [] if node is None else [v for v in node.inputs if v is not None]
    if node is not None and sources and (node.op == "sub" or OPS[node.op].kind == "movement"):
        bounds = [_bound(v) for v in (sources if node.op == "sub" else sources[:1])]
        known = [b for b in bounds if b is not None]
        return sum(known) if len(known) == len(bounds) else None
    if node is not None and node.op == "cast" and is_integer(sources[0].dtype) and value.dtype in ("int16", "int32"):
        return max(map(abs, integer_range(sources[0].dtype)))
    return max(map(abs, integer_range(value.dtype))) if is_integer(value.dtype) else None


__all__ = ["narrow_products"]
