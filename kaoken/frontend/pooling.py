"""How a sentence encoder's token vectors become one: from what sentence-transformers keeps beside a checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaoken.errors import UsageError

POOLINGS = ("mean", "cls", "last")
FILES = ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json")
"""What read_pooling looks at, relative to the model's folder."""

_FLAGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_lasttoken": "last"}
_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True)
class Pooling:
    """`mode` is one of POOLINGS, or "" where callers must choose; `max_length` the most tokens the model was trained on, 0 where
    that is not said; `note` what of the checkpoint's way is not supported."""

    mode: str = "mean"
    normalize: bool = True
    max_length: int = 0
    note: str = ""


def read_pooling(folder: Path) -> Pooling:
    """What sentence-transformers does for the checkpoint; mean and unit length where nothing is said.

    Raises UsageError for damaged files.
    """
    length = _object(folder / "sentence_bert_config.json").get("max_seq_length")
    most = length if isinstance(length, int) and length > 0 else 0
    modules = _modules(folder)
    kinds = [str(m.get("type", "")).rsplit(".", 1)[-1] for m in modules]
    place = next((str(m.get("path", "")) for m, kind in zip(modules, kinds, strict=True) if kind == "Pooling"), "1_Pooling")
    normalize = "Normalize" in kinds if modules else True
    others = [kind for kind in kinds if kind not in _MODULES]
    if others:
        return Pooling("", normalize, most, f"the checkpoint goes on with {', '.join(others)} behind pooling")
    config = _object(folder / place / "config.json")
    chosen = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
    if isinstance(config.get("pooling_mode"), str):
        chosen = [config["pooling_mode"]]
    modes = [_FLAGS.get(name, name) for name in chosen] or ["mean"]
    if len(modes) > 1 or modes[0] not in POOLINGS:
        return Pooling("", normalize, most, f"the checkpoint pools by {' and '.join(modes)}")
    return Pooling(modes[0], normalize, most)


def _modules(folder: Path) -> list[dict[str, Any]]:
    found = _read(folder / "modules.json", [])
    if not isinstance(found, list) or not all(isinstance(module, dict) for module in found):
        raise UsageError(f"{folder / 'modules.json'} is no list of modules; mend or remove it")
    return found


def _object(file: Path) -> dict[str, Any]:
    found = _read(file, {})
    if not isinstance(found, dict):
        raise UsageError(f"{file} holds no JSON object; mend or remove it")
    return found


def _read(file: Path, missing: Any) -> Any:
    if not file.is_file():
        return missing
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UsageError(f"{file} is no valid JSON ({error}); mend or remove it") from None
