"""ONNX control flow: If, Loop and Scan. All become `if` and `loop` nodes of the IR; a branch that is known is read in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from kaoken.frontend.bodies import (
    Results,
    Trial,
    changing,
    close,
    lower_of,
    raised,
    read_body,
    refuse_sequences,
    set_in,
    subgraph_results,
    upper_of,
)
from kaoken.frontend.composite import helper
from kaoken.frontend.loops_of_composites import apart, branch_layout, looped, part_names, together
from kaoken.frontend.registry import OnnxNode, Unsupported, declared_shape, element_dim
from kaoken.frontend.spelled import tensor
from kaoken.ir.builder import literal_elements
from kaoken.ir.dims import Dim, Symbol, bounds, dim, maximum
from kaoken.ir.expr import Expr, Int, Read, literal, rewrite
from kaoken.ir.found_sizes import found_symbols, largest, value_symbols
from kaoken.ir.graph import Graph, Value
from kaoken.ops import element_at
from kaoken.ops.registry import normalize_axis

if TYPE_CHECKING:
    from kaoken.frontend.importer import Importer

ENDLESS = 2**62
"""A trip limit from here on is none: exporters write while-loops so."""

MOST_ELEMENTS = 8
"""Results of branches of so many integers are followed element by element."""


def single(value: Value) -> Any:
    """The element of a known tensor of one element, or None. Raises Unsupported for a tensor of several."""
    elements = literal_elements(value)
    if elements is not None and elements.size != 1:
        raise Unsupported(f"{value.name} has {elements.size} elements, and should have one")
    return None if elements is None else elements.reshape(-1)[0]


# If ---------------------------------------------------------------------------------------------------------------------------


def read_if(importer: Importer, node: OnnxNode) -> list[Any]:
    """A branch of known condition in place, else both as bodies. Extents on which they differ are found sizes."""
    condition, given = node.input(0), node.names
    branches = [node.attributes["then_branch"], node.attributes["else_branch"]]
    taken = _decided(importer, condition)
    if taken is not None:
        values = dict(importer.values)
        results = subgraph_results(importer, branches[0 if taken else 1])
        importer.values = values
        return list(results)
    results = [partial(subgraph_results, importer, branch) for branch in branches]
    layout = branch_layout(importer, results)
    node.names = part_names(node.names, layout)
    bodies = [
        read_body(importer, name, [], lambda read=read: apart(importer, read(), layout))  # type: ignore[misc]
        for name, read in zip(("then", "else"), results, strict=True)
    ]
    known_outputs = [_known_elements(body) for body in bodies]
    loose = _same_ranks(importer, bodies, node.names)
    captured = close(bodies)
    sizes: dict[tuple[Dim, Dim], Symbol] = {}
    inside = set_in(bodies[0]) | set_in(bodies[1])
    for name, (_, a), (_, b) in zip(node.names, bodies[0].outputs, bodies[1].outputs, strict=False):
        for n, pair in enumerate(zip(a.shape, b.shape, strict=True)):
            if pair not in sizes and (pair[0] != pair[1] or changing(pair[0], inside)):
                sizes[pair] = importer.table.found(f"{name}_{n}", lower_of(pair), upper_of(pair, inside))
    names = _names(node.names, len(bodies[0].outputs))
    known = [_known_result(importer, name, a, b) for name, a, b in zip(names, known_outputs[0], known_outputs[1], strict=True)]
    settings = [setting for _, found in known for setting in found]
    attrs = {
        "bodies": tuple(bodies),
        "sizes": tuple((symbol, *pair) for pair, symbol in sizes.items()),
        "elements": tuple(settings),
        "finds": (*sizes.values(), *(symbol for symbol, *_ in settings)),
    }
    made = node.builder.add_node("if", [condition, *captured], names, **attrs)
    for value, (elements, _) in zip(made.outputs, known, strict=True):
        value.known = elements
    importer.loose.update({made.outputs[n]: why for n, why in loose.items()})
    return together(made.outputs, layout, given)


def _decided(importer: Importer, condition: Value) -> Any:
    """Whether a condition holds, None where only the call knows; a size that it compares may be known by now."""
    taken = single(condition)
    if taken is not None or any(d.constant is None for d in condition.shape):
        return taken
    node = helper(importer.builder, condition.name)

    def leaf(element: Expr) -> Expr | None:
        if not isinstance(element, Read) or element.value.dtype != "int64" or any(literal(i) is None for i in element.indices):
            return None
        size = node.size_read(element)
        return None if size is None else Int(size)

    return literal(rewrite(element_at(condition, 0), leaf))


def _same_ranks(importer: Importer, bodies: Sequence[Graph], given: Sequence[str]) -> dict[int, str]:
    """Give results of two branches the same rank by axes of extent 1 before all others; which results, and their ranks in words.

    That means the same only where they are broadcast against as many axes, which the importer sees to (`loose`).
    """
    builder, loose = importer.builder, {}
    for n, results in enumerate(zip(*(body.outputs for body in bodies), strict=True)):
        ranks = [value.rank for _, value in results]
        if ranks[0] == ranks[1]:
            continue
        loose[n] = f"{_names(given, n + 1)[n]} has {ranks[0]} axes in one branch and {ranks[1]} in the other"
        small = ranks.index(min(ranks))
        name, value = results[small]
        outer, builder.graph = builder.graph, bodies[small]
        try:
            wide = builder.add("reshape", [value], shape=(*(dim(1),) * (max(ranks) - value.rank), *value.shape))
            known = wide.known is not None and wide.producer is None
            bodies[small].outputs[n] = (name, builder.materialize(wide) if known else wide)
        finally:
            builder.graph = outer
    return loose


def _known_result(
    importer: Importer, name: str, a: np.ndarray | None, b: np.ndarray | None
) -> tuple[np.ndarray | None, list[tuple[Symbol, Dim, Dim]]]:
    """The elements of a small integer result of two branches, sizes most likely, as expressions: found ones where they differ."""
    if a is None or b is None or a.shape != b.shape or a.size > MOST_ELEMENTS:
        return None, []
    elements = np.empty(a.shape, object)
    settings: list[tuple[Symbol, Dim, Dim]] = []
    for at in np.ndindex(a.shape):
        both: tuple[Any, Any] = a[at], b[at]
        pair = [e.value for e in both if isinstance(e, Int)]
        if len(pair) != 2:
            return None, []
        if pair[0] == pair[1]:
            elements[at] = a[at]
            continue
        symbol = importer.table.found("_".join([name, "at", *map(str, at)]), min(bounds(p)[0] or 0 for p in pair), upper_of(pair))
        settings.append((symbol, pair[0], pair[1]))
        elements[at] = Int(dim(symbol))
    return elements, settings


def _known_elements(body: Graph) -> list[np.ndarray | None]:
    """What is known of the elements of a branch's results, over symbols that have a meaning outside."""
    inside = set_in(body)
    outputs = [value for _, value in body.outputs]
    return [None if v.known is None or v.dtype != "int64" or value_symbols(v) & inside else v.known for v in outputs]


