"""Reductions along other axes than memory's last: many columns at once, row after row, with the results so far in local arrays.

Where results lie side by side and so do the elements of each step, a loop over the steps that takes all columns of a band inside
reads memory as it lies. Each result keeps its order, the steps ascending, and its one accumulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kaoken.emit.loop_block import Run
from kaoken.emit.loop_values import Writer, plus
from kaoken.emit.nests import Nest, running
from kaoken.emit.scalar_code import Code, apply_code, neutral_code
from kaoken.emit.vector_code import load_code, step_code, step_function, store_code, stored
from kaoken.ir.dims import Symbol, dim, product, substitute, to_c
from kaoken.ir.dtypes import C_TYPES, DType
from kaoken.ir.expr import Apply, Expr, Reduce, Select, children, extent_of
from kaoken.passes.recomputation import applies_costly

ACCUMULATORS = 4096
"""Floats on the stack for all arrays of a band: they stay in the nearest cache, and the pieces of rows are as long as that lets
them be, since short ones far apart are read at a third of the speed."""

NARROWEST = 256
"""Columns of a band, where there are fewer rows than threads to share the work."""

FEWEST_COLUMNS, FEW_STEPS, MOST_ARRAYS = 16, 8, 6
"""A reduction of few steps keeps its accumulator in a register; more arrays than these are much for a stack."""


@dataclass(frozen=True)
class Columns:
    """What of a nest runs how: rows are made of `outer` and the bands of `column`; reductions go into `arrays`, those first that
    others need, and slow functions of these into arrays too (`values`); then the `free` axes run one in the other.

    `steps` are reductions over all elements up to the one at work on the only free axis, with the element of each step.
    """

    column: Symbol
    outer: tuple[Symbol, ...]
    free: tuple[Symbol, ...]
    arrays: tuple[Reduce, ...]
    values: tuple[Apply, ...]
    steps: tuple[tuple[Reduce, Expr], ...]

    @property
    def widest(self) -> int:
        """Columns that a band has room for: a power of two, or what there are."""
        room = 1 << (ACCUMULATORS // (len(self.arrays) + len(self.values) + len(self.steps))).bit_length() - 1
        return min(room, -(-(extent_of(self.column).constant or room) // 16) * 16)


def columns_of(writer: Writer) -> Columns | None:
    """How the writer's nest reduces columns, if it does."""
    nest = writer.nest
    column = next((a for a in nest.axes if writer.steps_by_one(nest.offset, a)), None)
    if column is None or (extent_of(column).constant or FEWEST_COLUMNS) < FEWEST_COLUMNS:
        return None
    found = _long_reductions(nest, column)
    if not 0 < len(found) <= MOST_ARRAYS or not writer.along(nest.body, column):
        return None
    others = [a for a in nest.axes if a != column]
    over = next((a for a in others if running(nest, a)), None)
    steps = [(node, step) for node, step in running(nest, over) if node in found] if over is not None else []
    arrays = [node for node in found if node not in dict(steps)]
    fixed: set[str] = set().union(*map(nest.axes_of, arrays))
    for node, _ in steps:
        fixed |= nest.axes_of(node)
    free = [a for a in others if a.name not in fixed or (steps and a == over)]
    if steps and (free != [over] or any(over.name in nest.axes_of(node) for node in arrays if over is not None)):
        return None
    values = tuple(_slow_values(writer, column, {a.name for a in free})) if free and not steps else ()
    return Columns(column, tuple(a for a in others if a not in free), tuple(free), tuple(arrays), values, tuple(steps))


def _slow_values(writer: Writer, column: Symbol, free: set[str]) -> list[Apply]:
    """Divisions, roots and the like that differ from column to column alone: each is computed once. What is guarded stays."""
    found: list[Apply] = []

    def visit(node: Expr) -> None:
        axes = writer.nest.axes_of(node)
        if isinstance(node, Apply) and column.name in axes and not axes & free and node.dtype == "float32":
            if (
                (node.function in ("div", "sqrt") or applies_costly(node))
                and writer.has_lanes(node, column)
                and node not in found
            ):
                found.append(node)
        elif not isinstance(node, Reduce):
            for child in (node.condition,) if isinstance(node, Select) else children(node):
                visit(child)

    visit(writer.nest.body)
    return found


def _long_reductions(nest: Nest, column: Symbol) -> list[Reduce]:
    """Long reductions that differ from column to column and depend on loop axes alone, those first that others need."""
    loops = {a.name for a in nest.axes}
    found: list[Reduce] = []

    def visit(node: Expr) -> None:
        for child in children(node):
            visit(child)
        if isinstance(node, Reduce) and node not in found:
            axes, count = nest.axes_of(node), product(extent_of(a) for a in node.axes).constant
            extents = set().union(*(nest.axes_of_dim(extent_of(a)) for a in node.axes))
            if column.name in axes and axes <= loops and column.name not in extents and (count is None or count > FEW_STEPS):
                found.append(node)

    visit(nest.body)
    return found


