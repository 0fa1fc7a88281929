"""Damaged, hostile and unsupported models: one clear message each, never another exception, a hang or a large allocation."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from models_fixture import GRAPHS
from onnx import TensorProto, helper, numpy_helper

from kaoken.errors import KaokenError, UnsupportedModelError, UsageError
from kaoken.frontend import import_model
from kaoken.frontend.dimensions import parse_overrides
from kaoken.ir.interpret import run_graph

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
GPT2 = GRAPHS / "tiny-gpt2" / "model.onnx"


def model_of(
    *nodes: onnx.NodeProto, shape: Any = (2, 3), outputs: tuple[str, ...] = ("y",), opset: int = 20, **weights: Any
) -> onnx.ModelProto:
    """A model over one float input x."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", FLOAT, list(shape))],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def node(op: str, inputs: str, outputs: str = "y", **attrs: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), name=f"the_{op}", **attrs)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def saved(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def refusal(folder: Path, model: onnx.ModelProto, **overrides: str) -> str:
    """The message with which the model is refused."""
    with pytest.raises(UnsupportedModelError) as caught, limits():
        import_model(saved(folder, model), overrides)
    assert caught.value.exit_code == 3
    return str(caught.value)


@contextmanager
def limits(seconds: int = 20, megabytes: int = 1000) -> Iterator[None]:
    """Fail instead of hanging or taking all memory."""

    def stop(*_: Any) -> None:
        raise AssertionError(f"not done after {seconds} s")

    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < megabytes * 1024


def test_every_unsupported_operator_is_named_at_once(folder: Path) -> None:
    model = model_of(
        node("ImageDecoder", "x", "a"),
        node("Relu", "x", "b"),
        helper.make_node("Gradient", ["b"], ["c"], name="the_Gradient", xs=["b"], y="b", domain="ai.onnx.preview.training"),
        node("Relu", "a", "after"),
        helper.make_node("FusedThing", ["x"], ["d"], name="theirs", domain="com.example"),
        node("Add", "b c", "y"),
    )
    lines = refusal(folder, model).splitlines()
    assert lines[0].startswith("3 problems in ")
    assert [line.strip() for line in lines[1:]] == [
        "the_ImageDecoder: operator ImageDecoder is not supported",
        "the_Gradient: operator ai.onnx.preview.training.Gradient is not supported",
        "theirs: operator com.example.FusedThing is not supported",
    ]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            model_of(node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b")),
            "reads b, which nothing computes before it (a cycle",
        ),
        (model_of(node("Relu", "y")), "reads y, which nothing computes before it (a cycle"),
        (
            model_of(node("Relu", "a"), node("Relu", "x", "a")),
            "reads a, which nothing computes before it (a cycle, or nodes out of order)",
        ),
        (model_of(node("Relu", "nowhere")), "reads nowhere, which nothing computes"),
        (model_of(node("Relu", "x", "a")), "output y: nothing computes it"),
        (model_of(node("Relu", "x"), node("Neg", "x")), "computes y again"),
        (model_of(node("Relu", "x", "x")), "computes x again"),
        (model_of(node("Relu", "x"), outputs=()), "the model has no outputs"),
        (model_of(node("Add", "x x x")), "has input size 3 not in range"),
        (model_of(node("Cast", "x")), "Required attribute 'to' is missing"),
        (model_of(node("Relu", "x", alpha=1.0)), "Unrecognized attribute: alpha"),
        (model_of(node("Add", "x")), "Add:14) has input size 1 not in range [min=2, max=2]"),
        (model_of(node("Add", "x w"), w=np.zeros(4, np.float32)), "extents 3 and 4 do not broadcast"),
        (model_of(node("Add", "x w"), w=np.zeros(3, np.float64)), "add of different types: float32, float64"),
        (model_of(node("MatMul", "x w"), w=np.zeros((4, 2), np.float32)), "matmul contracts 3 with 4"),
        (model_of(node("Reshape", "x s"), s=np.array([4, 2])), "cannot reshape"),
        (model_of(node("Reshape", "x s"), s=np.array([-1, 4])), "do not divide"),
        (model_of(node("Reshape", "x s"), s=np.array([-1, -1])), "more than one -1"),
        (model_of(node("Reshape", "x s"), s=np.array([1] * 40 + [6])), "rank 41"),
        (model_of(node("Transpose", "x", perm=[0, 0])), "perm [0, 0] is no permutation"),
        (model_of(node("Softmax", "x", axis=5)), "axis 5 is outside a tensor of rank 2"),
        (model_of(node("Expand", "x s"), s=np.array([2**40, 2**40, 2, 3])), "elements"),
        (model_of(node("Tile", "x r"), r=np.array([2**62, 2**62])), "Tile"),
        (model_of(node("ConstantOfShape", "s"), s=np.array([-5])), "negative"),
        (model_of(node("Gather", "w i"), w=np.arange(4), i=np.array([7])), "Gather"),
        (
            model_of(node("Gather", "w i"), w=np.zeros((2000, 3), np.float32), i=np.array([[1999], [2000]])),
            "index 2000 is outside",
        ),
        (
            model_of(node("Gather", "w i"), w=np.zeros((2000, 3), np.float32), i=np.array(-2001)),
            "is outside an axis of extent 2000",
        ),
        (model_of(node("Gather", "x i"), i=np.zeros(2, np.float32)), "Gather"),
        (model_of(node("GatherElements", "x i"), i=np.zeros((5, 5), np.int64)), "indices of 5 elements along axis 1"),
        (model_of(node("GatherND", "x i"), i=np.zeros((2, 3), np.int64)), "gather_nd of"),
        (model_of(node("GatherND", "x i"), i=np.array([[5, 0]])), "index 5 is outside"),
        (model_of(node("ScatterND", "x i u"), i=np.array([[2]]), u=np.zeros((1, 3), np.float32)), "index 2 is outside"),
        (
            model_of(node("ScatterElements", "x i u"), i=np.array([[0, -3]]), u=np.zeros((1, 2), np.float32)),
            "index -3 is outside",
        ),
        (model_of(node("LayerNormalization", "x w"), w=np.zeros(4, np.float32)), "norm of x"),
        (
            model_of(node("Conv", "x w b"), shape=(1, 2, 5), w=np.zeros((4, 2, 3), np.float32), b=np.zeros(3, np.float32)),
            "a bias of [3]",
        ),
        (model_of(node("Conv", "x w", group=3), shape=(1, 3, 5), w=np.zeros((4, 1, 3), np.float32)), "in 3 groups"),
        (model_of(node("Conv", "x w"), shape=(1, 2, 2), w=np.zeros((4, 2, 3), np.float32)), "a window of 3 does not fit"),
        (model_of(node("MaxPool", "x", kernel_shape=[0]), shape=(1, 2, 5)), "a window of [0]"),
        (model_of(node("Split", "x s", "y z"), shape=("batch", 3), s=np.array([2, 2])), "do not divide an extent of batch"),
        (model_of(node("ReverseSequence", "x l"), l=np.array([1, 9, 1])), "is outside"),
        (model_of(node("ReverseSequence", "x l"), l=np.array([1, 1])), "reverse_sequence of"),
        (model_of(node("Slice", "x s s s s"), s=np.array([0])), "a slice step of 0"),
        (model_of(node("Pad", "x p"), p=np.array([-9, 0, 0, 0])), "negative"),
        (model_of(node("Split", "x", "y z", num_outputs=2**40)), "num_outputs=1099511627776 with 2 outputs"),
        (model_of(node("Cast", "x", to=FLOAT + 900)), "element type 901 is not supported"),
        (model_of(node("Relu", "x"), shape=(-2, 3)), "negative extent -2"),
        (model_of(node("Relu", "x"), shape=(2**50, 2**10)), "elements"),
        (model_of(node("Reluu", "x"), opset=5), "cannot be brought from opset 5 to 7"),
        (model_of(node("Relu", "x"), opset=99), "opset 99 is unknown"),
        (model_of(node("Relu", "x"), w=np.zeros(3, np.complex64)), "complex64 is not supported"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_no_model_may_hold_is_refused(folder: Path, model: onnx.ModelProto, says: str) -> None:
    message = refusal(folder, model)
    assert says in message and "Traceback" not in message


@pytest.mark.parametrize(
    "model",
    [
        model_of(node("Range", "a b c"), a=np.array(0), b=np.array(10**12), c=np.array(1)),
        model_of(node("Expand", "x s"), s=np.array([10**6, 10**5, 2, 3])),
        model_of(node("ConstantOfShape", "s"), s=np.array([10**6, 10**6])),
        model_of(node("Tile", "x r"), r=np.array([10**6, 10**5])),
        model_of(node("Pad", "x p"), p=np.array([10**6, 10**6, 10**6, 10**6])),
        model_of(node("OneHot", "i d v"), i=np.array([1, 2]), d=np.array(10**12), v=np.array([0.0, 1.0])),
        model_of(node("MaxPool", "x", kernel_shape=[10**9], pads=[10**9, 10**9]), shape=(1, 1, 4)),
        model_of(*[node("Mul", f"a{n} a{n}", f"a{n + 1}") for n in range(60)], node("Relu", "x"), a0=np.array(3)),
        model_of(
            node("Size", "x", "a0"),
            *[node("Mul", f"a{n} a{n}", f"a{n + 1}") for n in range(60)],
            node("Relu", "x"),
            shape=("batch", 3),
        ),
        model_of(*[node("Relu", f"a{n}" if n else "x", f"a{n + 1}") for n in range(5000)], node("Relu", "a5000")),
        model_of(
            *[node("Transpose", f"a{n}" if n else "x", f"a{n + 1}", perm=[1, 0]) for n in range(2000)], node("Relu", "a2000")
        ),
        model_of(node("Einsum", "a b", equation="ij,jk->ik"), a=np.ones((30, 30), np.int64), b=np.ones((30, 30), np.int64)),
        model_of(node("MatMul", "a b"), a=np.ones((1000,), np.int64), b=np.ones((1000, 1000), np.int64)),
        model_of(node("CumSum", "a z"), a=np.ones((1000,), np.int64), z=np.array(0)),
    ],
    ids=lambda model: model.graph.node[0].op_type,
)
def test_huge_sizes_cost_nothing_to_read(folder: Path, model: onnx.ModelProto) -> None:
    with limits():
        try:
            import_model(saved(folder, model))
        except KaokenError as error:
            assert error.exit_code == 3


def tiny_models() -> dict[str, bytes]:
    """Small models of several operators, as files."""
    linear = model_of(
        node("MatMul", "x w", "a"),
        node("Add", "a b", "c"),
        node("Shape", "c", "s"),
        node("Slice", "s zero one", "batch"),
        node("Concat", "batch minus", "target", axis=0),
        node("Reshape", "c target", "d"),
        node("Softmax", "d", axis=-1),
        shape=("batch", 3),
        w=np.ones((3, 4), np.float32),
        b=np.ones(4, np.float32),
        zero=np.array([0]),
        one=np.array([1]),
        minus=np.array([-1]),
    )
    movement = model_of(
        node("Pad", "x p", "a", mode="reflect"),
        node("Gather", "a i", "b", axis=1),
        node("Conv", "c4 k", "d", pads=[1, 1]),
        node("ReduceMean", "b", "m", keepdims=0),
        node("Cast", "m", "n", to=TensorProto.INT32),
        node("Transpose", "b", perm=[1, 0]),
        p=np.array([0, 1, 0, 1]),
        i=np.array([0, 2, -1]),
        c4=np.ones((1, 2, 3), np.float32),
        k=np.ones((1, 2, 3), np.float32),
    )
    return {"linear": linear.SerializeToString(), "movement": movement.SerializeToString()}


def import_bytes(folder: Path, data: bytes) -> bool:
    """Whether the bytes import; any other error than Kaoken's own is let through."""
    path = folder / "damaged.onnx"
    path.write_bytes(data)
    try:
        import_model(path)
    except KaokenError:
        return False
    return True


@pytest.mark.parametrize("name", ["linear", "movement"])
def test_a_file_cut_anywhere_is_refused(folder: Path, name: str) -> None:
    data = tiny_models()[name]
    assert import_bytes(folder, data)
    with limits(60):
        whole = sum(import_bytes(folder, data[:length]) for length in range(0, len(data), 3))
    assert whole <= 4, "only the cut that loses nothing needed may pass"


@pytest.mark.parametrize("name", ["linear", "movement"])
@pytest.mark.parametrize("seed", range(4))
def test_random_damage_is_answered_by_an_error(folder: Path, name: str, seed: int) -> None:
    """A thousand damaged files: bytes changed, removed, repeated or moved."""
    random = np.random.default_rng(seed)
    data = tiny_models()[name]
    outcomes = set()
    with limits(120):
        for _ in range(1000):
            damaged = bytearray(data)
            for _ in range(int(random.integers(1, 5))):
                at = int(random.integers(len(damaged)))
                kind = random.integers(4)
                if kind == 0:
                    damaged[at] = int(random.integers(256))
                elif kind == 1:
                    damaged[at] ^= 1 << int(random.integers(8))
                elif kind == 2:
                    del damaged[at : at + int(random.integers(1, 9))]
                else:
                    damaged[at:at] = damaged[at : at + int(random.integers(1, 30))]
            outcomes.add(import_bytes(folder, bytes(damaged)))
    assert outcomes == {True, False}


def test_random_bytes_are_refused(folder: Path) -> None:
    random = np.random.default_rng(0)
    with limits():
        for size in (1, 10, 100, 5000):
            for _ in range(50):
                assert not import_bytes(folder, random.bytes(size))


@pytest.mark.parametrize(
    ("data", "says"), [(b"", "is empty"), (b"# a text file\n" * 20, "no valid ONNX file"), (b"\x08\x0a", "holds no ONNX graph")]
)
def test_what_is_no_model_is_said_to_be_none(folder: Path, data: bytes, says: str) -> None:
    path = folder / "file.onnx"
    path.write_bytes(data)
    with pytest.raises(UnsupportedModelError, match=says):
        import_model(path)


def test_a_missing_or_ambiguous_path_is_a_usage_error(folder: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        import_model(folder / "nothing.onnx")
    with pytest.raises(UsageError, match=r"holds no \.onnx file"):
        import_model(folder)
    for name in ("a", "b"):
        onnx.save(model_of(node("Relu", "x")), folder / f"{name}.onnx")
    with pytest.raises(UsageError, match=r"several models \(a\.onnx, b\.onnx\)"):
        import_model(folder)


def external_model(folder: Path) -> Path:
    model = model_of(node("MatMul", "x w"), w=np.arange(3000, dtype=np.float32).reshape(3, 1000))
    path = folder / "model.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="model.data", size_threshold=0)
    return path


def test_external_data_is_mapped_where_it_lies(folder: Path) -> None:
    graph = import_model(external_model(folder))
    weights = graph.nodes[0].inputs[1]
    assert weights is not None and weights.data is not None and not weights.data.flags.owndata
    x = np.ones((2, 3), np.float32)
    expected = x @ np.arange(3000, dtype=np.float32).reshape(3, 1000)
    np.testing.assert_array_equal(run_graph(graph, {"x": x})["y"], expected)


def relocated(path: Path, **entries: str) -> Path:
    model = onnx.load(path, load_external_data=False)
    data = {e.key: e.value for e in model.graph.initializer[0].external_data} | entries
    del model.graph.initializer[0].external_data[:]
    for key, value in data.items():
        model.graph.initializer[0].external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"location": "other.data"}, "external data file other.data is missing; put it beside model.onnx"),
        ({"location": "../outside.data"}, "lies outside the model's folder"),
        ({"location": "/etc/passwd"}, "lies outside the model's folder"),
        ({"location": ""}, "lies outside the model's folder"),
        ({"location": "bad\0name"}, "null"),
        ({"location": "link.data"}, "lies outside the model's folder"),
        ({"offset": "100"}, "too short"),
        ({"offset": "-4"}, "too short"),
        ({"length": "99999999"}, "too short"),
        ({"length": "8"}, "do not fill"),
        ({"offset": "many"}, "is no number"),
    ],
)
def test_wrong_external_data_is_refused(folder: Path, entries: dict[str, str], says: str) -> None:
    (folder / "deep").mkdir()
    (folder / "outside.data").write_bytes(bytes(12000))
    (folder / "deep" / "link.data").symlink_to(folder / "outside.data")
    path = relocated(external_model(folder / "deep"), **entries)
    with pytest.raises(UnsupportedModelError) as caught:
        import_model(path)
    assert says in str(caught.value) and "initializer w" in str(caught.value)


