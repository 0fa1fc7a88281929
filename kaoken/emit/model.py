"""Renders the model's own C files: header, entry points, kernels."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field

import kaoken
from kaoken.emit.barriers import needed_barriers
from kaoken.emit.blocks import find_blocks
from kaoken.emit.call_lines import CallWriter, RenderedBlock, Stage, stage_of
from kaoken.emit.embedding import Embedding
from kaoken.emit.generation import GenerationDefaults
from kaoken.emit.interface import Interface, Tensor, in_call
from kaoken.emit.kernels import render_tiles
from kaoken.emit.program import Program
from kaoken.emit.runtime_sources import model_source, runtime_folder
from kaoken.emit.step_table import StepTable
from kaoken.emit.templating import templates
from kaoken.ir.dims import Dim, is_nonnegative, product, to_c
from kaoken.ir.dtypes import item_size
from kaoken.ir.graph import Value
from kaoken.passes.last_position import LOGIT_ROWS
from kaoken.passes.plan_memory import at_creation
from kaoken.passes.split_stages import ENCODE

HEADERS = {
    "kk_matmul.h": r"\bkk_matmul\(|\btiles\[",
    "kk_norm.h": r"\bkk_norm\(",
    "kk_narrow.h": r"\bkk_(from|to|low|load|store)_(b?float|u?int)\d",
    "kk_transpose.h": r"\bkk_(transpose|repeat)_\d",
    "kk_far.h": r"\bkk_far_end\(",
}
"""Headers of the runtime by what the kernels call that need them."""


@dataclass(frozen=True)
class SlotLine:
    """A place in the arena: its offset as C, its size as C over `sizes`, and names of values that live there."""

    index: int
    offset: str
    size: str
    text: str


@dataclass(frozen=True)
class CacheOffset:
    """A cache whose queries begin behind its first key: how many rows to reserve, and rows and offset of a call, as C."""

    index: int
    rows: str
    batch: str
    value: str


@dataclass(frozen=True)
class StatePair:
    """A cache that is state, and the caller's tensors that it is filled from and given back as."""

    index: int
    past_keys: str
    past_values: str
    present_keys: str
    present_values: str


@dataclass(frozen=True)
class IndexCheck:
    """`count` indices into an axis of `extent`, every `step`-th element of an input from `first` on, as C over the arguments."""

    name: str
    dtype: str
    first: str
    count: str
    step: int
    extent: str


TextDemand = tuple[int, int, int, int]
"""What a tokenizer's tables ask of scratch memory (kaoken.text.tokenizer_tables.text_demand)."""


