"""Integer expressions: whatever is simplified or claimed holds for every value that the symbols may take."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaoken.frontend.dimensions import DimensionTable
from kaoken.ir.dims import (
    Dim,
    Symbol,
    bounds,
    dim,
    evaluate,
    exact_division,
    floordiv,
    is_nonnegative,
    maximum,
    minimum,
    mod,
    product,
    substitute,
    to_text,
)
from kaoken.ir.expr import axis
from kaoken.ir.found_sizes import largest

BATCH, SEQ, PAST = Symbol("batch", 1, 8), Symbol("seq", 1, 64), Symbol("past", 0, 100)
SYMBOLS = (BATCH, SEQ, PAST, Symbol("free", 0, None), Symbol("wide", 3, 2000))
I = axis("i", dim(SEQ))  # noqa: E741
J = axis("j", dim(BATCH) * dim(SEQ))
K = axis("k", dim(I) + 1)

# A tree of operations builds the same thing twice: as a simplified expression, and as a function of the symbols' values.
Tree = tuple


def leaves() -> st.SearchStrategy:
    return st.one_of(
        st.integers(-9, 9).map(lambda n: ("number", n)),
        st.sampled_from([*SYMBOLS, I, J, K]).map(lambda s: ("symbol", s)),
    )


def branches(children: st.SearchStrategy) -> st.SearchStrategy:
    positive = st.one_of(
        st.integers(1, 12).map(lambda n: ("number", n)), st.sampled_from([BATCH, SEQ, SYMBOLS[4]]).map(lambda s: ("symbol", s))
    )
    return st.one_of(
        st.tuples(st.sampled_from(["add", "sub", "mul", "max", "min"]), children, children),
        st.tuples(st.sampled_from(["floordiv", "mod"]), children, positive),
        st.tuples(st.sampled_from(["floordiv", "mod"]), children, st.tuples(st.just("mul"), positive, positive)),
    )


TREES = st.recursive(leaves(), branches, max_leaves=7)
BUILD = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "max": maximum,
    "min": minimum,
    "floordiv": floordiv,
    "mod": mod,
}
MEAN = BUILD | {"max": max, "min": min, "floordiv": lambda a, b: a // b, "mod": lambda a, b: a % b}


def built(tree: Tree) -> Dim:
    if tree[0] == "number":
        return dim(tree[1])
    if tree[0] == "symbol":
        return dim(tree[1])
    return BUILD[tree[0]](built(tree[1]), built(tree[2]))


def meant(tree: Tree, values: dict[str, int]) -> int:
    if tree[0] == "number":
        return tree[1]
    if tree[0] == "symbol":
        return values[tree[1].name]
    return MEAN[tree[0]](meant(tree[1], values), meant(tree[2], values))


@st.composite
def assignments(draw: st.DrawFn) -> dict[str, int]:
    """Values within the bounds, their ends often; loop axes inside their extents."""
    values: dict[str, int] = {}
    for symbol in SYMBOLS:
        upper = symbol.upper if isinstance(symbol.upper, int) else 10**6
        values[symbol.name] = draw(st.one_of(st.sampled_from([symbol.lower, upper]), st.integers(symbol.lower, upper)))
    for one in (I, J, K):
        last = evaluate(one.upper, values)
        values[one.name] = draw(st.one_of(st.sampled_from([0, last]), st.integers(0, last)))
    return values


@settings(max_examples=1500, deadline=None)
@given(TREES, assignments())
def test_simplification_keeps_the_value(tree: Tree, values: dict[str, int]) -> None:
    assert evaluate(built(tree), values) == meant(tree, values)


N, H = dim(SYMBOLS[3]), dim(SYMBOLS[3]) // 2
B = dim(BATCH)


@pytest.mark.parametrize(
    ("padded", "multiple"),
    [
        (N + (-N) % 4, 4 * ((N + 3) // 4)),
        (N + (4 - N % 4) % 4, 4 * ((N + 3) // 4)),
        (N - N % 4, 4 * (N // 4)),
        (N + 3 + (-N - 3) % 4, 4 * ((N + 6) // 4)),
        (H + (7 - H % 7) % 7, 7 * ((H + 6) // 7)),
        (N * B + B * ((-N) % 5), 5 * B * ((N + 4) // 5)),
        (N - N % B, B * (N // B)),
        (4 * ((N + 3) // 4) - (-N) % 4, N),
        (4 * (N // 4) + N % 4, N),
    ],
)
def test_padding_and_cropping_to_windows_gives_a_multiple(padded: Dim, multiple: Dim) -> None:
    assert padded == multiple


def test_windows_of_a_padded_picture_divide_it() -> None:
    """`batch * rows * columns` of windows, and back: what a Reshape's -1 is."""
    height, width = N + (-N) % 4, dim(SEQ) + (-dim(SEQ)) % 4
    rows, columns = height // 4, width // 4
    assert product([B, rows, 4, columns, 4]) == product([B, height, width])
    assert exact_division(B * height * width * 3, rows * columns * 3) == 16 * B
    assert maximum(height, N) == height and minimum(height, N) == N


