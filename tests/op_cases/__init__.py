"""The table of operator cases: a row is one use of an ONNX operator. Shape rules, formulas and compiled C are held against it."""

from op_cases.attention import CASES as ATTENTION
from op_cases.case import Case
from op_cases.convolution import CASES as CONVOLUTION
from op_cases.learned import CASES as LEARNED
from op_cases.microsoft import CASES as MICROSOFT
from op_cases.movement import CASES as MOVEMENT
from op_cases.neural import CASES as NEURAL
from op_cases.pointwise import CASES as POINTWISE
from op_cases.reduction import CASES as REDUCTION
from op_cases.resize import CASES as RESIZE
from op_cases.scatter import CASES as SCATTER
from op_cases.selection import CASES as SELECTION
from op_cases.shape import CASES as SHAPE

CASES: list[Case] = [
    *POINTWISE,
    *MOVEMENT,
    *SHAPE,
    *REDUCTION,
    *NEURAL,
    *CONVOLUTION,
    *ATTENTION,
    *SCATTER,
    *RESIZE,
    *SELECTION,
    *LEARNED,
    *MICROSOFT,
]

__all__ = ["CASES", "Case"]
