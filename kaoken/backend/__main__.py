"""`python -m kaoken.backend`: the standard's node cases, a sample of them by default, and what became of each."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from kaoken.backend.build import PLAIN, SANITIZED
from kaoken.backend.suite import (
    CRASHED,
    DISTRIBUTION,
    KINDS,
    PASSED,
    UNSUPPORTED,
    WRONG,
    Result,
    as_json,
    cases,
    run_cases,
    sample,
    updated_known,
)

SAMPLE = 400


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where nothing is wrong or crashed, else 4."""
    parser = argparse.ArgumentParser(prog="python -m kaoken.backend", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every case instead of a sample")
    parser.add_argument(
        "--sample", type=int, default=SAMPLE, metavar="N", help=f"how many cases, spread over the operators; {SAMPLE}"
    )
    parser.add_argument("--kind", choices=KINDS, default="node", help="which of the standard's suites")
    parser.add_argument("--only", metavar="PATTERN", help="all cases whose names match a regular expression")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--sanitize", action="store_true", help="under gcc's address and undefined-behaviour sanitizers")
    parser.add_argument("--levels", action="store_true", help="with -O2 and this machine's best vector instructions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every result")
    parser.add_argument(
        "--write-known", type=Path, metavar="FILE", help="write the names of the cases that do not pass; comments stay"
    )
    parser.add_argument("--quiet", action="store_true", help="counts alone")
    given = parser.parse_args(arguments)
    if given.sanitize and "LD_PRELOAD" not in os.environ:
        return with_sanitizers([sys.executable, "-m", "kaoken.backend", *(sys.argv[1:] if arguments is None else arguments)])
    names = list(cases(given.kind))
    if given.only:
        pattern = re.compile(given.only)
        names = [name for name in names if pattern.search(name)]
    elif not given.all:
        names = sample(names, given.sample, given.kind)
    flags = ("-O2",) if given.levels else PLAIN
    results = run_cases(names, given.kind, (*flags, *(SANITIZED if given.sanitize else ())), given.jobs)
    if given.json is not None:
        given.json.write_text(json.dumps(as_json(results, given.kind), indent=1) + "\n", encoding="utf-8")
    if given.write_known is not None:
        failed, passed = ([r.name for r in results if (r.status == PASSED) == well] for well in (False, True))
        before = given.write_known.read_text(encoding="utf-8") if given.write_known.exists() else ""
        given.write_known.write_text(updated_known(before, failed, passed), encoding="utf-8")
    print(summary(results, given.quiet))
    return 4 if any(r.status in (WRONG, CRASHED) for r in results) else 0


def summary(results: list[Result], quiet: bool = False) -> str:
    """Counts, then what is wrong case by case, then what is unsupported, by reason and operator."""
    count = Counter(r.status for r in results)
    order = (PASSED, WRONG, CRASHED, UNSUPPORTED)
    drawn = sum(r.reason == DISTRIBUTION for r in results)
    lines = [
        f"{len(results)} cases: "
        + ", ".join(f"{count[status]} {status}" for status in order)
        + (f" ({drawn} {DISTRIBUTION})" if drawn else "")
    ]
    if quiet:
        return lines[0]
    lines += [f"{r.status}: {r.name}: {r.reason[:300]}" for r in results if r.status in (WRONG, CRASHED)]
    reasons = Counter(r.reason for r in results if r.status == UNSUPPORTED)
    lines += [f"{n:5} unsupported: {reason}" for reason, n in reasons.most_common()]
    return "\n".join(lines)


def with_sanitizers(command: list[str]) -> int:
    """The exit code of a command. Sanitized libraries load only into a process that has the sanitizers' own from the start."""
    libraries = [
        subprocess.check_output([os.environ.get("CC") or "cc", f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
