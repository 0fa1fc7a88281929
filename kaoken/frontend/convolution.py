"""ONNX convolution and pooling."""

from __future__ import annotations

from dataclasses import dataclass

from kaoken.frontend.implied import least_for_room
from kaoken.frontend.registry import OnnxNode, Unsupported
from kaoken.frontend.spelled import Tensor, onnx_formula, onnx_formulas
from kaoken.ir.dims import Dim, dim, maximum, minimum
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


def window_of(node: OnnxNode, x: Tensor, kernel: tuple[int, ...]) -> Window:
    """A node's window over the spatial axes of x."""
    spatial = x.rank - 2
    if spatial < 1 or len(kernel) != spatial or min(kernel) < 1:
        raise Unsupported(f"a window of {list(kernel)} over {x.value}")
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


def _kernel_of_weights(w: Tensor) -> tuple[int, ...]:
    if any(d.constant is None for d in w.shape[2:]):
        raise Unsupported(f"a kernel of unknown extents: {w.value}")
    return tuple(map(int, w.shape[2:]))


def _require_room(node: OnnxNode, x: Tensor, window: Window) -> None:
    """Raises ImpliedBounds where an input may be too small for the window."""
    for n in range(0 if node.builder.graph.is_body else x.rank - 2):
        reach = window_reach(window.kernel[n], window.dilations[n])
        room = x.shape[n + 2] + window.before[n] + window.after[n] - reach
        implied = least_for_room(room, f"a window of {reach} does not fit into {list(x.shape[2:])}")
        if implied is not None:
            raise implied


@onnx_formula("Conv")
def conv(node: OnnxNode, x: Tensor, w: Tensor, bias: Tensor | None = None, *, group: int = 1) -> Tensor:
    own, biases = window_of(node, x, _kernel_of_weights(w)), () if bias is None else (bias,)
    _require_room(node, x, own)
    return x.conv(w, *biases, strides=own.strides, dilations=own.dilations, before=own.before, after=own.after, group=group)


@onnx_formula("ConvTranspose")
def conv_transpose(
    node: OnnxNode, x: Tensor, w: Tensor, bias: Tensor | None = None, *,
    group: int = 1, auto_pad: str = "NOTSET", output_shape: list[int] | None = None,
) -> Tensor:  # fmt: skip
    spatial, kernel = x.rank - 2, _kernel_of_weights(w)
    strides, dilations = _numbers(node, "strides", 1, spatial), _numbers(node, "dilations", 1, spatial)
    pads, extra = _numbers(node, "pads", 0, 2 * spatial), _numbers(node, "output_padding", 0, spatial)
    before, extents = [], []
    for n, extent in enumerate(x.shape[2:]):
        full = (extent - 1) * strides[n] + extra[n] + window_reach(kernel[n], dilations[n])
        if output_shape is not None or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            wanted = dim(output_shape[n]) if output_shape is not None else extent * strides[n]
            total = maximum(dim(0), full - wanted)
            before.append(total // 2 if auto_pad == "SAME_UPPER" else total - total // 2)
            extents.append(wanted)
        else:
            before.append(dim(pads[n]) if auto_pad == "NOTSET" else dim(0))
            extents.append(full - pads[n] - pads[n + spatial] if auto_pad == "NOTSET" else full)
    biases = () if bias is None else (bias,)
    window = {"strides": strides, "dilations": dilations, "before": tuple(before), "extents": tuple(extents)}
    return x.conv_transpose(w, *biases, **window, group=group)


def _pooled(node: OnnxNode, x: Tensor, kind: str, kernel_shape: list[int], **attrs: object) -> Tensor:
    kernel = tuple(kernel_shape)
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
    return x.add_node(kind, **vars(window), extents=tuple(extents), **attrs)


@onnx_formula("MaxPool")
def max_pool(node: OnnxNode, x: Tensor, *, kernel_shape: list[int], storage_order: int = 0) -> list[Tensor | None]:
    largest = _pooled(node, x, "max_pool", kernel_shape)
    if node.output_count == 1:
        return [largest, None]
    return [largest, _pooled(node, x, "max_pool_index", kernel_shape, column_major=bool(storage_order))]


@onnx_formula("AveragePool")
def average_pool(node: OnnxNode, x: Tensor, *, kernel_shape: list[int], count_include_pad: int = 0) -> Tensor:
    return _pooled(node, x, "average_pool", kernel_shape, count_padding=bool(count_include_pad))


@onnx_formula("LpPool", since=2)
def lp_pool(node: OnnxNode, x: Tensor, *, kernel_shape: list[int], p: int = 2) -> Tensor:
    return _pooled(node, x, "lp_pool", kernel_shape, p=p)


def _global_lp_pool(x: Tensor, *, p: int = 2) -> Tensor:
    if p in (1, 2):
        return x.reduce(f"l{p}", *range(2, x.rank), keep=True)
    return x.abs().pow(p).reduce("sum", *range(2, x.rank), keep=True).pow(1 / p)


onnx_formulas(
    GlobalAveragePool=lambda x: x.reduce("mean", *range(2, x.rank), keep=True),
    GlobalMaxPool=lambda x: x.reduce("max", *range(2, x.rank), keep=True),
)
onnx_formulas(2, GlobalLpPool=_global_lp_pool)


@onnx_formula("SpaceToDepth")
def space_to_depth(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    batch, channels, height, width = _picture(x, blocksize)
    parts = x.reshape(batch, channels, height // blocksize, blocksize, width // blocksize, blocksize)
    moved = parts.transpose(*((0, 1, 3, 5, 2, 4) if mode == "CRD" else (0, 3, 5, 1, 2, 4)))
    return moved.reshape(batch, channels * (blocksize * blocksize), height // blocksize, width // blocksize)


@onnx_formula("DepthToSpace")
def depth_to_space(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    batch, channels, height, width = _picture(x, blocksize)
    depth = channels // (blocksize * blocksize)
    if mode == "DCR":
        moved = x.reshape(batch, blocksize, blocksize, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
    else:
        moved = x.reshape(batch, depth, blocksize, blocksize, height, width).transpose(0, 1, 4, 2, 5, 3)
    return moved.reshape(batch, depth, height * blocksize, width * blocksize)


def _picture(x: Tensor, block: int) -> tuple[Dim, ...]:
    """Batch, channels, height, width. Raises Unsupported for a tensor that is none, or has no such blocks."""
    if x.rank != 4 or block < 1:
        raise Unsupported(f"blocks of {block} in {x.value}")
    return x.shape
