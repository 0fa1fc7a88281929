"""Models whose shapes come from data: for each legal calls, at the bounds too, and calls that must end with an error."""

from __future__ import annotations

import numpy as np
from control_case import table
from sized_case import HIGHEST, LOWEST, Sized, ints, numbers, several, vectors

X23, X35 = table(2, 3), table(3, 5)
SOME = np.array([[0, 1, 0], [2, 0, 3]], np.float32)
BOXES = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 3, 1, 4], [0, 3.05, 1, 4.05]]], np.float32)
SCORES = np.array([[[0.9, 0.8, 0.7, 0.95]]], np.float32)
IMAGE = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)

CASES: list[Sized] = [
    Sized(
        "halves_of_rows",
        """(float[h,3] x) => (float[m,6] y) {
            zero = Constant <value_ints = [0]> ()
            one = Constant <value_ints = [1]> ()
            two = Constant <value_ints = [2]> ()
            end = Constant <value_ints = [9223372036854775807]> ()
            even = Slice (x, zero, end, zero, two)
            odd = Slice (x, one, end, zero, two)
            y = Concat <axis = 1> (even, odd)
        }""",
        several(x=[table(2, 3), table(8, 3), np.zeros((0, 3), np.float32)]),
        several(x=[table(3, 3), table(7, 3), table(1, 3)]),
        {"h": "0..8"},
    ),
    Sized(
        "non_zero",
        "(float[n,3] x) => (int64[2,k] y) { y = NonZero (x) }",
        several(x=[SOME, np.zeros((2, 3), np.float32), np.ones((4, 3), np.float32), np.zeros((0, 3), np.float32)]),
        dims={"n": "0..4"},
    ),
    Sized(
        "non_zero_of_few",
        "(float[n,3] x) => (int64[2,k] y) { y = NonZero (x) }",
        several(x=[SOME, np.zeros((4, 3), np.float32)]),
        several(x=[np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)]),
        {"n": "0..4", "y_count": "0..3"},
    ),
    Sized(
        "masked",
        """(float[n,3] x, float[n,3] w) => (float[k] y, float[n,3] z, float[] s) {
            zero = Constant <value_float = 0.0> ()
            mask = Greater (x, zero)
            found = NonZero (mask)
            places = Transpose (found)
            a = GatherND (x, places)
            b = GatherND (w, places)
            y = Mul (a, b)
            z = ScatterND (w, places, y)
            s = ReduceMean <keepdims = 0> (y) }""",
        several(x=[SOME, np.ones((4, 3), np.float32)], w=[X23, table(4, 3, 1)]),
        dims={"n": "1..4"},
    ),
    Sized(
        "unique",
        "(int64[n] x) => (int64[k] y, int64[k] i, int64[n] j, int64[k] c) { y, i, j, c = Unique (x) }",
        vectors("x", [3, 1, 3, 2], [5, 5], [7]),
        dims={"n": "1..6"},
    ),
    Sized(
        "unique_of_few",
        "(int64[n] x) => (int64[k] y) { y = Unique (x) }",
        vectors("x", [3, 1, 3, 3], [5, 5]),
        vectors("x", [1, 2, 3], [1, 2, 3, 4, 5, 6]),
        {"n": "1..6", "y_count": "0..2"},
    ),
    Sized(
        "suppressed",
        """(int64 most, float[1,4,4] boxes, float[1,1,4] scores) => (int64[k,3] y) {
            half = Constant <value_float = 0.5> ()
            y = NonMaxSuppression (boxes, scores, most, half) }""",
        vectors("most", 0, 1, 2, 100),
        rest={"boxes": BOXES, "scores": SCORES},
    ),
    Sized(
        "suppressed_to_few",
        """(int64 most, float[1,4,4] boxes, float[1,1,4] scores) => (int64[k,3] y) {
            half = Constant <value_float = 0.5> ()
            y = NonMaxSuppression (boxes, scores, most, half) }""",
        vectors("most", 0, 1),
        vectors("most", 2, HIGHEST),
        {"y_count": "0..1"},
        {"boxes": BOXES, "scores": SCORES},
    ),
    Sized(
        "largest",
        "(int64[1] k, float[n,5] x) => (float[n,m] y, int64[n,m] i) { y, i = TopK (x, k) }",
        vectors("k", [0], [2], [5]),
        vectors("k", [6], [-1], [HIGHEST], [LOWEST]),
        {"n": "0..4"},
        {"x": X35},
    ),
    Sized(
        "range",
        "(int64 a, int64 b, int64 c) => (int64[n] y) { y = Range (a, b, c) }",
        several(a=ints(0, 5, 3, 0, -4), b=ints(5, 0, 3, 20, 4), c=ints(1, -2, 1, 2, 1)),
        several(
            a=ints(0, 0, 5, LOWEST, HIGHEST, LOWEST),
            b=ints(11, 5, 0, HIGHEST, LOWEST, HIGHEST),
            c=ints(1, 0, 0, 1, -1, 1),
        ),
        {"y": "0..10"},
    ),
    Sized(
        "range_of_floats",
        "(float a, float b, float c) => (float[n] y) { y = Range (a, b, c) }",
        several(a=numbers(0, 1, 0), b=numbers(5, -1, 0), c=numbers(0.5, -0.25, 1)),
        several(a=numbers(0, 0, 0, np.nan, 0), b=numbers(11, np.inf, 1e30, 1, -1), c=numbers(1, 1, 1e-3, 1, 0)),
        {"y": "0..10"},
    ),
    Sized(
        "compressed",
        "(bool[m] c, float[n,2] x) => (float[k,2] y) { y = Compress <axis = 0> (x, c) }",
        several(
            c=[np.array([True, False, True]), np.array([True]), np.zeros(3, bool), np.array([False, True, True, True, True])],
            x=[table(3, 2)],
        ),
        dims={"m": "0..5", "n": "0..4"},
    ),
    Sized(
        "compressed_to_few",
        "(bool[m] c, float[n,2] x) => (float[k,2] y) { y = Compress <axis = 0> (x, c) }",
        several(c=[np.array([True, False, True])], x=[table(3, 2)]),
        several(c=[np.ones(3, bool)], x=[table(3, 2)]),
        {"m": "0..5", "n": "0..4", "y_count": "0..2"},
    ),
    Sized(
        "collected",
        """(int64 m, float[2] x) => (float[2] last, float[k,2] rows) {
            last, rows = Loop (m, , x) <body = b (int64 i, bool g, float[2] v) => (bool o, float[2] w, float[2] r) {
                o = Identity (g) w = Add (v, v) r = Identity (w) }> }""",
        vectors("m", 0, 1, 5, -3),
        vectors("m", 6, HIGHEST),
        {"Loop_0_trips": "0..5"},
        {"x": numbers(1, -2)},
    ),
    Sized(
        "grown",
        """(int64 m, float[n] x) => (float[k] y) {
            y = Loop (m, , x) <body = b (int64 i, bool g, float[p] v) => (bool o, float[q] w) {
                o = Identity (g) w = Concat <axis = 0> (v, x) }> }""",
        several(m=ints(0, 2, 3), x=[numbers(1, 2), numbers(), numbers(3, 4, 5)]),
        several(m=ints(4, HIGHEST), x=[numbers(1), numbers()]),
        {"Loop_0_trips": "0..3", "n": "0..3"},
    ),
    Sized(
        "while",
        """(float x) => (float y, float[k] seen) {
            t = Constant <value_int = 1> ()
            true = Cast <to = 9> (t)
            y, seen = Loop (, true, x) <body = b (int64 i, bool g, float v) => (bool o, float w, float r) {
                most = Constant <value_float = 100.0> ()
                w = Add (v, v) o = Less (w, most) r = Identity (v) }> }""",
        several(x=numbers(1, 200, 10)),
        several(x=numbers(0, 1e-6)),
        {"Loop_2_trips": "0..8"},
    ),
    Sized(
        "scanned",
        """(float[n,2] x, bool[n] c) => (float[2] total, float[k,2] sums) {
            some = Compress <axis = 0> (x, c)
            zero = Constant <value_floats = [0.0, 0.0]> ()
            total, sums = Scan <num_scan_inputs = 1, body = b (float[2] s, float[2] e) => (float[2] t, float[2] u) {
                t = Add (s, e) u = Identity (t) }> (zero, some) }""",
        several(x=[table(3, 2)], c=[np.array([True, False, True]), np.array([False, True, False]), np.ones(3, bool)]),
        dims={"n": "0..4"},
    ),
    Sized(
        "reshaped",
        "(int64[2] s, float[n,3] x) => (float[p,q] y) { y = Reshape (x, s) }",
        vectors("s", [3, 2], [-1, 2], [0, -1], [6, 1], [1, 6]),
        vectors("s", [4, 2], [-1, -1], [-2, -3], [7, -1], [5, 0], [HIGHEST, 2], [LOWEST, 0], [2**32, 2**32]),
        {"n": "0..4"},
        {"x": X23},
    ),
    Sized(
        "reshaped_to_three",
        "(int64[3] s, float[n,3] x) => (float[p,q,r] y) { t = Reshape (x, s) y = Neg (t) }",
        vectors("s", [3, 2, 1], [1, -1, 2], [0, 3, -1], [6, 1, 1]),
        vectors("s", [4, 2, 1], [1, 1, 7], [2**21, 2**21, 2**22]),
        {"n": "0..4"},
        {"x": X23},
    ),
    Sized(
        "expanded",
        "(int64[2] s, float[n,1] x) => (float[p,q] y) { y = Expand (x, s) }",
        vectors("s", [2, 4], [1, 4], [1, 1], [2, 0]),
        vectors("s", [3, 4], [2, 5], [2, -1], [0, 2], [HIGHEST, 1]),
        {"n": "0..2", "s_0": "0..2", "s_1": "0..4"},
        {"x": table(2, 1)},
    ),
    Sized(
        "tiled",
        "(int64[2] r, float[n,3] x) => (float[p,q] y) { y = Tile (x, r) }",
        vectors("r", [1, 2], [2, 2], [0, 1]),
        vectors("r", [3, 1], [1, -1], [HIGHEST, HIGHEST]),
        {"n": "0..2", "r_0": "0..2", "r_1": "0..2"},
        {"x": X23},
    ),
    Sized(
        "sliced",
        "(int64[1] a, int64[1] b, float[n,5] x) => (float[p,5] y) { y = Slice (x, a, b) }",
        several(a=[[0], [1], [-1], [LOWEST], [2]], b=[[2], [HIGHEST], [-9], [2], [-1]]),
        dims={"n": "0..4"},
        rest={"x": X35},
    ),
    Sized(
        "sliced_every_way",
        """(int64[2] a, int64[2] b, int64[2] axes, int64[2] steps, float[n,5] x) => (float[p,q] y) {
            y = Slice (x, a, b, axes, steps) }""",
        several(
            a=[[0, 4], [2, -1], [HIGHEST, 0], [0, 0]],
            b=[[3, -9], [LOWEST, 9], [LOWEST, 5], [0, 5]],
            axes=[[0, 1], [-2, 1], [0, 1], [1, 0]],
            steps=[[1, -2], [-1, 1], [-1, HIGHEST], [1, 1]],
        ),
        several(
            a=[[0, 0]],
            b=[[3, 5]],
            axes=[[0, 1], [0, 2], [-3, 1], [0, 0], [1, -1]],
            steps=[[0, 1], [1, 1], [1, 1], [1, 1], [1, 1]],
        ),
        {"n": "0..4"},
        {"x": X35},
    ),
    Sized(
        "split",
        "(int64[2] s, float[n,5] x) => (float[n,p] y, float[n,q] z) { y, z = Split <axis = 1> (x, s) }",
        vectors("s", [2, 3], [0, 5], [5, 0]),
        vectors("s", [2, 2], [3, 3], [-1, 6], [6, -1], [HIGHEST, LOWEST + 6]),
        {"n": "0..4"},
        {"x": X35},
    ),
    *(
        Sized(
            f"padded_{mode}",
            f"(int64[4] w, float[n,5] x) => (float[p,q] y) {{ y = Pad <mode = '{mode}'> (x, w) }}".replace("'", '"'),
            vectors("w", [0, 1, 0, 2], [1, 0, 1, 0], [0, -1, 0, -2], [2, 2, 0, 0]),
            vectors("w", [0, 2, 0, 2], [3, 0, 0, 0], [-2, 0, -2, 0], [HIGHEST, 0, HIGHEST, 0], [LOWEST, 0, LOWEST, 0]),
            {"n": "0..4", "y_0": "0..5", "y_1": "0..8"},
            {"x": X35},
        )
        for mode in ("constant", "edge", "reflect")
    ),
    *(
        Sized(
            f"resized_{mode}",
            f"(int64[4] s, float[1,1,h,w] x) => (float[a,b,c,d] y) {{ y = Resize <mode = '{mode}'> (x, , , s) }}".replace(
                "'", '"'
            ),
            vectors("s", [1, 1, 6, 8], [1, 1, 2, 2], [1, 1, 1, 1], [1, 1, 5, 8]),
            vectors("s", [1, 1, 7, 8], [1, 1, -1, 2], [1, 1, HIGHEST, 1], [3, 1, 1, 1]),
            {"h": "1..4", "w": "1..4", "s_0": "0..2", "s_1": "0..2", "s_2": "0..6", "s_3": "0..8"},
            {"x": IMAGE},
        )
        for mode in ("nearest", "linear", "cubic")
    ),
    Sized(
        "resized_by_scales",
        '(float[4] s, float[1,1,h,w] x) => (float[a,b,c,d] y) { y = Resize <mode = "linear"> (x, , s) }',
        several(s=[numbers(1, 1, 2, 2), numbers(1, 1, 0.5, 1.5), numbers(1, 1, 1, 1)]),
        several(
            s=[numbers(1, 1, 3, 1), numbers(1, 1, -1, 1), numbers(1, 1, np.nan, 1), numbers(1, 1, np.inf, 1), numbers(9, 1, 1, 1)]
        ),
        {"h": "1..4", "w": "1..4", "y_0": "0..2", "y_1": "0..2", "y_2": "0..6", "y_3": "0..8"},
        {"x": IMAGE},
    ),
    Sized(
        "filled",
        "(int64[2] s) => (float[p,q] y) { y = ConstantOfShape <value = float[1] {2.5}> (s) }",
        vectors("s", [2, 3], [0, 3], [4, 4]),
        vectors("s", [5, 1], [1, -1], [HIGHEST, HIGHEST], [LOWEST, 1]),
        {"s_0": "0..4", "s_1": "0..4"},
    ),
    Sized(
        "one_hot",
        """(int64 depth, int64[n] i) => (float[n,k] y) {
            values = Constant <value_floats = [0.0, 1.0]> ()
            y = OneHot (i, depth, values) }""",
        several(depth=ints(4, 1, 6), i=[ints(0, 3, -1, 9), ints(0), ints(5, -6)]),
        several(depth=ints(7, -1, HIGHEST), i=[ints(0)]),
        {"n": "0..4", "depth": "0..6"},
    ),
    Sized(
        "squeezed",
        "(int64[1] a, float[1,n,1] x) => (float[p,q] y) { y = Squeeze (x, a) }",
        vectors("a", [0], [2], [-1], [-3]),
        vectors("a", [1], [3], [-4], [HIGHEST]),
        {"n": "0..4"},
        {"x": X23.reshape(1, 6, 1)[:, :3]},
    ),
    Sized(
        "unsqueezed",
        "(int64[1] a, float[n,3] x) => (float[p,q,r] y) { y = Unsqueeze (x, a) }",
        vectors("a", [0], [1], [2], [-1], [-3]),
        vectors("a", [3], [-4], [LOWEST]),
        {"n": "0..4"},
        {"x": X23},
    ),
    Sized(
        "reduced",
        "(int64[1] a, float[n,3] x) => (float[p,q] y) { y = ReduceSum (x, a) }",
        vectors("a", [0], [1], [-1], [-2]),
        vectors("a", [2], [-3], [HIGHEST]),
        {"n": "1..4"},
        {"x": X23},
    ),
    Sized(
        "reduced_away",
        "(int64[2] a, float[n,3,1] x) => (float[p] y) { y = ReduceMax <keepdims = 0> (x, a) }",
        vectors("a", [0, 1], [1, 2], [-1, 0]),
        vectors("a", [0, 3], [-4, 1], [1, 1], [0, -3]),
        {"n": "1..4"},
        {"x": X23.reshape(2, 3, 1)},
    ),
    Sized(
        "summed_up",
        "(int64 a, float[n,3] x) => (float[n,3] y) { y = CumSum (x, a) }",
        vectors("a", 0, 1, -1, -2),
        vectors("a", 2, -3, LOWEST),
        {"n": "0..4"},
        {"x": X23},
    ),
    Sized(
        "sizes_from_one_vector",
        """(int64[2] s, float[n] x) => (float[p,q] y, float[q,p] z) {
            zero = Constant <value_ints = [0]> () one = Constant <value_ints = [1]> () two = Constant <value_ints = [2]> ()
            rows = Slice (s, zero, one)
            columns = Slice (s, one, two)
            shape = Concat <axis = 0> (rows, columns)
            a = ConstantOfShape (shape)
            b = Reshape (x, s)
            y = Add (a, b)
            turned = Concat <axis = 0> (columns, rows)
            c = Reshape (y, turned)
            t = Transpose (a)
            z = Add (c, t) }""",
        vectors("s", [2, 3], [3, 2], [6, 1]),
        vectors("s", [2, 2], [4, 2], [7, 1], [-2, -3]),
        {"n": "0..6", "s_0": "0..6", "s_1": "0..6"},
        {"x": X23.reshape(6)},
    ),
    Sized(
        "two_that_broadcast",
        """(float[n] x, float[n] w, bool[n] c, bool[n] d) => (float[k] y, float[k] z) {
            a = Compress (x, c) b = Compress (w, d)
            y = Add (a, b) z = Mul (y, b) }""",
        several(
            x=[numbers(1, 2, 3)],
            w=[numbers(4, 5, 6)],
            c=[np.array([True, True, False]), np.array([False, True, False]), np.ones(3, bool), np.zeros(3, bool)],
            d=[np.array([False, True, True]), np.ones(3, bool), np.array([True, False, False]), np.array([True, False, False])],
        ),
        several(
            x=[numbers(1, 2, 3)], w=[numbers(4, 5, 6)], c=[np.array([True, True, False]), np.zeros(3, bool)], d=[np.ones(3, bool)]
        ),
        {"n": "0..3"},
    ),
    Sized(
        "best_of_what_is_kept",
        """(float[1,n,4] boxes, float[1,2,n] scores, int64 most, int64[1] limit)
            => (int64[k] class, float[k,4] kept, float[k] score) {
            half = Constant <value_float = 0.5> () least = Constant <value_float = 0.2> ()
            chosen = NonMaxSuppression (boxes, scores, most, half, least)
            s = GatherND (scores, chosen)
            many = Shape (s)
            first = Min (many, limit)
            score, best = TopK (s, first)
            rows = Gather <axis = 0> (chosen, best)
            one = Constant <value_int = 1> () two = Constant <value_int = 2> ()
            class = Gather <axis = 1> (rows, one)
            which = Gather <axis = 1> (rows, two)
            image = Squeeze (boxes)
            kept = Gather <axis = 0> (image, which) }""",
        several(most=ints(0, 1, 4, 4), limit=[ints(3), ints(3), ints(3), ints(0)]),
        several(most=ints(4), limit=[ints(-1)]),
        {"n": "2..4"},
        {"boxes": BOXES, "scores": np.concatenate([SCORES, SCORES[..., ::-1] - 0.6], 1).astype(np.float32)},
    ),
    Sized(
        "two_of_three_rows",
        """(int64[1] k, float[n,4] x) => (float[m,4] y, float[3,m,4] z) {
            three = Constant <value_ints = [3, 1, 1]> ()
            zero = Constant <value_ints = [0]> ()
            y = Slice (x, zero, k)
            one = Constant <value_ints = [1]> ()
            part = ConstantOfShape <value = float[1] {1.5}> (k)
            column = Unsqueeze (part, one)
            w = Mul (y, column)
            lifted = Unsqueeze (w, zero)
            z = Tile (lifted, three) }""",
        vectors("k", [2], [3]),
        vectors("k", [1], [4], [0], [-1]),
        {"n": "1..4", "k": "2..3"},
        {"x": table(4, 4)},
    ),
    Sized(
        "one_that_broadcasts_against_a_known_one",
        """(float[n] x, bool[n] c, float[4] w) => (float[4] y, float[2,4] z) {
            a = Compress (x, c) y = Sub (a, w)
            two = Constant <value_ints = [2, 4]> () z = Expand (a, two) }""",
        several(x=[numbers(1, 2, 3, 4, 5)], c=[np.array([1, 1, 1, 1, 0], bool), np.array([0, 1, 0, 0, 0], bool)]),
        several(x=[numbers(1, 2, 3, 4, 5)], c=[np.ones(5, bool), np.zeros(5, bool), np.array([1, 1, 0, 0, 0], bool)]),
        {"n": "0..5"},
        {"w": numbers(1, 2, 3, 4)},
    ),
    Sized(
        "multiplied",
        """(float[2,n] x, float[n,3] w, bool[n] c, bool[n] d) => (float[2,3] y) {
            a = Compress <axis = 1> (x, c) b = Compress <axis = 0> (w, d)
            y = MatMul (a, b) }""",
        several(
            x=[table(2, 3)],
            w=[table(3, 3, 2)],
            c=[np.array([True, True, False]), np.ones(3, bool)],
            d=[np.array([False, True, True]), np.ones(3, bool)],
        ),
        several(x=[table(2, 3)], w=[table(3, 3, 2)], c=[np.array([True, True, False])], d=[np.ones(3, bool)]),
        {"n": "1..3"},
    ),
    Sized(
        "gathered_from_fewer",
        """(int64[1] k, float[n,5] x) => (float[m,2] y) {
            two = Constant <value_ints = [2]> () row = Constant <value = int64[1,2] {4, 0}> ()
            shape = Concat <axis = 0> (k, two)
            i = Expand (row, shape)
            y = GatherElements <axis = 1> (x, i) }""",
        vectors("k", [1], [3]),
        vectors("k", [4], [-1]),
        {"n": "0..4", "k": "0..4"},
        {"x": X35},
    ),
    Sized(
        "ranks_that_differ",
        """(int64[1] k, float[3] x) => (float[3] y) {
            one = Constant <value_ints = [1]> () f = Constant <value_float = 2.0> () kf = Cast <to = 1> (k)
            c = Equal (k, one)
            s = If (c) <then_branch = t () => (a) { a = Identity (f) }, else_branch = e () => (b) { b = Div (f, kf) }>
            y = Mul (x, s) }""",
        vectors("k", [1], [4]),
        rest={"x": numbers(1, 2, 3)},
    ),
    Sized(
        "padded_to_a_multiple",
        """(float[1,1,h,w] x, float f) => (float[1,1,p,q] y) {
            s = Shape <start = 2> (x) sf = Cast <to = 1> (s) t = Mul (sf, f) u = Floor (t) size = Cast <to = 7> (u)
            first = Constant <value_ints = [1, 1]> () four = Constant <value_ints = [4]> ()
            whole = Concat <axis = 0> (first, size)
            r = Resize <mode = "linear"> (x, , , whole)
            own = Shape <start = 2> (r) left = Mod (own, four) more = Sub (four, left) pad = Mod (more, four)
            none = Constant <value_ints = [0, 0, 0, 0, 0, 0]> ()
            pads = Concat <axis = 0> (none, pad)
            y = Pad (r, pads) }""",
        several(f=numbers(1, 2, 0.5)),
        several(f=numbers(3, -1, np.nan)),
        {"h": "1..4", "w": "1..4", "whole_2": "0..8", "whole_3": "0..8"},
        {"x": IMAGE},
    ),
]