def _names(given: Sequence[str], count: int) -> list[str]:
    """Names of a node's results; those that the model does not ask for have names too."""
    known = [*given, *[""] * count][:count]
    return [name or f"{known[0] or 'unnamed'}.{n}" for n, name in enumerate(known)]


# Loop -------------------------------------------------------------------------------------------------------------------------


@dataclass
class Looping:
    """A loop being read. `body(index, carried)` reads the body into the builder's graph and gives, in this order, the condition
    to go on (None: always), the next carried values and the elements that are collected.

    limit: known trips, else limit_value, else none. backward: collected tensors that are filled from their end.
    """

    importer: Importer
    layer: str
    names: list[str]
    initial: list[Value]
    body: Callable[[Symbol, list[Value]], tuple[Value | None, Results]]
    limit: Dim | None = None
    limit_value: Value | None = None
    condition: Value | None = None
    backward: tuple[bool, ...] = ()
    upper: list[dict[int, Dim | None]] = field(default_factory=list)

    def run(self) -> list[Value]:
        """Read the body until its shapes are right: axes that change become symbols, then their bounds are known."""
        self.upper = [{} for _ in self.initial]
        trial = Trial(self.importer)
        for _ in range(2 + 2 * sum(v.rank for v in self.initial)):
            index, formals, body, going = self._read()
            seen = [dict(axes) for axes in self.upper]
            first = 1 if going is not None else 0
            results = [value for _, value in body.outputs[first:]]
            for formal, axes, value, initial in zip(formals, self.upper, results, self.initial, strict=False):
                self._compare(formal, axes, value, initial)
            self._bound_together(formals, results, seen)
            if seen == self.upper:
                return self._node(index, formals, body, going)
            trial.undo()
        raise Unsupported("the shapes of its carried values do not settle")

    def _read(self) -> tuple[Symbol, list[Value], Graph, Value | None]:
        table = self.importer.table
        most = self._most_trips()
        index = table.found(f"{self.layer}_i", 0, None if most is None else most - 1)
        formals = []
        for value, axes in zip(self.initial, self.upper, strict=True):
            shape = list(value.shape)
            for n, upper in axes.items():
                shape[n] = dim(table.found(f"{value.name}_{n}", 0, upper))
            formals.append(Value(value.name, tuple(shape), value.dtype))
        condition: list[Value | None] = []

        def read() -> Results:
            going, results = self.body(index, formals)
            condition.append(going)
            return results if going is None else [going, *results]

        body = read_body(self.importer, "body", formals, read)
        return index, formals, body, condition[0]

    def _most_trips(self) -> Dim | None:
        """The known limit, else what --dim says, else as many rows as the model declares of a collected tensor."""
        bound = None if self.limit is None else largest(self.limit)
        bound = bound if bound is not None else self.importer.table.bound_given(f"{self.layer}_trips")
        rows = [self.importer.declared.get(name, [])[:1] for name in self.names[len(self.initial) :]]
        return bound if bound is not None else next((d for row in rows for d in row if d is not None), None)

    def _compare(self, formal: Value, axes: dict[int, Dim | None], value: Value, initial: Value) -> None:
        """Note axes of a carried value that change, with what bounds them."""
        if value.dtype != formal.dtype or value.rank != formal.rank:
            types = [f"{v.dtype} of rank {v.rank}" for v in (formal, value)]
            raise Unsupported(f"{formal.name} begins as {types[0]} and goes on as {types[1]}")
        for n in range(formal.rank):
            extent, after = formal.shape[n], value.shape[n]
            if n not in axes and extent != after:
                axes[n] = None
            elif n in axes and axes[n] is None:
                axes[n] = self._bound(initial.shape[n], extent, after)

    def _bound(self, initial: Dim, extent: Dim, after: Dim) -> Dim | None:
        """What bounds an extent that is `after` behind a trip that began with `extent`, itself not bounded so far."""
        most = upper_of([initial, after])
        growth, trips = largest(raised(after) - extent), self._most_trips()
        if most is not None or growth is None:
            return most
        if maximum(dim(0), growth) == 0:
            return initial
        return None if trips is None else initial + maximum(dim(0), growth) * trips

    def _bound_together(self, formals: list[Value], results: Results, seen: list[dict[int, Dim | None]]) -> None:
        """Bound what nothing bounds alone, such as tensors that change places: after a trip each is no larger than the largest of
        them was before, and so much."""
        free = [(j, n) for j, axes in enumerate(self.upper) for n, upper in axes.items() if upper is None and n in seen[j]]
        trips, growth, most = self._most_trips(), dim(0), dim(0)
        if trips is None:
            return
        for j, n in free:
            after = raised(results[j].shape[n])
            grown = [largest(after - formals[k].shape[m]) for k, m in free]
            least = next((g for g in grown if g is not None), None)
            if least is None:
                return
            growth, most = maximum(growth, least), maximum(most, self.initial[j].shape[n])
        for j, n in free:
            self.upper[j][n] = most + growth * trips

    def _node(self, index: Symbol, formals: list[Value], body: Graph, going: Value | None) -> list[Value]:
        if self.limit is None and self.limit_value is None and going is None:
            raise Unsupported("it has no trip limit, and its condition never changes: it would not end")
        table = self.importer.table
        captured = close([body])
        count = len(formals)
        results = [value for _, value in body.outputs[0 if going is None else 1 :]]
        sizes = []
        for formal, initial, value in zip(formals, self.initial, results, strict=False):
            for n, assumed in enumerate(formal.shape):
                if assumed != initial.shape[n] or assumed != value.shape[n]:
                    (symbol,) = assumed.symbols()
                    sizes.append((symbol, initial.shape[n], value.shape[n]))
        inside = set_in(body) | {index, *(symbol for symbol, *_ in sizes)}
        equal: dict[Dim, Symbol] = {}
        names = _names(self.names, len(results))
        for name, value in zip(names[count:], results[count:], strict=True):
            for n, extent in enumerate(value.shape):
                if changing(extent, inside) and extent not in equal:
                    equal[extent] = table.found(f"{name}_{n + 1}", 0, largest(extent))
        finds = [index, *(symbol for symbol, *_ in sizes), *equal.values()]
        trips = self.limit
        if trips is None or going is not None or self.condition is not None:
            finds.append(table.found(f"{self.layer}_trips", 0, self._most_trips()))
            trips = dim(finds[-1])
        attrs = {
            "bodies": (body,),
            "carried": count,
            "conditional": going is not None,
            "index": index,
            "limit": self.limit,
            "trips": trips,
            "sizes": tuple(sizes),
            "equal": tuple((symbol, extent) for extent, symbol in equal.items()),
            "backward": self.backward or (False,) * (len(results) - count),
            "finds": tuple(finds),
        }
        operands = [None if self.limit is not None else self.limit_value, self.condition, *self.initial, *captured]
        made = self.importer.builder.add_node("loop", operands, names, **attrs)
        return made.outputs


