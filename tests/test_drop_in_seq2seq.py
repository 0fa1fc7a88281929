"""An encoder-decoder in Optimum's place: transformers' generation and pipelines on compiled C, against torch on equal weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaoken.errors import UsageError
from kaoken.export.zoo import models_folder
from tests.compiled import compiled

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXTS = [
    'past: Mira walks to the harbour. "I am lost," she says.',
    "present: Hazel lived in a red farmhouse and had a friend called Pim, who was a baker.",
]


@pytest.fixture(scope="module")
def ours(story_t5: Path) -> Any:
    from kaoken.export.drop_in_seq2seq import KaokenModelForSeq2SeqLM

    return KaokenModelForSeq2SeqLM.from_pretrained(story_t5, threads=2)


@pytest.fixture(scope="module")
def original() -> Any:
    return transformers.T5ForConditionalGeneration.from_pretrained(models_folder() / "story_t5", dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer(story_t5_onnx: Path) -> Any:
    return transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(story_t5_onnx / "tokenizer.json"), pad_token="<pad>", eos_token="</s>"
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_beams": 4},
        {"num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.5, "early_stopping": True},
        {"do_sample": True, "top_k": 20, "temperature": 0.8, "num_return_sequences": 2},
    ],
    ids=["greedy", "beams", "beams returned", "sampled"],
)
def test_generate_gives_the_tokens_of_torch(ours: Any, original: Any, tokenizer: Any, settings: dict[str, Any]) -> None:
    batch = tokenizer(TEXTS, return_tensors="pt", padding=True)
    batch.pop("token_type_ids", None)
    results = []
    for model in (original, ours):
        torch.manual_seed(7)
        with torch.no_grad():
            results.append(model.generate(**batch, max_new_tokens=40, **settings))
    assert torch.equal(results[0], results[1])
    assert len(set(results[1].flatten().tolist())) > 20, "the text repeats itself: a broken cache could hide"


def test_logits_of_all_positions_are_torchs(ours: Any, original: Any, tokenizer: Any) -> None:
    batch = tokenizer(TEXTS, return_tensors="pt", padding=True)
    batch.pop("token_type_ids", None)
    decoder = torch.tensor([[0, 5, 9, 17], [0, 8, 3, 2]])
    with torch.no_grad():
        expected = original(**batch, decoder_input_ids=decoder).logits.numpy()
    found = ours(**batch, decoder_input_ids=decoder).logits.numpy()
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_pipeline_runs_on_it(ours: Any, original: Any, tokenizer: Any) -> None:
    pipe = transformers.pipeline("text2text-generation", model=ours, tokenizer=tokenizer, framework="pt")
    text = pipe(TEXTS[0], max_new_tokens=40)[0]["generated_text"]
    assert "walked to the harbour" in text


def test_a_second_generation_of_one_encoding_gives_the_same(ours: Any, tokenizer: Any) -> None:
    batch = tokenizer(TEXTS[:1], return_tensors="pt")
    encoded = ours.get_encoder()(batch["input_ids"], batch["attention_mask"])
    copies = [type(encoded)(last_hidden_state=encoded.last_hidden_state) for _ in range(2)]  # generate expands what it is given
    twice = [ours.generate(encoder_outputs=c, max_new_tokens=12, num_beams=3) for c in copies]
    assert torch.equal(*twice)


def test_models_without_an_encoder_and_too_many_rows_are_refused(ours: Any) -> None:
    from kaoken.export.drop_in_seq2seq import KaokenModelForSeq2SeqLM

    config = transformers.T5Config()
    with pytest.raises(UsageError, match="no encoder-decoder"):
        KaokenModelForSeq2SeqLM(compiled("tiny-bert"), config)
    with pytest.raises(UsageError, match=r"--dim batch_size=1\.\.9"):
        ours.encode(torch.ones(9, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="decoder_input_ids"):
        ours(torch.ones(1, 3, dtype=torch.int64))
