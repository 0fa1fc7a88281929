"""The runtime's copy beside a model: complete, deterministic, and every external symbol in the model's name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import c_build
import pytest

from kaoken.emit.runtime_sources import copy_runtime, external_symbols, runtime_closure, runtime_folder
from kaoken.errors import UsageError

ALL = sorted(path.name for path in c_build.RUNTIME.glob("kk_*.[ch]"))


def objects(folder: Path, *flags: str) -> list[Path]:
    """Compiles every C file below a folder, each alone, with the flags of a plain `cc -O2` build."""
    made = []
    for source in sorted(folder.rglob("*.c")):
        target = source.with_suffix(".o")
        subprocess.run([c_build.compiler(), "-O2", *flags, "-c", str(source), "-o", str(target)], check=True)
        made.append(target)
    return made


def defined_symbols(files: list[Path]) -> set[str]:
    done = subprocess.run(["nm", "-g", "--defined-only", "-P", *map(str, files)], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in done.stdout.splitlines() if len(line.split()) > 2}


def test_every_external_symbol_of_the_whole_runtime_carries_the_models_name(tmp_path: Path) -> None:
    copy_runtime(tmp_path, "gpt2", ALL)
    names = defined_symbols(objects(tmp_path))
    assert len(names) > 40
    assert {name for name in names if not name.startswith("gpt2_kk_")} == set()


def test_without_a_model_the_runtime_keeps_its_names(tmp_path: Path) -> None:
    for name in ALL:
        shutil.copy(c_build.RUNTIME / name, tmp_path / name)
    assert {name for name in defined_symbols(objects(tmp_path)) if not name.startswith("kk_")} == set()


def test_two_models_link_into_one_program(tmp_path: Path) -> None:
    files: list[Path] = []
    for model in ("gpt2", "bert"):
        copy_runtime(tmp_path / model, model, ["kk_threads.c", "kk_weights.c"])
        (tmp_path / model / "model.c").write_text(
            '#include "kaoken/kk_weights.h"\n'
            f"int {model}_cores(void);\n"
            f"int {model}_cores(void) {{ kk_weights weights; return kk_weights_open(&weights, 0, 0) ? kk_cpu_count() : 0; }}\n"
        )
        files += objects(tmp_path / model)
    main = tmp_path / "main.c"
    main.write_text("int gpt2_cores(void);\nint bert_cores(void);\nint main(void) { return gpt2_cores() != bert_cores(); }\n")
    program = tmp_path / "program"
    subprocess.run([c_build.compiler(), str(main), *map(str, files), "-o", str(program), "-lpthread"], check=True)
    assert subprocess.run([program], check=False).returncode == 0


def test_what_is_needed_comes_along_and_nothing_else(tmp_path: Path) -> None:
    weights = runtime_closure(["kk_weights.h"])
    pairs = {f"{name}.{kind}" for name in ("kk_crc32", "kk_platform", "kk_weights") for kind in "ch"}
    assert set(weights) == {*pairs, "kk_prefix.h", "kk_status.h"}
    vectors = runtime_closure(["kk_math.h"])
    assert {"kk_simd_avx512.h", "kk_simd_neon.h", "kk_simd_round.h", "kk_activation.h"} <= set(vectors)
    assert not any(name.endswith(".c") for name in vectors)
    written = copy_runtime(tmp_path, "m", ["kk_threads.c"])
    assert sorted(tmp_path.rglob("*.[ch]")) == written
    assert (tmp_path / "kaoken" / "kk_threads.c").read_bytes() == (runtime_folder() / "kk_threads.c").read_bytes()


def test_equal_requests_write_equal_bytes(tmp_path: Path) -> None:
    first = copy_runtime(tmp_path / "a", "m", ALL)
    second = copy_runtime(tmp_path / "b", "m", reversed(ALL))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("kk_status kk_open(const char *path);\n", {"kk_open"}),
        ("const void *kk_find(int a,\n    int b)\n{\n    return kk_other(a);\n}\n", {"kk_find"}),
        ("const unsigned short kk_table[3] = {1};\nextern const int kk_size;\n", {"kk_table", "kk_size"}),
        ("static int kk_inner(void) { return 0; }\nKK_INLINE kk_f32 kk_exp(kk_f32 x)\n", set()),
        ("/* int kk_old(void); */\n#define kk_shift(a) (a)\ntypedef int kk_fits[1];\n", set()),
        ("struct kk_pool {\n    int kk_field;\n};\ntypedef struct kk_a {\n    int b;\n} kk_a;\n", set()),
    ],
)
def test_external_symbols_are_told_from_the_rest(text: str, symbols: set[str]) -> None:
    assert external_symbols(text) == symbols


def test_bad_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gpt-2"):
        copy_runtime(tmp_path, "gpt-2", ["kk_threads.c"])
    with pytest.raises(UsageError, match=r"kk_none\.c"):
        copy_runtime(tmp_path, "gpt2", ["kk_none.c"])