def read_loop(importer: Importer, node: OnnxNode) -> list[Any]:
    """Trip limit and condition may each be missing; a collected tensor has a row a trip."""
    graph: onnx.GraphProto = node.attributes["body"]
    initial: list[Any] = [node.input(n) for n in range(2, len(node.inputs))]
    if len(graph.input) != len(initial) + 2 or len(graph.output) < len(initial) + 1:
        raise Unsupported(f"{len(initial)} carried values for a body of {len(graph.input)} inputs, {len(graph.output)} outputs")

    def body(index: Symbol, carried: list[Any]) -> tuple[Value | None, list[Any]]:
        counter, condition, *names = (info.name for info in graph.input)
        rank = len(graph.input[0].type.tensor_type.shape.dim)
        importer.bind(counter, importer.builder.known([Int(dim(index))] if rank else Int(dim(index))))
        going_on = np.ones([1] * len(graph.input[1].type.tensor_type.shape.dim), bool)
        importer.bind(condition, importer.builder.constant(going_on))
        for name, value in zip(names, carried, strict=True):
            importer.bind(name, value)
        going, *results = subgraph_results(importer, graph)
        for n, info in enumerate(graph.output[1:]):
            kept = declared_shape(graph.input[n + 2]) if n < len(initial) else declared_shape(info)
            results[n] = _as_declared(importer, results[n], declared_shape(info), kept, carried[n] if n < len(initial) else None)
        return (None if single(going) else going), results

    most, most_value = None, None
    limit, condition = node.optional(0), node.optional(1)
    if limit is not None:
        known = None if limit.known is None or limit.known.size != 1 else element_dim(limit.known.reshape(-1)[0])
        if known is None:
            most_value = limit
        elif (known.constant or 0) < ENDLESS:
            most = maximum(dim(0), known)
    begins = None if condition is None else single(condition)
    if begins is not None:
        condition, most = None, most if begins else dim(0)
    return looped(importer, node.builder.origin[0], node.names, initial, body, most, most_value, condition)


