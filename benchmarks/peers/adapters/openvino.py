"""OpenVINO on the ONNX graphs, in float32. The cache is the request's own state, so that no step moves it in or out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino._offline_transformations import apply_make_stateful_transformation

from benchmarks.peers.adapters import Task
from benchmarks.peers.files import ModelFiles
from kaoken.bench.contestants import Workload
from kaoken.frontend.mapped_file import ENCODER, FIRST_STEP, OTHER_STEPS


class Adapter:
    def __init__(self, files: ModelFiles, threads: int) -> None:
        self._settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "KV_CACHE_PRECISION": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
        self._core = openvino.Core()
        self._kept: list[Workload] = []
        if files.kind == "encoder-decoder":
            names = (ENCODER, FIRST_STEP, OTHER_STEPS)
            self._models = [self._compile(files.exported / name, stateful=name == OTHER_STEPS) for name in names]
        else:
            self._models = [self._compile(files.graph, stateful=files.kind == "generator")]

    def _compile(self, path: Path, stateful: bool) -> Any:
        """Pairs of past and present become state; what only comes in (an encoder's keys and values) stays an input.

        State takes its batch from the shape, so that is set to one row.
        """
        model = self._core.read_model(path)
        if stateful:
            outputs = {name for node in model.outputs for name in node.get_names()}
            pasts = [node.any_name for node in model.inputs if node.any_name.startswith("past_key_values")]
            pairs = {name: name.replace("past_key_values", "present", 1) for name in pasts}
            model.reshape({node.any_name: openvino.PartialShape([1, *list(node.partial_shape)[1:]]) for node in model.inputs})
            apply_make_stateful_transformation(model, {past: present for past, present in pairs.items() if present in outputs})
        return self._core.compile_model(model, "CPU", self._settings)

    def prepare(self, workload: Workload) -> Task:
        self._kept.append(workload)  # tensors share its memory
        if len(self._models) == 3:
            return Task(self._answer(workload))
        request = self._models[0].create_infer_request()
        if workload.feed is None:
            return Task(_call(request, workload.inputs))
        step, saved = _call(request, workload.inputs, last=True), None
        if workload.filling is not None:
            request.reset_state()
            _call(request, workload.filling)()
            saved = {state.name: openvino.Tensor(np.array(state.state.data)) for state in request.query_state()}
            _bind(request, workload.inputs)

        def rewind() -> None:
            if saved is None:
                request.reset_state()
                return
            for state in request.query_state():
                state.state = saved[state.name]

        return Task(step, rewind)

    def _answer(self, workload: Workload) -> Any:
        """Encode, the first step's graph, then the others', whose state starts with what the first one made."""
        encoder, first, others = (model.create_infer_request() for model in self._models)
        _bind(encoder, workload.inputs)
        assert workload.feed is not None
        tokens = [np.array([[token]], np.int64) for token in workload.feed]
        wanted = {name for node in self._models[2].inputs for name in node.get_names()}
        presents = {name for node in self._models[1].outputs for name in node.get_names() if name.startswith("present")}

        def step() -> np.ndarray:
            encoder.infer()
            hidden = encoder.get_tensor("last_hidden_state")
            named = {f"encoder_{name}": array for name, array in workload.inputs.items()}
            taken = {name: array for name, array in named.items() if _takes(self._models[1], name)}
            _bind(first, {**taken, "input_ids": tokens[0]})
            first.set_tensor("encoder_hidden_states", hidden)
            first.infer()
            if len(tokens) == 1:
                return np.asarray(first.get_tensor("logits").data)[0, -1]
            _bind(others, {name: array for name, array in named.items() if name in wanted})
            for name in presents:
                past = name.replace("present", "past_key_values", 1)
                if past in wanted:
                    others.set_tensor(past, first.get_tensor(name))
            for state in others.query_state():
                name = state.name[state.name.index("present") :]
                state.state = first.get_tensor(name)
            for token in tokens[1:]:
                others.set_tensor("input_ids", openvino.Tensor(token, shared_memory=True))
                others.infer()
            return np.asarray(others.get_tensor("logits").data)[0, -1]

        return step


def _takes(model: Any, name: str) -> bool:
    return any(name in node.get_names() for node in model.inputs)


def _bind(request: Any, inputs: Mapping[str, np.ndarray]) -> None:
    """Inputs as tensors on the memory of arrays that somebody keeps; a cache among them is the request's state instead."""
    for name, array in inputs.items():
        if not name.startswith("past_key_values"):
            request.set_tensor(name, openvino.Tensor(array, shared_memory=True))


def _call(request: Any, inputs: Mapping[str, np.ndarray], last: bool = False) -> Any:
    _bind(request, inputs)

    def step() -> np.ndarray:
        request.infer()
        array = np.asarray(request.get_output_tensor(0).data)
        return array[:, -1] if last else array

    return step
