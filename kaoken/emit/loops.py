"""Loop nests: a formula becomes a C function, rows shared by the threads, invariant reductions hoisted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kaoken.emit.layouts import factor as _paren
from kaoken.ir.dims import Dim, product, to_c
from kaoken.ir.dtypes import C_TYPES, DType, is_float, is_integer
from kaoken.ir.expr import Apply, Cast, Const, Expr, Formula, Int, Read, Reduce, Select, children, extent_of, to_text
from kaoken.ir.graph import Value

Offset = Callable[[Value, list[str]], str]

_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
    "and": "&&",
    "or": "||",
}
_VECTOR_MATH = ("exp", "log", "tanh", "erf", "sin", "cos", "sigmoid", "gelu", "gelu_tanh", "silu", "quick_gelu")
_VECTOR_UNARY = {"sqrt": "kk_sqrt", "floor": "kk_floor", "ceil": "kk_ceil", "round": "kk_round", "abs": "kk_abs"}


@dataclass
class _Block:
    """Lines of C being written, with their indentation and the reductions already computed."""

    lines: list[str] = field(default_factory=list)
    depth: int = 1
    known: dict[Expr, str] = field(default_factory=dict)

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)


class LoopEmitter:
    """Writes one formula. `names` gives each operand's parameter name, `offset` where its elements lie.

    `trusted` are inputs whose elements were checked as indices before the kernels run; other indices from data are clamped.
    """

    def __init__(
        self, formula: Formula, dtype: DType, output: Value, names: dict[Value, str], offset: Offset, trusted: set[Value]
    ):
        self.formula = formula
        self.dtype = dtype
        self.output = output
        self.names = names
        self.offset = offset
        self.counter = 0
        self.trusted = trusted

    def body(self, output_offset: Callable[[list[str]], str]) -> str:
        """The function's body; `output_offset` places the element at index texts."""
        block = _Block()
        axes = list(self.formula.axes)
        outer, inner = (axes[:-1], axes[-1:]) if len(axes) > 1 else ([], axes)
        rows = product(extent_of(a) for a in outer)
        if outer:
            self._partition(block, "row", to_c(rows))
            rest = rows
            for a in outer:
                extent = extent_of(a)
                if extent == 1:
                    continue
                stride = _quotient(rest, extent)
                inside = f"row % {_paren(to_c(rest))}" if rest != rows else "row"
                index = f"{_paren(inside)} / {_paren(to_c(stride))}" if stride != 1 else inside
                block.line(f"const int64_t {a.name} = {index};")
                rest = stride
        elif inner:
            self._partition(block, inner[0].name, to_c(extent_of(inner[0])))
        else:
            block.line("if (t->index != 0)")
            block.line("    return;")
        self._hoist(block, self.formula.body, {a.name for a in outer})
        if outer and extent_of(inner[0]) != 1:
            name = inner[0].name
            block.line(f"for (int64_t {name} = 0; {name} < {to_c(extent_of(inner[0]))}; {name}++) {{")
            block.depth += 1
        at = [a.name if extent_of(a) != 1 else "0" for a in axes]
        value = self.expression(block, self.formula.body)
        block.line(f"y[{output_offset(at)}] = {value};")
        while block.depth > 1:
            block.depth -= 1
            block.line("}")
        return "\n".join(block.lines)

    def _partition(self, block: _Block, name: str, extent: str) -> None:
        block.line(f"const int64_t count = {extent}, end = count * (t->index + 1) / t->count;")
        block.line(f"for (int64_t {name} = count * t->index / t->count; {name} < end; {name}++) {{")
        block.depth += 1

    def _hoist(self, block: _Block, expression: Expr, available: set[str]) -> None:
        """Compute reductions that do not depend on the innermost axis before its loop. Guarded ones stay where they are."""
        if isinstance(expression, Select):
            self._hoist(block, expression.condition, available)
            return
        if isinstance(expression, Reduce) and _free_axes(expression) <= available:
            self.expression(block, expression)
            return
        if isinstance(expression, Read):
            for index, extent in zip(expression.indices, expression.value.shape, strict=True):
                if not isinstance(index, Int) and index not in block.known and _free_axes(index) <= available:
                    name = self._fresh("index")
                    block.line(f"const int64_t {name} = {self._index(block, index, to_c(extent))};")
                    block.known[index] = name
            return
        for child in children(expression):
            self._hoist(block, child, available)

    def expression(self, block: _Block, node: Expr) -> str:
        """C text of a scalar expression; statements it needs are written to the block before."""
        if node in block.known:
            return block.known[node]
        if isinstance(node, Const):
            return literal_text(node)
        if isinstance(node, Int):
            return to_c(node.value) if node.value.constant is not None else _paren(to_c(node.value))
        if isinstance(node, Read):
            return self._read(block, node)
        if isinstance(node, Cast):
            return cast_text(self.expression(block, node.argument), node.argument.dtype, node.dtype)
        if isinstance(node, Apply):
            arguments = [self.expression(block, a) for a in node.arguments]
            return apply_text(node.function, arguments, node.arguments[0].dtype)
        if isinstance(node, Select):
            return self._select(block, node)
        return self._reduce(block, node)

    def _read(self, block: _Block, node: Read) -> str:
        indices = []
        for index, extent in zip(node.indices, node.value.shape, strict=True):
            known = isinstance(index, Int) or index in block.known
            indices.append(self.expression(block, index) if known else self._index(block, index, to_c(extent)))
        return f"{self.names[node.value]}[{self.offset(node.value, indices)}]"

    def _index(self, block: _Block, index: Expr, extent: str) -> str:
        """An index that comes from data, kept inside its axis."""
        text = self.expression(block, index)
        inner = index.otherwise if isinstance(index, Select) else index
        if isinstance(inner, Read) and inner.value in self.trusted:
            return text.removeprefix("(").removesuffix(")") if isinstance(index, Select) else text
        return f"kk_clamp_index({text}, {extent})"

    def _select(self, block: _Block, node: Select) -> str:
        condition = self.expression(block, node.condition)
        if not (_has_reduce(node.then) or _has_reduce(node.otherwise)):
            return f"({condition} ? {self.expression(block, node.then)} : {self.expression(block, node.otherwise)})"
        name = self._fresh("v")
        block.line(f"{C_TYPES[node.dtype]} {name};")
        block.line(f"if ({condition}) {{")
        for branch, follow in ((node.then, "} else {"), (node.otherwise, "}")):
            block.depth += 1
            saved = dict(block.known)
            block.line(f"{name} = {self.expression(block, branch)};")
            block.known = saved
            block.depth -= 1
            block.line(follow)
        return name

    def _reduce(self, block: _Block, node: Reduce) -> str:
        """Axes outermost first, each ascending; max and min propagate NaN."""
        available = _free_axes(node)
        self._hoist(block, node.body, available)
        name = self._fresh({"sum": "sum", "prod": "product", "max": "largest", "min": "smallest"}[node.kind])
        block.line(f"{C_TYPES[node.dtype]} {name} = {neutral_text(node.kind, node.dtype)};")
        saved = dict(block.known)
        depth = block.depth
        for symbol in node.axes:
            block.line(f"for (int64_t {symbol.name} = 0; {symbol.name} < {to_c(extent_of(symbol))}; {symbol.name}++) {{")
            block.depth += 1
        body = self.expression(block, node.body)
        function = {"sum": "add", "prod": "mul", "max": "max", "min": "min"}[node.kind]
        block.line(f"{name} = {apply_text(function, [name, body], node.dtype)};")
        while block.depth > depth:
            block.depth -= 1
            block.line("}")
        block.known = {**saved, node: name}
        return name

    def _fresh(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"


def _quotient(value: Dim, divisor: Dim) -> Dim:
    from kaoken.ir.dims import exact_division

    result = exact_division(value, divisor)
    assert result is not None
    return result


def _has_reduce(node: Expr) -> bool:
    return isinstance(node, Reduce) or any(_has_reduce(c) for c in children(node))


def _free_axes(node: Expr) -> set[str]:
    """Names of the loop axes an expression depends on, its own reduction axes excepted."""
    if isinstance(node, Int):
        return {s.name for s in node.value.symbols() if s.is_axis}
    found: set[str] = set()
    for child in children(node):
        found |= _free_axes(child)
    if isinstance(node, Reduce):
        for symbol in node.axes:
            found |= {s.name for s in extent_of(symbol).symbols() if s.is_axis}
        found -= {symbol.name for symbol in node.axes}
    return found


def literal_text(node: Const) -> str:
    """A C literal of the constant's type."""
    value = node.value
    if node.dtype == "bool":
        return "1" if value else "0"
    if is_integer(node.dtype):
        return str(int(value)) if abs(int(value)) < 2**31 else f"INT64_C({int(value)})"
    if math.isnan(float(value)):
        return "NAN"
    if math.isinf(float(value)):
        return "INFINITY" if value > 0 else "-INFINITY"
    if node.dtype == "float64":
        return repr(float(value))
    text = str(np.float32(value))
    return text + ("f" if "." in text or "e" in text else ".0f")


def neutral_text(kind: str, dtype: DType) -> str:
    """What a reduction of nothing gives."""
    if kind in ("sum", "prod"):
        return "0" if kind == "sum" else "1"
    if dtype == "bool":
        return "0" if kind == "max" else "1"
    if is_float(dtype):
        return "-INFINITY" if kind == "max" else "INFINITY"
    bits, unsigned = int(dtype.lstrip("uint")), dtype.startswith("u")
    if kind == "max":
        return "0" if unsigned else f"INT{bits}_MIN"
    return f"{'U' if unsigned else ''}INT{bits}_MAX"


def cast_text(text: str, source: DType, target: DType) -> str:
    if target == "bool":
        return f"({text} != 0)"
    return f"({C_TYPES[target]}){_paren(text) if not text.startswith('(') else text}"


def apply_text(function: str, arguments: list[str], dtype: DType) -> str:
    """C text of a scalar function on operands of `dtype`. Elementary functions are lane 0 of the vector function: same bits."""
    if function in _INFIX:
        return f"({arguments[0]} {_INFIX[function]} {arguments[1]})"
    if function in _VECTOR_MATH and dtype == "float32":
        return f"kk_lane0(kk_{function}(kk_set1({arguments[0]})))"
    if function in _VECTOR_UNARY and dtype == "float32":
        return f"kk_lane0({_VECTOR_UNARY[function]}(kk_set1({arguments[0]})))"
    if function == "pow" and dtype == "float32":
        return f"kk_lane0(kk_pow(kk_set1({arguments[0]}), kk_set1({arguments[1]})))"
    if function == "div":
        if is_float(dtype):
            return f"({arguments[0]} / {arguments[1]})"
        return f"(({C_TYPES[dtype]})kk_divide_i64({arguments[0]}, {arguments[1]}))"
    if function in ("floordiv", "mod") and not is_float(dtype):
        return f"(({C_TYPES[dtype]})kk_{function}_i64({arguments[0]}, {arguments[1]}))"
    simple = {
        "neg": "(-{0})",
        "not": "(!{0})",
        "isnan": "({0} != {0})",
        "isinf": "({0} == INFINITY || {0} == -INFINITY)",
        "xor": "(!{0} != !{1})",
    }
    if function in simple:
        return simple[function].format(*arguments)
    if function in ("max", "min", "abs", "sign") and dtype != "float32":
        kind = "f64" if dtype == "float64" else "i64"
        call = f"kk_{function}_{kind}({', '.join(arguments)})"
        return call if kind == "f64" else f"(({C_TYPES[dtype]}){call})"
    if function in ("max", "min", "sign", "fmod", "mod") and dtype == "float32":
        return f"kk_{function}_f32({', '.join(arguments)})"
    raise NotImplementedError(f"{function} of {dtype}")


def describe(formula: Formula, names: dict[Value, str]) -> str:
    """The formula as one comment line."""
    return f"y[{', '.join(a.name for a in formula.axes)}] = {to_text(formula.body, lambda v: names.get(v, v.name))}"
