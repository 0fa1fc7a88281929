"""The graph as a program: kernel functions, each once, and calls of them in order, equal layers recognised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kaoken.emit.index_uses import IndexUse, index_uses
from kaoken.emit.kernels import AttentionSpec, LinearSpec, NormSpec, Part, Spec, render_kernel, scratch_bytes
from kaoken.emit.loop_kernels import extents_text, loop_kernel
from kaoken.emit.names import Names, c_name, module_of, tensor_names
from kaoken.emit.partition import Partition
from kaoken.emit.steps import Branch, Copy, FindSize, Repeat, RunRoutine
from kaoken.ir.dims import Dim, dim, product, to_c
from kaoken.ir.dtypes import C_TYPES, item_size
from kaoken.ir.expr import Formula, Int, Read, reads
from kaoken.ir.found_sizes import found_symbols
from kaoken.ir.graph import Graph, Node, Value
from kaoken.ops.linear import linear_operands
from kaoken.ops.mapping import appended
from kaoken.ops.routine import ROUTINES
from kaoken.passes.assign_schedules import scheduled_name
from kaoken.passes.body_memory import initial_values, loop_results, root
from kaoken.passes.pack_weights import WeightEntry, WeightPlan
from kaoken.passes.plan_memory import CachePlan, MemoryPlan

_TESTS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@dataclass(eq=False)
class Kernel:
    """A C function of the kernels file. `origins` are the layers that call it."""

    name: str
    text: str
    spec: Any = None
    scratch: int = 0
    origins: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> str:
        """The C parameter list."""
        found = re.search(rf"static void {re.escape(self.name)}\((.*?)\)\n", self.text)
        assert found is not None, self.name
        return found[1]


@dataclass(frozen=True)
class Argument:
    """An argument of a call: C text, or a constant of the weights file or a cache, which differ from layer to layer.

    `behind`: elements of the constant before the one that is pointed to.
    """

    text: str = ""
    weight: WeightEntry | None = None
    cache: CachePlan | None = None
    role: str = ""
    dtype: str = "float32"
    behind: int = 0


@dataclass(eq=False)
class Call:
    """A call of a kernel for one node."""

    kernel: Kernel
    arguments: list[Argument]
    node: Node
    module: str
    number: int
    partition: Partition | None = None

    def signature(self) -> tuple:
        """Equal for calls that differ only in the constants and the cache they use."""
        return (
            id(self.kernel),
            self.node.stage,
            tuple(f"weight {a.behind}" if a.weight else a.cache.kind if a.cache else a.text for a in self.arguments),
        )


@dataclass(eq=False)
class Program:
    """Everything the templates need of the graph: `calls` are those of `steps` in order, inside branches and loops too, as are
    the nodes of `control`, which are steps and no calls; `routines` are the headers of the runtime's routines that these call."""

    graph: Graph
    memory: MemoryPlan
    weights: WeightPlan
    kernels: list[Kernel] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    control: list[Node] = field(default_factory=list)
    steps: list[Any] = field(default_factory=list)
    checks: list[IndexUse] = field(default_factory=list)
    routines: set[str] = field(default_factory=set)
    binary: list[Value] = field(default_factory=list)


def build_program(graph: Graph) -> Program:
    """Turn a graph that went through all passes into kernels and calls."""
    return _Builder(graph).run()


