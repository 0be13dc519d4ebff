"""cambench add-run CHECKPOINT --method NAME --arch A --dataset D."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cambench.cli import options as o


def add_run(
    checkpoint: Annotated[Path, typer.Argument(help="A file of weights by torch.save: a state dict or a checkpoint.")],
    method: Annotated[str, typer.Option("--method", help="What it was trained with: a method here, or another, say inca.")],
    arch: Annotated[str, typer.Option("--arch", help="See cambench ls archs; python:pkg.mod:function.")],
    dataset: o.TrainedOn,
    seed: o.Seed = 0,
    settings: o.Settings = None,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
    as_json: o.Json = False,
) -> None:
    """Make a run of somebody's own checkpoint; eval, explain and report take it like a trained one and say that it is given.

    Example: cambench add-run inca.pth --method inca --arch resnet50 --dataset imagenet. Surgery: --set model.surgery=[…].
    """
    from cambench.stages.training.add_run import Adding
    from cambench.stages.training.add_run import add_run as stage

    run = stage(Adding(checkpoint, method, arch, dataset, seed, settings or ()), o.place(data_root, results, "cpu"))
    typer.echo(json.dumps({"run": run.name, "path": str(run.path)}) if as_json else run.name)
