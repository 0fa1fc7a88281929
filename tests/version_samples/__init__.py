"""Uses of operators that no other table has: attributes at values of their own, old forms, every optional input, inner graphs."""

from op_cases.case import Case
from version_samples.arithmetic import SAMPLES as ARITHMETIC
from version_samples.structure import SAMPLES as STRUCTURE
from version_samples.windows import SAMPLES as WINDOWS

SAMPLES: list[Case] = [*WINDOWS, *ARITHMETIC, *STRUCTURE]

__all__ = ["SAMPLES"]
