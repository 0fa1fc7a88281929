"""The table of control-flow cases."""

from __future__ import annotations

import numpy as np
from control_case import FALSE, TRUE, Control, X, calls, row, table

IF = [
    Control(
        "captures",
        """(bool c, float[3] x, float[3] w) => (float[3] y, float[3] z, float[2, 3] k) {
            doubled = Add (x, x)
            y, z, k = If (c) <
                then_branch = t () => (float[3] a, float[3] b, float[2, 3] r) {
                    a = Mul (doubled, w)
                    b = Add (a, x)
                    r = Constant <value = float[2, 3] {1, 2, 3, 4, 5, 6}> ()
                },
                else_branch = e () => (float[3] a, float[3] b, float[2, 3] r) {
                    a = Neg (doubled)
                    b = Identity (x)
                    s = Constant <value_ints = [2, 3]> ()
                    r = Expand (w, s)
                }>
        }""",
        calls(c=(TRUE, FALSE), x=(X,), w=(row(0.5, 2, -1),)),
    ),
    Control(
        "computed_condition",
        """(float[n] x, float[n] w) => (float[n] y) {
            m = ReduceMax <keepdims = 0> (x)
            one = Constant <value_float = 1.0> ()
            big = Greater (m, one)
            not_big = Not (big)
            both = And (big, not_big)
            any = Or (both, big)
            y = If (any) <
                then_branch = t () => (float[n] a) { s = Softmax (x)  a = Mul (s, w) },
                else_branch = e () => (float[n] a) { a = Sub (x, w) }>
        }""",
        calls(x=(X, -X / 4, table(1, 17)[0]), w=(row(1, 2, 3), row(1, 2, 3), table(1, 17, 1)[0])),
        {"n": "1..64"},
    ),
    Control(
        "nested",
        """(bool c, bool d, float[3] x) => (float[3] y) {
            y = If (c) <
                then_branch = t () => (float[3] a) {
                    t0 = Mul (x, x)
                    a = If (d) <
                        then_branch = tt () => (float[3] b) { b = Add (t0, x) },
                        else_branch = te () => (float[3] b) { u = Add (t0, t0)  b = Sub (u, x) }>
                },
                else_branch = e () => (float[3] a) { a = If (d) <
                        then_branch = et () => (float[3] b) { b = Identity (x) },
                        else_branch = ee () => (float[3] b) { b = Neg (x) }>
                }>
        }""",
        calls(c=(TRUE, TRUE, FALSE, FALSE), d=(TRUE, FALSE, TRUE, FALSE), x=(X,)),
    ),
    Control(
        "shapes_differ",
        """(bool c, float[n, 3] x) => (float[p, q] y, int64[2] s, float[r] z, float row) {
            y = If (c) <
                then_branch = t () => (float[a, b] u) { u = Transpose (x) },
                else_branch = e () => (float[a, b] u) { u = Concat <axis = 0> (x, x) }>
            s = Shape (y)
            v = Transpose (y)
            vy = MatMul (v, y)
            row = ReduceSum <keepdims = 0> (vy)
            flat = Constant <value_ints = [-1]> ()
            z = Reshape (y, flat)
        }""",
        calls(c=(TRUE, FALSE, TRUE, FALSE), x=(table(2, 3), table(2, 3), table(5, 3), table(9, 3))),
        {"n": "1..16"},
    ),
    Control(
        "types",
        """(bool c, double[2] f, int32[2] i, bool[2] b, uint8[2] u) => (double[2] g, int32[2] j, bool[2] d, uint8[2] v) {
            g, j, d, v = If (c) <
                then_branch = t () => (double[2] g1, int32[2] j1, bool[2] d1, uint8[2] v1) {
                    g1 = Add (f, f)  j1 = Mul (i, i)  d1 = Not (b)  v1 = Add (u, u)
                },
                else_branch = e () => (double[2] g1, int32[2] j1, bool[2] d1, uint8[2] v1) {
                    g1 = Neg (f)  j1 = Neg (i)  d1 = Xor (b, b)  v1 = Div (u, u)
                }>
        }""",
        calls(
            c=(TRUE, FALSE),
            f=(np.array([0.1, 2.0]),),
            i=(np.array([7, -3], np.int32),),
            b=(np.array([True, False]),),
            u=(np.array([200, 3], np.uint8),),
        ),
    ),
    Control(
        "sizes_from_a_branch",
        """(bool c, float[1, 2] x) => (float[p, q] y) {
            s = If (c) <
                then_branch = t () => (int64[2] a) { a = Constant <value_ints = [3, 2]> () },
                else_branch = e () => (int64[2] a) { a = Constant <value_ints = [5, 2]> () }>
            m = Expand (x, s)
            y = Mul (m, m)
        }""",
        calls(c=(TRUE, FALSE), x=(table(1, 2),)),
    ),
]

