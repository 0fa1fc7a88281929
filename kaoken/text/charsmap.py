"""Reads SentencePiece's `precompiled_charsmap`: the texts that normalization puts in place of others.

The map is a length, a double array in the layout of darts-clone (S. Yata), and the texts that its values point to,
each ended by a zero byte.
"""

from __future__ import annotations

import struct

import numpy as np

from kaoken.errors import UnsupportedModelError

KEY_LIMIT = 64
"""Bytes of a key; a longer one means a damaged map."""

_DAMAGED = "the precompiled_charsmap is damaged"


def read_charsmap(data: bytes) -> dict[bytes, bytes]:
    """Keys and their texts, without the keys that begin with a shorter one: those are never used.

    Raises UnsupportedModelError for damaged data.
    """
    if len(data) < 8:
        raise UnsupportedModelError(_DAMAGED)
    (size,) = struct.unpack_from("<I", data)
    if size % 4 or size < 4 or size > len(data) - 4:
        raise UnsupportedModelError(_DAMAGED)
    units = np.frombuffer(data, "<u4", size // 4, 4).astype(np.int64)
    texts = data[4 + size :]
    labels = units & 0x800000FF
    offsets = (units >> 10) << ((units & 0x200) >> 6)
    leaves = (units >> 8) & 1
    found: dict[bytes, bytes] = {}
    every_byte = np.arange(1, 256)
    pending = [(b"", int(offsets[0]))]
    while pending:
        key, base = pending.pop()
        at = base ^ every_byte
        inside = at < len(units)
        held = every_byte[inside][labels[at[inside]] == every_byte[inside]]
        for byte in held.tolist():
            unit = base ^ byte
            child = unit ^ int(offsets[unit])
            longer = key + bytes([byte])
            if len(longer) > KEY_LIMIT or child >= len(units):
                raise UnsupportedModelError(_DAMAGED)
            if leaves[unit]:
                found[longer] = _text(texts, int(units[child]) & 0x7FFFFFFF)
            else:
                pending.append((longer, child))
    return found


def _text(texts: bytes, start: int) -> bytes:
    end = texts.find(b"\0", start)
    if start > len(texts) or end < 0:
        raise UnsupportedModelError(_DAMAGED)
    try:
        texts[start:end].decode()
    except UnicodeDecodeError as error:
        raise UnsupportedModelError(_DAMAGED) from error
    return texts[start:end]
