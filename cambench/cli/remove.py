"""cambench rm RUN [-m METRIC]."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from cambench.cli import options as o
from cambench.vocabulary import UsageError


def rm(
    run: o.Run,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", "-m", help="Only the records of this metric; may be repeated.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    results: o.Results = o.RESULTS,
    as_json: o.Json = False,
) -> None:
    """Remove a run with its heatmaps and records, or only the records of some metrics; says what, and asks.

    Example: cambench rm cub-cgc --metric iauc
    """
    from cambench.stages.housekeeping import removal

    planned = removal.planned(run, metric or [], results)
    typer.echo(f"to be removed: {planned.text}, {planned.size / 1e6:.3g} MB", err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("rm: expected somebody to ask, got no terminal; pass --yes to remove without asking.")
        typer.confirm("Remove?", abort=True, err=True)
    removal.remove(planned)
    removed = [str(path) for path in planned.paths]
    typer.echo(
        json.dumps({"run": planned.run.name, "removed": removed, "bytes": planned.size}) if as_json else planned.run.name
    )
