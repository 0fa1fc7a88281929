"""What a compiled model offers: sizes, inputs, outputs, state; for the header, the report and the wrappers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from kaoken.emit.names import c_name, tensor_names
from kaoken.emit.program import Program
from kaoken.errors import UsageError
from kaoken.ir.dims import Dim, Symbol, bounds, dim, product, substitute, to_c, to_text
from kaoken.ir.dtypes import C_TYPES, is_storage, packed_bits
from kaoken.ir.found_sizes import found_symbols, largest
from kaoken.ir.graph import Graph, Value
from kaoken.passes.last_position import LOGIT_ROWS
from kaoken.passes.split_stages import DECODE, ENCODE

TEXT_BYTES = 65536


@dataclass(frozen=True)
class Size:
    """A field of the sizes struct: bounds, default, and the symbol it bounds."""

    name: str
    lower: int
    upper: int
    default: int
    default_code: str
    text: str = ""


@dataclass(frozen=True)
class DimField:
    """A dimension that each call gives; `limit` is the C expression of the handle's bound."""

    name: str
    lower: int
    upper: int
    limit: str


@dataclass(frozen=True)
class Tensor:
    """An input or output as the C API and Python see it."""

    name: str
    c_name: str
    dtype: str
    shape: tuple[Dim, ...]
    is_state: bool = False
    stored: tuple[Dim, ...] | None = None
    """Of elements of less than a byte: how many bytes they are packed into."""

    @property
    def c_type(self) -> str:
        return C_TYPES[self.dtype] if self.stored is None else "uint8_t"

    @property
    def shape_text(self) -> str:
        shape = "".join(f"[{to_text(d)}]" for d in self.shape) or "scalar"
        return shape if not is_storage(self.dtype) else f"{self.dtype}{shape}"

    @property
    def is_mask(self) -> bool:
        """Whether this is a padding mask, all ones where the caller gives none."""
        return self.name == "attention_mask" and self.dtype == "int64"

    @property
    def count(self) -> str:
        """Number of elements, as C over the dimensions in the call's arguments; the most where some sizes are found later."""
        return in_call(self.most)

    @property
    def elements(self) -> tuple[Dim, ...]:
        """The shape of what lies in memory."""
        return self.shape if self.stored is None else self.stored

    @property
    def most(self) -> Dim:
        """The largest number of elements, over the dimensions that the caller gives."""
        bound = largest(product(self.elements))
        assert bound is not None
        return bound

    @property
    def may_be_empty(self) -> bool:
        return bounds(self.most)[0] in (None, 0)


@dataclass(frozen=True)
class FoundSize:
    """An extent of outputs that a call finds while it runs, and its upper bound."""

    name: str
    upper: Dim


def in_call(size: Dim) -> str:
    """A size as C over the dimensions in a call's arguments, `a->`."""
    text = to_c(size)
    for symbol in sorted(size.symbols(), key=lambda s: s.name):
        text = re.sub(rf"\b{re.escape(symbol.name)}\b", f"a->{c_name(symbol.name)}", text)
    return text


@dataclass
class Interface:
    """The model's surface. `batch`, `seq`, `past` name the dimensions of a model with state; a fixed batch has no name.

    Of an encoder-decoder in two stages: the encoder's own dimensions, inputs and outputs, and which of the inputs the decoder
    reads too, so that the handle keeps them.
    """

    sizes: list[Size]
    dims: list[DimField]
    inputs: list[Tensor]
    outputs: list[Tensor]
    creation: dict[Symbol, str]
    feed: bool = False
    batch: str = ""
    fixed_batch: int = 0
    seq: str = ""
    past: str = ""
    ids: str = ""
    positions: str = ""
    logits: str = ""
    vocabulary: int = 0
    context: int = 0
    embedding: Any = None
    encode: bool = False
    encoder_dims: list[DimField] = field(default_factory=list)
    encoder_inputs: list[Tensor] = field(default_factory=list)
    encoder_outputs: list[Tensor] = field(default_factory=list)
    kept_inputs: list[Tensor] = field(default_factory=list)
    found: list[FoundSize] = field(default_factory=list)
    composed: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Sequences and optionals, by name: of which inputs or outputs they are made."""

    @property
    def encode_dims(self) -> list[DimField]:
        """Dimensions of an encoder's call: the batch and its own."""
        return [d for d in self.dims if d.name == self.batch or d in self.encoder_dims]

    @property
    def optional_masks(self) -> list[Tensor]:
        """Padding masks that the handle keeps: it fills them with ones where the caller gives none."""
        return [t for t in self.kept_inputs if t.is_mask]

    @property
    def encode_parameters(self) -> str:
        """Parameters of the function that encodes, behind the handle, as C."""
        sizes = [f"int64_t {d.name}" for d in self.encode_dims]
        inputs = [f"const {t.c_type} *{t.c_name}" for t in self.encoder_inputs]
        outputs = [f"{t.c_type} *{t.c_name}" for t in self.encoder_outputs]
        return "".join(f", {p}" for p in [*sizes, *inputs, *outputs])