LOOP = [
    Control(
        "counted",
        """(int64 m, float[3] x) => (float[3] y, float[t, 3] all) {
            y, all = Loop (m, , x) <body = b (int64 i, bool go, float[3] v) => (bool on, float[3] w, float[3] e) {
                on = Identity (go)
                f = Cast <to = 1> (i)
                w = Add (v, f)
                e = Mul (w, x)
            }>
        }""",
        calls(m=(np.array(3), np.array(0), np.array(7), np.array(1)), x=(X,)),
        {"Loop_0_trips": "0..7"},
    ),
    Control(
        "conditional",
        """(bool c, float x, float limit) => (float y, int64 n, float[t] all) {
            zero = Constant <value_int = 0> ()
            y, n, all = Loop (, c, x, zero) <
                body = b (int64 i, bool go, float v, int64 k) => (bool on, float w, int64 kk, float e) {
                w = Add (v, v)
                on = Less (w, limit)
                one = Constant <value_int = 1> ()
                kk = Add (k, one)
                e = Identity (v)
            }>
        }""",
        calls(c=(TRUE, FALSE, TRUE), x=(np.float32(1),), limit=(np.float32(100), np.float32(100), np.float32(0))),
        {"Loop_1_trips": "0..16"},
    ),
    Control(
        "both_ends",
        """(int64 m, bool c, int64[2] x) => (int64[2] y) {
            y = Loop (m, c, x) <body = b (int64 i, bool go, int64[2] v) => (bool on, int64[2] w) {
                w = Add (v, i)
                s = ReduceSum <keepdims = 0> (w)
                top = Constant <value_int = 40> ()
                on = Less (s, top)
            }>
        }""",
        calls(
            m=(np.array(5), np.array(500), np.array(-2), np.array(9)),
            c=(TRUE, TRUE, TRUE, FALSE),
            x=(np.array([1, 2]),),
        ),
    ),
    Control(
        "swapped",
        """(float[3] x, float[3] w) => (float[3] y, float[3] z, float[3] k) {
            m = Constant <value_int = 5> ()
            y, z, k = Loop (m, , x, w, x) <
                body = b (int64 i, bool go, float[3] p, float[3] q, float[3] r) => (bool on, float[3] s, float[3] t, float[3] u) {
                on = Identity (go)
                s = Identity (q)
                t = Identity (p)
                u = Add (r, p)
            }>
        }""",
        calls(x=(X,), w=(row(4, 5, 6),)),
    ),
    Control(
        "rotated",
        """(float[3] x, float[3] w, float[3] v) => (float[3] y, float[3] z, float[3] k) {
            m = Constant <value_int = 4> ()
            y, z, k = Loop (m, , x, w, v) <
                body = b (int64 i, bool go, float[3] p, float[3] q, float[3] r) => (bool on, float[3] s, float[3] t, float[3] u) {
                on = Identity (go)
                s = Add (q, p)
                t = Sub (r, p)
                u = Mul (p, s)
            }>
        }""",
        calls(x=(X / 8,), w=(row(0.4, 0.5, 0.6),), v=(row(-1, 0.5, 0.25),)),
    ),
    Control(
        "nested_loops",
        """(int64 m, float[2, 3] x) => (float[2, 3] y, float[t, 4, 2, 3] all) {
            four = Constant <value_int = 4> ()
            y, all = Loop (m, , x) <
                body = outer (int64 i, bool go, float[2, 3] v) => (bool on, float[2, 3] w, float[4, 2, 3] rows) {
                on = Identity (go)
                fi = Cast <to = 1> (i)
                w, rows = Loop (four, , v) <
                    body = inner (int64 j, bool go2, float[2, 3] p) => (bool on2, float[2, 3] q, float[2, 3] e) {
                    on2 = Identity (go2)
                    fj = Cast <to = 1> (j)
                    k = Add (fi, fj)
                    q0 = Mul (p, x)
                    q = Add (q0, k)
                    e = Sub (q, v)
                }>
            }>
        }""",
        calls(m=(np.array(2), np.array(0), np.array(3)), x=(table(2, 3) / 2,)),
        {"Loop_1_trips": "0..3"},
    ),
    Control(
        "growing",
        """(int64 m, float[n, 2] x) => (float[r, 2] y, float[2] total) {
            y = Loop (m, , x) <body = b (int64 i, bool go, float[k, 2] v) => (bool on, float[l, 2] w) {
                on = Identity (go)
                zero = Constant <value_ints = [0]> ()
                one = Constant <value_ints = [1]> ()
                first = Slice (v, zero, one)
                f = Cast <to = 1> (i)
                next = Add (first, f)
                w = Concat <axis = 0> (v, next)
            }>
            axes = Constant <value_ints = [0]> ()
            total = ReduceSum <keepdims = 0> (y, axes)
        }""",
        calls(m=(np.array(3), np.array(0), np.array(5)), x=(table(2, 2), table(1, 2), table(4, 2))),
        {"n": "1..8", "Loop_0_trips": "0..6"},
    ),
    Control(
        "doubling",
        """(int64 m, float[2] x) => (float[r] y, int64 s) {
            y = Loop (m, , x) <body = b (int64 i, bool go, float[k] v) => (bool on, float[l] w) {
                on = Identity (go)
                h = Mul (v, v)
                w = Concat <axis = 0> (v, h)
            }>
            s = Size (y)
        }""",
        calls(m=(np.array(3), np.array(0), np.array(4)), x=(row(0.5, -0.9),)),
        {"x_0": "0..32"},
    ),
    Control(
        "sliced_by_trip",
        """(float[n, 4] x) => (float[4] y, float[n, 4] sums) {
            shape = Shape <start = 0, end = 1> (x)
            nil = Constant <value_ints = [0]> ()
            m = Squeeze (shape, nil)
            start = Constant <value = float[4] {0, 0, 0, 0}> ()
            y, sums = Loop (m, , start) <body = b (int64 i, bool go, float[4] v) => (bool on, float[4] w, float[4] e) {
                on = Identity (go)
                r = Gather <axis = 0> (x, i)
                w = Add (v, r)
                e = Identity (w)
            }>
        }""",
        calls(x=(table(5, 4), table(1, 4), table(33, 4))),
        {"n": "1..40"},
    ),
    Control(
        "elements_that_grow_fail_only_when_run",
        """(float[3] x) => (float[t, q] y) {
            m = Constant <value_int = 1> ()
            y = Loop (m, , ) <body = b (int64 i, bool go) => (bool on, float[k] e) {
                on = Identity (go)
                one = Constant <value_ints = [1]> ()
                zero = Constant <value_ints = [0]> ()
                end0 = Add (i, one)
                e = Slice (x, zero, end0)
            }>
        }""",
        calls(x=(X,)),
    ),
]

