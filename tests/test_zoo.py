"""`kaoken zoo`: measuring in child processes, the rule of regressions, tables, and rows that fail without stopping others."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from compiled import ROOT
from onnx import TensorProto, helper, numpy_helper

from kaoken.cli import main
from kaoken.errors import UsageError, VerificationError
from kaoken.export.zoo import ZooModel, load_zoo
from kaoken.zoo import exports, generate
from kaoken.zoo.child import run_child
from kaoken.zoo.compare import Rule, regressions
from kaoken.zoo.exports import Job, export_rows
from kaoken.zoo.generate import compare
from kaoken.zoo.result import Cost, Error, RowResult, Speed, Tokens, ZooRun, load_run
from kaoken.zoo.run import ZooOptions, failures, nearest_to_limit, run_zoo, select
from kaoken.zoo.table import HEADS, cells, markdown, rich_table

needs_onnxruntime = pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="needs kaoken[verify]")

GOOD = RowResult(
    name="a-model",
    weights="random, seed 0",
    parameters=1000,
    onnx_nodes=300,
    kernels=10,
    kernel_calls=20,
    c_lines=1000,
    weights_bytes=4000,
    arena_bytes=1 << 20,
    compile=Cost(1.5, 200_000_000),
    build=Cost(5.25, 130_000_000),
    level="avx512",
    error=Error("logits", "batch 1", 2e-6, 1e-6, 4e-6),
    tokens=Tokens("greedy", 64, 64),
    speed=[Speed("prefill 16", 1, 2.0, 3.0)],
    notes=["text in C is left out"],
)


def run_of(*rows: RowResult) -> ZooRun:
    return ZooRun("2026-01-02", "0.1.0", {"cpu": "a | b", "cores": "2"}, list(rows))


def matrix_model(path: Path, rows: int | str = 2) -> Path:
    """y = softmax(x W) with x of [rows, 8]: about the least that can be compiled."""
    weights = numpy_helper.from_array(np.linspace(-1, 1, 128).reshape(8, 16).astype(np.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Softmax", ["h"], ["y"], axis=-1)]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [rows, size]) for n, size in (("x", 8), ("y", 16)))
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y], [weights]), opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo of three rows: one that is fine with its bounds, one whose file is damaged, one without a bound that it needs."""
    folder = tmp_path_factory.mktemp("own-zoo")
    matrix_model(folder / "good" / "model.onnx", "count")
    matrix_model(folder / "free.onnx", "count")
    (folder / "damaged.onnx").write_bytes(b"this is no model")
    (folder / "zoo.toml").write_text(
        '[[model]]\nname = "damaged"\nonnx = "damaged.onnx"\ntiny = true\n\n'
        '[[model]]\nname = "good"\nonnx = "good"\ndims = { count = "1..5" }\ntiny = true\n\n'
        '[[model]]\nname = "free"\nonnx = "free.onnx"\n'
    )
    return folder


# Children


def test_a_child_is_measured_and_speaks() -> None:
    code = (
        "import time, sys; sys.stdin.read(); b = bytearray(150_000_000); time.sleep(0.2); print('noise {'); print('{\"a\": 1}')"
    )
    finished = run_child(["-c", code.replace("noise {", "noise")], "text")
    assert finished.code == 0 and finished.value == {"a": 1}
    assert finished.cost.seconds >= 0.2 and 150e6 < finished.cost.peak_bytes < 1e9


