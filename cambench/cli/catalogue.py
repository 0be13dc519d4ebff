"""cambench ls KIND [NAME]."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated

import typer

from cambench.cli import options as o
from cambench.stages.housekeeping.catalogue import CATALOGUES, Row, catalogue
from cambench.stages.reporting.figures.index import INDEX
from cambench.stages.reproducing import states

KINDS = (*CATALOGUES, "figures", "runs", "jobs")

HIDDEN = {
    "runs": ("method", "dataset", "arch", "seed", "kind", "changed"),
    "explainers": ("also", "space", "options", "source"),
    "metrics": ("explainer", "options", "source"),
}
"""Kind -> the facts that a person reads off the name or an entry's page, and a machine in --json."""


def ls(
    kind: Annotated[str, typer.Argument(help=", ".join(KINDS) + ".")],
    name: Annotated[
        str | None, typer.Argument(help="A metric, explainer or method: its own page, with its options or settings.")
    ] = None,
    results: o.Results = o.RESULTS,
    as_json: o.Json = False,
) -> None:
    """List a catalogue, or show the page of one metric, explainer or method.

    Example: cambench ls metrics iauc
    """
    from cambench.stages.housekeeping import page
    from cambench.stages.listing import print_rows

    if name is not None:
        facts = page.page(kind, name)
        typer.echo(json.dumps(facts) if as_json else "\n".join(page.lines(facts)))
        return
    rows = catalogue(kind, results, {"figures": figures, "jobs": partial(states.rows, results)})
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        print_rows([{name: text for name, text in beneath(row).items() if name not in HIDDEN.get(kind, ())} for row in rows])
        if kind in page.FINDERS:
            typer.echo(f"cambench ls {kind} NAME: its other names, options, formula, source and cost.")
        elif kind == page.METHODS:
            typer.echo(f"cambench ls {kind} NAME: its settings, where each is from, and what holds on which data set.")


def beneath(row: Row) -> Row:
    """A run's row with what was changed beneath its name, where there is room for it."""
    return {**row, "name": f"{row['name']}\n  {row['changed']}"} if row.get("changed") else row


def figures() -> list[Row]:
    """The kinds of figures."""
    return [
        {"name": kind, "of": e.names, "options": ", ".join(e.options), "summary": e.summary} for kind, e in INDEX.items()
    ]
