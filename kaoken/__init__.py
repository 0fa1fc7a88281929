"""Kaoken compiles ONNX models ahead of time into a folder of portable C."""

from typing import TYPE_CHECKING, Any

from kaoken.errors import KaokenError, ToolchainError, UnsupportedModelError, UsageError, VerificationError

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kaoken.session import Session, TextGenerator

__all__ = [
    "KaokenError",
    "Session",
    "TextGenerator",
    "ToolchainError",
    "UnsupportedModelError",
    "UsageError",
    "VerificationError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Session and TextGenerator, imported when first asked for: they need NumPy, the command line's help does not."""
    if name in ("Session", "TextGenerator"):
        from kaoken import session

        return getattr(session, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
