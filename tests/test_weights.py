"""The weights file: what Python writes, C reads; whatever else it is given, C refuses."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import c_build
import numpy as np
import pytest

from kaoken.emit.panels import PANEL, pack_panels, panel_count
from kaoken.emit.weights import ALIGNMENT, WeightsWriter
from kaoken.errors import UsageError

TESTS = Path(__file__).resolve().parent
RUNTIME = c_build.RUNTIME
OK, ARGUMENT, FILE, WEIGHTS = 0, 1, 4, 5
FOREIGN, VERSION, MODEL, SHORT = 11, 12, 13, 14


class Mapping(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t))


class Weights(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("table", ctypes.c_void_p),
        ("count", ctypes.c_uint32),
        ("mapping", Mapping),
    )


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    built = ctypes.CDLL(str(c_build.build_shared([RUNTIME / f"{name}.c" for name in ("kk_weights", "kk_platform", "kk_crc32")])))
    built.kk_weights_section.restype = ctypes.c_void_p
    built.kk_weights_find.restype = ctypes.c_void_p
    return built


def sample(path: Path) -> tuple[dict[str, np.ndarray], bytes]:
    """Writes a file with sections of several kinds; returns what lies in them, and its hash."""
    rng = np.random.default_rng(3)
    sections = {
        "wte": rng.standard_normal((50, 20)).astype(np.float32),
        "empty": np.zeros(0, np.float32),
        "ids": np.arange(7, dtype=np.int64),
        "model.decoder.layers.11." + "very_long." * 4 + "weight": rng.standard_normal(33).astype(np.float32),
        "last": np.array([255], np.uint8),
    }
    with WeightsWriter(path) as writer:
        for index, (name, array) in enumerate(sections.items()):
            pieces = array if index % 2 else iter([array[:10], array[10:]])
            assert writer.add(name, pieces) == index
        return sections, writer.finish()


def opened(library: ctypes.CDLL, path: Path, model_hash: bytes) -> tuple[int, Weights]:
    weights = Weights()
    return library.kk_weights_open(ctypes.byref(weights), os.fsencode(path), model_hash), weights


def test_c_reads_every_section_that_python_wrote(library: ctypes.CDLL, tmp_path: Path) -> None:
    sections, model_hash = sample(tmp_path / "a.weights")
    status, weights = opened(library, tmp_path / "a.weights", model_hash)
    assert (status, weights.count) == (OK, len(sections))
    for index, (name, array) in enumerate(sections.items()):
        size, found_size = ctypes.c_size_t(), ctypes.c_size_t()
        data = library.kk_weights_section(ctypes.byref(weights), index, ctypes.byref(size))
        found = library.kk_weights_find(ctypes.byref(weights), name.encode(), ctypes.byref(found_size))
        assert data == found and data % ALIGNMENT == 0
        assert size.value == found_size.value == array.nbytes
        assert ctypes.string_at(data, size.value) == array.tobytes()
    assert library.kk_weights_section(ctypes.byref(weights), len(sections), None) is None
    assert library.kk_weights_find(ctypes.byref(weights), b"wt", None) is None
    assert library.kk_weights_check(ctypes.byref(weights)) == OK
    library.kk_weights_close(ctypes.byref(weights))
    assert weights.data is None


def change(path: Path, edit: str) -> None:
    data = bytearray(path.read_bytes())
    if edit == "foreign":
        data[0:4] = b"GGUF"
    elif edit == "version":
        data[8] = 2
    elif edit == "header":
        data[30] ^= 1
    elif edit == "table":
        data[-20] ^= 1
    elif edit == "cut in the sections":
        del data[1000:]
    elif edit == "cut in the header":
        del data[40:]
    elif edit == "longer":
        data += b"\0"
    elif edit == "empty":
        data.clear()
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("edit", "status"),
    [
        ("foreign", FOREIGN),
        ("version", VERSION),
        ("header", WEIGHTS),
        ("table", WEIGHTS),
        ("cut in the sections", SHORT),
        ("cut in the header", SHORT),
        ("longer", SHORT),
        ("empty", FILE),
    ],
)
def test_a_wrong_file_is_refused_with_the_status_of_its_fault(
    library: ctypes.CDLL, tmp_path: Path, edit: str, status: int
) -> None:
    path = tmp_path / "a.weights"
    _, model_hash = sample(path)
    change(path, edit)
    found, weights = opened(library, path, model_hash)
    assert (found, weights.data, weights.mapping.data) == (status, None, None)


def test_another_models_file_a_folder_and_a_missing_file_are_refused(library: ctypes.CDLL, tmp_path: Path) -> None:
    sample(tmp_path / "a.weights")
    os.mkfifo(tmp_path / "pipe")
    assert opened(library, tmp_path / "a.weights", bytes(32))[0] == MODEL
    assert opened(library, tmp_path, bytes(32))[0] == FILE
    assert opened(library, tmp_path / "pipe", bytes(32))[0] == FILE
    assert opened(library, tmp_path / "none", bytes(32))[0] == FILE
    assert library.kk_weights_open(None, b"x", bytes(32)) == ARGUMENT
    assert library.kk_weights_check(None) == ARGUMENT


def test_the_check_finds_a_changed_weight_that_opening_does_not(library: ctypes.CDLL, tmp_path: Path) -> None:
    path = tmp_path / "a.weights"
    _, model_hash = sample(path)
    data = bytearray(path.read_bytes())
    data[128 + 77] ^= 4
    path.write_bytes(data)
    status, weights = opened(library, path, model_hash)
    assert (status, library.kk_weights_check(ctypes.byref(weights))) == (OK, WEIGHTS)


def test_opening_does_not_read_the_sections(library: ctypes.CDLL, tmp_path: Path) -> None:
    """A sparse file of 16 GB opens at once; reading it would take seconds."""
    size = 16 << 30
    table = b"".join(
        int(value).to_bytes(width, "little") for value, width in ((128, 8), (size - 128, 8), (0, 4), (1, 4))
    ) + b"w".ljust(72, b"\0")
    header = b"\x89KAOKEN\n" + b"".join(
        int(value).to_bytes(width, "little") for value, width in ((1, 4), (1, 4), (size + 96, 8), (size, 8))
    )
    header += bytes(range(32)) + zlib.crc32(table).to_bytes(4, "little")
    path = tmp_path / "sparse.weights"
    with path.open("wb") as file:
        file.write(header + zlib.crc32(header).to_bytes(4, "little"))
        file.seek(size)
        file.write(table)
    start = time.perf_counter()
    status, weights = opened(library, path, bytes(range(32)))
    assert status == OK and time.perf_counter() - start < 0.5
    library.kk_weights_close(ctypes.byref(weights))


def test_thousands_of_damaged_files_give_a_status_and_no_read_outside(tmp_path: Path) -> None:
    sample(tmp_path / "a.weights")
    program = c_build.build_program(
        [TESTS / "weights_damage.c", RUNTIME / "kk_platform.c", RUNTIME / "kk_crc32.c"], sanitize=True
    )
    done = subprocess.run([program, tmp_path / "a.weights", "16000"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    accepted = {name: int(count) for name, _, count in lines if name != "status"}
    statuses = {int(status) for name, status, _ in lines if name == "status"}
    assert accepted.pop("section") == 2000
    assert 0 <= accepted.pop("forged") < 2000
    assert set(accepted.values()) == {0}
    assert statuses == {OK, WEIGHTS, FOREIGN, VERSION, SHORT}


def test_the_checksum_is_that_of_zlib_at_every_size_and_alignment(library: ctypes.CDLL) -> None:
    library.kk_crc32.restype = ctypes.c_uint32
    data = np.random.default_rng(4).integers(0, 256, 70000).astype(np.uint8).tobytes()
    sizes = [*range(40), *range(4080, 4140), 65536, 69990]
    for start in (0, 1, 6):
        for size in sizes:
            assert library.kk_crc32(data[start : start + size], ctypes.c_size_t(size)) == zlib.crc32(data[start : start + size])


def test_equal_sections_give_equal_bytes_and_hash(tmp_path: Path) -> None:
    hashes = [sample(tmp_path / name)[1] for name in ("a", "b")]
    assert hashes[0] == hashes[1]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_file_is_written_in_blocks_that_large_pages_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, int]] = []
    fdopen = os.fdopen

    def counted(handle: int, mode: str) -> BinaryIO:
        file = fdopen(handle, mode)
        write = file.write
        monkeypatch.setattr(file, "write", lambda data: (written.append((file.tell(), len(data))), write(data))[1], raising=False)
        return file

    monkeypatch.setattr(os, "fdopen", counted)
    sizes = (5 << 20, 17, (9 << 20) + 3)
    with WeightsWriter(tmp_path / "w") as writer:
        for size in sizes:
            writer.add(f"s{size}", np.arange(size, dtype=np.uint8))
        writer.finish()
    *blocks, rest, header = written
    assert blocks == [(i * (4 << 20), 4 << 20) for i in range(3)]
    assert rest[0] == 3 * (4 << 20) and header[0] == 0
    assert (tmp_path / "w").stat().st_size == sum(rest)


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path) -> None:
    def pieces() -> Iterator[np.ndarray]:
        yield np.zeros(1000)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="broke"), WeightsWriter(tmp_path / "a.weights") as writer:
        writer.add("w", pieces())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match=r"none/a\.weights"):
        WeightsWriter(tmp_path / "none" / "a.weights")


def test_a_name_is_used_once_and_a_finished_file_is_closed(tmp_path: Path) -> None:
    with WeightsWriter(tmp_path / "a.weights") as writer:
        writer.add("w", b"1")
        with pytest.raises(ValueError, match="'w'"):
            writer.add("w", b"2")
        with pytest.raises(ValueError, match="too long"):
            writer.add("w" * 73, b"2")
        writer.finish()
        with pytest.raises(ValueError, match="finished"):
            writer.add("v", b"3")


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 16), (5, 17), (64, 160), (768, 1000), (0, 5)])
@pytest.mark.parametrize("stored", ["rows", "transposed", "float64", "strided"])
def test_packing_puts_sixteen_columns_side_by_side(rows: int, columns: int, stored: str) -> None:
    rng = np.random.default_rng(rows * columns)
    weight = rng.standard_normal((rows, columns)).astype(np.float32)
    source = {
        "rows": weight,
        "transposed": np.ascontiguousarray(weight.T).T,
        "float64": weight.astype(np.float64),
        "strided": np.repeat(weight, 2, axis=1)[:, ::2],
    }[stored]
    packed = np.concatenate([chunk.reshape(-1) for chunk in pack_panels(source)])
    assert packed.size == panel_count(columns) * rows * PANEL and packed.dtype == np.float32
    panels = packed.reshape(panel_count(columns), rows, PANEL)
    for p, k, j in [(0, 0, 0), (panels.shape[0] - 1, rows - 1, 15), (panels.shape[0] // 2, rows // 2, 7)]:
        if rows:
            expected = weight[k, PANEL * p + j] if PANEL * p + j < columns else 0
            assert panels[p, k, j] == expected
    unpacked = packed.reshape(panel_count(columns), rows, PANEL).transpose(1, 0, 2).reshape(rows, PANEL * panel_count(columns))
    assert np.array_equal(unpacked[:, :columns], weight)


def test_large_matrices_are_packed_in_pieces() -> None:
    sizes = [chunk.nbytes for chunk in pack_panels(np.zeros((768, 5000), np.float32))]
    assert len(sizes) > 2 and max(sizes) <= 8 << 20
