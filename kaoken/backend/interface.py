"""`prepare`, `run_model`, `run_node`: models and single nodes in memory through the compiler, as the ONNX standard asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep, Device, DeviceType, namedtupledict

from kaoken.backend.build import PLAIN, built_folder
from kaoken.errors import UnboundedDimensionsError, UsageError
from kaoken.session import Session

DEFAULT_BOUND = 64
"""Dimensions without a bound get this one, or as many elements as the largest tensor of the model's interface has."""

MOST_OF_A_SEQUENCE = 8192
"""Elements that all tensors of a sequence may have together, and bytes of all strings of a tensor."""


class KaokenBackendRep(BackendRep):
    """A built model. `run` may be called any number of times; `session` is what runs it."""

    def __init__(self, session: Session):
        self.session = session
        self._inputs = [node.name for node in session.get_inputs()]
        self._outputs = [node.name for node in session.get_outputs()]
        self._tuple = namedtupledict("Outputs", self._outputs)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs, in order and by name. `inputs`: arrays in order, one array, or a table by name.

        Raises ValueError for inputs that do not fit, kaoken.session.SessionError for what the model refuses.
        """
        if isinstance(inputs, Mapping):
            feed = dict(inputs)
        else:
            given = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
            if len(given) > len(self._inputs):
                raise ValueError(f"{len(given)} inputs for a model that takes {len(self._inputs)}: {', '.join(self._inputs)}")
            feed = dict(zip(self._inputs, given, strict=False))
        return self._tuple(*self.session.run(None, feed))


class KaokenBackend(Backend):
    """The standard's interface. What cannot be compiled raises kaoken.UnsupportedModelError."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> KaokenBackendRep:
        """Compile and build a model, or take it from the cache.

        dims: bounds by dimension name, as `--dim` takes them; dimensions without any get `DEFAULT_BOUND`. threads: 1 by default.
        flags: of the C compiler. Other arguments, which the standard's runner passes on, mean nothing here.
        """
        if not cls.supports_device(device):
            raise UsageError(f"device {device} is not supported; compiled models run on the CPU")
        dims, flags = dict(kwargs.get("dims", {})), tuple(kwargs.get("flags", PLAIN))
        try:
            folder = built_folder(model, dims, flags)
        except UnboundedDimensionsError as error:
            most = _most_elements(model)
            bounds = {d: f"0..{MOST_OF_A_SEQUENCE if d.endswith(('_elements', '_bytes')) else most}" for d in error.dimensions}
            folder = built_folder(model, bounds | dims, flags)
        return KaokenBackendRep(Session(folder, threads=int(kwargs.get("threads", 1))))

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """One node on arrays in the order of its inputs (those that are left out skipped), or by name.

        opset_version: the newest by default. outputs_info: (dtype, shape) of each output; inferred where it is left out.
        """
        names = list(dict.fromkeys(name for name in node.input if name))
        feed = dict(inputs) if isinstance(inputs, Mapping) else dict(zip(names, _listed(inputs), strict=True))
        types = {name: onnx.helper.np_dtype_to_tensor_dtype(np.asarray(a).dtype) for name, a in feed.items()}
        given = [onnx.helper.make_tensor_value_info(name, types[name], np.shape(a)) for name, a in feed.items()]
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        for info, (dtype, shape) in zip(outputs, outputs_info or (), strict=False):
            element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            info.type.CopyFrom(onnx.helper.make_tensor_type_proto(element, shape))
        newest = min(onnx.defs.onnx_opset_version(), int(kwargs.get("opset_version", 10**6)))
        opset = onnx.helper.make_opsetid(node.domain, newest if node.domain in ("", "ai.onnx") else 1)
        opsets = [opset] if node.domain in ("", "ai.onnx") else [opset, onnx.helper.make_opsetid("", newest)]
        graph = onnx.helper.make_graph([node], node.op_type, given, outputs)
        return cls.prepare(onnx.helper.make_model(graph, opset_imports=opsets), device, **kwargs).run(feed)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether `device` is the CPU."""
        try:
            return bool(Device(device).type == DeviceType.CPU)
        except (AttributeError, ValueError):
            return False


def _listed(inputs: Any) -> list[Any]:
    return [inputs] if isinstance(inputs, np.ndarray) else list(inputs)


def _most_elements(model: onnx.ModelProto) -> int:
    """Elements of the largest tensor that the model's interface gives sizes for."""
    shapes = [info.type.tensor_type.shape.dim for info in (*model.graph.input, *model.graph.output)]
    return max([DEFAULT_BOUND, *(math.prod(d.dim_value for d in shape) for shape in shapes)])
