"""From a formula to a loop nest: reads become offsets, axes that lie side by side become one, guards become segments."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kaoken.emit.index_uses import IndexUse, index_use
from kaoken.ir.dims import Atom, Call, Dim, Symbol, dim, evaluate, is_nonnegative, product, substitute
from kaoken.ir.expr import (
    TRUE,
    Apply,
    Expr,
    Formula,
    Int,
    Read,
    Reduce,
    apply,
    axis,
    bind,
    cast,
    children,
    const,
    extent_of,
    integer,
    map_children,
    reads,
    reduce,
    rewrite,
    select,
)
from kaoken.ir.graph import Value

Place = Callable[[Value, list[Dim]], Dim]
Index = Callable[[Expr], Dim]
"""Gives an int64 expression from data a symbol."""
Store = Callable[[list[Dim], Index], Dim]

MOST_SEGMENTS = 4
"""An innermost loop is cut where guards or steps through memory change if that makes no more pieces than this."""

MOST_STEPS = 8192
"""Along longer axes no change of steps is looked for."""


@dataclass(frozen=True)
class Nest:
    """What is computed at each point of the axes.

    Reads in `body` have one index, the offset in memory. `indices` are the symbols that stand for what comes from data, with the
    expressions that give them. `offset` is where the element goes. `doubtful` are extents that may be 0 in a call.
    """

    axes: tuple[Symbol, ...]
    body: Expr
    offset: Dim
    indices: dict[Symbol, Expr]
    doubtful: tuple[Dim, ...] = ()

    def bound(self, values: dict[Symbol, Expr], axes: Sequence[Symbol]) -> Nest:
        """The nest with axes replaced by expressions of other axes."""
        integers = {s: e.value for s, e in values.items() if isinstance(e, Int)}
        indices = {s: bind(e, values) for s, e in self.indices.items()}
        return Nest(tuple(axes), bind(self.body, values), substitute(self.offset, integers), indices, self.doubtful)

    def axes_of(self, node: Expr) -> set[str]:
        """Names of the loop axes that an expression depends on, through indices from data too, its own reductions' excepted."""
        if isinstance(node, Int):
            return self.axes_of_dim(node.value)
        found: set[str] = set()
        for child in children(node):
            found |= self.axes_of(child)
        if isinstance(node, Reduce):
            for symbol in node.axes:
                found |= self.axes_of_dim(extent_of(symbol))
            found -= {symbol.name for symbol in node.axes}
        return found

    def axes_of_dim(self, value: Dim) -> set[str]:
        found: set[str] = set()
        for symbol in value.symbols():
            if symbol in self.indices:
                found |= self.axes_of(self.indices[symbol])
            elif symbol.is_axis:
                found.add(symbol.name)
        return found

    def dimensions(self) -> set[str]:
        """Names of the model's dimensions that offsets, extents or values are made of."""
        found: set[Symbol] = set()

        def visit(node: Expr) -> None:
            if isinstance(node, Int):
                found.update(node.value.symbols())
            for own in node.axes if isinstance(node, Reduce) else ():
                found.update(extent_of(own).symbols())
            for child in children(node):
                visit(child)

        for expression in (self.body, Int(self.offset), *self.indices.values(), *(Int(extent_of(a)) for a in self.axes)):
            visit(expression)
        return {symbol.name for symbol in found if not symbol.is_axis}

    def used_axes(self) -> set[str]:
        """Names of all axes that anything depends on."""
        return self.axes_of(self.body).union(self.axes_of_dim(self.offset), *map(self.axes_of, self.indices.values()))

    def needed_indices(self, value: Dim) -> list[Symbol]:
        """The symbols from data that an offset is made of, in the order in which they were made."""
        used = value.symbols()
        return [s for s in self.indices if s in used]


def build_nest(formula: Formula, place: Place, store: Store, trusted: set[IndexUse]) -> Nest:
    """The nest of a formula. `place` and `store` give offsets; `trusted` are inputs whose elements were checked to be indices
    (negative ones count from the end) into an axis of that extent: all other indices from data are clamped."""
    flat = _Flattener(place, trusted)
    body = flat.visit(_with_named_reductions(formula.body))
    body = _with_joined_reductions(body, set(flat.indices))
    offset = store([dim(a) for a in formula.axes], flat.index)
    axes = tuple(a for a in formula.axes if extent_of(a) != 1)
    doubtful = tuple(dict.fromkeys(extent_of(a) for a in axes if not is_nonnegative(extent_of(a) - 1)))
    return _joined(_split(Nest(axes, body, offset, flat.indices, doubtful)))


