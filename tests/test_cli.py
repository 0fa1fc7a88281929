"""The command line: what it prints, its exit codes, its JSON, and that no failure leaves anything half-written."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from compiled import GRAPHS, ROOT, compiled
from onnx import TensorProto, helper, numpy_helper

import kaoken
from kaoken.cli import main
from kaoken.session import Library, TextGenerator

COMMANDS = ("export", "compile", "run", "embed", "inspect", "ops", "verify", "bench", "tune")
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Outcome:
    """What a call of the command line gave."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command line in this process."""
    monkeypatch.delenv("KAOKEN_TRACEBACK", raising=False)

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


def process(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "kaoken", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )


def small_model(nodes: Sequence[onnx.NodeProto], path: Path, inputs: Sequence[onnx.ValueInfoProto] = ()) -> Path:
    """A model of the given nodes from x[2, 3] to y."""
    given = [helper.make_tensor_value_info("x", FLOAT, [2, 3]), *inputs]
    graph = helper.make_graph(list(nodes), "g", given, [helper.make_tensor_value_info("y", FLOAT, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("other", 1)]), path)
    return path


# help and start-up --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_that_name_real_options(call: Any, command: str) -> None:
    outcome = call(command, "--help")
    assert outcome.code == 0
    text = outcome.out[outcome.out.index("Examples:") :]
    examples = re.findall(rf"kaoken {command} .*", text)
    assert len(examples) >= 2, outcome.out
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", outcome.out[outcome.out.index("Options:") :]))
    for example in examples:
        assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", example)) <= known, example


def test_help_lists_every_command_and_the_exit_codes(call: Any) -> None:
    outcome = call("--help")
    assert outcome.code == 0
    assert all(re.search(rf"^  {command} ", outcome.out, re.MULTILINE) for command in COMMANDS)
    assert "Exit codes" in outcome.out


def test_version(call: Any) -> None:
    assert call("--version").out == f"kaoken {kaoken.__version__}\n"


def test_help_imports_no_heavy_package() -> None:
    program = (
        "import sys; from kaoken.cli import main; code = main(['compile', '--help']); "
        "heavy = {'onnx', 'numpy', 'mako', 'torch', 'transformers', 'onnxruntime'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_compile_imports_nothing_of_the_extras(tmp_path: Path) -> None:
    program = (
        "import sys; from kaoken.cli import main; "
        f"assert main(['compile', {str(GRAPHS / 'tiny-gpt2')!r}, '-o', {str(tmp_path / 'out')!r}]) == 0; "
        "extras = {'torch', 'transformers', 'optimum', 'onnxruntime', 'tokenizers'} & set(sys.modules); assert not extras, extras"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)


# compile ------------------------------------------------------------------------------------------------------------------------


def test_compile_writes_the_folder_and_says_what_it_did(call: Any, tmp_path: Path) -> None:
    outcome = call("compile", GRAPHS / "tiny-gpt2", "-o", tmp_path / "out", "--explain", "--dump-ir", tmp_path / "ir")
    assert outcome.code == 0, outcome.err
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"tiny_gpt2.h", "tiny_gpt2.c", "tiny_gpt2.weights", "report.json"}
    assert "lines of C" in outcome.out and "attention: 2 fused" in outcome.out
    assert len(list((tmp_path / "ir").glob("*.ir"))) > 10
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ir", "out"]


