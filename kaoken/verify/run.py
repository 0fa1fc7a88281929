"""Verification of a compiled model: every output and every layer against the float64 oracle, beside onnxruntime's own error."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from kaoken.compiler import CompileOptions, compile_model, lower, model_name
from kaoken.emit.names import module_of
from kaoken.frontend import import_model
from kaoken.frontend.encoder_decoder import write_joined
from kaoken.frontend.mapped_file import find_model_file, is_encoder_decoder
from kaoken.ir.graph import Graph
from kaoken.session import Library, Session, TextGenerator, build_library, read_report
from kaoken.verify.cases import Case, complete, plan_cases
from kaoken.verify.compare import ErrorReport, argmax_agrees, contract
from kaoken.verify.inputs import index_bounds, make_inputs
from kaoken.verify.oracle import Oracle
from kaoken.verify.peer import Peer

Progress = Callable[[str], None]
STEPS_PROMPT = 4
FEW_VALUES, MOST_INPUTS, SEED_STEP = 32, 8, 1009
ENCODED_STEPS = 19
"""Positions of the encoder's input while steps of the decoder are compared."""


@dataclass(frozen=True)
class OutputResult:
    """An output of one case (or of one layer). `argmax` is the share of rows whose largest entry is the oracle's, for logits."""

    name: str
    report: ErrorReport
    argmax: float | None = None

    @property
    def ok(self) -> bool:
        return self.report.ok


@dataclass
class CaseResult:
    """All outputs for one set of sizes."""

    case: Case
    outputs: list[OutputResult]

    @property
    def ok(self) -> bool:
        return all(o.ok for o in self.outputs)


@dataclass
class Verification:
    """Everything that was compared. `layers` tells where an error begins and is not judged: the contract is about outputs.

    `steps` is the teacher-forced run through the cache; `bits` has a sentence for each comparison of bits, and whether it held.
    """

    model: str
    level: str
    cases: list[CaseResult] = field(default_factory=list)
    layers: list[OutputResult] = field(default_factory=list)
    steps: OutputResult | None = None
    step_count: int = 0
    bits: dict[str, bool] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return all(c.ok for c in self.cases) and (self.steps is None or self.steps.ok) and all(self.bits.values())

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


@dataclass(frozen=True)
class VerifyOptions:
    """sizes: lengths to try (None: some within the bounds). batch: rows of the padded cases. steps: cached steps.

    layers: whether to compare them too, which compiles the model once more with them as outputs.
    """

    dims: Mapping[str, str] = field(default_factory=dict)
    sizes: Sequence[int] | None = None
    batch: int = 3
    steps: int = 32
    layers: bool = True
    threads: int = 1
    seed: int = 0


def verify_model(
    model: Path, compiled: Path | None = None, options: VerifyOptions | None = None, progress: Progress | None = None
) -> Verification:
    """Compare a compiled folder (or one made for the purpose and thrown away) with the oracle and onnxruntime.

    Dimensions that the options leave out have the bounds that the folder was compiled with.
    Raises UsageError for a missing model, sizes outside the bounds or missing onnxruntime, UnsupportedModelError for a model that
    cannot be compiled, session.BuildError when the C compiler fails. A wrong result is no exception: see `Verification.ok`.
    """
    options = options or VerifyOptions()
    with tempfile.TemporaryDirectory(prefix="kaoken-verify-") as scratch:
        return _Verifier(model, compiled, options, progress or (lambda _text: None), Path(scratch)).run()


