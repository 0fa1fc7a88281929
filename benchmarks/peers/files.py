"""A model in every form that a contestant takes, made once in a folder of its own and used again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kaoken.bench.last_position import last_position_model
from kaoken.compiler import CompileOptions, compile_model
from kaoken.errors import UsageError
from kaoken.export import export, load_zoo
from kaoken.frontend.mapped_file import find_model_file, is_encoder_decoder
from kaoken.session import build_library

Say = Callable[[str], None]


@dataclass(frozen=True)
class ModelFiles:
    """Where the forms of one model lie.

    kind: generator, encoder, encoder-decoder, or layer (of benchmarks/layers.py). exported: the exporter's folder. graph: the
    ONNX file that peers run (of an encoder-decoder the encoder), cut to the logits of the last position where it is a
    language model and `notes` do not say otherwise. compiled: Kaoken's folder. checkpoint: weights for transformers, or None.
    work: a folder for what a peer makes of them.
    """

    name: str
    kind: str
    exported: Path
    graph: Path
    compiled: Path
    checkpoint: Path | None
    work: Path
    notes: list[str] = field(default_factory=list)


def make_files(model: str, work: Path, dims: dict[str, str], checkpoint: Path | None, seed: int, say: Say) -> ModelFiles:
    """All forms of `model`: a zoo model's name, which is exported with random weights from `seed`, or an exporter's folder.

    checkpoint: the folder that an exporter's folder was made from; by default what its export.json tells. Raises UsageError for a
    model that cannot be found, and what exporting and compiling raise.
    """
    exported, name = Path(model), Path(model).resolve().name
    if not exported.is_dir():
        if model not in load_zoo():
            raise UsageError(f"there is no folder {model}, and no zoo model of that name: {', '.join(load_zoo())}")
        name, exported = model, work / model / f"onnx-{seed}"
        if not (exported / "export.json").is_file():
            export(model, exported, random_weights=True, seed=seed, progress=say)
    file = find_model_file(exported)
    place = work / name
    place.mkdir(parents=True, exist_ok=True)
    say("compiling")
    compiled = compile_model(exported, place / "kaoken", CompileOptions(dims=dims)).out
    build_library(compiled)
    notes: list[str] = []
    kind, graph = "encoder", file
    if is_encoder_decoder(exported):
        kind = "encoder-decoder"
    elif json.loads((compiled / "report.json").read_text())["interface"]["feed"]:
        kind, graph = "generator", _cut(file, place / "last_position.onnx", notes)
    found = checkpoint or _checkpoint(exported, place / "checkpoint", say)
    if found is None:
        notes.append("no checkpoint is known (--checkpoint), so torch, ctranslate2 and llama.cpp are left out")
    return ModelFiles(name, kind, exported, graph, compiled, found, place, notes)


def newer(made: Path, source: Path) -> bool:
    """Whether `made` exists and was made after `source`."""
    return made.exists() and made.stat().st_mtime >= source.stat().st_mtime


def _cut(file: Path, out: Path, notes: list[str]) -> Path:
    if newer(out, file):
        return out
    reason = last_position_model(file, out)
    if reason is not None:
        notes.append(f"graphs compute logits of all positions: {reason}")
    return file if reason else out


def _checkpoint(exported: Path, out: Path, say: Say) -> Path | None:
    """The weights that an export was made from: drawn again from its seed, or the folder that it names."""
    record = exported / "export.json"
    if not record.is_file():
        return None
    said = json.loads(record.read_text())
    row = load_zoo().get(said["model"])
    if not said["random_weights"]:
        folder = Path(said["model"]) if row is None or row.folder is None else row.folder
        return folder if (folder / "config.json").is_file() else None
    config = row.config if row is not None else Path(said["model"]) / "config.json"
    if config is None or not config.is_file():
        return None
    if not newer(out / "model.safetensors", record):
        from kaoken.export.optimum import quiet
        from kaoken.export.random_weights import make_checkpoint

        say("drawing the checkpoint's weights again")
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        with quiet():
            make_checkpoint(config, out, said["task"], said["seed"])
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            if (exported / name).is_file():
                shutil.copyfile(exported / name, out / name)
    return out
