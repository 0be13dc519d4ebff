"""cambench report [TABLE...]."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cambench.cli import options as o
from cambench.cli.strict import refuse_unused
from cambench.vocabulary import UsageError

if TYPE_CHECKING:
    from cambench.report import Table


TABLE = "report"
COMPARED = frozenset({"paired", "metric", "explainer", "target", "csv"})
PAGES = frozenset({"latex", "markdown", "csv"})
OF_TABLE = frozenset({"tables", "paper", "on", "arch"})
MODES = {TABLE: OF_TABLE | PAGES | {"html"}, "--paired": COMPARED}
"""What a command line of `report` means, and the options that it then uses."""


Tables = Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="See cambench ls tables; none: the summary.")]
Paper = Annotated[str | None, typer.Option("--paper", help="Every table of a paper.")]
On = Annotated[str | None, typer.Option("--on", metavar="DATASET", help="A paper's table, on this data instead of its own.")]
Arch = Annotated[str | None, typer.Option("--arch", help="With --on: instead of the paper's networks.")]
Paired = Annotated[
    tuple[str, str] | None, typer.Option("--paired", metavar="RUN_A RUN_B", help="Compare two runs image by image.")
]
Metrics = Annotated[list[str] | None, typer.Option("--metric", "-m", help="Metrics of --paired; none: all shared.")]
Explainers = Annotated[list[str] | None, typer.Option("--explainer", "-e", help="Only this one in --paired.")]
Target = Annotated[str | None, typer.Option("--target", "-t", help="Only this target in --paired.")]


def report(
    context: typer.Context,
    tables: Tables = None,
    paper: Paper = None,
    on: On = None,
    arch: Arch = None,
    latex: o.Latex = False,
    markdown: o.Markdown = False,
    csv: o.Csv = False,
    html: o.Html = None,
    as_json: o.Json = False,
    paired: Paired = None,
    metric: Metrics = None,
    explainer: Explainers = None,
    target: Target = None,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
) -> None:
    """Print tables of what was measured: one summary a data set, or a paper's table beside its published numbers.

    Example: cambench report cgc/1 --latex
    """
    refuse_unused(context, TABLE if paired is None else "--paired", MODES)
    form = one_format(latex, markdown, csv, html, as_json)
    if paired is not None:
        compare(paired, metric or [], results, (one(explainer or []), target), form)
        return
    from cambench.stages.reporting.report import tables_of

    made = tables_of([*(tables or []), *([paper] if paper else [])], o.place(data_root, results), on=on, arch=arch)
    show(made, form, html, results, data_root)


def one(explainers: list[str]) -> str | None:
    """The explainer of --paired, if one is named. Raises: UsageError for several."""
    if len(explainers) > 1:
        raise UsageError(f"--paired: expected one --explainer, got {len(explainers)}.")
    return explainers[0] if explainers else None


def one_format(latex: bool, markdown: bool, csv: bool, html: Path | None, as_json: bool = False) -> str:
    """The format that was asked for; terminal where none was.

    Raises: UsageError for more than one, or a folder in the place of the page.
    """
    asked = {"latex": latex, "markdown": markdown, "csv": csv, "json": as_json, "html": html is not None}
    if sum(asked.values()) > 1:
        raise UsageError("expected one of --latex, --markdown, --csv, --json, --html; give one at a time.")
    if html is not None and html.is_dir():
        raise UsageError(f"--html {html}: expected the page's file, got a folder; say {html / 'report.html'}.")
    return next((form for form, wanted in asked.items() if wanted), "terminal")


def show(made: list[Table], form: str, html: Path | None, results: Path, data_root: Path) -> None:
    """The tables on stdout, or the page and its path."""
    from cambench.stages.reporting import report as stage

    if html is not None:
        typer.echo(stage.write_page(html, made, results, data_root))
    elif form != "terminal":
        typer.echo(stage.render(made, form), nl=False)
    else:
        stage.print_tables(made)


def compare(
    runs: tuple[str, str], metrics: list[str], results: Path, maps: tuple[str | None, str | None], form: str
) -> None:
    """Two runs over the same images, for the terminal, as CSV or as JSON."""
    from cambench.stages.reporting import paired as stage

    names, found = stage.compare(runs, metrics, results, *maps)
    if form == "terminal":
        stage.print_comparisons(names, found)
    else:
        typer.echo(stage.render(names, found, form), nl=False)
