"""Evaluate: a metric of a run on a split, as per-image rows and a record; heatmaps that are missing are made first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cambench import maps, metrics, seeds
from cambench.data.loader import eval_batches
from cambench.explainers import explain_batch, find_explainer
from cambench.explainers.explanation import Explainer
from cambench.metrics import Metric, bootstrap
from cambench.stages import jobs
from cambench.stages.drift import drifting_rows
from cambench.stages.explain import ExplainJob, explain, locate, make_view
from cambench.stages.masks import mask_batches
from cambench.stages.networks import Loaded
from cambench.stages.progress import bar, say
from cambench.store.heatmaps import Heatmaps
from cambench.store.keys import job_key
from cambench.store.parts import Parts
from cambench.store.provenance import device_name, versions
from cambench.store.records import Record, Value, read_record, write_record, write_rows
from cambench.vocabulary import CambenchError, Dataset, UsageError

SCHEMA = 1
COMMIT = 256
Rows = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class EvalJob:
    """One metric with the maps it looks at (explainer × target; unused by metrics that look at no heatmap)."""

    metric: str
    explainer: str = "grad-cam"
    target: str = "logit"
    batch_size: int = 32


def evaluate(job: EvalJob, loaded: Loaded, dataset: Dataset, place: jobs.Place) -> Record:
    """The record of a metric: read if it is on disk, measured where it is not, going on after a killed call.

    Raises: UsageError where the data lacks what the metric needs; CambenchError naming an image whose value is not finite.
    """
    entry = find_explainer(job.explainer)
    metric = metrics.find_metric(job.metric).on(entry.name)
    check(metric, dataset)
    heatmap_job = ExplainJob(job.explainer, job.target, "label", metric.view, metric.view_scale, job.batch_size)
    path, described = locate_record(job, metric, loaded, dataset, locate(heatmap_job, loaded, dataset, place)[1])
    if path.exists():
        return read_record(path)
    began = time.monotonic()
    heatmaps = explain(heatmap_job, loaded, dataset, place) if metric.explains and metric.train_bn is None else None
    left = left_out(metric, entry, heatmaps, dataset)
    parts = Parts(path.with_suffix(".h5"), job_key(described))
    every = [row for row in order(metric, dataset) if not any(row in rows for rows in left.values())]
    work = Work(dataset, heatmaps, every[parts.rows :], place, every[: parts.rows])
    measured = drifting_rows if metric.train_bn else image_rows if "image" in metrics.needs(metric) else mask_rows
    with bar(f"{metric.name}", len(work.rows)) as progress:
        for rows in collect(measured(metric, job, loaded, work), dataset):
            parts.append(len(rows["row"]), rows)
            progress.advance(len(rows["row"]))
    rows = parts.read()
    record = make_record(job, metric, loaded, dataset, rows)
    record.counts.update({reason: len(found) for reason, found in left.items()})
    seconds = round(time.monotonic() - began, 2)
    write_rows(path.with_suffix(".h5"), described, rows, [dataset.samples[r].id for r in rows["row"]])
    write_record(path, replace(record, seconds=seconds, job={**described, "recipe": training(loaded, dataset)}))
    parts.remove()
    return read_record(path)


def check(metric: Metric, dataset: Dataset) -> None:
    """Refuse a metric that the data cannot answer, before anything is computed."""
    if "mask" in metrics.needs(metric) and not any(s.boxes for s in dataset.samples):
        raise UsageError(
            f"{metric.name} on {dataset.name}: expected bounding boxes, found none in its {dataset.split} split."
        )
    if metric.group and len(dataset) < metric.group:
        raise UsageError(f"{metric.name}: expected at least {metric.group} images (one group), got {len(dataset)}.")


def locate_record(
    job: EvalJob, metric: Metric, loaded: Loaded, dataset: Dataset, maps_job: dict[str, Any]
) -> tuple[Path, dict[str, Any]]:
    """The record file of a job and the job in full. A metric that looks at no heatmap does not depend on an explainer."""
    described: dict[str, Any] = {
        "schema": SCHEMA,
        "metric": metric.name,
        "variants": list(metric.variants),
        "steps": list(metric.steps),
        **({"train_bn": list(metric.train_bn)} if metric.train_bn else {}),
    }
    keep = ("run", "checkpoint", "dataset", "split", "data", "view", "precision")
    kept = maps_job if metric.explains or uses_explain(metric) else {k: maps_job[k] for k in keep}
    described |= {"maps" if metric.explains else "input": kept}
    looked = f"{maps_job['explainer']}.{jobs.slug(job.target)}." if metric.explains or uses_explain(metric) else ""
    name = f"{dataset.split}.{looked}{metric.name}.{job_key(described)}.json"
    return loaded.run.path.parents[1] / "records" / loaded.run.name / name, described


def uses_explain(metric: Metric) -> bool:
    """True for a metric that calls the explainer itself."""
    return "explain" in metrics.needs(metric)


def order(metric: Metric, dataset: Dataset) -> list[int]:
    """The rows to measure: file order; for a grouped metric shuffled once with seed 0, the last partial group dropped;
    class by class where batch norms drift."""
    if metric.train_bn:
        return sorted(range(len(dataset)), key=lambda row: dataset.samples[row].label)
    if metric.group is None:
        return list(range(len(dataset)))
    shuffled = torch.randperm(len(dataset), generator=seeds.generator(metric.name, 0)).tolist()
    return shuffled[: len(shuffled) // metric.group * metric.group]


def left_out(metric: Metric, entry: Explainer, heatmaps: Heatmaps | None, dataset: Dataset) -> dict[str, set[int]]:
    """The rows that count for nothing where an explainer may give no map, by reason. Source: CGC spec §2.5.

    Raises: CambenchError where nothing remains.
    """
    if heatmaps is None or not entry.partial:
        return {}
    missing = {row for row, m in enumerate(heatmaps.maps) if not (np.isfinite(m).all() and (m > 0).any())}
    left = {"images without a map (NaN, or nothing positive)": missing}
    if "mask" in metrics.needs(metric):
        left["images whose boxes are all flagged difficult"] = {r for r, s in enumerate(dataset.samples) if s.difficult}
    if len(set().union(*left.values())) == len(dataset):
        counted = ", ".join(f"{len(rows)} {reason}" for reason, rows in left.items())
        raise CambenchError(
            f"{metric.name} of {entry.name}: expected an image to measure, got none of {len(dataset)}: {counted}."
        )
    return left


@dataclass(frozen=True)
class Work:
    """What is left to measure: the data, its heatmaps, the rows, the roots; `before` are the rows that are measured."""

    dataset: Dataset
    heatmaps: Heatmaps | None
    rows: list[int]
    place: jobs.Place
    before: list[int]

    def applied(self, metric: Metric, rows: tuple[int, ...], size: tuple[int, int], device: str) -> Tensor:
        """The heatmaps (N,*size) of the rows after the metric's steps; rows that share a grid are done together."""
        assert self.heatmaps is not None
        raw = [torch.from_numpy(self.heatmaps.maps[r])[None] for r in rows]
        stacks = [torch.cat(raw)] if len({m.shape for m in raw}) == 1 else raw
        return torch.cat([maps.apply(stack.to(device), metric.steps, size) for stack in stacks])


