"""The body of `forward` and of the layers' functions: a line a call, and the declarations of what the lines use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kaoken.emit.blocks import Block, Step
from kaoken.emit.control import StepWriter, assigned, barrier, is_barrier, without_unread
from kaoken.emit.program import Argument, Call
from kaoken.emit.step_table import StepRow
from kaoken.emit.steps import Copy
from kaoken.ir.dims import to_text
from kaoken.ir.dtypes import C_TYPES
from kaoken.passes.last_position import LOGIT_ROWS
from kaoken.passes.plan_memory import CachePlan

if TYPE_CHECKING:
    from kaoken.emit.model import ModelFiles


@dataclass
class RenderedBlock:
    """A layer function as the template prints it. `steps`: those that its layers have alike but for the layer's name in front;
    `starts`: the names, by the first step of each layer."""

    name: str
    title: str
    count: int
    field_groups: list[list[str]]
    rows: list[str]
    caches: list[str]
    locals: list[str]
    lines: list[str]
    steps: list[StepRow]
    starts: dict[int, str]
    found: list[str] = field(default_factory=list)


@dataclass
class Stage:
    """What every thread runs in one go: declarations, and a line a call."""

    locals: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def stage_of(step: Step) -> str:
    """The stage of the program that a step belongs to."""
    if isinstance(step, tuple):
        return step[0].calls[0].node.stage
    return "" if isinstance(step, Copy) else step.node.stage


class CallWriter:
    """Writes the calls of a stage, or of a layer's function. `barriers` are the numbers of the calls that end in one."""

    def __init__(self, m: ModelFiles, barriers: set[int]):
        self.m = m
        self.barriers = barriers
        self.rendered: dict[Block, RenderedBlock] = {}

    def stage(self, steps: list[Step], found: Sequence[str] = ()) -> Stage:
        """What every thread does, in order, and the sizes `found` that it tells the caller. What only logits need is left out
        when nobody asks for them."""
        writer = StepWriter(self.step, lambda argument: self.argument(argument, None, {}), self.m.steps.number)
        lines: list[str] = []
        tail = False
        for step in steps:
            written = writer.step(step)
            if self.m.tail and not tail and isinstance(step, Call) and re.search(rf"\b{LOGIT_ROWS}\b", written[-2]):
                tail = True
                lines += ["if (logit_rows == 0)", "    return; /* nobody asks for the head */"]
            lines += written
        for name in found:
            lines += [f"if (t->index == 0 && c->a.{name})", f"    *c->a.{name} = {name};"]
        if lines and is_barrier(lines[-1]):
            lines.append(lines.pop().replace("kk_barrier", "kk_step"))  # the pool's own end is a barrier
        lines = without_unread(lines)
        return Stage(self.locals(lines), lines)

    def block(self, block: Block) -> RenderedBlock:
        fields = iter(block.fields)
        caches = dict(zip(block.caches(0), block.cache_names(), strict=True))
        lines: list[str] = []
        for n, call in enumerate(block.calls):
            lines += [
                *self.call(call, fields, caches).splitlines(),
                self.end(call, f"w->first_step + {n}" if n else "w->first_step"),
            ]
        rows = [", ".join(map(str, [layer[0].number, *block.weights(n)])) for n, layer in enumerate(block.layers)]
        groups: list[list[str]] = []
        taken = iter(block.fields)
        for call in block.calls:
            group = [next(taken) for a in call.arguments if a.weight is not None]
            if group:
                groups.append(group)
        title = f"{block.modules[0]} to {block.modules[-1]}"
        locals_ = self.locals(lines)
        steps = self.m.steps.shared(block.layers, block.modules)
        starts = {layer[0].number: name for layer, name in zip(block.layers, block.modules, strict=True)}
        made = RenderedBlock(
            block.name, title, len(block.layers), groups, rows, list(caches.values()), locals_, lines, steps, starts
        )
        made.found = self.found_in(lines)
        self.rendered[block] = made
        return made

    def step(self, step: Step) -> list[str]:
        """The lines of a call, or of a layer."""
        if isinstance(step, Call):
            return [*self.call(step, None).splitlines(), self.end(step, step.number)]
        assert isinstance(step, tuple)
        block, layer = step
        caches = "".join(f", c->m->cache + {cache.index}" for cache in block.caches(layer))
        found = "".join(f", {name}" for name in self.rendered[block].found)
        return [f"{block.name}(c, t, &{block.name}_layers[{layer}]{caches}{found}); /* {block.modules[layer]} */"]

    def end(self, call: Call, step: int | str) -> str:
        """The line behind a call."""
        return barrier(step) if call.number in self.barriers else f"kk_step(t, {step});"

    def found_in(self, lines: list[str]) -> list[str]:
        """The sizes found at run time that lines read."""
        text = _code(lines)
        names = [s.name for s in self.m.program.graph.symbols.values() if s.is_found]
        return [name for name in names if re.search(rf"(?<![\w>.]){name}\b", text)]

    def call(self, call: Call, fields: Any, caches: Mapping[CachePlan, str] | None = None) -> str:
        """A call as C, a comment that says which layer and shape before it. In a block, constants are the layer's `w->`."""
        arguments = [self.argument(a, fields, caches or {}) for a in call.arguments]
        shape = "".join(f"[{to_text(d)}]" for d in call.node.outputs[0].shape)
        comment = f"/* {call.module}: {shape} */" if fields is None else f"/* {_tail(call)}: {shape} */"
        text = f"k->{call.kernel.name}({', '.join(['t', *arguments])});"
        return f"{comment}\n{text}"

    def argument(self, argument: Argument, fields: Any, caches: Mapping[CachePlan, str]) -> str:
        """An argument of a call as C."""
        if argument.weight is not None:
            offset = f"w->{next(fields)}" if fields is not None else str(argument.weight.offset)
            pointer = f"(const {C_TYPES[argument.dtype]} *)(weights + {offset})"
            return f"{pointer} + {argument.behind}" if argument.behind else pointer
        if argument.cache is not None:
            return caches.get(argument.cache, f"c->m->cache + {argument.cache.index}")
        return argument.text

    def locals(self, lines: list[str]) -> list[str]:
        """Declarations of what the lines use."""
        text = _code(lines)
        found = []
        if "k->" in text:
            found.append(f"const {self.m.name}_kernels *const k = c->m->kernels;")
        if re.search(r"\bm->", text.replace("c->m->", "")):
            found.append(f"{self.m.name} *const m = c->m;")
        if re.search(r"\(weights \+", text):
            found.append("const unsigned char *const weights = c->m->weights;")
        dims = [d for d in self.m.call_dims if re.search(rf"(?<![\w>.]){d}\b", text)]
        if dims:
            given = {d.name for d in self.m.interface.dims}
            found.append("const int64_t " + ", ".join(f"{d} = c->{'a.' if d in given else ''}{d}" for d in dims) + ";")
        slots = sorted({int(n) for n in re.findall(r"(?<![\w>.])slot(\d+)\b", text)})
        if slots:
            found.append("float *const " + ", *const ".join(f"slot{n} = (float *)(void *)c->m->slot[{n}]" for n in slots) + ";")
        sizes = assigned(lines)
        if sizes:
            found.append("int64_t " + ", ".join(f"{name} = 0" for name in sizes) + ";")
        return found


def _code(lines: list[str]) -> str:
    """Lines without their comments, which name sizes that nothing uses."""
    return re.sub(r"/\*.*?\*/", "", "\n".join(lines), flags=re.DOTALL)


def _tail(call: Call) -> str:
    """The end of a layer's name, without the number of the layer: equal layers share the line."""
    return ".".join(part for part in call.module.split(".")[-2:] if not part.isdigit()) or call.module
