"""Which graphs turn texts into vectors: a hidden state for every token, from ids and what can be made up from a mask."""

from __future__ import annotations

from kaoken.ir.dims import Dim, dim
from kaoken.ir.graph import Graph, Value

HIDDEN_STATES = ("last_hidden_state", "token_embeddings", "hidden_states")
ROLES = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


def hidden_state(graph: Graph) -> Value | None:
    """The output float32 [batch, sequence, width] that embeddings are pooled from; None for a graph that is no text encoder.

    A text encoder keeps no state and takes ids, int64 [batch, sequence], and nothing but masks, types and positions besides.
    """
    ids = next((v for v in graph.inputs if v.name == "input_ids"), None)
    if ids is None or ids.rank != 2 or graph.states or not all(map(_is_symbol, ids.shape)):
        return None
    if any(v.name not in ROLES or v.dtype != "int64" or v.shape != ids.shape for v in graph.inputs):
        return None
    found = [v for name, v in graph.outputs if name in HIDDEN_STATES and v.dtype == "float32" and v.rank == 3]
    if len(found) != 1 or found[0].shape[:2] != ids.shape or found[0].shape[2].constant is None:
        return None
    return found[0]


def kept_outputs(graph: Graph) -> list[Value]:
    """Outputs that a text encoder also has room for in its arena: embedding a text needs them and no caller gives memory."""
    return list(dict.fromkeys(v for _, v in graph.outputs)) if hidden_state(graph) is not None else []


def _is_symbol(extent: Dim) -> bool:
    return any(extent == dim(symbol) for symbol in extent.symbols())


__all__ = ["HIDDEN_STATES", "ROLES", "hidden_state", "kept_outputs"]
