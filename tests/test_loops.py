"""Generated loop nests: every scalar function of every type at its edges, casts, indices from data, equal bits everywhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from op_batches import NAME, build, cache_folder, locked

from kaoken.compiler import CompileOptions, _write, compile_model
from kaoken.ir.builder import Builder
from kaoken.ir.dims import dim
from kaoken.ir.dtypes import is_storage, packed_bits
from kaoken.ir.graph import Graph, Value, graph_text
from kaoken.ir.interpret import run_graph
from kaoken.ir.scalars import SCALARS
from kaoken.passes.pipeline import run_passes
from kaoken.session import Session, SessionError

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]
LOGICAL = {"and", "or", "xor", "not"}
OF_FLOATS = {
    "floor", "ceil", "round", "sqrt", "exp", "expm1", "log", "log1p",
    "tanh", "erf", "sin", "cos", "atan", "sigmoid", "gelu", "gelu_tanh", "isnan", "isinf",
}  # fmt: skip
OF_INTEGERS = {"bit_and", "bit_or", "bit_xor", "bit_not", "shift_left", "shift_right", "floordiv"}


def compiled(graph: Graph) -> Session:
    """A graph of the IR as a built session; built once while no source changes."""
    folder = cache_folder() / f"graph-{hashlib.sha256(graph_text(graph).encode()).hexdigest()[:16]}"
    with locked(folder.with_suffix(".lock")):
        if not (folder / "report.json").exists():
            folder.mkdir(exist_ok=True)
            graph.metadata |= {"config": {}, "source": Path("graph"), "onnx_nodes": len(graph.nodes)}
            report = _write(folder, NAME, run_passes(graph), None, CompileOptions(), lambda text: None)
            (folder / "report.json").write_text(json.dumps(report))
    build(folder)
    return Session(folder, threads=2)


def edges(dtype: str) -> np.ndarray:
    """Values at which functions of the type change what they do."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype in FLOATS:
        limits = np.finfo(dtype)
        special = [
            0.0,
            -0.0,
            1,
            -1,
            0.5,
            -0.5,
            1.5,
            2.5,
            -2.5,
            3,
            7,
            -7,
            1e-3,
            20,
            -20,
            90,
            -110,
            1e6,
            -1e9,
            np.inf,
            -np.inf,
            np.nan,
        ]
        return np.array([*special, limits.max, limits.min, limits.tiny, limits.smallest_subnormal], dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    values = [low, low + 1, high, high - 1, high // 2, 0, 1, 2, 3, 5, 7, 8, 13, 31, 63, 64, 100]
    return np.array(values + ([-1, -2, -3, -8, -13] if low else []), dtype)


def functions() -> list[tuple[str, str]]:
    """(function, type of its operands) for everything a loop may be asked for."""
    found = []
    for name in SCALARS:
        if name in LOGICAL:
            found.append((name, "bool"))
            continue
        types = FLOATS if name in OF_FLOATS else INTEGERS if name in OF_INTEGERS else FLOATS + INTEGERS
        types = ["uint64"] if name == "random_bits" else types
        wanted = SCALARS[name].gives
        if packed_bits(wanted):
            continue  # no tensor at a graph's surface is of less than a byte unless it is packed
        found += [(name, dtype) for dtype in types if not wanted or np.dtype(dtype).itemsize == np.dtype(wanted).itemsize]
    return [*found, ("eq", "bool"), ("ne", "bool"), ("max", "bool"), ("min", "bool")]


@pytest.fixture(scope="module")
def table() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every function on all pairs of edges, by C and by NumPy."""
    graph = Graph("functions")
    builder, feeds = Builder(graph), {}
    operands: dict[tuple[str, int], Value] = {}
    for dtype in [*FLOATS, *INTEGERS, "bool"]:
        column = edges(dtype)[:, None]
        for n, array in enumerate((np.broadcast_to(column, (column.size, column.size)), column.reshape(1, -1))):
            value = Value(f"{dtype}_{n}", tuple(map(dim, array.shape)), dtype)
            operands[dtype, n] = value
            graph.inputs.append(value)
            feeds[value.name] = np.ascontiguousarray(array)
    for name, dtype in functions():
        result = builder.add(name, [operands[dtype, n] for n in range(SCALARS[name].arity)], f"{name}_{dtype}")
        graph.outputs.append((result.name, result))
    theirs = run_graph(graph, feeds, {})
    session = compiled(graph)
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True)), theirs


@pytest.mark.parametrize(("name", "dtype"), functions())
def test_a_function_is_what_its_formula_says_at_all_edges(name: str, dtype: str, table: tuple) -> None:
    ours, theirs = (side[f"{name}_{dtype}"] for side in table)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    if is_storage(str(ours.dtype)):  # float32 holds all of their values
        ours, theirs = ours.astype(np.float32), theirs.astype(np.float32)
    if ours.dtype.kind != "f":
        np.testing.assert_array_equal(ours, theirs)
        return
    ulps = {"pow": 80, "sin": 4, "cos": 4}.get(name, 4)
    finite = np.isfinite(theirs)
    np.testing.assert_array_equal(ours[~finite], theirs[~finite])
    tolerance, smallest = ulps * np.finfo(ours.dtype).eps, 3 * np.finfo(ours.dtype).smallest_subnormal
    if name.startswith("gelu"):  # below -1 its error is stated in absolute terms
        smallest = np.finfo(ours.dtype).eps / 2
    np.testing.assert_allclose(ours[finite], theirs[finite], rtol=tolerance, atol=smallest)


def truncated(value: float, dtype: str) -> int:
    """What kk_scalar.h says a float becomes."""
    wide = 64 if dtype in ("int64", "uint64", "uint32") else 32
    limit = 2 ** (wide - 1)
    if dtype == "uint64" and 2.0**63 <= value < 2.0**64:
        return int(value)
    whole = int(value) if np.isfinite(value) and -limit <= int(value) < limit else -limit
    return whole % 2 ** (8 * np.dtype(dtype).itemsize)


def test_casts_keep_wrap_or_give_the_lowest_value() -> None:
    graph = Graph("casts")
    builder, feeds, pairs = Builder(graph), {}, []
    types = [*FLOATS, *INTEGERS, "bool"]
    for source in types:
        array = edges(source)
        if source in FLOATS:
            array = np.concatenate(
                [array, np.array([2.0**31, -(2.0**31), 2.0**32, 2.0**63, -(2.0**63), 2.0**64, 255.9, -128.9], source)]
            )
        value = Value(source, (dim(array.size),), source)
        graph.inputs.append(value)
        feeds[source] = array
        for target in types:
            if target != source:
                result = builder.add("cast", [value], f"{source}_to_{target}", to=target)
                graph.outputs.append((result.name, result))
                pairs.append((source, target))
    session = compiled(graph)
    for (source, target), ours in zip(pairs, session.run(None, feeds), strict=True):
        if source in FLOATS and target in INTEGERS:
            expected = np.array([truncated(float(v), target) for v in feeds[source]], np.uint64).astype(target)
        else:
            with np.errstate(all="ignore"):
                expected = feeds[source].astype(target)
        np.testing.assert_array_equal(ours, expected, err_msg=f"{source} to {target}")


def model(
    nodes: list, inputs: dict[str, tuple[int, list]], outputs: list[str], path: Path, dims: dict[str, str] | None = None
) -> Session:
    """An ONNX graph of float, int32 or int64 inputs as a built session."""
    given = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    graph = helper.make_graph(nodes, "g", given, [onnx.ValueInfoProto(name=name) for name in outputs])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path / "m.onnx")
    compile_model(path / "m.onnx", path / "out", CompileOptions(name=NAME, dims=dims or {}))
    build(path / "out")
    return Session(path / "out")


def test_inputs_that_are_indices_are_checked_as_onnx_defines_them(tmp_path: Path) -> None:
    """Of either type, into axes of several extents and of symbolic ones, and the parts of an index tuple each by its own."""
    nodes = [
        helper.make_node("Gather", ["x", "short"], ["a"], axis=0),
        helper.make_node("Gather", ["x", "long"], ["b"], axis=1),
        helper.make_node("Gather", ["z", "long"], ["c"], axis=0),
        helper.make_node("GatherND", ["x", "pair"], ["d"]),
    ]
    inputs = {
        "x": (TensorProto.FLOAT, [3, 5]),
        "z": (TensorProto.FLOAT, ["n"]),
        "short": (TensorProto.INT32, [2]),
        "long": (TensorProto.INT64, [2]),
        "pair": (TensorProto.INT64, [2, 2]),
    }
    session = model(nodes, inputs, ["a", "b", "c", "d"], tmp_path, {"n": "1..9"})
    x, z = np.arange(15, dtype=np.float32).reshape(3, 5), np.arange(4, dtype=np.float32)
    good = {"x": x, "z": z, "short": np.int32([2, -3]), "long": np.int64([3, -4]), "pair": np.int64([[2, 4], [-3, -5]])}
    a, b, c, d = session.run(None, good)
    np.testing.assert_array_equal(a, x[[2, -3]])
    np.testing.assert_array_equal(b, x[:, [3, -4]])
    np.testing.assert_array_equal(c, z[[3, -4]])
    np.testing.assert_array_equal(d, [x[2, 4], x[0, 0]])
    for name, bad in (
        ("short", np.int32([3, 0])),
        ("short", np.int32([0, -4])),
        ("long", np.int64([4, 0])),
        ("long", np.int64([0, -(2**63)])),
        ("pair", np.int64([[3, 0], [0, 0]])),
        ("pair", np.int64([[0, 0], [0, 5]])),
    ):
        with pytest.raises(SessionError, match="out of bounds"):
            session.run(None, {**good, name: bad})


def test_computed_indices_are_kept_inside(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["i", "i"], ["twice"]), helper.make_node("Gather", ["x", "twice"], ["y"])]
    session = model(nodes, {"x": (TensorProto.FLOAT, [3, 20]), "i": (TensorProto.INT64, [4])}, ["y"], tmp_path)
    x = np.arange(60, dtype=np.float32).reshape(3, 20)
    (y,) = session.run(None, {"x": x, "i": np.int64([1, -1, 2**61, -(2**61)])})
    np.testing.assert_array_equal(y, x[[2, 1, 2, 0]])


def test_sums_of_integers_so_far_are_kept_as_the_loop_goes(tmp_path: Path) -> None:
    """One accumulator a row, wrapped around like the type; reversed and exclusive sums, other axes and several readers too."""
    axis = [helper.make_node("Constant", [], [f"axis{n}"], value_int=n) for n in (0, 1)]
    nodes = [
        *axis,
        helper.make_node("CumSum", ["x", "axis1"], ["a"]),
        helper.make_node("Mul", ["a", "x"], ["product"]),
        helper.make_node("CumSum", ["x", "axis0"], ["b"]),
        helper.make_node("Sub", ["b", "x"], ["down"]),
        helper.make_node("CumSum", ["x", "axis1"], ["c"], reverse=1),
        helper.make_node("Sub", ["c", "x"], ["back"]),
        helper.make_node("CumSum", ["x", "axis1"], ["d"], exclusive=1),
        helper.make_node("Sub", ["d", "x"], ["before"]),
        helper.make_node("CumSum", ["x", "axis1"], ["e"]),
        helper.make_node("Transpose", ["e"], ["turned"]),
        helper.make_node("Add", ["turned", "turned"], ["twice"]),
    ]
    outputs = ["product", "down", "back", "before", "twice"]
    session = model(nodes, {"x": (TensorProto.INT32, ["rows", "n"])}, outputs, tmp_path, {"rows": "1..5", "n": "0..40"})
    source = (tmp_path / "out" / f"{NAME}_kernels.c").read_text()
    assert "for (int64_t k0" not in source, "every sum is gathered as its loop goes"
    for n in (0, 1, 2, 37):
        x = np.random.default_rng(n).integers(-(2**31), 2**31, (3, n)).astype(np.int32)
        so_far, down = x.cumsum(1, dtype=np.int32), x.cumsum(0, dtype=np.int32)
        back = x[:, ::-1].cumsum(1, dtype=np.int32)[:, ::-1]
        expected = [so_far * x, down - x, back - x, so_far - x - x, 2 * so_far.T]
        for name, ours, theirs in zip(outputs, session.run(None, {"x": x}), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=f"{name} of {n}")


def test_gathering_from_an_empty_axis_reads_nothing(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["i", "i"], ["twice"]), helper.make_node("Gather", ["x", "twice"], ["y"])]
    session = model(nodes, {"x": (TensorProto.FLOAT, ["n"]), "i": (TensorProto.INT64, [3])}, ["y"], tmp_path, {"n": "0..4"})
    np.testing.assert_array_equal(session.run(None, {"x": np.zeros(0, np.float32), "i": np.int64([0, 1, 2])})[0], np.zeros(3))
    np.testing.assert_array_equal(session.run(None, {"x": np.ones(2, np.float32), "i": np.int64([0, 1, 2])})[0], np.ones(3))


@pytest.mark.parametrize(
    "names",
    [
        ("t", "k"),
        ("y", "x"),
        ("i0", "i1"),
        ("row", "count"),
        ("end", "rest"),
        ("slot0", "weights"),
        ("index1", "k0"),
        ("lanes", "sum"),
        ("band_width", "band_count"),
        ("band", "first"),
        ("begin", "end_column"),
    ],
)
def test_dimensions_may_have_any_name(names: tuple[str, str], tmp_path: Path) -> None:
    """Also those of the loops' own variables, and that of an input."""
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        helper.make_node("Softmax", ["x"], ["y"], axis=0),
        helper.make_node("Gather", ["x", names[0]], ["z"]),
    ]
    inputs = {"x": (TensorProto.FLOAT, list(names)), names[0]: (TensorProto.INT64, [2])} if "x" not in names else None
    if inputs is None:
        nodes.pop()
        inputs = {"x": (TensorProto.FLOAT, list(names))}
    outputs = [node.output[0] for node in nodes]
    session = model(nodes, inputs, outputs, tmp_path, dict.fromkeys(names, "1..40"))
    x = np.random.default_rng(0).standard_normal((3, 20)).astype(np.float32)
    feeds = {"x": x, names[0]: np.int64([2, -3])}
    total, y, *rest = session.run(None, {name: feeds[name] for name in inputs})
    powers = np.exp(x)
    np.testing.assert_allclose(total, x.sum(), rtol=1e-5)
    np.testing.assert_allclose(y, powers / powers.sum(0), rtol=1e-5)
    for z in rest:
        np.testing.assert_array_equal(z, x[[2, 0]])


@pytest.mark.parametrize("width", [5, 16, 37, 1000])
def test_terms_of_a_row_are_computed_once_where_nothing_is_overwritten(width: int, tmp_path: Path) -> None:
    """Exponentials wait where the results go, unless what is still to be read lies there too, or a guard may skip them."""
    nodes = [
        helper.make_node("Softmax", ["x"], ["plain"]),
        helper.make_node("Abs", ["x"], ["near"]),
        helper.make_node("Softmax", ["near"], ["weights"]),
        helper.make_node("Mul", ["weights", "near"], ["product"]),
        helper.make_node("CumSum", ["x", "axis"], ["other"]),
        helper.make_node("Mul", ["plain2", "other"], ["beside"]),
        helper.make_node("Softmax", ["near"], ["plain2"]),
        helper.make_node("Where", ["chosen", "plain3", "x"], ["guarded"]),
        helper.make_node("Softmax", ["x"], ["plain3"]),
        helper.make_node("Constant", [], ["axis"], value_int=0),
    ]
    order = [0, 1, 2, 3, 9, 4, 6, 5, 8, 7]
    inputs = {"x": (TensorProto.FLOAT, ["n", width]), "chosen": (TensorProto.BOOL, ["n", 1])}
    outputs = ["plain", "product", "beside", "guarded"]
    session = model([nodes[n] for n in order], inputs, outputs, tmp_path, {"n": "0..40"})
    source = (tmp_path / "out" / f"{NAME}_kernels.c").read_text()
    assert "const kk_f32 term = " in source, "one of them keeps its terms"
    for n in (0, 1, 7):
        x = np.random.default_rng(n).standard_normal((n, width)).astype(np.float32) * 20
        chosen = np.arange(n).reshape(n, 1) % 2 == 0

        def softmax(a: np.ndarray) -> np.ndarray:
            powers = np.exp(a.astype(np.float64) - a.max(1, keepdims=True))
            return powers / powers.sum(1, keepdims=True)

        near = softmax(np.abs(x))
        expected = [softmax(x), near * np.abs(x), near * x.astype(np.float64).cumsum(0), np.where(chosen, softmax(x), x)]
        for name, ours, theirs in zip(outputs, session.run(None, {"x": x, "chosen": chosen}), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=3e-5, atol=1e-12, err_msg=f"{name} of {n}")


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.INT8, TensorProto.DOUBLE, TensorProto.BOOL])
def test_long_runs_are_copied(kind: int, tmp_path: Path) -> None:
    """Also chosen row by row, between borders, backwards at mirrors, of one axis that threads share, and by an index."""
    nodes = [
        helper.make_node("Constant", [], ["around"], value_ints=[3, 5, 2, 7]),
        helper.make_node("Constant", [], ["ends"], value_ints=[9, 4]),
        helper.make_node("Concat", ["x", "z"], ["a"], axis=0),
        helper.make_node("Concat", ["x", "z"], ["b"], axis=1),
        *(helper.make_node("Pad", ["x", "around"], [m], mode=m) for m in ("constant", "reflect", "edge", "wrap")),
        helper.make_node("Pad", ["v", "ends"], ["mirrored"], mode="reflect"),
        helper.make_node("Gather", ["x", "at"], ["rows"]),
    ]
    outputs = ["a", "b", "constant", "reflect", "edge", "wrap", "mirrored", "rows"]
    inputs = {"x": (kind, ["n", 150]), "z": (kind, ["n", 150]), "v": (kind, [300]), "at": (TensorProto.INT64, [3])}
    session = model(nodes, inputs, outputs, tmp_path, {"n": "1..9"})
    source = (tmp_path / "out" / f"{NAME}_kernels.c").read_text()
    assert source.count("memmove(") >= len(outputs)
    random, dtype = np.random.default_rng(kind), helper.tensor_dtype_to_np_dtype(kind)
    for n in (4, 9):
        shapes: tuple = ((n, 150), (n, 150), 300)
        x, z, v = (random.integers(0, 2 if kind == TensorProto.BOOL else 100, shape).astype(dtype) for shape in shapes)
        around = ((3, 2), (5, 7))
        expected = [np.concatenate([x, z]), np.concatenate([x, z], 1)]
        expected += [np.pad(x, around, mode=m) for m in ("constant", "reflect", "edge", "wrap")]
        expected += [np.pad(v, (9, 4), mode="reflect"), x[[2, -1, 0]]]
        found = session.run(None, {"x": x, "z": z, "v": v, "at": np.int64([2, -1, 0])})
        for name, ours, theirs in zip(outputs, found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=f"{name} of {n} rows")


