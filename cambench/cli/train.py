"""cambench train METHOD --dataset NAME."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cambench.cli import options as o


def train(
    method: Annotated[str, typer.Argument(help="See cambench ls methods.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set: a name, NAME:PATH, or folder:PATH.")],
    arch: Annotated[str | None, typer.Option("--arch", help="See cambench ls archs; by default the recipe's.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seeds initialisation, order and augmentation.")] = 0,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Instead of the recipe's.")] = None,
    classes: Annotated[
        int | None, typer.Option("--classes", min=2, help="Only the first N classes; marks results partial.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override the recipe: optimizer.lr=0.01.")
    ] = None,
    presets: Annotated[
        list[str] | None, typer.Option("--preset", metavar="NAME", help="Named overrides: see cambench ls presets.")
    ] = None,
    layer: o.Layer = None,
    precision: Annotated[str | None, typer.Option("--precision", help="float32 or bf16, instead of the recipe's.")] = None,
    weights: o.Weights = None,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
    device: o.Device = "auto",
    workers: o.Workers = -1,
    download: o.Download = False,
    as_json: o.Json = False,
) -> None:
    """Train a method on a data set, or go on with a run that was stopped.

    Example: cambench train cgc --dataset cub --arch resnet50 --seed 0
    """
    from cambench.recipes import presets as named
    from cambench.stages.train import TrainJob, summary
    from cambench.stages.train import train as stage

    shortcuts = {"train.epochs": epochs, "model.layer": layer, "train.precision": precision}
    chosen = [text for name in presets or [] for text in named.overrides(name)]
    overrides = [*chosen, *(settings or []), *(f"{key}={value}" for key, value in shortcuts.items() if value is not None)]
    job = TrainJob(method, dataset, arch, seed, classes, weights, overrides)
    run = stage(job, o.place(data_root, results, device, workers, download))
    done = summary(run)
    typer.echo(json.dumps(done) if as_json else run.name)