def _with_named_reductions(expression: Expr) -> Expr:
    """Reduction axes named by how many stand inside them, so that reductions which compute the same are equal."""
    counter = itertools.count()

    def distinct(node: Expr) -> Expr:
        if isinstance(node, Reduce):
            renamed = _renamed(node, [f"own{next(counter)}" for _ in node.axes])
            return replace(renamed, body=distinct(renamed.body))
        return map_children(node, distinct)

    def named(node: Expr) -> Expr:
        if not isinstance(node, Reduce):
            return map_children(node, named)
        body = named(node.body)
        first = _height(body)
        made = _renamed(replace(node, body=body), [f"k{first + n}" for n in range(len(node.axes))])
        return reduce(made.kind, tuple(a for a in made.axes if extent_of(a) != 1), made.body)

    return named(distinct(expression))


def _renamed(node: Reduce, names: list[str]) -> Reduce:
    """The reduction with other names for its axes; one of extent 1 is 0 in the body."""
    mapping: dict[Symbol, Expr] = {}
    axes: list[Symbol] = []
    for symbol, name in zip(node.axes, names, strict=True):
        before = {s: e.value for s, e in mapping.items() if isinstance(e, Int)}
        axes.append(axis(name, substitute(extent_of(symbol), before)))
        mapping[symbol] = Int(dim(axes[-1]))
    return Reduce(node.kind, tuple(axes), bind(node.body, mapping))


def _height(node: Expr) -> int:
    """How many loops the reductions in an expression nest."""
    inner = max(map(_height, children(node)), default=0)
    return inner + len(node.axes) if isinstance(node, Reduce) else inner


class _Flattener:
    def __init__(self, place: Place, trusted: set[IndexUse]):
        self.place = place
        self.trusted = trusted
        self.indices: dict[Symbol, Expr] = {}

    def visit(self, node: Expr) -> Expr:
        return self.read(node) if isinstance(node, Read) else map_children(node, self.visit)

    def read(self, node: Read) -> Expr:
        at: list[Dim] = []
        filled: Expr = TRUE
        for given, extent in zip(node.indices, node.value.shape, strict=True):
            if isinstance(given, Int):
                at.append(given.value)
                continue
            if extent == 0:
                return const(0, node.dtype)
            checked = index_use(given)
            trusted = checked is not None and checked in self.trusted and checked.extent == extent
            index = cast(self.visit(given), "int64")
            if not trusted:
                index = apply("min", apply("max", index, integer(0)), Int(extent - 1))
                filled = apply("and", filled, apply("gt", Int(extent), integer(0)))
            at.append(dim(0) if extent == 1 else self.index(index, extent))
        return select(filled, Read(node.value, (Int(self.place(node.value, at)),)), const(0, node.dtype))

    def index(self, expression: Expr, extent: Dim | None = None) -> Dim:
        """A symbol that stands for an int64 expression from data."""
        if isinstance(expression, Int):
            return expression.value
        for symbol, known in self.indices.items():
            if known == expression:
                return dim(symbol)
        upper = extent - 1 if extent is not None else None
        symbol = Symbol(f"index{len(self.indices) + 1}", 0, upper, True)
        self.indices[symbol] = expression
        return dim(symbol)


