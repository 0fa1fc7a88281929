"""The table of operators, found by asking: the frontend which versions it reads, the compiler what it makes of standard cases.

Nothing here is a list kept by hand. Versions come from the frontend's tables and the schemas of the installed onnx package;
element types and how an operator is compiled come from importing the standard's node cases, as they are and with other element
types; what passes comes from the results of `python -m kaoken.backend --all --json FILE` or the list of cases that do not.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import onnx

from kaoken.backend.suite import PASSED, cases, data_sets, known_names, model_of, operators_of, reason_of, types_of
from kaoken.errors import KaokenError, UsageError
from kaoken.frontend.dimensions import DimensionTable
from kaoken.frontend.functions import has_definition
from kaoken.frontend.importer import MIN_OPSET, NEWEST_OPSET, WHOLE, Importer, has_reader
from kaoken.frontend.mapped_file import MappedModel
from kaoken.frontend.registry import READERS
from kaoken.frontend.strings import STRINGS
from kaoken.ir.graph import Graph
from kaoken.ops.registry import OPS
from kaoken.ops.routine import ROUTINES
from kaoken.passes.pipeline import run_passes

FORMULA, ROUTINE, CONTROL, KERNEL, FOLDED = "formula", "routine", "control flow", "scheduled kernel", "folded away"
WAYS = (FORMULA, ROUTINE, CONTROL, KERNEL, FOLDED)
"""How an operator may be compiled; several hold for one whose cases differ, or that is spelled with several operations."""

KNOWN_FAILURES = Path(__file__).parents[1] / "tests" / "backend-known.txt"
"""In a checkout: the cases that need not pass."""


@dataclass
class Operator:
    """One operator.

    domain: "ai.onnx" for the standard's own. versions: of its operator set, at which it changed, that are read; refused_versions:
    the others that are not deprecated. types: element types of its first operand with which one of its cases is read, as
    TensorProto names them; other_types: the others that the standard allows. compiled: some of `WAYS`, in that order; empty
    where no case tells. cases: the standard's, of this operator; passed: how many of them pass, None where there are no results.
    reason: why it, or what of it, is refused.
    """

    domain: str
    name: str
    accepted: bool
    versions: list[int]
    refused_versions: list[int]
    types: list[str] = field(default_factory=list)
    other_types: list[str] = field(default_factory=list)
    compiled: list[str] = field(default_factory=list)
    cases: int = 0
    passed: int | None = None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def failed_cases(results: Path | None) -> set[str] | None:
    """Names of the cases that do not pass, by the runner's JSON or by the checkout's list; None where there is neither.

    Raises UsageError for a file that is not the runner's JSON of all node cases.
    """
    if results is None:
        return set(known_names(KNOWN_FAILURES.read_text(encoding="utf-8"))) if KNOWN_FAILURES.is_file() else None
    try:
        rows = json.loads(results.read_text(encoding="utf-8"))["cases"]
        passed = {name for name, row in rows.items() if row["status"] == PASSED}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UsageError(f"{results} is no result of `python -m kaoken.backend --all --json FILE`") from None
    if not set(cases()) <= set(rows):
        raise UsageError(
            f"{results} does not have all node cases of onnx {onnx.__version__}; run `python -m kaoken.backend --all`"
        )
    return set(rows) - passed


def operators(names: Collection[str] = (), failed: Collection[str] | None = None) -> list[Operator]:
    """Every operator of the standard and of the frontend's tables, by domain and name; only those of `names` where given.

    A name is an operator's, with or without its domain, upper or lower case. Raises UsageError for one that is unknown.
    """
    schemas = _schemas()
    every = sorted({*schemas, *READERS, *WHOLE}, key=lambda key: (key.rpartition(".")[0], key))
    wanted = {name.lower().removeprefix("ai.onnx.") if name.lower().count(".") == 2 else name.lower() for name in names}
    chosen = [k for k in every if not wanted or {k.lower(), k.rpartition(".")[2].lower(), f"ai.onnx.{k}".lower()} & wanted]
    found = {n for k in chosen for n in (k.lower(), k.rpartition(".")[2].lower())}
    if missing := sorted(wanted - found):
        raise UsageError(f"there is no operator {', '.join(missing)}; `kaoken ops` lists all")
    return [_operator(key, schemas.get(key, []), failed) for key in chosen]


@cache
def _schemas() -> dict[str, list[Any]]:
    """Schemas by operator, in the order of their versions; those that are deprecated by now and have no reader are left out."""
    found: dict[str, list[Any]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        found.setdefault(f"{schema.domain}.{schema.name}" if schema.domain else schema.name, []).append(schema)
    found = {key: sorted(group, key=lambda s: s.since_version) for key, group in found.items()}
    return {key: group for key, group in found.items() if not group[-1].deprecated or key in READERS}


def _operator(key: str, schemas: list[Any], failed: Collection[str] | None) -> Operator:
    domain, _, name = key.rpartition(".")
    versions: list[int] = []
    refused: list[int] = []
    for n, schema in enumerate(schemas):
        last = schemas[n + 1].since_version - 1 if n + 1 < len(schemas) else max(schema.since_version, NEWEST_OPSET)
        accepted = has_reader(key, last) or (key in STRINGS and last >= MIN_OPSET) or has_definition(schema)
        if not schema.deprecated:
            (versions if accepted else refused).append(schema.since_version)
    if not schemas:
        versions = [1] if domain else sorted({since for since, _ in READERS.get(key, [])})
    found = Operator(domain or "ai.onnx", name, bool(versions), versions, refused)
    models = [(case, model_of(cases()[case])) for case in _cases_by_operator("node").get(key, [])]
    others = [] if models else [("", model_of(cases("simple")[case])) for case in _cases_by_operator("simple").get(key, [])]
    found.cases = len(models)
    found.passed = None if failed is None else sum(case not in failed for case, _ in models)
    read: list[onnx.ModelProto] = []
    ways: set[str] = set()
    for case, model in [*models, *others]:
        graph, reason = _imported(model)
        found.reason = found.reason or reason
        if graph is not None:
            read.append(model)
            ways |= _ways(graph)
            if case and KERNEL not in ways and any(OPS[op].kind == "contraction" for op in _operations(graph)):
                ways |= _ways_with_weights(case, model) & {KERNEL}
    found.compiled = [way for way in WAYS if way in ways]
    found.accepted = bool(versions) and bool(read or not models)
    if not found.accepted:
        found.refused_versions, found.versions = sorted({*versions, *refused}), []
        found.reason = found.reason or f"operator {key} is not supported"
    if read and schemas:
        found.types, found.other_types = _types(key, schemas[-1], read)
    return found


@cache
def _cases_by_operator(kind: str) -> dict[str, list[str]]:
    """Cases by the operator they are about, which comes first; for an operator without any, those that use it beside others.

    Cases that spell an operator by its definition are about neither.
    """
    about: dict[str, list[str]] = {}
    using: dict[str, list[str]] = {}
    for name, case in cases(kind).items():
        found = operators_of(model_of(case)) if "_expanded" not in name else []
        for n, operator in enumerate(found):
            using.setdefault(operator, []).append(name)
            if n == 0:
                about.setdefault(operator, []).append(name)
    return using | about


def _imported(model: onnx.ModelProto) -> tuple[Graph | None, str]:
    """The model's graph, or why there is none."""
    importer = Importer(MappedModel(model, Path("case.onnx")), DimensionTable(overrides={}, context=None))
    try:
        return importer.run(), ""
    except KaokenError as error:
        return None, reason_of(str(error))


