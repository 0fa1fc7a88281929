"""The pool of threads and the platform layer, plain and under the sanitizers."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import c_build
import pytest
import test_simd

TESTS = Path(__file__).resolve().parent
RUNTIME = c_build.RUNTIME
SOURCES = [TESTS / "threads_stress.c", RUNTIME / "kk_threads.c"]
RACES = ("-fsanitize=thread", "-g")


def stress(*arguments: str, sanitize: bool = False, flags: tuple[str, ...] = ()) -> None:
    program = c_build.build_program(SOURCES, sanitize=sanitize, flags=flags)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("threads", "rounds"), [(1, 1000), (2, 20000), (3, 5000), (16, 500), (64, 100)])
def test_a_barrier_holds_every_thread_until_all_have_come(threads: int, rounds: int) -> None:
    stress("barrier", str(threads), str(rounds))


@pytest.mark.parametrize(("threads", "runs"), [(1, 500), (2, 2000), (5, 500)])
def test_every_thread_takes_part_in_every_run(threads: int, runs: int) -> None:
    stress("runs", str(threads), str(runs))


@pytest.mark.parametrize("command", [("barrier", "2", "3000"), ("barrier", "5", "300"), ("runs", "3", "300"), ("create", "4")])
def test_there_is_no_data_race(command: tuple[str, ...]) -> None:
    stress(*command, flags=RACES)


@pytest.mark.parametrize("flags", [(), RACES])
@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_a_profile_is_told_of_every_step_and_costs_no_look_at_the_clock_when_off(threads: str, flags: tuple[str, ...]) -> None:
    stress("profile", threads, flags=flags)


@pytest.mark.parametrize("threads", ["1", "2", "64"])
def test_pools_are_made_and_ended_without_a_leak(threads: str) -> None:
    stress("create", threads, sanitize=True)


@pytest.mark.parametrize("flags", [(), RACES])
def test_a_refused_thread_gives_a_status_and_leaves_nothing(flags: tuple[str, ...]) -> None:
    stress("create", "5", sanitize=not flags, flags=("-DREFUSE", *flags))


def test_threads_compute_with_standard_modes_and_the_callers_come_back() -> None:
    stress("float")


def test_modes_and_barriers_hold_on_aarch64() -> None:
    test_simd.need(test_simd.CROSS, "neon")
    for arguments in (("float",), ("barrier", "3", "200"), ("runs", "2", "200")):
        command = [test_simd.CROSS, "-O2", *c_build.WARNINGS, f"-I{RUNTIME}", "-static", *map(str, SOURCES), "-lpthread"]
        assert test_simd.run_cross(command, *arguments) == ""


def platform_library(*flags: str) -> ctypes.CDLL:
    library = ctypes.CDLL(str(c_build.build_shared([RUNTIME / "kk_platform.c", RUNTIME / "kk_threads.c"], flags=flags)))
    library.kk_allocate.restype = ctypes.c_void_p
    library.kk_allocate.argtypes = (ctypes.c_size_t,)
    library.kk_free.argtypes = (ctypes.c_void_p,)
    library.kk_pool_bytes.restype = ctypes.c_size_t
    library.kk_pool_bytes.argtypes = (ctypes.c_int, ctypes.c_size_t)
    return library


@pytest.mark.parametrize("flags", [(), ("-DKK_PLATFORM_NONE",)])
def test_memory_is_aligned_for_vectors(flags: tuple[str, ...]) -> None:
    library = platform_library(*flags)
    for size in (0, 1, 100, 1 << 20, 9 << 20):
        memory = library.kk_allocate(size)
        assert memory % 64 == 0
        library.kk_free(memory)
    library.kk_free(None)
    assert library.kk_allocate(2**64 - 100) is None


def test_without_a_system_one_thread_works_and_two_are_refused() -> None:
    library = platform_library("-DKK_PLATFORM_NONE")
    calls: list[int] = []
    work = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda argument, thread: calls.append(1))
    for threads, status in ((1, 0), (2, 9)):
        size = library.kk_pool_bytes(threads, 64)
        memory = library.kk_allocate(size)
        pool = ctypes.c_void_p()
        created = library.kk_pool_create(
            ctypes.c_void_p(memory), ctypes.c_size_t(size), threads, ctypes.c_size_t(64), ctypes.byref(pool)
        )
        assert created == status
        if created == 0:
            assert library.kk_pool_run(pool, work, None) == 0
            library.kk_pool_destroy(pool)
        library.kk_free(memory)
    assert calls == [1]
    assert library.kk_map_file(b"/etc/hostname", ctypes.create_string_buffer(16)) == 4


LEVELS = {"plain": 0, "avx2": 1, "avx512": 2}


@pytest.mark.parametrize("asked", [None, "plain", "avx2", "avx512", "sse9"])
def test_the_environment_lowers_the_level_and_never_raises_it(asked: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    library = platform_library()
    libc = ctypes.CDLL(None)
    libc.unsetenv(b"KAOKEN_LEVEL")
    best = library.kk_cpu_level()
    flags = test_simd.cpu_flags()
    expected = 2 if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags else 1 if {"avx2", "fma", "f16c"} <= flags else 0
    assert best == expected
    if asked is not None:
        libc.setenv(b"KAOKEN_LEVEL", asked.encode(), 1)
    try:
        assert library.kk_cpu_level() == min(best, LEVELS.get(asked or "", best))
    finally:
        libc.unsetenv(b"KAOKEN_LEVEL")
    assert library.kk_cpu_check() == 0
    assert library.kk_cpu_count() >= 1


@pytest.mark.parametrize("compiler", ["gcc", "clang", test_simd.CROSS, "x86_64-w64-mingw32-gcc"])
@pytest.mark.parametrize("options", [("-std=c99",), ("-std=gnu17",), ("-std=c99", "-DKK_PLATFORM_NONE")])
def test_every_source_compiles_without_a_warning(compiler: str, options: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    for source in ("kk_platform.c", "kk_threads.c", "kk_weights.c", "kk_crc32.c"):
        command = [compiler, "-O2", *c_build.WARNINGS, *options, "-c", str(RUNTIME / source), "-o", str(tmp_path / "a.o")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_headers_serve_cpp(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no g++")
    source = tmp_path / "a.cpp"
    source.write_text('#include "kk_threads.h"\n#include "kk_weights.h"\nint main() { return kk_cpu_count() < 1; }\n')
    command = ["g++", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{RUNTIME}", "-c", str(source), "-o", str(tmp_path / "a.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
