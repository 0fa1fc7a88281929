"""com.microsoft: products, pooling and elementwise operators of quantised tensors, as onnxruntime's quantizers write them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kaoken.frontend.integer_products import along, qlinear_conv, whole_product
from kaoken.frontend.quantization import dynamic_quantize_linear, real, rounded
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op, reader_for
from kaoken.frontend.spelled import Tensor, optional_tensor, tensor
from kaoken.ir.graph import Value

_DOMAIN = "com.microsoft"

OPSET = 13
"""Of the standard's operators that others are spelled with: their parameters are attributes."""


def as_standard(node: OnnxNode, op: str, *inputs: Tensor | None, version: int = OPSET, **attributes: object) -> Tensor:
    """The first result of the standard's operator on these operands, with the node's attributes and others."""
    reader = reader_for(op, version)
    assert reader is not None
    values = [None if t is None else t.value for t in inputs]
    attrs = {**node.attributes, **attributes}
    results = reader(replace(node, op=op, version=version, inputs=values, attributes=attrs, output_count=1))
    first = results[0] if isinstance(results, list) else results
    assert first is not None
    return tensor(node, first)


def channels_first(x: Tensor) -> Tensor:
    """[batch, extents..., channels] as [batch, channels, extents...]."""
    return x.transpose(0, x.rank - 1, *range(1, x.rank - 1))


def channels_last(x: Tensor) -> Tensor:
    return x.transpose(0, *range(2, x.rank), 1)


# products -----------------------------------------------------------------------------------------------------------------------


def scaled_product(
    node: OnnxNode, sides: tuple[int, int], scales: tuple[int, int], zeros: tuple[int, int], bias: int | None
) -> Tensor:
    """The product of integers as floats; inputs by number."""
    a, b, a_scale, b_scale = (tensor(node, node.input(n)) for n in (*sides, *scales))
    whole = whole_product(a, optional_tensor(node, zeros[0]), b, optional_tensor(node, zeros[1]))
    scale = along(a_scale, a, -1) * along(b_scale, b, -1)
    result, added = whole.cast(scale.dtype) * scale, None if bias is None else optional_tensor(node, bias)
    return result if added is None else result + added


@onnx_op(f"{_DOMAIN}.MatMulIntegerToFloat")
def matmul_integer_to_float(node: OnnxNode) -> Value:
    return scaled_product(node, (0, 1), (2, 3), (4, 5), 6).value


@onnx_op(f"{_DOMAIN}.DynamicQuantizeMatMul")
def dynamic_quantize_matmul(node: OnnxNode) -> Value:
    """The left side in 8 bits over the range that it has, as DynamicQuantizeLinear finds it."""
    small, scale, zero = dynamic_quantize_linear(node)
    inputs = [small, node.input(1), scale, node.input(2), zero, node.optional(3), node.optional(4)]
    return matmul_integer_to_float(replace(node, inputs=inputs))


@onnx_op(f"{_DOMAIN}.MatMulInteger16")
def matmul_integer16(node: OnnxNode) -> Value:
    return whole_product(tensor(node, node.input(0)), None, tensor(node, node.input(1)), None).value


@onnx_op(f"{_DOMAIN}.QGemm")
def quantized_gemm(node: OnnxNode) -> Value:
    """alpha * (A B) + C in integers of which one step is alpha * a_scale * b_scale; floats where the result has no scale."""
    a, b = tensor(node, node.input(0)), tensor(node, node.input(3))
    a, b = (t.transpose(1, 0) if node.attribute(name, 0) else t for t, name in ((a, "transA"), (b, "transB")))
    whole, c = whole_product(a, optional_tensor(node, 2), b, optional_tensor(node, 5)), optional_tensor(node, 6)
    whole = whole if c is None else whole + c
    step = tensor(node, node.input(1)).reshape() * along(tensor(node, node.input(4)), b, -1) * node.attribute("alpha", 1.0)
    y_scale, y_zero = optional_tensor(node, 7), optional_tensor(node, 8)
    if y_scale is None:
        return (whole.cast(step.dtype) * step).value
    dtype = "uint8" if y_zero is None else y_zero.dtype
    return rounded(whole.cast(step.dtype) * (step / y_scale.reshape()), None if y_zero is None else y_zero.reshape(), dtype).value


@onnx_op(f"{_DOMAIN}.QLinearConv")
def channels_last_qlinear_conv(node: OnnxNode) -> Value:
    """The standard's, which here may have its channels last."""
    if not node.attribute("channels_last", 0):
        return qlinear_conv(node)
    x = channels_first(tensor(node, node.input(0)))
    return channels_last(tensor(node, qlinear_conv(replace(node, inputs=[x.value, *node.inputs[1:]])))).value


# weights in blocks, unpacked when compiling -------------------------------------------------------------------------------------


def _unpacked(data: np.ndarray, bits: int, count: int) -> np.ndarray:
    """[..., count] numbers as float32 of bytes [..., m] that hold several each, the lowest bits first."""
    fields = data[..., None] >> np.arange(0, 8, bits, dtype=np.uint8) & (2**bits - 1)
    return fields.reshape(*data.shape[:-1], -1)[..., :count].astype(np.float32)


