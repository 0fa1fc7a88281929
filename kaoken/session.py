"""Runs a compiled folder from Python, call for call like `onnxruntime.InferenceSession`. Needs NumPy, nothing else of Kaoken."""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kaoken.composed import Composed, Node
from kaoken.element_types import memory_for, memory_of, numpy_type, tensor_in
from kaoken.generate_call import TOKEN_CALLBACK, Generated, continue_texts, make_options
from kaoken.text_calls import TextCalls

LIBRARY_SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")


class SessionError(RuntimeError):
    """A call that the compiled model refused; the message is its status in words."""


class BuildError(RuntimeError):
    """The C compiler is missing or refused the sources."""


def library_path(folder: Path, name: str) -> Path:
    """Where the built library of a compiled folder lies."""
    return folder / "build" / f"lib{name}{LIBRARY_SUFFIX}"


def build_library(folder: str | Path, compiler: str | None = None, flags: Sequence[str] = ("-O2",)) -> Path:
    """Build a compiled folder into a shared library with the system's C compiler ($CC, else cc); returns its path.

    Does nothing when the library is newer than every source. Raises BuildError with the compiler's own words.
    """
    folder = Path(folder)
    name = read_report(folder)["name"]
    target = library_path(folder, name)
    sources = sorted(folder.glob("*.c")) + sorted((folder / "kaoken").glob("*.c"))
    inputs = [*sources, *folder.glob("*.h"), *(folder / "kaoken").glob("*.h")]
    if target.is_file() and all(target.stat().st_mtime >= s.stat().st_mtime for s in inputs):
        return target
    try:
        target.parent.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        reason = f"{error.strerror}; build it where the folder can be written, with `make shared`"
        raise BuildError(f"cannot build in {target.parent}: {reason}") from None
    command = shlex.split(compiler or os.environ.get("CC") or sysconfig.get_config_var("CC_FOR_KAOKEN") or "cc")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        objects, running = [], []
        for source in sources:
            made = Path(scratch) / f"{source.parent.name}_{source.stem}.o"
            objects.append(str(made))
            running.append((source, [*command, *flags, "-fPIC", "-c", str(source), "-o", str(made)]))
        _run_all(running)
        objects += [str(p) for p in sorted(folder.glob(f"{name}_weights.o"))]
        made = Path(scratch) / target.name
        _run_all([(target, [*command, "-shared", *objects, "-o", str(made), "-lm", "-lpthread"])])
        os.replace(made, target)
    return target


def _run_all(commands: Sequence[tuple[Path, list[str]]]) -> None:
    """Run compiler commands, as many at once as there are processors."""
    waiting = list(commands)[::-1]
    running: list[tuple[Path, subprocess.Popen[str]]] = []
    failed = ""
    while waiting or running:
        while waiting and not failed and len(running) < (os.cpu_count() or 1):
            source, command = waiting.pop()
            try:
                process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            except OSError as error:
                raise BuildError(
                    f"cannot run the C compiler {command[0]}: {error.strerror}; install gcc or clang, or set CC"
                ) from None
            running.append((source, process))
        source, process = running.pop(0)
        output, _ = process.communicate()
        if process.returncode != 0 and not failed:
            failed = f"the C compiler refused {source.name}:\n{output.strip()}"
        if failed:
            waiting = []
    if failed:
        raise BuildError(failed)


def read_report(folder: Path) -> dict[str, Any]:
    """What report.json of a compiled folder says. Raises FileNotFoundError where there is none."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except OSError:
        raise FileNotFoundError(f"{folder} is no folder that Kaoken compiled: report.json is missing") from None
    assert isinstance(report, dict)
    return report


class Library:
    """A built model: its C functions and the report that describes them."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).resolve()
        self.report = read_report(self.folder)
        self.name: str = self.report["name"]
        self.interface: dict[str, Any] = self.report["interface"]
        self.c = ctypes.CDLL(str(build_library(self.folder)))
        self.weights = str(self.folder / f"{self.name}.weights").encode()
        self.function("status_text").restype = ctypes.c_char_p

    def function(self, suffix: str) -> Any:
        return getattr(self.c, f"{self.name}_{suffix}")

    def check(self, status: int) -> None:
        """Raises SessionError unless the status is 0."""
        if status != 0:
            raise SessionError(self.function("status_text")(status).decode())

    def create(self, sizes: Mapping[str, int]) -> ctypes.c_void_p:
        """A handle for the given sizes (0 or missing: the default)."""
        fields = [s["name"] for s in self.interface["sizes"]] + ["threads"]
        values = (ctypes.c_int64 * len(fields))(*(int(sizes.get(f, 0)) for f in fields))
        handle = ctypes.c_void_p()
        create = self.function("create")
        create.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_void_p]
        self.check(create(ctypes.byref(handle), self.weights, values))
        return handle

    def destroy(self, handle: ctypes.c_void_p) -> None:
        function = self.function("destroy")
        function.argtypes = [ctypes.c_void_p]
        function(handle)


