"""Normalisation over the trailing axes: LayerNorm (Ba et al. 2016) and RMSNorm (Zhang and Sennrich 2019)."""

from __future__ import annotations

from collections.abc import Callable

from kaoken.ir.dims import dim, product
from kaoken.ir.expr import Expr, Int, Read, apply, cast, const, integer, reduce
from kaoken.ir.expr import axis as reduction_axis
from kaoken.ir.graph import Shape, Value
from kaoken.ops.registry import Index, ShapeError, normalize_axis, operation

# norm: operands x, scale or None, shift or None; attrs kind ("layer" or "rms"), axis (first normalised), epsilon --------------


def _shape(x: Value, scale: Value | None = None, shift: Value | None = None, *, axis: int) -> Shape:
    normalize_axis(axis, x.rank)
    for value in (scale, shift):
        if value is None:
            continue
        broadcasts = all(a in (b, 1) for a, b in zip(value.shape[::-1], x.shape[::-1], strict=False))
        if value.rank > x.rank or value.dtype != x.dtype or not broadcasts:
            raise ShapeError(f"norm of {x} with {value}")
    return x.shape


def _aligned(value: Value, at: Index) -> Expr:
    mine = at[len(at) - value.rank :]
    return Read(value, tuple(integer(0) if d == 1 else i for d, i in zip(value.shape, mine, strict=True)))


@operation("norm", "kernel", _shape)
def _norm(
    at: Index, x: Value, scale: Value | None = None, shift: Value | None = None, *, kind: str, axis: int, epsilon: float
) -> Expr:
    first = normalize_axis(axis, x.rank)
    count = cast(Int(product(x.shape[first:])), x.dtype)

    def mean(prefix: str, element: Callable[[Expr], Expr]) -> Expr:
        own = tuple(reduction_axis(f"{prefix}{n}", x.shape[n]) for n in range(first, x.rank))
        inner = Read(x, (*at[:first], *(Int(dim(a)) for a in own)))
        return apply("div", reduce("sum", own, element(inner)), count)

    centre = mean("m", lambda e: e) if kind == "layer" else None

    def centred(e: Expr) -> Expr:
        return e if centre is None else apply("sub", e, centre)

    variance = mean("v", lambda e: apply("mul", centred(e), centred(e)))
    deviation = apply("sqrt", apply("add", variance, const(epsilon, x.dtype)))
    body = apply("mul", centred(Read(x, at)), apply("div", const(1, x.dtype), deviation))
    body = body if scale is None else apply("mul", body, _aligned(scale, at))
    return body if shift is None else apply("add", body, _aligned(shift, at))
