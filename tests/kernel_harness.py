"""Builds rendered kernels into a program that runs calls from a file: natively, sanitized, or under an emulator.

The program gives every array exactly its bytes and every thread exactly `scratch_bytes`, filled with NaN, so that the
sanitizers see each overrun and the results each read of what was not written.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import c_build
import numpy as np

from kaoken.emit import kernels
from kaoken.emit.kernels import AttentionSpec, LinearSpec, NormSpec

Spec = LinearSpec | AttentionSpec | NormSpec
Argument = int | np.ndarray | None | str

INCLUDES = '#include <math.h>\n#include "kk_simd.h"\n#include "kk_activation.h"\n#include "kk_matmul.h"\n#include "kk_norm.h"\n'

MAIN = r"""
#include <stdio.h>
#include <stdlib.h>

typedef struct argument { int64_t kind, number, bytes; void *array; } argument;

static int64_t number(FILE *in)
{
    int64_t value = 0;
    if (fread(&value, sizeof value, 1, in) != 1)
        exit(2);
    return value;
}

int main(int count, char **names)
{
    FILE *in = count == 3 ? fopen(names[1], "rb") : NULL, *out = in ? fopen(names[2], "wb") : NULL;
    if (!out)
        return 2;
    for (int64_t calls = number(in); calls > 0; calls--) {
        const int64_t kernel = number(in), threads = number(in), arguments = number(in);
        argument a[32] = {{0, 0, 0, NULL}};
        for (int64_t i = 0; i < arguments; i++) {
            a[i].kind = number(in);
            a[i].number = number(in);
            if (a[i].kind == 1) {
                a[i].bytes = a[i].number;
                a[i].array = malloc((size_t)a[i].bytes);
                if (!a[i].array || fread(a[i].array, 1, (size_t)a[i].bytes, in) != (size_t)a[i].bytes)
                    return 2;
            } else if (a[i].kind == 2)
                a[i].array = a[a[i].number].array;
        }
        for (int64_t index = 0; index < threads; index++) {
            kk_thread t = {0};
            t.index = (int)index;
            t.count = (int)threads;
            t.scratch_bytes = scratch_bytes[kernel];
            t.scratch = malloc(t.scratch_bytes + 1);
            if (!t.scratch)
                return 2;
            memset(t.scratch, 255, t.scratch_bytes);
            callers[kernel](&t, a);
            free(t.scratch);
        }
        for (int64_t i = 0; i < arguments; i++)
            if (a[i].kind == 1) {
                if (fwrite(a[i].array, 1, (size_t)a[i].bytes, out) != (size_t)a[i].bytes)
                    return 2;
                free(a[i].array);
            }
    }
    fclose(in);
    return fclose(out) != 0;
}
"""


@dataclass(frozen=True)
class Call:
    """One kernel call on some threads. Arguments in the order of the C signature after the thread: a number, an array
    (returned with what the kernel wrote), None (NULL), or the name of an earlier argument whose memory it shares. A
    cache is the four arguments cache.keys, cache.values, cache.capacity, cache.past."""

    kernel: str
    threads: int
    arguments: dict[str, Argument]


def signature(spec: Spec, text: str) -> list[str]:
    """Names of a kernel's C arguments after the thread."""
    found = re.search(rf"^static void {spec.name}\(kk_thread \*t, (.*)\)$", text, re.MULTILINE)
    assert found, spec.name
    return [re.split(r"[ *]", argument)[-1] for argument in found.group(1).split(", ")]


def render(specs: Sequence[Spec]) -> tuple[str, dict[str, list[str]]]:
    """C of all kernels with what they include, and each kernel's argument names."""
    schedules = [spec.schedule for spec in specs if not isinstance(spec, NormSpec)]
    parts, names = [INCLUDES, kernels.render_tiles(schedules)], {}
    for spec in specs:
        text = kernels.render_kernel(spec)
        names[spec.name] = signature(spec, text)
        parts.append(text)
    return "\n".join(parts), names


