"""Imports of the packages that only exporting needs, with an error that says what to install."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from kaoken.errors import UsageError

# accelerate is what lets Optimum find tied weights; without it the vocabulary matrix is stored twice.
REQUIRED = ("torch", "transformers", "tokenizers", "accelerate", "optimum.exporters.onnx")


def require_export_packages() -> None:
    """Raise UsageError, naming what is missing, unless everything that an export needs can be imported."""
    missing = [name for name in REQUIRED if not _is_installed(name)]
    if missing:
        names = ", ".join(name.split(".")[0] for name in missing)
        raise UsageError(f'exporting needs {names}; run: pip install "kaoken[export]"')


def import_extra(name: str) -> ModuleType:
    """Import one of the extra's modules, as UsageError where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f'{name} cannot be imported ({error}); run: pip install "kaoken[export]"') from error


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
