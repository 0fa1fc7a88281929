"""Writes a file as an object file, so that weights are linked into a program. No compiler or linker is needed.

Format: System V ABI, ELF-64 object file format (relocatable, little-endian), sections as an assembler would make them.
"""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

from kaoken.errors import UsageError

_MACHINES: dict[str, int] = {"x86_64": 62, "aarch64": 183}
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_ALIGNMENT = 64
_RELOCATABLE, _PROGBITS, _SYMTAB, _STRTAB, _ALLOCATED = 1, 1, 2, 3, 2
_GLOBAL_OBJECT = 1 << 4 | 1
_LARGEST = 1 << 30
"""x86-64 code of the usual memory model reaches 2 GB; what is larger would break the caller's link."""


def write_elf_object(weights: Path, out: Path, symbol: str, machine: str) -> None:
    """Writes `out`, an ELF object that holds the bytes of `weights` in .rodata, 64-byte aligned.

    It defines two symbols, to be declared in C as
        extern const unsigned char SYMBOL[];
        extern const uint64_t SYMBOL_size;    (bytes)
    The file is streamed, and replaced in one step. Equal input gives equal bytes.
    Raises UsageError for an unknown machine, a file over 1 GB (map it instead), or one that cannot be read or written.
    """
    if machine not in _MACHINES:
        raise UsageError(f"cannot embed weights for {machine!r}: choose one of {', '.join(_MACHINES)}")
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        size = weights.stat().st_size
        if size > _LARGEST:
            raise UsageError(f"{weights} has {size / 1e9:.1f} GB, too much to embed; compile without --embed")
        with weights.open("rb") as source, temporary.open("wb") as target:
            before, after = _surroundings(size, symbol, _MACHINES[machine])
            target.write(before)
            shutil.copyfileobj(source, target, 4 << 20)
            target.write(after)
        os.replace(temporary, out)
    except OSError as error:
        raise UsageError(f"cannot embed {weights} in {out}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _strings(names: list[str]) -> tuple[bytes, list[int]]:
    """A string table and the offset of each name in it."""
    table, offsets = bytearray(1), []
    for name in names:
        offsets.append(len(table))
        table += name.encode() + b"\0"
    return bytes(table), offsets


def _surroundings(size: int, symbol: str, machine: int) -> tuple[bytes, bytes]:
    """What stands in the object file before and after the `size` bytes of data."""
    start = _ALIGNMENT  # the ELF header has 64 bytes
    size_place = size + -size % 8
    rodata_size = size_place + 8
    strings, (name, size_name) = _strings([symbol, f"{symbol}_size"])
    symbols = bytes(_SYMBOL.size)
    symbols += _SYMBOL.pack(name, _GLOBAL_OBJECT, 0, 1, 0, size)
    symbols += _SYMBOL.pack(size_name, _GLOBAL_OBJECT, 0, 1, size_place, 8)
    section_strings, places = _strings([".rodata", ".note.GNU-stack", ".symtab", ".strtab", ".shstrtab"])
    after = bytes(-size % 8) + struct.pack("<Q", size)

    def append(data: bytes) -> int:
        nonlocal after
        offset = start + size + len(after)
        after += data
        return offset

    symbols_at = append(symbols)
    strings_at = append(strings)
    section_strings_at = append(section_strings)
    append(bytes(-(start + size + len(after)) % 8))
    sections = bytes(_SECTION.size)
    sections += _SECTION.pack(places[0], _PROGBITS, _ALLOCATED, 0, start, rodata_size, 0, 0, _ALIGNMENT, 0)
    # Without this empty section linkers make the program's stack executable.
    sections += _SECTION.pack(places[1], _PROGBITS, 0, 0, start + size, 0, 0, 0, 1, 0)
    # A symbol table links to its strings (section 4) and says how many of its symbols are local (the empty first).
    sections += _SECTION.pack(places[2], _SYMTAB, 0, 0, symbols_at, len(symbols), 4, 1, 8, _SYMBOL.size)
    sections += _SECTION.pack(places[3], _STRTAB, 0, 0, strings_at, len(strings), 0, 0, 1, 0)
    sections += _SECTION.pack(places[4], _STRTAB, 0, 0, section_strings_at, len(section_strings), 0, 0, 1, 0)
    sections_at = append(sections)
    identity = b"\x7fELF" + bytes([2, 1, 1])  # 64 bits, little-endian, version 1; the rest of the 16 bytes is 0
    header = _HEADER.pack(identity, _RELOCATABLE, machine, 1, 0, 0, sections_at, 0, _HEADER.size, 0, 0, _SECTION.size, 6, 5)
    return header, after
