"""Generation in C against transformers' own `generate`, on made-up models: beams, options, several prompts, what is refused."""

from __future__ import annotations

import itertools
import warnings
from ctypes import c_int64, c_void_p
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tokenizers")

from c_generate import CALLBACK, CONTEXT, LENGTH, STOP_ID, Generated, Model, generate, generate_all, library, scripted
from c_sampler import NUMBER
from c_tokenizer import ARGUMENT, CAPACITY, RANGE, StatusError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()

VOCABULARY = 70
_NAMES = {
    "forced_bos_id": "forced_bos_token_id",
    "forced_eos_id": "forced_eos_token_id",
    "stop_ids": "eos_token_id",
    "suppress_ids": "suppress_tokens",
    "begin_suppress_ids": "begin_suppress_tokens",
    "bad_words": "bad_words_ids",
}


@cache
def random_logits(ids: tuple[int, ...]) -> npt.NDArray[np.float32]:
    return (np.random.default_rng(ids).standard_normal(VOCABULARY) * 2.5).astype(np.float32)


class MadeUp(transformers.PreTrainedModel, transformers.GenerationMixin):  # type: ignore[misc]
    """transformers' side: logits are random numbers that the whole text decides."""

    config_class = transformers.PretrainedConfig
    main_input_name = "input_ids"

    def __init__(self) -> None:
        super().__init__(transformers.PretrainedConfig(vocab_size=VOCABULARY))
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, input_ids: Any, **_: Any) -> Any:
        logits = np.stack([random_logits(tuple(row)) for row in input_ids.tolist()])
        return transformers.modeling_outputs.CausalLMOutput(logits=torch.from_numpy(logits)[:, None].clone())

    def prepare_inputs_for_generation(self, input_ids: Any, **_: Any) -> dict[str, Any]:
        return {"input_ids": input_ids}


@cache
def made_up() -> MadeUp:
    return MadeUp().eval()


def by_transformers(prompt: list[int], options: dict[str, Any]) -> list[tuple[list[int], float]]:
    values = {_NAMES.get(name, name): value for name, value in options.items() if value not in ([], -1)}
    values |= {"pad_token_id": 0, "do_sample": False, "use_cache": False}
    stops = options.get("stop_ids", [])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = made_up().generate(torch.tensor([prompt]), return_dict_in_generate=True, output_scores=True, **values)
    search = options.get("num_beams", 1) > 1
    found = []
    for n, row in enumerate(made.sequences[:, len(prompt) :].tolist()):
        end = next((i for i, token in enumerate(row) if token in stops), len(row))
        score = float(made.sequences_scores[n]) if search else 0.0
        found.append((row[:end] if score > -1e9 else [], score))  # that score fills up what was not found
    return found


def assert_equal(found: list[Generated], expected: list[tuple[list[int], float]]) -> None:
    assert [text.written for text in found] == [ids for ids, _ in expected]
    assert [text.ids for text in found] == [text.written for text in found], "the callback hears the same"
    np.testing.assert_allclose([text.score for text in found], [score for _, score in expected], rtol=1e-5, atol=1e-5)


