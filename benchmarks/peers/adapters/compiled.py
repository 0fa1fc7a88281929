"""Kaoken: the compiled folder. Each workload has a handle of its own, so that its cache stays; handles share the weights."""

from __future__ import annotations

from benchmarks.peers.adapters import Task
from benchmarks.peers.files import ModelFiles
from kaoken.bench.contestants import CompiledModel, Workload
from kaoken.bench.encoder_decoder import CompiledEncoderDecoder


class Adapter:
    def __init__(self, files: ModelFiles, threads: int) -> None:
        self._files, self._threads = files, threads

    def prepare(self, workload: Workload) -> Task:
        if self._files.kind == "encoder-decoder":
            return Task(CompiledEncoderDecoder(self._files.compiled, self._threads).prepare(workload))
        longest = 1 if workload.feed is None else len(workload.feed)
        if workload.context is not None:
            longest = max(longest, len(workload.context))
        return Task(CompiledModel(self._files.compiled, self._threads, longest).prepare(workload))
