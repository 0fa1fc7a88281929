"""Expressions: what building simplifies is what the functions mean, in every type, for every special value."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaoken.ir.dims import Symbol, dim
from kaoken.ir.dtypes import C_TYPES, integer_range, is_float, is_storage
from kaoken.ir.evaluate import evaluate_formula
from kaoken.ir.expr import (
    FALSE,
    TRUE,
    Apply,
    Cast,
    Const,
    Expr,
    Formula,
    Int,
    Read,
    Reduce,
    Select,
    apply,
    axis,
    bind,
    cast,
    const,
    integer,
    literal,
    map_children,
    reduce,
    rewrite,
    select,
    to_text,
)
from kaoken.ir.graph import Value
from kaoken.ir.scalars import SCALARS, neutral_element

DTYPES = [dtype for dtype in C_TYPES if not is_storage(dtype)]
HELD = [dtype for dtype in C_TYPES if is_storage(dtype)]
LANES = axis("i", 32)
AT = (Int(dim(LANES)),)

COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
BITS = ("bit_and", "bit_or", "bit_xor", "bit_not", "shift_right")
ANY_TYPE = ("add", "sub", "mul", "max", "min")
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "bool": ("and", "or", "xor", "not", "eq", "ne"),
    "int": (*ANY_TYPE, "div", "floordiv", "mod", "fmod", "neg", "abs", "sign", "pow", *COMPARISONS, *BITS),
    "float": (
        *ANY_TYPE,
        *COMPARISONS,
        "div",
        "fmod",
        "neg",
        "abs",
        "sign",
        "floor",
        "ceil",
        "round",
        "sqrt",
        "isnan",
        "isinf",
        "exp",
    ),
}


def kind_of(dtype: str) -> str:
    return "bool" if dtype == "bool" else "float" if is_float(dtype) else "int"


def special_values(dtype: str) -> list[Any]:
    if dtype == "bool":
        return [False, True]
    if is_float(dtype):
        limits = ml_dtypes.finfo(dtype)
        return [
            0.0,
            -0.0,
            1.0,
            -1.0,
            2.0,
            0.5,
            1.5,
            np.nan,
            np.inf,
            -np.inf,
            float(limits.max),
            float(limits.smallest_normal),
            3.0,
            16777217.0,
        ]
    least, most = integer_range(dtype)
    return [n for n in (0, 1, 2, 3, most, most - 1, least, least + 1, 7, 100) if least <= n <= most]


def array_of(dtype: str, seed: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.random.default_rng(seed).choice(np.array(special_values(dtype)).astype(dtype), 32)


TENSORS = {dtype: [Value(f"{dtype}_{n}", (dim(32),), dtype) for n in range(2)] for dtype in [*DTYPES, *HELD]}


@st.composite
def unsimplified(draw: st.DrawFn, dtype: str | None = None, depth: int = 3) -> Expr:
    """An expression built node by node, without the functions that simplify."""
    dtype = dtype or draw(st.sampled_from([*DTYPES, *HELD]))
    shapes = ["leaf", "const", "cast", "cast", "select", *(["apply"] * 2 if dtype in DTYPES else [])]
    shape = draw(st.sampled_from(shapes if depth else ["leaf", "const"]))
    if shape == "leaf":
        return Read(draw(st.sampled_from(TENSORS[dtype])), AT)
    if shape == "const":
        return const(draw(st.sampled_from(special_values(dtype))), dtype)
    if shape == "cast":
        return Cast(draw(unsimplified(draw(st.sampled_from(sources_of(dtype))), depth - 1)), dtype)
    if shape == "select":
        parts = [draw(unsimplified(d, depth - 1)) for d in ("bool", dtype, dtype)]
        return Select(*parts)
    names = [n for n in FUNCTIONS[kind_of(dtype)] if dtype == "bool" or not SCALARS[n].gives_bool]
    if dtype == "bool" and draw(st.booleans()):
        operand = draw(st.sampled_from([d for d in DTYPES if d != "bool"]))
        names = [n for n in FUNCTIONS[kind_of(operand)] if SCALARS[n].gives_bool]
        dtype = operand
    name = draw(st.sampled_from(names))
    arguments = tuple(draw(unsimplified(dtype, depth - 1)) for _ in range(SCALARS[name].arity))
    return Apply(name, arguments, SCALARS[name].result_dtype(tuple(a.dtype for a in arguments)))


def sources_of(dtype: str) -> list[str]:
    """Types whose cast to `dtype` is defined for every value: no float to integer, no NaN to a type without."""
    if kind_of(dtype) == "int" or dtype == "float4_e2m1fn":
        return [d for d in (*DTYPES, *HELD) if not is_float(d) and d != dtype]
    return [d for d in (*DTYPES, *HELD) if d != dtype]


def simplified(expression: Expr) -> Expr:
    return rewrite(expression, lambda node: None)


def value_of(expression: Expr, seed: int = 0, dims: dict[str, int] | None = None) -> np.ndarray:
    arrays = {v: array_of(dtype, seed + n) for dtype, values in TENSORS.items() for n, v in enumerate(values)}
    return evaluate_formula(Formula((LANES,), expression), dims or {}, arrays.__getitem__, expression.dtype)


def assert_same(expression: Expr, seed: int) -> None:
    """Equal bits, except that one NaN is as good as another."""
    before, after = value_of(expression, seed), value_of(simplified(expression), seed)
    assert before.dtype == after.dtype
    if is_storage(str(before.dtype)):  # float64 holds all of their values
        before, after = before.astype(np.float64), after.astype(np.float64)
    np.testing.assert_array_equal(before, after, err_msg=to_text(expression))
    if before.dtype.kind == "f":
        numbers = ~np.isnan(before)
        np.testing.assert_array_equal(np.signbit(before[numbers]), np.signbit(after[numbers]), err_msg=to_text(expression))


@settings(max_examples=3000, deadline=None)
@given(unsimplified(), st.integers(0, 1000))
def test_simplification_is_exact(expression: Expr, seed: int) -> None:
    assert_same(expression, seed)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_unit_and_zero_is_exact(dtype: str) -> None:
    x = Read(TENSORS[dtype][0], AT)
    for name in FUNCTIONS[kind_of(dtype)]:
        if SCALARS[name].arity != 2:
            continue
        for number in special_values(dtype):
            literal_ = const(number, dtype)
            for arguments in ((x, literal_), (literal_, x), (x, x)):
                for seed in range(3):
                    assert_same(Apply(name, arguments, SCALARS[name].result_dtype((dtype, dtype))), seed)


NUMBERS = [-1, 0, 1, 2, 127, 128, 255, 256, 2**20, 2**24, 2**24 + 1, 2**31, 0.5]


@pytest.mark.parametrize("source", [d for d in DTYPES if not is_float(d)])
@pytest.mark.parametrize("target", DTYPES)
def test_equalities_are_solved_through_casts_only_where_exact(source: str, target: str) -> None:
    x = Read(TENSORS[source][0], AT)
    inner: Expr = Cast(x, target) if source != target else x
    for number in NUMBERS:
        if not is_float(target) and (number != int(number) or not fits(number, target)):
            continue
        right = const(number, target)
        for function in ("eq", "ne"):
            for seed in range(3):
                assert_same(Apply(function, (inner, right), "bool"), seed)
                if is_float(target):
                    for left in (0, 1, 2**24, 2**40):
                        difference = Apply("sub", (const(left, target), inner), target)
                        assert_same(Apply(function, (difference, right), "bool"), seed)


def fits(number: float, dtype: str) -> bool:
    return (dtype == "bool" and number in (0, 1)) or (dtype != "bool" and np.iinfo(dtype).min <= number <= np.iinfo(dtype).max)


def test_the_exporters_mask_tests_become_tests_of_the_mask() -> None:
    mask = Read(TENSORS["int64"][0], AT)
    shifted = apply("sub", const(1, "float32"), cast(mask, "float32"))
    assert apply("eq", shifted, const(0, "float32")) == apply("eq", mask, integer(1))
    assert cast(cast(apply("ne", mask, integer(0)), "float32"), "bool") == apply("ne", mask, integer(0))
    assert apply("not", apply("not", Read(TENSORS["bool"][0], AT))) == Read(TENSORS["bool"][0], AT)


@pytest.mark.parametrize(("left", "right"), [(2**62, 2), (2**63 - 1, 2**63 - 1), (-(2**63), -1), (2**40, 2**40)])
@pytest.mark.parametrize("function", ["add", "sub", "mul"])
def test_int64_literals_wrap_around(function: str, left: int, right: int) -> None:
    expected = (getattr(int, f"__{function}__")(left, right) + 2**63) % 2**64 - 2**63
    assert literal(apply(function, integer(left), integer(right))) == expected


def test_a_polynomial_that_may_overflow_is_left_to_run_time() -> None:
    big = Symbol("n", 0, 2**40)
    product = apply("mul", integer(big), integer(big))
    assert isinstance(product, Apply)
    with np.errstate(all="ignore"):
        assert value_of(product, dims={"n": 2**40})[0] == 0


N = Symbol("n", 1, 100)


@pytest.mark.parametrize("function", ["lt", "le", "gt", "ge", "eq", "ne"])
@pytest.mark.parametrize("offset", [-101, -100, -99, -1, 0, 1, 99, 100])
def test_comparisons_of_dims_are_decided_where_bounds_decide(function: str, offset: int) -> None:
    result = literal(apply(function, integer(dim(N) + offset), integer(0)))
    outcomes = {bool(SCALARS[function].numpy(n + offset, 0)) for n in range(1, 101)}
    assert result == (outcomes.pop() if len(outcomes) == 1 else None)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32", "float64"])
def test_dims_come_back_through_casts_that_hold_them(dtype: str) -> None:
    small, large = integer(Symbol("n", 0, 200)), integer(Symbol("n", 0, 2**40))
    assert cast(cast(small, dtype), "int64") == small
    assert (cast(cast(large, dtype), "int64") == large) == (dtype == "float64")


def test_select_of_a_known_condition_is_its_branch() -> None:
    x, y = (Read(v, AT) for v in TENSORS["float32"])
    test = apply("lt", x, y)
    assert select(TRUE, x, y) == x and select(FALSE, x, y) == y and select(test, x, x) == x
    assert select(test, TRUE, FALSE) == test and select(test, FALSE, TRUE) == apply("not", test)


def test_a_guard_keeps_reads_inside_and_their_absence_is_noticed() -> None:
    small = Value("small", (dim(5),), "float32")
    inside = apply("lt", integer(LANES), integer(5))
    arrays = {small: np.arange(5, dtype=np.float32)}
    guarded = Formula((LANES,), Select(inside, Read(small, AT), const(-1, "float32")))
    assert evaluate_formula(guarded, {}, arrays.__getitem__, "float32").tolist() == [0, 1, 2, 3, 4] + [-1] * 27
    with pytest.raises(IndexError, match="index 5 is outside axis 0 of small"):
        evaluate_formula(Formula((LANES,), Read(small, AT)), {}, arrays.__getitem__, "float32")


M = Value("m", (dim(3), dim(4)), "float32")
V = Value("v", (dim(4),), "float32")
ARRAYS = {M: np.arange(12, dtype=np.float32).reshape(3, 4), V: np.arange(4, dtype=np.float32) + 1}


def test_binding_does_not_capture_a_reduction_axis() -> None:
    """The row sums of m, times v, summed: the inner axis k must stay apart from the outer one that is bound into it."""
    k, row = axis("k", 4), axis("row", 3)
    sums = Reduce("sum", (k,), apply("mul", Read(M, (Int(dim(row)), Int(dim(k)))), Read(V, (Int(dim(k)),))))
    square = Value("square", (dim(4), dim(4)), "float32")
    own = Reduce("sum", (k,), apply("mul", Read(square, (Int(dim(row)), Int(dim(k)))), Read(V, (Int(dim(k)),))))
    outer = reduce("sum", (k,), apply("mul", bind(own, {row: Int(dim(k))}), Read(V, (Int(dim(k)),))))
    matrix = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
    result = evaluate_formula(Formula((), outer), {}, {square: matrix, V: ARRAYS[V]}.__getitem__, "float32")
    assert np.allclose(result, ARRAYS[V] @ (matrix @ ARRAYS[V]), rtol=1e-6)
    assert bind(sums, {row: integer(2)}) == map_children(bind(sums, {row: integer(2)}), lambda e: e)


@pytest.mark.parametrize("row, diagonal, expected", [(2, 0, [8, 9, 10, 11]), (0, 1, [0, 5, 10, 15])])
def test_binding_replaces_all_axes_at_once(row: int, diagonal: int, expected: list[int]) -> None:
    """A row of a square matrix, or its diagonal, where the row comes from data: the column is the consumer's axis, which has the
    name of the matrix's own rows."""
    i, j = axis("i", 4), axis("j", 4)
    square, rows = Value("square", (dim(4), dim(4)), "float32"), Value("rows", (dim(1),), "int64")
    element = Read(square, (Int(dim(i) + diagonal * dim(j)), Int(dim(j))))
    bound = bind(element, {i: Read(rows, (integer(0),)), j: Int(dim(i))})
    arrays = {square: np.arange(16, dtype=np.float32).reshape(4, 4), rows: np.array([row])}
    assert evaluate_formula(Formula((i,), bound), {}, arrays.__getitem__, "float32").tolist() == expected


