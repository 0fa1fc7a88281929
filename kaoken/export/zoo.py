"""The zoo: the models that `kaoken export NAME` knows, read from models/zoo.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaoken.errors import UsageError
from kaoken.paths import data_folder


@dataclass(frozen=True)
class ZooModel:
    """One row of a manifest. Its weights come from exactly one of `config` (random ones), `folder` (a checkpoint kept here),
    `onnx` (a file or folder that was exported already) or, where none of them is given, `hub`; `hub` beside `config` says
    where the trained weights are. `prompts` are texts that trained weights continue (or, for an encoder-decoder, read);
    `dims` are bounds for the compiler, as `--dim` takes them.
    """

    name: str
    architecture: str = ""
    task: str = "auto"
    hub: str | None = None
    config: Path | None = None
    folder: Path | None = None
    onnx: Path | None = None
    tokenizer: str | None = None
    tiny: bool = False
    prompts: tuple[str, ...] = ()
    dims: Mapping[str, str] = field(default_factory=dict)


def models_folder() -> Path:
    """Where the manifest, the configurations and the recipes lie."""
    return data_folder("models", "zoo.toml")


def load_zoo(folder: Path | None = None) -> dict[str, ZooModel]:
    """All rows by name, of the manifest zoo.toml in `folder` (by default Kaoken's own).

    Raises UsageError naming the row that is wrong or points to a missing file.
    """
    folder = folder or models_folder()
    try:
        tables = tomllib.loads((folder / "zoo.toml").read_text())["model"]
        rows = [_row(table, folder) for table in tables]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / 'zoo.toml'} is not a valid zoo: {error}") from error
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        raise UsageError(f"{folder / 'zoo.toml'} has several models of one name: {max(names, key=names.count)}")
    return {row.name: row for row in rows}


def _row(table: dict[str, Any], folder: Path) -> ZooModel:
    name = table.get("name")
    places = (("config", "configs"), ("folder", "."), ("onnx", "."))
    paths = {key: folder / place / str(table[key]) for key, place in places if key in table}
    if len(paths) > 1 or not (paths or "hub" in table):
        raise UsageError(f"zoo model {name!r} needs either a config or a folder, or onnx, or hub alone")
    for path in paths.values():
        if not path.exists():
            raise UsageError(f"zoo model {name!r} refers to {path}, which does not exist")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise UsageError(f"zoo model {name!r} needs a name of letters, digits, '_', '-' and '.'")
    dims = {str(key): str(value) for key, value in table.get("dims", {}).items()}
    return ZooModel(**{**table, **paths, "prompts": tuple(table.get("prompts", ())), "dims": dims})
