"""Exporting models with Optimum: the zoo, random weights, stand-in tokenizers and the errors a user meets."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from kaoken.errors import KaokenError, UsageError
from kaoken.export import export, load_zoo
from kaoken.export import extras as export_extras
from kaoken.export import optimum as export_optimum
from kaoken.export.stand_in_tokenizer import write_unigram
from kaoken.export.zoo import models_folder

needs_optimum = pytest.mark.skipif(importlib.util.find_spec("optimum") is None, reason="needs the extra kaoken[export]")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gpt2-tiny with random weights, exported once."""
    output = tmp_path_factory.mktemp("export") / "gpt2-tiny"
    export("gpt2-tiny", output, random_weights=True, seed=3)
    return output


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_zoo_rows_are_complete_and_point_to_files() -> None:
    rows = load_zoo()
    assert {"gpt2", "distilgpt2", "gpt2-tiny", "story", "bert-tiny"} <= rows.keys()
    for row in rows.values():
        config_file = row.config or (row.folder or Path()) / "config.json"
        config = json.loads(config_file.read_text())
        assert config["model_type"] == row.architecture
        assert row.tokenizer in (None, "byte-bpe", "roberta-bpe", "wordpiece", "unigram")
    assert rows["gpt2"].config is not None and not rows["gpt2"].tiny
    sizes = json.loads(rows["gpt2"].config.read_text())
    assert (sizes["n_layer"], sizes["n_embd"], sizes["vocab_size"]) == (12, 768, 50257)
    assert {row.name for row in rows.values() if row.task.startswith("text2text")} == {
        "story-t5", "t5-small", "t5-base", "bart-base", "t5-tiny", "bart-tiny"
    }  # fmt: skip


@pytest.mark.parametrize(
    "text, message",
    [
        ('[[model]]\nname = "x"\narchitecture = "gpt2"\ntask = "t"\n', "either a config or a folder"),
        ('[[model]]\nname = "x"\narchitecture = "gpt2"\ntask = "t"\nconfig = "no.json"\n', "does not exist"),
        ('[[model]]\nname = "x"\nfolder = "."\nspelling = 1\n', "not a valid zoo"),
        ('[[model]]\nname = "x"\nfolder = "."\nonnx = "."\n', "or onnx"),
        ('[[model]]\nname = "../x"\nfolder = "."\n', "needs a name of letters"),
        ('[[model]]\nname = "x"\nfolder = "."\n[[model]]\nname = "x"\nfolder = "."\n', "several models of one name: x"),
        ("[[model", "not a valid zoo"),
    ],
)
def test_a_wrong_manifest_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "zoo.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_zoo(tmp_path)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, kaoken.export, kaoken.verify.oracle, kaoken.verify.inputs, kaoken.verify.compare;"
        "heavy = {'torch', 'transformers', 'optimum', 'onnxruntime', 'tokenizers'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=models_folder().parent)
    assert result.returncode == 0, result.stderr


@needs_optimum
def test_random_weights_have_the_configured_shape_and_noisy_vectors(tiny: Path) -> None:
    proto = onnx.load(tiny / "model.onnx")
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    assert [entry.version for entry in proto.opset_import if entry.domain == ""] == [18]
    vectors = {name: value for name, value in weights.items() if name.endswith(("bias", "weight")) and value.ndim == 1}
    assert len(vectors) == 18
    for name, value in vectors.items():
        default = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
        assert abs(value.mean() - default) < 0.02 and 0.01 < value.std() < 0.03, name
    vocabulary = [name for name, value in weights.items() if value.shape in ((512, 64), (64, 512))]
    assert len(vocabulary) == 1, "tied weights are stored once"


@needs_optimum
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tiny: Path, tmp_path: Path) -> None:
    export("gpt2-tiny", tmp_path / "same", random_weights=True, seed=3)
    assert contents(tmp_path / "same") == contents(tiny)
    export("gpt2-tiny", tmp_path / "other", random_weights=True, seed=4)
    assert (tmp_path / "other" / "model.onnx").read_bytes() != (tiny / "model.onnx").read_bytes()


@needs_optimum
def test_the_result_says_what_it_is(tmp_path: Path) -> None:
    lines: list[str] = []
    result = export("bert-tiny", tmp_path / "b", random_weights=True, seed=7, opset=17, progress=lines.append)
    assert (result.files, result.opset, result.seed) == (("model.onnx",), 17, 7)
    assert result.random_weights and result.tokenizer == "stand-in"
    assert any("random weights, seed 7" in note for note in result.notes)
    assert any("stand-in" in note for note in result.notes)
    assert any("random weights" in line for line in lines)
    assert json.loads((tmp_path / "b" / "export.json").read_text())["seed"] == 7


