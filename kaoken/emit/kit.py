"""What makes the folder a product: build files, an example, C++ and Python wrappers."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from kaoken.emit.interface import DimField, Tensor, in_call
from kaoken.emit.model import ModelFiles
from kaoken.emit.names import c_name
from kaoken.emit.templating import templates
from kaoken.errors import UsageError
from kaoken.ir.dims import Call, Dim, bounds, product, to_text

FILES = {
    "main.c.mako": "example/main.c",
    "model.hpp.mako": "{name}.hpp",
    "CMakeLists.txt.mako": "CMakeLists.txt",
    "config.cmake.mako": "{name}Config.cmake.in",
    "Makefile.mako": "Makefile",
    "model.pc.in.mako": "{name}.pc.in",
    "README.md.mako": "README.md",
}
EXAMPLE_LENGTH = 16
"""Positions that the example of a model without text runs on, where the bounds allow."""


def write_kit(folder: Path, m: ModelFiles) -> None:
    """Write everything around the C files, which lie in `folder` already."""
    kit = Kit(folder, m)
    (folder / "example").mkdir()
    for template, name in FILES.items():
        text = templates().get_template(f"kit/{template}").render(m=m, k=kit)
        _write(folder / name.format(name=m.name), text)
    _write(folder / f"{m.name}.py", python_module(m.name, m.version, m.embedding is not None))


def _write(path: Path, text: str) -> None:
    text = re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def python_module(name: str, version: str, encoder: bool) -> str:
    """The source of `kaoken.session` as a module that needs NumPy only and takes its own folder for the model's.

    `encoder`: with that of `kaoken.encoder`.
    """
    package = Path(__file__).parents[1]
    source = (package / "session.py").read_text(encoding="utf-8")
    source = source.replace("\nfrom kaoken.text_calls import TextCalls\n", "\n", 1)
    calls = _without_imports(package / "text_calls.py")
    source = source.replace("class TextGenerator(", f"{calls}\n\nclass TextGenerator(", 1)
    about = (
        f'"""Runs {name} from Python: `Session().run(None, inputs)`, and `TextGenerator()` for a language model with a cache.\n\n'
        f"Made by Kaoken {version}: its session module, with the folder of this file as the model. Needs NumPy, and a C\n"
        'compiler on first use unless `make shared` has run.\n"""\n'
    )
    source = re.sub(
        r"^from kaoken\.(\w+) import .*\n", lambda found: _without_imports(package / f"{found[1]}.py"), source, flags=re.MULTILINE
    )
    if encoder:
        source += "\n\n" + _without_imports(Path(__file__).parents[1] / "encoder.py")
        about = about.replace("`TextGenerator()` for a language model with a cache", "`TextEncoder()` for vectors of texts")
    source, documented = re.subn(r'\A""".*?"""\n', lambda _: about, source, flags=re.DOTALL)
    source, placed = re.subn(r"^import numpy as np\n", "\\g<0>\nFOLDER = Path(__file__).resolve().parent\n", source, flags=re.M)
    source, defaults = re.subn(r"(?<=[(,] )?\bfolder: str \| Path(?=[,)])", "folder: str | Path = FOLDER", source)
    if documented != 1 or placed != 1 or defaults < 1 or re.search(r"^\s*(from|import) kaoken", source, re.MULTILINE):
        raise UsageError("kaoken/session.py cannot be made into a module of its own; install Kaoken again")
    return source