@st.composite
def option_sets(draw: st.DrawFn) -> dict[str, Any]:
    ids = st.integers(0, VOCABULARY - 1)
    beams = draw(st.integers(1, 5))
    options: dict[str, Any] = {"num_beams": beams, "max_new_tokens": draw(st.integers(1, 12))}
    if beams > 1:
        options["num_return_sequences"] = draw(st.integers(1, beams))
        options["length_penalty"] = draw(st.sampled_from([1.0, 0.0, 2.0, 0.5, -1.5]))
        options["early_stopping"] = draw(st.sampled_from([False, True, "never"]))
    # Many ends, so that texts do end; of them a search looks at fewer than there are tokens.
    options["stop_ids"] = draw(st.lists(ids, max_size=3, unique=True) if beams > 1 else st.lists(ids, max_size=12, unique=True))
    if draw(st.booleans()):
        options["repetition_penalty"] = draw(st.sampled_from([0.7, 1.3, 4.0]))
        options["no_repeat_ngram_size"] = draw(st.integers(0, 3))
        options["min_length"] = draw(st.integers(0, 10))
    if draw(st.booleans()):
        options["min_new_tokens"] = draw(st.integers(1, 8))
        options["suppress_ids"] = draw(st.lists(ids, max_size=4))
        options["begin_suppress_ids"] = draw(st.lists(ids, max_size=4))
    if draw(st.booleans()):
        options["forced_bos_id"] = draw(st.integers(-1, VOCABULARY - 1))
        options["forced_eos_id"] = draw(st.integers(-1, VOCABULARY - 1))
        options["bad_words"] = draw(st.lists(st.lists(ids, min_size=1, max_size=2), max_size=6))
    return options


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    option_sets(),
    st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=6), min_size=1, max_size=3),
    st.booleans(),
)
def test_texts_are_those_of_transformers_whatever_the_options(
    options: dict[str, Any], prompts: list[list[int]], uniform: bool
) -> None:
    """Several prompts of their own lengths in one call, each of which transformers is given alone."""
    model = Model(VOCABULARY, lambda ids: random_logits(tuple(ids)), rows=15, uniform=uniform)
    found = generate_all(model, prompts, **options)
    texts = options.get("num_return_sequences", 1)
    for n, prompt in enumerate(prompts):
        assert_equal(found[n * texts : (n + 1) * texts], by_transformers(prompt, options))


def test_log_probabilities_are_near_the_exact_ones() -> None:
    rng = np.random.default_rng(3)
    for count, scale in itertools.product((1, 2, 15, 16, 17, 511, 512, 513, 50257), (0.1, 3.0, 40.0)):
        logits = (rng.standard_normal(count) * scale).astype(np.float32)
        logits[rng.random(count) < 0.05] = -np.inf
        logits[0] = 1.0
        exact = logits.astype(np.float64) - np.log(np.sum(np.exp(logits.astype(np.float64) - logits.max()))) - logits.max()
        got = logits.copy()
        assert library().kk_log_softmax(c_void_p(got.ctypes.data), c_int64(count)) == 0
        finite = np.isfinite(logits)
        assert np.array_equal(np.isfinite(got), finite)
        error = np.abs(got[finite] - exact[finite])
        assert np.all(error <= 1.5 * np.spacing(np.abs(exact[finite]).astype(np.float32)) + 3e-7)
    for bad in ([np.nan, 0], [np.inf, 0], [-np.inf, -np.inf]):
        array = np.array(bad, np.float32)
        assert library().kk_log_softmax(c_void_p(array.ctypes.data), c_int64(2)) == NUMBER


# --- several prompts, token by token


def test_prompts_go_in_together_and_ended_rows_are_not_computed() -> None:
    model = Model(VOCABULARY, lambda ids: np.eye(VOCABULARY, dtype=np.float32)[(ids[-1] + 1) % VOCABULARY], rows=3)
    found = generate_all(model, [[5, 6], [40], [20, 21, 22, 23]], max_new_tokens=9, stop_ids=[10, 43])
    assert [text.written for text in found] == [[7, 8, 9], [41, 42], [24, 25, 26, 27, 28, 29, 30, 31, 32]]
    assert [text.reason for text in found] == [STOP_ID, STOP_ID, LENGTH]
    assert model.calls[:3] == [{2: [20], 0: [5], 1: [40]}, {2: [21], 0: [6]}, {2: [22, 23]}]
    assert [sorted(call) for call in model.calls[3:]] == [[0, 1, 2], [0, 1, 2], [0, 2], *([[2]] * 5)]


