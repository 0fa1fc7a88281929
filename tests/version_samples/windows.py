"""Windows, regions, grids, and recurrences."""

from __future__ import annotations

import numpy as np
from op_cases.case import Case, floats, i64, integers, scalar
from version_samples.given import IMAGE, NEWEST, use

SAMPLES: list[Case] = []

# Sums and maxima over no axes still square, take the logarithm, and so on; run-time axes.
for op in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"):
    x = np.abs(floats(2, 3, 4)) + np.float32(0.5) if op == "LogSum" else floats(2, 3, 4)
    SAMPLES += [
        use(f"Reduce{op}", (x,), {"noop_with_empty_axes": 1}),
        use(f"Reduce{op}", (x, i64()), {"noop_with_empty_axes": 1, "keepdims": 0}, (1,)),
        use(f"Reduce{op}", (x, i64()), {"keepdims": 0}, (1,)),
        use(f"Reduce{op}", (x, i64(-1, 0)), {"keepdims": 0}, (1,)),
        use(f"Reduce{op}", (x, i64(1))),
        use(f"Reduce{op}", (scalar(x[0, 0, 0]), i64()), {}, (1,)),
    ]

# Windows.
for op in ("MaxPool", "AveragePool", "LpPool"):
    SAMPLES += [
        use(op, (IMAGE,), {"kernel_shape": [3, 2], "strides": [2, 1], "auto_pad": value})
        for value in ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET")
    ]
    SAMPLES += [
        use(op, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 1], "ceil_mode": 1}),
        use(
            op,
            (IMAGE,),
            {"kernel_shape": [2, 3], "strides": [3, 2], "dilations": [2, 2], "ceil_mode": 1},
            oracle="reference" if op == "LpPool" else "onnxruntime",
        ),
        use(op, (IMAGE,), {"kernel_shape": [2, 2], "dilations": [2, 3], "pads": [1, 1, 0, 1]}),
        use(op, (floats(2, 3, 9),), {"kernel_shape": [3], "strides": [2]}),
        use(op, (floats(1, 2, 4, 5, 3),), {"kernel_shape": [2, 2, 2], "strides": [1, 2, 1]}),
    ]
SAMPLES += [
    use(
        "AveragePool",
        (IMAGE,),
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1, "strides": [2, 2], "ceil_mode": c},
    )
    for c in (0, 1)
]
SAMPLES += [use("LpPool", (IMAGE,), {"kernel_shape": [2, 2], "p": p}) for p in (1, 3)]
SAMPLES += [
    use("MaxPool", (IMAGE,), {"kernel_shape": [2, 2], "strides": [2, 2], "storage_order": order}, outputs=("y", "places"))
    for order in (0, 1)
]
SAMPLES += [
    use(
        "MaxPool",
        (IMAGE,),
        {"kernel_shape": [3, 2], "strides": [2, 1], "auto_pad": "SAME_UPPER", "dilations": [1, 2]},
        outputs=("y", "places"),
    ),
    use("GlobalLpPool", (IMAGE,)),
    use("GlobalLpPool", (IMAGE,), {"p": 3}),
    use("GlobalLpPool", (floats(2, 3, 5),), {"p": 1}),
    use(
        "MaxUnpool",
        (floats(1, 2, 2, 3), i64(*(5, 2, 9, 11, 13, 19, 4, 0, 8, 10, 15, 17)).reshape(1, 2, 2, 3)),
        {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 1]},
    ),
    use("MaxUnpool", (floats(1, 1, 4), i64(0, 3, 4, 7).reshape(1, 1, 4)), {"kernel_shape": [2], "strides": [2]}),
]
W, U8W = floats(4, 3, 3, 2, seed=1), integers(0, 255, 4, 3, 3, 2, dtype="uint8")
U8 = integers(0, 255, 2, 3, 6, 7, dtype="uint8")
for settings in (
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 3], "kernel_shape": [3, 2]},
    {"auto_pad": "VALID", "dilations": [2, 1]},
    {"pads": [1, 2, 0, 1], "strides": [1, 2], "dilations": [1, 3]},
):
    SAMPLES += [
        use("Conv", (IMAGE, W, floats(4)), settings, rtol=1e-5),
        use("Conv", (IMAGE, W), settings, rtol=1e-5),
        use("ConvInteger", (U8, U8W, scalar(3, "uint8"), scalar(7, "uint8")), settings),
        use(
            "QLinearConv",
            (
                U8,
                scalar(0.02),
                scalar(5, "uint8"),
                U8W,
                scalar(0.03),
                scalar(9, "uint8"),
                scalar(9.0),
                scalar(100, "uint8"),
                integers(-99, 99, 4, dtype="int32"),
            ),
            settings,
        ),
    ]