def _as_declared(importer: Importer, value: Any, after: list[Dim | None], before: list[Dim | None], carried: Any) -> Any:
    """A body's result with the extents that the body declares, which the call checks: those of carried values where the same are
    declared before a trip and hold as it begins, since a shape that does not change needs no bound."""
    if not isinstance(value, Value) or value.rank != len(after) or value.rank != len(before):
        return value
    x = tensor(helper(importer.builder, value.name), value)
    for n, extent in enumerate(after):
        begins = extent if not isinstance(carried, Value) else carried.shape[n] if carried.rank == x.rank else None
        fits = extent is not None and extent == before[n] and extent == begins
        if extent is not None and fits and x.shape[n] != extent and found_symbols(x.shape[n]):
            x.node.require(tensor(x.node, x.shape[n]).eq(extent).value)
            x = x.part(n, 0, extent)
    return x.value


# Scan -------------------------------------------------------------------------------------------------------------------------


def read_scan(importer: Importer, node: OnnxNode) -> list[Value | None]:
    """A loop whose body reads an element of each scanned tensor. Until opset 8 everything has a batch axis before all others."""
    graph: onnx.GraphProto = node.attributes["body"]
    refuse_sequences(graph)
    if node.version < 9:
        return _read_batched_scan(importer, node, graph)
    inputs = [node.input(n) for n in range(len(node.inputs))]
    scan = _Scan(importer, node, graph, len(inputs))
    return list(scan.run(node.builder.origin[0], node.names, inputs))


