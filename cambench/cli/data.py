"""cambench data {ls,check,stats,make,where}."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cambench.cli import options as o
from cambench.cli import streams
from cambench.cli.strict import Command

app = typer.Typer(no_args_is_help=True, help="Data sets: list, check, describe, make, where to put them.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Data set: a name, NAME:PATH, or folder:PATH.")]


@app.command("ls", cls=Command)
def list_sets(data_root: o.Data = o.DATA, as_json: o.Json = False) -> None:
    """List the data sets and say which are there."""
    from cambench.stages.housekeeping.data import present
    from cambench.stages.listing import print_rows

    rows = present(data_root)
    typer.echo(json.dumps(rows)) if as_json else print_rows(rows)


@app.command(cls=Command)
def check(name: Name, data_root: o.Data = o.DATA, as_json: o.Json = False) -> None:
    """Read a whole data set: count files, classes and boxes, decode every image. Exit code 3 if anything is wrong."""
    from cambench.stages.housekeeping.data import check as stage
    from cambench.stages.listing import print_rows

    rows, problems, notes = stage(name, data_root)
    typer.echo(json.dumps({"splits": rows, "problems": problems, "notes": notes})) if as_json else print_rows(rows)
    for line in [*(f"problem: {p}" for p in problems), *(f"note: {n}" for n in notes)]:
        typer.echo(streams.one_line(line), err=True)
    if problems:
        raise typer.Exit(3)


@app.command(cls=Command)
def stats(
    name: Name,
    by_class: Annotated[bool, typer.Option("--by-class", help="A row a class, of all splits together.")] = False,
    data_root: o.Data = o.DATA,
    as_json: o.Json = False,
) -> None:
    """Count a data set's images and classes, and measure how much of an image its boxes and its object's mask cover.

    Example: cambench data stats pets-binary --by-class
    """
    from cambench.stages.housekeeping.data import printed
    from cambench.stages.housekeeping.data import stats as stage
    from cambench.stages.listing import print_rows

    facts = stage(name, data_root)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    print_rows([printed(row) for row in facts["classes" if by_class else "splits"]])
    for line in [*facts["published"], *facts["notes"]]:
        typer.echo(f"note: {line}", err=True)


@app.command(cls=Command)
def make(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="synthbirds, synthbirds-binary, synthbirds-multilabel, or sam-masks.")
    ],
    dest: Annotated[Path | None, typer.Argument(help="Folder; by default its place under the data root.")] = None,
    classes: Annotated[int | None, typer.Option("--classes", min=2, help="Classes: 10; 6 of multilabel.")] = None,
    per_class: Annotated[
        int | None, typer.Option("--per-class", min=1, help="Training images a class: 30; 150 of binary, 50 of multilabel.")
    ] = None,
    test_per_class: Annotated[
        int | None, typer.Option("--test-per-class", min=1, help="Test images a class: 20; 100 of binary, 30 of multilabel.")
    ] = None,
    size: Annotated[int | None, typer.Option("--size", min=32, help="Pixels a side: 96.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Everything follows from it: 0.")] = None,
    background: Annotated[
        float | None, typer.Option("--background", min=0, max=1, help="How often the background betrays the class: 0.")
    ] = None,
    scale: Annotated[
        float | None, typer.Option("--scale", min=0.2, max=1, help="Length of the birds: 1; 0.6 of multilabel.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="sam-masks: of this set's training images, into its folder sam.")
    ] = None,
    sam: Annotated[
        str | None, typer.Option("--sam", help="sam-masks: vit-h (default), vit-l, vit-b, or python:MODULE:FUNCTION.")
    ] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="sam-masks: the file of the model's weights.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="sam-masks: cpu, cuda, mps or auto.")] = None,
    data_root: o.Data = o.DATA,
) -> None:
    """Make an embedded data set, fine-grained birds with exact boxes, parts, attributes and segmentations, or SAM masks.

    Example, small birds before backgrounds that betray them: cambench data make synthbirds --background 0.95 --scale 0.5.
    Example, masks by Segment Anything: cambench data make sam-masks --dataset pets --weights sam_vit_h_4b8939.pth.
    """
    from cambench.stages.housekeeping.data import make as stage

    numbers = {"classes": classes, "per_class": per_class, "test_per_class": test_per_class, "size": size, "seed": seed}
    shares, by_sam = {"background": background, "scale": scale}, {"dataset": dataset, "sam": sam, "device": device}
    typer.echo(stage(name, dest, data_root, {**numbers, **shares, **by_sam, "weights": weights}))


@app.command(cls=Command)
def where(name: Name, data_root: o.Data = o.DATA) -> None:
    """Say where a data set is expected, what its layout is and how to obtain it."""
    from cambench.stages.housekeeping.data import where as stage

    typer.echo(stage(name, data_root))
