"""ONNX RNN, GRU and LSTM: one product for all inputs, then a loop over the steps whose body is gates and one product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from kaoken.frontend.control_flow import Looping
from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.spelled import Tensor, join, plus, tensor
from kaoken.ir.dims import Symbol, dim
from kaoken.ir.graph import Value

if TYPE_CHECKING:
    from kaoken.frontend.importer import Importer

Step = Callable[[Tensor, list[Tensor]], list[Tensor]]
"""From the inputs' share of the gates [batch, gates * hidden] and the state to the next state."""

_ACTIVATIONS: dict[str, tuple[float | None, float | None, Callable[[Tensor, float, float], Tensor]]] = {
    "Relu": (None, None, lambda x, a, b: x.max(0)),
    "Tanh": (None, None, lambda x, a, b: x.tanh()),
    "Sigmoid": (None, None, lambda x, a, b: x.sigmoid()),
    "Affine": (1, 0, lambda x, a, b: x * a + b),
    "LeakyRelu": (0.01, None, lambda x, a, b: (x >= 0).where(x, x * a)),
    "ThresholdedRelu": (1, None, lambda x, a, b: (x > a).where(x, 0)),
    "ScaledTanh": (1, 1, lambda x, a, b: (x * b).tanh() * a),
    "HardSigmoid": (0.2, 0.5, lambda x, a, b: (x * a + b).clamp(0, 1)),
    "Elu": (1, None, lambda x, a, b: (x >= 0).where(x, x.expm1() * a)),
    "Softsign": (None, None, lambda x, a, b: x / (x.abs() + 1)),
    "Softplus": (None, None, lambda x, a, b: x.max(0) + (-x.abs()).exp().log1p()),
}
"""The standard's activations, with the defaults of their two numbers; None where they take none."""

_DIRECTIONS = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
"""Whether each direction runs backward."""

_DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


class _Recurrent:
    """The operands and attributes of a node."""

    def __init__(self, importer: Importer, node: OnnxNode):
        self.importer, self.node = importer, node
        self.layout = int(node.attribute("layout", 0))
        self.x = self._time_first(tensor(node, node.input(0)))
        self.hidden = int(node.input(2).shape[2])
        self.directions = _DIRECTIONS[node.attribute("direction", "forward")]
        if node.input(1).shape[0] != len(self.directions):
            raise Unsupported(f"weights {node.input(1)} for {len(self.directions)} directions")
        self.lengths = node.optional(4)
        names = node.attribute("activations", _DEFAULTS[node.op] * len(self.directions))
        names = [name.decode() if isinstance(name, bytes) else name for name in names]
        given = [iter(node.attribute(name, ())) for name in ("activation_alpha", "activation_beta")]
        of_cells = 2 if node.op == "LSTM" else len(names)
        self.activations = [self._activation(name, n % 3 != of_cells, *given) for n, name in enumerate(names)]

    def _activation(self, name: str, clips: bool, alphas: Iterator[float], betas: Iterator[float]) -> Callable[[Tensor], Tensor]:
        known = {key.lower(): value for key, value in _ACTIVATIONS.items()}
        if name.lower() not in known:
            raise Unsupported(f"activation {name!r} is unknown")
        alpha, beta, function = known[name.lower()]
        a, b = (0.0 if default is None else next(own, default) for own, default in ((alphas, alpha), (betas, beta)))
        clip = self.node.attribute("clip") if clips else None
        return lambda x: function(x if clip is None else x.clamp(-clip, clip), a, b)

    def _time_first(self, x: Tensor) -> Tensor:
        """[time or direction, batch, ...] of what has the batch first in layout 1."""
        return x.transpose(1, 0, *range(2, x.rank)) if self.layout else x

    def operand(self, index: int, direction: int) -> Tensor | None:
        value = self.node.optional(index)
        return None if value is None else tensor(self.node, value).take(direction)

    def state(self, index: int, direction: int) -> Tensor:
        value = self.node.optional(index)
        if value is not None:
            return self._time_first(tensor(self.node, value)).take(direction)
        shape = (self.x.shape[1], dim(self.hidden))
        return tensor(self.node, self.node.add("fill", shape=shape, value=0.0, dtype=self.x.dtype))

    def run(self, gates: int, initial: tuple[int, ...], step: Callable[[_Recurrent, int], Step]) -> list[Value | None]:
        sequences, finals = [], []
        for direction, backward in enumerate(self.directions):
            rows, last = self._direction(direction, backward, gates, initial, step(self, direction))
            sequences.append(rows)
            finals.append(last)
        together = [self._stacked(sequences, 1), *(self._stacked(list(kind), 0) for kind in zip(*finals, strict=True))]
        if self.layout:
            together = [together[0].transpose(2, 0, 1, 3), *(final.transpose(1, 0, 2) for final in together[1:])]
        return [result.value for result in together]

    def _stacked(self, parts: list[Tensor], axis: int) -> Tensor:
        return join(axis, *(part.with_axis(axis) for part in parts))

    def _turned(self, x: Tensor) -> Tensor:
        if self.lengths is None:
            return x.flip(0)
        return x.reverse_sequence(tensor(self.node, self.lengths).cast("int64"), batch_axis=1, time_axis=0)

    def _direction(
        self, direction: int, backward: bool, gates: int, initial: tuple[int, ...], step: Step
    ) -> tuple[Tensor, list[Tensor]]:
        x = self._turned(self.x) if backward else self.x
        weights, bias = self.operand(1, direction), self.operand(3, direction)
        assert weights is not None
        width = gates * self.hidden
        shares = plus(x @ weights.transpose(1, 0), None if bias is None else bias.part(0, 0, width))
        states = [self.state(index, direction) for index in initial]

        def body(index: Symbol, carried: list[Value]) -> tuple[None, list[Value]]:
            before = [tensor(self.node, value) for value in carried]
            after = step(shares.take(dim(index)), before)
            row = after[0]
            if self.lengths is not None:
                goes = (tensor(self.node, self.lengths).cast("int64") > tensor(self.node, dim(index))).reshape(x.shape[1], 1)
                after = [goes.where(new, old) for new, old in zip(after, before, strict=True)]
                row = goes.where(row, 0)
            return None, [*(value.value for value in after), row.value]

        layer = f"{self.node.builder.origin[0]}_{direction}"
        names = [f"{self.node.names[0] or layer}_{direction}_{n}" for n in range(len(states) + 1)]
        looping = Looping(self.importer, layer, names, [s.value for s in states], body, x.shape[0])
        *last, rows = (tensor(self.node, value) for value in looping.run())
        return self._turned(rows) if backward else rows, last

    def gate(self, x: Tensor, number: int) -> Tensor:
        """Gate `number` of gates side by side."""
        return x.part(x.rank - 1, number * self.hidden, self.hidden)

    def recurrent(self, direction: int, gates: int) -> tuple[Tensor, Tensor | None]:
        """The recurrent weights, transposed, and their bias."""
        weights, bias = self.operand(2, direction), self.operand(3, direction)
        assert weights is not None
        half = gates * self.hidden
        return weights.transpose(1, 0), None if bias is None else bias.part(0, half, half)


