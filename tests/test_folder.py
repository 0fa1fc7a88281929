"""The compiled folder as a product: every way to build it, what it exports, what it allocates, equal bytes for equal input."""

from __future__ import annotations

import ctypes
import filecmp
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from kaoken.compiler import CompileOptions, compile_model, lower
from kaoken.ir.dims import dim, evaluate
from kaoken.passes.plan_memory import at_creation
from kaoken.session import BuildError, Library, Session, build_library
from tests.compiled import GRAPHS, ROOT, bounds_for, compiled
from tests.variants import PLAIN, TESTS, WARNINGS, available, name_of, program, run, token_ids, weights

MODELS = ["tiny-gpt2", "tiny-bert"]
EMBED = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}.get(os.uname().machine, "")


def copy_of(graph: str, to: Path) -> Path:
    """The compiled folder where a test may build in it."""
    shutil.copytree(compiled(graph, build=False), to, ignore=shutil.ignore_patterns("build"))
    return to


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not EMBED:
        pytest.skip(f"weights cannot be embedded on {os.uname().machine}")
    out = tmp_path_factory.mktemp("embedded") / "model"
    compile_model(GRAPHS / "tiny-gpt2", out, CompileOptions(name="tiny_gpt2", embed=EMBED))
    return out


# building ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", MODELS)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_literal_compiler_line_builds_the_example_without_a_warning(compiler: str, graph: str, tmp_path: Path) -> None:
    if not available(compiler):
        pytest.skip(f"{compiler} is not installed")
    folder = copy_of(graph, tmp_path / "model")
    line = re.search(
        r"^    cc (-O2 example/main.c \*.c kaoken/\*.c -lm -lpthread -o main)$", (folder / "README.md").read_text(), re.M
    )
    assert line is not None
    run(["sh", "-c", f"{compiler} {' '.join(WARNINGS)} {line[1]}"], cwd=folder)
    prompt = ["Once upon a time", "-n", "5"] if graph == "tiny-gpt2" else ["A cat sat down.", "A dog."]
    done = run([folder / "main", weights(graph), *prompt], cwd="/")
    expected = "Once upon a time" if graph == "tiny-gpt2" else "1.0000  A cat sat down.\n"
    assert done.stdout.startswith(expected) and len(done.stdout) > len(expected) + 3, done.stdout