def image_rows(metric: Metric, job: EvalJob, loaded: Loaded, work: Work) -> Iterator[Rows]:
    """Rows of a metric that looks at the network's input."""
    view = make_view(metric.view, loaded, metric.view_scale)
    size = metric.group or job.batch_size
    source: dict[str, Any] = {"device": loaded.device, "workers": work.place.workers, "cache": work.place.results / "cache"}
    wanted = metrics.needs(metric)
    explains = explainer(job, loaded) if "explain" in wanted else None
    for batch in eval_batches(work.dataset, view, batch_size=size, rows=work.rows, **source):
        offers = {"image": batch.image, "label": batch.label, "predict": loaded.logits, "explain": explains}
        offers["labels"] = [work.dataset.samples[row].right for row in batch.rows]
        if "generator" in wanted:
            offers["generator"] = seeds.generator(metric.name, "rows", *batch.rows)
        if metric.explains:
            shape = (batch.image.shape[2], batch.image.shape[3])
            offers["heatmap"] = work.applied(metric, batch.rows, shape, loaded.device)
        values = metric.measure(**{name: offers[name] for name in wanted})
        yield {"row": np.array(batch.rows), metric.variants[0]: values.double().cpu().numpy()}


def mask_rows(metric: Metric, job: EvalJob, loaded: Loaded, work: Work) -> Iterator[Rows]:
    """Rows of a metric that compares maps with annotated regions; images without a box are left out and counted."""
    for rows, size, masks in mask_batches(work.dataset, work.rows, metric.variants, job.batch_size):
        heatmap = work.applied(metric, rows, size, loaded.device)
        assert work.heatmaps is not None
        found: Rows = {"row": np.array(rows), "zero": np.array([not (work.heatmaps.maps[r] > 0).any() for r in rows])}
        for variant, mask in zip(metric.variants, masks, strict=True):
            found[variant] = metric.measure(heatmap=heatmap, mask=mask.to(loaded.device)).double().cpu().numpy()
        yield found


