"""A compiled encoder-decoder in the place of Optimum's `ORTModelForSeq2SeqLM` (extra `kaoken[export]`).

    from kaoken.export.drop_in_seq2seq import KaokenModelForSeq2SeqLM

    model = KaokenModelForSeq2SeqLM.from_pretrained("t5-c/")
    model.generate(**tokenizer("translate English to German: hello", return_tensors="pt"), num_beams=4)
    pipeline("text2text-generation", model=model, tokenizer=tokenizer)

transformers chooses the tokens, the compiled C computes. The cache stays in the C handle: that of cross-attention once an input,
whatever the number of beams; transformers holds a `HandleCache` in its place. So one generation runs at a time.
"""

from __future__ import annotations

import ctypes
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kaoken.errors import UsageError
from kaoken.session import Library, Session

try:
    import torch
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, GenerationConfig, GenerationMixin, PretrainedConfig
    from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
except ImportError as error:
    raise UsageError(f'this needs torch and transformers ({error}); run: pip install "kaoken[export]"') from error


@dataclass
class HandleCache:
    """What stands for a cache that a handle keeps: how many ids each row holds, and for which encoded input."""

    length: int
    encoded: int

    def get_seq_length(self, *_layer: int) -> int:
        return self.length


class _Rows:
    """A handle of several rows through the C API, as large as the inputs that were met."""

    def __init__(self, folder: Path, threads: int):
        self.library = Library(folder)
        interface = self.library.interface
        if not interface["encode"] or not interface["feed"]:
            raise UsageError(f"{folder} is no encoder-decoder; compile the folder that holds all of its graphs")
        self.encoder_size: str = interface["encoder_dims"][0]
        self.vocabulary: int = interface["vocabulary"]
        self.bounds = {s["name"]: s["upper"] for s in interface["sizes"]}
        self.width = next(int(e["shape"][-1]) for e in interface["outputs"] if e.get("encoder"))
        self.sizes = {"batch": 0, self.encoder_size: 0, "threads": threads}
        self.handle: ctypes.c_void_p | None = None

    def close(self) -> None:
        handle, self.handle = self.handle, None
        if handle is not None:
            self.library.destroy(handle)

    def make(self, batch: int, encoder_length: int) -> None:
        """A handle for at least so many rows and encoder positions; what an earlier one held is gone."""
        wanted = {"batch": batch, self.encoder_size: encoder_length}
        for name, size in wanted.items():
            if size > self.bounds[name]:
                dimension = "batch_size" if name == "batch" else name
                most = self.bounds[name]
                raise UsageError(f"{size} is above the model's {name}, {most}; compile with --dim {dimension}=1..{size}")
        if self.handle is None or any(self.sizes[name] < size for name, size in wanted.items()):
            self.close()
            self.sizes |= {name: max(size, self.sizes[name]) for name, size in wanted.items()}
            self.handle = self.library.create(self.sizes)

    def _call(self, name: str, *arguments: Any) -> None:
        given = [
            ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else ctypes.c_int64(a) if isinstance(a, int) else a
            for a in arguments
        ]
        self.library.check(self.library.function(name)(self.handle, *given))

    def encode(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The encoder's result [batch, length, width]."""
        hidden = np.empty((*ids.shape, self.width), np.float32)
        self._call("encode", *ids.shape, ids, mask, hidden)
        return hidden

    def feed(self, ids: np.ndarray) -> np.ndarray:
        """Logits [batch, vocabulary] after the last ids."""
        logits = np.empty((len(ids), self.vocabulary), np.float32)
        self._call("feed", *ids.shape, ids, logits)
        return logits

    def reorder(self, rows: np.ndarray) -> None:
        self._call("reorder", rows, len(rows))

    def rewind(self, rows: int) -> None:
        """Forget what was fed, not what was encoded."""
        for row in range(rows):
            self._call("truncate", row, 0)


class _Encoder:
    """What `get_encoder` gives: its call encodes in C and leaves the input there for the decoder."""

    main_input_name = "input_ids"

    def __init__(self, model: KaokenModelForSeq2SeqLM):
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_ignored: Any) -> BaseModelOutput:
        """`input_ids` and `attention_mask` [batch, length]; hidden states [batch, length, width]."""
        return BaseModelOutput(last_hidden_state=self.model.encode(input_ids, attention_mask))  # type: ignore[arg-type]

    __call__ = forward


