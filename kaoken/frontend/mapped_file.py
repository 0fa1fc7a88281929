"""Reading an ONNX file without loading its weights: the file is memory-mapped and large tensors stay where they lie.

`onnx.load` of a model of n bytes costs 2n bytes of memory. Here the protocol-buffer wire format is walked once
(https://protobuf.dev/programming-guides/encoding/), the payload of every large initializer is noted as an offset and left out,
and only the small rest is parsed by `onnx`.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from kaoken.element_types import tensor_in
from kaoken.errors import UnsupportedModelError, UsageError
from kaoken.ir.dtypes import packed_bits

ENCODER, FIRST_STEP, OTHER_STEPS, MERGED = (
    "encoder_model.onnx",
    "decoder_model.onnx",
    "decoder_with_past_model.onnx",
    "decoder_model_merged.onnx",
)
"""What exporters call the graphs of an encoder-decoder."""

_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW_DATA = 7, 5, 9
_LARGE = 1024

SPARSE_ELEMENTS = 2**28
"""The most elements that a sparse tensor may have with its zeros."""


@dataclass
class MappedModel:
    """A parsed model whose large initializers are read from `arrays` instead of the message.

    `encoder_inputs` are, of a model that was joined from an encoder and a decoder, the inputs that belong to the encoder.
    """

    proto: onnx.ModelProto
    path: Path
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    bytes_on_disk: int = 0
    encoder_inputs: tuple[str, ...] = ()


class _Damaged(Exception):
    """The wire format breaks off or contradicts itself."""


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _Damaged(f"at byte {at}")


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """(number, wire type, start of the field, start and end of its payload) of each field of a message."""
    while at < end:
        start = at
        key, at = _varint(data, at, end)
        wire = key & 7
        if wire == 0:
            payload = at
            _, at = _varint(data, at, end)
        elif wire == 2:
            length, at = _varint(data, at, end)
            payload, at = at, at + length
        elif wire in (1, 5):
            payload, at = at, at + (8 if wire == 1 else 4)
        else:
            raise _Damaged(f"at byte {start}")
        if at > end:
            raise _Damaged(f"at byte {start}: a field of {at - payload} bytes runs past the end")
        yield key >> 3, wire, start, payload, at


def _tag(number: int, payload: bytes) -> bytes:
    def varint(value: int) -> bytes:
        out = bytearray()
        while value >= 0x80:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        return bytes(out)

    return varint(number << 3 | 2) + varint(len(payload)) + payload


def _without_large_data(data: mmap.mmap, start: int, end: int) -> tuple[bytes, tuple[int, int] | None]:
    """A tensor message without its raw data, and where that lies, if it is large."""
    kept, place = [], None
    for number, wire, field_start, payload, field_end in _fields(data, start, end):
        if number == _TENSOR_RAW_DATA and wire == 2 and field_end - payload >= _LARGE:
            place = (payload, field_end - payload)
        else:
            kept.append(data[field_start:field_end])
    return b"".join(kept), place


def _strip(data: mmap.mmap) -> tuple[bytes, list[tuple[int, int] | None]]:
    """The model message without large initializer payloads, and the place of each initializer's payload."""
    model, places = [], []
    for number, wire, start, payload, end in _fields(data, 0, len(data)):
        if number != _MODEL_GRAPH or wire != 2:
            model.append(data[start:end])
            continue
        graph = []
        for inner, inner_wire, inner_start, inner_payload, inner_end in _fields(data, payload, end):
            if inner == _GRAPH_INITIALIZER and inner_wire == 2:
                message, place = _without_large_data(data, inner_payload, inner_end)
                graph.append(_tag(_GRAPH_INITIALIZER, message))
                places.append(place)
            else:
                graph.append(data[inner_start:inner_end])
        model.append(_tag(_MODEL_GRAPH, b"".join(graph)))
    return b"".join(model), places


