"""Architectures beyond the zoo, two small layers of each with seeded weights: exported by Optimum as users do, and compared."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from kaoken.backend.interface import KaokenBackend
from kaoken.cli import main
from kaoken.frontend import import_model
from kaoken.passes.pipeline import run_passes
from kaoken.verify.inputs import make_inputs

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
exporters = pytest.importorskip("optimum.exporters.onnx")

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
TEXT = SMALL | {"vocab_size": 99, "max_position_embeddings": 64}
GROUPED = TEXT | {"num_key_value_heads": 2}
PATCHES = SMALL | {"image_size": 32, "patch_size": 8}
FOUR_STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
GPT = {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
SOUND = {"conv_dim": (16, 16), "conv_stride": (5, 4), "conv_kernel": (10, 8)}
SOUND |= {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}

DECODER, ENCODER, PICTURE = "text-generation-with-past", "feature-extraction", "image-classification"
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Llama": ("ForCausalLM", DECODER, GROUPED),
    "Qwen3": ("ForCausalLM", DECODER, GROUPED | {"head_dim": 8}),
    "Gemma2": ("ForCausalLM", DECODER, GROUPED | {"head_dim": 8}),
    "GPTJ": ("ForCausalLM", DECODER, GPT | {"rotary_dim": 4}),
    "GPTNeoX": ("ForCausalLM", DECODER, TEXT),
    "Falcon": ("ForCausalLM", DECODER, TEXT),
    "Bloom": ("ForCausalLM", DECODER, {"vocab_size": 99, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "DebertaV2": ("Model", ENCODER, TEXT | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 16}),
    "CLIP": (
        "Model",
        "zero-shot-image-classification",
        {"text_config": TEXT | {"projection_dim": 16}, "vision_config": PATCHES | {"projection_dim": 16}, "projection_dim": 16},
    ),
    "ViT": ("ForImageClassification", PICTURE, PATCHES),
    "Swin": (
        "ForImageClassification",
        PICTURE,
        {"image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 4], "window_size": 4},
    ),
    "ConvNext": ("ForImageClassification", PICTURE, FOUR_STAGES | {"image_size": 32}),
    "Segformer": (
        "ForSemanticSegmentation",
        "semantic-segmentation",
        FOUR_STAGES | {"depths": [1] * 4, "num_attention_heads": [1, 2, 3, 4], "decoder_hidden_size": 16, "image_size": 32},
    ),
    "Wav2Vec2": ("ForCTC", "automatic-speech-recognition", TEXT | SOUND),
}
SIZES = {"batch_size": 2, "sequence_length": 7, "past_sequence_length": 5, "text_batch_size": 2, "image_batch_size": 2}
BOUNDS = {"batch_size": "1..2", "past_sequence_length": "0..40"}
PLAIN_LOOPS = {"DebertaV2", "Swin", "Wav2Vec2"}
"""Of these attention is not recognised, or not everywhere."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logging.disable(logging.WARNING)
    return tmp_path_factory.mktemp("architectures")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")
def test_architecture_computes_what_onnxruntime_does(name: str, models: Path) -> None:
    head, task, settings = MODELS[name]
    torch.manual_seed(0)
    model = getattr(transformers, name + head)(getattr(transformers, f"{name}Config")(**settings)).eval()
    exporters.onnx_export_from_model(model, models / name, task=task, do_validation=False)
    path = models / name / "model.onnx"
    sound = name == "Wav2Vec2"
    names = {d.dim_param for i in onnx.load(path).graph.input for d in i.type.tensor_type.shape.dim}
    bounds = {n: "1..500" if sound and n == "sequence_length" else BOUNDS[n] for n in BOUNDS if n in names}
    bounds |= {"sequence_length": "1..400" if sound else "1..40"} if "sequence_length" in names else {}
    graph = run_passes(import_model(path, bounds))
    if task == DECODER:
        assert len(graph.states) == 4
    elif name not in PLAIN_LOOPS:
        assert name == "ConvNext" or any(node.op == "attention" for node in graph.nodes)
    extents = {"height": 32, "width": 32, "num_channels": 3} | SIZES | ({"sequence_length": 400} if sound else {})
    feed = make_inputs(path, {n: s for n, s in extents.items() if any(n in text for text in names)}, seed=1)
    expected = onnxruntime.InferenceSession(path).run(None, feed)
    fixed = {n: str(extents[n]) for n in ("height", "width") if n in names}
    found = KaokenBackend.prepare(onnx.load(path), dims=bounds | fixed).run(feed)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5 * max(1.0, float(np.abs(theirs).max())))


