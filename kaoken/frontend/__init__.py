"""ONNX to IR, nothing else."""

from kaoken.frontend.importer import import_model

__all__ = ["import_model"]
