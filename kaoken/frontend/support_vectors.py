"""ai.onnx.ml: support vector machines."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from kaoken.frontend.control_flow import Looping
from kaoken.frontend.learned import (
    DOMAIN,
    as_rows,
    class_count,
    float_list,
    int_list,
    labels_at,
    linear,
    transformed,
    two_classes,
)
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, iota, join, tensor
from kaoken.ir.dims import Symbol, dim
from kaoken.ir.graph import Value

if TYPE_CHECKING:
    from kaoken.frontend.importer import Importer


@onnx_op(f"{DOMAIN}.SVMRegressor")
def svm_regressor(node: OnnxNode) -> Value:
    x = tensor(node, node.input(0)).cast("float32")
    count = int(node.attribute("n_supports", 0))
    if not count:
        scores = linear(node, x, 1)
    else:
        vectors = float_list(node, "support_vectors").reshape(count, -1)
        scores = _kernel(node, x, vectors) @ tensor(node, float_list(node, "coefficients").reshape(count, 1))
    scores = scores + float(float_list(node, "rho")[0])
    if node.attribute("one_class", 0):
        return (scores > 0).where(tensor(node, np.array(1, np.float32)), -1).value
    return transformed(scores, node.attribute("post_transform", "NONE")).value


def _kernel(node: OnnxNode, x: Tensor, vectors: np.ndarray) -> Tensor:
    """[row, vector]: the kernel function of each row and each support vector."""
    gamma, offset, degree = (float(v) for v in float_list(node, "kernel_params"))
    kind = node.attribute("kernel_type", "LINEAR")
    if kind == "RBF":
        apart = x.reshape(x.shape[0], 1, x.shape[1]) - tensor(node, vectors)
        return ((apart * apart).reduce("sum", 2) * -gamma).exp()
    product = x @ tensor(node, vectors.T.copy())
    if kind == "LINEAR":
        return product
    if kind not in ("POLY", "SIGMOID"):
        raise Unsupported(f"kernel_type={kind!r} is unknown")
    scaled = product * gamma + offset
    return scaled.tanh() if kind == "SIGMOID" else scaled.pow(degree)


def read_svm_classifier(importer: Importer, node: OnnxNode) -> list[Any]:
    """Labels and scores. With support vectors each pair of classes has a decision, and the class of most of them wins; where two
    classes have one decision alone, both get a score of it. Without, each class has a linear score.

    What two classes get that the standard leaves open is onnxruntime's.
    """
    x = as_rows(tensor(node, node.input(0)).cast("float32"))
    kind, classes = node.attribute("post_transform", "NONE"), class_count(node)
    counts, rho = int_list(node, "vectors_per_class"), float_list(node, "rho")
    if not counts.sum():
        weights = float_list(node, "coefficients").reshape(classes, -1)
        scores = x @ tensor(node, weights.T.copy()) + float(rho[0])
        chosen = scores.first_extreme("argmax", 1)
        if classes == 2:
            highest = scores.reduce("max", 1)
            second = highest >= 0.5 if (weights >= 0).all() else highest > 0
            chosen = second.where(1, chosen)
        plain = classes == 1 and kind != "PROBIT"
        return [labels_at(node, chosen), scores.value if plain else transformed(scores, kind).value]
    if len(counts) != classes or classes < 2:
        raise Unsupported(f"support vectors of {len(counts)} classes for {classes} labels")
    scores, votes = _decisions(node, x, counts, rho)
    chosen = votes.first_extreme("argmax", 1)
    if node.attribute("prob_a"):
        scores = _probabilities(importer, node, scores, classes)
    if scores.shape[1] == 1:
        return [labels_at(node, chosen), two_classes(scores, kind, kind in ("NONE", "LOGISTIC")).value]
    return [labels_at(node, chosen), transformed(scores, kind).value]


def _decisions(node: OnnxNode, x: Tensor, counts: np.ndarray, rho: np.ndarray) -> tuple[Tensor, Tensor]:
    """[row, pair]: the decision of each pair of classes, in order, for the first of them if above 0; [row, class]: votes."""
    total, classes = int(counts.sum()), len(counts)
    vectors = float_list(node, "support_vectors").reshape(total, -1)
    coefficients = float_list(node, "coefficients").reshape(classes - 1, total)
    ends = np.cumsum(counts)
    own = [slice(int(end - count), int(end)) for end, count in zip(ends, counts, strict=True)]
    pairs = list(combinations(range(classes), 2))
    weights = np.zeros((total, len(pairs)), np.float32)
    ballots = np.zeros((2, len(pairs), classes), np.float32)
    for n, (i, j) in enumerate(pairs):
        weights[own[i], n] = coefficients[j - 1, own[i]]
        weights[own[j], n] = coefficients[i, own[j]]
        ballots[0, n, i] = ballots[1, n, j] = 1
    scores = _kernel(node, x, vectors) @ tensor(node, weights) + tensor(node, rho)
    first = (scores > 0).cast("float32")
    return scores, first @ tensor(node, ballots[0].copy()) + (1 - first) @ tensor(node, ballots[1].copy())


def _probabilities(importer: Importer, node: OnnxNode, scores: Tensor, classes: int) -> Tensor:
    """[row, class]: probabilities that fit those of pairs best, found by the iteration of T. Wu, C. Lin and R. Weng, "Probability
    Estimates for Multi-class Classification by Pairwise Coupling" (2004), ended as libsvm ends it."""
    a, b = (tensor(node, float_list(node, name)) for name in ("prob_a", "prob_b"))
    first = (-(scores * a + b)).sigmoid().clamp(1e-7, 1 - 1e-7)
    rows, pairs = scores.shape
    place = np.full((classes, classes), 2 * int(pairs), np.int64)
    for n, (i, j) in enumerate(combinations(range(classes), 2)):
        place[i, j], place[j, i] = n, n + int(pairs)
    beside = join(1, first, 1 - first, tensor(node, np.zeros((1, 1), np.float32)).expand(rows, 1))
    likely = beside.take(tensor(node, place.reshape(-1)), 1).reshape(rows, classes, classes)
    squares = (likely * likely).reduce("sum", 1).reshape(rows, 1, classes)
    system = tensor(node, np.eye(classes, dtype=np.float32)) * squares - likely * likely.transpose(0, 2, 1)
    even = tensor(node, np.full((1, classes), 1 / classes, np.float32)).expand(rows, classes)
    none = tensor(node, np.zeros((1, 1), np.float32)).expand(rows, 1)

    def body(index: Symbol, carried: list[Value]) -> tuple[None, list[Value]]:
        """Trip `n * classes + t` improves probability t."""
        guess, product, value, done = (tensor(node, v) for v in carried)
        t = tensor(node, dim(index)) % classes
        begins, here = t.eq(0), iota(node, classes).eq(t)
        whole = (system * guess.reshape(rows, 1, classes)).reduce("sum", 2)
        product = begins.where(whole, product)
        value = begins.where((guess * whole).reduce("sum", 1, keep=True), value)
        near = (product - value).abs().reduce("max", 1, keep=True) < 0.005 / classes
        done = (begins & near).where(1, done)
        row, own = system.take(t, 1), here.where(product, 0).reduce("sum", 1, keep=True)
        diagonal = here.where(row, 0).reduce("sum", 1, keep=True)
        step = (done > 0).where(0, (value - own) / diagonal)
        scale = 1 + step
        value = (value + step * (step * diagonal + own * 2)) / (scale * scale)
        product = (product + step * row) / scale
        guess = (guess + here.where(step, tensor(node, np.zeros((1, 1), np.float32)))) / scale
        return None, [v.value for v in (guess, product, value, done)]

    layer = node.builder.origin[0]
    trips = dim(max(100, classes) * classes)
    names = [f"{layer}_{name}" for name in ("probabilities", "product", "value", "done")]
    found = Looping(importer, layer, names, [v.value for v in (even, even * 0, none, none)], body, trips).run()
    return tensor(node, found[0])
