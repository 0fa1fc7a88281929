"""ONNX operators that are a formula of their elements: a row each, of inputs and, as keywords, attributes with their defaults."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np

from kaoken.frontend.narrow import to_narrow_float
from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype
from kaoken.frontend.spelled import Tensor, iota, onnx_formula, onnx_formulas, tensor
from kaoken.ir.dims import product
from kaoken.ir.dtypes import NARROW_FLOATS, is_float
from kaoken.ops.registry import normalize_axis

_SAME = {
    name: name.lower()
    for name in """Abs Add And Atan Ceil Cos Div Erf Exp Floor IsNaN Log Mul Neg Not Or Round Sigmoid Sign Sin Sqrt Sub Tanh
    Xor""".split()
} | {
    "Less": "lt",
    "LessOrEqual": "le",
    "Greater": "gt",
    "GreaterOrEqual": "ge",
    "Equal": "eq",
    "Where": "select",
    "BitwiseAnd": "bit_and",
    "BitwiseOr": "bit_or",
    "BitwiseXor": "bit_xor",
    "BitwiseNot": "bit_not",
}


def _is_inf(x: Tensor, *, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    if bool(detect_negative) == bool(detect_positive):
        return x.isinf() if detect_negative else tensor(x.node, np.array(False)).expand(*x.shape)
    return x.eq(np.inf if detect_positive else -np.inf)


def _bit_shift(x: Tensor, by: Tensor, *, direction: str = "") -> Tensor:
    if direction not in ("LEFT", "RIGHT"):
        raise Unsupported(f"direction={direction!r} is neither 'LEFT' nor 'RIGHT'")
    return x.shift_left(by) if direction == "LEFT" else x.shift_right(by)


def _gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    if approximate not in ("none", "tanh"):
        raise Unsupported(f"approximate={approximate!r} is neither 'none' nor 'tanh'")
    return x.gelu_tanh() if approximate == "tanh" else x.gelu()


def _softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)) without overflow, and without what 1 + loses."""
    return x.max(0) + (-x.abs()).exp().log1p()


def _rectified(x: Tensor, otherwise: Tensor) -> Tensor:
    """x where it is positive or 0."""
    return (x >= 0).where(x, otherwise)


def _hardmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """1 at the first largest element of each row along the axis, else 0."""
    axis = normalize_axis(axis, x.rank)
    best = x.first_extreme("argmax", axis, keep=True)
    return iota(x.node, x.shape[axis]).along(axis, x.rank).eq(best).cast(x.dtype)


def _hardmax_flattened(x: Tensor, *, axis: int = 1) -> Tensor:
    """Before opset 13 everything from the axis on is one row."""
    axis = normalize_axis(axis, x.rank)
    return _hardmax(x.reshape(product(x.shape[:axis]), product(x.shape[axis:])), axis=1).reshape(*x.shape)


def _clip(x: Tensor, low: Tensor | float | None = None, high: Tensor | float | None = None) -> Tensor:
    x = x if low is None else x.max(low)
    return x if high is None else x.min(high)


def _sum(*parts: Tensor) -> Tensor:
    return reduce(lambda a, b: a + b, parts)


def _same(op: str) -> Callable[..., Tensor]:
    return lambda x, *others: x.add_node(op, *others)


onnx_formulas(1, **{name: _same(op) for name, op in _SAME.items()})
onnx_formulas(
    Identity=lambda x: x,
    Reciprocal=lambda x: 1 / x,
    Max=lambda *parts: reduce(lambda a, b: a.max(b), parts),
    Min=lambda *parts: reduce(lambda a, b: a.min(b), parts),
    Sum=_sum,
    Mean=lambda *parts: _sum(*parts) / len(parts),
    IsInf=_is_inf,
    BitShift=_bit_shift,
    Hardmax=_hardmax_flattened,
    Clip=lambda x, *, min=None, max=None: _clip(x, min, max),
    # Functions that others say without cancellation.
    Tan=lambda x: x.sin() / x.cos(),
    Asin=lambda x: (x / ((1 - x) * (1 + x)).sqrt()).atan(),
    Acos=lambda x: 2 * ((1 - x) / (1 + x)).sqrt().atan(),
    Sinh=lambda x: 0.5 * (x.expm1() - (-x).expm1()),
    Cosh=lambda x: 0.5 * (x.exp() + (-x).exp()),
    Asinh=lambda x: x.sign() * (x.abs() + x * x / (1 + (x * x + 1).sqrt())).log1p(),
    Acosh=lambda x: (x - 1 + ((x - 1) * (x + 1)).sqrt()).log1p(),
    Atanh=lambda x: 0.5 * (2 * x / (1 - x)).log1p(),
    # Activations.
    Relu=lambda x: x.max(0),
    Softplus=_softplus,
    Softsign=lambda x: x / (x.abs() + 1),
    Mish=lambda x: x * _softplus(x).tanh(),
    Gelu=_gelu,
    Swish=lambda x, *, alpha=1.0: x.silu() if alpha == 1 else x * (x * alpha).sigmoid(),
    HardSwish=lambda x: x * (x * (1 / 6) + 0.5).clamp(0, 1),
    HardSigmoid=lambda x, *, alpha=0.2, beta=0.5: (x * alpha + beta).clamp(0, 1),
    LeakyRelu=lambda x, *, alpha=0.01: _rectified(x, x * alpha),
    ThresholdedRelu=lambda x, *, alpha=1.0: (x > alpha).where(x, 0),
    Elu=lambda x, *, alpha=1.0: _rectified(x, x.expm1() * alpha),
    Celu=lambda x, *, alpha=1.0: _rectified(x, (x / alpha).expm1() * alpha),
    Selu=lambda x, *, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875: _rectified(x, x.expm1() * alpha) * gamma,
    Shrink=lambda x, *, bias=0.0, lambd=0.5: (x < -lambd).where(x + bias, (x > lambd).where(x - bias, 0)),
)
onnx_formulas(7, PRelu=lambda x, slope: _rectified(x, x * slope))
onnx_formulas(11, Clip=_clip)
onnx_formulas(13, Hardmax=_hardmax)


@onnx_formula("BitCast", since=26)
def bit_cast(x: Tensor, *, to: int) -> Tensor:
    dtype = element_dtype(to)
    return x.cast(dtype) if dtype in ("bool", x.dtype) else x.add_node(f"bits_as_{dtype}")


@onnx_formula("Pow")
def power(x: Tensor, exponent: Tensor) -> Tensor:
    if not is_float(x.dtype) and is_float(exponent.dtype):
        return x.cast("float64").pow(exponent.cast("float64")).cast(x.dtype)
    exponent = exponent.cast(x.dtype)
    data = exponent.value.data
    number = float(data.reshape(-1)[0]) if data is not None and data.size == 1 else None
    if number in (2, 3):
        return x * x if number == 2 else x * x * x
    return x.sqrt() if number == 0.5 and is_float(x.dtype) else x.pow(exponent)


@onnx_formula("Mod")
def modulo(node: OnnxNode, x: Tensor, by: Tensor, *, fmod: int = 0) -> Tensor:
    if is_float(x.dtype) and not fmod and node.version < 28:
        raise Unsupported("Mod of floats needs fmod=1")
    return x.fmod(by) if fmod else x % by


def converted(x: Tensor, dtype: str) -> Tensor:
    """Cast as the attributes of Cast and its kin say."""
    return to_narrow_float(x, dtype) if dtype in NARROW_FLOATS and x.dtype != dtype else x.cast(dtype)
