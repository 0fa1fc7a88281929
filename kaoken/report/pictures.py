"""Geometry of the report's pictures, as plain numbers that the templates put into SVG: arena over time, graph, roofline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ROW_HEIGHT, GRAPH_LEFT = 22, 90
MEMORY_WIDTH, MEMORY_HEIGHT = 1000, 220
LEAST_INTENSITY, MOST_INTENSITY = 0.125, 1024.0
"""FLOP a byte at the roofline's edges; what reads nothing from memory stands at the right one."""


@dataclass(frozen=True)
class MemoryBlock:
    """A value in the arena: a rectangle of MEMORY_WIDTH x MEMORY_HEIGHT with time from the left and the arena from below."""

    x: float
    y: float
    width: float
    height: float
    hue: int
    text: str


def memory_blocks(memory: dict[str, Any]) -> list[MemoryBlock]:
    """The blocks of `memory_report`; those that overwrite one another in place have one colour."""
    up, right = _memory_scales(memory)
    found = []
    for block in memory["blocks"]:
        height = up * block["bytes"]
        y = MEMORY_HEIGHT - up * block["offset"] - height
        width = right * (block["last"] - block["first"] + 1)
        text = f"{block['value']}: {block['bytes']:,} bytes at {block['offset']:,}"
        found.append(MemoryBlock(right * block["first"], y, width, height, 47 * block["slot"] % 360, text))
    return found


def live_line(memory: dict[str, Any]) -> str:
    """The bytes that live at once as SVG polyline data, over the blocks."""
    up, right = _memory_scales(memory)
    return " ".join(f"{right * (n + 0.5):.1f},{MEMORY_HEIGHT - up * live:.1f}" for n, live in enumerate(memory["live_bytes"]))


def _memory_scales(memory: dict[str, Any]) -> tuple[float, float]:
    """Pixels a byte and a kernel call."""
    return MEMORY_HEIGHT / (memory["arena_bytes"] or 1), MEMORY_WIDTH / (len(memory["live_bytes"]) or 1)


@dataclass(frozen=True)
class GraphRow:
    """A kernel call as a line of the picture: `y` its middle, `paths` its edges as SVG path data, from what it reads."""

    y: int
    layer: str
    kernel: str
    reads: str
    gives: str
    paths: tuple[str, ...]


def graph_rows(calls: Sequence[dict[str, Any]], left: int) -> list[GraphRow]:
    """Calls from top to bottom in order; an edge to the next is a line, a longer one an arc to the left of `left`."""
    rows = []
    for number, call in enumerate(calls):
        y = number * ROW_HEIGHT + ROW_HEIGHT // 2
        paths = []
        for source in call["inputs"]:
            begin = source * ROW_HEIGHT + ROW_HEIGHT // 2
            if number - source == 1:
                paths.append(f"M{left} {begin}V{y}")
            else:
                bow = min(left - 4, 8 + 5 * math.log2(number - source) * 2)
                paths.append(f"M{left} {begin}C{left - bow:.0f} {begin} {left - bow:.0f} {y} {left} {y}")
        rows.append(GraphRow(y, call["layer"], call["kernel"], ", ".join(call["reads"]), ", ".join(call["gives"]), tuple(paths)))
    return rows


def graph_width(calls: Sequence[dict[str, Any]]) -> int:
    """Pixels that the longest line takes, near enough."""
    words = [(call["layer"], call["kernel"], *call["reads"], *call["gives"]) for call in calls]
    return GRAPH_LEFT + 60 + 7 * max((sum(len(word) + 2 for word in line) for line in words), default=0)


@dataclass(frozen=True)
class Dot:
    """A kernel in the roofline: its place in percent of the plot, a radius by its part of the time, and its text."""

    x: float
    y: float
    radius: float
    text: str


@dataclass(frozen=True)
class Roofline:
    """A workload's kernels under the roof, logarithmic both ways. `roof` is SVG polyline data in percent of the plot; ticks are
    places and texts."""

    roof: str
    dots: tuple[Dot, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def roofline(limits: dict[str, float], workload: dict[str, Any]) -> Roofline:
    """Of `WorkloadProfile.as_json`: FLOP/s over FLOP a byte, a dot a kernel function (Williams, Waterman and Patterson, 2009)."""
    peak, bandwidth = limits["flops"], limits["bandwidth"]
    top = 10 ** math.ceil(math.log10(peak * 1.05))
    bottom = min(top / 1e4, LEAST_INTENSITY * bandwidth)

    def x(intensity: float) -> float:
        inside = min(max(intensity, LEAST_INTENSITY), MOST_INTENSITY)
        return 100 * math.log(inside / LEAST_INTENSITY) / math.log(MOST_INTENSITY / LEAST_INTENSITY)

    def y(flops: float) -> float:
        return 100 - 100 * math.log(min(max(flops, bottom), top) / bottom) / math.log(top / bottom)

    ridge = peak / bandwidth
    corners = [(LEAST_INTENSITY, LEAST_INTENSITY * bandwidth), (ridge, peak), (MOST_INTENSITY, peak)]
    dots = []
    for kernel in workload["kernels"]:
        seconds = 1e-3 * kernel["ms"]
        if kernel["flop"] <= 0 or seconds <= 0:
            continue
        intensity = kernel["flop"] / kernel["bytes"] if kernel["bytes"] else math.inf
        speed = kernel["flop"] / seconds
        part = kernel["ms"] / workload["total"]["ms"]
        shown = f"{intensity:.3g} FLOP a byte" if kernel["bytes"] else "nothing from memory"
        parts = f"{100 * kernel['share']:.0f}% of its limit, {100 * part:.0f}% of the time"
        text = f"{kernel['kernel']}: {speed / 1e9:.3g} GFLOP/s, {shown}, {parts}"
        dots.append(Dot(x(intensity), y(speed), 0.7 + 3.3 * math.sqrt(part), text))
    powers = range(math.floor(math.log10(bottom)), math.ceil(math.log10(top)) + 1)
    return Roofline(
        " ".join(f"{x(i):.2f},{y(f):.2f}" for i, f in corners),
        tuple(dots),
        tuple((x(2.0**n), f"{2.0**n:g}") for n in range(-3, 11, 2)),
        tuple((y(10.0**n), f"{10.0**n / 1e9:g}") for n in powers if bottom <= 10.0**n <= top),
    )
