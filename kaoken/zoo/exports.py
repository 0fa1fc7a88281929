"""Exports kept between runs: a row is exported again when its recipe, the exporter or the packages that it uses change.

    python -m kaoken.zoo.exports < jobs.json

is the child process: importing the packages takes longer than exporting a tiny model, so one child exports many rows.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kaoken.errors import KaokenError
from kaoken.export.zoo import ZooModel, load_zoo
from kaoken.zoo.child import run_child

_PACKAGES = ("torch", "transformers", "tokenizers", "optimum", "optimum-onnx", "onnx")
_SOURCES = ("exporter.py", "optimum.py", "random_weights.py", "stand_in_tokenizer.py")  # what an export is made by
_WATCHED = ("*.json", "*.safetensors", "*.bin", "*.txt", "*.model")
KEY_FILE = "zoo-key.json"


@dataclass(frozen=True)
class Job:
    """A row to export into a folder: with random weights of a seed, or (None) with those it was trained to have."""

    row: ZooModel
    manifest: Path
    output: Path
    seed: int | None

    @property
    def is_current(self) -> bool:
        """Whether the folder holds what exporting would write again."""
        try:
            return json.loads((self.output / KEY_FILE).read_text())["key"] == self.key
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @property
    def key(self) -> str:
        """A hash of everything that the export follows from, as far as it lies here."""
        digest = hashlib.sha256(f"{self.row.task}|{self.row.hub}|{self.row.tokenizer}|{self.seed}".encode())
        for package in _PACKAGES:
            try:
                digest.update(f"{package} {importlib.metadata.version(package)}|".encode())
            except importlib.metadata.PackageNotFoundError:
                digest.update(f"no {package}|".encode())
        sources = [Path(__file__).parent.parent / "export" / name for name in _SOURCES]
        sources += [self.row.config] if self.row.config else []
        sources += sorted(p for pattern in _WATCHED for p in self.row.folder.glob(pattern)) if self.row.folder else []
        for path in sources:
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()[:16]


def export_rows(jobs: Sequence[Job], say: Callable[[str], None]) -> dict[str, str]:
    """Export what is not current; returns the error of each row that failed, by name. A crash fails one row only."""
    errors: dict[str, str] = {}
    waiting = [job for job in jobs if not job.is_current]
    while waiting:
        say(f"exporting {', '.join(job.row.name for job in waiting)}")
        text = json.dumps([_spec(job) for job in waiting])
        finished = run_child(["-m", "kaoken.zoo.exports"], text)
        results = [json.loads(line) for line in finished.stdout.splitlines() if line.startswith("{")]
        for job, result in zip(waiting, results, strict=False):
            if result["error"]:
                errors[job.row.name] = result["error"]
            else:
                (job.output / KEY_FILE).write_text(json.dumps({"key": job.key, "seconds": result["seconds"]}) + "\n")
        if len(results) < len(waiting):
            errors[waiting[len(results)].row.name] = finished.message
        waiting = waiting[len(results) + 1 :]
    return errors


def _spec(job: Job) -> dict[str, object]:
    return {"name": job.row.name, "manifest": str(job.manifest), "output": str(job.output), "seed": job.seed}


def _export_all(specs: Sequence[dict[str, object]]) -> Iterator[dict[str, object]]:
    from kaoken.export import export

    for spec in specs:
        row = load_zoo(Path(str(spec["manifest"])))[str(spec["name"])]
        seed, started, error = spec["seed"], time.perf_counter(), ""
        try:
            export(row.name, Path(str(spec["output"])), row=row, random_weights=seed is not None, seed=int(str(seed or 0)))
        except KaokenError as problem:
            error = str(problem)
        except Exception as problem:  # one row's bug is no reason to leave out the others
            error = f"{type(problem).__name__}: {problem}"
        yield {"name": row.name, "error": error, "seconds": round(time.perf_counter() - started, 3)}


def main() -> None:
    """The child: jobs on stdin, a line of JSON for each when it is done."""
    for result in _export_all(json.load(sys.stdin)):
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
