"""GPT-2's layers one by one, as PyTorch has them: what `benchmarks/layers.py` exports, and what its peer torch runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

WIDTH, INNER, HEADS, VOCABULARY = 768, 3072, 12, 50257
INPUT = "hidden"
OPSET = 20  # GELU is one operator from here on


class Attention(nn.Module):
    """Causal self-attention of [1, n, 768] with its projections, and nothing in a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.c_attn(x).split(WIDTH, dim=2)
        q, k, v = (part.view(1, x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2) for part in parts)
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        merged: torch.Tensor = self.c_proj(y.transpose(1, 2).reshape(1, x.shape[1], WIDTH))
        return merged


@dataclass(frozen=True)
class Layer:
    """A layer's name in the table, its module, and how many floats a token gives it."""

    title: str
    make: Callable[[], nn.Module]
    inputs: int


LAYERS = {
    "layer_norm": Layer("LayerNorm 768", lambda: nn.LayerNorm(WIDTH), WIDTH),
    "gelu": Layer("GELU 3072", lambda: nn.GELU("tanh"), INNER),
    "head": Layer("Linear 768 x 50257", lambda: nn.Linear(WIDTH, VOCABULARY, bias=False), WIDTH),
    "attention": Layer("Attention block", Attention, WIDTH),
    "mlp": Layer(
        "MLP 768-3072-768", lambda: nn.Sequential(nn.Linear(WIDTH, INNER), nn.GELU("tanh"), nn.Linear(INNER, WIDTH)), WIDTH
    ),
}


def make_layer(name: str, seed: int = 0) -> nn.Module:
    """A layer with weights drawn from the seed, norms' and biases' too."""
    torch.manual_seed(seed)
    module = LAYERS[name].make().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() == 1:
                parameter += 0.02 * torch.randn_like(parameter)
    return module


def export_layer(name: str, path: Path) -> None:
    """Write a layer as ONNX, from `hidden` [1, n, ...] to `result`."""
    x = torch.randn(1, 5, LAYERS[name].inputs)
    torch.onnx.export(
        make_layer(name),
        (x,),
        path,
        input_names=[INPUT],
        output_names=["result"],
        dynamic_axes={INPUT: {1: "n"}, "result": {1: "n"}},
        opset_version=OPSET,
        dynamo=False,
    )
