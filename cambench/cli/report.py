"""cambench report [TABLE...]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cambench.cli import options as o
from cambench.vocabulary import UsageError


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
    from cambench.stages import report as stage

    if sum([latex, markdown, csv, html is not None]) > 1:
        raise UsageError("expected one of --latex, --markdown, --csv, --html; give one at a time.")
    made = stage.tables(tables or [], paper, results)
    if html is not None:
        typer.echo(stage.write_page(html, made, results, data_root))
    elif latex or markdown or csv:
        typer.echo(stage.render(made, "latex" if latex else "markdown" if markdown else "csv"), nl=False)
    else:
        stage.print_tables(made)
