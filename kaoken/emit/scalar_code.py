"""Scalar expressions as C text: every function of the language, for every element type, without undefined behaviour."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from kaoken.errors import UnsupportedModelError
from kaoken.ir.dims import Dim, to_c
from kaoken.ir.dtypes import C_TYPES, DType, is_float, is_integer, is_storage, item_size, wide_type
from kaoken.ir.expr import Apply, Cast, Const, Expr, Read, Reduce

CHOICE, OR, AND, BITS, NOT, EQUAL, COMPARE, ADD, MULTIPLY, UNARY, PRIMARY = range(11)
"""How tightly C text binds. `!x` stands low, so that it is parenthesised beside everything but && and ||."""


class Code(NamedTuple):
    """C text and how tightly its outermost operator binds."""

    text: str
    level: int = PRIMARY

    def inside(self, level: int) -> str:
        """The text as an operand of something that binds as `level` does."""
        return self.text if self.level >= level else f"({self.text})"


_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_ARITHMETIC = {"add": ("+", ADD), "sub": ("-", ADD), "mul": ("*", MULTIPLY), "div": ("/", MULTIPLY)}
_BITWISE = {"bit_and": "&", "bit_or": "|", "bit_xor": "^"}
_LIBRARY = {"abs": "fabs", "round": "rint"} | {
    name: name for name in "floor ceil sqrt exp log tanh erf sin cos atan expm1 log1p pow fmod".split()
}
"""What float64 takes from the C library by another name or its own; the rest is `kk_NAME_f64`."""

ONE_LANE = tuple("abs floor ceil round sqrt exp log tanh erf sin cos atan expm1 log1p sigmoid gelu gelu_tanh pow".split())
"""Functions of float32 that are computed on sixteen lanes even where one is wanted: worth computing once."""

_FLOAT_FUNCTIONS = (*ONE_LANE, "max", "min", "sign", "fmod", "mod")
_UNSIGNED_FUNCTIONS = {"div": "div", "floordiv": "div", "mod": "mod", "fmod": "mod", "max": "max", "min": "min", "pow": "pow"}
_INTEGER_FUNCTIONS = ("add", "sub", "mul", "div", "floordiv", "mod", "fmod", "max", "min", "abs", "sign", "pow")


def call(function: str, *arguments: Code | str) -> Code:
    return Code(f"{function}({', '.join(a.text if isinstance(a, Code) else a for a in arguments)})")


def convert(code: Code, target: DType) -> Code:
    """A C cast."""
    return Code(f"({C_TYPES[target]}){code.inside(UNARY)}", UNARY)


def infix(left: Code, operator: str, right: Code, level: int) -> Code:
    """A binary operator that binds as `level` and groups to the left."""
    return Code(f"{left.inside(level)} {operator} {right.inside(level + 1)}", level)


def literal_code(node: Const) -> Code:
    """A C literal of the constant's type."""
    value = node.value
    if node.dtype == "bool":
        return Code("1" if value else "0")
    if is_integer(node.dtype):
        return _integer_literal(int(value))
    if is_storage(node.dtype):
        return Code(hex(int.from_bytes(np.asarray(value).astype(node.dtype).tobytes(), "little")))
    negative = value < 0 or (value == 0 and math.copysign(1, value) < 0)
    level = UNARY if negative else PRIMARY
    if math.isnan(value):
        return Code("NAN" if node.dtype == "float32" else "(double)NAN")
    if math.isinf(value):
        return Code("-INFINITY" if negative else "INFINITY", level)
    text = repr(float(value)) if node.dtype == "float64" else str(np.float32(value))
    text = text if "." in text or "e" in text else f"{text}.0"
    return Code(text if node.dtype == "float64" else f"{text}f", level)


def _integer_literal(value: int) -> Code:
    if value == -(2**63):
        return Code("INT64_MIN")
    if value >= 2**63:
        return Code(f"UINT64_C({value})")
    if abs(value) >= 2**31:
        return Code(f"INT64_C({value})")
    return Code(str(value), UNARY if value < 0 else PRIMARY)


