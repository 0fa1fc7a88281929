"""Loops and branches whose values are sequences or optionals: taken apart into tensors before, put together after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kaoken.frontend.bodies import Results, Trial
from kaoken.frontend.composite import Held, Kind, helper, kind_of, parts_of, rebuilt, without_names
from kaoken.frontend.registry import Unsupported
from kaoken.ir.dims import Dim, Symbol
from kaoken.ir.graph import Value

if TYPE_CHECKING:
    from kaoken.frontend.importer import Importer

MOST_TRIALS = 4

Layout = list[Kind | None]
"""The kind of each value, None for a tensor."""


def layout_of(values: Sequence[Held]) -> Layout:
    return [None if isinstance(value, Value) else without_names(kind_of(value)) for value in values]


def joined(a: Layout, b: Layout) -> Layout:
    """The kinds that hold the values of both. Raises Unsupported where a tensor meets a sequence."""
    result: Layout = []
    for one, other in zip(a, b, strict=True):
        if one is None or other is None:
            if one is not other:
                raise Unsupported("a value is a tensor at one time and a sequence or an optional at another")
            result.append(None)
        else:
            result.append(one.joined(other))
    return result


def apart(importer: Importer, values: Sequence[Held], layout: Layout) -> Results:
    """The tensors that values are made of."""
    node, result = helper(importer.builder), []
    for value, kind in zip(values, layout, strict=True):
        if kind is not None:
            result += parts_of(node, value, kind)
        else:
            assert isinstance(value, Value)
            result.append(value)
    return result


def together(parts: Sequence[Value], layout: Layout, names: Sequence[str]) -> list[Any]:
    """Values from the tensors that they are made of; `names` are those of values."""
    result: list[Any] = []
    at = 0
    for n, kind in enumerate(layout):
        count = 1 if kind is None else len(kind.parts)
        name = names[n] if n < len(names) and names[n] else f"sequence_{n}"
        result.append(parts[at] if kind is None else rebuilt(kind, parts[at : at + count], name))
        at += count
    return result


def part_names(names: Sequence[str], layout: Layout) -> list[str]:
    """Names of the tensors that named values are made of."""
    result = []
    for n, kind in enumerate(layout):
        name = names[n] if n < len(names) else ""
        result += [name] if kind is None else [f"{name}.{part}" if name else "" for part in kind.parts]
    return result


def looped(
    importer: Importer,
    layer: str,
    names: list[str],
    initial: Sequence[Held],
    body: Callable[[Symbol, list[Held]], tuple[Value | None, list[Held]]],
    limit: Dim | None = None,
    limit_value: Value | None = None,
    condition: Value | None = None,
) -> list[Any]:
    """The results of a loop over any values: the carried ones at last, then the collected tensors.

    A kind that a trip changes (an empty list becomes one of vectors, a vector's extent is no longer known) is tried again.
    """
    from kaoken.frontend.control_flow import Looping

    layout, carried = layout_of(initial), len(initial)
    builder = importer.builder
    graph, before = builder.graph, len(builder.graph.nodes)
    trial = Trial(importer)
    for _ in range(MOST_TRIALS):
        met: list[Layout] = []

        def taken_apart(
            index: Symbol, parts: list[Value], layout: Layout = layout, met: list[Layout] = met
        ) -> tuple[Value | None, Results]:
            going, results = body(index, together(parts, layout, names))
            own = joined(layout, layout_of(results[:carried]))
            met.append(own)
            collected = results[carried:]
            if any(not isinstance(value, Value) for value in collected):
                raise Unsupported("only tensors of numbers can be collected, no strings, sequences or optionals")
            states = apart(importer, results[:carried], layout)
            return going, states + [value for value in collected if isinstance(value, Value)]

        start = apart(importer, initial, layout)
        inner = part_names(names[:carried], layout) + names[carried:]
        looping = Looping(importer, layer, inner, start, taken_apart, limit, limit_value, condition)
        results = looping.run()
        settled = met[-1]
        if settled == layout:
            count = len(start)
            return together(results[:count], layout, names) + list(results[count:])
        trial.undo()
        del graph.nodes[before:]
        layout = settled
    raise Unsupported("the kinds of its carried values do not settle")


def branch_layout(importer: Importer, read: Sequence[Callable[[], Sequence[Held]]]) -> Layout:
    """The kinds of what branches give, found by reading each in a graph that is thrown away."""
    from kaoken.frontend.bodies import read_body

    trial, layouts = Trial(importer), []
    for branch in read:
        seen: list[Layout] = []

        def results(branch: Callable[[], Sequence[Held]] = branch, seen: list[Layout] = seen) -> Results:
            seen.append(layout_of(branch()))
            return []

        read_body(importer, "trial", [], results)
        layouts += seen
    trial.undo()
    return joined(*layouts)
