"""Every version of every operator of ai.onnx as models of one node: the samples of other tables, put into each version's form.

A sample is one use of an operator at one version: arrays by the names of its formal inputs, attributes by theirs. What a later
version takes as an input an older one may take as an attribute (`axes`, `pads`, `k`), and the other way round; `in_form_of` moves
it. Of all samples that a version can express, a few are chosen that together show whatever any of them shows: `features`.
"""

from __future__ import annotations

import enum
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from op_cases import CASES
from version_samples import SAMPLES

from kaoken.backend.suite import cases, data_sets, model_of

FIRST, NEWEST = 7, onnx.defs.onnx_opset_version()
MANY = 4096
"""Elements of a sample's largest tensor, so that the reference implementation's loops stay short."""


class Absent(enum.Enum):
    """What an input is that is left out; a member of an enumeration stays itself from one process to another."""

    ABSENT = enum.auto()


ABSENT = Absent.ABSENT


@dataclass(frozen=True)
class Sample:
    """One use of an operator. `inputs` has arrays, lists of arrays (sequences), None for what an optional lacks, by position;
    an input that is left out is `ABSENT`. `kinds` are the types of inputs that are no tensors, `declared` those that the
    model says its outputs have. `fixed` are initializers."""

    op: str
    inputs: tuple[Any, ...]
    attributes: dict[str, Any]
    outputs: tuple[str, ...]
    fixed: tuple[int, ...] = ()
    kinds: dict[int, onnx.TypeProto] = field(default_factory=dict)
    since: int = FIRST
    until: int = NEWEST
    rtol: float = 2e-6
    oracle: str = "onnxruntime"
    source: str = ""
    derived: str = ""
    declared: tuple[onnx.TypeProto, ...] = ()


