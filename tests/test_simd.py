"""The vector vocabulary: right on every level, the same bits on every level with fused multiply-add."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import c_build
import pytest

TESTS = Path(__file__).resolve().parent
PROGRAM = TESTS / "simd_bits.c"
CROSS = "aarch64-linux-gnu-gcc"
EMULATOR = "qemu-aarch64"

BASE_FLAGS: dict[str, tuple[str, ...]] = {
    "avx512": ("-DKK_LEVEL_AVX512",),
    "avx2": ("-DKK_LEVEL_AVX2",),
    "plain": ("-DKK_LEVEL_PLAIN",),
    "plain-fused": ("-DKK_LEVEL_PLAIN", "-mfma"),
    "loops": ("-DKK_LEVEL_PLAIN", "-DKK_PLAIN_LOOPS", "-O0"),
    "neon": ("-static",),
}
REQUIRED = {
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx2": {"avx2", "fma"},
    "plain-fused": {"fma"},
}
"""The processor's flags that a level needs, as /proc/cpuinfo writes them."""

X86_LEVELS = ("avx512", "avx2", "plain", "plain-fused", "loops")
FUSED_BUILDS = [
    ("gcc", "avx512", ("-O2",)),
    ("gcc", "avx512", ("-O0",)),
    ("gcc", "avx2", ("-O2", "-std=gnu17", "-march=native")),
    ("gcc", "avx2", ("-O3",)),
    ("gcc", "plain-fused", ("-O3", "-std=gnu17")),
    ("clang", "avx512", ("-O2",)),
    ("clang", "avx2", ("-O2", "-std=gnu17")),
    ("clang", "avx2", ("-O3",)),
    ("clang", "plain-fused", ("-O2", "-std=gnu17")),
    (CROSS, "neon", ("-O2",)),
    (CROSS, "neon", ("-O3", "-std=gnu17")),
    ("clang", "neon", ("-O2", "-std=gnu17")),
]


@functools.cache
def cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    return set(re.findall(r"[\w.]+", text))


def need(compiler: str, level: str) -> None:
    """Skips the test where the compiler, the emulator or the processor is missing."""
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    for tool in (CROSS, EMULATOR):
        if level == "neon" and shutil.which(tool) is None:
            pytest.skip(f"no {tool}")
    if not REQUIRED.get(level, set()) <= cpu_flags():
        pytest.skip(f"this processor has no {level}")


