"""Bodies of control flow: subgraphs read into graphs of their own, and what they capture made explicit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import onnx

from kaoken.frontend.registry import Unsupported
from kaoken.ir.builder import literal_elements
from kaoken.ir.dims import Dim, Symbol, bounds, dim, maximum, substitute
from kaoken.ir.found_sizes import largest, value_symbols
from kaoken.ir.graph import Graph, Value

if TYPE_CHECKING:
    from kaoken.frontend.importer import Importer

Results = list[Value]


class Trial:
    """What the importer knew before a body was read, to read it again with other shapes."""

    def __init__(self, importer: Importer):
        self.importer = importer
        self.kept = (list(importer.problems), set(importer.broken), importer.table.found_so_far())
        self.sizes = dict(importer.builder.sizes)

    def undo(self) -> None:
        problems, broken, found = self.kept
        self.importer.builder.sizes = dict(self.sizes)
        self.importer.problems, self.importer.broken = list(problems), set(broken)
        self.importer.table.forget_found(found)


def read_body(importer: Importer, name: str, inputs: Sequence[Value], read: Callable[[], Results]) -> Graph:
    """A graph whose nodes are what `read` adds, and whose outputs are what it returns; names bound inside are forgotten."""
    builder = importer.builder
    outer, values, origin = builder.graph, importer.values, builder.origin
    body = Graph(name, symbols=outer.symbols, metadata=outer.metadata, inputs=list(inputs), is_body=True)
    builder.graph, importer.values = body, dict(values)
    builder.outer.append(outer)
    try:
        for value in read():
            if value.known is not None and value.producer is None and value.data is None:
                elements = value.known
                value = builder.materialize(value)
                value.known = elements
            body.outputs.append((value.name, value))
    finally:
        builder.outer.pop()
        builder.graph, importer.values, builder.origin = outer, values, origin
    return body


def subgraph_results(importer: Importer, graph: onnx.GraphProto) -> list[Any]:
    """Read a subgraph's nodes into the builder's present graph. Its results are tensors, sequences or optionals.

    Raises Unsupported where it does not give its outputs.
    """
    importer.read_initializers(graph)
    importer.read_nodes(graph)
    missing = [o.name for o in graph.output if o.name not in importer.values]
    if missing:
        raise Unsupported(f"its body {graph.name} does not give {', '.join(missing)}")
    results = [importer.values[o.name] for o in graph.output]
    for value in results:
        if importer.builder.graph.is_body and isinstance(value, Value) and value in importer.loose:
            raise Unsupported(importer.loose[value])
    return results


def refuse_sequences(graph: onnx.GraphProto) -> None:
    """Raises Unsupported for values of a Scan's body that are no tensors."""
    for info in (*graph.input, *graph.output):
        kind = info.type.WhichOneof("value")
        if kind in ("sequence_type", "optional_type", "map_type", "sparse_tensor_type"):
            raise Unsupported(f"{info.name} is a {kind.removesuffix('_type').replace('_', ' ')}; only tensors are supported")


def close(bodies: Sequence[Graph]) -> list[Value]:
    """Make what bodies read from outside inputs of theirs, the same for all; returns the values that are captured.

    Constants stay where they are read; known values are copied, as passes give known values a node in the graph that reads them.
    """
    captured: dict[Value, None] = {}
    for body in bodies:
        copies: dict[Value, Value] = {}
        for value in _free(body):
            if value.known is not None:
                copies[value] = _copy(value)
            else:
                captured.setdefault(value)
        body.replace(copies)
    for body in bodies:
        formals = {value: Value(value.name, value.shape, value.dtype) for value in captured}
        body.inputs += formals.values()
        body.replace(formals)
    return list(captured)


def _free(body: Graph) -> list[Value]:
    own = {value for node in body.nodes for value in node.outputs} | set(body.inputs)
    read = [v for node in body.nodes for v in node.inputs if v is not None] + [value for _, value in body.outputs]
    constant = [value.producer is None and value.data is not None for value in read]
    return list(dict.fromkeys(v for v, fixed in zip(read, constant, strict=True) if v not in own and not fixed))


def _copy(value: Value) -> Value:
    copy = Value(value.name, value.shape, value.dtype)
    copy.known = value.known
    copy.data = literal_elements(value)
    return copy


def set_in(body: Graph) -> set[Symbol]:
    """Every symbol that a node in a body, or in a body inside it, sets."""
    return {symbol for graph in body.walk() for node in graph.nodes for symbol in node.finds}


def changing(extent: Dim, inside: set[Symbol]) -> bool:
    """Whether an extent is made of symbols that are set inside a body, and so means nothing outside."""
    return not extent.symbols().isdisjoint(inside)


def upper_of(extents: Sequence[Dim], inside: set[Symbol] | None = None) -> Dim | None:
    """The largest that any of some extents may be, None where there is no bound: over the sizes that the caller gives, or, with
    `inside`, over all symbols but those."""
    result: Dim | None = None
    for number, extent in enumerate(extents):
        bound = largest(extent) if inside is None or changing(extent, inside) else extent
        if number == 0:
            result = bound
            continue
        result = None if result is None or bound is None else maximum(result, bound)
    return result


def raised(extent: Dim) -> Dim:
    """A sum of found sizes with the expressions that bound them in their place: not less than the extent."""
    bounded: dict[Symbol, Dim | int] = {}
    for monomial, coefficient in extent.terms:
        for atom, power in monomial:
            alone = len(monomial) == 1 and power == 1 and coefficient > 0
            if isinstance(atom, Symbol) and atom.is_found and isinstance(atom.upper, Dim) and alone:
                bounded[atom] = atom.upper
    mixed = {s for monomial, _ in extent.terms if len(monomial) > 1 for s in Dim({monomial: 1}).symbols()}
    return substitute(extent, {s: upper for s, upper in bounded.items() if s not in mixed})


def lower_of(extents: Sequence[Dim]) -> int:
    """The smallest that any of some extents may be."""
    return min(max(0, bounds(extent)[0] or 0) for extent in extents)


def unbounded_symbols(graph: Graph) -> list[Symbol]:
    """Found symbols without a bound of which memory is made, in order of use."""
    found: dict[Symbol, None] = {}
    for body in graph.walk():
        for node in body.nodes:
            for value in node.outputs:
                if value.known is None and any(largest(extent) is None for extent in value.shape):
                    found |= dict.fromkeys(sorted(value_symbols(value), key=lambda s: s.name))
    return [symbol for symbol in found if largest(dim(symbol)) is None]
