"""Where the elements of tensors are indices as ONNX defines them: negative ones count from the end of the axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kaoken.ir.dims import Dim, substitute
from kaoken.ir.expr import Apply, Cast, Expr, Formula, Int, Read, Select, apply, children, extent_of, integer
from kaoken.ir.graph import Value


@dataclass(frozen=True)
class IndexUse:
    """Elements `first`, `first + step`, ... of a tensor index an axis of `extent`; negative ones count from its end."""

    value: Value
    extent: Dim
    first: int = 0
    step: int = 1


def wrapped_index(node: Expr) -> tuple[Expr, Dim] | None:
    """(index, extent) of `index < 0 ? index + extent : index`."""
    if not isinstance(node, Select) or not isinstance(node.then, Apply) or node.then.function != "add":
        return None
    index, (summand, extent) = node.otherwise, node.then.arguments
    if not isinstance(extent, Int) or summand != index or node.condition != apply("lt", index, integer(0)):
        return None
    return index, extent.value


def index_uses(formula: Formula, is_place: bool = False) -> list[IndexUse]:
    """Every use of a tensor's elements as ONNX indices: to gather by, or where the formula's elements are places, to scatter to.

    Only the outermost wrapping of an index is ONNX's; what is inside, or is no index, is arithmetic of the model's.
    """
    found: list[IndexUse] = []

    def visit(node: Expr, is_index: bool) -> None:
        if is_index and wrapped_index(node) is not None:
            use = index_use(node)
            found.extend([use] if use is not None else [])
            is_index = False
        for child in children(node):
            visit(child, is_index or isinstance(node, Read))

    visit(formula.body, is_place)
    return list(dict.fromkeys(found))


def index_use(index: Expr) -> IndexUse | None:
    """What an index into an axis uses, if that is a tensor's elements just as they are: all, or one place of each last row."""
    found = wrapped_index(index)
    if found is None:
        return None
    element, extent = found
    element = element.argument if isinstance(element, Cast) else element
    if not isinstance(element, Read) or element.dtype not in ("int32", "int64"):
        return None
    shape = element.value.shape
    at = [i.value for i in element.indices if isinstance(i, Int)]
    if len(at) < len(shape):
        return None
    place, width = (at[-1].constant, shape[-1].constant) if shape else (None, None)
    if place is not None and width is not None and width > 1:
        return IndexUse(element.value, extent, place, width) if _cover(at[:-1], shape[:-1]) else None
    return IndexUse(element.value, extent) if _cover(at, shape) else None


def _cover(at: Sequence[Dim], shape: Sequence[Dim]) -> bool:
    """Whether indices run from the first element of each axis to its last."""
    axes = {s for i in at for s in i.symbols() if s.is_axis}
    first = dict.fromkeys(axes, 0)
    last = {s: extent_of(s) - 1 for s in axes}
    return all(substitute(i, first) == 0 and substitute(i, last) == extent - 1 for i, extent in zip(at, shape, strict=True))