def test_example_is_reproducible_and_says_what_is_wrong(tmp_path: Path) -> None:
    driver = program(["tiny-gpt2"], [compiled("tiny-gpt2", build=False) / "example" / "main.c"], "gcc", PLAIN)

    def example(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([driver, *map(str, arguments)], capture_output=True, text=True, errors="replace", check=False)

    sampled = [weights("tiny-gpt2"), "A dog", "-t", "0.9", "-n", "12", "-s"]
    assert example(*sampled, "4").stdout == example(*sampled, "4", "-j", "2").stdout != example(*sampled, "5").stdout
    for arguments, code, message in [
        ((), 2, "usage: main"),
        ((weights("tiny-gpt2"),), 2, "usage: main"),
        ((weights("tiny-gpt2"), "x", "-n", "many"), 2, "usage: main"),
        ((weights("tiny-gpt2"), "x", "-n"), 2, "usage: main"),
        ((tmp_path / "none.weights", "x"), 1, "none.weights: a file cannot be opened or read"),
        ((weights("tiny-bert"), "x"), 1, "the weights file belongs to another model"),
        ((weights("tiny-gpt2"), ""), 1, "prompt: "),
        ((weights("tiny-gpt2"), "x", "-t", "-1"), 1, "generate: an id, a size or a length is out of bounds"),
    ]:
        done = example(*arguments)
        assert (done.returncode, message in done.stderr) == (code, True), (arguments, done)


@pytest.mark.parametrize(
    "graph", ["tiny-llama", "tiny-vit-static", "tiny-gpt2-static", "tiny-gpt2-past-dynamo-op23", "tiny-bert-dynamo-op20"]
)
def test_example_and_wrapper_fit_every_kind_of_model(graph: str, tmp_path: Path) -> None:
    """Without tokenizer, without state, with images, with fixed sizes: the example fills valid inputs."""
    folder = compiled(graph)
    built = Path(Library(folder).c._name)
    run(["cc", *WARNINGS, folder / "example" / "main.c", built, f"-Wl,-rpath,{built.parent}", "-o", tmp_path / "main"])
    done = run([tmp_path / "main", weights(graph)])
    values = re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", done.stdout.partition(": ")[2])
    assert len(values) >= 8 and "ms of processor time a run" in done.stderr, done
    if available("g++"):
        (tmp_path / "user.cpp").write_text(
            f'#include "{name_of(graph)}.hpp"\nint main() {{ return kaoken::{name_of(graph)}::Model::arena_size() == 0; }}\n'
        )
        flags = ["-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{folder}"]
        run(["g++", *flags, tmp_path / "user.cpp", built, f"-Wl,-rpath,{built.parent}", "-o", tmp_path / "user"])
        run([tmp_path / "user"])


def test_make_builds_library_example_and_installation(tmp_path: Path) -> None:
    if not available("make", "pkg-config"):
        pytest.skip("make or pkg-config is not installed")
    folder = copy_of("tiny-gpt2", tmp_path / "model")
    prefix = tmp_path / "installed"
    run(["make", "CFLAGS=-O1", f"PREFIX={prefix}", "example", "shared", "install"], cwd=folder)
    assert run([folder / "build" / "example", weights("tiny-gpt2"), "x", "-n", "2"]).stdout.startswith("x")
    assert "up to date" in run(["make", "CFLAGS=-O1"], cwd=folder).stdout or "Nothing" in run(["make"], cwd=folder).stdout
    session = Session(folder)  # takes the library that `make shared` built
    assert not list((folder / "build").glob("tmp*")) and session.get_inputs()[0].name == "input_ids"
    use_by_pkg_config(prefix / "lib", tmp_path)
    run(["make", "clean"], cwd=folder)
    assert not (folder / "build").exists()
    assert filecmp.dircmp(folder, compiled("tiny-gpt2", build=False), ignore=["build"]).diff_files == []


def use_by_pkg_config(libraries: Path, scratch: Path) -> None:
    """Build the example of tiny-gpt2 against an installation, by what pkg-config says of it."""
    environment = {**os.environ, "PKG_CONFIG_PATH": str(libraries / "pkgconfig")}
    flags = run(["pkg-config", "--cflags", "--libs", "tiny_gpt2"], env=environment).stdout.split()
    installed = run(["pkg-config", "--variable=weights", "tiny_gpt2"], env=environment).stdout.strip()
    source = scratch / "user" / "main.c"
    source.parent.mkdir(exist_ok=True)
    text = (compiled("tiny-gpt2", build=False) / "example" / "main.c").read_text()
    source.write_text(text.replace('"../tiny_gpt2.h"', "<tiny_gpt2.h>"))
    run(["cc", source, *flags, "-o", source.parent / "main"])
    assert Path(installed).is_file()
    done = run([source.parent / "main", installed, "x", "-n", "1"], env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})
    assert done.stdout.startswith("x")


CONSUMER = """
cmake_minimum_required(VERSION 3.14)
project(user LANGUAGES C)
{find}
add_executable(user main.c)
target_link_libraries(user PRIVATE tiny_gpt2::tiny_gpt2 tiny_bert::tiny_bert)
"""
USER = """
#include <tiny_bert.h>
#include <tiny_gpt2.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    tiny_gpt2 *gpt2;
    tiny_bert *bert;
    const int failed = argc != 3 || tiny_gpt2_create(&gpt2, argv[1], 0) || tiny_bert_create(&bert, argv[2], 0);
    if (failed)
        return 1;
    puts(tiny_gpt2_level(gpt2));
    tiny_gpt2_destroy(gpt2);
    tiny_bert_destroy(bert);
    return 0;
}
"""


