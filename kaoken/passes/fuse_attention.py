"""Attention: everything between Q, K, V and the mixed values becomes one node, whatever the exporter wrote around it.

Around each softmax the scores are composed, as a formula, down to the matrix product. What multiplies is the scale, what is added
is taken apart into facts about visibility (attention_mask.py); head split, merge and repetition are indices of the reads.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace

from kaoken.ir.dims import Dim, dim
from kaoken.ir.expr import Apply, Expr, Formula, Int, Read, Select, apply, axes_for, axis, bind, literal, reads, reads_inside
from kaoken.ir.found_sizes import found_symbols
from kaoken.ir.graph import Graph, Node, Value
from kaoken.ops import OPS, expand
from kaoken.ops.compose import read, see_through
from kaoken.ops.registry import ShapeError
from kaoken.passes.attention_mask import (
    HIDING,
    MaskFacts,
    ScoreAxes,
    add_visibility,
    hiding_by_cases,
    hiding_terms,
    simplify_branches,
)
from kaoken.passes.explain import explanation
from kaoken.passes.relative_bias import relative_table
from kaoken.passes.rewriter import Rewriter

MOST_SUMMANDS = 4

Tables = dict[tuple[Expr, Dim, int], tuple[Value, int] | None]
"""Relative biases that were tabulated, by what they are tables of: layers share them."""


class NoMatch(Exception):
    """The subgraph is no attention; the message says what is missing."""


@dataclass
class _Found:
    q: Value
    keys: Value
    values: Value
    facts: MaskFacts
    bias: Value | None
    bias_center: int | None
    heads: int
    kv_heads: int
    scale: float
    empty_row: str


def fuse_attention(graph: Graph) -> None:
    """Replace softmax(Q K^T ...) V by `attention`, its result brought back to [batch, heads, seq, size] by views."""
    rewriter = Rewriter(graph)
    tables: Tables = {}
    for node in rewriter:
        if node.op != "matmul" or node.output.dtype != "float32" or any(v is None or v.rank != 4 for v in node.inputs):
            continue
        softmax, guarded = _softmax_behind(node.inputs[0])
        if softmax is None:
            continue
        if any(found_symbols(extent) for value in (softmax.output, node.output) for extent in value.shape):
            explanation(graph).miss("attention", node, "its sizes are only found while the model runs")
            continue
        try:
            found = _Matcher(rewriter, tables, node, softmax, guarded).run()
        except NoMatch as miss:
            explanation(graph).miss("attention", node, str(miss))
            continue
        _replace(rewriter, node, softmax, found)
        explanation(graph).hit("attention")


def _softmax_behind(value: Value | None) -> tuple[Node | None, bool]:
    """The softmax whose result `value` is, and whether NaN rows are replaced by zeros."""
    producer = value.producer if value is not None else None
    if producer is None:
        return None, False
    if producer.op == "softmax":
        return (producer, False) if producer.attrs["axis"] == producer.output.rank - 1 else (None, False)
    if producer.op != "select":
        return None, False
    condition, then, otherwise = producer.inputs
    test = condition.producer if condition is not None else None
    inner = otherwise.producer if otherwise is not None else None
    is_zero = then is not None and then.data is not None and then.data.size == 1 and float(then.data.reshape(-1)[0]) == 0
    if test is None or test.op != "isnan" or not is_zero or inner is None or inner.op != "softmax":
        return None, False
    return (inner, True) if test.inputs[0] is otherwise and inner.attrs["axis"] == inner.output.rank - 1 else (None, False)


def _pointwise(node: Node) -> bool:
    return OPS[node.op].kind in ("pointwise", "movement") and node.op != "concat"


def _compose(expression: Expr) -> Expr:
    """Substitute pointwise results into reads until only products, inputs and the like are read."""
    from kaoken.ir.expr import rewrite

    def leaf(node: Expr) -> Expr | None:
        if isinstance(node, Read) and node.value.producer is not None and _pointwise(node.value.producer):
            return rewrite(see_through(expand(node.value, node.indices)), leaf)
        return None

    return rewrite(see_through(expression), leaf)


def _factors(expression: Expr) -> tuple[Expr, float]:
    """An expression as (core, constant factor)."""
    if isinstance(expression, Apply) and expression.function in ("mul", "div"):
        left, right = expression.arguments
        number = literal(right)
        if number is not None and float(number) != 0:
            core, factor = _factors(left)
            return core, factor * float(number) if expression.function == "mul" else factor / float(number)
        number = literal(left)
        if number is not None and expression.function == "mul":
            core, factor = _factors(right)
            return core, factor * float(number)
    return expression, 1.0


class _Matcher:
    def __init__(self, rewriter: Rewriter, tables: Tables, node: Node, softmax: Node, guarded: bool):
        self.tables = tables
        self.rewriter = rewriter
        self.node = node
        self.softmax = softmax
        self.guarded = guarded
        scores = softmax.inputs[0]
        assert scores is not None
        self.scores = scores
        batch, heads, rows, keys = axes_for(scores.shape)
        self.b, self.h, self.s, self.t = (Int(dim(a)) for a in (batch, heads, rows, keys))
        past = scores.shape[3] - scores.shape[2]
        self.axes = ScoreAxes(self.b, self.h, self.s, self.t, past)
        self.size = axis("size", node.inputs[1].shape[3] if node.inputs[1] is not None else 1)

    def run(self) -> _Found:
        if self.scores.dtype != "float32":
            raise NoMatch(f"the kernel computes float32, these scores are {self.scores.dtype}")
        heads = self.scores.shape[1].constant
        if heads is None:
            raise NoMatch(f"the number of heads, {self.scores.shape[1]}, is no constant")
        terms = self._terms(simplify_branches(_compose(read(self.scores, (self.b, self.h, self.s, self.t)))))
        product, scale = self._product(terms)
        q, k, factor = self._operands(product)
        values = self._value_operand()
        keys, kv_heads = self._head_tensor(k, heads, "keys")
        mixed, kv_heads_again = self._head_tensor(values, heads, "values")
        if kv_heads != kv_heads_again:
            raise NoMatch(f"keys have {kv_heads} heads and values {kv_heads_again}")
        queries = self._rows_tensor(q, heads)
        facts = self._facts(terms)
        bias, center = self._bias(facts)
        empty_row = self._empty_row(facts)
        return _Found(queries, keys, mixed, facts, bias, center, heads, kv_heads, scale * factor, empty_row)

    def _terms(self, expression: Expr) -> list[Expr]:
        """The scores as a sum: a masked fill `select(c, scores, low)` is the scores plus `select(c, 0, low)`.

        Not so where the condition guards the reads, as it does in padding.
        """
        if isinstance(expression, Apply) and expression.function == "add":
            return [t for argument in expression.arguments for t in self._terms(argument)]
        if isinstance(expression, Select):
            then, otherwise = literal(expression.then), literal(expression.otherwise)
            zero = apply("sub", *(2 * (_number(0, expression.dtype),)))
            if otherwise is not None and otherwise <= HIDING and then is None and reads_inside(expression.then):
                return [*self._terms(expression.then), Select(expression.condition, zero, expression.otherwise)]
            if then is not None and then <= HIDING and otherwise is None and reads_inside(expression.otherwise):
                return [*self._terms(expression.otherwise), Select(expression.condition, expression.then, zero)]
        return [expression]

    def _product(self, terms: list[Expr]) -> tuple[Node, float]:
        for term in terms:
            core, factor = _factors(term)
            if isinstance(core, Read) and core.value.producer is not None and core.value.producer.op == "matmul":
                if core.indices != (self.b, self.h, self.s, self.t):
                    raise NoMatch(f"the product {core.value.name} is permuted before the softmax")
                terms.remove(term)
                return core.value.producer, factor
        raise NoMatch("the scores hold no product of two activations")

    def _operands(self, product: Node) -> tuple[Read, Read, float]:
        d = Int(dim(axis("d", self._contracted(product))))
        left, right = product.inputs[0], product.inputs[1]
        assert left is not None and right is not None
        self.head_size = int(self._contracted(product))
        self.d = d
        at_left, at_right = _broadcast(left, (self.b, self.h, self.s, d)), _broadcast(right, (self.b, self.h, d, self.t))
        q, q_factor = _factors(_compose(read(left, at_left)))
        k, k_factor = _factors(_compose(read(right, at_right)))
        if not isinstance(q, Read):
            q, q_factor = self._materialized(left, at_left, "queries")
        if not isinstance(k, Read):
            k, k_factor = self._materialized(right, at_right, "keys")
        return q, k, q_factor * k_factor

    def _materialized(self, value: Value, at: tuple[Int, ...], what: str) -> tuple[Read, float]:
        """What is computed between a projection and the product is stored, and read so: through movement and constant factors."""
        found, factor = read(value, at), 1.0
        while isinstance(found, Read) and found.value.producer is not None and found.value.producer.op in ("mul", "div"):
            core, more = _factors(see_through(expand(found.value, found.indices)))
            if not isinstance(core, Read):
                break
            found, factor = core, factor * more
        if not isinstance(found, Read):
            raise NoMatch(f"the {what} are no tensor")
        return found, factor

    def _contracted(self, product: Node) -> Dim:
        left = product.inputs[0]
        assert left is not None
        if left.shape[-1].constant is None:
            raise NoMatch(f"the head size {left.shape[-1]} is no constant")
        return left.shape[-1]

    def _value_operand(self) -> Read:
        right = self.node.inputs[1]
        assert right is not None
        self.e = Int(dim(self.size))
        at = _broadcast(right, (self.b, self.h, self.t, self.e))
        found = _compose(read(right, at))
        if not isinstance(found, Read):
            found = read(right, at)
        if not isinstance(found, Read):
            raise NoMatch("the values are no tensor")
        return found

    def _head_tensor(self, found: Read, heads: int, kind: str) -> tuple[Value, int]:
        """The tensor [batch, kv_heads, total, size] that keys or values are read from, made by a view if need be."""
        inner = self.d if kind == "keys" else self.e
        size = self.head_size if kind == "keys" else int(self.size.upper + 1)  # type: ignore[operator]
        total = self.scores.shape[3]
        for groups in _divisors(heads):
            head = apply("floordiv", self.h, Int(dim(groups)))
            if found.value.rank == 4 and found.indices == (self.b, head, self.t, inner):
                return found.value, heads // groups
            offset = _rows_offset(found, self.b, self.t, head, inner, size)
            if offset is not None:
                shape = (found.value.shape[0], dim(heads // groups), total, dim(size))
                axes = axes_for(shape)
                b, h, t, d = (Int(dim(a)) for a in axes)
                column = apply("add", apply("add", apply("mul", h, Int(dim(size))), d), Int(offset))
                return self._view(found.value, Formula(axes, Read(found.value, (b, t, column)))), heads // groups
        raise NoMatch(f"the {kind} are read from {found.value.name} in an order that is no head layout")

    def _rows_tensor(self, found: Read, heads: int) -> Value:
        """The tensor [batch, seq, heads * size] that queries are read from, made by a view if need be."""
        size, rows = self.head_size, self.scores.shape[2]
        width = dim(heads * size)
        offset = _rows_offset(found, self.b, self.s, self.h, self.d, size)
        if offset is not None and found.value.shape[2] == width and offset == 0:
            return found.value
        axes = axes_for((self.scores.shape[0], rows, width))
        b, s, column = (Int(dim(a)) for a in axes)
        if offset is not None:
            return self._view(found.value, Formula(axes, Read(found.value, (b, s, apply("add", column, Int(offset))))))
        h, d = apply("floordiv", column, Int(dim(size))), apply("mod", column, Int(dim(size)))
        if not all(isinstance(index, Int) for index in found.indices):
            raise NoMatch(f"the queries are gathered from {found.value.name}")
        ours = ((self.b, b), (self.h, h), (self.s, s), (self.d, d))
        places = {symbol: new for old, new in ours for symbol in old.value.symbols()}
        return self._view(found.value, Formula(axes, bind(found, places)))

    def _view(self, source: Value, formula: Formula) -> Value:
        attrs = {"formula": formula}
        name = f"{self.node.output.name}.{source.name.rsplit('/', 1)[-1]}"
        return self.rewriter.add("view", [source], attrs, self.node.origin, [name]).output

    def _facts(self, terms: list[Expr]) -> MaskFacts:
        facts = MaskFacts()
        terms = [term for term in terms if literal(term) != 0]
        for some in (c for n in range(min(len(terms), MOST_SUMMANDS), 1, -1) for c in itertools.combinations(terms, n)):
            if self._add_fact(trial := MaskFacts(), simplify_branches(_sum(list(some))), self.axes):
                facts, terms = trial, [t for t in terms if t not in some]  # each hides what the others leave
                break
        for term in terms:
            if not self._add_fact(facts, simplify_branches(term), self.axes):
                facts.bias.append(term)
        if len([low for low in facts.low if low != float("-inf")]) > 1:
            raise NoMatch("two finite masks are added; their sum overflows for some keys")
        return facts

    def _add_fact(self, facts: MaskFacts, term: Expr, axes: ScoreAxes) -> bool:
        """Note what a term says of visibility; False if it is to be added as a number."""
        cases = hiding_by_cases(term)
        if cases is not None and cases.masks <= self._checked_inputs():
            trial = replace(facts)
            if add_visibility(trial, cases.visible, axes):
                facts.causal, facts.mask, facts.mask_test = trial.causal, trial.mask, trial.mask_test
                facts.binary |= bool(cases.masks)
                facts.low += [cases.low] if cases.low is not None else []
                return True
        hiding = hiding_terms(term)
        if hiding is None or not add_visibility(facts, hiding[0], axes):
            return False
        facts.low.append(hiding[1])
        return True

    def _checked_inputs(self) -> set[Value]:
        """The inputs whose elements can be checked when the model is called; those of a body cannot."""
        graph = self.rewriter.graph
        return set() if graph.is_body else set(graph.inputs)

    def _bias(self, facts: MaskFacts) -> tuple[Value | None, int | None]:
        """What is added and is no fact: a table by distance with distance 0's place in it, or a tensor that is computed once.

        Axes that the tensor does not depend on have extent 1.
        """
        if not facts.bias:
            return None, None
        total = _sum(facts.bias)
        from kaoken.ir.expr import contains_reduce

        if contains_reduce(total):
            raise NoMatch("a bias is reduced inside the scores")
        heads = int(self.scores.shape[1])
        key = (total, self.axes.past, heads)
        if key not in self.tables:
            self.tables[key] = relative_table(total, self.axes, heads, f"{self.node.output.name}.relative_bias")
        table = self.tables[key]
        if table is not None:
            explanation(self.rewriter.graph).hit("relative bias")
            return table
        if facts.reason:
            explanation(self.rewriter.graph).miss("attention mask", self.node, f"{facts.reason}; it is computed as a bias")
        used = {s for r in [total] for s in _symbols(r)} | {s for r in reads(total) for i in r.indices for s in _symbols(i)}
        own = axes_for(self.scores.shape)
        shape = tuple(d if a in used else dim(1) for a, d in zip(own, self.scores.shape, strict=True))
        axes = axes_for(shape)
        body = bind(total, {old: Int(dim(new)) for old, new in zip(own, axes, strict=True)})
        inputs = list(dict.fromkeys(r.value for r in reads(body)))
        attrs = {"formula": Formula(axes, body), "dtype": self.scores.dtype}
        made = self.rewriter.add("map", inputs, attrs, self.node.origin, [f"{self.node.output.name}.bias"])
        return made.output, None

    def _empty_row(self, facts: MaskFacts) -> str:
        if any(low != float("-inf") for low in facts.low):
            return "mean"
        return "zero" if self.guarded else "nan"


def _symbols(expression: Expr) -> set:
    from kaoken.ir.expr import children

    found = set(expression.value.symbols()) if isinstance(expression, Int) else set()
    for child in children(expression):
        found |= _symbols(child)
    return found


def _sum(terms: list[Expr]) -> Expr:
    return functools.reduce(lambda total, term: apply("add", total, term), terms)


def _number(value: float, dtype: str) -> Expr:
    from kaoken.ir.expr import const

    return const(value, dtype)


def _broadcast(value: Value, at: tuple[Int, ...]) -> tuple[Int, ...]:
    """Where an operand of a product is read: axes of extent 1 repeat their element."""
    return tuple(Int(dim(0)) if extent == 1 else i for i, extent in zip(at, value.shape, strict=True))


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def _rows_offset(found: Read, batch: Int, position: Int, head: Expr, inner: Int, size: int) -> Dim | None:
    """If the read is rows[b, t, offset + head * size + inner], the offset."""
    if found.value.rank != 3 or found.indices[:2] != (batch, position) or not isinstance(found.indices[2], Int):
        return None
    if not isinstance(head, Int):
        return None
    offset = found.indices[2].value - head.value * size - inner.value
    axes = {s for s in offset.symbols() if s.is_axis}
    return None if axes else offset


def _replace(rewriter: Rewriter, node: Node, softmax: Node, found: _Found) -> None:
    attrs = {
        "heads": found.heads,
        "kv_heads": found.kv_heads,
        "scale": found.scale,
        "causal": found.facts.causal,
        "mask_test": found.facts.mask_test,
        "bias_center": found.bias_center,
        "empty_row": found.empty_row,
    }
    if found.facts.binary:
        attrs["binary_mask"] = True
    inputs = [found.q, found.keys, found.values, found.facts.mask, found.bias]
    origin = tuple(dict.fromkeys((*softmax.origin, *node.origin)))
    try:
        made = rewriter.add("attention", inputs, attrs, origin, [node.output.name])
    except ShapeError as error:
        explanation(rewriter.graph).miss("attention", node, str(error))
        return
    batch, heads, rows, size = node.output.shape
    split = rewriter.add("reshape", [made.output], {"shape": (batch, rows, heads, size)}, origin, [f"{node.output.name}.heads"])
    back = rewriter.add("transpose", [split.output], {"perm": (0, 2, 1, 3)}, origin, [f"{node.output.name}.split"])
    rewriter.replace(node.output, back.output)


__all__ = ["NoMatch", "fuse_attention"]