@pytest.mark.parametrize(
    "code, message",
    [
        ("import sys; sys.stderr.write('Traceback\\nkaoken: error: no dim\\n  seq\\n'); sys.exit(2)", "no dim\n  seq"),
        ("raise ValueError('odd')", "ValueError: odd"),
        ("import sys; sys.exit(3)", "exit code 3 without a word"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9 (out of memory?)"),
    ],
)
def test_a_child_that_fails_says_why(code: str, message: str) -> None:
    finished = run_child(["-c", code])
    assert finished.code != 0 and finished.message == message


def test_a_child_that_takes_too_long_is_ended() -> None:
    finished = run_child(["-c", "import time; time.sleep(60)"], timeout=0.3)
    assert finished.code == -9 and finished.cost.seconds < 20


def test_children_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    inner = f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    code = f"from kaoken.zoo.child import run_child; run_child(['-c', {inner!r}])"
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    wait_for(lambda: note.is_file() and note.read_text() != "")
    parent.terminate()
    parent.wait()
    wait_for(lambda: not Path(f"/proc/{note.read_text()}").exists())


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


# The rule


@pytest.mark.parametrize(
    "after, expected",
    [
        (GOOD, []),
        (replace(GOOD, kernels=9, c_lines=1, arena_bytes=1), []),
        (replace(GOOD, c_lines=1020), []),
        (replace(GOOD, c_lines=1021), ["lines of C grew from 1,000 to 1,021 (+2.1%)"]),
        (replace(GOOD, kernels=11, kernel_calls=21), ["distinct kernels grew", "kernel calls grew"]),
        (replace(GOOD, arena_bytes=2 << 20, weights_bytes=5000), ["arena bytes grew", "weights bytes grew"]),
        (replace(GOOD, compile=Cost(99.0, 10**10), speed=[]), []),
        (replace(GOOD, speed=[Speed("prefill 16", 1, 4.0, 3.0)]), []),
        (replace(GOOD, failed="verify", message="the contract is broken"), ["the contract is broken"]),
        (replace(GOOD, failed="tokens", message="token 3 of 64 is another one"), ["token 3 of 64"]),
        (replace(GOOD, failed="build", message="cc said no\nmore"), ["build failed: cc said no"]),
        (replace(GOOD, tokens=None), ["no longer compared"]),
    ],
)
def test_what_counts_as_a_regression_beside_a_baseline(after: RowResult, expected: list[str]) -> None:
    found = regressions(run_of(after), run_of(GOOD), Rule())
    assert len(found) == len(expected)
    assert all(line.startswith("a-model: ") and text in line for line, text in zip(found, expected, strict=True))


def test_the_rule_without_a_baseline_and_with_failures_that_were_there() -> None:
    broken = replace(GOOD, failed="compile", message="unsupported", c_lines=None)
    wrong = replace(GOOD, failed="verify", message="wrong")
    assert regressions(run_of(GOOD), None, Rule()) == []
    assert regressions(run_of(broken), None, Rule()) == ["a-model: compile failed: unsupported"]
    assert regressions(run_of(broken), run_of(broken), Rule()) == []
    assert regressions(run_of(broken), run_of(replace(broken, failed="export")), Rule()) != []
    assert regressions(run_of(wrong), run_of(wrong), Rule()) == ["a-model: wrong"]
    assert regressions(run_of(GOOD), run_of(replace(GOOD, name="another")), Rule()) == []


def test_growth_and_speed_have_the_thresholds_that_are_asked_for() -> None:
    longer, slower = replace(GOOD, c_lines=1100), replace(GOOD, speed=[Speed("prefill 16", 1, 2.5, 3.0)])
    assert regressions(run_of(longer), run_of(GOOD), Rule(growth=10)) == []
    assert regressions(run_of(longer), run_of(GOOD), Rule(growth=9.9)) != []
    assert regressions(run_of(slower), run_of(GOOD), Rule(speed=25)) == []
    assert "1.50 to 1.20" in regressions(run_of(slower), run_of(GOOD), Rule(speed=10))[0]


# Results and tables


def test_results_survive_json(tmp_path: Path) -> None:
    run = run_of(GOOD, RowResult("b", "trained", "export", "no hub"))
    run.save(tmp_path / "new" / "zoo.json")
    assert load_run(tmp_path / "new" / "zoo.json") == run


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "cannot be read"),
        ("{", "is no result"),
        ("[]", "in format 1"),
        ('{"format": 99}', "found 99"),
        ('{"format": 1, "date": "", "kaoken": "", "machine": {}, "rows": [{"name": "x"}]}', "damaged"),
        ('{"format": 1, "date": "", "kaoken": "", "machine": {}, "rows": [3]}', "damaged"),
    ],
)
def test_a_file_that_is_no_result_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "zoo.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_run(path)


def test_tables_have_a_cell_for_each_head_and_say_what_failed() -> None:
    failed = RowResult("b|c", "trained", "compile", "unsupported:\n  node x")
    assert [len(cells(row)) for row in (GOOD, failed)] == [len(HEADS)] * 2
    assert cells(failed)[2:] == ["-"] * (len(HEADS) - 2)
    page = markdown(run_of(GOOD, failed))
    table = [line for line in page.splitlines() if line.startswith("| ")]
    assert len({line.replace("\\|", "").count("|") for line in table[:4]}) == 1
    for text in ("1 of 2 rows pass", "20 (10)", "2.0e-06 / 1.0e-06", "64/64 greedy", "1.50x", "1.5 s, 200 MB"):
        assert text in page
    assert "* **b|c**, compile: unsupported: node x" in page and "| a-model | prefill 16 | 1 | 2.000 | 3.000 | 1.50 |" in page
    assert rich_table(run_of(GOOD, failed)).row_count == 2


