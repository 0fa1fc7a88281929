"""ONNX signal processing: Fourier transforms as products with a matrix of cosines and sines, mel filters, n-grams."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from kaoken.frontend.registry import OnnxNode, Unsupported, element_dtype
from kaoken.frontend.spelled import Tensor, from_data, iota, join, onnx_formula, tensor, wrapped
from kaoken.ir.dims import Dim, dim, maximum
from kaoken.ops.registry import normalize_axis

LARGEST_MATRIX = 1 << 22
"""Larger matrices of cosines are computed where they are used."""


def _waves(node: OnnxNode, rows: Dim, columns: Dim, length: Dim, dtype: str) -> tuple[Tensor, Tensor]:
    """cos and sin of 2 pi n k / length, [rows, columns]; n k is reduced before it is rounded."""
    count, width, period = rows.constant, columns.constant, length.constant
    if count is not None and width is not None and period and count * width <= LARGEST_MATRIX:
        turns = np.outer(np.arange(count), np.arange(width)) % period * (2 * math.pi / period)
        return tensor(node, np.cos(turns).astype(dtype)), tensor(node, np.sin(turns).astype(dtype))
    step = (iota(node, rows).reshape(rows, 1) * iota(node, columns)).mod(maximum(dim(1), length))
    angle = step.cast(dtype) * (2 * math.pi) / tensor(node, length).cast(dtype)
    return angle.cos(), angle.sin()


def fourier(x: Tensor, length: Dim, inverse: bool, onesided: bool) -> Tensor:
    """The transform of [..., n, 1 or 2] along n: parts, real and imaginary, last. Summed in float64: what cancels should be 0."""
    given_dtype, x = x.dtype, x.cast("float64")
    node, axis, parts = x.node, x.rank - 2, x.shape[-1].constant
    given = x.shape[axis]
    half = length // 2 + 1
    rows = half if inverse and onesided else length
    if given != rows:
        after = tuple(rows - given if n == axis else dim(0) for n in range(x.rank))
        x = x.pad(0, before=(dim(0),) * x.rank, after=after)
    cos, sin = _waves(node, rows, half if onesided and not inverse else length, length, x.dtype)
    real = x.take(0, x.rank - 1)
    imaginary = x.take(1, x.rank - 1) if parts == 2 else None
    if inverse and onesided:
        # What is left out are the conjugates of all but the first and, where the length is even, the last.
        twice = np.full(int(rows), 2.0, x.dtype)
        twice[0] = 1
        if int(length) % 2 == 0:
            twice[-1] = 1
        weights = tensor(node, twice)
        whole = (real * weights) @ cos
        whole = whole if imaginary is None else whole - (imaginary * weights) @ sin
        return (whole / tensor(node, length).cast(x.dtype)).reshape(*x.shape[:axis], length, 1).cast(given_dtype)
    sign = 1 if inverse else -1
    first, second = real @ cos, (real @ sin) * sign
    if imaginary is not None:
        first, second = first - (imaginary @ sin) * sign, second + imaginary @ cos
    result = join(first.rank, first.with_axis(first.rank), second.with_axis(first.rank))
    return (result / tensor(node, length).cast(x.dtype) if inverse else result).cast(given_dtype)


@onnx_formula("DFT", since=17)
def dft(node: OnnxNode, x: Tensor, _: Tensor | None = None, over: Tensor | None = None, *, axis: int | None = None) -> Tensor:
    """Along one axis; a run-time axis is that in which the result's declared shape differs, else each is tried."""
    if over is None or node.version < 20:
        axis = (1 if node.version < 20 else -2) if axis is None else axis
        return _dft(node, x, normalize_axis(axis, x.rank))
    if not from_data(over.value):
        return _dft(node, x, normalize_axis(node.integers(2)[0], x.rank))
    place = wrapped(over.reshape(), x.rank)
    declared = node.declared_shape(x.rank)
    differs = [n for n in range(x.rank - 1) if declared[n] is not None and declared[n] != x.shape[n]]
    if len(differs) == 1:
        node.found_size(place.value, 0, over.value.name, None, dim(differs[0]))
        return _dft(node, x, differs[0])
    result = _dft(node, x, 0)
    for n in range(1, x.rank - 1):
        result = place.eq(n).where(_dft(node, x, n), result)
    return result


def _dft(node: OnnxNode, x: Tensor, axis: int) -> Tensor:
    order = [n for n in range(x.rank - 1) if n != axis] + [axis, x.rank - 1]
    inverse, onesided = bool(node.attribute("inverse", 0)), bool(node.attribute("onesided", 0))
    length = 2 * (x.shape[axis] - 1) if inverse and onesided else x.shape[axis]
    if node.optional(1) is not None:
        length = node.sizes(1, [node.declared_shape(x.rank)[axis] if not onesided else None])[0]
    if inverse and onesided and length.constant is None:
        raise Unsupported("the onesided inverse of a transform of unknown length; fix the extent with --dim")
    result = fourier(x.transpose(*order), length, inverse, onesided)
    return result.transpose(*(order.index(n) for n in range(x.rank)))


