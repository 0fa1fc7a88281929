"""What a model holds, and what Kaoken would make of it: operators, dimensions, memory, kernels a layer, what is unsupported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import onnx

from kaoken.compiler import CompileOptions, lower, model_name
from kaoken.emit.blocks import find_blocks
from kaoken.emit.interface import Interface, build_interface
from kaoken.emit.program import build_program
from kaoken.errors import UnsupportedModelError, UsageError
from kaoken.frontend.dimensions import DimensionTable, context_length, read_config
from kaoken.frontend.encoder_decoder import read_model
from kaoken.frontend.mapped_file import find_model_file, is_encoder_decoder
from kaoken.ir.dims import evaluate
from kaoken.ir.graph import Graph
from kaoken.passes.explain import explanation
from kaoken.passes.plan_memory import MemoryPlan, at_creation, size_in_bytes


@dataclass(frozen=True)
class TensorInfo:
    """An input or output as the ONNX file declares it; extents as text."""

    name: str
    dtype: str
    shape: tuple[str, ...]


@dataclass(frozen=True)
class LayerPlan:
    """Equal layers that share one function: its name, how many there are, and the kernels that each calls."""

    name: str
    count: int
    kernels: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What compiling gives. Arena and cache are in bytes, for a handle of `sizes` (the defaults)."""

    kernel_calls: int
    kernels: int
    layers: tuple[LayerPlan, ...]
    weights_bytes: int
    arena_bytes: int
    cache_bytes: int
    sizes: dict[str, int]
    fusions: dict[str, int]


@dataclass
class Inspection:
    """A model as found. `dims` has (low, high), high None where no bound is known; `plan` is None where it cannot be compiled."""

    file: str
    model_bytes: int
    opset: int
    producer: str
    parameters: int
    operators: dict[str, int]
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]
    dims: dict[str, tuple[int, int | None]]
    plan: Plan | None = None
    unsupported: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def inspect_model(path: Path, dims: Mapping[str, str] | None = None, progress: Callable[[str], None] | None = None) -> Inspection:
    """Read a model and run the compiler's passes on it; nothing is written.

    What is unsupported or unbounded is part of the result. Raises UsageError for a missing file, UnsupportedModelError for one
    that is no ONNX model at all.
    """
    say = progress or (lambda _text: None)
    say("reading the model")
    model = read_model(path)
    graph = model.proto.graph
    table = DimensionTable(overrides=dict(dims or {}), context=context_length(read_config(path)))
    weights = {t.name for t in graph.initializer}
    found = Inspection(
        file=str(path if is_encoder_decoder(path) else find_model_file(path)),
        model_bytes=model.bytes_on_disk,
        opset=next((o.version for o in model.proto.opset_import if o.domain in ("", "ai.onnx")), 0),
        producer=f"{model.proto.producer_name} {model.proto.producer_version}".strip(),
        parameters=sum(_count(t) for t in graph.initializer if t.data_type in _FLOATS),
        operators=dict(Counter(_operator(n) for n in _nodes(graph)).most_common()),
        inputs=[_tensor(v) for v in graph.input if v.name not in weights],
        outputs=[_tensor(v) for v in graph.output],
        dims={},
    )
    for tensor in found.inputs:
        for extent in tensor.shape:
            table.parse(extent)
    found.dims = {name: (s.lower, _bound(s.upper)) for name, s in table.symbols.items()}
    say("running the passes")
    try:
        lowered = lower(path, CompileOptions(dims=dict(dims or {})), model_name(path, None))
        found.dims = {n: (s.lower, _bound(s.upper)) for n, s in lowered.symbols.items() if n != "logit_rows" and not s.is_found}
        found.plan = plan_of(lowered)
    except UnsupportedModelError as error:
        found.unsupported = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
    except UsageError as error:
        found.notes.append(str(error))
    return found


def plan_of(graph: Graph) -> Plan:
    """The plan of a graph that went through all passes."""
    program = build_program(graph)
    blocks, _ = find_blocks(program)
    interface = build_interface(program, tokenizer=False)
    sizes = {s.name: s.default for s in interface.sizes}
    return Plan(
        kernel_calls=len(program.calls),
        kernels=len(program.kernels),
        layers=tuple(LayerPlan(b.name, len(b.layers), tuple(c.kernel.name for c in b.calls)) for b in blocks),
        weights_bytes=program.weights.total,
        arena_bytes=arena_bytes(graph, interface, sizes),
        cache_bytes=cache_bytes(graph, interface, sizes),
        sizes=sizes,
        fusions=dict(explanation(graph).fired),
    )


def arena_bytes(graph: Graph, interface: Interface, sizes: Mapping[str, int]) -> int:
    """Bytes of activations in a handle of these sizes, as the generated arena_size reckons."""
    memory: MemoryPlan = graph.metadata["memory"]
    values = _symbol_values(interface, sizes)
    return memory.arena_bytes(lambda size: evaluate(at_creation(graph, size), values))


def cache_bytes(graph: Graph, interface: Interface, sizes: Mapping[str, int]) -> int:
    """Bytes of the keys and values that a handle of these sizes keeps between calls; 0 for a model without state."""
    values = _symbol_values(interface, sizes)
    for symbol, code in interface.creation.items():
        if code == "sizes->sequence":
            values[symbol.name] = 0  # past + sequence positions are no more than the context
    return sum(evaluate(size_in_bytes(state.present), values) for state in graph.states)


def _symbol_values(interface: Interface, sizes: Mapping[str, int]) -> dict[str, int]:
    return {symbol.name: sizes[code.removeprefix("sizes->")] for symbol, code in interface.creation.items()}


_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """A graph's nodes and those of the graphs inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _operator(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def _count(tensor: onnx.TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def _tensor(value: onnx.ValueInfoProto) -> TensorInfo:
    tensor = value.type.tensor_type
    code = tensor.elem_type
    dtype = onnx.TensorProto.DataType.Name(code).lower() if code in onnx.TensorProto.DataType.values() else str(code)
    extents = []
    for axis, extent in enumerate(tensor.shape.dim):
        extents.append(str(extent.dim_value) if extent.HasField("dim_value") else extent.dim_param or f"{value.name}_{axis}")
    return TensorInfo(value.name, dtype, tuple(extents))


def _bound(upper: Any) -> int | None:
    return upper if isinstance(upper, int) else None
