"""cambench doctor."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cambench.cli import options as o


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Without the devices, which take seconds to ask.")] = False,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
    as_json: o.Json = False,
) -> None:
    """Say what is installed and what is here: versions, devices, roots, optional packages, data sets."""
    from cambench.stages.housekeeping.doctor import examine
    from cambench.stages.listing import print_rows

    rows = examine(data_root, results, quick=quick)
    typer.echo(json.dumps(rows)) if as_json else print_rows(rows)
