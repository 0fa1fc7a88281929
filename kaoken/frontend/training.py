"""Steps of optimizers (ai.onnx.preview.training), and batch normalisation in training."""

from __future__ import annotations

from kaoken.frontend.registry import Unsupported
from kaoken.frontend.spelled import Tensor, onnx_formula, tensor

_DOMAIN = "ai.onnx.preview.training"


def _groups(rest: tuple[Tensor, ...], kinds: int) -> list[tuple[Tensor, ...]]:
    """Each tensor that is optimized, with its gradient and its state."""
    if not rest or len(rest) % kinds:
        raise Unsupported(f"{len(rest)} tensors for steps of {kinds} each")
    count = len(rest) // kinds
    return [rest[n::count] for n in range(count)]


def _outputs(results: list[list[Tensor]]) -> list[Tensor]:
    return [item for kind in zip(*results, strict=True) for item in kind]


@onnx_formula(f"{_DOMAIN}.Adagrad")
def adagrad(
    rate: Tensor, updates: Tensor, *rest: Tensor, decay_factor: float = 0.0, norm_coefficient: float = 0.0, epsilon: float = 1e-6
) -> list[Tensor]:
    rate = rate.reshape() / (1 + updates.reshape().cast(rate.dtype) * decay_factor)
    results = []
    for x, gradient, squares in _groups(rest, 3):
        gradient = gradient + x * norm_coefficient
        squares = squares + gradient * gradient
        results.append([x - rate * gradient / (squares.sqrt() + epsilon), squares])
    return _outputs(results)


@onnx_formula(f"{_DOMAIN}.Adam")
def adam(
    rate: Tensor, updates: Tensor, *rest: Tensor, alpha: float = 0.9, beta: float = 0.999,
    norm_coefficient: float = 0.0, norm_coefficient_post: float = 0.0, epsilon: float = 1e-6,
) -> list[Tensor]:  # fmt: skip
    rate, updates = rate.reshape(), updates.reshape()
    power = updates.cast(rate.dtype)
    first, second = (tensor(rate.node, rate.other(b)).pow(power) for b in (alpha, beta))
    rate = (updates > 0).where(rate * (1 - second).sqrt() / updates.eq(0).where(1, 1 - first), rate)
    results = []
    for x, gradient, mean, squares in _groups(rest, 4):
        gradient = gradient + x * norm_coefficient
        mean = mean * alpha + gradient * (1 - alpha)
        squares = squares * beta + gradient * gradient * (1 - beta)
        x = x - rate * mean / (squares.sqrt() + epsilon)
        results.append([x * (1 - norm_coefficient_post), mean, squares])
    return _outputs(results)


@onnx_formula(f"{_DOMAIN}.Momentum")
def momentum(
    rate: Tensor, updates: Tensor, *rest: Tensor, alpha: float, beta: float, mode: str, norm_coefficient: float
) -> list[Tensor]:
    rate, updates = rate.reshape(), updates.reshape()
    fresh = (updates > 0).where(tensor(rate.node, rate.other(beta)), 1)
    results = []
    for x, gradient, velocity in _groups(rest, 3):
        gradient = gradient + x * norm_coefficient
        velocity = velocity * alpha + fresh * gradient
        results.append([x - rate * (gradient + velocity * alpha if mode == "nesterov" else velocity), velocity])
    return _outputs(results)


def batch_norm_in_training(
    x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, momentum: float, epsilon: float
) -> list[Tensor]:
    """By the batch's own mean and variance, which move the running ones; before opset 14 its own are results too."""
    axes = [n for n in range(x.rank) if n != 1]
    own = x.reduce("mean", *axes)
    centred = x - own.along(1, x.rank)
    spread = (centred * centred).reduce("mean", *axes)
    result = centred / (spread + epsilon).sqrt().along(1, x.rank) * scale.along(1, x.rank) + shift.along(1, x.rank)
    moved = [a * momentum + b.cast(a.dtype) * (1 - momentum) for a, b in ((mean, own), (variance, spread))]
    return [result, *moved, own, spread]
