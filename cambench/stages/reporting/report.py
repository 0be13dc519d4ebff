"""Report: records → tables → terminal, LaTeX, Markdown, CSV or JSON; a terminal needs no torch and no pandas."""

from __future__ import annotations

from collections.abc import Sequence

from cambench.recipes.published import load_published
from cambench.report import Table, Tables
from cambench.report.formats.terminal import terminal
from cambench.report.tables import cost
from cambench.report.tables.paper import paper_table
from cambench.report.tables.summary import summary
from cambench.stages.listing import output
from cambench.stages.names import tables_of
from cambench.stages.reporting.selection import Selection
from cambench.stages.workplace import Place
from cambench.store.records import read_records
from cambench.store.runs import read_runs
from cambench.vocabulary import UsageError

EVERYTHING = Selection()


def tables(
    names: Sequence[str],
    place: Place,
    *,
    on: str | None = None,
    arch: str | None = None,
    shown: Selection = EVERYTHING,
    brief: bool = False,
) -> Tables:
    """The papers' tables that were named, on: the same with another data set in the place of theirs; none: the summary.

    shown: which metrics and explainers. brief: of a metric with many columns a summary shows its headline.
    Raises: UsageError for an unknown table, data set or architecture, a stand-in without what it stands in for, or where
    there is nothing to show.
    """
    if arch is not None and on is None:
        raise UsageError("--arch: expected --on DATASET beside it.")
    if on is not None and not names:
        raise UsageError("--on: expected a TABLE that is shown on other data, for example cgc/1.")
    records = read_records(place.results)
    if on is not None:
        from cambench.stages.reporting.choice import Choice, recipes

        chosen = shown.recipes(recipes(Choice(names, on=on, arch=arch), place))
        return Tables(paper_table(recipe, records, {}) for recipe in chosen)
    if names:
        chosen = shown.recipes([recipe for name in names for recipe in tables_of(name, place)])
        return Tables(paper_table(r, records, load_published(r.id.partition("/")[0])) for r in chosen)
    if not records:
        raise UsageError(
            f"nothing to report: {place.results / 'records'} holds no record; measure something with `cambench eval`."
        )
    return Tables(summary(shown.records(records), brief=brief and not shown.metrics))


def costs(place: Place) -> Tables:
    """What the trainings took, one table a data set. Raises: UsageError where no run is finished."""
    made = Tables(cost.costs(read_runs(place.results)))
    if not made:
        raise UsageError(
            f"nothing to report: {place.results / 'runs'} holds no finished training; `cambench train` makes one."
        )
    return made


def render(made: Sequence[Table], form: str) -> str:
    """The tables as text: latex, markdown, csv or json."""
    from cambench.report.formats.frame import as_json, csv
    from cambench.report.formats.latex import NEEDS, latex
    from cambench.report.formats.markdown import markdown

    text = {"latex": latex, "markdown": markdown, "csv": csv, "json": as_json}[form](made)
    return NEEDS + text if form == "latex" else text


def print_tables(made: Sequence[Table]) -> None:
    """The tables on stdout."""
    console = output()
    for table in made:
        console.print(terminal(table, console.width))
