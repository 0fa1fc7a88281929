"""Encoders in the place of Optimum's classes: transformers' pipelines over compiled C, against transformers' own models."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaoken.compiler import CompileOptions, compile_model
from kaoken.errors import UsageError
from kaoken.export import export
from kaoken.export.zoo import load_zoo

if importlib.util.find_spec("optimum") is None:
    pytest.skip("needs the extra kaoken[export]", allow_module_level=True)

import torch
from transformers import AutoConfig, AutoTokenizer, pipeline

from kaoken.export.drop_in_encoder import (
    KaokenEncoder,
    KaokenModelForFeatureExtraction,
    KaokenModelForMaskedLM,
    KaokenModelForSequenceClassification,
    KaokenModelForTokenClassification,
)
from kaoken.export.optimum import quiet

CLASSES: dict[str, type[KaokenEncoder]] = {
    "feature-extraction": KaokenModelForFeatureExtraction,
    "text-classification": KaokenModelForSequenceClassification,
    "token-classification": KaokenModelForTokenClassification,
    "fill-mask": KaokenModelForMaskedLM,
}
TEXTS = ["The old house told a story.", "One winter night, nobody knew more than the water!", "again", "To be great or not to be"]
LABELS = {0: "BAD", 1: "GOOD", 2: "NEITHER"}


class Models:
    """A zoo model with a head: transformers' own, and the compiled one."""

    def __init__(self, place: Path, row: str, task: str):
        file = load_zoo()[row].config
        assert file is not None
        labels = {"num_labels": 3, "id2label": LABELS, "label2id": {name: n for n, name in LABELS.items()}}
        fields = json.loads(file.read_text()) | (labels if "classification" in task else {})
        with quiet():
            torch.manual_seed(5)
            self.own = CLASSES[task].auto_class.from_config(AutoConfig.for_model(**fields)).eval()
            with torch.no_grad():
                for parameter in self.own.parameters():  # fresh weights give nearly the same for everything
                    parameter += 0.2 * torch.randn(parameter.shape) / max(1, parameter.dim() - 1)
            self.own.save_pretrained(place / "checkpoint")
        export(row, place / "tokenizer", random_weights=True)
        export(str(place / "checkpoint"), place / "model-onnx", task=task)
        compile_model(place / "model-onnx", place / "model-c", CompileOptions())
        self.compiled = CLASSES[task].from_pretrained(place / "model-c", threads=2)
        self.tokenizer = AutoTokenizer.from_pretrained(place / "tokenizer", model_max_length=128)
        if file.name.startswith(("distilbert", "roberta")):
            self.tokenizer.model_input_names = ["input_ids", "attention_mask"]  # as their own tokenizers have it

    def answers(self, task: str, texts: list[str], **options: Any) -> tuple[Any, Any]:
        """What the pipeline says over transformers' own model, and over the compiled one."""
        with quiet():
            pipes = [pipeline(task, model=model, tokenizer=self.tokenizer) for model in (self.own, self.compiled)]
            return tuple(pipe(texts, **options) for pipe in pipes)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Models by zoo row and task, each made once."""
    made: dict[tuple[str, str], Models] = {}

    def get(row: str, task: str) -> Models:
        if (row, task) not in made:
            made[row, task] = Models(tmp_path_factory.mktemp(f"{row}-{task}"), row, task)
        return made[row, task]

    return get


def close(ours: Any, theirs: Any) -> None:
    """Equal labels and words, equal numbers but for rounding."""
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            close(ours[key], theirs[key])
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            close(mine, other)
    elif isinstance(theirs, (float, np.floating)):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=2e-5)
    else:
        assert ours == theirs


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(
    ("row", "task"),
    [("bert-tiny", "text-classification"), ("roberta-tiny", "text-classification"), ("electra-tiny", "feature-extraction")],
)
def test_pipelines_say_what_they_say_over_transformers(task: str, row: str, batch_size: int, models: Any) -> None:
    theirs, ours = models(row, task).answers(task, TEXTS, batch_size=batch_size)
    close(ours, theirs)
    if task == "text-classification":
        assert {answer["label"] for answer in theirs} <= set(LABELS.values())


def test_tokens_are_classified_as_transformers_classifies_them(models: Any) -> None:
    theirs, ours = models("bert-tiny", "token-classification").answers("token-classification", TEXTS, batch_size=2)
    close(ours, theirs)
    assert len({token["entity"] for answer in theirs for token in answer}) > 1


def test_masked_words_are_filled_in_the_same_order(models: Any) -> None:
    made = models("distilbert-tiny", "fill-mask")
    mask = made.tokenizer.mask_token
    theirs, ours = made.answers("fill-mask", [f"the {mask} house told a story", f"once {mask} a time"])
    close(ours, theirs)


def test_batches_larger_than_the_model_takes_go_in_parts(models: Any) -> None:
    made = models("bert-tiny", "text-classification")
    ids = torch.randint(5, 1000, (21, 12))
    mask = torch.ones_like(ids)
    mask[::2, 7:] = 0
    with torch.no_grad():
        expected = made.own(ids, attention_mask=mask).logits
    assert torch.allclose(made.compiled(ids, attention_mask=mask).logits, expected, atol=1e-4)
    without = made.compiled(ids, return_dict=False)
    assert isinstance(without, tuple) and without[0].shape == (21, 3)


def test_a_model_for_another_task_is_refused(models: Any, tmp_path: Path) -> None:
    folder = models("electra-tiny", "feature-extraction").compiled.session._folder
    with pytest.raises(UsageError, match=r"needs input_ids and logits; .* gives last_hidden_state: export it for another task"):
        KaokenModelForMaskedLM.from_pretrained(folder)
    with pytest.raises(UsageError, match=r"no config\.json"):
        KaokenModelForFeatureExtraction.from_pretrained(folder, config=tmp_path)
