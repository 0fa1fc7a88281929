"""The table of operators for a terminal and as a page."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import onnx

from kaoken.operators import Operator

if TYPE_CHECKING:
    from rich.table import Table

GROUPS: dict[str, tuple[str, ...]] = {
    "float 64 to 16": ("double", "float", "float16", "bfloat16"),
    "float 8": ("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"),
    "int 64 to 8": ("int64", "int32", "int16", "int8"),
    "uint 64 to 8": ("uint64", "uint32", "uint16", "uint8"),
    "int 4 to 2": ("int4", "uint4", "int2", "uint2"),
    "complex": ("complex64", "complex128"),
}
"""Element types that are named together where all are there."""

_INTRODUCTION = """# Operators

Made by `kaoken ops --markdown docs/operators.md`, by asking the compiler and onnx {version}; a test compares.

* **versions**: of the operator set, those at which the operator changed and that are read. Models of opsets before 7
  are brought to 7 by onnx's version converter first. Of `ai.onnx` each has rows in `tests/test_versions.py`, compiled, run and
  compared at that version: every attribute at a value of its own, operands there and not, axes from the end, extents of 0.
* **types**: element types of the first operand with which one of the standard's cases is read; in brackets those that the
  standard allows and no case is read with.
* **compiled**: *formula* (a loop nest, fused with its neighbours), *routine* (a function of the runtime), *control flow* (`if`
  and `for`), *scheduled kernel* (register tiles or a template of its own, where the operand is float32 and weights are constant),
  *folded away* (nothing is left at run time). The standard's cases give shapes and axes as inputs of the call, which models
  seldom do. Where a cell is empty the standard has no case of the operator.
* **cases**: how many of the standard's node cases of the operator pass, compiled to C, built and run;
  those of Bernoulli, which expect one draw, by the distribution of many draws.
"""


def versions_text(versions: list[int]) -> str:
    return " ".join(map(str, versions))


def types_text(types: list[str]) -> str:
    """Names of types, those of `GROUPS` together where all are there."""
    left, parts = list(types), []
    for name, members in GROUPS.items():
        if set(members) <= set(left):
            parts.append(name)
            left = [t for t in left if t not in members]
    return ", ".join([*parts, *left])


def _types(operator: Operator) -> str:
    others = f" [{types_text(operator.other_types)}]" if operator.other_types else ""
    return types_text(operator.types) + others


def _cases(operator: Operator) -> str:
    if not operator.cases or operator.passed is None:
        return str(operator.cases or "")
    return f"{operator.passed} of {operator.cases}"


def table(operators: list[Operator]) -> Table:
    """A line an operator, refused ones with the reason."""
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    result = Table(box=None, pad_edge=False)
    for heading in ("domain", "operator", "versions", "types", "compiled", "cases"):
        result.add_column(heading, no_wrap=heading in ("domain", "operator"))
    for o in operators:
        how = ", ".join(o.compiled) if o.accepted else Text(f"refused: {o.reason}", "red")
        result.add_row(o.domain, escape(o.name), versions_text(o.versions), Text(_types(o)), how, _cases(o))
    return result


def page(operators: list[Operator]) -> str:
    """The table as Markdown, domain by domain; refused operators last."""
    lines = [_INTRODUCTION.format(version=onnx.__version__)]
    for domain, group in groupby((o for o in operators if o.accepted), key=lambda o: o.domain):
        lines += [f"## {domain}\n", "| operator | versions | types | compiled | cases |", "| --- | --- | --- | --- | --- |"]
        for o in group:
            lines.append(f"| {o.name} | {versions_text(o.versions)} | {_types(o)} | {', '.join(o.compiled)} | {_cases(o)} |")
        lines.append("")
    lines += ["## Refused by name\n", "| domain | operator | versions | what the compiler says |", "| --- | --- | --- | --- |"]
    for o in operators:
        if not o.accepted:
            lines.append(f"| {o.domain} | {o.name} | {versions_text(o.refused_versions)} | {o.reason} |")
    return "\n".join(lines) + "\n"
