"""Kaoken compiles ONNX models ahead of time into a folder of portable C."""

from typing import TYPE_CHECKING, Any

from kaoken.errors import KaokenError, ToolchainError, UnsupportedModelError, UsageError, VerificationError

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kaoken.encoder import TextEncoder
    from kaoken.session import Session, TextGenerator

__all__ = [
    "KaokenError",
    "Session",
    "TextEncoder",
    "TextGenerator",
    "ToolchainError",
    "UnsupportedModelError",
    "UsageError",
    "VerificationError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Session, TextEncoder and TextGenerator, imported when first asked for: the command line's help needs no NumPy."""
    if name == "TextEncoder":
        from kaoken.encoder import TextEncoder

        return TextEncoder
    if name in ("Session", "TextGenerator"):
        from kaoken import session

        return getattr(session, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
