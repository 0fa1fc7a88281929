"""ONNX operators that deal in shapes and constants; their results are known expressions of the dims, not tensors."""

from __future__ import annotations

import math

import numpy as np
import onnx

from kaoken.frontend.by_data import count_of
from kaoken.frontend.composite import Strings
from kaoken.frontend.mapped_file import sparse_array, tensor_array
from kaoken.frontend.movement import reshape_to
from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype, onnx_op
from kaoken.frontend.spelled import from_data, iota, tensor
from kaoken.frontend.strings import known_strings
from kaoken.ir.builder import literal_elements
from kaoken.ir.dims import dim, maximum
from kaoken.ir.dtypes import C_TYPES, is_float
from kaoken.ir.expr import Int
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis


@onnx_op("Shape")
def shape(node: OnnxNode) -> Value:
    x = node.input(0)
    start, end = node.attribute("start", 0), node.attribute("end", x.rank)
    return node.builder.known([Int(d) for d in x.shape[slice(start, end)]])


@onnx_op("Size")
def size(node: OnnxNode) -> Value:
    from kaoken.ir.dims import product

    return node.builder.known(Int(product(node.input(0).shape)))


@onnx_op("Constant")
def constant(node: OnnxNode) -> Value | Strings:
    for name, value in node.attributes.items():
        if name == "value":
            data = tensor_array(value)
            if value.data_type == onnx.TensorProto.STRING:
                return known_strings(node, data)
            if str(data.dtype) not in C_TYPES:
                raise Unsupported(f"element type {data.dtype} is not supported")
            return node.builder.constant(data, node.names[0])
        if name == "sparse_value":
            return node.builder.constant(sparse_array(value), node.names[0])
        if name in ("value_float", "value_floats"):
            return node.builder.constant(np.asarray(value, np.float32), node.names[0])
        if name in ("value_string", "value_strings"):
            return known_strings(node, value)
        if name in ("value_int", "value_ints"):
            return node.builder.constant(np.asarray(value, np.int64), node.names[0])
    raise Unsupported(f"a Constant with {', '.join(node.attributes) or 'no value'} is not supported")


@onnx_op("ConstantOfShape")
def constant_of_shape(node: OnnxNode) -> Value:
    value = node.attribute("value")
    data = tensor_array(value).reshape(-1) if value is not None else np.zeros(1, np.float32)
    if data.size != 1 or str(data.dtype) not in C_TYPES:
        raise Unsupported(f"a value of {data.size} elements of type {data.dtype}")
    target = node.sizes(0, node.declared_shape(count_of(node.input(0))))
    if not target:
        return node.builder.constant(data.reshape(()))
    return node.add("fill", shape=tuple(target), value=data[0].item(), dtype=str(data.dtype))


@onnx_op("Range", since=11)
def range_(node: OnnxNode) -> Value:
    dtype = node.input(0).dtype
    if is_float(dtype) or any(from_data(node.input(n)) for n in (0, 2)):
        return _range_of_numbers(node, dtype)
    start, limit, step = node.dims(0)[0], node.sizes(1)[0], node.dims(2)[0]
    if step.constant is None or step.constant == 0:
        raise Unsupported("Range needs a constant step other than 0")
    span = limit - start if step.constant > 0 else start - limit
    length = maximum(dim(0), -((-span) // abs(step.constant)))
    result = node.add("iota", start=start, step=step, length=length)
    return result if dtype == "int64" else node.add("cast", result, to=dtype)


def _range_of_numbers(node: OnnxNode, dtype: str) -> Value:
    """Ends and steps that are floats or come from data: start + i * step, the length found where it is not known."""
    ends = [literal_elements(node.input(n)) for n in range(3)]
    numbers = [float(end.reshape(-1)[0]) for end in ends if end is not None]
    start, limit, step = (tensor(node, node.input(n)).reshape() for n in range(3))
    if len(numbers) == 3 and (numbers[2] == 0 or not math.isfinite((numbers[1] - numbers[0]) / numbers[2])):
        raise Unsupported(f"Range from {numbers[0]} to {numbers[1]} by {numbers[2]} has no length")
    if len(numbers) == 3:
        length = dim(max(0, math.ceil((numbers[1] - numbers[0]) / numbers[2])))
    else:
        if is_float(dtype):
            span = ((limit - start) / step).ceil().max(0)
            count = (span < 2.0**62).where(span.cast("int64"), -1)  # NaN is below nothing
        else:
            up, span = step > 0, limit - start
            some, fits = up.where(limit > start, limit < start), up.where(span > 0, span < 0)  # or the span wraps around
            count = some.where(fits.where((-((-span).floordiv(step))).cast("int64"), -1), 0)
        count = step.eq(0).where(-1, count)
        length = node.found_size(count.value, 0, node.names[0], None, node.declared_shape(1)[0])
    return (iota(node, length, dtype) * step + start).value


@onnx_op("EyeLike")
def eye_like(node: OnnxNode) -> Value:
    x = node.input(0)
    rows, columns = x.shape
    k = int(node.attribute("k", 0))
    dtype = element_dtype(node.attributes["dtype"]) if "dtype" in node.attributes else x.dtype
    i = node.add("reshape", node.add("iota", start=0, step=1, length=rows), shape=(rows, dim(1)))
    j = node.add("iota", start=-k, step=1, length=columns)
    return node.add("cast", node.add("eq", i, j), to=dtype)


@onnx_op("Trilu", since=14)
def trilu(node: OnnxNode) -> Value:
    x = node.input(0)
    k = tensor(node, node.input(1)).reshape() if node.optional(1) is not None else tensor(node, dim(0))
    rows, columns = x.shape[-2:]
    i, j = iota(node, rows).reshape(rows, 1) + k, iota(node, columns)
    keep = j >= i if node.attribute("upper", 1) else j <= i
    return keep.where(x, 0).value


@onnx_op("OneHot", since=9)
def one_hot(node: OnnxNode) -> Value:
    """Indices outside -depth..depth-1 give a row without a hot element."""
    indices, values = node.input(0), node.input(2)
    axis = normalize_axis(int(node.attribute("axis", -1)), indices.rank + 1)
    given = node.input(1)
    if from_data(given) and given.dtype != "int64":
        given = node.inputs[1] = node.add("cast", given, to="int64")
    depth = node.sizes(1, node.declared_shape(indices.rank + 1)[axis : axis + 1])[0]
    index = node.add("cast", indices, to="int64") if indices.dtype != "int64" else indices
    negative = node.add("lt", index, node.scalar(0, index))
    index = node.add("select", negative, node.add("add", index, node.builder.known(Int(depth))), index)
    index = reshape_to(node, index, [*index.shape[:axis], dim(1), *index.shape[axis:]])
    place = node.add("iota", start=0, step=1, length=depth)
    place = reshape_to(node, place, [*(dim(1),) * axis, depth, *(dim(1),) * (indices.rank - axis)])
    off, on = (node.add("gather", values, node.builder.constant(np.asarray(n)), axis=0) for n in range(2))
    return node.add("select", node.add("eq", place, index), on, off)