SAMPLES += [
    use("ConvInteger", (U8[:, :, :, :5], integers(0, 9, 3, 1, 2, 2, dtype="uint8")), {"group": 3}),
    use(
        "QLinearConv",
        (
            U8,
            scalar(0.02),
            scalar(5, "uint8"),
            integers(0, 9, 6, 1, 2, 2, dtype="uint8"),
            floats(6) ** 2,
            np.zeros(6, np.uint8),
            scalar(0.9),
            scalar(100, "uint8"),
        ),
        {"group": 3},
    ),
    use("Conv", (floats(2, 4, 7), floats(6, 2, 3)), {"group": 2}, rtol=1e-5),
    use("Conv", (floats(1, 2, 4, 5, 3), floats(3, 2, 2, 2, 2)), {"strides": [1, 2, 1]}, rtol=1e-5),
]
T = floats(3, 2, 3, 3, seed=2)
SAMPLES += [
    use("ConvTranspose", (floats(2, 3, 4, 5), T, *bias), settings, rtol=1e-5)
    for bias in ((), (floats(2),))
    for settings in (
        {},
        {"strides": [2, 3]},
        {"strides": [2, 2], "output_padding": [1, 0]},
        {"strides": [2, 2], "pads": [1, 0, 1, 2]},
        {"strides": [3, 2], "output_shape": [12, 11]},
        {"strides": [3, 2], "output_shape": [12, 11], "auto_pad": "SAME_LOWER"},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"dilations": [2, 2], "kernel_shape": [3, 3]},
        {"auto_pad": "VALID", "strides": [2, 1]},
    )
]
SAMPLES += [use("ConvTranspose", (floats(2, 4, 5), floats(4, 2, 3)), {"group": 2, "strides": [2]}, rtol=1e-5)]
SAMPLES += [
    use(
        "DeformConv",
        (floats(1, 4, 6, 6), floats(4, 2, 2, 2), floats(1, 16, h, h) * np.float32(0.4), *rest),
        {"group": 2, "offset_group": 2, **settings},
        rtol=1e-5,
    )
    for h, settings in (
        (5, {}),
        (3, {"strides": [2, 2]}),
        (4, {"dilations": [2, 2]}),
        (7, {"pads": [1, 1, 1, 1], "kernel_shape": [2, 2]}),
    )
    for rest in ((), (floats(4),), (None, floats(1, 8, h, h)))
]

# Regions and grids.
ROIS, BATCH = np.array([[0.5, 1.0, 4.5, 5.0], [1.0, 0.0, 3.0, 4.0], [0, 0, 6, 5]], np.float32), i64(0, 1, 1)
SAMPLES += [
    use(
        "RoiAlign",
        (IMAGE, ROIS, BATCH),
        {"output_height": 2, "output_width": 3, "sampling_ratio": ratio, "spatial_scale": scale, **settings},
        rtol=1e-5,
    )
    for ratio in (0, 2)
    for scale in (1.0, 0.5)
    for settings in (
        {},
        {"coordinate_transformation_mode": "output_half_pixel"},
        {"coordinate_transformation_mode": "half_pixel"},
    )
]
SAMPLES += [
    use("RoiAlign", (IMAGE, ROIS, BATCH), {"output_height": 2, "output_width": 2, "sampling_ratio": 1, "mode": "max"}, rtol=1e-5),
    use(
        "MaxRoiPool", (IMAGE, np.array([[0, 1, 1, 5, 4], [1, 0, 0, 6, 5], [1, 3, 2, 3, 2]], np.float32)), {"pooled_shape": [2, 3]}
    ),
    use(
        "MaxRoiPool",
        (IMAGE, np.array([[1, 2, 2, 9, 8], [0, 0, 0, 30, 40]], np.float32)),
        {"pooled_shape": [3, 2], "spatial_scale": 0.5},
    ),
]
GRID = floats(2, 4, 5, 2) * np.float32(1.2)
SAMPLES += [
    use("GridSample", (IMAGE, GRID), {"mode": mode, "padding_mode": padding, "align_corners": align}, until=until, rtol=1e-5)
    for until, modes in ((16, ("bilinear", "nearest", "bicubic")), (NEWEST, ("linear", "nearest", "cubic")))
    for mode in modes
    for padding in ("zeros", "border", "reflection")
    for align in (0, 1)
]
SAMPLES += [
    use("GridSample", (floats(1, 2, 3, 4, 5), floats(1, 2, 3, 4, 3)), {"mode": mode}, since=20, rtol=1e-5)
    for mode in ("linear", "nearest")
]