def test_the_error_that_is_shown_is_the_one_nearest_to_its_limit() -> None:
    def output(name: str, error: float, limit: float, ok: bool = True) -> dict[str, object]:
        return {"name": name, "report": {"max_error": error, "peer_max_error": 1e-6, "max_limit": limit, "ok": ok}}

    small, near, ids = output("small", 1e-6, 1e-3), output("near", 9e-7, 1e-6), output("ids", 0.0, 0.0)
    case = {"case": {"dims": {"seq": 3}}, "outputs": [small, near, ids]}
    found = {"cases": [case], "steps": None, "bits": {"threads give equal bits": False}}
    assert nearest_to_limit(found) == Error("near", "seq 3", 9e-7, 1e-6, 1e-6)
    case["outputs"].append(output("wrong", 1.0, 1e-6, ok=False))  # type: ignore[attr-defined]
    assert failures(found) == "the accuracy contract is broken: wrong at seq 3; not so: threads give equal bits"


# Rows


@pytest.mark.parametrize(
    "options, names",
    [
        (ZooOptions(), ["a", "b", "c"]),
        (ZooOptions(tiny=True), ["a", "c"]),
        (ZooOptions(full=True), ["b"]),
        (ZooOptions(names=["c", "b"]), ["b", "c"]),
    ],
)
def test_rows_are_chosen(options: ZooOptions, names: list[str]) -> None:
    rows = {name: ZooModel(name, tiny=name != "b") for name in "abc"}
    assert [row.name for row in select(rows, options)] == names


