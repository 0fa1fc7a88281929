"""`kaoken embed`: its output, its ways to read texts, and what it says of wrong use."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled import GRAPHS, compiled
from test_encoder import compile_with_tokenizer

from kaoken.cli import main
from kaoken.encoder import TextEncoder

TEXTS = ["Once upon a time", "the dog", "Zoë's 2nd \u2028line\n"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_with_tokenizer(tmp_path_factory.mktemp("embed"), {"pooling_mode_mean_tokens": True})


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_line_of_numbers_a_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "embed", folder, "-p", TEXTS[0], "-p", TEXTS[1])
    found = np.loadtxt(io.StringIO(out), dtype=np.float32)
    assert code == 0 and np.array_equal(found, TextEncoder(folder).encode(TEXTS[:2])), "digits lose nothing"
    assert re.search(r"2 texts, \d+ tokens in \d+ ms \(\w+\)", err)
    assert call(capsys, "embed", folder, "-p", TEXTS[0], "--quiet")[2] == ""


def test_json_lines_from_a_file_and_from_stdin(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [json.dumps(TEXTS[0]), "", json.dumps({"text": TEXTS[1], "id": 7}), json.dumps(TEXTS[2], ensure_ascii=False)]
    lines = "\n".join(items)
    (tmp_path / "texts.jsonl").write_text(lines + "\n", encoding="utf-8")
    expected = call(capsys, "embed", folder, *[word for text in TEXTS for word in ("-p", text)])[1]
    assert call(capsys, "embed", folder, "--file", tmp_path / "texts.jsonl")[1] == expected
    for words in ((), ("--file", "-")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        assert call(capsys, "embed", folder, *words, "--threads", "2", "--batch", "2")[1] == expected
    both = call(capsys, "embed", folder, "-p", TEXTS[2], "-f", tmp_path / "texts.jsonl")[1].splitlines()
    assert both[0] == both[3] and both[1:] == expected.splitlines()


def test_json_says_how_the_vectors_were_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("embed", folder, "-p", TEXTS[0], "-p", "again " * 50, "--json")
    made = json.loads(call(capsys, *words)[1])
    assert (made["texts"][0], made["width"], made["cut"]) == (TEXTS[0], 64, [1])
    assert (made["pooling"], made["normalize"]) == ("mean", False)
    encoder = TextEncoder(folder)
    assert np.array_equal(np.array(made["embeddings"], np.float32), encoder.encode(made["texts"]))
    made = json.loads(call(capsys, *words, "--pooling", "last", "--normalize", "--max-length", "5")[1])
    assert (made["pooling"], made["normalize"], made["cut"], made["tokens"]) == ("last", True, [0, 1], 10)
    short = TextEncoder(folder, max_length=5)
    assert np.array_equal(np.array(made["embeddings"], np.float32), short.encode(made["texts"], pooling="last", normalize=True))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{folder}", "-p", "x", "--pooling", "max"], "pooling is one of mean, cls, last, not max"),
        (["{folder}", "-p", "x", "--batch", "9"], r"outside 1\.\.8; compile with --dim"),
        (["{folder}", "--file", "{place}/none.jsonl"], r"there is no file .*none\.jsonl"),
        (["{folder}", "--file", "{place}/bad.jsonl"], r"bad\.jsonl, line 2 is no JSON"),
        (["{folder}", "--file", "{place}/number.jsonl"], r"number\.jsonl, line 1 holds no text"),
        (["{folder}", "--file", "{place}/bytes.jsonl"], r"bytes\.jsonl, line 1 is no JSON"),
        (["{place}/nowhere", "-p", "x"], "there is no folder .*make it with `kaoken compile"),
        (["{graphs}/tiny-bert", "-p", "x"], "compile it first: kaoken compile"),
        (["{electra}", "-p", "x"], r"without a tokenizer; compile a folder that holds tokenizer\.json"),
        (["{gpt2}", "-p", "x"], "no encoder of texts"),
    ],
)
def test_wrong_use_is_told_with_code_2(
    words: list[str], message: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.jsonl").write_text('"good"\nbad\n')
    (tmp_path / "number.jsonl").write_text("7\n")
    (tmp_path / "bytes.jsonl").write_bytes(b'"\xff"\n')
    places: dict[str, Any] = {"folder": folder, "place": tmp_path, "graphs": GRAPHS}
    places |= {"electra": compiled("tiny-electra"), "gpt2": compiled("tiny-gpt2")}
    code, out, err = call(capsys, "embed", *(word.format(**places) for word in words))
    assert code == 2 and out == "" and re.search(message, err), err
