"""Nodes for random graphs, what moves and multiplies: each function adds one ONNX node to a graph, where its operands allow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from random_graphs import CALLS, INTEGERS, ONE, Extents, Maker, Value, broadcast, code, fixed, shapes_of, static
from random_pointwise_nodes import (
    EVERY,
    NUMBERS,
    Made,
    arg_extreme,
    arithmetic,
    cast,
    comparison,
    division,
    layer_norm,
    logic,
    plain,
    reduction,
    running,
    smooth,
    softmax,
    stepwise,
    ternary,
    top,
)

# shapes ----------------------------------------------------------------------------------------------------------------------


def transpose(g: Maker) -> Made:
    x = g.any(EVERY, 1)
    return g.apply("Transpose", [x], perm=g.draw(st.permutations(list(range(x.rank)))))


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
    left_out = g.number(-len(groups), len(groups) - 1) if g.chance(60) and x.filled else -1
    parts: list[Value] = []
    for n, group in enumerate(groups):
        extents = [x.extents[a] for a in group]
        if n == left_out:
            parts.append(g.integers([-1]))
        elif static(tuple(extents)):
            parts.append(g.integers([math.prod(e[0] for e in extents)]))
        elif group == [n] and g.chance(50) and x.filled:
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
    return g.apply("Reshape", [x, _size_vector(g, x, groups)], allowzero=int(not x.filled))  # a size of 0 is meant, no copy


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
    fitting = [v for v in g.values if v.dtype == a.dtype and v.rank == a.rank and v.extents[:at] + v.extents[at + 1 :] == rest]
    parts = [a, *(g.pick(fitting) for _ in range(g.number(0, 2)))]
    if g.may_be_input(rest) and g.chance(40):
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
    if mode != "constant" and (not x.filled or x.dtype == "bool"):
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
    length = g.apply("Cast", [size], "float32", to=code("float32"))
    root = g.apply("Sqrt", length, exact=False)
    target = g.any(("float32",))
    return g.apply(g.pick(("Div", "Mul")), [target, root[0]], exact=False) if root and root[0].within(0.5, 99) else []


# gathers ---------------------------------------------------------------------------------------------------------------------


def _indices(g: Maker, shape: Extents, bounds: tuple[int, ...], kind: str = "int64") -> Value:
    """Indices below the bound of each call, negative ones too."""
    arrays = [g.random.integers(-b, b, s).astype(kind) for b, s in zip(bounds, shapes_of(shape), strict=True)]
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
    x = g.choose(lambda v: v.filled, EVERY, 1)
    axis = g.axis(x)
    bounds = x.extents[axis]
    known = [v for v in g.values if v.dtype in INTEGERS and v.rank < 3 and v.within(-min(bounds), min(bounds) - 1)]
    index = g.pick(known) if known and g.chance(40) else _indices(g, g.shape(g.number(0, 2)), bounds, g.pick(INTEGERS))
    return g.apply("Gather", [x, index], axis=axis) if x.rank + index.rank < 6 else []


def gather_elements(g: Maker) -> Made:
    x = g.choose(lambda v: v.filled, EVERY, 1)
    axis = g.axis(x)
    at = axis % x.rank
    shape = tuple((g.number(1, 5),) * CALLS if n == at else (1,) * CALLS if g.chance(20) else e for n, e in enumerate(x.extents))
    return g.apply("GatherElements", [x, _indices(g, shape, x.extents[at])], axis=axis) if g.may_be_input(shape) else []


def gather_nd(g: Maker) -> Made:
    x = g.choose(lambda v: v.filled, EVERY, 1)
    batch = g.number(0, x.rank - 1) if g.chance(40) else 0
    deep = g.number(1, x.rank - batch)
    if not g.may_be_input(x.extents[:batch]):
        return []
    shape = (*x.extents[:batch], *((g.extent(),) if g.chance(60) else ()), (deep,) * CALLS)
    arrays = [
        np.stack([g.random.integers(-a.shape[batch + d], a.shape[batch + d], s[:-1]) for d in range(deep)], -1).astype(np.int64)
        for a, s in zip(x.arrays, shapes_of(shape), strict=True)
    ]
    return g.apply("GatherND", [x, _fed(g, "int64", shape, arrays)], batch_dims=batch)


def scatter_elements(g: Maker) -> Made:
    x = g.choose(lambda v: v.filled, ("float32", "int64", "float64"), 1)
    axis = g.axis(x)
    at = axis % x.rank
    kind = g.pick(("none", "add", "mul", "max", "min"))
    most = min(x.extents[at]) if kind == "none" else 6
    shape = tuple((g.number(1, min(most, 6)),) * CALLS if n == at else e for n, e in enumerate(x.extents))
    if not g.may_be_input(shape):
        return []
    arrays = []
    for a, s in zip(x.arrays, shapes_of(shape), strict=True):
        if kind == "none":  # every place once, or the result would not be defined
            order = np.argsort(g.random.random(a.shape), axis=at)
            arrays.append(np.take(order, np.arange(s[at]), axis=at).astype(np.int64))
        else:
            arrays.append(g.random.integers(-a.shape[at], a.shape[at], s))
    updates = g.input(x.dtype, shape)
    exact = kind in ("none", "max", "min")
    return g.apply("ScatterElements", [x, _fed(g, "int64", shape, arrays), updates], axis=axis, reduction=kind, exact=exact)


def scatter_nd(g: Maker) -> Made:
    x = g.choose(lambda v: v.filled, ("float32", "int64", "float64"), 1)
    kind = g.pick(("none", "add", "mul", "max", "min"))
    deep = g.number(1, x.rank)
    places = [math.prod(a.shape[:deep]) for a in x.arrays]
    count = g.number(1, min(*places, 5))
    arrays = []
    for a, total in zip(x.arrays, places, strict=True):
        flat = g.random.choice(total, count, replace=kind != "none")
        arrays.append(np.stack(np.unravel_index(flat, a.shape[:deep]), -1).astype(np.int64))
    shape = ((count,) * CALLS, *x.extents[deep:])
    if not g.may_be_input(shape):
        return []
    index = _fed(g, "int64", ((count,) * CALLS, (deep,) * CALLS), arrays)
    exact = kind in ("none", "max", "min")
    return g.apply("ScatterND", [x, index, g.input(x.dtype, shape)], reduction=kind, exact=exact)


def one_hot(g: Maker) -> Made:
    x = g.choose(lambda v: v.rank < 4, ("int64",))
    ends = g.constant([g.number(-2, 0), g.number(1, 3)], g.pick(("float32", "int64")))
    return g.apply("OneHot", [x, g.integers(g.number(1, 7)), ends], ends.dtype, axis=g.number(-x.rank - 1, x.rank))


# products --------------------------------------------------------------------------------------------------------------------


def _operand(g: Maker, dtype: str, shape: Extents) -> Value | None:
    """A value of just this shape: one that there is, or an input, or an initializer."""
    fitting = [v for v in g.values if v.dtype == dtype and v.extents == shape]
    if fitting and g.chance(50):
        return g.pick(fitting)
    return g.input(dtype, shape) if g.may_be_input(shape) else None


def _exact_product(a: Value, b: Value) -> bool | None:
    pairs = [(x, y) for x, y in zip(a.arrays, b.arrays, strict=True) if x.size and y.size]
    largest = max([1.0, *(float(np.abs(x).max()) * float(np.abs(y).max()) for x, y in pairs)])
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


EQUATIONS = "ij,jk->ik bij,bjk->bik i,j->ij ij->ji bij,jk->bik ij,ij-> bij,bkj->bik ij,j->i ijk->k bhid,bhjd->bhij".split()


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
