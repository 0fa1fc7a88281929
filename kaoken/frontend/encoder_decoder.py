"""An encoder-decoder's folder as one ONNX model: encoder, cross-attention projections and cached decoder joined.

Exporters cut an encoder-decoder into graphs that repeat weights: the encoder; a decoder for the first step, which also projects
the encoder's result to the keys and values of cross-attention; and a decoder for every other step, which takes them as inputs.
Or they merge both decoders into one `If`. Here the three become one graph with the names they had:

    input_ids, attention_mask -> encoder -> projections of every cross-attention (from the first step's decoder)
    decoder_input_ids, past_key_values.N.decoder.* -> the other steps' decoder -> logits, present.N.decoder.*

Which inputs belong to the encoder is kept in `MappedModel.encoder_inputs`; a later pass cuts the graph there again. Equal
initializers become one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

from kaoken.errors import UnsupportedModelError
from kaoken.frontend.mapped_file import ENCODER, FIRST_STEP, MERGED, OTHER_STEPS, MappedModel, is_encoder_decoder, load_model

_SWITCH = "use_cache_branch"
_STATES = "encoder_hidden_states"
_MASK = "encoder_attention_mask"
_BLOCK = 1 << 20


def read_model(path: Path) -> MappedModel:
    """Map a file, the one in a folder, or an encoder-decoder's graphs, joined; errors are those of `load_model`."""
    return load_encoder_decoder(path) if is_encoder_decoder(path) else load_model(path)


@dataclass
class _Part:
    """One graph that is joined: its nodes, what its names become, and where its initializers lie."""

    nodes: list[onnx.NodeProto]
    outputs: list[str]
    model: MappedModel
    prefix: str
    initializers: list[onnx.TensorProto]
    names: dict[str, str] = field(default_factory=dict)

    def name(self, old: str) -> str:
        """What a name of this part is called in the joined graph; absent operands stay absent."""
        if not old:
            return ""
        return self.names.setdefault(old, f"{self.prefix}{old}" if old.startswith("/") else f"{self.prefix}.{old}")


def load_encoder_decoder(folder: Path) -> MappedModel:
    """Map the graphs of a folder and join them.

    Raises UnsupportedModelError where a graph is damaged or missing, or the graphs do not fit together.
    """
    encoder = load_model(folder / ENCODER)
    first, steps = _decoders(folder)
    parts = [_whole(encoder, "encoder"), first, steps]
    models = list({id(p.model): p.model for p in parts}.values())
    versions = {(e.domain, e.version) for m in models for e in m.proto.opset_import if e.domain in ("", "ai.onnx")}
    if len(versions) != 1:
        raise UnsupportedModelError(f"the graphs in {folder} have different opsets; export them together")
    joined = MappedModel(onnx.ModelProto(), folder / ENCODER, bytes_on_disk=sum(m.bytes_on_disk for m in models))
    joined.proto.CopyFrom(_frame(encoder.proto))
    _connect(folder, parts)
    _share_initializers(parts, joined)
    for part in parts:
        _append_nodes(part, joined.proto.graph)
    _declare(parts, joined)
    _remove_dead(joined)
    for model in models[1:]:
        joined.proto.functions.extend(model.proto.functions)
    return joined


def write_joined(folder: Path, target: Path) -> None:
    """Save the joined graphs as one ONNX file, large initializers in `<target>_data` beside it: what peers and the oracle run."""
    joined = load_encoder_decoder(folder)
    data = target.with_name(f"{target.name}_data")
    with data.open("wb") as file:
        for tensor in joined.proto.graph.initializer:
            array = joined.arrays.get(tensor.name)
            if array is None:
                continue
            tensor.data_location = onnx.TensorProto.EXTERNAL
            del tensor.external_data[:]
            for key, value in (("location", data.name), ("offset", file.tell()), ("length", array.nbytes)):
                tensor.external_data.add(key=key, value=str(value))
            file.write(np.ascontiguousarray(array).data.cast("B"))
    target.write_bytes(joined.proto.SerializeToString())