@settings(max_examples=1500, deadline=None)
@given(TREES, st.integers(1, 12), st.sampled_from([1, -1, 2, -3]), assignments())
def test_rests_that_are_added_back_keep_the_value(tree: Tree, size: int, factor: int, values: dict[str, int]) -> None:
    """Sums of a value and its own rest, as padding and cropping make them, divided again."""
    x, mean = built(tree), meant(tree, values)
    for padded, number in (
        (x + factor * mod(-x, dim(size)), mean + factor * (-mean % size)),
        (x - factor * mod(x, dim(size)), mean - factor * (mean % size)),
        (mod(size - mod(x, dim(size)), dim(size)) * B + x * B, (-mean % size + mean) * values["batch"]),
    ):
        assert evaluate(padded, values) == number
        assert evaluate(floordiv(padded, dim(size)), values) == number // size
        assert evaluate(mod(padded * 3, dim(size)), values) == number * 3 % size


@settings(max_examples=1500, deadline=None)
@given(TREES, assignments())
def test_bounds_and_signs_hold(tree: Tree, values: dict[str, int]) -> None:
    expression = built(tree)
    value = evaluate(expression, values)
    low, high = bounds(expression)
    assert (low is None or low <= value) and (high is None or value <= high)
    assert not is_nonnegative(expression) or value >= 0


@settings(max_examples=500, deadline=None)
@given(TREES, TREES, assignments())
def test_exact_division_has_no_rest(left: Tree, right: Tree, values: dict[str, int]) -> None:
    a, b = built(left), built(right)
    quotient = exact_division(a, b)
    assert quotient is None or quotient * b == a
    if b.terms and all(isinstance(atom, Symbol) for terms in (a.terms, b.terms) for m, _ in terms for atom, _ in m):
        assert exact_division(a * b, b) == a


@settings(max_examples=500, deadline=None)
@given(TREES, TREES, assignments())
def test_substitution_is_evaluation_in_two_steps(tree: Tree, other: Tree, values: dict[str, int]) -> None:
    inserted = built(other)
    result = substitute(built(tree), {SYMBOLS[3]: inserted * inserted})
    assert evaluate(result, values) == meant(tree, values | {"free": evaluate(inserted, values) ** 2})


@settings(max_examples=500, deadline=None)
@given(TREES)
def test_text_reads_back_as_the_same_expression(tree: Tree) -> None:
    expression = built(tree)
    table = DimensionTable(symbols={s.name: s for s in (*SYMBOLS, I, J, K)})
    assert table.parse(to_text(expression)) == expression


@settings(max_examples=500, deadline=None)
@given(TREES, assignments())
def test_text_is_python(tree: Tree, values: dict[str, int]) -> None:
    assert eval(to_text(built(tree)), {"max": max, "min": min}, dict(values)) == meant(tree, values)


B, S, P = dim(BATCH), dim(SEQ), dim(PAST)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ((B * S + dim(I)) // S, B),
        ((dim(I) * 64 + 5) // 64, dim(I)),
        ((dim(I) * 64 + 5) % 64, dim(5)),
        ((B * S * 12) // (S * 4), B * 3),
        ((S * 2 + 5) // 2, S + 2),
        ((S * 2 + 5) % 2, dim(1)),
        ((S - 1) // 2 + 1, (S + 1) // 2),
        ((S + P) - P, S),
        (maximum(S + P, P), S + P),
        (minimum(S, S + P), S),
        (maximum(dim(0), S - 1), S - 1),
        (product([B, S, 4]) // 4, B * S),
        (floordiv(dim(7), dim(-2)), dim(-4)),
        (mod(dim(7), dim(-2)), dim(-1)),
    ],
)
def test_what_shapes_need_is_simplified(expression: Dim, expected: Dim) -> None:
    assert expression == expected


@pytest.mark.parametrize(
    "nonnegative",
    [S - 1, P + S - 1, B * S - S, S - 1 - dim(I), dim(J), B * S - 1 - dim(J), dim(I) - dim(K), S - dim(K) - 1, S // 2],
)
def test_what_indices_need_is_proven(nonnegative: Dim) -> None:
    assert is_nonnegative(nonnegative)


@pytest.mark.parametrize(
    "unproven", [S - 2, P - 1, P - S, dim(I) - 1, S - 2 - dim(I), minimum(S, P) - 1, dim(I) * minimum(P, S - 60)]
)
def test_what_does_not_hold_is_not_proven(unproven: Dim) -> None:
    assert not is_nonnegative(unproven)


def test_division_by_zero_is_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        floordiv(S, dim(0))
    with pytest.raises(ZeroDivisionError):
        mod(S, dim(0))


def test_extents_that_share_a_whole_are_bounded_together() -> None:
    """b <= n // max(1, a) bounds a * b by n, where each alone may be n; a factor of them stays."""
    n, rows = dim(Symbol("n", 1, 64)), dim(Symbol("rows", 0, 8))
    a = dim(Symbol("a", 0, n, is_found=True))
    b = dim(Symbol("b", 0, n // maximum(dim(1), a), is_found=True))
    c = dim(Symbol("c", 0, n // maximum(dim(1), 3 * a), is_found=True))
    assert largest(b) == n and largest(a * b) == n and largest(2 * a * b + 1) == 2 * n + 1
    assert largest(a * c * 3) == n and largest(a * b * rows) == n * rows
    assert largest(a * a) == n * n
