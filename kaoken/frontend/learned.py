"""ai.onnx.ml: scalers, encoders, linear models, support vectors, and trees, which are walked a level at a time by gathers."""

from __future__ import annotations

from typing import Any

import numpy as np

from kaoken.frontend.mapped_file import tensor_array
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.frontend.spelled import Tensor, iota, join, tensor
from kaoken.ir.graph import Value

_DOMAIN = "ai.onnx.ml"


def _floats(node: OnnxNode, name: str, dtype: str = "float32") -> np.ndarray:
    """A list attribute, or its form as a tensor."""
    whole = node.attribute(f"{name}_as_tensor")
    given = tensor_array(whole) if whole is not None else node.attribute(name)
    return np.array([] if given is None else given, dtype)


def _ints(node: OnnxNode, name: str) -> np.ndarray:
    return np.array(node.attribute(name, []), np.int64)


def _labels(node: OnnxNode, name: str) -> Tensor:
    labels = node.attribute(name)
    if labels is None:
        raise Unsupported("labels that are strings are not supported; give integers")
    return tensor(node, np.array(labels, np.int64))


def _float_input(node: OnnxNode) -> Tensor:
    x = tensor(node, node.input(0))
    return x if x.dtype.startswith("float") else x.cast("float32")


def transformed(scores: Tensor, kind: Any) -> Tensor:
    """A post_transform of scores [row, class], by name or by number."""
    kind = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")[kind] if isinstance(kind, int) else kind
    if kind == "NONE":
        return scores
    if kind == "LOGISTIC":
        return scores.sigmoid()
    if kind == "SOFTMAX":
        return scores.softmax(axis=1)
    if kind == "SOFTMAX_ZERO":
        shifted = (scores - scores.reduce("max", 1, keep=True)).exp()
        kept = scores.eq(0).where(0, shifted)
        total = kept.reduce("sum", 1, keep=True)
        return kept / total.eq(0).where(1, total)
    raise Unsupported(f"post_transform={kind} is not supported")


@onnx_op(f"{_DOMAIN}.ArrayFeatureExtractor")
def array_feature_extractor(node: OnnxNode) -> Value:
    x, index = tensor(node, node.input(0)), tensor(node, node.input(1))
    x = x.reshape(1, *x.shape) if x.rank == 1 else x
    return x.take(index.reshape(index.shape[-1]), x.rank - 1).value


@onnx_op(f"{_DOMAIN}.Binarizer")
def binarizer(node: OnnxNode) -> Value:
    x = tensor(node, node.input(0))
    return (x > node.attribute("threshold", 0.0)).cast(x.dtype).value


@onnx_op(f"{_DOMAIN}.Scaler")
def scaler(node: OnnxNode) -> Value:
    x = _float_input(node).cast("float32")
    return ((x - tensor(node, _floats(node, "offset"))) * tensor(node, _floats(node, "scale"))).value


@onnx_op(f"{_DOMAIN}.Normalizer")
def normalizer(node: OnnxNode) -> Value:
    x = _float_input(node).cast("float32")
    kind = node.attribute("norm", "MAX")
    if kind not in ("MAX", "L1", "L2"):
        raise Unsupported(f"norm={kind!r} is none of MAX, L1 and L2")
    size = x.reduce("max", -1, keep=True) if kind == "MAX" else x.reduce(kind.lower(), -1, keep=True)
    return (x / size.eq(0).where(1, size)).value


@onnx_op(f"{_DOMAIN}.Imputer")
def imputer(node: OnnxNode) -> Value:
    x = tensor(node, node.input(0))
    kind = "float" if x.dtype.startswith("float") else "int64"
    values = tensor(node, np.array(node.attribute(f"imputed_value_{kind}s"), x.dtype))
    replaced = node.attribute(f"replaced_value_{kind}", 0)
    hit = x.isnan() if replaced != replaced else x.eq(replaced)
    return hit.where(values, x).value


@onnx_op(f"{_DOMAIN}.OneHotEncoder")
def one_hot_encoder(node: OnnxNode) -> Value:
    x, categories = tensor(node, node.input(0)), _labels(node, "cats_int64s")
    return x.cast("int64").reshape(*x.shape, 1).eq(categories).cast("float32").value


@onnx_op(f"{_DOMAIN}.LabelEncoder")
def label_encoder(node: OnnxNode) -> Value:
    """The value of the key that is met, else the default; of equal keys the last counts, and NaN is equal to NaN."""
    x = tensor(node, node.input(0))

    def table(kind: str) -> np.ndarray:
        for suffix, dtype in (("int64s", np.int64), ("floats", np.float32)):
            if node.attribute(f"{kind}_{suffix}") is not None:
                return np.array(node.attribute(f"{kind}_{suffix}"), dtype)
        whole = node.attribute(f"{kind}_tensor")
        data = tensor_array(whole) if whole is not None else np.array([""])
        if data.dtype.kind not in "iufb":
            raise Unsupported("keys and values that are strings are not supported")
        return data.reshape(-1)

    keys, values = table("keys").astype(x.dtype), table("values")
    whole = node.attribute("default_tensor")
    default = tensor_array(whole).reshape(-1)[0] if whole is not None else None
    if default is None:
        integer = values.dtype.kind in "iu"
        default = node.attribute("default_int64", -1) if integer else node.attribute("default_float", 0.0)
    known = tensor(node, keys)
    column = x.reshape(*x.shape, 1)
    hit = column.eq(known) | (column.isnan() & known.isnan()) if keys.dtype.kind == "f" else column.eq(known)
    place = hit.where(iota(node, len(keys)), -1).reduce("max", -1)
    table_of = tensor(node, np.append(values, np.array([default], values.dtype)))
    return table_of.take((place < 0).where(len(keys), place)).value


