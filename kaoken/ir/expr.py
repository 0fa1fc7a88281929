"""The expression language: what one element of a tensor is, as a formula over index variables.

Seven node kinds: `Const`, `Int` (an integer polynomial of dims and axes), `Read` (one element of a tensor), `Apply` (a scalar
function of `scalars.py`), `Select` (evaluates only the branch it takes), `Cast` and `Reduce`. Build them with the lower-case
functions, which simplify; docs/expression-language.md says what each means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

import numpy as np

from kaoken.ir.dims import Dim, Symbol, bounds, dim, floordiv, is_nonnegative, maximum, minimum, mod, substitute
from kaoken.ir.dtypes import DType, is_float, is_integer
from kaoken.ir.scalars import SCALARS

if TYPE_CHECKING:
    from kaoken.ir.graph import Value


@dataclass(frozen=True)
class Const:
    """A literal; float literals hold the value already rounded to `dtype`."""

    value: Union[int, float, bool]
    dtype: DType

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self.dtype == other.dtype and _same_number(self.value, other.value)

    def __hash__(self) -> int:
        return hash((self.dtype, repr(self.value)))


@dataclass(frozen=True)
class Int:
    """An int64 scalar that is a known polynomial of dimensions and loop axes."""

    value: Dim

    @property
    def dtype(self) -> DType:
        return "int64"


@dataclass(frozen=True)
class Read:
    """One element of a tensor. Indices lie inside its shape, or are checked at run time where they come from data."""

    value: "Value"
    indices: tuple["Expr", ...]

    @property
    def dtype(self) -> DType:
        return self.value.dtype


@dataclass(frozen=True)
class Apply:
    """A scalar function of `scalars.SCALARS` applied to its arguments."""

    function: str
    arguments: tuple["Expr", ...]
    dtype: DType


@dataclass(frozen=True)
class Select:
    """`then` where the condition holds, else `otherwise`; only the taken branch is evaluated."""

    condition: "Expr"
    then: "Expr"
    otherwise: "Expr"

    @property
    def dtype(self) -> DType:
        return self.then.dtype


@dataclass(frozen=True)
class Cast:
    """Conversion as ONNX Cast defines it."""

    argument: "Expr"
    dtype: DType


@dataclass(frozen=True)
class Reduce:
    """`sum`, `prod`, `max` or `min` of the body over axes, first axis outermost, each ascending."""

    kind: str
    axes: tuple[Symbol, ...]
    body: "Expr"

    @property
    def dtype(self) -> DType:
        return self.body.dtype


Expr = Union[Const, Int, Read, Apply, Select, Cast, Reduce]


@dataclass(frozen=True)
class Formula:
    """An output tensor as a formula: `body` is the element at index `axes`."""

    axes: tuple[Symbol, ...]
    body: Expr


def axis(name: str, extent: Dim | int) -> Symbol:
    """A loop axis that runs over 0..extent-1."""
    return Symbol(name, 0, dim(extent) - 1, True)


def extent_of(symbol: Symbol) -> Dim:
    """How many values an axis takes."""
    assert isinstance(symbol.upper, Dim)
    return symbol.upper + 1


def axes_for(shape: tuple[Dim, ...], prefix: str = "i") -> tuple[Symbol, ...]:
    return tuple(axis(f"{prefix}{n}", extent) for n, extent in enumerate(shape))


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


def _same_number(a: object, b: object) -> bool:
    return repr(a) == repr(b)


def literal(expression: Expr) -> int | float | bool | None:
    """The value of a literal, else None."""
    if isinstance(expression, Const):
        return expression.value
    if isinstance(expression, Int):
        return expression.value.constant
    return None


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
    if function in _INTEGER_POLYNOMIALS:
        return Int(_INTEGER_POLYNOMIALS[function](*values))
    if function == "neg":
        return Int(-values[0])
    if function in ("floordiv", "mod", "div") and bounds(values[1])[0] not in (None, 0) and is_nonnegative(values[1]):
        if function == "mod":
            return Int(mod(*values))
        if function == "floordiv" or is_nonnegative(values[0]):
            return Int(floordiv(*values))
    if function in ("lt", "le", "gt", "ge", "eq", "ne"):
        return _compare(function, values[0] - values[1])
    return None


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


def _solve_equality(function: str, arguments: tuple[Expr, ...], values: list[int | float | bool | None]) -> Expr | None:
    """`1 - float(m) == 0` is `m == 1`: move exact small-integer steps to the literal side."""
    for this, other in ((0, 1), (1, 0)):
        number, inner = values[this], arguments[other]
        if number is None or not float(number).is_integer() or abs(float(number)) > 2**20:
            continue
        if isinstance(inner, Apply) and inner.function == "sub" and is_float(inner.dtype):
            left = literal(inner.arguments[0])
            source = inner.arguments[1]
            if left is not None and float(left).is_integer() and isinstance(source, Cast) and not is_float(source.argument.dtype):
                return apply(function, source, const(float(left) - float(number), inner.dtype))
        if isinstance(inner, Cast) and is_integer(inner.argument.dtype) and is_float(inner.dtype):
            return apply(function, inner.argument, const(int(number), inner.argument.dtype))
        if isinstance(inner, Cast) and inner.argument.dtype == "bool" and number in (0, 1):
            truth = (number == 1) == (function == "eq")
            return inner.argument if truth else apply("not", inner.argument)
    return None


def select(condition: Expr, then: Expr, otherwise: Expr) -> Expr:
    known = literal(condition)
    if known is not None:
        return then if known else otherwise
    if then == otherwise:
        return then
    return Select(condition, then, otherwise)


def cast(argument: Expr, dtype: DType) -> Expr:
    """Convert; a cast to bool of a number is `number != 0`, a cast that loses nothing and comes back is dropped."""
    if argument.dtype == dtype:
        return argument
    value = literal(argument)
    if value is not None:
        with np.errstate(all="ignore"):
            return const(np.asarray(value).astype(argument.dtype), dtype)
    if dtype == "bool":
        return apply("ne", argument, const(0, argument.dtype))
    if isinstance(argument, Cast) and argument.argument.dtype == dtype and argument.argument.dtype == "bool":
        return argument.argument
    return Cast(argument, dtype)


def reduce(kind: str, axes: tuple[Symbol, ...], body: Expr) -> Expr:
    return Reduce(kind, axes, body) if axes else body


def rewrite(expression: Expr, leaf: Callable[[Expr], Expr | None]) -> Expr:
    """Rebuild bottom-up (simplifying); `leaf` may return a replacement for a node whose children are already rebuilt."""
    rebuilt: Expr
    if isinstance(expression, Read):
        rebuilt = Read(expression.value, tuple(rewrite(i, leaf) for i in expression.indices))
    elif isinstance(expression, Apply):
        rebuilt = apply(expression.function, *(rewrite(a, leaf) for a in expression.arguments))
    elif isinstance(expression, Select):
        condition = rewrite(expression.condition, leaf)
        known = literal(condition)
        if known is not None:
            return rewrite(expression.then if known else expression.otherwise, leaf)
        rebuilt = select(condition, rewrite(expression.then, leaf), rewrite(expression.otherwise, leaf))
    elif isinstance(expression, Cast):
        rebuilt = cast(rewrite(expression.argument, leaf), expression.dtype)
    elif isinstance(expression, Reduce):
        rebuilt = reduce(expression.kind, expression.axes, rewrite(expression.body, leaf))
    else:
        rebuilt = expression
    replaced = leaf(rebuilt)
    return rebuilt if replaced is None else replaced


def bind(expression: Expr, values: Mapping[Symbol, Expr]) -> Expr:
    """Replace axes by expressions. An axis that meets a polynomial may only become an `Int`; elsewhere any integer will do."""
    polynomials = {s: e.value for s, e in values.items() if isinstance(e, Int)}
    others = {s: e for s, e in values.items() if not isinstance(e, Int)}

    def replace(node: Expr) -> Expr | None:
        if isinstance(node, Int):
            return _bind_integer(node.value, polynomials, others)
        if isinstance(node, Reduce):
            return _bind_reduce(node, polynomials)
        return None

    return rewrite(expression, replace)


def _bind_reduce(node: Reduce, polynomials: Mapping[Symbol, Dim]) -> Expr:
    """Substitute in the extents of a reduction's own axes too (they may depend on what was replaced)."""
    renamed: dict[Symbol, Dim] = {}
    axes = []
    for symbol in node.axes:
        upper = substitute(dim(symbol.upper if symbol.upper is not None else 0), polynomials)
        fresh = Symbol(symbol.name, 0, upper, True)
        axes.append(fresh)
        if fresh != symbol:
            renamed[symbol] = dim(fresh)
    body = bind(node.body, {s: Int(d) for s, d in renamed.items()}) if renamed else node.body
    return Reduce(node.kind, tuple(axes), body)


