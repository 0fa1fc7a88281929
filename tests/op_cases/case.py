"""What a case is, and how it becomes a model of one node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

DOMAINS = {"ai.onnx.ml": 4, "com.microsoft": 1}
NEWEST = onnx.defs.onnx_opset_version()


@dataclass(frozen=True)
class Case:
    """One use of an operator.

    `fixed` are the inputs that are initializers. `sizes` are extents which become symbols in the symbolic variant, wherever an
    input that is not fixed has them. The spelling is valid for the opsets `since` to `until`. `rtol` is relative to the largest
    element. `oracle` is "reference" where onnxruntime differs from the standard; `why` says how.
    """

    op: str
    inputs: tuple[np.ndarray | None, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    fixed: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    outputs: tuple[str, ...] = ("y",)
    since: int = 13
    until: int = NEWEST
    rtol: float = 2e-6
    oracle: str = "onnxruntime"
    why: str = ""
    domain: str = ""

    def opsets(self) -> list[int]:
        """The first opset, and each later one at which the operator changed; of other domains' operators the newest."""
        if self.domain:
            return [self.until]
        history = {s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.name == self.op and s.domain == ""}
        return sorted({self.since} | {v for v in history if self.since < v <= self.until})

    def feeds(self) -> dict[str, np.ndarray]:
        """The inputs that are given at run time."""
        return {f"x{n}": v for n, v in enumerate(self.inputs) if v is not None and n not in self.fixed}

    def model(self, opset: int, symbolic: bool = False) -> onnx.ModelProto:
        """The node as a model; in the symbolic variant the extents in `sizes` are symbols `n<size>`."""
        inputs, initializers = [], []
        for n, value in enumerate(self.inputs):
            if value is None:
                continue
            if n in self.fixed:
                initializers.append(numpy_helper.from_array(value, f"x{n}"))
                continue
            shape = [f"n{extent}" if symbolic and extent in self.sizes else extent for extent in value.shape]
            element_type = helper.np_dtype_to_tensor_dtype(value.dtype)
            inputs.append(helper.make_tensor_value_info(f"x{n}", element_type, shape))
        names = [f"x{n}" if v is not None else "" for n, v in enumerate(self.inputs)]
        node = helper.make_node(self.op, names, list(self.outputs), name="node", domain=self.domain, **self.attrs)
        outputs = [onnx.ValueInfoProto(name=name) for name in self.outputs if name]
        graph = helper.make_graph([node], "case", inputs, outputs, initializers)
        return helper.make_model(graph, opset_imports=opset_imports(opset), ir_version=10)


def opset_imports(opset: int) -> list[onnx.OperatorSetIdProto]:
    """An opset of the standard's operators, and those of other domains that cases are of."""
    return [helper.make_opsetid(domain, version) for domain, version in {"": opset, **DOMAINS}.items()]


def floats(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """Normal random floats; equal arguments give equal arrays."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def integers(low: int, high: int, *shape: int, dtype: str = "int64", seed: int = 0) -> np.ndarray:
    """Random integers in low..high, both included."""
    return np.random.default_rng([seed, *shape]).integers(low, high, shape, endpoint=True).astype(dtype)


def bools(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).random(shape) < 0.5


def i64(*values: int) -> np.ndarray:
    """A vector of int64."""
    return np.array(values, np.int64)


def scalar(value: Any, dtype: str = "float32") -> np.ndarray:
    return np.array(value, dtype)