def build_interface(program: Program, tokenizer: bool) -> Interface:
    """Read the surface off a program."""
    graph = program.graph
    rows = graph.symbols.get(LOGIT_ROWS)
    symbols = [s for s in graph.given_symbols() if s is not rows]
    past = _only_symbol(graph.states[0].past.shape[2]) if graph.states else None
    seq = _only_symbol(graph.states[0].present.shape[2] - dim(past)) if past is not None else None
    batch = graph.states[0].past.shape[0] if past is not None else None
    input_names, output_names = tensor_names(graph)
    state_values = {s.past for s in graph.states} | {s.present for s in graph.states}
    inputs = [
        _tensor(graph, v.name, name, v, v.shape, v in state_values) for v, name in zip(graph.inputs, input_names, strict=True)
    ]
    run_shape = {rows: dim(seq)} if rows is not None and seq is not None else {}
    outputs = []
    for (name, value), own in zip(graph.outputs, output_names, strict=True):
        shape = tuple(substitute(d, run_shape) for d in value.shape)
        outputs.append(_tensor(graph, name, own, value, shape, value in state_values))
    if past is not None and seq is not None and batch is not None:
        sizes, dims, creation, context = _state_sizes(_context(program, seq, past), batch, seq, past)
        state_symbols = {seq, past, *batch.symbols()}
        more, more_dims, more_creation, _ = _plain_sizes([s for s in symbols if s not in state_symbols])
        sizes, dims, creation = sizes + more, dims + more_dims, creation | more_creation
    else:
        sizes, dims, creation, context = _plain_sizes(symbols)
    if tokenizer:
        text = "longest text that tokenize takes, in bytes"
        sizes.append(Size("text_bytes", 1, 2**30, TEXT_BYTES, str(TEXT_BYTES), text))
    interface = Interface(sizes, dims, inputs, outputs, creation)
    interface.context = context
    interface.found, interface.composed = _found_sizes(outputs), graph.composed
    if past is not None and seq is not None and batch is not None:
        interface.seq, interface.past = c_name(seq.name), c_name(past.name)
        interface.fixed_batch = batch.constant or 0
        interface.batch = "" if interface.fixed_batch else c_name(to_text(batch))
        if graph.encoded:
            _describe_encoder(graph, interface, batch)
        _find_feed(graph, interface, seq)
    return interface


def _tensor(graph: Graph, name: str, c_name_: str, value: Value, shape: tuple[Dim, ...], is_state: bool) -> Tensor:
    """An input or output; one that is packed has the shape and the type of what is in it."""
    if name not in graph.packed and packed_bits(value.dtype):
        raise UsageError(f"{name} is {value.dtype}, which only inputs and outputs of the ONNX model itself can be")
    if name not in graph.packed:
        return Tensor(name, c_name_, value.dtype, shape, is_state)
    own_shape, dtype = graph.packed[name]
    return Tensor(name, c_name_, dtype, own_shape, is_state, shape)


def _describe_encoder(graph: Graph, interface: Interface, batch: Dim) -> None:
    tensors = dict(zip(graph.inputs, interface.inputs, strict=True))
    own = {c_name(s.name) for v in graph.encoder_inputs for d in v.shape for s in d.symbols()} - {c_name(to_text(batch))}
    read_later = {v for n in graph.nodes if n.stage == DECODE for v in n.inputs}
    interface.encode = True
    interface.encoder_dims = [d for d in interface.dims if d.name in own]
    interface.encoder_inputs = [tensors[v] for v in graph.encoder_inputs]
    interface.kept_inputs = [tensors[v] for v in graph.encoder_inputs if v in read_later]
    interface.encoder_outputs = [
        tensor
        for (_, value), tensor in zip(graph.outputs, interface.outputs, strict=True)
        if value.producer is not None and value.producer.stage == ENCODE
    ]


def _found_sizes(outputs: list[Tensor]) -> list[FoundSize]:
    """The sizes that outputs have and that no caller knows before, in order."""
    symbols: dict[Symbol, None] = {}
    for tensor in outputs:
        for extent in tensor.shape:
            symbols |= dict.fromkeys(sorted(found_symbols(extent), key=lambda s: s.name))
    bounds = [(symbol, largest(dim(symbol))) for symbol in symbols]
    return [FoundSize(symbol.name, upper) for symbol, upper in bounds if upper is not None]