def _bind_integer(value: Dim, polynomials: Mapping[Symbol, Dim], others: Mapping[Symbol, Expr]) -> Expr:
    value = substitute(value, polynomials)
    hit = value.symbols() & others.keys()
    if not hit:
        return Int(value)
    result: Expr = integer(0)
    for monomial, coefficient in value.terms:
        term: Expr = integer(coefficient)
        for atom, power in monomial:
            if isinstance(atom, Symbol):
                factor: Expr = others.get(atom, Int(dim(atom)))
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


def reads(expression: Expr) -> list[Read]:
    """Every read in the expression, outermost first, index reads included."""
    found: list[Read] = []

    def visit(node: Expr) -> None:
        if isinstance(node, Read):
            found.append(node)
        for child in children(node):
            visit(child)

    visit(expression)
    return found


def children(node: Expr) -> tuple[Expr, ...]:
    if isinstance(node, Read):
        return node.indices
    if isinstance(node, Apply):
        return node.arguments
    if isinstance(node, Select):
        return node.condition, node.then, node.otherwise
    if isinstance(node, Cast):
        return (node.argument,)
    if isinstance(node, Reduce):
        return (node.body,)
    return ()


def size(expression: Expr) -> int:
    """How many nodes the expression has."""
    return 1 + sum(size(child) for child in children(expression))


