"""cambench rank [RUN...]."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cambench.cli import options as o
from cambench.cli.report import one_format
from cambench.cli.strict import refuse_unused

Explainers = Annotated[
    list[str] | None, typer.Option("--explainer", "-e", help="Only this one, or in place of the preset's; repeatable.")
]
Metrics = Annotated[
    list[str] | None, typer.Option("--metric", "-m", help="Only this one, or in place of the preset's; repeatable.")
]
Targets = Annotated[list[str] | None, typer.Option("--target", "-t", help="Only this one; to measure: by default logit.")]
Preset = Annotated[
    str | None, typer.Option("--preset", metavar="NAME", help="Measure what lacks first: quick (minutes) or full.")
]
Images = Annotated[
    int | None, typer.Option("--images", min=5, help="Measure so many, evenly spaced, in place of the preset's.")
]
AT_HAND = frozenset({"runs", "explainer", "metric", "target", "dataset", "split", "latex", "markdown", "csv", "html"})
"""What is used where nothing is measured."""


def rank(
    context: typer.Context,
    runs: o.Runs = None,
    explainer: Explainers = None,
    metric: Metrics = None,
    target: Targets = None,
    dataset: o.DatasetName = None,
    split: o.Split = "eval",
    preset: Preset = None,
    images: Images = None,
    layer: o.Layer = None,
    weights: o.Weights = None,
    input_size: o.InputSize = None,
    mean: o.Mean = None,
    std: o.Std = None,
    precision: o.Precision = "float32",
    batch_size: o.BatchSize = 32,
    map_classes: o.MapClasses = False,
    latex: o.Latex = False,
    markdown: o.Markdown = False,
    csv: o.Csv = False,
    html: o.Html = None,
    as_json: o.Json = False,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
    device: o.Device = "auto",
    workers: o.Workers = -1,
    download: o.Download = False,
) -> None:
    """Rank explainers over images and metrics: mean ranks, which of them differ, whether the metrics agree, cost.

    Without --preset of what is measured already.

    Example: cambench rank torchvision:resnet50 --dataset folder:photos --preset quick --html ranks.html
    """
    every = frozenset(parameter.name or "" for parameter in context.command.params)
    refuse_unused(context, "--preset" if preset else "rank", {"rank": AT_HAND, "--preset": every})
    form = one_format(latex, markdown, csv, html, as_json)
    place = o.place(data_root, results, device, workers, download)
    from cambench.stages.measuring.works import Works
    from cambench.stages.reporting.rank import Wanted, show
    from cambench.stages.reproducing.ranked import ranked
    from cambench.stages.workplace import given_input

    wanted = Wanted(runs or (), metric or (), explainer or (), target or (), dataset, split)
    prepared: dict[str, Any] = {"layer": layer, "weights": weights, "precision": precision, "map_classes": map_classes}
    work = Works(runs or [], dataset, split, **prepared, input=given_input(input_size, mean, std), evenly=images)
    show(ranked(wanted, preset, work, batch_size, place), form, html)