def _split(nest: Nest) -> Nest:
    """An axis of which quotients and rests are taken becomes two: `i2 / 16` is `i2a`, `i2 % 16` is `i2b`."""
    for symbol in nest.axes:
        length = extent_of(symbol).constant
        divisors = {d for d in _divisors(nest.body, symbol) if length and 1 < d < length and length % d == 0}
        if divisors:
            divisor = max(divisors)
            upper, lower = axis(f"{symbol.name}a", int(length or 0) // divisor), axis(f"{symbol.name}b", divisor)
            axes = [b for a in nest.axes for b in ((upper, lower) if a == symbol else (a,))]
            return _split(nest.bound({symbol: Int(dim(upper) * divisor + dim(lower))}, axes))
    return nest


def _divisors(node: Expr, symbol: Symbol) -> Iterator[int]:
    """The literals by which a sum with the axis in it is divided."""
    if isinstance(node, Int):
        waiting = [node.value]
        while waiting:
            for monomial, _ in waiting.pop().terms:
                for atom, _ in monomial:
                    if isinstance(atom, Call):
                        waiting += [atom.left, atom.right]
                        if (
                            atom.function in ("floordiv", "mod")
                            and symbol in atom.left.symbols()
                            and atom.right.constant is not None
                        ):
                            yield int(atom.right)
    for child in children(node):
        yield from _divisors(child, symbol)


def _joined(nest: Nest) -> Nest:
    """Neighbouring axes i, j become one wherever everything depends on i * extent(j) + j alone."""
    n = 0
    while n + 1 < len(nest.axes):
        i, j = nest.axes[n], nest.axes[n + 1]
        both = axis(_range_name(i.name, j.name), extent_of(i) * extent_of(j))
        value = dim(both) - dim(i) * extent_of(j)
        if i in substitute(nest.offset, {j: value}).symbols():
            n += 1
            continue
        made = nest.bound({j: Int(value)}, (*nest.axes[:n], both, *nest.axes[n + 2 :]))
        if i.name in made.used_axes():
            n += 1
        else:
            nest, n = made, 0
    if len(nest.axes) == 1 and "_" in nest.axes[0].name:
        only = replace(nest.axes[0], name="i")
        nest = nest.bound({nest.axes[0]: Int(dim(only))}, (only,))
    return nest


def _with_joined_reductions(node: Expr, indices: set[Symbol]) -> Expr:
    """Neighbouring axes i, j of a reduction become one wherever what it reduces depends on i * extent(j) + j alone: one long row
    in place of many short ones, with the lanes' accumulators throughout. `indices` come from data, and may depend on any axis."""
    if not isinstance(node, Reduce):
        return map_children(node, lambda child: _with_joined_reductions(child, indices))
    body, axes = _with_joined_reductions(node.body, indices), list(node.axes)
    n = 0 if not _symbols(body) & indices else len(axes)
    while n + 1 < len(axes):
        i, j = axes[n : n + 2]
        both = axis(i.name, extent_of(i) * extent_of(j))
        made = bind(body, {j: Int(dim(both) - dim(i) * extent_of(j))})
        needed = _symbols(made).union(*(extent_of(a).symbols() for a in axes))
        if {i, j} & needed:
            n += 1
        else:
            body, axes[n : n + 2], n = made, [both], 0
    return replace(node, axes=tuple(axes), body=body)


def _symbols(node: Expr) -> set[Symbol]:
    """What the integers in an expression are made of, those of extents too."""
    own = node.value.symbols() if isinstance(node, Int) else set()
    extents = [extent_of(a).symbols() for a in node.axes] if isinstance(node, Reduce) else []
    return own.union(*extents, *map(_symbols, children(node)))


def _range_name(first: str, last: str) -> str:
    """`i0_2` runs over the axes i0 to i2."""
    return f"{first.partition('_')[0].rstrip('ab')}_{(last.partition('_')[2] or last).lstrip('i')}"


def reductions(node: Expr) -> Iterator[Reduce]:
    """The outermost reductions."""
    if isinstance(node, Reduce):
        yield node
        return
    for child in children(node):
        yield from reductions(child)


def running(nest: Nest, symbol: Symbol) -> list[tuple[Reduce, Expr]]:
    """Reductions over all elements up to the one at work on an axis, with the element that each step adds: one accumulator
    serves all steps."""
    found: dict[Reduce, Expr] = {}
    for node in reductions(nest.body):
        if len(node.axes) != 1 or extent_of(node.axes[0]) != dim(symbol) + 1:
            continue
        at = [i.value for r in reads(node.body) for i in r.indices if isinstance(i, Int)]
        if symbol.name not in nest.axes_of(node.body) and not any(map(nest.needed_indices, at)):
            found[node] = bind(node.body, {node.axes[0]: Int(dim(symbol))})
    return list(found.items())


def offset_of(node: Read) -> Dim:
    """Where the element that a nest reads lies in its tensor's memory."""
    offset = node.indices[0]
    assert isinstance(offset, Int)
    return offset.value


def innermost(nest: Nest) -> list[Symbol]:
    """The axes to run inside the rows: one along which reductions run, else those on which none depends, so that none is computed
    twice, else the last."""
    over = [a for a in nest.axes if running(nest, a)]
    if over:
        return over[:1]
    found = [r for e in (nest.body, *nest.indices.values()) for r in reductions(e)]
    fixed: set[str] = set().union(*map(nest.axes_of, found))
    free = [a for a in nest.axes if a.name not in fixed] if found else []
    return free or list(nest.axes[-1:])


def segments(nest: Nest, inner: Symbol) -> list[Nest]:
    """The nest cut along its innermost axis where guards on that axis change, or the steps in which functions of it alone go
    through memory (borders that reflect); in each piece the guards are known and go, and the functions are linear."""
    length = extent_of(inner).constant
    if length is None:
        return [nest]
    cuts = sorted({c for c in _cuts(nest.body, inner) if 0 < c < length})
    turns = sorted({*cuts, *_turns(nest.body, inner, length)})
    if len(turns) < MOST_SEGMENTS:
        cuts = turns
    if not cuts or len(cuts) >= MOST_SEGMENTS:
        return [nest]
    pieces = []
    for first, end in zip([0, *cuts], [*cuts, length], strict=True):
        piece = Symbol(inner.name, first, dim(end - 1), True)
        value = Int(dim(piece)) if end - first > 1 else integer(first)
        made = nest.bound({inner: value}, [piece if a == inner else a for a in nest.axes])
        pieces.append(replace(made, body=_straightened(made.body, piece, end - first)))
    return pieces


def by_rows(nest: Nest, outer: Sequence[Symbol]) -> Nest:
    """Offsets that need no more of the outer axes than the number of the row say so: `row * 64 + i2`."""
    if len(outer) < 2:
        return nest
    row = axis("row", product(extent_of(a) for a in outer))
    *others, last = outer
    value = dim(row)
    for n, symbol in enumerate(others):
        value = value - dim(symbol) * product(extent_of(a) for a in outer[n + 1 :])

    def numbered(offset: Dim) -> Dim:
        changed = substitute(offset, {last: value})
        return offset if changed.symbols() & set(outer) else changed

    def leaf(node: Expr) -> Expr | None:
        if not isinstance(node, Read) or not isinstance(node.indices[0], Int):
            return None
        return Read(node.value, (Int(numbered(node.indices[0].value)),))

    indices = {s: rewrite(e, leaf) for s, e in nest.indices.items()}
    return replace(nest, body=rewrite(nest.body, leaf), offset=numbered(nest.offset), indices=indices)


def _functions_of(node: Expr, symbol: Symbol) -> set[Call]:
    """The functions that offsets are sums and products of, if they depend on nothing but the axis."""
    atoms = {atom for read in reads(node) for monomial, _ in offset_of(read).terms for atom, _ in monomial}
    return {atom for atom in atoms if isinstance(atom, Call) and atom.left.symbols() | atom.right.symbols() == {symbol}}


def _values(call: Call, symbol: Symbol, length: int) -> list[int]:
    """What a function of an axis is at each of its places."""
    whole = Dim({((call, 1),): 1})
    return [evaluate(whole, {symbol.name: symbol.lower + n}) for n in range(length)]


def _turns(node: Expr, inner: Symbol, length: int) -> set[int]:
    """Where functions of the axis alone begin to go on in other steps: none if that is more often than is cut."""
    found: set[int] = set()
    for call in _functions_of(node, inner) if length <= MOST_STEPS and not any(reductions(node)) else ():
        values, begin = _values(call, inner, length), 0
        for n in range(2, length):
            if n >= begin + 2 and values[n] - values[n - 1] != values[n - 1] - values[n - 2]:
                found.add(n)
                begin = n
                if len(found) >= MOST_SEGMENTS:
                    return found
    return found


def _straightened(node: Expr, piece: Symbol, length: int) -> Expr:
    """The element with functions of the axis that are linear along it written so."""
    linear: dict[Atom, Dim] = {}
    for call in _functions_of(node, piece) if 1 < length <= MOST_STEPS else ():
        values = _values(call, piece, length)
        step = values[1] - values[0]
        if all(value == values[0] + n * step for n, value in enumerate(values)):
            linear[call] = values[0] + step * (dim(piece) - piece.lower)

    def straight(offset: Dim) -> Dim:
        result = dim(0)
        for monomial, coefficient in offset.terms:
            factors = [linear.get(atom, Dim({((atom, 1),): 1})) for atom, power in monomial for _ in range(power)]
            result = result + product([coefficient, *factors])
        return result

    def leaf(node: Expr) -> Expr | None:
        return Read(node.value, (Int(straight(offset_of(node))),)) if linear and isinstance(node, Read) else None

    return rewrite(node, leaf)


def _cuts(node: Expr, inner: Symbol) -> Iterator[int]:
    """Where comparisons of the axis with literals change."""
    if isinstance(node, Apply) and node.function in ("lt", "le", "gt", "ge", "eq", "ne"):
        left, right = node.arguments
        if isinstance(left, Int) and isinstance(right, Int):
            difference = left.value - right.value
            for sign in (1, -1):
                at = (dim(inner) - sign * difference).constant
                if at is not None and node.function in ("eq", "ne"):
                    yield from (at, at + 1)
                elif at is not None:
                    yield at if (node.function in ("lt", "ge")) == (sign == 1) else at + 1
    for child in children(node):
        yield from _cuts(child, inner)
