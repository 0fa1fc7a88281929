"""A profile as tables for a terminal: by kernel function with totals, and one line a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaoken.profile.run import KernelTime, Profile, WorkloadProfile

if TYPE_CHECKING:
    from rich.table import Table

ORDERS = ("time", "order")


def heading(profile: Profile) -> str:
    threads = f"{profile.threads} thread{'s' if profile.threads > 1 else ''}"
    limits = f"{profile.limits.flops / 1e9:.0f} GFLOP/s, {profile.limits.bandwidth / 1e9:.1f} GB/s"
    return f"{profile.model}, {profile.level}, {threads}; the machine's limits: {limits}"


def kernel_table(profile: Profile, workload: WorkloadProfile, order: str) -> Table:
    """One line a kernel function, and the sum."""
    rows = _sorted(workload.kernels(), order)
    cells = [_cells(profile, workload, k, [k.name, str(k.calls)]) for k in [*rows, workload.total]]
    return _table(f"{workload.name}: {_outside(workload)}", ["kernel", "calls"], cells, profile.threads > 1, 1)


def layer_table(profile: Profile, workload: WorkloadProfile, order: str) -> Table:
    """One line a step, under its layer's name."""
    rows = _sorted([KernelTime(step.layer, (step,)) for step in workload.steps], order)
    cells = [_cells(profile, workload, k, [k.name, k.steps[0].kernel]) for k in rows]
    return _table(f"{workload.name}, layer by layer", ["layer", "kernel"], cells, profile.threads > 1, 2)


def _sorted(rows: list[KernelTime], order: str) -> list[KernelTime]:
    return sorted(rows, key=lambda row: -row.seconds) if order == "time" else rows


def _outside(workload: WorkloadProfile) -> str:
    outside = max(0.0, workload.seconds - workload.total.seconds)
    times = f"{1e3 * workload.seconds:.3f} ms, {1e3 * outside:.3f} of them outside of steps"
    return f"{times}; the faster half of {workload.calls} calls"


def _cells(profile: Profile, workload: WorkloadProfile, kernel: KernelTime, names: list[str]) -> list[str]:
    seconds = kernel.seconds or 1e-9
    return [
        *names,
        f"{1e3 * kernel.seconds:.3f}",
        f"{100 * kernel.seconds / (workload.total.seconds or 1e-9):.1f}%",
        f"{kernel.flop / seconds / 1e9:.1f}" if kernel.flop else "",
        f"{kernel.bytes / seconds / 1e9:.2f}" if kernel.bytes else "",
        f"{100 * kernel.share(profile.limits):.0f}%" if kernel.limit(profile.limits) else "",
        kernel.bound(profile.limits),
        f"{100 * kernel.waiting / seconds:.1f}%",
    ]


def _table(title: str, names: list[str], cells: list[list[str]], waits: bool, texts: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    heads = [*names, "ms", "of steps", "GFLOP/s", "GB/s", "of limit", "bound by", *(["waiting"] if waits else [])]
    for n, head in enumerate(heads):
        left = n < texts or head == "bound by"
        table.add_column(head, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    for n, row in enumerate(cells):
        last = row[0] == "total" and n == len(cells) - 1
        table.add_row(*map(Text, row[: len(heads)]), style="bold" if last else None, end_section=n == len(cells) - 2)
    return table
