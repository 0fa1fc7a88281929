"""com.microsoft: products, pooling and elementwise operators of quantised tensors, as onnxruntime's quantizers write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kaoken.frontend.quantization import along, dynamic_quantize_linear, qlinear_conv, real, rounded, whole_product
from kaoken.frontend.registry import OnnxNode, Unsupported, reader_for
from kaoken.frontend.spelled import Tensor, onnx_formula, plus, tensor

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


@onnx_formula(f"{_DOMAIN}.MatMulIntegerToFloat")
def scaled_product(
    a: Tensor, b: Tensor, a_scale: Tensor, b_scale: Tensor,
    a_zero: Tensor | None = None, b_zero: Tensor | None = None, bias: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The product of integers as floats."""
    whole, scale = whole_product(a, a_zero, b, b_zero), along(a_scale, a, -1) * along(b_scale, b, -1)
    return plus(whole.cast(scale.dtype) * scale, bias)


@onnx_formula(f"{_DOMAIN}.DynamicQuantizeMatMul")
def dynamic_quantize_matmul(
    a: Tensor, b: Tensor, b_scale: Tensor, b_zero: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """The left side in 8 bits over the range that it has, as DynamicQuantizeLinear finds it."""
    small, scale, zero = dynamic_quantize_linear(a)
    return scaled_product(small, b, scale, b_scale, zero, b_zero, bias)


@onnx_formula(f"{_DOMAIN}.MatMulInteger16")
def matmul_integer16(a: Tensor, b: Tensor) -> Tensor:
    return whole_product(a, None, b, None)


@onnx_formula(f"{_DOMAIN}.QGemm")
def quantized_gemm(
    a: Tensor, a_scale: Tensor, a_zero: Tensor | None, b: Tensor, b_scale: Tensor, b_zero: Tensor | None = None,
    c: Tensor | None = None, y_scale: Tensor | None = None, y_zero: Tensor | None = None, *,
    transA: int = 0, transB: int = 0, alpha: float = 1.0,
) -> Tensor:  # fmt: skip
    """alpha * (A B) + C in integers of which one step is alpha * a_scale * b_scale; floats where the result has no scale."""
    a, b = (t.transpose(1, 0) if turned else t for t, turned in ((a, transA), (b, transB)))
    whole = plus(whole_product(a, a_zero, b, b_zero), c)
    step = a_scale.reshape() * along(b_scale, b, -1) * alpha
    if y_scale is None:
        return whole.cast(step.dtype) * step
    scaled = whole.cast(step.dtype) * (step / y_scale.reshape())
    return rounded(scaled, None, "uint8") if y_zero is None else rounded(scaled, y_zero.reshape(), y_zero.dtype)


@onnx_formula(f"{_DOMAIN}.QLinearConv")
def channels_last_qlinear_conv(node: OnnxNode, x: Tensor, *rest: Any, group: int = 1) -> Tensor:
    """The standard's, which here may have its channels last."""
    if not node.attribute("channels_last", 0):
        return qlinear_conv(node, x, *rest, group=group)
    return channels_last(qlinear_conv(node, channels_first(x), *rest, group=group))


# weights in blocks, unpacked when compiling -------------------------------------------------------------------------------------


def _unpacked(data: np.ndarray, bits: int, count: int) -> np.ndarray:
    """[..., count] numbers as float32 of bytes [..., m] that hold several each, the lowest bits first."""
    fields = data[..., None] >> np.arange(0, 8, bits, dtype=np.uint8) & (2**bits - 1)
    return fields.reshape(*data.shape[:-1], -1)[..., :count].astype(np.float32)


def _constants(node: OnnxNode, *weights: Tensor | None) -> tuple[int, list[Any]]:
    """The bits of packed weights, and their arrays."""
    bits, arrays = int(node.attribute("bits", 4)), [None if t is None else t.value.data for t in weights]
    if bits not in (2, 4, 8) or any(t is not None and data is None for t, data in zip(weights, arrays, strict=True)):
        raise Unsupported(f"weights of {bits} bits, or weights that are computed; constants of 2, 4 or 8 bits are supported")
    return bits, arrays


@onnx_formula(f"{_DOMAIN}.MatMulNBits")
def matmul_n_bits(
    node: OnnxNode, x: Tensor, packed: Tensor, scales: Tensor, zeros: Tensor | None = None, g_idx: Tensor | None = None,
    bias: Tensor | None = None, *, N: int, K: int, block_size: int, weight_prepacked: int = 0,
) -> Tensor:  # fmt: skip
    """Weights packed in blocks of a row; unpacked when compiling. Sums are float32 whatever `accuracy_level` allows."""
    bits, (data, steps, kept) = _constants(node, packed, scales, zeros)
    if g_idx is not None or weight_prepacked:
        raise Unsupported("g_idx and weight_prepacked are not supported; quantise the model without")
    blocks = -(-K // block_size)
    numbers = _unpacked(data.reshape(N, blocks, -1), bits, block_size)
    offset: np.ndarray | float = 2.0 ** (bits - 1)
    if zeros is not None:
        kept = kept.reshape(N, -1)
        offset = (_unpacked(kept, bits, blocks) if kept.dtype == np.uint8 else kept.astype(np.float32))[..., None]
    weights = (numbers - offset) * steps.reshape(N, blocks, 1).astype(np.float32)
    return plus(x @ tensor(node, weights.reshape(N, blocks * block_size)[:, :K].T.copy().astype(x.dtype)), bias)


@onnx_formula(f"{_DOMAIN}.GatherBlockQuantized")
def gather_block_quantized(
    node: OnnxNode, table: Tensor, indices: Tensor, scales: Tensor, zeros: Tensor | None = None, *,
    quantize_axis: int = 1, gather_axis: int = 0, block_size: int = 128,
) -> Tensor:  # fmt: skip
    """Rows of a table whose blocks have scales; the table is unpacked when compiling."""
    bits, (data, steps, kept) = _constants(node, table, scales, zeros)
    axis = quantize_axis % table.rank

    def numbers(data: np.ndarray, count: int) -> np.ndarray:
        return _unpacked(data, bits, count) if bits < 8 and data.dtype == np.uint8 else data.astype(np.float32)

    def spread(blocks: np.ndarray) -> np.ndarray:
        return np.repeat(blocks, block_size, axis).take(range(weights.shape[axis]), axis)

    weights = numbers(data, data.shape[-1] * 8 // bits)
    offset: np.ndarray | float = 2.0 ** (bits - 1) if table.dtype == "uint8" else 0.0
    offset = offset if zeros is None else spread(numbers(kept, steps.shape[-1]))
    whole = tensor(node, ((weights - offset) * spread(steps)).astype(scales.dtype))
    return whole.gather(indices, axis=gather_axis)


# the standard's operators on quantised operands: (x, scale, zero) for each, and both of the result -----------------

_FIRST = {"Add": (0, 3), "Mul": (0, 3), "Where": (1, 4)}
"""Where the operands of an operator begin that has several."""


@onnx_formula(
    *(
        f"{_DOMAIN}.QLinear{op}"
        for op in "Add Mul Sigmoid LeakyRelu Softmax AveragePool GlobalAveragePool ReduceMean Concat Where".split()
    )
)
def qlinear(node: OnnxNode, *inputs: Any, opset: int = OPSET) -> Tensor:
    """The float operator between taking real numbers and rounding again; Concat has the result's scale and zero point first."""
    op = node.op.removeprefix("QLinear")
    places = range(2, len(inputs), 3) if op == "Concat" else _FIRST.get(op, (0,))
    operands = []

    def zero_at(n: int) -> Tensor | None:
        return inputs[n].reshape() if n < len(inputs) and inputs[n] is not None else None

    for n in places:
        operands.append(real(inputs[n], inputs[n + 1].reshape(), zero_at(n + 2)))
    first = 0 if op == "Concat" else places[-1] + 3
    zero = zero_at(first + 1)
    if op == "Where":
        operands.insert(0, inputs[0].cast("bool"))
    last = bool(node.attribute("channels_last", 0))
    if last:
        operands = [channels_first(x) for x in operands]
    result = as_standard(node, op, *operands, version=opset)
    result = channels_last(result) if last else result
    return rounded(result / inputs[first].reshape(), zero, inputs[places[0]].dtype if zero is None else zero.dtype)
