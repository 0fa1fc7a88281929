"""Building graphs: nodes are added with their shapes inferred and, where they are shape arithmetic, their elements known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kaoken.ir.dims import Dim, Symbol, bounds, dim
from kaoken.ir.dtypes import DType
from kaoken.ir.expr import Const, Expr, Int, const, integer, literal
from kaoken.ir.graph import Graph, Node, Shape, Value, constant, new_node

KNOWN_LIMIT = 1024
"""Vectors of up to this many elements are followed element by element."""

KNOWN_WORK = 16384
"""Reads that following one tensor may take."""

MAX_RANK, MAX_ELEMENTS = 32, 2**48

KNOWN_MATRIX_LIMIT = 32
"""Higher ranks hold masks rather than shapes, whose formula says more than their elements: only tiny ones are followed."""


def found_symbol(name: str, lower: int, upper: Dim | None) -> Symbol:
    number = None if upper is None else upper.constant
    return Symbol(name, lower, upper if number is None else number, is_found=True)


class Builder:
    """Adds nodes to a graph. `origin` names what the next nodes stand for.

    Scalars and vectors whose elements are known when compiling (sizes, axes, scales) become values without a node.
    """

    def __init__(self, graph: Graph, found: Callable[[str, int, Dim | None], Symbol] = found_symbol):
        """`found(name, lower, upper)` makes a symbol whose value a call finds while it runs."""
        self.graph = graph
        self.found = found
        self.outer: list[Graph] = []
        self.sizes: dict[tuple[int, Any], tuple[Graph, Dim]] = {}
        self.exact: Mapping[str, int] = {}
        self.least: Callable[[str], int] = lambda name: 0
        self.dimensions: Mapping[str, Symbol] = {}
        self.named_sizes: dict[tuple[int, Value, str], tuple[Graph, Dim]] = {}
        self.origin: tuple[str, ...] = ()
        self.widened: dict[Value, Value] = {}
        self._fresh = itertools.count()

    def enclosing(self) -> list[Graph]:
        """The graph that nodes are added to, and those around it whose body it is."""
        return [self.graph, *reversed(self.outer)]

    def add(self, op: str, inputs: Sequence[Value | None], name: str | None = None, **attrs: Any) -> Value:
        """Add a node with one output and return it. Raises ShapeError if the operation does not take the operands."""
        return self.add_node(op, inputs, [name] if name else None, **attrs).output

    def add_node(self, op: str, inputs: Sequence[Value | None], names: list[str] | None = None, **attrs: Any) -> Node:
        from kaoken.ops import OPS

        shapes = OPS[op].infer(list(inputs), attrs)
        for shape, _ in shapes:
            check_shape(shape)
        spec = [(names[n] if names else f"{op}_{next(self._fresh)}", shape, dtype) for n, (shape, dtype) in enumerate(shapes)]
        node = new_node(op, inputs, spec, attrs, self.origin)
        self.graph.nodes.append(node)
        for n, value in enumerate(node.outputs):
            value.known = known_elements(node, n)
        if all(value.known is not None and value.rank <= 1 for value in node.outputs):
            self.graph.nodes.pop()
            for value in node.outputs:
                value.producer = None
                value.data = literal_elements(value)
        return node

    def materialize(self, value: Value) -> Value:
        """A value that a node computes, for one that is only known as expressions (a model may return a shape)."""
        assert value.known is not None
        attrs = {"shape": value.shape, "elements": tuple(value.known.reshape(-1)), "dtype": value.dtype}
        node = new_node("elements", [], [(value.name, value.shape, value.dtype)], attrs, self.origin)
        self.graph.nodes.append(node)
        return node.output

    def constant(self, data: np.ndarray, name: str | None = None) -> Value:
        """A constant; small ones are known element by element."""
        value = constant(name or f"constant_{next(self._fresh)}", data)
        value.known = known_constant(data)
        return value

    def known(self, elements: Sequence[Expr] | Expr, dtype: DType = "int64", name: str | None = None) -> Value:
        """A tensor (rank 1 for a sequence, else rank 0) whose elements are expressions of the dims."""
        if isinstance(elements, (list, tuple)):
            array = np.empty(len(elements), object)
            array[:] = list(elements)
        else:
            array = np.empty((), object)
            array[()] = elements
        value = Value(name or f"known_{next(self._fresh)}", tuple(dim(n) for n in array.shape), dtype)
        value.known = array
        value.data = literal_elements(value)
        return value


def check_shape(shape: Shape) -> None:
    """Raises ShapeError for a shape that no tensor has: negative extents, too many axes or elements."""
    from kaoken.ops.registry import ShapeError

    if len(shape) > MAX_RANK:
        raise ShapeError(f"a tensor of rank {len(shape)}; at most {MAX_RANK} axes are supported")
    count = 1
    for extent in shape:
        _, high = bounds(extent)
        if high is not None and high < 0:
            raise ShapeError(f"extent {extent} of {list(shape)} is negative")
        count *= max(1, high if high is not None else 1)
    if count > MAX_ELEMENTS:
        raise ShapeError(f"a tensor of {list(shape)} has more than 2**{MAX_ELEMENTS.bit_length() - 1} elements")


def known_constant(data: np.ndarray) -> np.ndarray | None:
    """The elements of a small constant as expressions."""
    if data.size > KNOWN_LIMIT or (data.size > 16 and data.dtype.kind == "f") or data.dtype.kind not in "iubf":
        return None
    known = np.empty(data.shape, object)
    for index in np.ndindex(data.shape):
        known[index] = const(data[index], str(data.dtype))
    return known


def known_elements(node: Node, output: int) -> np.ndarray | None:
    """The elements of a node's output if each is a literal or an integer polynomial of the dims, else None."""
    value = node.outputs[output]
    extents = [d.constant for d in value.shape]
    if any(e is None for e in extents) or not _could_be_known(node):
        return None
    shape = tuple(int(e) for e in extents if e is not None)
    if int(np.prod(shape, dtype=np.int64)) > (KNOWN_LIMIT if len(shape) <= 1 else KNOWN_MATRIX_LIMIT):
        return None
    from kaoken.ops import formula_of, instantiate

    formula = formula_of(node, output)
    known = np.empty(shape, object)
    for index in np.ndindex(shape):
        element = unroll(instantiate(formula, [integer(i) for i in index]), KNOWN_WORK // known.size)
        if not isinstance(element, (Const, Int)):
            return None
        known[index] = element
    return known


def unroll(expression: Expr, limit: int = KNOWN_LIMIT) -> Expr:
    """Evaluate reductions over literal extents of known elements, of up to `limit` elements each."""
    from kaoken.ir.expr import Reduce, apply, bind, extent_of, rewrite
    from kaoken.ops.compose import see_through

    functions = {"sum": "add", "prod": "mul", "max": "max", "min": "min"}

    def leaf(node: Expr) -> Expr | None:
        if not isinstance(node, Reduce):
            return None
        items: list[Expr] = [node.body]
        for symbol in reversed(node.axes):
            extent = extent_of(symbol).constant
            if extent is None or extent <= 0 or extent * len(items) > limit:
                return None
            items = [see_through(bind(item, {symbol: integer(i)})) for i in range(extent) for item in items]
        result = items[0]
        for item in items[1:]:
            result = apply(functions[node.kind], result, item)
        return result

    return rewrite(expression, leaf)


def _could_be_known(node: Node) -> bool:
    from kaoken.ops import OPS

    if OPS[node.op].kind == "control":
        return False
    for value in node.inputs:
        if value is None or value.known is not None:
            continue
        if value.data is not None and value.data.size == 1:
            continue
        return False
    return True


def literal_elements(value: Value) -> np.ndarray | None:
    """A known tensor's elements as numbers when all are literals, else None."""
    if value.data is not None:
        return value.data
    if value.known is None:
        return None
    flat = [literal(e) for e in value.known.ravel()]
    if any(e is None for e in flat):
        return None
    return np.array(flat, dtype=value.dtype).reshape(value.known.shape)


__all__ = ["KNOWN_LIMIT", "Builder", "Shape", "known_constant", "known_elements", "literal_elements", "unroll"]
