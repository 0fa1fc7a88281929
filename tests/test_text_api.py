"""Texts through a compiled encoder's own functions: rows for run and embed, pairs, and the example programs."""

from __future__ import annotations

import ctypes
import json
import random
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("tokenizers")

from onnx import TensorProto, helper, numpy_helper
from text_samples import fuzz_string
from tokenizers import Tokenizer

from kaoken.compiler import CompileOptions, compile_model
from kaoken.encoder import TextEncoder
from kaoken.session import Library, Session, SessionError
from tests.compiled import GRAPHS, compiled
from tests.variants import PLAIN, WARNINGS, program, run, weights

TEXTS = ["A cat sat down.", "", "The [MASK] läy down!", "x " * 300]
SECONDS = ["Who sat down?", "A dog", "", "y" * 90]


def reference(length: int) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(GRAPHS / "tiny-bert" / "tokenizer.json"))
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]"))
    tokenizer.enable_truncation(length)
    return tokenizer


@pytest.mark.parametrize("length", [7, 60, 128])
@pytest.mark.parametrize("pairs", [False, True])
def test_rows_are_those_of_the_tokenizers_package_with_padding_and_truncation(pairs: bool, length: int) -> None:
    encoder = TextEncoder(compiled("tiny-bert"))
    chooser = random.Random(length)
    texts, seconds = ([*given, *(fuzz_string(chooser) for _ in range(20))] for given in (TEXTS, SECONDS))
    expected = reference(length).encode_batch([*zip(texts, seconds, strict=True)] if pairs else texts)
    rows = encoder.tokenize_batch(texts, seconds if pairs else None, length=length)
    assert rows["input_ids"].tolist() == [row.ids for row in expected]
    assert rows["attention_mask"].tolist() == [row.attention_mask for row in expected]
    assert rows["token_type_ids"].tolist() == [row.type_ids for row in expected]


def test_rows_go_straight_into_a_session() -> None:
    folder = compiled("tiny-bert")
    encoder = TextEncoder(folder)
    rows = encoder.tokenize_batch(TEXTS[:3], SECONDS[:3])
    (hidden,) = Session(folder).run(None, rows)
    assert hidden.shape == (*rows["input_ids"].shape, 64)
    alone = encoder.tokenize_batch(TEXTS[:1], SECONDS[:1])
    (one,) = Session(folder).run(None, alone)
    length = alone["input_ids"].shape[1]
    assert np.array_equal(one[0], hidden[0, :length])


def test_text_and_back() -> None:
    encoder = TextEncoder(compiled("tiny-bert"))
    tokenizer = Tokenizer.from_file(str(GRAPHS / "tiny-bert" / "tokenizer.json"))
    for text in TEXTS:
        ids = encoder.tokenize(text)
        assert ids == tokenizer.encode(text).ids
        assert encoder.detokenize(ids) == tokenizer.decode(ids)
        assert encoder.detokenize(ids, keep_special=True) == tokenizer.decode(ids, skip_special_tokens=False)


def test_rows_that_cannot_be_made_are_refused() -> None:
    encoder = TextEncoder(compiled("tiny-bert"))
    with pytest.raises(ValueError, match="one text or more"):
        encoder.tokenize_batch([])
    with pytest.raises(ValueError, match="one text or more"):
        encoder.tokenize_batch(["a"], [])
    with pytest.raises(SessionError):
        encoder.tokenize_batch(["a"], length=1)


def test_the_example_of_an_encoder_prints_vectors_of_texts() -> None:
    folder = compiled("tiny-bert")
    driver = program(["tiny-bert"], [folder / "example" / "main.c"], "gcc", PLAIN)
    lines = run([driver, weights("tiny-bert"), *TEXTS[:3]]).stdout.splitlines()
    vectors = TextEncoder(folder).encode(TEXTS[:3])
    assert [line.partition("  ")[2] for line in lines[::2]] == TEXTS[:3]
    for row, vector in enumerate(vectors):
        printed = [float(number) for number in lines[2 * row + 1].split()[:8]]
        assert np.allclose(printed, vector[:8], atol=1e-5)
        likeness = float(vectors[0] @ vector / np.linalg.norm(vectors[0]) / np.linalg.norm(vector))
        assert abs(float(lines[2 * row].split()[0]) - likeness) < 1e-3


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT with a head of three classes on its first token."""
    source = tmp_path_factory.mktemp("classifier") / "classes-onnx"
    shutil.copytree(GRAPHS / "tiny-bert", source)
    model = onnx.load(source / "model.onnx")
    weight = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
    first = numpy_helper.from_array(np.array(0, np.int64), "first_token")
    model.graph.initializer.extend([first, numpy_helper.from_array(weight, "classifier.weight")])
    model.graph.node.extend(
        [
            helper.make_node("Gather", ["last_hidden_state", "first_token"], ["first_state"], axis=1),
            helper.make_node("MatMul", ["first_state", "classifier.weight"], ["logits"]),
        ]
    )
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch_size", 3]))
    onnx.save(model, source / "model.onnx")
    compile_model(source, source.parent / "classes-c", CompileOptions(name="classes"))
    return source.parent / "classes-c"


def test_the_example_of_a_classifier_takes_a_text_or_a_pair(classifier: Path, tmp_path: Path) -> None:
    run(
        ["sh", "-c", f"cc -O2 {' '.join(WARNINGS)} example/main.c *.c kaoken/*.c -lm -lpthread -o {tmp_path / 'main'}"],
        cwd=classifier,
    )
    session = Session(classifier)
    for texts in ([TEXTS[0]], [TEXTS[0], SECONDS[0]]):
        expected = reference(128).encode(*texts)
        feeds = {"input_ids": expected.ids, "attention_mask": expected.attention_mask, "token_type_ids": expected.type_ids}
        (logits,) = session.run(None, {name: np.array([row], np.int64) for name, row in feeds.items()})
        done = run([tmp_path / "main", classifier / "classes.weights", *texts]).stdout
        assert done.startswith(f"logits 0: greatest at {int(logits[0].argmax())};")
        assert np.allclose([float(number) for number in done.split(";")[1].split()], logits[0], rtol=1e-4)


def test_every_wrong_argument_of_the_batch_function_gives_a_status() -> None:
    library = Library(compiled("tiny-bert"))
    assert json.loads((compiled("tiny-bert") / "report.json").read_text())["tokenizer"]
    handle = library.create({"text_bytes": 8})
    batch = library.function("tokenize_batch")
    batch.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, *(4 * [ctypes.c_void_p])]

    class Text(ctypes.Structure):
        _fields_ = (("t", ctypes.c_char_p), ("n", ctypes.c_size_t), ("u", ctypes.c_char_p), ("m", ctypes.c_size_t))

    ids = (ctypes.c_int64 * 8)()

    def status(text: Text | None, rows: int = 1, length: int = 8, given: object = ids, model: object = handle) -> int:
        most = ctypes.c_int64(length)
        pointer = None if text is None else ctypes.byref(text)
        return int(batch(model, pointer, rows, given, None, None, ctypes.byref(most)))

    good = Text(b"ab", 2, None, 0)
    assert status(good) == 0
    assert status(good, model=None) == status(None) == status(good, given=None) == status(Text(None, 2, None, 0)) == 1
    assert status(Text(b"ab", 2, None, 3)) == 1
    assert status(good, rows=0) == status(good, length=0) == status(good, length=2**62) == 2
    assert status(Text(b"a" * 9, 9, None, 0)) == status(Text(b"a", 1, b"b" * 9, 9)) == status(good, length=1) == 6
    assert status(Text(b"\xff", 1, None, 0)) == 7
    library.destroy(handle)