def contains_reduce(expression: Expr) -> bool:
    return isinstance(expression, Reduce) or any(contains_reduce(c) for c in children(expression))


def to_text(expression: Expr, name: Callable[["Value"], str] | None = None) -> str:
    """Readable text, for dumps and for the comments of generated C."""
    spell = name or (lambda value: value.name)
    if isinstance(expression, Const):
        return str(expression.value) if expression.dtype != "float32" else str(np.float32(expression.value))
    if isinstance(expression, Int):
        return repr(expression.value)
    if isinstance(expression, Read):
        return f"{spell(expression.value)}[{', '.join(to_text(i, name) for i in expression.indices)}]"
    if isinstance(expression, Apply):
        arguments = [to_text(a, name) for a in expression.arguments]
        infix = SCALARS[expression.function].infix
        return f"({arguments[0]} {infix} {arguments[1]})" if infix else f"{expression.function}({', '.join(arguments)})"
    if isinstance(expression, Select):
        parts = (expression.condition, expression.then, expression.otherwise)
        return f"select({', '.join(to_text(p, name) for p in parts)})"
    if isinstance(expression, Cast):
        return f"{expression.dtype}({to_text(expression.argument, name)})"
    axes = ", ".join(f"{s.name}<{extent_of(s)}" for s in expression.axes)
    return f"{expression.kind}({axes}: {to_text(expression.body, name)})"