def test_a_reduction_as_long_as_data_says_is_bounded_and_guarded() -> None:
    """A running sum read at positions that come from data."""
    position = axis("p", 4)
    k = axis("k", dim(position) + 1)
    running = Reduce("sum", (k,), Read(V, (Int(dim(k)),)))
    places = Value("places", (dim(3),), "int64")
    i = axis("i", 3)
    body = bind(running, {position: Read(places, (Int(dim(i)),))})
    arrays = {V: ARRAYS[V], places: np.array([3, 0, 2])}
    assert evaluate_formula(Formula((i,), body), {}, arrays.__getitem__, "float32").tolist() == [10, 1, 6]


def test_the_extent_of_a_reduction_follows_what_is_bound() -> None:
    position = axis("p", 4)
    k = axis("k", dim(position) + 1)
    running = Reduce("sum", (k,), Read(V, (Int(dim(k)),)))
    result = evaluate_formula(Formula((), bind(running, {position: integer(1)})), {}, ARRAYS.__getitem__, "float32")
    assert result == 3


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "int8", "uint8", "bool"])
def test_a_reduction_of_nothing_is_its_neutral_element(kind: str, dtype: str) -> None:
    empty = Value("empty", (dim(3), dim(0)), dtype)
    i, k = axis("i", 3), axis("k", 0)
    formula = Formula((i,), Reduce(kind, (k,), Read(empty, (Int(dim(i)), Int(dim(k))))))
    result = evaluate_formula(formula, {}, {empty: np.zeros((3, 0), dtype)}.__getitem__, dtype)
    assert result.shape == (3,) and (result == neutral_element(kind, dtype)).all()


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (apply("add", Read(V, AT), const(0.1, "float32")), "(v[i] + 0.1)"),
        (apply("max", Read(V, AT), Read(V, (integer(0),))), "max(v[i], v[0])"),
        (select(apply("lt", integer(LANES), integer(5)), Read(V, AT), const(np.inf, "float32")), "select((i < 5), v[i], inf)"),
        (cast(Read(V, AT), "int32"), "int32(v[i])"),
        (reduce("sum", (axis("k", dim(N) * 2),), Read(V, (integer(axis("k", dim(N) * 2)),))), "sum(k<n*2: v[k])"),
        (integer(dim(N) * 4 + dim(LANES) - 1), "i + n*4 - 1"),
        (const(-7, "int8"), "-7"),
        (TRUE, "True"),
    ],
)
def test_text_is_what_one_would_write(expression: Expr, text: str) -> None:
    assert to_text(expression) == text


def test_literals_of_different_signs_or_types_differ() -> None:
    assert Const(0.0, "float32") != Const(-0.0, "float32")
    assert Const(1.0, "float32") != Const(1.0, "float64")
    assert Const(float("nan"), "float32") == Const(float("nan"), "float32")


@pytest.mark.parametrize("dtypes", [("int64", "int32"), ("float32", "float64"), ("bool", "int64")])
def test_operands_of_different_types_are_refused(dtypes: tuple[str, str]) -> None:
    with pytest.raises(TypeError, match="different types"):
        apply("add", const(1, dtypes[0]), const(1, dtypes[1]))
