"""Composition: what an element of a value is, in terms of other values, by substituting formulas into reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kaoken.ir.dims import Symbol, dim, substitute
from kaoken.ir.dtypes import is_float
from kaoken.ir.expr import (
    Expr,
    Formula,
    Int,
    Read,
    Reduce,
    apply,
    bind,
    const,
    integer,
    literal,
    map_children,
    rewrite,
    select,
)
from kaoken.ir.graph import Node, Value
from kaoken.ops.registry import OPS, row_major

LONGEST_TABLE, MOST_REPEATS = 1 << 16, 16
"""Constants of up to so many integers are looked at for a closed form, in which elements are repeated so often at most."""

CHOICES = 8
"""A constant of up to this many integers is read at a computed index by comparisons, a larger one from memory."""


def formula_of(node: Node, output: int = 0) -> Formula:
    """The formula of a node's output."""
    return OPS[node.op].formula(node, output)


def read(value: Value, indices: Sequence[Expr]) -> Expr:
    """One element of `value`, seen through movement: the read is of the tensor whose element it really is."""
    at = tuple(indices)
    if value.known is not None:
        return _read_known(value, at)
    if value.data is not None and value.data.size == 1:
        return const(value.data.reshape(-1)[0], value.dtype)
    producer = value.producer
    if producer is not None and OPS[producer.op].kind == "movement":
        return expand(value, at)
    return _by_form(value, at) or Read(value, at)


def _by_form(value: Value, at: tuple[Expr, ...]) -> Expr | None:
    """An element of a constant by its closed form."""
    index = row_major(value.shape, at)
    if value.data is None or value.dtype != "int64" or not isinstance(index, Int) or not 2 <= value.data.size <= LONGEST_TABLE:
        return None
    found = closed_form(value.data.reshape(-1))
    if found is None:
        return None
    step, first, repeats = found
    return apply("floordiv", apply("add", apply("mul", integer(step), index), integer(first)), integer(repeats))


def closed_form(elements: np.ndarray) -> tuple[int, int, int] | None:
    """(a, b, k) such that element n is floor((a * n + b) / k), for elements int64 of which there are several."""
    jumps = np.diff(elements)
    if jumps.max() - jumps.min() > 1 or max(elements.max(), -1 - elements.min()) > 1 << 40:
        return None
    places = np.arange(elements.size)
    for repeats in range(1, MOST_REPEATS + 1):
        slope = round(repeats * int(elements[-1] - elements[0]) / (elements.size - 1))
        for step in (slope, slope - 1, slope + 1):
            low = repeats * elements - step * places  # the least b for each element
            if low.max() <= low.min() + repeats - 1:
                return step, int(low.max()), repeats
    return None


def _read_known(value: Value, at: tuple[Expr, ...]) -> Expr:
    """The element itself at a literal index, else a closed form, else a choice among a few; None of these: a read."""
    assert value.known is not None
    position = [literal(i) for i in at]
    if all(p is not None for p in position):
        return value.known[tuple(int(p) for p in position if p is not None)]
    flat = list(value.known.reshape(-1))
    if not flat:
        return const(0, value.dtype)
    if len(set(flat)) == 1:
        return flat[0]
    index = row_major(value.shape, at)
    if value.dtype == "int64" and all(isinstance(item, Int) for item in flat):
        first, step = flat[0].value, flat[1].value - flat[0].value
        if all(item.value == first + step * n for n, item in enumerate(flat)):
            return apply("add", Int(first), apply("mul", Int(step), index))
    formed = _by_form(value, at)
    if formed is not None:
        return formed
    if value.producer is not None:
        return expand(value, at) if OPS[value.producer.op].kind == "movement" else Read(value, at)
    chosen = value.data is None or (len(flat) <= CHOICES and not is_float(value.dtype))
    return choose(flat, index) if chosen else Read(value, at)


def choose(items: Sequence[Expr], index: Expr, first: int = 0) -> Expr:
    """`items[index - first]` by bisection."""
    if len(items) == 1:
        return items[0]
    half = len(items) // 2
    low, high = choose(items[:half], index, first), choose(items[half:], index, first + half)
    return select(apply("lt", index, integer(first + half)), low, high)


def expand(value: Value, indices: Sequence[Expr]) -> Expr:
    """One element of `value` by its producer's formula, one step; a read where it has none."""
    producer = value.producer
    if producer is None or OPS[producer.op].kind == "control":
        return Read(value, tuple(indices))
    formula = formula_of(producer, producer.outputs.index(value))
    return instantiate(formula, indices)


def element_at(value: Value, number: int) -> Expr:
    """An element of a tensor of fixed shape, by its number in row-major order, seen through all that joins, cuts and moves it."""
    index: list[Expr] = []
    for extent in reversed(value.shape):
        number, at = divmod(number, int(extent))
        index.insert(0, integer(at))
    element: Expr = Read(value, tuple(index))
    while isinstance(element, Read):
        step = read if element.value.known is not None else expand
        deeper = step(element.value, element.indices)
        if deeper == element:
            break
        element = deeper
    return element


def instantiate(formula: Formula, indices: Sequence[Expr]) -> Expr:
    """The formula's body at the given indices, its reads seen through movement."""
    body = bind(formula.body, dict(zip(formula.axes, indices, strict=True)))
    return see_through(body)


def see_through(expression: Expr) -> Expr:
    """Replace reads of moved tensors by reads of what was moved, and reads of known elements by the elements."""

    def leaf(node: Expr) -> Expr | None:
        if isinstance(node, Read):
            resolved = read(node.value, node.indices)
            return None if resolved == node else resolved
        return None

    return rewrite(expression, leaf)


def unique_reduction_axes(expression: Expr, prefix: str = "k") -> Expr:
    """Give every reduction axis its own name, in order of appearance."""
    counter = 0

    def visit(node: Expr) -> Expr:
        nonlocal counter
        if isinstance(node, Reduce):
            mapping: dict[Symbol, Expr] = {}
            axes = []
            for symbol in node.axes:
                upper = symbol.upper
                assert upper is not None and not isinstance(upper, int)
                resolved = substitute(upper, {s: e.value for s, e in mapping.items() if isinstance(e, Int)})
                fresh = Symbol(f"{prefix}{counter}", 0, resolved, True)
                counter += 1
                mapping[symbol] = Int(dim(fresh))
                axes.append(fresh)
            return Reduce(node.kind, tuple(axes), visit(bind(node.body, mapping)))
        return map_children(node, visit)

    return visit(expression)
