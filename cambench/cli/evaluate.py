"""cambench eval --metric NAME [--metric NAME ...] [RUN...]."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cambench import processes
from cambench.cli import options as o
from cambench.cli import streams

if TYPE_CHECKING:
    from cambench.stages.measuring.rows import EvalJob
    from cambench.store.records import Record


Metrics = Annotated[list[str], typer.Option("--metric", "-m", help="NAME[:option=value,…]: see ls metrics; repeatable.")]


def evaluate(
    metric: Metrics,
    runs: o.Runs = None,
    explainer: o.Explainers = None,
    target: o.Targets = None,
    class_sets: o.ClassSets = None,
    dataset: o.DatasetName = None,
    split: o.Split = "eval",
    layer: o.Layer = None,
    limit: o.Limit = None,
    weights: o.Weights = None,
    input_size: o.InputSize = None,
    mean: o.Mean = None,
    std: o.Std = None,
    precision: o.Precision = "float32",
    checkpoint: o.Checkpoint = "last",
    batch_size: o.BatchSize = 32,
    map_classes: o.MapClasses = False,
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
    """Measure metrics of finished runs (of all that lack them, where no RUN is named); makes missing heatmaps itself.

    Each metric is measured with each explainer and target that it looks at. One that cannot be measured is told at the end,
    after the tables of the others.

    Example: cambench eval --metric iauc --metric ch
    """
    place = o.together(devices, o.place(data_root, results, device, workers, download, deterministic))
    from cambench.stages.measuring import works
    from cambench.stages.workplace import given_input

    prepared: dict[str, Any] = {"layer": layer, "weights": weights, "precision": precision, "checkpoint": checkpoint}
    prepared |= {"map_classes": map_classes, "again": again, "input": given_input(input_size, mean, std)}
    work = works.Works(runs or [], dataset, split, limit=limit, class_sets=class_sets, **prepared)
    jobs = works.jobs_of(metric, explainer, target, batch_size)
    refused: works.Refused[EvalJob] = []
    records = works.evaluate_all(work, jobs, place, refused)
    if records and processes.rank() == 0:
        show(records, as_json)
    streams.raise_all(works.reasons(refused, jobs))


def show(records: Sequence[Record], as_json: bool) -> None:
    """Print what was measured, as tables or for a machine."""
    if as_json:
        typer.echo(json.dumps([{**r.plain(), "stored": r.stored} for r in records]))
        return
    from cambench.report.tables.summary import summary
    from cambench.stages.reporting.report import print_tables

    print_tables(summary(records))
