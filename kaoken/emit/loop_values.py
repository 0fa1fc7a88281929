"""Values inside a loop nest as C: what is computed before it is used, one element, and sixteen of them on lanes."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from kaoken.emit.index_uses import wrapped_index
from kaoken.emit.lane_rules import LaneRules
from kaoken.emit.loop_block import OWN_NAMES, Block, Run
from kaoken.emit.nests import Nest, offset_of, reductions
from kaoken.emit.scalar_code import (
    CHOICE,
    ONE_LANE,
    Code,
    apply_code,
    call,
    cast_code,
    dim_code,
    literal_code,
    neutral_code,
    short_factors,
)
from kaoken.emit.vector_code import (
    applied_lanes,
    fold_code,
    load_code,
    loaded,
    round_code,
    rounded,
    step_code,
    step_function,
)
from kaoken.ir.dims import Dim, Symbol, dim, factor, is_nonnegative, substitute, to_c
from kaoken.ir.dtypes import C_TYPES
from kaoken.ir.expr import Apply, Cast, Const, Expr, Int, Read, Reduce, Select, bind, children, extent_of, integer, reads, size
from kaoken.ir.graph import Value
from kaoken.passes.recomputation import applies_costly

LANES = 16
MANY_READS = 3
LARGEST_WINDOW = 200
FEWEST_FOR_LANES = 4
"""Loops that are known to be shorter take elements one at a time."""

_RESULT_NAMES = {"sum": "sum", "prod": "product", "max": "largest", "min": "smallest"}


class Writer(LaneRules):
    """Writes the values of a nest. `nest` may be replaced by a piece of it while that is written."""

    def __init__(self, nest: Nest, names: dict[Value, str]):
        self.nest = nest
        self.names = names
        self.block = Block(taken={*names.values(), *nest.dimensions(), *OWN_NAMES})

    # loops ----------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def each(self, symbol: Symbol, shared: bool = False, begins: bool = True) -> Iterator[None]:
        """A loop over an axis, one element after the other; `shared`: of which every thread takes its share. Without `begins` all
        threads come from the first element on: `begin` is where theirs begin."""
        name, first, end = symbol.name, symbol.lower, extent_of(symbol)
        header = f"for (int64_t {name} = {first}; {name} < {to_c(end)}; {name}++)"
        if shared:
            start = f"{first} + " if first else ""
            self.block.line(f"const int64_t count = {to_c(end - first)}, end = {start}count * (t->index + 1) / t->count;")
            header = f"for (int64_t {name} = {start}count * t->index / t->count; {name} < end; {name}++)"
            if not begins:
                self.block.line(f"const int64_t begin = {start}count * t->index / t->count;")
                header = f"for (int64_t {name} = {first}; {name} < end; {name}++)"
        with self.block.braces(header):
            yield

    @contextmanager
    def _nested(self, axes: list[Symbol]) -> Iterator[None]:
        if not axes:
            yield
            return
        with self.each(axes[0]), self._nested(axes[1:]):
            yield

    def sixteens(self, symbol: Symbol, shared: bool = False) -> Iterator[Run]:
        """A loop along an axis in steps of sixteen, then what is left over: yields inside each."""
        name, first, end = symbol.name, symbol.lower, to_c(extent_of(symbol))
        length = (extent_of(symbol) - first).constant
        block, start = self.block, str(first)
        if shared:
            start = f"{first} + " if first else ""
            block.line(f"const int64_t count = {to_c(extent_of(symbol) - first)};")
            block.line(f"const int64_t end = {start}kk_share(count, t->index + 1, t->count);")
            start, end = f"{start}kk_share(count, t->index, t->count)", "end"
        elif length is not None:
            end = str(first + length // LANES * LANES)
        if length is None or length >= LANES:
            bound = f"{name} < {end}" if length is not None and not shared else f"{name} + 16 <= {end}"
            with block.braces(f"for (int64_t {name} = {start}; {bound}; {name} += 16)"):
                yield Run(symbol)
        if length is not None and length % LANES == 0:
            return
        if length is not None and not shared:
            with block.braces(""), self._if_used(name, end):
                yield Run(symbol, str(length % LANES))
            return
        rest = f"(end - {first}) % 16" if first else f"{factor(end)} % 16"
        with block.braces(f"if ({rest} != 0)"):
            block.line(f"const int rest = (int)({rest});")
            with self._if_used(name, f"{end} - rest"):
                yield Run(symbol, "rest")

    @contextmanager
    def _if_used(self, name: str, value: str) -> Iterator[None]:
        """An index, declared if what is written inside needs it."""
        lines = self.block.lines
        first = len(lines)
        self.block.line(f"const int64_t {name} = {value};")
        yield
        if not any(re.search(rf"\b{name}\b", line) for line in lines[first + 1 :]):
            del lines[first]

    # what is computed before it is used -----------------------------------------------------------------------------------------

    def _hoist(self, node: Expr, varying: set[str]) -> None:
        """Give locals to what does not depend on the axes `varying`: reductions, reads, indices and functions of one lane.

        What a guard protects stays where it is.
        """
        if node in self.block.known or isinstance(node, (Const, Int)):
            return
        if isinstance(node, Select):
            self._hoist(node.condition, varying)
            return
        fixed = not (self.nest.axes_of(node) & varying)
        if fixed and (isinstance(node, (Read, Reduce)) or _takes_sixteen(node)):
            self._local(node)
            return
        if isinstance(node, Read):
            self._hoist_indices(node, varying)
            return
        if isinstance(node, Reduce):
            varying = varying | {a.name for a in node.axes}
            if not self._runs(node):
                self._hoist_reductions(node.body, varying)
                return
        for child in children(node):
            self._hoist(child, varying)

    def hoist_nest(self, varying: set[str]) -> None:
        """What of the whole element does not depend on the axes `varying`."""
        self._hoist(self.nest.body, varying)
        self.define_fixed(self.nest.offset, varying)

    def _runs(self, node: Reduce) -> bool:
        """Whether a reduction is known to be of at least one element."""
        extents = [extent_of(a) for a in node.axes]
        return all(e in self.nest.doubtful or is_nonnegative(e - 1) for e in extents)

    def _hoist_reductions(self, node: Expr, varying: set[str]) -> None:
        """Inside a loop that may be empty: reductions alone, whose reads are within loops of their own."""
        if isinstance(node, Reduce) and not (self.nest.axes_of(node) & varying):
            self._hoist(node, varying)
            return
        for child in (node.condition,) if isinstance(node, Select) else children(node):
            self._hoist_reductions(child, varying)

    def _hoist_indices(self, node: Read, varying: set[str]) -> None:
        self.define_fixed(offset_of(node), varying)

    def define_fixed(self, offset: Dim, varying: set[str]) -> None:
        for symbol in self.nest.needed_indices(offset):
            if not (self.nest.axes_of(self.nest.indices[symbol]) & varying):
                self._define(symbol)

    def _define(self, symbol: Symbol) -> None:
        """The local that holds an index from data."""
        if symbol in self.block.defined:
            return
        expression = self.nest.indices[symbol]
        for read in _unguarded_reads(expression):
            self._hoist_indices(read, set())
        text = self.scalar(expression).text
        self.block.line(f"const int64_t {symbol.name} = {text};")
        self.block.defined.add(symbol)

    def _local(self, node: Expr, run: Run | None = None) -> None:
        """A local for an expression, or for sixteen elements of it."""
        if node in (self.block.known if run is None else self.block.lanes):
            return
        if isinstance(node, Reduce):
            if run is None:
                self.scalar(node)
            else:
                self.lanes(node, run)
            return
        if run is None:
            text = self.scalar(node).text
            name = self.block.known[node] = self._fresh(self._name_for(node))
            self.block.line(f"const {C_TYPES[node.dtype]} {name} = {text};")
        else:
            text = self.lanes(node, run)
            name = self.block.lanes[node] = self._fresh(self._name_for(node))
            self.block.line(f"const kk_f32 {name} = {text};")

    def _name_for(self, node: Expr) -> str:
        if isinstance(node, Read):
            return f"{self.names[node.value]}_value"
        return f"{node.function}_value" if isinstance(node, Apply) else "value"

    def _fresh(self, wanted: str) -> str:
        name, n = wanted, 2
        while name in self.block.taken:
            name, n = f"{wanted}{n}", n + 1
        self.block.taken.add(name)
        return name

    def share(self, body: Expr, run: Run | None = None) -> None:
        """Locals for what the body needs more than once, and for its reads where they are many."""
        counts: Counter[Expr] = Counter()
        order: list[Expr] = []

        def count(node: Expr) -> None:
            if isinstance(node, (Const, Int)) or node in self.block.known or node in self.block.lanes:
                return
            if run is not None and run.axis.name not in self.nest.axes_of(node):
                return
            counts[node] += 1
            if counts[node] > 1 or isinstance(node, (Read, Reduce)):
                if counts[node] == 1:
                    order.append(node)
                return
            for child in children(node) if not isinstance(node, Select) or masked(node) else (node.condition,):
                count(child)
            order.append(node)

        def masked(node: Select) -> bool:
            return run is not None and run.axis.name in self.nest.axes_of(node.condition)

        count(body)
        many = sum(isinstance(node, Read) for node in order) >= MANY_READS
        for node in order:
            wanted = counts[node] > 1 and isinstance(node, (Read, Reduce, Apply))
            if (wanted or (many and isinstance(node, Read))) and (run is None or node.dtype == "float32"):
                if isinstance(node, Read):
                    self._hoist_indices(node, set())
                self._local(node, run)

    # one element ----------------------------------------------------------------------------------------------------------------

    def scalar(self, node: Expr) -> Code:
        """C text of one element; statements it needs are written to the block before."""
        if node in self.block.known:
            return Code(self.block.known[node])
        if isinstance(node, Const):
            return literal_code(node)
        if isinstance(node, Int):
            return dim_code(node.value)
        if isinstance(node, Read):
            return Code(f"{self.names[node.value]}[{to_c(self._offset(node))}]")
        if isinstance(node, Cast):
            return cast_code(self.scalar(node.argument), node.argument.dtype, node.dtype)
        if isinstance(node, Apply):
            return self._apply(node)
        if isinstance(node, Select):
            return self._select(node)
        return self._reduce(node)

    def _offset(self, node: Read) -> Dim:
        self.define_fixed(offset_of(node), set())
        return offset_of(node)

    def _apply(self, node: Apply) -> Code:
        if node.function == "min" and node.dtype == "int64":
            inner, last = node.arguments
            if (
                isinstance(inner, Apply)
                and inner.function == "max"
                and inner.arguments[1] == integer(0)
                and isinstance(last, Int)
            ):
                return call("kk_clamp_index", self.scalar(inner.arguments[0]), to_c(last.value + 1))
        return apply_code(node.function, [self.scalar(a) for a in node.arguments], node.arguments[0].dtype)

    def _select(self, node: Select) -> Code:
        index = wrapped_index(node)
        if index is not None:
            return call("kk_wrap_index", self.scalar(index[0]), to_c(index[1]))
        condition = self.scalar(node.condition)
        if not (self.needs_statements(node.then) or self.needs_statements(node.otherwise)):
            then, otherwise = self.scalar(node.then), self.scalar(node.otherwise)
            return Code(f"{condition.inside(CHOICE + 1)} ? {then.inside(CHOICE + 1)} : {otherwise.text}", CHOICE)
        name = self._fresh("value")
        self.block.line(f"{C_TYPES[node.dtype]} {name};")
        with self.block.braces(f"if ({condition.text})"):
            self.block.line(f"{name} = {self.scalar(node.then).text};")
        self.block.lines.pop()
        with self.block.braces("} else"):
            self.block.line(f"{name} = {self.scalar(node.otherwise).text};")
        return Code(name)

    def _reduce(self, node: Reduce) -> Code:
        """Axes outermost first, each ascending; along memory, sixteen lanes and then a fixed tree."""
        self._hoist_reductions(node.body, {a.name for a in node.axes})
        name = self._fresh(_RESULT_NAMES[node.kind])
        last = node.axes[-1]
        length = extent_of(last).constant
        long = length is None or length >= FEWEST_FOR_LANES
        inner = {a.name for a in node.axes}
        if (
            long
            and node.dtype == "float32"
            and not (self.nest.axes_of_dim(extent_of(last)) & inner)
            and self.has_lanes(node.body, last)
        ):
            return self._row_reduction(node, name)
        taps = self._taps(node)
        if taps:
            self.begin_reduction(node, name)
            for tap in taps:
                self.step_reduction(node, name, tap)
            return Code(name)
        factors = short_factors(node)
        wide = node.kind == "sum" and node.dtype == "float32"  # one accumulator of many rounds too often for a float
        if factors is not None:
            self.block.line(f"uint32_t {name} = 0;")
        elif wide:
            self.block.line(f"double {name} = 0.0;")
        else:
            self.begin_reduction(node, name)
        with self._nested(list(node.axes)):
            self.share(node.body)
            if factors is not None:
                self.block.line(f"{name} += (uint32_t)({' * '.join(self.scalar(f).text for f in factors)});")
            elif wide:
                self.block.line(f"{name} += {self.scalar(node.body).text};")
            else:
                self.step_reduction(node, name, node.body)
        name = f"(int32_t){name}" if factors is not None else f"(float){name}" if wide else name
        self.block.known[node] = name
        return Code(name)

    def _taps(self, node: Reduce) -> list[Expr]:
        """The elements of a small window, to be written out: compilers vectorise no loop around another. Else none."""
        extents = [extent_of(a).constant or 0 for a in node.axes]
        simple = not any(self.nest.needed_indices(offset_of(r)) for r in reads(node.body)) and not any(reductions(node.body))
        if not simple or not 0 < math.prod(extents) * size(node.body) <= LARGEST_WINDOW:
            return []
        places = itertools.product(*map(range, extents))
        return [bind(node.body, {a: integer(n) for a, n in zip(node.axes, at, strict=True)}) for at in places]

    def result_name(self, node: Reduce) -> str:
        return _RESULT_NAMES[node.kind]

    def begin_reduction(self, node: Reduce, name: str = "") -> str:
        """The local that a reduction is gathered in, as long as nothing is."""
        name = name or self._fresh(_RESULT_NAMES[node.kind])
        self.block.line(f"{C_TYPES[node.dtype]} {name} = {neutral_code(node.kind, node.dtype).text};")
        return name

    def step_reduction(self, node: Reduce, name: str, element: Expr) -> None:
        """One element more; from here on the local is what the reduction is, to this element."""
        step = apply_code(step_function(node.kind), [Code(name), self.scalar(element)], node.dtype)
        self.block.line(f"{name} = {step.text};")
        self.block.known[node] = name

    def _row_reduction(self, node: Reduce, name: str) -> Code:
        row = self._row(node) if node.kind in ("max", "min") else None
        if row is not None:
            self.block.line(f"const float {name} = kk_row_{node.kind}({row}, {to_c(extent_of(node.axes[0]))});")
            self.block.known[node] = name
            return Code(name)
        partial = self._fresh("lanes")
        neutral = neutral_code(node.kind, "float32").text
        self.block.line(f"kk_f32 {partial} = {'kk_zero()' if node.kind == 'sum' else f'kk_set1({neutral})'};")
        with self._nested(list(node.axes[:-1])):
            if self._runs(node):
                self.hoist_lanes(node.body, node.axes[-1])
            for run in self.sixteens(node.axes[-1]):
                self.share(node.body, run)
                element = self.lanes(node.body, run)
                loads = isinstance(node.body, Read) and node.axes[-1].name in self.nest.axes_of(node.body)
                if run.part and not (node.kind == "sum" and loads):  # what is loaded is 0 behind the last
                    element = f"kk_select(kk_mask_first({run.part}), {element}, kk_set1({neutral}))"
                element = self.term(node, element, run)
                if not run.part and applies_costly(node.body):
                    self._fetch_next(node)
                self.block.line(f"{partial} = {step_code(node.kind, partial, element)};")
        self.block.line(f"const float {name} = {fold_code(node.kind, partial)};")
        self.block.known[node] = name
        return Code(name)

    def _row(self, node: Reduce) -> str | None:
        """Where a row of float32 begins that is reduced as it lies in memory."""
        if len(node.axes) != 1 or not isinstance(node.body, Read) or node.body.dtype != "float32":
            return None
        at = offset_of(node.body)
        if not self.steps_by_one(at, node.axes[0]) or self.nest.needed_indices(at):
            return None
        return f"{self.names[node.body.value]}{plus(substitute(at, {node.axes[0]: dim(0)}))}"

    def _fetch_next(self, node: Reduce) -> None:
        """While costly functions of a row are computed, the row behind it may come from memory."""
        last = node.axes[-1]
        for read in dict.fromkeys(reads(node.body)):
            at = offset_of(read)
            if self.steps_by_one(at, last) and not self.nest.needed_indices(at) and read.value.dtype == "float32":
                self.block.line(f"kk_prefetch_next({self.names[read.value]}{plus(at)}, {to_c(extent_of(last))});")

    def term(self, node: Reduce, element: str, run: Run) -> str:
        """Sixteen terms of a reduction along a row, which a subclass may store as well."""
        return element

    # sixteen elements -----------------------------------------------------------------------------------------------------------

    def hoist_lanes(self, node: Expr, symbol: Symbol) -> None:
        """Before a loop over lanes: the constants of it, one in all lanes. What a guard or another loop protects stays inside."""
        if node in self.block.lanes or isinstance(node, (Const, Int)):
            return
        if symbol.name not in self.nest.axes_of(node):
            if node.dtype == "float32":
                text = self.scalar(node).text
                self.block.lanes[node] = self._fresh(f"{self._name_for(node)}_lanes")
                self.block.line(f"const kk_f32 {self.block.lanes[node]} = kk_set1({text});")
            return
        if isinstance(node, Read):
            self._hoist_indices(node, {symbol.name})
        elif not isinstance(node, Reduce):
            for child in (node.condition,) if isinstance(node, Select) else children(node):
                self.hoist_lanes(child, symbol)

    def lanes(self, node: Expr, run: Run) -> str:
        """C text of sixteen elements (a kk_f32, or a kk_mask of bools)."""
        if node in self.block.lanes:
            return self.block.lanes[node]
        if run.axis.name not in self.nest.axes_of(node):
            return f"kk_set1({self.scalar(node).text})"
        read, kept = loaded(node), rounded(node)
        if read is not None:
            return load_code(read.dtype, f"{self.names[read.value]}{plus(self._offset(read))}", run.part)
        if kept is not None:
            return round_code(node, self.lanes(kept, run))
        if isinstance(node, Apply):
            return applied_lanes(node, [self.lanes(a, run) for a in node.arguments])
        if isinstance(node, Select):
            then, otherwise = self.lanes(node.then, run), self.lanes(node.otherwise, run)
            if run.axis.name not in self.nest.axes_of(node.condition):
                return f"{self.scalar(node.condition).inside(CHOICE + 1)} ? {then} : {otherwise}"
            return f"kk_select({self.lanes(node.condition, run)}, {then}, {otherwise})"
        assert isinstance(node, Reduce)
        name = self._fresh(_RESULT_NAMES[node.kind])
        neutral = neutral_code(node.kind, "float32").text
        self.block.line(f"kk_f32 {name} = {'kk_zero()' if node.kind == 'sum' else f'kk_set1({neutral})'};")
        with self._nested(list(node.axes)):
            self.share(node.body, run)
            self.block.line(f"{name} = {step_code(node.kind, name, self.lanes(node.body, run))};")
        self.block.lanes[node] = name
        return name


def plus(offset: Dim) -> str:
    text = to_c(offset)
    return "" if text == "0" else f" - {text[1:]}" if text.startswith("-") else f" + {text}"


def _takes_sixteen(node: Expr) -> bool:
    return isinstance(node, Apply) and node.function in ONE_LANE and node.dtype == "float32"


def _unguarded_reads(node: Expr) -> Iterator[Read]:
    if isinstance(node, Read):
        yield node
    for child in (node.condition,) if isinstance(node, Select) else children(node):
        yield from _unguarded_reads(child)


__all__ = ["FEWEST_FOR_LANES", "Block", "Run", "Writer", "plus"]
