"""What the fusions say of themselves: what fired, and the nearest misses with their reason (`--explain`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from kaoken.ir.graph import Graph, Node


@dataclass
class Explanation:
    """Collected while the passes run; kept in `graph.metadata["explain"]`."""

    fired: dict[str, int] = field(default_factory=dict)
    misses: list[tuple[str, str, str]] = field(default_factory=list)

    def hit(self, fusion: str) -> None:
        self.fired[fusion] = self.fired.get(fusion, 0) + 1

    def miss(self, fusion: str, node: Node, reason: str) -> None:
        """Note that `fusion` nearly matched at `node`; `reason` is a sentence with the value at fault."""
        where = node.origin[-1] if node.origin else node.output.name
        self.misses.append((fusion, where, reason))

    def text(self) -> str:
        lines = [f"{name}: {count} fused" for name, count in sorted(self.fired.items())]
        lines += [f"{fusion} not fused at {where}: {reason}" for fusion, where, reason in self.misses]
        return "\n".join(lines) or "no fusion applies to this model"


def explanation(graph: Graph) -> Explanation:
    """The explanation that belongs to a graph, made on first use."""
    result = graph.metadata.setdefault("explain", Explanation())
    assert isinstance(result, Explanation)
    return result
