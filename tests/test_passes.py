"""Passes, before and after, in the graph's text form."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from kaoken.ir.builder import Builder
from kaoken.ir.dims import Symbol, dim
from kaoken.ir.graph import Graph, Value, graph_text
from kaoken.ir.interpret import run_graph
from kaoken.ir.verify import InvalidGraph, verify
from kaoken.passes.common_subexpressions import share_common_subexpressions
from kaoken.passes.explain import explanation
from kaoken.passes.fuse_activation import fuse_activation
from kaoken.passes.fuse_attention import fuse_attention
from kaoken.passes.fuse_epilogue import fuse_epilogue
from kaoken.passes.fuse_linear import fuse_linear, lift_reshapes
from kaoken.passes.fuse_loops import fuse_loops
from kaoken.passes.fuse_norm import fuse_norm
from kaoken.passes.plan_memory import plan_memory
from kaoken.passes.simplify import fold_known, simplify

BATCH, SEQ = Symbol("batch", 1, 8), Symbol("seq", 1, 64)
RANDOM = np.random.default_rng(0)


class Small:
    """A graph under construction with one float input x[batch, seq, 8]."""

    def __init__(self, *shape: object):
        self.graph = Graph("small", {s.name: s for s in (BATCH, SEQ)})
        self.builder = Builder(self.graph)
        self.x = self.input("x", *(shape or (BATCH, SEQ, 8)))

    def input(self, name: str, *shape: object, dtype: str = "float32") -> Value:
        value = Value(name, tuple(dim(d) for d in shape), dtype)  # type: ignore[arg-type]
        self.graph.inputs.append(value)
        return value

    def add(self, op: str, *inputs: Value | None, **attrs: object) -> Value:
        self.builder.origin = (f"layer/{op}",)
        return self.builder.add(op, inputs, **attrs)

    def constant(self, *shape: int) -> Value:
        return self.builder.constant(RANDOM.normal(size=shape).astype(np.float32))

    def scalar(self, value: float) -> Value:
        return self.builder.constant(np.float32(value))

    def finish(self, value: Value) -> Graph:
        value.name = "y"
        self.graph.outputs.append(("y", value))
        verify(self.graph)
        return self.graph


def check(graph: Graph, passes: list[Callable[[Graph], None]], operations: list[str], rtol: float = 2e-6) -> str:
    """Run passes; the operations left must be as given and the result must not change. Returns the text after."""
    rng = np.random.default_rng(1)
    sizes = {"batch": 2, "seq": 5}
    inputs = {}
    for value in graph.inputs:
        shape = [int(str(d)) if d.constant is not None else sizes[str(d)] for d in value.shape]
        inputs[value.name] = rng.normal(size=shape).astype(np.float32) if value.dtype == "float32" else rng.integers(0, 2, shape)
    before = run_graph(graph, inputs, sizes)["y"]
    for run in passes:
        run(graph)
        verify(graph, run.__name__)
    assert [n.op for n in graph.nodes] == operations, graph_text(graph)
    after = run_graph(graph, inputs, sizes)["y"]
    assert np.allclose(after, before, rtol=rtol, atol=rtol, equal_nan=True)
    return graph_text(graph)


def test_reshape_there_and_back_is_nothing() -> None:
    s = Small()
    flat = s.add("reshape", s.x, shape=(dim(BATCH) * dim(SEQ), dim(8)))
    text = check(s.finish(s.add("exp", s.add("reshape", flat, shape=s.x.shape))), [simplify], ["exp"])
    assert "y: float32[batch, seq, 8] = exp(x)" in text


def test_transposes_that_cancel_go_and_others_stay() -> None:
    s = Small()
    once = s.add("transpose", s.x, perm=(0, 2, 1))
    check(s.finish(s.add("exp", s.add("transpose", once, perm=(0, 2, 1)))), [simplify], ["exp"])
    s = Small()
    check(s.finish(s.add("exp", s.add("transpose", s.x, perm=(0, 2, 1)))), [simplify], ["transpose", "exp"])


def test_head_split_and_merge_is_one_reshape_or_nothing() -> None:
    s = Small()
    heads = s.add("transpose", s.add("reshape", s.x, shape=(BATCH, SEQ, 2, 4)), perm=(0, 2, 1, 3))
    merged = s.add("reshape", s.add("transpose", heads, perm=(0, 2, 1, 3)), shape=s.x.shape)
    check(s.finish(s.add("exp", merged)), [simplify], ["exp"])


def test_known_results_leave_the_graph() -> None:
    s = Small()
    size = s.builder.known([__import__("kaoken.ir.expr", fromlist=["Int"]).Int(d) for d in s.x.shape])
    twice = s.add("mul", size, s.builder.constant(np.int64(2)))
    s.add("gather", twice, s.builder.constant(np.int64(1)), axis=0)
    graph = s.finish(s.add("exp", s.x))
    check(graph, [fold_known], ["exp"])


def test_equal_nodes_become_one() -> None:
    s = Small()
    total = s.add("add", s.add("exp", s.x), s.add("exp", s.x))
    check(s.finish(total), [share_common_subexpressions], ["exp", "add"])


def gelu_erf(s: Small, x: Value) -> Value:
    inner = s.add("add", s.add("erf", s.add("div", x, s.scalar(math.sqrt(2)))), s.scalar(1))
    return s.add("mul", s.add("mul", x, inner), s.scalar(0.5))


def gelu_tanh(s: Small, x: Value) -> Value:
    cube = s.add("mul", s.add("mul", x, x), x)
    inner = s.add("mul", s.add("add", x, s.add("mul", cube, s.scalar(0.044715))), s.scalar(0.7978846))
    return s.add("mul", s.add("mul", x, s.scalar(0.5)), s.add("add", s.add("tanh", inner), s.scalar(1)))


ACTIVATIONS = {
    "gelu": gelu_erf,
    "gelu_tanh": gelu_tanh,
    "silu": lambda s, x: s.add("mul", s.add("sigmoid", x), x),
    "quick_gelu": lambda s, x: s.add("mul", x, s.add("sigmoid", s.add("mul", s.scalar(1.702), x))),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_chains_become_one_node(name: str) -> None:
    s = Small()
    check(s.finish(ACTIVATIONS[name](s, s.x)), [fuse_activation], [name], rtol=1e-5)


def test_a_gelu_with_another_constant_is_no_gelu_and_says_so() -> None:
    s = Small()
    inner = s.add("add", s.add("erf", s.add("div", s.x, s.scalar(1.5))), s.scalar(1))
    graph = s.finish(s.add("mul", s.add("mul", s.x, inner), s.scalar(0.5)))
    fuse_activation(graph)
    assert len(graph.nodes) == 5
    assert "other constants" in explanation(graph).text()


def decomposed_norm(s: Small, kind: str) -> Value:
    x = s.x
    if kind == "layer":
        x = s.add("sub", x, s.add("reduce_mean", x, axes=(2,), keepdims=True))
    mean = s.add("reduce_mean", s.add("mul", x, x), axes=(2,), keepdims=True)
    root = s.add("sqrt", s.add("add", mean, s.scalar(1e-5)))
    if kind == "layer":
        return s.add("add", s.add("mul", s.add("div", x, root), s.constant(8)), s.constant(8))
    return s.add("mul", s.constant(8), s.add("mul", x, s.add("div", s.scalar(1), root)))


@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_written_out_norms_become_norm_with_scale_and_shift(kind: str) -> None:
    s = Small()
    text = check(s.finish(decomposed_norm(s, kind)), [fuse_norm], ["norm"], rtol=1e-4)
    assert f"kind={kind} axis=2 epsilon=9.99999975e-06" in text


@pytest.mark.parametrize("spelling", ["matmul", "gemm", "transposed"])
def test_products_with_constants_become_linear_with_bias(spelling: str) -> None:
    s = Small()
    x, weight = s.x, s.constant(6, 8) if spelling == "transposed" else s.constant(8, 6)
    if spelling == "transposed":
        weight = s.add("transpose", weight, perm=(1, 0))
    if spelling == "gemm":
        x = s.add("reshape", x, shape=(dim(BATCH) * dim(SEQ), dim(8)))
    y = s.add("add", s.constant(6), s.add("matmul", x, weight))
    if spelling == "gemm":
        y = s.add("reshape", y, shape=(BATCH, SEQ, 6))
    check(s.finish(y), [fuse_linear, lift_reshapes, simplify], ["linear"], rtol=1e-5)


def test_activation_and_residual_become_epilogues() -> None:
    s = Small()
    hidden = s.add("gelu", s.add("matmul", s.x, s.constant(8, 16)))
    y = s.add("add", s.x, s.add("matmul", hidden, s.constant(16, 8)))
    text = check(s.finish(y), [fuse_linear, fuse_epilogue], ["linear", "linear"], rtol=1e-5)
    assert "activation=gelu" in text


def test_a_product_read_twice_keeps_its_epilogue_apart() -> None:
    s = Small()
    product = s.add("matmul", s.x, s.constant(8, 8))
    y = s.add("add", s.add("gelu", product), product)
    check(s.finish(y), [fuse_linear, fuse_epilogue], ["linear", "gelu", "add"], rtol=1e-5)


class Attention(Small):
    """Q, K and V [batch, 2 heads, seq, 4] from one input, with whatever is put on the scores."""

    def build(self, put: Callable[[Small, Value], Value], guard: bool = False, scale: float = 0.5) -> Graph:
        q, k, v = (self.input(name, BATCH, 2, SEQ, 4) for name in "qkv")
        scores = self.add("mul", self.add("matmul", q, self.add("transpose", k, perm=(0, 1, 3, 2))), self.scalar(scale))
        weights = self.add("softmax", put(self, scores), axis=3)
        if guard:
            weights = self.add("select", self.add("isnan", weights), self.scalar(0), weights)
        return self.finish(self.add("matmul", weights, v))


def causal(s: Small, low: float) -> Value:
    rows = s.add("reshape", s.add("iota", start=0, step=1, length=SEQ), shape=(SEQ, 1))
    return s.add("select", s.add("le", s.add("iota", start=0, step=1, length=SEQ), rows), s.scalar(0), s.scalar(low))


def padding(s: Small, low: float) -> Value:
    mask = s.add("reshape", s.input("mask", BATCH, SEQ, dtype="int64"), shape=(BATCH, 1, 1, SEQ))
    hidden = s.add("sub", s.scalar(1), s.add("cast", mask, to="float32"))
    return s.add("select", s.add("cast", hidden, to="bool"), s.scalar(low), hidden)


def scaled_padding(s: Small, low: float) -> Value:
    mask = s.add("reshape", s.input("mask", BATCH, SEQ, dtype="int64"), shape=(BATCH, 1, 1, SEQ))
    return s.add("mul", s.add("sub", s.scalar(1), s.add("cast", mask, to="float32")), s.scalar(low))


LOWEST = float(np.finfo(np.float32).min)
SCORES: dict[str, tuple[Callable[[Small, Value], Value], dict[str, object]]] = {
    "plain": (lambda s, x: x, {"causal": False, "mask_test": None}),
    "causal": (lambda s, x: s.add("add", x, causal(s, -math.inf)), {"causal": True, "empty_row": "nan"}),
    "padding": (
        lambda s, x: s.add("add", x, padding(s, LOWEST)),
        {"mask_test": ("eq", 1), "empty_row": "mean"},
    ),
    "scaled padding": (
        lambda s, x: s.add("add", x, scaled_padding(s, LOWEST)),
        {"mask_test": ("eq", 1), "empty_row": "mean", "binary_mask": True},
    ),
    "both": (
        lambda s, x: s.add("add", s.add("add", x, causal(s, -math.inf)), padding(s, -math.inf)),
        {"causal": True, "mask_test": ("eq", 1), "empty_row": "nan"},
    ),
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("guard", [False, True])
def test_attention_takes_its_masks_as_facts(name: str, guard: bool) -> None:
    put, facts = SCORES[name]
    graph = Attention().build(put, guard)
    check(graph, [fuse_attention, simplify], ["view", "attention", "reshape", "transpose"], rtol=1e-5)
    attention = next(n for n in graph.nodes if n.op == "attention")
    expected = {**facts, **({"empty_row": "zero"} if guard and facts.get("empty_row") == "nan" else {})}
    assert {k: attention.attrs[k] for k in expected} == expected
    assert attention.attrs["scale"] == 0.5 and attention.inputs[4] is None


def test_what_is_no_fact_becomes_a_bias() -> None:
    def put(s: Small, scores: Value) -> Value:
        return s.add("add", scores, s.input("bias", 2, SEQ, SEQ))

    graph = Attention().build(put)
    check(graph, [fuse_attention, simplify], ["view", "map", "attention", "reshape", "transpose"], rtol=1e-5)


def test_a_missed_attention_says_why() -> None:
    s = Small(BATCH, 2, SEQ, 4)
    weights = s.add("softmax", s.add("exp", s.add("matmul", s.x, s.add("transpose", s.x, perm=(0, 1, 3, 2)))), axis=3)
    graph = s.finish(s.add("matmul", weights, s.x))
    fuse_attention(graph)
    assert "the scores hold no product of two activations" in explanation(graph).text()


def test_values_that_are_computed_before_attention_are_stored_for_it() -> None:
    s = Small(BATCH, 2, SEQ, 4)
    keys = s.add("mul", s.add("transpose", s.add("exp", s.x), perm=(0, 1, 3, 2)), s.scalar(0.5))
    weights = s.add("softmax", s.add("matmul", s.x, keys), axis=3)
    graph = s.finish(s.add("matmul", weights, s.add("exp", s.x)))
    fuse_attention(graph)
    assert [n.op for n in graph.nodes if n.op in ("attention", "softmax")] == ["attention"]


def test_pointwise_chains_become_one_loop_and_shared_work_is_stored() -> None:
    s = Small()
    y = s.add("mul", s.add("exp", s.x), s.add("add", s.x, s.scalar(1)))
    check(s.finish(y), [fuse_loops], ["map"], rtol=1e-6)


def test_the_verifier_names_the_pass_and_the_node() -> None:
    s = Small()
    graph = s.finish(s.add("exp", s.x))
    graph.nodes[0].outputs[0].shape = (dim(3),)
    with pytest.raises(InvalidGraph, match=r"after broken: y should be float32\[batch, seq, 8\]"):
        verify(graph, "broken")


def plan_slots(graph: Graph) -> dict[str, int]:
    for run in (fuse_linear, fuse_epilogue, fuse_loops, plan_memory):
        run(graph)
    return {value.name: slot.index for value, slot in graph.metadata["memory"].slot_of.items()}


def test_a_residual_that_ends_is_overwritten() -> None:
    s = Small()
    first = s.add("exp", s.x)
    slots = plan_slots(s.finish(s.add("exp", s.add("add", s.add("matmul", s.add("neg", first), s.constant(8, 8)), first))))
    assert slots["exp_0"] == slots["add_4"]


def test_a_residual_that_the_product_reads_too_is_not_overwritten() -> None:
    s = Small()
    first = s.add("exp", s.x)
    slots = plan_slots(s.finish(s.add("exp", s.add("add", s.add("matmul", first, s.constant(8, 8)), first))))
    assert slots["exp_0"] != slots["add_3"]
