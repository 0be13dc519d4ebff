"""cambench explain [RUN...] --explainer NAME --target NAME."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cambench.cli import options as o


def explain(
    runs: o.Runs = None,
    explainer: o.Explainers = None,
    target: o.Targets = None,
    class_sets: o.ClassSets = None,
    classes: Annotated[
        str, typer.Option("--classes", help="Explain each image's label, or the network's prediction.")
    ] = "label",
    view: Annotated[
        str, typer.Option("--view", help="resize-center-crop, resize (distorts), full (no crop).")
    ] = "resize-center-crop",
    dataset: o.DatasetName = None,
    split: o.Split = "eval",
    layer: o.Layer = None,
    limit: o.Limit = None,
    weights: o.Weights = None,
    precision: o.Precision = "float32",
    checkpoint: o.Checkpoint = "last",
    batch_size: o.BatchSize = 32,
    map_classes: o.MapClasses = False,
    again: o.Again = False,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
    device: o.Device = "auto",
    workers: o.Workers = -1,
    download: o.Download = False,
    as_json: o.Json = False,
) -> None:
    """Write heatmaps of finished runs (of all that lack them, where no RUN is named).

    Example: cambench explain cub-cgc --explainer grad-cam --target weighted
    """
    from cambench.stages.measuring import works
    from cambench.stages.measuring.explain import ExplainJob

    prepared: dict[str, Any] = {"layer": layer, "weights": weights, "precision": precision, "checkpoint": checkpoint}
    prepared |= {"map_classes": map_classes, "again": again}
    work = works.Works(runs or [], dataset, split, limit=limit, class_sets=class_sets, **prepared)
    pairs = [(e, t) for e in explainer or [works.EXPLAINER] for t in target or [works.TARGET]]
    jobs = [ExplainJob(e, t, classes, view, 1.0, batch_size) for e, t in pairs]
    works.check_class_sets(work, [t for _, t in pairs])
    place = o.place(data_root, results, device, workers, download)
    made = [path for job in jobs for path in works.explain_all(work, job, place)]
    if as_json:
        typer.echo(json.dumps([str(p) for p in made]))
    else:
        for path in made:
            typer.echo(path)
