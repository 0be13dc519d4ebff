"""cambench train METHOD --dataset NAME."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cambench import processes
from cambench.cli import options as o


def train(
    method: o.Method,
    dataset: o.TrainedOn,
    arch: o.Arch = None,
    seed: o.Seed = 0,
    epochs: o.Epochs = None,
    classes: Annotated[
        int | None, typer.Option("--classes", min=2, help="Only the first N classes; marks results partial.")
    ] = None,
    class_names: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class, by its name; give it twice or more.")
    ] = None,
    settings: o.Settings = None,
    presets: o.Presets = None,
    layer: Annotated[str | None, typer.Option("--layer", help=f"Explained layer; {o.LAST_STAGE}.")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="float32 or bf16, instead of the recipe's.")] = None,
    weights: o.Weights = None,
    again: o.Again = False,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
    device: o.Device = "auto",
    devices: o.Devices = 1,
    workers: o.Workers = -1,
    download: o.Download = False,
    deterministic: o.Deterministic = False,
    as_json: o.Json = False,
) -> None:
    """Train a method on a data set, or go on with a run that was stopped.

    Example: cambench train cgc --dataset cub --arch resnet50 --seed 0
    """
    place = o.together(devices, o.place(data_root, results, device, workers, download, deterministic))
    from cambench.recipes.presets import asked
    from cambench.stages.training.train import TrainJob, named_or_first, summary
    from cambench.stages.training.train import train as stage

    shortcuts = {"train.epochs": epochs, "model.layer": layer, "train.precision": precision}
    overrides = asked(presets or [], settings or [], shortcuts)
    job = TrainJob(method, dataset, arch, seed, named_or_first(classes, class_names or ()), weights, overrides, again=again)
    run = stage(job, place)
    if processes.rank() == 0:
        typer.echo(json.dumps(summary(run)) if as_json else run.name)
