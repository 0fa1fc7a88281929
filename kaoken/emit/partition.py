"""How threads share a kernel: thread i of n takes the rows from count * i / n on, and what of each operand these rows touch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kaoken.emit.nests import Nest
from kaoken.ir.dims import Dim, Symbol, dim, is_nonnegative, substitute
from kaoken.ir.expr import Expr, Int, Read, reads
from kaoken.ir.graph import Value


@dataclass(frozen=True)
class Partition:
    """`kind` says how `count` is divided: into rows, or along an axis by elements or by sixteens. `strides`: for values of which
    row r touches only elements r * stride to (r + 1) * stride, that stride; `output` the same of the result."""

    kind: str
    count: Dim
    strides: dict[Value, Dim] = field(default_factory=dict)
    output: Dim | None = None


def nest_partition(nest: Nest, kind: str, count: Dim, row: str, others: Sequence[Symbol] = ()) -> Partition | None:
    """The partition of a loop nest whose threads share the axis `row`, made of the axes `others` where it is not one itself."""
    offsets: dict[Value, list[Dim | None]] = {}
    for expression in (nest.body, *nest.indices.values()):
        for read in reads(expression):
            offsets.setdefault(read.value, []).append(_offset(read))
    strides: dict[Value, Dim] = {}
    for value, found in offsets.items():
        stride = _stride(found, row, others)
        if stride is not None:
            strides[value] = stride
    return Partition(kind, count, strides, _stride([nest.offset], row, others))


def _offset(read: Read) -> Dim | None:
    index: Expr = read.indices[0]
    return index.value if isinstance(index, Int) else None


def _stride(offsets: Iterable[Dim | None], row: str, others: Sequence[Symbol]) -> Dim | None:
    """The elements between rows, if all offsets of row r lie between those of its first element and the next row's."""
    found: set[Dim] = set()
    for offset in offsets:
        if offset is None:
            return None
        own = next((s for s in offset.symbols() if s.is_axis and s.name == row), None)
        if own is None or own.lower != 0 or any(s in others for s in offset.symbols() if s is not own):
            return None
        rest = substitute(offset, {own: 0})
        stride = substitute(offset, {own: 1}) - rest
        if own in stride.symbols() or dim(own) * stride + rest != offset:
            return None
        if not is_nonnegative(rest) or not is_nonnegative(stride - 1 - rest):
            return None
        found.add(stride)
    return found.pop() if len(found) == 1 else None