def test_compile_json_is_the_report(call: Any, tmp_path: Path) -> None:
    outcome = call("compile", GRAPHS / "tiny-bert", "-o", tmp_path / "out", "--json", "--name", "small")
    assert outcome.json["name"] == "small" and outcome.json["folder"] == str(tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert outcome.json["interface"] == report["interface"]


def test_progress_goes_to_stderr_and_quiet_silences_it(call: Any, tmp_path: Path) -> None:
    assert "reading the model" in call("compile", GRAPHS / "tiny-bert", "-o", tmp_path / "out").err
    assert call("compile", GRAPHS / "tiny-bert", "-o", tmp_path / "out", "-q").err == ""


def test_compile_builds(call: Any, tmp_path: Path) -> None:
    outcome = call("compile", GRAPHS / "tiny-bert", "-o", tmp_path / "out", "--build", "--json")
    assert outcome.code == 0 and Path(outcome.json["library"]).is_file()


USAGE_ERRORS = {
    "missing file": (["{missing}"], "there is no file or folder"),
    "malformed --dim": (["{bert}", "--dim", "sequence_length"], "not of the form NAME=LOW..HIGH"),
    "empty --dim": (["{bert}", "--dim", "sequence_length=8..4"], "8..4"),
    "--dim of no dimension": (["{bert}", "--dim", "length=1..4"], "its dimensions are: batch_size, sequence_length"),
    "no bounds": (["{dynamo}"], "--dim seq=1..128"),
    "bad --name": (["{bert}", "--name", "my model"], "--name my model"),
    "folder without a model": (["{empty}"], "{empty}"),
    "unknown option": (["{bert}", "--fast"], "--fast"),
    "unknown machine": (["{bert}", "--embed", "--target", "vax"], "vax"),
}


@pytest.mark.parametrize("row", USAGE_ERRORS, ids=str)
def test_wrong_use_is_told_with_code_2_and_leaves_nothing(call: Any, tmp_path: Path, row: str) -> None:
    words, message = USAGE_ERRORS[row]
    (tmp_path / "empty").mkdir()
    names = {
        "missing": tmp_path / "none.onnx",
        "bert": GRAPHS / "tiny-bert",
        "dynamo": GRAPHS / "tiny-gpt2-past-dynamo-op20",
        "empty": tmp_path / "empty",
    }
    outcome = call("compile", *(word.format(**names) for word in words), "-o", tmp_path / "out")
    assert outcome.code == 2, outcome.err
    assert message.format(**names) in outcome.err
    assert "Traceback" not in outcome.err
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


def test_somebody_elses_folder_is_left_alone(call: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    outcome = call("compile", GRAPHS / "tiny-bert", "-o", tmp_path / "out")
    assert outcome.code == 2 and "not empty" in outcome.err
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "thesis.txt"]


def test_an_earlier_output_is_replaced(call: Any, tmp_path: Path) -> None:
    for graph in ("tiny-bert", "tiny-gpt2"):
        assert call("compile", GRAPHS / graph, "-o", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "tiny_gpt2.h").is_file() and not (tmp_path / "out" / "tiny_bert.h").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def bad_models(tmp_path: Path) -> dict[str, tuple[Path, int, list[str]]]:
    """For each kind of bad model: the file, the exit code, and what the message must name."""
    unsupported = small_model(
        [
            helper.make_node("Unheard", ["x"], ["a"], name="first/Unheard"),
            helper.make_node("Relu", ["a"], ["b"], name="between/Relu"),
            helper.make_node("Odd", ["b"], ["c"], name="second/Odd", domain="other"),
            helper.make_node("StringNormalizer", ["c"], ["y"], name="third/Normalizer"),
        ],
        tmp_path / "unsupported.onnx",
    )
    cyclic = small_model(
        [
            helper.make_node("Add", ["x", "b"], ["a"], name="one"),
            helper.make_node("Relu", ["a"], ["b"], name="two"),
            helper.make_node("Relu", ["b"], ["y"], name="three"),
        ],
        tmp_path / "cyclic.onnx",
    )
    truncated = tmp_path / "truncated.onnx"
    whole = (GRAPHS / "tiny-bert" / "model.onnx").read_bytes()
    truncated.write_bytes(whole[: len(whole) // 2])
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    external = tmp_path / "external.onnx"
    tensor = numpy_helper.from_array(np.ones((3, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", FLOAT, [2, 3])],
        [tensor],
    )
    onnx.save(helper.make_model(graph), external, save_as_external_data=True, location="lost.bin", size_threshold=0)
    (tmp_path / "lost.bin").unlink()
    return {
        "unsupported operators": (unsupported, 3, ["first/Unheard", "second/Odd", "other.Odd", "third/Normalizer", "3 problems"]),
        "cycle": (cyclic, 3, ["one", "cycle"]),
        "truncated": (truncated, 3, ["truncated.onnx"]),
        "noise": (noise, 3, ["noise.onnx"]),
        "lost external data": (external, 3, ["lost.bin"]),
    }


@pytest.mark.parametrize("kind", ["unsupported operators", "cycle", "truncated", "noise", "lost external data"])
@pytest.mark.parametrize("command", ["compile", "inspect"])
def test_bad_models_are_refused_whole(call: Any, tmp_path: Path, kind: str, command: str) -> None:
    path, code, named = bad_models(tmp_path)[kind]
    before = sorted(p.name for p in tmp_path.iterdir())
    outcome = call(command, path, *(["-o", tmp_path / "out"] if command == "compile" else []))
    assert outcome.code == code, outcome.err
    for text in named:
        assert text in outcome.out + outcome.err or (command == "inspect" and text == "3 problems")
    assert "Traceback" not in outcome.err
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_errors_are_json_too(call: Any, tmp_path: Path) -> None:
    outcome = call("compile", tmp_path / "none.onnx", "--json")
    assert outcome.json["exit_code"] == outcome.code == 2 and "none.onnx" in outcome.json["error"]


def test_a_missing_compiler_is_code_5_before_anything_is_written(tmp_path: Path) -> None:
    done = process("compile", GRAPHS / "tiny-bert", "-o", tmp_path / "out", "--build", PATH="")
    assert done.returncode == 5 and "install gcc" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_compiler_that_fails_is_code_5_with_its_own_words(tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'cc: out of patience' >&2\nexit 1\n")
    compiler.chmod(0o755)
    done = process("compile", GRAPHS / "tiny-bert", "-o", tmp_path / "out", "--build", CC=str(compiler))
    assert done.returncode == 5 and "out of patience" in done.stderr
    assert not list((tmp_path / "out" / "build").iterdir())


def test_a_bug_is_one_line_and_its_traceback_is_asked_for(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("seven")

    monkeypatch.setattr("kaoken.compiler.compile_model", broken)
    words = ["compile", GRAPHS / "tiny-bert", "-o", tmp_path / "out"]
    outcome = call(*words)
    assert outcome.code == 1 and "bug in Kaoken (ZeroDivisionError: seven)" in outcome.err and "report" in outcome.err
    assert "Traceback" not in outcome.err
    monkeypatch.setenv("KAOKEN_TRACEBACK", "0")  # so that what --traceback sets is undone after the test
    assert "Traceback" in call("--traceback", *words).err


# inspect ------------------------------------------------------------------------------------------------------------------------


def test_inspect_reckons_as_the_generated_c_does(call: Any) -> None:
    found = call("inspect", GRAPHS / "tiny-gpt2", "--json").json
    library = Library(compiled("tiny-gpt2"))
    function = library.function("arena_size")
    function.restype = ctypes.c_size_t
    assert found["plan"]["arena_bytes"] == function(None)
    assert found["plan"]["weights_bytes"] == library.report["weights_bytes"]
    assert found["plan"]["kernel_calls"] == library.report["kernel_calls"]
    assert found["dims"] == {"batch_size": [1, 8], "sequence_length": [1, 128], "past_sequence_length": [0, 128]}
    assert found["operators"]["LayerNormalization"] == 5
    assert found["parameters"] > 100_000 and found["unsupported"] == []
    assert all(len(layer["kernels"]) <= 8 for layer in found["plan"]["layers"])


def test_inspect_shows_dimensions_without_bounds(call: Any) -> None:
    outcome = call("inspect", GRAPHS / "tiny-gpt2-past-dynamo-op20")
    assert outcome.code == 0
    assert "seq: 1..?" in outcome.out and "--dim seq=1..128" in outcome.out


# run ----------------------------------------------------------------------------------------------------------------------------


def test_run_writes_what_the_library_generates(call: Any, story: Path) -> None:
    outcome = call("run", story, "Once upon a time", "-n", 40)
    model = TextGenerator(story)
    expected = model.detokenize(model.generate(model.tokenize("Once upon a time"), 40, stop_ids=model.end_ids))
    assert outcome.code == 0 and outcome.out == f"Once upon a time{expected}\n"
    assert re.search(r"40 written at [\d.,]+ tokens/s", outcome.err)


def test_run_streams_token_by_token(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.pieces, self.flushed = [], []  # type: ignore[var-annotated]

        def write(self, text: str) -> None:
            self.pieces.append(text)

        def flush(self) -> None:
            self.flushed.append(len(self.pieces))

    recorder = Recorder()
    monkeypatch.setattr(sys, "stdout", recorder)
    assert main(["run", str(story), "Once upon a time", "-n", "30", "-q"]) == 0
    assert len(set(recorder.flushed)) >= 30


def test_run_reads_its_prompt_from_stdin(story: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kaoken", "run", str(story), "-n", "5", "-q"],
        input="One winter\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.startswith("One winter") and len(done.stdout) > len("One winter") + 5


def test_sampling_repeats_with_its_seed(call: Any, story: Path) -> None:
    words = ["run", story, "Once upon a time", "-n", 40, "--temperature", 1.2, "--top-k", 50, "--top-p", 0.95, "--json", "--seed"]
    first, again, other = (call(*words, seed).json["ids"] for seed in (7, 7, 8))
    assert first == again and first != other


def test_run_stops_before_a_stop_text(call: Any, story: Path) -> None:
    whole = call("run", story, "Once upon a time", "-n", 60, "--json").json["text"]
    word = whole.split()[8]
    text = call("run", story, "Once upon a time", "-n", 60, "--json", "--stop", word).json["text"]
    assert word not in text and whole.startswith(text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{graphs}/tiny-gpt2", "hello"], "compile it first"),
        (["{graphs}/none", "hello"], "there is no folder"),
        (["{bert}", "hello"], "no language model"),
        (["{story}", ""], "the prompt is empty"),
        (["{story}", "once " * 2000], "shorten it"),
        (["{story}", "once", "--top-p", "1.5"], "top-p"),
        (["{story}", "once", "-n", "0"], "max-new-tokens"),
    ],
)
def test_run_tells_wrong_use(call: Any, story: Path, words: list[str], message: str) -> None:
    names = {"graphs": GRAPHS, "story": story, "bert": compiled("tiny-bert")}
    outcome = call("run", *(word.format(**names) for word in words))
    assert outcome.code == 2 and message in outcome.err, outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "not as long as it says; copy it again"),
        (lambda data: b"GARBAGE!" + data[8:], "not written by Kaoken"),
        (lambda data: b"", "cannot be opened or read"),
    ],
    ids=["short", "foreign", "empty"],
)
def test_damaged_weights_are_refused_in_words(call: Any, tmp_path: Path, story: Path, damage: Any, message: str) -> None:
    shutil.copytree(story, tmp_path / "story")
    weights = tmp_path / "story" / "story.weights"
    weights.write_bytes(damage(weights.read_bytes()))
    outcome = call("run", tmp_path / "story", "Once")
    assert outcome.code == 2 and message in outcome.err and "again" in outcome.err, outcome.err


# verify and bench ---------------------------------------------------------------------------------------------------------------


def test_verify_compares_outputs_steps_and_layers(call: Any) -> None:
    outcome = call("verify", GRAPHS / "tiny-gpt2", compiled("tiny-gpt2"), "--sizes", "1,9", "--steps", 6, "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert found["ok"] and found["step_count"] == 6 and all(found["bits"].values())
    paddings = {case["case"]["padding"] for case in found["cases"]}
    assert paddings == {"none", "left", "right"}
    assert all(0 < o["report"]["max_error"] < 1e-5 for case in found["cases"] for o in case["outputs"])
    assert len(found["layers"]) > 8 and all(layer["report"]["ok"] for layer in found["layers"])


def test_verify_finds_wrong_weights(call: Any, tmp_path: Path) -> None:
    shutil.copytree(compiled("tiny-bert"), tmp_path / "bert")
    weights = next((tmp_path / "bert").glob("*.weights"))
    data = bytearray(weights.read_bytes())
    middle = len(data) // 2 // 64 * 64
    data[middle : middle + 64] = np.full(16, 3.0, np.float32).tobytes()
    weights.write_bytes(data)
    outcome = call("verify", GRAPHS / "tiny-bert", tmp_path / "bert", "--no-layers", "--sizes", "9")
    assert outcome.code == 4 and "FAILED" in outcome.out and "accuracy contract" in outcome.err


@pytest.mark.parametrize("name", ["w", "int", "class", "x", "width of image"])
def test_dimensions_may_have_any_name(call: Any, tmp_path: Path, name: str) -> None:
    rows, given = helper.make_tensor_value_info("y", FLOAT, [2, name]), helper.make_tensor_value_info("x", FLOAT, [2, name])
    graph = helper.make_graph([helper.make_node("Sqrt", ["x"], ["y"])], "g", [given], [rows])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    outcome = call("verify", tmp_path / "model.onnx", "--dim", f"{name}=1..40", "--no-layers", "--sizes", "3,40")
    assert outcome.code == 0 and "verified" in outcome.out, outcome.err


@pytest.mark.parametrize("sizes", ["many", "500", "0"])
def test_verify_refuses_sizes_outside_the_bounds(call: Any, sizes: str) -> None:
    outcome = call("verify", GRAPHS / "tiny-bert", compiled("tiny-bert"), "--sizes", sizes)
    assert outcome.code == 2 and sizes in outcome.err


def test_bench_reports_every_round_of_every_contestant(call: Any) -> None:
    words = ["--prefill", 8, "--decode", 8, "--threads", 1, "--rounds", 2, "--seconds", 0.01]
    outcome = call("bench", GRAPHS / "tiny-gpt2", compiled("tiny-gpt2"), *words, "--json")
    assert outcome.code == 0, outcome.err
    rows = outcome.json["rows"]
    assert [row["workload"] for row in rows] == ["prefill 8", "decode at 8"]
    for row in rows:
        assert set(row["rounds_ms"]) == {"kaoken", "onnxruntime", "onnxruntime as is"}
        assert all(len(times) == 2 for times in row["rounds_ms"].values())
        assert row["limit_ms"] > 0 and len(row["probes"]) == 2
    assert outcome.json["notes"] == []


def test_bench_of_an_encoder_runs_it_whole(call: Any) -> None:
    words = ["--prefill", "8,16", "--batches", "3x9,99x9", "--threads", 1, "--rounds", 1, "--seconds", 0.01]
    outcome = call("bench", GRAPHS / "tiny-bert", compiled("tiny-bert"), *words)
    assert outcome.code == 0 and "sequence_length 16" in outcome.out and "size 3, sequence_length 9" in outcome.out, outcome.err
    assert "batch_size 99" not in outcome.out and call("bench", GRAPHS / "tiny-bert", "--batches", "8*9").code == 2


def test_cut_graph_gives_the_last_row_of_the_logits(tmp_path: Path) -> None:
    import onnxruntime

    from kaoken.bench.last_position import last_position_model
    from kaoken.verify.inputs import make_inputs

    path = GRAPHS / "tiny-gpt2" / "model.onnx"
    assert last_position_model(path, tmp_path / "last.onnx") is None
    inputs = make_inputs(path, {"batch_size": 2, "sequence_length": 7, "past_sequence_length": 3})
    whole, last = (
        onnxruntime.InferenceSession(p, providers=["CPUExecutionProvider"]).run(["logits"], inputs)[0]
        for p in (path, tmp_path / "last.onnx")
    )
    assert last.shape[1] == 1
    np.testing.assert_allclose(last, whole[:, -1:], rtol=1e-5, atol=1e-6)


# export and packaging -----------------------------------------------------------------------------------------------------------


def test_export_lists_the_zoo(call: Any) -> None:
    names = [row["name"] for row in call("export", "--list", "--json").json]
    assert {"gpt2", "distilgpt2", "story"} <= set(names)
    assert "story" in call("export", "--list").out


def test_export_of_nothing_says_what_there_is(call: Any, tmp_path: Path) -> None:
    outcome = call("export", tmp_path / "nowhere", "-o", tmp_path / "out")
    assert outcome.code == 2 and "gpt2" in outcome.err
    assert not list(tmp_path.iterdir())


def test_an_installed_package_carries_runtime_zoo_and_templates(tmp_path: Path) -> None:
    setuptools = pytest.importorskip("setuptools")
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip("setuptools 77 reads this pyproject.toml")
    build = ["egg_info", "--egg-base", str(tmp_path), "build_py", "--build-lib", str(tmp_path / "lib")]
    subprocess.run([sys.executable, "setup.py", "-q", *build], cwd=ROOT, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "lib")}
    program = (
        "import kaoken, sys; from kaoken.cli import main; from kaoken.export import load_zoo; "
        f"assert kaoken.__file__.startswith({str(tmp_path)!r}); assert load_zoo()['story'].folder.is_dir(); "
        f"sys.exit(main(['compile', {str(GRAPHS / 'tiny-gpt2')!r}, '-o', 'out']))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (tmp_path / "out" / "tiny_gpt2.c").is_file()
