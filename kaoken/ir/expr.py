"""Building and simplifying expressions: what one element of a tensor is, as a formula over index variables.

Seven node kinds: `Const`, `Int` (an integer polynomial of dims and axes), `Read` (one element of a tensor), `Apply` (a scalar
function of `scalars.py`), `Select` (evaluates only the branch it takes), `Cast` and `Reduce`. Build them with the
lower-case functions, which simplify, exactly in every type; docs/expression-language.md says what each means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kaoken.ir.dims import Dim, Symbol, bounds, dim, exact_division, floordiv, is_nonnegative, maximum, minimum, mod, substitute
from kaoken.ir.dtypes import DType, convert, has_zero, holds_all, integer_range, is_float, is_integer, is_storage, wide_type
from kaoken.ir.expr_nodes import (
    Apply,
    Cast,
    Const,
    Expr,
    Formula,
    Int,
    Read,
    Reduce,
    Select,
    axes_for,
    axis,
    children,
    contains_reduce,
    extent_of,
    literal,
    reads,
    size,
    symbols_of,
    to_text,
)
from kaoken.ir.scalars import SCALARS, neutral_element


def integer(value: Dim | Symbol | int) -> Int:
    return Int(dim(value))


def const(value: object, dtype: DType) -> Expr:
    """A literal of `dtype`; int64 literals are `Int`."""
    scalar = np.asarray(value).astype(dtype)[()]
    if dtype == "int64":
        return Int(dim(int(scalar)))
    if dtype == "bool":
        return Const(bool(scalar), dtype)
    return Const(float(scalar) if is_float(dtype) else int(scalar), dtype)


TRUE = Const(True, "bool")
FALSE = Const(False, "bool")


_INTEGER_POLYNOMIALS: dict[str, Callable[[Dim, Dim], Dim]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "max": maximum,
    "min": minimum,
}


def apply(function: str, *arguments: Expr) -> Expr:
    """Apply a scalar function, folding literals and integer polynomials."""
    scalar = SCALARS[function]
    dtype = scalar.result_dtype(tuple(a.dtype for a in arguments))
    if all(isinstance(a, Int) for a in arguments):
        folded = _fold_integers(function, [a.value for a in arguments if isinstance(a, Int)])
        if folded is not None:
            return folded
    literals = [literal(a) for a in arguments]
    if all(value is not None for value in literals):
        with np.errstate(all="ignore"):
            values = [np.asarray(v).astype(a.dtype)[()] for v, a in zip(literals, arguments, strict=True)]
            return const(scalar.numpy(*values), dtype)
    return _identity(function, arguments, dtype) or Apply(function, arguments, dtype)


def _fold_integers(function: str, values: list[Dim]) -> Expr | None:
    if function in _INTEGER_POLYNOMIALS or function == "neg":
        try:
            result = -values[0] if function == "neg" else _INTEGER_POLYNOMIALS[function](*values)
        except OverflowError:
            return None
        return Int(result) if _fits(result, "int64") else None
    if function in ("floordiv", "mod", "div") and bounds(values[1])[0] not in (None, 0) and is_nonnegative(values[1]):
        if function == "mod":
            return Int(mod(*values))
        if function == "floordiv" or is_nonnegative(values[0]):
            return Int(floordiv(*values))
    elif function in ("floordiv", "div") and not any(symbol.is_axis for symbol in values[1].symbols()):
        quotient = exact_division(*values)  # sizes of something empty are 0, and ONNX leaves 0 / 0 open
        if quotient is not None:
            return Int(quotient)
    if function in ("lt", "le", "gt", "ge", "eq", "ne"):
        return _compare(function, values[0] - values[1])
    return None


def _fits(value: Dim, dtype: DType) -> bool:
    """Whether no value of the expression is beyond an integer type; what has no bounds is an index, and fits."""
    low, high = bounds(value)
    least, most = integer_range(dtype)
    return (low is None or low >= least) and (high is None or high <= most)


def _compare(function: str, difference: Dim) -> Expr | None:
    if function in ("gt", "ge"):
        function, difference = {"gt": "lt", "ge": "le"}[function], -difference
    if function == "lt":
        return TRUE if is_nonnegative(-difference - 1) else FALSE if is_nonnegative(difference) else None
    if function == "le":
        return TRUE if is_nonnegative(-difference) else FALSE if is_nonnegative(difference - 1) else None
    equal: bool | None = None
    if difference == 0:
        equal = True
    elif is_nonnegative(difference - 1) or is_nonnegative(-difference - 1):
        equal = False
    return None if equal is None else const(equal == (function == "eq"), "bool")


def _identity(function: str, arguments: tuple[Expr, ...], dtype: DType) -> Expr | None:
    """Algebra that is exact in every type: units of and/or/mul/div, double negation, equal operands of integer min/max."""
    values = [literal(a) for a in arguments]
    if function in ("and", "or"):
        unit = function == "and"
        for this, other in ((0, 1), (1, 0)):
            if values[this] is not None:
                return arguments[other] if bool(values[this]) == unit else arguments[this]
        if arguments[0] == arguments[1]:
            return arguments[0]
    if function == "not" and isinstance(arguments[0], Apply):
        inner = arguments[0]
        opposite = {"eq": "ne", "ne": "eq"}
        if not is_float(inner.arguments[0].dtype):
            opposite |= {"lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}
        if inner.function == "not":
            return inner.arguments[0]
        if inner.function in opposite:
            return apply(opposite[inner.function], *inner.arguments)
    if function == "mul" and dtype != "bool":
        for this, other in ((0, 1), (1, 0)):
            if values[this] == 1:
                return arguments[other]
    if function == "div" and values[1] == 1:
        return arguments[0]
    if function == "add" and is_integer(dtype):
        for this, other in ((0, 1), (1, 0)):
            if values[this] == 0:
                return arguments[other]
    if function in ("max", "min", "and", "or") and arguments[0] == arguments[1]:
        return arguments[0]
    if function in ("eq", "ne"):
        return _solve_equality(function, arguments, values)
    return None


_EXACT_INTEGERS = {"float32": 2**20, "float64": 2**50}
"""Integers so small that sums and differences of a few of them are exact in the type."""


def _solve_equality(function: str, arguments: tuple[Expr, ...], values: list[int | float | bool | None]) -> Expr | None:
    """`1 - float(m) == 0` is `m == 1`: move exact small-integer steps to the literal side."""
    for this, other in ((0, 1), (1, 0)):
        number, inner = values[this], arguments[other]
        if number is None or not float(number).is_integer():
            continue
        if is_float(inner.dtype) and abs(number) > _EXACT_INTEGERS[inner.dtype]:
            continue
        if isinstance(inner, Apply) and inner.function == "sub" and is_float(inner.dtype):
            left, source = literal(inner.arguments[0]), inner.arguments[1]
            small = left is not None and float(left).is_integer() and abs(left) <= _EXACT_INTEGERS[inner.dtype]
            if left is not None and small and isinstance(source, Cast) and not is_float(source.argument.dtype):
                return apply(function, source, const(float(left) - float(number), inner.dtype))
        if isinstance(inner, Cast):
            return _solve_cast(function, inner, int(number))
    return None


def _solve_cast(function: str, inner: Cast, number: int) -> Expr | None:
    """`cast(x) == number` as a test of x, where the cast keeps what is compared apart."""
    source = inner.argument.dtype
    if source == "bool":
        if number not in (0, 1):
            return const(function == "ne", "bool")
        return inner.argument if (number == 1) == (function == "eq") else apply("not", inner.argument)
    if is_float(source) or is_storage(source) or not (is_float(inner.dtype) or holds_all(inner.dtype, source)):
        return None
    least, most = integer_range(source)
    if not least <= number <= most:
        return const(function == "ne", "bool")
    return apply(function, inner.argument, const(number, source))


def select(condition: Expr, then: Expr, otherwise: Expr) -> Expr:
    known = literal(condition)
    if known is not None:
        return then if known else otherwise
    if then == otherwise:
        return then
    if then.dtype == "bool" and literal(then) is not None and literal(otherwise) is not None:
        return condition if literal(then) else apply("not", condition)
    return Select(condition, then, otherwise)


def cast(argument: Expr, dtype: DType) -> Expr:
    """Convert; a cast to bool of a number is `number != 0`, a cast that loses nothing and comes back is dropped."""
    if argument.dtype == dtype:
        return argument
    value = literal(argument)
    if value is not None:
        with np.errstate(all="ignore"):
            return const(convert(np.asarray(value).astype(argument.dtype), dtype), dtype)
    if dtype == "bool":
        argument = cast(argument, wide_type(argument.dtype))
        return apply("ne", argument, const(0, argument.dtype))
    if isinstance(argument, Cast):
        source = argument.argument
        if source.dtype == "bool" and has_zero(argument.dtype):
            return cast(source, dtype)
        if source.dtype == dtype and _keeps_all(source, argument.dtype):
            return source
    return Cast(argument, dtype)


def _keeps_all(source: Expr, dtype: DType) -> bool:
    """Whether every value of `source` survives in `dtype`."""
    if isinstance(source, Int) and not is_storage(dtype):
        low, high = bounds(source.value)
        limit = integer_range(dtype)[1] if is_integer(dtype) else 16 * _EXACT_INTEGERS[dtype]
        return low is not None and high is not None and low >= (0 if dtype.startswith("u") else -limit) and high <= limit
    return holds_all(dtype, source.dtype)


def reduce(kind: str, axes: tuple[Symbol, ...], body: Expr) -> Expr:
    return Reduce(kind, axes, body) if axes else body


def reads_inside(expression: Expr) -> bool:
    """Whether every read at known indices provably lies inside its tensor, also where a `select` would not evaluate it."""
    if isinstance(expression, Read):
        for index, extent in zip(expression.indices, expression.value.shape, strict=True):
            if isinstance(index, Int) and not (is_nonnegative(index.value) and is_nonnegative(extent - 1 - index.value)):
                return False
    return all(map(reads_inside, children(expression)))


def bind(expression: Expr, values: Mapping[Symbol, Expr]) -> Expr:
    """Replace axes by expressions, everywhere, and simplify.

    A reduction's own axes are renamed where the expressions that come in use their names. Raises ValueError where a reduction's
    extent would come from data and has no bound.
    """
    if not values:
        return expression
    return _Binder(values).visit(expression)


class _Binder:
    def __init__(self, values: Mapping[Symbol, Expr]):
        self.values = dict(values)
        self.polynomials = {s: e.value for s, e in values.items() if isinstance(e, Int)}
        self.others = {s: e for s, e in values.items() if not isinstance(e, Int)}
        self.names = {symbol.name for e in values.values() for symbol in symbols_of(e)}

    def visit(self, node: Expr) -> Expr:
        if isinstance(node, Int):
            return _bind_integer(node.value, self.polynomials, self.others)
        if isinstance(node, Reduce):
            return self.reduction(node)
        return map_children(node, self.visit)

    def reduction(self, node: Reduce) -> Expr:
        inner = {s: e for s, e in self.values.items() if s not in node.axes}
        axes: list[Symbol] = []
        guard: Expr = TRUE
        for symbol in node.axes:
            outer = _Binder(inner)
            extent = outer.visit(Int(extent_of(symbol)))
            bound = extent.value if isinstance(extent, Int) else _largest(extent_of(symbol), outer.polynomials, set(outer.others))
            name = symbol.name
            while name in self.names:
                name += "_"
            own = axis(name, bound)
            axes.append(own)
            if own != symbol:
                inner[symbol] = Int(dim(own))
            if not isinstance(extent, Int):
                guard = apply("and", guard, apply("lt", Int(dim(own)), extent))
        body = bind(node.body, inner)
        neutral = const(neutral_element(node.kind, body.dtype), body.dtype)
        return reduce(node.kind, tuple(axes), select(guard, body, neutral))


def _largest(value: Dim, polynomials: Mapping[Symbol, Dim], unknown: set[Symbol]) -> Dim:
    """The largest value of an expression that grows or falls with each unknown symbol alone."""
    extremes: dict[Symbol, Dim] = {}
    for monomial, coefficient in value.terms:
        for atom, _ in monomial:
            if atom in unknown and isinstance(atom, Symbol) and len(monomial) == 1 and atom.upper is not None:
                extremes[atom] = dim(atom.upper if coefficient > 0 else atom.lower)
    if substitute(value, extremes).symbols() & unknown:
        raise ValueError(f"a reduction over {value} elements would depend on data")
    return substitute(value, {**polynomials, **extremes})


def map_children(node: Expr, visit: Callable[[Expr], Expr]) -> Expr:
    """The node over visited children, simplified; of a `select` with a known condition only the branch taken is visited."""
    if isinstance(node, Read):
        return Read(node.value, tuple(visit(i) for i in node.indices))
    if isinstance(node, Apply):
        return apply(node.function, *(visit(a) for a in node.arguments))
    if isinstance(node, Select):
        condition = visit(node.condition)
        known = literal(condition)
        if known is not None:
            return visit(node.then if known else node.otherwise)
        return select(condition, visit(node.then), visit(node.otherwise))
    if isinstance(node, Cast):
        return cast(visit(node.argument), node.dtype)
    if isinstance(node, Reduce):
        return reduce(node.kind, node.axes, visit(node.body))
    return node


def rewrite(expression: Expr, leaf: Callable[[Expr], Expr | None]) -> Expr:
    """Rebuild bottom-up (simplifying); `leaf` may return a replacement for a node whose children are already rebuilt."""
    rebuilt = map_children(expression, lambda child: rewrite(child, leaf))
    replaced = leaf(rebuilt)
    return rebuilt if replaced is None else replaced


def _bind_integer(value: Dim, polynomials: Mapping[Symbol, Dim], others: Mapping[Symbol, Expr]) -> Expr:
    """All symbols at once: what one becomes may hold another of the same name, the axis of a consumer."""
    if not value.symbols() & others.keys():
        return Int(substitute(value, polynomials))
    result: Expr = integer(0)
    for monomial, coefficient in value.terms:
        term: Expr = integer(coefficient)
        for atom, power in monomial:
            if isinstance(atom, Symbol):
                factor: Expr = others.get(atom, Int(polynomials.get(atom, dim(atom))))
            else:
                factor = apply(
                    atom.function,
                    _bind_integer(atom.left, polynomials, others),
                    _bind_integer(atom.right, polynomials, others),
                )
            for _ in range(power):
                term = apply("mul", term, factor)
        result = apply("add", result, term)
    return result


__all__ = [
    "FALSE",
    "TRUE",
    "Apply",
    "Cast",
    "Const",
    "Expr",
    "Formula",
    "Int",
    "Read",
    "Reduce",
    "Select",
    "apply",
    "axes_for",
    "axis",
    "bind",
    "cast",
    "children",
    "const",
    "contains_reduce",
    "extent_of",
    "integer",
    "literal",
    "map_children",
    "reads",
    "reads_inside",
    "reduce",
    "rewrite",
    "select",
    "size",
    "symbols_of",
    "to_text",
]
