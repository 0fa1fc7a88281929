"""The bits contract: results do not depend on threads, on how a prompt is cut, the batch, the instruction set or the compiler."""

from __future__ import annotations

import ctypes
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kaoken.session import Session, TextGenerator
from kaoken.verify.inputs import make_inputs
from tests.compiled import GRAPHS, compiled
from tests.variants import TESTS, available, library, program, run, token_ids, weights

MODELS = ["tiny-gpt2", "tiny-bert"]
CASES = {
    "tiny-gpt2": [(1, 1, 0, "none"), (1, 17, 0, "none"), (3, 33, 20, "left"), (2, 5, 90, "right"), (2, 128, 0, "none")],
    "tiny-bert": [(1, 1, 0, "none"), (1, 16, 0, "none"), (3, 37, 0, "right"), (2, 128, 0, "left")],
}


def inputs_for(graph: str, batch: int, seq: int, past: int, padding: str) -> dict[str, np.ndarray]:
    dims = {"batch_size": batch, "sequence_length": seq}
    if graph == "tiny-gpt2":
        dims["past_sequence_length"] = past
    return make_inputs(GRAPHS / graph / "model.onnx", dims, seed=batch + seq, padding=padding)


def all_outputs(graph: str, folder: Path, threads: int = 1) -> list[np.ndarray]:
    session = Session(folder, threads)
    return [output for case in CASES[graph] for output in session.run(None, inputs_for(graph, *case))]


@pytest.fixture(scope="module")
def expected() -> dict[str, list[np.ndarray]]:
    return {graph: all_outputs(graph, compiled(graph)) for graph in MODELS}