@dataclass
class ModelFiles:
    """Everything the templates ask for under `m`; the model's surface is their `i`."""

    name: str
    title: str
    source: str
    program: Program
    interface: Interface
    hash: bytes
    tokenizer: TextDemand | None
    embedded: bool
    scratch: int = 0
    blocks: list[RenderedBlock] = field(default_factory=list)
    encode: Stage | None = None
    forward: Stage = field(default_factory=Stage)
    generation: GenerationDefaults = field(default_factory=GenerationDefaults)
    version: str = kaoken.__version__
    cost_locals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps = StepTable(self.program)

    @staticmethod
    def wrapped(words: list[str]) -> str:
        """Words as lines of a C comment, which they never end."""
        text = ", ".join(word.replace("*/", "*\\/").replace("/*", "\\/*") for word in words)
        return "\n   ".join(textwrap.wrap(text, 140, break_long_words=False, break_on_hyphens=False))

    @staticmethod
    def quoted(text: str) -> str:
        """The inside of a C string literal."""
        return re.sub(r'[\\"?]', r"\\\g<0>", re.sub(r"[\x00-\x1f\x7f]", "_", text))

    def fixed(self, file: str) -> str:
        """C that is the same for every model but for its name (runtime/model)."""
        return model_source(file, self.name)

    @property
    def upper(self) -> str:
        return self.name.upper()

    @property
    def embedding(self) -> Embedding | None:
        """Text vectors, where the model is an encoder."""
        found: Embedding | None = self.interface.embedding
        return found

    @property
    def headers(self) -> list[str]:
        """Headers of the runtime that not every model's kernels need."""
        return [name for name, used in HEADERS.items() if any(re.search(used, kernel.text) for kernel in self.program.kernels)]

    @property
    def states(self) -> list:
        return self.program.graph.states

    @property
    def tail(self) -> bool:
        return LOGIT_ROWS in self.program.graph.symbols

    @property
    def may_stop(self) -> bool:
        """Whether a size that is found while the model runs may be too large for the memory there is."""
        return any("stop(c, t," in line for line in self.forward.lines)

    @property
    def call_dims(self) -> list[str]:
        return [d.name for d in self.interface.dims] + (["logit_rows"] if self.tail else [])

    def batch_of(self, prefix: str) -> str:
        """The batch of a call as C: a field of `prefix`, or the fixed number."""
        return f"{prefix}{self.interface.batch}" if self.interface.batch else str(self.interface.fixed_batch)

    @property
    def caches(self) -> list[tuple[int, int, int]]:
        return [(int(c.keys.shape[1]), int(c.keys.shape[3]), int(c.values.shape[3])) for c in self.program.memory.caches]

    @property
    def arena_caches(self) -> list[tuple[int, int, int, str]]:
        """Of each cache in the arena: its index, the slots of keys and values, and positions to reserve."""
        memory = self.program.memory
        return [
            (c.index, memory.slot_of[c.keys].index, memory.slot_of[c.values].index, self.created(c.keys.shape[2]))
            for c in memory.caches
            if c.kind == "arena"
        ]

    @property
    def encoded_caches(self) -> tuple[int, int, str]:
        """Of the caches that the encoder fills: the first, the one behind the last, and positions to reserve in each."""
        found = [c for c in self.program.memory.caches if c.kind == "encoded"]
        return (found[0].index, found[-1].index + 1, self.created(found[0].keys.shape[2])) if found else (0, 0, "0")

    @property
    def demanded(self) -> list[tuple[str, str]]:
        """Tests that no tensor is missing from a call, as C: under which condition, "" for always, and of which tensors."""
        i, found = self.interface, dict[str, list[str]]()
        for t in (*i.inputs, *(t for t in i.outputs if not t.is_state and t not in i.encoder_outputs)):
            found.setdefault(t.count if t.may_be_empty else "", []).append(f"!a->{t.c_name}")
        tests = {count: " || ".join(names) for count, names in found.items()}
        return [(count, f"({text})" if count and " || " in text else text) for count, text in tests.items()]

    @property
    def step_lines(self) -> list[str]:
        """The table of steps as C: one row each, but for layers that share their rows."""
        lines = [f'{{"{self.quoted(row.layer)}", "{row.kernel}", {row.cost}}}' for row in self.steps.rows]
        layers = {start: (block, name) for block in self.blocks if block.steps for start, name in block.starts.items()}
        for start, (block, name) in sorted(layers.items(), reverse=True):
            lines[start : start + len(block.steps)] = [f'{block.name}_steps("{self.quoted(name)}")']
        return lines

    def bytes_of(self, tensor: Tensor) -> str:
        """Memory to reserve for a tensor, as C over the handle's `sizes`."""
        if tensor.stored is not None:
            return self.created(product(tensor.stored))
        return f"{item_size(tensor.dtype)} * ({self.created(product(tensor.shape))})"

    @property
    def cache_offsets(self) -> list[CacheOffset]:
        """Caches of the arena whose queries begin behind their first key."""
        found = [c for c in self.program.memory.caches if c.offset != 0]
        return [CacheOffset(c.index, self.created(c.keys.shape[0]), in_call(c.keys.shape[0]), in_call(c.offset)) for c in found]

    def created(self, size: Dim) -> str:
        """A size for which memory is reserved, as C over the handle's `sizes`."""
        text = to_c(at_creation(self.program.graph, size))
        for symbol, code in self.interface.creation.items():
            text = re.sub(rf"(?<![\w>.]){re.escape(symbol.name)}\b", code, text)
        return text

    @property
    def slots(self) -> list[SlotLine]:
        """The arena's places: offset and size in bytes and, for the comment, what lives there."""
        result = []
        for slot in self.program.memory.slots:
            sizes: dict[int, list[Dim]] = {}
            for other, size in slot.behind:
                sizes.setdefault(other.index, []).append(size)
            ends = [f"kk_behind(slot[{index}], {self._largest(found)})" for index, found in sorted(sizes.items())]
            offset = ends[0] if ends else "0"
            for end in ends[1:]:
                offset = f"kk_farther({offset}, {end})"
            shown = ", ".join(v.name for v in slot.values[:3]) + (", ..." if len(slot.values) > 3 else "")
            result.append(SlotLine(slot.index, offset, self._largest(slot.sizes), shown.replace("*/", "")))
        return result

    def _largest(self, sizes: list[Dim]) -> str:
        """The largest of some sizes at creation, as C."""
        largest = [s for s in sizes if not any(o != s and is_nonnegative(o - s) for o in sizes)]
        texts = list(dict.fromkeys(map(self.created, largest)))
        result = texts[0]
        for other in texts[1:]:
            result = f"kk_max_i64({result}, {other})"
        return result

    @property
    def state_pairs(self) -> list[StatePair]:
        """For each cache that is state, the names of the caller's tensors."""
        names = {v: t.c_name for v, t in zip(self.program.graph.inputs, self.interface.inputs, strict=True)}
        names |= {v: t.c_name for (_, v), t in zip(self.program.graph.outputs, self.interface.outputs, strict=True)}
        past = {s.present: s.past for s in self.states}
        return [
            StatePair(c.index, names[past[c.keys]], names[past[c.values]], names[c.keys], names[c.values])
            for c in self.program.memory.caches
            if c.kind == "state"
        ]

    @property
    def checks(self) -> list[IndexCheck]:
        """Inputs whose elements are indices, with the extent of the axis they index."""
        checks = []
        for use in self.program.checks:
            name, count = self._input(use.value).c_name, in_call(product(use.value.shape) // use.step)
            first = f"a->{name}" + (f" + {use.first}" if use.first else "")
            checks.append(IndexCheck(name, use.value.dtype, first, count, use.step, in_call(use.extent)))
        return checks

    def _input(self, value: Value) -> Tensor:
        return self.interface.inputs[self.program.graph.inputs.index(value)]

    @property
    def binary_inputs(self) -> list[Tensor]:
        """Inputs whose elements must be 0 or 1."""
        return [self._input(value) for value in self.program.binary]

    @property
    def encoder_checks(self) -> list[IndexCheck]:
        """Those of the checks that an encoder's inputs need."""
        return [c for c in self.checks if c.name in {t.c_name for t in self.interface.encoder_inputs}]

    @property
    def id_limit(self) -> int:
        """Ids that feed takes are below this: the smallest of the vocabulary and the tables that they index."""
        extents = [int(c.extent) for c in self.checks if c.name == self.interface.ids and str(c.extent).isdigit()]
        return min([self.interface.vocabulary, *extents])

    @property
    def uniform_past(self) -> bool:
        """Whether a kernel other than attention depends on how much past there is: then all rows must hold equally much."""
        for call in self.program.calls:
            if call.node.op == "map" and any(re.search(rf"\b{self.interface.past}\b", a.text) for a in call.arguments):
                return True
        return False


def statuses() -> list[tuple[str, str]]:
    """(name without prefix, text) of every status, read from the runtime's header."""
    text = (runtime_folder() / "kk_status.h").read_text(encoding="utf-8")
    names = re.findall(r"^[ \t]+KK_(\w+)(?: = 0)?,?[ \t]*(?:/\* (.*?) \*/)?", text[: text.index("} kk_status")], re.MULTILINE)
    return [(name, comment or "no error") for name, comment in names]


def build_model_files(
    name: str,
    title: str,
    source: str,
    program: Program,
    interface: Interface,
    model_hash: bytes,
    tokenizer: TextDemand | None,
    embedded: bool,
) -> ModelFiles:
    """Arrange a program for the templates: layers as functions, the rest as lines of `forward`."""
    m = ModelFiles(name, title, source, program, interface, model_hash, tokenizer, embedded)
    m.scratch = max([64, *(k.scratch for k in program.kernels)])
    blocks, steps = find_blocks(program)
    writer = CallWriter(m, needed_barriers(program, [block.layers for block in blocks]))
    m.blocks = [writer.block(b) for b in blocks]
    if interface.encode:
        m.encode = writer.stage([s for s in steps if stage_of(s) == ENCODE])
    m.forward = writer.stage([s for s in steps if stage_of(s) != ENCODE], [size.name for size in interface.found])
    m.cost_locals = writer.locals([text for cost in m.steps.costs for text in cost])
    return m


def render_files(m: ModelFiles) -> dict[str, str]:
    """File name -> text of the model's own C files."""
    lookup = templates()
    specs = [k.spec.schedule for k in m.program.kernels if getattr(k.spec, "schedule", None) is not None]
    tiles = render_tiles(specs) if specs else ""
    for kernel in m.program.kernels:
        kernel.text = _with_comment(kernel.text, kernel.origins)
    files = {
        f"{m.name}.h": lookup.get_template("model.h.mako").render(m=m, i=m.interface, statuses=statuses()),
        f"{m.name}.c": lookup.get_template("model.c.mako").render(m=m, i=m.interface),
        f"{m.name}_kernels.h": lookup.get_template("kernels.h.mako").render(m=m, i=m.interface),
        f"{m.name}_kernels.c": lookup.get_template("kernels.c.mako").render(m=m, tiles=tiles),
    }
    for level, text in (("avx2", "AVX2 and FMA"), ("avx512", "AVX-512")):
        files[f"{m.name}_kernels_{level}.c"] = lookup.get_template("kernels_level.c.mako").render(m=m, level=level, text=text)
    return {name: re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n" for name, text in files.items()}


def _with_comment(text: str, origins: list[str]) -> str:
    """Name the layers that call a kernel in the comment of its main function."""
    names = list(dict.fromkeys(o for o in origins if o))
    shown = ", ".join(names[:4]) + (f", ... ({len(names)} layers)" if len(names) > 4 else "")
    if not shown:
        return text
    head, mark, rest = text.rpartition("/* ")
    first, newline, tail = rest.partition("\n")
    if first.rstrip().endswith("*/"):
        return text
    return f"{head}{mark}{first}{newline} * For {shown}.\n{tail}"
