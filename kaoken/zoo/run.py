"""Runs the zoo: each row exported, compiled, built, verified, asked for tokens and timed, whatever becomes of the others."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kaoken
from kaoken.errors import UsageError
from kaoken.export.zoo import ZooModel, load_zoo, models_folder
from kaoken.zoo.child import Finished, run_child
from kaoken.zoo.exports import Job, export_rows
from kaoken.zoo.result import Error, RowResult, Speed, Tokens, ZooRun

Progress = Callable[[str], None]
_BUILD = """
import sys
from kaoken.session import BuildError, build_library
try:
    build_library(sys.argv[1])
except BuildError as error:
    sys.exit(f"kaoken: error: {error}")
"""


@dataclass(frozen=True)
class ZooOptions:
    """names: rows (none: all). tiny, full: only the rows that are tiny, or that are not. cache: exports are kept there.

    hub: take trained weights from the hub where a row names them, instead of random ones from `seed`. sizes: lengths to verify at
    (None: some up to 63); steps: teacher-forced ones. speed: whether to time; threads, lengths, rounds and seconds are those of
    `kaoken bench`. timeout: seconds for one step of one row. jobs: rows at once, which disturbs every time that is measured.
    done: results of an earlier run; rows that passed there are taken as they are.
    """

    names: Sequence[str] = ()
    tiny: bool = False
    full: bool = False
    manifest: Path | None = None
    cache: Path | None = None
    keep: Path | None = None
    hub: bool = False
    seed: int = 0
    sizes: Sequence[int] | None = None
    steps: int = 32
    new_tokens: int = 64
    speed: bool = True
    threads: Sequence[int] = (1,)
    prefill: Sequence[int] = (16, 128)
    decode: Sequence[int] = (128,)
    rounds: int = 3
    seconds: float = 0.3
    timeout: float = 1800.0
    jobs: int = 1
    done: Sequence[RowResult] = ()


class StepError(Exception):
    """A step of a row failed: which, and why."""

    def __init__(self, step: str, message: str):
        super().__init__(message)
        self.step = step


@dataclass
class _Row:
    """A row being worked on: where its ONNX is and where its C goes."""

    model: ZooModel
    onnx: Path
    out: Path
    result: RowResult
    dims: list[str] = field(default_factory=list)


def select(rows: dict[str, ZooModel], options: ZooOptions) -> list[ZooModel]:
    """The rows that the options ask for. Raises UsageError for a name that the manifest lacks, or where nothing is left."""
    unknown = [name for name in options.names if name not in rows]
    if unknown:
        raise UsageError(f"the zoo has no {', '.join(unknown)}; it has {', '.join(rows)}")
    if options.tiny and options.full:
        raise UsageError("--tiny and --full exclude each other; without either, every row is done")
    wanted = [row for row in rows.values() if not options.names or row.name in options.names]
    if options.tiny or options.full:
        wanted = [row for row in wanted if row.tiny == options.tiny]
    if not wanted:
        raise UsageError("no row of the zoo is left with these options")
    return wanted


def run_zoo(options: ZooOptions, progress: Progress | None = None, each: Callable[[ZooRun], None] | None = None) -> ZooRun:
    """Do all rows; `each` is called with the run so far as every row ends. A row that fails says so and stops no other.

    Raises UsageError for a wrong manifest or selection, or where the system is not POSIX.
    """
    if not hasattr(os, "posix_spawn"):
        raise UsageError("kaoken zoo measures its child processes as POSIX systems do; run it on Linux or macOS")
    say = progress or (lambda _text: None)
    folder = _manifest_folder(options.manifest)
    rows = select(load_zoo(folder), options)
    run = ZooRun(datetime.date.today().isoformat(), kaoken.__version__, machine())
    run.machine["rows at once"] = str(options.jobs)
    with _folder(options.cache) as cache, _folder(options.keep) as work:
        runner = _Runner(options, folder, cache.absolute(), work.absolute(), say)
        runner.export_tiny(rows)
        with ThreadPoolExecutor(options.jobs) as pool:
            for result in pool.map(runner.row, rows):
                run.rows.append(result)
                if each is not None:
                    each(run)
    return run


class _Runner:
    def __init__(self, options: ZooOptions, manifest: Path, cache: Path, work: Path, say: Progress):
        self.options, self.manifest, self.cache, self.work, self.say = options, manifest, cache, work, say
        self.export_errors: dict[str, str] = {}
        self.done = {row.name: row for row in options.done if not row.failed}

    def export_tiny(self, rows: Sequence[ZooModel]) -> None:
        """Tiny rows in one process: starting it takes longer than exporting them. Large ones get their own, later."""
        jobs = [self._job(row) for row in rows if row.tiny and row.onnx is None and row.name not in self.done]
        self.export_errors |= export_rows(jobs, self.say)

    def row(self, model: ZooModel) -> RowResult:
        """All steps of a row, unless it was done before."""
        if model.name in self.done:
            return self.done[model.name]
        onnx = model.onnx or self._job(model).output
        result = RowResult(model.name, self._weights(model))
        row = _Row(model, onnx, self.work / f"{model.name}-c", result)
        row.dims = [word for name, bounds in model.dims.items() for word in ("--dim", f"{name}={bounds}")]
        try:
            self._export(row)
            self._compile(row)
            self._build(row)
            self._verify(row)
            self._tokens(row)
            if self.options.speed:
                self._speed(row)
        except StepError as error:
            result.failed, result.message = error.step, self._without_folders(str(error))
        finally:
            if self.options.keep is None:
                shutil.rmtree(row.out, ignore_errors=True)
        return result

    def _without_folders(self, text: str) -> str:
        """A message without the places of this run, which say nothing elsewhere and would differ from run to run."""
        for folder in (self.cache, self.work, self.manifest):
            text = text.replace(f"{folder}{os.sep}", "")
        return text

    def _weights(self, row: ZooModel) -> str:
        return "trained" if self._seed(row) is None else f"random, seed {self.options.seed}"

    def _seed(self, row: ZooModel) -> int | None:
        trained = (
            row.folder is not None or row.onnx is not None or row.config is None or (self.options.hub and row.hub is not None)
        )
        return None if trained else self.options.seed

    def _job(self, row: ZooModel) -> Job:
        return Job(row, self.manifest, self.cache / f"{row.name}-onnx", self._seed(row))

    def _export(self, row: _Row) -> None:
        if row.model.onnx is not None:
            return
        if not row.model.tiny:
            self.export_errors |= export_rows([self._job(row.model)], self.say)
        if row.model.name in self.export_errors:
            raise StepError("export", self.export_errors[row.model.name])

    def _compile(self, row: _Row) -> None:
        words = ["compile", str(row.onnx), "-o", str(row.out), *row.dims]
        finished = self._step("compile", row, words)
        report, result = finished.value, row.result
        result.compile = finished.cost
        result.parameters, result.onnx_nodes = report["parameters"], report["onnx_nodes"]
        result.kernels, result.kernel_calls = len(report["kernels"]), report["kernel_calls"]
        result.c_lines, result.weights_bytes = report["c_lines"], report["weights_bytes"]
        result.arena_bytes = report["memory"]["arena_bytes"]
        result.notes += [self._without_folders(note) for note in report["notes"]]

    def _build(self, row: _Row) -> None:
        self.say(f"{row.model.name}: building with the C compiler")
        finished = run_child(["-c", _BUILD, str(row.out)], timeout=self.options.timeout)
        if finished.code != 0:
            raise StepError("build", finished.message)
        row.result.build = finished.cost

    def _verify(self, row: _Row) -> None:
        words = ["verify", str(row.onnx), str(row.out), "--no-layers", "--steps", str(self.options.steps), *row.dims]
        if self.options.sizes is not None:
            words += ["--sizes", ",".join(map(str, self.options.sizes))]
        finished = self._step("verify", row, words, may_fail=True)
        found = finished.value
        if "cases" not in found:
            raise StepError("verify", finished.message)
        row.result.level, row.result.error = found["level"], nearest_to_limit(found)
        steps = found.get("steps")
        if steps is not None:
            count = int(found["step_count"]) + 1
            row.result.tokens = Tokens("forced", count if steps["report"]["ok"] else 0, count)
        if not found["ok"]:
            raise StepError("verify", failures(found))

    def _tokens(self, row: _Row) -> None:
        """Greedy tokens mean something for trained weights only: random ones repeat one token."""
        if not row.model.prompts or self._seed(row.model) is not None:
            return
        self.say(f"{row.model.name}: generating")
        job = {"onnx": str(row.onnx), "compiled": str(row.out), "prompts": row.model.prompts, "count": self.options.new_tokens}
        finished = run_child(["-m", "kaoken.zoo.generate"], json.dumps(job), self.options.timeout)
        found = finished.value
        if finished.code != 0 or "prompts" not in found:
            raise StepError("tokens", finished.message)
        equal, count = (sum(p[key] for p in found["prompts"]) for key in ("equal", "count"))
        row.result.tokens = Tokens("greedy", equal, count)
        for prompt in found["prompts"]:
            if prompt["equal"] < prompt["count"]:
                place = f"token {prompt['equal'] + 1} of {prompt['count']} is another one than onnxruntime's"
                raise StepError("tokens", f"{place} for the prompt {prompt['prompt']!r}")

    def _speed(self, row: _Row) -> None:
        o = self.options
        words = ["bench", str(row.onnx), str(row.out), "--rounds", str(o.rounds), "--seconds", str(o.seconds), *row.dims]
        for option, numbers in (("--threads", o.threads), ("--prefill", o.prefill), ("--decode", o.decode)):
            words += [option, ",".join(map(str, numbers)) or "-"]
        for item in self._step("speed", row, words).value["rows"]:
            times = item["median_ms"]
            row.result.speed.append(Speed(item["workload"], item["threads"], times["kaoken"], times["onnxruntime"]))

    def _step(self, step: str, row: _Row, words: list[str], may_fail: bool = False) -> Finished:
        """A command of Kaoken's in its own process, with its result as JSON."""
        self.say(f"{row.model.name}: {words[0]}")
        finished = run_child(["-m", "kaoken", *words, "--json", "-q"], timeout=self.options.timeout)
        if finished.code != 0 and not may_fail:
            raise StepError(step, finished.message)
        return finished