def _frame(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A model without a graph's contents."""
    frame = onnx.ModelProto(ir_version=proto.ir_version, producer_name=proto.producer_name)
    frame.opset_import.extend(proto.opset_import)
    frame.functions.extend(proto.functions)
    frame.graph.name = "encoder_decoder"
    return frame


def _whole(model: MappedModel, prefix: str) -> _Part:
    graph = model.proto.graph
    return _Part(list(graph.node), [o.name for o in graph.output], model, prefix, list(graph.initializer))


def _decoders(folder: Path) -> tuple[_Part, _Part]:
    """The first step's decoder and the other steps', from their own files or from the two branches of the merged one."""
    if (folder / FIRST_STEP).is_file() and (folder / OTHER_STEPS).is_file():
        return _whole(load_model(folder / FIRST_STEP), "first"), _whole(load_model(folder / OTHER_STEPS), "decoder")
    if not (folder / MERGED).is_file():
        raise UnsupportedModelError(
            f"{folder} holds no decoder that takes a cache ({OTHER_STEPS} with {FIRST_STEP}, or {MERGED}); "
            "export it with --task text2text-generation-with-past"
        )
    merged = load_model(folder / MERGED)
    switches = [n for n in merged.proto.graph.node if n.op_type == "If" and list(n.input) == [_SWITCH]]
    if len(switches) != 1 or len(merged.proto.graph.node) != 1:
        raise UnsupportedModelError(f"{folder / MERGED} is not one If on {_SWITCH}; export the model again")
    branches = {a.name: a.g for a in switches[0].attribute}
    outputs = [o.name for o in merged.proto.graph.output]
    parts = []
    for branch, prefix in (("else_branch", "first"), ("then_branch", "decoder")):
        graph = branches[branch]
        initializers = [*merged.proto.graph.initializer, *graph.initializer]
        part = _Part(list(graph.node), outputs, merged, prefix, initializers)
        renamed = zip((o.name for o in graph.output), outputs, strict=True)
        part.nodes.extend(onnx.helper.make_node("Identity", [own], [outer]) for own, outer in renamed if own != outer)
        parts.append(part)
    return parts[0], parts[1]


def _is_cross(name: str) -> bool:
    """Whether this input or output holds keys or values of cross-attention."""
    return name.startswith(("past_key_values.", "present.")) and ".encoder." in name


def _connect(folder: Path, parts: list[_Part]) -> None:
    """Names that meet: the encoder's result and mask in both decoders, the first decoder's cross-attention in the other."""
    encoder, first, steps = parts
    states = encoder.model.proto.graph.output
    if not states:
        raise UnsupportedModelError(f"{folder / ENCODER} has no output")
    for value in encoder.model.proto.graph.input:
        encoder.names[value.name] = value.name
    encoder.names[states[0].name] = "encoder_last_hidden_state"
    ids = dict.fromkeys(("input_ids", "decoder_input_ids"), "decoder_input_ids")
    for part in (first, steps):
        part.names |= {_STATES: "encoder_last_hidden_state", _MASK: "attention_mask", **ids}
    for value in steps.model.proto.graph.input:
        if value.name.startswith("past_key_values."):
            present = value.name.replace("past_key_values.", "present.", 1)
            steps.names[value.name] = first.name(present) if _is_cross(value.name) else value.name
    steps.names |= {o: o for o in steps.outputs if not _is_cross(o)}
    crossing = [v.name for v in steps.model.proto.graph.input if _is_cross(v.name)]
    presents = [name.replace("past_key_values.", "present.", 1) for name in crossing]
    missing = [name for name in presents if name not in first.outputs]
    if missing:
        said = f"the first step's decoder in {folder} does not compute {', '.join(missing)}"
        raise UnsupportedModelError(f"{said}; export the graphs together")


def _share_initializers(parts: list[_Part], joined: MappedModel) -> None:
    """Every initializer once: equal elements have one name, that of the first part that has them."""
    known: dict[tuple, list[tuple[str, np.ndarray | onnx.TensorProto]]] = {}
    taken: set[str] = set()
    for part in parts:
        for tensor in part.initializers:
            array = part.model.arrays.get(tensor.name)
            key = (tensor.data_type, tuple(tensor.dims), array is None)
            contents = array if array is not None else tensor
            same = next((name for name, other in known.get(key, []) if _equal(contents, other)), None)
            if same is not None:
                part.names[tensor.name] = same
                continue
            name = tensor.name if tensor.name not in taken else part.name(tensor.name)
            part.names[tensor.name] = name
            taken.add(name)
            known.setdefault(key, []).append((name, contents))
            copy = joined.proto.graph.initializer.add()
            copy.CopyFrom(tensor)
            copy.name = name
            if array is not None:
                joined.arrays[name] = array


def _equal(a: np.ndarray | onnx.TensorProto, b: np.ndarray | onnx.TensorProto) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        left, right = a.reshape(-1).view(np.uint8), b.reshape(-1).view(np.uint8)
        return all(np.array_equal(left[n : n + _BLOCK], right[n : n + _BLOCK]) for n in range(0, left.size, _BLOCK))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return False
    messages = [onnx.TensorProto.FromString(t.SerializeToString()) for t in (a, b)]
    for message in messages:
        message.name = ""
    return messages[0].SerializeToString(deterministic=True) == messages[1].SerializeToString(deterministic=True)


def _append_nodes(part: _Part, graph: onnx.GraphProto) -> None:
    for node in part.nodes:
        copy = graph.node.add()
        copy.CopyFrom(node)
        _rename(copy, part)
        if node.name and part.prefix == "encoder":
            copy.name = f"/encoder{'' if node.name.startswith('/') else '/'}{node.name}"


def _rename(node: onnx.NodeProto, part: _Part) -> None:
    """Give a node, and the branches inside it, the names of its part."""
    node.input[:] = map(part.name, node.input)
    node.output[:] = map(part.name, node.output)
    for branch in (attribute.g for attribute in node.attribute if attribute.HasField("g")):
        for named in (*branch.initializer, *branch.input, *branch.output):
            named.name = part.name(named.name)
        for inner in branch.node:
            _rename(inner, part)


def _declare(parts: list[_Part], joined: MappedModel) -> None:
    """Inputs and outputs of the joined graph, with one name for each dimension."""
    encoder, _, steps = parts
    graph = joined.proto.graph
    inputs = {value.name: value for value in encoder.model.proto.graph.input}
    renamed = _dimension_names(inputs, steps)
    for value in encoder.model.proto.graph.input:
        graph.input.add().CopyFrom(value)
    joined.encoder_inputs = tuple(inputs)
    for value in steps.model.proto.graph.input:
        name = steps.name(value.name)
        if value.name == _SWITCH or value.name in (_STATES, _MASK) or _is_cross(value.name):
            continue
        _declare_as(graph.input.add(), value, name, renamed)
    for value in steps.model.proto.graph.output:
        if not _is_cross(value.name):
            _declare_as(graph.output.add(), value, value.name, renamed)
    _declare_as(graph.output.add(), encoder.model.proto.graph.output[0], "encoder_last_hidden_state", {})


def _dimension_names(inputs: Mapping[str, onnx.ValueInfoProto], steps: _Part) -> dict[str, str]:
    """The encoder's names for the dimensions that both have: its mask's, where the decoder takes it."""
    mask = next((v for v in steps.model.proto.graph.input if v.name == _MASK), None)
    own = inputs.get("attention_mask")
    if mask is None or own is None:
        return {}
    pairs = zip(mask.type.tensor_type.shape.dim, own.type.tensor_type.shape.dim, strict=False)
    return {a.dim_param: b.dim_param for a, b in pairs if a.dim_param and b.dim_param}


def _declare_as(target: onnx.ValueInfoProto, value: onnx.ValueInfoProto, name: str, renamed: Mapping[str, str]) -> None:
    target.CopyFrom(value)
    target.name = name
    for extent in target.type.tensor_type.shape.dim:
        if extent.dim_param in renamed:
            extent.dim_param = renamed[extent.dim_param]


def _remove_dead(joined: MappedModel) -> None:
    """Drop what no output needs: the first step's decoder but for its projections."""
    graph = joined.proto.graph
    live = {o.name for o in graph.output}
    kept = []
    for node in reversed(graph.node):
        if live.intersection(node.output):
            live.update(_read_names(node))
            kept.append(node)
    nodes = [onnx.NodeProto.FromString(n.SerializeToString()) for n in reversed(kept)]
    taken: set[str] = set()
    for node in nodes:
        while node.name and node.name in taken:
            node.name += "'"
        taken.add(node.name)
    del graph.node[:]
    graph.node.extend(nodes)
    initializers = [onnx.TensorProto.FromString(t.SerializeToString()) for t in graph.initializer if t.name in live]
    del graph.initializer[:]
    graph.initializer.extend(initializers)
    joined.arrays = {name: array for name, array in joined.arrays.items() if name in live}


def _read_names(node: onnx.NodeProto) -> Iterable[str]:
    yield from node.input
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                yield from _read_names(inner)
            yield from (o.name for o in attribute.g.output)
