"""cambench search METHOD --dataset NAME --metric NAME."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cambench.cli import options as o


def search(
    method: o.Method,
    dataset: o.TrainedOn,
    metric: Annotated[str, typer.Option("--metric", "-m", help="What decides; see cambench ls metrics.")],
    draws: Annotated[int, typer.Option("--draws", min=1, help="Trainings, each with settings drawn anew.")] = 30,
    ranges: o.Ranges = None,
    split: Annotated[str, typer.Option("--split", help="Split on which the metric decides.")] = "val",
    explainer: Annotated[str, typer.Option("--explainer", "-e", help="By default calm or score-map.")] = "",
    target: o.Target = "logit",
    arch: o.Arch = None,
    seed: o.Seed = 0,
    epochs: o.Epochs = None,
    settings: o.Settings = None,
    presets: o.Presets = None,
    weights: o.Weights = None,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
    device: o.Device = "auto",
    workers: o.Workers = -1,
    download: o.Download = False,
    deterministic: o.Deterministic = False,
    as_json: o.Json = False,
) -> None:
    """Train a method with many settings drawn from its recipe's ranges and say which are best; what is there is kept.

    Example: cambench search cam --dataset cub-wsol --arch vgg16 --metric max-box-acc
    """
    from cambench.metrics import find_metric
    from cambench.recipes.presets import asked
    from cambench.stages.listing import print_rows
    from cambench.stages.reproducing.search import SearchJob, in_words, listed
    from cambench.stages.reproducing.search import search as stage
    from cambench.stages.training.train import TrainJob

    overrides = asked(presets or [], settings or [], {"train.epochs": epochs})
    training = TrainJob(method, dataset, arch, seed, weights=weights, overrides=overrides)
    job = SearchJob(training, metric, draws, ranges or (), split, explainer, target)
    drawn, best = stage(job, o.place(data_root, results, device, workers, download, deterministic))
    rows = listed(drawn, best)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    print_rows([in_words(row, find_metric(metric)) for row in rows])
    if not best.failed:
        typer.echo(f"best: {best.typed}")
