"""Exported models that tests share: the graphs kept in tests/graphs, and dims that fit each of them."""

from __future__ import annotations

from pathlib import Path

GRAPHS = Path(__file__).parent / "graphs"

# Every symbol that the kept graphs use. The encoder is longer than 16 so that T5's logarithmic buckets are
# met.
DIMS = {
    "batch_size": 2,
    "batch": 2,
    "sequence_length": 5,
    "seq": 5,
    "past_sequence_length": 3,
    "past": 3,
    "encoder_sequence_length": 20,
    "enc_seq": 20,
    "decoder_sequence_length": 5,
    "past_decoder_sequence_length": 3,
    "num_channels": 3,
    "height": 32,
    "width": 32,
}


def graph_files() -> list[Path]:
    """All kept ONNX files, in a fixed order."""
    return sorted(GRAPHS.glob("*/*.onnx"))


def graph_id(path: Path) -> str:
    """`tiny-gpt2/model`: how a test names a kept graph."""
    return f"{path.parent.name}/{path.stem}"