def test_a_short_external_file_is_refused(folder: Path) -> None:
    path = external_model(folder)
    (folder / "model.data").write_bytes(bytes(100))
    with pytest.raises(UnsupportedModelError, match="too short: 12000 bytes needed, 100 there"):
        import_model(path)
    (folder / "model.data").write_bytes(b"")
    with pytest.raises(UnsupportedModelError, match=r"model\.data is empty"):
        import_model(path)


@pytest.mark.parametrize("elements", [0, 1, 5, 7, 5000])
def test_an_initializer_of_the_wrong_size_is_refused(folder: Path, elements: int) -> None:
    model = model_of(node("Add", "x w"), w=np.zeros((2, 3), np.float32))
    model.graph.initializer[0].raw_data = bytes(4 * elements)
    assert "w" in refusal(folder, model)


def test_names_given_twice_are_refused(folder: Path) -> None:
    model = model_of(node("Relu", "x"), w=np.zeros(3, np.float32))
    model.graph.initializer.append(model.graph.initializer[0])
    assert "initializer w: the name is taken" in refusal(folder, model)
    model = model_of(node("Relu", "x"))
    model.graph.input.append(model.graph.input[0])
    assert "input x: the name is given twice" in refusal(folder, model)


def test_inputs_that_are_no_plain_tensors_are_refused(folder: Path) -> None:
    model = model_of(node("Relu", "x"))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    assert "Relu of strings is not supported" in refusal(folder, model)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert "input x: only tensors of known rank and plain element types" in refusal(folder, model)
    model.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", FLOAT, None))
    assert "Relu: takes tensors, and is given a sequence" in refusal(folder, model)
    model.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", TensorProto.STRING, None))
    assert "Relu of strings is not supported" in refusal(folder, model)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"batch_siez": "4"}, "--dim names batch_siez, which the model does not have; its dimensions are: batch_size"),
        ({"batch_size": "5..3"}, "bounds 5..3 are empty"),
        ({"batch_size": "1..99999999999999999"}, "too large"),
        ({"batch_size": "1.." + "9" * 5000}, "is not of the form"),
        ({"batch_size": "a..b"}, "is not of the form"),
        ({"batch_size": "-3"}, "is negative"),
        ({"batch_size": "sequence_length", "sequence_length": "batch_size"}, "by each other"),
        ({"batch_size": "1/0"}, "is not of the form"),
    ],
)
def test_a_wrong_dim_is_a_usage_error(overrides: dict[str, str], says: str) -> None:
    with pytest.raises(KaokenError) as caught:
        import_model(GPT2, overrides)
    assert says in str(caught.value)


