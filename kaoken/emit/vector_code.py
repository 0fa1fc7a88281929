"""Float32 expressions on the sixteen lanes of kk_simd.h: the C text of each function, and which expressions have one."""

from __future__ import annotations

from kaoken.ir.dtypes import DType

_FLOATS = {
    "add": "kk_add",
    "sub": "kk_sub",
    "mul": "kk_mul",
    "div": "kk_div",
    "max": "kk_max_nan",
    "min": "kk_min_nan",
    "pow": "kk_pow",
    **{
        name: f"kk_{name}"
        for name in (
            "neg", "abs", "sign", "floor", "ceil", "round", "sqrt", "exp", "log", "tanh", "erf", "sin", "cos", "atan", "expm1",
            "log1p", "sigmoid",
        )
    },
}  # fmt: skip
_COMPARISONS = {name: f"kk_{name}" for name in ("lt", "le", "gt", "ge", "eq", "ne")}
_MASKS = {"and": "kk_mask_and", "or": "kk_mask_or", "not": "kk_mask_not"}
_FOLDS = {"sum": "kk_sum", "max": "kk_fold_max", "min": "kk_fold_min", "prod": "kk_fold_prod"}
_STEPS = {"sum": "add", "max": "max", "min": "min", "prod": "mul"}


def has_lanes(function: str, dtype: DType) -> bool:
    """Whether a function of operands of this type can be computed on lanes: floats, or masks where it gives a bool."""
    if dtype == "bool":
        return function in _MASKS
    return dtype == "float32" and (function in _FLOATS or function in _COMPARISONS or function in ("isnan", "isinf"))


def lanes_code(function: str, arguments: list[str], dtype: DType) -> str:
    """The call. `dtype` is that of the operands."""
    if function == "isnan":
        return f"kk_ne({arguments[0]}, {arguments[0]})"
    if function == "isinf":
        return f"kk_eq(kk_abs({arguments[0]}), kk_set1(INFINITY))"
    table = _MASKS if dtype == "bool" else _COMPARISONS if function in _COMPARISONS else _FLOATS
    return f"{table[function]}({', '.join(arguments)})"


def step_function(kind: str) -> str:
    """The scalar function that a reduction repeats."""
    return _STEPS[kind]


def fold_code(kind: str, lanes: str) -> str:
    """Sixteen partial results of a reduction into one."""
    return f"{_FOLDS[kind]}({lanes})"
