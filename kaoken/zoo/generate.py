"""Greedy tokens of a compiled model beside those that the exported graphs give in onnxruntime, with the same cache.

    python -m kaoken.zoo.generate < job.json        # {"onnx": folder, "compiled": folder, "prompts": [...], "count": 64}

prints, for each prompt, how many tokens there are and how many are equal before the first that is not.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kaoken.errors import KaokenError, UsageError, VerificationError
from kaoken.frontend.mapped_file import find_model_file
from kaoken.session import BuildError, SessionError, TextGenerator
from kaoken.verify.peer import open_session

_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_}


class _Graph:
    """One exported graph in onnxruntime, called with what it takes of the values that are there."""

    def __init__(self, path: Path):
        self._session = open_session(path, 1)
        self._inputs = {node.name: node for node in self._session.get_inputs()}
        self._outputs = [node.name for node in self._session.get_outputs()]

    def __call__(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        feeds: dict[str, np.ndarray] = {}
        for name, node in self._inputs.items():
            if name in values:
                feeds[name] = np.asarray(values[name], _TYPES[node.type])
            elif name.startswith("past_key_values."):
                feeds[name] = np.zeros(_empty_shape(node.shape), _TYPES[node.type])
            else:
                raise UsageError(f"the graph's input {name} is none that generation knows")
        return dict(zip(self._outputs, self._session.run(None, feeds), strict=True))


def _empty_shape(shape: Sequence[int | str]) -> list[int]:
    """A cache of one row and no position: [batch, heads, length, size]."""
    return [1, *(size if isinstance(size, int) else 0 for size in shape[1:])]


def reference_continuation(model: Path, ids: Sequence[int], count: int) -> list[int]:
    """`count` greedy tokens of a causal language model behind a prompt; the end of a text is a token like others."""
    graph, made = _Graph(find_model_file(model)), list(ids)
    new = list(ids)
    cache: dict[str, np.ndarray] = {}
    for _ in range(count):
        past = len(made) - len(new)
        positions = np.arange(past, len(made))[None]
        values = {"input_ids": [new], "attention_mask": np.ones((1, len(made))), "position_ids": positions, **cache}
        results = graph(values)
        cache = _cache_of(results)
        new = [int(results["logits"][0, -1].argmax())]
        made += new
    return made[len(ids) :]


def reference_rewriting(folder: Path, ids: Sequence[int], count: int) -> list[int]:
    """At most `count` greedy tokens of an encoder-decoder that read `ids`, up to the end of the text and without it.

    Raises UsageError for a folder without a generation_config.json that names the decoder's first token.
    """
    start, ends = _generation_ids(folder)
    encoder = _Graph(folder / "encoder_model.onnx")
    first, others = _Graph(folder / "decoder_model.onnx"), _Graph(folder / "decoder_with_past_model.onnx")
    mask = np.ones((1, len(ids)))
    hidden = encoder({"input_ids": [list(ids)], "attention_mask": mask})["last_hidden_state"]
    made: list[int] = []
    cache: dict[str, np.ndarray] = {}
    while len(made) < count:
        last = made[-1] if made else start
        values = {"input_ids": [[last]], "encoder_attention_mask": mask, "encoder_hidden_states": hidden, **cache}
        results = (others if made else first)(values)
        cache |= _cache_of(results)
        best = int(results["logits"][0, -1].argmax())
        if best in ends:
            break
        made.append(best)
    return made


def _cache_of(results: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`present` outputs as the inputs of the next step."""
    return {n.replace("present", "past_key_values", 1): v for n, v in results.items() if n.startswith("present")}


def _generation_ids(folder: Path) -> tuple[int, set[int]]:
    """(the decoder's first token, the tokens that end a text)."""
    try:
        config = json.loads((folder / "generation_config.json").read_text())
        ends = config.get("eos_token_id", [])
        return int(config["decoder_start_token_id"]), {int(i) for i in (ends if isinstance(ends, list) else [ends])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder} has no generation_config.json with decoder_start_token_id: {error}") from error


def is_encoder_decoder(folder: Path) -> bool:
    """Whether an export is an encoder with a decoder beside it."""
    return folder.is_dir() and (folder / "encoder_model.onnx").is_file() and (folder / "decoder_model.onnx").is_file()


def compare(model: Path, compiled: Path, prompts: Sequence[str], count: int) -> list[dict[str, Any]]:
    """For each prompt its text, how many tokens onnxruntime writes, and how many of Kaoken's are equal before one that is not."""
    found = []
    for prompt in prompts:
        ids, ours = _ours(model, compiled, prompt, count)
        reference = reference_rewriting if is_encoder_decoder(model) else reference_continuation
        theirs = reference(model, ids, count)
        equal = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
        found.append({"prompt": prompt, "count": max(len(ours), len(theirs)), "equal": equal})
    return found


def _ours(model: Path, compiled: Path, prompt: str, count: int) -> tuple[list[int], list[int]]:
    """(ids of the prompt, what the compiled model writes)."""
    generator = TextGenerator(compiled)
    ids = _prompt_ids(model, generator, prompt)
    if not is_encoder_decoder(model):
        return ids, generator.generate(ids, min(count, generator.capacity - len(ids)))
    start, ends = _generation_ids(model)
    generator.encode(np.array([ids], np.int64), None)
    return ids, generator.generate([start], min(count, generator.capacity - 1), stop_ids=sorted(ends))


def _prompt_ids(model: Path, generator: TextGenerator, prompt: str) -> list[int]:
    """A prompt's ids, by the export's own tokenizer where the tokenizers package is there, else by the compiled one.

    Raises VerificationError where both are there and do not agree.
    """
    file = (model if model.is_dir() else model.parent) / "tokenizer.json"
    if importlib.util.find_spec("tokenizers") is None or not file.is_file():
        return generator.tokenize(prompt)
    from tokenizers import Tokenizer

    ids = list(Tokenizer.from_file(str(file)).encode(prompt).ids)
    if generator.has_tokenizer and generator.tokenize(prompt) != ids:
        raise VerificationError(f"the compiled tokenizer reads {prompt!r} as other ids than the tokenizers package")
    return ids


def main() -> int:
    """The child process: a job on stdin, its result as JSON."""
    job = json.load(sys.stdin)
    try:
        found = compare(Path(job["onnx"]), Path(job["compiled"]), job["prompts"], int(job["count"]))
    except (KaokenError, SessionError, BuildError, ValueError, OSError) as error:
        sys.stderr.write(f"kaoken: error: {error}\n")
        return getattr(error, "exit_code", 2)
    print(json.dumps({"prompts": found}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