def is_encoder_decoder(path: Path) -> bool:
    """Whether `path` is a folder in which an exporter left an encoder and a decoder."""
    return (path / ENCODER).is_file() and any((path / name).is_file() for name in (FIRST_STEP, OTHER_STEPS, MERGED))


def find_model_file(path: Path) -> Path:
    """The ONNX file that `path` means: itself, or the one in the folder Optimum wrote; of an encoder-decoder, the encoder's.

    Raises UsageError if there is not one.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise UsageError(f"{path} does not exist; give an .onnx file or a folder that an exporter wrote")
    preferred = path / "model.onnx"
    if preferred.is_file():
        return preferred
    if is_encoder_decoder(path):
        return path / ENCODER
    found = sorted(path.glob("*.onnx"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"{path} holds no .onnx file; export one with `python -m kaoken export NAME -o {path}`")
    names = ", ".join(f.name for f in found)
    raise UsageError(f"{path} holds several models ({names}); give the file to compile")


def load_model(path: Path) -> MappedModel:
    """Map and parse a model.

    Raises UsageError for a missing file, UnsupportedModelError for a damaged one or for missing external data.
    """
    file = find_model_file(path)
    try:
        size = file.stat().st_size
        if size == 0:
            raise UnsupportedModelError(f"{file} is empty; export the model again")
        with file.open("rb") as handle:
            data = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    try:
        message, places = _strip(data)
        proto = onnx.ModelProto()
        proto.ParseFromString(message)
    except (_Damaged, DecodeError) as error:
        raise UnsupportedModelError(
            f"{file} is no valid ONNX file ({error}); it may be truncated: copy or export it again"
        ) from None
    if not _all_text(proto):
        raise UnsupportedModelError(f"{file} is damaged: a name in it is no text; copy or export it again")
    if not proto.HasField("graph") or (not proto.graph.node and not proto.graph.output):
        raise UnsupportedModelError(f"{file} holds no ONNX graph; export the model again")
    model = MappedModel(proto, file, bytes_on_disk=size)
    problems: list[str] = []
    external: dict[Path, mmap.mmap] = {}
    if len(places) != len(proto.graph.initializer):
        raise UnsupportedModelError(f"{file} is no valid ONNX file (its initializers cannot be told apart); export it again")
    for tensor, place in zip(proto.graph.initializer, places, strict=True):
        try:
            array = _mapped_array(tensor, place, data, file, external)
        except ValueError as error:
            problems.append(f"initializer {tensor.name or '(unnamed)'}: {error}")
            continue
        if array is not None:
            model.arrays[tensor.name] = array
    model.bytes_on_disk += sum(len(m) for m in external.values())
    if problems:
        raise UnsupportedModelError(f"{file} cannot be read:\n" + "\n".join(f"  {p}" for p in problems))
    return model


def _all_text(message: Any) -> bool:
    """Whether every string in the message is UTF-8; protocol buffers hand out others as bytes."""
    for field_, value in message.ListFields():
        if field_.type not in (field_.TYPE_STRING, field_.TYPE_MESSAGE):
            continue
        for item in value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]:
            if not (_all_text(item) if field_.type == field_.TYPE_MESSAGE else isinstance(item, str)):
                return False
    return True


def tensor_dtype(data_type: int) -> np.dtype:
    """The NumPy type of an ONNX element type. Raises ValueError for an unknown one."""
    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(data_type))
    except (KeyError, TypeError):
        raise ValueError(f"element type {data_type} is unknown") from None


def _count(tensor: onnx.TensorProto) -> int:
    """How many elements a tensor says it has. Raises ValueError for an extent below 0."""
    if any(extent < 0 for extent in tensor.dims):
        raise ValueError(f"negative extent in {list(tensor.dims)}")
    return math.prod(tensor.dims)


def tensor_array(tensor: onnx.TensorProto) -> np.ndarray:
    """The elements that a message holds itself. Raises ValueError where they do not fill its shape, or lie in another file."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ValueError("only the main graph's initializers may lie in another file")
    dtype, count = tensor_dtype(tensor.data_type), _count(tensor)
    if dtype.itemsize * count > 64 * (tensor.ByteSize() + 64):
        raise ValueError(f"{tensor.ByteSize()} bytes do not hold {list(tensor.dims)} of {dtype}")
    try:
        array = np.asarray(onnx.numpy_helper.to_array(tensor), order="C")
    except Exception as error:
        raise ValueError(f"its data do not fill {list(tensor.dims)} of {dtype} ({error})") from None
    if array.shape != tuple(tensor.dims):
        raise ValueError(f"its data do not fill {list(tensor.dims)} of {dtype}")
    return array


