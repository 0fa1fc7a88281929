# Sourced by the other scripts: makes .venv in the repository and installs Kaoken with the extras it is asked for.
# Running it again is quick: what is installed stays.

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
ROOT=$PWD
VENV=${KAOKEN_VENV:-$ROOT/.venv}

# prepare EXTRAS [pip options]: a virtual environment with this folder installed as kaoken[EXTRAS].
prepare() {
    local extras=$1
    shift
    command -v "${PYTHON:-python3}" >/dev/null || fail "python3 is missing: install Python 3.11 or later, with venv"
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Kaoken needs Python 3.11 or later; set PYTHON to one"
    command -v "${CC:-cc}" >/dev/null || fail "there is no C compiler: install gcc or clang, or set CC"
    if [ ! -x "$VENV/bin/python" ]; then
        say "virtual environment in $VENV"
        "${PYTHON:-python3}" -m venv "$VENV" || fail "venv failed; on Debian: apt-get install python3-venv"
    fi
    # torch comes first and alone, in the one version that the export tools work with; any build of it will do.
    local torch
    torch=$(grep -o 'torch==[0-9.]*' pyproject.toml)
    if ! "$VENV/bin/python" -c "import importlib.metadata as m, sys; sys.exit(m.version('torch').split('+')[0] != '${torch#torch==}')" 2>/dev/null; then
        say "installing $torch (the largest download)"
        "$VENV/bin/python" -m pip install -qq --disable-pip-version-check "$torch" || fail "pip could not install $torch"
    fi
    say "installing kaoken[$extras]"
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check "$@" ".[$extras]" || fail "pip could not install kaoken[$extras]"
    "$VENV/bin/kaoken" --version
}
