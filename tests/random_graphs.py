"""Random ONNX graphs: hypothesis draws node after node, each evaluated in float64 as it joins, so that every graph is legal.

What a node gives for all calls decides which nodes may follow: no overflow, no division by 0, indices inside their axes, and
what jumps (rounding, comparing, casting to integers) only where values are exact in every float type. A graph comes with its
calls, at several sizes of its symbols, and with what the ONNX graph gives for them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import reject
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from kaoken.errors import UnsupportedModelError
from kaoken.verify.oracle import Oracle

OPSET = 21
CALLS = 3
MOST_ELEMENTS = 4096
LARGEST = {"float16": 256.0, "int32": 2.0**20, "int64": 2.0**20, "uint8": 255.0, "int8": 127.0}
FLOATS, INTEGERS = ("float32", "float64", "float16"), ("int64", "int32")
DTYPES = ("float32",) * 14 + ("int64", "int64", "int32", "bool", "float64", "float64", "float16")
EXTENTS = (1, 2, 3, 4, 5, 7, 8, 16, 17, 33)
SYMBOLS = {
    "n": [(3, 17, 1), (1, 5, 16), (33, 1, 7), (4, 0, 9)],
    "m": [(5, 1, 33), (1, 8, 3), (17, 1, 4), (7, 6, 0)],
}
"""What a symbol is in each call. Extents that agree in all calls are taken for equal, so no two of these agree, and a slice of
the first few elements is shorter in one of them."""

LEFT_OUT: Counter[str] = Counter()
"""Nodes that the float64 oracle cannot evaluate, which no graph has."""

Extents = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph. `arrays`: what it holds in each call, floats as float64. `exact`: no float type rounds it."""

    name: str
    dtype: str
    arrays: tuple[np.ndarray, ...]
    exact: bool
    is_constant: bool = False

    @property
    def rank(self) -> int:
        return int(self.arrays[0].ndim)

    @property
    def extents(self) -> Extents:
        return tuple(zip(*(a.shape for a in self.arrays), strict=True)) if self.rank else ()

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def filled(self) -> bool:
        """Whether it has elements in every call."""
        return all(a.size for a in self.arrays)

    def within(self, low: float, high: float) -> bool:
        return all(not a.size or (low <= a.min() and a.max() <= high) for a in self.arrays)


@dataclass(frozen=True)
class Case:
    """A graph, its calls, what they give (floats as float64), the types of all its values, and the seed it was drawn by."""

    model: onnx.ModelProto
    feeds: tuple[dict[str, np.ndarray], ...]
    expected: tuple[dict[str, np.ndarray], ...]
    dims: dict[str, str]
    dtypes: dict[str, str]
    seed: int = 0


def static(extents: Extents) -> bool:
    return all(len(set(e)) == 1 for e in extents)


def shapes_of(extents: Extents) -> list[tuple[int, ...]]:
    """The shape in each call."""
    return list(zip(*extents, strict=True)) if extents else [()] * CALLS


def fixed(extent: tuple[int, ...]) -> bool:
    return len(set(extent)) == 1


ONE = (1,) * CALLS


def broadcast(a: Extents, b: Extents) -> bool:
    """Whether shapes broadcast in all calls, and not by chance."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return all(x in (y, ONE) or y == ONE for x, y in pairs)


def _gather_elements(x: np.ndarray, indices: np.ndarray, axis: int = 0) -> np.ndarray:
    """Indices may be fewer than elements on the other axes."""
    own = axis % x.ndim
    part = x[tuple(slice(None) if n == own else slice(extent) for n, extent in enumerate(indices.shape))]
    return np.take_along_axis(part, np.where(indices < 0, indices + x.shape[own], indices), own)


def _flatten(x: np.ndarray, axis: int = 1) -> np.ndarray:
    at = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:at]), math.prod(x.shape[at:]))


SPELLED: dict[str, Callable[..., np.ndarray]] = {
    "Flatten": _flatten,
    "GatherElements": _gather_elements,
    "Mean": lambda *parts: np.asarray(sum(parts[1:], parts[0]) / len(parts)),
}
"""Operators that onnx's reference refuses in cases that the standard allows."""


def evaluate(node: onnx.NodeProto, feeds: Sequence[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """One node by the float64 oracle, or where onnx's reference lacks the case, by what the standard says."""
    if node.op_type in SPELLED:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        own = SPELLED[node.op_type]
        return [{node.output[0]: own(*(feed[name] for name in node.input), **attributes)} for feed in feeds]
    infos = [[onnx.ValueInfoProto(name=n) for n in dict.fromkeys(names) if n] for names in (node.input, node.output)]
    graph = helper.make_graph([node], "node", infos[0], infos[1])
    oracle = Oracle(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)]))
    return [{name: np.asarray(array) for name, array in oracle.run(feed).items()} for feed in feeds]


