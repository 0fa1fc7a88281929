"""ONNX convolution and pooling."""

from __future__ import annotations

from dataclasses import dataclass

from kaoken.frontend.implied import least_for_room
from kaoken.frontend.movement import reshape_to
from kaoken.frontend.registry import OnnxNode, Unsupported, onnx_op
from kaoken.ir.dims import Dim, dim, maximum, minimum
from kaoken.ir.graph import Value
from kaoken.ops.contraction import window_reach


@dataclass(frozen=True)
class Window:
    """How a window slides over the spatial axes: its extents, steps, spacing, and the padding before and after each axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[Dim, ...]
    after: tuple[Dim, ...]


def _numbers(node: OnnxNode, name: str, default: int, count: int) -> tuple[int, ...]:
    numbers = tuple(int(n) for n in node.attribute(name, [default] * count))
    if len(numbers) != count or (default == 1 and min(numbers, default=1) < 1):
        raise Unsupported(f"{name}={list(numbers)} does not fit {count} spatial axes")
    return numbers


def window_of(node: OnnxNode, x: Value, kernel: tuple[int, ...]) -> Window:
    """A node's window over the spatial axes of x."""
    spatial = x.rank - 2
    if spatial < 1 or len(kernel) != spatial or min(kernel) < 1:
        raise Unsupported(f"a window of {list(kernel)} over {x}")
    strides, dilations = _numbers(node, "strides", 1, spatial), _numbers(node, "dilations", 1, spatial)
    mode = node.attribute("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        pads = _numbers(node, "pads", 0, 2 * spatial) if mode == "NOTSET" else (0,) * (2 * spatial)
        return Window(kernel, strides, dilations, tuple(map(dim, pads[:spatial])), tuple(map(dim, pads[spatial:])))
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise Unsupported(f"auto_pad={mode!r} is unknown")
    before, after = [], []
    for n in range(spatial):
        covered = -(-x.shape[n + 2] // strides[n])
        total = maximum(dim(0), (covered - 1) * strides[n] + window_reach(kernel[n], dilations[n]) - x.shape[n + 2])
        small = total // 2
        before.append(small if mode == "SAME_UPPER" else total - small)
        after.append(total - small if mode == "SAME_UPPER" else small)
    return Window(kernel, strides, dilations, tuple(before), tuple(after))


def _kernel_of_weights(w: Value) -> tuple[int, ...]:
    extents = tuple(d.constant for d in w.shape[2:])
    if any(e is None for e in extents):
        raise Unsupported(f"a kernel of unknown extents: {w}")
    return tuple(int(e) for e in extents if e is not None)


def _require_room(node: OnnxNode, x: Value, window: Window) -> None:
    """Raises ImpliedBounds where an input may be too small for the window."""
    for n in range(0 if node.builder.graph.is_body else x.rank - 2):
        reach = window_reach(window.kernel[n], window.dilations[n])
        room = x.shape[n + 2] + window.before[n] + window.after[n] - reach
        implied = least_for_room(room, f"a window of {reach} does not fit into {list(x.shape[2:])}")
        if implied is not None:
            raise implied


@onnx_op("Conv")
def conv(node: OnnxNode) -> Value:
    x, w = node.input(0), node.input(1)
    window = window_of(node, x, _kernel_of_weights(w))
    _require_room(node, x, window)
    inputs = [v for v in (x, w, node.optional(2)) if v is not None]
    return node.add(
        "conv",
        *inputs,
        strides=window.strides,
        dilations=window.dilations,
        before=window.before,
        after=window.after,
        group=int(node.attribute("group", 1)),
    )


@onnx_op("ConvTranspose")
def conv_transpose(node: OnnxNode) -> Value:
    x, w = node.input(0), node.input(1)
    spatial, kernel = x.rank - 2, _kernel_of_weights(w)
    strides, dilations = _numbers(node, "strides", 1, spatial), _numbers(node, "dilations", 1, spatial)
    pads, extra = _numbers(node, "pads", 0, 2 * spatial), _numbers(node, "output_padding", 0, spatial)
    mode = node.attribute("auto_pad", "NOTSET")
    before, extents = [], []
    for n in range(spatial):
        full = (x.shape[n + 2] - 1) * strides[n] + extra[n] + window_reach(kernel[n], dilations[n])
        if "output_shape" in node.attributes or mode in ("SAME_UPPER", "SAME_LOWER"):
            wanted = dim(node.attributes["output_shape"][n]) if "output_shape" in node.attributes else x.shape[n + 2] * strides[n]
            total = maximum(dim(0), full - wanted)
            before.append(total // 2 if mode == "SAME_UPPER" else total - total // 2)
            extents.append(wanted)
        else:
            before.append(dim(pads[n]) if mode == "NOTSET" else dim(0))
            extents.append(full - pads[n] - pads[n + spatial] if mode == "NOTSET" else full)
    inputs = [v for v in (x, w, node.optional(2)) if v is not None]
    group = int(node.attribute("group", 1))
    return node.add(
        "conv_transpose", *inputs, strides=strides, dilations=dilations, before=tuple(before), extents=tuple(extents), group=group
    )


def _pooled(node: OnnxNode, kind: str, **attrs: object) -> Value:
    x = node.input(0)
    kernel = tuple(int(k) for k in node.attribute("kernel_shape"))
    window = window_of(node, x, kernel)
    extents = []
    for n, extent in enumerate(x.shape[2:]):
        padded = extent + window.before[n] + window.after[n] - window_reach(kernel[n], window.dilations[n])
        if node.attribute("ceil_mode", 0):
            # A window that would start in the padding after the tensor is left out.
            last = (extent + window.before[n] - 1) // window.strides[n]
            extents.append(minimum(-(-padded // window.strides[n]), last) + 1)
        else:
            extents.append(padded // window.strides[n] + 1)
    return node.add(
        kind,
        x,
        kernel=kernel,
        strides=window.strides,
        dilations=window.dilations,
        before=window.before,
        after=window.after,
        extents=tuple(extents),
        **attrs,
    )


@onnx_op("MaxPool")
def max_pool(node: OnnxNode) -> list[Value | None]:
    order = bool(node.attribute("storage_order", 0))
    places = _pooled(node, "max_pool_index", column_major=order) if node.output_count > 1 else None
    return [_pooled(node, "max_pool"), places]


@onnx_op("AveragePool")
def average_pool(node: OnnxNode) -> Value:
    return _pooled(node, "average_pool", count_padding=bool(node.attribute("count_include_pad", 0)))


@onnx_op("LpPool", since=2)
def lp_pool(node: OnnxNode) -> Value:
    return _pooled(node, "lp_pool", p=int(node.attribute("p", 2)))


@onnx_op("GlobalAveragePool", "GlobalMaxPool")
def global_pool(node: OnnxNode) -> Value:
    x = node.input(0)
    kind = "reduce_mean" if node.op == "GlobalAveragePool" else "reduce_max"
    return node.add(kind, x, axes=tuple(range(2, x.rank)), keepdims=True)


@onnx_op("GlobalLpPool", since=2)
def global_lp_pool(node: OnnxNode) -> Value:
    x, p = node.input(0), int(node.attribute("p", 2))
    axes = tuple(range(2, x.rank))
    if p in (1, 2):
        return node.add(f"reduce_l{p}", x, axes=axes, keepdims=True)
    powers = node.add("pow", node.add("abs", x), node.scalar(p, x))
    return node.add("pow", node.add("reduce_sum", powers, axes=axes, keepdims=True), node.scalar(1 / p, x))


@onnx_op("DepthToSpace", "SpaceToDepth")
def depth_and_space(node: OnnxNode) -> Value:
    x, block = node.input(0), int(node.attribute("blocksize"))
    if x.rank != 4 or block < 1:
        raise Unsupported(f"blocks of {block} in {x}")
    batch, channels, height, width = x.shape
    if node.op == "SpaceToDepth":
        parts = reshape_to(node, x, [batch, channels, height // block, dim(block), width // block, dim(block)])
        channel_first = node.attribute("mode", "DCR") == "CRD"
        moved = node.add("transpose", parts, perm=(0, 1, 3, 5, 2, 4) if channel_first else (0, 3, 5, 1, 2, 4))
        return reshape_to(node, moved, [batch, channels * (block * block), height // block, width // block])
    depth = channels // (block * block)
    if node.attribute("mode", "DCR") == "DCR":
        parts = reshape_to(node, x, [batch, dim(block), dim(block), depth, height, width])
        moved = node.add("transpose", parts, perm=(0, 3, 4, 1, 5, 2))
    else:
        parts = reshape_to(node, x, [batch, depth, dim(block), dim(block), height, width])
        moved = node.add("transpose", parts, perm=(0, 1, 4, 2, 5, 3))
    return reshape_to(node, moved, [batch, depth, height * block, width * block])
