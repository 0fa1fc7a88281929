"""Scheduled kernels as report.json has them, and back: what `kaoken tune` needs of a compiled folder to measure its kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from kaoken.emit.kernels import AttentionSpec, LinearSpec, Part
from kaoken.ir.dims import dim, product, to_text
from kaoken.ir.graph import Node
from kaoken.ir.schedule import AttentionSchedule, LinearSchedule, TileSet

ScheduledSpec = LinearSpec | AttentionSpec
_SPECS: dict[str, tuple[type[ScheduledSpec], type[LinearSchedule] | type[AttentionSchedule]]] = {
    "linear": (LinearSpec, LinearSchedule),
    "attention": (AttentionSpec, AttentionSchedule),
}


def spec_json(spec: ScheduledSpec, shape: str, nodes: Iterable[Node]) -> dict[str, Any]:
    """A kernel's fields and schedule, the name of its shape, and the sizes of its calls as expressions of the dimensions."""
    values = {f.name: getattr(spec, f.name) for f in fields(spec) if f.name not in ("name", "schedule", "parts")}
    if isinstance(spec, LinearSpec):
        values["parts"] = None if spec.parts is None else [vars(part) for part in spec.parts]
    schedule: dict[str, Any] = {f.name: getattr(spec.schedule, f.name) for f in fields(spec.schedule)}
    schedule["tiles"] = [{f.name: getattr(t, f.name) for f in fields(t)} for t in spec.schedule.tiles]
    kind = "linear" if isinstance(spec, LinearSpec) else "attention"
    sizes: dict[str, dict[str, Any]] = {}
    for node in nodes:
        texts = _call_sizes(node)
        sizes.setdefault(repr(texts), {**texts, "calls": 0})["calls"] += 1
    return {"kind": kind, "shape": shape, **values, "schedule": schedule, "sizes": list(sizes.values())}


def spec_of(name: str, data: Mapping[str, Any]) -> ScheduledSpec:
    """The kernel that `spec_json` described. Raises KeyError, TypeError or ValueError for what it did not write."""
    spec_type, schedule_type = _SPECS[data["kind"]]
    values: dict[str, Any] = {key: value for key, value in data.items() if key not in ("kind", "shape", "sizes", "schedule")}
    if values.get("parts") is not None:
        values["parts"] = tuple(Part(**part) for part in values["parts"])
    tiles = []
    for tile_set in data["schedule"]["tiles"]:
        made: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in tile_set.items()}
        tiles.append(TileSet(**made))
    values["schedule"] = schedule_type(**{**data["schedule"], "tiles": tuple(tiles)})
    return spec_type(name=name, **values)


def _call_sizes(node: Node) -> dict[str, Any]:
    """Of a linear layer its rows; of attention batch, queries a row, keys that they may see. `stage`: of an encoder-decoder."""
    if node.op == "linear":
        x = node.inputs[0]
        assert x is not None
        return {"rows": to_text(product(x.shape[:-1])), "stage": node.stage}
    q, keys = node.inputs[0], node.inputs[1]
    assert q is not None and keys is not None
    names = ("batch", "rows", "keys")
    sizes = zip(names, (q.shape[0], q.shape[1], keys.shape[2]), strict=True)
    return {name: to_text(dim(size)) for name, size in sizes} | {"stage": node.stage}
