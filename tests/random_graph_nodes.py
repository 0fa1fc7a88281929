"""The nodes that random graphs are made of, by family: each function adds one ONNX node to a graph, where its operands allow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from random_graphs import CALLS, FLOATS, INTEGERS, ONE, Extents, Maker, Value, broadcast, fixed, static

Made = list[Value]
NUMBERS = (*FLOATS, *INTEGERS)
EVERY = (*NUMBERS, "bool")
INFINITE = 10.0**6

# elementwise ----------------------------------------------------------------------------------------------------------------------

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
        arrays = [np.clip(g.random.integers(-32, 33, s) / 8, low, high) for s in _shapes(shape)]
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
        return g.apply(op, [x], axis=g.axis(x)) if _filled(x) else []
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
    names = [tuple(sizes) for sizes in g.symbols.values()]
    shape = tuple(e if fixed(e) or e in names else ONE for e in kept)
    arrays = [data(s) for s in _shapes(shape)] if data is not None else None
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
        return g.apply(op, [a, partner(g, a, data=_data(lambda s: g.random.integers(0, 4, s)))], direction=g.pick(("LEFT", "RIGHT")))
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
    made = g.apply("Cast", [a], to, to=_code(to))
    return made if not made or to in FLOATS or not a.is_float or _kept(made[0], a) else []


def _kept(made: Value, source: Value) -> bool:
    return all(m.dtype != bool or m.shape == a.shape for m, a in zip(made.arrays, source.arrays, strict=True))


def _code(dtype: str) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _shapes(extents: Extents) -> list[tuple[int, ...]]:
    return list(zip(*extents, strict=True)) if extents else [()] * CALLS


def _filled(v: Value) -> bool:
    """Whether it has elements in every call."""
    return all(a.size for a in v.arrays)


# reductions -----------------------------------------------------------------------------------------------------------------------


def reduction(g: Maker) -> Made:
    op = g.pick(("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp", "LogSum"))
    kinds = ("float32", "int32", "int64", "float64") if op in ("Sum", "Max", "Min", "Prod") else ("float32", "float64")
    low = 0.05 if op == "LogSum" else -INFINITE
    x = g.choose(lambda v: v.within(low, INFINITE) and (_filled(v) or op in ("Sum", "L1", "SumSquare")), (*kinds, "float16"), 1)
    axes = sorted({g.axis(x) % x.rank for _ in range(g.number(1, x.rank))})
    signed = [n - x.rank if g.chance(40) else n for n in axes]
    given = None if g.chance(15) else g.integers(signed)
    exact = op in ("Max", "Min") or (op == "Sum" and x.exact and _small_sum(x))
    return g.apply(f"Reduce{op}", [x, given], exact=exact or False, keepdims=int(g.chance(50)))


def _small_sum(x: Value) -> bool:
    return all(np.abs(a).sum() <= 64 for a in x.arrays)


def arg_extreme(g: Maker) -> Made:
    x = g.exact(("float32", "int32", "int64"), 1)
    if not _filled(x):
        return []
    options = {"axis": g.axis(x), "keepdims": int(g.chance(50)), "select_last_index": int(g.chance(30))}
    return g.apply(g.pick(("ArgMax", "ArgMin")), [x], "int64", **options)


def softmax(g: Maker) -> Made:
    x = g.choose(_filled, rank=1)
    return g.apply(g.pick(("Softmax", "LogSoftmax")), [x], exact=False, axis=g.axis(x))


def layer_norm(g: Maker) -> Made:
    x = g.choose(_filled, ("float32",), 1)
    axis = g.axis(x)
    names = [tuple(sizes) for sizes in g.symbols.values()]
    width = x.extents[axis % x.rank :]
    if not all(fixed(e) or e in names for e in width):
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


# shapes ---------------------------------------------------------------------------------------------------------------------------


def transpose(g: Maker) -> Made:
    x = g.any(EVERY, 1)
    return g.apply("Transpose", [x], perm=g.draw(_permutations(x.rank)))


def _permutations(rank: int):  # type: ignore[no-untyped-def]
    from hypothesis import strategies as st

    return st.permutations(list(range(rank)))


def _shape_element(g: Maker, x: Value, axis: int) -> Value:
    """One extent as an int64 vector of one."""
    way = g.pick(("slice", "gather", "attributes"))
    if way == "attributes":
        return g.hidden("Shape", x, start=axis, end=axis + 1)
    shape = g.hidden("Shape", x)
    if way == "gather":
        return g.hidden("Gather", shape, g.integers([axis]), axis=0)
    return g.hidden("Slice", shape, g.integers([axis]), g.integers([axis + 1]))


def _size_vector(g: Maker, x: Value, groups: list[list[int]]) -> Value:
    """A target for Reshape: each group of neighbouring axes of x becomes one, an empty group an extent of 1."""
    left_out = g.number(-len(groups), len(groups) - 1) if g.chance(60) and _filled(x) else -1
    parts: list[Value] = []
    for n, group in enumerate(groups):
        extents = [x.extents[a] for a in group]
        if n == left_out:
            parts.append(g.integers([-1]))
        elif static(tuple(extents)):
            parts.append(g.integers([math.prod(e[0] for e in extents)]))
        elif group == [n] and g.chance(50) and _filled(x):
            parts.append(g.integers([0]))
        else:
            product = _shape_element(g, x, group[0])
            for axis in group[1:]:
                product = g.hidden("Mul", product, _shape_element(g, x, axis))
            parts.append(product)
    if all(p.is_constant for p in parts):
        return g.integers([int(p.arrays[0][0]) for p in parts])
    return g.hidden("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]


def reshape(g: Maker) -> Made:
    x = g.any(EVERY)
    if x.rank and static(x.extents) and g.chance(40):
        return _split_axis(g, x)
    groups: list[list[int]] = []
    for axis in range(x.rank):
        if groups and g.chance(40):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    for _ in range(g.number(0, 1) if len(groups) < 4 else 0):
        groups.insert(g.number(0, len(groups)), [])
    if not groups:
        return g.apply("Reshape", [x, g.constant(np.zeros(0), "int64")])
    return g.apply("Reshape", [x, _size_vector(g, x, groups)])


def _split_axis(g: Maker, x: Value) -> Made:
    axis = g.number(0, x.rank - 1)
    extent = x.extents[axis][0]
    factor = g.pick([f for f in (1, 2, 3, 4, 8, 11) if extent and extent % f == 0] or [1])
    target = [e[0] for e in x.extents]
    target[axis : axis + 1] = [factor, extent // factor] if g.chance(50) or not extent else [-1, factor]
    return g.apply("Reshape", [x, g.integers(target)]) if len(target) <= 5 and (extent or -1 not in target) else []


def squeeze(g: Maker) -> Made:
    if g.chance(50):
        x = g.any(EVERY)
        axis = g.number(-x.rank - 1, x.rank)
        return g.apply("Unsqueeze", [x, g.integers([axis])]) if x.rank < 5 else []
    x = g.choose(lambda v: ONE in v.extents, EVERY, 1)
    ones = [n for n, e in enumerate(x.extents) if e == ONE]
    return g.apply("Squeeze", [x, g.integers([g.pick(ones) - (x.rank if g.chance(40) else 0)])])


def flatten(g: Maker) -> Made:
    x = g.any(EVERY)
    return g.apply("Flatten", [x], axis=g.number(-x.rank, x.rank))


def expand(g: Maker) -> Made:
    x = g.any(EVERY)
    likes = [v for v in g.values if broadcast(x.extents, v.extents) and v.rank]
    if likes and g.chance(60):
        return g.apply("Expand", [x, g.hidden("Shape", g.pick(likes))], x.dtype)
    target = [g.pick((1, 2, 3, 5)) if e == ONE and g.chance(60) else 1 for e in x.extents]
    extra = [g.pick((1, 2, 3))] if x.rank < 4 and g.chance(40) else []
    return g.apply("Expand", [x, g.integers([*extra, *target])]) if x.rank or extra else []


def slices(g: Maker) -> Made:
    x = g.any(EVERY, 1)
    axes = sorted({g.axis(x) % x.rank for _ in range(g.number(1, 2))})
    starts, ends, steps = [], [], []
    for axis in axes:
        symbolic = not fixed(x.extents[axis])
        edge = 2 if symbolic else 8
        steps.append(g.pick((1, 1, -1, 2, -2, 3)))
        first, last = g.number(-edge, edge), g.number(-edge, edge)
        far = g.pick((2**31 - 1, 2**63 - 1)), g.pick((-(2**31), -(2**63)))
        if steps[-1] < 0:
            starts.append(g.pick((-1, first, far[0])))
            ends.append(g.pick((far[1], far[1], last)))
        else:
            starts.append(g.pick((0, first, far[1])))
            ends.append(g.pick((far[0], far[0], last)))
    given = [n - x.rank if g.chance(30) else n for n in axes]
    operands = [x, g.integers(starts), g.integers(ends), g.integers(given)]
    if axes == list(range(len(axes))) and set(steps) == {1} and g.chance(50):
        operands.pop()
    elif set(steps) != {1} or g.chance(50):
        operands.append(g.integers(steps))
    return g.apply("Slice", operands)


def concat(g: Maker) -> Made:
    a = g.any(EVERY, 1)
    axis = g.axis(a)
    at = axis % a.rank
    rest = a.extents[:at] + a.extents[at + 1 :]
    fitting = [
        v for v in g.values if v.dtype == a.dtype and v.rank == a.rank and v.extents[:at] + v.extents[at + 1 :] == rest
    ]
    names = [tuple(sizes) for sizes in g.symbols.values()]
    parts = [a, *(g.pick(fitting) for _ in range(g.number(0, 2)))]
    if all(fixed(e) or e in names for e in rest) and g.chance(40):
        parts.append(g.input(a.dtype, (*rest[:at], g.extent(), *rest[at:])))
    return g.apply("Concat", parts, axis=axis)


def split(g: Maker) -> Made:
    x = g.any(EVERY, 1)
    axis = g.axis(x)
    extent = x.extents[axis]
    count = g.pick((2, 3))
    if fixed(extent) and g.chance(50):
        first = g.number(0, extent[0])
        sizes = [first, extent[0] - first] if count == 2 else [first, 0, extent[0] - first]
        return g.apply("Split", [x, g.integers(sizes)], (x.dtype,) * count, outputs=count, axis=axis)
    if any((count - 1) * -(-e // count) >= e for e in extent):
        return []
    return g.apply("Split", [x], (x.dtype,) * count, outputs=count, axis=axis, num_outputs=count)


def pad(g: Maker) -> Made:
    x = g.any((*NUMBERS, "bool"), 1)
    mode = g.pick(("constant", "constant", "edge", "reflect", "wrap"))
    if mode != "constant" and (not _filled(x) or x.dtype == "bool"):
        return []
    least = [min(e) for e in x.extents]
    most = [{"constant": 3, "edge": 3, "reflect": min(n - 1, 3), "wrap": min(n, 3)}[mode] for n in least]
    low = [-1 if mode == "constant" and n > 2 and g.chance(20) else 0 for n in least]
    widths = [g.number(0, m) if g.chance(60) else n for m, n in [*zip(most, low, strict=True)] * 2]
    fill = g.constant(g.number(0, 3) if x.dtype != "bool" else True, x.dtype) if mode == "constant" and g.chance(60) else None
    return g.apply("Pad", [x, g.integers(widths), fill], mode=mode)


def tile(g: Maker) -> Made:
    x = g.any(EVERY, 1)
    return g.apply("Tile", [x, g.integers([g.pick((1, 2, 3, 1)) for _ in range(x.rank)])])


def shape_arithmetic(g: Maker) -> Made:
    """Extents as numbers: a scale, a ramp, a tensor of one value, a triangle."""
    x = g.any(EVERY, 1)
    way = g.pick(("scale", "fill", "range", "triangle", "size"))
    axis = g.number(0, x.rank - 1)
    if way == "size":
        return g.apply("Size", [x], "int64")
    if way == "fill":
        return g.apply("ConstantOfShape", [g.hidden("Shape", x)], "float32")
    if way == "triangle":
        square = g.any(("float32", "int64"), 2)
        return g.apply("Trilu", [square, g.integers(g.number(-2, 2)) if g.chance(50) else None], upper=int(g.chance(50)))
    size = g.hidden("Squeeze", _shape_element(g, x, axis))
    if way == "range":
        return g.apply("Range", [g.integers(0), size, g.integers(g.pick((1, 2)))], "int64")
    length = g.apply("Cast", [size], "float32", to=_code("float32"))
    root = g.apply("Sqrt", length, exact=False)
    target = g.any(("float32",))
    return g.apply(g.pick(("Div", "Mul")), [target, root[0]], exact=False) if root and root[0].within(0.5, 99) else []


# gathers --------------------------------------------------------------------------------------------------------------------------


def _indices(g: Maker, shape: Extents, bounds: tuple[int, ...], kind: str = "int64") -> Value:
    """Indices below the bound of each call, negative ones too."""
    arrays = [g.random.integers(-b, b, s).astype(kind) for b, s in zip(bounds, _shapes(shape), strict=True)]
    if fixed(bounds) or all((np.abs(arrays[0]) < min(bounds)).tolist() if arrays[0].ndim == 1 else [False]):
        return g.input(kind, shape, arrays)
    return _fed(g, kind, shape, arrays)


def _fed(g: Maker, kind: str, shape: Extents, arrays: list[np.ndarray]) -> Value:
    """An input that no initializer may stand for: it differs from call to call."""
    count = len(g.inputs)
    kept, g.inputs = g.inputs, []
    value = g.input(kind, shape, arrays, exact=True)
    g.inputs = [*kept, *g.inputs]
    assert len(g.inputs) == count + 1
    return value


def gather(g: Maker) -> Made:
    x = g.choose(lambda v: all(min(e) > 0 for e in v.extents), EVERY, 1)
    axis = g.axis(x)
    bounds = x.extents[axis]
    known = [v for v in g.values if v.dtype in INTEGERS and v.rank < 3 and v.within(-min(bounds), min(bounds) - 1)]
    index = g.pick(known) if known and g.chance(40) else _indices(g, g.shape(g.number(0, 2)), bounds, g.pick(INTEGERS))
    return g.apply("Gather", [x, index], axis=axis) if x.rank + index.rank < 6 else []


def _inputs_only(g: Maker, extents: Extents) -> bool:
    names = [tuple(sizes) for sizes in g.symbols.values()]
    return all(fixed(e) or e in names for e in extents)


def gather_elements(g: Maker) -> Made:
    x = g.choose(lambda v: all(min(e) > 0 for e in v.extents), EVERY, 1)
    axis = g.axis(x)
    at = axis % x.rank
    shape = tuple(
        (g.number(1, 5),) * CALLS if n == at else (1,) * CALLS if g.chance(20) else e for n, e in enumerate(x.extents)
    )
    return g.apply("GatherElements", [x, _indices(g, shape, x.extents[at])], axis=axis) if _inputs_only(g, shape) else []


def gather_nd(g: Maker) -> Made:
    x = g.choose(lambda v: all(min(e) > 0 for e in v.extents), EVERY, 1)
    batch = g.number(0, x.rank - 1) if g.chance(40) else 0
    deep = g.number(1, x.rank - batch)
    if not _inputs_only(g, x.extents[:batch]):
        return []
    shape = (*x.extents[:batch], *((g.extent(),) if g.chance(60) else ()), (deep,) * CALLS)
    arrays = [
        np.stack([g.random.integers(-a.shape[batch + d], a.shape[batch + d], s[:-1]) for d in range(deep)], -1).astype(np.int64)
        for a, s in zip(x.arrays, _shapes(shape), strict=True)
    ]
    return g.apply("GatherND", [x, _fed(g, "int64", shape, arrays)], batch_dims=batch)


def scatter_elements(g: Maker) -> Made:
    x = g.choose(lambda v: all(min(e) > 0 for e in v.extents), ("float32", "int64", "float64"), 1)
    axis = g.axis(x)
    at = axis % x.rank
    kind = g.pick(("none", "add", "mul", "max", "min"))
    most = min(x.extents[at]) if kind == "none" else 6
    shape = tuple((g.number(1, min(most, 6)),) * CALLS if n == at else e for n, e in enumerate(x.extents))
    if not _inputs_only(g, shape):
        return []
    arrays = []
    for a, s in zip(x.arrays, _shapes(shape), strict=True):
        if kind == "none":  # every place once, or the result would not be defined
            order = np.argsort(g.random.random(a.shape), axis=at)
            arrays.append(np.take(order, np.arange(s[at]), axis=at).astype(np.int64))
        else:
            arrays.append(g.random.integers(-a.shape[at], a.shape[at], s))
    updates = g.input(x.dtype, shape)
    exact = kind in ("none", "max", "min")
    return g.apply("ScatterElements", [x, _fed(g, "int64", shape, arrays), updates], axis=axis, reduction=kind, exact=exact)


def scatter_nd(g: Maker) -> Made:
    x = g.choose(lambda v: all(min(e) > 0 for e in v.extents), ("float32", "int64", "float64"), 1)
    kind = g.pick(("none", "add", "mul", "max", "min"))
    deep = g.number(1, x.rank)
    places = [math.prod(a.shape[:deep]) for a in x.arrays]
    count = g.number(1, min(*places, 5))
    arrays = []
    for a, total in zip(x.arrays, places, strict=True):
        flat = g.random.choice(total, count, replace=kind != "none")
        arrays.append(np.stack(np.unravel_index(flat, a.shape[:deep]), -1).astype(np.int64))
    shape = ((count,) * CALLS, *x.extents[deep:])
    if not _inputs_only(g, shape):
        return []
    index = _fed(g, "int64", ((count,) * CALLS, (deep,) * CALLS), arrays)
    exact = kind in ("none", "max", "min")
    return g.apply("ScatterND", [x, index, g.input(x.dtype, shape)], reduction=kind, exact=exact)


def one_hot(g: Maker) -> Made:
    x = g.choose(lambda v: v.rank < 4, ("int64",))
    ends = g.constant([g.number(-2, 0), g.number(1, 3)], g.pick(("float32", "int64")))
    return g.apply("OneHot", [x, g.integers(g.number(1, 7)), ends], ends.dtype, axis=g.number(-x.rank - 1, x.rank))


# products -------------------------------------------------------------------------------------------------------------------------


def _operand(g: Maker, dtype: str, shape: Extents) -> Value | None:
    """A value of just this shape: one that there is, or an input, or an initializer."""
    fitting = [v for v in g.values if v.dtype == dtype and v.extents == shape]
    if fitting and g.chance(50):
        return g.pick(fitting)
    return g.input(dtype, shape) if _inputs_only(g, shape) else None


def _exact_product(a: Value, b: Value) -> bool | None:
    largest = max([1.0, *(float(np.abs(x).max()) * float(np.abs(y).max()) for x, y in zip(a.arrays, b.arrays, strict=True) if x.size and y.size)])
    deepest = max([1, *a.extents[-1]]) if a.rank else 1
    return None if largest * deepest <= 2048 else False


def matmul(g: Maker) -> Made:
    a = g.any(("float32",) * 3 + ("float64", "int32", "float16"), 1)
    k, rank = a.extents[-1], g.number(1, 4)
    columns = g.extent()
    batch = tuple(e if g.chance(70) else ONE for e in a.extents[max(0, a.rank - rank) : -2]) if rank > 2 else ()
    shape = (k,) if rank == 1 else (*batch, k, columns)
    if g.chance(15) and a.rank > 1:  # with itself
        order = [*range(a.rank - 2), a.rank - 1, a.rank - 2]
        b: Value | None = (g.apply("Transpose", [a], perm=order) or [None])[0]
    else:
        b = _operand(g, a.dtype, shape)
    return g.apply("MatMul", [a, b], exact=_exact_product(a, b)) if b else []


def gemm(g: Maker) -> Made:
    a = g.choose(lambda v: v.rank == 2, ("float32",), 2)
    across, down = int(g.chance(30)), int(g.chance(50))
    k, rows = a.extents[0 if across else 1], a.extents[1 if across else 0]
    columns = g.extent()
    b = _operand(g, a.dtype, (columns, k) if down else (k, columns))
    if b is None:
        return []
    kinds = [(), (columns,), (ONE, columns), (rows, ONE), (rows, columns)]
    c = _operand(g, a.dtype, g.pick(kinds)) if g.chance(70) else None
    scales = {"alpha": g.pick((1.0, 0.5, -2.0)), "beta": g.pick((1.0, 0.5))}
    return g.apply("Gemm", [a, b, c], exact=False, transA=across, transB=down, **scales)


EQUATIONS = ("ij,jk->ik", "bij,bjk->bik", "i,j->ij", "ij->ji", "bij,jk->bik", "ij,ij->", "bij,bkj->bik", "ij,j->i", "ijk->k", "bhid,bhjd->bhij")


def einsum(g: Maker) -> Made:
    equation = g.pick(EQUATIONS)
    terms = equation.split("->")[0].split(",")
    a = g.choose(lambda v: v.rank == len(terms[0]), ("float32",), len(terms[0]))
    sizes = dict(zip(terms[0], a.extents, strict=True))
    operands: list[Value | None] = [a]
    for term in terms[1:]:
        shape = tuple(sizes.setdefault(letter, g.extent()) for letter in term)
        operands.append(_operand(g, a.dtype, shape))
    return g.apply("Einsum", operands, exact=False, equation=equation) if all(operands) else []


Node = Callable[[Maker], Made]
FAMILIES: dict[str, list[Node]] = {
    "elementwise": [smooth, arithmetic, arithmetic, ternary, smooth, plain, division, comparison, cast, logic, stepwise],
    "reduction": [reduction, softmax, layer_norm, reduction, running, arg_extreme, top],
    "shape": [transpose, reshape, squeeze, slices, concat, expand, flatten, split, pad, tile, shape_arithmetic],
    "gather": [gather, gather_elements, gather_nd, scatter_elements, scatter_nd, one_hot],
    "matmul": [matmul, matmul, gemm, einsum],
    "more elementwise": [arithmetic, smooth, ternary],
}