def test_a_text_does_not_depend_on_the_others() -> None:
    prompts = [[1, 2, 3], [9], [4, 4, 4, 4, 5], [7, 7]]
    values: dict[str, Any] = {"temperature": 1.1, "top_k": 30, "repetition_penalty": 1.2, "seed": 5, "max_new_tokens": 20}

    def run(chosen: list[list[int]]) -> list[list[int]]:
        model = Model(VOCABULARY, lambda ids: random_logits(tuple(ids)), rows=4)
        return [text.written for text in generate_all(model, chosen, **values)]

    together = run(prompts)
    assert run([prompts[0]])[0] == together[0]
    assert run([prompts[0], [8], [60, 61, 62], [7, 7]])[3] == together[3]
    assert len({tuple(ids) for ids in run([[1, 2]] * 4)}) == 4, "equal prompts draw different numbers"


def test_several_samples_of_a_prompt_differ_and_are_those_of_as_many_prompts() -> None:
    values: dict[str, Any] = {"temperature": 1.0, "seed": 3, "max_new_tokens": 10}
    model = Model(VOCABULARY, lambda ids: random_logits(tuple(ids)), rows=6)
    found = generate_all(model, [[1, 2], [5]], num_return_sequences=3, **values)
    model = Model(VOCABULARY, lambda ids: random_logits(tuple(ids)), rows=6)
    apart = generate_all(model, [[1, 2]] * 3 + [[5]] * 3, **values)
    assert [text.written for text in found] == [text.written for text in apart]
    assert len({tuple(text.written) for text in found}) == 6


def test_a_row_that_the_callback_stops_leaves_the_others_alone() -> None:
    model = Model(VOCABULARY, lambda ids: np.eye(VOCABULARY, dtype=np.float32)[(ids[-1] + 1) % VOCABULARY], rows=2)
    found = generate_all(model, [[0], [30]], stop_after=4, max_new_tokens=6)
    assert [text.written for text in found] == [[1, 2, 3, 4, 5, 6], [31, 32]]
    assert [text.reason for text in found] == [LENGTH, CALLBACK]


@pytest.mark.parametrize("values", [{}, {"num_beams": 3}])
def test_without_prompts_texts_begin_with_the_start_token(values: dict[str, Any]) -> None:
    """As a decoder's do, behind whatever its rows attend to."""
    options = {"max_new_tokens": 7, "stop_ids": [3, 30], "forced_bos_id": 9, "forced_eos_id": 3, **values}
    found = generate_all(Model(VOCABULARY, lambda ids: random_logits(tuple(ids)), rows=6), 2, decoder_start_id=2, **options)
    for text in found:
        assert_equal([text], by_transformers([2], options))
        assert text.written[0] == 9


@pytest.mark.parametrize(("held", "capacity"), [(0, 9), (4, 9), (5, 9)])
def test_a_search_in_a_full_context_ends_there(held: int, capacity: int) -> None:
    model = Model(VOCABULARY, lambda ids: random_logits(tuple(ids[held:])), rows=3, capacity=capacity, cache=[1] * held)
    (found,) = generate_all(model, [[2, 3, 4]], num_beams=3, max_new_tokens=50)
    assert_equal([found], by_transformers([2, 3, 4], {"num_beams": 3, "max_new_tokens": capacity - held - 2}))
    assert found.reason == CONTEXT


def test_the_callback_is_asked_once_a_step_and_ends_a_search() -> None:
    found = generate(Model(VOCABULARY, lambda ids: random_logits(tuple(ids)), rows=3), [1], num_beams=3, max_new_tokens=6)
    assert [token for token, _ in found.tokens] == [-1] * 5 + found.written
    model = Model(VOCABULARY, lambda ids: random_logits(tuple(ids)), rows=3)
    stopped = generate(model, [1], num_beams=3, max_new_tokens=6, stop_after=2)
    assert (stopped.reason, stopped.written, stopped.score) == (CALLBACK, [], -1e9)
    assert len(model.calls) == 2


