"""The zoo's results as tables: for a terminal (rich) and as Markdown. Both are made of the same cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaoken.zoo.result import Cost, RowResult, Speed, ZooRun

if TYPE_CHECKING:
    from rich.table import Table

HEADS = (
    "model",
    "weights are",
    "parameters",
    "ONNX nodes",
    "kernel calls (distinct)",
    "C lines",
    "weights",
    "arena",
    "compile",
    "cc",
    "largest error / onnxruntime's",
    "tokens equal",
    "speed beside onnxruntime",
)
LEFT = 2  # columns that are text


def cells(row: RowResult) -> list[str]:
    """A row's cells, one for each head; a dash where a step was not reached, or does not apply."""
    calls = "-" if row.kernel_calls is None else f"{row.kernel_calls:,} ({row.kernels:,})"
    return [
        row.name,
        row.weights,
        _millions(row.parameters),
        _count(row.onnx_nodes),
        calls,
        _count(row.c_lines),
        _size(row.weights_bytes),
        _size(row.arena_bytes),
        _cost(row.compile),
        _cost(row.build),
        _error(row),
        _tokens(row),
        "; ".join(speed_text(s) for s in row.speed) or "-",
    ]


def rich_table(run: ZooRun) -> Table:
    """The run as a table for a terminal; a failing row is red and says what failed."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"The zoo, {run.date}", header_style="bold", expand=False)
    for number, head in enumerate(HEADS):
        table.add_column(head, justify="left" if number < LEFT or number == len(HEADS) - 1 else "right", overflow="fold")
    for row in run.rows:
        line = [Text(cell.replace("; ", "\n")) for cell in cells(row)]
        if row.failed:
            line[0] = Text(f"{row.name}\n{row.failed} FAILED")
        table.add_row(*line, style="red" if row.failed else None)
    return table


def markdown(run: ZooRun) -> str:
    """The run as a Markdown page: what the columns mean, the table, what failed, and the speeds."""
    machine = ", ".join(f"{key} {value}" for key, value in run.machine.items())
    good = sum(not row.failed for row in run.rows)
    parts = [
        "# The zoo",
        f"Made by `kaoken zoo` on {run.date} with Kaoken {run.kaoken}: {good} of {len(run.rows)} rows pass. Do not edit it;\n"
        "run the command again.",
        f"Machine: {machine}.",
        _table(HEADS, [cells(row) for row in run.rows], LEFT),
        LEGEND,
    ]
    failed = [f"* **{row.name}**, {row.failed}: {_one_line(row.message)}" for row in run.rows if row.failed]
    if failed:
        parts += ["## What failed", "\n".join(failed)]
    notes = [f"* **{row.name}**: {_one_line(note)}" for row in run.rows for note in row.notes]
    if notes:
        parts += ["## Notes", "\n".join(notes)]
    speeds = [
        [row.name, s.workload, str(s.threads), f"{s.ours_ms:.3f}", f"{s.onnxruntime_ms:.3f}", f"{s.ratio:.2f}"]
        for row in run.rows
        for s in row.speed
    ]
    if speeds:
        heads = ("model", "workload", "threads", "Kaoken, ms", "onnxruntime, ms", "ratio")
        parts += ["## Speed", _table(heads, speeds, 2)]
    return "\n\n".join(parts) + "\n"


LEGEND = """\
* **compile** and **cc**: seconds, and the largest resident set of the process (for cc: of the largest one that it started). cc is
  what building the shared library takes, `-O2`, as many sources at once as there are processors.
* **arena**: activations and cache at the sizes that a handle has by default.
* **largest error / onnxruntime's**: both against the graph in float64, of the output that comes nearest to its limit, which is
  twice onnxruntime's own error or 4 eps of the largest value.
* **tokens equal**: for trained weights greedy tokens beside onnxruntime's on the same graph; else teacher-forced steps through
  the cache, on random ids, whose logits keep the contract of accuracy.
* **speed**: onnxruntime's time over Kaoken's, medians; above 1 Kaoken is faster. onnxruntime runs with bound buffers and, for
  language models, on the graph cut to the logits of the last position."""


def _table(heads: tuple[str, ...], rows: list[list[str]], left: int) -> str:
    rule = ["---" if n < left else "---:" for n in range(len(heads))]
    lines = [list(heads), rule, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _error(row: RowResult) -> str:
    if row.error is None:
        return "-"
    return f"{row.error.ours:.1e} / {row.error.onnxruntime:.1e}"


def _tokens(row: RowResult) -> str:
    return "-" if row.tokens is None else f"{row.tokens.equal}/{row.tokens.count} {row.tokens.kind}"


def speed_text(speed: Speed) -> str:
    """One workload in a few words."""
    return f"{speed.workload} ({speed.threads}t): {speed.ratio:.2f}x"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _millions(value: int | None) -> str:
    return "-" if value is None else f"{value / 1e6:.3g} M"


def _size(value: int | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1e6:.3g} MB" if value < 1e9 else f"{value / 1e9:.3g} GB"


def _cost(cost: Cost | None) -> str:
    return "-" if cost is None else f"{cost.seconds:.1f} s, {cost.peak_bytes / 1e6:.0f} MB"
