"""What is known of a row of the zoo, and of a whole run; both go to JSON and come back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from kaoken.errors import UsageError

FORMAT = 1
# The steps of a row, in order.
STEPS = ("export", "compile", "build", "verify", "tokens", "speed")


@dataclass(frozen=True)
class Cost:
    """A step's wall-clock seconds, and the largest resident set in bytes of its process or of one that it started."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Error:
    """The output that came nearest to its limit: largest errors against the float64 oracle, and the limit for ours."""

    output: str
    case: str
    ours: float
    onnxruntime: float
    limit: float

    @property
    def ratio(self) -> float:
        """Ours in units of onnxruntime's."""
        return self.ours / self.onnxruntime if self.onnxruntime else 0.0 if self.ours == 0 else float("inf")


@dataclass(frozen=True)
class Tokens:
    """Generated tokens that equal the reference's. kind: "greedy" (trained weights, beside onnxruntime), or "forced" (steps
    through the cache on random ids, whose logits are judged; a count of those is all there is to tell)."""

    kind: str
    equal: int
    count: int


@dataclass(frozen=True)
class Speed:
    """Medians of one workload in ms; `ratio` is onnxruntime's time over Kaoken's, so above 1 Kaoken is faster."""

    workload: str
    threads: int
    ours_ms: float
    onnxruntime_ms: float

    @property
    def ratio(self) -> float:
        return self.onnxruntime_ms / self.ours_ms


@dataclass
class RowResult:
    """One row. A field is None where its step was not reached or not asked for; `failed` names the step that failed."""

    name: str
    weights: str
    failed: str = ""
    message: str = ""
    parameters: int | None = None
    onnx_nodes: int | None = None
    kernels: int | None = None
    kernel_calls: int | None = None
    c_lines: int | None = None
    weights_bytes: int | None = None
    arena_bytes: int | None = None
    compile: Cost | None = None
    build: Cost | None = None
    level: str = ""
    error: Error | None = None
    tokens: Tokens | None = None
    speed: list[Speed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class ZooRun:
    """A run of the command: when, where, with which versions, and its rows."""

    date: str
    kaoken: str
    machine: dict[str, str]
    rows: list[RowResult] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the run as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")

    def as_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}


def load_run(path: Path) -> ZooRun:
    """A run that `ZooRun.save` wrote. Raises UsageError for a file that is missing or is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no result of `kaoken zoo`: {error}") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        found = value.get("format") if isinstance(value, dict) else None
        raise UsageError(f"{path} is no result of `kaoken zoo` in format {FORMAT} (found {found}); make it again with --save")
    try:
        rows = [_row(entry) for entry in value["rows"]]
        return ZooRun(str(value["date"]), str(value["kaoken"]), dict(value["machine"]), rows)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is a damaged result of `kaoken zoo`: {error}") from error


def _row(entry: dict[str, Any]) -> RowResult:
    made: dict[str, type] = {"compile": Cost, "build": Cost, "error": Error, "tokens": Tokens}
    values = {f.name: entry[f.name] for f in fields(RowResult) if f.name in entry}
    for name, kind in made.items():
        if values.get(name) is not None:
            values[name] = kind(**values[name])
    values["speed"] = [Speed(**item) for item in values.get("speed", [])]
    return RowResult(**values)
