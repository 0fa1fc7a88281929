"""What is measured against the machine's bandwidth: graphs in ONNX's text form, `n` in units of 2^20 elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from kaoken.element_types import aligned

UNIT = 1 << 20
HEADER = '<ir_version: 10, opset_import: ["" : 22]>'


@dataclass(frozen=True)
class Case:
    """One row of the table. `graph`: the text between `main` and the end; `bound`: copy or read, the bandwidth that limits it.

    `vectors`: extents of the weights, by name. `touched`: the bytes of each unit that must be read where that is not all of the
    inputs; the written ones are those of the outputs.
    """

    name: str
    graph: str
    bound: str = "copy"
    vectors: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    touched: int | None = None
    tables: Mapping[str, np.ndarray] = field(default_factory=dict)

    def model(self) -> onnx.ModelProto:
        """The graph; weights lie in it, drawn with a fixed seed."""
        made = onnx.parser.parse_model(f"{HEADER} main {self.graph}")
        for value in made.graph.output:  # the text form has no way to leave it open
            value.type.tensor_type.ClearField("shape")
        random = np.random.default_rng(7)
        for name, extents in self.vectors.items():
            array = (0.5 + random.random(extents)).astype(np.float32)
            made.graph.initializer.append(numpy_helper.from_array(array, name))
        for name, table in self.tables.items():
            made.graph.initializer.append(numpy_helper.from_array(table, name))
        return onnx.shape_inference.infer_shapes(made)

    def inputs(self, model: onnx.ModelProto, units: int) -> dict[str, np.ndarray]:
        """Tensors of the size: floats from a normal distribution, integers from 0 on below 128, indices anywhere. Each begins
        with a line of the cache, as onnxruntime's own do."""
        random, found = np.random.default_rng(units), {}
        for value in model.graph.input:
            kind = value.type.tensor_type
            extents = [units * _scale(d.dim_param) if d.dim_param else d.dim_value for d in kind.shape.dim]
            dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
            if dtype.kind == "f":
                drawn = random.standard_normal(extents, np.float32).astype(dtype)
            else:
                end = 2 if dtype.kind == "b" else 128
                if value.name == "at":  # anywhere along the axis that is gathered from: the first, or of elements the last
                    end = found["x"].shape[0 if len(extents) == 1 else -1]
                drawn = random.integers(0, end, extents, np.int64).astype(dtype)
            found[value.name] = aligned(extents, dtype)
            found[value.name][...] = drawn
        return found

    def bytes(self, inputs: Mapping[str, np.ndarray], output: np.ndarray, units: int) -> int:
        """What has to be read and written at least. Where there are several outputs, they are of one size."""
        read = sum(a.nbytes for a in inputs.values()) if self.touched is None else self.touched * units
        return read + output.nbytes * (2 if "Split" in self.name else 1)


def _scale(name: str) -> int:
    """A dimension `n` counts units; `n_1024` 1024 for each unit."""
    return int(name.partition("_")[2] or 1)


def dims(model: onnx.ModelProto, most: int) -> dict[str, str]:
    """Bounds of the dimensions, as `--dim` takes them."""
    names = {d.dim_param for value in model.graph.input for d in value.type.tensor_type.shape.dim if d.dim_param}
    return {name: f"1..{most * _scale(name)}" for name in sorted(names)}


def _chain(name: str, body: str, inputs: str = "float[n,1024,1024] x", output: str = "float", vectors: str = "") -> Case:
    return Case(f"{name}", f"({inputs}) => ({output} y) {{ {body} }}", vectors=dict.fromkeys(vectors.split(), (1024,)))


def _transpose(perm: str, shape: str, dtype: str = "float") -> Case:
    return Case(
        f"Transpose {perm} of [{shape}] {dtype}", f"({dtype}[{shape}] x) => ({dtype} y) {{ y = Transpose <perm = [{perm}]> (x) }}"
    )


def _moved(name: str, body: str, inputs: str = "float[n,1024,1024] x", touched: int | None = None, **tables: Any) -> Case:
    arrays = {key: np.asarray(value) for key, value in tables.items()}
    return Case(name, f"({inputs}) => (float y) {{ {body} }}", touched=touched, tables=arrays)


def _reduced(name: str, body: str, output: str = "float", shape: str = "n,1024,1024", axes: list[int] | None = None) -> Case:
    tables = {} if axes is None else {"axes": np.array(axes)}
    return Case(name, f"(float[{shape}] x) => ({output} y) {{ {body} }}", "read", tables=tables)