@pytest.mark.parametrize(
    "options, message",
    [
        (ZooOptions(names=["x", "a"]), "has no x; it has a"),
        (ZooOptions(tiny=True, full=True), "exclude each other"),
        (ZooOptions(full=True), "no row"),
    ],
)
def test_a_choice_that_leaves_nothing_is_refused(options: ZooOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select({"a": ZooModel("a", tiny=True)}, options)


@needs_onnxruntime
def test_a_row_that_fails_stops_no_other(manifest: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    options = ZooOptions(manifest=manifest, prefill=[4], rounds=1, seconds=0.01, jobs=2, keep=tmp_path / "kept")
    run = run_zoo(options, each=lambda run: seen.append(run.rows[-1].name))
    rows = {row.name: row for row in run.rows}
    assert seen == ["damaged", "good", "free"] == list(rows)
    assert rows["damaged"].failed == "compile" and rows["damaged"].c_lines is None
    assert rows["free"].failed == "compile" and "count" in rows["free"].message
    assert "damaged.onnx" in rows["damaged"].message and str(manifest) not in rows["damaged"].message
    good = rows["good"]
    assert not good.failed and (good.kernel_calls or 0) >= 1 and (good.c_lines or 0) > 100
    assert good.compile and good.compile.seconds > 0.1 and 20e6 < good.compile.peak_bytes < 2e9
    assert good.build and good.build.peak_bytes > 20e6
    assert good.error and good.error.ours <= good.error.limit
    assert [s.threads for s in good.speed] == [1] and good.speed[0].ratio > 0
    assert (tmp_path / "kept" / "good-c" / "good.h").is_file()
    assert load_zoo(manifest)["good"].dims == {"count": "1..5"}


@needs_onnxruntime
def test_the_command_writes_its_results_and_compares_them(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["zoo", "good", "--manifest", str(manifest / "zoo.toml"), "--no-speed", "-q", "--json"]
    saved = tmp_path / "zoo.json"
    assert main([*words, "--save", str(saved), "--markdown", str(tmp_path / "zoo.md")]) == 0
    assert json.loads(capsys.readouterr().out)["regressions"] == []
    assert "1 of 1 rows pass" in (tmp_path / "zoo.md").read_text()
    before = load_run(saved)
    before.rows[0].c_lines = (before.rows[0].c_lines or 0) // 2
    before.save(saved)
    assert main([*words, "--baseline", str(saved)]) == 4
    captured = capsys.readouterr()
    assert "lines of C grew" in captured.err
    assert json.JSONDecoder().raw_decode(captured.out)[0]["regressions"][0].startswith("good: lines of C grew")


@pytest.mark.parametrize(
    "words, message",
    [
        (["nobody"], "the zoo has no nobody"),
        (["--tiny", "--full"], "exclude each other"),
        (["--manifest", "no/zoo.toml"], "is no manifest"),
        (["--baseline", "no.json"], "cannot be read"),
        (["--threads", "two"], "no list of numbers"),
    ],
)
def test_wrong_words_are_usage_errors(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", *words, "-q"]) == 2
    assert message in capsys.readouterr().err


def test_rows_that_passed_before_are_not_done_again(manifest: Path) -> None:
    kept, failed = replace(GOOD, name="good"), replace(GOOD, name="damaged", failed="build", message="old")
    run = run_zoo(ZooOptions(manifest=manifest, names=["good", "damaged"], done=[kept, failed]))
    assert run.rows[1] == kept
    assert run.rows[0].failed == "compile"


# Exports and tokens


def checkpoint_job(folder: Path, name: str, seed: int | None = None) -> Job:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "config.json").write_text(json.dumps({"name": name}))
    return Job(ZooModel(name, folder=folder / name, task="t"), folder, folder / f"{name}-onnx", seed)


def test_an_export_is_current_until_its_recipe_changes(tmp_path: Path) -> None:
    job = checkpoint_job(tmp_path, "a")
    assert not job.is_current
    job.output.mkdir()
    (job.output / exports.KEY_FILE).write_text(json.dumps({"key": job.key}))
    assert job.is_current and not replace(job, seed=1).is_current
    assert not replace(job, row=replace(job.row, task="other")).is_current
    (tmp_path / "a" / "config.json").write_text("{}")
    assert not job.is_current
    (job.output / exports.KEY_FILE).write_text("[]")
    assert not job.is_current


def test_an_exporter_that_dies_fails_the_row_it_was_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [checkpoint_job(tmp_path, name) for name in ("fine", "refused", "deadly", "last")]
    for job in jobs:
        job.output.mkdir()
    child = """
import json, os, sys
for spec in json.load(sys.stdin):
    if spec["name"] == "deadly":
        os.kill(os.getpid(), 11)
    print(json.dumps({"error": "no config" if spec["name"] == "refused" else "", "seconds": 1.0}), flush=True)
"""
    monkeypatch.setattr(exports, "run_child", lambda _words, text: run_child(["-c", child], text))
    said: list[str] = []
    assert export_rows(jobs, said.append) == {"refused": "no config", "deadly": "ended by signal 11"}
    assert [job.is_current for job in jobs] == [True, False, False, True]
    assert said == ["exporting fine, refused, deadly, last", "exporting last"]


@needs_onnxruntime
def test_greedy_tokens_are_onnxruntimes_and_a_wrong_one_is_found(
    story_onnx: Path, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = ["Once upon a time", "The"]
    assert compare(story_onnx, story, prompts, 12) == [{"prompt": p, "count": 12, "equal": 12} for p in prompts]
    whole = generate.reference_continuation
    monkeypatch.setattr(generate, "reference_continuation", lambda *words: [*whole(*words)[:5], -1, *whole(*words)[6:]])
    assert compare(story_onnx, story, prompts[:1], 12) == [{"prompt": prompts[0], "count": 12, "equal": 5}]
    monkeypatch.setattr(generate.TextGenerator, "tokenize", lambda _self, _text: [1, 2])
    with pytest.raises(VerificationError, match="other ids than the tokenizers package"):
        compare(story_onnx, story, prompts[:1], 12)


def test_the_child_for_tokens_reports_errors_as_commands_do(tmp_path: Path) -> None:
    job = {"onnx": str(tmp_path), "compiled": str(tmp_path), "prompts": ["x"], "count": 3}
    finished = run_child(["-m", "kaoken.zoo.generate"], json.dumps(job))
    assert finished.code == 2 and str(tmp_path) in finished.message and "Traceback" not in finished.message


# What a repository that uses Kaoken copies

EXAMPLE = ROOT / "examples" / "continuous-integration"


def test_the_workflow_to_copy_calls_the_command_with_options_that_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    yaml = pytest.importorskip("yaml")
    steps = yaml.safe_load((EXAMPLE / "kaoken-zoo.yml").read_text())["jobs"]["zoo"]["steps"]
    (line,) = [line for step in steps for line in step.get("run", "").splitlines() if line.startswith("kaoken zoo")]
    assert main(["zoo", "--help"]) == 0
    options = set(re.findall(r"(?<=\s)--[a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"(?<=\s)--[a-z-]+", line)) | {"--baseline"} <= options


def test_the_manifest_to_copy_is_one(tmp_path: Path) -> None:
    (tmp_path / "zoo.toml").write_text((EXAMPLE / "zoo.toml").read_text())
    matrix_model(tmp_path / "classifier.onnx")
    (tmp_path / "assistant").mkdir()
    rows = load_zoo(tmp_path)
    assert list(rows) == ["classifier", "assistant", "sentence-encoder"]
    assert rows["assistant"].prompts and rows["classifier"].dims["seq"] == "1..512"
