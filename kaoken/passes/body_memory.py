"""Where the values of control flow live: formal inputs are their operands' memory, results are written where the node gives them.

A branch writes its results into the node's own. A loop's carried values stay in the node's results from its beginning; the next
values are written over them where nothing reads the old ones any more, else beside them and then copied. Collected tensors are
written row by row. Positions count kernels in order of execution, bodies after the beginning and before the end of their node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kaoken.ir.dims import Dim, dim, product
from kaoken.ir.graph import Graph, Node, Value

Overwritable = Callable[[Node], list[Value]]
"""The operands that a kernel may overwrite with its result element by element."""


def root(value: Value) -> Value:
    """The value whose memory `value` is: reshapes and strided views are aliases."""
    while value.producer is not None and value.producer.op in ("reshape", "view"):
        source = value.producer.inputs[0]
        assert source is not None
        value = source
    return value


@dataclass
class Flow:
    """A graph and its bodies as one line of time. `alias` says for roots that have no memory of their own whose they are in, and
    how many elements behind its begin; `first` and `last` are the positions between which a node runs."""

    nodes: list[Node] = field(default_factory=list)
    first: dict[Node, int] = field(default_factory=dict)
    last: dict[Node, int] = field(default_factory=dict)
    alias: dict[Value, tuple[Value, Dim]] = field(default_factory=dict)

    def place(self, value: Value) -> tuple[Value, Dim]:
        """The value in whose memory `value` lies, and elements in front of it."""
        base, offset = root(value), dim(0)
        while base in self.alias:
            base, more = self.alias[base]
            base, offset = root(base), offset + more
        return base, offset

    def kernels(self) -> Iterator[tuple[int, Node]]:
        """What runs, with its position, but control flow itself."""
        return ((self.first[node], node) for node in self.nodes if not node.bodies)

    def last_uses(self) -> dict[Value, int]:
        """For values with memory of their own the last position at which they are read.

        What control flow reads of its operands stays until its end: a thread may look at it while others are ahead, and what a
        loop captures is read on every trip.
        """
        last: dict[Value, int] = {}

        def use(value: Value, position: int) -> None:
            base, _ = self.place(value)
            last[base] = max(position, last.get(base, position))

        for node in self.nodes:
            begins = initial_values(node)
            for n, value in enumerate(node.inputs):
                if value is not None:
                    use(value, self.first[node] if n in begins else self.last[node])
            for body in node.bodies:
                for _, value in body.outputs:
                    use(value, self.last[node])
        return last


def initial_values(node: Node) -> range:
    """Which operands of a loop are its carried values as they begin; nothing reads them afterwards."""
    return range(2, 2 + node.attrs["carried"]) if node.op == "loop" else range(0)


def loop_results(node: Node) -> tuple[Value | None, list[Value], list[Value]]:
    """What a loop's body gives: the condition to go on, the next carried values, elements to collect."""
    values = [value for _, value in node.bodies[0].outputs]
    condition = values.pop(0) if node.attrs["conditional"] else None
    return condition, values[: node.attrs["carried"]], values[node.attrs["carried"] :]


def plan_flow(graph: Graph, overwritable: Overwritable) -> Flow:
    """Order a graph and its bodies, and decide where formal inputs and results of bodies live."""
    flow = Flow()
    _visit(graph, flow)
    _place_results(graph, flow, overwritable)
    return flow


def _visit(graph: Graph, flow: Flow) -> None:
    for node in graph.nodes:
        if node.op in ("reshape", "view"):
            continue
        flow.first[node] = len(flow.first) + len(flow.last)
        flow.nodes.append(node)
        if not node.bodies:
            flow.last[node] = flow.first[node]
        for body in node.bodies:
            captures = body.inputs
            operands = node.inputs[len(node.inputs) - len(captures) :]
            for n, (formal, actual) in enumerate(zip(captures, operands, strict=True)):
                carried = node.op == "loop" and n < node.attrs["carried"]
                source = node.outputs[n] if carried else actual
                assert source is not None
                flow.alias[formal] = (source, dim(0))
            _visit(body, flow)
        if node.bodies:
            flow.last[node] = len(flow.first) + len(flow.last)


def _place_results(graph: Graph, flow: Flow, overwritable: Overwritable) -> None:
    """Results of bodies, outer bodies first: what an inner node gives may be what the outer one gives."""
    for node in graph.nodes:
        if node.op == "if":
            for body in node.bodies:
                for (_, value), target in zip(body.outputs, node.outputs, strict=True):
                    flow.alias[root(value)] = (target, dim(0))
        elif node.op == "loop":
            (body,) = node.bodies
            carried = node.attrs["carried"]
            _, results, elements = loop_results(node)
            for formal, value, target in zip(body.inputs, results, node.outputs, strict=False):
                if _may_overwrite(body, formal, root(value), flow, overwritable):
                    flow.alias[root(value)] = (target, dim(0))
            for value, target, backward in zip(elements, node.outputs[carried:], node.attrs["backward"], strict=True):
                trip = dim(node.attrs["index"])
                row = node.attrs["trips"] - 1 - trip if backward else trip
                flow.alias[root(value)] = (target, row * product(value.shape))
        for body in node.bodies:
            _place_results(body, flow, overwritable)


def _may_overwrite(body: Graph, formal: Value, value: Value, flow: Flow, overwritable: Overwritable) -> bool:
    """Whether a carried value's next value may be written over it: when that is computed nothing else needs the old one."""
    maker = value.producer
    if maker is None or value.packing != "rows" or value.shape != formal.shape:
        return False
    readers = [
        node for node in body.nodes if node in flow.first and any(v is not None and root(v) is formal for v in node.inputs)
    ]
    if any(flow.last[node] > flow.last[maker] for node in readers):
        return False
    if maker not in readers:
        return all(flow.last[node] < flow.first[maker] for node in readers)
    places = [n for n, v in enumerate(maker.inputs) if v is not None and root(v) is formal]
    if maker.op == "loop":
        return places == [2 + maker.outputs.index(value)] if value in maker.outputs[: maker.attrs["carried"]] else False
    return len(places) == 1 and any(v is maker.inputs[places[0]] for v in overwritable(maker))
