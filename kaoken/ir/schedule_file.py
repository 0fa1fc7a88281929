"""Schedules in a file: what `kaoken tune` writes and `kaoken compile --schedule` takes, as TOML that people may edit.

A kernel is named by its shape (`linear_768x3072_gelu_tanh`, as in the generated C). An entry overrides the fields that it has and
leaves the others to the cost model; tiles are those of a level. The format is described in docs/tuning.md.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from kaoken.errors import UsageError
from kaoken.ir.schedule import LEVELS, AttentionSchedule, LinearSchedule, TileSet
from kaoken.ir.schedule_space import PART_OF_THE_BITS

FORMAT, VERSION = "kaoken schedules", 1
Schedule = LinearSchedule | AttentionSchedule
KINDS: dict[str, type[Schedule]] = {"linear": LinearSchedule, "attention": AttentionSchedule}
"""Schedules by the first word of a kernel's name."""

_ABOUT_THE_ENTRY = ("name", "threads", "gain")
_HEAD = """\
# Schedules that `kaoken tune` measured on this machine, for `kaoken compile MODEL --schedule FILE`.
# A schedule decides how fast a kernel is, never its result. Lines may be changed or left out; the format is in docs/tuning.md.
"""


@dataclass
class ScheduleFile:
    """Overrides by the name of a kernel, each as a table of fields: those of the schedule, and `tiles` by level.

    measured: what was measured where, for people. entries: what an entry says of itself (threads, gain), by kernel.
    """

    path: Path = Path("schedules.toml")
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def apply(self, kernel: str, schedule: Schedule) -> Schedule:
        """The schedule of a kernel with what the file says of it. Raises UsageError for values that are no legal schedule."""
        table = self.overrides.get(kernel)
        if table is None:
            return schedule
        try:
            return override(schedule, table)
        except ValueError as error:
            raise UsageError(f"{self.path}: {kernel}: {error}") from error


def schedule_table(schedule: Schedule, levels: Sequence[str] = LEVELS) -> dict[str, Any]:
    """A schedule as the table that a file holds, with the tiles of some levels."""
    table = {f.name: getattr(schedule, f.name) for f in fields(schedule) if f.name not in PART_OF_THE_BITS | {"tiles"}}
    sets = {t.level: {f.name: _plain(getattr(t, f.name)) for f in fields(t) if f.name != "level"} for t in schedule.tiles}
    return {**table, "tiles": {level: tiles for level, tiles in sets.items() if level in levels}}


def override(schedule: Schedule, table: Mapping[str, Any]) -> Schedule:
    """A schedule with the fields of a table instead of its own. Raises ValueError for an unknown field, a wrong type or value."""
    values = _values(schedule, {k: v for k, v in table.items() if k != "tiles"}, PART_OF_THE_BITS | {"tiles"})
    sets = dict(_table("tiles", table.get("tiles", {})))
    known = {t.level for t in schedule.tiles}
    for level in sets:
        if level not in known:
            raise ValueError(f"tiles.{level}: there is no such level; the levels are {', '.join(LEVELS)}")
    tiles = []
    for tile_set in schedule.tiles:
        try:
            changes = _values(tile_set, _table(tile_set.level, sets.get(tile_set.level, {})), frozenset({"level"}))
            tiles.append(replace(tile_set, **changes))
        except ValueError as error:
            raise ValueError(f"tiles.{tile_set.level}: {error}") from error
    return replace(schedule, tiles=tuple(tiles), **values)


