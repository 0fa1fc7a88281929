"""ONNX to IR: nodes are read in order, each by the reader of its operator and opset; every problem is collected, then told."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from kaoken.errors import UnsupportedModelError
from kaoken.frontend import (  # noqa: F401  (they fill the table of readers)
    attention,
    casts,
    control_flow,
    convolution,
    learned,
    microsoft,
    microsoft_attention,
    microsoft_quantized,
    movement,
    neural,
    pointwise,
    quantization,
    random,
    reduction,
    resize,
    sampling,
    scatter,
    selection,
    shape,
    signal,
    text,
    training,
    trees,
)
from kaoken.frontend.bodies import unbounded_symbols
from kaoken.frontend.composite import Composite, Maps, Strings, helper, is_composite
from kaoken.frontend.dimensions import DimensionTable, context_length, picture_size, read_config
from kaoken.frontend.encoder_decoder import read_model
from kaoken.frontend.functions import function_body, inlined
from kaoken.frontend.implied import ImpliedBounds
from kaoken.frontend.mapped_file import MappedModel, find_model_file, sparse_array, tensor_array, tensor_dtype
from kaoken.frontend.narrow import read_node, rounds_inside, storage_of_input
from kaoken.frontend.old_opsets import with_newer_opset
from kaoken.frontend.recurrent import read_recurrent
from kaoken.frontend.registry import READERS, OnnxNode, Reader, Unsupported, declared_shape, reader_for
from kaoken.frontend.sequences import MOVES, SEQUENCES
from kaoken.frontend.strings import MOVEMENT, STRINGS, known_strings, lifted
from kaoken.frontend.support_vectors import read_svm_classifier
from kaoken.frontend.surface import bind_input, output_maps, output_parts, output_strings
from kaoken.ir.builder import Builder, check_shape
from kaoken.ir.dims import Dim, dim
from kaoken.ir.dtypes import C_TYPES, packed_bits
from kaoken.ir.graph import Graph, Value
from kaoken.ops.registry import ShapeError

MIN_OPSET, NEWEST_OPSET = 7, 28

CONTROL = control_flow.CONTROL | dict.fromkeys(("RNN", "GRU", "LSTM"), (7, read_recurrent))
"""Operators whose readers read graphs or make loops: the first opset, and the reader."""

BROADCASTING = frozenset(
    "Add And CastLike Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or Pow Sub Sum Where Xor".split()
)
"""Operators whose operands may have axes of extent 1 before all others or not: results are the same where another has as many."""

WHOLE: dict[str, tuple[int, Any]] = {**CONTROL, **SEQUENCES, "ai.onnx.ml.SVMClassifier": (1, read_svm_classifier)}
"""Operators whose readers may look into the importer: the first opset, and the reader."""

REFUSED = dict.fromkeys(
    ("ai.onnx.ml.DictVectorizer", "ai.onnx.ml.CastMap"), "its input is a map; give the model the vector that it makes of one"
)
"""Why operators are refused, where there is more to say."""

HOLDS_STRINGS = ("If", "Loop", "SequenceMap")
"""Operators whose readers give strings to the graphs in them."""


_READING_ERRORS = (
    Unsupported, ShapeError, ValueError, TypeError, LookupError, AttributeError,
    ArithmeticError, AssertionError, RecursionError, MemoryError,
)  # fmt: skip
"""What a damaged node makes its reader raise."""


def import_model(path: Path, overrides: Mapping[str, str] | None = None, name: str | None = None) -> Graph:
    """Read an ONNX file, or the folder an exporter wrote, into a graph.

    `overrides` are bounds for dimensions (see `dimensions.parse_overrides`). Raises UsageError for missing files and unknown or
    unbounded dimensions, UnsupportedModelError, which lists every offending node, for what cannot be compiled.
    """
    model = read_model(path)
    config = read_config(path)
    table = DimensionTable(dict(overrides or {}), context_length(config), picture_size(config))
    if model.proto.functions:
        model.proto = inlined(model.proto)
    model.proto = with_newer_opset(model.proto)
    importer, graph, table = _read(model, table)
    if exact := importer.declared_sizes():
        _, graph, table = _read(model, table.again(exact=exact))
    graph.name = name or graph.name
    graph.symbols.update({symbol.name: symbol for symbol in table.symbols.values()})
    graph.symbols.update({s.name: s for body in graph.walk() for node in body.nodes for s in node.finds})
    graph.metadata |= {"config": config, "source": find_model_file(path), "model_bytes": model.bytes_on_disk}
    graph.encoder_inputs = [v for v in graph.inputs if v.name in model.encoder_inputs]
    graph.metadata["onnx_nodes"] = len(model.proto.graph.node)
    table.check(unbounded_symbols(graph))
    return graph


def _read(model: MappedModel, table: DimensionTable) -> tuple[Importer, Graph, DimensionTable]:
    """Read the graph, again whenever it says what one of its dimensions must be."""
    while True:
        importer = Importer(model, table)
        try:
            return importer, importer.run(), table
        except ImpliedBounds as implied:
            table = table.narrowed(implied)


class Importer:
    """Reads one model. Readers of control flow use it to read the graphs inside nodes."""

    def __init__(self, model: MappedModel, table: DimensionTable):
        self.model = model
        self.proto = model.proto
        self.table = table
        self.graph = Graph(self.proto.graph.name or "model")
        self.builder = Builder(self.graph, table.found)
        self.builder.exact, self.builder.least = table.exact, table.least_given
        self.builder.dimensions = table.symbols
        self.values: dict[str, Any] = {}
        self.broken: set[str] = set()
        self.problems: list[str] = []
        self.named: set[Value] = set()
        self.loose: dict[Value, str] = {}
        self.declared = {info.name: declared_shape(info) for info in self.proto.graph.output}
        self.inside = ""
        self.version = self._opset()

    def _opset(self) -> int:
        """The version of ai.onnx; a model all of whose nodes are of other domains need not name one."""
        for entry in self.proto.opset_import:
            if entry.domain in ("", "ai.onnx"):
                if not 1 <= entry.version <= NEWEST_OPSET:
                    raise UnsupportedModelError(f"opset {entry.version} is unknown; export with opset {NEWEST_OPSET} or older")
                return entry.version
        if any(node.domain in ("", "ai.onnx") for node in self.proto.graph.node) or not self.proto.opset_import:
            raise UnsupportedModelError("the model names no ai.onnx opset; export it again")
        return NEWEST_OPSET

    def version_of(self, domain: str) -> int:
        """The version of an operator set that the model imports; 1 where it names none."""
        if domain in ("", "ai.onnx"):
            return self.version
        return next((entry.version for entry in self.proto.opset_import if entry.domain == domain), 1)

    def run(self) -> Graph:
        self.read_initializers(self.proto.graph)
        self._inputs()
        self.read_nodes(self.proto.graph)
        self._outputs()
        if self.problems:
            count = len(self.problems)
            listing = "\n".join(f"  {p}" for p in self.problems)
            raise UnsupportedModelError(f"{count} problem{'s' if count > 1 else ''} in {self.model.path}:\n{listing}")
        return self.graph

    def declared_sizes(self) -> dict[str, int]:
        """Sizes read from data that are extents of outputs, where the model declares these as numbers; by their names."""
        read = {s for node in self.graph.nodes if node.op == "size" for s in node.finds}
        exact: dict[str, int] = {}
        for name, value in self.graph.outputs:
            for extent, declared in zip(value.shape, self.declared.get(name, ()), strict=False):
                symbols = [s for s in extent.symbols() if s in read and extent == dim(s)]
                own = self.table.found_names[symbols[0].name] if symbols else ""
                alone = list(self.table.found_names.values()).count(own) == 1
                if declared is not None and symbols and alone and own not in self.table.overrides:
                    exact[own] = int(declared)
        return exact

    def read_nodes(self, graph: onnx.GraphProto) -> None:
        """Read a graph's nodes in order."""
        for n, node in enumerate(graph.node):
            self._node(node, _layer_name(node) or node.name or f"{node.op_type}_{n}")

    def read_initializers(self, graph: onnx.GraphProto) -> None:
        """Bind the names of a graph's constants."""
        for tensor in (*graph.initializer, *graph.sparse_initializer):
            is_sparse = isinstance(tensor, onnx.SparseTensorProto)
            name = tensor.values.name if is_sparse else tensor.name
            try:
                known = self._constant(sparse_array(tensor) if is_sparse else self._elements(tensor, graph), name)
            except (ValueError, TypeError, Unsupported) as error:
                self.problems.append(f"initializer {name}: {error}")
                self.broken.add(name)
                continue
            if name in self.values and not is_sparse:
                self.problems.append(f"initializer {name}: the name is taken")
            self.bind(name, known)

    def _elements(self, tensor: onnx.TensorProto, graph: onnx.GraphProto) -> np.ndarray:
        array = self.model.arrays.get(tensor.name) if graph is self.proto.graph else None
        return tensor_array(tensor) if array is None else array

    def _constant(self, array: np.ndarray, name: str) -> Value | Strings:
        if array.dtype.kind in "OSU":
            return known_strings(helper(self.builder), array)
        if str(array.dtype) not in C_TYPES:
            raise ValueError(f"element type {array.dtype} is not supported")
        return self.builder.constant(array, name)

    def _inputs(self) -> None:
        taken: set[str] = set()
        for info in self.proto.graph.input:
            if info.name in taken:
                self.problems.append(f"input {info.name}: the name is given twice")
            taken.add(info.name)
            if info.name in self.values:
                continue
            tensor = info.type.tensor_type
            if is_composite(info.type) or (tensor.elem_type == onnx.TensorProto.STRING and tensor.HasField("shape")):
                bind_input(self, info)
                continue
            try:
                dtype = str(tensor_dtype(tensor.elem_type))
            except ValueError as error:
                dtype = ""
                self.problems.append(f"input {info.name}: {error}")
            if not info.type.HasField("tensor_type") or not tensor.HasField("shape") or dtype not in C_TYPES:
                self.problems.append(f"input {info.name}: only tensors of known rank and plain element types are supported")
                self.broken.add(info.name)
                continue
            value = Value(info.name, tuple(self.extent(info.name, n, d) for n, d in enumerate(tensor.shape.dim)), dtype)
            stored = storage_of_input(value)
            self.bind(info.name, value)
            self.graph.inputs.append(stored)
            if stored is not value:
                shape, dtype = self.graph.packed[info.name] = (value.shape, value.dtype)
                self.values[info.name] = self.builder.add("unpack", [stored], shape=shape, dtype=dtype)
            try:
                check_shape(value.shape)
            except ShapeError as error:
                self.problems.append(f"input {info.name}: {error}")
        self._unify_mask_length()

    def extent(self, name: str, axis: int, extent: Any) -> Dim:
        """An extent that the model declares for an input."""
        if extent.HasField("dim_value"):
            if extent.dim_value < 0:
                self.problems.append(f"input {name}: negative extent {extent.dim_value}")
            return dim(max(0, extent.dim_value))
        return self.table.parse(extent.dim_param or f"{name}_{axis}")

    def _unify_mask_length(self) -> None:
        """dynamo gives attention_mask's length a free symbol; with a cache it is past + sequence."""
        by_name = {value.name: value for value in self.graph.inputs}
        mask, ids = by_name.get("attention_mask"), by_name.get("input_ids")
        past = next((v for v in self.graph.inputs if v.name.startswith("past_key_values.") and v.rank == 4), None)
        if mask is None or ids is None or past is None or mask.rank != 2 or ids.rank != 2:
            return
        symbols = mask.shape[1].symbols()
        elsewhere = {s for v in self.graph.inputs if v is not mask for d in v.shape for s in d.symbols()}
        free = [s for s in symbols if s not in elsewhere and mask.shape[1] == dim(s)]
        if free and free[0].name not in self.table.overrides:
            mask.shape = (mask.shape[0], past.shape[2] + ids.shape[1])
            del self.table.symbols[free[0].name]

    def _node(self, proto: onnx.NodeProto, name: str) -> None:
        operator = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
        if any(i in self.broken for i in proto.input):
            self.broken.update(o for o in proto.output if o)
            if operator not in (*READERS, *WHOLE):
                self.problems.append(f"{name}: {self._unknown(proto)}")
            return
        missing = [i for i in proto.input if i and i not in self.values]
        if missing:
            computed = any(output in missing for node in self.proto.graph.node for output in node.output)
            later = "computes before it (a cycle, or nodes out of order)" if computed else "computes"
            self._fail(proto, name, f"{proto.op_type}: reads {', '.join(missing)}, which nothing {later}")
            return
        again = [o for o in proto.output if o and o in self.values]
        if again:
            self._fail(proto, name, f"{proto.op_type}: computes {', '.join(again)} again; each name may be given once")
            return
        standard = proto.domain in ("", "ai.onnx")
        version = self.version_of(proto.domain)
        values = [self.values[i] for i in proto.input if i]
        composite, texts = (any(isinstance(value, kind) for value in values) for kind in (Composite, Strings))
        reader = self._reader(operator, version)
        if texts:
            if operator in STRINGS:
                reader = STRINGS[operator]
            elif operator in MOVEMENT and reader is not None:
                reader = partial(lifted, partial(MOVES[operator], self) if operator in MOVES else reader)
            elif operator not in HOLDS_STRINGS:
                reader, composite = None, False
        elif composite and operator in MOVES:
            reader = partial(MOVES[operator], self)
        elif composite and operator not in WHOLE:
            self._fail(proto, name, f"{proto.op_type}: takes tensors, and is given a sequence or an optional")
            return
        self.builder.origin = (name,)
        try:
            if standard:
                self._check(proto)
            self._check_ranks(proto)
            inputs = [self.values[i] if i else None for i in proto.input]
            if (reader is None or rounds_inside(operator, inputs)) and self._expand(proto, name, version):
                return
            if reader is None:
                is_read = texts and has_reader(operator, version)
                why = f"{proto.op_type} of strings is not supported" if is_read else self._unknown(proto)
                self._fail(proto, name, why + self.inside)
                return
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
            attributes = {k: v.decode("utf-8") if isinstance(v, bytes) else v for k, v in attributes.items()}
            outputs = len([o for o in proto.output if o])
            given = OnnxNode(proto.op_type, version, inputs, attributes, outputs, self.builder, list(proto.output), self.declared)
            results = reader(given) if composite or operator in SEQUENCES else read_node(reader, given, proto.domain)
        except _READING_ERRORS as error:
            self._fail(proto, name, f"{proto.op_type}: {error or type(error).__name__}")
            return
        for output, value in zip(proto.output, results if isinstance(results, list) else [results], strict=False):
            if output and value is not None:
                self.bind(output, value)
        missing = [o for o in proto.output if o and o not in self.values]
        if missing:
            self._fail(proto, name, f"{proto.op_type}: output {', '.join(missing)} is not supported")

    def _reader(self, operator: str, version: int) -> Reader | None:
        if not has_reader(operator, version):
            return None
        return partial(WHOLE[operator][1], self) if operator in WHOLE else reader_for(operator, version)

    def _check(self, proto: onnx.NodeProto) -> None:
        """Raises Unsupported where a node's operands, results or attributes are not those of its operator."""
        if any(a.HasField("g") or a.graphs for a in proto.attribute) or not onnx.defs.has(proto.op_type):
            return  # onnxruntime's fusions put operators of its own into the standard's domain
        context = onnx.checker.C.CheckerContext()
        context.ir_version = onnx.IR_VERSION
        context.opset_imports = {"": self.version}
        try:
            onnx.checker.check_node(proto, context)
        except onnx.checker.ValidationError as error:
            reason = str(error).strip().splitlines()[0]
            if "deprecated" not in reason:
                raise Unsupported(reason) from None

    def _check_ranks(self, proto: onnx.NodeProto) -> None:
        """Raises Unsupported where the rank of an operand that has different ones in two branches means something."""
        values = [self.values[i] for i in proto.input if i]
        vague = [v for v in values if isinstance(v, Value) and v in self.loose]
        firm = max((v.rank for v in values if isinstance(v, Value) and v not in vague), default=0)
        broadcasts = proto.op_type in BROADCASTING and proto.domain in ("", "ai.onnx")
        for value in vague:
            if not broadcasts or value.rank > firm or (proto.op_type == "CastLike" and value is values[0]):
                raise Unsupported(f"{self.loose[value]}; only an operator that broadcasts it against as many axes takes it")

    def _expand(self, proto: onnx.NodeProto, name: str, own_version: int) -> bool:
        """Read the body by which the standard defines an operator, if there is one that can be read."""
        self.inside = ""
        inputs = [self.values[i] if i else None for i in proto.input]
        body = function_body(proto, own_version, self.version, inputs)
        if body is None:
            return False
        version, problems, broken = self.version, list(self.problems), set(self.broken)
        nodes, self.version = body
        for node in nodes:
            self._node(node, name)
        self.version = version
        found = self.problems[len(problems) :]
        if not found:
            return True
        self.problems, self.broken = problems, broken
        self.inside = f" (its definition needs more: {found[0].partition(': ')[2]})"
        return False

    def bind(self, name: str, value: Any) -> None:
        """Let `name` mean a tensor, a sequence or an optional; a tensor takes the first name that is given to it."""
        if isinstance(value, Value) and value not in self.named:
            value.name = name
            self.named.add(value)
        self.values[name] = value

    def _unknown(self, proto: onnx.NodeProto) -> str:
        known = reader_for(proto.op_type, 10**6) is not None and proto.domain in ("", "ai.onnx")
        if known:
            return f"operator {proto.op_type} of opset {self.version} is not supported; export the model with a newer opset"
        if proto.domain == "com.microsoft.nchwc":
            return (
                "onnxruntime's blocked channels fit the machine that saved them; save the graph with ORT_ENABLE_EXTENDED, not ALL"
            )
        domain = f"{proto.domain}." if proto.domain not in ("", "ai.onnx") else ""
        reason = REFUSED.get(f"{domain}{proto.op_type}", "")
        return f"operator {domain}{proto.op_type} is not supported{reason and ': '}{reason}"

    def _fail(self, proto: onnx.NodeProto, name: str, message: str) -> None:
        self.problems.append(f"{name}: {message}")
        self.broken.update(o for o in proto.output if o)

    def _outputs(self) -> None:
        for info in self.proto.graph.output:
            if info.name in self.values:
                value = self.values[info.name]
                if value in self.loose:
                    self.problems.append(f"output {info.name}: {self.loose[value]}")
                if isinstance(value, Maps):
                    output_maps(self, info.name)
                    continue
                if isinstance(value, Strings) and isinstance(value.places, Value) and not is_composite(info.type):
                    output_strings(self, info.name)
                    continue
                if is_composite(info.type) or not isinstance(value, Value):
                    output_parts(self, info)
                    continue
                if packed_bits(value.dtype):
                    self.builder.origin = (f"output {info.name}",)
                    self.graph.packed[info.name] = (value.shape, value.dtype)
                    value = self.builder.add("pack", [value], info.name)
                if value.known is not None and value.producer is None and value.data is None:
                    value = self.builder.materialize(value)
                self.graph.outputs.append((info.name, value))
            elif info.name not in self.broken:
                self.problems.append(f"output {info.name}: nothing computes it")
        if not self.proto.graph.output:
            self.problems.append("the model has no outputs")


def has_reader(operator: str, version: int) -> bool:
    """Whether an operator (its domain before what is not the standard's own) is read at a version of its operator set."""
    if operator in WHOLE:
        return version >= WHOLE[operator][0]
    if version < MIN_OPSET and operator in READERS and "." not in operator and not _unchanged(operator, version):
        return False
    return reader_for(operator, version) is not None


def _unchanged(operator: str, version: int) -> bool:
    """Whether an operator of an opset before the first that is supported still means the same in that one."""
    try:
        return bool(onnx.defs.get_schema(operator, MIN_OPSET, "").since_version <= version)
    except onnx.defs.SchemaError:
        return False


def _layer_name(node: onnx.NodeProto) -> str:
    """The module path that the dynamo exporter keeps in metadata, spelt as the TorchScript exporter names its nodes."""
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            scopes = [part.strip(" '\"") for part in entry.value.strip("[]").split(",")]
            if len(scopes) > 1 and scopes[-2]:
                return f"{scopes[-2]}/{scopes[-1]}/{node.op_type}"
    return ""
