"""cambench ls KIND."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cambench.cli import options as o

KINDS = ("methods", "presets", "explainers", "targets", "metrics", "datasets", "archs", "tables", "runs")


def ls(
    kind: Annotated[str, typer.Argument(help=", ".join(KINDS) + ".")],
    results: o.Results = o.RESULTS,
    as_json: o.Json = False,
) -> None:
    """List a catalogue: methods, presets, explainers, targets, metrics, datasets, archs, tables or runs."""
    from cambench.stages.housekeeping.catalogue import catalogue
    from cambench.stages.reporting.report import print_rows

    rows = catalogue(kind, results)
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        print_rows(rows)
