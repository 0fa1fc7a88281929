"""Weights as an object file: linked by the system's toolchain, equal to the file, aligned, without an executable stack."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kaoken.emit.embed import write_elf_object
from kaoken.errors import UsageError

PROGRAM = r"""
#include <stdint.h>
#include <stdio.h>
extern const unsigned char tiny_weights[];
extern const uint64_t tiny_weights_size;
int main(void)
{
    if ((uintptr_t)tiny_weights % 64 != 0)
        return 3;
    return fwrite(tiny_weights, 1, (size_t)tiny_weights_size, stdout) != tiny_weights_size;
}
"""


@pytest.mark.parametrize(
    ("machine", "compiler", "flags", "emulator"),
    [
        ("x86_64", "gcc", (), ()),
        ("x86_64", "gcc", ("-static",), ()),
        ("x86_64", "clang", ("-pie", "-fPIE"), ()),
        ("aarch64", "aarch64-linux-gnu-gcc", ("-static",), ("qemu-aarch64",)),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 64, 100003])
def test_a_linked_program_holds_the_files_bytes(
    tmp_path: Path, machine: str, compiler: str, flags: tuple[str, ...], emulator: tuple[str, ...], size: int
) -> None:
    for tool in (compiler, *emulator):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}")
    data = bytes((i * i + i // 7) % 256 for i in range(size))
    (tmp_path / "a.weights").write_bytes(data)
    (tmp_path / "main.c").write_text(PROGRAM)
    write_elf_object(tmp_path / "a.weights", tmp_path / "weights.o", "tiny_weights", machine)
    program = tmp_path / "program"
    sources = [str(tmp_path / "main.c"), str(tmp_path / "weights.o")]
    subprocess.run([compiler, *flags, "-Wl,--fatal-warnings", *sources, "-o", str(program)], check=True)
    done = subprocess.run([*emulator, str(program)], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, data)
    if shutil.which("readelf"):
        headers = subprocess.run(["readelf", "-lW", str(program)], capture_output=True, text=True, check=True).stdout
        stack = next(line for line in headers.splitlines() if "GNU_STACK" in line)
        assert "RWE" not in stack


def test_a_shared_library_can_hold_them_too(tmp_path: Path) -> None:
    (tmp_path / "a.weights").write_bytes(b"weights")
    write_elf_object(tmp_path / "a.weights", tmp_path / "weights.o", "tiny_weights", "x86_64")
    subprocess.run(["cc", "-shared", str(tmp_path / "weights.o"), "-o", str(tmp_path / "a.so")], check=True)
    assert b"weights" in (tmp_path / "a.so").read_bytes()


def test_equal_input_gives_equal_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.weights").write_bytes(b"abc" * 1000)
    for name in ("a.o", "b.o"):
        write_elf_object(tmp_path / "a.weights", tmp_path / name, "w", "aarch64")
    assert (tmp_path / "a.o").read_bytes() == (tmp_path / "b.o").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.o", "a.weights", "b.o"]


def test_bad_requests_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.weights").write_bytes(b"abc")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(UsageError, match="mips"):
        write_elf_object(tmp_path / "a.weights", tmp_path / "a.o", "w", "mips")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="none"):
        write_elf_object(tmp_path / "none", tmp_path / "a.o", "w", "x86_64")
    with pytest.raises(UsageError, match="too much to embed"):
        write_elf_object(tmp_path / "large", tmp_path / "a.o", "w", "x86_64")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.weights", "large"]
