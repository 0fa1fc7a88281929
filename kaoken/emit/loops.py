"""Loop nests as C: rows shared by the threads, invariants before their loop, sixteen lanes where memory lies that way."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from kaoken.emit.columns import NARROWEST, Columns, ColumnWriter, columns_of
from kaoken.emit.index_uses import IndexUse
from kaoken.emit.kept_terms import keep_terms
from kaoken.emit.loop_block import Run
from kaoken.emit.loop_values import FEWEST_FOR_LANES, plus
from kaoken.emit.nests import Nest, Place, Store, build_nest, by_rows, innermost, offset_of, running, segments
from kaoken.emit.partition import Partition, nest_partition
from kaoken.emit.transposed import Transposition, in_few_streams, transposition
from kaoken.emit.vector_code import store_code, stored
from kaoken.ir.dims import Dim, Symbol, bounds, dim, factor, minimum, product, substitute, to_c
from kaoken.ir.dtypes import DType, item_size
from kaoken.ir.expr import Expr, Formula, Int, Read, Reduce, Select, axis, extent_of, integer
from kaoken.ir.graph import Value

FEWEST_COPIED = 128
"""Elements of a run that is copied by a call; shorter ones go faster in a loop."""

LINE_BYTES = 64
FAR_BYTES = 32 << 20
"""KK_LINE and KK_FAR_BYTES of kk_far.h."""


def emit_body(
    formula: Formula, dtype: DType, names: dict[Value, str], place: Place, store: Store, trusted: set[IndexUse]
) -> tuple[str, Partition | None]:
    """The body of a function of `kk_thread *t`, operands by `names`, and `y`, that computes the formula; how threads share it.

    `place` and `store` say where elements of operands and of the output lie; `trusted` are inputs checked as indices before.
    """
    emitter = _Emitter(build_nest(formula, place, store, trusted), dtype, names)
    return emitter.run(), emitter.partition


class _Emitter(ColumnWriter):
    def __init__(self, nest: Nest, dtype: DType, names: dict[Value, str]):
        super().__init__(nest, names)
        self.dtype = dtype
        self.partition: Partition | None = None
        self.kept: dict[Reduce, Dim] = {}
        self.elements = product(extent_of(a) for a in nest.axes)
        most = bounds(self.elements)[1]
        self.may_be_far = most is None or most * item_size(dtype) >= FAR_BYTES

    def run(self) -> str:
        """The body. One that copies to a result which may be far asks first whether it is (kk_far.h)."""
        text = self._body()
        if re.search(r"\bfar\b", text):
            self.block.lines.insert(0, f"    const int far = kk_is_far({to_c(self.elements)}, sizeof *y);")
            self.block.line("kk_far_end(far);")
        return "\n".join(self.block.lines)

    def _body(self) -> str:
        nest, block = self.nest, self.block
        if any(extent_of(a) == 0 for a in nest.axes):
            block.line("(void)t;")
            block.line("(void)y;")
            return "\n".join(block.lines)
        if nest.doubtful:
            block.line(f"if ({' || '.join(f'{to_c(extent)} <= 0' for extent in nest.doubtful)})")
            block.line("    return;")
        exchanged = transposition(nest, self.dtype)
        if exchanged is not None:
            self._transpose(exchanged)
            return "\n".join(block.lines)
        columns = columns_of(self)
        if columns is not None:
            self._columns(columns)
            return "\n".join(block.lines)
        inner = innermost(nest)
        outer = in_few_streams(nest, [a for a in nest.axes if a not in inner])
        self.nest = nest = by_rows(nest, outer)
        self.hoist_nest({a.name for a in nest.axes} | {"row"})
        if outer:
            name = "row" if len(outer) > 1 else outer[0].name
            count = product(extent_of(a) for a in outer)
            self.partition = nest_partition(nest, "rows", count, name, outer if len(outer) > 1 else ())
            with self._rows(outer):
                self._keep_terms(inner)
                self.hoist_nest({a.name for a in inner})
                self._loops(inner)
        elif inner:
            self._loops(inner, shared=True)
        else:
            with self._first_thread():
                self._store(nest.body, nest.offset)
        return "\n".join(block.lines)

    def _keep_terms(self, inner: list[Symbol]) -> None:
        """Results computed from the terms of a sum along their row find them where they themselves will lie."""
        found = keep_terms(self, inner[0], self.dtype) if len(inner) == 1 else None
        if found is not None:
            self.nest, self.kept, memory = found
            self.names = {**self.names, memory: "y"}

    def term(self, node: Reduce, element: str, run: Run) -> str:
        if node not in self.kept:
            return element
        name = self._fresh("term")
        self.block.line(f"const kk_f32 {name} = {element};")
        self.block.line(store_code(self.dtype, f"y{plus(self.kept[node])}", name, run.part))
        return name

    def _transpose(self, found: Transposition) -> None:
        """Matrices whose rows and columns are exchanged, by bands of columns that the threads share."""
        length = extent_of(found.columns)
        bands = (length + found.together - 1) // found.together
        band = axis("band", bands)
        others = [a for a in self.nest.axes if a not in (found.rows, found.columns)]
        outer = [*others, *([band] if bands != 1 else [])]
        at: dict[Symbol, Expr] = {
            found.rows: integer(0),
            found.columns: Int(dim(band) * found.together) if bands != 1 else integer(0),
        }
        matrix = self.nest.bound(at, outer)
        self.nest = matrix = by_rows(matrix, outer)
        assert isinstance(matrix.body, Read)
        columns = length if bands == 1 else minimum(length - dim(band) * found.together, dim(found.together))
        if bands != 1 and length % found.together == 0:
            columns = dim(found.together)
        target, source = plus(matrix.offset), plus(offset_of(matrix.body))
        rows, x = to_c(extent_of(found.rows)), f"{self.names[found.read.value]}{source}"
        text = f"kk_transpose_{found.width}(y{target}, {to_c(found.to)}, {x}, {to_c(found.step)}, {rows}, {to_c(columns)}, "
        text += f"{'far' if self.may_be_far else '0'});"
        if found.step == 0:
            text = f"kk_repeat_{found.width}(y{target}, {x}, {to_c(columns)}, {rows});"
        with self._rows(outer, matrix.axes_of_dim(columns)) if outer else self._first_thread():
            self.block.line(text)

    def _columns(self, found: Columns) -> None:
        """Reductions of columns, by bands of these that the threads share."""
        length = extent_of(found.column)
        inside = {a.name for a in (found.column, *found.free)}
        one = length.constant is not None and length.constant <= NARROWEST
        outer = [*found.outer, *([] if one else [axis("band", dim(Symbol("band_count", 1)))])]
        self.hoist_nest({a.name for a in self.nest.axes})
        if not one:
            rows = to_c(product(extent_of(a) for a in found.outer))
            width = f"kk_band({to_c(length)}, {rows}, t->count, {NARROWEST}, {found.widest})"
            self.block.line(f"const int64_t band_width = {width};")
            self.block.line(f"const int64_t band_count = ({to_c(length)} + band_width - 1) / band_width;")
        with self._rows(outer, ["band"]) if outer else self._first_thread():
            first = "0" if one else "band*band_width"
            last = to_c(length) if one else f"kk_min_i64(first + band_width, {to_c(length)})"
            self.block.line(f"const int64_t first = {first}, end_column = {last};")
            self.hoist_nest(inside)
            self.band(found, self.dtype)

    @contextmanager
    def _first_thread(self) -> Iterator[None]:
        self.block.line("if (t->index != 0)")
        self.block.line("    return;")
        yield

    @contextmanager
    def _rows(self, outer: list[Symbol], named: Iterable[str] = ()) -> Iterator[None]:
        """A loop over the outer axes as one, of which every thread takes its share."""
        sizes = [extent_of(a) for a in outer]
        name = "row" if len(outer) > 1 else outer[0].name
        used = self.nest.used_axes().union(named)
        self.block.line(f"const int64_t count = {to_c(product(sizes))}, end = count * (t->index + 1) / t->count;")
        with self.block.braces(f"for (int64_t {name} = count * t->index / t->count; {name} < end; {name}++)"):
            for n, symbol in enumerate(outer if len(outer) > 1 else []):
                if symbol.name in used:
                    inside = f"row % {factor(to_c(product(sizes[n:])))}" if n else "row"
                    stride = product(sizes[n + 1 :])
                    text = f"{inside} / {factor(to_c(stride))}" if stride != 1 else inside
                    self.block.line(f"const int64_t {symbol.name} = {text};")
            yield

    def _loops(self, inner: list[Symbol], shared: bool = False) -> None:
        """The inner axes, one in the other; where there are no rows, the threads share the first."""
        if len(inner) > 1:
            if shared:
                self._share(inner[0], "elements")
            with self.each(inner[0], shared):
                self.hoist_nest({a.name for a in inner[1:]})
                self._loops(inner[1:])
            return
        whole = self.nest
        pieces = segments(whole, inner[0])
        for piece in pieces:
            run = next(a for a in piece.axes if a.name == inner[0].name)
            self.nest = piece
            begun, kept = len(self.block.lines), self.block.declared()
            self.hoist_nest({run.name})
            self._innermost(run, shared)
            if len(pieces) > 1:
                self._enclose(begun)
                self.block.forget(kept)
        self.nest = whole
        if len(pieces) > 1 and shared:
            self.partition = None  # of each piece a thread has a share

    def _share(self, symbol: Symbol, kind: str) -> None:
        """Threads share an axis."""
        self.partition = nest_partition(self.nest, kind, extent_of(symbol), symbol.name)

    def _enclose(self, begun: int) -> None:
        """Braces around what was written since, if it declares anything."""
        block, written = self.block, self.block.lines[begun:]
        indent = "    " * block.depth
        if any(re.match(rf"{indent}(const |float |double |u?int\d+_t |kk_f32 )", line) for line in written):
            block.lines[begun:] = [f"{indent}{{", *(textwrap.indent(line, "    ") for line in written), f"{indent}}}"]

    def _innermost(self, symbol: Symbol, shared: bool) -> None:
        nest = self.nest
        length = extent_of(symbol) - symbol.lower
        if length == 1:
            with self.block.braces("if (t->index == 0)") if shared else nullcontext():
                self._store(nest.body, nest.offset)
            return
        if not self._copies(symbol, shared):
            self._elements(symbol, shared)

    def _elements(self, symbol: Symbol, shared: bool) -> None:
        """A run of elements that are computed, on lanes where that can be."""
        nest = self.nest
        length = extent_of(symbol) - symbol.lower
        element = stored(nest.body)
        contiguous = element is not None and self.steps_by_one(nest.offset, symbol)
        short = length.constant is not None and int(length) < FEWEST_FOR_LANES
        if not contiguous or short or element is None or not self.has_lanes(element, symbol):
            sums = [] if symbol.lower != 0 else running(nest, symbol)
            names = [self.begin_reduction(node) for node, _ in sums]
            if shared:
                self._share(symbol, "elements")
            with self.each(symbol, shared, begins=not sums):
                for (node, step), name in zip(sums, names, strict=True):
                    self.share(step)
                    self.step_reduction(node, name, step)
                with self.block.braces(f"if ({symbol.name} >= begin)") if shared and sums else nullcontext():
                    self._store(nest.body, nest.offset)
            return
        self.hoist_lanes(element, symbol)
        if shared:
            self._share(symbol, "sixteens")
        for run in self.sixteens(symbol, shared):
            self.share(element, run)
            self.block.line(store_code(self.dtype, f"y{plus(nest.offset)}", self.lanes(element, run), run.part))

    def _copies(self, symbol: Symbol, shared: bool) -> bool:
        """A long run of elements that moves as it lies is copied as one, also where a guard that is the same for all of it
        chooses what to copy, and a short one of a result that is far; whether there is one. It may be overwritten where it lies,
        hence memmove."""
        nest, length = self.nest, extent_of(symbol) - symbol.lower
        short = (length.constant or FEWEST_COPIED) < FEWEST_COPIED
        lines = self.may_be_far and not shared and (length.constant or 0) * item_size(self.dtype) >= LINE_BYTES
        if (short and not lines) or not self.steps_by_one(nest.offset, symbol):
            return False
        if isinstance(nest.body, Select):
            return not shared and self._copies_chosen(nest.body, symbol)
        if not isinstance(nest.body, Read) or not self._moves(nest.body, symbol):
            return False
        first, count = dim(symbol.lower), to_c(length)
        if shared:
            self._share(symbol, "elements")
            start = f"{symbol.lower} + " if symbol.lower else ""
            self.block.line(f"const int64_t count = {to_c(length)}, end = {start}count * (t->index + 1) / t->count;")
            self.block.line(f"const int64_t begin = {start}count * t->index / t->count;")
            first, count = dim(Symbol("begin", symbol.lower)), "(end - begin)"
        self.define_fixed(offset_of(nest.body), set())
        target, source = (substitute(o, {symbol: first}) for o in (nest.offset, offset_of(nest.body)))
        name = self.names[nest.body.value]
        operands = f"(y{plus(target)}, {name}{plus(source)}, "
        if short:
            with self.block.braces("if (far)"):
                self.block.line(f"kk_far_copy{operands}{count} * sizeof *y, far);")
            self.block.lines.pop()
            with self.block.braces("} else"):
                self._elements(symbol, shared)
        elif self.may_be_far:
            self.block.line(f"kk_far_copy{operands}(size_t){factor(count)} * sizeof *y, far);")
        else:
            self.block.line(f"memmove{operands}(size_t){factor(count)} * sizeof *y);")
        return True

    def _copies_chosen(self, body: Select, symbol: Symbol) -> bool:
        """A run for which a guard is the same all along."""
        branches = (body.then, body.otherwise)
        if symbol.name in self.nest.axes_of(body.condition) or not any(self._moves(b, symbol) for b in branches):
            return False
        whole = self.nest
        condition = self.scalar(body.condition).text
        for header, branch in zip((f"if ({condition})", "} else"), branches, strict=True):
            if branch is body.otherwise:
                self.block.lines.pop()
            with self.block.braces(header):
                self.nest = replace(whole, body=branch)
                self.hoist_nest({symbol.name})
                self._innermost(symbol, False)
        self.nest = whole
        return True

    def _moves(self, node: Expr, symbol: Symbol) -> bool:
        """Whether a run of the nest's elements is one of memory, or for some outer steps is."""
        if isinstance(node, Select) and symbol.name not in self.nest.axes_of(node.condition):
            return self._moves(node.then, symbol) or self._moves(node.otherwise, symbol)
        return isinstance(node, Read) and node.dtype == self.dtype and self.steps_by_one(offset_of(node), symbol)

    def _store(self, body: Expr, offset: Dim) -> None:
        self.define_fixed(offset, set())
        self.share(body)
        self.block.line(f"y[{to_c(offset)}] = {self.scalar(body).text};")
