"""`export`: from a model's name to a folder with model.onnx, its configuration and its tokenizer."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx

from kaoken.errors import KaokenError, UsageError
from kaoken.export.extras import require_export_packages
from kaoken.export.zoo import ZooModel, load_zoo
from kaoken.frontend.pooling import FILES

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote. `files` are the ONNX files' names in `folder`; `parameters` counts their
    weights."""

    folder: Path
    files: tuple[str, ...]
    model: str
    task: str
    opset: int
    parameters: int
    size_bytes: int
    random_weights: bool
    seed: int | None
    tokenizer: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """Where a model comes from: a checkpoint (a folder or a hub name), or a configuration for random
    weights."""

    name: str
    checkpoint: str | None
    config: Path | None
    task: str
    tokenizer: str | None = None


def export(
    model: str,
    output: Path,
    *,
    task: str | None = None,
    random_weights: bool = False,
    seed: int = 0,
    opset: int | None = None,
    row: ZooModel | None = None,
    progress: Progress | None = None,
) -> ExportResult:
    """Export a model to ONNX with Optimum into the folder `output`.

    `model` is a folder with a checkpoint (config.json, model.safetensors), a row of the zoo, or a name on the
    Hugging Face hub. With `random_weights` the model is made from its configuration, at its true size, from
    `seed`; a folder then needs no more than a config.json. Equal arguments give equal bytes. `task` and
    `opset` are Optimum's (by default the zoo's task or the one Optimum finds, and opset 18). `row` is the row
    that `model` names where it is of another manifest than Kaoken's own. `progress` is called with a line
    before each step. The folder appears whole or not at all; an earlier export of the same place is replaced.

    Raises UsageError for a model that cannot be found or reached, an opset outside 13 to 20 (what Optimum's
    exporter writes and Kaoken reads), missing packages, or a folder in use.
    """
    if opset is not None and not 13 <= opset <= 20:
        raise UsageError(f"opset {opset} is not between 13 and 20, which Optimum's exporter writes")
    say = progress or (lambda _line: None)
    source = _from_zoo(row, task or row.task, random_weights) if row else _resolve(model, task, random_weights)
    _check_free(output)
    require_export_packages()
    say("loading torch, transformers and Optimum")
    from kaoken.export.optimum import infer_task, quiet, run_optimum

    chosen = source.task
    if chosen == "auto" and source.config is not None:
        with quiet():
            chosen = infer_task(source.config)
    with _all_or_nothing(output) as partial, tempfile.TemporaryDirectory() as scratch:
        notes: list[str] = []
        checkpoint, stand_in = source.checkpoint, None
        if random_weights:
            checkpoint = scratch
            say(f"making {model} with random weights (seed {seed})")
            parameters = _make_checkpoint(source, Path(scratch), chosen, seed)
            stand_in = _make_tokenizer(source, Path(scratch), seed)
            notes.append(f"random weights, seed {seed}: {parameters:,} parameters; what it writes is noise")
            if stand_in:
                notes.append(f"the tokenizer is a stand-in: {stand_in}")
        assert checkpoint is not None
        say("exporting with Optimum")
        notes += run_optimum(checkpoint, partial, task=chosen, opset=opset, known=source.config is not None)
        _keep_pooling(Path(checkpoint), partial)
        tokenizer = _keep_tokenizer(Path(checkpoint), partial, stand_in is not None)
        say("checking what was written")
        files, found_opset, parameters, size = _check(partial)
        result = ExportResult(
            folder=output,
            files=files,
            model=source.name,
            task=chosen,
            opset=found_opset,
            parameters=parameters,
            size_bytes=size,
            random_weights=random_weights,
            seed=seed if random_weights else None,
            tokenizer=tokenizer,
            notes=tuple(notes),
        )
        record = {**asdict(result), "folder": "."}
        (partial / "export.json").write_text(json.dumps(record, indent=2) + "\n")
    return result


def _resolve(model: str, task: str | None, random_weights: bool) -> _Source:
    """Find out what `model` names. Raises UsageError when it cannot be had as asked."""
    folder, rows = Path(model), load_zoo()
    if folder.is_dir() and not (folder / "config.json").is_file() and model not in rows:
        raise UsageError(f"{folder} has no config.json, so it is no checkpoint folder")
    if (folder / "config.json").is_file():
        if not random_weights and not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
            raise UsageError(f"{folder} has a config.json but no weights; add --random-weights to make some")
        return _Source(
            folder.resolve().name,
            str(folder),
            folder / "config.json",
            task or "auto",
            _tokenizer_kind(folder),
        )
    row = rows.get(model)
    if row is None and (folder.is_absolute() or model.startswith(".") or model.count("/") > 1):
        raise UsageError(f"there is no folder {model}, and no zoo model of that name: {', '.join(rows)}")
    if row is None and random_weights:
        raise UsageError(
            f"random weights need the configuration of {model!r}: give a zoo model ({', '.join(rows)}) "
            "or a folder with its config.json"
        )
    if row is None:
        return _Source(model, model, None, task or "auto")
    return _from_zoo(row, task or row.task, random_weights)


