"""Steps of optimizers (ai.onnx.preview.training), and batch normalisation in training."""

from __future__ import annotations

from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, tensor
from kaoken.ir.graph import Value

_DOMAIN = "ai.onnx.preview.training"


def _operands(node: OnnxNode, kinds: int) -> tuple[Tensor, Tensor, list[list[Tensor]]]:
    """The rate, the number of updates before, and for each tensor that is optimized itself, its gradient and its state."""
    rate, updates, *rest = (tensor(node, node.input(n)) for n in range(len(node.inputs)))
    if not rest or len(rest) % kinds:
        raise Unsupported(f"{len(rest)} tensors for steps of {kinds} each")
    count = len(rest) // kinds
    return rate.reshape(), updates.reshape(), [rest[n::count] for n in range(count)]


def _outputs(results: list[list[Tensor]]) -> list[Value | None]:
    return [item.value for kind in zip(*results, strict=True) for item in kind]


@onnx_op(f"{_DOMAIN}.Adagrad")
def adagrad(node: OnnxNode) -> list[Value | None]:
    rate, updates, groups = _operands(node, 3)
    rate = rate / (1 + updates.cast(rate.dtype) * node.attribute("decay_factor", 0.0))
    results = []
    for x, gradient, squares in groups:
        gradient = gradient + x * node.attribute("norm_coefficient", 0.0)
        squares = squares + gradient * gradient
        results.append([x - rate * gradient / (squares.sqrt() + node.attribute("epsilon", 1e-6)), squares])
    return _outputs(results)


@onnx_op(f"{_DOMAIN}.Adam")
def adam(node: OnnxNode) -> list[Value | None]:
    rate, updates, groups = _operands(node, 4)
    alpha, beta = node.attribute("alpha", 0.9), node.attribute("beta", 0.999)
    power = updates.cast(rate.dtype)
    first, second = (tensor(node, node.scalar(b, rate.value)).pow(power) for b in (alpha, beta))
    rate = (updates > 0).where(rate * (1 - second).sqrt() / updates.eq(0).where(1, 1 - first), rate)
    results = []
    for x, gradient, mean, squares in groups:
        gradient = gradient + x * node.attribute("norm_coefficient", 0.0)
        mean = mean * alpha + gradient * (1 - alpha)
        squares = squares * beta + gradient * gradient * (1 - beta)
        x = x - rate * mean / (squares.sqrt() + node.attribute("epsilon", 1e-6))
        results.append([x * (1 - node.attribute("norm_coefficient_post", 0.0)), mean, squares])
    return _outputs(results)


@onnx_op(f"{_DOMAIN}.Momentum")
def momentum(node: OnnxNode) -> list[Value | None]:
    rate, updates, groups = _operands(node, 3)
    alpha = node.attribute("alpha")
    beta = (updates > 0).where(tensor(node, node.scalar(node.attribute("beta"), rate.value)), 1)
    results = []
    for x, gradient, velocity in groups:
        gradient = gradient + x * node.attribute("norm_coefficient")
        velocity = velocity * alpha + beta * gradient
        step = gradient + velocity * alpha if node.attribute("mode") == "nesterov" else velocity
        results.append([x - rate * step, velocity])
    return _outputs(results)


def batch_norm_in_training(node: OnnxNode) -> list[Value | None]:
    """By the batch's own mean and variance, which move the running ones; before opset 14 its own are results too."""
    if not node.attribute("spatial", 1):
        raise Unsupported("training with spatial=0; export the model for inference")
    x, scale, shift, mean, variance = (tensor(node, node.input(n)) for n in range(5))
    axes, kept = [n for n in range(x.rank) if n != 1], node.attribute("momentum", 0.9)
    own = x.reduce("mean", *axes)
    centred = x - own.along(1, x.rank)
    spread = (centred * centred).reduce("mean", *axes)
    normal = centred / (spread + node.attribute("epsilon", 1e-5)).sqrt().along(1, x.rank)
    result = normal * scale.along(1, x.rank) + shift.along(1, x.rank)
    moved = [(a * kept + b.cast(a.dtype) * (1 - kept)).value for a, b in ((mean, own), (variance, spread))]
    return [result.value, *moved, own.value, spread.value]
