"""cambench explain [RUN...] --explainer NAME --target NAME; cambench explain RUN PICTURE... --overlay FOLDER."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cambench import processes
from cambench.cli import options as o
from cambench.cli import streams
from cambench.cli.strict import refuse_unused
from cambench.vocabulary import UsageError

if TYPE_CHECKING:
    from cambench.stages.measuring.explain import ExplainJob
    from cambench.stages.reporting.overlay import OverlayJob
    from cambench.stages.workplace import Place

WORDS = f"{o.RUNS} With --overlay: one of them, then pictures or folders."
Runs = Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help=WORDS)]
Classes = Annotated[str, typer.Option("--classes", help="Explain each image's label, or the network's prediction.")]
View = Annotated[str, typer.Option("--view", help="resize-center-crop, resize (distorts), full (no crop).")]
Overlay = Annotated[
    Path | None, typer.Option("--overlay", metavar="FOLDER", help="Explain loose pictures; one PNG each goes here.")
]
OF_SETS = frozenset(
    {"devices", "class_sets", "classes", "dataset", "split", "limit", "map_classes", "again", "deterministic"}
)
"""Options of images of a data set; loose pictures have none of it, and their predicted class is explained."""


def explain(
    context: typer.Context,
    runs: Runs = None,
    explainer: o.Explainers = None,
    target: o.Targets = None,
    class_sets: o.ClassSets = None,
    classes: Classes = "label",
    view: View = "resize-center-crop",
    overlay: Overlay = None,
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
    """Write heatmaps of finished runs (of all that lack them, where no RUN is named); or explain loose pictures.

    Examples: cambench explain cub-cgc --explainer grad-cam --target weighted;
    cambench explain torchvision:resnet50 photo.jpg --overlay maps
    """
    every = frozenset(parameter.name or "" for parameter in context.command.params)
    modes = {"explain": every - {"overlay"}, "--overlay": every - OF_SETS}
    refuse_unused(context, "explain" if overlay is None else "--overlay", modes)
    from cambench.stages.measuring import works
    from cambench.stages.workplace import given_input
    from cambench.vocabulary import EXPLAINER, TARGET

    prepared: dict[str, Any] = {"layer": layer, "weights": weights, "precision": precision, "checkpoint": checkpoint}
    prepared |= {"map_classes": map_classes, "again": again, "input": given_input(input_size, mean, std)}
    place = o.together(devices, o.place(data_root, results, device, workers, download, deterministic))
    if overlay is not None:
        from cambench.stages.reporting.overlay import OverlayJob

        job = OverlayJob(overlay, explainer or [EXPLAINER], target or [TARGET], view, batch_size)
        rows = explain_pictures(job, runs or [], prepared, place)
        typer.echo(json.dumps(rows) if as_json else "\n".join(row["file"] for row in rows))
        return
    work = works.Works(runs or [], dataset, split, limit=limit, class_sets=class_sets, **prepared)
    jobs = works.maps_of(work, explainer or [], target or [], classes=classes, view=view, batch_size=batch_size)
    refused: works.Refused[ExplainJob] = []
    files = [str(path) for path in works.explain_all(work, jobs, place, refused)]
    if files and processes.rank() == 0:
        typer.echo(json.dumps(files) if as_json else "\n".join(files))
    streams.raise_all(works.reasons(refused, jobs))


def explain_pictures(job: OverlayJob, words: list[str], prepared: dict[str, Any], place: Place) -> list[dict[str, Any]]:
    """A PNG a picture, explainer and target; what the network says of each goes to stderr. words: RUN, then the pictures."""
    from cambench.stages.measuring import works
    from cambench.stages.reporting.overlay import overlays

    if len(words) < 2:
        raise UsageError(f"--overlay: expected RUN and a picture or a folder of them, got {' '.join(words) or 'neither'}.")
    (loaded,) = works.opened(works.Works(words[:1], **prepared), place)
    return overlays(job, loaded, [Path(word) for word in words[1:]], place)