class _Scan:
    """A Scan's attributes, checked. Raises Unsupported for those that do not fit the body."""

    def __init__(self, importer: Importer, node: OnnxNode, graph: onnx.GraphProto, inputs: int):
        self.importer, self.graph = importer, graph
        self.scanned = int(node.attributes["num_scan_inputs"])
        self.states = inputs - self.scanned
        self.collected = len(graph.output) - self.states
        if self.scanned < 1 or self.states < 0 or self.collected < 0 or len(graph.input) != inputs:
            raise Unsupported(f"{inputs} values, {self.scanned} scanned, for a body of {len(graph.input)} inputs")
        directions = "directions" if node.version < 9 else "scan_input_directions"
        self.axes = self._list(node, "scan_input_axes", self.scanned)
        self.backward = self._list(node, directions, self.scanned)
        self.out_axes = self._list(node, "scan_output_axes", self.collected)
        self.out_backward = self._list(node, "scan_output_directions", self.collected)

    @staticmethod
    def _list(node: OnnxNode, name: str, count: int) -> list[int]:
        values = [int(v) for v in node.attribute(name, [0] * count)]
        if len(values) != count:
            raise Unsupported(f"{name} has {len(values)} entries, not {count}")
        return values

    def run(self, layer: str, names: list[str], inputs: list[Value], count: Value | None = None) -> list[Value]:
        """count: how many elements are scanned, where that are not all: states stay behind them, what is collected there is 0."""
        builder, scanned = self.importer.builder, inputs[self.states :]
        node = helper(builder)
        axes = [normalize_axis(axis, x.rank) if x.rank else 0 for axis, x in zip(self.axes, scanned, strict=True)]
        if any(x.rank == 0 for x in scanned):
            raise Unsupported("a scanned tensor has no axis")
        lengths = {x.shape[axis] for x, axis in zip(scanned, axes, strict=True)}
        if len(lengths) != 1:
            raise Unsupported(f"the scanned tensors have different lengths: {', '.join(map(str, lengths))}")
        (length,) = lengths

        def body(index: Symbol, carried: list[Value]) -> tuple[None, Results]:
            values = list(carried)
            for x, axis, backward in zip(scanned, axes, self.backward, strict=True):
                place: Any = length - 1 - dim(index) if backward else dim(index)
                if backward and count is not None:
                    place = (tensor(node, count) - (dim(index) + 1)).max(dim(0))
                values.append(tensor(node, x).take(place, axis).value)
            for info, value in zip(self.graph.input, values, strict=True):
                self.importer.bind(info.name, value)
            results = subgraph_results(self.importer, self.graph)
            if count is not None:
                goes = tensor(node, count) > dim(index)
                zeros = [builder.constant(np.zeros((), value.dtype)) for value in results[self.states :]]
                results = [goes.where(new, old).value for new, old in zip(results, [*carried, *zeros], strict=True)]
            return None, results

        backward = tuple(bool(b) for b in self.out_backward)
        looping = Looping(self.importer, layer, names, inputs[: self.states], body, length, backward=backward)
        results = list(looping.run())
        for n, axis in enumerate(self.out_axes):
            value = tensor(node, results[self.states + n])
            place = normalize_axis(axis, value.rank)
            perm = (*range(1, place + 1), 0, *range(place + 1, value.rank))
            results[self.states + n] = value.transpose(*perm).value
        return results


def _read_batched_scan(importer: Importer, node: OnnxNode, graph: onnx.GraphProto) -> list[Value | None]:
    """Opset 8: a loop over the batch around a loop over the sequence."""
    lengths = node.optional(0)
    inputs = [node.input(n) for n in range(1, len(node.inputs))]
    scan = _Scan(importer, node, graph, len(inputs))
    if any(x.rank == 0 or x.shape[0] != inputs[0].shape[0] for x in inputs):
        raise Unsupported("its inputs have different batches")
    layer = node.builder.origin[0]

    def body(index: Symbol, carried: list[Value]) -> tuple[None, Results]:
        rows = [tensor(node, x).take(dim(index)).value for x in inputs]
        return None, scan.run(layer, [], rows, None if lengths is None else tensor(node, lengths).take(dim(index)).value)

    return list(Looping(importer, f"{layer}_batch", node.names, [], body, inputs[0].shape[0]).run())


CONTROL = {"If": (1, read_if), "Loop": (1, read_loop), "Scan": (8, read_scan)}
"""Operators that hold graphs: the first opset, and the reader."""