OPEN_SIZES: dict[str, tuple[str, str, str, dict[str, Any], dict[str, str], tuple[dict[str, int], ...]]] = {
    "LongT5": (
        "ForConditionalGeneration",
        "text2text-generation",
        "encoder_model.onnx",
        {"vocab_size": 99, "d_model": 32, "d_kv": 8, "d_ff": 40, "num_layers": 1, "num_heads": 4, "local_radius": 4},
        {"batch_size": "1..2", "encoder_sequence_length": "1..40"},
        tuple({"encoder_sequence_length": n} for n in (1, 4, 5, 11, 40)),
    ),
    "Swinv2": (
        "ForImageClassification",
        PICTURE,
        "model.onnx",
        {"image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 4], "window_size": 4},
        {"batch_size": "1..2", "height": "1..64", "width": "1..64"},
        tuple({"height": h, "width": w, "num_channels": 3} for h, w in ((32, 32), (16, 48), (64, 16))),
    ),
}
"""Models that pad to windows: what is padded is a multiple of the window at every size."""


@pytest.mark.parametrize("name", OPEN_SIZES)
@pytest.mark.filterwarnings("ignore")
def test_windows_fit_at_every_size(name: str, models: Path) -> None:
    head, task, file, settings, bounds, sizes = OPEN_SIZES[name]
    torch.manual_seed(0)
    model = getattr(transformers, name + head)(getattr(transformers, f"{name}Config")(**settings)).eval()
    exporters.onnx_export_from_model(model, models / name, task=task, do_validation=False)
    compiled = KaokenBackend.prepare(onnx.load(models / name / file), dims=bounds)
    session = onnxruntime.InferenceSession(models / name / file)
    for size in sizes:
        feed = make_inputs(models / name / file, {"batch_size": 2} | size, seed=1)
        for ours, theirs in zip(compiled.run(feed), session.run(None, feed), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def test_speech_is_encoded_and_written_as_ids(models: Path) -> None:
    """Whisper: its encoder reads 30 seconds of sound as a spectrum, its decoder is fed ids."""
    sides = ("encoder", "decoder")
    settings: dict[str, Any] = {"vocab_size": 99, "num_mel_bins": 8, "d_model": 32, "max_target_positions": 40}
    settings |= {
        f"{side}_{name}": size for side in sides for name, size in (("layers", 1), ("attention_heads", 4), ("ffn_dim", 40))
    }
    settings |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3}
    settings |= {"suppress_tokens": None, "begin_suppress_tokens": None}
    torch.manual_seed(0)
    model = transformers.WhisperForConditionalGeneration(transformers.WhisperConfig(**settings)).eval()
    exporters.onnx_export_from_model(
        model, models / "whisper", task="automatic-speech-recognition-with-past", do_validation=False
    )
    out = str(models / "whisper-c")
    assert main(["compile", str(models / "whisper"), "-o", out, "--build"]) == 0
    assert main(["verify", str(models / "whisper"), out, "--steps", "3"]) == 0
    assert "whisper_encode(whisper *handle, int64_t batch_size, const float *input_features" in (
        models / "whisper-c" / "whisper.h"
    ).read_text(encoding="utf-8")
