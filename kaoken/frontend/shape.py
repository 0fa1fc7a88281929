"""ONNX operators that deal in shapes and constants; their results are known expressions of the dims, not tensors."""

from __future__ import annotations

import numpy as np
import onnx

from kaoken.frontend.mapped_file import tensor_array
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.ir.dims import dim, floordiv, is_nonnegative
from kaoken.ir.expr import Int
from kaoken.ir.graph import Value


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
def constant(node: OnnxNode) -> Value:
    for name, value in node.attributes.items():
        if name == "value":
            return node.builder.constant(tensor_array(value), node.names[0])
        if name in ("value_float", "value_floats"):
            return node.builder.constant(np.asarray(value, np.float32), node.names[0])
        if name in ("value_int", "value_ints"):
            return node.builder.constant(np.asarray(value, np.int64), node.names[0])
    raise Unsupported(f"a Constant with {', '.join(node.attributes) or 'no value'} is not supported")


@onnx_op("ConstantOfShape")
def constant_of_shape(node: OnnxNode) -> Value:
    value = node.attribute("value")
    data = tensor_array(value).reshape(-1) if value is not None else np.zeros(1, np.float32)
    target = node.dims(0)
    if not target:
        return node.builder.constant(data.reshape(()))
    return node.add("fill", shape=tuple(target), value=data[0].item(), dtype=str(data.dtype))


@onnx_op("Range")
def range_(node: OnnxNode) -> Value:
    if node.input(0).dtype not in ("int64", "int32"):
        raise Unsupported(f"Range over {node.input(0).dtype} is not supported")
    start, limit, step = (node.dims(n)[0] for n in range(3))
    if step.constant is None or step.constant == 0:
        raise Unsupported("Range needs a constant step other than 0")
    span = limit - start if step.constant > 0 else start - limit
    length = span if abs(step.constant) == 1 else floordiv(span + abs(step.constant) - 1, dim(abs(step.constant)))
    if not is_nonnegative(length):
        if length.constant is not None:
            length = dim(0)
        else:
            raise Unsupported(f"Range from {start} to {limit} may be empty in a way that is not known when compiling")
    result = node.add("iota", start=start, step=step, length=length)
    return result if node.input(0).dtype == "int64" else node.add("cast", result, to=node.input(0).dtype)


@onnx_op("EyeLike")
def eye_like(node: OnnxNode) -> Value:
    x = node.input(0)
    rows, columns = x.shape
    k = int(node.attribute("k", 0))
    dtype = x.dtype
    if "dtype" in node.attributes:
        dtype = str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.attributes["dtype"])))
    i = node.add("reshape", node.add("iota", start=0, step=1, length=rows), shape=(rows, dim(1)))
    j = node.add("iota", start=-k, step=1, length=columns)
    return node.add("cast", node.add("eq", i, j), to=dtype)


@onnx_op("Trilu", since=14)
def trilu(node: OnnxNode) -> Value:
    x = node.input(0)
    k = node.dims(1)[0] if node.optional(1) is not None else dim(0)
    rows, columns = x.shape[-2:]
    i = node.add("reshape", node.add("iota", start=k, step=1, length=rows), shape=(rows, dim(1)))
    j = node.add("iota", start=0, step=1, length=columns)
    keep = node.add("ge" if node.attribute("upper", 1) else "le", j, i)
    return node.add("select", keep, x, node.builder.constant(np.zeros((), x.dtype)))
