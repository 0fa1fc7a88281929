"""Normalisation over the trailing axes: LayerNorm (Ba et al. 2016) and RMSNorm (Zhang and Sennrich 2019)."""

from __future__ import annotations

from kaoken.ir.dims import dim, product
from kaoken.ir.expr import Expr, Formula, Int, Read, apply, axes_for, axis, cast, const, reduce
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.registry import Attrs, Inputs, ShapeError, define, normalize_axis, operand

# norm: operands x, scale or None, shift or None; attrs kind ("layer" or "rms"), axis (first normalised), epsilon --------------


def _infer(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x = operand(inputs, 0)
    normalize_axis(attrs["axis"], x.rank)
    for value in inputs[1:]:
        if value is None:
            continue
        theirs = x.shape[x.rank - value.rank :]
        if (
            value.rank > x.rank
            or value.dtype != x.dtype
            or any(a not in (b, 1) for a, b in zip(value.shape, theirs, strict=True))
        ):
            raise ShapeError(f"norm of {x} with {value}")
    return [(x.shape, x.dtype)]


def _aligned(value: Value, at: tuple[Expr, ...]) -> Expr:
    from kaoken.ir.expr import integer

    mine = at[len(at) - value.rank :]
    return Read(value, tuple(integer(0) if d == 1 else i for d, i in zip(value.shape, mine, strict=True)))


def _formula(node: Node, output: int) -> Formula:
    x = operand(node.inputs, 0)
    scale, shift = (node.inputs[n] if len(node.inputs) > n else None for n in (1, 2))
    first = normalize_axis(node.attrs["axis"], x.rank)
    out = axes_for(x.shape)
    at = tuple(Int(dim(a)) for a in out)
    count = cast(Int(product(x.shape[first:])), x.dtype)

    def mean(prefix: str, element):  # type: ignore[no-untyped-def]
        own = tuple(axis(f"{prefix}{n}", x.shape[n]) for n in range(first, x.rank))
        inner = Read(x, (*at[:first], *(Int(dim(a)) for a in own)))
        return apply("div", reduce("sum", own, element(inner)), count)

    centre = mean("m", lambda e: e) if node.attrs["kind"] == "layer" else None

    def centred(e: Expr) -> Expr:
        return e if centre is None else apply("sub", e, centre)

    variance = mean("v", lambda e: apply("mul", centred(e), centred(e)))
    deviation = apply("sqrt", apply("add", variance, const(node.attrs["epsilon"], x.dtype)))
    body = apply("mul", centred(Read(x, at)), apply("div", const(1, x.dtype), deviation))
    if scale is not None:
        body = apply("mul", body, _aligned(scale, at))
    if shift is not None:
        body = apply("add", body, _aligned(shift, at))
    return Formula(out, body)


define("norm", "kernel", _infer, _formula)