@pytest.mark.parametrize("shared", ["OFF", "ON"])
def test_cmake_uses_the_folder_in_a_build_and_installed(shared: str, tmp_path: Path) -> None:
    if not available("cmake"):
        pytest.skip("cmake is not installed")
    options = ["-DCMAKE_BUILD_TYPE=None", f"-DBUILD_SHARED_LIBS={shared}", *(["-GNinja"] if available("ninja") else [])]
    user = tmp_path / "user"
    user.mkdir()
    (user / "main.c").write_text(USER)
    files = [weights("tiny-gpt2"), weights("tiny-bert")]
    folders = [compiled(graph, build=False) for graph in MODELS]
    adds = "\n".join(f"add_subdirectory({f} {name_of(g)})" for f, g in zip(folders, MODELS, strict=True))
    (user / "CMakeLists.txt").write_text(CONSUMER.format(find=adds))
    prefix = tmp_path / "installed"
    run(["cmake", "-S", user, "-B", tmp_path / "build", *options, f"-DCMAKE_INSTALL_PREFIX={prefix}"])
    run(["cmake", "--build", tmp_path / "build", "-j2"])
    assert run([tmp_path / "build" / "user", *files]).stdout in ("avx512\n", "avx2\n", "neon\n", "plain\n")

    run(["cmake", "--install", tmp_path / "build"])
    find = "find_package(tiny_gpt2 0.1 REQUIRED)\nfind_package(tiny_bert REQUIRED)\nfile(WRITE weights.txt ${tiny_gpt2_WEIGHTS})"
    (user / "CMakeLists.txt").write_text(CONSUMER.format(find=find))
    run(["cmake", "-S", user, "-B", tmp_path / "found", *options, f"-DCMAKE_PREFIX_PATH={prefix}"])
    run(["cmake", "--build", tmp_path / "found"])
    run([tmp_path / "found" / "user", *files])
    assert filecmp.cmp((user / "weights.txt").read_text(), files[0], shallow=False)
    if available("pkg-config"):
        use_by_pkg_config(next(prefix.glob("lib*/**/pkgconfig")).parent, tmp_path)


