"""PyTorch as transformers runs it, in inference mode, with logits of the last position only."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, DynamicCache

from benchmarks.layer_modules import make_layer
from benchmarks.peers.adapters import Task, Unsupported
from benchmarks.peers.files import ModelFiles
from kaoken.bench.contestants import Workload
from kaoken.export.optimum import quiet
from kaoken.export.random_weights import _model_class


def load(files: ModelFiles, threads: int) -> Any:
    """The model of transformers that the checkpoint is for, ready to run."""
    torch.set_num_threads(threads)
    if files.kind == "layer":
        return make_layer(files.name)
    if files.checkpoint is None:
        raise Unsupported("no checkpoint to load")
    record = files.exported / "export.json"
    kinds = {"generator": "text-generation", "encoder": "feature-extraction", "encoder-decoder": "text2text-generation"}
    task = json.loads(record.read_text())["task"] if record.is_file() else kinds[files.kind]
    with quiet():
        config = AutoConfig.from_pretrained(files.checkpoint)
        model = _model_class(task).from_pretrained(files.checkpoint, config=config, dtype=torch.float32)
    return model.eval()


def tensors(workload: Workload) -> dict[str, torch.Tensor]:
    """The model's inputs without a cache."""
    named = {name: array for name, array in workload.inputs.items() if not name.startswith("past_key_values")}
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in named.items()}


def first(output: Any) -> torch.Tensor:
    found: torch.Tensor = output[0]
    return found


def layer_step(module: Any, workload: Workload) -> Any:
    """A call of one of GPT-2's layers."""
    (hidden,) = tensors(workload).values()

    @torch.inference_mode()
    def step() -> np.ndarray:
        return np.asarray(module(hidden).numpy())

    return step


class Adapter:
    def __init__(self, files: ModelFiles, threads: int) -> None:
        self._model, self._kind = load(files, threads), files.kind

    def prepare(self, workload: Workload) -> Task:
        if self._kind == "encoder-decoder":
            return Task(self._answer(workload))
        if self._kind == "layer":
            return Task(layer_step(self._model, workload))
        return Task(self._generate(workload) if self._kind == "generator" else self._encode(workload))

    def _encode(self, workload: Workload) -> Any:
        model, inputs = self._model, tensors(workload)

        @torch.inference_mode()
        def step() -> np.ndarray:
            return first(model(**inputs, return_dict=False)).numpy()

        return step

    def _generate(self, workload: Workload) -> Any:
        model, ids = self._model, torch.from_numpy(np.asarray(workload.feed))[None]
        cache, past = DynamicCache(config=model.config), 0
        if workload.context is not None:
            past = len(workload.context)
            with torch.inference_mode():
                model(torch.from_numpy(np.asarray(workload.context))[None], past_key_values=cache, logits_to_keep=1)

        @torch.inference_mode()
        def step() -> np.ndarray:
            cache.crop(past)
            output = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1, return_dict=False)
            return first(output)[0, -1].numpy()

        return step

    def _answer(self, workload: Workload) -> Any:
        model, inputs = self._model, tensors(workload)
        assert workload.feed is not None
        tokens = [torch.tensor([[int(token)]]) for token in workload.feed]

        @torch.inference_mode()
        def step() -> np.ndarray:
            hidden, cache = model.get_encoder()(**inputs), None
            for token in tokens:
                output = model(
                    encoder_outputs=hidden,
                    attention_mask=inputs.get("attention_mask"),
                    decoder_input_ids=token,
                    past_key_values=cache,
                    use_cache=True,
                )
                cache = output.past_key_values
            return first(output.logits)[-1].numpy()

        return step