def _operations(graph: Graph) -> Iterator[str]:
    return (node.op for body in graph.walk() for node in body.nodes)


_SCHEDULED = {"if": {CONTROL}, "loop": {CONTROL}, "size": set[str]()}
"""What is no formula, no routine and no kernel; setting a found size goes with whatever finds it."""


def _ways(graph: Graph) -> set[str]:
    """How a graph is compiled. Reshapes and the packing of narrow types at the surface are no computation."""
    graph.remove_dead()
    found = set()
    for op in _operations(graph):
        if op in ROUTINES:
            found.add(ROUTINE)
        elif OPS[op].kind in ("control", "kernel"):
            found |= _SCHEDULED.get(op, {KERNEL})
        elif op not in ("reshape", "pack", "unpack"):
            found.add(FORMULA)
    return found or {FOLDED}


def _ways_with_weights(case: str, model: onnx.ModelProto) -> set[str]:
    """How a case is compiled when all operands but the first are weights, by all passes: kernels need weights to pack."""
    constant = onnx.ModelProto()
    constant.CopyFrom(model)
    operands = data_sets(cases()[case], model)[0][0]
    for info, operand in list(zip(model.graph.input, operands, strict=False))[1:]:
        if info.type.HasField("tensor_type"):
            constant.graph.initializer.append(onnx.numpy_helper.from_array(operand, info.name))
    kept = [info for info in model.graph.input if info.name not in {t.name for t in constant.graph.initializer}]
    del constant.graph.input[:]
    constant.graph.input.extend(kept)
    graph, _ = _imported(constant)
    return set() if graph is None else _ways(run_passes(graph))


