"""The table of ONNX operators the frontend reads, each by opset range, and what their readers are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeVar

import numpy as np
import onnx

from kaoken.ir.builder import Builder, literal_elements
from kaoken.ir.dims import Dim, dim, is_nonnegative, maximum, product
from kaoken.ir.dtypes import C_TYPES
from kaoken.ir.expr import Const, Expr, Int, Read, literal
from kaoken.ir.found_sizes import largest
from kaoken.ir.graph import Value
from kaoken.ops import element_at
from kaoken.ops.registry import ExtentsDiffer

MOST_SIZES = 8
"""Vectors of so many integers from data may be sizes."""


class Unsupported(Exception):
    """An operator, attribute or operand that cannot be compiled; the message says what and what to do."""


@dataclass
class OnnxNode:
    """One ONNX node as its reader sees it."""

    op: str
    version: int
    inputs: list[Value | None]
    attributes: dict[str, Any]
    output_count: int
    builder: Builder
    names: list[str]
    declared: dict[str, list[Dim | None]] = field(default_factory=dict)

    def input(self, index: int) -> Value:
        """A required input. Raises Unsupported when it is missing."""
        value = self.optional(index)
        if value is None:
            raise Unsupported(f"input {index} is missing")
        return value

    def optional(self, index: int) -> Value | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    def moved(self, *names: str) -> OnnxNode:
        """The node with attributes as further inputs, as later opsets have them; None for each that is left out.

        Floats take the type of the first input.
        """
        for name in names:
            elements = None if (given := self.attribute(name)) is None else np.asarray(given)
            if elements is not None:
                elements = elements.astype(self.input(0).dtype if elements.dtype.kind == "f" else np.int64)
            self.inputs.append(None if elements is None else self.builder.constant(elements))
        return self

    def add(self, op: str, *inputs: Value | None, **attrs: Any) -> Value:
        """Add an operation; the call checks that extents fit where some of them are sizes that it finds."""
        try:
            return self.builder.add(op, inputs, **attrs)
        except ExtentsDiffer as differ:
            from kaoken.frontend.fitting import fitted

            return self.add(op, *fitted(self, inputs, differ), **attrs)

    def scalar(self, value: float, like: Value) -> Value:
        """A rank-0 constant of the type of `like`."""
        return self.builder.constant(np.asarray(value).astype(like.dtype))

    def integers(self, index: int) -> list[int]:
        """The elements of an integer input that must be constant. Raises Unsupported when they come from data."""
        elements = literal_elements(self.input(index))
        if self.input(index).shape == (dim(0),):
            return []
        if elements is None:
            raise Unsupported(f"input {index} ({self.input(index).name}) must be constant")
        return [int(e) for e in elements.reshape(-1)]

    def dims(self, index: int) -> list[Dim]:
        """The elements of an integer input as expressions of the dims. Raises Unsupported when they come from data."""
        value = self.input(index)
        found = known_dims(value)
        if found is None:
            raise Unsupported(f"input {index} ({value.name}) is computed from data; sizes must follow from the inputs' shapes")
        return found

    def sizes(self, index: int, declared: Sequence[Dim | None] = ()) -> list[Dim]:
        """Like `dims`; elements that come from data are sizes that the call finds, which `--dim` bounds by the input's name.

        `declared` are extents that the model says they have (see `declared_shape`); the call checks that.
        """
        value = self.input(index)
        count = product(value.shape).constant
        computed = value.known is None and value.data is None
        if not computed or value.rank > 1 or count is None or count > MOST_SIZES or value.dtype not in ("int64", "int32"):
            return self.dims(index)
        return self.found_sizes(value, value.name, declared)

    def found_sizes(
        self, value: Value, name: str, declared: Sequence[Dim | None] = (), uppers: Sequence[Dim | None] = ()
    ) -> list[Dim]:
        """The elements of an integer vector as sizes: those that are known, those that the model declares, else found ones."""
        found = known_dims(value)
        if found is not None:
            return found
        count = int(product(value.shape))
        sizes = []
        for n, exactly, upper in zip_longest(range(count), declared[:count], uppers[:count]):
            element = element_at(value, n)
            if isinstance(element, (Const, Int)):
                sizes.append(element_dim(element))
            else:
                sizes.append(self.found_size(value, n, name if count == 1 else f"{name}_{n}", upper, exactly))
        return sizes

    def declared_shape(self, rank: int, output: int = 0) -> list[Dim | None]:
        """The extents that the model declares as numbers for an output of its own; None for each that it does not."""
        shape = self.declared.get(self.names[output], []) if output < len(self.names) else []
        return list(shape) if len(shape) == rank else [None] * rank

    def found_size(self, value: Value, element: int, name: str, upper: Dim | None, exactly: Dim | None = None) -> Dim:
        """An element of an integer tensor as a size that the call finds, 0 or more; the same symbol each time it is asked for,
        by whatever way it came there. `--dim` bounds it by `name`, or by the name of the input whose element it is.

        Where it is known what it must be, `exactly` says so: the call only checks it.
        """
        builder = self.builder
        what: Any = (value, element) if any(d.constant is None for d in value.shape) else element_at(value, element)
        key = (id(builder.graph), what)
        known = self.size_read(what)
        most = None if known is None else largest(known)
        within = upper is None or (most is not None and is_nonnegative(upper - most))
        if known is not None and within and exactly in (None, known):
            return known
        if isinstance(what, Read) and what.value.producer is None and what.value.rank <= 1:
            at = [literal(i) for i in what.indices]
            alone = product(what.value.shape) == 1
            name = name if None in at else what.value.name if alone else "_".join([what.value.name, *map(str, at)])
        if name in builder.exact and exactly is None:
            exactly = dim(builder.exact[name])
        flat = self.add("reshape", value, shape=(product(value.shape),))
        single = self.add("gather", flat, builder.constant(np.asarray(element)), axis=0)
        single = single if single.dtype == "int64" else self.add("cast", single, to="int64")
        if exactly is not None:
            single = self.add("sub", single, builder.known(Int(exactly)))
        symbol = builder.found(name, builder.least(name) if exactly is None else 0, upper if exactly is None else dim(0))
        builder.add_node("size", [single], finds=(symbol,), checks=exactly is not None)
        builder.sizes[key] = (builder.graph, dim(symbol) if exactly is None else exactly)
        return builder.sizes[key][1]

    def size_known(self, value: Value, element: int) -> Dim | None:
        """An element of an integer tensor of fixed shape as a size that is known, or that a call finds before; None otherwise."""
        what = element_at(value, element)
        if isinstance(what, (Const, Int)):
            size = element_dim(what)
            return size if is_nonnegative(size - 1) else None
        return self.size_read(what)

    def size_read(self, what: Any) -> Dim | None:
        """What an element of a tensor is that is a size, or must be; None where nothing asked for it as one."""
        found = self.builder.sizes
        return next((found[id(g), what][1] for g in self.builder.enclosing() if (id(g), what) in found), None)

    def require(self, holds: Value) -> None:
        """The call ends with an error where a bool does not hold."""
        failed = self.add("cast", self.add("not", holds), to="int64")
        elements = literal_elements(failed)
        if elements is None:
            self.found_size(failed, 0, f"{self.names[0]}_fits", None, dim(0))
        elif elements.any():
            raise Unsupported("its extents do not fit, whatever the sizes")


def declared_shape(info: onnx.ValueInfoProto) -> list[Dim | None]:
    """The extents that a model declares for a value as numbers."""
    extents = info.type.tensor_type.shape.dim if info.type.HasField("tensor_type") else []
    return [dim(d.dim_value) if d.HasField("dim_value") and d.dim_value >= 0 else None for d in extents]


def element_dtype(element_type: int) -> str:
    """The name of an ONNX element type. Raises Unsupported for one that has no plain C type."""
    try:
        dtype = str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(int(element_type))))
    except (KeyError, TypeError):
        dtype = ""
    if dtype not in C_TYPES:
        names = {number: name for name, number in onnx.TensorProto.DataType.items()}
        raise Unsupported(f"element type {names.get(element_type, element_type)} is not supported")
    return dtype


def share(whole: Dim, others: Sequence[Dim]) -> Dim:
    """What is left for an extent that makes, together with others, no more than a whole: `found_sizes.largest` knows the form."""
    return whole // maximum(dim(1), product(others))


def known_dims(value: Value) -> list[Dim] | None:
    """The elements of an integer tensor as expressions of the dims, None where they come from data."""
    if value.known is None and value.data is not None:
        return [dim(int(e)) for e in value.data.reshape(-1)]
    return None if value.known is None else [element_dim(e) for e in value.known.reshape(-1)]


def element_dim(element: Expr) -> Dim:
    """A known element as an expression of the dims. Raises Unsupported for one that is no integer."""
    if isinstance(element, Int):
        return element.value
    value = literal(element)
    if value is None or int(value) != value:
        raise Unsupported("a size is no integer")
    return dim(int(value))


Reader = Callable[[OnnxNode], Any]
"""Gives a value, or a list of them and of None for results that are not there."""
R = TypeVar("R", bound=Reader)
READERS: dict[str, list[tuple[int, Reader]]] = {}


def onnx_op(*names: str, since: int = 1) -> Callable[[R], R]:
    """Register a reader for operators from opset `since` on, until the next registered version."""

    def register(reader: R) -> R:
        for name in names:
            READERS.setdefault(name, []).append((since, reader))
            READERS[name].sort(key=lambda item: item[0])
        return reader

    return register


def reader_for(name: str, version: int) -> Reader | None:
    """The reader of an operator at an opset version, or None."""
    best = None
    for since, reader in READERS.get(name, []):
        if since <= version:
            best = reader
    return best