@pytest.mark.parametrize("item", ["batch", "=4", "batch=", " =4", "a= "])
def test_a_dim_option_that_cannot_be_read_is_a_usage_error(item: str) -> None:
    with pytest.raises(UsageError, match=r"is not of the form NAME=LOW\.\.HIGH"):
        parse_overrides([item])


def test_dimensions_without_bounds_are_named(folder: Path) -> None:
    path = saved(folder, model_of(node("Relu", "x"), shape=("rows", "columns", 3)))
    with pytest.raises(UsageError, match=r"rows, columns; give them: --dim rows=1\.\.128 --dim columns=1\.\.128"):
        import_model(path)
    graph = import_model(path, {"rows": "1..9", "columns": "rows * 2"})
    assert str(list(graph.inputs[0].shape)) == "[dim_rows, dim_rows*2, 3]"  # `rows` is the API's own word


@pytest.mark.parametrize("name", ["int", "größe", "a.b", "1st", "x" * 500, "((((", "a" + "+a" * 5000])
def test_odd_names_of_dimensions_become_identifiers(folder: Path, name: str) -> None:
    model = model_of(node("Relu", "x"), shape=(name, "a_b", 3))
    with limits():
        try:
            graph = import_model(saved(folder, model), {"a_b": "1..4"} | ({name: "1..4"} if "+" not in name else {"a": "1..4"}))
        except KaokenError as error:
            assert error.exit_code in (2, 3)
            return
    assert all(n.isascii() and n.isidentifier() and n != "int" for n in graph.symbols)


