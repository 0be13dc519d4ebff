"""cambench doctor."""

from __future__ import annotations

import json

import typer

from cambench.cli import options as o


def doctor(data_root: o.Data = o.DATA, results: o.Results = o.RESULTS, as_json: o.Json = False) -> None:
    """Say what is installed and what is here: versions, devices, roots, optional packages, data sets."""
    from cambench.stages.housekeeping.doctor import examine
    from cambench.stages.reporting.report import print_rows

    rows = examine(data_root, results)
    typer.echo(json.dumps(rows)) if as_json else print_rows(rows)
