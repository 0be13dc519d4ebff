"""The command line: parse, call one stage, print. Tables on stdout, everything else on stderr."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

import cambench
from cambench import processes
from cambench.cli import (
    add_run,
    catalogue,
    claims,
    compare,
    data,
    doctor,
    evaluate,
    explain,
    figure,
    old,
    rank,
    remove,
    report,
    reproduce,
    search,
    streams,
    strict,
    train,
    travel,
)
from cambench.cli.strict import Command
from cambench.vocabulary import CambenchError, UsageError

INTERRUPTED = 130

app = typer.Typer(
    name="cambench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train", cls=Command)(train.train)
app.command("explain", cls=Command)(explain.explain)
app.command("eval", cls=Command)(evaluate.evaluate)
app.command("evaluate", cls=Command, hidden=True)(evaluate.evaluate)
app.command("report", cls=Command)(report.report)
app.add_typer(figure.app, name="figure")
app.command("compare", cls=Command)(compare.compare)
app.command("claims", cls=Command)(claims.claims)
app.command("rank", cls=Command)(rank.rank)
app.command("reproduce", cls=Command)(reproduce.reproduce)
app.command("search", cls=Command)(search.search)
app.command("pack", cls=Command)(travel.pack)
app.command("unpack", cls=Command)(travel.unpack)
app.command("rm", cls=Command)(remove.rm)
app.command("add-run", cls=Command)(add_run.add_run)
app.command("ls", cls=Command)(catalogue.ls)
app.add_typer(data.app, name="data")
app.command("doctor", cls=Command)(doctor.doctor)


def show_version(asked: bool) -> None:
    """`cambench --version`."""
    if asked:
        typer.echo(f"cambench {cambench.__version__}")
        raise typer.Exit


@app.callback()
def everywhere(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from; also behind any command.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print it.", is_eager=True, callback=show_version)] = False,
) -> None:
    """Train, explain, evaluate and report: a benchmark harness for class-activation-map explanations."""


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 usage, 3 data, 130 interrupted, 143 stopped."""
    streams.forgive()
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    logged = logging.StreamHandler()
    logged.setFormatter(streams.OneLine())
    logging.basicConfig(handlers=[logged])
    logging.getLogger("cambench").setLevel(logging.INFO)
    debug = len(arguments) < len(sys.argv) - 1 or "CAMBENCH_DEBUG" in os.environ
    try:
        code = app(old.translated(arguments), prog_name="cambench", standalone_mode=False)
    except strict.PARSER_ERROR as e:
        sys.stderr.write(strict.sentence(e))
        sys.exit(UsageError.exit_code)
    except typer.Abort as e:  # "no" at a question
        if isinstance(e.__cause__, EOFError):  # which typer takes for one, wherever it was raised
            raise e.__cause__ from None
        sys.stderr.write("stopped; nothing was done.\n")
        sys.exit(1)
    except CambenchError as e:
        if debug:
            raise
        if processes.speaks(e):
            sys.stderr.write(f"error: {streams.one_line(str(e))}\n")
        sys.exit(e.exit_code)
    except OSError as e:  # of a file that nobody met with a better word
        if debug:
            raise
        if processes.speaks(e):
            sys.stderr.write(f"error: {streams.refusal(e)}\n")
        sys.exit(1)
    if code != INTERRUPTED:
        processes.leave()
    elif not processes.several():  # typer turns Ctrl-C into this; of several processes their launcher says it
        sys.stderr.write("interrupted; run the same command again, it goes on from here\n")
    sys.exit(code)