def sparse_array(sparse: onnx.SparseTensorProto) -> np.ndarray:
    """All elements of a sparse tensor. Raises ValueError for places outside of it, and beyond `SPARSE_ELEMENTS` elements."""
    values, places, shape = tensor_array(sparse.values), tensor_array(sparse.indices), tuple(sparse.dims)
    if any(extent < 0 for extent in shape) or math.prod(shape) > SPARSE_ELEMENTS:
        raise ValueError(f"a sparse tensor of {list(shape)} is too large")
    if places.dtype != np.int64 or places.shape not in (values.shape, (values.size, len(shape))) or values.ndim != 1:
        raise ValueError(f"{list(places.shape)} places for {list(values.shape)} values of a sparse tensor of {list(shape)}")
    if places.ndim == 2:
        if ((places < 0) | (places >= np.array(shape, np.int64))).any():
            raise ValueError(f"places outside of a sparse tensor of {list(shape)}")
        places = np.ravel_multi_index(tuple(places.T), shape) if places.size else places.reshape(-1)
    if ((places < 0) | (places >= math.prod(shape))).any():
        raise ValueError(f"places outside of a sparse tensor of {list(shape)}")
    result = np.zeros(shape, values.dtype)
    result.reshape(-1)[places] = values
    return result


def _mapped_array(
    tensor: onnx.TensorProto,
    place: tuple[int, int] | None,
    data: mmap.mmap,
    file: Path,
    external: dict[Path, mmap.mmap],
) -> np.ndarray | None:
    """The elements as a view of the mapped file; None when the (small) message holds them itself."""
    source = data
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        source, place = _external_place(tensor, file, external)
    if place is None:
        return tensor_array(tensor)
    dtype = tensor_dtype(tensor.data_type)
    (offset, length), count = place, _count(tensor)
    bits = packed_bits(str(dtype)) or 8 * dtype.itemsize
    if -(-count * bits // 8) != length:
        raise ValueError(f"{length} bytes of data do not fill {list(tensor.dims)} of {dtype}")
    if bits < 8:
        return tensor_in(np.frombuffer(source, np.uint8, length, offset), tuple(tensor.dims), str(dtype))
    return np.frombuffer(source, dtype, count, offset).reshape(tuple(tensor.dims))


def _external_place(tensor: onnx.TensorProto, file: Path, external: dict[Path, mmap.mmap]) -> tuple[mmap.mmap, tuple[int, int]]:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    path = (file.parent / location).resolve()
    if not location or not path.is_relative_to(file.parent.resolve()):
        raise ValueError(f"external data at {location!r} lies outside the model's folder")
    if path not in external:
        if not path.is_file():
            raise ValueError(f"external data file {location} is missing; put it beside {file.name}")
        if path.stat().st_size == 0:
            raise ValueError(f"external data file {location} is empty")
        with path.open("rb") as handle:
            external[path] = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    size = len(external[path])
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", size - offset))
    except ValueError:
        raise ValueError("external data offset or length is no number") from None
    if offset < 0 or length < 0 or offset + length > size:
        raise ValueError(f"external data file {location} is too short: {offset + length} bytes needed, {size} there")
    return external[path], (offset, length)
