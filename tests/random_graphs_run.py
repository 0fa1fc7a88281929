"""Random graphs, many a compilation, against the float64 oracle beside onnxruntime: fused, with --no-fuse, by 1 and 2 threads.

    python tests/random_graphs_run.py 10000

Exit code 4 where a graph gives something else than it means, is refused, or crashes; each such graph is saved, shrunk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from control_case import side_by_side
from hypothesis import HealthCheck, Phase, given, seed, settings
from onnx.reference import ReferenceEvaluator
from random_graphs import CALLS, FLOATS, Case, evaluate, graphs

from kaoken.backend.build import PLAIN, SANITIZED, built_folder
from kaoken.errors import KaokenError, ToolchainError
from kaoken.session import Session
from kaoken.verify.compare import contract

AGREES, ROUNDING, WRONG, REFUSED, CRASHED = "agrees", "explained by rounding", "wrong", "refused", "crashed"
SECONDS_A_BATCH = 600
DRAWS = 12
"""Times that a graph is evaluated with rounding errors drawn at random, where its error is more than the contract allows."""

Arrays = dict[str, np.ndarray]
Peer = tuple[str, list[Arrays]]
"""Who it is, and its outputs in each call."""


@dataclass(frozen=True)
class Outcome:
    """What became of a graph. `reason` says where it went wrong; `peer` what it was compared with."""

    case: Case
    status: str
    reason: str = ""
    peer: str = ""


def drawn(number: int, each: Callable[[Case], None], phases: Sequence[Phase] = (Phase.generate,)) -> None:
    """Call `each` with the graphs of a seed: hypothesis's simplest, which is always the same one, and a random one.

    With more than these two, hypothesis would draw variations of what it had.
    """

    @seed(number)
    @settings(max_examples=2, deadline=None, database=None, phases=phases, suppress_health_check=list(HealthCheck))
    @given(graphs())
    def run(case: Case) -> None:
        each(replace(case, seed=number))

    run()


def random_graph(number: int) -> Case:
    """The random graph of a seed, always the same one."""
    found: list[Case] = []
    drawn(number, found.append)
    return found[-1]


# running ------------------------------------------------------------------------------------------------------------------------


def merged(cases: Sequence[Case]) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The graphs as one model; all names of the third begin with `g2_`, those of its symbols too."""
    parts, dims = [], {}
    for n, case in enumerate(cases):
        graph = onnx.GraphProto()
        graph.CopyFrom(case.model.graph)
        for value in graph.input:
            for extent in value.type.tensor_type.shape.dim:
                if extent.dim_param:
                    extent.dim_param = f"g{n}_{extent.dim_param}"
        parts.append((f"g{n}_", graph))
        dims |= {f"g{n}_{name}": bounds for name, bounds in case.dims.items()}
    return side_by_side(parts), dims


def run_batch(cases: Sequence[Case], flags: Sequence[str]) -> dict[str, list[Arrays]]:
    """Compile, build and run the graphs: in each way the outputs of every call. Raises what the compiler and a session raise."""
    model, dims = merged(cases)
    feeds = [{f"g{n}_{k}": v for n, c in enumerate(cases) for k, v in c.feeds[call].items()} for call in range(CALLS)]
    ways: dict[str, list[Arrays]] = {}
    for name, fuse, threads in (("fused", True, 1), ("fused, 2 threads", True, 2), ("not fused", False, 1)):
        session = Session(built_folder(model, dims, flags, fuse), threads=threads)
        names = [node.name for node in session.get_outputs()]
        ways[name] = [dict(zip(names, session.run(None, feed), strict=True)) for feed in feeds]
    return ways


def peers_of(cases: Sequence[Case]) -> list[Peer]:
    """Each graph's peer. Where onnxruntime ends the process (it divides by extents of 0), it is asked about each graph alone."""
    try:
        return list(in_child(lambda: [in_onnxruntime(case) or in_reference(case) for case in cases]))
    except RuntimeError:
        return [peer for case in cases for peer in peers_of([case])] if len(cases) > 1 else [in_reference(cases[0])]


