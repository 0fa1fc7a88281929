"""A compiled language model in the place of Optimum's `ORTModelForCausalLM` (extra `kaoken[export]`).

    from kaoken.export.drop_in import KaokenModelForCausalLM

    model = KaokenModelForCausalLM.from_pretrained("gpt2-c/")
    model.generate(**tokenizer("Once upon a time", return_tensors="pt"), num_beams=4)

transformers chooses the tokens (greedy, sampling, beams), the compiled C computes the logits. The cache travels
through the calls as tensors, which is what lets transformers reorder it for beams; `kaoken.TextGenerator` keeps it
inside instead and is faster where no more than one sequence is wanted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kaoken.errors import UsageError

try:
    import torch
    from transformers import AutoConfig, GenerationConfig, GenerationMixin, PretrainedConfig
    from transformers.modeling_outputs import CausalLMOutputWithPast
except ImportError as error:
    raise UsageError(f'this needs torch and transformers ({error}); run: pip install "kaoken[export]"') from error

# One (key, value) pair a layer, each [batch, heads, length, head size].
Cache = tuple[tuple["torch.Tensor", "torch.Tensor"], ...]


class _Value(Protocol):
    name: str
    shape: Sequence[int | str | None]


class SessionLike(Protocol):
    """What is asked of a session: the calls that `kaoken.Session` shares with onnxruntime's InferenceSession."""

    def get_inputs(self) -> Sequence[Any]: ...

    def get_outputs(self) -> Sequence[Any]: ...

    def run(self, output_names: list[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]: ...


class KaokenModelForCausalLM(GenerationMixin):
    """A causal language model whose `generate` runs on compiled C.

    `session` computes; `config` and `generation_config` are the model's own (transformers' classes).
    """

    main_input_name = "input_ids"
    base_model_prefix = "model"
    _is_stateful = False

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        """No: the cache is the plain tuple of tensors that the session takes and returns."""
        return False

    def __init__(self, session: SessionLike, config: PretrainedConfig, generation_config: GenerationConfig | None = None) -> None:
        self.session = session
        self.config = config
        self.generation_config = generation_config or GenerationConfig.from_model_config(config)
        self.generation_config.cache_implementation = None
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self._inputs: dict[str, _Value] = {value.name: value for value in session.get_inputs()}
        self._outputs = [value.name for value in session.get_outputs()]
        self._past_names = [name for name in self._inputs if name.startswith("past_key_values.")]
        self._present_names = [name.replace("past_key_values.", "present.") for name in self._past_names]
        missing = [name for name in ("logits", *self._present_names) if name not in self._outputs]
        if missing or "input_ids" not in self._inputs:
            raise UsageError(f"this is no causal language model: it has no {missing or ['input_ids']}")
        self.can_use_cache = bool(self._past_names)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, config: str | Path | PretrainedConfig | None = None, threads: int = 1
    ) -> KaokenModelForCausalLM:
        """Load a folder that `kaoken compile` wrote.

        `config` is the model's configuration, or the folder that holds its config.json, where the compiled folder
        does not. Raises UsageError when none is found.
        """
        from kaoken.session import Session

        place = Path(folder) if config is None or isinstance(config, PretrainedConfig) else Path(config)
        config = load_config(folder, config)
        has_own = (place / "generation_config.json").is_file()
        generation = GenerationConfig.from_pretrained(place, local_files_only=True) if has_own else None
        return cls(Session(folder, threads=threads), config, generation)

    def can_generate(self) -> bool:
        return True

    def eval(self) -> KaokenModelForCausalLM:
        """Compiled models are always in evaluation mode."""
        return self

    def to(self, *_args: object, **_kwargs: object) -> KaokenModelForCausalLM:
        """Compiled models stay on the CPU in float32; accepted because pipelines call it."""
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> CausalLMOutputWithPast:
        return self.forward(*args, **kwargs)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        position_ids: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **_ignored: Any,
    ) -> CausalLMOutputWithPast:
        """One step. `input_ids` [batch, new], `attention_mask` [batch, past + new] with 1 for real tokens,
        `position_ids` [batch, new] (by default counted from the mask). Returns logits [batch, new, vocabulary] and,
        where the model has a cache and `use_cache` is not False, the longer cache.
        """
        batch, new = input_ids.shape
        past = past_key_values[0][0].shape[2] if past_key_values else 0
        if attention_mask is None:
            attention_mask = torch.ones(batch, past + new, dtype=torch.int64)
        if position_ids is None:
            position_ids = positions(attention_mask)[:, -new:]
        values: dict[str, np.ndarray] = {
            "input_ids": _array(input_ids),
            "attention_mask": _array(attention_mask),
            "position_ids": _array(position_ids),
            "use_cache_branch": np.array([past > 0]),
        }
        feeds = {name: value for name, value in values.items() if name in self._inputs}
        feeds |= self._cache_feeds(past_key_values, batch)
        wanted = ["logits", *(self._present_names if use_cache is not False else [])]
        logits, *caches = (torch.from_numpy(value) for value in self.session.run(wanted, feeds))
        pairs = tuple(zip(caches[::2], caches[1::2], strict=True)) if caches else None
        # transformers' annotations know float tensors and Cache objects only; it takes the tuples as well.
        return CausalLMOutputWithPast(logits=logits, past_key_values=pairs)  # type: ignore[arg-type]

    def _cache_feeds(self, past_key_values: Cache | None, batch: int) -> Mapping[str, np.ndarray]:
        """The cache's tensors by input name; empty ones before the first step."""
        if past_key_values:
            tensors = [tensor for pair in past_key_values for tensor in pair]
            return {name: tensor.numpy() for name, tensor in zip(self._past_names, tensors, strict=True)}
        empty = {}
        for name in self._past_names:
            sizes = [0 if axis == 2 else size for axis, size in enumerate(self._inputs[name].shape)]
            shape = [batch, *(size if isinstance(size, int) else 0 for size in sizes[1:])]
            empty[name] = np.zeros(shape, np.float32)
        return empty

    def prepare_inputs_for_generation(  # type: ignore[override]
        self,
        input_ids: torch.Tensor,
        past_key_values: Cache | None = None,
        attention_mask: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **_ignored: Any,
    ) -> dict[str, Any]:
        """What `forward` gets from `generate`: after the first step only the tokens that the cache lacks."""
        known = past_key_values[0][0].shape[2] if past_key_values else 0
        position_ids = None
        if attention_mask is not None:
            position_ids = positions(attention_mask)[:, known:]
        return {
            "input_ids": input_ids[:, known:],
            "attention_mask": attention_mask,
            "past_key_values": past_key_values,
            "position_ids": position_ids,
            "use_cache": self.can_use_cache and use_cache is not False,
        }

    @staticmethod
    def _reorder_cache(past_key_values: Cache, beam_idx: torch.Tensor) -> Cache:
        """Rows in the order of the beams that go on."""
        return tuple((key.index_select(0, beam_idx), value.index_select(0, beam_idx)) for key, value in past_key_values)


def load_config(folder: str | Path, config: str | Path | PretrainedConfig | None) -> PretrainedConfig:
    """A model's configuration: as given, or of the folder given, or of the compiled folder. Raises UsageError for none."""
    if isinstance(config, PretrainedConfig):
        return config
    place = Path(folder if config is None else config)
    if not (place / "config.json").is_file():
        raise UsageError(f"{place} holds no config.json; pass config= the folder that was exported")
    return AutoConfig.for_model(**json.loads((place / "config.json").read_text()))


def positions(attention_mask: torch.Tensor) -> torch.Tensor:
    """Positions counted over real tokens, as transformers counts them (1 for padding)."""
    counted = attention_mask.long().cumsum(-1) - 1
    return counted.masked_fill(attention_mask == 0, 1)


def _array(tensor: torch.Tensor) -> np.ndarray:
    """An int64 array of a tensor of ids, in C order."""
    return np.ascontiguousarray(tensor.to(torch.int64).numpy())
