"""Which sizes and padding patterns a model is compared at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kaoken.errors import UsageError
from kaoken.frontend.dimensions import DimensionTable
from kaoken.ir.dims import dim, evaluate
from kaoken.ir.graph import Graph
from kaoken.passes.last_position import LOGIT_ROWS
from kaoken.verify.inputs import Padding, spellings

DEFAULT_SIZES = (1, 2, 7, 16, 63)
LONGEST_DEFAULT = 64


@dataclass(frozen=True)
class Case:
    """Values of a model's dimensions, and where its rows are padded. `extreme` marks the longest of the plan."""

    dims: dict[str, int]
    padding: Padding = "none"
    extreme: bool = False

    def __str__(self) -> str:
        sizes = ", ".join(f"{name} {size}" for name, size in self.dims.items()) or "fixed sizes"
        return sizes + (f", padded {self.padding}" if self.padding != "none" else "")


def plan_cases(graph: Graph, overrides: Mapping[str, str], sizes: Sequence[int] | None, batch: int) -> list[Case]:
    """Each size on its own row, then `batch` rows with padding at the left and at the right; with a cache also behind a past.

    `graph` went through the passes. Raises UsageError for a size outside the bounds of every dimension.
    """
    bounds = {s.name: (s.lower, _upper(s.upper)) for s in graph.given_symbols() if s.name != LOGIT_ROWS}
    past = _past(graph)
    rows = [name for name in bounds if "batch" in name]
    lengths = [name for name in bounds if name not in rows and name != past]
    least = max(1, min((bounds[name][0] for name in lengths), default=1))
    legal = {s for s in {*DEFAULT_SIZES, *(sizes or ()), least} if not lengths or any(_within(s, bounds[n]) for n in lengths)}
    wrong = [s for s in sizes or () if s not in legal]
    if wrong or not legal:
        raise UsageError(f"the model takes no size {wrong or least}: its dimensions are {_bounds_text(bounds)}")
    chosen = list(sizes) if sizes else sorted(legal)
    several = min(batch, *(bounds[name][1] for name in rows)) if rows else 1

    def case(batch: int, size: int, before: int = 0, padding: Padding = "none") -> Case:
        found = {n: _clamp(batch, bounds[n]) for n in rows} | {n: _clamp(size, bounds[n]) for n in lengths}
        if past:
            found[past] = before
        return Case(complete(graph, overrides, found), padding, extreme=size > LONGEST_DEFAULT)

    if not lengths and not past:
        chosen = [1]
    plan = [case(1, size) for size in chosen]
    middle = _middle(chosen)
    if several > 1:
        plan += [case(several, middle, 0, padding) for padding in _paddings(graph)]
    if past:
        room = bounds[past][1]
        plan += [case(1, 1, min(16, room - 1)), case(1, 5, min(11, room - 5))] if room > 8 else []
        if several > 1 and room > 8:
            plan.append(case(several, 3, min(9, room - 3), "left" if _has_mask(graph) else "none"))
    return list({str(c): c for c in plan}.values())


def complete(graph: Graph, overrides: Mapping[str, str], sizes: Mapping[str, int]) -> dict[str, int]:
    """`sizes` with the dimensions that `--dim` made equal to a number or to others."""
    found = dict(sizes)
    table = DimensionTable(overrides=dict(overrides), symbols=dict(graph.symbols))
    for name in overrides:
        symbols = [graph.symbols[spelt] for spelt in spellings(name) if spelt in graph.symbols]
        if not any(spelt in found for spelt in spellings(name)) and not any(symbol.is_found for symbol in symbols):
            found[name] = evaluate(table.parse(name), found)
    return found


def _paddings(graph: Graph) -> list[Padding]:
    return ["left", "right"] if _has_mask(graph) else ["none"]


def _has_mask(graph: Graph) -> bool:
    return any("mask" in value.name and value.rank == 2 for value in graph.inputs)


def _past(graph: Graph) -> str:
    """The dimension that counts what is in the cache; "" for a model without state."""
    if not graph.states:
        return ""
    symbols = list(graph.states[0].past.shape[2].symbols())
    alone = len(symbols) == 1 and graph.states[0].past.shape[2] == dim(symbols[0])
    return symbols[0].name if alone else ""


def _middle(sizes: Sequence[int]) -> int:
    """A size of the plan that is neither tiny nor slow."""
    return next((s for s in sizes if 7 <= s <= LONGEST_DEFAULT), max(sizes))


def _within(value: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= value <= bounds[1]


def _clamp(value: int, bounds: tuple[int, int]) -> int:
    return max(bounds[0], min(bounds[1], value))


def _upper(upper: object) -> int:
    return upper if isinstance(upper, int) else LONGEST_DEFAULT


def _bounds_text(bounds: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(f"{name} {low}..{high}" for name, (low, high) in bounds.items()) or "all fixed"
