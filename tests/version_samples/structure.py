"""Selection and movement, constants, sequences, graphs inside."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from op_cases.case import Case, bools, floats, i64, integers, scalar
from version_samples.given import TENSORS, graph, sparse, use

SAMPLES: list[Case] = []

# Selection and movement.
SAMPLES += [
    *(
        use("TopK", (floats(3, 7), i64(k)), {"axis": axis, "largest": large, "sorted": 1}, fixed, ("v", "i"))
        for k, axis in ((3, 1), (2, 0), (3, -1), (0, 1))
        for large in (0, 1)
        for fixed in ((1,), ())
    ),
    use("TopK", (floats(3, 7)[:, :1], i64(1)), {"sorted": 0}, (1,), ("v", "i")),
    use("Slice", (floats(4, 6), i64(-3, 1), i64(2**31 - 1, -1), i64(1, 0)), {}, (1, 2, 3)),
    use("Slice", (floats(4, 6), i64(1, 0), i64(3, 4)), {}, (1, 2)),
    use("Slice", (floats(4, 6), i64(5), i64(-9), i64(-1), i64(-2)), {}, (1, 2, 3, 4)),
    use("Slice", (floats(4, 6), i64(3), i64(3), i64(1)), {}, (1, 2, 3)),
    *(
        use("Pad", (floats(3, 4), i64(1, 2, 0, 1), *value), {"mode": mode}, (1, 2))
        for mode in ("constant", "reflect", "edge")
        for value in ((), (scalar(1.5),))
    ),
    use("Pad", (floats(3, 4), i64(-1, 2, 0, -2)), {}, (1,)),
    use("Pad", (floats(3, 4), i64(2, 3), None, i64(-1)), {"mode": "wrap"}, (1, 3)),
    *(use("Hardmax", (floats(2, 3, 4),), {"axis": axis}) for axis in (0, 1, 2, -1)),
    *(use(op, (floats(2, 3, 4),), {"axis": axis}, rtol=1e-5) for op in ("Softmax", "LogSoftmax") for axis in (0, 1, 2, -2)),
    use("PRelu", (floats(2, 3, 4), floats(3, 1, seed=1))),
    use("PRelu", (floats(3), scalar(0.2))),
    use("Scatter", (floats(4, 3), integers(0, 3, 2, 3), floats(2, 3, seed=1)), {}, until=10),
    use("Scatter", (floats(2, 4), i64(0, 2, -1, 1).reshape(2, 2), floats(2, 2, seed=1)), {"axis": 1}, until=10),
    *(
        use(op, (floats(3, 4, 5), at), {"axis": axis, "keepdims": keep, **last})
        for op in ("ArgMax", "ArgMin")
        for at in (None,)
        for axis in (0, 1, -1)
        for keep in (0, 1)
        for last in ({}, {"select_last_index": 1})
    ),
    *(
        use("ReverseSequence", (floats(4, 3, 2), i64(*lengths)), {"batch_axis": b, "time_axis": 1 - b})
        for b, lengths in ((1, (1, 4, 2)), (0, (3, 1, 0, 2)))
    ),
    *(use("OneHot", (integers(-3, 2, 2, 3), scalar(5, "int64"), floats(2)), {"axis": axis}, (1,)) for axis in (-1, 0, 1, -2)),
    *(
        use(op, (floats(2, 8, 2, 4) if op[0] == "D" else floats(2, 2, 4, 6),), {"blocksize": 2, **mode})
        for op, mode in (("DepthToSpace", {}), ("DepthToSpace", {"mode": "CRD"}), ("SpaceToDepth", {}))
    ),
    *(
        use("CumSum", (floats(2, 3, 4), scalar(axis, "int64")), {"exclusive": e, "reverse": r}, fixed)
        for axis in (0, -1)
        for e in (0, 1)
        for r in (0, 1)
        for fixed in ((1,), ())
    ),
    *(
        use("Unique", (np.array([[2, 1, 1], [3, 2, 1], [2, 1, 1]], np.float32),), settings, outputs=("y", "i", "v", "c"))
        for settings in ({}, {"sorted": 0}, {"axis": 0}, {"axis": -1, "sorted": 0})
    ),
    *(use("Compress", (floats(3, 4), bools(n)), settings) for n, settings in ((7, {}), (3, {"axis": 0}), (3, {"axis": -1}))),
    *(use("EyeLike", (floats(3, 4),), settings) for settings in ({}, {"k": 1}, {"k": -2, "dtype": TensorProto.INT32})),
    *(use("Trilu", (floats(2, 3, 4), k), {"upper": u}) for u in (0, 1) for k in (None, scalar(1, "int64"), scalar(-1, "int64"))),
    *(
        use("BitShift", (integers(0, 99, 3, 4, dtype="uint32"), integers(0, 5, 4, dtype="uint32")), {"direction": d})
        for d in ("LEFT", "RIGHT")
    ),
    *(
        use("Gemm", (a, b, c), {"transA": ta, "transB": tb, "alpha": 0.5, "beta": 2.0}, rtol=1e-5)
        for ta, a in ((0, floats(3, 4)), (1, floats(4, 3)))
        for tb, b in ((0, floats(4, 5)), (1, floats(5, 4)))
        for c in (None, floats(3, 5), floats(5), floats(3, 1), scalar(0.3), floats(1))
    ),
    *(
        use("Range", (scalar(1, t), scalar(9, t), scalar(3, t)), {"stash_type": s}, (0, 1, 2))
        for t in ("float32", "int64", "float16")
        for s in (1, 10)
    ),
    *(
        use(
            "NonMaxSuppression",
            (np.sort(floats(2, 6, 4) ** 2, axis=-1)[..., [0, 1, 2, 3]], np.abs(floats(2, 3, 6)), *rest),
            {"center_point_box": c},
        )
        for c in (0, 1)
        for rest in (
            (scalar(2, "int64").reshape(1), np.array([0.4], np.float32), np.array([0.3], np.float32)),
            (scalar(2, "int64").reshape(1),),
            (scalar(2, "int64").reshape(1), np.array([0.5], np.float32)),
        )
    ),
    *(
        use("TensorScatter", (floats(2, 3, 6, 4), floats(2, 3, 2, 4, seed=1), at), {"mode": m, "axis": axis})
        for m in ("linear", "circular")
        for axis in (-2, 2)
        for at in (None, i64(1, 3))
    ),
    use(
        "TfIdfVectorizer",
        (np.array(["a", "b", "a", "c"], object),),
        {
            "mode": "TFIDF",
            "min_gram_length": 1,
            "max_gram_length": 2,
            "max_skip_count": 1,
            "ngram_counts": [0, 2],
            "ngram_indexes": [0, 2, 1],
            "pool_strings": ["a", "c", "b", "a"],
            "weights": [2.0, 3.0, 0.5],
        },
    ),
    *(
        use(
            "TfIdfVectorizer",
            (integers(0, 4, 2, 6, dtype="int32"),),
            {
                "mode": m,
                "min_gram_length": 1,
                "max_gram_length": 2,
                "max_skip_count": 2,
                "ngram_counts": [0, 3],
                "ngram_indexes": [0, 2, 1, 3],
                "pool_int64s": [1, 2, 4, 1, 2],
                "weights": [2.0, 3.0, 0.5, 1.5],
            },
        )
        for m in ("TF", "IDF", "TFIDF")
    ),
    *(
        use("Einsum", tuple(floats(*s, seed=n) for n, s in enumerate(shapes)), {"equation": e}, rtol=1e-5)
        for e, shapes in (
            ("ij,jk", ((2, 3), (3, 4))),
            ("...ii->...i", ((2, 3, 3),)),
            ("bij, bjk -> bik", ((2, 2, 3), (2, 3, 4))),
            ("i,j->ij", ((2,), (3,))),
            ("ij->", ((2, 3),)),
            ("...ij,...jk->...ik", ((5, 2, 3), (3, 4))),
            ("ii", ((3, 3),)),
            ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 2))),
        )
    ),
]

# Constants in each of their spellings.
SAMPLES += [
    use("Constant", (), settings)
    for settings in (
        {"value": numpy_helper.from_array(floats(2, 3))},
        {"value_int": 3},
        {"value_ints": [3, 4]},
        {"value_float": 1.5},
        {"value_floats": [1.5, 2.5]},
        {"value_string": "a word"},
        {"value_strings": ["a", "bc"]},
        {"sparse_value": sparse(floats(2), i64(1, 4), [2, 3])},
        {"sparse_value": sparse(floats(2), i64(0, 1, 1, 2).reshape(2, 2), [2, 3])},
    )
]

# Sequences, optionals, graphs inside.
SAMPLES += [
    use("SequenceConstruct", tuple(TENSORS)),
    use("SequenceConstruct", (TENSORS[0],)),
    use("SequenceEmpty", ()),
    use("SequenceEmpty", (), {"dtype": TensorProto.INT64}),
    use("SequenceLength", (TENSORS,)),
    *(use("SequenceAt", (TENSORS, scalar(n, "int64"))) for n in (1, -1)),
    *(use("SequenceErase", (TENSORS, *at)) for at in ((), (scalar(0, "int64"),), (scalar(-2, "int64"),))),
    *(use("SequenceInsert", (TENSORS, floats(4, 1), *at)) for at in ((), (scalar(1, "int64"),), (scalar(-1, "int64"),))),
    *(
        use("ConcatFromSequence", (TENSORS,), settings)
        for settings in ({"axis": 0}, {"axis": -1}, {"axis": 1, "new_axis": 1}, {"axis": -1, "new_axis": 1})
    ),
    *(
        use("SplitToSequence", (floats(5, 4), *rest), settings)
        for rest, settings in (
            ((), {}),
            ((), {"keepdims": 0, "axis": 1}),
            ((scalar(2, "int64"),), {"axis": 0}),
            ((i64(1, 3),), {"axis": -1}),
            ((scalar(3, "int64"),), {"axis": -1, "keepdims": 0}),
        )
    ),
    use("Optional", (floats(2, 3),)),
    use("Optional", (), {"type": helper.make_tensor_type_proto(TensorProto.FLOAT, [2, 3])}),
    use("OptionalHasElement", (floats(2),)),
    use("OptionalGetElement", (floats(2),)),
    *(
        use(
            "If",
            (np.array(c),),
            {
                "then_branch": graph("t () => (float[3] a) { a = Constant <value_floats = [1.0, 2.0, 3.0]> () }"),
                "else_branch": graph("e () => (float[3] b) { b = Constant <value_floats = [4.0, 5.0, 6.0]> () }"),
            },
            since=12,
        )
        for c in (False, True)
    ),
    *(
        use(
            "If",
            (np.array(c),),
            {
                "then_branch": graph("t () => (float[2] a) { a = Constant <value = float[2] {1.0, 2.0}> () }"),
                "else_branch": graph("e () => (float[2] b) { b = Constant <value = float[2] {4.0, 5.0}> () }"),
            },
        )
        for c in (False, True)
    ),
]
BODY = """l (int64 n, bool go, float[3] a) => (bool on, float[3] b, float[3] row) {
    on = Identity (go) b = Add (a, a) row = Identity (b) }"""
STOPS = """l (int64 n, bool go, int64 a) => (bool on, int64 b) {
    one = Constant <value = int64 {1}> ()
    b = Add (a, one) five = Constant <value = int64 {5}> () on = Less (b, five) }"""
SAMPLES += [
    use("Loop", (scalar(4, "int64"), np.array(True), floats(3)), {"body": graph(BODY)}, outputs=("y", "rows")),
    use("Loop", (scalar(0, "int64"), np.array(True), floats(3)), {"body": graph(BODY)}, outputs=("y", "rows")),
    use("Loop", (scalar(4, "int64"), None, floats(3)), {"body": graph(BODY)}, (0,), ("y", "rows")),
    use("Loop", (None, np.array(True), scalar(1, "int64")), {"body": graph(STOPS)}, since=9),
]
SCAN = "s (float[3] h, float[3] x) => (float[3] g, float[3] z) { g = Add (h, x) z = Mul (g, x) }"
for settings in (
    {},
    {"scan_input_directions": [1]},
    {"scan_output_directions": [1]},
    {"scan_input_axes": [1]},
    {"scan_output_axes": [1]},
    {"scan_input_axes": [-1], "scan_output_axes": [-1], "scan_input_directions": [1], "scan_output_directions": [1]},
):
    rows = floats(4, 3) if "scan_input_axes" not in settings else floats(3, 4)
    SAMPLES += [
        use(
            "Scan",
            (floats(3), rows),
            {"body": graph(SCAN), "num_scan_inputs": 1, **settings},
            outputs=("h", "z"),
            since=11 if -1 in settings.get("scan_input_axes", []) else 9,
        )
    ]
SAMPLES += [
    use(
        "Scan",
        (lengths, floats(2, 3), floats(2, 4, 3)),
        {"body": graph(SCAN), "num_scan_inputs": 1, **settings},
        outputs=("h", "z"),
        until=8,
    )
    for lengths in (None, i64(2, 4))
    for settings in ({}, {"directions": [1]})
]