class Session:
    """A stateless model. `Session(folder, threads=1).run(None, {name: array})` gives the list of outputs.

    Builds the library on first use. Sizes grow as calls need them. Pickles by folder, so it may be sent to worker processes.
    """

    def __init__(self, folder: str | Path, threads: int = 1):
        self._folder, self._threads = Path(folder).resolve(), threads
        self._library = Library(self._folder)
        interface = self._library.interface
        self._inputs = [Node(entry) for entry in interface["inputs"]]
        self._outputs = [Node(entry) for entry in interface["outputs"]]
        self._composed = Composed(interface["composed"], self._inputs, self._outputs)
        self._dims = [d["name"] for d in interface["dims"]]
        self._bounds = {d["name"]: (d["lower"], d["upper"]) for d in interface["dims"]}
        self._found: list[dict[str, str]] = interface["found"]
        self._sizes: dict[str, int] = {}
        self._handle: ctypes.c_void_p | None = None
        run = self._library.function("run")
        run.argtypes = [ctypes.c_void_p, ctypes.c_void_p]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._folder, self._threads)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Release the handle's memory; the next run makes another."""
        handle, self._handle = getattr(self, "_handle", None), None
        if handle is not None:
            self._library.destroy(handle)

    @property
    def report(self) -> dict[str, Any]:
        """What report.json says of the model."""
        return self._library.report

    @property
    def bounds(self) -> dict[str, tuple[int, int]]:
        """Least and largest size of each dimension that calls may choose."""
        return dict(self._bounds)

    def get_inputs(self) -> list[Node]:
        return list(self._composed.inputs)

    def get_outputs(self) -> list[Node]:
        return list(self._composed.outputs)

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any]) -> list[Any]:
        """Compute outputs (all, or the named ones in that order). A sequence is a list of arrays; an optional may be None.

        Raises ValueError for missing or unknown inputs, wrong types and shapes that do not fit; SessionError for what the model
        refuses, such as an id outside the vocabulary.
        """
        composed = self._composed
        return composed.results(output_names, self.bind(composed.output_parts(output_names), composed.input_parts(input_feed))())

    def bind(self, output_names: Sequence[str] | None, input_feed: Mapping[str, np.ndarray]) -> Callable[[], list[np.ndarray]]:
        """`run` on the memory of these inputs, checked once, as a function to be called again and again.

        A call reads what the arrays hold then (those that are not C-contiguous, or that are packed, are copied here, once) and
        writes its outputs to the same memory as the call before. Raises what `run` raises.
        """
        arrays = [self._array(node, input_feed) for node in self._inputs]
        unknown = set(input_feed) - {n.name for n in self._inputs}
        if unknown:
            raise ValueError(f"unknown input {', '.join(sorted(unknown))}; there are {', '.join(n.name for n in self._inputs)}")
        dims = self._solve(arrays)
        wanted = [n.name for n in self._outputs] if output_names is None else list(output_names)
        for name in wanted:
            if name not in {n.name for n in self._outputs}:
                raise ValueError(f"there is no output {name}; the outputs are {', '.join(n.name for n in self._outputs)}")
        results = {}
        states = {e["name"] for e in self._library.interface["outputs"] if e["state"]}
        for node in self._outputs:
            if node.name in wanted or node.name not in states:
                extents = node.expressions if node.most is None else [node.most]
                results[node.name] = memory_for([_evaluate(d, dims) for d in extents], node.dtype)
        found = np.zeros(len(self._found), np.int64)
        fields = [dims[d] for d in self._dims]
        given = [memory_of(a) for a in arrays]
        fields += [a.ctypes.data for a in given]
        fields += [results[n.name].ctypes.data if n.name in results else 0 for n in self._outputs]
        fields += [found[n:].ctypes.data for n in range(len(self._found))]
        arguments, call = (ctypes.c_int64 * len(fields))(*fields), self._library.function("run")
        nodes = {node.name: node for node in self._outputs}

        def bound() -> list[np.ndarray]:
            _ = given  # kept: the arguments point into them
            self._prepare(dims)
            self._library.check(call(self._handle, arguments))
            sizes = {**dims, **{f["name"]: int(size) for f, size in zip(self._found, found, strict=True)}}
            shapes = {name: [_evaluate(d, sizes) for d in nodes[name].expressions] for name in wanted}
            return [tensor_in(results[name], shapes[name], nodes[name].dtype) for name in wanted]

        return bound

    def _array(self, node: Node, feed: Mapping[str, np.ndarray]) -> np.ndarray:
        if node.name not in feed:
            raise ValueError(f"input {node.name} is missing; the inputs are {', '.join(n.name for n in self._inputs)}")
        array = np.asarray(feed[node.name])
        if array.dtype != numpy_type(node.dtype):
            raise ValueError(f"input {node.name} is {array.dtype}, the model takes {node.dtype}")
        if array.ndim != len(node.expressions):
            raise ValueError(f"input {node.name} has {array.ndim} axes, the model takes {len(node.expressions)}: {node.shape}")
        return array

    def _solve(self, arrays: Sequence[np.ndarray]) -> dict[str, int]:
        """The dimensions, from axes that are one dimension alone, then every shape checked against them."""
        dims: dict[str, int] = {}
        for node, array in zip(self._inputs, arrays, strict=True):
            for expression, extent in zip(node.expressions, array.shape, strict=True):
                if expression in self._bounds:
                    dims.setdefault(expression, extent)
        for name in self._dims:
            if name not in dims:
                raise ValueError(f"no input tells the dimension {name}")
            low, high = self._bounds[name]
            if not low <= dims[name] <= high:
                raise ValueError(
                    f"{name} is {dims[name]}, outside {low}..{high}; compile with --dim {name}={low}..{max(dims[name], 1)}"
                )
        for node, array in zip(self._inputs, arrays, strict=True):
            expected = tuple(_evaluate(d, dims) for d in node.expressions)
            if array.shape != expected:
                raise ValueError(f"input {node.name} has shape {list(array.shape)}, expected {list(expected)} ({node.shape})")
        return dims

    def _prepare(self, dims: Mapping[str, int]) -> None:
        """A handle large enough for these sizes: the old one, or a new one that covers both."""
        interface = self._library.interface
        if interface["context"]:
            total = dims[interface["past"]] + dims[interface["sequence"]]
            needed = {"batch": dims.get(interface["batch"], 0), "sequence": dims[interface["sequence"]], "context": total}
            needed |= {d: dims[d] for d in interface["encoder_dims"]}
        else:
            needed = {d: max(1, dims[d]) for d in self._dims}
        if self._handle is not None and all(self._sizes.get(k, 0) >= v for k, v in needed.items()):
            return
        sizes = {k: max(v, self._sizes.get(k, 0)) for k, v in needed.items()}
        self.close()
        self._handle = self._library.create({**sizes, "threads": self._threads})
        self._sizes = sizes


