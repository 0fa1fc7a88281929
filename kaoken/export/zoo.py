"""The zoo: the models that `kaoken export NAME` knows, read from models/zoo.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from kaoken.errors import UsageError
from kaoken.paths import data_folder


@dataclass(frozen=True)
class ZooModel:
    """One row of the manifest. Exactly one of `config` and `folder` is set; `hub` only where a checkpoint
    is."""

    name: str
    architecture: str
    task: str
    hub: str | None = None
    config: Path | None = None
    folder: Path | None = None
    tokenizer: str | None = None
    tiny: bool = False


def models_folder() -> Path:
    """Where the manifest, the configurations and the recipes lie."""
    return data_folder("models", "zoo.toml")


def load_zoo(folder: Path | None = None) -> dict[str, ZooModel]:
    """All rows by name. Raises UsageError naming the row that is wrong or points to a missing file."""
    folder = folder or models_folder()
    try:
        tables = tomllib.loads((folder / "zoo.toml").read_text())["model"]
        rows = [_row(table, folder) for table in tables]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / 'zoo.toml'} is not a valid zoo: {error}") from error
    return {row.name: row for row in rows}


def _row(table: dict[str, object], folder: Path) -> ZooModel:
    paths = {key: folder / place / str(table[key]) for key, place in (("config", "configs"), ("folder", ".")) if key in table}
    if len(paths) != 1:
        raise UsageError(f"zoo model {table.get('name')!r} needs either a config or a folder")
    for path in paths.values():
        if not path.exists():
            raise UsageError(f"zoo model {table.get('name')!r} refers to {path}, which does not exist")
    return ZooModel(**{**table, **paths})  # type: ignore[arg-type]