def collect(found: Iterator[Rows], dataset: Dataset) -> Iterator[Rows]:
    """Join batches into pieces of about 256 rows, refusing a value that is not finite."""
    waiting: list[Rows] = []
    for rows in found:
        for name, column in rows.items():
            bad = ~np.isfinite(column)
            if bad.any():
                image = dataset.samples[int(rows["row"][bad.argmax()])].id
                raise CambenchError(f"{image}: expected a finite value, got {column[bad.argmax()]} ({name or 'value'}).")
        waiting.append(rows)
        if sum(len(w["row"]) for w in waiting) >= COMMIT:
            yield {name: np.concatenate([w[name] for w in waiting]) for name in waiting[0]}
            waiting = []
    if waiting:
        yield {name: np.concatenate([w[name] for w in waiting]) for name in waiting[0]}


def explainer(job: EvalJob, loaded: Loaded) -> Callable[[Tensor, Tensor], Tensor]:
    """image (N,3,H,W), classes (N,) -> raw maps (N,h,w)."""
    ready = loaded.ready_for(find_explainer(job.explainer))

    def explain_images(image: Tensor, classes: Tensor) -> Tensor:
        options: dict[str, Any] = {"explainer": job.explainer, "target": job.target, "classes": classes}
        fixed: dict[str, Any] = {"layer": ready.layer, "head": ready.head, "precision": loaded.precision}
        return explain_batch(ready.model, image, **options, **fixed).maps

    return explain_images


def make_record(job: EvalJob, metric: Metric, loaded: Loaded, dataset: Dataset, rows: dict[str, Any]) -> Record:
    """Mean, standard error and 95 % bootstrap interval of every variant, with all that must stand beside them."""
    info = loaded.run.info
    values = {}
    for variant in metric.variants:
        scaled = torch.from_numpy(np.asarray(rows[variant])) * metric.scale
        interval = bootstrap.interval(scaled, seeds.generator("bootstrap"))
        values[variant] = Value(metrics.reduce(scaled), len(scaled), bootstrap.standard_error(scaled), interval)
    counts = {"images left out": len(dataset) - len(rows["row"])}
    if "zero" in rows:
        counts["heatmaps without a positive value"] = int(rows["zero"].sum())
    looks, entry = metric.explains or uses_explain(metric), find_explainer(job.explainer)
    return Record(
        run=loaded.run.name,
        dataset=dataset.name,
        split=dataset.split,
        method=info["method"],
        arch=info["arch"],
        seed=info["seed"],
        metric=metric.name,
        values=values,
        explainer=entry.name if looks else None,
        target=job.target if looks else None,
        layer=loaded.layer_of(entry) if looks else None,
        comparable=bool(info["comparable"]) and dataset.comparable,
        partial=tuple(dict.fromkeys([*info["partial"], *dataset.notes])),
        deviations=tuple(info["deviations"]),
        counts=counts,
        device=device_name(loaded.device),
        precision=loaded.precision,
        versions=versions(),
    )


def training(loaded: Loaded, dataset: Dataset) -> dict[str, Any]:
    """The training recipe with the data it saw and the data it is measured on: what two seeds must share to be averaged.

    Where a seed draws its images, the seeds share what is drawn from.
    """
    info = loaded.run.info
    recipe, seen = info.get("recipe", {}), info.get("data", {})
    saw = {"trained on": seen.get("drawn_from", seen.get("fingerprint")), "measured on": dataset.drawn_from}
    return {**recipe, "weights": info["weights"], "data": {**recipe.get("data", {}), **saw}}


def summarise(record: Record) -> str:
    """One line for a person: the metric and its values."""
    shown = [
        f"{k + ' ' if k else ''}{v.value:.4g} [{v.interval[0]:.4g}, {v.interval[1]:.4g}]" for k, v in record.values.items()
    ]
    return f"{record.run}  {record.metric}  " + "  ".join(shown) + f"  (n={next(iter(record.values.values())).n})"


def announce(record: Record) -> None:
    """Say a finished record."""
    say(f"{summarise(record)}  {record.seconds:.1f} s")
