"""Formulas evaluated by NumPy: the meaning of the IR, for constant folding and for tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kaoken.ir.dims import Call, Dim, Symbol, evaluate
from kaoken.ir.expr import Apply, Cast, Const, Expr, Formula, Int, Read, Reduce, Select, extent_of
from kaoken.ir.graph import Value
from kaoken.ir.scalars import SCALARS

Environment = dict[Symbol, np.ndarray]


def evaluate_formula(formula: Formula, dims: Mapping[str, int], tensor: Callable[[Value], np.ndarray], dtype: str) -> np.ndarray:
    """All elements of the formula at concrete `dims`; `tensor` gives the arrays it reads. Out-of-range guarded reads are safe."""
    shape = tuple(evaluate(extent_of(a), dims) for a in formula.axes)
    rank = len(shape)
    environment: Environment = {}
    for n, (symbol, extent) in enumerate(zip(formula.axes, shape, strict=True)):
        environment[symbol] = np.arange(extent).reshape((1,) * n + (extent,) + (1,) * (rank - n - 1))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = _Evaluator(dims, tensor).visit(formula.body, environment, rank)
    return np.array(np.broadcast_to(result, shape).astype(dtype, copy=False), order="C")


class _Evaluator:
    def __init__(self, dims: Mapping[str, int], tensor: Callable[[Value], np.ndarray]):
        self.dims = dims
        self.tensor = tensor

    def visit(self, node: Expr, environment: Environment, rank: int) -> Any:
        if isinstance(node, Const):
            return np.asarray(node.value).astype(node.dtype)
        if isinstance(node, Int):
            return self.integer(node.value, environment)
        if isinstance(node, Read):
            return self.read(node, environment, rank)
        if isinstance(node, Apply):
            arguments = [self.visit(a, environment, rank) for a in node.arguments]
            return np.asarray(SCALARS[node.function].numpy(*arguments)).astype(node.dtype, copy=False)
        if isinstance(node, Select):
            parts = (self.visit(p, environment, rank) for p in (node.condition, node.then, node.otherwise))
            return np.where(*parts)
        if isinstance(node, Cast):
            return np.asarray(self.visit(node.argument, environment, rank)).astype(node.dtype)
        return self.reduction(node, environment, rank)

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

    def read(self, node: Read, environment: Environment, rank: int) -> Any:
        array = self.tensor(node.value)
        if array.size == 0:
            return np.zeros((1,) * rank, array.dtype)
        indices = [
            np.clip(self.visit(i, environment, rank), 0, extent - 1) for i, extent in zip(node.indices, array.shape, strict=True)
        ]
        return array[tuple(np.broadcast_arrays(*indices))] if indices else array[()]

    def reduction(self, node: Reduce, environment: Environment, rank: int) -> Any:
        """Evaluate the body with the reduction's axes added at the end, then reduce them."""
        extents = [int(np.max(self.integer(extent_of(a), environment))) for a in node.axes]
        inner_rank = rank + len(extents)
        inner: Environment = {s: np.reshape(v, v.shape + (1,) * len(extents)) for s, v in environment.items()}
        valid: Any = True
        for n, (symbol, extent) in enumerate(zip(node.axes, extents, strict=True)):
            shape = [1] * inner_rank
            shape[rank + n] = extent
            inner[symbol] = np.arange(extent).reshape(shape)
            limit = self.integer(extent_of(symbol), inner)
            valid = valid & (inner[symbol] < limit)
        body = np.asarray(self.visit(node.body, inner, inner_rank))
        over = tuple(range(rank, inner_rank))
        full = np.broadcast_shapes(body.shape if body.ndim == inner_rank else (1,) * inner_rank, np.shape(valid))
        full = np.broadcast_shapes(full, (1,) * rank + tuple(extents))
        body = np.broadcast_to(body, full)
        neutral = {"sum": 0, "prod": 1}.get(node.kind)
        if neutral is None:
            neutral = _extreme(node.body.dtype, node.kind)
        body = np.where(np.broadcast_to(valid, full), body, np.asarray(neutral).astype(body.dtype))
        function = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}[node.kind]
        if 0 in extents:
            return np.full(full[:rank], neutral, dtype=node.body.dtype)
        wide = np.float64 if node.kind in ("sum", "prod") and node.body.dtype == "float32" else body.dtype
        return function(body.astype(wide), axis=over).astype(node.body.dtype)


def _extreme(dtype: str, kind: str) -> Any:
    """What the maximum or minimum of nothing is: the type's lowest or highest value."""
    if dtype == "bool":
        return kind == "min"
    if np.issubdtype(np.dtype(dtype), np.floating):
        return -np.inf if kind == "max" else np.inf
    return np.iinfo(dtype).min if kind == "max" else np.iinfo(dtype).max
