"""The operations of the IR; importing the package fills the table."""

from kaoken.ops import (
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
from kaoken.ops.compose import composed, element_at, expand, formula_of, instantiate, read
from kaoken.ops.registry import OPS, Op, ShapeError

__all__ = [
    "OPS",
    "Op",
    "ShapeError",
    "attention",
    "composed",
    "contraction",
    "control",
    "element_at",
    "expand",
    "formula_of",
    "indexing",
    "instantiate",
    "linear",
    "mapping",
    "movement",
    "normalization",
    "packing",
    "pointwise",
    "pooling",
    "read",
    "reduction",
    "routine",
    "scatter",
    "string_routine",
]