SCAN = [
    Control(
        "running_sum",
        """(float[2] s, float[n, 2] x) => (float[2] y, float[n, 2] z) {
            y, z = Scan <num_scan_inputs = 1, body = b (float[2] a, float[2] v) => (float[2] w, float[2] e) {
                w = Add (a, v)
                e = Identity (w)
            }> (s, x)
        }""",
        calls(s=(row(1, 2),), x=(table(4, 2), table(1, 2), table(20, 2))),
        {"n": "1..32"},
    ),
    Control(
        "directions_and_axes",
        """(float s, float[3, 5] x, float[5, 2] w) => (float y, float[3, 5] z, float[5, 2] v, float[2, 5] u) {
            y, z, v, u = Scan <num_scan_inputs = 2, scan_input_axes = [1, -2], scan_input_directions = [1, 0],
                scan_output_axes = [1, 0, -1], scan_output_directions = [0, 1, 1],
                body = b (float a, float[3] p, float[2] q) => (float k, float[3] e, float[2] f, float[2] g) {
                m = ReduceSum <keepdims = 0> (p)
                k = Add (a, m)
                e = Mul (p, k)
                f = Add (q, k)
                g = Neg (f)
            }> (s, x, w)
        }""",
        calls(s=(np.float32(0.5),), x=(table(3, 5),), w=(table(5, 2, 3),)),
    ),
    Control(
        "no_state",
        """(int64[4, 2] x) => (int64[4, 2] y) {
            y = Scan <num_scan_inputs = 1, body = b (int64[2] v) => (int64[2] e) { e = Mul (v, v) }> (x)
        }""",
        calls(x=(np.arange(8).reshape(4, 2),)),
    ),
    Control(
        "recurrence",
        """(float[b, 4] h, float[t, b, 4] x, float[4, 4] w, float[4, 4] u) => (float[b, 4] y, float[t, b, 4] z) {
            y, z = Scan <num_scan_inputs = 1, body = step (float[b, 4] a, float[b, 4] v) => (float[b, 4] n, float[b, 4] e) {
                p = MatMul (a, w)
                q = MatMul (v, u)
                s = Add (p, q)
                n = Tanh (s)
                e = Identity (n)
            }> (h, x)
        }""",
        calls(
            h=(table(2, 4), table(1, 4)),
            x=(table(6, 8).reshape(6, 2, 4), table(3, 4).reshape(3, 1, 4)),
            w=(table(4, 4, 5),),
            u=(table(4, 4, 6),),
        ),
        {"b": "1..4", "t": "1..16"},
    ),
]

