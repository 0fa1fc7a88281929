"""The class that takes Optimum's place: transformers' `generate` over a session, against transformers' own model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from kaoken.compiler import CompileOptions, compile_model
from kaoken.errors import UsageError
from kaoken.export import export
from kaoken.export.zoo import models_folder

if importlib.util.find_spec("optimum") is None:
    pytest.skip("needs the extra kaoken[export]", allow_module_level=True)

import onnxruntime
import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, GPT2LMHeadModel

from kaoken.export.drop_in import KaokenModelForCausalLM

PROMPTS = ["Once upon a time", "One winter, a brave painter named"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("story") / "story"
    export("story", output)
    return output


@pytest.fixture(scope="module")
def original() -> GPT2LMHeadModel:
    return GPT2LMHeadModel.from_pretrained(models_folder() / "story", dtype=torch.float32).eval()


@pytest.fixture(scope="module", params=["onnxruntime", "compiled"])
def model(request: pytest.FixtureRequest, exported: Path) -> KaokenModelForCausalLM:
    """Over compiled C, and over onnxruntime, whose session has the same calls."""
    if request.param == "compiled":
        compile_model(exported, exported.parent / "story-c", CompileOptions())
        return KaokenModelForCausalLM.from_pretrained(exported.parent / "story-c", config=exported)
    session = onnxruntime.InferenceSession(exported / "model.onnx", providers=["CPUExecutionProvider"])
    return KaokenModelForCausalLM(session, AutoConfig.from_pretrained(exported))


def encode(prompts: list[str]) -> dict[str, torch.Tensor]:
    """Prompts padded at the left, as a batch."""
    tokenizer = Tokenizer.from_file(str(models_folder() / "story" / "tokenizer.json"))
    tokenizer.enable_padding(direction="left", pad_id=0)
    encodings = tokenizer.encode_batch(prompts)
    return {
        "input_ids": torch.tensor([encoding.ids for encoding in encodings]),
        "attention_mask": torch.tensor([encoding.attention_mask for encoding in encodings]),
    }


@pytest.mark.parametrize(
    "options",
    [
        {"do_sample": False},
        {"do_sample": True, "temperature": 0.8, "top_k": 20, "top_p": 0.95},
        {"num_beams": 3, "do_sample": False},
        {"do_sample": False, "use_cache": False},
        {"do_sample": False, "repetition_penalty": 1.3},
    ],
    ids=lambda options: "-".join(options),
)
@pytest.mark.parametrize("prompts", [PROMPTS[:1], PROMPTS], ids=["one", "padded"])
def test_generate_writes_what_transformers_writes(
    options: dict[str, Any], prompts: list[str], model: KaokenModelForCausalLM, original: GPT2LMHeadModel
) -> None:
    inputs, length = encode(prompts), 20 if "use_cache" in options else 60
    results = []
    for candidate in (original, model):
        torch.manual_seed(11)
        results.append(candidate.generate(**inputs, max_new_tokens=length, pad_token_id=0, **options))
    assert torch.equal(*results)
    assert results[0].shape[1] == inputs["input_ids"].shape[1] + length


def test_the_cache_is_used(model: KaokenModelForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    forward = model.forward

    def watched(input_ids: torch.Tensor, **options: Any) -> Any:
        steps.append(input_ids.shape[1])
        return forward(input_ids, **options)

    monkeypatch.setattr(model, "forward", watched)
    inputs = encode(PROMPTS)
    model.generate(**inputs, max_new_tokens=5, do_sample=False, pad_token_id=0)
    assert steps == [inputs["input_ids"].shape[1], 1, 1, 1, 1]


def test_forward_without_mask_or_positions(model: KaokenModelForCausalLM, original: GPT2LMHeadModel) -> None:
    ids = encode(PROMPTS[:1])["input_ids"]
    with torch.no_grad():
        expected = original(ids).logits
    first = model(ids[:, :2])
    second = model(ids[:, 2:], past_key_values=first.past_key_values)
    logits = torch.cat([first.logits, second.logits], 1)
    assert torch.allclose(logits, expected, atol=1e-4)
    assert model(ids, use_cache=False).past_key_values is None


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no config\.json"):
        KaokenModelForCausalLM.from_pretrained(tmp_path)


def test_a_model_without_logits_is_refused() -> None:
    graph = Path(__file__).parent / "graphs" / "tiny-bert" / "model.onnx"
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    with pytest.raises(UsageError, match="no causal language model"):
        KaokenModelForCausalLM(session, AutoConfig.from_pretrained(graph.parent))
