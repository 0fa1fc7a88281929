"""ai.onnx.ml: trees, which are walked a level at a time by gathers."""

from __future__ import annotations

from typing import Any

import numpy as np

from kaoken.frontend.learned import DOMAIN, as_floats, class_count, float_list, int_list, labels_at, transformed, two_classes
from kaoken.frontend.mapped_file import tensor_array
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, iota, join, tensor
from kaoken.ir.graph import Value

_MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER")
_TESTS = {"LEQ": "le", "LT": "lt", "GTE": "ge", "GT": "gt", "EQ": "eq", "NEQ": "ne"}


class _Forest:
    """Trees as tables over all nodes: feature, split, mode, next if the test holds, next if not; a leaf is next to itself."""

    def __init__(self, size: int, targets: int, dtype: str):
        self.feature, self.mode = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self.split = np.zeros(size, dtype)
        self.following = np.tile(np.arange(size), (2, 1))
        self.missing = np.zeros(size, bool)
        self.weights = np.zeros((size, targets), dtype)
        self.weighted = np.zeros((size, targets), bool)
        self.leaf = np.ones(size, bool)
        self.members: dict[int, list[float]] = {}
        self.roots = np.zeros(0, np.int64)

    def depth(self) -> int:
        """The longest way from a root. Raises Unsupported for one that does not end."""
        level, seen = np.unique(self.roots), 0
        while not self.leaf[level].all():
            level, seen = np.unique(self.following[:, level]), seen + 1
            if seen > len(self.leaf):
                raise Unsupported("its trees have cycles")
        return seen

    def scores(self, x: Tensor, aggregate: str) -> Tensor:
        """[row, target], before base values. Least and greatest are those of the trees that have a weight for a target."""
        reached = self.reached(x)
        weights = tensor(x.node, self.weights).take(reached)
        if aggregate in ("MIN", "MAX"):
            spoken = tensor(x.node, self.weighted).take(reached)
            neutral = np.inf if aggregate == "MIN" else -np.inf
            return self.given(reached).where(spoken.where(weights, neutral).reduce(aggregate.lower(), 1), 0)
        total = weights.reduce("sum", 1)
        return total / len(self.roots) if aggregate == "AVERAGE" else total

    def given(self, reached: Tensor) -> Tensor:
        """[row, target]: whether any leaf that is reached has a weight for the target."""
        return tensor(reached.node, self.weighted.astype(np.int64)).take(reached).reduce("max", 1).cast("bool")

    def reached(self, x: Tensor) -> Tensor:
        """[row, tree]: the leaf in which each row ends."""
        node, trees = x.node, len(self.roots)
        if int(self.feature.max(initial=0)) >= (x.shape[1].constant or 2**62) or self.feature.min(initial=0) < 0:
            raise Unsupported(f"a feature outside of {x}")
        at = tensor(node, self.roots).reshape(1, trees).expand(x.shape[0], trees)
        row = iota(node, x.shape[0]).reshape(x.shape[0], 1)
        tables = [tensor(node, t) for t in (self.feature, self.split, self.mode, self.missing, *self.following)]
        width = max((len(m) for m in self.members.values()), default=0)
        sets = np.full((len(self.leaf), width), np.nan, self.split.dtype)
        for n, members in self.members.items():
            sets[n, : len(members)] = members
        for _ in range(self.depth()):
            feature, split, mode, missing, yes, no = (t.take(at) for t in tables)
            value = x.at(row, feature)
            holds = missing & value.isnan()
            for number in sorted(set(self.mode[~self.leaf].tolist())):
                name = _MODES[number]
                if name == "MEMBER":
                    own = tensor(node, sets).take(at)
                    test = own.eq(value.reshape(*value.shape, 1)).cast("int64").reduce("max", -1).cast("bool")
                else:
                    test = getattr(value, _TESTS[name])(split)
                holds = holds | (test & mode.eq(number))
            at = holds.where(yes, no)
        return at


def _forest(node: OnnxNode, prefix: str, targets: int, dtype: str) -> _Forest:
    """The trees of opsets 1 and 3: nodes are numbered in their tree, weights are listed for (tree, node, target)."""
    trees, numbers = int_list(node, "nodes_treeids"), int_list(node, "nodes_nodeids")
    place = {key: n for n, key in enumerate(zip(trees.tolist(), numbers.tolist(), strict=True))}
    forest = _Forest(len(trees), targets, dtype)
    forest.feature, forest.split = int_list(node, "nodes_featureids"), float_list(node, "nodes_values", dtype)
    modes = [m.decode() if isinstance(m, bytes) else m for m in node.attribute("nodes_modes", [])]
    forest.leaf = np.array([m == "LEAF" for m in modes])
    forest.mode = np.array([0 if m == "LEAF" else _MODES.index(m.removeprefix("BRANCH_")) for m in modes], np.int64)
    nexts = zip(
        trees.tolist(), int_list(node, "nodes_truenodeids").tolist(), int_list(node, "nodes_falsenodeids").tolist(), strict=True
    )
    for n, (tree, yes, no) in enumerate(nexts):
        if not forest.leaf[n]:
            forest.following[:, n] = place[tree, yes], place[tree, no]
    if node.attribute("nodes_missing_value_tracks_true") is not None:
        forest.missing = int_list(node, "nodes_missing_value_tracks_true").astype(bool)
    reached = set(forest.following[:, ~forest.leaf].reshape(-1).tolist())
    forest.roots = np.array([n for n in range(len(trees)) if n not in reached], np.int64)
    kind = "target" if prefix == "target" else "class"
    columns = [int_list(node, f"{kind}_{name}").tolist() for name in ("treeids", "nodeids", "ids")]
    weights = zip(*columns, float_list(node, f"{kind}_weights", dtype).tolist(), strict=True)
    for tree, number, target, weight in weights:
        forest.weights[place[tree, number], target] += weight
        forest.weighted[place[tree, number], target] = True
    return forest


