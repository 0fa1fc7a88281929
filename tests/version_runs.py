"""Rows of `version_rows` compiled to C and run: those of one opset side by side in one model, equal graphs once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.reference
from onnx import helper
from version_rows import ABSENT, Row, older_form
from version_rows import MANY as ROW_ELEMENTS

from kaoken.backend.build import built_folder
from kaoken.backend.interface import MOST_OF_A_SEQUENCE
from kaoken.errors import KaokenError, UnboundedDimensionsError
from kaoken.frontend.dimensions import DimensionTable
from kaoken.frontend.importer import Importer
from kaoken.frontend.mapped_file import MappedModel
from kaoken.ir.graph import graph_text
from kaoken.session import Session

BATCH = 96
LEAST_BOUND = 16
"""Sizes that only a call knows may be as large as any that is among the row's inputs, but so large in any case."""


@dataclass
class Outcome:
    """What the compiled row gives; or what it was refused with."""

    outputs: list[Any] | None = None
    error: str = ""


def imported_key(row: Row) -> str:
    """Names the graph that a row is read as, with its constants and inputs. Raises KaokenError for one that is refused."""
    importer = Importer(MappedModel(row.model(), Path("row.onnx")), DimensionTable(overrides={}, context=None))
    graph = importer.run()
    kinds = [(value.dtype, value.shape) for _, value in graph.outputs]
    digest = hashlib.sha256(repr((graph_text(graph), kinds, graph.composed, graph.packed)).encode())
    for body in graph.walk():
        for value in body.constants():
            digest.update(b"" if value.data is None else value.data.tobytes())
    for value in row.feeds().values():
        for array in value if isinstance(value, list) else [value]:
            digest.update(repr((np.shape(array), np.asarray(array).tolist())).encode())
    return digest.hexdigest()


def outcomes(rows: Sequence[Row], jobs: int = 2) -> dict[Row, Outcome]:
    """What becomes of each row. Rows that are read as equal graphs share the result."""
    found: dict[int, Outcome] = {}
    first: dict[str, int] = {}
    same: dict[int, int] = {}
    for n, row in enumerate(rows):
        try:
            same[n] = first.setdefault(imported_key(row), n)
        except KaokenError as error:
            found[n] = Outcome(error=f"{type(error).__name__}: {error}")
        except Exception as error:
            found[n] = Outcome(error=f"a bug: {type(error).__name__}: {error}")
    groups: dict[int, list[int]] = {}
    for n in sorted(set(same.values())):
        groups.setdefault(rows[n].opset, []).append(n)
    batches = [g[i : i + BATCH] for g in groups.values() for i in range(0, len(g), BATCH)]
    with ProcessPoolExecutor(jobs) as pool:
        for result in pool.map(_run, [[(n, rows[n]) for n in batch] for batch in sorted(batches, key=len, reverse=True)]):
            found |= result
    return {row: found[same.get(n, n)] for n, row in enumerate(rows)}


def _run(batch: list[tuple[int, Row]]) -> dict[int, Outcome]:
    """Compile, build and run; where that fails, halves of the batch, so that one bad row costs no other its result."""
    try:
        session = Session(_built([row for _, row in batch]))
        feeds = {f"c{at}_{name}": value for at, (_, row) in enumerate(batch) for name, value in row.feeds().items()}
        given = dict(zip([node.name for node in session.get_outputs()], session.run(None, feeds), strict=True))
        return {n: Outcome([given[f"c{at}_{name}"] for name in row.sample.outputs if name]) for at, (n, row) in enumerate(batch)}
    except Exception as error:
        if len(batch) == 1:
            return {batch[0][0]: Outcome(error=f"{type(error).__name__}: {error}")}
    half = len(batch) // 2
    return _run(batch[:half]) | _run(batch[half:])


def _built(rows: Sequence[Row]) -> Path:
    model = merged(rows)
    try:
        return built_folder(model, {})
    except UnboundedDimensionsError as error:
        return built_folder(model, {name: f"0..{_bound(name, rows)}" for name in error.dimensions})


