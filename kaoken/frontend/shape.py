"""ONNX operators that deal in shapes and constants; their results are known expressions of the dims, not tensors."""

from __future__ import annotations

import math

import numpy as np
import onnx

from kaoken.frontend.by_data import count_of
from kaoken.frontend.composite import Strings
from kaoken.frontend.mapped_file import sparse_array, tensor_array
from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype, onnx_op
from kaoken.frontend.spelled import Tensor, from_data, iota, onnx_formula, onnx_formulas, tensor, wrapped
from kaoken.frontend.strings import known_strings
from kaoken.ir.builder import literal_elements
from kaoken.ir.dims import dim, maximum, product
from kaoken.ir.dtypes import C_TYPES, is_float
from kaoken.ir.graph import Value
from kaoken.ops.registry import normalize_axis

onnx_formulas(
    Shape=lambda x, *, start=0, end=None: tensor(x.node, list(x.shape[start:end])),
    Size=lambda x: tensor(x.node, product(x.shape)),
)


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


@onnx_formula("Range", since=11)
def range_(node: OnnxNode, first: Tensor, end: Tensor, by: Tensor) -> Tensor:
    if is_float(first.dtype) or from_data(first.value) or from_data(by.value):
        return _range_of_numbers(node, first.reshape(), end.reshape(), by.reshape())
    start, limit, step = node.dims(0)[0], node.sizes(1)[0], node.dims(2)[0]
    if step.constant is None or step.constant == 0:
        raise Unsupported("Range needs a constant step other than 0")
    span = limit - start if step.constant > 0 else start - limit
    length = maximum(dim(0), -((-span) // abs(step.constant)))
    return tensor(node, node.add("iota", start=start, step=step, length=length)).cast(first.dtype)


def _range_of_numbers(node: OnnxNode, start: Tensor, limit: Tensor, step: Tensor) -> Tensor:
    """Ends and steps that are floats or come from data: start + i * step, the length found where it is not known."""
    ends = [literal_elements(node.input(n)) for n in range(3)]
    numbers = [float(end.reshape(-1)[0]) for end in ends if end is not None]
    if len(numbers) == 3:
        if numbers[2] == 0 or not math.isfinite((numbers[1] - numbers[0]) / numbers[2]):
            raise Unsupported(f"Range from {numbers[0]} to {numbers[1]} by {numbers[2]} has no length")
        length = dim(max(0, math.ceil((numbers[1] - numbers[0]) / numbers[2])))
    else:
        if is_float(start.dtype):
            span = ((limit - start) / step).ceil().max(0)
            count = (span < 2.0**62).where(span.cast("int64"), -1)  # NaN is below nothing
        else:
            up, span = step > 0, limit - start
            some, fits = up.where(limit > start, limit < start), up.where(span > 0, span < 0)  # or the span wraps around
            count = some.where(fits.where((-((-span).floordiv(step))).cast("int64"), -1), 0)
        count = step.eq(0).where(-1, count)
        length = node.found_size(count.value, 0, node.names[0], None, node.declared_shape(1)[0])
    return iota(node, length, start.dtype) * step + start


@onnx_formula("EyeLike")
def eye_like(node: OnnxNode, x: Tensor, *, k: int = 0, dtype: int | None = None) -> Tensor:
    rows, columns = x.shape
    column = tensor(node, node.add("iota", start=-k, step=1, length=columns))
    return iota(node, rows).with_axis(1).eq(column).cast(x.dtype if dtype is None else element_dtype(dtype))


@onnx_formula("Trilu", since=14)
def trilu(node: OnnxNode, x: Tensor, k: Tensor | None = None, *, upper: int = 1) -> Tensor:
    rows, columns = x.shape[-2:]
    i = iota(node, rows).with_axis(1) + (tensor(node, dim(0)) if k is None else k.reshape())
    return (iota(node, columns) >= i if upper else iota(node, columns) <= i).where(x, 0)


@onnx_formula("OneHot", since=9)
def one_hot(node: OnnxNode, indices: Tensor, depth: Tensor, values: Tensor, *, axis: int = -1) -> Tensor:
    """Indices outside -depth..depth-1 give a row without a hot element."""
    axis = normalize_axis(axis, indices.rank + 1)
    if from_data(depth.value):
        node.inputs[1] = depth.cast("int64").value
    count = node.sizes(1, node.declared_shape(indices.rank + 1)[axis : axis + 1])[0]
    hot = iota(node, count).along(axis, indices.rank + 1).eq(wrapped(indices, count).with_axis(axis))
    off, on = (values.take(tensor(node, np.asarray(n))) for n in range(2))
    return hot.where(on, off)
