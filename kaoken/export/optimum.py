"""Calls Optimum's exporter, quietly, and turns its failures into errors that say what to do.

Importing the packages takes seconds, so that happens in the functions, once the arguments are known to be
good.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from kaoken.errors import KaokenError, UsageError
from kaoken.export.extras import import_extra

# Loggers whose warnings are about the exporters' own internals.
_CHATTY = ("optimum", "transformers", "torch", "torch.onnx", "huggingface_hub", "onnxscript")


def run_optimum(checkpoint: str, output: Path, *, task: str, opset: int | None, known: bool = False) -> list[str]:
    """Export a checkpoint folder or a hub model; returns what Optimum warned about the result.

    `known`: a model of transformers', also where the hub has it as a sentence-transformers one.
    Raises UsageError for a model that cannot be reached, or a task or opset that Optimum does not do for it.
    """
    main_export = import_extra("optimum.exporters.onnx").main_export
    is_local = Path(checkpoint).is_dir()
    # A sentence-transformers folder (modules.json) is exported as the transformers model that it wraps.
    is_diffusion = (Path(checkpoint) / "model_index.json").is_file()
    library = "transformers" if known or (is_local and not is_diffusion) else None
    with quiet() as records:
        try:
            main_export(
                checkpoint,
                output,
                task=task,
                opset=opset,
                local_files_only=is_local,
                library_name=library,
                do_validation=find_spec("onnxruntime") is not None,
            )
        except OSError as error:
            if is_local:
                raise UsageError(f"{checkpoint} cannot be read as a checkpoint: {_first_line(error)}") from error
            raise UsageError(_unreachable(checkpoint)) from error
        except (ValueError, KeyError, NotImplementedError) as error:
            raise UsageError(f"Optimum cannot export {checkpoint}: {_first_line(error)}") from error
        except ImportError as error:
            raise UsageError(f"exporting {checkpoint} needs another package: {_first_line(error)}") from error
        except Exception as error:
            if not is_local and _is_connection_error(error):
                raise UsageError(_unreachable(checkpoint)) from error
            raise KaokenError(f"Optimum failed: {type(error).__name__}: {_first_line(error)}") from error
    return [record for record in records if "maximum absolute difference" in record.lower()]


def infer_task(config_file: Path) -> str:
    """The task that a configuration's architecture was made for, with the cache where Optimum can."""
    tasks, transformers = import_extra("optimum.exporters.tasks").TasksManager, import_extra("transformers")
    try:
        config = json.loads(config_file.read_text())
        task = str(tasks.infer_task_from_model(getattr(transformers, config["architectures"][0])))
        kind = config["model_type"]
        known = tasks.get_supported_tasks_for_model_type(kind, "onnx", library_name="transformers")
    except (OSError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise UsageError(f"{config_file} does not tell which task the model is for; give --task") from error
    return f"{task}-with-past" if f"{task}-with-past" in known else task


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Hold back the packages' warnings and progress bars; yields the list that warnings are collected in."""
    records: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    collector, kept = Collector(logging.WARNING), []
    transformers_logging = import_extra("transformers.utils.logging")
    bars = transformers_logging.is_progress_bar_enabled()
    for name in _CHATTY:
        logger = logging.getLogger(name)
        kept.append((logger, logger.handlers[:], logger.propagate))
        logger.handlers, logger.propagate = [collector], False
    if find_spec("onnxruntime") is not None:
        import_extra("onnxruntime").set_default_logger_severity(3)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield records
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
        for logger, handlers, propagate in kept:
            logger.handlers, logger.propagate = handlers, propagate


def _is_connection_error(error: BaseException) -> bool:
    names = {type(item).__name__ for item in (error, error.__cause__, error.__context__) if item is not None}
    return bool(names & {"ConnectionError", "LocalEntryNotFoundError", "OfflineModeIsEnabled", "MaxRetryError"})


def _unreachable(name: str) -> str:
    offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    return (
        f"{name} could not be fetched from the Hugging Face hub{offline}: give a folder that holds the checkpoint, "
        "or add --random-weights to make a zoo model from its published configuration"
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
