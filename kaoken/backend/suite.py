"""The standard's own cases through the backend, in processes of their own: what passes, what is wrong, what is unsupported."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from kaoken.backend import draws
from kaoken.backend.build import PLAIN
from kaoken.errors import KaokenError, ToolchainError

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")
"""Kinds of cases that come with the onnx package."""
SECONDS_A_CASE = 300
DISTRIBUTION = "judged by the distribution of its draws"
"""The reason beside a case that passed otherwise than by comparing values."""

PASSED, WRONG, UNSUPPORTED, CRASHED = "passed", "wrong", "unsupported", "crashed"


@dataclass(frozen=True)
class Result:
    """What became of a case. `operators` are those of its model, the one that it is about first; `types` its element types."""

    name: str
    status: str
    reason: str = ""
    operators: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    opset: int = 0
    seconds: float = 0.0


@cache
def cases(kind: str = "node") -> dict[str, Any]:
    """The standard's cases by name, in its order."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {test.name: test for test in sorted(load_model_tests(kind=kind), key=lambda test: str(test.name))}


def sample(names: Iterable[str], count: int, kind: str = "node") -> list[str]:
    """`count` of the cases: one of each operator, then a second of each, and so on; the same ones every time."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda n: hashlib.sha256(n.encode()).digest()):
        groups.setdefault(operators_of(model_of(cases(kind)[name]))[0], []).append(name)
    rounds = range(max(map(len, groups.values()), default=0))
    return [group[n] for n in rounds for _, group in sorted(groups.items()) if n < len(group)][:count]


def model_of(case: Any) -> onnx.ModelProto:
    """A case's model."""
    if case.model is not None:
        return case.model
    return onnx.load(os.path.join(case.model_dir, "model.onnx") if case.model_dir else _file_of(case))


def _file_of(case: Any) -> str:
    """The file of a model without weights, which lies in the onnx package beside its expected output."""
    return os.path.join(os.path.dirname(onnx.__file__), *str(case.url).split("/")[1:])


def operators_of(model: onnx.ModelProto) -> list[str]:
    """The operators of a model's nodes, domain before what is not the standard's own; constants last."""
    found = [f"{n.domain}.{n.op_type}" if n.domain not in ("", "ai.onnx") else n.op_type for n in model.graph.node]
    return sorted(dict.fromkeys(found), key=lambda name: name == "Constant") or [""]


def types_of(model: onnx.ModelProto) -> list[str]:
    """Element types of a model's inputs and outputs, as TensorProto names them; kinds of what is no tensor."""
    found = set()
    for info in (*model.graph.input, *model.graph.output):
        kind = info.type.WhichOneof("value") or "none"
        element = info.type.tensor_type.elem_type if kind == "tensor_type" else 0
        found.add(onnx.TensorProto.DataType.Name(element) if element else kind.removesuffix("_type"))
    return sorted(found)


def run_case(name: str, kind: str = "node", flags: Sequence[str] = PLAIN) -> Result:
    """Compile, build, run and compare, by the standard's runner's own rule."""
    started = time.perf_counter()
    case = cases(kind)[name]
    model = model_of(case)
    status, reason = _outcome(case, model, flags)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    seconds = round(time.perf_counter() - started, 3)
    return Result(name, status, reason, operators_of(model), types_of(model), opset, seconds)


def _outcome(case: Any, model: onnx.ModelProto, flags: Sequence[str]) -> tuple[str, str]:
    from onnx.backend.test.runner import Runner

    from kaoken.backend.interface import KaokenBackend

    drawn = draws.is_draw(case)
    try:
        prepared = KaokenBackend.prepare(draws.repeated(model) if drawn else model, "CPU", flags=flags)
    except ToolchainError as error:
        return CRASHED, str(error)
    except KaokenError as error:
        return UNSUPPORTED, reason_of(str(error))
    except Exception as error:
        return CRASHED, f"compiling: {type(error).__name__}: {error}"
    try:
        for inputs, expected in data_sets(case, model):
            if drawn:
                problem = draws.judge(model, prepared.run, inputs[0])
                return (WRONG, problem) if problem else (PASSED, DISTRIBUTION)
            outputs = prepared.run(inputs)
            Runner.assert_similar_outputs(_flat(expected), _flat(outputs), case.rtol, case.atol)
    except Exception as error:
        text = " ".join(str(error).split())
        return WRONG, f"{type(error).__name__}: {text[:400]}"
    return PASSED, ""


def _flat(values: Iterable[Any]) -> list[Any]:
    """Outputs with each sequence as its length and its tensors: the standard's runner cannot compare a sequence with a scalar in
    it, of which it asks the length, and takes a sequence for right that only begins as it should."""
    result: list[Any] = []
    for value in values:
        result += [np.array(len(value)), *value] if isinstance(value, (list, tuple)) else [value]
    return result


def data_sets(case: Any, model: onnx.ModelProto) -> list[tuple[list[Any], list[Any]]]:
    """Inputs and expected outputs."""
    if case.data_sets is not None:
        return [(list(map(_array, inputs)), list(map(_array, outputs))) for inputs, outputs in case.data_sets]
    if case.model_dir is None:
        return [_data_of_skeleton(case, model)]
    found = []
    for folder in sorted(f for f in os.listdir(case.model_dir) if f.startswith("test_data_set")):
        path = os.path.join(case.model_dir, folder)
        found.append((_stored(path, "input", model.graph.input), _stored(path, "output", model.graph.output)))
    return found