class Program:
    """Kernels of some specs, built for one level by one compiler."""

    def __init__(
        self,
        specs: Sequence[Spec],
        *,
        level: str,
        compiler: str | None = None,
        flags: Sequence[str] = (),
        sanitize: bool = False,
        run_with: Sequence[str] = (),
    ) -> None:
        """level: avx512, avx2, or "" for what the compiler's target gives; run_with: an emulator's command."""
        text, self.names = render(specs)
        define = f"#define KK_LEVEL_{level.upper()} 1\n" if level else ""
        self.order = [spec.name for spec in specs]
        head, rest = MAIN.split("static int64_t", 1)
        lines = [define + text, head]
        for name in self.order:
            lines.append(self._caller(name))
        scratch = ", ".join(str(kernels.scratch_bytes(spec)) for spec in specs)
        lines.append(f"static const size_t scratch_bytes[] = {{{scratch}}};")
        table = ", ".join(f"call_{name}" for name in self.order)
        lines.append(f"static void (*const callers[])(kk_thread *, const argument *) = {{{table}}};")
        lines.append("static int64_t" + rest)
        lines.append('#include "kk_simd_end.h"\n')
        text = "\n".join(lines)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"kaoken-test-sources-{os.getuid()}" / digest
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        source = folder / f"kernels_{level or 'target'}.c"
        source.write_text(text)
        before = os.environ.get("CC")
        try:
            if compiler:
                os.environ["CC"] = compiler
            self.path = c_build.build_program([source], sanitize=sanitize, flags=flags)
        finally:
            if before is None:
                os.environ.pop("CC", None)
            else:
                os.environ["CC"] = before
        self.run_with = tuple(run_with)

    def _caller(self, name: str) -> str:
        """A C function that unpacks the arguments of one kernel."""
        passed, at, before = [], 0, ""
        for argument in self.names[name]:
            if argument == "cache":
                members = f"a[{at}].array, a[{at + 1}].array, a[{at + 2}].number, a[{at + 3}].array, 0"
                before = f"    const kk_cache cache = {{{members}}};\n"
                passed.append("&cache")
                at += 4
                continue
            is_number = argument in ("rows", "batch", "seq", "appended", "bias_batch", "bias_head", "bias_row")
            is_number = is_number or argument.endswith("_stride")
            passed.append(f"a[{at}].number" if is_number else f"a[{at}].array")
            at += 1
        return f"static void call_{name}(kk_thread *t, const argument *a)\n{{\n{before}    {name}(t, {', '.join(passed)});\n}}\n"

    def _flat(self, kernel: str) -> list[str]:
        """Names of a kernel's arguments as a Call has them: the members of a cache one by one."""
        names = []
        for name in self.names[kernel]:
            members = ["cache.keys", "cache.values", "cache.capacity", "cache.past"]
            names += members if name == "cache" else [name]
        return names

    def run(self, calls: Sequence[Call]) -> list[dict[str, np.ndarray]]:
        """Runs calls in one process; returns each call's arrays by argument name, after the call."""
        request = bytearray(struct.pack("<q", len(calls)))
        for call in calls:
            expected = self._flat(call.kernel)
            assert sorted(expected) == sorted(call.arguments), (expected, list(call.arguments))
            request += struct.pack("<qqq", self.order.index(call.kernel), call.threads, len(expected))
            for name in expected:
                value = call.arguments[name]
                if value is None:
                    request += struct.pack("<qq", 3, 0)
                elif isinstance(value, str):
                    request += struct.pack("<qq", 2, expected.index(value))
                elif isinstance(value, np.ndarray):
                    data = np.ascontiguousarray(value).tobytes()
                    request += struct.pack("<qq", 1, len(data)) + data
                else:
                    request += struct.pack("<qq", 0, int(value))
        with tempfile.TemporaryDirectory() as folder:
            asked, answered = Path(folder) / "in", Path(folder) / "out"
            asked.write_bytes(request)
            command = [*self.run_with, str(self.path), str(asked), str(answered)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
            data = answered.read_bytes()
        results, at = [], 0
        for call in calls:
            arrays = {}
            for name in self._flat(call.kernel):
                value = call.arguments[name]
                if isinstance(value, np.ndarray):
                    arrays[name] = np.frombuffer(data, value.dtype, value.size, at).reshape(value.shape).copy()
                    at += value.nbytes
            results.append(arrays)
        assert at == len(data)
        return results
