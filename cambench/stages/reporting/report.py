"""Report: records → tables → terminal, LaTeX, Markdown, CSV, or one HTML page with curves and a gallery."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from cambench.recipes.published import load_published
from cambench.recipes.tables import load_tables
from cambench.report import Table
from cambench.report.formats.curves import Curve
from cambench.report.formats.frame import as_json, csv
from cambench.report.formats.headline import Headline, headlines
from cambench.report.formats.html import Page, html
from cambench.report.formats.introduction import introduction
from cambench.report.formats.latex import latex
from cambench.report.formats.markdown import markdown
from cambench.report.formats.terminal import terminal
from cambench.report.tables.paper import paper_table
from cambench.report.tables.select import LAST
from cambench.report.tables.summary import summary
from cambench.stages.reporting.choice import Choice, recipes
from cambench.stages.reporting.gallery import gallery, labelled_runs
from cambench.stages.workplace import Place
from cambench.store.files import write_text
from cambench.store.provenance import versions
from cambench.store.records import Record, Rows, read_records, read_rows, records_of, rows_path
from cambench.store.runs import read_runs
from cambench.vocabulary import UsageError

FORMATS = {"latex": latex, "markdown": markdown, "csv": csv, "json": as_json}
QUANTITIES = ("loss", "accuracy", "validation_accuracy", "consistency")
WIDTH = 100
TITLE = "Do the heatmaps show what they should?"


def tables(wanted: Sequence[str], paper: str | None, results: Path) -> list[Table]:
    """The papers' tables that were named, or the summary of everything measured.

    Raises: UsageError for an unknown table, or where nothing was measured and no table named.
    """
    records = read_records(results)
    names = [*wanted, *([paper] if paper else [])]
    if names:
        loaded = [recipe for name in names for recipe in load_tables(name)]
        return [paper_table(r, records, load_published(r.id.partition("/")[0])) for r in loaded]
    if not records:
        raise UsageError(
            f"nothing to report: {results / 'records'} holds no record; measure something with `cambench eval`."
        )
    return summary(records)


def tables_of(names: Sequence[str], place: Place, *, on: str | None, arch: str | None) -> list[Table]:
    """The papers' tables that were named (none: the summary), or the same with another data set in the place of theirs.

    Raises: UsageError as `tables`, for an unknown data set or architecture, or a stand-in without what it stands in for.
    """
    if arch is not None and on is None:
        raise UsageError("--arch: expected --on DATASET beside it.")
    if on is None:
        return tables(names, None, place.results)
    if not names:
        raise UsageError("--on: expected a TABLE that is shown on other data, for example cgc/1.")
    records = read_records(place.results)
    return [paper_table(recipe, records, {}) for recipe in recipes(Choice(names, on=on, arch=arch), place)]


def summarise(records: Sequence[Record]) -> list[Table]:
    """The summary tables of some records."""
    return summary(records)


def render(made: Sequence[Table], form: str) -> str:
    """The tables as text: latex, markdown, csv or json."""
    needs = "% needs \\usepackage{booktabs,graphicx}\n" if form == "latex" else ""
    return needs + FORMATS[form](made)


def output() -> Console:
    """The console of stdout; as wide as a page where there is no terminal."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH)


def print_tables(made: Sequence[Table]) -> None:
    """The tables on stdout."""
    console = output()
    for table in made:
        console.print(terminal(table, console.width))


def print_rows(rows: Sequence[dict[str, str]]) -> None:
    """A plain listing on stdout: one line a row, columns in step, the last one wrapped to the terminal."""
    console = output()
    grid = RichTable(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    names = list(rows[0]) if rows else []
    for i, name in enumerate(names):
        grid.add_column(name, no_wrap=i == 0, overflow="fold")
    for row in rows:
        grid.add_row(*(row[name] for name in names))
    console.print(grid if rows else "none", highlight=False, markup=False)


def write_page(path: Path, made: Sequence[Table], results: Path, data_root: Path) -> Path:
    """The report as one self-contained HTML page; the summary is introduced and has its findings in words."""
    runs, summed = read_runs(results), all(table.summary for table in made)
    curves = [Curve(run.name, label, run.log(), run.info.dataset or "") for run, label in labelled_runs(runs)]
    page = Page(
        title=TITLE,
        introduction=introduction([run.info for run in runs]) if summed else (),
        headlines=headline_of(results) if summed else (),
        tables=made,
        curves=[curve for curve in curves if curve.epochs],
        galleries=gallery(runs, results, data_root),
        quantities=QUANTITIES,
        provenance=versions(),
    )
    write_text(path, html(page))
    return path


def headline_of(results: Path) -> list[Headline]:
    """Each method against the baseline, from all records and their rows."""
    found = [pair for folder in sorted((results / "records").glob("*")) for pair in records_of(results, folder.name)]

    def rows(record: Record) -> Rows:
        return read_rows(next(rows_path(path) for path, other in found if other is record))

    return headlines([record for _, record in found if record.checkpoint == LAST], rows)