def test_embedded_weights_need_no_file_from_any_folder(embedded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(embedded, folder)
    (folder / "tiny_gpt2.weights").unlink()
    line = f"cc -O1 {' '.join(WARNINGS)} example/main.c *.c kaoken/*.c tiny_gpt2_weights.o -lm -lpthread -o {tmp_path}/main"
    run(["sh", "-c", line], cwd=folder)
    shutil.rmtree(folder)
    arguments = ["A dog", "-n", "6"]
    text = run([tmp_path / "main", *arguments], cwd="/", errors="replace").stdout
    from_file = run([tmp_path / "main", *arguments, "-w", weights("tiny-gpt2")], cwd="/", errors="replace").stdout
    assert text == from_file and text.startswith("A dog") and len(text) > 10
    refused = subprocess.run([tmp_path / "main", "x", "-w", weights("tiny-bert")], capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "another model" in refused.stderr


EMBEDDED_USER = """
#include "tiny_gpt2.hpp"
int main()
{
    kaoken::tiny_gpt2::Model model;
    model.check_weights();
    return model.complete("A dog").empty();
}
"""


def test_embedded_weights_are_linked_by_make_cmake_and_python(embedded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(embedded, folder)
    if available("make"):
        run(["make", "CFLAGS=-O0", "example"], cwd=folder)
        assert run([folder / "build" / "example", "x", "-n", "1"], cwd="/").stdout.startswith("x")
    if available("cmake"):
        build = tmp_path / "cmake"
        run(["cmake", "-S", folder, "-B", build, "-DCMAKE_BUILD_TYPE=None", "-DBUILD_SHARED_LIBS=ON"])
        run(["cmake", "--build", build, "-j2"])
        assert run([build / "tiny_gpt2_example", "x", "-n", "1"], cwd="/").stdout.startswith("x")
        (tmp_path / "user.cpp").write_text(EMBEDDED_USER)
        run(
            [
                "c++",
                "-std=c++17",
                f"-I{folder}",
                tmp_path / "user.cpp",
                build / "libtiny_gpt2.so",
                f"-Wl,-rpath,{build}",
                "-o",
                tmp_path / "user",
            ]
        )
        run([tmp_path / "user"], cwd="/")
    ids = token_ids(9, 512)[None]
    inputs = {i.name: np.ones((1, 9), np.int64) for i in Session(folder).get_inputs() if len(i.shape) == 2}
    inputs |= {i.name: np.zeros((1, 4, 0, 16), np.float32) for i in Session(folder).get_inputs() if len(i.shape) == 4}
    inputs |= {"input_ids": ids, "position_ids": np.arange(9)[None]}
    expected = Session(compiled("tiny-gpt2")).run(["logits"], inputs)[0]
    np.testing.assert_array_equal(Session(folder).run(["logits"], inputs)[0], expected)


# what it is -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", MODELS)
def test_every_external_symbol_has_the_models_prefix(graph: str) -> None:
    listed = run(["nm", "-D", "--defined-only", "-P", Library(compiled(graph)).c._name]).stdout
    names = {line.split()[0] for line in listed.splitlines()}
    assert f"{name_of(graph)}_run" in names and f"{name_of(graph)}_kk_pool_run" in names
    assert {n for n in names if not n.startswith(f"{name_of(graph)}_")} <= {"_init", "_fini", "_edata", "_end", "__bss_start"}


@pytest.mark.parametrize("graph", MODELS)
def test_library_asks_only_libc(graph: str) -> None:
    """No printing, no exit and no abort among what the library calls, and no vector math of libm."""
    listed = run(["nm", "-D", "--undefined-only", "-P", Library(compiled(graph)).c._name]).stdout
    names = {line.split()[0].split("@")[0] for line in listed.splitlines()}
    forbidden = {
        "printf",
        "fprintf",
        "puts",
        "putchar",
        "fputs",
        "fputc",
        "exit",
        "abort",
        "_exit",
        "__assert_fail",
        "stderr",
        "stdout",
    }
    assert not names & forbidden
    assert not names & {f"{n}f" for n in ("exp", "tanh", "erf", "log", "sin", "cos", "sqrt", "pow", "fma")}


@pytest.mark.parametrize("graph", MODELS)
def test_library_has_no_mutable_globals(graph: str) -> None:
    listed = run(["nm", "-P", Library(compiled(graph)).c._name]).stdout
    mutable = {line.split()[0] for line in listed.splitlines() if line.split()[1] in "dDbB"}
    toolchain = {
        "completed.0",
        "completed",
        "__dso_handle",
        "_edata",
        "_end",
        "__bss_start",
        "__TMC_END__",
        "_DYNAMIC",
        "_GLOBAL_OFFSET_TABLE_",
    }
    # Tables of addresses are constant, and writable only while the loader relocates them (.data.rel.ro).
    sections = run(["readelf", "-SW", Library(compiled(graph)).c._name]).stdout
    sizes = {found[1]: int(found[2], 16) for found in re.finditer(r"\] (\.data|\.bss)\s+\w+\s+\w+ \w+ (\w+)", sections)}
    assert sizes.get(".data", 0) <= 16 and sizes.get(".bss", 0) <= 16, (sizes, mutable - toolchain)


@pytest.mark.parametrize("graph", MODELS)
def test_generated_c_is_short_and_without_long_lines_of_data(graph: str) -> None:
    folder = compiled(graph, build=False)
    lines = [line for path in [*folder.glob("*.c"), *folder.glob("*.h")] for line in path.read_text().splitlines()]
    assert len(lines) < 3000
    assert sum(len(line) for line in lines) < 200_000


@pytest.mark.parametrize("graph", ["tiny-gpt2", "tiny-bert", "tiny-gpt2-past-dynamo-op23"])
def test_equal_input_gives_equal_bytes(graph: str, tmp_path: Path) -> None:
    """In processes whose sets are ordered differently."""
    outs = [tmp_path / "first" / "model", tmp_path / "second" / "model"]
    code = "import sys; from pathlib import Path; from kaoken.compiler import *;"
    code += f"compile_model(Path(sys.argv[1]), Path(sys.argv[2]), CompileOptions(dims={bounds_for(graph)!r}, embed='x86_64'))"
    for seed, out in enumerate(outs):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed + 1), "PYTHONPATH": str(ROOT)}
        run([sys.executable, "-c", code, GRAPHS / graph, out], env=environment)
    first, second = ({p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()} for out in outs)
    assert first.keys() == second.keys()
    assert [str(name) for name in first if first[name] != second[name]] == []


class _Page(HTMLParser):
    VOID = frozenset({"meta", "rect", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] != tag:
            assert self.open.pop() in self.VOID, (tag, self.open)
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("graph", MODELS)
def test_report_page_is_whole_and_needs_nothing_else(graph: str) -> None:
    folder = compiled(graph, build=False)
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert not {name for name, _ in page.attributes} & {"src", "href", "onload"} and "<script" not in text and "url(" not in text
    report = json.loads((folder / "report.json").read_text())
    for entry in (*report["kernels"], *report["interface"]["inputs"]):
        assert entry["name"] in page.text
    for call in report["calls"]:
        assert all(origin in page.text for origin in call["origin"]) and call["layer"] in page.text


# Python wrapper ---------------------------------------------------------------------------------------------------------------

_ALONE = """
import pickle, sys
sys.modules["kaoken"] = None  # importing it raises
sys.path.insert(0, sys.argv[1])
import numpy as np
import tiny_bert
inputs = {name: np.load(sys.argv[2])[name] for name in np.load(sys.argv[2]).files}
session = pickle.loads(pickle.dumps(tiny_bert.Session(threads=2)))
np.save(sys.argv[3], session.run(None, inputs)[0])
"""


def test_python_wrapper_needs_no_kaoken(tmp_path: Path) -> None:
    folder = compiled("tiny-bert")
    ids = token_ids(20, 512).reshape(2, 10)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    np.savez(tmp_path / "inputs.npz", **inputs)
    run(
        [sys.executable, "-c", _ALONE, folder, tmp_path / "inputs.npz", tmp_path / "out.npy"],
        cwd="/",
        env={"PATH": os.environ["PATH"]},
    )
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), Session(folder).run(None, inputs)[0])
    session = pickle.loads(pickle.dumps(Session(folder)))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), session.run(None, inputs)[0])


