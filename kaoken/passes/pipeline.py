"""The compiler's middle, in order. A stranger reads this list first; each line says why it stands where it stands."""

from __future__ import annotations

from collections.abc import Callable

from kaoken.ir.graph import Graph
from kaoken.ir.verify import verify
from kaoken.passes.assign_schedules import assign_schedules
from kaoken.passes.common_subexpressions import share_common_subexpressions
from kaoken.passes.find_state import find_state
from kaoken.passes.fuse_activation import fuse_activation
from kaoken.passes.fuse_attention import fuse_attention
from kaoken.passes.fuse_epilogue import fuse_epilogue
from kaoken.passes.fuse_linear import fuse_linear, lift_reshapes
from kaoken.passes.fuse_loops import fuse_loops, separate_loops
from kaoken.passes.fuse_norm import fuse_norm
from kaoken.passes.last_position import keep_last_positions
from kaoken.passes.narrow_products import narrow_products
from kaoken.passes.pack_caches import pack_caches
from kaoken.passes.pack_weights import plan_weights
from kaoken.passes.plan_memory import plan_memory
from kaoken.passes.share_constants import share_constants
from kaoken.passes.simplify import fold_known, simplify
from kaoken.passes.split_stages import split_stages
from kaoken.passes.tidy_control import tidy_control

Pass = Callable[[Graph], None]

PASSES: list[tuple[str, Pass]] = [
    ("fold-known", fold_known),  # shape arithmetic leaves before anything is matched
    ("simplify", simplify),  # so that patterns meet no idle casts and reshapes
    ("share-common-subexpressions", share_common_subexpressions),  # twelve equal masks become one
    ("tidy-control", tidy_control),  # before fusion: what leaves a body meets others outside
    ("narrow-products", narrow_products),  # while operands still are casts of what the model quantised
    ("fuse-linear", fuse_linear),  # before activations, whose operand is then a tensor of their own shape
    ("lift-reshapes", lift_reshapes),  # Gemm takes matrices only: the reshapes around it meet and
    ("simplify-linear", simplify),  # go
    ("fuse-norm", fuse_norm),
    ("fuse-activation", fuse_activation),
    ("fuse-attention", fuse_attention),  # after linear: its operands end in projections
    ("simplify-attention", simplify),  # head split meets head merge and both go
    ("lift-reshapes-again", lift_reshapes),  # the output projection's
    ("simplify-again", simplify),
    ("fuse-epilogue", fuse_epilogue),  # once nothing stands between a product and its residual
    ("find-state", find_state),  # needs attention, to tell keys from values
    ("pack-caches", pack_caches),  # after state: keys and values are written where they stay
    ("keep-last-positions", keep_last_positions),  # needs state: only generation asks for few logits
    ("share-constants", share_constants),  # while embeddings still are nodes of their own
    ("fuse-loops", fuse_loops),  # what no scheduled kernel took becomes loop nests
    ("split-stages", split_stages),  # nothing moves between encoder and decoder any more
    ("assign-schedules", assign_schedules),  # from here on the nodes are kernels
    ("plan-weights", plan_weights),
    ("plan-memory", plan_memory),  # last: it needs the final order
]

PLAIN_PASSES: list[tuple[str, Pass]] = [
    ("fold-known", fold_known),
    ("separate-loops", separate_loops),  # one loop nest an operation
    *PASSES[-3:],
]
"""What is left with `--no-fuse`: the same meaning by the shortest way, which tells a fusion's mistakes from all others."""

WHOLE: tuple[Pass, ...] = (tidy_control, find_state, keep_last_positions, assign_schedules, plan_weights, plan_memory)
"""Passes that are of the model as a whole; all others run on each body of control flow as on a graph of its own."""


def run_passes(graph: Graph, dump: Callable[[str, Graph], None] | None = None, fuse: bool = True) -> Graph:
    """Run every pass in order, or without `fuse` those of PLAIN_PASSES, verifying the graph after each.

    `dump(name, graph)` is called after import and after each pass.
    """
    verify(graph)
    if dump:
        dump("import", graph)
    for name, run in PASSES if fuse else PLAIN_PASSES:
        for body in list(graph.walk()) if run not in WHOLE else [graph]:
            run(body)
        verify(graph, name)
        if dump:
            dump(name, graph)
    return graph
