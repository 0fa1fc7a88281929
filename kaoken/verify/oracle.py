"""The oracle: an ONNX graph evaluated in float64, independently of Kaoken's own representation.

Every float tensor of the graph (float16, bfloat16, float32) is held as float64, so what separates a compiled
model from the oracle is the compiled model's rounding. Integers, bools and strings keep their types.
Operators come from `oracle_ops` (the ones that are hot, or whose type is part of their meaning) and otherwise
from onnx's reference implementation, one node at a time; values are dropped after their last use.

Weights keep their stored values (the float32 nearest to 0.1 stays that number), as do mask constants such as
the lowest float32: added to a score they still outweigh it in float64.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx.inliner
import onnx.reference
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from kaoken.errors import UnsupportedModelError, UsageError
from kaoken.verify.oracle_ops import OPERATORS

_PROMOTED = {np.dtype(np.float16), np.dtype(np.float32), np.dtype(ml_dtypes.bfloat16)}
_PROMOTED_CODES = {TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.BFLOAT16}
_TYPE_ATTRIBUTES = {"to", "dtype", "softmax_precision", "output_dtype"}
# A promoted weight is kept for the next run while all of them together stay under this many bytes.
_WEIGHT_CACHE_BYTES = 4 << 30

Scope = MutableMapping[str, Any]


def promote(value: Any) -> Any:
    """float16, bfloat16 and float32 arrays as float64; everything else as it is."""
    if isinstance(value, np.ndarray) and value.dtype in _PROMOTED:
        return value.astype(np.float64)
    if isinstance(value, list):
        return [promote(item) for item in value]
    return value


class Oracle:
    """Evaluates a model in float64.

    `model` is a path (external data is read from its folder) or a ModelProto. Raises UsageError when the file
    is missing and UnsupportedModelError when it is not an ONNX model.
    """

    def __init__(self, model: str | Path | ModelProto) -> None:
        proto = _load(model)
        if proto.functions:
            proto = onnx.inliner.inline_local_functions(proto)
        self._opsets = {entry.domain: entry.version for entry in proto.opset_import}
        self._cached_bytes = 0
        # Nodes that differ in nothing but names share one evaluator: a model has thousands of the former.
        self._evaluators: dict[bytes, onnx.reference.ReferenceEvaluator] = {}
        self._graph = _Graph(proto.graph)
        self.input_names = [i.name for i in proto.graph.input if i.name not in self._graph.initializers]
        self.output_names = [o.name for o in proto.graph.output]

    def run(self, inputs: Mapping[str, Any], outputs: list[str] | None = None) -> dict[str, Any]:
        """Evaluate and return the named values (the model's outputs unless said), floats as float64.

        `outputs` may name any value of the graph, also one inside a branch that is taken. Raises UsageError
        for a missing input or a name that was never computed, UnsupportedModelError when an operator cannot
        be evaluated.
        """
        missing = [name for name in self.input_names if name not in inputs]
        if missing:
            raise UsageError(f"the model needs the inputs {missing} as well; given: {sorted(inputs)}")
        wanted = list(self.output_names if outputs is None else outputs)
        given = {name: promote(value if isinstance(value, list) else np.asarray(value)) for name, value in inputs.items()}
        captured: dict[str, Any] = {name: given[name] for name in wanted if name in given}
        with np.errstate(all="ignore"):
            self._evaluate(self._graph, given, set(wanted), captured)
        unknown = [name for name in wanted if name not in captured]
        if unknown:
            raise UsageError(f"the graph computes no value called {unknown}")
        return {name: captured[name] for name in wanted}

    def _evaluate(self, graph: _Graph, scope: Scope, wanted: set[str], captured: dict[str, Any]) -> list[Any]:
        """Run a graph's nodes in order; `scope` holds the inputs and, behind them, the enclosing graphs'
        values."""
        for name in wanted & graph.initializers.keys():
            captured.setdefault(name, self._read(graph, scope, name))
        for index, step in enumerate(graph.steps):
            arguments = [self._read(graph, scope, name) if name else None for name in step.node.input]
            try:
                results = self._apply(graph, step, arguments, scope, wanted, captured)
            except (UsageError, UnsupportedModelError):
                raise
            except Exception as error:
                raise UnsupportedModelError(
                    f"the oracle cannot evaluate {step.node.op_type} {step.node.name!r}: {error}"
                ) from error
            for name, value in zip(step.node.output, results, strict=False):
                if name:
                    scope[name] = promote(value)
                    if name in wanted:
                        captured[name] = scope[name]
            for name in graph.last_uses[index]:
                scope.pop(name, None)
        return [self._read(graph, scope, name) for name in graph.outputs]

    def _read(self, graph: _Graph, scope: Scope, name: str) -> Any:
        """A value by name. Weights are promoted when first read, and kept while there is room."""
        if name in scope:
            return scope[name]
        owner: _Graph | None = graph
        while owner is not None:
            if name in owner.initializers:
                return self._weight(owner, name)
            owner = owner.parent
        raise UnsupportedModelError(f"the graph uses {name!r} before anything computes it")

    def _weight(self, owner: _Graph, name: str) -> np.ndarray:
        if name not in owner.weights:
            array: np.ndarray = promote(numpy_helper.to_array(owner.initializers[name]))
            if self._cached_bytes + array.nbytes > _WEIGHT_CACHE_BYTES:
                return array
            owner.weights[name] = array
            self._cached_bytes += array.nbytes
        return owner.weights[name]

    def _apply(
        self,
        graph: _Graph,
        step: _Step,
        arguments: list[Any],
        scope: Scope,
        wanted: set[str],
        captured: dict[str, Any],
    ) -> Iterable[Any]:
        """The outputs of one node."""
        node = step.node
        if node.op_type == "If" and node.domain in ("", "ai.onnx"):
            branch = step.subgraphs["then_branch" if bool(np.asarray(arguments[0]).item()) else "else_branch"]
            return self._evaluate(branch, ChainMap({}, scope), wanted, captured)
        if node.op_type == "Loop" and node.domain in ("", "ai.onnx"):
            return self._loop(step.subgraphs["body"], arguments, scope, wanted, captured)
        operator = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        results = None if operator is None else operator(step.attributes, arguments)
        if results is not None:
            return results
        return self._reference(graph, step, arguments, scope)

    def _loop(self, body: _Graph, arguments: list[Any], scope: Scope, wanted: set[str], captured: dict[str, Any]) -> list[Any]:
        """ONNX Loop: carried values, then one stacked array for each scan output."""
        trips, condition, *carried = arguments
        limit = None if trips is None else int(np.asarray(trips).item())
        going = condition is None or bool(np.asarray(condition).item())
        scans: list[list[Any]] = [[] for _ in range(len(body.outputs) - 1 - len(carried))]
        iteration = 0
        while going and (limit is None or iteration < limit):
            local = dict(zip(body.inputs, [np.array(iteration, np.int64), np.array(going), *carried], strict=True))
            keep, *results = self._evaluate(body, ChainMap(local, scope), wanted, captured)
            carried = results[: len(carried)]
            for scan, value in zip(scans, results[len(carried) :], strict=True):
                scan.append(value)
            going, iteration = bool(np.asarray(keep).item()), iteration + 1
        return [*carried, *(np.stack(scan) if scan else np.zeros((0,)) for scan in scans)]

    def _reference(self, graph: _Graph, step: _Step, arguments: list[Any], scope: Scope) -> list[Any]:
        """One node through onnx's reference implementation, given float64 arrays."""
        captured = {name: self._read(graph, scope, name) for name in step.captures}
        node = _with_plain_names(step.node)
        feeds = {name: value for name, value in zip(node.input, arguments, strict=True) if name} | captured
        types = [_value_info(name, value) for name, value in feeds.items()]
        messages: list[Any] = [node, *types]
        key = b"".join(message.SerializeToString(deterministic=True) for message in messages)
        if key not in self._evaluators:
            names = [onnx.ValueInfoProto(name=name) for name in node.output if name]
            body = helper.make_graph([promote_node(node)], "node", types, names)
            opsets = [helper.make_opsetid(domain, version) for domain, version in self._opsets.items()]
            model = helper.make_model(body, opset_imports=opsets)
            self._evaluators[key] = onnx.reference.ReferenceEvaluator(model)
        evaluator = self._evaluators[key]
        results = dict(zip(evaluator.output_names, evaluator.run(None, feeds), strict=True))
        return [results.get(name) for name in node.output]


class _Step:
    """A node with its attributes decoded once, its subgraphs, and the outer values that they read."""

    def __init__(self, node: NodeProto, parent: _Graph) -> None:
        self.node = node
        self.attributes: dict[str, Any] = {}
        self.subgraphs: dict[str, _Graph] = {}
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                self.subgraphs[attribute.name] = _Graph(attribute.g, parent)
            elif attribute.type == AttributeProto.TENSOR:
                self.attributes[attribute.name] = promote(numpy_helper.to_array(attribute.t))
            else:
                self.attributes[attribute.name] = helper.get_attribute_value(attribute)
        self.captures = sorted(set().union(*(sub.free_names for sub in self.subgraphs.values())))


class _Graph:
    """A graph ready to run: its steps, and after which step each of its own values is last read."""

    def __init__(self, proto: GraphProto, parent: _Graph | None = None) -> None:
        self.parent = parent
        self.free_names: set[str] = set()
        self.inputs = [value.name for value in proto.input]
        self.outputs = [value.name for value in proto.output]
        self.initializers = {tensor.name: tensor for tensor in proto.initializer}
        self.weights: dict[str, np.ndarray] = {}
        self.steps = [_Step(node, self) for node in proto.node]
        defined = {
            *self.inputs,
            *self.initializers,
            *(name for step in self.steps for name in step.node.output),
        }
        last: dict[str, int] = {}
        for index, step in enumerate(self.steps):
            for name in (*step.node.input, *step.captures, *step.node.output):
                last[name] = index
        self.free_names = {name for name in (*last, *self.outputs) if name and name not in defined}
        self.last_uses: list[list[str]] = [[] for _ in self.steps]
        for name, index in last.items():
            if name in defined and name not in self.outputs:
                self.last_uses[index].append(name)


def promote_node(node: NodeProto) -> NodeProto:
    """A copy of a node whose tensors, type attributes and subgraphs speak of float64 instead of narrower
    floats."""
    copy = NodeProto()
    copy.CopyFrom(node)
    for attribute in copy.attribute:
        if attribute.type == AttributeProto.TENSOR:
            attribute.t.CopyFrom(_promote_tensor(attribute.t))
        elif attribute.type == AttributeProto.GRAPH:
            for tensor in attribute.g.initializer:
                tensor.CopyFrom(_promote_tensor(tensor))
            nodes = [promote_node(inner) for inner in attribute.g.node]
            del attribute.g.node[:]
            attribute.g.node.extend(nodes)
        elif attribute.name in _TYPE_ATTRIBUTES and attribute.i in _PROMOTED_CODES:
            attribute.i = TensorProto.DOUBLE
        elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
            single = attribute.name == "value_float"
            value = np.array(attribute.f if single else list(attribute.floats), np.float64)
            attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(value)))
    return copy