def test_folder_that_cannot_be_built_in_says_so(tmp_path: Path) -> None:
    folder = copy_of("tiny-bert", tmp_path / "model")
    (folder / "build").write_text("in the way")
    with pytest.raises(BuildError, match=r"cannot build in .*build: File exists; build it where .* `make shared`"):
        Session(folder)
    (folder / "build").unlink()
    with pytest.raises(
        BuildError, match="cannot run the C compiler no-such-compiler: No such file or directory; install gcc or clang"
    ):
        build_library(folder, "no-such-compiler")
    (folder / "tiny_bert.c").write_text("int broken")
    with pytest.raises(BuildError, match=r"the C compiler refused tiny_bert.c:\n"):
        build_library(folder)


# memory -----------------------------------------------------------------------------------------------------------------------


def test_nothing_is_allocated_after_creation() -> None:
    wrapped = [f"-Wl,--wrap={name}" for name in ("mmap", "sbrk", "brk", "pthread_create", "open", "fopen")]
    driver = program(["tiny-gpt2"], [TESTS / "count_allocations.c"], "gcc", PLAIN, wrapped)
    for threads in ("1", "3"):
        done = run([driver, weights("tiny-gpt2"), threads])
        assert re.fullmatch(r"created with [1-9]\d* allocations, 0 after\n", done.stdout), done.stdout


SIZES = {
    "tiny-gpt2": [
        {},
        {"batch": 1, "context": 1, "sequence": 1},
        {"batch": 3, "context": 100, "sequence": 7},
        {"batch": 8, "threads": 2},
    ],
    "tiny-bert": [{}, {"batch_size": 1, "sequence_length": 1}, {"batch_size": 3, "sequence_length": 17}, {"batch_size": 8}],
}


