"""Exports models to ONNX with Optimum (extra `kaoken[export]`), and knows the models of the zoo.

Importing this package imports none of the heavy packages; calling `export` does.
"""

from kaoken.export.exporter import ExportResult, export
from kaoken.export.zoo import ZooModel, load_zoo

__all__ = ["ExportResult", "ZooModel", "export", "load_zoo"]