class _Builder:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.memory: MemoryPlan = graph.metadata["memory"]
        self.weights: WeightPlan = graph.metadata["weights"]
        self.program = Program(graph, self.memory, self.weights)
        self.names = Names()
        self.by_spec: dict[Any, Kernel] = {}
        inputs, outputs = tensor_names(graph)
        self.input_names = dict(zip(graph.inputs, inputs, strict=True))
        self.output_names = {root(v): name for (_, v), name in zip(graph.outputs, outputs, strict=True)}
        self.inputs = set(graph.inputs)
        scattered = (node.inputs[1] for node in graph.every_node() if node.op == "scatter")
        self.places = {root(value) for value in scattered if value is not None}
        self.steps: list[Any] = []

    def run(self) -> Program:
        self.program.steps = self._steps(self.graph)
        return self.program

    def _steps(self, graph: Graph) -> list[Any]:
        """What a graph's nodes do, in order."""
        emitters = {
            "linear": self._linear,
            "attention": self._attention,
            "norm": self._norm,
            "map": self._map,
            "append": self._append,
            "if": self._if,
            "loop": self._repeat,
            "size": self._size,
            **dict.fromkeys(ROUTINES, self._routine),
        }
        outer, self.steps = self.steps, []
        for node in graph.nodes:
            if node.op not in ("reshape", "view"):
                before = len(self.steps)
                emitters[node.op](node)
                if not all(isinstance(step, Call) for step in self.steps[before:]):
                    self.program.control.append(node)
        steps, self.steps = self.steps, outer
        return steps

    # kernels and calls ------------------------------------------------------------------------------------------------------

    def _kernel(self, key: Any, wanted: str, render: Any) -> Kernel:
        """The kernel for `key`, rendered under a fresh name the first time."""
        if key not in self.by_spec:
            kernel = render(self.names.fresh(wanted))
            self.by_spec[key] = kernel
            self.program.kernels.append(kernel)
        return self.by_spec[key]

    def _scheduled(self, spec: Spec) -> Kernel:
        """The kernel of a spec, whose name is a wish."""

        def render(fresh: str) -> Kernel:
            named = replace(spec, name=fresh)
            return Kernel(fresh, render_kernel(named), named, scratch_bytes(named))

        return self._kernel(replace(spec, name=""), spec.name, render)

    def _call(self, kernel: Kernel, node: Node, arguments: list[Argument], partition: Partition | None = None) -> None:
        module = module_of(node.origin) or node.output.name
        kernel.origins.append(module)
        call = Call(kernel, arguments, node, module, len(self.program.calls), partition)
        self.program.calls.append(call)
        self.steps.append(call)

    # operands ---------------------------------------------------------------------------------------------------------------

    def pointer(self, value: Value, role: str = "x") -> Argument:
        """A value's memory as a C pointer of its type."""
        base, place = self.memory.flow.place(value)
        if base in self.weights.of_value and base.producer is None and base not in self.inputs:
            return Argument(weight=self.weights.of_value[base], role=role, dtype=base.dtype)
        offset = self._view_offset(value, place)
        c_type = C_TYPES[value.dtype]
        if base in self.output_names:
            text = f"c->a.{self.output_names[base]}"
        elif base in self.inputs:
            text = f"c->a.{self.input_names[base]}"
        else:
            slot = self.memory.slot_of[base]
            text = f"slot{slot.index}" if c_type == "float" else f"({c_type} *)m->slot[{slot.index}]"
        return Argument(f"{text} + {offset}" if offset else text)

    def _view_offset(self, value: Value, first: Dim) -> str:
        """Elements in front of a value's first one: what lies before it in memory, and what a strided view leaves out."""
        producer = value.producer
        if producer is None or producer.op != "view":
            return to_c(first) if first != 0 else ""
        read = _viewed(producer)
        strides = _strides(read.value)
        for index, stride in zip(read.indices, strides, strict=True):
            assert isinstance(index, Int)
            constant = index.value - sum((dim(a) for a in producer.attrs["formula"].axes if a in index.value.symbols()), dim(0))
            first = first + constant * stride
        return to_c(first) if first != 0 else ""

    # node kinds -------------------------------------------------------------------------------------------------------------

    def _linear(self, node: Node) -> None:
        o = linear_operands(node.inputs, node.attrs)
        k, parts = int(o.x.shape[-1]), node.attrs["parts"]
        n = sum(p.columns for p in parts)
        bias, activation, schedule = self.weights.bias.get(node), node.attrs["activation"], node.attrs["schedule"]
        plain = len(parts) == 1 and parts[0].kind == "rows"
        made = tuple(Part(p.kind, p.columns, p.columns // p.heads if p.heads else 0) for p in parts)
        spec = LinearSpec(
            scheduled_name(node), k, n, bias is not None, activation, o.residual is not None, None if plain else made, schedule
        )
        rows = to_c(product(o.x.shape[:-1]))
        if plain:
            arguments = [Argument(rows)]
        else:
            arguments = [Argument(to_c(o.x.shape[0])), Argument(to_c(o.x.shape[1]))]
        arguments += [self.pointer(o.x), Argument(str(k)), Argument(weight=self.weights.matrix[node], role="weight")]
        if bias is not None:
            arguments.append(Argument(weight=bias, role="bias"))
        if o.residual is not None:
            arguments += [self.pointer(o.residual), Argument(str(n))]
        for part, value in zip(parts, node.outputs, strict=True):
            if part.kind == "rows":
                arguments += [self.pointer(value), Argument(str(part.columns))]
        cached = [v for p, v in zip(parts, node.outputs, strict=True) if p.kind != "rows"]
        if cached:
            arguments.append(Argument(cache=self.memory.cache_of(cached[0])))
        partition = None
        if schedule.partition == "rows" and plain:
            strides = {o.x: dim(k)} | ({o.residual: dim(n)} if o.residual is not None else {})
            partition = Partition("rows", product(o.x.shape[:-1]), strides, dim(n))
        self._call(self._scheduled(spec), node, arguments, partition)

    def _attention(self, node: Node) -> None:
        q, keys, values = (v for v in node.inputs[:3] if v is not None)
        mask, bias = node.inputs[3], node.inputs[4]
        heads, kv_heads = node.attrs["heads"], node.attrs["kv_heads"]
        head_dim, value_dim = int(keys.shape[3]), int(values.shape[3])
        test = node.attrs["mask_test"]
        spec = AttentionSpec(
            scheduled_name(node),
            heads,
            kv_heads,
            head_dim,
            value_dim,
            node.attrs["scale"],
            node.attrs["causal"],
            mask is not None,
            bias is not None,
            node.attrs["empty_row"],
            node.attrs["schedule"],
            relative=node.attrs.get("bias_center") is not None,
        )
        if mask is not None and node.attrs.get("binary_mask") and mask.dtype != "bool" and mask not in self.program.binary:
            self.program.binary.append(mask)
        if mask is not None and test is not None:
            spec = replace(spec, mask_type=C_TYPES[mask.dtype], mask_test=f"{_TESTS[test[0]]} {int(test[1])}")

        past = self._past(keys)
        arguments = [Argument(to_c(q.shape[0])), Argument(to_c(q.shape[1])), self.pointer(q), Argument(str(heads * head_dim))]
        arguments += [
            Argument(cache=self.memory.cache_of(keys)),
            Argument(to_c(keys.shape[2] - past - self.memory.cache_of(keys).offset)),
        ]
        if mask is not None:
            stride = "0" if mask.shape[0] == 1 else to_c(mask.shape[1])
            arguments += [self.pointer(mask), Argument(stride)]
        center = node.attrs.get("bias_center")
        if bias is not None and center is not None:
            head_stride = int(bias.shape[2]) if bias.shape[1] != 1 else 0
            arguments += [replace(self.pointer(bias, "relative_bias"), behind=center), Argument(str(head_stride))]
        elif bias is not None:
            strides = _strides(bias)
            zero = [dim(0)] * (4 - bias.rank) + [dim(0) if d == 1 else s for d, s in zip(bias.shape, strides, strict=True)]
            arguments += [self.pointer(bias), *(Argument(to_c(s)) for s in zero[:3])]
        arguments += [self.pointer(node.output), Argument(str(heads * value_dim))]
        self._call(self._scheduled(spec), node, arguments)

    def _past(self, keys: Value) -> Any:
        """Positions that the cache of these keys holds before the call."""
        state = next((s for s in self.graph.states if s.present is keys), None)
        return state.past.shape[2] if state is not None else dim(0)

    def _norm(self, node: Node) -> None:
        x, scale, shift = node.inputs
        assert x is not None
        axis = node.attrs["axis"]
        width = int(product(x.shape[axis:]))
        kind = node.attrs["kind"]
        spec = NormSpec(f"{kind}_norm_{width}", kind, width, node.attrs["epsilon"], scale is not None, shift is not None)
        if x.producer is not None and _is_view(x):
            strides = _strides(_viewed(x.producer).value)
            batch, rows, steps = x.shape[0], x.shape[1], (strides[0], strides[1])
        else:
            batch, rows = dim(1), product(x.shape[:axis])
            steps = (dim(0), dim(width))
        arguments = [Argument(to_c(batch)), Argument(to_c(rows)), self.pointer(x), *(Argument(to_c(s)) for s in steps)]
        for value, role in ((scale, "scale"), (shift, "shift")):
            if value is not None:
                arguments.append(self.pointer(value, role))
        arguments.append(self.pointer(node.output))
        partition = None if _is_view(x) else Partition("rows", product(x.shape[:axis]), {x: dim(width)}, dim(width))
        self._call(self._scheduled(spec), node, arguments, partition)

    def _append(self, node: Node) -> None:
        """New positions stored into a cache, element by element."""
        self._loop(node, appended(node), node.output, f"store_{node.output.packing}")

    def _map(self, node: Node) -> None:
        formula: Formula = node.attrs["formula"]
        gathers = any(not isinstance(i, Int) for r in reads(formula.body) for i in r.indices)
        self._loop(node, formula, node.output, "embed" if gathers else "loop")

    def _loop(self, node: Node, formula: Formula, output: Value, kind: str) -> None:
        """A loop nest; equal ones share a function."""
        self._note_checks(formula, root(output) in self.places)
        is_state = output in {s.present for s in self.graph.states}
        made = loop_kernel(formula, output, self.weights, self.inputs, set(self.program.checks), is_state)
        wanted = f"{kind}_{c_name(extents_text(formula), 'n')}".replace("n_", "")
        kernel = self._kernel(made.key, wanted, lambda fresh: Kernel(fresh, made.render(fresh)))
        arguments = [Argument(s) for s in made.symbols]
        arguments += [self.pointer(v, role) for v, role in zip(made.operands, _roles(made.operands), strict=True)]
        cached = output.packing in ("keys", "values")
        arguments.append(Argument(cache=self.memory.cache_of(output)) if cached else self.pointer(output))
        self._call(kernel, node, arguments, made.partition)

    # control flow -----------------------------------------------------------------------------------------------------------

    def _if(self, node: Node) -> None:
        condition = node.inputs[0]
        assert condition is not None
        self.steps.append(Branch(node, self.pointer(condition), [self._steps(body) for body in node.bodies]))

    def _repeat(self, node: Node) -> None:
        limit, condition = (None if v is None else self.pointer(v) for v in node.inputs[:2])
        goes_on, results, _ = loop_results(node)
        initial = [node.inputs[n] for n in initial_values(node)]
        step = Repeat(node, [], limit, condition, None if goes_on is None else self.pointer(goes_on))
        for source, result, target in zip(initial, results, node.outputs, strict=False):
            assert source is not None
            step.before += self._copy(target, source)
            step.after += self._copy(target, result)
        step.body = self._steps(node.bodies[0])
        self.steps.append(step)

    def _copy(self, target: Value, source: Value) -> list[Copy]:
        places = [self.memory.flow.place(v) for v in (target, source)]
        size = to_c(product(source.shape) * item_size(source.dtype))
        return [] if places[0] == places[1] else [Copy(self.pointer(target), self.pointer(source), size)]

    def _routine(self, node: Node) -> None:
        routine = ROUTINES[node.op]
        values = [v for v in (*node.inputs, *node.outputs) if v is not None]
        before = self._copy(node.output, values.pop(0)) if routine.into else []
        pointers = list(map(self.pointer, values))
        self.program.routines.add(routine.header)
        self.steps.append(RunRoutine(node, routine.function(node), pointers, [to_c(d) for d in routine.sizes(node)], before))

    def _size(self, node: Node) -> None:
        source = node.inputs[0]
        assert source is not None
        self.steps.append(FindSize(node, self.pointer(source)))

    def _note_checks(self, formula: Formula, is_place: bool) -> None:
        """Inputs whose elements index an axis are checked before anything runs."""
        for use in index_uses(formula, is_place):
            if use.value in self.inputs and use not in self.program.checks and not found_symbols(use.extent):
                self.program.checks.append(use)


def _is_view(value: Value) -> bool:
    return value.producer is not None and value.producer.op == "view"


def _viewed(view: Node) -> Read:
    body = view.attrs["formula"].body
    assert isinstance(body, Read)
    return body


def _strides(value: Value) -> list:
    """Elements between neighbours on each axis, row-major."""
    return [product(value.shape[n + 1 :]) for n in range(value.rank)]


def _roles(operands: Sequence[Value]) -> list[str]:
    return [re.sub(r".*\.(?=\w+\.\w+$)", "", v.name) if v.data is not None else "x" for v in operands]