def _bound(name: str, rows: Sequence[Row]) -> int:
    """The bound of a size whose name begins with that of its row."""
    if name.endswith(("_elements", "_bytes")):
        return MOST_OF_A_SEQUENCE
    row = rows[int(name[1:].partition("_")[0])]
    arrays = [v for v in row.feeds().values() if isinstance(v, np.ndarray)]
    sizes = [extent for v in arrays for extent in v.shape]
    sizes += [int(n) for v in arrays if v.dtype == np.int64 and v.ndim < 2 for n in v.reshape(-1) if n < ROW_ELEMENTS]
    return max([LEAST_BOUND, *sizes])


def merged(rows: Iterable[Row]) -> onnx.ModelProto:
    """The rows' models side by side; the names of the third begin with `c2_`."""
    graph = onnx.GraphProto(name="rows")
    opset = 0
    for at, row in enumerate(rows):
        part, opset = row.model().graph, row.opset
        _rename(part, f"c{at}_")
        for kind in ("node", "input", "output", "initializer"):
            getattr(graph, kind).extend(getattr(part, kind))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def _rename(graph: onnx.GraphProto, prefix: str) -> None:
    """Put a prefix before every name, in bodies as well."""
    for item in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        item.name = prefix + item.name
    for info in (*graph.input, *graph.output, *graph.value_info):
        for kind in _tensors_of(info.type):
            for extent in kind.shape.dim:
                if extent.dim_param:
                    extent.dim_param = prefix + extent.dim_param
    for node in graph.node:
        node.name = prefix + (node.name or node.op_type)
        node.input[:] = [prefix + name if name else "" for name in node.input]
        node.output[:] = [prefix + name if name else "" for name in node.output]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _rename(attribute.g, prefix)


def _tensors_of(kind: onnx.TypeProto) -> Iterator[Any]:
    """The tensor types that a type is made of."""
    what = kind.WhichOneof("value")
    if what == "tensor_type":
        yield kind.tensor_type
    elif what in ("sequence_type", "optional_type"):
        yield from _tensors_of(getattr(kind, what).elem_type)


# what it is compared with -------------------------------------------------------------------------------------------------------


RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
"""Operators that draw: only the type and the shape are compared."""


def by_onnxruntime(row: Row) -> list[Any]:
    """Raises what onnxruntime raises. It has no recurrences with the batch first: those are given to it with the time first."""
    import onnxruntime

    if row.op in ("RNN", "GRU", "LSTM") and row.sample.attributes.get("layout"):
        swapped = {n: v if v is ABSENT or n not in (0, 5, 6) else v.swapaxes(0, 1) for n, v in enumerate(row.sample.inputs)}
        sample = replace(row.sample, inputs=tuple(swapped.values()), attributes=row.sample.attributes | {"layout": 0})
        given = zip([o for o in row.sample.outputs if o], by_onnxruntime(replace(row, sample=sample)), strict=True)
        return [v.transpose(2, 0, 1, 3) if name == row.sample.outputs[0] else v.swapaxes(0, 1) for name, v in given]
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(row.model().SerializeToString(), options, ["CPUExecutionProvider"])
    return [_dense(v) for v in session.run(None, row.feeds())]


def _dense(value: Any) -> Any:
    """A sparse tensor of onnxruntime, which it makes of a constant, as an array; all else as it is."""
    if not hasattr(value, "get_coo_data"):
        return value
    result = np.zeros(value.dense_shape(), value.values().dtype)
    places = value.get_coo_data().indices()
    result[tuple(places.T) if places.ndim == 2 else np.unravel_index(places, result.shape)] = value.values()
    return result


def by_reference(row: Row) -> list[Any]:
    """Raises what the reference implementation raises. CastLike, which it lacks in part, is Cast to the other operand's type."""
    if row.op == "CastLike":
        x, like = row.sample.inputs
        to = helper.np_dtype_to_tensor_dtype(like.dtype)
        attributes = row.sample.attributes | {"to": to}
        row = Row("Cast", row.since, replace(row.sample, op="Cast", inputs=(x,), attributes=attributes, declared=()))
    with np.errstate(all="ignore"):
        given = list(onnx.reference.ReferenceEvaluator(row.model()).run(None, row.feeds()))
    return [v[0] if row.op == "Optional" and isinstance(v, list) else v for v in given]