# Resize, axis by axis.
SCALES = np.array([1, 1, 1.6, 0.7], np.float32)
SAMPLES += [
    use("Resize", (IMAGE, None, SCALES), {"mode": mode, "coordinate_transformation_mode": c, **more}, (2,), rtol=1e-5)
    for mode in ("nearest", "linear", "cubic")
    for c in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")
    for more in ({}, {"antialias": 1}, {"exclude_outside": 1}, {"nearest_mode": "ceil"}, {"cubic_coeff_a": -0.5})
    if not ("exclude_outside" in more or "cubic_coeff_a" in more) or mode == "cubic"
    if "nearest_mode" not in more or mode == "nearest"
    if "antialias" not in more or mode != "nearest"
]
SAMPLES += [
    use(
        "Resize",
        (IMAGE, floats(8) ** 2, None, i64(2, 3, 4, 5)),
        {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": -3.0},
        (1, 3),
        rtol=1e-5,
    )
    for mode in ("nearest", "linear", "cubic")
] + [
    use(
        "Resize",
        (IMAGE, None, None, i64(9, 5)),
        {"axes": [3, 2], "mode": mode, "keep_aspect_ratio_policy": policy, "antialias": int(mode != "nearest")},
        (3,),
        rtol=1e-5,
    )
    for mode in ("nearest", "linear", "cubic")
    for policy in ("stretch", "not_larger", "not_smaller")
]
SAMPLES += [
    use(
        op,
        (IMAGE[:, :, :2, :3], np.array([1, 1, 2, 3], np.float32)),
        {"mode": mode},
        (1,),
        until=10 if op == "Resize" else 9,
        rtol=1e-5,
    )
    for op in ("Resize", "Upsample")
    for mode in ("nearest", "linear")
]
SAMPLES += [
    use("Resize", (IMAGE, np.array([1, 1, 0.5, 0.6], np.float32)), {"mode": mode}, (1,), until=10, rtol=1e-5)
    for mode in ("nearest", "linear")
]

# Recurrences: every direction, activations with and without parameters, clipping, peepholes, every operand there and not.
ONE = (
    "Relu",
    "Tanh",
    "Sigmoid",
    "Softsign",
    "Softplus",
    "Affine",
    "LeakyRelu",
    "ThresholdedRelu",
    "ScaledTanh",
    "HardSigmoid",
    "Elu",
)
PARAMETERS = {
    "Affine": (0.7, 0.1),
    "LeakyRelu": (0.2,),
    "ThresholdedRelu": (0.3,),
    "ScaledTanh": (0.9, 0.8),
    "HardSigmoid": (0.3, 0.4),
    "Elu": (0.6,),
}
for op, gates, count in (("RNN", 1, 1), ("GRU", 3, 2), ("LSTM", 4, 3)):
    for direction in ("forward", "reverse", "bidirectional"):
        d = 2 if direction == "bidirectional" else 1
        for layout in (0, 1):
            xs, h = floats(*((2, 4, 3) if layout else (4, 2, 3))), floats(*((2, d, 5) if layout else (d, 2, 5)), seed=4)
            common = {"hidden_size": 5, "direction": direction, "layout": layout}
            operands = (
                xs,
                floats(d, gates * 5, 3, seed=1),
                floats(d, gates * 5, 5, seed=2),
                floats(d, gates * 10, seed=3),
                integers(1, 4, 2, dtype="int32"),
                h,
            )
            more = (floats(*h.shape, seed=5), floats(d, 15, seed=6)) if op == "LSTM" else ()
            outputs = ("y", "yh", "yc")[: 3 if op == "LSTM" else 2]
            SAMPLES += [
                use(op, operands[:3], common, outputs=outputs, rtol=1e-5),
                use(op, operands + more, common | {"clip": 0.4}, outputs=outputs, rtol=1e-5),
                use(op, (*operands[:3], None, None, h), common, outputs=("", "yh"), rtol=1e-5),
            ]
            if layout == 0:
                for start in range(0, len(ONE), count):
                    chosen = [ONE[(start + i) % len(ONE)] for i in range(count)] * d
                    alpha, beta = ([PARAMETERS[name][k] for name in chosen if len(PARAMETERS.get(name, ())) > k] for k in (0, 1))
                    settings = {"activations": chosen, "activation_alpha": alpha, "activation_beta": beta}
                    small = tuple(v * np.float32(0.3) for v in operands[:4])  # of gates without a bound
                    SAMPLES += [use(op, small, common | settings, (1, 2, 3), outputs, rtol=1e-5)]
    if op == "GRU":
        SAMPLES += [use(op, operands, common | {"linear_before_reset": 1}, outputs=outputs, rtol=1e-5)]
    if op == "LSTM":
        SAMPLES += [use(op, operands, common | {"input_forget": 1}, outputs=outputs, rtol=1e-5)]