def write_schedules(path: Path, found: ScheduleFile) -> None:
    """Write a file that `read_schedules` takes. Raises OSError."""
    lines = [_HEAD, f"format = {_toml(FORMAT)}", f"version = {VERSION}", "", "[measured]"]
    lines += [f"{key} = {_toml(value)}" for key, value in found.measured.items()]
    for name, table in found.overrides.items():
        lines += ["", "[[kernel]]", f"name = {_toml(name)}"]
        lines += [f"{key} = {_toml(value)}" for key, value in {**found.entries.get(name, {}), **table}.items() if key != "tiles"]
        for level, tiles in table.get("tiles", {}).items():
            lines += [f"[kernel.tiles.{level}]", *(f"{key} = {_toml(value)}" for key, value in tiles.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_schedules(path: Path) -> ScheduleFile:
    """Read a schedule file. Raises UsageError that says what is wrong with it and what to do."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no schedule file {path}; `kaoken tune` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no valid TOML: {error}") from error
    if data.get("format") != FORMAT:
        raise UsageError(f'{path} is no schedule file: it lacks the line format = "{FORMAT}"')
    version = data.get("version")
    if version != VERSION:
        raise UsageError(f"{path} has format version {version}, this Kaoken reads version {VERSION}: run `kaoken tune` again")
    problems = [
        f"there is no place for {key}; see docs/tuning.md" for key in set(data) - {"format", "version", "measured", "kernel"}
    ]
    found = ScheduleFile(path, measured=data["measured"] if isinstance(data.get("measured"), dict) else {})
    entries = data.get("kernel", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{path}: kernels are written as [[kernel]], with double brackets")
    for number, entry in enumerate(entries, start=1):
        name = entry.get("name")
        if not isinstance(name, str):
            problems.append(f"entry {number} of [[kernel]] has no name")
        elif name.split("_")[0] not in KINDS:
            problems.append(f"{name}: only {' and '.join(KINDS)} kernels have schedules")
        elif name in found.overrides:
            problems.append(f"{name} is there twice")
        else:
            found.overrides[name] = {k: v for k, v in entry.items() if k not in _ABOUT_THE_ENTRY}
            found.entries[name] = {k: v for k, v in entry.items() if k in _ABOUT_THE_ENTRY and k != "name"}
            problems += [f"{name}: {problem}" for problem in _field_problems(KINDS[name.split("_")[0]], found.overrides[name])]
    if problems:
        raise UsageError(f"{path}: " + "; ".join(problems) if len(problems) == 1 else "\n  ".join([f"{path}:", *problems]))
    return found


def _field_problems(kind: type[Schedule], table: Mapping[str, Any]) -> list[str]:
    """What is wrong with a table whatever the kernel: legality needs the schedule that it changes, and is left to `apply`."""
    allowed = {f.name for f in fields(kind)}
    problems = [_unknown(key, allowed - PART_OF_THE_BITS) for key in table if key not in allowed or key in PART_OF_THE_BITS]
    sets = table.get("tiles", {})
    if not isinstance(sets, dict) or not all(isinstance(tiles, dict) for tiles in sets.values()):
        return [*problems, "tiles are written as [kernel.tiles.LEVEL], behind the kernel's other lines"]
    problems += [
        f"tiles.{level}: there is no such level; the levels are {', '.join(LEVELS)}" for level in sets if level not in LEVELS
    ]
    names = {f.name for f in fields(TileSet)} - {"level"}
    return problems + [f"tiles.{level}: {_unknown(key, names)}" for level in sets for key in sets[level] if key not in names]


def _unknown(key: str, allowed: set[str]) -> str:
    if key in PART_OF_THE_BITS:
        return f"{key} is part of the results' bits and the same everywhere; remove the line"
    near = difflib.get_close_matches(key, allowed, 1)
    return f"there is no field {key}; " + (f"did you mean {near[0]}?" if near else f"the fields are {', '.join(sorted(allowed))}")


def _table(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is no table")
    return value


def _values(owner: Any, table: Mapping[str, Any], closed: frozenset[str]) -> dict[str, Any]:
    """The values of a table as a dataclass takes them, each of the type of its present value."""
    allowed = {f.name for f in fields(owner)} - closed
    made = {}
    for key, value in table.items():
        if key not in allowed:
            raise ValueError(_unknown(key, allowed))
        present = getattr(owner, key)
        if isinstance(present, tuple):
            if not isinstance(value, list | tuple) or not all(type(item) is int for item in value):
                raise ValueError(f"{key} is a list of whole numbers, not {value!r}")
            made[key] = tuple(value)
        elif type(value) is not type(present):
            kinds = {int: "a whole number", str: "a text in quotes", bool: "true or false"}
            raise ValueError(f"{key} is {kinds.get(type(present), type(present).__name__)}, not {value!r}")
        else:
            made[key] = value
    return made


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _toml(value: Any) -> str:
    """A TOML value: a text, a number, a truth, or a list of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, int | float):
        return repr(value)
    escaped = "".join(f"\\u{ord(c):04x}" if c in '"\\' or ord(c) < 32 or ord(c) == 127 else c for c in str(value))
    return f'"{escaped}"'