DIFFER = {
    "Cast": "onnxruntime has its own rounding of what an 8-bit float cannot hold",
    "Dropout": "with a seed, the draws are those of the reference implementation",
    "Gemm": "before opset 11 onnxruntime gives no bias where the inner extent is 0",
    "MaxPool": "onnxruntime overlooks dilations in auto_pad",
    "MaxUnpool": "onnxruntime takes the places as those of the larger output, the standard as those of the window's",
    "QuantizeLinear": "onnxruntime overlooks `precision`",
    "ReduceMean": "before opset 18 onnxruntime gives 0 for the mean of nothing",
    "Resize": "align_corners with a scale: onnxruntime rounds the target's extent down first; regions: it clamps before it tests",
}
"""Operators of which onnxruntime and the reference implementation differ: there it is enough to agree with one of them."""


def verdict(row: Row, outcome: Outcome) -> str | None:
    """What is wrong with a row's outcome, or nothing; None where no oracle takes the row, so that it shows nothing."""
    oracles = [by_onnxruntime, by_reference]
    if row.sample.oracle != "onnxruntime":
        oracles.reverse()
    wrong = None
    for oracle in (*oracles, _by_older):
        try:
            theirs = oracle(row)
        except Exception:
            continue
        if outcome.outputs is None:
            return outcome.error
        wrong = difference(outcome.outputs, theirs, row.sample.rtol, row.op in RANDOM)
        if not wrong or row.op not in DIFFER:
            break
    return f"{oracle.__name__[3:]}: {wrong}" if wrong else wrong


def _by_older(row: Row) -> list[Any]:
    """By onnxruntime in the form of an older version: what it has no kernel for yet is often what another one did."""
    older = older_form(row)
    if older is None:
        raise NotImplementedError
    return by_onnxruntime(older)


def difference(ours: Sequence[Any], theirs: Sequence[Any], rtol: float, drawn: bool = False) -> str:
    """How outputs differ, or nothing. Floats: `rtol` of the largest element, but no less than twice the type's own step."""
    if len(ours) != len(theirs):
        return f"{len(ours)} outputs instead of {len(theirs)}"
    if drawn:
        shapes = [[(a.shape, a.dtype) for a in arrays] for arrays in (ours, theirs)]
        return "" if shapes[0] == shapes[1] else f"{shapes[0]} instead of {shapes[1]}"
    return next((text for o, t in zip(ours, theirs, strict=True) if (text := _differs(o, t, rtol))), "")


def _differs(ours: Any, theirs: Any, rtol: float) -> str:
    if isinstance(ours, list) or isinstance(theirs, list):
        theirs = [] if theirs is None else theirs  # so does onnxruntime give an empty sequence
        if not (isinstance(ours, list) and isinstance(theirs, list)):
            return f"{type(ours).__name__} instead of {type(theirs).__name__}"
        return difference(ours, theirs, rtol)
    if ours is None or theirs is None:
        return "" if ours is None and theirs is None else f"{ours} instead of {theirs}"
    theirs = np.asarray(theirs)
    if theirs.dtype == np.uint8 and ours.dtype.itemsize == 1:
        theirs = theirs.view(ours.dtype)  # so does onnxruntime give 8-bit floats
    if ours.shape != theirs.shape:
        return f"shape {ours.shape} instead of {theirs.shape}"
    if theirs.dtype.kind in "OUS":
        return "" if ours.astype(str).tolist() == theirs.astype(str).tolist() else f"{ours} instead of {theirs}"
    if ours.dtype != theirs.dtype:
        return f"type {ours.dtype} instead of {theirs.dtype}"
    if theirs.dtype.kind in "iub" or "int" in theirs.dtype.name:
        return "" if np.array_equal(ours, theirs) else f"{np.count_nonzero(ours != theirs)} of {ours.size} elements differ"
    import ml_dtypes

    step = float(ml_dtypes.finfo(theirs.dtype).eps) if theirs.dtype != np.float64 else 0.0
    o, t = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(t)
    if not np.array_equal(o[~finite], t[~finite], equal_nan=True) or not np.isfinite(o[finite]).all():
        return "infinities or NaN differ"
    error = np.abs(o[finite] - t[finite])
    bound = max(rtol, 2 * step) * (np.abs(t[finite]).max(initial=0) + np.abs(t[finite]))
    return "" if (error <= bound).all() else f"largest error {error.max():.3g}, of {np.abs(t[finite]).max():.3g}"
