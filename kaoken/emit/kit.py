"""What makes the folder a product: build files, an example, wrappers."""

from __future__ import annotations

from pathlib import Path

from kaoken.emit.interface import Interface


def write_kit(folder: Path, name: str, interface: Interface, tokenizer: bool, embedded: bool) -> None:
    """Write everything around the C files."""
