"""CTranslate2, converted from the checkpoint with its own Transformers converter."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from ctranslate2.converters import TransformersConverter

from benchmarks.peers.adapters import Task, Unsupported, clock, quickest
from benchmarks.peers.files import ModelFiles, newer
from kaoken.bench.contestants import Workload

STEPS = 8  # of a decoding run, which is timed as a whole


class Adapter:
    def __init__(self, files: ModelFiles, threads: int) -> None:
        if files.checkpoint is None:
            raise Unsupported("no checkpoint to convert")
        folder = files.work / "ctranslate2"
        if not newer(folder / "model.bin", files.checkpoint / "config.json"):
            TransformersConverter(str(files.checkpoint)).convert(str(folder), force=True)
        self._kind = files.kind
        classes = {"generator": ctranslate2.Generator, "encoder": ctranslate2.Encoder, "encoder-decoder": ctranslate2.Translator}
        one = {"device": "cpu", "compute_type": "float32", "inter_threads": 1, "intra_threads": threads}
        self._model = classes[files.kind](str(folder), **one)
        self._tokens = _vocabulary(folder)

    def prepare(self, workload: Workload) -> Task:
        if self._kind == "encoder":
            return Task(self._encode(workload))
        assert workload.feed is not None
        if self._kind == "encoder-decoder":
            return Task(self._answer(workload))
        if workload.context is not None:
            return _Decode(self._model, self._words(workload.context), self._words(workload.feed))
        return quickest([Task(self._generate(workload)), Task(self._forward(workload))])

    def _words(self, ids: Any) -> list[str]:
        return [self._tokens[int(i)] for i in np.ravel(ids)]

    def _generate(self, workload: Workload) -> Any:
        """Reads the prompt but for its last token without logits, then makes one step."""
        words = self._words(workload.feed)

        def step() -> np.ndarray:
            return np.asarray(_generate(self._model, words, 1).logits[0][0])

        return step

    def _forward(self, workload: Workload) -> Any:
        """Reads the whole prompt at once, with logits of all positions."""
        assert workload.feed is not None
        ids = ctranslate2.StorageView.from_array(np.asarray(workload.feed, np.int32)[None])
        lengths = ctranslate2.StorageView.from_array(np.array([len(workload.feed)], np.int32))

        def step() -> np.ndarray:
            return np.asarray(self._model.forward_batch(ids, lengths, return_log_probs=False))[0, -1]

        return step

    def _encode(self, workload: Workload) -> Any:
        ids = workload.inputs["input_ids"].astype(np.int32)
        mask = workload.inputs.get("attention_mask")
        size = np.full(len(ids), ids.shape[1], np.int32) if mask is None else mask.sum(1).astype(np.int32)
        views = [ctranslate2.StorageView.from_array(array) for array in (ids, size)]
        kinds = workload.inputs.get("token_type_ids")

        def step() -> np.ndarray:
            more = {} if kinds is None else {"token_type_ids": kinds.tolist()}
            return np.asarray(self._model.forward_batch(*views, **more).last_hidden_state)

        return step

    def _answer(self, workload: Workload) -> Any:
        """The ids are the model's own likeliest ones, so that a search of one beam comes to the same."""
        assert workload.feed is not None
        source, count = [self._words(workload.inputs["input_ids"])], len(workload.feed)

        def step() -> np.ndarray:
            found = self._model.translate_batch(
                source,
                beam_size=1,
                max_decoding_length=count,
                min_decoding_length=count - 1,  # what forbids the end does so in the logits
                max_input_length=0,
                return_end_token=True,
                return_logits_vocab=True,
            )
            return np.asarray(found[0].logits[0][-1])

        return step


class _Decode(Task):
    """Steps of one token behind a context that the model keeps as its static prompt, several in a run: the first is what is asked
    for, the others have a context that is a little longer."""

    def __init__(self, model: Any, context: list[str], token: list[str]) -> None:
        super().__init__(lambda: np.asarray(_generate(model, token, 1, context).logits[0][0]))
        self._run = lambda: _generate(model, token, STEPS, context, logits=False)

    def times(self, seconds: float) -> list[float]:
        self._run()
        found: list[float] = []
        end = time.perf_counter() + seconds
        while not found or time.perf_counter() < end:
            started = clock()
            self._run()
            found.append((clock() - started) / STEPS)
        return found


def _generate(model: Any, words: list[str], steps: int, context: list[str] | None = None, logits: bool = True) -> Any:
    found = model.generate_batch(
        [words],
        static_prompt=context,
        cache_static_prompt=context is not None,
        max_length=steps,
        min_length=steps - 1,  # what forbids the end does so in the logits
        beam_size=1,
        sampling_topk=1,
        include_prompt_in_result=False,
        return_logits_vocab=logits,
    )
    return found[0]


def _vocabulary(folder: Path) -> list[str]:
    files = [folder / f"{name}vocabulary.json" for name in ("", "shared_", "source_")]
    found: list[str] = json.loads(next(f for f in files if f.is_file()).read_text())
    return found