def nearest_to_limit(found: dict[str, Any]) -> Error | None:
    """The float output of a verification whose largest error takes the largest share of its limit."""
    worst, share = None, -1.0
    for case in found["cases"]:
        for output in case["outputs"]:
            report = output["report"]
            taken = report["max_error"] / report["max_limit"] if report["max_limit"] else 0.0
            if taken > share:
                share = taken
                text = ", ".join(f"{k} {v}" for k, v in case["case"]["dims"].items())
                errors = report["max_error"], report["peer_max_error"], report["max_limit"]
                worst = Error(output["name"], text, *map(float, errors))
    return worst


def failures(found: dict[str, Any]) -> str:
    """What broke the contract in a verification, in a sentence."""
    broken = [
        f"{output['name']} at {', '.join(f'{k} {v}' for k, v in case['case']['dims'].items())}"
        for case in found["cases"]
        for output in case["outputs"]
        if not output["report"]["ok"]
    ]
    broken += ["cached steps"] if found.get("steps") and not found["steps"]["report"]["ok"] else []
    broken += [f"not so: {text}" for text, held in found["bits"].items() if not held]
    more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
    return f"the accuracy contract is broken: {'; '.join(broken[:3])}{more}"


def machine() -> dict[str, str]:
    """Where this runs, as far as the figures depend on it."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    found = {"cpu": name, "cores": str(os.cpu_count()), "system": f"{platform.system()} {platform.machine()}"}
    if hasattr(os, "getloadavg"):
        found["load when it began"] = f"{os.getloadavg()[0]:.1f}"  # what others do on the machine disturbs every time
    command = shlex.split(os.environ.get("CC") or "cc")
    try:
        version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()
        found["compiler"] = version[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        found["compiler"] = "none"
    for package in ("onnxruntime", "onnx", "torch", "optimum-onnx", "transformers"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _manifest_folder(manifest: Path | None) -> Path:
    """The folder of a zoo.toml, which may be given as the file or as its folder."""
    if manifest is None:
        return models_folder()
    folder = manifest.parent if manifest.is_file() else manifest
    if not (folder / "zoo.toml").is_file() or (manifest.is_file() and manifest.name != "zoo.toml"):
        raise UsageError(f"{manifest} is no manifest; give a file named zoo.toml, or the folder that holds one")
    return folder.absolute()


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """A folder that stays, or one for the time being."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="kaoken-zoo-") as scratch:
        yield Path(scratch)
