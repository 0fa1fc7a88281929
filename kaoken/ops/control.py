"""Control flow: operations whose meaning is graphs, and sizes read from data. They have no formula, and nothing fuses into them.

`if` takes a condition and what its bodies `then` and `else` capture, in the order of their inputs; attrs sizes: (symbol, extent
in then, extent in else) for each extent on which they differ; elements: the same for integers among their results.

`loop` takes a trip limit (None: attrs limit has it, or there is none), a condition to begin by (None: begins in any case), the
carried values as they begin, and captures; its one body takes carried values and captures, and gives a condition to go on (if
attrs conditional), the next carried values, and an element of each collected tensor. The node gives the last carried values, then
the collected tensors, a trip a row, from the last row up where attrs backward says so. attrs index: the symbol that counts trips
inside; trips: their number afterwards; sizes: (symbol, extent at first, extent after a trip) of carried values that change shape;
equal: (symbol, extent) of collected elements whose extent every trip must find alike.

`size` makes a symbol of an int64 element; a value outside the symbol's bounds ends the call with an error.
"""

from __future__ import annotations

from kaoken.ir.dims import Dim, Symbol, dim
from kaoken.ir.expr import Formula
from kaoken.ir.graph import Graph, Node, Shape, Value
from kaoken.ops.registry import Attrs, Inputs, ShapeError, define, operand


def no_formula(node: Node, output: int) -> Formula:
    """What stands in the table for operations that are no formula. Raises TypeError."""
    raise TypeError(f"{node.op} has no formula")


def _single(value: Value | None, dtype: str, what: str) -> None:
    if value is not None and (value.dtype != dtype or any(d != 1 for d in value.shape)):
        raise ShapeError(f"{what} is {value}, and should be one {dtype}")


def _match(body: Graph, operands: list[Value | None]) -> None:
    if len(body.inputs) != len(operands):
        raise ShapeError(f"{body.name} takes {len(body.inputs)} values, not {len(operands)}")
    for formal, actual in zip(body.inputs, operands, strict=True):
        if actual is None or actual.dtype != formal.dtype or actual.rank != formal.rank:
            raise ShapeError(f"{body.name} takes {formal}, not {actual}")


def _same_shape(body: Graph, operands: list[Value | None], first: int) -> None:
    for formal, actual in zip(body.inputs[first:], operands[first:], strict=True):
        if actual is not None and actual.shape != formal.shape:
            raise ShapeError(f"{body.name} captures {formal}, not {actual}")


# if ---------------------------------------------------------------------------------------------------------------------------


def _infer_if(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    _single(operand(inputs, 0), "bool", "a condition")
    then, otherwise = attrs["bodies"]
    for body in (then, otherwise):
        _match(body, inputs[1:])
        _same_shape(body, inputs[1:], 0)
    if len(then.outputs) != len(otherwise.outputs):
        raise ShapeError(f"branches of {len(then.outputs)} and {len(otherwise.outputs)} results")
    symbols: dict[tuple[Dim, Dim], Dim] = {(a, b): dim(s) for s, a, b in attrs["sizes"]}
    result = []
    for (name, a), (_, b) in zip(then.outputs, otherwise.outputs, strict=True):
        if a.dtype != b.dtype or a.rank != b.rank:
            raise ShapeError(f"{name} is {a.dtype} of rank {a.rank} in one branch and {b.dtype} of rank {b.rank} in the other")
        pairs = list(zip(a.shape, b.shape, strict=True))
        result.append((tuple(symbols.get(pair, pair[0]) for pair in pairs), a.dtype))
        if any(pair[0] != pair[1] and pair not in symbols for pair in pairs):
            raise ShapeError(f"{name} is {a} in one branch and {b} in the other")
    return result


define("if", "control", _infer_if, no_formula)


# loop -------------------------------------------------------------------------------------------------------------------------


def _infer_loop(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    _single(inputs[0], "int64", "a trip limit")
    _single(inputs[1], "bool", "a condition")
    (body,) = attrs["bodies"]
    carried = attrs["carried"]
    _match(body, inputs[2:])
    _same_shape(body, inputs[2:], carried)
    first, after = ({dim(s): extents[n] for s, *extents in attrs["sizes"]} for n in range(2))
    outputs = [value for _, value in body.outputs]
    if attrs["conditional"]:
        _single(outputs.pop(0), "bool", "a condition")
    result = []
    for formal, initial, value in zip(body.inputs, inputs[2:], outputs[:carried], strict=False):
        assert initial is not None
        at_first, later = (tuple(changes.get(d, d) for d in formal.shape) for changes in (first, after))
        if initial.shape != at_first or value.shape != later or value.dtype != formal.dtype:
            raise ShapeError(f"{formal} begins as {initial} and goes on as {value}")
        result.append((formal.shape, formal.dtype))
    alike = {extent: dim(s) for s, extent in attrs["equal"]}
    for value in outputs[carried:]:
        result.append(((attrs["trips"], *(alike.get(d, d) for d in value.shape)), value.dtype))
    return result


define("loop", "control", _infer_loop, no_formula)


# size -------------------------------------------------------------------------------------------------------------------------


def _infer_size(inputs: Inputs, attrs: Attrs) -> list[tuple[Shape, str]]:
    _single(operand(inputs, 0), "int64", "a size")
    (symbol,) = attrs["finds"]
    assert isinstance(symbol, Symbol)
    return [((), "int64")]


define("size", "control", _infer_size, no_formula)
