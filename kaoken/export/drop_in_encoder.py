"""Compiled encoders in the place of Optimum's `ORTModelFor...` classes (extra `kaoken[export]`).

    from kaoken.export.drop_in_encoder import KaokenModelForSequenceClassification

    model = KaokenModelForSequenceClassification.from_pretrained("sentiment-c/")
    pipeline("text-classification", model=model, tokenizer=tokenizer)(["I like it."])

transformers makes the ids and reads the labels, the compiled C computes what lies between.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kaoken.errors import UsageError
from kaoken.export.drop_in import SessionLike, load_config

try:
    import torch
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForMaskedLM,
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        PretrainedConfig,
    )
    from transformers.modeling_outputs import (
        BaseModelOutputWithPooling,
        MaskedLMOutput,
        SequenceClassifierOutput,
        TokenClassifierOutput,
    )
    from transformers.utils.generic import ModelOutput
except ImportError as error:
    raise UsageError(f'this needs torch and transformers ({error}); run: pip install "kaoken[export]"') from error


class KaokenEncoder(torch.nn.Module):
    """What the classes below share. `session` computes; `config` is the model's own (transformers' class).

    A module without parameters: pipelines find what they ask of a model of torch's.
    """

    main_input_name = "input_ids"
    base_model_prefix = "model"
    auto_class: ClassVar[Any] = None
    output_class: ClassVar[type[ModelOutput]]
    needed_output: ClassVar[str] = "logits"

    def __init__(self, session: SessionLike, config: PretrainedConfig) -> None:
        super().__init__()
        self.session, self.config = session, config
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self._inputs = [value.name for value in session.get_inputs()]
        self._outputs = [value.name for value in session.get_outputs()]
        if "input_ids" not in self._inputs or self.needed_output not in self._outputs:
            raise UsageError(
                f"{type(self).__name__} needs input_ids and {self.needed_output}; the model takes {', '.join(self._inputs)} "
                f"and gives {', '.join(self._outputs)}: export it for another task"
            )
        self.eval()

    def __init_subclass__(cls) -> None:
        """Pipelines accept the classes that transformers' Auto classes know; no configuration leads to this one."""
        super().__init_subclass__()
        cls.auto_class.register(AutoConfig, cls, exist_ok=True)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, config: str | Path | PretrainedConfig | None = None, threads: int = 1
    ) -> KaokenEncoder:
        """Load a folder that `kaoken compile` wrote.

        `config` is the model's configuration, or the folder that holds its config.json, where the compiled folder
        does not. Raises UsageError when none is found, or the model was made for another task.
        """
        from kaoken.session import Session

        return cls(Session(folder, threads=threads), load_config(folder, config))

    def can_generate(self) -> bool:
        return False

    def to(self, *_args: object, **_kwargs: object) -> KaokenEncoder:
        """Compiled models stay on the CPU in float32; accepted because pipelines call it."""
        return self

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        return_dict: bool | None = None,
        **_ignored: Any,
    ) -> ModelOutput | tuple[Any, ...]:
        """`input_ids`, `attention_mask` (by default all 1), `token_type_ids` (by default all 0): [batch, length]."""
        given = {
            "input_ids": input_ids,
            "attention_mask": torch.ones_like(input_ids) if attention_mask is None else attention_mask,
            "token_type_ids": torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids,
        }
        unknown = [name for name in self._inputs if name not in given]
        if unknown:
            raise UsageError(f"the model also takes {', '.join(unknown)}; run it with kaoken.Session")
        feeds = {name: np.ascontiguousarray(given[name].to(torch.int64).numpy()) for name in self._inputs}
        names = [name for name in self._outputs if name in self.output_class.__annotations__]
        parts = [{n: rows[part] for n, rows in feeds.items()} for part in self._parts(len(input_ids))]
        computed = zip(*(self.session.run(names, part) for part in parts), strict=True)
        made = self.output_class(**{n: torch.from_numpy(np.concatenate(rows)) for n, rows in zip(names, computed, strict=True)})
        return made.to_tuple() if return_dict is False else made

    def _parts(self, rows: int) -> list[slice]:
        """A batch in parts that the model takes."""
        bounds = getattr(self.session, "bounds", {})
        axis = next(value.shape[0] for value in self.session.get_inputs() if value.name == "input_ids")
        most = axis if isinstance(axis, int) else bounds.get(axis, (1, rows))[1]
        return [slice(first, first + most) for first in range(0, rows, most)]


class KaokenModelForFeatureExtraction(KaokenEncoder):
    """Hidden states [batch, length, width]."""

    auto_class, output_class, needed_output = AutoModel, BaseModelOutputWithPooling, "last_hidden_state"


class KaokenModelForSequenceClassification(KaokenEncoder):
    """Logits [batch, labels]."""

    auto_class, output_class = AutoModelForSequenceClassification, SequenceClassifierOutput


class KaokenModelForTokenClassification(KaokenEncoder):
    """Logits [batch, length, labels]."""

    auto_class, output_class = AutoModelForTokenClassification, TokenClassifierOutput


class KaokenModelForMaskedLM(KaokenEncoder):
    """Logits [batch, length, vocabulary]."""

    auto_class, output_class = AutoModelForMaskedLM, MaskedLMOutput