def test_max_length_counts_the_prompt_where_max_new_tokens_says_so() -> None:
    for beams in (1, 2):
        model = Model(VOCABULARY, lambda ids: random_logits(tuple(ids)), rows=4)
        found = generate_all(model, [[1], [2, 3, 4, 5]], num_beams=beams, max_new_tokens=-1, max_length=4)
        assert [text.count for text in found] == [3, 0]


# --- what is refused


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"num_beams": 0}, ARGUMENT),
    ({"num_beams": -3}, ARGUMENT),
    ({"num_return_sequences": 0}, ARGUMENT),
    ({"num_return_sequences": 2}, ARGUMENT),
    ({"num_beams": 2, "num_return_sequences": 3}, ARGUMENT),
    ({"num_beams": 2, "temperature": 0.5}, ARGUMENT),
    ({"num_beams": 2, "stop_strings": ["x"]}, ARGUMENT),
    ({"num_beams": 2, "early_stopping": 3}, ARGUMENT),
    ({"num_beams": 2, "length_penalty": float("nan")}, ARGUMENT),
    ({"num_beams": 2, "length_penalty": float("inf")}, ARGUMENT),
    ({"num_beams": 5}, CAPACITY),
    ({"num_beams": 2**62}, CAPACITY),
    ({"temperature": 1.0, "num_return_sequences": 5}, CAPACITY),
    ({"num_beams": 2, "stop_ids": range(16)}, RANGE),
    ({"max_new_tokens": -2}, RANGE),
    ({"max_new_tokens": -1, "max_length": 0}, RANGE),
    ({"repetition_penalty": 0.0}, RANGE),
    ({"repetition_penalty": float("nan")}, RANGE),
    ({"no_repeat_ngram_size": -1}, RANGE),
    ({"min_length": -1}, RANGE),
    ({"min_new_tokens": -1}, RANGE),
    ({"forced_bos_id": VOCABULARY}, RANGE),
    ({"forced_eos_id": -2}, RANGE),
    ({"suppress_ids": [1, VOCABULARY]}, RANGE),
    ({"begin_suppress_ids": [-1]}, RANGE),
    ({"bad_words": [[1], []]}, ARGUMENT),
    ({"bad_words": [[1, VOCABULARY]]}, RANGE),
]


@pytest.mark.parametrize(("values", "expected"), REFUSED, ids=str)
def test_options_that_mean_nothing_give_a_status_before_anything_is_fed(values: dict[str, Any], expected: int) -> None:
    early = values.pop("early_stopping", None)
    model = Model(VOCABULARY, lambda ids: random_logits(tuple(ids)), rows=4)
    with pytest.raises(StatusError) as caught, pytest.MonkeyPatch.context() as patch:
        if early is not None:
            patch.setitem(__import__("c_generate").EARLY, early, early)
            values = {**values, "early_stopping": early}
        generate(model, [1], **{"max_new_tokens": 4, **values})
    assert caught.value.status == expected
    assert model.calls == []


def test_a_vocabulary_too_small_for_the_candidates_is_refused() -> None:
    assert generate(scripted(3, 1, [1, 2], rows=2), [0], num_beams=2, max_new_tokens=2, stop_ids=[0, 1]).count >= 0
    for vocabulary, stops in ((1, []), (2, [0, 1])):
        with pytest.raises(StatusError) as caught:
            generate(scripted(vocabulary, 1, [], rows=2), [0], num_beams=2, max_new_tokens=2, stop_ids=stops)
        assert caught.value.status == RANGE


def test_logits_of_a_search_that_are_no_numbers_give_a_status() -> None:
    def logits(ids: list[int]) -> npt.NDArray[np.float32]:
        return np.full(5, np.nan if len(ids) > 2 else 0, dtype=np.float32)

    with pytest.raises(StatusError) as caught:
        generate(Model(5, logits, rows=2), [0], num_beams=2, max_new_tokens=5)
    assert caught.value.status == NUMBER