def _rnn(r: _Recurrent, direction: int) -> Step:
    weights, bias = r.recurrent(direction, 1)
    (f,) = r.activations[direction : direction + 1]
    return lambda share, state: [f(plus(share + state[0] @ weights, bias))]


def _gru(r: _Recurrent, direction: int) -> Step:
    weights, bias = r.recurrent(direction, 3)
    f, g = r.activations[2 * direction : 2 * direction + 2]
    both, new = weights.part(1, 0, 2 * r.hidden), r.gate(weights, 2)
    biases = (None, None) if bias is None else (bias.part(0, 0, 2 * r.hidden), r.gate(bias, 2))

    def step(share: Tensor, state: list[Tensor]) -> list[Tensor]:
        (h,) = state
        opened = f(plus(share.part(1, 0, 2 * r.hidden) + h @ both, biases[0]))
        update, reset = r.gate(opened, 0), r.gate(opened, 1)
        if r.node.attribute("linear_before_reset", 0):
            made = g(r.gate(share, 2) + reset * plus(h @ new, biases[1]))
        else:
            made = g(plus(r.gate(share, 2) + (reset * h) @ new, biases[1]))
        return [(1 - update) * made + update * h]

    return step


def _lstm(r: _Recurrent, direction: int) -> Step:
    weights, bias = r.recurrent(direction, 4)
    f, g, h = r.activations[3 * direction : 3 * direction + 3]
    peepholes = r.operand(7, direction)

    def look(x: Tensor, cell: Tensor, number: int) -> Tensor:
        return x if peepholes is None else x + r.gate(peepholes, number) * cell

    def step(share: Tensor, state: list[Tensor]) -> list[Tensor]:
        hidden, cell = state
        gates = plus(share + hidden @ weights, bias)
        entry = f(look(r.gate(gates, 0), cell, 0))
        forget = 1 - entry if r.node.attribute("input_forget", 0) else f(look(r.gate(gates, 2), cell, 2))
        cell = forget * cell + entry * g(r.gate(gates, 3))
        return [f(look(r.gate(gates, 1), cell, 1)) * h(cell), cell]  # `clip` bounds gates, not the cell, as in onnxruntime

    return step


def read_recurrent(importer: Importer, node: OnnxNode) -> list[Value | None]:
    """Sequence, last hidden state and, of LSTM, last cell."""
    gates, initial, step = {"RNN": (1, (5,), _rnn), "GRU": (3, (5,), _gru), "LSTM": (4, (5, 6), _lstm)}[node.op]
    return _Recurrent(importer, node).run(gates, initial, step)
