"""Sizes that the model declares are checked, random operators draw what they should, and running sums and scatters are linear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from op_batches import build, compile_proto

from kaoken.ir.scalars import philox
from kaoken.session import Session, SessionError


def session_of(nodes: list[onnx.NodeProto], inputs: dict[str, tuple], outputs: dict[str, tuple], threads: int = 2) -> Session:
    infos = [[helper.make_tensor_value_info(n, *spec) for n, spec in side.items()] for side in (inputs, outputs)]
    model = helper.make_model(helper.make_graph(nodes, "g", *infos), opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    folder = compile_proto(model, {})
    build(folder)
    return Session(folder, threads=threads)


def test_a_shape_from_data_must_be_the_one_that_is_declared() -> None:
    session = session_of(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        {"x": (TensorProto.FLOAT, [2, 3]), "shape": (TensorProto.INT64, [2])},
        {"y": (TensorProto.FLOAT, [3, 2])},
    )
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for shape in ([3, 2], [-1, 2], [3, -1]):
        (y,) = session.run(None, {"x": x, "shape": np.array(shape)})
        np.testing.assert_array_equal(y, x.reshape(3, 2))
    for shape in ([2, 3], [6, 1], [3, 3], [-1, -1], [0, 0]):
        with pytest.raises(SessionError):
            session.run(None, {"x": x, "shape": np.array(shape)})


def test_philox_gives_the_published_numbers() -> None:
    """The first two words of Random123's known answer for key 0 and counter 0."""
    assert int(philox(np.uint64(0), np.uint64(0))) == 0xE169C58D6627E8D5


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (312, 5), (3001, 2**32 - 1), (700, 2**40 + 7)])
def test_dropout_with_a_seed_draws_as_numpy_does(count: int, seed: int) -> None:
    """Around and beyond the generator's 624 words, on several threads; of the seed the lower 32 bits count."""
    session = session_of(
        [helper.make_node("Dropout", ["x", "ratio", "training"], ["y", "kept"], seed=seed)],
        {"x": (TensorProto.FLOAT, [count]), "ratio": (TensorProto.FLOAT, []), "training": (TensorProto.BOOL, [])},
        {"y": (TensorProto.FLOAT, [count]), "kept": (TensorProto.BOOL, [count])},
    )
    x, ratio = np.arange(1, count + 1, dtype=np.float32), np.float32(0.3)
    expected = np.random.RandomState(seed % 2**32).uniform(size=count) >= ratio
    for training in (True, False, True):
        y, kept = session.run(None, {"x": x, "ratio": ratio, "training": np.array(training)})
        np.testing.assert_array_equal(kept, expected if training else np.ones(count, bool))
        np.testing.assert_allclose(y, np.where(expected, x / (1 - ratio), 0) if training else x, rtol=1e-6)


def test_random_operators_draw_from_their_distributions() -> None:
    """20,000 draws each: moments within five standard errors, equal seeds give equal draws, others do not."""
    count, four = 20_000, (TensorProto.FLOAT, [4])
    chances = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    nodes = [
        helper.make_node("RandomUniform", [], ["u"], shape=[count], low=-1.0, high=3.0, seed=1.0),
        helper.make_node("RandomUniform", [], ["again"], shape=[count], low=-1.0, high=3.0, seed=1.0),
        helper.make_node("RandomUniform", [], ["other"], shape=[count], low=-1.0, high=3.0, seed=2.0),
        helper.make_node("RandomNormal", [], ["n"], shape=[count], mean=2.0, scale=0.5, seed=3.0),
        helper.make_node("Expand", ["p", "shape"], ["ps"]),
        helper.make_node("Constant", [], ["shape"], value_ints=[count, 4]),
        helper.make_node("Bernoulli", ["ps"], ["b"], seed=4.0),
        helper.make_node("Log", ["p"], ["logs"]),
        helper.make_node("Constant", [], ["row"], value_ints=[1, 4]),
        helper.make_node("Reshape", ["logs", "row"], ["classes"]),
        helper.make_node("Multinomial", ["classes"], ["m"], sample_size=count, seed=5.0),
    ]
    nodes.insert(0, nodes.pop(5))
    nodes.insert(0, nodes.pop(8))
    shapes = {name: (TensorProto.FLOAT, [count]) for name in ("u", "again", "other", "n")}
    outputs = {**shapes, "b": (TensorProto.FLOAT, [count, 4]), "m": (TensorProto.INT32, [1, count])}
    drawn = session_of(nodes, {"p": four}, outputs).run(None, {"p": chances})
    u, again, other, n, b, m = drawn
    np.testing.assert_array_equal(u, again)
    assert np.abs(np.corrcoef(u, other)[0, 1]) < 5 / count**0.5
    assert u.min() >= -1 and u.max() < 3 and len(np.unique(u)) > count * 0.99
    assert abs(u.mean() - 1) < 5 * (16 / 12 / count) ** 0.5 and abs(u.var() - 16 / 12) < 0.05
    assert abs(n.mean() - 2) < 5 * 0.5 / count**0.5 and abs(n.std() - 0.5) < 0.02
    error = 5 * (chances * (1 - chances) / count) ** 0.5
    assert (np.abs(b.mean(0) - chances) < error).all() and set(np.unique(b)) == {0.0, 1.0}
    assert (np.abs(np.bincount(m[0], minlength=4) / count - chances) < error).all()


def test_running_sums_of_floats_have_one_accumulator_a_row(tmp_path: Path) -> None:
    """With several threads too: each comes from the first element, and stores its share."""
    nodes = [
        helper.make_node("Constant", [], ["zero"], value_int=0),
        helper.make_node("CumSum", ["x", "zero"], ["y"]),
        helper.make_node("CumSum", ["x", "zero"], ["z"], reverse=1, exclusive=1),
    ]
    spec = (TensorProto.FLOAT, [5001])
    x = np.random.default_rng(0).standard_normal(5001).astype(np.float32)
    results = [session_of(nodes, {"x": spec}, {"y": spec, "z": spec}, threads).run(None, {"x": x}) for threads in (1, 3)]
    for one, three in zip(*results, strict=True):
        np.testing.assert_array_equal(one, three)
    np.testing.assert_allclose(results[0][0], x.astype(np.float64).cumsum(), atol=1e-3)
    np.testing.assert_allclose(results[0][1], x[::-1].astype(np.float64).cumsum()[::-1] - x, atol=1e-3)