def in_onnxruntime(case: Case) -> Peer | None:
    """The outputs of every call, or None where it does not run the graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    with contextlib.suppress(Exception):
        session = onnxruntime.InferenceSession(case.model.SerializeToString(), options)
        names = [node.name for node in session.get_outputs()]
        return "onnxruntime", [dict(zip(names, session.run(None, dict(feed)), strict=True)) for feed in case.feeds]
    return None


def in_reference(case: Case) -> Peer:
    """The outputs of onnx's reference, in the graph's own types; none where it cannot run the graph either."""
    with contextlib.suppress(Exception), np.errstate(all="ignore"):
        reference = ReferenceEvaluator(case.model)
        return "reference", [dict(zip(reference.output_names, reference.run(None, feed), strict=True)) for feed in case.feeds]
    return "nobody", []


def judge(cases: Sequence[Case], flags: Sequence[str] = PLAIN) -> Iterator[Outcome]:
    """What became of each graph; a batch that fails as a whole is halved, so that a bad graph costs no other its result."""
    try:
        results = in_child(run_batch, cases, flags)
    except Exception as error:
        if len(cases) > 1:
            half = len(cases) // 2
            yield from judge(cases[:half], flags)
            yield from judge(cases[half:], flags)
            return
        refused = isinstance(error, KaokenError) and not isinstance(error, ToolchainError)
        yield Outcome(cases[0], REFUSED if refused else CRASHED, f"{type(error).__name__}: {error}")
        return
    for n, (case, peer) in enumerate(zip(cases, peers_of(cases), strict=True)):
        prefix = f"g{n}_"
        own = {
            way: [{k.removeprefix(prefix): v for k, v in call.items() if k.startswith(prefix)} for call in calls]
            for way, calls in results.items()
        }
        yield compared(case, own, *peer)


def in_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """A function's result, in a process of its own: what ends it ends no more than that. Raises what it raised."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def serve() -> None:
        try:
            theirs.send((True, function(*arguments)))
        except Exception as error:
            theirs.send((False, error))

    process = context.Process(target=serve, daemon=True)
    process.start()
    theirs.close()
    try:
        fine, result = ours.recv() if ours.poll(SECONDS_A_BATCH) else (False, TimeoutError(f"not done in {SECONDS_A_BATCH} s"))
    except EOFError:
        process.join(5)
        fine, result = False, RuntimeError(f"the process ended with {process.exitcode}")
    process.kill()
    process.join()
    if not fine:
        raise result
    return result


# comparing ----------------------------------------------------------------------------------------------------------------------


def compared(case: Case, ways: dict[str, list[Arrays]], peer: str, peers: list[Arrays]) -> Outcome:
    """Every output of all calls together by the accuracy contract; threads by their bits."""
    explained = ""
    for name in case.expected[0]:
        exact = [call[name] for call in case.expected]
        for way, calls in ways.items():
            ours = [call[name] for call in calls]
            if any(o.shape != e.shape or o.dtype != case.dtypes[name] for o, e in zip(ours, exact, strict=True)):
                told = [f"{o.dtype}{list(o.shape)} for {list(e.shape)}" for o, e in zip(ours, exact, strict=True)]
                return Outcome(case, WRONG, f"{name}, {way}: {', '.join(told)}", peer)
            if way.endswith("threads") and list(map(_bits, ours)) != [_bits(call[name]) for call in ways["fused"]]:
                return Outcome(case, WRONG, f"{name}: threads change bits", peer)
            flat = [np.concatenate([a.reshape(-1) for a in arrays]) for arrays in (exact, ours)]
            near = np.concatenate([call[name].reshape(-1) for call in peers]) if peers else None
            report = contract(flat[0], flat[1], near if near is not None and near.shape == flat[0].shape else None)
            if report.ok:
                continue
            if case.dtypes[name] in FLOATS and report.max_error <= 2 * rounding(case, name):
                explained = f"{name}, {way}: {report}"
            else:
                agrees = near is not None and contract(flat[0], near).ok
                return Outcome(case, WRONG, f"{name}, {way}: {report}; {peer} {'agrees' if agrees else 'differs'}", peer)
    return Outcome(case, ROUNDING if explained else AGREES, explained, peer)


def _bits(array: np.ndarray) -> bytes:
    return np.where(array != array, np.nan, array).tobytes() if array.dtype.kind == "f" else array.tobytes()


def rounding(case: Case, output: str) -> float:
    """How far an output moves where every node's result is off by half a unit of its type: what any order of rounding may cost.

    The largest distance in several draws, in the sense of Monte Carlo arithmetic (Parker, 1997).
    """
    random = np.random.default_rng(0)
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in case.model.graph.initializer}
    largest = 0.0
    for call in range(CALLS):
        for _ in range(DRAWS):
            scope: dict[str, Any] = {**stored, **case.feeds[call]}
            for node in case.model.graph.node:
                results = evaluate(node, [{name: scope[name] for name in node.input if name}])[0]
                for name, array in results.items():
                    scope[name] = _disturbed(array, case.dtypes[name], random) if array.dtype.kind == "f" else array
                    if node.op_type == "Gelu":  # 1 + erf cancels, so that half a unit of x is lost
                        scope[name] = (
                            scope[name] + _disturbed(scope[node.input[0]], case.dtypes[name], random) - scope[node.input[0]]
                        )
            if scope[output].size and scope[output].shape == case.expected[call][output].shape:
                largest = max(largest, float(np.abs(scope[output] - case.expected[call][output]).max()))
    return largest


