"""Reductions over axes, softmax and running sums."""

from __future__ import annotations

from kaoken.ir.dims import dim, product
from kaoken.ir.dtypes import is_float
from kaoken.ir.expr import Expr, Formula, Int, Read, Reduce, apply, axes_for, axis, cast, const, integer, reduce, select
from kaoken.ir.graph import Node, Shape
from kaoken.ops.registry import Attrs, Inputs, define, normalize_axis, operand

# reduce_*: attrs axes (tuple), keepdims -------------------------------------------------------------------------------------


def _infer(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x = operand(inputs, 0)
    axes = {normalize_axis(a, x.rank) for a in attrs["axes"]}
    if attrs["keepdims"]:
        return [(tuple(dim(1) if n in axes else d for n, d in enumerate(x.shape)), x.dtype)]
    return [(tuple(d for n, d in enumerate(x.shape) if n not in axes), x.dtype)]


def _reduction(kind: str, before: str, after: str):  # type: ignore[no-untyped-def]
    def formula(node: Node, output: int) -> Formula:
        x = operand(node.inputs, 0)
        reduced = {normalize_axis(a, x.rank) for a in node.attrs["axes"]}
        out = axes_for(node.output.shape)
        own = {n: axis(f"r{n}", x.shape[n]) for n in sorted(reduced)}
        kept = iter(out)
        indices: list[Expr] = []
        for n in range(x.rank):
            if n in reduced:
                indices.append(Int(dim(own[n])))
                if node.attrs["keepdims"]:
                    next(kept)
            else:
                indices.append(Int(dim(next(kept))))
        element: Expr = Read(x, tuple(indices))
        if before:
            element = apply("mul", element, element) if before == "square" else apply(before, element)
        body = reduce(kind, tuple(own.values()), element)
        if after == "mean":
            body = apply("div", body, cast(Int(product(x.shape[n] for n in reduced)), x.dtype))
        elif after:
            body = apply(after, body)
        return Formula(out, body)

    return formula


for _name, _kind, _before, _after in (
    ("reduce_sum", "sum", "", ""),
    ("reduce_mean", "sum", "", "mean"),
    ("reduce_max", "max", "", ""),
    ("reduce_min", "min", "", ""),
    ("reduce_prod", "prod", "", ""),
    ("reduce_sum_square", "sum", "square", ""),
    ("reduce_l1", "sum", "abs", ""),
    ("reduce_l2", "sum", "square", "sqrt"),
    ("reduce_log_sum", "sum", "", "log"),
):
    define(_name, "reduction", _infer, _reduction(_kind, _before, _after))


def _log_sum_exp(node: Node, output: int) -> Formula:
    """log(sum(exp(x))), the largest element taken out first so that nothing overflows."""
    largest = _reduction("max", "", "")(node, output)
    x = operand(node.inputs, 0)
    highest = select(apply("isinf", largest.body), const(0, x.dtype), largest.body)
    plain = _reduction("sum", "", "")(node, output)
    assert isinstance(plain.body, (Reduce, Read))
    element = plain.body.body if isinstance(plain.body, Reduce) else plain.body
    shifted = apply("exp", apply("sub", element, highest))
    total = reduce("sum", plain.body.axes, shifted) if isinstance(plain.body, Reduce) else shifted
    return Formula(plain.axes, apply("add", apply("log", total), highest))


define("reduce_log_sum_exp", "reduction", _infer, _log_sum_exp)


# softmax: attrs axis; log_softmax likewise ------------------------------------------------------------------------------------


def _same(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    x = operand(inputs, 0)
    normalize_axis(attrs["axis"], x.rank)
    return [(x.shape, x.dtype)]


def _softmax(log: bool):  # type: ignore[no-untyped-def]
    def formula(node: Node, output: int) -> Formula:
        x = operand(node.inputs, 0)
        over = normalize_axis(node.attrs["axis"], x.rank)
        out = axes_for(x.shape)
        at = tuple(Int(dim(a)) for a in out)

        def along(name: str) -> tuple:
            own = axis(name, x.shape[over])
            return own, Read(x, (*at[:over], Int(dim(own)), *at[over + 1 :]))

        m_axis, m_read = along("m0")
        s_axis, s_read = along("s0")
        largest = reduce("max", (m_axis,), m_read)
        total = reduce("sum", (s_axis,), apply("exp", apply("sub", s_read, largest)))
        shifted = apply("sub", Read(x, at), largest)
        if log:
            return Formula(out, apply("sub", shifted, apply("log", total)))
        return Formula(out, apply("div", apply("exp", shifted), total))

    return formula


define("softmax", "reduction", _same, _softmax(False))
define("log_softmax", "reduction", _same, _softmax(True))


# cumsum, cumprod: attrs axis: sums and products of all elements up to each ----------------------------------------------


def _cumulative(kind: str):  # type: ignore[no-untyped-def]
    def formula(node: Node, output: int) -> Formula:
        x = operand(node.inputs, 0)
        over = normalize_axis(node.attrs["axis"], x.rank)
        out = axes_for(x.shape)
        at = tuple(Int(dim(a)) for a in out)
        own = axis("r0", dim(out[over]) + 1)
        return Formula(out, reduce(kind, (own,), Read(x, (*at[:over], Int(dim(own)), *at[over + 1 :]))))

    return formula


define("cumsum", "reduction", _same, _cumulative("sum"))
define("cumprod", "reduction", _same, _cumulative("prod"))


# argmax / argmin: attrs axis, keepdims, last: how many elements beat every earlier one is found by counting, as a formula -------


def _infer_arg(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    shape, _ = _infer(inputs, {"axes": (attrs["axis"],), "keepdims": attrs["keepdims"]})[0]
    return [(shape, "int64")]


def _arg_formula(kind: str):  # type: ignore[no-untyped-def]
    def formula(node: Node, output: int) -> Formula:
        x = operand(node.inputs, 0)
        over = normalize_axis(node.attrs["axis"], x.rank)
        out = axes_for(node.output.shape)
        at = [Int(dim(a)) for a in out]
        if not node.attrs["keepdims"]:
            at.insert(over, integer(0))
        own, best = axis("r0", x.shape[over]), axis("r1", x.shape[over])
        element = Read(x, (*at[:over], Int(dim(own)), *at[over + 1 :]))
        extreme = reduce(kind, (best,), Read(x, (*at[:over], Int(dim(best)), *at[over + 1 :])))
        hit = apply("eq", element, extreme)
        if is_float(x.dtype):
            hit = apply("or", hit, apply("isnan", element))
        if node.attrs["last"]:
            return Formula(out, reduce("max", (own,), select(hit, Int(dim(own)), integer(-1))))
        return Formula(out, reduce("min", (own,), select(hit, Int(dim(own)), Int(x.shape[over]))))

    return formula


define("argmax", "reduction", _infer_arg, _arg_formula("max"))
define("argmin", "reduction", _infer_arg, _arg_formula("min"))
