"""Graphs run by NumPy, node after node through their formulas: slow, and the meaning that everything else is tested against."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kaoken.ir.dims import Dim, Symbol, evaluate
from kaoken.ir.evaluate import evaluate_formula
from kaoken.ir.expr import Const, Int
from kaoken.ir.graph import Graph, Value


def run_graph(graph: Graph, inputs: Mapping[str, np.ndarray], dims: Mapping[str, int] | None = None) -> dict[str, np.ndarray]:
    """The graph's outputs by name. `dims` gives the symbols; without it they follow from the inputs' shapes.

    Raises ValueError for inputs that do not fit, IndexError for indices from data that are out of range.
    """
    sizes = dict(dims) if dims is not None else dims_of(graph, inputs)
    arrays = interpret(graph, inputs, sizes)
    return {name: _array(value, arrays, sizes) for name, value in graph.outputs}


def interpret(graph: Graph, inputs: Mapping[str, np.ndarray], dims: Mapping[str, int]) -> dict[Value, np.ndarray]:
    """Every value that a node computes, as an array. Raises ValueError where an array's shape is not what its value says."""
    from kaoken.ops import formula_of

    arrays: dict[Value, np.ndarray] = {}
    for value in graph.inputs:
        if value.name not in inputs:
            raise ValueError(f"input {value.name} is missing")
        arrays[value] = np.asarray(inputs[value.name])
        _check(value, arrays[value], dims)
    for node in graph.nodes:
        for n, value in enumerate(node.outputs):
            formula = formula_of(node, n)
            arrays[value] = evaluate_formula(formula, dims, lambda v: _array(v, arrays, dims), value.dtype)
            _check(value, arrays[value], dims)
    return arrays


def dims_of(graph: Graph, inputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The symbols' values, from inputs with an axis that is a symbol alone. Raises ValueError where two inputs disagree."""
    found: dict[str, int] = {}
    for value in graph.inputs:
        for extent, size in zip(value.shape, np.shape(inputs[value.name]), strict=True):
            symbol = _only_symbol(extent)
            if symbol is not None and found.setdefault(symbol.name, size) != size:
                raise ValueError(f"{symbol.name} is {found[symbol.name]}, but {value.name} has {size}")
    return found


def known_array(value: Value, dims: Mapping[str, int]) -> np.ndarray:
    """The elements of a value that are known as expressions, at concrete dims."""
    assert value.known is not None
    array = np.empty(value.known.shape, value.dtype)
    for index in np.ndindex(array.shape):
        element = value.known[index]
        assert isinstance(element, (Const, Int))
        array[index] = element.value if isinstance(element, Const) else evaluate(element.value, dims)
    return array


def _array(value: Value, arrays: Mapping[Value, np.ndarray], dims: Mapping[str, int]) -> np.ndarray:
    if value in arrays:
        return arrays[value]
    return value.data if value.data is not None else known_array(value, dims)


def _only_symbol(extent: Dim) -> Symbol | None:
    symbols = extent.symbols()
    if len(symbols) != 1:
        return None
    symbol = next(iter(symbols))
    return symbol if extent.terms == ((((symbol, 1),), 1),) else None


def _check(value: Value, array: np.ndarray, dims: Mapping[str, int]) -> None:
    shape = tuple(evaluate(extent, dims) for extent in value.shape)
    if array.shape != shape or str(array.dtype) != value.dtype:
        raise ValueError(f"{value!r} should be {value.dtype}{list(shape)}, but is {array.dtype}{list(array.shape)}")
