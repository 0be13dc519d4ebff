"""Evaluate: a metric of a run on a split, as per-image rows and a record; heatmaps that are missing are made first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cambench import metrics, processes, seeds
from cambench.data.folder import BOX_COLUMNS
from cambench.data.regions import BOXES, SEGMENTATION, boxes_of, check_source, region_source
from cambench.explainers import find_explainer
from cambench.explainers.entry import Explainer
from cambench.extras import needed
from cambench.metrics import Metric
from cambench.stages import identity, workplace
from cambench.stages.class_sets import check_sets
from cambench.stages.measuring import rows as row_by_row
from cambench.stages.measuring.drift import drifting_rows
from cambench.stages.measuring.explain import ExplainJob, Session, explain, locate, opened_parts
from cambench.stages.measuring.pair_rows import pair_rows
from cambench.stages.measuring.record import make_record, training
from cambench.stages.measuring.rows import EvalJob, Work, collect, image_rows, mask_rows
from cambench.stages.network import Loaded
from cambench.stages.pairs import check_cues, pair_name
from cambench.stages.progress import bar, say
from cambench.store.heatmaps import Heatmaps
from cambench.store.keys import job_key
from cambench.store.parts import Parts, chunks, stride
from cambench.store.records import Record, read_record, readable, rows_path, write_record, write_rows
from cambench.vocabulary import CambenchError, Dataset, UsageError, number_of

NO_BOX = "images without a box, or with boxes wholly outside their picture alone"


def evaluate(
    job: EvalJob, loaded: Loaded, dataset: Dataset, place: workplace.Place, session: Session | None = None
) -> Record:
    """The record of a metric: read if it is on disk, measured where it is not, going on after a killed call.

    Raises: UsageError where the data lacks what the metric needs; CambenchError naming an image whose value is not finite.
    """
    session = session or Session()
    metric, job = settled(job, dataset)
    path, described = locate_record(job, metric, loaded, dataset, place)
    if not session.lacks(path):
        return replace(read_record(path), stored=path not in session.made)
    with workplace.only_first_writes(path):
        if session.lacks(path):
            with opened_parts(path.with_suffix(".h5"), job_key(described), anew=session.again) as parts:
                write(path, described, metric, job, loaded, Asked(dataset, place, parts, session))
            session.made[path] = None
    return replace(read_record(path), stored=path not in session.made)


def write(path: Path, described: dict[str, Any], metric: Metric, job: EvalJob, loaded: Loaded, asked: Asked) -> None:
    """Measure what no part holds yet, and write the record with its rows whole."""
    began = time.monotonic()
    left, explaining = measure(metric, job, loaded, asked)
    with processes.as_one():
        if not processes.rank():
            record, rows = summarised(metric, job, loaded, asked, left)
            record = replace(record, seconds=round(time.monotonic() - began, 2), explaining=explaining)
            write_rows(path.with_suffix(".h5"), described, rows, ids(metric, asked.dataset, rows), asked.dataset.origin)
            supersede(path, described)
            write_record(path, replace(record, job={**described, "recipe": training(loaded, asked.dataset)}))
            asked.parts.remove()


def settled(job: EvalJob, dataset: Dataset) -> tuple[Metric, EvalJob]:
    """The metric of a job as it is on this explainer, and the job with the explainer that the metric always measures.

    Raises: UsageError where the data lacks what the metric needs.
    """
    metric = metrics.find_metric(job.metric)
    job = replace(job, explainer=metric.explainer_of(job.explainer))
    metric = metric.on(find_explainer(job.explainer).key)
    check(metric, job, dataset)
    return metric, job


def looked_at(
    job: EvalJob, loaded: Loaded, dataset: Dataset, place: workplace.Place, session: Session
) -> Iterator[ExplainJob]:
    """The heatmaps that a measurement which lacks will look at, if it looks at any. Raises: as `settled`."""
    metric, job = settled(job, dataset)
    if reads_maps(metric) and session.lacks(locate_record(job, metric, loaded, dataset, place)[0]):
        yield heatmap_job(metric, job)


@dataclass(frozen=True)
class Asked:
    """Of which images, under which roots, with the rows that are measured already and the files that the command made."""

    dataset: Dataset
    place: workplace.Place
    parts: Parts
    session: Session


def reads_maps(metric: Metric) -> bool:
    """Whether it looks at the maps of a file; those of a network that drifts from image to image are made as it does."""
    return metric.explains and metric.maps.train_bn is None


def heatmap_job(metric: Metric, job: EvalJob) -> ExplainJob:
    """The maps that a metric looks at."""
    seen, classes = metric.input, metric.maps.classes
    return ExplainJob(job.explainer, job.target, classes, seen.view, seen.scale, job.batch_size, seen.raw)


Left = dict[str, set[int]]
"""Why rows count for nothing -> which."""


def measure(metric: Metric, job: EvalJob, loaded: Loaded, asked: Asked) -> tuple[Left, float | None]:
    """Measure what is left of the images, each process some chunks of them. -> the rows that are left out, and the seconds
    an image of making its heatmaps, None where they were there.

    A metric over pairs of classes, and one whose network drifts from image to image, is process 0's alone.
    """
    dataset, parts, place = asked.dataset, asked.parts, asked.place
    reads = reads_maps(metric)
    heatmaps = explain(heatmap_job(metric, job), loaded, dataset, place, asked.session) if reads else None
    left = left_out(metric, find_explainer(job.explainer), heatmaps, dataset)
    with processes.as_one(), workplace.computing(place):
        if not metric.rows.pairs:
            every = [row for row in order(metric, dataset) if not any(row in rows for rows in left.values())]
            measure_images(metric, job, loaded, Work(dataset, heatmaps, [], place, every), parts)
        elif not processes.rank() and not parts.rows:
            rows = pair_rows(metric, job, loaded, dataset, place)
            whole = range(len(rows["row"]))
            parts.write(whole, rows)
            parts.add([whole])
    return left, None if heatmaps is None else heatmaps.seconds


def summarised(metric: Metric, job: EvalJob, loaded: Loaded, asked: Asked, left: Left) -> tuple[Record, dict[str, Any]]:
    """The record of a metric without its identity, and its rows.

    Raises: CambenchError where the rows are not those of the images.
    """
    rows = asked.parts.read()
    if len(set(rows["row"].tolist())) != len(rows["row"]):
        raise asked.parts.disorder(f"each image once, got {len(rows['row'])} rows of {len(set(rows['row'].tolist()))}")
    record = make_record(job, metric, loaded, asked.dataset, rows)
    record.counts.update({reason: len(images) for reason, images in left.items()})
    return record, rows


def supersede(path: Path, described: dict[str, Any]) -> None:
    """Remove the records that a new one takes the place of: of the same run, images and settings, but of weights that are
    replaced, annotations that were changed, or a formula of another version.

    Before it is written: a call that is killed between the two is made again, and no two count.
    """
    for record in readable(sorted(path.parent.glob("*.json"))):
        other = record.path
        if other != path and identity.lasting(record.job) == identity.lasting(described):
            say(f"{other.name}: gives way to {path.name}: its weights, annotations or formula are no more")
            other.unlink(missing_ok=True)
            rows_path(other).unlink(missing_ok=True)


def measure_images(metric: Metric, job: EvalJob, loaded: Loaded, work: Work, parts: Parts) -> None:
    """Measure what is left of the images, and commit it about 256 at a time. work: as if all were measured."""
    measured = drifting_rows if metric.maps.train_bn else mask_rows if metric.at_annotation else image_rows
    every, drifts = work.before, metric.maps.train_bn
    length = stride(row_by_row.COMMIT, metric.rows.group or job.batch_size)
    missing = chunks(processes.agreed(parts.missing(len(every))), length, drifts and drifts[1])
    mine = processes.dealt(missing) if not drifts else missing if not processes.rank() else []
    if mine:
        work = replace(work, chunks=[[every[i] for i in chunk] for chunk in mine], before=every[: mine[0].start])
        with bar(f"{metric.name}", sum(map(len, mine))) as progress:
            pieces = collect(measured(metric, job, loaded, work), work.dataset, work.chunks)
            for chunk, rows in zip(mine, pieces, strict=True):
                parts.write(chunk, rows)
                progress.advance(len(chunk))
    parts.add(missing)


def ids(metric: Metric, dataset: Dataset, rows: Mapping[str, Any]) -> list[str]:
    """What each row is about: an image, or a pair of classes."""
    if metric.rows.pairs:
        return [pair_name(dataset, a, b) for a, b, *_ in rows["pair"].tolist()]
    return [dataset.samples[row].id for row in rows["row"]]


def check(metric: Metric, job: EvalJob, dataset: Dataset) -> None:
    """Refuse a metric or a target that the data cannot answer, before anything is computed."""
    if metric.package:
        needed(metric.package, metric.name)
    if metric.targeted:
        check_sets(job.target, dataset)
    if metric.rows.pairs:
        check_cues(metric, job.target, dataset)
    elif metric.regions and region_source(dataset) is None:
        raise missing(metric, dataset, "segmentations or boxes")
    elif metric.regions and region_source(dataset) != BOXES:
        check_source(dataset, SEGMENTATION)
    elif reads_boxes(metric, dataset) and not any(boxes_of(dataset, row) for row in range(len(dataset))):
        raise missing(metric, dataset, "bounding boxes")
    if metric.rows.group and len(dataset) < metric.rows.group:
        raise UsageError(f"{metric.name}: expected at least {metric.rows.group} images (one group), got {len(dataset)}.")


def missing(metric: Metric, dataset: Dataset, what: str) -> UsageError:
    """The refusal of data without what a metric reads, or whose boxes are all wholly outside their pictures."""
    asked, where = f"{metric.name} on {dataset.name}: expected {what}", f"its {dataset.split} split"
    boxes = sum(len(sample.boxes) for sample in dataset.samples)
    if boxes:
        got = f"{number_of(boxes, 'box')} that lie wholly outside; mend the coordinates"
        return UsageError(f"{asked} that reach into their pictures, got in {where} {got}.")
    mend = (
        f"write boxes.csv with the header {','.join(BOX_COLUMNS)}"
        if dataset.kind == "folder"
        else "measure a metric that reads none"
    )
    return UsageError(f"{asked}, found none in {where}; {mend}.")


def reads_boxes(metric: Metric, dataset: Dataset) -> bool:
    """Whether the metric's rows come from bounding boxes on this data."""
    if metric.rows.pairs:
        return False
    return metric.at_annotation or "box" in metrics.needs(metric) or (metric.regions and region_source(dataset) == BOXES)