class KaokenModelForSeq2SeqLM(GenerationMixin):
    """An encoder-decoder whose `generate` runs on compiled C. `config` and `generation_config` are transformers' own classes."""

    main_input_name = "input_ids"
    base_model_prefix = "model"
    _is_stateful = True

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        """No: the handle keeps the cache."""
        return False

    def __init__(
        self, folder: str | Path, config: PretrainedConfig, generation_config: GenerationConfig | None = None, threads: int = 1
    ) -> None:
        self.config = config
        self.generation_config = generation_config or GenerationConfig.from_model_config(config)
        self.generation_config.cache_implementation = None
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self._rows = _Rows(Path(folder), threads)
        self._session = Session(folder, threads=threads)
        self._inputs: tuple[np.ndarray, np.ndarray] | None = None
        self._encodings = 0
        self._fresh = False  # whether the handle's rows are still those that were encoded

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, config: str | Path | PretrainedConfig | None = None, threads: int = 1
    ) -> KaokenModelForSeq2SeqLM:
        """Load a folder that `kaoken compile` wrote.

        `config` is the model's configuration, or the folder that holds its config.json, where the compiled folder does not.
        Raises UsageError when none is found, or the folder is no encoder-decoder.
        """
        place = Path(folder) if config is None or isinstance(config, PretrainedConfig) else Path(config)
        if not isinstance(config, PretrainedConfig):
            if not (place / "config.json").is_file():
                raise UsageError(f"{place} holds no config.json; pass config= the folder that was exported")
            config = AutoConfig.for_model(**json.loads((place / "config.json").read_text()))
        own = (place / "generation_config.json").is_file()
        generation = GenerationConfig.from_pretrained(place, local_files_only=True) if own else None
        return cls(folder, config, generation, threads)

    def can_generate(self) -> bool:
        return True

    def eval(self) -> KaokenModelForSeq2SeqLM:
        """Compiled models are always in evaluation mode."""
        return self

    def to(self, *_args: object, **_kwargs: object) -> KaokenModelForSeq2SeqLM:
        """Compiled models stay on the CPU in float32; accepted because pipelines call it."""
        return self

    def get_encoder(self, *_args: object, **_kwargs: object) -> _Encoder:
        return _Encoder(self)

    def encode(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Encode [batch, length] ids; hidden states [batch, length, width]. Decoding goes on from here."""
        ids = _array(input_ids)
        mask = np.ones_like(ids) if attention_mask is None else _array(attention_mask)
        self._inputs, self._encodings = (ids, mask), self._encodings + 1
        self._rows.make(*ids.shape)
        self._fresh = True
        return torch.from_numpy(self._rows.encode(ids, mask))

    def __call__(self, *args: Any, **kwargs: Any) -> Seq2SeqLMOutput:
        return self.forward(*args, **kwargs)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: HandleCache | None = None,
        use_cache: bool | None = None,
        **_ignored: Any,
    ) -> Seq2SeqLMOutput:
        """One call. `decoder_input_ids` [rows, new]; the input is what was encoded last, or `input_ids` and `attention_mask`.

        With `use_cache`, which `generate` asks for, ids are appended to the cache and logits are those after the last id,
        [rows, 1, vocabulary]. Without, logits of all positions, [rows, new, vocabulary]; nothing is kept.
        """
        if decoder_input_ids is None:
            raise ValueError("decoder_input_ids are missing")
        if encoder_outputs is None and input_ids is not None:
            self.encode(input_ids, attention_mask)
        if self._inputs is None:
            raise ValueError("nothing was encoded: give input_ids, or what get_encoder() returned")
        ids = _array(decoder_input_ids)
        if not use_cache:
            return Seq2SeqLMOutput(logits=torch.from_numpy(self._whole(ids)))  # type: ignore[arg-type]
        cache = self._begin(len(ids)) if past_key_values is None else past_key_values
        if cache.encoded != self._encodings:
            raise ValueError("another input was encoded since this generation began; one runs at a time")
        logits = torch.from_numpy(self._rows.feed(ids))[:, None]
        cache.length += ids.shape[1]
        return Seq2SeqLMOutput(logits=logits, past_key_values=cache)  # type: ignore[arg-type]

    def _begin(self, rows: int) -> HandleCache:
        """Empty rows, as many for each encoded input as come: beams, or samples, of one input lie side by side."""
        assert self._inputs is not None
        ids, mask = self._inputs
        if rows % len(ids):
            raise ValueError(f"{rows} rows are no multiple of the {len(ids)} inputs that were encoded")
        before = self._rows.handle
        self._rows.make(rows, ids.shape[1])
        if self._rows.handle is not before or not self._fresh:
            self._rows.encode(ids, mask)
        self._fresh = False
        self._rows.reorder(np.repeat(np.arange(len(ids)), rows // len(ids)))
        self._rows.rewind(rows)
        return HandleCache(0, self._encodings)

    def _whole(self, ids: np.ndarray) -> np.ndarray:
        """Logits of all positions, by the stateless call."""
        assert self._inputs is not None
        inputs, mask = (np.repeat(a, len(ids) // len(a), axis=0) for a in self._inputs)
        feeds: dict[str, np.ndarray] = {"input_ids": inputs, "attention_mask": mask, "decoder_input_ids": ids}
        for node in self._session.get_inputs():
            if node.name.startswith("past_key_values."):
                _, heads, _, size = node.shape
                feeds[node.name] = np.zeros((len(ids), int(heads), 0, int(size)), np.float32)
        return self._session.run(["logits"], {n.name: feeds[n.name] for n in self._session.get_inputs()})[0]

    def prepare_inputs_for_generation(  # type: ignore[override]
        self,
        input_ids: torch.Tensor,
        past_key_values: HandleCache | None = None,
        attention_mask: torch.Tensor | None = None,
        encoder_outputs: Any = None,
        use_cache: bool | None = None,
        **_ignored: Any,
    ) -> dict[str, Any]:
        """What `forward` gets from `generate`: after the first step only the ids that the cache lacks."""
        known = past_key_values.length if past_key_values is not None else 0
        return {
            "decoder_input_ids": input_ids[:, known:],
            "attention_mask": attention_mask,
            "encoder_outputs": encoder_outputs,
            "past_key_values": past_key_values,
            "use_cache": use_cache is not False,
        }

    def _reorder_cache(self, past_key_values: HandleCache, beam_idx: torch.Tensor) -> HandleCache:
        """Rows in the order of the beams that go on."""
        self._rows.reorder(_array(beam_idx))
        return past_key_values


# Pipelines accept the classes that transformers' Auto classes know; no configuration leads to this one.
AutoModelForSeq2SeqLM.register(AutoConfig, KaokenModelForSeq2SeqLM, exist_ok=True)


def _array(tensor: torch.Tensor) -> np.ndarray:
    """An int64 array of a tensor of ids, in C order."""
    return np.ascontiguousarray(tensor.to(torch.int64).numpy())


__all__ = ["HandleCache", "KaokenModelForSeq2SeqLM"]