def dim_code(value: Dim) -> Code:
    """An integer expression of dimensions and axes."""
    if value.constant is not None:
        return _integer_literal(value.constant)
    ((monomial, coefficient), *more) = value.terms
    if more or coefficient < 0:
        return Code(to_c(value), ADD)
    single = coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1
    return Code(to_c(value), PRIMARY if single else MULTIPLY)


def neutral_code(kind: str, dtype: DType) -> Code:
    """What a reduction of nothing gives."""
    if kind in ("sum", "prod"):
        value = "0" if kind == "sum" else "1"
        return Code(value + {"float32": ".0f", "float64": ".0"}.get(dtype, ""))
    if dtype == "bool":
        return Code("0" if kind == "max" else "1")
    if is_float(dtype):
        return Code("-INFINITY", UNARY) if kind == "max" else Code("INFINITY")
    limits = f"{'U' if dtype.startswith('u') else ''}INT{8 * item_size(dtype)}"
    return Code("0") if kind == "max" and dtype.startswith("u") else Code(f"{limits}_{'MIN' if kind == 'max' else 'MAX'}")


def cast_code(code: Code, source: DType, target: DType) -> Code:
    """Conversion as ONNX Cast defines it; floats out of an integer's range give what x86 gives (kk_scalar.h)."""
    if is_storage(source):
        code = call(f"kk_from_{source}", code) if is_float(source) else code
        source = wide_type(source)
    if source == target:
        return code
    if target == "bool":
        return infix(code, "!=", Code("0"), EQUAL)
    if is_storage(target):
        return _stored(code, source, target)
    if not is_float(source) or is_float(target):
        return convert(code, target)
    if target == "uint64":
        return call("kk_truncate_u64", code)
    wide = "int64" if target in ("int64", "uint32") else "int32"
    truncated = call(f"kk_truncate_i{wide[3:]}", code)
    return truncated if target == wide else convert(truncated, target)


def _stored(code: Code, source: DType, target: DType) -> Code:
    """Conversion to a type that is only held in memory (kk_narrow.h)."""
    if not is_float(target):
        return call(f"kk_low_{target}", call("kk_truncate_i32", code) if is_float(source) else code)
    if (source, target) == ("float64", "float16"):
        return call("kk_to_float16_f64", code)
    return call(f"kk_to_{target}", code if source == "float32" else convert(code, "float32"))


def apply_code(function: str, arguments: list[Code], dtype: DType) -> Code:
    """A scalar function of operands of one type. Raises UnsupportedModelError where C has none for the type."""
    if function in _COMPARISONS:
        return _comparison(function, arguments, dtype)
    if function.startswith("bits_as_"):
        return _bits(arguments[0], dtype, function[8:])
    if function in ("and", "or", "not", "xor") or dtype == "bool":
        return _logical(function, arguments)
    code = _float(function, arguments, dtype) if is_float(dtype) else _integer(function, arguments, dtype)
    if code is None:
        raise UnsupportedModelError(f"the function {function} of {dtype} is not supported; cast its operands to float32")
    return code


def _bits(code: Code, source: DType, target: DType) -> Code:
    """The bits of a number as another type of its width; narrow floats are their bits, narrow integers the low ones of a byte."""
    bits = f"uint{8 * item_size(source)}"
    if is_storage(target) and is_integer(target):
        return call(f"kk_low_{target}", code)
    if is_storage(source) or is_storage(target):
        return convert(code, target)
    if is_float(source):
        code = call(f"kk_bits_of_f{bits[4:]}", code)
    if is_float(target):
        return call(f"kk_f{bits[4:]}_of_bits", code if is_float(source) else convert(code, bits))
    return code if target == bits and is_float(source) else convert(code, target)


def _comparison(function: str, arguments: list[Code], dtype: DType) -> Code:
    known = _always(function, [a.text for a in arguments], dtype) if is_integer(dtype) else None
    if known is not None:
        return Code(known)
    level = EQUAL if function in ("eq", "ne") else COMPARE
    left, right = (a.inside(ADD) for a in arguments)
    return Code(f"{left} {_COMPARISONS[function]} {right}", level)


def _always(function: str, texts: list[str], dtype: DType) -> str | None:
    """What a comparison with an end of the type's range gives if it is always the same (compilers warn of those)."""
    if function in ("gt", "ge"):
        function, texts = {"gt": "lt", "ge": "le"}[function], texts[::-1]
    ends = tuple(str(n) for n in (np.iinfo(dtype).min, np.iinfo(dtype).max))
    if function == "lt" and (texts[1] == ends[0] or texts[0] == ends[1]):
        return "0"
    return "1" if function == "le" and (texts[0] == ends[0] or texts[1] == ends[1]) else None


