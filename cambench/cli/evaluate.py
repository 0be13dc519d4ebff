"""cambench eval --metric NAME [--metric NAME ...] [RUN...]."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cambench.cli import options as o


def evaluate(
    metric: Annotated[
        list[str], typer.Option("--metric", "-m", help="See cambench ls metrics; may be given several times.")
    ],
    runs: o.Runs = None,
    explainer: o.Explainer = "grad-cam",
    target: o.Target = "logit",
    class_sets: o.ClassSets = None,
    dataset: o.DatasetName = None,
    split: o.Split = "eval",
    layer: o.Layer = None,
    limit: o.Limit = None,
    weights: o.Weights = None,
    precision: o.Precision = "float32",
    checkpoint: o.Checkpoint = "last",
    batch_size: o.BatchSize = 32,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
    device: o.Device = "auto",
    workers: o.Workers = -1,
    download: o.Download = False,
    as_json: o.Json = False,
) -> None:
    """Measure metrics of finished runs (of all that lack them, where no RUN is named); makes missing heatmaps itself.

    Example: cambench eval --metric iauc --metric ch
    """
    from cambench.stages import works
    from cambench.stages.rows import EvalJob

    prepared: dict[str, Any] = {"layer": layer, "weights": weights, "precision": precision, "checkpoint": checkpoint}
    work = works.Works(runs or [], dataset, split, limit=limit, class_sets=class_sets, **prepared)
    jobs = [EvalJob(name, explainer, target, batch_size) for name in metric]
    records = works.evaluate_all(work, jobs, o.place(data_root, results, device, workers, download))
    if as_json:
        typer.echo(json.dumps([asdict(r) for r in records]))
        return
    from cambench.stages.report import print_tables, summarise

    print_tables(summarise(records))
