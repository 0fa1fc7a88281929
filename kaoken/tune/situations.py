"""Sizes at which a compiled folder is measured, from its report alone: steps, prompts and batches that its bounds allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kaoken.session import _evaluate
from kaoken.tune.harness import MOST_BATCH, Size

LENGTHS = (16, 128, 512)
BETWEEN = (32, 64)
"""Lengths for the kernels alone, where few rows end and many begin."""
CONTEXTS = (128, 512)
FEW = (2, 4, 8)
"""Tokens, or rows, of a step: texts side by side, beams, guesses."""
BATCH = (8, 128)
LOGIT_ROWS = "logit_rows"


@dataclass(frozen=True)
class Situation:
    """The dimensions of one call. stage: of an encoder-decoder. whole: the model as a whole is timed at it too."""

    name: str
    dims: Mapping[str, int]
    stage: str = ""
    whole: bool = True


def situations(interface: Mapping[str, Any]) -> list[Situation]:
    """What a model is measured at, each once; lengths beyond the bounds are cut to them."""
    bounds = {d["name"]: (int(d["lower"]), int(d["upper"])) for d in interface["dims"]}

    def within(name: str, size: int) -> int:
        low, high = bounds[name]
        return max(low, min(size, high))

    found: list[Situation] = []

    def add(name: str, chosen: Mapping[str, int], stage: str = "", whole: bool = True) -> None:
        dims = {n: within(n, chosen.get(n, 1)) for n in bounds} | {LOGIT_ROWS: 1}
        if interface["feed"] and not stage.startswith("encode"):
            dims[interface["past"]] = min(dims[interface["past"]], int(interface["context"]) - dims[interface["sequence"]])
        if not any(s.dims == dims and s.stage == stage for s in found):
            found.append(Situation(name, dims, stage, whole))

    if not interface["feed"]:
        batches = [name for name in bounds if "batch" in name]
        others = [name for name in bounds if name not in batches]
        for length in (*LENGTHS, *BETWEEN) if others else (1,):
            dims = dict.fromkeys(others, length) | dict.fromkeys(batches, 1)
            add(f"length {length}" if others else "fixed sizes", dims, whole=length not in BETWEEN)
        if batches and others:
            add(f"{BATCH[0]} of length {BATCH[1]}", dict.fromkeys(others, BATCH[1]) | dict.fromkeys(batches, BATCH[0]))
        return found
    batch, sequence, past, encoded = (interface["batch"], interface["sequence"], interface["past"], interface["encoder_dims"])
    stage = "decode" if interface["encode"] else ""
    read = dict.fromkeys(encoded, LENGTHS[1])
    if interface["encode"]:
        for length in (*LENGTHS, *BETWEEN):
            add(f"encode {length}", dict.fromkeys(encoded, length), "encode", length not in BETWEEN)
    for context in CONTEXTS:
        add(f"decode at {context}", {sequence: 1, past: context, **read}, stage, not encoded or context == CONTEXTS[0])
    for few in FEW:
        add(f"decode {few} at {CONTEXTS[0]}", {batch: few, sequence: 1, past: CONTEXTS[0], **read}, stage, False)
    for length in (*LENGTHS, *BETWEEN) if not interface["encode"] else ():
        add(f"prefill {length}", {sequence: length, past: 0}, stage, length not in BETWEEN)
    return found


def kernel_sizes(spec: Mapping[str, Any], found: list[Situation]) -> list[Size]:
    """The sizes of a kernel's calls in these situations, each once; none where a call finds its own sizes."""
    sizes: dict[Size, None] = {}
    for situation in found:
        sizes |= dict.fromkeys(size for size, _ in calls_at(spec, situation))
    return list(sizes)


def calls_at(spec: Mapping[str, Any], situation: Situation) -> list[tuple[Size, int]]:
    """A kernel's calls in one situation: their sizes, and how many there are of each. `spec`: as report.json has it."""
    found = []
    for entry in spec["sizes"]:
        if entry["stage"] not in ("", situation.stage):
            continue
        try:
            batch, rows, keys = (_evaluate(entry[n], situation.dims) if n in entry else 1 for n in ("batch", "rows", "keys"))
        except (NameError, ZeroDivisionError):
            continue
        size = Size(rows, batch, keys) if "keys" in entry else Size(rows)
        if rows > 0 and keys > 0 and size.batch <= MOST_BATCH:
            found.append((size, int(entry["calls"])))
    return found