def run(compiler: str, level: str, options: tuple[str, ...], *arguments: str, program: Path = PROGRAM) -> dict[str, str]:
    """Builds a test program for a level and returns the "name rest" lines it prints."""
    need(compiler, level)
    before = os.environ.get("CC")
    os.environ["CC"] = compiler
    try:
        target = ("--target=aarch64-linux-gnu",) if (compiler, level) == ("clang", "neon") else ()
        built = c_build.build_program([program], flags=(*target, *BASE_FLAGS[level], *options))
    finally:
        if before is None:
            del os.environ["CC"]
        else:
            os.environ["CC"] = before
    command = [EMULATOR, str(built)] if level == "neon" else [str(built)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True, timeout=300)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def run_cross(command: list[str], *arguments: str) -> str:
    """Runs a cross compiler's command line into a scratch program, and that under the emulator; returns what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "program")
        subprocess.run([*command, "-o", program], check=True)
        done = subprocess.run([EMULATOR, program, *arguments], capture_output=True, text=True, check=True, timeout=300)
    return done.stdout


@functools.cache
def reference_bits() -> dict[str, str]:
    """The bits of the widest level that this machine runs."""
    for level in ("avx512", "avx2"):
        if REQUIRED[level] <= cpu_flags():
            return run("gcc", level, ("-O2",))
    if shutil.which(CROSS) and shutil.which(EMULATOR):
        return run(CROSS, "neon", ("-O2",))
    pytest.skip("nothing here has fused multiply-add")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("level", X86_LEVELS)
def test_every_operation_equals_scalar_c(compiler: str, level: str) -> None:
    wrong = run(compiler, level, () if level == "loops" else ("-O2",), "check")
    fused = wrong.pop("fused") == "1"
    assert fused == (level not in ("plain", "loops"))
    assert len(wrong) > 45
    allowed = set() if fused else {"fma", "fnma"}
    assert {name for name, count in wrong.items() if count != "0"} == allowed


@pytest.mark.parametrize("compiler", [CROSS, "clang"])
def test_every_operation_equals_scalar_c_on_neon(compiler: str) -> None:
    wrong = run(compiler, "neon", ("-O2",), "check")
    assert wrong.pop("fused") == "1"
    assert set(wrong.values()) == {"0"}


@pytest.mark.parametrize(("compiler", "level", "options"), FUSED_BUILDS, ids=lambda part: "".join(part))
def test_levels_with_fused_multiply_add_give_equal_bits(compiler: str, level: str, options: tuple[str, ...]) -> None:
    assert run(compiler, level, options) == reference_bits()


def test_plain_c_without_fused_multiply_add_has_bits_of_its_own_but_the_same_for_both_compilers() -> None:
    if shutil.which("clang") is None:
        pytest.skip("no clang")
    gcc, clang, loops = run("gcc", "plain", ("-O2",)), run("clang", "plain", ("-O3",)), run("gcc", "loops", ())
    assert gcc == clang == loops
    assert gcc["fused"] == "0" and gcc["exp"] != reference_bits()["exp"]
    assert gcc["add"] == reference_bits()["add"]


GUARDED = r"""
#define _GNU_SOURCE
#include "kk_simd.h"
#include <stdio.h>
#include <sys/mman.h>
int main(void)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + 4096, 4096, PROT_NONE) != 0)
        return 2;
    for (int n = 0; n <= 16; n++) {
        float *end = (float *)(void *)(pages + 4096) - n;
        kk_store_part(end, kk_add(kk_load_part(end, n), kk_set1(1.0f)), n);
    }
    for (int i = 1; i <= 16; i++)
        if (((float *)(void *)(pages + 4096))[-i] != (float)(17 - i))
            return 3;
    puts("ok yes");
    return 0;
}
#include "kk_simd_end.h"
"""


@pytest.mark.parametrize(("compiler", "level"), [*(("gcc", level) for level in X86_LEVELS), ("clang", "avx2"), (CROSS, "neon")])
def test_partial_loads_and_stores_stop_before_an_unmapped_page(compiler: str, level: str, tmp_path: Path) -> None:
    source = tmp_path / "guarded.c"
    source.write_text(GUARDED)
    assert run(compiler, level, ("-O2",), program=source) == {"ok": "yes"}


MULTIPLY_ADD = r"""
#include "kk_simd.h"
void multiply_add(float *y, const float *x, float a);
void multiply_add(float *y, const float *x, float a)
{
    kk_store(y, kk_add(kk_mul(kk_load(y), kk_load(x)), kk_set1(a)));
    y[16] = y[16] * x[16] + a;
    for (int i = 17; i < 64; i++)
        y[i] = y[i] * x[i] + a;
}
#include "kk_simd_end.h"
"""


# clang's explicit -ffp-contract=fast overrules any source, so it is not asked for.
@pytest.mark.parametrize(
    ("compiler", "level", "options"),
    [
        ("gcc", "avx512", ("-O2", "-std=gnu17", "-march=native")),
        ("gcc", "avx512", ("-O3", "-std=gnu17", "-ffp-contract=fast")),
        ("gcc", "avx2", ("-O2", "-std=c99")),
        ("gcc", "avx2", ("-O3", "-std=gnu17", "-ffast-math")),
        ("gcc", "plain", ("-O2", "-std=gnu17", "-march=native")),
        ("clang", "avx512", ("-O2", "-std=gnu17", "-march=native")),
        ("clang", "avx2", ("-O3", "-std=c99")),
        ("clang", "plain", ("-O3", "-std=gnu17", "-mfma")),
        (CROSS, "neon", ("-O2", "-std=gnu17")),
        (CROSS, "neon", ("-O3", "-std=gnu17", "-ffp-contract=fast")),
    ],
    ids=lambda part: "".join(part),
)
def test_the_sources_switch_contraction_off_and_leave_no_call(
    compiler: str, level: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    objdump = "aarch64-linux-gnu-objdump" if level == "neon" else "objdump"
    for tool in (compiler, objdump):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}")
    source, built = tmp_path / "multiply_add.c", tmp_path / "multiply_add.o"
    source.write_text(MULTIPLY_ADD)
    flags = [flag for flag in BASE_FLAGS[level] if flag != "-static"]
    subprocess.run([compiler, *options, *flags, f"-I{c_build.RUNTIME}", "-c", str(source), "-o", str(built)], check=True)
    code = subprocess.run([objdump, "-d", str(built)], capture_output=True, text=True, check=True).stdout
    assert "multiply_add" in code
    assert re.findall(r"\b(?:vfn?m(?:add|sub)\w*|fmla|fmls|fn?madd|fn?msub|callq?|bl)\b", code) == []