class TextGenerator(TextCalls):
    """A language model that keeps its cache, of `batch` rows (0: as it says): `feed(ids)` gives logits, `generate` continues."""

    def __init__(self, folder: str | Path, threads: int = 1, context: int = 0, sequence: int = 0, batch: int = 0):
        self._library = Library(folder)
        if not self._library.interface["feed"]:
            raise ValueError(f"{folder} is no language model with a cache; use Session")
        self._folder, self._settings = Path(folder).resolve(), (threads, context, sequence, batch)
        self._sizes = {"context": context, "sequence": sequence, "threads": threads, "batch": batch}
        self._handle: ctypes.c_void_p | None = self._library.create(self._sizes)
        self.vocabulary: int = self._library.interface["vocabulary"]
        self.end_ids: list[int] = self._library.report.get("end_ids", [])
        self.encodes: bool = self._library.interface["encode"]
        self._logits = np.empty(self.vocabulary, np.float32)
        feed = self._library.function("feed")
        feed.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p]
        for name, restype in (("position", ctypes.c_int64), ("capacity", ctypes.c_int64), ("level", ctypes.c_char_p)):
            self._library.function(name).restype = restype

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._folder, *self._settings)

    def __del__(self) -> None:
        handle, self._handle = getattr(self, "_handle", None), None
        if handle is not None:
            self._library.destroy(handle)

    @property
    def position(self) -> int:
        """How many ids the cache holds."""
        return int(self._library.function("position")(self._handle, ctypes.c_int64(0)))

    @property
    def capacity(self) -> int:
        """How many ids the cache can hold."""
        return int(self._library.function("capacity")(self._handle))

    @property
    def level(self) -> str:
        """The instruction set level in use."""
        text: bytes = self._library.function("level")(self._handle)
        return text.decode()

    @property
    def encoder_length(self) -> int:
        """The longest input that the encoder takes."""
        interface = self._library.interface
        return min(int(s["upper"]) for s in interface["sizes"] if s["name"] in interface["encoder_dims"])

    def encode(self, *inputs: np.ndarray | None) -> None:
        """Encode inputs for the decoder's rows: the encoder's tensors in their order, such as ids and mask (None: all ones).

        What was fed before is forgotten. Raises ValueError for a model without an encoder or inputs that do not fit it,
        SessionError for what the model refuses.
        """
        interface = self._library.interface
        if not interface["encode"]:
            raise ValueError("the model has no encoder of its own")
        entries = {e["name"]: e for e in interface["inputs"]}
        nodes = [Node(entries[name]) for name in interface["encoder_inputs"]]
        if len(inputs) != len(nodes):
            raise ValueError(f"the encoder takes {', '.join(n.name for n in nodes)}; {len(inputs)} were given")
        arrays = [None if a is None else np.ascontiguousarray(a, n.dtype) for a, n in zip(inputs, nodes, strict=True)]
        dims: dict[str, int] = {}
        for node, array in zip(nodes, arrays, strict=True):
            if array is not None:
                if array.ndim != len(node.expressions):
                    raise ValueError(f"{node.name} has {array.ndim} axes, the encoder takes {node.shape}")
                dims |= {d: n for d, n in zip(node.expressions, array.shape, strict=True) if not d.isdigit()}
        sizes = [
            dims.get(d["name"], 1) for d in interface["dims"] if d["name"] in (interface["batch"], *interface["encoder_dims"])
        ]
        outputs = len([e for e in interface["outputs"] if e.get("encoder")])
        encode = self._library.function("encode")
        pointers = [ctypes.c_void_p(None if a is None else a.ctypes.data) for a in arrays]
        nothing = [ctypes.c_void_p()] * outputs
        self._library.check(encode(self._handle, *(ctypes.c_int64(n) for n in sizes), *pointers, *nothing))

    def feed(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """Append ids to the cache; float32 logits [vocabulary] after the last. Raises SessionError: a wrong id, a full cache."""
        array = np.ascontiguousarray(ids, np.int64).reshape(-1)
        status = self._library.function("feed")(self._handle, 1, array.size, array.ctypes.data, self._logits.ctypes.data)
        self._library.check(status)
        return self._logits.copy()

    def reset(self) -> None:
        """Forget everything that was fed."""
        self._library.check(self._library.function("reset")(self._handle))

    def truncate(self, length: int) -> None:
        """Keep the first `length` positions."""
        truncate = self._library.function("truncate")
        self._library.check(truncate(self._handle, ctypes.c_int64(0), ctypes.c_int64(length)))

    def generate(self, ids: Sequence[int] = (), max_new_tokens: int | None = None, **options: Any) -> list[int]:
        """Continue a prompt (a decoder: from its start token if empty); the new ids. Options as in `stream`."""
        return [token for token, _ in self.stream(ids, max_new_tokens, **options) if token >= 0]

    def stream(
        self, ids: Sequence[int] = (), max_new_tokens: int | None = None, *, on_token: Any = None, **options: Any
    ) -> Iterator[tuple[int, str]]:
        """Continue a prompt in C; yields (id, new text) for each token, id -1 where only held-back text is left.

        Options as in `generate_batch`, and `stop_strings`: texts that end the text before them. `on_token(id, text)` is called
        as tokens come (by a search with -1 and no text each step, then with what it found); a true result stops.
        encoder_ids: of an encoder-decoder, the ids that it reads; left out, it attends to what `encode` was given last.
        """
        encoder_ids = options.pop("encoder_ids", None)
        made: list[tuple[int, str]] = []

        def receive(_row: int, token: int, text: bytes, size: int, _user: Any) -> int:
            piece = (int(token), ctypes.string_at(text, size).decode("utf-8") if size else "")
            if piece != (-1, ""):
                made.append(piece)
            return int(bool(on_token(*piece))) if on_token is not None else 0

        choices = {**options, "max_new_tokens": max_new_tokens, "num_return_sequences": 1}
        given = None if encoder_ids is None else [encoder_ids]
        self._continue([ids] if len(ids) or not self.encodes else 1, choices, TOKEN_CALLBACK(receive), given)
        yield from made

    def generate_batch(
        self,
        prompts: Sequence[Sequence[int]] | int,
        max_new_tokens: int | None = None,
        *,
        encoder_ids: Sequence[Sequence[int]] | None = None,
        **options: Any,
    ) -> list[list[Generated]]:
        """Continue several prompts side by side, each as if it were alone; for each of them its texts, the best first.

        Options are those of transformers' `generate` where they have the same name: num_beams, num_return_sequences,
        length_penalty, early_stopping, temperature (0: always the most likely token), top_k, top_p, min_p, seed,
        repetition_penalty, no_repeat_ngram_size, min_length, min_new_tokens, max_length (with max_new_tokens=-1), forced_bos_id,
        forced_eos_id, stop_ids, suppress_ids, begin_suppress_ids, bad_words. What is left out, or None, is as
        generation_config.json says. What was fed before is forgotten.
        Of an encoder-decoder, `prompts` are the decoder's, or how many texts there are, each from the start token, and
        encoder_ids what each of them is to read; left out, rows attend to what `encode` was given.
        Raises SessionError for what the model refuses, TypeError for an unknown option.
        """
        if not self.encodes:
            self.reset()
        return self._continue(prompts, {**options, "max_new_tokens": max_new_tokens}, TOKEN_CALLBACK(), encoder_ids)

    def _continue(
        self,
        prompts: Sequence[Sequence[int]] | int,
        options: Mapping[str, Any],
        callback: Any,
        encoder_ids: Sequence[Sequence[int]] | None = None,
    ) -> list[list[Generated]]:
        choices, kept = make_options(self._library, options)
        choices.callback = callback
        batch = prompts if isinstance(prompts, int) else len(prompts)
        if encoder_ids is not None:
            if len(encoder_ids) != batch:
                raise ValueError(f"there are {len(encoder_ids)} inputs for the encoder and {batch} texts")
            self.reset()
        self._make_rows(batch * max(choices.num_beams, choices.num_return_sequences))
        if encoder_ids is not None:
            self.encode(*_padded(encoder_ids))
        return continue_texts(self._library, self._handle, prompts, choices, kept, self.capacity)

    def _make_rows(self, rows: int) -> None:
        """A handle with so many rows of text; a larger one takes the place of one that holds nothing."""
        size = next(s for s in self._library.interface["sizes"] if s["name"] == "batch")
        if rows <= (self._sizes["batch"] or size["default"]):
            return
        if rows > size["upper"]:
            reason = f"prompts and beams need {rows} rows, the model was compiled for {size['upper']}"
            raise ValueError(f"{reason}; compile it with --dim {self._library.interface['batch']}=1..{rows}")
        if self.position > 0:
            raise ValueError(
                f"{rows} rows need a larger cache, and what was fed would be lost: make it with batch={rows}, or reset"
            )
        self._sizes["batch"] = rows
        self.__del__()
        self._handle = self._library.create(self._sizes)


def _padded(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ids as one array, and the mask of what is no padding."""
    longest = max(map(len, rows), default=0)
    ids, mask = np.zeros((len(rows), longest), np.int64), np.zeros((len(rows), longest), np.int64)
    for n, row in enumerate(rows):
        ids[n, : len(row)], mask[n, : len(row)] = row, 1
    return ids, mask


def _evaluate(expression: str, dims: Mapping[str, int]) -> int:
    """A shape expression of the report, written by the compiler: names, integers, + - * // % max min."""
    if expression.isdigit():
        return int(expression)
    return int(eval(expression, {"__builtins__": {}, "max": max, "min": min}, dict(dims)))
