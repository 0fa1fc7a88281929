"""Formulas evaluated by NumPy: the meaning of the IR, for constant folding and for tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from string import ascii_letters
from typing import Any

import numpy as np

from kaoken.ir.dims import Call, Dim, Symbol, evaluate
from kaoken.ir.dtypes import convert, is_float
from kaoken.ir.expr import Apply, Cast, Const, Expr, Formula, Int, Read, Reduce, Select, extent_of
from kaoken.ir.graph import Value
from kaoken.ir.scalars import SCALARS, neutral_element

Environment = dict[Symbol, np.ndarray]


def evaluate_formula(formula: Formula, dims: Mapping[str, int], tensor: Callable[[Value], np.ndarray], dtype: str) -> np.ndarray:
    """All elements of the formula at concrete `dims`; `tensor` gives the arrays it reads.

    Sums of products go through BLAS, float32 sums in float64. Raises IndexError for a read outside its tensor that no `select`
    guards: the indices of a right formula lie inside, unless they come from data.
    """
    shape = tuple(max(0, evaluate(extent_of(a), dims)) for a in formula.axes)
    rank = len(shape)
    if 0 in shape:
        return np.zeros(shape, dtype)
    environment: Environment = {}
    for n, (symbol, extent) in enumerate(zip(formula.axes, shape, strict=True)):
        environment[symbol] = np.arange(extent).reshape((1,) * n + (extent,) + (1,) * (rank - n - 1))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = _Evaluator(dims, tensor).visit(formula.body, environment, rank, np.True_)
    return np.array(np.broadcast_to(result, shape).astype(dtype, copy=False), order="C")


class _Evaluator:
    """Evaluates expressions on whole arrays. `active` says at which elements the expression's value is asked for."""

    def __init__(self, dims: Mapping[str, int], tensor: Callable[[Value], np.ndarray]):
        self.dims = dims
        self.tensor = tensor

    def visit(self, node: Expr, environment: Environment, rank: int, active: Any) -> Any:
        if isinstance(node, Const):
            return np.asarray(node.value).astype(node.dtype)
        if isinstance(node, Int):
            return self.integer(node.value, environment)
        if isinstance(node, Read):
            return self.read(node, environment, rank, active)
        if isinstance(node, Apply):
            arguments = [self.visit(a, environment, rank, active) for a in node.arguments]
            return np.asarray(SCALARS[node.function].numpy(*arguments)).astype(node.dtype, copy=False)
        if isinstance(node, Select):
            condition = self.visit(node.condition, environment, rank, active)
            then = self.visit(node.then, environment, rank, active & condition)
            return np.where(condition, then, self.visit(node.otherwise, environment, rank, active & ~condition))
        if isinstance(node, Cast):
            return convert(np.asarray(self.visit(node.argument, environment, rank, active)), node.dtype)
        return self.reduction(node, environment, rank, active)

    def integer(self, value: Dim, environment: Environment) -> Any:
        total: Any = np.int64(0)
        for monomial, coefficient in value.terms:
            term: Any = np.int64(coefficient)
            for atom, power in monomial:
                term = term * self.atom(atom, environment) ** power
            total = total + term
        return total

    def atom(self, atom: Symbol | Call, environment: Environment) -> Any:
        if isinstance(atom, Symbol):
            return environment[atom] if atom in environment else np.int64(self.dims[atom.name])
        left, right = self.integer(atom.left, environment), self.integer(atom.right, environment)
        functions: dict[str, Callable[[Any, Any], Any]] = {
            "floordiv": np.floor_divide,
            "mod": np.remainder,
            "max": np.maximum,
            "min": np.minimum,
        }
        return functions[atom.function](left, right)

    def read(self, node: Read, environment: Environment, rank: int, active: Any) -> Any:
        array = self.tensor(node.value)
        indices = []
        for number, (index, extent) in enumerate(zip(node.indices, array.shape, strict=True)):
            at = np.asarray(self.visit(index, environment, rank, active))
            outside = active & ((at < 0) | (at >= extent))
            if np.any(outside):
                found = np.broadcast_to(at, outside.shape)[outside].flat[0]
                raise IndexError(f"index {found} is outside axis {number} of {node.value!r}, extent {extent}")
            indices.append(np.clip(at, 0, max(0, extent - 1)))
        if array.size == 0:
            return np.zeros((1,) * rank, array.dtype)
        return array[tuple(np.broadcast_arrays(*indices))] if indices else array[()]

    def reduction(self, node: Reduce, environment: Environment, rank: int, active: Any) -> Any:
        """Evaluate the body with the reduction's axes added at the end, then reduce them."""
        limits = [np.asarray(self.integer(extent_of(a), environment)) for a in node.axes]
        extents = [max(0, int(limit.max())) for limit in limits]
        neutral = neutral_element(node.kind, node.dtype)
        if 0 in extents:
            return neutral
        inner_rank = rank + len(extents)
        inner: Environment = {s: np.reshape(v, v.shape + (1,) * len(extents)) for s, v in environment.items()}
        valid: Any = np.True_
        for n, (symbol, extent) in enumerate(zip(node.axes, extents, strict=True)):
            inner[symbol] = np.arange(extent).reshape((1,) * (rank + n) + (extent,) + (1,) * (len(extents) - n - 1))
            if limits[n].ndim:
                valid = valid & (inner[symbol] < np.reshape(limits[n], limits[n].shape + (1,) * len(extents)))
        active = valid & (np.reshape(active, np.shape(active) + (1,) * len(extents)) if np.ndim(active) else active)
        body = node.body
        if node.kind == "sum" and isinstance(body, Apply) and body.function == "mul" and is_float(node.dtype) and np.all(valid):
            factors = [np.asarray(self.visit(a, inner, inner_rank, active)) for a in body.arguments]
            return _sum_of_products(factors[0], factors[1], rank, extents).astype(node.dtype)
        elements = np.where(valid, self.visit(body, inner, inner_rank, active), neutral)
        full = np.broadcast_shapes(elements.shape, (1,) * rank + tuple(extents))
        functions: dict[str, Callable[..., Any]] = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}
        over = tuple(range(rank, inner_rank))
        return functions[node.kind](np.broadcast_to(elements, full).astype(_wide(node), copy=False), axis=over).astype(node.dtype)


def _wide(node: Reduce) -> str:
    """The type a reduction accumulates in here."""
    narrow = node.kind in ("sum", "prod") and is_float(node.dtype)
    return "float64" if narrow else node.dtype


def _sum_of_products(a: np.ndarray, b: np.ndarray, rank: int, extents: list[int]) -> np.ndarray:
    """sum over the last axes of a * b, arrays of rank `rank + len(extents)` (or 0) with extent 1 where they do not vary."""
    total_rank = rank + len(extents)
    a, b = (np.reshape(x, x.shape or (1,) * total_rank).astype(np.float64) for x in (a, b))
    varies = [[n for n in range(total_rank) if x.shape[n] != 1] for x in (a, b)]
    kept = [n for n in range(rank) if n in varies[0] or n in varies[1]]
    missing = [e for n, e in enumerate(extents) if rank + n not in varies[0] and rank + n not in varies[1]]
    left, right, out = ("".join(ascii_letters[n] for n in axes) for axes in (*varies, kept))
    result = np.einsum(f"{left},{right}->{out}", a.squeeze(), b.squeeze(), optimize=True) * np.float64(np.prod(missing))
    shape = tuple(max(a.shape[n], b.shape[n]) for n in range(rank))
    return np.reshape(result, shape)