@dataclass(frozen=True, eq=False)
class Row:
    """A sample in the form of the operator's version `since`, at the first opset from 7 on at which that is in force."""

    op: str
    since: int
    sample: Sample
    number: int = 0

    @property
    def opset(self) -> int:
        return max(FIRST, self.since)

    @property
    def schema(self) -> Any:
        return onnx.defs.get_schema(self.op, self.since, "")

    def __str__(self) -> str:
        return f"{self.op}-{self.since}-{self.number}"

    def feeds(self) -> dict[str, Any]:
        """The inputs that are given at run time."""
        return {f"x{n}": v for n, v in enumerate(self.sample.inputs) if v is not ABSENT and n not in self.sample.fixed}

    def model(self) -> onnx.ModelProto:
        s = self.sample
        inputs, initializers, names = [], [], []
        for n, value in enumerate(s.inputs):
            names.append("" if value is ABSENT else f"x{n}")
            if value is ABSENT:
                continue
            if n in s.fixed:
                initializers.append(_tensor(value, f"x{n}"))
            elif n in s.kinds:
                inputs.append(onnx.ValueInfoProto(name=f"x{n}", type=s.kinds[n]))
            else:
                inputs.append(helper.make_tensor_value_info(f"x{n}", _element_type(value), value.shape))
        node = helper.make_node(s.op, names, list(s.outputs), name="node")
        for name, value in s.attributes.items():
            node.attribute.append(helper.make_attribute(name, value, attr_type=int(self.schema.attributes[name].type.value)))
        outputs = [onnx.ValueInfoProto(name=name) for name in s.outputs if name]
        for info, kind in zip(outputs, s.declared, strict=False):
            info.type.CopyFrom(kind)
        graph = helper.make_graph([node], "row", inputs, outputs, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
        if self.op in _COMPOSITE and not s.declared:
            model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        return model


_COMPOSITE = {
    "Optional", "OptionalGetElement", "OptionalHasElement", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase",
    "SequenceInsert", "SequenceLength", "SequenceMap", "SplitToSequence", "ConcatFromSequence", "Identity", "If", "Loop", "Scan",
}  # fmt: skip
"""Operators of which an output may be no tensor: its type has to be declared."""


def _element_type(value: np.ndarray) -> int:
    return onnx.TensorProto.STRING if value.dtype.kind in "OUS" else helper.np_dtype_to_tensor_dtype(value.dtype)


def _tensor(value: np.ndarray, name: str) -> onnx.TensorProto:
    if value.dtype.kind in "OUS":
        return helper.make_tensor(name, onnx.TensorProto.STRING, value.shape, [str(v).encode() for v in value.reshape(-1)])
    return numpy_helper.from_array(value, name)


@cache
def schemas() -> dict[str, list[Any]]:
    """Schemas by operator: the one in force at opset 7 and all later ones, without those that only deprecate."""
    found: dict[str, list[Any]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and not schema.deprecated:
            found.setdefault(schema.name, []).append(schema)
    for name, group in found.items():
        group.sort(key=lambda s: s.since_version)
        old = [s for s in group if s.since_version <= FIRST]
        found[name] = [s for s in group if s.since_version >= (old[-1].since_version if old else FIRST)]
    return found


# where samples come from --------------------------------------------------------------------------------------------------------


@cache
def samples() -> dict[str, list[Sample]]:
    """Samples by operator: this table's own, those of the operator cases, and the standard's node cases of one node."""
    found: dict[str, list[Sample]] = {}
    for sample in (*_of_tables(), *_of_standard_cases()):
        found.setdefault(sample.op, []).append(sample)
    return found


def _of_tables() -> Iterator[Sample]:
    """The operator cases say from which opset on they are tried there: here every version takes what it can express."""
    for table, cases_of_it in (("version_samples", SAMPLES), ("op_cases", CASES)):
        for n, case in enumerate(cases_of_it):
            if not case.domain:
                inputs = tuple(ABSENT if v is None else v for v in case.inputs)
                since = case.since if table == "version_samples" else FIRST
                kinds = {n: MATRICES for n, v in enumerate(inputs) if isinstance(v, list)}
                yield Sample(
                    case.op, inputs, dict(case.attrs), case.outputs, case.fixed, kinds, since, case.until, case.rtol, case.oracle,
                    f"{table}[{n}]",
                )  # fmt: skip


MATRICES = helper.make_sequence_type_proto(helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, [None, None]))


def _of_standard_cases() -> Iterator[Sample]:
    for name, case in cases().items():
        model = model_of(case)
        graph = model.graph
        if len(graph.node) != 1 or graph.initializer or graph.node[0].domain or "_expanded" in name:
            continue
        node = graph.node[0]
        infos = {info.name: info.type for info in graph.input}
        given = (v if v is None or isinstance(v, list) else np.asarray(v) for v in data_sets(case, model)[0][0])
        values = dict(zip(infos, given, strict=True))
        if any(np.size(v) > MANY for v in values.values() if isinstance(v, np.ndarray)):
            continue
        inputs = tuple(values[i] if i else ABSENT for i in node.input)
        kinds = {n: infos[i] for n, i in enumerate(node.input) if i}
        if all(kind.HasField("tensor_type") for kind in kinds.values()):
            kinds = {}
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        until = next(o.version for o in model.opset_import if not o.domain)
        rtol = max(2e-6, min(case.rtol, 1e-5))
        kept = tuple(info.type for info in graph.output)
        yield Sample(
            node.op_type, inputs, attributes, tuple(node.output), (), kinds, FIRST, until, rtol, source=name, declared=kept
        )


# one version's form of a sample -------------------------------------------------------------------------------------------------

_RENAMED = {"constant_value": "value", "input_mean": "mean", "input_var": "var", "running_mean": "mean", "running_var": "var"}
"""What a later version calls what an older one calls otherwise."""


def _key(name: str) -> str:
    return _RENAMED.get(name, name).lower()


def _formal(schema: Any, n: int) -> Any:
    """The formal input at a position; the last one repeats where it may."""
    formals = schema.inputs
    if n < len(formals):
        return formals[n]
    variadic = formals and formals[-1].option == onnx.defs.OpSchema.FormalParameterOption.Variadic
    return formals[-1] if variadic else None


def in_form_of(sample: Sample, schema: Any) -> Sample | None:
    """The sample with what the version takes as attributes and inputs; None where the version cannot express it."""
    source = onnx.defs.get_schema(sample.op, sample.until, "")
    attributes, placed, kinds, fixed = dict(sample.attributes), dict[int, Any](), dict[int, onnx.TypeProto](), []
    positions = {_key(formal.name): n for n, formal in enumerate(schema.inputs)}
    names = {_key(formal.name) for formal in source.inputs}
    wanted = {_key(name): name for name in schema.attributes}
    for n, value in enumerate(sample.inputs):
        formal = _formal(source, n)
        if value is ABSENT or formal is None:
            continue
        key, at = _key(formal.name), n
        if n < len(source.inputs) and key in positions:
            at = positions[key]
        elif (key in wanted and n in sample.fixed) or (key in wanted and not _formal(schema, n)):
            attributes[wanted[key]] = value.item() if value.ndim == 0 or key == "k" else value.tolist()
            continue
        elif _formal(schema, n) is None or (n < len(schema.inputs) and _key(schema.inputs[n].name) in names):
            return None
        placed[at] = value
        if n in sample.fixed:
            fixed.append(at)
        if n in sample.kinds:
            kinds[at] = sample.kinds[n]
    for name in [name for name in attributes if name not in schema.attributes]:
        value = attributes.pop(name)
        own = source.attributes.get(name)
        if own is not None and own.default_value.type and helper.get_attribute_value(own.default_value) == value:
            continue
        if _key(name) not in positions:
            return None
        at = positions[_key(name)]
        placed[at] = np.array(value, np.float32 if isinstance(np.ravel(value)[0], float) else np.int64)
        fixed.append(at)
    if any(a.required and name not in attributes for name, a in schema.attributes.items()):
        return None
    if schema.name == "Resize" and schema.since_version == 11:  # operands that it asks for where others decide
        for n in {1, 2} - set(placed):
            placed[n] = np.zeros(0, np.float32)
            fixed.append(n)
    inputs = tuple(placed.get(n, ABSENT) for n in range(max(placed, default=-1) + 1))
    if not schema.min_input <= len(inputs) <= schema.max_input or len(sample.outputs) > schema.max_output:
        return None
    changed = replace(sample, inputs=inputs, attributes=attributes, kinds=kinds, fixed=tuple(fixed))
    return changed if _allowed(changed, schema) and _meaningful(changed, schema) else None


def _meaningful(sample: Sample, schema: Any) -> bool:
    """Whether a version gives a meaning to what its types and attributes alone would admit."""
    shapes = {v.shape for v in sample.inputs if isinstance(v, np.ndarray)}
    if schema.name in ("Max", "Min", "Mean", "Sum") and schema.since_version < 8:
        return len(shapes) == 1  # nothing is broadcast yet
    if schema.name == "Mod" and schema.since_version < 28:
        return sample.inputs[0].dtype.kind in "iu" or bool(sample.attributes.get("fmod"))
    if schema.name == "Compress":
        x, axis = sample.inputs[0], sample.attributes.get("axis")
        return bool(sample.inputs[1].size <= (x.size if axis is None else x.shape[axis]))
    if schema.name == "Dropout" and schema.since_version < 12:
        return len(sample.outputs) == 1  # what a mask of inference holds is not said
    return True


def _allowed(sample: Sample, schema: Any) -> bool:
    """Whether the types are those that the version takes, and the whole passes the standard's checker."""
    tables = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    for n, value in enumerate(sample.inputs):
        formal = _formal(schema, n)
        if value is ABSENT:
            if formal.option == onnx.defs.OpSchema.FormalParameterOption.Single:
                return False
        elif n not in sample.kinds:
            name = onnx.TensorProto.DataType.Name(_element_type(value)).lower()
            if f"tensor({name})" not in tables.get(formal.type_str, [formal.type_str]):
                return False
    context = onnx.checker.C.CheckerContext()
    context.ir_version, context.opset_imports = onnx.IR_VERSION, {"": max(FIRST, schema.since_version)}
    try:
        for node in Row(sample.op, schema.since_version, sample).model().graph.node:
            onnx.checker.check_node(node, context)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return False
    return True


# which samples show what --------------------------------------------------------------------------------------------------------


def features(sample: Sample, schema: Any) -> set[tuple[Any, ...]]:
    """What a sample shows of a version: each attribute's value, what is there, what is zero, a scalar, broadcast or fixed."""
    found: set[tuple[Any, ...]] = {("rank", _rank(sample)), ("outputs", sample.outputs.count(""), len(sample.outputs))}
    for name, attribute in schema.attributes.items():
        value = sample.attributes.get(name)
        if not is_default(value, attribute):
            found.add(("attribute", name))
            value = value.decode() if isinstance(value, bytes) else value
            if isinstance(value, (str, int)):
                found.add(("attribute", name, value if isinstance(value, str) or value in (0, 1) else np.sign(value)))
            elif isinstance(value, list) and value and isinstance(value[0], (str, bytes)):
                found.update(("attribute", name, v) for v in value)
    shapes = [v.shape for v in sample.inputs if isinstance(v, np.ndarray)]
    for n, value in enumerate(sample.inputs):
        at = min(n, len(schema.inputs) - 1)
        found.add(("input", at, "absent" if value is ABSENT else "fixed" if n in sample.fixed else "given"))
        if isinstance(value, np.ndarray):
            found |= {("scalar", at)} if not value.shape else {("zero", at)} if not value.size else set()
            found.add(("kind", at, value.dtype.kind))
    found |= {("input", n, "absent") for n in range(len(sample.inputs), len(schema.inputs))}
    found |= {("broadcast", len(shapes[0]) - len(shapes[1]))} if len(shapes) > 1 and shapes[0] != shapes[1] else set()
    return found


def _rank(sample: Sample) -> int:
    first = next((v for v in sample.inputs if isinstance(v, np.ndarray)), None)
    return -1 if first is None else first.ndim


def is_default(value: Any, attribute: Any) -> bool:
    """Whether an attribute says no more than if it were left out."""
    if value is None:
        return True
    default = attribute.default_value
    if not default.type:
        return False
    value, default = (v.decode() if isinstance(v, bytes) else v for v in (value, helper.get_attribute_value(default)))
    return bool(np.array_equal(value, default)) if not isinstance(value, onnx.GraphProto) else False


def candidates(schema: Any) -> list[Sample]:
    """Every sample that a version can express."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sample in samples().get(schema.name, []):
            if sample.since <= max(FIRST, schema.since_version) <= sample.until:
                changed = in_form_of(sample, schema)
                found += [changed] if changed is not None else []
    return found


def derived(sample: Sample, schema: Any) -> Iterator[Sample]:
    """The sample with all that is fixed given at run time, with axes that count from the end, with extents that are zero.

    Not all of them mean something: those that neither onnxruntime nor the reference implementation takes prove nothing.
    """
    if sample.fixed:
        yield replace(sample, fixed=(), derived="given")
    first = next((v for v in sample.inputs if isinstance(v, np.ndarray)), None)
    if first is None:
        return
    axis = sample.attributes.get("axis")
    if isinstance(axis, int) and axis >= 0 and schema.since_version >= 11:
        yield replace(sample, attributes=sample.attributes | {"axis": axis - first.ndim}, derived="negative")
    for axis in dict.fromkeys((0, first.ndim - 1) if first.ndim and sample.op not in _COMPOSITE else ()):
        inputs = list(sample.inputs)
        for n, value in enumerate(inputs):
            if isinstance(value, np.ndarray) and n not in sample.fixed and (value is first or value.ndim > 1):
                at = axis if axis == 0 else value.ndim - 1
                if value.shape[at] == first.shape[axis]:
                    inputs[n] = np.take(value, [], at)
        other = replace(sample, inputs=tuple(inputs), declared=(), derived="zero")
        if sample.op != "DynamicQuantizeLinear" and _meaningful(other, schema):  # that asks for the smallest element
            yield other


def chosen(schema: Any) -> list[Sample]:
    """A few of the candidates that show all that any shows, then a few derived ones for what none shows."""
    result: list[Sample] = []
    plain = candidates(schema)
    shown: set[tuple[Any, ...]] = set()
    for group in (plain, [other for sample in plain for other in derived(sample, schema)]):
        left = [(sample, features(sample, schema)) for sample in group]
        wanted = set().union(*(f for _, f in left)) - shown
        while wanted:
            best = max(left, key=lambda item: len(item[1] & wanted))
            result.append(best[0])
            shown |= best[1]
            wanted -= best[1]
    return result


@cache
def rows(everything: bool = False) -> list[Row]:
    """The table: for each version its chosen samples, or all."""
    pick = candidates if everything else chosen
    every = (s for group in schemas().values() for s in group)
    return [Row(s.name, s.since_version, sample, n) for s in every for n, sample in enumerate(pick(s))]


def older_form(row: Row) -> Row | None:
    """The row at the newest older version that can express it."""
    older = [s for s in schemas()[row.op] if s.since_version < row.since]
    forms = ((s, in_form_of(replace(row.sample, until=row.since), s)) for s in reversed(older))
    return next((Row(row.op, s.since_version, form) for s, form in forms if form is not None), None)


__all__ = ["ABSENT", "Row", "Sample", "features", "is_default", "older_form", "rows", "samples", "schemas"]