def assert_same_bits(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        different = np.flatnonzero(ours.view(np.uint32) != theirs.view(np.uint32))
        assert different.size == 0, (
            f"{different.size} of {ours.size} differ, first {ours.flat[different[0]]} {theirs.flat[different[0]]}"
        )


@pytest.mark.parametrize("graph", MODELS)
@pytest.mark.parametrize("threads", [2, 3])
def test_threads(graph: str, threads: int, expected: dict[str, list[np.ndarray]]) -> None:
    assert_same_bits(all_outputs(graph, compiled(graph), threads), expected[graph])


@pytest.mark.parametrize("graph", MODELS)
def test_instruction_sets(graph: str, expected: dict[str, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("levels are chosen at run time on x86-64 only")
    monkeypatch.setenv("KAOKEN_LEVEL", "avx2")
    assert TextGenerator(compiled("tiny-gpt2")).level == "avx2"
    assert_same_bits(all_outputs(graph, compiled(graph)), expected[graph])


@pytest.mark.parametrize("graph", MODELS)
@pytest.mark.parametrize(
    ("compiler", "flags"), [("gcc", ("-O3",)), ("clang", ("-O2",)), ("clang", ("-O3", "-march=native")), ("gcc", ("-O0",))]
)
def test_compilers_and_their_levels(
    graph: str, compiler: str, flags: tuple[str, ...], expected: dict[str, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not available(compiler):
        pytest.skip(f"{compiler} is not installed")
    folder = library(graph, compiler, flags)
    assert_same_bits(all_outputs(graph, folder), expected[graph])
    monkeypatch.setenv("KAOKEN_LEVEL", "avx2")
    assert_same_bits(all_outputs(graph, folder), expected[graph])


@pytest.mark.parametrize("graph", MODELS)
def test_neon(graph: str) -> None:
    tools = ("aarch64-linux-gnu-gcc", "qemu-aarch64")
    if not available(*tools):
        pytest.skip(f"needs {' and '.join(tools)} (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)")
    flags = ["-O2", *(["-DGPT2"] if graph == "tiny-gpt2" else [])]
    here = run([program([graph], [TESTS / "bits_dump.c"], "gcc", flags), weights(graph), "1"])
    built = program([graph], [TESTS / "bits_dump.c"], tools[0], [*flags, "-static"])
    there = run(["qemu-aarch64", built, weights(graph), "2"])
    assert there.stderr == "neon\n"
    ours, theirs = there.stdout.split("\n"), here.stdout.split("\n")
    assert len(ours) == len(theirs) > 8000
    assert [n for n, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b] == []


@pytest.mark.parametrize("graph", ["tiny-gpt2", "tiny-llama", "tiny-gpt2-past-dynamo-op23"])
def test_prompt_whole_or_in_pieces(graph: str) -> None:
    folder = compiled(graph)
    generator = TextGenerator(folder, threads=2)
    ids = token_ids(120, generator.vocabulary)
    logits = {}
    for length in range(1, 121):
        generator.reset()
        logits[length] = generator.feed(ids[:length])
    rng = np.random.default_rng(5)
    for sequence in (1, 5, 16, 128):
        pieces = TextGenerator(folder, sequence=sequence)
        for _ in range(8):
            pieces.reset()
            while pieces.position < 120:
                end = min(120, pieces.position + int(rng.integers(1, 50 if rng.random() < 0.5 else 4)))
                found = pieces.feed(ids[pieces.position : end])
                assert_same_bits([found], [logits[end]])


def test_run_gives_what_feed_gives() -> None:
    """Every position of a whole prompt, and steps that carry past and present through the caller."""
    ids = token_ids(100, 512)
    generator, session = TextGenerator(compiled("tiny-gpt2")), Session(compiled("tiny-gpt2"))
    fed = np.stack([generator.feed([i]) for i in ids])

    def step(start: int, end: int, past: list[np.ndarray]) -> list[np.ndarray]:
        names = [i.name for i in session.get_inputs() if len(i.shape) == 4]
        inputs = dict(zip(names, past, strict=True))
        inputs |= {"input_ids": ids[None, start:end], "attention_mask": np.ones((1, end), np.int64)}
        inputs["position_ids"] = np.arange(start, end)[None]
        return session.run(None, inputs)

    nothing = [np.zeros((1, 4, 0, 16), np.float32)] * 4
    assert_same_bits([step(0, 100, nothing)[0][0]], [fed])
    past, start = nothing, 0
    for length in (1, 16, 3, 30, 1, 49):
        logits, *past = step(start, start + length, past)
        assert_same_bits([logits[0]], [fed[start : start + length]])
        start += length


@pytest.mark.parametrize("graph", MODELS)
def test_place_in_the_batch_and_other_rows(graph: str) -> None:
    """A row gives the same bits alone, anywhere in a batch, and beside rows full of other ids."""
    session = Session(compiled(graph), threads=2)
    for _, seq, past, _ in CASES[graph]:
        batch = inputs_for(graph, 5, seq, past, "none")
        rows = session.run(None, batch)
        for row in range(5):
            alone = session.run(None, {name: value[row : row + 1] for name, value in batch.items()})
            assert_same_bits(alone, [output[row : row + 1] for output in rows])
        order = np.array([3, 0, 4, 1, 2])
        moved = session.run(None, {name: value[order] for name, value in batch.items()})
        assert_same_bits(moved, [output[order] for output in rows])
        other = {name: value.copy() for name, value in batch.items()}
        other["input_ids"][1:] = (other["input_ids"][1:] + 99) % 512
        assert_same_bits([o[:1] for o in session.run(None, other)], [o[:1] for o in rows])


def test_padding_is_not_seen() -> None:
    """What stands at masked positions changes nothing where the mask shows something."""
    session = Session(compiled("tiny-bert"))
    inputs = inputs_for("tiny-bert", 2, 40, 0, "right")
    inputs["attention_mask"][0, :] = 1
    inputs["attention_mask"][1, 23:] = 0
    first = session.run(None, inputs)[0]
    inputs["input_ids"][1, 23:] = (inputs["input_ids"][1, 23:] + 7) % 512
    second = session.run(None, inputs)[0]
    assert_same_bits([first[0], first[1, :23].copy()], [second[0], second[1, :23].copy()])


def test_handles_in_two_threads_at_once(expected: dict[str, list[np.ndarray]]) -> None:
    folders = [compiled(MODELS[n % 2]) for n in range(4)]

    def work(n: int) -> None:
        for _ in range(5):
            assert_same_bits(all_outputs(MODELS[n % 2], folders[n], threads=1 + n % 3), expected[MODELS[n % 2]])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_rounding_and_flush_modes_of_the_caller_change_nothing(expected: dict[str, list[np.ndarray]]) -> None:
    """The caller's modes are set aside during a call and given back after it."""
    libm = ctypes.CDLL("libm.so.6")
    upward = 0x800 if platform.machine() == "x86_64" else 0x400000
    assert libm.fesetround(upward) == 0
    try:
        found = all_outputs("tiny-bert", compiled("tiny-bert"), threads=2)
        assert libm.fegetround() == upward
    finally:
        libm.fesetround(0)
    assert_same_bits(found, expected["tiny-bert"])