def _disturbed(array: np.ndarray, dtype: str, random: np.random.Generator) -> np.ndarray:
    epsilon = float(ml_dtypes.finfo(dtype if dtype != "float64" else "float32").eps)
    return np.asarray(array * (1 + epsilon * random.choice([-0.5, 0.5], array.shape)))


# shrinking ----------------------------------------------------------------------------------------------------------------------


def shrunk(outcome: Outcome, flags: Sequence[str], tries: int) -> Outcome:
    """The smallest graph that hypothesis finds with the same trouble, by drawing the graph again."""
    wanted = outcome.case.model.SerializeToString()
    best, left = outcome, 0

    def each(case: Case) -> None:
        nonlocal best, left
        if left == 0 and case.model.SerializeToString() != wanted:
            return
        left = left or tries
        if left == 1:
            return
        left -= 1
        (found,) = judge([case], flags)
        if found.status == outcome.status:
            best = found
            raise AssertionError

    with contextlib.suppress(BaseException):
        drawn(outcome.case.seed, each, (Phase.generate, Phase.shrink))
    return best


def save(outcome: Outcome, path: Path) -> None:
    """The graph as an .onnx file, its calls and what they should give beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(outcome.case.model, path)
    calls = zip(outcome.case.feeds, outcome.case.expected, strict=True)
    arrays = {f"call{n}_{k}": v for n, sides in enumerate(calls) for side in sides for k, v in side.items()}
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    text = f"{outcome.status}: {outcome.reason}\n{outcome.case.dims}\n{onnx.printer.to_text(outcome.case.model)}\n"
    path.with_suffix(".txt").write_text(text, encoding="utf-8")


# the command --------------------------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="random_graphs_run.py", description=__doc__.partition("\n")[0])
    parser.add_argument("count", type=int, nargs="?", default=200, help="how many graphs; 200")
    parser.add_argument("--seed", type=int, default=0, help="of the first graph; graphs have seeds one after the other")
    parser.add_argument("--batch", type=int, default=50, help="graphs that are compiled as one model; 50")
    parser.add_argument("--sanitize", action="store_true", help="under gcc's address and undefined-behaviour sanitizers")
    parser.add_argument("--levels", action="store_true", help="with -O2 and this machine's best vector instructions")
    parser.add_argument("--tries", type=int, default=150, help="graphs that shrinking a failure may try; 0: save it as it is")
    parser.add_argument("--save", type=Path, default=Path("build/random-graphs"), metavar="DIR", help="where failures go")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts, and what failed")
    given = parser.parse_args(arguments)
    if given.sanitize and "LD_PRELOAD" not in os.environ:
        from kaoken.backend.__main__ import with_sanitizers

        return with_sanitizers([sys.executable, __file__, *(sys.argv[1:] if arguments is None else arguments)])
    flags = (*(("-O2",) if given.levels else PLAIN), *(SANITIZED if given.sanitize else ()))
    counts: Counter[str] = Counter()
    failures, nodes, started = [], Counter[str](), time.monotonic()
    seeds = range(given.seed, given.seed + given.count)
    for first in range(0, given.count, given.batch):
        for outcome in judge([random_graph(number) for number in seeds[first : first + given.batch]], flags):
            counts[outcome.status] += 1
            counts[f"against {outcome.peer}"] += bool(outcome.peer)
            nodes.update(node.op_type for node in outcome.case.model.graph.node)
            if outcome.status not in (AGREES, ROUNDING):
                least = shrunk(outcome, flags, given.tries) if given.tries else outcome
                path = given.save / f"{least.status}-{outcome.case.seed}.onnx"
                save(least, path)
                failures.append({"seed": outcome.case.seed, "status": least.status, "reason": least.reason})
                print(f"{path}: {least.reason[:300]}", flush=True)
            elif outcome.status == ROUNDING:
                print(f"seed {outcome.case.seed}, {ROUNDING}: {outcome.reason[:300]}", flush=True)
        print(f"{first + given.batch}: {_text(counts)}; {time.monotonic() - started:.0f} s", flush=True)
    if given.json is not None:
        text = json.dumps({"counts": counts, "nodes": nodes, "failures": failures}, indent=1)
        given.json.write_text(text + "\n", encoding="utf-8")
    return 4 if failures else 0


def _text(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
