"""Operands whose extents are not known to fit, since a call finds some of them: it checks that they do, or broadcasts them."""

from __future__ import annotations

from collections.abc import Sequence

from kaoken.frontend.implied import implied_bounds
from kaoken.frontend.registry import OnnxNode
from kaoken.frontend.spelled import Tensor, iota, tensor
from kaoken.ir.dims import Dim, bounds, dim, is_nonnegative, maximum, minimum
from kaoken.ir.found_sizes import found_symbols, largest
from kaoken.ir.graph import Value
from kaoken.ops.registry import ExtentsDiffer


def fitted(node: OnnxNode, inputs: Sequence[Value | None], differ: ExtentsDiffer) -> list[Value | None]:
    """The operands with one pair of extents made alike.

    Where the caller gives both, raises ImpliedBounds if they say what a dimension is, else `differ`, so that `--dim` decides. If
    both are made of the same dimensions (two halves of a picture's height), the call checks that these make them equal.
    """
    first, second = differ.extents
    given = not found_symbols(first) | found_symbols(second)
    if given:
        for extent, clamped in ((first, second), (second, first)):
            if clamped == maximum(extent, dim(0)):  # an extent is never negative
                return _replaced(node, inputs, {clamped: extent}, differ)
        implied = None if node.builder.graph.is_body else implied_bounds(differ)
        if implied or differ.rule == "within" or first.symbols() != second.symbols() or _never_equal(first, second):
            raise implied or differ
    if differ.rule == "within":
        node.require(_compared(node, "le", first, second))
        return _replaced(node, inputs, {first: minimum(first, second)}, differ)
    ones = [e for e in differ.extents if _may_be_one(e)] if differ.rule == "broadcast" and differ.places[0] and not given else []
    if ones:
        return _broadcast(node, inputs, differ, ones)
    kept, other = sorted(differ.extents, key=lambda extent: (len(found_symbols(extent)), len(str(extent))))
    if not any(v is not None and other in v.shape for v in inputs):
        kept, other = other, kept
    node.require(_compared(node, "eq", first, second))
    return _replaced(node, inputs, {other: kept}, differ)


def _compared(node: OnnxNode, relation: str, first: Dim, second: Dim) -> Value:
    return node.add(relation, tensor(node, first).value, tensor(node, second).value)


def _never_equal(first: Dim, second: Dim) -> bool:
    return is_nonnegative(first - second - 1) or is_nonnegative(second - first - 1)


def _may_be_one(extent: Dim) -> bool:
    low, high = bounds(extent)
    return (low is None or low <= 1) and (high is None or high >= 1)


def _broadcast(node: OnnxNode, inputs: Sequence[Value | None], differ: ExtentsDiffer, ones: list[Dim]) -> list[Value | None]:
    """Extents of which `ones` may be 1 become what they broadcast to."""
    a, b = (tensor(node, e) for e in differ.extents)
    place = differ.places[0]
    there = [v.shape[v.rank - place] for v in inputs if v is not None and v.rank >= place]
    wanted = [e for e in differ.extents if e not in ones or e not in there]
    if wanted:
        (result,) = wanted[:1]
        (one,) = (e for e in differ.extents if e != result)
        node.require(node.add("or", a.eq(b).value, tensor(node, one).eq(1).value))
    else:
        found = a.eq(1).where(b, a)
        ends = [largest(e) for e in differ.extents]
        upper = None if ends[0] is None or ends[1] is None else maximum(ends[0], ends[1])
        result = node.found_size(found.value, 0, f"{node.names[0]}_extent", upper)
        node.require(node.add("or", b.eq(1).value, b.eq(found).value))
    return _replaced(node, inputs, {e: result for e in differ.extents if e != result}, differ)


def _replaced(
    node: OnnxNode, inputs: Sequence[Value | None], extents: dict[Dim, Dim], differ: ExtentsDiffer
) -> list[Value | None]:
    """Operands with extents in the place of others. Raises `differ` where nothing changes."""
    place, result = differ.places[0], list(inputs)
    for n, value in enumerate(inputs):
        for axis in range(0 if value is None else value.rank):
            assert value is not None
            own = value.shape[axis]
            if own not in extents or own == extents[own] or (place and value.rank - axis != place):
                continue
            x = tensor(node, result[n])  # type: ignore[arg-type]
            result[n] = _stretched(x, axis, extents[own], differ.rule).value
    if all(a is b for a, b in zip(result, inputs, strict=True)):
        raise differ
    return result


def _stretched(x: Tensor, axis: int, extent: Dim, rule: str) -> Tensor:
    """`x` with another extent, of which the call has checked that it may have it."""
    if rule != "broadcast" or is_nonnegative(x.shape[axis] - 2):
        return x.part(axis, 0, extent)
    return x.take(iota(x.node, extent).min(tensor(x.node, maximum(dim(0), x.shape[axis] - 1))), axis)