MIXED = [
    Control(
        "three_deep",
        """(int64 m, float[2, 3] x, bool c) => (float[3] y, float[t, 2, 3] all) {
            zero = Constant <value = float[3] {0, 0, 0}> ()
            y, all = Loop (m, , zero) <body = outer (int64 i, bool go, float[3] v) => (bool on, float[3] w, float[2, 3] e) {
                on = Identity (go)
                w, e = Scan <num_scan_inputs = 1, body = middle (float[3] a, float[3] r) => (float[3] n, float[3] o) {
                    n = If (c) <
                        then_branch = t () => (float[3] p) { d = Add (a, r)  p = Sub (d, v) },
                        else_branch = f () => (float[3] p) {
                            g = Cast <to = 1> (i)
                            two = Constant <value_int = 2> ()
                            p = Loop (two, , a) <body = inner (int64 j, bool go3, float[3] q) => (bool on3, float[3] q2) {
                                on3 = Identity (go3)
                                h = Add (q, g)
                                q2 = Mul (h, r)
                            }>
                        }>
                    o = Neg (n)
                }> (v, x)
            }>
        }""",
        calls(m=(np.array(3), np.array(2), np.array(0)), x=(table(2, 3),), c=(TRUE, FALSE, FALSE)),
        {"Loop_1_trips": "0..4"},
    ),
    Control(
        "found_inside_found",
        """(int64 m, bool c, float[2] x) => (float[r] y) {
            y = Loop (m, , x) <body = b (int64 i, bool go, float[k] v) => (bool on, float[l] w) {
                on = Identity (go)
                w = If (c) <
                    then_branch = t () => (float[p] a) {
                        one = Constant <value = float[1] {1}> ()
                        a = Concat <axis = 0> (v, one)
                    },
                    else_branch = e () => (float[p] a) { a = Neg (v) }>
            }>
        }""",
        calls(m=(np.array(3), np.array(2), np.array(0), np.array(5)), c=(TRUE, FALSE, TRUE, TRUE), x=(row(3, 4),)),
        {"Loop_0_trips": "0..5"},
    ),
]

