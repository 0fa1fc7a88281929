"""Copies the runtime's C sources beside a compiled model and gives their symbols the model's name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kaoken.errors import UsageError
from kaoken.paths import data_folder

FOLDER = "kaoken"
PREFIX_HEADER = "kk_prefix.h"

_INCLUDE = re.compile(r'^\s*#\s*include\s+"(?:kaoken/)?(kk_\w+\.h)"', re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# At file scope, a type and then a name: a function, or an array or object that is not static.
_EXTERNAL = re.compile(
    r"^(?!static\b|typedef\b|struct\s+\w+\s*[{;]|enum\b|union\b|KK_INLINE\b|KK_NOINLINE\b|return\b|else\b)"
    r"(?:extern\s+)?[A-Za-z_][\w \t*]*?\b(kk_\w+)\s*(?:\(|(?:\[[^\]]*\]\s*)*[=;])",
    re.MULTILINE,
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def runtime_folder() -> Path:
    """The folder of the runtime's sources."""
    return data_folder("runtime", PREFIX_HEADER)


def model_source(file: str, name: str) -> str:
    """A file of runtime/model: C that every model has, written for one called kk_model, in the name of another."""
    text = (runtime_folder() / "model" / file).read_text(encoding="utf-8").rstrip()
    return re.sub(r"\bKK_MODEL(?=_)", name.upper(), re.sub(r"\bkk_model(?=_|\b)", name, text))


def included(texts: Iterable[str]) -> list[str]:
    """The runtime's headers that some C sources include."""
    return sorted({name for text in texts for name in _INCLUDE.findall(text)})


def runtime_closure(sources: Iterable[str]) -> list[str]:
    """The names of all runtime files that these need, sorted: headers they include, and the .c file of each such header.

    sources: file names such as "kk_threads.c" or "kk_math.h". Raises UsageError for one that does not exist.
    """
    folder = runtime_folder()
    found: set[str] = set()
    waiting = list(sources)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = folder / name
        if not path.is_file():
            raise UsageError(f"the runtime has no file {name}")
        found.add(name)
        waiting += _INCLUDE.findall(path.read_text(encoding="utf-8"))
        twin = path.with_suffix(".c")
        if twin.is_file():
            waiting.append(twin.name)
    return sorted(found)


def external_symbols(text: str) -> set[str]:
    """The kk_ functions and objects with external linkage that a C source or header defines or declares."""
    return set(_EXTERNAL.findall(_COMMENT.sub("", text)))


def copy_runtime(out: Path, prefix: str, sources: Iterable[str]) -> list[Path]:
    """Copies runtime files, and all that they need, into out/kaoken/ and returns the paths written, sorted.

    prefix: a C identifier, put before every external symbol by out/kaoken/kk_prefix.h (`gpt2` makes kk_barrier
        gpt2_kk_barrier), so that models made by different versions of Kaoken link into one program.
    """
    if not _IDENTIFIER.fullmatch(prefix):
        raise UsageError(f"the model's name {prefix!r} cannot begin C symbols; choose letters, digits and _ only")
    names = runtime_closure([*sources, PREFIX_HEADER])
    folder = runtime_folder()
    target = out / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    symbols: set[str] = set()
    for name in names:
        if name == PREFIX_HEADER:
            continue
        text = (folder / name).read_text(encoding="utf-8")
        symbols |= external_symbols(text)
        (target / name).write_text(text, encoding="utf-8", newline="\n")
    header = _prefix_header(prefix, sorted(symbols))
    (target / PREFIX_HEADER).write_text(header, encoding="utf-8", newline="\n")
    return [target / name for name in names]


def _prefix_header(prefix: str, symbols: list[str]) -> str:
    lines = [
        "/* Gives the runtime's external symbols this model's name, so that several models link into one program. */",
        "#ifndef KK_PREFIX_H",
        "#define KK_PREFIX_H",
        *(f"#define {symbol} {prefix}_{symbol}" for symbol in symbols),
        "#endif",
    ]
    return "\n".join(lines) + "\n"
