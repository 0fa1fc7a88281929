"""The operations of the IR; importing the package fills the table."""

from kaoken.ops import (  # noqa: F401  (they fill the table)
    attention,
    contraction,
    control,
    indexing,
    linear,
    mapping,
    movement,
    normalization,
    packing,
    pointwise,
    pooling,
    reduction,
    routine,
    scatter,
    string_routine,
)
from kaoken.ops.compose import element_at, expand, formula_of, instantiate, read
from kaoken.ops.registry import OPS, Op, ShapeError

__all__ = ["OPS", "Op", "ShapeError", "element_at", "expand", "formula_of", "instantiate", "read"]
