"""cambench pack RUN --out FOLDER; cambench unpack FOLDER."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cambench.cli import options as o


def pack(
    run: Annotated[str, typer.Argument(help="A run's name, a unique prefix, or its path; finished or not.")],
    out: Annotated[Path, typer.Option("--out", help="A new or empty folder.")],
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Round to bfloat16: half the size, and a footnote under every table.")
    ] = False,
    part: Annotated[float, typer.Option("--part", metavar="MB", help="No file is larger, in megabytes.")] = 15.0,
    with_records: Annotated[bool, typer.Option("--with-records", help="Its records and their rows too.")] = False,
    results: o.Results = o.RESULTS,
) -> None:
    """Write a run as small files with a list of their digests, to go on with it on another machine.

    Example: cambench pack tiny-imagenet-exconb --out travel
    """
    from cambench.stages.housekeeping import packs

    packs.pack(run, out, results, bf16=bf16, part=part, with_records=with_records)
    typer.echo(out)


def unpack(
    folder: Annotated[Path, typer.Argument(help="A folder that cambench pack wrote.")],
    results: o.Results = o.RESULTS,
) -> None:
    """Check every part of a packed run and put the run under the results, where cambench train goes on with it.

    Example: cambench unpack travel
    """
    from cambench.stages.housekeeping import packs

    typer.echo(packs.unpack(folder, results).name)