def _promote_tensor(tensor: TensorProto) -> TensorProto:
    if tensor.data_type not in _PROMOTED_CODES:
        return tensor
    return numpy_helper.from_array(promote(numpy_helper.to_array(tensor)), tensor.name)


def _with_plain_names(node: NodeProto) -> NodeProto:
    """The node reading i0, i1, ... and writing o0, o1, ..., so that equal work compares equal."""
    plain = NodeProto()
    plain.CopyFrom(node)
    plain.name, plain.doc_string = "", ""
    del plain.metadata_props[:]
    plain.input[:] = [f"i{index}" if name else "" for index, name in enumerate(node.input)]
    plain.output[:] = [f"o{index}" if name else "" for index, name in enumerate(node.output)]
    return plain


def _value_info(name: str, value: Any) -> onnx.ValueInfoProto:
    """The element type of a value for onnx's reference evaluator, which picks function bodies by it."""
    if not isinstance(value, np.ndarray):
        return onnx.ValueInfoProto(name=name)
    if value.dtype.kind in "OUS":
        return helper.make_tensor_value_info(name, TensorProto.STRING, None)
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), None)


def _load(model: str | Path | ModelProto) -> ModelProto:
    if isinstance(model, ModelProto):
        return model
    path = Path(model)
    if path.is_dir():
        path = path / "model.onnx"
    if not path.is_file():
        raise UsageError(f"there is no model at {path}")
    try:
        return onnx.load(path)
    except FileNotFoundError as error:
        raise UsageError(f"{path} keeps its weights in a file that is missing: {error}") from error
    except Exception as error:
        raise UnsupportedModelError(f"{path} cannot be read as an ONNX model: {error}") from error