@onnx_op(f"{_DOMAIN}.FeatureVectorizer")
def feature_vectorizer(node: OnnxNode) -> Value:
    parts = [tensor(node, node.input(n)).cast("float32") for n in range(len(node.inputs))]
    return join(1, *(p.reshape(1, *p.shape) if p.rank == 1 else p for p in parts)).value


def _linear(node: OnnxNode, x: Tensor, rows: int) -> Tensor:
    """[row, target] scores of coefficients [target, feature]."""
    x = x.reshape(1, *x.shape) if x.rank == 1 else x
    weights = _floats(node, "coefficients", x.dtype).reshape(rows, -1)
    result = x @ tensor(node, weights.T.copy())
    bias = _floats(node, "intercepts", x.dtype)
    return result + tensor(node, bias) if bias.size else result


@onnx_op(f"{_DOMAIN}.LinearRegressor")
def linear_regressor(node: OnnxNode) -> Value:
    scores = _linear(node, _float_input(node).cast("float32"), int(node.attribute("targets", 1)))
    return transformed(scores, node.attribute("post_transform", "NONE")).value


@onnx_op(f"{_DOMAIN}.LinearClassifier")
def linear_classifier(node: OnnxNode) -> list[Value | None]:
    """Labels and scores; a score alone is that of the second class of two."""
    labels = _labels(node, "classlabels_ints")
    x = _float_input(node).cast("float32")
    bias, weights = _floats(node, "intercepts"), _floats(node, "coefficients")
    scores = _linear(node, x, max(1, bias.size or weights.size // int(x.shape[-1])))
    kind = node.attribute("post_transform", "NONE")
    if scores.shape[1] == 1 and labels.shape[0] == 2:
        chosen = (scores.take(0, 1) > 0).cast("int64")
        second = scores.sigmoid() if kind == "LOGISTIC" else scores
        return [labels.take(chosen).value, join(1, 1 - second, second).value]
    return [labels.take(scores.argmax(axis=1, keepdims=False, last=False)).value, transformed(scores, kind).value]


@onnx_op(f"{_DOMAIN}.SVMRegressor")
def svm_regressor(node: OnnxNode) -> Value:
    x = _float_input(node).cast("float32")
    count = int(node.attribute("n_supports", 0))
    if not count:
        scores = _linear(node, x, 1)
    else:
        vectors = _floats(node, "support_vectors").reshape(count, -1)
        scores = _kernel(node, x, vectors) @ tensor(node, _floats(node, "coefficients").reshape(count, 1))
    scores = scores + float(_floats(node, "rho")[0])
    if node.attribute("one_class", 0):
        return (scores > 0).where(tensor(node, np.array(1, np.float32)), -1).value
    return transformed(scores, node.attribute("post_transform", "NONE")).value


def _kernel(node: OnnxNode, x: Tensor, vectors: np.ndarray) -> Tensor:
    """[row, vector]: the kernel function of each row and each support vector."""
    gamma, offset, degree = (float(v) for v in _floats(node, "kernel_params"))
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


# trees --------------------------------------------------------------------------------------------------------------------------

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
        """[row, target], before base values."""
        kinds = {"SUM": "sum", "AVERAGE": "sum", "MIN": "min", "MAX": "max"}
        total = tensor(x.node, self.weights).take(self.reached(x)).reduce(kinds[aggregate], 1)
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
    trees, numbers = _ints(node, "nodes_treeids"), _ints(node, "nodes_nodeids")
    place = {key: n for n, key in enumerate(zip(trees.tolist(), numbers.tolist(), strict=True))}
    forest = _Forest(len(trees), targets, dtype)
    forest.feature, forest.split = _ints(node, "nodes_featureids"), _floats(node, "nodes_values", dtype)
    modes = [m.decode() if isinstance(m, bytes) else m for m in node.attribute("nodes_modes", [])]
    forest.leaf = np.array([m == "LEAF" for m in modes])
    forest.mode = np.array([0 if m == "LEAF" else _MODES.index(m.removeprefix("BRANCH_")) for m in modes], np.int64)
    nexts = zip(
        trees.tolist(), _ints(node, "nodes_truenodeids").tolist(), _ints(node, "nodes_falsenodeids").tolist(), strict=True
    )
    for n, (tree, yes, no) in enumerate(nexts):
        if not forest.leaf[n]:
            forest.following[:, n] = place[tree, yes], place[tree, no]
    if node.attribute("nodes_missing_value_tracks_true") is not None:
        forest.missing = _ints(node, "nodes_missing_value_tracks_true").astype(bool)
    reached = set(forest.following[:, ~forest.leaf].reshape(-1).tolist())
    forest.roots = np.array([n for n in range(len(trees)) if n not in reached], np.int64)
    kind = "target" if prefix == "target" else "class"
    weights = zip(
        _ints(node, f"{kind}_treeids").tolist(), _ints(node, f"{kind}_nodeids").tolist(), _ints(node, f"{kind}_ids").tolist(),
        _floats(node, f"{kind}_weights", dtype).tolist(), strict=True,
    )  # fmt: skip
    for tree, number, target, weight in weights:
        forest.weights[place[tree, number], target] += weight
        forest.weighted[place[tree, number], target] = True
    return forest


def _based(node: OnnxNode, scores: Tensor) -> Tensor:
    base = _floats(node, "base_values", scores.dtype)
    return scores + tensor(node, base) if base.size else scores


@onnx_op(f"{_DOMAIN}.TreeEnsembleRegressor")
def tree_ensemble_regressor(node: OnnxNode) -> Value:
    x = _float_input(node)
    forest = _forest(node, "target", int(node.attribute("n_targets", 1)), x.dtype)
    scores = _based(node, forest.scores(x, node.attribute("aggregate_function", "SUM")))
    return transformed(scores.cast("float32"), node.attribute("post_transform", "NONE")).value


@onnx_op(f"{_DOMAIN}.TreeEnsembleClassifier")
def tree_ensemble_classifier(node: OnnxNode) -> list[Value | None]:
    """Labels and scores, among classes that some leaf speaks for. Where all weights are of the first class of two they are the
    second one's score, and the first one's is 1 minus it if all are positive, else its negative."""
    labels, x = _labels(node, "classlabels_int64s"), _float_input(node)
    classes = int(labels.shape[0])
    forest = _forest(node, "class", classes, x.dtype)
    scores = forest.scores(x, "SUM").cast("float32")
    kind = node.attribute("post_transform", "NONE")
    ids = set(_ints(node, "class_ids").tolist())
    if classes != 2 or len(ids) > 1:
        scores = _based(node, scores)
        likely = forest.given(forest.reached(x)).where(scores, -np.inf)
        return [labels.take(likely.argmax(axis=1, keepdims=False, last=False)).value, transformed(scores, kind).value]
    one = scores.part(1, min(ids), 1)
    base = _floats(node, "base_values")
    one = one + float(base[-1]) if base.size else one
    positive = bool((_floats(node, "class_weights") >= 0).all())
    chosen = (one.take(0, 1) > (0.5 if positive else 0.0)).cast("int64")
    other = one * 0 if ids == {1} else 1 - one if positive and kind != "LOGISTIC" else -one
    return [labels.take(chosen).value, transformed(join(1, other, one), kind).value]


@onnx_op(f"{_DOMAIN}.TreeEnsemble")
def tree_ensemble(node: OnnxNode) -> Value:
    """Of opset 5: branches and leaves are numbered apart; here leaves come behind the branches."""
    x = tensor(node, node.input(0))
    targets = int(node.attribute("n_targets"))
    tables = {name: node.attribute(name) for name in ("nodes_modes", "nodes_splits", "leaf_weights", "membership_values")}
    modes, splits, weights = (tensor_array(t) if t is not None else np.zeros(0) for t in list(tables.values())[:3])
    branches, leaves = len(modes), len(weights)
    forest = _Forest(branches + leaves, targets, x.dtype)
    forest.leaf[:branches] = False
    forest.feature[:branches], forest.mode[:branches] = _ints(node, "nodes_featureids"), modes
    forest.split[:branches] = splits
    for n, side in enumerate(("true", "false")):
        behind = _ints(node, f"nodes_{side}leafs") * branches
        forest.following[n, :branches] = _ints(node, f"nodes_{side}nodeids") + behind
    if node.attribute("nodes_missing_value_tracks_true") is not None:
        forest.missing[:branches] = _ints(node, "nodes_missing_value_tracks_true").astype(bool)
    forest.weights[np.arange(leaves) + branches, _ints(node, "leaf_targetids")] = weights
    forest.roots = _ints(node, "tree_roots")
    if tables["membership_values"] is not None:
        members = tensor_array(tables["membership_values"])
        ends = np.flatnonzero(np.isnan(members)).tolist()
        starts = [0, *(e + 1 for e in ends)]
        for n, start, end in zip(np.flatnonzero(modes == _MODES.index("MEMBER")).tolist(), starts, ends, strict=False):
            forest.members[n] = members[start:end].tolist()
    aggregate = ("AVERAGE", "SUM", "MIN", "MAX")[int(node.attribute("aggregate_function", 1))]
    return transformed(forest.scores(x, aggregate), int(node.attribute("post_transform", 0))).value