def test_a_damaged_config_is_a_usage_error(folder: Path) -> None:
    path = saved(folder, model_of(node("Relu", "x")))
    (folder / "config.json").write_text("{")
    with pytest.raises(UsageError, match="no valid JSON"):
        import_model(path)


def function(name: str, *nodes: onnx.NodeProto) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, ["p"], ["q"], list(nodes), imports)


def local(name: str, source: str, target: str) -> onnx.NodeProto:
    return helper.make_node(name, [source], [target], domain="local")


def with_functions(*functions: onnx.FunctionProto) -> onnx.ModelProto:
    model = model_of(local("f0", "x", "y"))
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.functions.extend(functions)
    return model


def test_functions_of_the_model_are_inlined(folder: Path) -> None:
    double = function("f1", node("Add", "p p", "q"))
    outer = function("f0", local("f1", "p", "a"), local("f1", "a", "b"), node("Relu", "b", "q"))
    graph = import_model(saved(folder, with_functions(outer, double)))
    x = np.array([[1, -2, 3], [0, 5, -6]], np.float32)
    np.testing.assert_array_equal(run_graph(graph, {"x": x})["y"], np.maximum(4 * x, 0))


def test_functions_that_call_themselves_or_explode_are_refused(folder: Path) -> None:
    assert "calls itself" in refusal(folder, with_functions(function("f0", local("f0", "p", "q"))))
    loop = (function("f0", local("f1", "p", "q")), function("f1", local("f0", "p", "q")))
    assert "calls itself" in refusal(folder, with_functions(*loop))
    bomb = [function(f"f{n}", local(f"f{n + 1}", "p", "a"), local(f"f{n + 1}", "a", "q")) for n in range(40)]
    assert "expand to" in refusal(folder, with_functions(*bomb, function("f40", node("Relu", "p", "q"))))


@pytest.mark.parametrize("opset", range(13, 29))
def test_every_opset_from_13_on_is_read(folder: Path, opset: int) -> None:
    graph = import_model(saved(folder, model_of(node("Relu", "x", "a"), node("Softmax", "a"), opset=opset)))
    assert [n.op for n in graph.nodes] == ["max", "softmax"]
