"""Random graphs of nested If, Loop and Scan whose values are captured, carried, swapped, grown and collected in every way."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DEPTH = 3
TYPES = {"row": (TensorProto.FLOAT, [3]), "whole": (TensorProto.INT64, []), "flag": (TensorProto.BOOL, [])}
LISTS = (TensorProto.FLOAT, [None])
"""A vector of any length."""


@dataclass
class Scope:
    """A graph being made: its nodes, and the names that they may read, by type."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)

    def inner(self) -> Scope:
        return Scope([], {kind: list(names) for kind, names in self.names.items()})


class Nest:
    """One random graph. Arithmetic keeps values small, and is exact or rounded once, so that results compare."""

    def __init__(self, seed: int):
        self.seed = seed
        self.random, self.count = random.Random(seed), 0

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def model(self) -> onnx.ModelProto:
        """float[3] a, b; int64 n; bool c in; a value of each type out, and what the last control-flow node collected."""
        self.random, self.count = random.Random(self.seed), 0
        scope = Scope([], {"row": ["a", "b"], "whole": ["n"], "flag": ["c"], "list": []})
        self.node(scope, "Concat", ["a", "b"], "list", axis=0)
        for _ in range(3):
            self.plain(scope)
        extra = []
        for _ in range(self.random.randint(1, 3)):
            extra += self.control(scope, DEPTH)
            self.plain(scope)
        inputs = [
            helper.make_tensor_value_info(n, *TYPES[k]) for n, k in (("a", "row"), ("b", "row"), ("n", "whole"), ("c", "flag"))
        ]
        results = [self.node(scope, "Identity", [self.any(scope, kind)], kind) for kind in ("row", "whole", "flag", "list")]
        results += [self.node(scope, "Identity", [name], "stack") for name in extra]
        outputs = [onnx.ValueInfoProto(name=name) for name in results]
        graph = helper.make_graph(scope.nodes, f"nest{self.seed}", inputs, outputs)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)

    def feeds(self, call: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([self.seed, call])
        a, b = rng.standard_normal((2, 3)).astype(np.float32)
        return {"a": a, "b": b, "n": np.array(int(rng.integers(-3, 9))), "c": np.array(call % 2 == 0)}

    # nodes --------------------------------------------------------------------------------------------------------------------

    def any(self, scope: Scope, kind: str) -> str:
        """A value of the type, one of the last few rather than an old one."""
        names = scope.names[kind]
        return names[-1 - min(int(self.random.expovariate(0.5)), len(names) - 1)]

    def node(self, scope: Scope, op: str, inputs: list[str], kind: str, **attributes: object) -> str:
        name = self.name(kind)
        scope.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}_{name}", **attributes))
        scope.names.setdefault(kind, []).append(name)
        return name

    def constant(self, scope: Scope, value: object) -> str:
        return self.node(scope, "Constant", [], "constant", value=numpy_helper.from_array(np.asarray(value)))

    def plain(self, scope: Scope) -> None:
        """A little arithmetic of each type."""
        pick = self.random.random
        total = self.node(scope, self.random.choice(["Add", "Sub"]), [self.any(scope, "row"), self.any(scope, "row")], "sum")
        self.node(scope, "Mul", [total, self.constant(scope, np.float32(0.5))], "row")
        if pick() < 0.5:
            self.node(scope, self.random.choice(["Max", "Min"]), [self.any(scope, "row"), self.any(scope, "row")], "row")
        if pick() < 0.5:
            step = self.node(scope, "Add", [self.any(scope, "whole"), self.constant(scope, self.random.randint(-2, 5))], "sum")
            self.node(scope, "Mod", [step, self.constant(scope, 7)], "whole")
        if pick() < 0.5:
            self.node(scope, "Less", [self.any(scope, "whole"), self.constant(scope, 4)], "flag")
        if pick() < 0.3:
            self.node(scope, "Not", [self.any(scope, "flag")], "flag")
        if pick() < 0.3:
            self.node(scope, "Concat", [self.any(scope, "list"), self.any(scope, "row")], "list", axis=0)
        if pick() < 0.3:
            self.node(scope, "Neg", [self.any(scope, "list")], "list")
        if pick() < 0.3:
            ends = [self.constant(scope, np.array([n])) for n in (1, 2**40)]
            self.node(scope, "Slice", [self.any(scope, "list"), *ends], "list")

    # control flow ---------------------------------------------------------------------------------------------------------------

    def control(self, scope: Scope, depth: int) -> list[str]:
        """A control-flow node; its results join the scope. Returns names of collected tensors."""
        if depth == 0:
            self.plain(scope)
            return []
        return self.random.choice([self.branch, self.loop, self.scan])(scope, depth)

    def body(self, scope: Scope, depth: int) -> None:
        self.plain(scope)
        if self.random.random() < 0.7:
            self.control(scope, depth - 1)
            self.plain(scope)

    def branch(self, scope: Scope, depth: int) -> list[str]:
        kinds = self.random.choices(["row", "whole", "flag", "list"], k=self.random.randint(1, 3))
        graphs = []
        for _ in range(2):
            inner = scope.inner()
            self.body(inner, depth)
            results = [self.any(inner, kind) for kind in kinds]
            graphs.append(self.graph(inner, [], kinds, results))
        outputs = [self.name(kind) for kind in kinds]
        made = helper.make_node("If", [self.any(scope, "flag")], outputs, then_branch=graphs[0], else_branch=graphs[1])
        made.name = f"If_{outputs[0]}"
        scope.nodes.append(made)
        for kind, name in zip(kinds, outputs, strict=True):
            scope.names[kind].append(name)
        return []

    def graph(self, inner: Scope, inputs: list[onnx.ValueInfoProto], kinds: list[str], results: list[str]) -> onnx.GraphProto:
        """Outputs are named once each: what is given twice, or not made inside, passes through Identity."""
        own = {output for node in inner.nodes for output in node.output}
        seen: set[str] = set()
        outputs = []
        for kind, name in zip(kinds, results, strict=True):
            if name not in own or name in seen:
                name = self.node(inner, "Identity", [name], "copy")
            seen.add(name)
            outputs.append(helper.make_tensor_value_info(name, *TYPES.get(kind, LISTS)))
        return helper.make_graph(inner.nodes, self.name("graph"), inputs, outputs)

    def loop(self, scope: Scope, depth: int) -> list[str]:
        kinds = self.random.choices(["row", "whole", "flag", "list"], k=self.random.randint(1, 3))
        initial = [self.any(scope, kind) for kind in kinds]
        limit = self.constant(scope, self.random.randint(0, 4))
        condition = self.any(scope, "flag") if self.random.random() < 0.4 else ""
        inner = scope.inner()
        counter, going, formals = self.name("whole"), self.name("flag"), [self.name(kind) for kind in kinds]
        for kind, name in zip(["whole", "flag", *kinds], [counter, going, *formals], strict=True):
            inner.names[kind].append(name)
        self.body(inner, depth)
        on = self.any(inner, "flag") if self.random.random() < 0.4 else going
        if self.random.random() < 0.4 and len(formals) > 1:
            self.random.shuffle(formals)  # values change places where their types agree
        results = []
        for kind in kinds:
            same = [f for f in formals if f.startswith(kind)]
            results.append(self.random.choice(same) if self.random.random() < 0.2 else self.any(inner, kind))
        collected = [self.any(inner, "row") for _ in range(self.random.randint(0, 2))]
        infos = [helper.make_tensor_value_info(counter, *TYPES["whole"]), helper.make_tensor_value_info(going, *TYPES["flag"])]
        infos += self.infos(kinds, inner, formals)
        graph = self.graph(inner, infos, ["flag", *kinds, *["row"] * len(collected)], [on, *results, *collected])
        return self.finish(scope, "Loop", [limit, condition, *initial], kinds, len(collected), body=graph)

    def infos(self, kinds: list[str], inner: Scope, formals: list[str]) -> list[onnx.ValueInfoProto]:
        ordered = {
            kind: sorted((f for f in formals if f.startswith(kind)), key=lambda f: inner.names[kind].index(f)) for kind in kinds
        }
        return [helper.make_tensor_value_info(ordered[kind].pop(0), *TYPES.get(kind, LISTS)) for kind in kinds]

    def scan(self, scope: Scope, depth: int) -> list[str]:
        kinds = self.random.choices(["row", "whole"], k=self.random.randint(0, 2))
        initial = [self.any(scope, kind) for kind in kinds]
        parts = [self.any(scope, "row") for _ in range(self.random.randint(1, 4))]
        rows = [self.node(scope, "Unsqueeze", [part, self.constant(scope, np.array([0]))], "part") for part in parts]
        stack = self.node(scope, "Concat", rows, "stack", axis=0)
        axis = self.random.randint(0, 1)
        if axis == 1:
            stack = self.node(scope, "Transpose", [stack], "stack", perm=[1, 0])
        inner = scope.inner()
        formals = [self.name(kind) for kind in kinds] + [self.name("row")]
        for kind, name in zip([*kinds, "row"], formals, strict=True):
            inner.names[kind].append(name)
        self.body(inner, depth)
        results = [self.any(inner, kind) for kind in kinds]
        collected = [self.any(inner, "row")]
        graph = self.graph(inner, self.infos([*kinds, "row"], inner, formals), [*kinds, "row"], [*results, *collected])
        options = {
            "num_scan_inputs": 1,
            "scan_input_axes": [axis],
            "scan_input_directions": [self.random.randint(0, 1)],
            "scan_output_axes": [self.random.choice([0, 1, -1])],
            "scan_output_directions": [self.random.randint(0, 1)],
        }
        return self.finish(scope, "Scan", [*initial, stack], kinds, 1, body=graph, **options)

    def finish(
        self, scope: Scope, op: str, inputs: list[str], kinds: list[str], collected: int, **attributes: object
    ) -> list[str]:
        outputs = [self.name(kind) for kind in kinds] + [self.name("stack") for _ in range(collected)]
        if not outputs:
            return []
        scope.nodes.append(helper.make_node(op, inputs, outputs, name=f"{op}_{outputs[0]}", **attributes))
        for kind, name in zip(kinds, outputs, strict=False):
            scope.names[kind].append(name)
        return outputs[len(kinds) :]
