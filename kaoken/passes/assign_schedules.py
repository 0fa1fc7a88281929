"""Schedules: every hot kernel gets its tiles and blocks, as data on the node; a file of `kaoken tune` may have chosen others."""

from __future__ import annotations

from kaoken.errors import UsageError
from kaoken.ir.graph import Graph, Node
from kaoken.ir.schedule import AttentionSchedule, LinearSchedule
from kaoken.ir.schedule_file import ScheduleFile
from kaoken.ops.linear import linear_operands
from kaoken.passes.choose_schedule import choose_attention, choose_linear


def assign_schedules(graph: Graph) -> None:
    """Put a schedule on every linear and attention node: the cost model's, with what `graph.metadata["schedules"]` says instead.

    Raises UsageError for a file whose values are not legal, or that has nothing for this model.
    """
    file: ScheduleFile = graph.metadata.get("schedules") or ScheduleFile()
    names = set()
    for node in graph.every_node():
        if node.op == "linear":
            x = node.inputs[0]
            assert x is not None
            chosen: LinearSchedule | AttentionSchedule = choose_linear(
                int(x.shape[-1]), sum(p.columns for p in node.attrs["parts"])
            )
        elif node.op == "attention":
            chosen = choose_attention()
        else:
            continue
        names.add(name := scheduled_name(node))
        node.attrs["schedule"] = file.apply(name, chosen)
    if file.overrides and not names & set(file.overrides):
        theirs, ours = (", ".join(sorted(n)) or "none" for n in (file.overrides, names))
        raise UsageError(f"{file.path} is of another model: its kernels are {theirs}; this model's are {ours}")


def scheduled_name(node: Node) -> str:
    """What a scheduled kernel is called, after its shape: `linear_768x3072_gelu_tanh`, `attention_12x64_causal`.

    Kernels that differ in what does not matter for speed share the name (the generated C numbers them).
    """
    if node.op == "attention":
        keys = node.inputs[1]
        assert keys is not None
        return f"attention_{node.attrs['heads']}x{int(keys.shape[3])}" + ("_causal" if node.attrs["causal"] else "")
    o = linear_operands(node.inputs, node.attrs)
    parts, activation = node.attrs["parts"], node.attrs["activation"]
    plain = len(parts) == 1 and parts[0].kind == "rows"
    tail = [activation] if activation else []
    tail += ["residual"] if o.residual is not None else []
    tail += [] if plain else ["_".join(p.kind for p in parts).replace("rows", "queries")]
    return "_".join([f"linear_{int(o.x.shape[-1])}x{sum(p.columns for p in parts)}", *tail])