def locate_record(
    job: EvalJob, metric: Metric, loaded: Loaded, dataset: Dataset, place: workplace.Place
) -> tuple[Path, dict[str, Any]]:
    """The record file of a job and its identity. A metric that looks at no heatmap does not depend on an explainer."""
    maps, entry = locate(heatmap_job(metric, job), loaded, dataset, place)[1], find_explainer(job.explainer)
    described = identity.of_record(metric, dataset, maps, partial=entry.partial)
    looked = f"{workplace.slug(entry.name)}.{workplace.slug(job.target)}." if metric.looks else ""
    name = f"{dataset.split}.{looked}{workplace.slug(metric.name)}.{job_key(described)}.json"
    return place.results / "records" / loaded.run.name / name, described


def order(metric: Metric, dataset: Dataset) -> list[int]:
    """The rows to measure: file order; for a grouped metric shuffled once with seed 0, the last partial group dropped;
    class by class where batch norms drift."""
    if metric.maps.train_bn:
        return sorted(range(len(dataset)), key=lambda row: dataset.samples[row].label)
    if metric.rows.group is None:
        return list(range(len(dataset)))[: metric.rows.first]
    shuffled = torch.randperm(len(dataset), generator=seeds.generator(metric.draws, 0)).tolist()
    return shuffled[: len(shuffled) // metric.rows.group * metric.rows.group]


def left_out(metric: Metric, entry: Explainer, heatmaps: Heatmaps | None, dataset: Dataset) -> dict[str, set[int]]:
    """The rows that count for nothing, by reason: without a box where boxes are read; where an explainer may give no map.

    Source of the latter: CGC protocol §2.5. Raises: CambenchError where nothing remains.
    """
    looked = range(len(dataset)) if reads_boxes(metric, dataset) else ()
    without = {row for row in looked if not boxes_of(dataset, row)}
    left = {NO_BOX: without} if without else {}
    if heatmaps is None or not entry.partial:
        return left
    missing = {row for row, m in enumerate(heatmaps.maps) if not (np.isfinite(m).all() and (m > 0).any())}
    left["images without a map (NaN, or nothing positive)"] = missing
    if "mask" in metrics.needs(metric):
        left["images whose boxes are all flagged difficult"] = {r for r, s in enumerate(dataset.samples) if s.difficult}
    if len(set().union(*left.values())) == len(dataset):
        counted = ", ".join(f"{len(rows)} {reason}" for reason, rows in left.items())
        raise CambenchError(
            f"{metric.name} of {entry.name}: expected an image to measure, got none of {len(dataset)}: {counted}."
        )
    return left