def test_rows_move_in_the_order_of_fewer_streams(tmp_path: Path) -> None:
    """Either way, of known and unknown extents, and threads share them."""
    perms, extents = [[0, 2, 1, 3], [1, 0, 2, 3], [2, 1, 0, 3]], {"x": [3, 70, 5, 24], "z": ["n", 6, 40, 7]}
    nodes = [helper.make_node("Transpose", [name], [f"{name}{n}"], perm=p) for name in extents for n, p in enumerate(perms)]
    nodes.append(helper.make_node("Slice", ["x", "back", "end", "axes", "back"], ["mirrored"]))
    values = {"back": [-1], "end": [-1000], "axes": [1]}
    nodes = [*(helper.make_node("Constant", [], [k], value_ints=v) for k, v in values.items()), *nodes]
    outputs = [f"{name}{n}" for name in extents for n in range(3)] + ["mirrored"]
    inputs = {name: (TensorProto.FLOAT, shape) for name, shape in extents.items()}
    session = model(nodes, inputs, outputs, tmp_path, {"n": "1..4"})
    source = (tmp_path / "out" / f"{NAME}_kernels.c").read_text()
    assert "i2 = row % 350 / 5;" in source, "five streams are written rather than seventy read"
    x = np.random.default_rng(0).standard_normal((3, 70, 5, 24)).astype(np.float32)
    for n in (1, 4):
        z = np.random.default_rng(n).standard_normal((n, 6, 40, 7)).astype(np.float32)
        expected = [a.transpose(p) for a in (x, z) for p in perms] + [x[:, ::-1]]
        for name, ours, theirs in zip(outputs, session.run(None, {"x": x, "z": z}), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_instance_normalization_is_one_kernel(tmp_path: Path) -> None:
    nodes = [helper.make_node("InstanceNormalization", ["x", "scale", "shift"], ["y"])]
    inputs = {"x": (TensorProto.FLOAT, ["n", 3, 7, 9]), **{v: (TensorProto.FLOAT, [3]) for v in ("scale", "shift")}}
    session = model(nodes, inputs, ["y"], tmp_path, {"n": "0..4"})
    assert (tmp_path / "out" / f"{NAME}_kernels.c").read_text().count("\nstatic void ") == 1
    random = np.random.default_rng(3)
    x, scale, shift = (random.standard_normal(shape).astype(np.float32) for shape in ((4, 3, 7, 9), (3,), (3,)))
    wide = x.astype(np.float64)
    normal = (wide - wide.mean((2, 3), keepdims=True)) / np.sqrt(wide.var((2, 3), keepdims=True) + 1e-5)
    (y,) = session.run(None, {"x": x, "scale": scale, "shift": shift})
    np.testing.assert_allclose(y, normal * scale.reshape(3, 1, 1) + shift.reshape(3, 1, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("width", [16, 37, 1000, 9000])
def test_columns_are_reduced_in_bands_of_any_width(width: int, tmp_path: Path) -> None:
    """With what follows from a column computed once, running sums made of the row before, and any number of threads."""
    nodes = [
        helper.make_node("Softmax", ["x"], ["weights"], axis=1),
        helper.make_node("LogSoftmax", ["x"], ["logs"], axis=1),
        helper.make_node("CumSum", ["x", "axis"], ["sums"]),
        helper.make_node("CumSum", ["whole", "axis"], ["whole_sums"], reverse=1),
        helper.make_node("ReduceMax", ["x", "axis"], ["largest"], keepdims=0),
        helper.make_node("LpNormalization", ["x"], ["unit"], axis=1, p=2),
        helper.make_node("Constant", [], ["axis"], value_ints=[1]),
    ]
    inputs = {"x": (TensorProto.FLOAT, ["n", "k", width]), "whole": (TensorProto.INT64, ["n", "k", width])}
    outputs = ["weights", "logs", "sums", "whole_sums", "largest", "unit"]
    session = model([nodes[-1], *nodes[:-1]], inputs, outputs, tmp_path, {"n": "1..3", "k": "1..20"})
    for n, k in ((1, 20), (3, 9), (2, 1)):
        random = np.random.default_rng(k)
        x, whole = random.standard_normal((n, k, width)).astype(np.float32), random.integers(-9, 9, (n, k, width))
        x[0, 0, :2] = np.inf, np.nan
        d = x.astype(np.float64)
        with np.errstate(all="ignore"):
            shifted = d - d.max(1, keepdims=True)
            total = np.exp(shifted).sum(1, keepdims=True)
            expected = [
                *(np.exp(shifted) / total, shifted - np.log(total), d.cumsum(1), whole[:, ::-1].cumsum(1)[:, ::-1]),
                *(d.max(1), d / np.sqrt((d * d).sum(1, keepdims=True))),
            ]
        feeds = {"x": x, "whole": whole}
        others = [Session(tmp_path / "out", threads=threads) for threads in (2, 3)]
        results = [each.run(None, feeds) for each in (session, *others)]
        for name, wanted, *found in zip(outputs, expected, *results, strict=True):
            np.testing.assert_allclose(found[0], wanted, rtol=2e-6, atol=4e-6, err_msg=name)
            for other in found[1:]:
                np.testing.assert_array_equal(found[0], other, err_msg=name)


def test_a_reduction_over_neighbouring_axes_is_as_accurate_as_over_one(tmp_path: Path) -> None:
    node = helper.make_node("LayerNormalization", ["x", "scale"], ["y"], axis=0)
    one = helper.make_node("Constant", [], ["scale"], value=onnx.numpy_helper.from_array(np.ones((1, 4, 2), np.float32)))
    session = model([one, node], {"x": (TensorProto.FLOAT, ["n", 4, 2])}, ["y"], tmp_path, {"n": "1..2000"})
    for n in (1, 33, 2000):
        x = (5 + np.random.default_rng(n).standard_normal((n, 4, 2))).astype(np.float32)
        d = x.astype(np.float64)
        wanted = (d - d.mean()) / np.sqrt(d.var() + 1e-5)
        (y,) = session.run(None, {"x": x})
        assert np.abs(y - wanted).max() <= 4 * np.finfo(np.float32).eps * np.abs(wanted).max()
