"""Operators on narrow types: computed in float32 (or in bytes), and rounded once, where the operator ends.

Readers of operators need not know these types. Those of `AS_THEY_ARE` move elements, or say themselves what they convert; for
all others operands of a narrow type are cast to the wide one that holds it, and each result whose type the standard ties to
such an operand is cast back. Fusion keeps these casts, so a chain of operators rounds after each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import onnx

from kaoken.frontend.registry import OnnxNode, Reader, Unsupported
from kaoken.frontend.spelled import Tensor
from kaoken.ir.dtypes import is_storage, largest_finite, packed_bits, wide_type
from kaoken.ir.graph import Value
from kaoken.ops.packing import packed_length

AS_THEY_ARE = frozenset(
    """BitCast Cast CastLike Compress Concat Constant ConstantOfShape DepthToSpace DequantizeLinear Dropout Expand EyeLike Flatten
    Gather GatherElements GatherND Identity If Loop OneHot Pad QuantizeLinear Reshape ReverseSequence Scan Shape Size Slice
    SpaceToDepth Split Squeeze Tile Transpose Trilu Unsqueeze Where""".split()
)


def rounds_inside(operator: str, inputs: Sequence[Value | None]) -> bool:
    """Whether an operator on narrow types is read as the standard defines it by others, each of which rounds."""
    return operator in ("Softmax", "LogSoftmax") and any(v is not None and is_storage(v.dtype) for v in inputs)


def read_node(reader: Reader, node: OnnxNode, domain: str = "") -> Value | list[Value | None]:
    """What `reader` gives, on wide operands where the node has narrow ones that it does not take as they are."""
    narrow = {n: v.dtype for n, v in enumerate(node.inputs) if v is not None and is_storage(v.dtype)}
    moves = node.op in AS_THEY_ARE or node.op.startswith(("Sequence", "Optional", "SplitTo", "ConcatFrom"))
    if not narrow or moves:
        return reader(node)
    inputs, outputs = _formal_types(node, domain)
    types = {_of(inputs, n): dtype for n, dtype in narrow.items()}
    results = reader(replace(node, inputs=[None if v is None else wide(Tensor(node, v)).value for v in node.inputs]))
    given = results if isinstance(results, list) else [results]
    rounded = []
    for n, value in enumerate(given):
        dtype = types.get(_of(outputs, n))
        narrows = value is not None and dtype is not None and value.dtype == wide_type(dtype)
        rounded.append(node.add("cast", value, to=dtype) if narrows else value)
    return rounded if isinstance(results, list) else rounded[0] or results


def wide(x: Tensor) -> Tensor:
    """In the type in which it is computed; constants are converted here and now, once."""
    value, target, kept = x.value, wide_type(x.dtype), x.node.builder.widened
    if target == x.dtype or value.data is None or value.data.size == 1:
        return x.cast(target)
    if value not in kept:
        kept[value] = x.node.builder.constant(value.data.astype(target), value.name)
    return Tensor(x.node, kept[value])


def _formal_types(node: OnnxNode, domain: str) -> tuple[list[str], list[str]]:
    """The type variables of an operator's inputs and outputs; of one that the standard does not know, one for all."""
    try:
        schema: Any = onnx.defs.get_schema(node.op, node.version, "" if domain == "ai.onnx" else domain)
    except onnx.defs.SchemaError:
        return ["T"], ["T"]
    return [p.type_str for p in schema.inputs], [p.type_str for p in schema.outputs]


def _of(types: Sequence[str], position: int) -> str:
    """The type of a parameter; the last one stands for all that follow."""
    return types[min(position, len(types) - 1)]


def storage_of_input(value: Value) -> Value:
    """The tensor that the caller gives for an input: bytes where its elements are packed."""
    if not packed_bits(value.dtype):
        return value
    return Value(value.name, (packed_length(value.shape, value.dtype),), "uint8")


def to_narrow_float(x: Tensor, dtype: str) -> Tensor:
    """Cast to a narrow float as the attributes `saturate` and `round_mode` of Cast and its kin say.

    8-bit floats: with `saturate`, which is the default, what is too large becomes the largest value; without, what the cast makes
    of it. float8_e8m0fnu holds powers of two alone: the magnitude is rounded to one as `round_mode` says, up by default.
    """
    saturate = bool(x.node.attribute("saturate", 1))
    if not dtype.startswith("float8"):
        return x.cast(dtype)
    x = x.cast("float32")
    if dtype == "float8_e8m0fnu":
        x = _power_of_two(x, str(x.node.attribute("round_mode", "up")), saturate)
    elif saturate:
        x = x.min(largest_finite(dtype)).max(-largest_finite(dtype))
    return x.cast(dtype)


def _power_of_two(x: Tensor, mode: str, saturate: bool) -> Tensor:
    """|x| as a float32 that the cast to float8_e8m0fnu rounds to what the standard's mode gives; subnormals are one binade."""
    if mode not in ("up", "down", "nearest"):
        raise Unsupported(f"round_mode={mode!r} is none of 'up', 'down', 'nearest'")
    least, normal, most = 2.0**-127, 2.0**-126, 2.0**127
    size = x.abs().max(least)
    if saturate:
        size = x.isinf().where(size, size.min(most))
    if mode == "nearest":
        return size
    near = size.cast("float8_e8m0fnu").cast("float32")
    if mode == "down":
        return (size < normal).where(least, (near > size).where(near * 0.5, near))
    return ((size < normal) & x.ne(0)).where(normal, (near < size).where(near + near, near))