def _logical(function: str, arguments: list[Code]) -> Code:
    """Bools: sums and maxima are or, products and minima are and."""
    if function == "not":
        return Code(f"!{arguments[0].inside(UNARY)}", NOT)
    if function in ("and", "mul", "min"):
        return Code(f"{arguments[0].inside(AND)} && {arguments[1].inside(AND)}", AND)
    if function in ("or", "add", "max"):
        return Code(" || ".join(a.text if a.level == OR else a.inside(BITS) for a in arguments), OR)
    if function == "xor":
        return Code(" != ".join(a.inside(ADD) for a in arguments), EQUAL)
    raise UnsupportedModelError(f"the function {function} of bool is not supported; cast its operands")


def _float(function: str, arguments: list[Code], dtype: DType) -> Code | None:
    if function in _ARITHMETIC:
        operator, level = _ARITHMETIC[function]
        return infix(arguments[0], operator, arguments[1], level)
    if function == "neg":
        return Code(f"-{arguments[0].inside(PRIMARY)}", UNARY)
    if function == "isnan":
        text = arguments[0].inside(ADD)
        return Code(f"{text} != {text}", EQUAL)
    if function == "isinf":
        text = arguments[0].inside(ADD)
        return Code(f"{text} == INFINITY || {text} == -INFINITY", OR)
    if dtype == "float64" and function in _LIBRARY:
        return call(_LIBRARY[function], *arguments)
    if function in _FLOAT_FUNCTIONS and dtype in ("float32", "float64"):
        return call(f"kk_{function}_f{dtype[5:]}", *arguments)
    return None


def _integer(function: str, arguments: list[Code], dtype: DType) -> Code | None:
    unsigned, bits = dtype.startswith("u"), 8 * item_size(dtype)
    if function in ("floor", "ceil", "round") or (function == "abs" and unsigned):
        return arguments[0]
    if function == "neg":
        function, arguments = "sub", [Code("0"), *arguments]
    if function in _BITWISE:
        return Code(f" {_BITWISE[function]} ".join(a.inside(UNARY) for a in arguments), BITS)
    if function == "bit_not":
        return convert(Code(f"~{arguments[0].inside(UNARY)}", UNARY), dtype)
    if function in ("shift_left", "shift_right"):
        return _narrow(call(f"kk_{function}_{'u64' if unsigned else 'i64'}", *arguments, str(bits)), dtype, unsigned)
    if unsigned and bits >= 32 and function in ("add", "sub", "mul"):
        operator, level = _ARITHMETIC[function]
        return infix(arguments[0], operator, arguments[1], level)
    if function == "random_bits":
        return call("kk_random_bits", *arguments)
    if dtype == "uint64" and function in _UNSIGNED_FUNCTIONS:
        return call(f"kk_{_UNSIGNED_FUNCTIONS[function]}_u64", *arguments)
    if function == "sign" and unsigned:
        return Code(f"{arguments[0].inside(ADD)} != 0", EQUAL)
    return _narrow(call(f"kk_{function}_i64", *arguments), dtype, False) if function in _INTEGER_FUNCTIONS else None


def _narrow(code: Code, dtype: DType, unsigned: bool) -> Code:
    """Back from 64 bits."""
    return code if dtype == ("uint64" if unsigned else "int64") else convert(code, dtype)


def short_factors(node: Reduce) -> tuple[Expr, Expr] | None:
    """The factors that an int32 sum adds up products of, if they are of at most 16 bits: C multiplies them without overflow, and
    compilers know such sums, in an unsigned local, as the pairwise products of vector units."""
    product = node.body
    if node.kind != "sum" or node.dtype != "int32" or not isinstance(product, Apply) or product.function != "mul":
        return None
    factors = [a.argument if isinstance(a, Cast) else a for a in product.arguments]
    if any(f.dtype not in ("int8", "uint8", "int16") or not isinstance(f, Read) for f in factors):
        return None
    return factors[0], factors[1]
