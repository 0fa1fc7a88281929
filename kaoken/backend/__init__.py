"""The ONNX standard's backend interface (`onnx.backend.base.Backend`) over Kaoken: compiles to C, builds, runs.

    import kaoken.backend
    outputs = kaoken.backend.run_model(onnx.load("model.onnx"), [x])

    onnx.backend.test.BackendTest(kaoken.backend, __name__)     # the standard's own suite

`python -m kaoken.backend` runs that suite, or a sample of it, and says what passes.
"""

from kaoken.backend.interface import KaokenBackend, KaokenBackendRep

is_compatible = KaokenBackend.is_compatible
prepare = KaokenBackend.prepare
run_model = KaokenBackend.run_model
run_node = KaokenBackend.run_node
supports_device = KaokenBackend.supports_device

__all__ = ["KaokenBackend", "KaokenBackendRep", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]
