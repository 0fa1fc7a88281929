"""The command line: one file a command, each thin; the work lives in the library.

What a command needs is imported when it runs, so that `--help` and usage errors come at once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from kaoken.cli import bench, compile, embed, export, inspect, ops, profile, run, tune, verify, zoo
from kaoken.errors import KaokenError

BUG_EXIT_CODE = 1
USAGE_EXIT_CODE = 2
INTERRUPTED = 130
# typer has carried a copy of click since it stopped depending on it; this is the base of its usage errors in either case.
_ClickException: type[Any] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    name="kaoken",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for command in (export, compile, run, embed, inspect, ops, verify, bench, profile, tune, zoo):
    command.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from kaoken import __version__

        typer.echo(f"kaoken {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    traceback: bool = typer.Option(False, "--traceback", help="Show the traceback of an error (or set KAOKEN_TRACEBACK=1)."),
) -> None:
    """Compiles ONNX models ahead of time into a folder of portable C.

    \b
    From a model's name to text, in C:
      kaoken export story -o story-onnx/
      kaoken compile story-onnx/ -o story-c/ --build
      kaoken run story-c/ "Once upon a time"

    Exit codes: 0 fine, 1 a bug in Kaoken, 2 wrong usage, 3 unsupported model, 4 verification failed,
    5 the C compiler is missing or failed.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Every error is one message on stderr (and an object with --json)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--traceback" in words:  # wherever it stands, so that it can be put behind a line that failed
        os.environ["KAOKEN_TRACEBACK"] = "1"
        words.remove("--traceback")
    try:
        code = typer.main.get_command(app).main(args=words, prog_name="kaoken", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except KaokenError as error:
        return _fail(words, str(error), error.exit_code)
    except _ClickException as error:
        error.show()
        return int(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has seen enough
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(words, f"{place}{error.strerror or error}", USAGE_EXIT_CODE)
    except Exception as error:
        return _fail(words, _bug_report(error, words), BUG_EXIT_CODE)


def _bug_report(error: Exception, words: Sequence[str]) -> str:
    from kaoken import __version__

    text = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    return (
        f"this is a bug in Kaoken ({said}); please report it with the model, the version ({__version__}), "
        f"and what `kaoken {' '.join(words)} --traceback` prints"
    )


def _fail(words: Sequence[str], message: str, code: int) -> int:
    """Tell the error that is being handled."""
    if os.environ.get("KAOKEN_TRACEBACK", "0") not in ("", "0"):
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.write(f"kaoken: error: {message}\n")
    if "--json" in words:
        print(json.dumps({"error": message, "exit_code": code}), flush=True)
    return code
