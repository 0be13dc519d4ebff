"""cambench report [TABLE...]."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cambench.cli import options as o
from cambench.vocabulary import UsageError

if TYPE_CHECKING:
    from cambench.report import Table


def report(
    tables: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE]...", help="See cambench ls tables; none: the summary.")
    ] = None,
    paper: Annotated[str | None, typer.Option("--paper", help="Every table of a paper.")] = None,
    latex: Annotated[bool, typer.Option("--latex", help="LaTeX (booktabs).")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV, one line a cell.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="One self-contained page: tables, curves, gallery.")] = None,
    as_json: o.Json = False,
    figure: Annotated[
        str | None, typer.Option("--figure", help="qualitative, consistency or lambda, written to --out.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="A figure's file: .pdf or .png.")] = None,
    run: Annotated[list[str] | None, typer.Option("--run", help="Runs of a figure; none: all.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Data set of a figure.")] = None,
    images: Annotated[int | None, typer.Option("--images", min=1, help="How many images a figure shows.")] = None,
    paired: Annotated[
        tuple[str, str] | None, typer.Option("--paired", metavar="RUN_A RUN_B", help="Compare two runs image by image.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", "-m", help="Metrics of --paired; none: all shared.")
    ] = None,
    explainer: Annotated[str | None, typer.Option("--explainer", "-e", help="Only this explainer in --paired.")] = None,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Only this target in --paired.")] = None,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
) -> None:
    """Print tables of what was measured: one summary a data set, or a paper's table beside its published numbers.

    Example: cambench report cgc/1 --latex
    """
    form = one_format(latex, markdown, csv, html, as_json)
    if paired is not None:
        compare(paired, metric or [], results, (explainer, target), form)
    elif figure is not None:
        draw(figure, out, (tables or [], paper), (run or [], dataset, images), (results, data_root), form)
    else:
        from cambench.stages import report as stage

        show(stage.tables(tables or [], paper, results), form, html, results, data_root)


def one_format(latex: bool, markdown: bool, csv: bool, html: Path | None, as_json: bool = False) -> str:
    """The format that was asked for; terminal where none was.

    Raises: UsageError for more than one.
    """
    asked = {"latex": latex, "markdown": markdown, "csv": csv, "json": as_json, "html": html is not None}
    if sum(asked.values()) > 1:
        raise UsageError("expected one of --latex, --markdown, --csv, --json, --html; give one at a time.")
    return next((form for form, wanted in asked.items() if wanted), "terminal")


def show(made: list[Table], form: str, html: Path | None, results: Path, data_root: Path) -> None:
    """The tables on stdout, or the page and its path."""
    from cambench.stages import report as stage

    if html is not None:
        typer.echo(stage.write_page(html, made, results, data_root))
    elif form != "terminal":
        typer.echo(stage.render(made, form), nl=False)
    else:
        stage.print_tables(made)


def draw(
    kind: str,
    out: Path | None,
    wanted: tuple[list[str], str | None],
    choice: tuple[list[str], str | None, int | None],
    roots: tuple[Path, Path],
    form: str,
) -> None:
    """A figure; its path on stdout, or what it shows as JSON."""
    from cambench.stages import figures
    from cambench.stages import report as stage

    if form not in ("terminal", "json"):
        raise UsageError(f"--figure: expected --out FILE and at most --json, got --{form}.")
    kind, path = figures.check(kind, out)
    if kind == figures.LAMBDA:
        made = figures.curve(path, stage.tables(wanted[0] or [figures.TABLE], wanted[1], roots[0]))
    elif any(wanted):
        raise UsageError(f"--figure {kind}: expected no TABLE; choose runs with --run and a data set with --dataset.")
    else:
        made = figures.pictures(kind, path, figures.Wish(*choice), o.place(roots[1], roots[0]))
    typer.echo(json.dumps(made) if form == "json" else path)


def compare(
    runs: tuple[str, str], metrics: list[str], results: Path, maps: tuple[str | None, str | None], form: str
) -> None:
    """Two runs over the same images, for the terminal, as CSV or as JSON."""
    from cambench.stages import paired as stage

    if form not in ("terminal", "csv", "json"):
        raise UsageError(f"--paired: expected --csv, --json or neither, got --{form}.")
    names, found = stage.compare(runs, metrics, results, *maps)
    if form == "terminal":
        stage.print_comparisons(names, found)
    else:
        typer.echo(stage.render(names, found, form), nl=False)
