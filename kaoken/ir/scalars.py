"""The scalar functions of the expression language: what each computes, as NumPy, and the type it gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kaoken.ir.dtypes import C_TYPES, DType, is_float, is_storage

_erf = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True)
class Scalar:
    """One function: arity, NumPy meaning, whether the result is bool, infix spelling for text, and the result's type where it is
    neither bool nor the arguments'."""

    name: str
    arity: int
    numpy: Callable[..., Any]
    gives_bool: bool = False
    infix: str = ""
    commutative: bool = False
    gives: str = ""

    def result_dtype(self, arguments: tuple[DType, ...]) -> DType:
        """The result's type. Raises TypeError when the arguments' types differ: casts are explicit."""
        if len(arguments) != self.arity:
            raise TypeError(f"{self.name} takes {self.arity} arguments, not {len(arguments)}")
        if len(set(arguments)) > 1:
            raise TypeError(f"{self.name} of different types: {', '.join(arguments)}")
        if is_storage(arguments[0]) and not self.gives:
            raise TypeError(f"{self.name} of {arguments[0]}, which is only held in memory: cast it first")
        if self.gives and np.dtype(self.gives).itemsize != np.dtype(arguments[0]).itemsize:
            raise TypeError(f"{self.name} of {arguments[0]}, which has another width")
        return "bool" if self.gives_bool else self.gives or arguments[0]


def _truncated_divide(a: Any, b: Any) -> Any:
    """C's division for integers (towards zero; 0 where the divisor is 0), IEEE division for floats."""
    if np.issubdtype(np.asarray(a).dtype, np.integer):
        b_safe = np.where(b == 0, 1, b)
        quotient = np.floor_divide(a, b_safe)
        inexact = (np.remainder(a, b_safe) != 0) & ((a < 0) != (b < 0))
        return np.where(b == 0, 0, quotient + inexact).astype(np.asarray(a).dtype)
    return np.divide(a, b)


def _safe(function: Callable[..., Any]) -> Callable[..., Any]:
    def integer_division(a: Any, b: Any) -> Any:
        return np.where(b == 0, 0, function(a, np.where(b == 0, 1, b))).astype(np.asarray(a).dtype)

    return integer_division