def _bits(node: OnnxNode, constants: tuple[Value | None, ...]) -> int:
    bits = int(node.attribute("bits", 4))
    if bits not in (2, 4, 8) or any(v is not None and v.data is None for v in constants):
        raise Unsupported(f"weights of {bits} bits, or weights that are computed; constants of 2, 4 or 8 bits are supported")
    return bits


@onnx_op(f"{_DOMAIN}.MatMulNBits")
def matmul_n_bits(node: OnnxNode) -> Value:
    """Weights packed in blocks of a row; unpacked when compiling. Sums are float32 whatever `accuracy_level` allows."""
    x, packed, scales, zeros = tensor(node, node.input(0)), node.input(1), node.input(2), node.optional(3)
    bits, block = _bits(node, (packed, scales, zeros)), int(node.attribute("block_size"))
    if node.optional(4) is not None or node.attribute("weight_prepacked", 0):
        raise Unsupported("g_idx and weight_prepacked are not supported; quantise the model without")
    rows, columns = int(node.attribute("N")), int(node.attribute("K"))
    blocks = -(-columns // block)
    assert packed.data is not None and scales.data is not None
    numbers = _unpacked(packed.data.reshape(rows, blocks, -1), bits, block)
    offset: np.ndarray | float = 2.0 ** (bits - 1)
    if zeros is not None and zeros.data is not None:
        kept = zeros.data.reshape(rows, -1)
        offset = (_unpacked(kept, bits, blocks) if kept.dtype == np.uint8 else kept.astype(np.float32))[..., None]
    weights = (numbers - offset) * scales.data.reshape(rows, blocks, 1).astype(np.float32)
    matrix = weights.reshape(rows, blocks * block)[:, :columns].T.copy()
    result, bias = x @ tensor(node, matrix.astype(x.dtype)), optional_tensor(node, 5)
    return (result if bias is None else result + bias).value


@onnx_op(f"{_DOMAIN}.GatherBlockQuantized")
def gather_block_quantized(node: OnnxNode) -> Value:
    """Rows of a table whose blocks have scales; the table is unpacked when compiling."""
    table, scales, zeros = node.input(0), node.input(2), node.optional(3)
    bits = _bits(node, (table, scales, zeros))
    assert table.data is not None and scales.data is not None
    axis, block = int(node.attribute("quantize_axis", 1)) % table.rank, int(node.attribute("block_size", 128))

    def numbers(value: Value, count: int) -> np.ndarray:
        assert value.data is not None
        if value.dtype != "uint8":
            return value.data.astype(np.float32)
        return _unpacked(value.data, bits, count) if bits < 8 else value.data.astype(np.float32)

    weights = numbers(table, int(table.shape[-1]) * 8 // bits)
    offset: np.ndarray | float = 2.0 ** (bits - 1) if table.dtype == "uint8" else 0.0
    if zeros is not None:
        offset = np.repeat(numbers(zeros, scales.data.shape[-1]), block, axis).take(range(weights.shape[axis]), axis)
    steps = np.repeat(scales.data, block, axis).take(range(weights.shape[axis]), axis)
    whole = tensor(node, ((weights - offset) * steps).astype(scales.dtype))
    return as_standard(node, "Gather", whole, tensor(node, node.input(1)), axis=int(node.attribute("gather_axis", 0))).value


# the standard's operators on quantised operands: (x, scale, zero) for each, and both of the result -----------------


@onnx_op(
    *(
        f"{_DOMAIN}.QLinear{op}"
        for op in "Add Mul Sigmoid LeakyRelu Softmax AveragePool GlobalAveragePool ReduceMean Concat Where".split()
    )
)
def qlinear(node: OnnxNode) -> Value:
    """The float operator between taking real numbers and rounding again; Concat has the result's scale and zero point first."""
    op = node.op.removeprefix("QLinear")
    first = {"Add": 6, "Mul": 6, "Where": 7, "Concat": 0}.get(op, 3)
    places = {"Add": range(0, 6, 3), "Mul": range(0, 6, 3), "Where": (1, 4), "Concat": range(2, len(node.inputs), 3)}.get(
        op, (0,)
    )
    operands = []
    for n in places:
        x, scale, zero = tensor(node, node.input(n)), tensor(node, node.input(n + 1)), optional_tensor(node, n + 2)
        operands.append(real(x, scale.reshape(), None if zero is None else zero.reshape()))
    scale, zero = tensor(node, node.input(first)).reshape(), optional_tensor(node, first + 1)
    dtype = node.input(places[0]).dtype if zero is None else zero.dtype
    last = bool(node.attribute("channels_last", 0))
    if op == "Where":
        operands.insert(0, tensor(node, node.input(0)).cast("bool"))
    if last:
        operands = [channels_first(x) for x in operands]
    result = as_standard(node, op, *operands, version=int(node.attribute("opset", OPSET)))
    result = channels_last(result) if last else result
    return rounded(result / scale, None if zero is None else zero.reshape(), dtype).value