def _without_imports(path: Path) -> str:
    """A module's source from its first definition on, without the imports that the session's has too."""
    source = re.sub(r'\A""".*?"""\n', "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"^(from (__future__|kaoken)\b|import (numpy|ctypes)\b).*\n", "", source, flags=re.MULTILINE).lstrip()


def self_contained_c(size: Dim, names: dict[str, str]) -> str:
    """A size as an expression in C and C++ that needs no header. `names`: what stands for each symbol."""

    def call(atom: Call) -> str:
        left, right = f"({to_text(atom.left, call)})", f"({to_text(atom.right, call)})"
        low, _ = bounds(atom.left)
        if atom.function in ("max", "min"):
            return f"({left} {'>' if atom.function == 'max' else '<'} {right} ? {left} : {right})"
        remainder = f"({left} % {right})" if low is not None and low >= 0 else f"(({left} % {right} + {right}) % {right})"
        return remainder if atom.function == "mod" else f"(({left} - {remainder}) / {right})"

    text = to_text(size, call)
    pattern = "|".join(rf"\b{re.escape(name)}\b" for name in sorted(names, key=len, reverse=True))
    return re.sub(pattern, lambda found: names[found[0]], text) if names else text


def _encoder_dims(m: ModelFiles) -> tuple[str, str] | None:
    """The names in C of the batch and the length of a model that takes texts' ids, masks and types, and nothing else."""
    i = m.interface
    shapes = {tensor.shape for tensor in i.inputs}
    known = {tensor.name for tensor in i.inputs} <= {"input_ids", "attention_mask", "token_type_ids"}
    if not m.tokenizer or i.feed or m.states or not known or len(shapes) != 1 or any(t.dtype != "int64" for t in i.inputs):
        return None
    fields = {d.name for d in i.dims}
    names = [c_name(to_text(extent)) for extent in shapes.pop()]
    if len(names) != 2 or names[0] == names[1] or set(names) != fields or "input_ids" not in {t.name for t in i.inputs}:
        return None
    return names[0], names[1]


class Kit:
    """What the templates ask for under `k`."""

    def __init__(self, folder: Path, m: ModelFiles):
        self.folder, self.m = folder, m
        reads_ids = bool(m.interface.encoder_dims) or not m.interface.encode  # an encoder of sound has no length of its own
        self.text: bool = bool(m.interface.feed and m.tokenizer) and reads_ids
        self.encoder: tuple[str, str] | None = None if self.text else _encoder_dims(m)

    @property
    def prompt(self) -> str:
        """A text for the model in examples."""
        return "What is to be answered." if self.m.interface.encode else "Once upon a time"

    @cached_property
    def sources(self) -> list[str]:
        """All C files, as paths in the folder."""
        return [p.relative_to(self.folder).as_posix() for p in self._files("*.c")]

    @cached_property
    def headers(self) -> list[str]:
        included = [f"{self.m.name}_kernels.c"]  # each level's file includes it
        return [p.relative_to(self.folder).as_posix() for p in self._files("*.h")] + included

    def _files(self, pattern: str) -> list[Path]:
        return sorted(self.folder.glob(pattern)) + sorted((self.folder / "kaoken").glob(pattern))

    @property
    def objects(self) -> list[tuple[str, str]]:
        """Each source with the object that make builds of it."""
        return [(s, f"build/{Path(s).stem}.o") for s in self.sources]

    def _example(self, d: DimField) -> int:
        if d.name == self.m.interface.past:
            return d.lower
        if d.name == self.m.interface.batch or "batch" in d.name:
            return max(1, d.lower)
        return min(d.upper, max(d.lower, EXAMPLE_LENGTH))

    @property
    def example_dims(self) -> list[tuple[str, int]]:
        return [(d.name, self._example(d)) for d in self.m.interface.dims]

    @property
    def example_sizes(self) -> list[tuple[str, int]]:
        """Just what the example needs."""
        dims = dict(self.example_dims)
        if self.m.states:
            return [("context", dims[self.m.interface.seq]), ("sequence", dims[self.m.interface.seq])]
        sizes = {s.name for s in self.m.interface.sizes}
        return [(name, value) for name, value in dims.items() if name in sizes]

    @property
    def calls(self) -> str:
        """The functions that a user calls first."""
        chosen = {
            "tokenize_batch": self.encoder,
            "embed": self.m.embedding,
            "generate": self.m.interface.feed,
            "feed": self.m.interface.feed,
        }
        return ", ".join(f"{self.m.name}_{function}" for function in [*(f for f, offered in chosen.items() if offered), "run"])

    @staticmethod
    def width(tensor: Tensor) -> str:
        """The last extent of a tensor as C in a call; 1 of a scalar."""
        return in_call(tensor.shape[-1]) if tensor.shape else "1"

    @staticmethod
    def cpp_type(tensor: Tensor) -> str:
        return f"std::{tensor.c_type}" if tensor.c_type.endswith("_t") else tensor.c_type

    @staticmethod
    def count(tensor: Tensor, prefix: str = "a->") -> str:
        """Number of elements, the most where the call finds it, as C and C++ over dimensions that are written `prefix` and their
        name."""
        return self_contained_c(tensor.most, {s.name: prefix + c_name(s.name) for s in tensor.most.symbols()})

    @staticmethod
    def found_count(tensor: Tensor, given: str, found: str) -> str:
        """The number of elements after a call: `given` stands before dimensions of the caller's, `found` before those found."""
        size = product(tensor.elements)
        return self_contained_c(size, {s.name: (found if s.is_found else given) + c_name(s.name) for s in size.symbols()})

    def upper(self, dim: str) -> int:
        """The greatest value of a dimension."""
        return next(d.upper for d in self.m.interface.dims if d.name == dim)

    def value(self, tensor: Tensor) -> str | None:
        """Element i of a valid example of an input as C; None for zeros."""
        if tensor.is_state:
            return None
        if tensor.dtype.startswith("float"):
            return f"({tensor.c_type})(i * 37 % 101 - 50) / 50"
        if "mask" in tensor.name or tensor.dtype == "bool":
            return "1"
        extents = [int(c.extent) for c in self.m.checks if c.name == tensor.c_name and str(c.extent).isdigit()]
        return f"i % {min(extents)}" if extents else None
