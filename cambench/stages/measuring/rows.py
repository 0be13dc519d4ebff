"""Rows: what a metric measures of each image, batch by batch, with the functions and regions that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cambench import maps, metrics, seeds
from cambench.data.loader import eval_batches
from cambench.data.regions import boxes_of, region_source, regions_in_view, size_of
from cambench.data.views import View
from cambench.explainers import find_explainer
from cambench.explainers.batch import input_gradients
from cambench.explainers.one_pass import every_class
from cambench.metrics import Metric
from cambench.metrics.faithfulness.embedding import Centroids, centroids
from cambench.models.segmentation import segment
from cambench.pixels import Normalisation
from cambench.stages import workplace
from cambench.stages.images import make_view
from cambench.stages.measuring.masks import mask_batches
from cambench.stages.measuring.randomised import randomised_maps
from cambench.stages.memory import Fitting
from cambench.stages.network import Loaded
from cambench.store.heatmaps import Heatmaps
from cambench.vocabulary import EXPLAINER, TARGET, Box, Dataset, NotFiniteError, UsageError

COMMIT = 256
Rows = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class EvalJob:
    """One metric with the maps it looks at (explainer × target; unused by metrics that look at no heatmap)."""

    metric: str
    explainer: str = EXPLAINER
    target: str = TARGET
    batch_size: int = 32


@dataclass(frozen=True)
class Work:
    """What is left to measure: the data, its heatmaps, the rows in chunks, the roots; `before` are those that are measured.

    No batch holds rows of two chunks.
    """

    dataset: Dataset
    heatmaps: Heatmaps | None
    chunks: list[list[int]]
    place: workplace.Place
    before: list[int]

    def applied(self, metric: Metric, rows: tuple[int, ...], size: tuple[int, int], device: str) -> Tensor:
        """The heatmaps (N,*size) of the rows after the metric's steps; rows that share a grid are done together."""
        assert self.heatmaps is not None
        raw = [torch.from_numpy(one)[None] for one in self.heatmaps.maps.take(rows)]
        stacks = [torch.cat(raw)] if len({m.shape for m in raw}) == 1 else raw
        return torch.cat([maps.apply(stack.to(device), metric.maps.steps, size) for stack in stacks])

    def explained(self, rows: tuple[int, ...], device: str) -> Tensor:
        """The classes (N,) that the heatmaps of the rows explain."""
        assert self.heatmaps is not None
        return torch.from_numpy(self.heatmaps.target[list(rows)]).long().to(device)


def image_rows(metric: Metric, job: EvalJob, loaded: Loaded, work: Work) -> Iterator[Rows]:
    """Rows of a metric that looks at the network's input."""
    view = make_view(metric.input.view, loaded, metric.input.scale, raw=metric.input.raw)
    loaded.check_size(view.size)
    size = metric.rows.group or job.batch_size
    wanted = metrics.needs(metric)
    offered: dict[str, Any] = dict(functions(job, loaded, wanted, work.dataset))
    if "centroids" in wanted:
        offered["centroids"] = class_centroids(loaded, view, work, size)
    source_of_masks, measure = region_source(work.dataset) or "", measuring(metric, job, wanted)
    for batch in eval_batches(work.dataset, view, batch_size=size, chunks=work.chunks, **loaded.source(work.place)):
        offers: dict[str, Any] = {"label": batch.label, **offered}
        offers["labels"] = [work.dataset.samples[row].right for row in batch.rows]
        offers["normalisation"] = Normalisation(view.mean, view.std)
        if metric.explains:
            shape = (batch.image.shape[2], batch.image.shape[3])
            offers["heatmap"] = work.applied(metric, batch.rows, shape, loaded.device)
            offers["explained"] = work.explained(batch.rows, loaded.device)
        if "box" in wanted:
            offers["box"] = [
                scaled_boxes(work.dataset, row, (batch.image.shape[2], batch.image.shape[3])) for row in batch.rows
            ]
        if {"mask", "regions"} & set(wanted):
            regions = regions_of(metric, work.dataset, batch.rows, view, source_of_masks).to(loaded.device)
            offers |= {"regions": regions, "mask": regions == batch.label[:, None, None]}
        measured = measure(batch.image, list(batch.rows), **offers)
        columns = measured if isinstance(measured, Mapping) else {metric.variants[0]: measured}
        yield {"row": np.array(batch.rows), **{name: as_column(column) for name, column in columns.items()}}


def measuring(metric: Metric, job: EvalJob, wanted: Sequence[str]) -> Callable[..., Any]:
    """The metric's `measure`, of images (N,3,H,W), the list of their rows and what else is offered.

    Where the device's memory does not suffice it is given fewer images, unless what it draws is drawn for the batch.
    """

    def measure(image: Tensor, rows: list[int], **offers: Any) -> Any:
        offers["image"] = image
        if "generator" in wanted:
            offers["generator"] = seeds.generator(metric.draws, "rows", *rows)
        if "generators" in wanted:
            offers["generators"] = [seeds.generator(metric.draws, "row", row) for row in rows]
        return metric.measure(**{name: offers[name] for name in wanted})

    return measure if metric.rows.group or "generator" in wanted else Fitting(measure, job.metric)


