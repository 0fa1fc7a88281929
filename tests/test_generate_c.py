"""The generation loop in C: what it feeds, what it hands out, what stops it."""

from __future__ import annotations

import ctypes
import random
import subprocess
from ctypes import byref, c_int64, c_size_t
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from c_build import build_program
from c_generate import (
    CALLBACK,
    CONTEXT,
    LENGTH,
    SOURCES,
    STOP_ID,
    STOP_STRING,
    Model,
    Request,
    Result,
    generate,
    library,
    make_options,
    scripted,
)
from c_sampler import NUMBER, CSampler
from c_tokenizer import ARGUMENT, CAPACITY, OK, RANGE, TEXT, CTokenizer, StatusError
from text_samples import FUZZ_STRINGS, compile_tables, fuzz_string, gpt2_like
from tokenizers import Tokenizer

THREAD_ERROR = 9


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_tables(gpt2_like(), tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def tokenizer(tables: bytes) -> CTokenizer:
    return CTokenizer(tables)


# --- without a tokenizer


def test_tokens_are_fed_back_one_by_one_and_the_last_is_not() -> None:
    model = scripted(10, 2, [3, 1, 4, 1, 5])
    got = generate(model, [7, 8], max_new_tokens=4)
    assert got.tokens == [(3, ""), (1, ""), (4, ""), (1, "")]
    assert (got.reason, got.count, got.last_id) == (LENGTH, 4, 1)
    assert model.feeds == [[7, 8], [3], [1], [4]]


def test_no_token_is_asked_for() -> None:
    model = scripted(10, 1, [])
    got = generate(model, [7], max_new_tokens=0)
    assert (got.tokens, got.reason, got.count, got.last_id) == ([], LENGTH, 0, -1)
    assert model.feeds == [[7]]


def test_a_stop_id_ends_the_text_and_is_not_handed_out() -> None:
    got = generate(scripted(10, 1, [3, 4, 9, 5]), [0], stop_ids=[8, 9])
    assert (got.ids, got.reason, got.count, got.last_id) == ([3, 4], STOP_ID, 2, 9)


def test_the_callback_stops() -> None:
    got = generate(scripted(10, 1, [3, 4, 9, 5]), [0], stop_after=2)
    assert (got.ids, got.reason, got.count, got.last_id) == ([3, 4], CALLBACK, 2, 4)


@pytest.mark.parametrize(("held", "capacity", "tokens"), [(0, 2, 1), (0, 5, 4), (3, 5, 1), (3, 9, 5)])
def test_a_full_context_ends_the_text(held: int, capacity: int, tokens: int) -> None:
    model = scripted(10, held + 2, [3, 1, 4, 1, 5, 9], capacity=capacity, cache=[6] * held)
    got = generate(model, [0, 0])
    assert (got.ids, got.reason) == ([3, 1, 4, 1, 5, 9][:tokens], CONTEXT)
    assert len(model.cache) == capacity


def test_sampling_equals_the_sampler_on_the_models_logits() -> None:
    def logits(cache: list[int]) -> np.ndarray:
        return (np.random.default_rng(cache).standard_normal(50) * 2).astype(np.float32)

    values: dict[str, Any] = {"temperature": 0.9, "top_k": 20, "top_p": 0.9, "repetition_penalty": 1.5, "seed": 11}
    got = generate(Model(50, logits), [1, 2, 3], max_new_tokens=40, **values)
    sampler = CSampler(50, **{name: value for name, value in values.items() if name != "repetition_penalty"})
    cache = [1, 2, 3]
    for token in got.ids:
        scores, penalty = logits(cache), np.float32(1.5)
        seen = list(set(cache))
        scores[seen] = np.where(scores[seen] < 0, scores[seen] * penalty, scores[seen] / penalty)
        assert token == sampler.sample(scores)
        cache.append(token)
    assert generate(Model(50, logits), [1, 2, 3], max_new_tokens=40, **values).ids == got.ids
    assert generate(Model(50, logits), [1, 2, 3], max_new_tokens=40, **values | {"seed": 12}).ids != got.ids


# --- text


def write(tokenizer: CTokenizer, ids: list[int], **values: Any) -> tuple[str, int, list[tuple[int, str]]]:
    """Text, reason and parts when a model writes these ids and is then stopped by its length."""
    got = generate(scripted(len(tokenizer), 1, ids), [0], tokenizer, max_new_tokens=len(ids), **values)
    return got.text, got.reason, got.tokens


def first_stop(text: str, stops: list[str]) -> int | None:
    """Where the stop string that is complete first begins, the longest of those that end together."""
    ends = [(text.find(stop) + len(stop), -len(stop)) for stop in stops if stop in text]
    return None if not ends else min(ends)[0] + min(ends)[1]


def test_text_equals_the_decoded_tokens(tokenizer: CTokenizer) -> None:
    reference = Tokenizer.from_str(gpt2_like())
    chooser = random.Random(3)
    for number in range(100):
        ids = reference.encode(fuzz_string(chooser)).ids
        if number % 2:
            ids = [chooser.randrange(len(tokenizer)) for _ in range(20)]
        keep = number % 3 == 0
        text, reason, parts = write(tokenizer, ids, keep_special=keep)
        assert text == reference.decode(ids, skip_special_tokens=not keep)
        assert reason == LENGTH
        assert [token for token, _ in parts if token >= 0] == ids


def test_stop_strings_are_found_across_tokens_and_never_shown(tokenizer: CTokenizer) -> None:
    """Against a search in the whole text, whatever the tokens are."""
    reference = Tokenizer.from_str(gpt2_like())
    chooser = random.Random(5)
    found = 0
    for _ in range(max(400, FUZZ_STRINGS // 10)):
        chosen = "".join(chooser.choice(["a", "b", "ab", "ba", "the ", "é", "☃", "\n"]) for _ in range(30))
        ids = [token for part in chosen.split("b") for token in reference.encode(part).ids] + [5]
        whole = reference.decode(ids)
        stops = [
            whole[begin : begin + chooser.randint(1, 6)] if chooser.random() < 0.4 else "ab" * chooser.randint(1, 3)
            for begin in (chooser.randrange(len(whole)) for _ in range(chooser.randint(1, 3)))
        ]
        text, reason, _ = write(tokenizer, ids, stop_strings=stops)
        place = first_stop(whole, stops)
        found += place is not None
        assert reason == (LENGTH if place is None else STOP_STRING)
        assert text == whole[:place]
    assert found > 100


def test_only_what_could_become_a_stop_string_is_held_back(tokenizer: CTokenizer) -> None:
    one = [tokenizer.encode(character)[0] for character in "xENExEND"]
    text, reason, parts = write(tokenizer, one, stop_strings=["END"])
    assert [part for _, part in parts] == ["x", "", "", "EN", "Ex", "", "", ""]
    assert (text, reason) == ("xENEx", STOP_STRING)


@pytest.mark.parametrize("ending", ["length", "id", "context", "callback"])
def test_what_was_held_back_is_given_at_the_end(ending: str, tokenizer: CTokenizer) -> None:
    ids = [tokenizer.encode(character)[0] for character in "xEN"]
    model = scripted(len(tokenizer), 1, [*ids, 0], capacity=3 if ending == "context" else 99)
    got = generate(
        model, [0], tokenizer, stop_strings=["END"], stop_ids=[0], max_new_tokens=3 if ending == "length" else 9,
        stop_after=3 if ending == "callback" else None,
    )  # fmt: skip
    rest = [] if ending == "callback" else [(-1, "EN")]
    assert got.tokens == [(ids[0], "x"), (ids[1], ""), (ids[2], ""), *rest]


def test_an_unfinished_character_is_given_as_a_replacement_at_the_end(tokenizer: CTokenizer) -> None:
    ids = tokenizer.encode("a\U0010fffe")
    assert len(ids) == 5
    assert write(tokenizer, ids[:4])[2] == [(ids[0], "a"), *((token, "") for token in ids[1:4]), (-1, "\ufffd")]


def test_a_vocabulary_larger_than_the_tokenizers_is_fine(tokenizer: CTokenizer) -> None:
    beyond = len(tokenizer) + 40
    got = generate(scripted(beyond + 1, 1, [beyond, 40]), [0], tokenizer, max_new_tokens=2)
    assert got.ids == [beyond, 40]
    assert got.text == tokenizer.decode([40])


# --- what is refused


def status(model: Model, prompt: list[int], tokenizer: CTokenizer | None = None, **values: Any) -> int:
    with pytest.raises(StatusError) as caught:
        generate(model, prompt, tokenizer, **values)
    return caught.value.status


def test_bad_input_gives_a_status_before_anything_is_fed(tokenizer: CTokenizer) -> None:
    model = scripted(len(tokenizer), 1, [], capacity=4)
    assert status(model, []) == ARGUMENT
    assert status(model, [-1]) == RANGE
    assert status(model, [len(tokenizer)]) == RANGE
    assert status(model, [0] * 5) == CAPACITY
    assert status(model, [0], max_new_tokens=-1) == RANGE
    assert status(model, [0], temperature=-1.0) == RANGE
    assert status(model, [0], stop_strings=["x"]) == ARGUMENT
    assert status(model, [0], tokenizer, stop_strings=["x", ""]) == ARGUMENT
    assert status(model, [0], tokenizer, stop_strings=[b"\xff"]) == TEXT
    assert status(scripted(0, 1, []), [0]) == RANGE
    assert model.feeds == []


def test_what_the_model_reports_is_passed_on() -> None:
    assert status(scripted(5, 1, [], status=THREAD_ERROR), [0]) == THREAD_ERROR

    def logits(cache: list[int]) -> np.ndarray:
        return np.full(5, np.nan if len(cache) > 2 else 0, dtype=np.float32)

    assert status(Model(5, logits), [0]) == NUMBER


def test_null_pointers_and_small_scratch_give_a_status(tokenizer: CTokenizer) -> None:
    call, struct, good = library(), scripted(5, 1, []).struct(), make_options()
    results, ids = (Result * 1)(), (c_int64 * 200)()
    fields: dict[str, Any] = {"batch": 1, "options": ctypes.pointer(good), "results": results, "ids": ids, "ids_capacity": 200}
    fields["prompts"] = (ctypes.POINTER(c_int64) * 1)((c_int64 * 1)(0))
    fields["prompt_counts"] = (c_size_t * 1)(1)
    whole = Request(**fields)
    needed = call.kk_generate_scratch(byref(struct), tokenizer.handle, byref(whole))
    scratch, size = (c_int64 * (needed // 8 + 2))(), c_size_t(needed)
    misaligned = ctypes.c_void_p(ctypes.addressof(scratch) + 4)
    handle, model = tokenizer.handle, byref(struct)

    def status_of(**changed: Any) -> int:
        request = Request(**{name: value for name, value in (fields | changed).items() if value is not None})
        return int(call.kk_generate(model, handle, byref(request), scratch, size))

    assert call.kk_generate(None, handle, byref(whole), scratch, size) == ARGUMENT
    assert call.kk_generate(model, handle, None, scratch, size) == ARGUMENT
    assert call.kk_generate(model, handle, byref(whole), None, size) == ARGUMENT
    assert call.kk_generate(model, handle, byref(whole), misaligned, size) == ARGUMENT
    assert call.kk_generate(model, handle, byref(whole), scratch, c_size_t(needed - 1)) == CAPACITY
    assert status_of() == status_of(results=None) == status_of(ids=None) == OK
    for name in ("prompts", "prompt_counts", "options", "batch"):
        assert status_of(**{name: None}) == ARGUMENT, name
    assert status_of(batch=-1) == ARGUMENT
    assert status_of(batch=2, prompts=(ctypes.POINTER(c_int64) * 2)(), prompt_counts=(c_size_t * 2)(1, 1)) == CAPACITY
    assert status_of(prompts=(ctypes.POINTER(c_int64) * 1)()) == ARGUMENT
    assert status_of(ids_capacity=127) == CAPACITY
    assert call.kk_generate_scratch(None, handle, byref(whole)) == 0
    assert call.kk_generate_scratch(model, handle, None) == 0
    good.stop_ids, good.stop_id_count = None, 1
    assert status_of() == ARGUMENT
    good.stop_id_count, good.stream.stop_strings, good.stream.stop_string_count = 0, None, 1
    assert status_of() == ARGUMENT


def test_random_calls_are_answered_under_the_sanitizers(tables: bytes, tmp_path: Path) -> None:
    (tmp_path / "tables").write_bytes(tables)
    program = build_program([Path(__file__).with_name("text_calls.c"), *SOURCES], sanitize=True)
    done = subprocess.run(
        [str(program), str(tmp_path / "tables"), str(max(3000, FUZZ_STRINGS))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    fine, refused = map(int, done.stdout.split()[:2])
    assert fine > 300
    assert refused > 300
