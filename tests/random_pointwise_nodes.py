"""Nodes for random graphs, elementwise and reductions: each function adds one ONNX node to a graph, where its operands allow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from random_graphs import FLOATS, INTEGERS, ONE, Maker, Value, broadcast, code, shapes_of, static

Made = list[Value]
NUMBERS = (*FLOATS, *INTEGERS)
EVERY = (*NUMBERS, "bool")
INFINITE = 10.0**6

# elementwise -----------------------------------------------------------------------------------------------------------------

SMOOTH: dict[str, tuple[float, float]] = {
    "Sqrt": (0.05, INFINITE),
    "Exp": (-20, 6),
    "Log": (0.05, INFINITE),
    "Tanh": (-INFINITE, INFINITE),
    "Sigmoid": (-INFINITE, INFINITE),
    "Softplus": (-INFINITE, INFINITE),
    "Softsign": (-INFINITE, INFINITE),
    "Erf": (-INFINITE, INFINITE),
    "Gelu": (-INFINITE, INFINITE),
    "Mish": (-INFINITE, INFINITE),
    "Elu": (-INFINITE, INFINITE),
    "Selu": (-INFINITE, INFINITE),
    "Celu": (-INFINITE, INFINITE),
    "LeakyRelu": (-INFINITE, INFINITE),
    "HardSigmoid": (-INFINITE, INFINITE),
    "HardSwish": (-INFINITE, INFINITE),
    "Sin": (-50, 50),
    "Cos": (-50, 50),
    "Atan": (-INFINITE, INFINITE),
    "Asinh": (-INFINITE, INFINITE),
    "Sinh": (-6, 6),
    "Cosh": (-6, 6),
    "Acosh": (1.25, INFINITE),
    "Atanh": (-0.75, 0.75),
    "Asin": (-0.75, 0.75),
    "Acos": (-0.75, 0.75),
    "Tan": (-1.25, 1.25),
    "Reciprocal": (0.1, INFINITE),
}
"""Functions of one float, and where they are defined and steep in no place."""

SINGLE_ONLY = ("Softplus", "Celu", "HardSwish", "Atan", "Asinh", "Sinh", "Cosh", "Acosh", "Atanh", "Asin", "Acos", "Tan", "Mish")


def smooth(g: Maker) -> Made:
    op = g.pick(list(SMOOTH))
    low, high = SMOOTH[op]
    kinds = ("float32",) if op in SINGLE_ONLY else FLOATS
    fitting = [v for v in g.values if v.dtype in kinds and v.within(low, high)]
    if fitting:
        x = g.pick(fitting[-4:])
    else:
        shape = g.shape()
        arrays = [np.clip(g.random.integers(-32, 33, s) / 8, low, high) for s in shapes_of(shape)]
        x = g.input("float32", shape, arrays, exact=False)
    options = {"approximate": g.pick(("none", "tanh"))} if op == "Gelu" else {}
    if op in ("Elu", "LeakyRelu", "Celu"):
        options = {"alpha": g.pick((0.5, 1.0, 2.0))}
    return g.apply(op, [x], exact=False, **options)


def stepwise(g: Maker) -> Made:
    """What jumps, of exact floats."""
    op = g.pick(("Floor", "Ceil", "Round", "Sign", "ThresholdedRelu", "IsNaN", "IsInf", "Hardmax"))
    kinds = ("float32",) if op in ("ThresholdedRelu", "Hardmax", "IsInf") else ("float32", "float64")
    x = g.exact(kinds, rank=int(op == "Hardmax"))
    if op == "Hardmax":
        return g.apply(op, [x], axis=g.axis(x)) if x.filled else []
    return g.apply(op, [x], "bool" if op.startswith("Is") else "")


def plain(g: Maker) -> Made:
    op = g.pick(("Neg", "Abs", "Relu", "Identity", "Not"))
    kinds = {"Not": ("bool",), "Identity": EVERY, "Relu": FLOATS}.get(op, NUMBERS)
    return g.apply(op, [g.any(kinds)])


def partner(g: Maker, a: Value, exact: bool = False, data: Callable[[tuple[int, ...]], np.ndarray] | None = None) -> Value:
    """A second operand that broadcasts with the first; `data` makes its elements, else they are any that there are."""
    fitting = [
        v for v in g.values if v.dtype == a.dtype and broadcast(a.extents, v.extents) and (v.exact or not exact) and data is None
    ]
    if fitting and g.chance(60):
        return g.pick(fitting[-5:])
    kept = [e if g.chance(70) else ONE for e in a.extents[g.number(0, a.rank) :]]
    if len(kept) == a.rank < 4 and g.chance(10):
        kept = [g.extent(), *kept]
    shape = tuple(e if g.may_be_input([e]) else ONE for e in kept)
    arrays = [data(s) for s in shapes_of(shape)] if data is not None else None
    return g.input(a.dtype, shape, arrays, exact=True if exact or data is not None else None)


def arithmetic(g: Maker) -> Made:
    op = g.pick(("Add", "Mul", "Sub", "Max", "Min"))
    a = g.any(NUMBERS)
    pair = [a, partner(g, a)]
    if g.chance(40):
        pair.reverse()
    return g.apply(op, pair)


def division(g: Maker) -> Made:
    op = g.pick(("Div", "Mod", "Pow", "PRelu"))
    if op == "Mod":
        a = g.exact((*INTEGERS, "float32"))
        away = _data(lambda s: g.random.choice([-3, -2, 2, 3, 5], s))
        return g.apply(op, [a, partner(g, a, data=away)], fmod=int(a.is_float or g.chance(50)))
    if op == "PRelu":
        a = g.any(("float32",))
        return g.apply(op, [a, g.input(a.dtype, a.extents[-1:] if static(a.extents[-1:]) else (), exact=True)])
    if op == "Pow":
        a = g.choose(lambda v: v.within(0.25, 8), ("float32", "float64"))
        return g.apply(op, [a, partner(g, a, data=lambda s: g.random.integers(-6, 7, s) / 4)], exact=False)
    a = g.any(NUMBERS)
    fitting = [v for v in g.values if v.dtype == a.dtype and broadcast(a.extents, v.extents) and _away_from_zero(v)]
    away = _data(lambda s: g.random.choice([-3, -2, -1, 1, 2, 3, 4], s))
    b = g.pick(fitting) if fitting and g.chance(50) else partner(g, a, data=away)
    return g.apply(op, [a, b], exact=False)


def _data(make: Callable[[tuple[int, ...]], np.ndarray]) -> Callable[[tuple[int, ...]], np.ndarray]:
    return lambda shape: np.asarray(make(shape))


def _away_from_zero(v: Value) -> bool:
    return v.within(0.1, INFINITE) or v.within(-INFINITE, -0.1)


def comparison(g: Maker) -> Made:
    op = g.pick(("Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual"))
    a = g.exact(NUMBERS)
    return g.apply(op, [a, partner(g, a, exact=True)], "bool")


def logic(g: Maker) -> Made:
    op = g.pick(("And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot", "BitShift"))
    a = g.any(("bool",) if op in ("And", "Or", "Xor") else ("uint8",) if op == "BitShift" else INTEGERS)
    if op == "BitwiseNot":
        return g.apply(op, [a])
    if op == "BitShift":
        by = partner(g, a, data=_data(lambda s: g.random.integers(0, 4, s)))
        return g.apply(op, [a, by], direction=g.pick(("LEFT", "RIGHT")))
    return g.apply(op, [a, partner(g, a)])


def ternary(g: Maker) -> Made:
    op = g.pick(("Where", "Clip", "Sum", "Mean", "Max", "Min"))
    if op == "Where":
        a = g.any(EVERY)
        condition = [v for v in g.values if v.dtype == "bool" and broadcast(a.extents, v.extents)]
        wanted = Value("", "bool", a.arrays, True)
        c = g.pick(condition[-4:]) if condition and g.chance(80) else partner(g, wanted)
        b = partner(g, a)
        return g.apply(op, [c, *((a, b) if g.chance(50) else (b, a))], a.dtype) if broadcast(b.extents, c.extents) else []
    if op == "Clip":
        a = g.any(NUMBERS)
        low, high = (g.constant(n, a.dtype) if g.chance(75) else None for n in sorted((g.number(-4, 4), g.number(-4, 4))))
        return g.apply(op, [a, low, high])
    a = g.any(FLOATS)
    parts = [a, partner(g, a), partner(g, a)]
    if not broadcast(parts[1].extents, parts[2].extents):
        return []
    return g.apply(op, parts, exact=op != "Mean" and None)


CASTS = ("float32", "float64", "float16", "int64", "int32", "bool", "uint8", "int8")


def cast(g: Maker) -> Made:
    to = g.pick(CASTS)
    low, high = {"uint8": (0.0, 255.0), "int8": (-128.0, 127.0)}.get(to, (-INFINITE, INFINITE))
    a = g.choose(lambda v: (v.exact or to in FLOATS) and v.within(low, high), (*EVERY, "uint8", "int8"))
    made = g.apply("Cast", [a], to, to=code(to))
    return made if not made or to in FLOATS or not a.is_float or _kept(made[0], a) else []


def _kept(made: Value, source: Value) -> bool:
    return all(m.dtype != bool or m.shape == a.shape for m, a in zip(made.arrays, source.arrays, strict=True))


# reductions ------------------------------------------------------------------------------------------------------------------


def reduction(g: Maker) -> Made:
    op = g.pick(("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp", "LogSum"))
    kinds = ("float32", "int32", "int64", "float64") if op in ("Sum", "Max", "Min", "Prod") else ("float32", "float64")
    low = 0.05 if op == "LogSum" else -INFINITE
    x = g.choose(lambda v: v.within(low, INFINITE) and (v.filled or op in ("Sum", "L1", "SumSquare")), (*kinds, "float16"), 1)
    axes = sorted({g.axis(x) % x.rank for _ in range(g.number(1, x.rank))})
    signed = [n - x.rank if g.chance(40) else n for n in axes]
    given = None if g.chance(15) else g.integers(signed)
    exact = op in ("Max", "Min") or (op == "Sum" and x.exact and _small_sum(x))
    return g.apply(f"Reduce{op}", [x, given], exact=exact or False, keepdims=int(g.chance(50)))


def _small_sum(x: Value) -> bool:
    return all(np.abs(a).sum() <= 64 for a in x.arrays)


def arg_extreme(g: Maker) -> Made:
    x = g.exact(("float32", "int32", "int64"), 1)
    if not x.filled:
        return []
    options = {"axis": g.axis(x), "keepdims": int(g.chance(50)), "select_last_index": int(g.chance(30))}
    return g.apply(g.pick(("ArgMax", "ArgMin")), [x], "int64", **options)


def softmax(g: Maker) -> Made:
    x = g.choose(lambda v: v.filled, rank=1)
    return g.apply(g.pick(("Softmax", "LogSoftmax")), [x], exact=False, axis=g.axis(x))


def layer_norm(g: Maker) -> Made:
    x = g.choose(lambda v: v.filled, ("float32",), 1)
    axis = g.axis(x)
    width = x.extents[axis % x.rank :]
    if not g.may_be_input(width):
        return []
    scale = g.input(x.dtype, width, exact=True)
    bias = g.input(x.dtype, width, exact=True) if g.chance(60) else None
    return g.apply("LayerNormalization", [x, scale, bias], exact=False, axis=axis, epsilon=g.pick((1e-5, 1e-2)))


def running(g: Maker) -> Made:
    x = g.any(("float32", "int64", "int32", "float64"), 1)
    axis = g.integers(g.axis(x))
    return g.apply("CumSum", [x, axis], exclusive=int(g.chance(40)), reverse=int(g.chance(40)), exact=False)


def top(g: Maker) -> Made:
    x = g.exact(("float32", "int64"), 1)
    axis = g.axis(x)
    least = min(x.extents[axis])
    if least == 0:
        return []
    k = g.integers([g.number(1, min(least, 5))])
    return g.apply("TopK", [x, k], (x.dtype, "int64"), outputs=2, axis=axis, largest=int(g.chance(60)))
