"""Reductions over axes, softmax and running sums."""

from __future__ import annotations

from collections.abc import Sequence

from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.dtypes import is_float
from kaoken.ir.expr import Expr, Int, Read, Reduce, apply, axis, cast, const, integer, reduce, select
from kaoken.ir.graph import Shape, Value
from kaoken.ops.registry import Index, normalize_axis, operation


def replaced(at: Index, axis: int, index: Expr) -> Index:
    """An index with another place on one axis."""
    return (*at[:axis], index, *at[axis + 1 :])


# reduce_*: attrs axes (tuple), keepdims -------------------------------------------------------------------------------------


def _reduced_shape(x: Value, *, axes: Sequence[int], keepdims: bool) -> Shape:
    over = {normalize_axis(a, x.rank) for a in axes}
    return tuple(dim(1) if n in over else d for n, d in enumerate(x.shape) if keepdims or n not in over)


def _reduction(at: Index, x: Value, axes: Sequence[int], keepdims: bool, kind: str, before: str = "", after: str = "") -> Expr:
    """`kind` of what `before` makes of each element, and of that what `after` makes."""
    own = {n: axis(f"r{n}", x.shape[n]) for n in sorted(normalize_axis(a, x.rank) for a in axes)}
    kept = iter(i for n, i in enumerate(at) if not keepdims or n not in own)
    element: Expr = Read(x, tuple(Int(dim(own[n])) if n in own else next(kept) for n in range(x.rank)))
    if before:
        element = apply("mul", element, element) if before == "square" else apply(before, element)
    body = reduce(kind, tuple(own.values()), element)
    if after == "mean":
        return apply("div", body, cast(Int(product(x.shape[n] for n in own)), x.dtype))
    return apply(after, body) if after else body


def _define_reduction(name: str, kind: str, before: str = "", after: str = "") -> None:
    @operation(f"reduce_{name}", "reduction", _reduced_shape)
    def element(at: Index, x: Value, *, axes: Sequence[int], keepdims: bool) -> Expr:
        return _reduction(at, x, axes, keepdims, kind, before, after)


for _kind in ("sum", "max", "min", "prod"):
    _define_reduction(_kind, _kind)
_define_reduction("mean", "sum", after="mean")
_define_reduction("sum_square", "sum", "square")
_define_reduction("l1", "sum", "abs")
_define_reduction("l2", "sum", "square", "sqrt")
_define_reduction("log_sum", "sum", after="log")


@operation("reduce_log_sum_exp", "reduction", _reduced_shape)
def _log_sum_exp(at: Index, x: Value, *, axes: Sequence[int], keepdims: bool) -> Expr:
    """log(sum(exp(x))), the largest element taken out first so that nothing overflows."""
    largest, plain = (_reduction(at, x, axes, keepdims, kind) for kind in ("max", "sum"))
    highest = select(apply("isinf", largest), const(0, x.dtype), largest)
    shifted = apply("exp", apply("sub", plain.body if isinstance(plain, Reduce) else plain, highest))
    total = reduce("sum", plain.axes, shifted) if isinstance(plain, Reduce) else shifted
    return apply("add", apply("log", total), highest)


# along one axis: attrs axis. softmax, log_softmax; cumsum, cumprod: sums and products of all elements up to each --------------


def _same_shape(x: Value, *, axis: int) -> Shape:
    normalize_axis(axis, x.rank)
    return x.shape


def _along(x: Value, at: Index, over: int, name: str, extent: Dim | None = None) -> tuple:
    """An axis of a reduction of its own, and the element of x there."""
    own = axis(name, x.shape[over] if extent is None else extent)
    return own, Read(x, replaced(at, over, Int(dim(own))))


def _softmax(at: Index, x: Value, over: int) -> tuple[Expr, Expr]:
    """Each element less the largest, and the sum of the exponentials of these."""
    (m_axis, m_read), (s_axis, s_read) = (_along(x, at, normalize_axis(over, x.rank), name) for name in ("m0", "s0"))
    largest = reduce("max", (m_axis,), m_read)
    total = reduce("sum", (s_axis,), apply("exp", apply("sub", s_read, largest)))
    return apply("sub", Read(x, at), largest), total


@operation("softmax", "reduction", _same_shape)
def _softmax_element(at: Index, x: Value, *, axis: int) -> Expr:
    shifted, total = _softmax(at, x, axis)
    # One division for a row: the sum is at least 1, so that its reciprocal does not overflow.
    return apply("mul", apply("exp", shifted), apply("div", const(1, x.dtype), total))


@operation("log_softmax", "reduction", _same_shape)
def _log_softmax_element(at: Index, x: Value, *, axis: int) -> Expr:
    shifted, total = _softmax(at, x, axis)
    return apply("sub", shifted, apply("log", total))


def _define_running(name: str, kind: str) -> None:
    @operation(name, "reduction", _same_shape)
    def element(at: Index, x: Value, *, axis: int) -> Expr:
        place = at[normalize_axis(axis, x.rank)]
        assert isinstance(place, Int)
        own, element = _along(x, at, normalize_axis(axis, x.rank), "r0", place.value + 1)
        return reduce(kind, (own,), element)


_define_running("cumsum", "sum")
_define_running("cumprod", "prod")


# argmax / argmin: attrs axis, keepdims, last: how many elements beat every earlier one is found by counting, as a formula -------


def _arg_shape(x: Value, *, axis: int, keepdims: bool) -> list[tuple[Shape, str]]:
    return [(_reduced_shape(x, axes=(axis,), keepdims=keepdims), "int64")]


def _define_arg_extreme(name: str, kind: str) -> None:
    @operation(name, "reduction", _arg_shape)
    def element(at: Index, x: Value, *, axis: int, keepdims: bool, last: bool) -> Expr:
        over = normalize_axis(axis, x.rank)
        whole = at if keepdims else (*at[:over], integer(0), *at[over:])
        (own, element), (best, other) = (_along(x, whole, over, name) for name in ("r0", "r1"))
        hit = apply("eq", element, reduce(kind, (best,), other))
        if is_float(x.dtype):
            hit = apply("or", hit, apply("isnan", element))
        missing = integer(-1) if last else Int(x.shape[over])
        return reduce("max" if last else "min", (own,), select(hit, Int(dim(own)), missing))


_define_arg_extreme("argmax", "max")
_define_arg_extreme("argmin", "min")
