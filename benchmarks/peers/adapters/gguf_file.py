"""Writes a checkpoint of GPT-2 or BERT as GGUF, in float32 and without a vocabulary (ids go in and come out)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file

from benchmarks.peers.adapters import Unsupported

Tensors = Mapping[str, np.ndarray]


def write_gguf(checkpoint: Path, out: Path) -> None:
    """Raises Unsupported for an architecture other than GPT-2 or BERT."""
    config = json.loads((checkpoint / "config.json").read_text())
    kind = config.get("model_type")
    if kind not in _KINDS:
        raise Unsupported(f"no GGUF is written for {kind}")
    tensors = load_file(checkpoint / "model.safetensors")
    partial = out.with_suffix(".partial")
    writer = gguf.GGUFWriter(partial, kind)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for name, array in _KINDS[kind](writer, config, tensors).items():
        writer.add_tensor(name, np.ascontiguousarray(array, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(out)


def _find(tensors: Tensors, name: str) -> np.ndarray:
    """A tensor by the end of its name: checkpoints of a bare model and of one with a head differ in what stands before."""
    return next(array for key, array in tensors.items() if key == name or key.endswith(f".{name}"))


def _gpt2(writer: gguf.GGUFWriter, config: dict, tensors: Tensors) -> dict[str, np.ndarray]:
    """GPT-2 keeps its matrices as [inputs, outputs], GGUF as [outputs, inputs]."""
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(config.get("n_inner") or 4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    found = {"token_embd.weight": _find(tensors, "wte.weight"), "position_embd.weight": _find(tensors, "wpe.weight")}
    for part in ("weight", "bias"):
        found[f"output_norm.{part}"] = _find(tensors, f"ln_f.{part}")
    names = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output"}
    names |= {"ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    for layer in range(config["n_layer"]):
        for theirs, ours in names.items():
            found[f"blk.{layer}.{ours}.weight"] = _find(tensors, f"h.{layer}.{theirs}.weight").T
            found[f"blk.{layer}.{ours}.bias"] = _find(tensors, f"h.{layer}.{theirs}.bias")
    return found


def _bert(writer: gguf.GGUFWriter, config: dict, tensors: Tensors) -> dict[str, np.ndarray]:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.NONE)
    writer.add_token_type_count(config["type_vocab_size"])
    names = {"word_embeddings": "token_embd", "position_embeddings": "position_embd", "token_type_embeddings": "token_types"}
    found = {f"{ours}.weight": _find(tensors, f"embeddings.{theirs}.weight") for theirs, ours in names.items()}
    for part in ("weight", "bias"):
        found[f"token_embd_norm.{part}"] = _find(tensors, f"embeddings.LayerNorm.{part}")
    names = {f"attention.self.{long}": f"attn_{short}" for long, short in (("query", "q"), ("key", "k"), ("value", "v"))}
    names |= {"attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm"}
    names |= {"intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}
    for layer in range(config["num_hidden_layers"]):
        for theirs, ours in names.items():
            for part in ("weight", "bias"):
                found[f"blk.{layer}.{ours}.{part}"] = _find(tensors, f"layer.{layer}.{theirs}.{part}")
    return found


_KINDS: Mapping[str, Callable[[gguf.GGUFWriter, dict, Tensors], dict[str, np.ndarray]]] = {"gpt2": _gpt2, "bert": _bert}
