"""Float32 expressions on the sixteen lanes of kk_simd.h: the C text of each function, and which expressions have one."""

from __future__ import annotations

from kaoken.ir.dtypes import NARROW_FLOATS, DType
from kaoken.ir.expr import Apply, Cast, Expr, Read, literal

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
            "log1p", "sigmoid", "gelu", "gelu_tanh",
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


def applied_lanes(node: Apply, arguments: list[str]) -> str:
    """A function of sixteen operands each. With a number as first operand, the plain extremes keep what is NaN; with a zero they
    would give another zero."""
    numbers = [n for n, a in enumerate(node.arguments) if (known := literal(a)) is not None and known == known and known != 0]
    if node.function in ("max", "min") and node.dtype == "float32" and numbers:
        return f"kk_{node.function}({arguments[numbers[0]]}, {arguments[1 - numbers[0]]})"
    return lanes_code(node.function, arguments, node.arguments[0].dtype)


def step_code(kind: str, sofar: str, element: str) -> str:
    """Sixteen elements more: the largest and smallest so far stand second, so that no test of them delays the next step."""
    return lanes_code(_STEPS[kind], [element, sofar] if kind in ("max", "min") else [sofar, element], "float32")


def step_function(kind: str) -> str:
    """The scalar function that a reduction repeats."""
    return _STEPS[kind]


def fold_code(kind: str, lanes: str) -> str:
    """Sixteen partial results of a reduction into one."""
    return f"{_FOLDS[kind]}({lanes})"


CONVERTED = (*NARROW_FLOATS, "int8", "uint8", "int16", "uint16")
"""Types of which sixteen elements are loaded as float32, exactly, and stored from it (kk_narrow.h)."""


def loaded(node: Expr) -> Read | None:
    """The read that gives float32 lanes: of float32, or of a type that is converted."""
    if isinstance(node, Cast) and node.dtype == "float32" and isinstance(node.argument, Read):
        return node.argument if node.argument.dtype in CONVERTED else None
    return node if isinstance(node, Read) and node.dtype == "float32" else None


def rounded(node: Expr) -> Expr | None:
    """What a cast to a narrow float and back rounds."""
    inner = node.argument if isinstance(node, Cast) and node.dtype == "float32" else None
    if isinstance(inner, Cast) and inner.dtype in NARROW_FLOATS and inner.argument.dtype == "float32":
        return inner.argument
    return None


def stored(node: Expr) -> Expr | None:
    """The float32 whose lanes are stored for an element: itself, or what its cast to a type that is converted casts."""
    if node.dtype == "float32":
        return node
    is_converted = isinstance(node, Cast) and node.dtype in CONVERTED and node.argument.dtype == "float32"
    return node.argument if is_converted and isinstance(node, Cast) else None


def load_code(dtype: DType, at: str, part: str) -> str:
    """Sixteen elements of memory as float32, or the first `part` of them and zeros."""
    name = "kk_load" if dtype == "float32" else f"kk_load_{dtype}"
    if not part:
        return f"{name}({at})" if dtype == "float32" else f"{name}({at}, 16)"
    return f"kk_load_part({at}, {part})" if dtype == "float32" else f"{name}({at}, {part})"


def store_code(dtype: DType, at: str, lanes: str, part: str) -> str:
    """The statement that stores sixteen elements, or the first `part` of them."""
    if dtype == "float32":
        return f"kk_store_part({at}, {lanes}, {part});" if part else f"kk_store({at}, {lanes});"
    return f"kk_store_{dtype}({at}, {lanes}, {part or 16});"


def round_code(node: Expr, lanes: str) -> str:
    """Lanes as the narrow type of a cast there and back holds them."""
    assert isinstance(node, Cast)
    return f"kk_round_{node.argument.dtype}({lanes})"