class _Verifier:
    def __init__(self, model: Path, compiled: Path | None, options: VerifyOptions, say: Progress, scratch: Path) -> None:
        dims = {**({} if compiled is None else read_report(compiled).get("dims", {})), **options.dims}
        self.file, self.options, self.say, self.scratch = single_file(model, scratch), replace(options, dims=dims), say, scratch
        self.compile_options = CompileOptions(dims=dims)
        say("reading the model" if compiled is not None else "compiling")
        self.graph: Graph = lower(model, self.compile_options, model_name(model, None))
        self.model = model
        self.folder = compiled if compiled is not None else self._compile("model", self.compile_options)
        build_library(self.folder)
        self.session = Session(self.folder, threads=options.threads)
        self.proto = onnx.load(self.file, load_external_data=False)
        say("loading the model into onnxruntime")
        self.peer = Peer(self.file, threads=2)
        self.oracle = Oracle(self.file)

    def _compile(self, name: str, options: CompileOptions) -> Path:
        compile_model(self.model, self.scratch / name, options)
        return self.scratch / name

    def run(self) -> Verification:
        cases = plan_cases(self.graph, self.options.dims, self.options.sizes, self.options.batch)
        found = Verification(str(find_model_file(self.model)), level_of(self.folder))
        for case in cases:
            self.say(f"comparing {case}")
            found.cases.append(self._case(case))
        found.bits |= self._thread_bits(cases)
        if self.session._library.interface["feed"] and self.options.steps > 0:
            found.step_count, found.steps = self._steps(found)
        if self.options.layers:
            found.layers = self._layers(next((c for c in cases if not c.extreme), cases[0]))
        return found

    def _inputs(self, case: Case, seed: int) -> dict[str, np.ndarray]:
        return make_inputs(self.proto, case.dims, self.options.seed + seed, padding=case.padding)

    def _case(self, case: Case) -> CaseResult:
        """Compare all outputs. The error of a few values is chance, ours and onnxruntime's, so where an output has no more (the
        two logits of a classifier) several inputs are judged together."""
        seed = sum(case.dims.values())
        runs = [self._three(case, seed)]
        least = min((v.size for v in runs[0][0].values() if v.dtype.kind == "f" and v.size), default=FEW_VALUES)
        for n in range(1, min(MOST_INPUTS, -(-FEW_VALUES // least))):
            runs.append(self._three(case, seed + n * SEED_STEP))
        results = []
        for name in runs[0][0]:
            exact, ours, near = (_stacked(side, name) for side in zip(*runs, strict=True))
            assert exact is not None and ours is not None
            results.append(_compare(name, exact, ours, near))
        return CaseResult(case, results)

    def _three(self, case: Case, seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The outputs of the oracle, of Kaoken and of onnxruntime for one input."""
        inputs = self._inputs(case, seed)
        exact, near = self.oracle.run(inputs), self.peer.run(inputs)
        names = [n.name for n in self.session.get_outputs()]
        return exact, dict(zip(names, self.session.run(None, inputs), strict=True)), near

    def _thread_bits(self, cases: Sequence[Case]) -> dict[str, bool]:
        """One thread and two give equal bits."""
        self.say("comparing the bits of 1 and 2 threads")
        result = True
        sessions = [Session(self.folder, threads=n) for n in (1, 2)]
        for case in {c.padding: c for c in cases if not c.extreme}.values():
            inputs = self._inputs(case, 1)
            one, two = (s.run(None, inputs) for s in sessions)
            result &= all(_same_bits(a, b) for a, b in zip(one, two, strict=True))
        return {"1 and 2 threads give equal bits": result}

    def _steps(self, found: Verification) -> tuple[int, OutputResult]:
        """Random ids, fed one at a time behind a short prompt, against the oracle's logits of the whole sequence."""
        generator = TextGenerator(self.folder, threads=self.options.threads)
        names = self.session._library.interface
        prompt = min(STEPS_PROMPT, generator.capacity - 1)
        steps = min(self.options.steps, generator.capacity - prompt)
        self.say(f"comparing {steps} cached steps")
        sizes = {names["batch"]: 1, names["sequence"]: prompt + steps, names["past"]: 0}
        encoder = names["encoder_inputs"]
        name = "decoder_input_ids" if encoder else "input_ids"
        sizes |= {d: min(ENCODED_STEPS, self._upper(d)) for d in names["encoder_dims"]}
        bound = min(index_bounds(self.proto).get(name, 2), generator.vocabulary)
        ids = np.random.default_rng(self.options.seed).integers(0, bound, prompt + steps)
        inputs = make_inputs(self.proto, self._all_dims(sizes), self.options.seed)
        inputs[name] = ids.reshape(1, -1).astype(inputs[name].dtype)
        if encoder:
            generator.encode(*(inputs[n] for n in encoder))
        exact = self.oracle.run(inputs, ["logits"])["logits"][0, prompt - 1 :]
        near = self.peer.run(inputs)["logits"][0, prompt - 1 :]
        ours = [generator.feed(ids[:prompt])]
        ours += [generator.feed(ids[n : n + 1]) for n in range(prompt, prompt + steps)]
        generator.truncate(0)
        whole = generator.feed(ids)
        found.bits["a prompt fed whole and in pieces gives equal bits"] = _same_bits(whole, ours[-1])
        return steps, _compare("logits", exact, np.stack(ours), near)

    def _upper(self, dimension: str) -> int:
        """The largest value of a dimension that a call gives."""
        return int(next(d["upper"] for d in self.session._library.interface["dims"] if d["name"] == dimension))

    def _all_dims(self, sizes: Mapping[str, int]) -> dict[str, int]:
        return complete(self.graph, self.options.dims, sizes)

    def _layers(self, case: Case) -> list[OutputResult]:
        """The kernels' results that are values of the ONNX graph too, in order."""
        self.say("compiling with every layer as an output")
        named = {name for node in onnx.load(self.file, load_external_data=False).graph.node for name in node.output}
        found = _taps(self.graph, import_model(self.model, dict(self.options.dims)))
        taps = {name: label for name, label in found if name in named}
        if not taps:
            return []
        folder = self._compile("layers", replace(self.compile_options, taps=tuple(taps)))
        build_library(folder)
        session = Session(folder, threads=self.options.threads)
        self.say("comparing layers")
        inputs = self._inputs(case, 2)
        exact = self.oracle.run(inputs, list(taps))
        near = self._peer_with(list(taps)).run(inputs)
        ours = dict(zip(taps, session.run(list(taps), inputs), strict=True))
        return [_compare(label, exact[name], ours[name], near.get(name)) for name, label in taps.items()]

    def _peer_with(self, names: list[str]) -> Peer:
        """onnxruntime on the graph with more outputs."""
        proto = onnx.load(self.file)
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        path = self.scratch / "tapped.onnx"
        large = proto.ByteSize() > 2**31 - 2**20
        onnx.save(proto, path, save_as_external_data=large, location="tapped.onnx_data")
        return Peer(path, threads=2)


def _taps(compiled: Graph, imported: Graph) -> Iterator[tuple[str, str]]:
    """(value, layer) for what a kernel computes just as the ONNX graph does, of the same name and shape."""
    known = {value.name: value for node in imported.nodes for value in node.outputs}
    outputs = {name for name, _ in imported.outputs}
    rows = compiled.symbols.get("logit_rows")
    for node in compiled.nodes:
        if node.op in ("view", "reshape", "append"):
            continue
        for value in node.outputs:
            twin = known.get(value.name)
            if twin is None or value.name in outputs or value.dtype != twin.dtype or value.packing != "rows":
                continue
            if value.shape == twin.shape or (rows is not None and any(rows in d.symbols() for d in value.shape)):
                yield value.name, f"{module_of(node.origin) or node.op} ({node.op})"


def _compare(name: str, exact: np.ndarray, ours: np.ndarray, near: np.ndarray | None) -> OutputResult:
    report = contract(exact, ours, near)
    if name != "logits" or not report.ok or exact.size == 0:
        return OutputResult(name, report)
    share = float(np.mean(ours.argmax(-1) == exact.argmax(-1)))
    if not argmax_agrees(exact, ours, report.max_limit):
        report = replace(report, ok=False, reason="the largest entry is another one, by more than the error allows")
    return OutputResult(name, report, share)


def _stacked(runs: Sequence[Mapping[str, np.ndarray]], name: str) -> np.ndarray | None:
    """An output of several inputs, one after another along a new axis; only the first's where sizes depend on the data."""
    found = [run[name] for run in runs if name in run]
    if not found:
        return None
    return np.stack(found) if len({value.shape for value in found}) == 1 else found[0]


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def single_file(model: Path, scratch: Path) -> Path:
    """The ONNX file to compare with; the graphs of an encoder-decoder are joined in `scratch`."""
    if not is_encoder_decoder(model):
        return find_model_file(model)
    write_joined(model, scratch / "joined.onnx")
    return scratch / "joined.onnx"


def level_of(folder: Path) -> str:
    """The instruction set level that a compiled folder chooses here; a handle is asked, so one of the least sizes is made."""
    library = Library(folder)
    handle = library.create({size["name"]: size["lower"] for size in library.interface["sizes"]})
    function = library.function("level")
    function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    text: bytes = function(handle)
    library.destroy(handle)
    return text.decode()
