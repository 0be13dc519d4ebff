"""cambench report [TABLE...]."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cambench.cli import options as o
from cambench.cli.strict import refuse_unused
from cambench.vocabulary import UsageError

if TYPE_CHECKING:
    from cambench.report import Table
    from cambench.stages.reporting.selection import Selection
    from cambench.stages.workplace import Place

IMAGES = frozenset({"per_image", "metric", "explainer", "csv"})
"""The options that --per-image uses."""
FORMATS = frozenset({"latex", "markdown", "csv", "html", "caption"})


Tables = Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="See cambench ls tables; none: the summary.")]
Paper = Annotated[str | None, typer.Option("--paper", help="Every table of a paper.")]
Explainers = Annotated[list[str] | None, typer.Option("--explainer", "-e", help="Only rows of this one; may be repeated.")]
Caption = Annotated[
    str | None, typer.Option("--caption", help="Of one table in --latex, --markdown or --html, in place of its own.")
]
PerImage = Annotated[bool, typer.Option("--per-image", help="The values image by image, with --csv or --json.")]
Cost = Annotated[bool, typer.Option("--cost", help="What trainings took, and against plain cross-entropy's.")]
CAPTIONED = ("latex", "markdown", "html")


def report(
    context: typer.Context,
    tables: Tables = None,
    paper: Paper = None,
    on: o.On = None,
    arch: o.ArchThere = None,
    metric: o.OnlyMetrics = None,
    explainer: Explainers = None,
    caption: Caption = None,
    latex: o.Latex = False,
    markdown: o.Markdown = False,
    csv: o.Csv = False,
    html: o.Html = None,
    as_json: o.Json = False,
    per_image: PerImage = False,
    cost: Cost = False,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
) -> None:
    """Print tables of what was measured: one summary a data set, or a paper's table beside its published numbers.

    A summary shows the headline of a metric with many columns; all of them are in --csv, --json, and with --metric.

    Example: cambench report cgc/1 --latex
    """
    every = frozenset(parameter.name or "" for parameter in context.command.params)
    modes = {"report": every, "--per-image": IMAGES, "--cost": FORMATS | {"cost"}}
    refuse_unused(context, "--per-image" if per_image else "--cost" if cost else "report", modes)
    form = one_format(latex, markdown, csv, html, as_json)
    if caption is not None and form not in CAPTIONED:
        raise UsageError(f"--caption: expected {', '.join(f'--{name}' for name in CAPTIONED)} beside it; leave it out.")
    from cambench.stages.reporting import report as stage
    from cambench.stages.reporting.selection import Selection, captioned

    names, shown = [*(tables or []), *([paper] if paper else [])], Selection(metric or (), explainer or ())
    if per_image:
        image_by_image(shown, o.place(data_root, results), form)
        return
    place, brief = o.place(data_root, results), form not in ("csv", "json")
    made = stage.costs(place) if cost else stage.tables(names, place, on=on, arch=arch, shown=shown, brief=brief)
    show(made if caption is None else captioned(made, caption), form, html, place, shown)


def image_by_image(shown: Selection, place: Place, form: str) -> None:
    """The values of records image by image, as CSV or as JSON. Raises: UsageError for another format."""
    from cambench.stages.reporting.per_image import stored

    if form not in ("csv", "json"):
        raise UsageError("--per-image: expected --csv or --json beside it.")
    frame = stored((), shown, place).frame
    if form == "csv":
        typer.echo(frame.to_csv(index=False, lineterminator="\n", float_format="%.10g"), nl=False)
    else:
        lines = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
        typer.echo(json.dumps(lines, allow_nan=False))


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


def show(made: list[Table], form: str, html: Path | None, place: Place, shown: Selection) -> None:
    """The tables on stdout, or the page and its path. shown: of which metrics and explainers they are."""
    from cambench.stages.reporting import report as stage

    if html is not None:
        from cambench.stages.reporting.page import write_page

        typer.echo(write_page(html, made, place.results, place.data, shown=shown))
    elif form != "terminal":
        typer.echo(stage.render(made, form), nl=False)
    else:
        stage.print_tables(made)
