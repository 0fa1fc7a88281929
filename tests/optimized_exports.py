"""Exports as onnxruntime's own tools change them: its transformer optimizer, saved session graphs, and its quantizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from kaoken.verify.inputs import make_inputs
from tests.models_fixture import DIMS, GRAPHS

KINDS = {"bert": "bert", "gpt2": "gpt2", "llama": "gpt2", "vit": "vit"}
"""What the transformer optimizer calls the graphs' architectures."""


def session(path: Path, level: str = "ORT_DISABLE_ALL", save: Path | None = None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    if save is not None:
        options.optimized_model_filepath = str(save)
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def inputs_of(path: Path, seed: int = 1) -> dict[str, np.ndarray]:
    """Inputs for every symbol that the exporters left."""
    symbols = {d for i in session(path).get_inputs() for d in i.shape if isinstance(d, str) and "+" not in d}
    return make_inputs(path, {s: DIMS[s] for s in sorted(symbols)}, seed=seed)


def conv_net(path: Path) -> None:
    """MobileNet in small: a convolution, two inverted residuals with depthwise ones, the mean, a classifier."""
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def constant(name: str, *shape: int, scale: float = 0.4) -> str:
        weights.append(numpy_helper.from_array((rng.standard_normal(shape) * scale).astype(np.float32), name))
        return name

    def add(op: str, *inputs: str, **attrs: object) -> str:
        name = f"{op.lower()}{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [name], name=name, **attrs))
        return name

    def conv(x: str, before: int, after: int, kernel: int, stride: int = 1, group: int = 1) -> str:
        operands = constant(f"w{len(nodes)}", after, before // group, kernel, kernel), constant(f"b{len(nodes)}", after)
        pads = [kernel // 2] * 4
        return add("Conv", x, *operands, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=group)

    weights += [numpy_helper.from_array(np.array(v, np.float32), n) for n, v in (("low", 0.0), ("high", 6.0))]
    x = add("Clip", conv("image", 3, 8, 3, stride=2), "low", "high")
    for _ in range(2):
        wide = add("Clip", conv(x, 8, 16, 1), "low", "high")
        deep = add("Clip", conv(wide, 16, 16, 3, group=16), "low", "high")
        x = add("Add", x, conv(deep, 16, 8, 1))
    pooled = add("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2])  # of four values every fourth mean would be a tie
    flat = add("Flatten", add("GlobalAveragePool", add("LeakyRelu", pooled, alpha=0.1)))
    nodes.append(helper.make_node("Gemm", [flat, constant("head", 8, 10), constant("shift", 10)], ["logits"], name="head"))
    ports = (("image", ["batch", 3, 16, 16]), ("logits", ["batch", 10]))
    ins, outs = ([helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s)] for n, s in ports)
    graph = helper.make_graph(nodes, "conv_net", ins, outs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


class Calibration:
    """Two calls' inputs."""

    def __init__(self, path: Path):
        self.calls: Iterator[dict[str, np.ndarray]] = iter([inputs_of(path, seed) for seed in range(2)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.calls, None)


def optimized(source: Path, target: Path) -> None:
    from onnxruntime.transformers.optimizer import optimize_model

    kind = KINDS[source.parent.name.split("-")[1]]
    optimize_model(str(source), kind, num_heads=4, hidden_size=64).save_model_to_file(str(target))


def dynamic(source: Path, target: Path, **options: object) -> None:
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(str(source), str(target), extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT}, **options)


def dynamic_unsigned(source: Path, target: Path) -> None:
    from onnxruntime.quantization import QuantType

    dynamic(source, target, weight_type=QuantType.QUInt8, per_channel=True)


def optimized_dynamic(source: Path, target: Path) -> None:
    optimized(source, target)
    dynamic(target, target)


def static(source: Path, target: Path, form: str, only: list[str] | None = None) -> None:
    """only: the operators whose operands are quantised; all that the quantizer knows unless said."""
    from onnxruntime.quantization import QuantFormat, quantize_static

    per_channel, calls = form == "QDQ", Calibration(source)
    quantize_static(str(source), str(target), calls, QuantFormat[form], op_types_to_quantize=only, per_channel=per_channel)


def four_bits(source: Path, target: Path) -> None:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(onnx.load(source), block_size=32, is_symmetric=False)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))


def saved(level: str, first: Callable[[Path, Path], None] | None = None) -> Callable[[Path, Path], None]:
    """The graph that a session makes at a level, of what another recipe makes."""

    def make(source: Path, target: Path) -> None:
        if first is not None:
            first(source, target.with_suffix(".first.onnx"))
        session(target.with_suffix(".first.onnx") if first else source, level, target)

    return make


RECIPES: dict[str, Callable[[Path, Path], None]] = {
    "extended": saved("ORT_ENABLE_EXTENDED"),
    "all": saved("ORT_ENABLE_ALL"),
    "optimizer": optimized,
    "dynamic": dynamic,
    "dynamic-unsigned": dynamic_unsigned,
    "dynamic-all": saved("ORT_ENABLE_ALL", dynamic),
    "optimizer-dynamic": optimized_dynamic,
    "qdq": lambda source, target: static(source, target, "QDQ"),
    "qdq-products": lambda source, target: static(source, target, "QDQ", ["MatMul", "Gemm", "Conv"]),
    "qoperator": lambda source, target: static(source, target, "QOperator"),
    "qdq-extended": saved("ORT_ENABLE_EXTENDED", lambda source, target: static(source, target, "QDQ")),
    "four-bits": four_bits,
}


def source_of(graph: str, folder: Path) -> Path:
    """The export itself; a graph of several files is `name/file`."""
    if graph == "conv-net":
        conv_net(folder / "conv-net.onnx")
        return folder / "conv-net.onnx"
    name, _, file = graph.partition("/")
    return GRAPHS / name / f"{file or 'model'}.onnx"
