"""cambench report [TABLE...]."""

from __future__ import annotations

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
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
) -> None:
    """Print tables of what was measured: one summary a data set, or a paper's table beside its published numbers.

    Example: cambench report cgc/1 --latex
    """
    form = one_format(latex, markdown, csv, html)
    from cambench.stages import report as stage

    show(stage.tables(tables or [], paper, results), form, html, results, data_root)


def one_format(latex: bool, markdown: bool, csv: bool, html: Path | None) -> str:
    """The format that was asked for; terminal where none was.

    Raises: UsageError for more than one.
    """
    asked = {"latex": latex, "markdown": markdown, "csv": csv, "html": html is not None}
    if sum(asked.values()) > 1:
        raise UsageError("expected one of --latex, --markdown, --csv, --html; give one at a time.")
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