def _types(key: str, schema: Any, models: list[onnx.ModelProto]) -> tuple[list[str], list[str]]:
    """Element types of the operator's first operand with which a case is read; the others that the standard allows.

    Cases are tried with every type. Of an operator whose cases have more nodes, or whose first operand is no tensor, the types
    of its cases are all there is.
    """
    alone = [m for m in models if _first_operand(key, m) is not None]
    names = onnx.TensorProto.DataType.keys()
    own = sorted({t.lower() for m in models for t in types_of(m) if t in names})
    if not schema.inputs or not alone:
        return own, []
    formal = schema.inputs[0]
    allowed = next(
        (c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == formal.type_str), [formal.type_str]
    )
    read: list[str] = []
    others: list[str] = []
    for element in sorted({_ELEMENTS[t] for t in allowed if t in _ELEMENTS}):
        label = onnx.TensorProto.DataType.Name(element).lower()
        tries = (changed for model in alone for changed in _with_type(key, model, schema, element))
        (read if any(_imported(changed)[0] is not None for changed in tries) else others).append(label)
    return read, others


def _first_operand(key: str, model: onnx.ModelProto) -> int | None:
    """The element type of the first operand of a model whose only node is the operator; None of others."""
    if operators_of(model) != [key] or len(model.graph.node) != 1 or not model.graph.node[0].input:
        return None
    info = next((i for i in model.graph.input if i.name == model.graph.node[0].input[0]), None)
    return info.type.tensor_type.elem_type if info is not None and info.type.HasField("tensor_type") else None


def _with_type(key: str, model: onnx.ModelProto, schema: Any, element: int) -> Iterator[onnx.ModelProto]:
    """The case with another type for all that is of the first operand's type variable, then for all that is of its type."""
    node, original = model.graph.node[0], _first_operand(key, model)
    variable = schema.inputs[0].type_str
    tied = {
        name
        for names, formals in ((node.input, schema.inputs), (node.output, schema.outputs))
        for n, name in enumerate(names)
        if formals and formals[min(n, len(formals) - 1)].type_str == variable
    }
    for by_variable in (True, False):
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        for info in (*changed.graph.input, *changed.graph.output):
            kind = info.type.sequence_type.elem_type if info.type.HasField("sequence_type") else info.type
            if kind.HasField("tensor_type") and (info.name in tied if by_variable else kind.tensor_type.elem_type == original):
                kind.tensor_type.elem_type = element
        yield changed


_ELEMENTS = {
    f"tensor({onnx.TensorProto.DataType.Name(number).lower()})": number
    for number in onnx.TensorProto.DataType.values()
    if number != onnx.TensorProto.UNDEFINED
}
"""Element types by the names that schemas give them."""