FOUND = [
    Control(
        "non_zero",
        """(float[n, 3] x) => (int64[2, k] y, float[k] values, int64 count, float[k] steps) {
            y = NonZero (x)
            pairs = Transpose <perm = [1, 0]> (y)
            values = GatherND (x, pairs)
            shape = Shape (y)
            one = Constant <value_int = 1> ()
            count = Gather (shape, one)
            zero = Constant <value_int = 0> ()
            places = Range (zero, count, one)
            p = Cast <to = 1> (places)
            steps = Mul (p, values)
        }""",
        calls(
            x=(
                np.array([[0, 1, -2], [np.nan, 0, 0]], np.float32),
                np.zeros((4, 3), np.float32),
                np.round(table(40, 3)),
                table(1, 3),
            )
        ),
        {"n": "1..64"},
    ),
    Control(
        "non_zero_of_types",
        """(bool[2, 2, 3] b, int64[7] i) => (int64[3, k] y, int64[1, l] z) { y = NonZero (b)  z = NonZero (i) }""",
        calls(b=(np.arange(12).reshape(2, 2, 3) % 3 == 1, np.zeros((2, 2, 3), bool)), i=(np.array([0, 3, 0, -1, 0, 0, 9]),)),
    ),
    Control(
        "compress",
        """(float[4, n] x, bool[3] rows, bool[n] columns) => (float[r, n] y, float[4, k] z, float[m] flat, float[k] sums) {
            y = Compress <axis = 0> (x, rows)
            z = Compress <axis = -1> (x, columns)
            flat = Compress (x, rows)
            axes = Constant <value_ints = [0]> ()
            sums = ReduceSum <keepdims = 0> (z, axes)
        }""",
        calls(
            x=(table(4, 5), table(4, 1), table(4, 9)),
            rows=(np.array([True, False, True]), np.zeros(3, bool), np.ones(3, bool)),
            columns=(np.arange(5) % 2 == 0, np.array([False]), np.arange(9) > 3),
        ),
        {"n": "1..16"},
    ),
    Control(
        "sizes_from_data",
        """(int64 n, int64[2] s, float[1, 3] x) => (int64[k] y, float[p, q] z, float[r, 3] w, float[k] back) {
            zero = Constant <value_int = 0> ()
            one = Constant <value_int = 1> ()
            y = Range (zero, n, one)
            z = ConstantOfShape <value = float[1] {2.5}> (s)
            three = Constant <value_ints = [3]> ()
            axis = Constant <value_ints = [0]> ()
            rows = Unsqueeze (n, axis)
            shape = Concat <axis = 0> (rows, three)
            w = Expand (x, shape)
            back = Cast <to = 1> (y)
        }""",
        calls(
            n=(np.array(4), np.array(0), np.array(9)),
            s=(np.array([2, 3]), np.array([0, 4]), np.array([5, 5])),
            x=(table(1, 3),),
        ),
        {"n": "0..9", "s_0": "0..5", "s_1": "0..5"},
    ),
    Control(
        "slice_from_data",
        """(int64[1] a, int64[1] b, int64[2] c, float[n, 4] x) => (float[k, 4] y, float[p, q] z, float[4] total) {
            y = Slice (x, a, b)
            ends = Constant <value_ints = [100, 3]> ()
            z = Slice (x, c, ends)
            axes = Constant <value_ints = [0]> ()
            total = ReduceSum <keepdims = 0> (y, axes)
        }""",
        calls(
            a=(np.array([1]), np.array([-3]), np.array([7]), np.array([-100])),
            b=(np.array([4]), np.array([-1]), np.array([3]), np.array([2**62])),
            c=(np.array([0, 1]), np.array([-2, -4]), np.array([2, 3]), np.array([50, 0])),
            x=(table(6, 4), table(9, 4)),
        ),
        {"n": "1..16"},
    ),
    Control(
        "found_in_a_loop",
        """(int64 m, float[4] x) => (float[r] y, int64[t] counts) {
            start = Constant <value = float[1] {0}> ()
            y, counts = Loop (m, , start) <body = b (int64 i, bool go, float[k] v) => (bool on, float[l] w, int64 c) {
                on = Identity (go)
                f = Cast <to = 1> (i)
                larger = Greater (x, f)
                kept = Compress (x, larger)
                w = Concat <axis = 0> (v, kept)
                c = Size (kept)
            }>
        }""",
        calls(m=(np.array(3), np.array(0), np.array(1)), x=(row(0.5, 1.5, 2.5, -1),)),
        {"Loop_1_trips": "0..4"},
    ),
]

CASES = [*IF, *LOOP, *SCAN, *MIXED, *FOUND]
