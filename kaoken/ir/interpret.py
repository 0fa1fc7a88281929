"""Graphs run by NumPy, node after node through their formulas: slow, and the meaning that everything else is tested against."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kaoken.element_types import memory_of, tensor_in
from kaoken.ir.dims import Dim, Symbol, evaluate
from kaoken.ir.evaluate import evaluate_formula
from kaoken.ir.expr import Const, Int
from kaoken.ir.graph import Graph, Node, Value


def run_graph(graph: Graph, inputs: Mapping[str, np.ndarray], dims: Mapping[str, int] | None = None) -> dict[str, np.ndarray]:
    """The graph's outputs by name. `dims` gives the symbols; without it they follow from the inputs' shapes.

    Raises ValueError for inputs that do not fit and sizes found outside their bounds, IndexError for indices from data that are
    out of range.
    """
    sizes = dict(dims) if dims is not None else dims_of(graph, inputs)
    arrays = interpret(graph, inputs, sizes)
    found = {name: _array(value, arrays, sizes) for name, value in graph.outputs}
    for name, (shape, dtype) in graph.packed.items():
        if name in found:
            found[name] = tensor_in(found[name], [evaluate(extent, sizes) for extent in shape], dtype)
    return found


def interpret(graph: Graph, inputs: Mapping[str, np.ndarray], dims: dict[str, int]) -> dict[Value, np.ndarray]:
    """Every value that a node computes, as an array; `dims` gains the sizes that are found on the way.

    Raises ValueError where an array's shape is not what its value says.
    """
    arrays: dict[Value, np.ndarray] = {}
    for value in graph.inputs:
        if value.name not in inputs:
            raise ValueError(f"input {value.name} is missing")
        arrays[value] = np.asarray(inputs[value.name])
        if value.name in graph.packed:
            arrays[value] = memory_of(arrays[value])
        _check(value, arrays[value], dims)
    _run_nodes(graph, arrays, dims)
    return arrays


def _run_nodes(graph: Graph, arrays: dict[Value, np.ndarray], dims: dict[str, int]) -> None:
    from kaoken.ops import formula_of
    from kaoken.ops.routine import ROUTINES

    control = {"if": _run_if, "loop": _run_loop, "size": _run_size, **dict.fromkeys(ROUTINES, _run_routine)}
    for node in graph.nodes:
        if node.op in control:
            results = control[node.op](node, arrays, dims)
        else:
            formulas = [formula_of(node, n) for n in range(len(node.outputs))]
            results = [
                evaluate_formula(formula, dims, lambda v: _array(v, arrays, dims), value.dtype)
                for formula, value in zip(formulas, node.outputs, strict=True)
            ]
        for value, array in zip(node.outputs, results, strict=True):
            arrays[value] = array
            _check(value, array, dims)


def _run_body(body: Graph, operands: list[np.ndarray], dims: dict[str, int]) -> list[np.ndarray]:
    inner = dict(zip(body.inputs, operands, strict=True))
    for value, array in inner.items():
        _check(value, array, dims)
    _run_nodes(body, inner, dims)
    return [_array(value, inner, dims) for _, value in body.outputs]


def _set(symbol: Symbol, value: int, dims: dict[str, int]) -> None:
    upper = evaluate(symbol.upper, dims) if symbol.upper is not None else value
    if not symbol.lower <= value <= upper:
        raise ValueError(f"{symbol.name} is {value}, outside {symbol.lower}..{upper}")
    dims[symbol.name] = value


def _run_size(node: Node, arrays: dict[Value, np.ndarray], dims: dict[str, int]) -> list[np.ndarray]:
    (number,) = (_array(v, arrays, dims) for v in node.inputs if v is not None)
    _set(node.finds[0], int(number.reshape(())), dims)
    return [number.reshape(())]


def _run_routine(node: Node, arrays: dict[Value, np.ndarray], dims: dict[str, int]) -> list[np.ndarray]:
    from kaoken.ops.routine import ROUTINES

    routine = ROUTINES[node.op]
    operands = [_array(v, arrays, dims) for v in node.inputs if v is not None]
    results = routine.run(node, operands, [evaluate(d, dims) for d in routine.sizes(node)])
    for symbol, number in zip(node.finds, results[len(results) - len(node.finds) :], strict=True):
        _set(symbol, int(number), dims)
    return [r[tuple(slice(evaluate(d, dims)) for d in v.shape)] for r, v in zip(results, node.outputs, strict=True)]


def _run_if(node: Node, arrays: dict[Value, np.ndarray], dims: dict[str, int]) -> list[np.ndarray]:
    condition, *captured = (_array(v, arrays, dims) for v in node.inputs if v is not None)
    taken = 0 if condition.reshape(()) else 1
    results = _run_body(node.bodies[taken], captured, dims)
    for symbol, *extents in (*node.attrs["sizes"], *node.attrs["elements"]):
        _set(symbol, evaluate(extents[taken], dims), dims)
    return results


def _run_loop(node: Node, arrays: dict[Value, np.ndarray], dims: dict[str, int]) -> list[np.ndarray]:
    attrs, (body,) = node.attrs, node.bodies
    limit, condition, *given = (None if v is None else _array(v, arrays, dims) for v in node.inputs)
    operands = [v for v in given if v is not None]
    carried, captured = operands[: attrs["carried"]], operands[attrs["carried"] :]
    most = int(limit.reshape(())) if limit is not None else None
    if attrs["limit"] is not None:
        most = evaluate(attrs["limit"], dims)
    going = condition is None or bool(condition.reshape(()))
    for symbol, first, _ in attrs["sizes"]:
        _set(symbol, evaluate(first, dims), dims)
    collected: list[list[np.ndarray]] = [[] for _ in node.outputs[attrs["carried"] :]]
    trips = 0
    while going and (most is None or trips < most):
        _set(attrs["index"], trips, dims)
        results = _run_body(body, [*carried, *captured], dims)
        going = bool(results.pop(0).reshape(())) if attrs["conditional"] else True
        for symbol, extent in attrs["equal"]:
            if trips and dims[symbol.name] != evaluate(extent, dims):
                raise ValueError(f"{symbol.name} is {dims[symbol.name]}, and on trip {trips} {evaluate(extent, dims)}")
            _set(symbol, evaluate(extent, dims), dims)
        for symbol, size in [(symbol, evaluate(after, dims)) for symbol, _, after in attrs["sizes"]]:
            _set(symbol, size, dims)
        carried = results[: attrs["carried"]]
        for rows, row in zip(collected, results[attrs["carried"] :], strict=True):
            rows.append(row)
        trips += 1
    for symbol in attrs["trips"].symbols():
        if symbol.is_found and symbol in node.finds:
            _set(symbol, trips, dims)
    if not trips:
        dims.update({symbol.name: 0 for symbol, _ in attrs["equal"]})
    tensors = []
    for value, rows, backward in zip(node.outputs[attrs["carried"] :], collected, attrs["backward"], strict=True):
        shape = tuple(evaluate(extent, dims) for extent in value.shape)
        tensors.append(np.array(rows[::-1] if backward else rows, value.dtype).reshape(shape))
    return [*carried, *tensors]


def dims_of(graph: Graph, inputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The symbols' values, from inputs with an axis that is a symbol alone. Raises ValueError where two inputs disagree."""
    found: dict[str, int] = {}
    for value in graph.inputs:
        shape = graph.packed[value.name][0] if value.name in graph.packed else value.shape
        for extent, size in zip(shape, np.shape(inputs[value.name]), strict=True):
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