def serve_rows(interface: Interface, rows: int) -> None:
    """Make handles hold so many rows of text unless told otherwise, as far as the batch's bounds go."""
    for at, size in enumerate(interface.sizes):
        if size.name == "batch" and interface.feed:
            count = max(size.default, min(rows, size.upper))
            interface.sizes[at] = replace(size, default=count, default_code=str(count))


def _only_symbol(extent: Dim) -> Symbol | None:
    symbols = list(extent.symbols())
    return symbols[0] if len(symbols) == 1 and extent == dim(symbols[0]) else None


def _upper(symbol: Symbol) -> int:
    assert isinstance(symbol.upper, int)
    return symbol.upper


def _state_sizes(
    context: int, batch: Dim, seq: Symbol, past: Symbol
) -> tuple[list[Size], list[DimField], dict[Symbol, str], int]:
    rows = _only_symbol(batch)
    low, high = (max(1, rows.lower), _upper(rows)) if rows is not None else (int(batch), int(batch))
    piece = min(128, context, _upper(seq))
    shorter = f"sizes->context < {piece} ? sizes->context : {piece}"
    sizes = [
        Size("batch", low, high, low, str(low), "rows"),
        Size("context", 1, context, context, str(context), "positions that a row can hold"),
        Size(
            "sequence", 1, min(_upper(seq), context), piece, shorter, "positions of a call of run, or of a piece that feed takes"
        ),
    ]
    dims = [
        DimField(c_name(seq.name), max(1, seq.lower), min(_upper(seq), context), "m->sizes.sequence"),
        DimField(c_name(past.name), 0, context, "m->sizes.context"),
    ]
    creation = {seq: "sizes->sequence", past: "sizes->context"}
    if rows is not None:
        dims.insert(0, DimField(c_name(rows.name), low, high, "m->sizes.batch"))
        creation[rows] = "sizes->batch"
    return sizes, dims, creation, context


def _context(program: Program, seq: Symbol, past: Symbol) -> int:
    """Positions there can be: config.json's, else what the bounds allow; never more than a table of positions has."""
    from kaoken.frontend.dimensions import context_length

    known = context_length(program.graph.metadata.get("config", {}))
    positions = [use.extent for use in program.checks if use.value.name == "position_ids"]
    tables = [int(extent) for extent in positions if extent.constant is not None]
    return min([known if known is not None else _upper(past) + _upper(seq), *tables])


def _plain_sizes(symbols: list[Symbol]) -> tuple[list[Size], list[DimField], dict[Symbol, str], int]:
    sizes, dims, creation = [], [], {}
    for symbol in symbols:
        name = c_name(symbol.name)
        default = 1 if "batch" in name else _upper(symbol)
        sizes.append(Size(name, symbol.lower or 1, _upper(symbol), default, str(default)))
        dims.append(DimField(name, symbol.lower, _upper(symbol), f"m->sizes.{name}"))
        creation[symbol] = f"sizes->{name}"
    return sizes, dims, creation, 0


def _find_feed(graph: Graph, interface: Interface, seq: Symbol) -> None:
    """feed is offered when every input is ids, positions, a 0/1 mask or state, and logits are the one output."""
    if any(node.finds for node in graph.every_node()):
        return  # feed has nobody to tell a size to, or that it is too large
    ids = "decoder_input_ids" if interface.encode else "input_ids"
    roles = {ids: "", "position_ids": "", "attention_mask": ""}
    masks = {node.inputs[3] for node in graph.nodes if node.op == "attention"}
    for value, tensor in zip(graph.inputs, interface.inputs, strict=True):
        if value in graph.encoder_inputs and interface.encode:
            if not _only_masks(graph, value):
                return
            continue
        if tensor.is_state:
            continue
        if value.name not in roles or value.dtype != "int64" or value.rank != 2:
            return
        if value.name == "attention_mask" and any(value in node.inputs and node.op != "attention" for node in graph.nodes):
            return
        if value.name == "attention_mask" and value not in masks and graph.uses().get(value):
            return
        roles[value.name] = tensor.c_name
    plain = [t for t in interface.outputs if not t.is_state and t not in interface.encoder_outputs]
    if not roles[ids] or len(plain) != 1 or len(plain[0].shape) != 3 or plain[0].shape[2].constant is None:
        return
    if LOGIT_ROWS not in graph.symbols or plain[0].dtype != "float32":
        return  # feed hands out float32 logits of the last position, and of no other
    interface.feed = True
    interface.ids, interface.positions = roles[ids], roles["position_ids"]
    interface.logits, interface.vocabulary = plain[0].c_name, int(plain[0].shape[2])


def _only_masks(graph: Graph, value: Value) -> bool:
    """Whether the decoder's nodes read this input, if at all, as the padding mask of cross-attention."""
    return all(
        n.stage == ENCODE or all(v is not value or (n.op == "attention" and at == 3) for at, v in enumerate(n.inputs))
        for n in graph.nodes
    )