def _from_zoo(row: ZooModel, task: str, random_weights: bool) -> _Source:
    if row.onnx is not None:
        raise UsageError(f"{row.name} is {row.onnx}, which was exported already; compile it as it is")
    if row.folder is not None:
        return _Source(row.name, str(row.folder), row.folder / "config.json", task, row.tokenizer)
    if row.hub is None and not random_weights:
        raise UsageError(f"{row.name} is a configuration without trained weights; add --random-weights")
    if row.config is None and random_weights:
        raise UsageError(f"{row.name} has no configuration to make random weights from, only the hub's checkpoint {row.hub}")
    return _Source(row.name, row.hub, row.config, task, row.tokenizer)


def _tokenizer_kind(folder: Path) -> str | None:
    """The stand-in for a configuration of the user's: by the families whose tokenizers we can stand in
    for."""
    kind = json.loads((folder / "config.json").read_text()).get("model_type")
    kinds = {"gpt2": "byte-bpe", "roberta": "roberta-bpe", "bart": "roberta-bpe", "t5": "unigram"}
    return kinds.get(kind, "wordpiece" if kind in ("bert", "distilbert", "electra") else None)


def _make_checkpoint(source: _Source, folder: Path, task: str, seed: int) -> int:
    from kaoken.export.optimum import quiet
    from kaoken.export.random_weights import make_checkpoint

    assert source.config is not None
    with quiet():
        return make_checkpoint(source.config, folder, task, seed)


def _make_tokenizer(source: _Source, folder: Path, seed: int) -> str | None:
    """Give random weights a tokenizer: the source's own where it has one, else a stand-in, whose kind is
    returned."""
    from kaoken.export.stand_in_tokenizer import write_byte_bpe, write_roberta_bpe, write_unigram, write_wordpiece

    own = Path(source.checkpoint or "") / "tokenizer.json"
    if own.is_file():
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            if own.with_name(name).is_file():
                shutil.copyfile(own.with_name(name), folder / name)
        return None
    config = json.loads((folder / "config.json").read_text())
    if source.tokenizer == "byte-bpe":
        entries = write_byte_bpe(folder, config["vocab_size"], config.get("eos_token_id"), seed)
    elif source.tokenizer == "roberta-bpe":
        entries = write_roberta_bpe(folder, config["vocab_size"], seed)
    elif source.tokenizer == "unigram":
        entries = write_unigram(folder, config["vocab_size"], seed)
    elif source.tokenizer == "wordpiece":
        entries = write_wordpiece(folder, config["vocab_size"], seed)
    else:
        return None
    return f"{source.tokenizer} with {entries:,} entries, trained on made-up words"


def _keep_pooling(checkpoint: Path, partial: Path) -> None:
    """Keep what sentence-transformers says of pooling, where the checkpoint is a folder of its."""
    for name in FILES:
        if (checkpoint / name).is_file():
            (partial / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(checkpoint / name, partial / name)


def _keep_tokenizer(checkpoint: Path, partial: Path, stand_in: bool) -> str:
    """Keep the checkpoint's own tokenizer.json, byte for byte, in place of the one transformers wrote
    again."""
    own = checkpoint / "tokenizer.json"
    if own.is_file():
        shutil.copyfile(own, partial / "tokenizer.json")
    if not (partial / "tokenizer.json").is_file():
        return "none"
    return "stand-in" if stand_in else "original"


def _check(folder: Path) -> tuple[tuple[str, ...], int, int, int]:
    """(ONNX files, opset, parameters, bytes) of an export. Raises KaokenError where there is none to read."""
    files = tuple(sorted(path.name for path in folder.glob("*.onnx")))
    if not files:
        raise KaokenError("Optimum reported success, but wrote no ONNX file; please report this")
    opset, parameters = 0, 0
    for name in files:
        proto = onnx.load(folder / name, load_external_data=False)
        opset = max(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
        for tensor in proto.graph.initializer:
            count = 1
            for size in tensor.dims:
                count *= size
            parameters += count if tensor.data_type == onnx.TensorProto.FLOAT else 0
            for entry in tensor.external_data:
                if entry.key == "location" and not (folder / entry.value).is_file():
                    raise KaokenError(f"{name} refers to {entry.value}, which Optimum did not write")
    size = sum(path.stat().st_size for path in folder.iterdir() if path.suffix.startswith(".onnx"))
    return files, opset, parameters, size


def _check_free(output: Path) -> None:
    """An empty or missing place, or an earlier export, may be written to; anything else is somebody's."""
    if output.is_dir():
        if any(output.iterdir()) and not any(output.glob("*.onnx")):
            raise UsageError(f"{output} is not empty and holds no export; choose another folder")
    elif output.exists():
        raise UsageError(f"{output} is a file; choose a folder to write to")


@contextmanager
def _all_or_nothing(output: Path) -> Iterator[Path]:
    """A folder beside `output` that takes its place when the block ends well, and vanishes when it does
    not."""
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    mask = os.umask(0)
    os.umask(mask)
    partial.chmod(0o777 & ~mask)
    try:
        yield partial
        if output.exists():
            retired = Path(tempfile.mkdtemp(prefix=f".{output.name}.old.", dir=output.parent))
            output.rename(retired / "export")
            partial.rename(output)
            shutil.rmtree(retired)
        else:
            partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