@needs_optimum
@pytest.mark.parametrize(
    "model, vocabulary", [("gpt2-tiny", 512), ("bert-tiny", 1024), ("roberta-tiny", 1024), ("t5-tiny", 512), ("bart-tiny", 512)]
)
def test_a_stand_in_tokenizer_fits_the_vocabulary(model: str, vocabulary: int, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    export(model, tmp_path / "m", random_weights=True)
    tokenizer = Tokenizer.from_file(str(tmp_path / "m" / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == vocabulary == 1 + max(tokenizer.get_vocab().values())
    texts = {"bert-tiny": "the old house told a story.", "t5-tiny": "The øld house told 3 stories; a \\ and a {."}
    text = texts.get(model, "The öld house\n told 3 stories. ☃")
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    if model == "t5-tiny":
        assert [tokenizer.token_to_id(t) for t in ("<pad>", "</s>", "<unk>")] == [0, 1, 2]
        assert tokenizer.encode(text).ids[-1] == 1 and tokenizer.encode("ﬁve\u3000\u2460").ids == tokenizer.encode("five 1").ids
    if model in ("roberta-tiny", "bart-tiny"):
        assert [tokenizer.token_to_id(t) for t in ("<s>", "<pad>", "</s>", "<mask>")] == [0, 1, 2, vocabulary - 1]
        assert tokenizer.encode(text).ids[0] == 0 and tokenizer.encode(text).ids[-1] == 2
    if model == "gpt2-tiny":
        config = json.loads((tmp_path / "m" / "config.json").read_text())
        assert tokenizer.token_to_id("<|endoftext|>") == config["eos_token_id"]


@needs_optimum
@pytest.mark.parametrize("model", ["t5-tiny", "bart-tiny"])
def test_an_encoder_decoder_comes_as_four_graphs_of_the_same_bytes_each_time(model: str, tmp_path: Path) -> None:
    result = export(model, tmp_path / "a", random_weights=True)
    names = ("decoder_model.onnx", "decoder_model_merged.onnx", "decoder_with_past_model.onnx", "encoder_model.onnx")
    assert result.files == names and result.task == "text2text-generation-with-past"
    export(model, tmp_path / "b", random_weights=True)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert json.loads((tmp_path / "a" / "generation_config.json").read_text())["decoder_start_token_id"] in (0, 2)
    proto = onnx.load(tmp_path / "a" / "decoder_model.onnx")
    vectors = [onnx.numpy_helper.to_array(t) for t in proto.graph.initializer if len(t.dims) == 1 and t.dims[0] >= 64]
    vectors += [onnx.numpy_helper.to_array(t) for t in proto.graph.initializer if "final_logits_bias" in t.name]
    assert len(vectors) >= 7 and all(value.std() > 0.01 for value in vectors), "noise on every bias and norm"


def test_stand_in_pieces_of_a_large_vocabulary_are_laid_out_as_t5s(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    pytest.importorskip("transformers")
    assert write_unigram(tmp_path, 8192, seed=1) == 8192 - 28
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [tokenizer.token_to_id(f"<extra_id_{n}>") for n in (99, 0)] == [8064, 8163]
    scores = [score for _, score in json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"][3:8064]]
    assert scores == sorted(scores, reverse=True) and scores[0] < 0


@needs_optimum
def test_story_exports_as_float32_with_its_own_tokenizer(tmp_path: Path) -> None:
    folder = load_zoo()["story"].folder
    assert folder is not None
    result = export("story", tmp_path / "story")
    assert result.task == "text-generation-with-past" and result.opset == 18 and not result.random_weights
    assert (tmp_path / "story" / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    proto = onnx.load(tmp_path / "story" / "model.onnx")
    floats = {tensor.data_type for tensor in proto.graph.initializer if len(tensor.dims) == 2}
    assert floats == {onnx.TensorProto.FLOAT}
    weights = [onnx.numpy_helper.to_array(t) for t in proto.graph.initializer if len(t.dims) == 2]
    assert all(np.array_equal(w, w.astype(np.float16).astype(np.float32)) for w in weights)


@needs_optimum
def test_a_folder_with_only_a_configuration_gets_random_weights(tmp_path: Path) -> None:
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 64,
        "max_position_embeddings": 32,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="--random-weights"):
        export(str(tmp_path), tmp_path / "out")
    result = export(str(tmp_path), tmp_path / "out", random_weights=True)
    assert result.task == "text-generation-with-past" and result.tokenizer == "none"
    assert (tmp_path / "out" / "model.onnx").is_file()


@pytest.mark.parametrize(
    "model, options, message",
    [
        ("gpt2-tiny", {}, "add --random-weights"),
        ("/no/such/folder", {}, "no folder"),
        ("somebody/some-model", {"random_weights": True}, "need the configuration"),
        ("gpt2-tiny", {"random_weights": True, "opset": 99}, "between 13 and 20"),
        ("gpt2-tiny", {"random_weights": True, "task": "juggling"}, "no task 'juggling'"),
    ],
)
@needs_optimum
def test_what_cannot_be_exported_is_one_clear_error(model: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        export(model, tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


@needs_optimum
def test_without_a_hub_the_error_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import optimum.exporters.onnx as optimum_onnx

    def unreachable(*_arguments: object, **_options: object) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co' to load the files")

    monkeypatch.setattr(optimum_onnx, "main_export", unreachable)
    with pytest.raises(UsageError, match=r"hub.*folder.*--random-weights"):
        export("gpt2", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@needs_optimum
def test_a_failing_export_leaves_nothing_and_keeps_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"
    export("gpt2-tiny", output, random_weights=True)
    before = contents(output)

    def half_written(checkpoint: str, folder: Path, **_options: object) -> list[str]:
        (folder / "model.onnx").write_bytes(b"half")
        raise KaokenError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(KaokenError, match="disk is full"):
        patch.setattr(export_optimum, "run_optimum", half_written)
        export("gpt2-tiny", output, random_weights=True, seed=9)
    assert list(tmp_path.iterdir()) == [output] and contents(output) == before
    export("gpt2-tiny", output, random_weights=True, seed=9)
    assert list(tmp_path.iterdir()) == [output] and contents(output) != before


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds no export"):
        export("gpt2-tiny", tmp_path, random_weights=True)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}


def test_missing_packages_are_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_extras, "_is_installed", lambda name: name != "accelerate")
    with pytest.raises(UsageError, match=r'accelerate.*pip install "kaoken\[export\]"'):
        export("gpt2-tiny", tmp_path / "out", random_weights=True)
