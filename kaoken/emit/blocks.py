"""Equal layers: the longest run of calls that repeats, so that twelve blocks share one function."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kaoken.emit.names import Names, c_name, common_module, without_numbers
from kaoken.emit.program import Call, Program
from kaoken.emit.steps import Branch, Copy, FindSize, Repeat, RunRoutine
from kaoken.ir.reserved import FUNCTIONS
from kaoken.passes.plan_memory import CachePlan


@dataclass(eq=False)
class Block:
    """A function for `period` calls that `count` layers share; `modules` names each layer, `fields` each constant."""

    name: str
    calls: list[Call]
    layers: list[list[Call]]
    modules: list[str]
    fields: list[str]

    def weights(self, layer: int) -> list[int]:
        """Offsets of a layer's constants, in the order of `fields`."""
        return [a.weight.offset for call in self.layers[layer] for a in call.arguments if a.weight is not None]

    def caches(self, layer: int) -> list[CachePlan]:
        """The caches that a layer uses, in order of first use."""
        return list(dict.fromkeys(_caches(self.layers[layer])))

    def cache_names(self) -> list[str]:
        """What the caches of a layer are called: its own, and the one that cross-attention reads."""
        names = Names()
        return [names.fresh("cross" if cache.kind == "encoded" else "cache") for cache in self.caches(0)]


def _caches(calls: list[Call]) -> list[CachePlan]:
    return [a.cache for call in calls for a in call.arguments if a.cache is not None]


def _cache_pattern(calls: list[Call]) -> list[int]:
    """Which of their caches the calls use, by order of first use."""
    used = _caches(calls)
    order = list(dict.fromkeys(used))
    return [order.index(cache) for cache in used]


Step = Call | tuple[Block, int] | Branch | Repeat | Copy | FindSize | RunRoutine


def find_blocks(program: Program) -> tuple[list[Block], list[Step]]:
    """All repeated runs, and the program as steps: single calls, layers of a block, and control flow with such steps inside."""
    blocks: list[Block] = []
    return blocks, _with_blocks(program.steps, blocks, Names(set(FUNCTIONS)))


def _with_blocks(steps: list[Step], blocks: list[Block], names: Names) -> list[Step]:
    """The steps with layers in place of calls that repeat; control flow ends a run of calls."""
    result: list[Step] = []
    run: list[Call] = []
    for step in steps:
        if isinstance(step, Call):
            run.append(step)
            continue
        result += _layers(run, blocks, names)
        run = []
        if isinstance(step, Branch):
            step = replace(step, bodies=[_with_blocks(body, blocks, names) for body in step.bodies])
        elif isinstance(step, Repeat):
            step = replace(step, body=_with_blocks(step.body, blocks, names))
        result.append(step)
    return result + _layers(run, blocks, names)


def _layers(calls: list[Call], blocks: list[Block], names: Names) -> list[Step]:
    """All repeated runs among consecutive calls, longest first."""
    signatures = [c.signature() for c in calls]
    taken = [False] * len(calls)
    owner: dict[int, tuple[Block, int]] = {}
    found: list[Block] = []
    while True:
        best = _longest(signatures, taken, calls)
        if best is None:
            break
        start, period, count = best
        layers = [calls[start + n * period : start + (n + 1) * period] for n in range(count)]
        block = _block(layers, names)
        found.append(block)
        for n in range(count):
            owner[start + n * period] = (block, n)
        for n in range(start, start + period * count):
            taken[n] = True
    steps: list[Step] = []
    for n, call in enumerate(calls):
        if n in owner:
            steps.append(owner[n])
        elif not taken[n]:
            steps.append(call)
    blocks += sorted(found, key=lambda b: calls.index(b.layers[0][0]))
    return steps


def _longest(signatures: list[tuple], taken: list[bool], calls: list[Call]) -> tuple[int, int, int] | None:
    best: tuple[int, int, int] | None = None
    total = len(signatures)
    for period in range(3, total // 2 + 1):
        start = 0
        while start + 2 * period <= total:
            count = 1
            while start + (count + 1) * period <= total and _same(signatures, taken, calls, start, period, count):
                count += 1
            covered = period * count
            is_one_call = len(set(signatures[start : start + period])) == 1  # repeated, which is no layer
            if count > 1 and not is_one_call and (best is None or covered > best[1] * best[2]):
                best = (start, period, count)
            start += 1 if count == 1 else period * (count - 1)
    if best is None:
        return None
    return _aligned(best, signatures, taken, calls)


def _same(signatures: list[tuple], taken: list[bool], calls: list[Call], start: int, period: int, count: int) -> bool:
    first = start + (count - 1) * period
    other = start + count * period
    if any(taken[first : other + period]):
        return False
    if signatures[first : first + period] != signatures[other : other + period]:
        return False
    return _cache_pattern(calls[first : first + period]) == _cache_pattern(calls[other : other + period])


def _aligned(best: tuple[int, int, int], signatures: list[tuple], taken: list[bool], calls: list[Call]) -> tuple[int, int, int]:
    """Among shifts of the run with as many layers, the one whose layers have the longest common names: block boundaries."""
    start, period, count = best

    def score(at: int) -> int:
        modules = [c.module for c in calls[at : at + period]]
        return len(common_module(modules))

    shifts = [
        at
        for at in range(start, min(start + period, len(calls) - period * count + 1))
        if all(_same(signatures, taken, calls, at, period, n) for n in range(1, count))
    ]
    return max(shifts or [start], key=lambda at: (score(at), -at)), period, count


def _block(layers: list[list[Call]], names: Names) -> Block:
    modules = []
    for n, layer in enumerate(layers):
        modules.append(common_module([c.module for c in layer]) or f"layer {n}")
    prefix = modules[0]
    fields, field_names = [], Names({"first_step"})
    for call in layers[0]:
        inner = call.module[len(prefix) :].lstrip(".") if call.module.startswith(prefix) else call.module
        for argument in call.arguments:
            if argument.weight is not None:
                fields.append(field_names.fresh(c_name(f"{inner}_{argument.role}" if inner else argument.role, "weight")))
    name = names.fresh(without_numbers(prefix), ("_weights", "_layers", "_steps"))  # what the templates define of a block
    return Block(name, layers[0], layers, modules, fields)