@onnx_formula("STFT", since=17)
def stft(
    node: OnnxNode, x: Tensor, step: Tensor, window: Tensor | None = None, given: Tensor | None = None, *, onesided: int = 1
) -> Tensor:
    """[batch, frame, frequency, 2]: the transform of each window."""
    declared = node.declared_shape(4)
    length: Dim | None = None if onesided else declared[2]
    if given is not None and not from_data(given.value):
        length = node.dims(3)[0]
    elif window is not None:
        length = window.shape[0]
    if length is None or length.constant is None:
        if given is None:
            raise Unsupported("the length of its frames must be known")
        length = node.found_size(given.value, 0, given.value.name, x.shape[1])
    hop, signal = step.cast("int64").reshape(), x.reshape(*x.shape[:2], x.shape[2] if x.rank == 3 else 1)
    if not from_data(step.value):
        frames = (x.shape[1] - length) // node.dims(1)[0] + 1
    else:
        count = (tensor(node, x.shape[1] - length).floordiv(hop) + 1).reshape(1)
        frames = node.found_size(count.value, 0, f"{node.names[0]}_frames", x.shape[1], declared[1])
    pieces = signal.take(iota(node, frames).with_axis(1) * hop + iota(node, length), 1)
    pieces = pieces if window is None else pieces * window.along(2, 4)
    return fourier(pieces, length, False, bool(onesided))


@onnx_formula("MelWeightMatrix", since=17)
def mel_weight_matrix(node: OnnxNode, *numbers: Tensor, output_datatype: int = 1) -> Tensor:
    """[frequency, band]: triangles whose corners are evenly spaced on the mel scale, each between whole spectrogram bins."""
    count, bins, rate, *edges = (number.reshape() for number in numbers)
    declared = node.declared_shape(2)
    bands = node.found_sizes(count.value, node.input(0).name, [declared[1]])[0]
    bins, rate = bins.cast("int64"), rate.cast("int64")
    rows = node.found_sizes((bins.floordiv(2) + 1).value, node.input(1).name, [declared[0]])[0]
    low, high = (2595 / math.log(10) * (1 + n.cast("float64") / 700).log() for n in edges)
    step = (high - low) / tensor(node, bands + 2).cast("float64")
    mel = iota(node, bands + 2, "float64") * step + low
    corner = ((mel * (math.log(10) / 2595)).exp() - 1) * 700 * (bins + 1).cast("float64") / rate.cast("float64")
    corner = corner.cast("int64")
    left, middle, right = (corner.part(0, n, bands) for n in range(3))
    row = iota(node, rows).with_axis(1)
    rise = (row - left).cast("float64") / (middle - left).max(1).cast("float64")
    fall = (right - row).cast("float64") / (right - middle).max(1).cast("float64")
    beside = ((row >= left) & (row < middle)).where(rise, ((row > middle) & (row < right)).where(fall, 0))
    return row.eq(middle).where(1, beside).cast(element_dtype(output_datatype))


@onnx_formula("TfIdfVectorizer", since=9)
def tf_idf_vectorizer(
    node: OnnxNode, x: Tensor, *, ngram_counts: list[int], ngram_indexes: list[int], mode: str,
    min_gram_length: int, max_gram_length: int, max_skip_count: int,
    pool_int64s: list[int] | None = None, weights: list[float] | None = None,
) -> Tensor:  # fmt: skip
    """How often the n-grams of a table occur in each row, elements up to a number of skips apart; counted, tested or weighted."""
    if pool_int64s is None:
        raise Unsupported("n-grams of strings are not supported")
    starts, ids, pool = np.array(ngram_counts, np.int64), np.array(ngram_indexes, np.int64), np.array(pool_int64s, x.dtype)
    rows = x.reshape(1, *x.shape) if x.rank == 1 else x
    counts = []
    for length, first in enumerate(starts, 1):
        end = int(starts[length]) if length < len(starts) else pool.size
        grams = pool[int(first) : end].reshape(-1, length)
        total = tensor(node, np.zeros((1, len(grams)), np.int64)).expand(rows.shape[0], len(grams))
        used = min_gram_length <= length <= max_gram_length
        for apart in range(1, (max_skip_count + 1 if length > 1 else 1) + 1):
            places = maximum(dim(0), rows.shape[1] - (length - 1) * apart)
            if not used or places == 0 or not len(grams):
                continue
            here = (rows.part(1, n * apart, places).with_axis(1) for n in range(length))
            hits = [part.eq(tensor(node, grams[:, n].copy()).with_axis(1)) for n, part in enumerate(here)]
            total = total + reduce(lambda a, b: a & b, hits).cast("int64").reduce("sum", 2)
        counts.append(total)
    found = join(1, *counts).cast("float32")
    found = (found > 0).cast("float32") if mode == "IDF" else found
    if mode != "TF" and weights is not None:
        found = found * tensor(node, np.array(weights, np.float32))
    place = np.full(int(ids.max()) + 1, -1, np.int64)
    place[ids] = np.arange(ids.size)
    result = found.at_or_zero(iota(node, rows.shape[0]).with_axis(1), tensor(node, place))
    return result.reshape(*x.shape[:-1], place.size)
