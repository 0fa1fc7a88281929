"""The errors Kaoken raises on purpose; each carries the exit code of its kind."""

from __future__ import annotations


class KaokenError(Exception):
    """An error a user can act on. `exit_code` is what the command line returns for it."""

    exit_code = 1


class UsageError(KaokenError):
    """Wrong arguments, a missing file, or a dimension without bounds."""

    exit_code = 2


class UnboundedDimensionsError(UsageError):
    """Dimensions without bounds; `dimensions` are their names."""

    def __init__(self, message: str, dimensions: list[str]):
        super().__init__(message)
        self.dimensions = dimensions


class UnsupportedModelError(KaokenError):
    """The model is damaged or holds what Kaoken cannot compile; the message lists every offender."""

    exit_code = 3


class VerificationError(KaokenError):
    """The compiled model's results differ from the oracle's by more than the contract allows."""

    exit_code = 4


class ToolchainError(KaokenError):
    """The C compiler is missing or refused the generated sources."""

    exit_code = 5