def _based(node: OnnxNode, scores: Tensor) -> Tensor:
    base = float_list(node, "base_values", scores.dtype)
    return scores + tensor(node, base) if base.size else scores


@onnx_op(f"{DOMAIN}.TreeEnsembleRegressor")
def tree_ensemble_regressor(node: OnnxNode) -> Value:
    x = as_floats(tensor(node, node.input(0)))
    forest = _forest(node, "target", int(node.attribute("n_targets", 1)), x.dtype)
    scores = _based(node, forest.scores(x, node.attribute("aggregate_function", "SUM")))
    if int(scores.shape[1]) > 1:  # of several targets, one of which no tree speaks is 0, as in onnxruntime
        scores = forest.given(forest.reached(x)).where(scores, 0)
    return transformed(scores.cast("float32"), node.attribute("post_transform", "NONE")).value


@onnx_op(f"{DOMAIN}.TreeEnsembleClassifier")
def tree_ensemble_classifier(node: OnnxNode) -> list[Any]:
    """Labels and scores, among classes that some leaf speaks for. Where all weights are of the first class of two they are the
    second one's score, and the first one's is 1 minus it if all are positive, else its negative."""
    classes, x = class_count(node), as_floats(tensor(node, node.input(0)))
    forest = _forest(node, "class", classes, x.dtype)
    scores = forest.scores(x, "SUM").cast("float32")
    kind = node.attribute("post_transform", "NONE")
    ids = set(int_list(node, "class_ids").tolist())
    if classes != 2 or len(ids) > 1:
        scores = _based(node, scores)
        likely = forest.given(forest.reached(x)).where(scores, -np.inf)
        return [labels_at(node, likely.first_extreme("argmax", 1)), transformed(scores, kind).value]
    one = scores.part(1, min(ids), 1)
    base = float_list(node, "base_values")
    one = one + float(base[-1]) if base.size else one
    positive = bool((float_list(node, "class_weights") >= 0).all())
    chosen = (one.take(0, 1) > (0.5 if positive else 0.0)).cast("int64")
    if ids == {1}:
        return [labels_at(node, chosen), transformed(join(1, one * 0, one), kind).value]
    return [labels_at(node, chosen), two_classes(one, kind, not positive or kind == "LOGISTIC").value]


@onnx_op(f"{DOMAIN}.TreeEnsemble")
def tree_ensemble(node: OnnxNode) -> Value:
    """Of opset 5: branches and leaves are numbered apart; here leaves come behind the branches."""
    x = tensor(node, node.input(0))
    targets = int(node.attribute("n_targets"))
    tables = {name: node.attribute(name) for name in ("nodes_modes", "nodes_splits", "leaf_weights", "membership_values")}
    modes, splits, weights = (tensor_array(t) if t is not None else np.zeros(0) for t in list(tables.values())[:3])
    branches, leaves = len(modes), len(weights)
    forest = _Forest(branches + leaves, targets, x.dtype)
    forest.leaf[:branches] = False
    forest.feature[:branches], forest.mode[:branches] = int_list(node, "nodes_featureids"), modes
    forest.split[:branches] = splits
    for n, side in enumerate(("true", "false")):
        behind = int_list(node, f"nodes_{side}leafs") * branches
        forest.following[n, :branches] = int_list(node, f"nodes_{side}nodeids") + behind
    if node.attribute("nodes_missing_value_tracks_true") is not None:
        forest.missing[:branches] = int_list(node, "nodes_missing_value_tracks_true").astype(bool)
    forest.weights[np.arange(leaves) + branches, int_list(node, "leaf_targetids")] = weights
    forest.weighted[np.arange(leaves) + branches, int_list(node, "leaf_targetids")] = True
    forest.roots = int_list(node, "tree_roots")
    if tables["membership_values"] is not None:
        members = tensor_array(tables["membership_values"])
        ends = np.flatnonzero(np.isnan(members)).tolist()
        starts = [0, *(e + 1 for e in ends)]
        for n, start, end in zip(np.flatnonzero(modes == _MODES.index("MEMBER")).tolist(), starts, ends, strict=False):
            forest.members[n] = members[start:end].tolist()
    aggregate = ("AVERAGE", "SUM", "MIN", "MAX")[int(node.attribute("aggregate_function", 1))]
    return transformed(forest.scores(x, aggregate), int(node.attribute("post_transform", 0))).value