def _data_of_skeleton(case: Any, model: onnx.ModelProto) -> tuple[list[Any], list[Any]]:
    """Rising inputs from 0 to 1, as the standard's runner gives them, and the stored outputs."""
    weights = {tensor.name for tensor in model.graph.initializer}
    shapes = [[d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input if i.name not in weights]
    inputs = [(np.arange(np.prod(s)).reshape(s) / np.prod(s)).astype(np.float32) for s in shapes]
    stem = _file_of(case).removesuffix(".onnx")
    names = [f"{stem}_output_{n}.pb" for n in range(len(model.graph.output))]
    return inputs, [numpy_helper.to_array(onnx.load_tensor(name)) for name in names]


def _stored(folder: str, prefix: str, infos: Sequence[onnx.ValueInfoProto]) -> list[Any]:
    """The values in a case's files."""
    readers: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "tensor_type": (onnx.TensorProto, numpy_helper.to_array),
        "sequence_type": (onnx.SequenceProto, numpy_helper.to_list),
        "optional_type": (onnx.OptionalProto, numpy_helper.to_optional),
    }
    values = []
    for n, info in enumerate(infos):
        path = os.path.join(folder, f"{prefix}_{n}.pb")
        if os.path.exists(path):
            message, read = readers[info.type.WhichOneof("value")]
            proto = message()
            with open(path, "rb") as file:
                proto.ParseFromString(file.read())
            values.append(read(proto))
    return values


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def reason_of(message: str) -> str:
    """The first of a model's problems, without the model's and the node's name."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    text = lines[1] if len(lines) > 1 else lines[0]
    return re.sub(r"^\S+: ", "", text)


# processes ----------------------------------------------------------------------------------------------------------------------


def run_cases(
    names: Sequence[str],
    kind: str = "node",
    flags: Sequence[str] = PLAIN,
    jobs: int = 2,
    report: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run cases in `jobs` processes; one that dies, or does not end, costs its case alone. Results in the order of `names`."""
    cases(kind)  # before the processes fork
    waiting, results = list(names)[::-1], dict[str, Result]()
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                workers.append(_Worker(kind, flags))
                workers[-1].begin(waiting.pop())
            wait([w.connection for w in workers], timeout=1)
            for worker in list(workers):
                result = worker.result()
                if result is None:
                    continue
                results[result.name] = result
                report(result)
                if worker.alive and waiting:
                    worker.begin(waiting.pop())
                else:
                    worker.end()
                    workers.remove(worker)
    finally:
        for worker in workers:
            worker.end()
    return [results[name] for name in names]


class _Worker:
    """A process that runs one case after the other."""

    def __init__(self, kind: str, flags: Sequence[str]):
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.connection, kind, tuple(flags)), daemon=True)
        self.process.start()
        theirs.close()
        self.alive = True
        self.case, self.kind, self.started = "", kind, 0.0

    def begin(self, case: str) -> None:
        self.case, self.started = case, time.monotonic()
        self.connection.send(case)

    def result(self) -> Result | None:
        """What became of the case, or None while it runs."""
        late = time.monotonic() - self.started > SECONDS_A_CASE
        if not self.connection.poll() and not late:
            return None
        try:
            if not late or self.connection.poll():
                received = self.connection.recv()
                assert isinstance(received, Result)
                return received
            reason = f"not done after {SECONDS_A_CASE} seconds"
        except (EOFError, OSError):
            self.process.join(5)
            reason = f"the process ended with {self.process.exitcode}"
        self.alive = False
        model = model_of(cases(self.kind)[self.case])
        return Result(self.case, CRASHED, reason, operators_of(model), types_of(model))

    def end(self) -> None:
        self.connection.close()
        if not self.alive:
            self.process.kill()
        self.process.join(10)


def _serve(connection: Connection, parents: Connection, kind: str, flags: Sequence[str]) -> None:
    parents.close()  # else this process would keep its own pipe open when the parent is gone
    while True:
        try:
            name = connection.recv()
        except EOFError:
            return
        connection.send(run_case(name, kind, flags))


def known_names(text: str) -> list[str]:
    """The cases in a list of those that need not pass: a name a line, and comments after #."""
    return [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]


def updated_known(text: str, failed: Sequence[str], passed: Sequence[str]) -> str:
    """A list of cases with what was run: comments and cases that were not run stay where they are, new names come last."""
    before = known_names(text)
    kept = [line for line in text.splitlines() if not known_names(line) or known_names(line)[0] not in passed]
    return "".join(f"{line}\n" for line in (*kept, *(name for name in failed if name not in before)))


def as_json(results: Sequence[Result], kind: str) -> dict[str, Any]:
    """Results for a file: what `docs` and later runs are compared with."""
    counts = {status: sum(r.status == status for r in results) for status in (PASSED, WRONG, UNSUPPORTED, CRASHED)}
    rows = {r.name: {k: v for k, v in asdict(r).items() if k != "name"} for r in results}
    return {"onnx": onnx.__version__, "kind": kind, "counts": counts, "cases": rows}


__all__ = ["KINDS", "Result", "as_json", "cases", "run_case", "run_cases", "sample"]