class ColumnWriter(Writer):
    """Writes a band of columns, from `first` to `end`."""

    def band(self, columns: Columns, dtype: DType) -> None:
        """The reductions of a band, then its results, which are of the type."""
        column, block = columns.column, self.block
        for node, step in columns.steps:
            if node == self.nest.body and not self.nest.needed_indices(self.nest.offset):
                self._running_rows(node, step, columns.free[0], column)
                return
        for node in columns.arrays:
            name = self._array(node, columns.widest)
            with self._nested(list(node.axes)):
                self._advance(node, name, node.body, column)
            self._known(node, name, column)
        for fixed in columns.values:
            name = self._fresh(f"{fixed.function}_columns")
            self.block.line(f"float {name}[{columns.widest}];")
            for run in self._runs_of(column):
                self.share(fixed, run)
                block.line(f"kk_store({name} + {column.name} - first, {self.lanes(fixed, run)});")
            self._known(fixed, name, column)
        names = [self._array(node, columns.widest) for node, _ in columns.steps]
        for (node, _), name in zip(columns.steps, names, strict=True):
            self._known(node, name, column)
        with self._nested(list(columns.free)):
            element = stored(self.nest.body)
            on_lanes = element is not None and self.has_lanes(element, column)
            together = on_lanes and all(self._on_lanes(node, step, column) for node, step in columns.steps)
            for (node, step), name in zip([] if together else columns.steps, names, strict=False):
                self._advance(node, name, step, column)
            if on_lanes and element is not None:
                for _, step in columns.steps if together else ():
                    self.hoist_lanes(step, column)
                self.hoist_lanes(element, column)
                for run in self._runs_of(column):
                    for (node, step), name in zip(columns.steps if together else (), names, strict=False):
                        self._advance_lanes(node, name, step, run)
                    self.share(element, run)
                    value = self.lanes(element, run)
                    block.line(store_code(dtype, f"y{plus(self.nest.offset)}", value, run.part))
                return
            with self._each_of(column):
                self.define_fixed(self.nest.offset, set())
                self.share(self.nest.body)
                block.line(f"y[{to_c(self.nest.offset)}] = {self.scalar(self.nest.body).text};")

    def _running_rows(self, node: Reduce, element: Expr, over: Symbol, column: Symbol) -> None:
        """Results that are themselves the reduction up to each need no array: a row of them is made from the row before."""
        offset = self.nest.offset
        before = f"y{plus(substitute(offset, {over: dim(over) - 1}))}"
        on_lanes = self._on_lanes(node, element, column)
        neutral = neutral_code(node.kind, node.dtype)
        with self.each(over):
            self._hoist(element, {column.name})
            for header, first in ((f"if ({over.name} == 0)", True), ("} else", False)):
                if not first:
                    self.block.lines.pop()
                with self.block.braces(header):
                    if on_lanes:
                        self.hoist_lanes(element, column)
                    for run in self._runs_of(column) if on_lanes else ():
                        self.share(element, run)
                        sofar = f"kk_set1({neutral.text})" if first else load_code(node.dtype, before, run.part)
                        value = step_code(node.kind, sofar, self.lanes(element, run))
                        self.block.line(store_code(node.dtype, f"y{plus(offset)}", value, run.part))
                    if not on_lanes:
                        with self._each_of(column):
                            self.share(element)
                            sofar_code = neutral if first else Code(f"*({before})")
                            step = apply_code(step_function(node.kind), [sofar_code, self.scalar(element)], node.dtype)
                            self.block.line(f"y[{to_c(offset)}] = {step.text};")

    def _array(self, node: Reduce, width: int) -> str:
        """The array that a reduction is gathered in, as long as nothing is."""
        name = self._fresh(f"{self.result_name(node)}_columns")
        self.block.line(f"{C_TYPES[node.dtype]} {name}[{width}];")
        with self.block.braces(f"for (int64_t i = 0; i < {'band_width' if width > NARROWEST else width}; i++)"):
            self.block.line(f"{name}[i] = {neutral_code(node.kind, node.dtype).text};")
        return name

    def _known(self, node: Expr, name: str, column: Symbol) -> None:
        """From here on the reduction is what the array holds."""
        self.block.known[node] = f"{name}[{column.name} - first]"
        if node.dtype == "float32":
            self.block.lanes[node] = f"kk_load({name} + {column.name} - first)"

    def _advance(self, node: Reduce, name: str, element: Expr, column: Symbol) -> None:
        """One step of a reduction, for every column."""
        self._hoist(element, {column.name})
        if self._on_lanes(node, element, column):
            self.hoist_lanes(element, column)
            for run in self._runs_of(column):
                self._advance_lanes(node, name, element, run)
            return
        with self._each_of(column):
            self.share(element)
            sofar = f"{name}[{column.name} - first]"
            step = apply_code(step_function(node.kind), [Code(sofar), self.scalar(element)], node.dtype)
            self.block.line(f"{sofar} = {step.text};")

    def _on_lanes(self, node: Reduce, element: Expr, column: Symbol) -> bool:
        return node.dtype == "float32" and self.has_lanes(element, column, reducing=True)

    def _advance_lanes(self, node: Reduce, name: str, element: Expr, run: Run) -> None:
        at = f"{name} + {run.axis.name} - first"
        self.share(element, run)
        value = step_code(node.kind, f"kk_load({at})", self.lanes(element, run))
        self.block.line(f"kk_store({at}, {value});")

    @contextmanager
    def _each_of(self, column: Symbol) -> Iterator[None]:
        with self.block.braces(f"for (int64_t {column.name} = first; {column.name} < end_column; {column.name}++)"):
            yield

    def _runs_of(self, column: Symbol) -> Iterator[Run]:
        """The columns of a band by sixteens; an array has room for a whole one."""
        name, length = column.name, extent_of(column).constant
        with self.block.braces(f"for (int64_t {name} = first; {name} + 16 <= end_column; {name} += 16)"):
            yield Run(column)
        if length is None or length % 16:
            with self.block.braces("if (end_column % 16 != 0)"):
                self.block.line("const int rest = (int)(end_column % 16);")
                self.block.line(f"const int64_t {name} = end_column - rest;")
                yield Run(column, "rest")