def _wide(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Evaluate in float64 and round once to the argument's type."""
    return lambda x: function(np.asarray(x, np.float64)).astype(np.asarray(x).dtype)


def _power(a: Any, b: Any) -> Any:
    """Integers wrap around; a negative exponent gives the truncated quotient 1 / a**-b, 0 where a is 0."""
    if not np.issubdtype(np.asarray(a).dtype, np.signedinteger):
        return np.power(a, b)
    odd_sign = np.where((a == -1) & (b % 2 != 0), -1, 1)
    inverse = np.where((a == 1) | (a == -1), odd_sign, 0)
    return np.where(b < 0, inverse, np.power(a, np.maximum(b, 0))).astype(np.asarray(a).dtype)


def _shift(left: bool) -> Callable[..., Any]:
    """Shift by b bits. By the type's width or more, or by less than 0, gives 0, or to the right the sign."""

    def shift(a: Any, b: Any) -> Any:
        dtype = np.asarray(a).dtype
        bits = dtype.itemsize * 8
        by = np.clip(b, 0, bits - 1).astype(dtype)
        shifted = np.left_shift(a, by) if left else np.right_shift(a, by)
        beyond = np.right_shift(a, bits - 1) if not left and dtype.kind == "i" else 0
        return np.where((b >= bits) | (b < 0), beyond, shifted).astype(dtype)

    return shift


def _floor_mod(a: Any, b: Any) -> Any:
    if np.issubdtype(np.asarray(a).dtype, np.integer):
        return _safe(np.remainder)(a, b)
    return np.remainder(a, b)


_BIT_TYPES = tuple(dtype for dtype in C_TYPES if dtype != "bool")


def _bits_as(dtype: DType) -> Callable[[Any], Any]:
    return lambda a: np.ascontiguousarray(a).view(dtype).reshape(np.shape(a))


def philox(key: Any, counter: Any) -> Any:
    """64 random bits for each counter: two words of Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
    2011). Arguments and result are uint64."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    key, counter = np.broadcast_arrays(np.asarray(key, np.uint64), np.asarray(counter, np.uint64))
    words, keys = [counter & low, counter >> half, counter * 0, counter * 0], [key & low, key >> half]
    for _ in range(10):
        a, b = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        words = [(b >> half) ^ words[1] ^ keys[0], b & low, (a >> half) ^ words[3] ^ keys[1], a & low]
        keys = [(keys[0] + np.uint64(0x9E3779B9)) & low, (keys[1] + np.uint64(0xBB67AE85)) & low]
    return words[0] | words[1] << half


_TABLE = [
    Scalar("add", 2, np.add, infix="+", commutative=True),
    Scalar("sub", 2, np.subtract, infix="-"),
    Scalar("mul", 2, np.multiply, infix="*", commutative=True),
    Scalar("div", 2, _truncated_divide, infix="/"),
    Scalar("floordiv", 2, _safe(np.floor_divide), infix="//"),
    Scalar("mod", 2, _floor_mod, infix="%"),
    Scalar("fmod", 2, np.fmod),
    Scalar("pow", 2, _power),
    Scalar("max", 2, np.maximum, commutative=True),
    Scalar("min", 2, np.minimum, commutative=True),
    Scalar("neg", 1, np.negative),
    Scalar("abs", 1, np.abs),
    Scalar("sign", 1, np.sign),
    Scalar("floor", 1, np.floor),
    Scalar("ceil", 1, np.ceil),
    Scalar("round", 1, np.rint),
    Scalar("sqrt", 1, np.sqrt),
    Scalar("exp", 1, _wide(np.exp)),
    Scalar("log", 1, _wide(np.log)),
    Scalar("tanh", 1, _wide(np.tanh)),
    Scalar("erf", 1, _wide(_erf)),
    Scalar("sin", 1, _wide(np.sin)),
    Scalar("cos", 1, _wide(np.cos)),
    Scalar("sigmoid", 1, _wide(lambda x: 1 / (1 + np.exp(-x)))),
    Scalar("gelu", 1, _wide(lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))))),
    Scalar("gelu_tanh", 1, _wide(lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))),
    Scalar("lt", 2, np.less, True, "<"),
    Scalar("le", 2, np.less_equal, True, "<="),
    Scalar("gt", 2, np.greater, True, ">"),
    Scalar("ge", 2, np.greater_equal, True, ">="),
    Scalar("eq", 2, np.equal, True, "==", commutative=True),
    Scalar("ne", 2, np.not_equal, True, "!=", commutative=True),
    Scalar("and", 2, np.logical_and, True, "&&", commutative=True),
    Scalar("or", 2, np.logical_or, True, "||", commutative=True),
    Scalar("xor", 2, np.logical_xor, True, commutative=True),
    Scalar("not", 1, np.logical_not, True),
    Scalar("bit_and", 2, np.bitwise_and, infix="&", commutative=True),
    Scalar("bit_or", 2, np.bitwise_or, infix="|", commutative=True),
    Scalar("bit_xor", 2, np.bitwise_xor, infix="^", commutative=True),
    Scalar("bit_not", 1, np.bitwise_not),
    Scalar("shift_left", 2, _shift(True), infix="<<"),
    Scalar("shift_right", 2, _shift(False), infix=">>"),
    Scalar("isnan", 1, np.isnan, True),
    Scalar("isinf", 1, np.isinf, True),
    Scalar("atan", 1, _wide(np.arctan)),
    Scalar("expm1", 1, _wide(np.expm1)),
    Scalar("log1p", 1, _wide(np.log1p)),
    Scalar("random_bits", 2, philox),
    *(Scalar(f"bits_as_{to}", 1, _bits_as(to), gives=to) for to in _BIT_TYPES),
]

SCALARS: dict[str, Scalar] = {scalar.name: scalar for scalar in _TABLE}


def neutral_element(kind: str, dtype: str) -> Any:
    """What a reduction of nothing gives: 0, 1, or for max and min the type's lowest or highest value."""
    if kind in ("sum", "prod"):
        value: Any = 0 if kind == "sum" else 1
    elif dtype == "bool":
        value = kind == "min"
    elif is_float(dtype):
        value = -np.inf if kind == "max" else np.inf
    else:
        value = np.iinfo(dtype).min if kind == "max" else np.iinfo(dtype).max
    return np.asarray(value).astype(dtype)