def _chains() -> Iterator[Case]:
    two = "float[n,1024,1024] x, float[n,1024,1024] z"
    yield _chain("relu(x * v + w)", "a = Mul(x, v) b = Add(a, w) y = Relu(b)", vectors="v w")
    yield _chain("gelu(x + v)", "a = Add(x, v) y = Gelu(a)", vectors="v")
    yield _chain("gelu, tanh, of x + v", 'a = Add(x, v) y = Gelu <approximate = "tanh"> (a)', vectors="v")
    yield _chain("silu(x)", "a = Sigmoid(x) y = Mul(x, a)")
    yield _chain("tanh(x * v + w)", "a = Mul(x, v) b = Add(a, w) y = Tanh(b)", vectors="v w")
    yield _chain("exp(-abs(x))", "a = Abs(x) b = Neg(a) y = Exp(b)")
    yield _chain("erf(x)", "y = Erf(x)")
    yield _chain("x + z + w, all large", "a = Add(x, z) y = Add(a, w)", two + ", float[n,1024,1024] w")
    yield _chain("sqrt(x * x + z * z)", "a = Mul(x, x) b = Mul(z, z) c = Add(a, b) y = Sqrt(c)", two)
    yield _chain("where(x > z, clip(x), z)", "a = Greater(x, z) b = Clip(x, lo, hi) y = Where(a, b, z)", two)
    yield _chain("x > z", "y = Greater(x, z)", two, "bool")
    yield _chain("cast to float16", "y = Cast <to = 10> (x)", output="float16")
    yield _chain("cast from float16", "y = Cast <to = 1> (x)", "float16[n,1024,1024] x")
    yield _chain("cast to int8", "y = Cast <to = 3> (x)", output="int8")
    yield _chain("cast from int8", "y = Cast <to = 1> (x)", "int8[n,1024,1024] x")
    yield _chain("cast int64 to int32", "y = Cast <to = 6> (x)", "int64[n,1024,512] x", "int32")
    yield _chain("cast int64 to float", "y = Cast <to = 1> (x)", "int64[n,1024,512] x")
    yield _chain(
        "relu(x * z + x), float16", "a = Mul(x, z) b = Add(a, x) y = Relu(b)", two.replace("float", "float16"), "float16"
    )
    yield _chain(
        "x * z + x, float64", "a = Mul(x, z) y = Add(a, x)", two.replace("float", "double").replace("1024]", "512]"), "double"
    )
    yield _chain("x * z + x, int32", "a = Mul(x, z) y = Add(a, x)", two.replace("float", "int32"), "int32")
    yield _chain(
        "x * z + x, int64", "a = Mul(x, z) y = Add(a, x)", two.replace("float", "int64").replace("1024]", "512]"), "int64"
    )
    yield _chain("x and z, bool", "y = And(x, z)", two.replace("float", "bool"), "bool")
    yield _chain("quantize to int8", "y = QuantizeLinear(x, scale, zero)", output="int8")
    yield _chain("dequantize int8", "y = DequantizeLinear(x, scale, zero)", "int8[n,1024,1024] x")


def _transposes() -> Iterator[Case]:
    for dtype in ("int8", "float16", "float", "double"):
        yield _transpose("0, 2, 1", "n,1024,1024", dtype)
    yield _transpose("0, 2, 1", "n_1024,16,64")
    yield _transpose("0, 2, 1", "n_8192,32,4")
    yield _transpose("0, 2, 1", "n,1000,1000")
    yield _transpose("1, 0", "n_1024,1024")
    yield _transpose("0, 2, 1, 3", "n,1024,16,64")
    yield _transpose("0, 2, 1, 3", "n,1024,64,16")
    for dtype in ("int8", "float16", "float", "double"):
        yield _transpose("0, 3, 1, 2", "n,128,128,64", dtype)
    yield _transpose("0, 3, 1, 2", "n,512,512,3")
    yield _transpose("0, 2, 3, 1", "n,64,128,128")
    yield _transpose("0, 2, 3, 1", "n,3,512,512")


def _movements() -> Iterator[Case]:
    for row in (64, 256, 1024):
        rows = UNIT // row
        yield _moved(
            f"Gather, rows of {4 * row} B", "y = Gather(x, at)", f"float[n_{rows},{row}] x, int64[n_{rows}] at", 4 * UNIT
        )
    yield _moved(
        "GatherElements, last axis", "y = GatherElements <axis = -1> (x, at)", "float[n,1024,1024] x, int64[n,1024,1024] at"
    )
    one = "float[n,1024,512] x, float[n,1024,512] z"
    for axis in (0, 1, 2):
        yield _moved(f"Concat, axis {axis}", f"y = Concat <axis = {axis}> (x, z)", one)
    split = "(float[n,1024,1024] x) => (float y, float z) { y, z = Split <axis = AXIS, num_outputs = 2> (x) }"
    for axis in (1, 2):
        yield Case(f"Split, axis {axis}", split.replace("AXIS", str(axis)))
    yield _moved("Slice, inner half", "y = Slice(x, a, b, c)", touched=2 * UNIT, a=[256], b=[768], c=[2])
    yield _moved("Slice, every 2nd, last axis", "y = Slice(x, a, b, c, d)", a=[0], b=[1024], c=[2], d=[2])
    yield _moved("Slice, every 2nd row", "y = Slice(x, a, b, c, d)", touched=2 * UNIT, a=[0], b=[1024], c=[1], d=[2])
    yield _moved("Slice, backwards", "y = Slice(x, a, b, c, d)", a=[-1], b=[-1025], c=[2], d=[-1])
    yield _moved("Pad", "y = Pad(x, a)", a=[0, 8, 8, 0, 8, 8])
    yield _moved("Pad, reflect", 'y = Pad <mode = "reflect"> (x, a)', a=[0, 8, 8, 0, 8, 8])
    yield _moved("Tile", "y = Tile(x, a)", "float[n,512,512] x", a=[1, 2, 2])
    yield _moved("Expand, last axis", "y = Expand(x, a)", "float[n,1024,1] x", a=[1, 1, 1024])
    yield _moved("Expand, middle axis", "y = Expand(x, a)", "float[n,1,1024] x", a=[1, 1024, 1])
    nearest = 'y = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"> (x, , s)'
    yield _moved("Resize, nearest, 2x", nearest, "float[n,16,128,128] x", s=np.array([1, 1, 2, 2], np.float32))
    yield _moved("DepthToSpace", "y = DepthToSpace <blocksize = 2> (x)", "float[n,64,128,128] x")


