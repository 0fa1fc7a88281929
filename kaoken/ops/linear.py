"""The linear kernel: x W + bias, activation, + residual, its columns stored as rows or straight into an attention cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kaoken.ir.dims import dim
from kaoken.ir.expr import Expr, Int, Read, apply, axis, reduce, select
from kaoken.ir.graph import Node, Shape, Value
from kaoken.ops.pointwise import ACTIVATIONS
from kaoken.ops.registry import Attrs, Index, Inputs, ShapeError, operand, operation


@dataclass(frozen=True)
class Part:
    """A run of output columns and how it is stored.

    `rows`: [..., columns]. `keys` and `values`: [batch, heads, past + seq, columns / heads], the past taken from the node's
    past operand `past` (an index among them) or, when None, empty.
    """

    kind: str
    columns: int
    heads: int = 0
    past: int | None = None

    def __repr__(self) -> str:
        return f"{self.kind}:{self.columns}" + (f"/{self.heads}" if self.heads else "")


@dataclass(frozen=True)
class LinearOperands:
    """The operands of a linear node by role."""

    x: Value
    residual: Value | None
    weights: tuple[Value, ...]
    biases: tuple[Value | None, ...]
    pasts: tuple[Value, ...]


def linear_operands(inputs: Inputs, attrs: Attrs) -> LinearOperands:
    """Operands are x, residual, the weights, their biases, then the pasts of cached parts."""
    count = attrs["weights"]
    weights = tuple(operand(inputs, 2 + n) for n in range(count))
    biases = tuple(inputs[2 + count : 2 + 2 * count])
    pasts = tuple(v for v in inputs[2 + 2 * count :] if v is not None)
    return LinearOperands(operand(inputs, 0), inputs[1], weights, biases, pasts)


def weight_columns(weight: Value, transposed: bool) -> int:
    """Output columns of a weight matrix [K, N], or [N, K] when transposed."""
    return int(weight.shape[0 if transposed else 1])


def _shapes(*inputs: Value | None, **attrs: Any) -> list[tuple[Shape, str]]:
    o = linear_operands(list(inputs), attrs)
    total = 0
    for weight, transposed in zip(o.weights, attrs["transposed"], strict=True):
        k = weight.shape[1 if transposed else 0]
        if weight.rank != 2 or k != o.x.shape[-1]:
            raise ShapeError(f"linear of {o.x} with {weight}")
        total += weight_columns(weight, transposed)
    parts: tuple[Part, ...] = attrs["parts"]
    if sum(p.columns for p in parts) != total:
        raise ShapeError(f"parts {parts} do not cover {total} columns")
    result: list[tuple[Shape, str]] = []
    for part in parts:
        if part.kind == "rows":
            result.append(((*o.x.shape[:-1], dim(part.columns)), o.x.dtype))
            continue
        batch, seq = o.x.shape[0], o.x.shape[1]
        past = o.pasts[part.past].shape[2] if part.past is not None else dim(0)
        result.append(((batch, dim(part.heads), past + seq, dim(part.columns // part.heads)), o.x.dtype))
    return result


def _element(node: Node, at: Index, column: Expr) -> Expr:
    """x W + bias at row `at`, then activation and residual."""
    o = linear_operands(node.inputs, node.attrs)
    k = axis("r0", o.x.shape[-1])
    start = 0
    choices: list[tuple[int, Expr]] = []
    for weight, transposed, bias in zip(o.weights, node.attrs["transposed"], o.biases, strict=True):
        own = apply("sub", column, Int(dim(start)))
        place = (own, Int(dim(k))) if transposed else (Int(dim(k)), own)
        body = reduce("sum", (k,), apply("mul", Read(o.x, (*at, Int(dim(k)))), Read(weight, place)))
        if bias is not None:
            body = apply("add", body, Read(bias, (own,)))
        start += weight_columns(weight, transposed)
        choices.append((start, body))
    result = choices[-1][1]
    for end, body in reversed(choices[:-1]):
        result = select(apply("lt", column, Int(dim(end))), body, result)
    if node.attrs["activation"]:
        result = ACTIVATIONS[node.attrs["activation"]](result)
    if o.residual is not None:
        result = apply("add", result, Read(o.residual, (*at, column)))
    return result


@operation("linear", "kernel", _shapes)
def _linear(at: Index, *, node: Node, output: int, parts: tuple[Part, ...]) -> Expr:
    part, first = parts[output], Int(dim(sum(p.columns for p in parts[:output])))
    if part.kind == "rows":
        return _element(node, at[:-1], apply("add", at[-1], first))
    b, h, t, d = at
    column = apply("add", apply("add", apply("mul", h, Int(dim(part.columns // part.heads))), d), first)
    if part.past is None:
        return _element(node, (b, t), column)
    past = linear_operands(node.inputs, node.attrs).pasts[part.past]
    fresh = _element(node, (b, apply("sub", t, Int(past.shape[2]))), column)
    return select(apply("lt", t, Int(past.shape[2])), Read(past, at), fresh)


def plain_linear(weight: Value, transposed: bool) -> Attrs:
    """The attributes of a linear node with one weight and one part."""
    columns = weight_columns(weight, transposed)
    return {"weights": 1, "transposed": (transposed,), "activation": None, "parts": (Part("rows", columns),)}
