"""Writes the weights file that the generated C maps. `runtime/kk_weights.h` states its layout byte by byte."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from kaoken.errors import UsageError

MAGIC = b"\x89KAOKEN\n"
LAYOUT_VERSION = 1
ALIGNMENT = 64
NAME_BYTES = 72

_HEADER_BYTES = 128
_HEADER = struct.Struct("<8sIIQQ32sI")
_ENTRY = struct.Struct(f"<QQII{NAME_BYTES}s")
_BLOCK = 4 << 20
"""Bytes written at once, each at a multiple of them: two large pages."""

_SLICE = 1 << 20
"""Bytes between checksum and copy, so that the copy still finds them in the cache."""

Chunk = NDArray[np.generic] | bytes
"""A piece of a section: bytes as they are, or an array, written in C order and little-endian."""


class WeightsWriter:
    """Streams sections to a weights file; until `finish`, nothing stands under its name.

    Equal sections in equal order give equal bytes. Used as a context manager it removes its temporary file when left
    without `finish`.

        with WeightsWriter(out / "gpt2.weights") as writer:
            index = writer.add("wte", pack_panels(table))
            model_hash = writer.finish()
    """

    def __init__(self, path: Path) -> None:
        """path: the file to make; its folder must exist. Raises UsageError when it cannot be written."""
        self.path = path
        self._names: dict[str, int] = {}
        self._table = bytearray()
        self._position = _HEADER_BYTES
        self._file: BinaryIO | None = None
        try:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}; choose a folder that exists and is writable") from error
        self._temporary = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._pending = bytearray(_HEADER_BYTES)

    def __enter__(self) -> WeightsWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.discard()

    def add(self, name: str, data: Chunk | Iterable[Chunk]) -> int:
        """Appends a section and returns its index, 0 for the first.

        data: the bytes in one piece, or an iterable of pieces that are written as they come and kept nowhere.
        Raises UsageError when the disk is full, ValueError for a name that was used before or has more than 72 bytes.
        """
        encoded = name.encode()
        if name in self._names or len(encoded) > NAME_BYTES:
            raise ValueError(f"the weights file already has a section named {name!r}, or the name is too long")
        file = self._open_file()
        pieces: Iterable[Chunk] = (data,) if isinstance(data, bytes | np.ndarray) else data
        checksum = size = 0
        padding = -self._position % ALIGNMENT
        try:
            self._write(file, bytes(padding))
            for piece in pieces:
                view = _bytes_of(piece)
                for start in range(0, len(view), _SLICE):
                    part = view[start : start + _SLICE]
                    checksum = zlib.crc32(part, checksum)
                    self._write(file, part)
                size += len(view)
        except OSError as error:
            raise self._cannot_write(error) from error
        self._table += _ENTRY.pack(self._position + padding, size, checksum, len(encoded), encoded)
        self._position += padding + size
        return self._names.setdefault(name, len(self._names))

    def finish(self) -> bytes:
        """Writes table and header, gives the file its name, and returns the 32-byte hash that it carries, of every section's
        name, place and checksum: it ties the file to its library."""
        model_hash = hashlib.sha256(self._table).digest()
        file = self._open_file()
        table = bytes(self._table)
        header = _HEADER.pack(
            MAGIC,
            LAYOUT_VERSION,
            len(self._names),
            self._position + len(table),
            self._position,
            model_hash,
            zlib.crc32(table),
        )
        try:
            self._write(file, table)
            file.write(self._pending)
            file.seek(0)
            file.write(header + struct.pack("<I", zlib.crc32(header)))
            file.close()
            # mkstemp makes files private; a built model is as readable as any other file.
            mask = os.umask(0)
            os.umask(mask)
            self._temporary.chmod(0o666 & ~mask)
            os.replace(self._temporary, self.path)
        except OSError as error:
            raise self._cannot_write(error) from error
        self._file = None
        return model_hash

    def discard(self) -> None:
        """Removes the temporary file; after `finish` there is none."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._temporary.unlink(missing_ok=True)

    def _write(self, file: BinaryIO, part: bytes | memoryview) -> None:
        """Appends bytes in aligned blocks of several large pages: the file cache then keeps them as such, where it can."""
        rest = memoryview(part)
        while rest:
            taken = rest[: _BLOCK - len(self._pending)]
            self._pending += taken
            rest = rest[len(taken) :]
            if len(self._pending) == _BLOCK:
                file.write(self._pending)
                self._pending.clear()

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"{self.path} is already finished")
        return self._file

    def _cannot_write(self, error: OSError) -> UsageError:
        self.discard()
        return UsageError(f"cannot write {self.path}: {error.strerror}")


def _bytes_of(piece: Chunk) -> memoryview:
    """The piece's bytes, little-endian and in C order; copies only where it is neither."""
    if isinstance(piece, bytes):
        return memoryview(piece)
    little = np.ascontiguousarray(piece.astype(piece.dtype.newbyteorder("<"), copy=False))
    return little.reshape(-1).view(np.uint8).data
