"""What a graph costs at given sizes, kernel by kernel, and the least time that takes: the roofline of passes/cost.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kaoken.bench.probes import Limits
from kaoken.emit.names import module_of
from kaoken.ir.dims import evaluate
from kaoken.ir.graph import Graph
from kaoken.ops import OPS
from kaoken.passes.cost import kernel_cost
from kaoken.passes.pack_weights import WeightPlan


@dataclass(frozen=True)
class Cost:
    """FLOP of one kernel call, and bytes that it reads from memory."""

    layer: str
    op: str
    flop: float
    bytes: float

    def seconds(self, limits: Limits) -> float:
        return max(self.flop / limits.flops, self.bytes / limits.bandwidth)


def graph_costs(graph: Graph, dims: Mapping[str, int], stage: str | None = None) -> list[Cost]:
    """The cost of each kernel of a graph that went through all passes, or of one stage of an encoder-decoder.

    `dims` gives every symbol a value (also `logit_rows`). Of control flow each kernel counts once, at the largest sizes that it
    may find.
    """
    weights: WeightPlan = graph.metadata["weights"]
    found = []
    for node in graph.every_node():
        if node.op in ("view", "reshape") or stage not in (None, node.stage) or OPS[node.op].kind == "control":
            continue
        cost = kernel_cost(node, weights)
        flop, count = (float(evaluate(part, dims)) for part in (cost.flop, cost.bytes))
        found.append(Cost(module_of(node.origin) or node.op, node.op, flop, count))
    return found


def limit_seconds(costs: list[Cost], limits: Limits) -> float:
    """The least time: for each kernel the longer of computing and reading."""
    return sum(cost.seconds(limits) for cost in costs)