def class_centroids(loaded: Loaded, view: View, work: Work, size: int) -> Centroids:
    """The mean features of each class, over all images of the split, be they left to measure or not.

    Raises: UsageError where an image may be of several classes.
    """
    if work.dataset.multilabel:
        raise UsageError(f"centroids: expected one label an image, got {work.dataset.name} with several.")
    features, source = Fitting(loaded.features(), "centroids"), loaded.source(work.place)
    batches = eval_batches(work.dataset, view, batch_size=size, **source)
    return centroids((features(batch.image), batch.label) for batch in batches)


def scaled_boxes(dataset: Dataset, row: int, size: tuple[int, int]) -> list[Box]:
    """An image's boxes that reach into it, corners as its authors write them, on the image resized to (height, width)."""
    width, height = size_of(dataset, row)
    return [
        (x0 * size[1] / width, y0 * size[0] / height, x1 * size[1] / width, y1 * size[0] / height)
        for x0, y0, x1, y1 in boxes_of(dataset, row)
    ]


def as_column(values: Tensor) -> np.ndarray[Any, Any]:
    """Measured rows as they are stored: marks and numbers of classes as they are, everything else in float64."""
    return (values if values.dtype in (torch.bool, torch.int64) else values.double()).cpu().numpy()


def regions_of(metric: Metric, dataset: Dataset, rows: tuple[int, ...], view: View, source: str) -> Tensor:
    """The class that each pixel of the batch's images shows (N,H,W) int64, −1 where it shows none."""
    dilated = metric.input.mask == "dilated"
    regions = [regions_in_view(dataset, row, view, source, dilated=dilated) for row in rows]
    return torch.from_numpy(np.stack(regions).astype(np.int64))


def mask_rows(metric: Metric, job: EvalJob, loaded: Loaded, work: Work) -> Iterator[Rows]:
    """Rows of a metric that compares maps with annotated regions."""
    batches = (mask_batches(work.dataset, chunk, metric.variants, job.batch_size) for chunk in work.chunks)
    for rows, size, masks in chain.from_iterable(batches):
        heatmap = work.applied(metric, rows, size, loaded.device)
        assert work.heatmaps is not None
        zero = [not (one > 0).any() for one in work.heatmaps.maps.take(rows)]
        columns: Rows = {"row": np.array(rows), "zero": np.array(zero)}
        for variant, mask in zip(metric.variants, masks, strict=True):
            columns[variant] = metric.measure(heatmap=heatmap, mask=mask.to(loaded.device)).double().cpu().numpy()
        yield columns


def collect(batches: Iterator[Rows], dataset: Dataset, chunks: Iterable[Sequence[int]]) -> Iterator[Rows]:
    """Join batches into these chunks of rows, each in its order, refusing a value that is not finite."""
    waiting: list[Rows] = []
    left = iter(chunks)
    chunk = next(left, ())
    for rows in batches:
        counted = rows.get("counted", np.ones(len(rows["row"]), dtype=bool))
        for name, column in rows.items():
            bad = ~np.isfinite(column.reshape(len(column), -1)).all(1) & counted
            if bad.any():
                image = dataset.samples[int(rows["row"][bad.argmax()])].id
                raise NotFiniteError(f"{image}: expected a finite value, got {column[bad.argmax()]} ({name or 'value'}).")
        waiting.append(rows)
        if sum(len(w["row"]) for w in waiting) == len(chunk):
            place = {row: at for at, row in enumerate(chunk)}
            order = np.argsort([place[row] for w in waiting for row in w["row"].tolist()])
            yield {name: np.concatenate([w[name] for w in waiting])[order] for name in waiting[0]}
            waiting, chunk = [], next(left, ())


def functions(job: EvalJob, loaded: Loaded, wanted: Sequence[str], dataset: Dataset) -> dict[str, Callable[..., Tensor]]:
    """What a metric may call, by argument name; only those that it asks for are made ready."""
    known: dict[str, Callable[[], Callable[..., Tensor]]] = {
        "predict": lambda: loaded.logits,
        "explain": lambda: explainer(job, loaded, dataset),
        "class_maps": lambda: partial(
            every_class, loaded.model, query=loaded.ready_for(find_explainer("hires-cam")).query()
        ),
        "segment": lambda: partial(segmented, loaded),
        "features": loaded.features,
        "randomised": lambda: randomised_maps(job, loaded, dataset),
        "differentiate": lambda: partial(input_gradients, loaded.model, target=job.target, precision=loaded.precision),
    }
    return {name: Fitting(make(), job.metric) for name, make in known.items() if name in wanted}


def segmented(loaded: Loaded, image: Tensor) -> Tensor:
    """Pixel scores of images, without a graph."""
    with torch.no_grad(), loaded.autocast():
        return segment(loaded.model, loaded.layer, image)


def explainer(job: EvalJob, loaded: Loaded, dataset: Dataset) -> Callable[..., Tensor]:
    """image (N,3,H,W), classes (N,), target=None (the job's own) -> raw maps (N,h,w)."""
    ready = loaded.ready_for(find_explainer(job.explainer))

    def explain_images(image: Tensor, classes: Tensor, target: str | None = None) -> Tensor:
        return ready.explain(image, target or job.target, classes, dataset).maps

    return explain_images
