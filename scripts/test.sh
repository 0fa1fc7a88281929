#!/usr/bin/env bash
# Sets everything up and passes the tests: formatting, lint, types, pytest on two processes, the tiny models
# of the zoo. Arguments go to pytest, and leave the zoo out.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

# Other compilers and an emulator widen the tests; without them the tests that need them are skipped, and say so.
if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    wanted=""
    for pair in clang:clang cmake:cmake pkg-config:pkg-config qemu-aarch64:qemu-user aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu; do
        command -v "${pair%%:*}" >/dev/null || wanted="$wanted ${pair##*:}"
    done
    if [ -n "$wanted" ]; then
        say "apt-get install$wanted"
        # shellcheck disable=SC2086
        (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $wanted) >/dev/null ||
            echo "apt-get could not install$wanted; the tests that need them are skipped"
    fi
fi

prepare dev --editable
python="$VENV/bin/python"

say "ruff"
"$python" -m ruff check .
"$python" -m ruff format --check .

say "mypy"
"$python" -m mypy

say "pytest"
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
"$python" -m pytest -n 2 --durations=15 "$@"

if [ $# = 0 ]; then
    say "the zoo's tiny models"
    # What grew on purpose: look at the new results, then cp .cache/zoo.json tests/zoo-baseline.json
    "$python" -m kaoken zoo --tiny --no-speed --steps 16 --jobs 2 --cache .cache/zoo --save .cache/zoo.json \
        --markdown .cache/zoo.md --baseline tests/zoo-baseline.json --growth 15
fi
