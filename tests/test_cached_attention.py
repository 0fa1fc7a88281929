"""Decoders with a cache, however the exporter wrote their attention: behind a past they compute what onnxruntime does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kaoken.backend.interface import KaokenBackend
from kaoken.frontend import import_model
from kaoken.passes.pipeline import run_passes

WORDS, WIDTH, HEADS, SIZE = 29, 16, 2, 8
BATCH, LENGTH, PAST = 2, 3, 4
LOWEST = float(np.finfo(np.float32).min)


class Decoder:
    """One layer with a residual beside its attention; the parts that exporters write differently are given."""

    def __init__(self, kv_heads: int, keys: Callable[[Decoder, str], str], mask: Callable[[Decoder], str], merged: bool):
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.generator = np.random.default_rng(7)
        kv = kv_heads * SIZE
        x = self.add("Gather", self.weight(WORDS, WIDTH), "input_ids")
        normed = self.norm(x)
        q, k, v = (self.split(self.add("MatMul", normed, self.weight(WIDTH, n)), n // SIZE) for n in (WIDTH, kv, kv))
        self.add("Concat", "past_key_values.0.key", k, name="present.0.key", axis=2)
        self.add("Concat", "past_key_values.0.value", v, name="present.0.value", axis=2)
        right, values = self.add("Transpose", keys(self, "present.0.key"), perm=[0, 1, 3, 2]), "present.0.value"
        if merged:
            q, right, values = self.merged(q, right, values)
        scores = self.add("Mul", self.add("MatMul", q, right), self.number(SIZE**-0.5))
        if merged:
            scores = self.add("Reshape", scores, self.add("Concat", self.ints(-1, HEADS), self.sizes(scores, 1, 3), axis=0))
        weights = self.add("Softmax", self.add("Add", scores, mask(self)), axis=-1)
        if merged:
            weights = self.add("Reshape", weights, self.add("Concat", self.ints(-1), self.sizes(weights, 2, 4), axis=0))
        mixed = self.add("MatMul", weights, values)
        if merged:
            mixed = self.add("Reshape", mixed, self.add("Concat", self.ints(-1, HEADS), self.sizes(mixed, 1, 3), axis=0))
        rows = self.add("Reshape", self.add("Transpose", mixed, perm=[0, 2, 1, 3]), self.ints(0, 0, WIDTH))
        beside = self.add("MatMul", self.add("Tanh", self.add("MatMul", normed, self.weight(WIDTH, 24))), self.weight(24, WIDTH))
        both = self.add("Add", beside, self.add("MatMul", rows, self.weight(WIDTH, WIDTH)))
        self.add("MatMul", self.norm(self.add("Add", both, x)), self.weight(WIDTH, WORDS), name="logits")
        caches = [f"past_key_values.0.{kind}" for kind in ("key", "value")]
        shape = ["batch_size", kv_heads, "past_sequence_length", SIZE]
        inputs = [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"]),
            helper.make_tensor_value_info(
                "attention_mask", TensorProto.INT64, ["batch_size", "past_sequence_length + sequence_length"]
            ),
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in caches),
        ]
        outputs = [onnx.ValueInfoProto(name=name) for name in ("logits", "present.0.key", "present.0.value")]
        graph = helper.make_graph(self.nodes, "decoder", inputs, outputs, self.initializers)
        self.model = onnx.shape_inference.infer_shapes(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        )

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: object) -> str:
        name = name or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name, **attributes))
        return name

    def constant(self, array: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(array, f"c{len(self.initializers)}"))
        return self.initializers[-1].name

    def weight(self, *shape: int) -> str:
        return self.constant((self.generator.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32))

    def number(self, value: float) -> str:
        return self.constant(np.float32(value).reshape(()))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def norm(self, x: str) -> str:
        return self.add("LayerNormalization", x, self.weight(WIDTH), self.weight(WIDTH), axis=-1)

    def split(self, x: str, heads: int) -> str:
        return self.add("Transpose", self.add("Reshape", x, self.ints(0, 0, heads, SIZE)), perm=[0, 2, 1, 3])

    def merged(self, *tensors: str) -> list[str]:
        """Each [batch, heads, m, n] as [batch * heads, m, n]."""
        made = []
        for tensor in tensors:
            target = self.add("Concat", self.ints(-1), self.sizes(tensor, 2, 4), axis=0)
            made.append(self.add("Reshape", tensor, target))
        return made

    def sizes(self, x: str, first: int, last: int) -> str:
        return self.add("Slice", self.add("Shape", x), self.ints(first), self.ints(last))

    def range(self, start: str, end: str) -> str:
        return self.add("Range", start, end, self.constant(np.int64(1)))

    def lengths(self) -> tuple[str, str]:
        """The past's and the whole's number of positions, as scalars."""
        axis = self.constant(np.int64(2))
        return tuple(self.add("Gather", self.add("Shape", t), axis) for t in ("past_key_values.0.key", "present.0.key"))


def plain(decoder: Decoder, keys: str) -> str:
    return keys


def scaled_by_position(decoder: Decoder, keys: str) -> str:
    """Between the cache and the product: the whole past is scaled in every call, so that the handle keeps no cache."""
    return decoder.add("Mul", keys, decoder.add("Exp", decoder.weight(1, 1, 1, SIZE)), name="scaled")


def _later(decoder: Decoder) -> tuple[str, str]:
    """Keys behind the row, and the padding mask as [batch, 1, 1, keys]."""
    past, total = decoder.lengths()
    queries = decoder.add("Unsqueeze", decoder.range(past, total), decoder.ints(1))
    later = decoder.add("Greater", decoder.range(decoder.constant(np.int64(0)), total), queries)
    return later, decoder.add("Unsqueeze", "attention_mask", decoder.ints(1, 2))


def either(decoder: Decoder) -> str:
    later, mask = _later(decoder)
    hidden = decoder.add("Or", later, decoder.add("Equal", mask, decoder.constant(np.int64(0))))
    return decoder.add("Where", hidden, decoder.number(LOWEST), decoder.number(0))


def filled_where_sum_is_zero(decoder: Decoder) -> str:
    """The upper triangle times what is behind the row, then filled where that and the padding mask are 0 together."""
    later, mask = _later(decoder)
    past, total = decoder.lengths()
    rows = decoder.add("Sub", total, past)
    shape = decoder.add("Concat", *(decoder.add("Unsqueeze", n, decoder.ints(0)) for n in (rows, total)), axis=0)
    upper = decoder.add("Trilu", decoder.add("Expand", decoder.number(LOWEST), shape), decoder.constant(np.int64(1)), upper=1)
    causal = decoder.add("Mul", upper, decoder.add("Cast", later, to=TensorProto.FLOAT))
    both = decoder.add("Add", causal, decoder.add("Cast", mask, to=TensorProto.FLOAT))
    return decoder.add("Where", decoder.add("Equal", both, decoder.number(0)), decoder.number(LOWEST), causal)


@pytest.mark.parametrize(
    "kv_heads, keys, mask, merged",
    [
        *((heads, plain, mask, False) for heads in (HEADS, 1) for mask in (either, filled_where_sum_is_zero)),
        (HEADS, plain, either, True),
        (HEADS, scaled_by_position, either, False),
        (1, scaled_by_position, filled_where_sum_is_zero, False),
    ],
)
def test_decoder_behind_a_past_computes_what_onnxruntime_does(
    kv_heads: int, keys: Callable[[Decoder, str], str], mask: Callable[[Decoder], str], merged: bool, tmp_path: Path
) -> None:
    model = Decoder(kv_heads, keys, mask, merged).model
    bounds = {"batch_size": f"1..{BATCH}", "sequence_length": f"1..{LENGTH}", "past_sequence_length": f"0..{PAST}"}
    onnx.save(model, tmp_path / "model.onnx")
    graph = run_passes(import_model(tmp_path / "model.onnx", bounds))
    fused = [node for node in graph.nodes if node.op == "attention"]
    assert len(fused) == 1 and len(graph.states) == (2 if keys is plain else 0)  # scaled keys are no cache's
    assert all(node.attrs["causal"] and node.inputs[3] is not None and node.inputs[4] is None for node in fused)
    prepared = KaokenBackend.prepare(model, dims=bounds)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    generator = np.random.default_rng(3)
    for length, past in ((LENGTH, 0), (LENGTH, PAST), (1, PAST)):
        attention_mask = np.ones((BATCH, past + length), np.int64)
        attention_mask[1, : past // 2] = 0
        caches = generator.standard_normal((2, BATCH, kv_heads, past, SIZE)).astype(np.float32)
        feed = {
            "input_ids": generator.integers(0, WORDS, (BATCH, length)),
            "attention_mask": attention_mask,
            "past_key_values.0.key": caches[0],
            "past_key_values.0.value": caches[1],
        }
        for found, expected in zip(prepared.run(feed), session.run(None, feed), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
