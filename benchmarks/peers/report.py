"""What was measured as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.adapters import PEERS
from benchmarks.peers.measure import Found
from kaoken.bench.run import Row

COLOURS = dict(zip(PEERS, ("#c0392b", "#2c6fbb", "#5b9bd5", "#8a6fb8", "#d08c2e", "#9a9a9a", "#5f5f5f"), strict=True))


def peers_table(versions: Mapping[str, str | None]) -> str:
    """Who takes part: versions, how each is set up, and how to install those that are missing."""
    lines = ["| contestant | version | set up |", "| --- | --- | --- |"]
    for name, version in versions.items():
        peer = PEERS[name]
        shown = version or f"not installed: `pip install {peer.package}`"
        lines.append(f"| {name} | {shown} | {peer.settings} |")
    return "\n".join(lines)


def times_table(rows: Sequence[Row], names: Sequence[str]) -> str:
    """One row a workload: milliseconds, ratio to Kaoken's time, share of the roofline. `*`: not every round was calm.

    The rows are of one number of threads.
    """
    head = ["workload", *names, "limit"]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows:
        cells = [row.workload + ("*" if any(row.disturbed) else "")]
        ours = row.median("kaoken")
        for name in names:
            if name not in row.seconds:
                cells.append("-")
                continue
            seconds = row.median(name)
            ratio = "" if name == "kaoken" else f" · **{seconds / ours:.2f}**"
            cells.append(f"{_milliseconds(seconds)}{ratio} · {100 * row.limit / seconds:.0f}%")
        lines.append(_line([*cells, _milliseconds(row.limit)]))
    return "\n".join(lines)


def agreement_table(found: Found) -> str:
    """Each peer's largest difference from Kaoken's result over all workloads, and in how many the argmax is the same."""
    lines = [
        "| peer | largest difference | of a largest value of | as a share | argmax equal |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in found.peers:
        rows = [a for a in found.agreements if a.peer == name]
        if not rows:
            continue
        worst = max(rows, key=lambda a: a.difference / a.scale if a.scale else 0.0)
        judged = [a for a in rows if a.argmax is not None]
        equal = f"{sum(bool(a.argmax) for a in judged)} of {len(judged)}" if judged else "-"
        share = worst.difference / worst.scale if worst.scale else 0.0
        lines.append(f"| {name} | {worst.difference:.2g} | {worst.scale:.3g} | {share:.1e} | {equal} |")
    return "\n".join(lines)


def markdown(found: Sequence[Found], versions: Mapping[str, str | None], machine: str, plots: Mapping[str, Path]) -> str:
    """The whole page. plots: a picture for a model, by its name, beside the page."""
    parts = ["# Kaoken beside its peers", machine, peers_table(versions)]
    parts.append(
        "Medians in milliseconds over the rounds; **ratio** to Kaoken's time (above 1, Kaoken is faster); share of the roofline. "
        "`*`: a probe of the machine's limits fell 10% below its best in a round, which is left out while others remain."
    )
    for one in found:
        parts.append(f"## {one.model} ({one.level})")
        if one.model in plots:
            parts.append(f"![{one.model}: shares of the roofline]({plots[one.model].name})")
        for threads in dict.fromkeys(row.threads for row in one.rows):
            rows = [row for row in one.rows if row.threads == threads]
            best = rows[0].best
            limits = f"{best.flops / 1e9:.0f} GFLOP/s, {best.bandwidth / 1e9:.1f} GB/s"
            parts.append(f"### {threads} thread{'s' if threads > 1 else ''}: {limits}")
            parts.append(times_table(rows, one.peers))
        parts += ["### Agreement with Kaoken's results", agreement_table(one)]
        parts += [f"* {note}" for note in one.notes]
        parts += [f"* left out: {name}: {reason}" for name, reason in one.left_out.items()]
    return "\n\n".join(parts) + "\n"


def plot(found: Found, path: Path) -> bool:
    """Bars of each contestant's share of the roofline, one panel for each number of threads; False without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    counts = list(dict.fromkeys(row.threads for row in found.rows))
    figure = Figure(figsize=(max(8.0, 1.0 + 1.7 * len(found.rows) / len(counts)), 0.6 + 2.8 * len(counts)), layout="constrained")
    names = found.peers
    for n, threads in enumerate(counts):
        rows = [row for row in found.rows if row.threads == threads]
        axes = figure.add_subplot(len(counts), 1, n + 1)
        for at, name in enumerate(names):
            shares = [100 * row.limit / row.median(name) if name in row.seconds else 0.0 for row in rows]
            places = [x + (at - (len(names) - 1) / 2) * 0.84 / len(names) for x in range(len(rows))]
            axes.bar(places, shares, 0.8 / len(names), label=name, color=COLOURS[name])
        axes.set_xticks(range(len(rows)), [row.workload.replace(", ", "\n") for row in rows])
        axes.set_ylabel(f"% of the roofline,\n{threads} thread{'s' if threads > 1 else ''}")
        axes.set_ylim(0, 100)
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        if n == 0:
            handles, labels = axes.get_legend_handles_labels()
            figure.legend(handles, labels, ncols=len(names), fontsize="small", loc="outside upper center", frameon=False)
            axes.set_title(found.model, loc="left", fontsize="medium")
    figure.savefig(path)
    return True


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"
