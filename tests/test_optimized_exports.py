"""What onnxruntime's optimizer and quantizers make of exports is compiled: the same results as onnxruntime's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from compiled import compiled

from kaoken.frontend import import_model
from kaoken.ir.interpret import run_graph
from kaoken.session import Session

pytest.importorskip("onnxruntime")
from tests.optimized_exports import RECIPES, inputs_of, session, source_of

TRANSFORMERS = "extended optimizer dynamic dynamic-unsigned optimizer-dynamic qdq-products qoperator four-bits".split()
"""The quantizer leaves no numbers of masks that hold the lowest float, so of decoders only products are put between scales."""

ROWS = [
    *((graph, recipe) for graph in ("tiny-bert", "tiny-gpt2") for recipe in (*TRANSFORMERS, "all", "dynamic-all")),
    *(("tiny-bert", recipe) for recipe in ("qdq", "qdq-extended")),
    *(("tiny-llama", recipe) for recipe in TRANSFORMERS),
    *(("tiny-vit-static", recipe) for recipe in ("extended", "optimizer", "dynamic", "qdq")),
    *((f"tiny-t5/{part}_model", recipe) for part in ("encoder", "decoder") for recipe in ("extended", "dynamic", "four-bits")),
    *(("conv-net", recipe) for recipe in ("extended", "qdq", "qoperator", "qdq-extended")),
]
COMPILED = [
    ("tiny-bert", "optimizer-dynamic"),
    ("tiny-gpt2", "qoperator"),
    ("tiny-llama", "dynamic"),
    ("conv-net", "qoperator"),
]


def bounds(path: Path) -> dict[str, str]:
    symbols = {d for i in session(path).get_inputs() for d in i.shape if isinstance(d, str) and "+" not in d}
    return {s: "1..4" if "batch" in s else "0..64" if "past" in s else "1..64" for s in symbols}


def changed(graph: str, recipe: str, folder: Path) -> tuple[Path, Path]:
    """The export and what the recipe makes of it."""
    source, target = source_of(graph, folder), folder / f"{recipe}.onnx"
    RECIPES[recipe](source, target)
    return source, target


def assert_same(source: Path, target: Path, ours: dict[str, np.ndarray], inputs: dict[str, np.ndarray]) -> None:
    """Floats agree to 1e-4 of the largest; where a rounding to 8 bits falls on the other side, to a quarter of what quantising
    cost the model by onnxruntime's own results."""
    exact = dict(zip(ours, session(source).run(list(ours), inputs), strict=True))
    theirs = dict(zip(ours, session(target).run(list(ours), inputs), strict=True))
    for name, result in ours.items():
        assert result.shape == theirs[name].shape and result.dtype == theirs[name].dtype
        cost = np.sqrt(np.mean((theirs[name].astype(np.float64) - exact[name]) ** 2))
        error = np.sqrt(np.mean((theirs[name].astype(np.float64) - result) ** 2))
        assert error <= max(1e-4 * np.abs(exact[name]).max(), cost / 4), f"{name}: {error} of {cost}"


@pytest.mark.parametrize(("graph", "recipe"), ROWS, ids=[f"{g.replace('/', '-')}-{r}" for g, r in ROWS])
def test_formulas_give_what_onnxruntime_gives(graph: str, recipe: str, tmp_path: Path) -> None:
    source, target = changed(graph, recipe, tmp_path)
    inputs = inputs_of(source)
    assert_same(source, target, run_graph(import_model(target, bounds(target)), inputs), inputs)


@pytest.mark.parametrize(("graph", "recipe"), COMPILED, ids=[f"{g}-{r}" for g, r in COMPILED])
def test_compiled_c_gives_what_onnxruntime_gives(graph: str, recipe: str, tmp_path: Path) -> None:
    source, target = changed(graph, recipe, tmp_path)
    inputs = inputs_of(source)
    compiled_session = Session(compiled(str(target), dims=bounds(target)), threads=2)
    names = [node.name for node in compiled_session.get_outputs()]
    assert_same(source, target, dict(zip(names, compiled_session.run(names, inputs), strict=True)), inputs)


def test_blocked_channels_are_refused_with_what_to_do(tmp_path: Path) -> None:
    from kaoken.errors import UnsupportedModelError

    _, target = changed("conv-net", "all", tmp_path)
    with pytest.raises(UnsupportedModelError, match="ORT_ENABLE_EXTENDED"):
        import_model(target, bounds(target))
