"""llama.cpp through its C API, on a GGUF file in float32 written from the checkpoint."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import llama_cpp
import numpy as np

from benchmarks.peers.adapters import Task, Unsupported
from benchmarks.peers.adapters.gguf_file import write_gguf
from benchmarks.peers.files import ModelFiles, newer
from kaoken.bench.contestants import Workload

FLOAT32 = 0  # GGML_TYPE_F32


@llama_cpp.llama_log_callback
def _silence(_level: int, _text: bytes, _user: Any) -> None:
    """Its log lines are not for the table."""


class Adapter:
    def __init__(self, files: ModelFiles, threads: int) -> None:
        if files.checkpoint is None:
            raise Unsupported("no checkpoint to convert")
        path = files.work / "model.gguf"
        if not newer(path, files.checkpoint / "config.json"):
            write_gguf(files.checkpoint, path)
        llama_cpp.llama_log_set(_silence, ctypes.c_void_p())
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        settings.n_gpu_layers = 0
        self._model = llama_cpp.llama_model_load_from_file(os.fsencode(path), settings)
        if not self._model:
            raise Unsupported("it cannot load the GGUF file")
        self._threads, self._kind = threads, files.kind
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._width = llama_cpp.llama_model_n_embd(self._model)

    def prepare(self, workload: Workload) -> Task:
        if self._kind == "encoder":
            return Task(self._encode(workload))
        assert workload.feed is not None
        past = 0 if workload.context is None else len(workload.context)
        context = self._context(past + len(workload.feed), embeddings=False)
        memory = llama_cpp.llama_get_memory(context)
        if workload.context is not None:
            self._decode(context, _batch(workload.context[None], 0))
        batch = _batch(np.asarray(workload.feed)[None], past)

        def step() -> np.ndarray:
            llama_cpp.llama_memory_seq_rm(memory, 0, past, -1)
            self._decode(context, batch)
            return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (self._vocabulary,))

        return Task(step)

    def _encode(self, workload: Workload) -> Any:
        """Every row is a sequence of its own; vectors of all positions."""
        ids = workload.inputs["input_ids"]
        if "token_type_ids" in workload.inputs and workload.inputs["token_type_ids"].any():
            raise Unsupported("it knows only the first kind of token")
        context = self._context(ids.size, embeddings=True, rows=len(ids))
        batch = _batch(ids, 0, every=True)

        def step() -> np.ndarray:
            if llama_cpp.llama_encode(context, batch) != 0:
                raise RuntimeError("llama_encode failed")
            return np.ctypeslib.as_array(llama_cpp.llama_get_embeddings(context), (ids.size, self._width))

        return step

    def _context(self, positions: int, embeddings: bool, rows: int = 1) -> Any:
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = max(positions, 32)
        settings.n_seq_max = rows
        settings.n_threads = settings.n_threads_batch = self._threads
        settings.type_k = settings.type_v = FLOAT32
        settings.embeddings = embeddings
        if embeddings:
            settings.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
        context = llama_cpp.llama_init_from_model(self._model, settings)
        if not context:
            raise Unsupported("it cannot make a context of this size")
        return context

    @staticmethod
    def _decode(context: Any, batch: Any) -> None:
        if llama_cpp.llama_decode(context, batch) != 0:
            raise RuntimeError("llama_decode failed")


def _batch(ids: np.ndarray, past: int, every: bool = False) -> Any:
    """Rows of ids as one batch; results of the last position, or of every one."""
    rows, length = ids.shape
    batch = llama_cpp.llama_batch_init(ids.size, 0, 1)
    batch.n_tokens = ids.size
    for i in range(ids.size):
        batch.token[i], batch.pos[i] = int(ids.flat[i]), past + i % length
        batch.n_seq_id[i], batch.seq_id[i][0] = 1, i // length
        batch.logits[i] = every or i == rows * length - 1
    return batch
