"""A formula as a kernel function: its operands' names, the comment that says what it computes, and its body."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from kaoken.emit.index_uses import IndexUse
from kaoken.emit.layouts import cache_offset, panel_offset, row_major
from kaoken.emit.loop_block import OWN_NAMES
from kaoken.emit.loops import emit_body
from kaoken.emit.names import Names, c_name
from kaoken.emit.nests import Index
from kaoken.emit.partition import Partition
from kaoken.ir.dims import Dim, Symbol, dim
from kaoken.ir.dtypes import C_TYPES
from kaoken.ir.expr import Formula, Int, Read, children, extent_of, reads, to_text
from kaoken.ir.graph import Value
from kaoken.ir.reserved import RESERVED
from kaoken.passes.pack_weights import WeightPlan

COMMENT_WIDTH = 120


@dataclass(frozen=True)
class LoopKernel:
    """What a call passes, in order: the thread, `symbols`, `operands`, and the output or, where that is one, its cache."""

    symbols: tuple[str, ...]
    operands: tuple[Value, ...]
    parameters: tuple[str, ...]
    body: str
    comment: Callable[[str], str]
    partition: Partition | None = None

    @property
    def key(self) -> tuple:
        """Equal for kernels that can share one function."""
        return ("loop", self.parameters, self.body)

    def render(self, name: str) -> str:
        """The function's C text."""
        return "\n".join([self.comment(name), f"static void {name}({', '.join(self.parameters)})", "{", self.body, "}", ""])


def loop_kernel(
    formula: Formula, output: Value, weights: WeightPlan, inputs: set[Value], trusted: set[IndexUse], is_state: bool
) -> LoopKernel:
    """The kernel that computes `output`. `trusted` are inputs checked as indices before; `is_state`: the output is appended to a
    cache that the handle keeps."""
    operands = tuple(dict.fromkeys(r.value for r in reads(formula.body)))
    names = _operand_names(operands, inputs, weights, formula)
    cached = output.packing in ("keys", "values")
    past, rows = (Value(name, (output.shape[0],) if output.shape else (), "int64") for name in ("past", "rows"))

    def place(value: Value, at: list[Dim]) -> Dim:
        entry = weights.of_value.get(value)
        if entry is not None and entry.layout == "panels":
            return panel_offset(entry, at)
        return row_major(at, value.shape)

    def store(at: list[Dim], index: Index) -> Dim:
        if not cached:
            return row_major(at, output.shape)
        if not is_state:
            return cache_offset(output, at, dim(Symbol("capacity", 1)))
        row, first = (index(Read(v, (Int(at[0]),))) for v in (rows, past))
        return cache_offset(output, [row, at[1], first + at[2], at[3]], dim(Symbol("capacity", 1)))

    body, partition = emit_body(formula, output.dtype, {**names, past: "cache->past", rows: "cache->row"}, place, store, trusted)
    operands = tuple(v for v in operands if re.search(rf"\b{names[v]}\b", body))
    mentioned = _symbols(formula) | {s for extent in output.shape for s in extent.symbols()}
    symbols = tuple(sorted(n for n in {s.name for s in mentioned} if re.search(rf"\b{n}\b", body)))
    parameters = ["kk_thread *t", *(f"int64_t {s}" for s in symbols)]
    parameters += [f"const {C_TYPES[v.dtype]} *{names[v]}" for v in operands]
    if cached:
        parameters.append("const kk_cache *cache")
        capacity = "    const int64_t capacity = cache->capacity;\n" if re.search(r"\bcapacity\b", body) else ""
        body = f"    float *const y = cache->{output.packing};\n{capacity}{body}"
    else:
        parameters.append(f"{C_TYPES[output.dtype]} *y")

    def comment(name: str) -> str:
        at = ", ".join(a.name for a in formula.axes)
        text = f"{name}: y[{at}] = {to_text(formula.body, lambda v: names.get(v, v.name))}"
        lines = textwrap.wrap(text, COMMENT_WIDTH, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False)
        width = max(len(n) for n in ["y", *names.values()])
        lines += [f"  {names[v]:{width}}  {_layout_text(v, weights)}" for v in operands]
        lines.append(f"  {'y':{width}}  {_shape_text(output)}")
        return "/* " + "\n * ".join(lines).replace("*/", "* /") + " */"

    return LoopKernel(symbols, operands, tuple(parameters), body, comment, None if cached else partition)


def extents_text(formula: Formula) -> str:
    """`12x64`: the fixed extents, for the kernel's name."""
    return "x".join(str(extent_of(a)) for a in formula.axes if extent_of(a).constant is not None) or "1"


def _operand_names(operands: tuple[Value, ...], inputs: set[Value], weights: WeightPlan, formula: Formula) -> dict[Value, str]:
    """The model's own name for an input, a constant's last word (weight, bias), x for what kernels computed before."""
    taken = Names({*OWN_NAMES, *(s.name for s in _symbols(formula))})
    names = {}
    for value in operands:
        if value in inputs:
            wanted = c_name(value.name, "input")
        elif value in weights.of_value:
            word = re.split(r"[./:]", value.name)[-1]
            plain = re.fullmatch(r"[a-z][a-z_]*[a-z]", word) and not re.match(r"onnx|val|const|i[_\d]|k[_\d]", word)
            wanted = word if plain and word not in RESERVED else "constant"
        else:
            wanted = "x"
        names[value] = taken.fresh(re.sub(r"^((?:[ik]|index)\d.*|kk_.*)$", r"input_\1", wanted))
    return names


def _symbols(formula: Formula) -> set[Symbol]:
    """The model's dimensions that a formula mentions."""
    found: set[Symbol] = set()

    def visit(node: object) -> None:
        if isinstance(node, Int):
            found.update(node.value.symbols())
        if isinstance(node, Read):
            for extent in node.value.shape:
                found.update(extent.symbols())
        for own in getattr(node, "axes", ()):
            found.update(extent_of(own).symbols())
        for child in children(node):  # type: ignore[arg-type]
            visit(child)

    visit(formula.body)
    for own in formula.axes:
        found |= extent_of(own).symbols()
    return {s for s in found if not s.is_axis}


def _shape_text(value: Value) -> str:
    return f"{value.dtype}[{', '.join(map(repr, value.shape))}]"


def _layout_text(value: Value, weights: WeightPlan) -> str:
    entry = weights.of_value.get(value)
    packed = ", in packed panels of 16" if entry is not None and entry.layout == "panels" else ""
    return _shape_text(value) + packed
