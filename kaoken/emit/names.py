"""C names from the model's own: layers, tensors, dimensions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kaoken.ir.graph import Graph
from kaoken.ir.reserved import RESERVED


def c_name(text: str, fallback: str = "value") -> str:
    """A C identifier (also valid in C++) that is as close to `text` as can be."""
    name = re.sub(r"\W+", "_", text).strip("_")
    name = re.sub(r"_+", "_", name) or fallback
    if name[0].isdigit() or name in RESERVED or name.startswith("kk_"):
        name = f"{fallback}_{name}"
    return name


def module_of(origin: tuple[str, ...]) -> str:
    """The layer a node stands for, dotted: `/transformer/h.0/ln_1/LayerNormalization` is `transformer.h.0.ln_1`."""
    if not origin:
        return ""
    parts = [p for p in origin[0].split("/") if p]
    return ".".join(parts[:-1]) if len(parts) > 1 else ""


def common_module(modules: list[str]) -> str:
    """The longest dotted prefix that all share."""
    split = [m.split(".") for m in modules if m]
    if not split:
        return ""
    prefix = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        prefix.append(parts[0])
    return ".".join(prefix)


def without_numbers(module: str) -> str:
    """`transformer.h.0` becomes `transformer_h`."""
    return c_name("_".join(p for p in re.split(r"[._]", module) if not p.isdigit()), "block")


class Names:
    """Hands out distinct names."""

    def __init__(self, taken: set[str] | None = None):
        self.taken = set(taken or ())

    def fresh(self, wanted: str, endings: Sequence[str] = ()) -> str:
        """`wanted`, or it with a number; with `endings` also each name that is made by adding one of them is kept for it."""
        name, n = wanted, 2
        while not self.taken.isdisjoint(made := {name, *(name + ending for ending in endings)}):
            name, n = f"{wanted}_{n}", n + 1
        self.taken |= made
        return name


def tensor_names(graph: Graph) -> tuple[list[str], list[str]]:
    """The C names of the graph's inputs and outputs, in order: distinct, and none a dimension's."""
    names = Names({c_name(symbol) for symbol in graph.symbols})
    inputs = [names.fresh(c_name(value.name, "input")) for value in graph.inputs]
    return inputs, [names.fresh(c_name(name, "output")) for name, _ in graph.outputs]
