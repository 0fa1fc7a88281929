"""What a program does between kernel calls: branches, loops, copies of carried values, sizes read from memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kaoken.ir.graph import Node

if TYPE_CHECKING:
    from kaoken.emit.program import Argument


@dataclass(frozen=True)
class Copy:
    """Bytes (as C) that all threads together copy; the places never overlap."""

    target: Argument
    source: Argument
    bytes: str


@dataclass(eq=False)
class Branch:
    """`if` on a byte in memory; `bodies` are steps of then and else."""

    node: Node
    condition: Argument
    bodies: list[list[Any]]


@dataclass(eq=False)
class Repeat:
    """A loop. `limit` and `begins`, where there are any, lie in memory and are read once; `goes_on` is read after every trip.
    `before` and `after` are the copies of carried values at the beginning and after a trip."""

    node: Node
    body: list[Any]
    limit: Argument | None = None
    begins: Argument | None = None
    goes_on: Argument | None = None
    before: list[Copy] = field(default_factory=list)
    after: list[Copy] = field(default_factory=list)


@dataclass(eq=False)
class RunRoutine:
    """A routine of the runtime, its pointers, its sizes as C; the last of its results become the symbols that the node finds.
    `before`: copies that it needs."""

    node: Node
    function: str
    pointers: list[Argument]
    sizes: list[str]
    before: list[Copy] = field(default_factory=list)


@dataclass(eq=False)
class FindSize:
    """An int64 in memory becomes a symbol."""

    node: Node
    source: Argument
