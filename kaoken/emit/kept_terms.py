"""Rows whose elements are made of the terms of a sum over the row, as softmax's are: each term is computed once.

The sum stores its terms where the results will lie, and the loop that writes the results reads them from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kaoken.emit.loop_values import FEWEST_FOR_LANES, Writer
from kaoken.emit.nests import Nest, offset_of
from kaoken.ir.dims import Dim, Symbol, dim, substitute
from kaoken.ir.dtypes import DType
from kaoken.ir.expr import Expr, Int, Read, Reduce, Select, bind, children, extent_of, reads, rewrite
from kaoken.ir.graph import Value
from kaoken.passes.recomputation import applies_costly


def keep_terms(writer: Writer, inner: Symbol, dtype: DType) -> tuple[Nest, dict[Reduce, Dim], Value] | None:
    """The nest with terms read from a tensor that is the result itself, the sum that stores them and where it does, by its own
    axis. None where no costly function is saved, or where the terms would overwrite what is still to be read."""
    nest = writer.nest
    body, length = nest.body, extent_of(inner)
    simple = dtype == body.dtype == "float32" and writer.steps_by_one(nest.offset, inner) and not nest.needed_indices(nest.offset)
    if not simple or (length.constant or FEWEST_FOR_LANES) < FEWEST_FOR_LANES or not writer.has_lanes(body, inner):
        return None
    for node in dict.fromkeys(_unguarded(body)):
        own = node.axes[0]
        if node.kind != "sum" or len(node.axes) != 1 or extent_of(own) != length or not applies_costly(node.body):
            continue
        term = bind(node.body, {own: Int(dim(inner))})
        memory = Value("y", (length,), "float32")
        kept = Read(memory, (Int(nest.offset),))
        made = rewrite(body, lambda e, term=term, kept=kept: kept if e == term else None)  # type: ignore[misc]
        # What is read at other places than the one at work shares no memory with the result.
        apart = {r.value for r in reads(node.body) if own in offset_of(r).symbols()} | {memory}
        fits = made != body and node in _unguarded(made) and all(r.value in apart for r in _outside(made, node))
        if fits and writer.has_lanes(node.body, own) and inner.name not in nest.axes_of(node):
            return replace(nest, body=made), {node: substitute(nest.offset, {inner: dim(own)})}, memory
    return None


def _unguarded(expression: Expr) -> Iterator[Reduce]:
    """The outermost reductions that are computed in any case, and so before the loop that writes results."""
    if isinstance(expression, Reduce):
        yield expression
        return
    for child in (expression.condition,) if isinstance(expression, Select) else children(expression):
        yield from _unguarded(child)


def _outside(expression: Expr, reduction: Reduce) -> Iterator[Read]:
    """The reads of an expression that are not those of a reduction in it."""
    if expression == reduction:
        return
    if isinstance(expression, Read):
        yield expression
    for child in children(expression):
        yield from _outside(child, reduction)
