"""The symbols of a model and their bounds: from the graph's inputs, config.json and `--dim`."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaoken.errors import UnboundedDimensionsError, UsageError
from kaoken.frontend.implied import ImpliedBounds
from kaoken.ir.dims import Dim, Symbol, dim, floordiv, maximum, minimum, mod
from kaoken.ir.reserved import is_reserved_dimension

DEFAULT_BATCH = 8
RELATIVE_CONTEXT = 512
"""Of models whose positions are relative, which nothing bounds: what T5 was trained with (Raffel et al. 2020)."""
_POSITIONS_BEHIND_PADDING = (
    "camembert", "data2vec-text", "ibert", "lilt", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
)  # fmt: skip
"""Model types of transformers whose first position is the padding id + 1: their table has as many rows to spare."""
_CONTEXT_KEYS = ("n_positions", "max_position_embeddings", "n_ctx", "max_sequence_length", "max_target_positions", "seq_length")


@dataclass
class DimensionTable:
    """Symbols by name as they are met. `overrides` comes from `--dim`.

    `context` is the model's longest sequence, `picture` the extents of its pictures.
    `found_names` are the symbols whose values a call finds while it runs, each with the name that `--dim` knows it by, `exact`
    what some of them must be, since the model declares shapes that are made of them; `least` are lower bounds that it implies.
    """

    overrides: dict[str, str] = field(default_factory=dict)
    context: int | None = None
    picture: dict[str, int] = field(default_factory=dict)
    symbols: dict[str, Symbol] = field(default_factory=dict)
    unbounded: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    resolving: list[str] = field(default_factory=list)
    found_names: dict[str, str] = field(default_factory=dict)
    exact: dict[str, int] = field(default_factory=dict)
    least: dict[str, int] = field(default_factory=dict)

    def again(self, **changes: Any) -> DimensionTable:
        """A fresh table for reading the model once more."""
        kept = {name: getattr(self, name) for name in ("overrides", "context", "picture", "exact", "least")}
        return DimensionTable(**kept | changes)

    def narrowed(self, implied: ImpliedBounds) -> DimensionTable:
        """A fresh table in which a dimension has the bounds that the model implies. Raises UsageError if `--dim` has others."""
        name = next(name for name, symbol in self.symbols.items() if symbol == implied.symbol)
        own = implied.symbol
        if implied.upper is None:
            return self.again(least=self.least | {name: implied.lower})
        low, high = (
            max(own.lower, implied.lower),
            implied.upper if not isinstance(own.upper, int) else min(own.upper, implied.upper),
        )
        if low > high or (low, high) == (own.lower, own.upper):
            span = str(implied.lower) if implied.lower == implied.upper else f"{implied.lower}..{implied.upper}"
            raise UsageError(f"{implied}; give --dim {name}={span}")
        return self.again(overrides=self.overrides | {name: f"{low}..{high}"})

    def parse(self, text: str) -> Dim:
        """An extent as exporters write it: a name, a number or an expression such as `past + seq`; other text is one name."""
        try:
            tree = ast.parse(text.strip(), mode="eval")
            return self._convert(tree.body)
        except (SyntaxError, ValueError, RecursionError, MemoryError, ArithmeticError):
            return self._symbol(text.strip() or "unnamed")

    def _convert(self, node: ast.expr) -> Dim:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return dim(node.value)
        if isinstance(node, ast.Name):
            return self._symbol(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._convert(node.operand)
        if isinstance(node, ast.BinOp):
            left, right = self._convert(node.left), self._convert(node.right)
            if isinstance(node.op, ast.Add):
                return left + right
            if isinstance(node.op, ast.Sub):
                return left - right
            if isinstance(node.op, ast.Mult):
                return left * right
            if isinstance(node.op, (ast.FloorDiv, ast.Div)):
                return floordiv(left, right)
            if isinstance(node.op, ast.Mod):
                return mod(left, right)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 2:
            function = {"Max": maximum, "max": maximum, "Min": minimum, "min": minimum}.get(node.func.id)
            if function:
                return function(*(self._convert(a) for a in node.args))
        raise ValueError(f"cannot read {ast.dump(node)}")

    def count(self, name: str, upper: int | None = None) -> Dim:
        """A dimension that counts from 0, such as a sequence's tensors; `upper` bounds it unless `--dim` does."""
        if name not in self.symbols and name not in self.overrides:
            self.symbols[name] = Symbol(self._identifier(name), 0, upper)
            if upper is None:
                self.unbounded.append(name)
        return self._symbol(name)

    def _symbol(self, name: str) -> Dim:
        if name in self.symbols:
            return dim(self.symbols[name])
        if name in self.overrides:
            self.used.add(name)
            value = self.overrides[name]
            bounds = parse_bounds(value)
            if bounds is None:
                return self._override(name, value)
            if bounds[0] == bounds[1]:
                return dim(bounds[0])
            symbol = Symbol(self._identifier(name), max(bounds[0], self.least.get(name, 0)), bounds[1])
        elif name.lower() in self.picture:
            return dim(self.picture[name.lower()])
        else:
            lower, upper = self._default_bounds(name)
            symbol = Symbol(self._identifier(name), max(lower, self.least.get(name, 0)), upper)
        self.symbols[name] = symbol
        return dim(symbol)

    def _override(self, name: str, value: str) -> Dim:
        """`--dim total=past+seq`. Raises UsageError for what is no such expression."""
        if name in self.resolving:
            raise UsageError(f"--dim defines {' and '.join(self.resolving)} by each other")
        self.resolving.append(name)
        try:
            return self._convert(ast.parse(value.strip(), mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError, ArithmeticError):
            raise UsageError(f"--dim {name}={value} is not of the form NAME=LOW..HIGH (or NAME=4, or NAME=past+seq)") from None
        finally:
            self.resolving.pop()

    def _identifier(self, name: str) -> str:
        """The name as a C identifier of its own."""
        clean = re.sub(r"\W", "_", name, flags=re.ASCII)
        clean = clean if clean[:1].isalpha() and not is_reserved_dimension(clean) else f"dim_{clean}"
        taken = {symbol.name for symbol in self.symbols.values()} | self.found_names.keys()
        while clean in taken:
            clean += "_"
        return clean

    def found(self, name: str, lower: int, upper: Dim | None) -> Symbol:
        """A new symbol whose value a call finds while it runs; `--dim` may bound it."""
        given = self.bound_given(name)
        if upper is not None and upper.constant is not None and upper.constant < lower:
            lower = min(lower, upper.constant)
        if given is not None and (given.constant is None or given.constant < lower):
            lower = 0
        bound = upper if given is None else given if upper is None else minimum(upper, given)
        number = None if bound is None else bound.constant
        symbol = Symbol(self._identifier(name), lower, bound if number is None else number, is_found=True)
        self.found_names[symbol.name] = name
        return symbol

    def least_given(self, name: str) -> int:
        """The lower bound that `--dim` gives a size that is found."""
        limits = parse_bounds(self.overrides[name]) if name in self.overrides else None
        return 0 if limits is None else limits[0]

    def bound_given(self, name: str) -> Dim | None:
        """The upper bound that `--dim` gives a size that is found: a number, or an expression of other sizes."""
        if name not in self.overrides:
            return None
        self.used.add(name)
        limits = parse_bounds(self.overrides[name])
        return dim(limits[1]) if limits is not None else self._override(name, self.overrides[name])

    def found_so_far(self) -> dict[str, str]:
        return dict(self.found_names)

    def forget_found(self, kept: dict[str, str]) -> None:
        """Go back to the found symbols that there were then."""
        self.found_names = dict(kept)

    def _default_bounds(self, name: str) -> tuple[int, int | None]:
        """Inclusive bounds by what exporters call their dimensions."""
        lowered = name.lower()
        if "batch" in lowered:
            return 1, DEFAULT_BATCH
        if self.context is not None and "past" in lowered:
            return 0, self.context
        if self.context is not None and ("seq" in lowered or "length" in lowered):
            return 1, self.context
        self.unbounded.append(name)
        return (0 if "past" in lowered else 1), None

    def check(self, found: Sequence[Symbol] = ()) -> None:
        """Raises UsageError naming every symbol without bounds and every `--dim` that names no symbol.

        `found` are symbols without bounds that a call finds while it runs, and that memory must be reserved for.
        """
        missing = [name for name in self.unbounded if name in self.symbols and name not in self.overrides]
        missing += [self.found_names[symbol.name] for symbol in found]
        if missing:
            least = {self.found_names[symbol.name]: 0 for symbol in found}
            example = " ".join(f"--dim {name}={least.get(name, 1)}..128" for name in missing)
            plural = "s" if len(missing) > 1 else ""
            message = f"no bounds are known for the dimension{plural} {', '.join(missing)}; give them: {example}"
            raise UnboundedDimensionsError(message, missing)
        unknown = sorted(self.overrides.keys() - self.used)
        if unknown:
            known = ", ".join([*self.symbols, *self.found_names.values()]) or "none"
            raise UsageError(f"--dim names {', '.join(unknown)}, which the model does not have; its dimensions are: {known}")


def parse_bounds(text: str) -> tuple[int, int] | None:
    """`4` or `1..128` as inclusive bounds, None if it is an expression. Raises UsageError for empty ranges."""
    match = re.fullmatch(r"\s*(\d{1,18})\s*(?:\.\.\s*(\d{1,18})\s*)?", text)
    if not match:
        return None
    low = int(match[1])
    high = int(match[2]) if match[2] else low
    if high < low or high > 2**40:
        raise UsageError(f"bounds {text} are empty or too large; write low..high, such as 1..128")
    return low, high


def parse_overrides(items: list[str]) -> dict[str, str]:
    """`--dim NAME=VALUE` options as a table. Raises UsageError for anything else."""
    table: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise UsageError(f"--dim {item} is not of the form NAME=LOW..HIGH (or NAME=4, or NAME=past+seq)")
        table[name.strip()] = value.strip()
    return table


def read_config(path: Path) -> dict[str, Any]:
    """config.json beside the model, or an empty table. Raises UsageError if it is damaged."""
    file = (path if path.is_dir() else path.parent) / "config.json"
    if not file.is_file():
        return {}
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UsageError(f"{file} is no valid JSON ({error}); mend or remove it") from None
    return config if isinstance(config, dict) else {}


def context_length(config: Mapping[str, Any]) -> int | None:
    """The longest sequence the model was made for."""
    config = _part(config, "text_config") or config
    for key in _CONTEXT_KEYS:
        value = config.get(key)
        if isinstance(value, int) and value > 0:
            padding = config.get("pad_token_id")
            if config.get("model_type") in _POSITIONS_BEHIND_PADDING and isinstance(padding, int) and padding >= 0:
                return max(1, value - padding - 1)
            return value
    if "relative_attention_num_buckets" in config:
        return RELATIVE_CONTEXT
    return None


def picture_size(config: Mapping[str, Any]) -> dict[str, int]:
    """Height, width and channels of the pictures that the model was made for, as far as its configuration tells them."""
    config = config if "image_size" in config else _part(config, "vision_config")
    size = config.get("image_size")
    height, width = size if isinstance(size, list) and len(size) == 2 else (size, size)
    told = {"height": height, "width": width, "num_channels": config.get("num_channels")}
    return {name: extent for name, extent in told.items() if isinstance(extent, int) and extent > 0}


def _part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A table in the configuration, empty where there is none."""
    part = config.get(name)
    return part if isinstance(part, dict) else {}
