"""cambench claims [PAPER...]."""

from __future__ import annotations

from typing import Annotated

import typer

from cambench.cli import options as o
from cambench.cli.report import one_format

Claims = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CLAIM]...", help="An experiment (e1), paper (cgc), claim (cgc-ch) or your own FILE.toml; none: all."
    ),
]
On = Annotated[str | None, typer.Option("--on", metavar="DATASET", help="Only as judged on this data set.")]
Power = Annotated[bool, typer.Option("--power", help="How many seeds would decide what is open.")]


def claims(
    names: Claims = None,
    on: On = None,
    power: Power = False,
    latex: o.Latex = False,
    markdown: o.Markdown = False,
    csv: o.Csv = False,
    html: o.Html = None,
    as_json: o.Json = False,
    results: o.Results = o.RESULTS,
) -> None:
    """Say of each claim of the papers what the records at hand say: supported, contradicted, undecided, not measured.

    Example: cambench claims cgc --on cub-50
    """
    form = one_format(latex, markdown, csv, html, as_json)
    from cambench.stages.reporting import claims as stage

    place = o.place(o.DATA, results)
    stage.show_claims(stage.judgements(names or [], place, on), form, html, place, power=power)
