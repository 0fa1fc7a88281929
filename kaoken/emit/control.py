"""Steps as lines of C: calls, layers, and around them `if`, `for` and the sizes that they find.

Every thread of a call runs these lines. What decides is read where a barrier lies between the write and every thread's look, and
nothing writes it again before the next barrier: so all take the same way, and all give a size the same value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kaoken.emit.blocks import Step
from kaoken.emit.program import Argument
from kaoken.emit.steps import Branch, Copy, FindSize, Repeat, RunRoutine
from kaoken.ir.dims import Dim, Symbol, dim, is_nonnegative, to_c
from kaoken.ir.found_sizes import smallest
from kaoken.ir.graph import Node

INDENT = "    "


def barrier(step: int | str) -> str:
    """The line that ends a step: all threads meet."""
    return f"kk_barrier(t, {step});"


def is_barrier(line: str) -> bool:
    return line.startswith("kk_barrier(")


class Assignment(str):
    """A line that gives a symbol its value; it goes where nobody asks for that."""

    name: str
    value: str

    @staticmethod
    def of(name: str, value: str) -> Assignment:
        line = Assignment(f"{name} = {value};")
        line.name, line.value = name, value
        return line

    def indented(self) -> Assignment:
        line = Assignment(INDENT + self)
        line.name, line.value = self.name, self.value
        return line


@dataclass
class StepWriter:
    """Writes steps. `plain` gives the lines of a call or a layer, `pointer` the C text of an argument, `number` the step that
    a node of control flow is."""

    plain: Callable[[Step], list[str]]
    pointer: Callable[[Argument], str]
    number: Callable[[Node], int]

    def lines(self, steps: Sequence[Step]) -> list[str]:
        """The lines of some steps; behind the last one all threads have met."""
        return [line for step in steps for line in self.step(step)]

    def step(self, step: Step) -> list[str]:
        if isinstance(step, Branch):
            return self._branch(step)
        if isinstance(step, Repeat):
            return self._repeat(step)
        if isinstance(step, FindSize):
            return self._find(step)
        if isinstance(step, RunRoutine):
            return self._routine(step)
        if isinstance(step, Copy):
            return [f"kk_copy(t, {self.pointer(step.target)}, {self.pointer(step.source)}, {step.bytes});"]
        return self.plain(step)

    def _read(self, argument: Argument) -> str:
        """The element that a pointer is to."""
        text = self.pointer(argument)
        return f"*{text}" if re.fullmatch(r"[\w>-]+", text) else f"*({text})"

    def _branch(self, step: Branch) -> list[str]:
        result = [f"/* {_title(step.node)} */", f"if ({self._read(step.condition)}) {{"]
        for n, body in enumerate(step.bodies):
            lines = self.lines(body)
            if not any(map(is_barrier, lines)):
                lines.append(barrier(self.number(step.node)))  # what the condition lies in may be written again behind the branch
            for symbol, *extents in (*step.node.attrs["sizes"], *step.node.attrs["elements"]):
                lines += _give(symbol, extents[n])
            result += [*(["} else {"] if n else []), *_indented(lines)]
        return [*result, "}"]

    def _repeat(self, step: Repeat) -> list[str]:
        attrs = step.node.attrs
        index: Symbol = attrs["index"]
        own = re.sub(r"_i(?=_*$)", "", index.name)
        lines = [f"/* {_title(step.node)} */"]
        tests = []
        if attrs["limit"] is not None:
            tests.append(f"{index.name} < {to_c(attrs['limit'])}")
        elif step.limit is not None:
            lines.append(f"const int64_t {own}_limit = {self._read(step.limit)};")
            tests.append(f"{index.name} < {own}_limit")
        if step.begins is not None or step.goes_on is not None:
            lines.append(f"int {own}_goes_on = {'1' if step.begins is None else self._read(step.begins) + ' != 0'};")
            tests.append(f"{own}_goes_on")
        for copy in step.before:
            lines += self.step(copy)
        for symbol, first, _ in attrs["sizes"]:
            lines += _give(symbol, first)
        for symbol, _ in attrs["equal"]:
            lines.append(Assignment.of(symbol.name, "0"))
        trips = _own_symbol(step.node, attrs["trips"])
        if trips is not None:
            lines.append(Assignment.of(trips.name, "0"))
        if step.before or step.limit is not None or step.begins is not None:
            lines.append(barrier(self.number(step.node)))
        lines.append(f"for (int64_t {index.name} = 0; {' && '.join(tests)}; {index.name}++) {{")
        bounded = attrs["limit"] is None and index.upper is not None
        within = _unless(f"{index.name} <= {to_c(index.upper or 0)}") if bounded else []
        lines += _indented([*within, *self.lines(step.body), *self._trip_ends(step, index, own)])
        return [*lines, "}"]

    def _trip_ends(self, step: Repeat, index: Symbol, own: str) -> list[str]:
        attrs = step.node.attrs
        lines = [line for copy in step.after for line in self.step(copy)]
        if step.goes_on is not None:
            lines.append(f"{own}_goes_on = {self._read(step.goes_on)} != 0;")
        if lines:
            lines.append(barrier(self.number(step.node)))
        for symbol, extent in attrs["equal"]:
            lines += _unless(f"{index.name} == 0 || {symbol.name} == {to_c(extent)}")
            lines += _give(symbol, extent)
        sizes = [(symbol, after) for symbol, _, after in attrs["sizes"]]
        later = [s for n, (s, _) in enumerate(sizes) if any(s in after.symbols() for _, after in sizes[n + 1 :])]
        for symbol, after in sizes:
            if symbol in later:
                lines.append(f"const int64_t next_{symbol.name} = {to_c(after)};")
        for symbol, after in sizes:
            lines += _give(symbol, after, f"next_{symbol.name}" if symbol in later else None)
        trips = _own_symbol(step.node, attrs["trips"])
        if trips is not None:
            lines.append(Assignment.of(trips.name, f"{index.name} + 1"))
        return lines

    def _routine(self, step: RunRoutine) -> list[str]:
        arguments = [*map(self.pointer, step.pointers), *step.sizes]
        meet = barrier(self.number(step.node))
        lines: list[str] = [f"/* {_title(step.node)} */"]
        for copy in step.before:
            lines += [*self.step(copy), meet]
        lines += [f"{step.function}(t, {', '.join(arguments)});", meet]
        finds = step.node.finds
        for symbol, source in zip(finds, step.pointers[len(step.pointers) - len(finds) :], strict=True):
            lines.append(Assignment.of(symbol.name, self._read(source)))
        bounds = {s.name: to_c(s.upper) for s in finds if s.upper is not None}
        tests = [f"{name} <= {bound}" for name, bound in bounds.items() if bound != step.sizes[0]]
        return [*lines, meet, *(_unless(" && ".join(tests)) if tests else [])] if finds else lines

    def _find(self, step: FindSize) -> list[str]:
        symbol = step.node.finds[0]
        lines: list[str] = [f"/* {_title(step.node)} */", Assignment.of(symbol.name, self._read(step.source))]
        lines.append(barrier(self.number(step.node)))
        tests = [f"{symbol.name} >= {symbol.lower}"]
        tests += [f"{symbol.name} <= {to_c(symbol.upper)}"] if symbol.upper is not None else []
        low = f"{symbol.name} < {symbol.lower} ? KK_ERROR_RANGE : KK_ERROR_CAPACITY"
        return lines + _unless(" && ".join(tests), "KK_ERROR_RANGE" if step.node.attrs.get("checks") else low)


def _own_symbol(node: Node, extent: Dim) -> Symbol | None:
    """The symbol that a loop counts its trips in, if it needs one."""
    symbols = [s for s in extent.symbols() if s in node.finds]
    return symbols[0] if symbols and extent == dim(symbols[0]) else None


def _give(symbol: Symbol, extent: Dim, text: str | None = None) -> list[str]:
    """A symbol gets its value, which is checked unless it is known to lie within the symbol's bounds."""
    lines: list[str] = [Assignment.of(symbol.name, text or to_c(extent))]
    tests = []
    if not _holds(smallest(extent - symbol.lower)):
        tests.append(f"{symbol.name} >= {symbol.lower}")
    if symbol.upper is not None and not _holds(smallest(dim(symbol.upper) - extent)):
        tests.append(f"{symbol.name} <= {to_c(symbol.upper)}")
    return lines + (_unless(" && ".join(tests)) if tests else [])


