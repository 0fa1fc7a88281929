"""Models on narrow element types, compiled: one rounding an operator, packed tensors at the surface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import kaoken.backend
from kaoken.backend.build import PLAIN
from kaoken.backend.interface import KaokenBackendRep
from kaoken.compiler import CompileOptions, compile_model
from kaoken.frontend import import_model
from kaoken.ir.dtypes import C_TYPES, NARROW_FLOATS, is_integer, is_storage
from kaoken.ir.interpret import run_graph
from kaoken.session import Session
from kaoken.verify.compare import contract

PACKED = ("int4", "uint4", "int2", "uint2", "float4_e2m1fn")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAOKEN_CACHE", str(tmp_path_factory.getbasetemp() / "kaoken-cache"))


def element(dtype: str) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def built(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, tuple[str, Sequence[Any]]],
    outputs: dict[str, tuple[str, Sequence[Any]]],
    constants: dict[str, np.ndarray] | None = None,
    **options: Any,
) -> KaokenBackendRep:
    infos = [[helper.make_tensor_value_info(n, element(t), s) for n, (t, s) in side.items()] for side in (inputs, outputs)]
    tensors = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "g", infos[0], infos[1], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)
    return kaoken.backend.prepare(model, **options)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_fused_operators_round_one_by_one(dtype: str) -> None:
    """The third of x cannot be held, nor its product with 3: a chain that is rounded once alone gives other bits."""
    nodes = [
        helper.make_node("Div", ["x", "three"], ["a"]),
        helper.make_node("Mul", ["a", "three"], ["b"]),
        helper.make_node("Sub", ["b", "x"], ["y"]),
    ]
    three = np.asarray(3, dtype)
    model = built(nodes, {"x": (dtype, [1000])}, {"y": (dtype, [1000])}, {"three": three})
    x = np.random.default_rng(3).standard_normal(1000).astype(dtype)
    expected = x / three * three - x
    assert np.any(expected.astype(np.float32) != 0)
    found = model.run([x])[0]
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found.view(np.uint16), expected.view(np.uint16))
    assert model.session.report["kernel_calls"] == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_products_with_narrow_weights_are_summed_in_float32(dtype: str) -> None:
    rng = np.random.default_rng(4)
    x, w = (rng.standard_normal(shape).astype(dtype) for shape in ((5, 300), (300, 40)))
    model = built(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": (dtype, ["n", 300])}, {"y": (dtype, ["n", 40])}, {"w": w}
    )
    exact = x.astype(np.float64) @ w.astype(np.float64)
    found = model.run([x])[0].astype(np.float64)
    half_unit = float(ml_dtypes.finfo(dtype).eps) / 2
    assert (np.abs(found - exact) <= half_unit * np.abs(exact) + 1e-5 * np.abs(x).astype(np.float64).max()).all()


@pytest.mark.parametrize("dtype", PACKED)
def test_packed_tensors_go_in_and_come_out(dtype: str) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["y"], perm=[1, 0]),
        helper.make_node("Cast", ["x"], ["z"], to=TensorProto.FLOAT),
    ]
    model = built(nodes, {"x": (dtype, ["n", 3])}, {"y": (dtype, [3, "n"]), "z": ("float32", ["n", 3])}, dims={"n": "0..9"})
    for n in (0, 1, 5, 8, 9):
        x = np.random.default_rng(n).integers(-2, 4, (n, 3)).astype(dtype)
        y, z = model.run([x])
        assert y.dtype == x.dtype and y.shape == (3, n)
        np.testing.assert_array_equal(y.astype(np.float32), x.T.astype(np.float32))
        np.testing.assert_array_equal(z, x.astype(np.float32))


def test_packed_constants_are_read() -> None:
    table = np.arange(-8, 8).astype("int4").reshape(4, 4)
    model = built(
        [helper.make_node("Gather", ["table", "i"], ["y"])], {"i": ("int64", [2])}, {"y": ("int4", [2, 4])}, {"table": table}
    )
    np.testing.assert_array_equal(model.run([np.array([3, 1])])[0].astype(np.int8), table[[3, 1]].astype(np.int8))


@pytest.mark.parametrize("target", [t for t in C_TYPES if is_storage(t)])
@pytest.mark.parametrize("source", ["float32", "float16", "bfloat16", "int64", "uint8"])
def test_casts_are_those_of_ml_dtypes(source: str, target: str) -> None:
    """Within the target's range, where nothing saturates: that, and the rounding of scales, are among the standard's cases."""
    if target == "float8_e8m0fnu":
        values = 2.0 ** np.arange(0, 7)
    elif is_integer(target):
        values = np.arange(ml_dtypes.iinfo(target).min, ml_dtypes.iinfo(target).max + 1)
    else:
        values = np.linspace(-6, 6, 997)
    values = np.abs(values) if source == "uint8" else values
    x = values.astype(source)
    model = built(
        [helper.make_node("Cast", ["x"], ["y"], to=element(target))],
        {"x": (source, ["n"])},
        {"y": (target, ["n"])},
        dims={"n": "1..1000"},
    )
    wide = x.astype(np.float32) if is_storage(source) and is_integer(target) else x
    np.testing.assert_array_equal(model.run([x])[0].astype(np.float32), wide.astype(target).astype(np.float32))


def test_types_are_named_as_onnxruntime_names_them() -> None:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=element("float8_e4m3fn"))]
    session = built(nodes, {"x": ("float16", [2])}, {"y": ("float8_e4m3fn", [2])}).session
    assert [node.type for node in (*session.get_inputs(), *session.get_outputs())] == ["tensor(float16)", "tensor(float8e4m3fn)"]
    with pytest.raises(ValueError, match="input x is float32, the model takes float16"):
        session.run(None, {"x": np.zeros(2, np.float32)})


def test_every_narrow_float_has_a_conversion_in_c() -> None:
    text = (Path(__file__).parents[1] / "runtime" / "kk_narrow.h").read_text(encoding="utf-8")
    assert all(f"kk_from_{name}(" in text and f"kk_to_{name}(" in text for name in NARROW_FLOATS)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "uint8", "int16"])
def test_levels_and_parts_of_sixteen_give_the_same_bits(dtype: str) -> None:
    """Sixteen lanes and what is left over, in plain C and on this machine's best level."""
    cast = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["c"], ["y"], to=element(dtype)),
    ]
    nodes = [cast[0], helper.make_node("Mul", ["a", "scale"], ["b"]), helper.make_node("Abs", ["b"], ["c"]), cast[1]]
    scale = {"scale": np.asarray(0.3, np.float32)}
    shape = {"x": (dtype, ["n"])}, {"y": (dtype, ["n"])}
    plain, best = (built(nodes, *shape, scale, dims={"n": "1..100"}, flags=f) for f in (PLAIN, ("-O2",)))
    for n in (1, 15, 16, 17, 100):
        x = np.linspace(-100, 100, n).astype(np.int8).astype(dtype)
        expected = np.abs(x.astype(np.float32) * np.float32(0.3)).astype(dtype)
        for model in (plain, best):
            np.testing.assert_array_equal(model.run([x])[0].view(np.uint8), expected.view(np.uint8))


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("dtype", [*PACKED, "bfloat16", "float8_e5m2"])
def test_large_tables_are_read_from_the_model_file_and_beside_it(dtype: str, external: bool, tmp_path: Path) -> None:
    table = np.random.default_rng(9).integers(-2, 4, (301, 103)).astype(dtype)
    infos = (
        [helper.make_tensor_value_info("i", TensorProto.INT64, [3])],
        [helper.make_tensor_value_info("y", element(dtype), [3, 103])],
    )
    nodes, tensors = [helper.make_node("Gather", ["table", "i"], ["y"])], [numpy_helper.from_array(table, "table")]
    graph = helper.make_graph(nodes, "g", *infos, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=external, location="m.bin", size_threshold=0)
    rows = np.array([300, 0, 17])
    found = run_graph(import_model(tmp_path / "m.onnx"), {"i": rows})["y"]
    np.testing.assert_array_equal(found.astype(np.float32), table[rows].astype(np.float32))
    compile_model(tmp_path / "m.onnx", tmp_path / "out", CompileOptions(name="m"))
    compiled = Session(tmp_path / "out").run(None, {"i": rows})[0]
    np.testing.assert_array_equal(compiled.astype(np.float32), table[rows].astype(np.float32))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_contract_counts_epsilons_of_the_outputs_own_type(dtype: str) -> None:
    exact = np.array([1.0, 0.5])
    for ulps, ok in ((3.9, True), (8, False)):
        off = (exact + np.array([ulps * float(ml_dtypes.finfo(dtype).eps), 0])).astype(dtype)
        assert contract(exact, off).ok is ok