@dataclass
class Maker:
    """A graph being made."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    dtypes: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.symbols = {name: self.pick(sizes) for name, sizes in SYMBOLS.items()}
        self.random = np.random.default_rng(self.draw(st.integers(0, 2**16)))
        for _ in range(self.pick((1, 2, 3))):
            self.input(self.pick(DTYPES), self.shape())

    # choices ------------------------------------------------------------------------------------------------------------------

    def pick(self, options: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def chance(self, percent: int) -> bool:
        return bool(self.draw(st.integers(0, 99)) >= 100 - percent)

    def number(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def extent(self) -> tuple[int, ...]:
        if self.chance(30):
            return tuple(self.symbols[self.pick(("n", "m"))])
        return (0,) * CALLS if self.chance(2) else (self.pick(EXTENTS),) * CALLS

    def shape(self, rank: int | None = None) -> Extents:
        """Random extents, the later ones 1 where there would be too many elements."""
        chosen: list[tuple[int, ...]] = []
        for _ in range(self.pick((2, 3, 1, 4, 0)) if rank is None else rank):
            extent = self.extent()
            small = np.prod([max(e) for e in [*chosen, extent]]) <= MOST_ELEMENTS // 4
            chosen.append(extent if small else ONE)
        return tuple(chosen)

    def choose(self, allowed: Callable[[Value], bool], dtypes: Sequence[str] = FLOATS, rank: int = 0) -> Value:
        """A value that may be used, a late one rather than an early; a new input where there is none."""
        found = [v for v in self.values if v.dtype in dtypes and v.rank >= rank and allowed(v)]
        if found and not self.chance(7):
            return found[-1 - min(self.number(0, len(found) - 1), self.number(0, len(found) - 1))]
        shape = self.shape(self.number(max(rank, 1), max(rank, 3)))
        made = self.input(self.pick([d for d in DTYPES if d in dtypes] or dtypes), shape, exact=True)
        return made if allowed(made) else reject()

    def any(self, dtypes: Sequence[str] = FLOATS, rank: int = 0) -> Value:
        return self.choose(lambda _: True, dtypes, rank)

    def exact(self, dtypes: Sequence[str] = FLOATS, rank: int = 0) -> Value:
        """For what jumps."""
        return self.choose(lambda v: v.exact, dtypes, rank)

    def may_be_input(self, extents: Sequence[tuple[int, ...]]) -> bool:
        """Whether each extent is a number or a symbol, as an input's must be."""
        return all(fixed(e) or e in self.symbols.values() for e in extents)

    def axis(self, value: Value) -> int:
        """One of its axes, counted from either end."""
        return self.number(-value.rank, value.rank - 1)

    # values -------------------------------------------------------------------------------------------------------------------

    def data(self, dtype: str, shape: tuple[int, ...], exact: bool) -> np.ndarray:
        if dtype == "bool":
            return np.asarray(self.random.random(shape) < 0.5)
        if dtype not in FLOATS:
            return np.asarray(self.random.integers(0 if dtype == "uint8" else -9, 10, shape)).astype(dtype)
        if exact:
            return np.asarray(self.random.integers(-32, 33, shape) / 8)
        rounded = self.random.standard_normal(shape).astype("float16" if dtype == "float16" else "float32")
        return np.asarray(rounded, np.float64)

    def name(self, prefix: str) -> str:
        return f"{prefix}{len(self.dtypes)}"

    def input(self, dtype: str, extents: Extents, arrays: Sequence[np.ndarray] | None = None, exact: bool | None = None) -> Value:
        """A new graph input; or an initializer, where it has the same extents in all calls."""
        exact = dtype not in FLOATS or (self.chance(60) if exact is None else exact)
        shapes = shapes_of(extents)
        if len(self.inputs) > 0 and static(extents) and self.chance(50):
            self.values.append(self.constant(self.data(dtype, shapes[0], exact) if arrays is None else arrays[0], dtype, exact))
            return self.values[-1]
        given = tuple(self.data(dtype, s, exact) for s in shapes) if arrays is None else tuple(arrays)
        given = tuple(np.asarray(a).astype(np.float64 if dtype in FLOATS else dtype) for a in given)
        value = Value(self.name("x"), dtype, given, exact)
        self.inputs.append(value)
        self.values.append(value)
        self.dtypes[value.name] = dtype
        return value

    def constant(self, array: Any, dtype: str, exact: bool = True) -> Value:
        """An initializer, or the result of a Constant node."""
        array = np.asarray(array, np.float64 if dtype in FLOATS else dtype)
        value = Value(self.name("w"), dtype, (array,) * CALLS, exact, True)
        stored = numpy_helper.from_array(array.astype(dtype), value.name)
        if self.chance(25):
            self.nodes.append(helper.make_node("Constant", [], [value.name], f"n{len(self.nodes)}", value=stored))
        else:
            self.initializers.append(stored)
        self.dtypes[value.name] = dtype
        return value

    def integers(self, numbers: Sequence[int] | int) -> Value:
        return self.constant(np.asarray(numbers, np.int64), "int64")

    def apply(
        self,
        op: str,
        inputs: Sequence[Value | None],
        dtype: str | Sequence[str] = "",
        exact: bool | None = None,
        outputs: int = 1,
        hidden: bool = False,
        **attributes: Any,
    ) -> list[Value]:
        """Add a node; nothing is added, and the list is empty, where what it gives is too large, too much or not finite.

        dtype: of the outputs, the first input's unless given. exact: whether exact inputs give exact outputs (True: as movement
        does). hidden: shape arithmetic, that nothing else shall read.
        """
        given = [v for v in inputs if v is not None]
        names = [self.name("v") + (f"_{n}" if outputs > 1 else "") for n in range(outputs)]
        node = helper.make_node(op, [v.name if v else "" for v in inputs], names, f"n{len(self.nodes)}_{op}", **attributes)
        while node.input and not node.input[-1]:
            del node.input[-1]
        try:
            results = evaluate(node, [{v.name: v.arrays[call] for v in given} for call in range(CALLS)])
        except UnsupportedModelError as error:  # onnx's reference lacks a few cases, such as scalars
            LEFT_OUT[f"{op}: {str(error.__cause__)[:60]}"] += 1
            return []
        made = []
        for n, name in enumerate(names):
            kind = dtype if isinstance(dtype, str) else dtype[n]
            kind = kind or given[0].dtype
            arrays = tuple(result[name] for result in results)
            if not all(sensible(a, kind) for a in arrays) or len({a.ndim for a in arrays}) != 1:
                return []
            sure = kind not in FLOATS or (exact is not False and all(v.exact for v in given) and all(map(is_exact, arrays)))
            made.append(Value(name, kind, arrays, sure))
        self.nodes.append(node)
        self.used.update(v.name for v in given)
        self.dtypes |= {v.name: v.dtype for v in made}
        if not hidden:
            self.values += made
        return made

    def hidden(self, op: str, *inputs: Value, **attributes: Any) -> Value:
        """A node of shape arithmetic."""
        made = self.apply(op, inputs, "int64", hidden=True, **attributes)
        return made[0] if made else reject()

    def case(self) -> Case:
        """The graph with everything that nobody reads as outputs, and now and then something that is read too."""
        computed = [v for v in self.values if v not in self.inputs and not v.is_constant]
        outputs = [v for v in computed if v.name not in self.used]
        outputs += [v for v in computed if v.name in self.used and self.chance(10)]
        outputs += [v for v in self.inputs if self.chance(2)]
        if not outputs:
            reject()
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info(v.name, code(v.dtype), self._declared(v)) for v in self.inputs],
            [helper.make_tensor_value_info(v.name, code(v.dtype), None) for v in outputs],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        used = {d.dim_param for i in graph.input for d in i.type.tensor_type.shape.dim if d.dim_param}
        return Case(
            model,
            tuple({v.name: v.arrays[call].astype(v.dtype) for v in self.inputs} for call in range(CALLS)),
            tuple({v.name: v.arrays[call] for v in outputs} for call in range(CALLS)),
            {name: f"{int(min(self.symbols[name]) > 0)}..{max(self.symbols[name])}" for name in sorted(used)},
            self.dtypes,
        )

    def _declared(self, value: Value) -> list[str | int]:
        names = {tuple(sizes): name for name, sizes in self.symbols.items()}
        return [extent[0] if fixed(extent) else names[extent] for extent in value.extents]


def code(dtype: str) -> int:
    """ONNX's number of an element type."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def sensible(array: np.ndarray, dtype: str) -> bool:
    """Whether a result is one that the graph may go on with."""
    if array.size > MOST_ELEMENTS:
        return False
    if array.dtype == bool or not array.size:
        return True
    wide = np.abs(array.astype(np.float64))
    return bool(np.isfinite(wide).all() and wide.max() <= LARGEST.get(dtype, 4096.0))


def is_exact(array: np.ndarray) -> bool:
    """Whether float16 holds every element, as multiples of 1/16."""
    return bool((array * 16 == np.floor(array * 16)).all() and (np.abs(array) <= 64).all())


@st.composite
def graphs(draw: Callable[[st.SearchStrategy[Any]], Any], least: int = 3, most: int = 12) -> Case:
    """Cases of so many nodes; constants and the arithmetic that makes a node's shapes come on top."""
    from random_graph_nodes import FAMILIES

    maker = Maker(draw)
    wanted = maker.number(least, most)
    made = 0
    for _ in range(4 * most):
        if made >= wanted:
            break
        family = maker.pick(list(FAMILIES))
        made += bool(maker.pick(FAMILIES[family])(maker))
    return maker.case() if made >= least else reject()
