"""What a control-flow case is: a graph in ONNX's text form and feeds for it; and how cases become one model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, parser

OPSET = 21


@dataclass(frozen=True, eq=False)
class Control:
    """One graph: `feeds` are calls that between them take every way through it; `dims` bounds its symbols."""

    name: str
    text: str
    feeds: tuple[dict[str, Any], ...]
    dims: dict[str, str] = field(default_factory=dict)
    opset: int = OPSET

    def model(self) -> onnx.ModelProto:
        graph = parser.parse_graph(f"{self.name} {self.text}")
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)

    def arrays(self, number: int) -> dict[str, np.ndarray]:
        """The feed of that number, beginning again behind the last."""
        return {name: np.asarray(value) for name, value in self.feeds[number % len(self.feeds)].items()}


def row(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def table(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


X = row(1, -2, 3)
TRUE, FALSE = np.array(True), np.array(False)


def calls(**choices: tuple[Any, ...]) -> tuple[dict[str, Any], ...]:
    """Feeds that take the choices of each input side by side; one choice stands for all calls."""
    count = max(len(c) for c in choices.values())
    return tuple({name: c[n % len(c)] for name, c in choices.items()} for n in range(count))


def merged(cases: list[Control]) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The cases side by side in one model, names of a case behind its name, and the bounds of its symbols."""
    parts = []
    dims: dict[str, str] = {}
    for case in cases:
        part = case.model().graph
        for n, node in enumerate(part.node):
            node.name = f"{node.op_type}_{n}"
        for value in part.input:
            _rename_symbols(value, case)
        parts.append((f"{case.name}_", part))
        dims |= {f"{case.name}_{name}": bounds for name, bounds in case.dims.items()}
    return side_by_side(parts), dims


def side_by_side(parts: list[tuple[str, onnx.GraphProto]]) -> onnx.ModelProto:
    """Graphs in one model, a prefix before all names of each."""
    graph = onnx.GraphProto(name="cases")
    for prefix, part in parts:
        _prefix(part, prefix)
        for node in part.node:
            node.name = prefix + node.name
        for kind in ("node", "input", "output", "initializer"):
            getattr(graph, kind).extend(getattr(part, kind))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def _prefix(graph: onnx.GraphProto, prefix: str) -> None:
    """Put a prefix before every name, in the graphs inside nodes too."""
    for named in (*graph.input, *graph.output, *graph.initializer):
        named.name = prefix + named.name
    for node in graph.node:
        node.input[:] = [prefix + name if name else "" for name in node.input]
        node.output[:] = [prefix + name if name else "" for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _prefix(attribute.g, prefix)


def _rename_symbols(value: onnx.ValueInfoProto, case: Control) -> None:
    for extent in value.type.tensor_type.shape.dim:
        if extent.dim_param in case.dims:
            extent.dim_param = f"{case.name}_{extent.dim_param}"
