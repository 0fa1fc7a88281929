"""A checkpoint of a model's true size and architecture, with seeded random weights, from its
configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kaoken.errors import UsageError
from kaoken.export.extras import import_extra

# Spread of the noise on one-dimensional parameters. Fresh biases are all 0 and norm weights all 1: equal
# constants that the exporter would merge into one, and whose loss nobody would notice.
NOISE = 0.02


def make_checkpoint(config_file: Path, folder: Path, task: str, seed: int) -> int:
    """Write config.json and model.safetensors to `folder`; returns the number of parameters.

    Weights are drawn as transformers draws them for a new model. Equal seeds give equal bytes. Raises
    UsageError for a configuration that transformers does not know.
    """
    torch, transformers = import_extra("torch"), import_extra("transformers")
    torch.manual_seed(seed)
    model = _model_class(task).from_config(_read_config(transformers, config_file))
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += NOISE * torch.randn(parameter.shape, generator=generator)
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer += (NOISE * torch.randn(buffer.shape, generator=generator)).clamp(min=-0.5)
            elif name.endswith("final_logits_bias"):  # BART's, a buffer of zeros
                buffer += NOISE * torch.randn(buffer.shape, generator=generator)
    model.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def _read_config(transformers: Any, config_file: Path) -> Any:
    try:
        fields = json.loads(config_file.read_text())
        return transformers.AutoConfig.for_model(**fields)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{config_file} is not a configuration that transformers knows: {error}") from error


def _model_class(task: str) -> Any:
    """The Auto class for a task (`-with-past` is a matter of the export, not of the model)."""
    tasks = import_extra("optimum.exporters.tasks").TasksManager
    try:
        return tasks.get_model_class_for_task(tasks.map_from_synonym(task).removesuffix("-with-past"))
    except KeyError as error:
        known = ", ".join(sorted(tasks.get_all_tasks()))
        raise UsageError(f"there is no task {task!r}; Optimum knows {known}") from error
