"""What a hostile caller can do to a compiled model: get status codes. Under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import re
from pathlib import Path

from tests.variants import SANITIZERS, TESTS, WARNINGS, program, run, weights

ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1:max_allocation_size_mb=4096",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
FLAGS = ["-O1", *WARNINGS, "-std=gnu11", *SANITIZERS]


def test_ten_thousand_bad_calls_get_status_codes(tmp_path: Path) -> None:
    driver = program(["tiny-gpt2"], [TESTS / "hostile_calls.c"], "cc", FLAGS)
    total = opened = 0
    for seed in range(6):
        arguments = [weights("tiny-gpt2"), weights("tiny-bert"), str(seed), "5000", tmp_path / "scratch.weights"]
        done = run([driver, *arguments], env=ENVIRONMENT)
        found = re.fullmatch(r"(\d+) refused, (\d+) accepted, (\d+) damaged files opened\n", done.stdout)
        assert found is not None, done.stdout
        total += int(found[1])
        opened += int(found[3])
        assert int(found[2]) > 500
    assert total >= 10_000 and opened > 50


def test_bad_calls_of_a_model_without_state_get_status_codes() -> None:
    driver = program(["tiny-bert"], [TESTS / "hostile_encoder.c"], "cc", FLAGS)
    total = 0
    for seed in range(3):
        done = run([driver, weights("tiny-bert"), weights("tiny-gpt2"), str(seed), "3000"], env=ENVIRONMENT)
        found = re.fullmatch(r"(\d+) refused, (\d+) accepted\n", done.stdout)
        assert found is not None, done.stdout
        total += int(found[1])
        assert int(found[2]) > 500
    assert total >= 3000


def test_random_pieces_rows_and_truncations_leave_what_a_fresh_row_holds() -> None:
    driver = program(["tiny-gpt2"], [TESTS / "feed_fuzz.c"], "cc", FLAGS)
    for seed in range(12):
        done = run([driver, weights("tiny-gpt2"), str(seed), "400"], env=ENVIRONMENT)
        found = re.fullmatch(r"(\d+) rows compared\n", done.stdout)
        assert found is not None and int(found[1]) > 100, done.stdout
