"""`kaoken zoo`: every model of a manifest made, compiled, built, verified and timed, with a table and a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaoken.cli.shared import Json, Progress, Quiet, numbers, print_json, require_compiler


def register(app: typer.Typer) -> None:
    app.command("zoo")(zoo_command)


def zoo_command(
    names: Annotated[list[str] | None, typer.Argument(help="Rows; all by default.", show_default=False)] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="Only the tiny rows, which take seconds each.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Only the rows of true size.")] = False,
    manifest: Annotated[Path | None, typer.Option(help="A zoo.toml of your own; by default Kaoken's.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Keep exports there, so that the next run need not make them.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the compiled folders there.")] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results as JSON.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Markdown.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Results of --save; rows that passed there are not done again.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(metavar="FILE", help="Results of --save to compare with.")] = None,
    growth: Annotated[float, typer.Option(min=0, help="Percent that kernels, lines, arena and weights may grow.")] = 2.0,
    speed_loss: Annotated[
        float | None, typer.Option(min=0, help="Percent that speed beside onnxruntime may fall; by default it is only reported.")
    ] = None,
    speed: Annotated[bool, typer.Option("--speed/--no-speed", help="Time the rows too.")] = True,
    threads: Annotated[str, typer.Option("-t", "--threads", metavar="N,N,...", help="Thread counts to time.")] = "1",
    prefill: Annotated[str, typer.Option(metavar="N,N,...", help="Lengths to time.")] = "16,128",
    decode: Annotated[str, typer.Option(metavar="N,N,...", help="Contexts of one-token steps to time; none: -")] = "128",
    sizes: Annotated[str | None, typer.Option(metavar="N,N,...", help="Lengths to verify; by default some up to 63.")] = None,
    steps: Annotated[int, typer.Option(min=0, help="Teacher-forced steps through a cache to verify.")] = 32,
    new_tokens: Annotated[int, typer.Option("-n", "--new-tokens", min=1, help="Greedy tokens a prompt to compare.")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds to time.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.01, help="Time for a contestant in a round.")] = 0.3,
    hub: Annotated[bool, typer.Option("--hub", help="Trained weights from the hub where a row names them.")] = False,
    seed: Annotated[int, typer.Option(help="Of random weights.")] = 0,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that one step of one row may take.")] = 1800.0,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="Rows at once; measured times suffer.")] = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make, compile, build, verify and time every model of the zoo (needs kaoken[export,verify]).

    Each step runs in a process of its own; a row that fails stops no other. Weights are random, of true size, unless they lie in
    the manifest's folder (or --hub). Exit code 4 on a regression: a verification that fails; generated tokens that differ from
    onnxruntime's; with --baseline also kernels, kernel calls, lines of C, arena or weights that grew by more than --growth
    percent, tokens no longer compared, and, with --speed-loss, speed that fell; a step that fails, unless the same step of that
    row failed in the baseline. Times and peak memory are reported only.

    \b
    Examples:
      kaoken zoo --tiny --no-speed --cache .cache/zoo
      kaoken zoo gpt2 bert-base-uncased --threads 1,2 --save zoo.json --markdown zoo.md
      kaoken zoo --manifest models/zoo.toml --baseline zoo.json --growth 5
    """
    from kaoken.errors import VerificationError
    from kaoken.zoo.compare import Rule, regressions
    from kaoken.zoo.result import ZooRun, load_run
    from kaoken.zoo.run import ZooOptions, run_zoo
    from kaoken.zoo.table import markdown as as_markdown
    from kaoken.zoo.table import rich_table

    before = load_run(baseline) if baseline is not None else None
    require_compiler()
    options = ZooOptions(
        names=names or [],
        tiny=tiny,
        full=full,
        manifest=manifest,
        cache=cache,
        keep=keep,
        hub=hub,
        seed=seed,
        sizes=None if sizes is None else numbers("sizes", sizes),
        steps=steps,
        new_tokens=new_tokens,
        speed=speed,
        threads=numbers("threads", threads),
        prefill=numbers("prefill", prefill),
        decode=numbers("decode", decode),
        rounds=rounds,
        seconds=seconds,
        timeout=timeout,
        jobs=jobs,
        done=load_run(resume).rows if resume is not None else (),
    )

    def write(run: ZooRun) -> None:
        """After every row, so that a run that is interrupted leaves what it has."""
        if save is not None:
            run.save(save)
        if markdown is not None:
            markdown.parent.mkdir(parents=True, exist_ok=True)
            markdown.write_text(as_markdown(run), encoding="utf-8")

    with Progress(quiet) as progress:
        run = run_zoo(options, progress, write)
    found = regressions(run, before, Rule(growth, speed_loss))
    if json:
        print_json({**run.as_json(), "regressions": found})
    else:
        from rich.console import Console

        console = Console(highlight=False)
        Console(highlight=False, width=console.width if console.is_terminal else 200).print(rich_table(run))
        for row in run.rows:
            if row.failed:
                typer.echo(f"{row.name}, {row.failed}: {row.message}")
    if found:
        raise VerificationError("the zoo regressed:\n  " + "\n  ".join(found))
