"""Activation chains become one named activation: GELU (erf and tanh forms), SiLU, quick-GELU, ReLU."""

from __future__ import annotations

import math

from kaoken.ir.dims import dim
from kaoken.ir.expr import Int, Read, axes_for
from kaoken.ir.graph import Graph, Node
from kaoken.ops import OPS
from kaoken.passes.explain import explanation
from kaoken.passes.match import Pattern, X, match, term
from kaoken.passes.rewriter import Rewriter


def _tanh_forms() -> list[Pattern]:
    cube = term("mul", term("mul", X, X), X)
    forms: list[Pattern] = []
    inner = [
        term("mul", term("add", X, term("mul", 0.044715, cube)), math.sqrt(2 / math.pi)),
        term("mul", X, term("add", term("mul", term("mul", X, X), 0.044715 * math.sqrt(2 / math.pi)), math.sqrt(2 / math.pi))),
    ]
    for argument in inner:
        one_plus = term("add", term("tanh", argument), 1)
        forms += [term("mul", term("mul", X, 0.5), one_plus), term("mul", X, term("mul", 0.5, one_plus))]
        forms.append(term("mul", term("mul", X, one_plus), 0.5))
    return forms


def _erf_forms() -> list[Pattern]:
    forms: list[Pattern] = []
    for argument in (term("div", X, math.sqrt(2)), term("mul", X, 1 / math.sqrt(2))):
        one_plus = term("add", term("erf", argument), 1)
        forms += [term("mul", term("mul", X, one_plus), 0.5), term("mul", term("mul", X, 0.5), one_plus)]
        forms.append(term("mul", X, term("mul", 0.5, one_plus)))
    return forms


FORMS: dict[str, list[Pattern]] = {
    "gelu_tanh": _tanh_forms(),
    "gelu": _erf_forms(),
    "quick_gelu": [term("mul", X, term("sigmoid", term("mul", X, 1.702)))],
    "silu": [term("mul", X, term("sigmoid", X))],
    "relu": [term("max", X, 0)],
}


def fuse_activation(graph: Graph) -> None:
    """Match each pointwise result against the forms above; a form's operand must have the result's own shape."""
    rewriter = Rewriter(graph)
    unmatched: list[Node] = []
    for node in rewriter:
        if node.op not in ("mul", "max"):
            continue
        at = tuple(Int(dim(a)) for a in axes_for(node.output.shape))
        for name, forms in FORMS.items():
            if any(_try(graph, rewriter, node, name, form, at) for form in forms):
                break
        else:
            unmatched.append(node)
    left = set(map(id, graph.nodes))
    for node in unmatched:
        if id(node) in left:
            _report(graph, node)


def _try(graph: Graph, rewriter: Rewriter, node: Node, name: str, form: Pattern, at: tuple[Int, ...]) -> bool:
    from kaoken.ops import expand
    from kaoken.ops.compose import see_through

    bound = match(form, see_through(expand(node.output, at)))
    if bound is None:
        return False
    x = bound["x"]
    if not isinstance(x, Read) or x.indices != at or x.value.shape != node.output.shape:
        explanation(graph).miss(name, node, "its operand is not read element by element")
        return False
    if name in ("relu",) and x.value.producer is None:
        return False
    made = rewriter.add(name, [x.value], {}, _chain_origin(node, x), [node.output.name])
    rewriter.replace(node.output, made.output)
    explanation(graph).hit(name)
    return True


def _chain_origin(node: Node, x: Read) -> tuple[str, ...]:
    """The names of the nodes between the activation's operand and its result."""
    names: list[str] = []
    stack, seen = [node], set()
    while stack:
        current = stack.pop()
        if id(current) in seen or (x.value.producer is not None and current is x.value.producer):
            continue
        seen.add(id(current))
        names = [*current.origin, *names]
        stack += [v.producer for v in current.inputs if v is not None and v is not x.value and v.producer is not None]
    return tuple(dict.fromkeys(names))


def _report(graph: Graph, node: Node) -> None:
    """A product with tanh(...) + 1 or erf(...) + 1 that matched no form is a near miss."""
    for value in node.inputs:
        producer = value.producer if value is not None else None
        if producer is None or producer.op != "add":
            continue
        inner = [v.producer.op for v in producer.inputs if v is not None and v.producer is not None]
        if "tanh" in inner or "erf" in inner:
            explanation(graph).miss("gelu", node, f"a {inner[0]} form with other constants or another order of factors")


assert all(name in OPS for name in FORMS)