def _reductions() -> Iterator[Case]:
    names = {"last": [-1], "middle": [1], "first": [0], "all": [0, 1, 2]}
    for name, axes in names.items():
        shape = "1024,n,1024" if name == "first" else "n,1024,1024"
        for op in ("ReduceSum", "ReduceMax", "ReduceL2", "ReduceLogSumExp") if name in ("last", "middle") else ("ReduceMean",):
            yield _reduced(f"{op}, {name}", f"y = {op} <keepdims = 0> (x, axes)", shape=shape, axes=axes)
    yield _reduced("ReduceSum, last 64", "y = ReduceSum <keepdims = 0> (x, axes)", shape="n,16384,64", axes=[-1])
    yield _reduced("ReduceSum, last 8", "y = ReduceSum <keepdims = 0> (x, axes)", shape="n,131072,8", axes=[-1])
    for axis in (-1, 1):
        yield _reduced(f"ArgMax, axis {axis}", f"y = ArgMax <axis = {axis}, keepdims = 0> (x)", "int64")
    yield _reduced("GlobalAveragePool", "y = GlobalAveragePool(x)", shape="n,64,128,128")
    yield _reduced("MaxPool 2x2", "y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)", shape="n,64,128,128")
    yield _reduced(
        "AveragePool 3x3",
        "y = AveragePool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x)",
        shape="n,64,128,128",
    )
    top = Case(
        "TopK, 50 of each 2^20",
        "(float[n,1048576] x) => (float y, int64 z) { y, z = TopK (x, k) }",
        "read",
        tables={"k": np.array([50])},
    )
    yield top


def _normalisations() -> Iterator[Case]:
    for axis in (-1, 1):
        yield _chain(f"Softmax, axis {axis}", f"y = Softmax <axis = {axis}> (x)")
    yield _chain("LogSoftmax, axis -1", "y = LogSoftmax <axis = -1> (x)")
    yield _chain("LayerNormalization", "y = LayerNormalization(x, v, w)", vectors="v w")
    square = "a = Mul(x, x) b = ReduceMean <keepdims = 1> (a, axes) c = Add(b, eps) d = Sqrt(c) e = Div(x, d) y = Mul(e, v)"
    yield _chain("RMSNorm", square, vectors="v")
    picture = "(float[n,64,128,128] x) => (float y) { y = "
    few = dict.fromkeys("vwms", (64,))
    yield Case("InstanceNormalization", picture + "InstanceNormalization(x, v, w) }", vectors={n: few[n] for n in "vw"})
    yield Case("BatchNormalization", picture + "BatchNormalization(x, v, w, m, s) }", vectors=few)
    for axis in (0, 1, 2):
        yield _moved(
            f"CumSum, axis {axis}", "y = CumSum(x, a)", "float[16,n_64,1024] x" if axis == 0 else "float[n,1024,1024] x", a=axis
        )


_SCALARS = {
    "lo": np.float32(-1), "hi": np.float32(1), "scale": np.float32(0.02), "zero": np.int8(3), "eps": np.float32(1e-5),
    "axes": np.array([-1]),
}  # fmt: skip


def all_cases() -> list[Case]:
    """The table, in order."""
    cases = [*_chains(), *_transposes(), *_movements(), *_reductions(), *_normalisations()]
    return [_with_scalars(case) for case in cases]


def _with_scalars(case: Case) -> Case:
    words = set(case.graph.replace(",", " ").replace(")", " ").replace("(", " ").split())
    tables = {name: np.asarray(value) for name, value in _SCALARS.items() if name in words and name not in case.tables}
    return Case(case.name, case.graph, case.bound, case.vectors, case.touched, {**tables, **case.tables})
