"""Kaoken compiles ONNX models ahead of time into a folder of portable C."""

from kaoken.errors import KaokenError, ToolchainError, UnsupportedModelError, UsageError, VerificationError

__version__ = "0.1.0"

__all__ = [
    "KaokenError",
    "ToolchainError",
    "UnsupportedModelError",
    "UsageError",
    "VerificationError",
    "__version__",
]