def aligned(size: int) -> tuple[np.ndarray, int]:
    """Memory of exactly `size` bytes at a multiple of 64; the array keeps it alive."""
    block = np.full(size + 192, 0xA5, np.uint8)
    return block, -block.ctypes.data % 64 + 64


@pytest.mark.parametrize("graph", MODELS)
def test_handle_lives_in_just_the_memory_it_asks_for(graph: str) -> None:
    made = Library(compiled(graph))
    memory_size, create_in = made.function("memory_size"), made.function("create_in")
    memory_size.restype = ctypes.c_size_t
    create_in.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    data = np.fromfile(weights(graph), np.uint8)
    file, at = aligned(data.size)
    file[at : at + data.size] = data
    fields = [s["name"] for s in made.interface["sizes"]] + ["threads"]
    for sizes in SIZES[graph]:
        values = (ctypes.c_int64 * len(fields))(*(sizes.get(f, 0) for f in fields))
        size = memory_size(values)
        block, start = aligned(size)
        handle = ctypes.c_void_p(1)

        def create(offset: int, room: int, block=block, start=start, handle=handle, values=values) -> int:
            place = block.ctypes.data + start + offset
            return int(create_in(ctypes.byref(handle), file.ctypes.data + at, data.size, values, place, room))

        assert create(0, size - 1) == 6 and handle.value is None
        assert create(1, size) == 1 and handle.value is None
        assert (block == 0xA5).all()
        assert create(0, size) == 0 and handle.value
        made.destroy(handle)
        assert (block[:start] == 0xA5).all() and (block[start + size :] == 0xA5).all()
    for bad in ({fields[0]: -1}, {fields[0]: 10**12}, {fields[1]: -(2**63)}, {"threads": 257}, {"threads": -1}):
        values = (ctypes.c_int64 * len(fields))(*(bad.get(f, 0) for f in fields))
        assert memory_size(values) == 0


@pytest.mark.parametrize("graph", [*MODELS, "tiny-llama", "tiny-gpt2-dynamo-op23", "tiny-vit-static"])
def test_arena_is_at_most_a_tenth_above_what_lives_at_once(graph: str) -> None:
    made = Library(compiled(graph))
    arena_size = made.function("arena_size")
    arena_size.restype = ctypes.c_size_t
    model = lower(GRAPHS / graph, CompileOptions(dims=bounds_for(graph)), name_of(graph))
    fields = [s["name"] for s in made.interface["sizes"]] + ["threads"]
    defaults = {s["name"]: s["default"] for s in made.interface["sizes"]}
    own = {d["name"]: d["size"] for d in made.interface["dims"]}
    ranges = {s["name"]: (s["lower"], s["upper"]) for s in made.interface["sizes"]}
    for part in (0.0, 0.1, 0.37, 0.8, 1.0):
        sizes = {n: int(low + part * (high - low)) if n != "text_bytes" else 0 for n, (low, high) in ranges.items()}
        bound = {dimension: sizes[size] or defaults[size] for dimension, size in own.items()}
        memory = model.metadata["memory"]
        live = max(evaluate(at_creation(model, dim(size)), bound) for size in memory.live)
        values = (ctypes.c_int64 * len(fields))(*(sizes.get(f, 0) for f in fields))
        slack = 64 * len(memory.slots)  # each slot starts at a multiple of 64
        assert live <= arena_size(values) <= 1.1 * live + slack, (sizes, live)


@pytest.mark.parametrize("graph", MODELS)
def test_report_tells_the_arena_of_the_default_sizes(graph: str) -> None:
    made = Library(compiled(graph))
    arena_size = made.function("arena_size")
    arena_size.restype = ctypes.c_size_t
    assert made.report["memory"]["arena_bytes"] == arena_size(None)
    assert max(made.report["memory"]["live_bytes"]) <= made.report["memory"]["arena_bytes"]
    assert len(made.report["memory"]["live_bytes"]) == len(made.report["calls"])
