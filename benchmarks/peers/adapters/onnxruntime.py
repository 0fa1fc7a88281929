"""onnxruntime, as `kaoken bench` runs it."""

from __future__ import annotations

from benchmarks.peers.adapters import Task
from benchmarks.peers.files import ModelFiles
from kaoken.bench.contestants import Contestant, OnnxRuntime, Workload
from kaoken.bench.encoder_decoder import OnnxRuntimeEncoderDecoder


class Adapter:
    def __init__(self, files: ModelFiles, threads: int) -> None:
        if files.kind == "encoder-decoder":
            self._contestant: Contestant = OnnxRuntimeEncoderDecoder(files.exported, threads)
        else:
            self._contestant = OnnxRuntime("onnxruntime", files.graph, threads)

    def prepare(self, workload: Workload) -> Task:
        return Task(self._contestant.prepare(workload))
