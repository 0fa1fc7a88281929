"""ai.onnx.ml: scalers, encoders, linear models, and what all classifiers share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kaoken.frontend.composite import Maps, Strings
from kaoken.frontend.mapped_file import tensor_array
from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.spelled import Tensor, iota, join, onnx_formula, tensor
from kaoken.frontend.strings import find, known_strings, string_op, strings
from kaoken.ir.dims import dim, maximum, minimum

DOMAIN = "ai.onnx.ml"


def float_list(node: OnnxNode, name: str, dtype: str = "float32") -> np.ndarray:
    """A list attribute, or its form as a tensor."""
    whole = node.attribute(f"{name}_as_tensor")
    given = tensor_array(whole) if whole is not None else node.attribute(name)
    return np.array([] if given is None else given, dtype)


def int_list(node: OnnxNode, name: str) -> np.ndarray:
    return np.array(node.attribute(name, []), np.int64)


def class_count(node: OnnxNode) -> int:
    """How many class labels a classifier has. Raises Unsupported for one without any."""
    for name in ("classlabels_ints", "classlabels_int64s", "classlabels_strings"):
        if node.attribute(name):
            return len(node.attribute(name))
    raise Unsupported("it has no class labels")


def labels_at(node: OnnxNode, place: Tensor) -> Any:
    """The class labels at places, integers or strings."""
    texts = node.attribute("classlabels_strings")
    if texts:
        return strings_at(node, texts, place)
    numbers = node.attribute("classlabels_ints") or node.attribute("classlabels_int64s")
    return tensor(node, np.array(numbers, np.int64)).take(place).value


def strings_at(node: OnnxNode, texts: Any, place: Tensor) -> Strings:
    """Strings of a table."""
    known = known_strings(node, texts)
    return Strings(known.data, tensor(node, known.tensor).take(place).value)


def as_floats(x: Tensor) -> Tensor:
    return x if x.dtype.startswith("float") else x.cast("float32")


def as_rows(x: Tensor) -> Tensor:
    """A vector as a matrix of one row."""
    return x.with_axis(0) if x.rank == 1 else x


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
        highest = scores.reduce("max", 1, keep=True)
        shifted = (scores.abs() > 1e-7).where((scores - highest).exp(), scores * (-highest).exp())
        total = shifted.reduce("sum", 1, keep=True)
        return total.eq(0).where(0.5, shifted / total)
    if kind == "PROBIT":
        return _probit(scores)
    raise Unsupported(f"post_transform={kind} is unknown")


def _probit(scores: Tensor) -> Tensor:
    """sqrt(2) * erf^-1(2 p - 1) by S. Winitzki's approximation (2008), as onnxruntime and the standard's reference have it."""
    x = scores * 2 - 1
    log = ((1 - x) * (1 + x)).log()
    middle = log * 0.5 + 2 / (math.pi * 0.147)
    size = ((middle * middle - log * (1 / 0.147)).sqrt() - middle).sqrt() * 1.41421356
    return (x < 0).where(-size, size)


def two_classes(score: Tensor, kind: Any, mixed: bool) -> Tensor:
    """[row, 2] of the score [row, 1] of the second of two classes, which alone a model has. mixed: it may be below 0.

    As onnxruntime has it; of PROBIT, where it leaves a column unwritten, the one score is the result, as in the reference."""
    if kind == "PROBIT":
        return transformed(score, kind)
    if not mixed:
        return join(1, 1 - score, score)
    both = join(1, -score, score)
    return transformed(both, kind) if kind == "LOGISTIC" else both


@onnx_formula(f"{DOMAIN}.ArrayFeatureExtractor")
def array_feature_extractor(x: Tensor, index: Tensor) -> Tensor:
    x = as_rows(x)
    return x.take(index.reshape(index.shape[-1]), x.rank - 1)


@onnx_formula(f"{DOMAIN}.Binarizer")
def binarizer(x: Tensor, *, threshold: float = 0.0) -> Tensor:
    return (x > (threshold if x.dtype.startswith("float") else math.floor(threshold))).cast(x.dtype)


@onnx_formula(f"{DOMAIN}.Scaler")
def scaler(node: OnnxNode, x: Tensor) -> Tensor:
    return (x.cast("float32") - tensor(node, float_list(node, "offset"))) * tensor(node, float_list(node, "scale"))


@onnx_formula(f"{DOMAIN}.Normalizer")
def normalizer(x: Tensor, *, norm: str = "MAX") -> Tensor:
    if norm not in ("MAX", "L1", "L2"):
        raise Unsupported(f"norm={norm!r} is none of MAX, L1 and L2")
    x = x.cast("float32")
    size = x.reduce(norm.lower(), -1, keep=True)
    return x / size.eq(0).where(1, size)


@onnx_formula(f"{DOMAIN}.Imputer")
def imputer(node: OnnxNode, x: Tensor) -> Tensor:
    kind = "float" if x.dtype.startswith("float") else "int64"
    values = tensor(node, np.array(node.attribute(f"imputed_value_{kind}s"), x.dtype))
    replaced = node.attribute(f"replaced_value_{kind}", 0)
    return (x.isnan() if replaced != replaced else x.eq(replaced)).where(values, x)


@string_op(f"{DOMAIN}.OneHotEncoder")
@onnx_formula(f"{DOMAIN}.OneHotEncoder")
def one_hot_encoder(node: OnnxNode, x: Tensor | Strings, *, zeros: int = 1) -> Tensor:
    """1 at the category that is met. With `zeros` set to 0 the call checks that each element is one of them."""
    if isinstance(x, Strings):
        texts = node.attribute("cats_strings", [])
        place, categories = find(node, strings(node, 0), known_strings(node, texts)), iota(node, len(texts))
    else:
        place, categories = x.cast("int64"), tensor(node, int_list(node, "cats_int64s"))
    hits = place.with_axis(place.rank).eq(categories)
    if not zeros:
        unknown = (1 - hits.cast("int64").reduce("max", -1)).reduce("sum", *range(hits.rank - 1)).reshape(1)
        node.found_size(unknown.value, 0, f"{node.names[0]}_unknown", None, dim(0))
    return hits.cast("float32")


def _table(node: OnnxNode, kind: str) -> np.ndarray:
    """The keys or values of a LabelEncoder; strings as objects."""
    for suffix, dtype in (("int64s", np.int64), ("floats", np.float32), ("strings", object)):
        if node.attribute(f"{kind}_{suffix}") is not None:
            return np.array(node.attribute(f"{kind}_{suffix}"), dtype)
    whole = node.attribute(f"{kind}_tensor")
    if whole is None:
        raise Unsupported(f"it has no {kind}")
    return tensor_array(whole).reshape(-1)


def _places(node: OnnxNode, keys: np.ndarray) -> Tensor:
    """Where the last key is that is equal to each element, or -1. NaN is equal to NaN."""
    x: Any = node.input(0)
    if isinstance(x, Strings) != (keys.dtype.kind in "OUS"):
        raise Unsupported("its keys are of another type than its input")
    if isinstance(x, Strings):
        return find(node, strings(node, 0), known_strings(node, keys))
    given, known = tensor(node, x), tensor(node, keys.astype(x.dtype))
    column = given.with_axis(given.rank)
    hit = column.eq(known) | (column.isnan() & known.isnan()) if keys.dtype.kind == "f" else column.eq(known)
    return hit.where(iota(node, len(keys)), -1).reduce("max", -1)


def _looked_up(node: OnnxNode, keys: np.ndarray, values: np.ndarray, default: Any) -> Any:
    """The value of the key that is met, else the default."""
    if not len(keys) or len(keys) != len(values):
        raise Unsupported(f"{len(keys)} keys for {len(values)} values")
    place = _places(node, keys)
    place = (place < 0).where(len(keys), place)
    if values.dtype.kind in "OUS":
        return strings_at(node, [*values, default], place)
    return tensor(node, np.append(values, np.array([default], values.dtype))).take(place).value


@string_op(f"{DOMAIN}.LabelEncoder")
@onnx_formula(f"{DOMAIN}.LabelEncoder")
def label_encoder(node: OnnxNode, _: Tensor | Strings) -> Any:
    """The value of the key that is met, else the default; of equal keys the last counts. In version 1 strings and
    their numbers."""
    if node.attribute("classes_strings") is not None:
        return _named_and_numbered(node, node.attribute("classes_strings"), None)
    keys, values = _table(node, "keys"), _table(node, "values")
    whole = node.attribute("default_tensor")
    if whole is not None:
        default = tensor_array(whole).reshape(-1)[0]
    elif values.dtype.kind in "OUS":
        default = node.attribute("default_string", "_Unused")
    else:
        default = node.attribute("default_int64", -1) if values.dtype.kind in "iu" else node.attribute("default_float", -0.0)
    return _looked_up(node, keys, values, default)


@string_op(f"{DOMAIN}.CategoryMapper")
@onnx_formula(f"{DOMAIN}.CategoryMapper")
def category_mapper(node: OnnxNode, _: Tensor | Strings) -> Any:
    return _named_and_numbered(node, node.attribute("cats_strings", []), node.attribute("cats_int64s", []))


def _named_and_numbered(node: OnnxNode, names: Any, numbers: Any) -> Any:
    """The number of a name that is given, or the name of a number; without numbers, those from 0 on."""
    texts = np.array(names, object)
    counted = np.arange(len(texts)) if numbers is None else np.array(numbers, np.int64)
    given: Any = node.input(0)
    if isinstance(given, Strings):
        return _looked_up(node, texts, counted, node.attribute("default_int64", -1))
    return _looked_up(node, counted, texts, node.attribute("default_string", "_Unused"))


@onnx_formula(f"{DOMAIN}.ZipMap")
def zip_map(node: OnnxNode, scores: Tensor) -> Maps:
    """Scores of classes, a row of them for each map."""
    keys = node.attribute("classlabels_strings") or node.attribute("classlabels_int64s")
    if not keys or (scores.shape[-1] != len(keys) and scores.shape[-1].constant is not None):
        raise Unsupported(f"{len(keys or [])} class labels for scores of shape {list(map(str, scores.shape))}")
    named = [key.decode() if isinstance(key, bytes) else key for key in keys]
    return Maps(scores.reshape(*scores.shape[:-1], len(keys)).value, tuple(named))


@onnx_formula(f"{DOMAIN}.FeatureVectorizer")
def feature_vectorizer(node: OnnxNode, *given: Tensor) -> Tensor:
    """Side by side, each cut or filled with zeros to as many features as it is said to have."""
    parts = [as_rows(part.cast("float32")) for part in given]
    for n, wanted in enumerate(int_list(node, "inputdimensions").tolist()[: len(parts)]):
        extent = parts[n].shape[1]
        if extent != wanted:
            zeros = parts[n].part(1, 0, 1) * 0 if extent != 0 else None
            short = maximum(dim(0), dim(wanted) - extent)
            fill = [] if zeros is None or short == 0 else [zeros.expand(parts[n].shape[0], short)]
            parts[n] = join(1, parts[n].part(1, 0, minimum(extent, dim(wanted))), *fill)
    return join(1, *parts)


def linear(node: OnnxNode, x: Tensor, rows: int) -> Tensor:
    """[row, target] scores of coefficients [target, feature]."""
    weights = float_list(node, "coefficients", x.dtype).reshape(rows, -1)
    result = as_rows(x) @ tensor(node, weights.T.copy())
    bias = float_list(node, "intercepts", x.dtype)
    return result + tensor(node, bias) if bias.size else result


@onnx_formula(f"{DOMAIN}.LinearRegressor")
def linear_regressor(node: OnnxNode, x: Tensor, *, targets: int = 1, post_transform: str = "NONE") -> Tensor:
    return transformed(linear(node, x.cast("float32"), targets), post_transform)


@onnx_formula(f"{DOMAIN}.LinearClassifier")
def linear_classifier(node: OnnxNode, x: Tensor, *, post_transform: str = "NONE") -> list[Any]:
    """Labels and scores; a score alone is that of the second class of two."""
    bias, weights = float_list(node, "intercepts"), float_list(node, "coefficients")
    scores = linear(node, x.cast("float32"), max(1, bias.size or weights.size // int(x.shape[-1])))
    if scores.shape[1] == 1 and class_count(node) == 2:
        chosen = (scores.take(0, 1) > 0).cast("int64")
        return [labels_at(node, chosen), two_classes(scores, post_transform, post_transform == "LOGISTIC")]
    return [labels_at(node, scores.first_extreme("argmax", 1)), transformed(scores, post_transform)]