def _holds(difference: Dim | None) -> bool:
    return difference is not None and is_nonnegative(difference)


def _unless(test: str, status: str = "KK_ERROR_CAPACITY") -> list[str]:
    """The call ends with a status unless the test holds."""
    return [f"if (!({test})) {{", f"{INDENT}stop(c, t, {status});", f"{INDENT}return;", "}"]


def _indented(lines: Iterable[str]) -> list[str]:
    return [line.indented() if isinstance(line, Assignment) else INDENT + line for line in lines]


def _title(node: Node) -> str:
    name = node.origin[-1] if node.origin else node.op
    return name.replace("*/", "* /")


def without_unread(lines: list[str]) -> list[str]:
    """The lines without assignments to symbols that no other line reads."""
    assignments = [line for line in lines if isinstance(line, Assignment)]
    rest = "\n".join(line for line in lines if not isinstance(line, Assignment))
    words = set(re.findall(r"(?<![\w>.])[A-Za-z_]\w*", rest))
    read = {a.name for a in assignments if a.name in words}
    while True:
        more = {a.name for a in assignments for b in assignments if b.name in read and _reads(b, a.name)}
        if more <= read:
            return [line for line in lines if not isinstance(line, Assignment) or line.name in read]
        read |= more


def _reads(line: Assignment, name: str) -> bool:
    return re.search(rf"(?<![\w>.]){name}\b", line.value) is not None


def assigned(lines: Iterable[str]) -> list[str]:
    """The symbols that lines assign to, in order."""
    return list(dict.fromkeys(line.name for line in lines if isinstance(line, Assignment)))
