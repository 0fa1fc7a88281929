"""Valid random inputs for an exported model, inferred from its graph alone.

Ids stay inside the table that they index, masks are 0 and 1 of the whole length (past and present), positions
count what the mask lets through, and caches are normal floats. Equal seeds give equal inputs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from kaoken.errors import UnsupportedModelError, UsageError

Padding = Literal["none", "left", "right"]

# Operators that hand on their first input's elements, so that a bound found behind them holds before them.
_PASSING = {
    "Cast",
    "Reshape",
    "Unsqueeze",
    "Squeeze",
    "Identity",
    "Flatten",
    "Transpose",
    "Expand",
    "Slice",
    "Tile",
}


def make_inputs(
    model: str | Path | ModelProto, dims: Mapping[str, int], seed: int = 0, *, padding: Padding = "none"
) -> dict[str, np.ndarray]:
    """Inputs for a model whose symbolic dims have the given values.

    `padding` gives every row but the first its own number of padded positions, at the left or the right of
    the whole (past and present) length; no row is padded entirely. Raises UsageError for a dim without a
    value, and when a position would lie outside the model's position table.
    """
    proto = _load(model)
    rng = np.random.default_rng(seed)
    weights = {tensor.name for tensor in proto.graph.initializer}
    values = [value for value in proto.graph.input if value.name not in weights]
    shapes = _shapes(values, dims)
    bounds = index_bounds(proto)
    past, masks = _past_length(shapes), {v.name for v in values if _is_mask(v)}
    made: dict[str, np.ndarray] = {}
    for value in sorted(values, key=lambda v: not _is_mask(v)):
        name, shape, dtype = value.name, shapes[value.name], _dtype(value)
        if name in masks:
            array = _mask(shape, padding, rng)
        elif dtype.kind == "b":
            array = np.full(shape, past > 0)
        elif dtype.kind in "iu" and "position" in name:
            array = _positions(shape, past, made.get(name.replace("position_ids", "attention_mask")))
            if name in bounds and array.size and array.max() >= bounds[name]:
                raise UsageError(f"{name} reaches {array.max()}, but the model has {bounds[name]} positions")
        elif dtype.kind in "iu":
            array = rng.integers(0, bounds.get(name, 2), shape)
        else:
            array = rng.standard_normal(shape)
        made[name] = array.astype(dtype)
    return {value.name: made[value.name] for value in values}


def index_bounds(model: ModelProto) -> dict[str, int]:
    """For each input that a Gather uses as index into a weight: the number of rows (the smallest, of
    several)."""
    rows: dict[str, list[int]] = {t.name: list(t.dims) for g in _graphs(model.graph) for t in g.initializer}
    consumers: dict[str, list[NodeProto]] = {}
    for graph in _graphs(model.graph):
        for node in graph.node:
            for name in node.input:
                consumers.setdefault(name, []).append(node)
            if node.op_type == "Constant":
                rows[node.output[0]] = next((list(a.t.dims) for a in node.attribute if a.name == "value"), [])
            elif node.op_type in ("Identity", "Cast") and node.input[0] in rows:
                rows[node.output[0]] = rows[node.input[0]]
    bounds: dict[str, int] = {}
    for value in model.graph.input:
        found, seen, pending = [], {value.name}, [value.name]
        while pending:
            name = pending.pop()
            for node in consumers.get(name, []):
                if node.op_type == "Gather" and node.input[1] == name and rows.get(node.input[0]):
                    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
                    found.append(rows[node.input[0]][axis])
                elif node.op_type in _PASSING and node.input[0] == name and node.output[0] not in seen:
                    seen.add(node.output[0])
                    pending.append(node.output[0])
        if found:
            bounds[value.name] = min(found)
    return bounds


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and all graphs inside it, outer ones first."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _load(model: str | Path | ModelProto) -> ModelProto:
    """The model without its external data, which no shape needs."""
    if isinstance(model, ModelProto):
        return model
    path = Path(model)
    path = path / "model.onnx" if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"there is no model at {path}")
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:
        raise UnsupportedModelError(f"{path} cannot be read as an ONNX model: {error}") from error


def _is_mask(value: ValueInfoProto) -> bool:
    return "mask" in value.name and len(value.type.tensor_type.shape.dim) == 2


def _dtype(value: ValueInfoProto) -> np.dtype:
    code = value.type.tensor_type.elem_type
    if code in (TensorProto.UNDEFINED, TensorProto.STRING):
        raise UsageError(f"cannot make inputs for {value.name!r}: only tensors of numbers and bools are made")
    return np.dtype(helper.tensor_dtype_to_np_dtype(code))


def _shapes(values: list[ValueInfoProto], dims: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Every input's shape. A mask whose length is a symbol of its own gets the length of past and present."""
    shapes: dict[str, tuple[int, ...]] = {}
    unknown: list[str] = []
    for value in sorted(values, key=_is_mask):
        shape: list[int] = []
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            size = dim.dim_value if dim.HasField("dim_value") else _evaluate(dim.dim_param, dims)
            if size is None and _is_mask(value) and axis == 1:
                size = _past_length(shapes) + _present_length(shapes)
            if size is None:
                unknown.append(f"{dim.dim_param or f'axis {axis}'} (of {value.name})")
            shape.append(size or 0)
        shapes[value.name] = tuple(shape)
    if unknown:
        raise UsageError(f"give a value for the dims {', '.join(dict.fromkeys(unknown))}")
    return shapes


def spellings(name: str) -> tuple[str, ...]:
    """A dimension's name as the graph has it, and as the compiler spells one that C does not take."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return name, plain, f"dim_{plain}"


def _evaluate(expression: str, dims: Mapping[str, int]) -> int | None:
    """The value of a dim such as `past_sequence_length + sequence_length`; None where a symbol has no
    value."""
    for name in spellings(expression):
        if name in dims:
            return dims[name]
    operations: dict[type[ast.operator], Callable[[int, int], int]] = {
        ast.Add: lambda a, b: a + b,
        ast.Sub: lambda a, b: a - b,
        ast.Mult: lambda a, b: a * b,
        ast.FloorDiv: lambda a, b: a // b,
    }

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.BinOp) and type(node.op) in operations:
            return operations[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.Name):
            return dims[node.id]
        raise KeyError(expression)

    try:
        return value(ast.parse(expression, mode="eval").body)
    except (KeyError, SyntaxError, ZeroDivisionError):
        return None


def _past_length(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """The length of the (decoder's) cache, 0 where the model has none."""
    return next((s[2] for n, s in shapes.items() if "past" in n and "encoder" not in n and len(s) == 4), 0)


def _present_length(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return next((s[1] for n, s in shapes.items() if n.endswith(("input_ids", "inputs_embeds")) and len(s) > 1), 0)


def _mask(shape: tuple[int, ...], padding: Padding, rng: np.random.Generator) -> np.ndarray:
    """Ones, with each row after the first padded by a length of its own."""
    mask = np.ones(shape, np.int64)
    batch, length = shape
    for row in range(1, batch if padding != "none" and length > 1 else 0):
        padded = int(rng.integers(1, length))
        mask[row, slice(None, padded) if padding == "left" else slice(length - padded, None)] = 0
    return mask


def _positions(shape: tuple[int, ...], past: int, mask: np.ndarray | None) -> np.ndarray:
    """Positions as transformers counts them: the attended tokens before; 1 where the token itself is
    padding."""
    if mask is None or mask.shape[1] != past + shape[1]:
        return np.broadcast_to(np.arange(past, past + shape[1]), shape)
    counted = np.where(mask == 0, 1, np.cumsum(mask, axis=1) - 1)
    return counted[:, past:]
