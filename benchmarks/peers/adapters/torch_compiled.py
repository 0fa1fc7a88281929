"""PyTorch compiled by TorchInductor: static shapes, a static cache, weights frozen so that they are packed once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch._inductor import config as inductor
from transformers import EncoderDecoderCache, StaticCache

from benchmarks.peers.adapters import Task
from benchmarks.peers.adapters.torch_eager import first, layer_step, load, tensors
from benchmarks.peers.files import ModelFiles
from kaoken.bench.contestants import Workload

WORKLOADS = 64  # shapes that one function may be compiled for


class Adapter:
    def __init__(self, files: ModelFiles, threads: int) -> None:
        inductor.freezing = True
        torch._dynamo.config.recompile_limit = WORKLOADS
        self._model, self._kind = load(files, threads), files.kind
        self._compiled = torch.compile(self._model, dynamic=False)
        if files.kind == "encoder-decoder":
            self._encoder = torch.compile(self._model.get_encoder(), dynamic=False)

    def prepare(self, workload: Workload) -> Task:
        if self._kind == "encoder-decoder":
            return Task(self._answer(workload))
        if self._kind == "layer":
            return Task(layer_step(self._compiled, workload))
        return Task(self._generate(workload) if self._kind == "generator" else self._encode(workload))

    def _encode(self, workload: Workload) -> Any:
        compiled, inputs = self._compiled, tensors(workload)

        @torch.inference_mode()
        def step() -> np.ndarray:
            return first(compiled(**inputs, return_dict=False)).numpy()

        return step

    def _generate(self, workload: Workload) -> Any:
        """A step writes its keys and values where the last one wrote them, so nothing has to be taken back."""
        ids = torch.from_numpy(np.asarray(workload.feed))[None]
        held = np.zeros(0, np.int64) if workload.context is None else np.asarray(workload.context)
        past = len(held)
        cache = StaticCache(config=self._model.config, max_cache_len=past + ids.shape[1])
        positions = torch.arange(past, past + ids.shape[1])
        compiled = self._compiled
        filled = torch.from_numpy(held)[None] if past else ids
        with torch.inference_mode():  # also makes the cache's tensors, which a first compiled call would be compiled for alone
            self._model(filled, past_key_values=cache, cache_position=torch.arange(filled.shape[1]), logits_to_keep=1)

        @torch.inference_mode()
        def step() -> np.ndarray:
            output = compiled(
                ids, past_key_values=cache, use_cache=True, cache_position=positions, logits_to_keep=1, return_dict=False
            )
            return first(output)[0, -1].numpy()

        return step

    def _answer(self, workload: Workload) -> Any:
        compiled, encoder, config, inputs = self._compiled, self._encoder, self._model.config, tensors(workload)
        assert workload.feed is not None
        tokens = [torch.tensor([[int(token)]]) for token in workload.feed]
        positions = [torch.tensor([n]) for n in range(len(tokens))]
        length = workload.inputs["input_ids"].shape[1]
        caches = [StaticCache(config=config, max_cache_len=size) for size in (len(tokens), length)]
        mask = inputs.get("attention_mask")

        with torch.inference_mode():  # as above
            self._model(
                **inputs, decoder_input_ids=tokens[0], past_key_values=EncoderDecoderCache(*caches), cache_position=positions[0]
            )

        @torch.inference_mode()
        def step() -> np.ndarray:
            hidden = encoder(**inputs)
            for part in caches:
                part.reset()
            cache = EncoderDecoderCache(*caches)
            for token, position in zip(tokens, positions, strict=True):
                output = compiled(
                    encoder_outputs=hidden,
                    attention_mask=mask,
                    decoder_input_ids=token,
                    past_key_values=cache,
                    cache_position=position,
                    use_cache=True,
                )
            return first(output.logits)[-1].numpy()

        return step
