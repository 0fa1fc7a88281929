"""What the templates need to know of a text encoder: where the hidden state lies, and what is made up from the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kaoken.emit.interface import Interface
from kaoken.emit.names import c_name
from kaoken.emit.program import Program
from kaoken.frontend.pooling import Pooling
from kaoken.passes.body_memory import root
from kaoken.passes.text_encoder import hidden_state


@dataclass(frozen=True)
class Kept:
    """An output that embedding computes into the arena: its name in C, its type and its slot."""

    c_name: str
    c_type: str
    slot: int


@dataclass(frozen=True)
class Embedding:
    """Names in C of a text encoder's dimensions and tensors ("" where it has no such input), its width, how it pools, and the id
    that stands at padding."""

    width: int
    batch: str
    sequence: str
    ids: str
    mask: str
    types: str
    positions: str
    hidden: Kept
    kept: tuple[Kept, ...]
    pooling: Pooling
    padding: int

    @property
    def made_up(self) -> int:
        """Inputs [batch][sequence] that the handle keeps memory for although ids and mask are given: first a mask of 0 and 1."""
        return 1 + bool(self.types) + bool(self.positions)

    def as_json(self) -> dict[str, Any]:
        """For report.json."""
        said = {"pooling": self.pooling.mode, "normalize": self.pooling.normalize, "max_length": self.pooling.max_length}
        return {"width": self.width, "batch": self.batch, "sequence": self.sequence, "padding": self.padding, **said}


def find_embedding(program: Program, interface: Interface, pooling: Pooling) -> Embedding | None:
    """The embedding side of a program, None for what is no text encoder."""
    graph, slot_of = program.graph, program.memory.slot_of
    value = hidden_state(graph)
    if value is None or any(root(v) not in slot_of for _, v in graph.outputs):
        return None
    own = {v.name: t.c_name for v, t in zip(graph.inputs, interface.inputs, strict=True)}
    kept = {
        v: Kept(t.c_name, t.c_type, slot_of[root(v)].index) for (_, v), t in zip(graph.outputs, interface.outputs, strict=True)
    }
    batch, sequence = (c_name(next(iter(d.symbols())).name) for d in value.shape[:2])
    mask, types, positions = (own.get(name, "") for name in ("attention_mask", "token_type_ids", "position_ids"))
    width, ids = int(value.shape[2]), own["input_ids"]
    padding = graph.metadata.get("config", {}).get("pad_token_id")
    rows = [int(use.extent) for use in program.checks if use.value.name == "input_ids" and use.extent.constant is not None]
    padding = padding if isinstance(padding, int) and 0 <= padding < min(rows, default=1) else 0
    found = tuple(kept.values())
    return Embedding(width, batch, sequence, ids, mask, types, positions, kept[value], found, pooling, padding)
