"""Explain: heatmaps of a run on a split, into one HDF5 file, chunk by chunk."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cambench import processes
from cambench.data.loader import eval_batches
from cambench.explainers import find_explainer
from cambench.explainers.query import Explanation
from cambench.stages import identity, workplace
from cambench.stages.images import make_view
from cambench.stages.memory import Fitting
from cambench.stages.network import Loaded
from cambench.stages.progress import bar, say
from cambench.store.heatmaps import CHUNK, Heatmaps, pack, read_heatmaps, write_heatmaps
from cambench.store.keys import job_key
from cambench.store.parts import Parts, chunks, stride
from cambench.vocabulary import Batch, CambenchError, Dataset, number_of


@dataclass(frozen=True)
class ExplainJob:
    """Which maps: explainer × target on a split, of the labelled or of the predicted class, at a view of the image.

    raw: of pixels that are not normalised.
    """

    explainer: str = "grad-cam"
    target: str = "logit"
    classes: str = "label"
    view: str = "resize-center-crop"
    scale: float = 1.0
    batch_size: int = 32
    raw: bool = False


def explain(
    job: ExplainJob, loaded: Loaded, dataset: Dataset, place: workplace.Place, anew: set[Path] | None = None
) -> Heatmaps:
    """The heatmaps of a job: read if they are on disk, computed where they are not, going on after a killed call.

    anew: the files that a command with --again made already; all others are made, whatever is there, and join them.
    Raises: CambenchError for a file that does not hold these images.
    """
    path, described = locate(job, loaded, dataset, place)
    again = anew is not None and path not in anew
    if processes.agreed(path.exists() and not again):
        return whole(path, described, dataset)
    with workplace.only_first_writes(path):
        if processes.agreed(path.exists() and not again):
            return whole(path, described, dataset)
        parts = opened_parts(path, job_key(described), anew=again)
        if parts.rows:
            say(f"{path.name}: going on after {parts.rows} of {number_of(len(dataset), 'image')}")
        with processes.as_one(), workplace.computing(place):
            seconds = compute(job, loaded, dataset, place, parts)
        with processes.as_one():
            if not processes.rank():
                made = parts.read()
                check_ids(path, [i.decode() for i in made["id"].tolist()], dataset)
                write_heatmaps(path, described, dataset.origin, made)
                parts.remove()
    if anew is not None:
        anew.add(path)
    return replace(read_heatmaps(path), seconds=seconds)


def opened_parts(target: Path, key: str, anew: bool) -> Parts:
    """The parts of a job; of several processes the first sees to the folder."""
    with processes.in_turn():
        return Parts(target, key, anew=anew and not processes.rank())


def whole(path: Path, described: dict[str, Any], dataset: Dataset) -> Heatmaps:
    """The maps of a finished file.

    Raises: CambenchError where it holds another job's maps, or other images than the data set.
    """
    heatmaps = read_heatmaps(path)
    if heatmaps.job != described:
        raise CambenchError(f"{path}: holds another job's maps; make it anew with `cambench explain --again`, or delete it.")
    check_ids(path, heatmaps.ids, dataset)
    return heatmaps


def check_ids(path: Path, ids: list[str], dataset: Dataset) -> None:
    """See that rows are the data set's images, each once and in order.

    Raises: CambenchError saying how many of them are.
    """
    wanted = [sample.id for sample in dataset.samples]
    if ids != wanted:
        right = sum(a == b for a, b in zip(ids, wanted, strict=False))
        raise CambenchError(
            f"{path}: expected the {len(wanted)} images of {dataset.name} {dataset.split} in order, got {len(ids)} rows, "
            f"{len(set(ids))} images, {right} in their places; make it anew with --again."
        )


def locate(job: ExplainJob, loaded: Loaded, dataset: Dataset, place: workplace.Place) -> tuple[Path, dict[str, Any]]:
    """The heatmap file of a job and its identity, as stored in the file."""
    view, entry = make_view(job.view, loaded, job.scale, raw=job.raw), find_explainer(job.explainer)
    described = identity.of_heatmaps(loaded, dataset, entry, view, target=job.target, classes=meant(job, dataset))
    chosen = "" if job.classes == "label" else f"@{job.classes}"
    parts = (
        dataset.split,
        workplace.slug(entry.name),
        workplace.slug(job.target) + chosen,
        f"{job.view}-{view.size}",
        job_key(described),
    )
    return place.results / "heatmaps" / loaded.run.name / (".".join(parts) + ".h5"), described


def meant(job: ExplainJob, dataset: Dataset) -> str:
    """Which classes are explained: where several labels are right, the label that the network scores highest."""
    several = job.classes == "label" and any(s.labels for s in dataset.samples)
    return "best-of-set" if several else job.classes


def explained_classes(job: ExplainJob, batch: Batch, logits: Fitting, dataset: Dataset) -> torch.Tensor | None:
    """The classes (N,) to explain, None for each image's best. logits: images (N,3,H,W) -> (N,C)."""
    kind = meant(job, dataset)
    if kind != "best-of-set":
        return batch.label if kind == "label" else None
    sets = [torch.tensor(dataset.samples[row].right) for row in batch.rows]
    best = [right[y[right].argmax()] for right, y in zip(sets, logits(batch.image).cpu(), strict=True)]
    return torch.stack(best).to(batch.label.device)


def compute(job: ExplainJob, loaded: Loaded, dataset: Dataset, place: workplace.Place, parts: Parts) -> float | None:
    """Explain the images that no part holds yet, and commit them about 256 at a time; each process does some chunks.

    -> the seconds an image of explaining alone, the median over this process's batches; None where it had none.
    """
    view = make_view(job.view, loaded, job.scale, raw=job.raw)
    loaded.check_size(view.size)
    missing = chunks(processes.agreed(parts.missing(len(dataset))), stride(CHUNK, job.batch_size))
    mine = processes.dealt(missing)
    waiting: list[dict[str, np.ndarray[Any, Any]]] = []
    seconds: list[float] = []
    left = iter(mine)
    chunk = next(left, range(0))
    entry = find_explainer(job.explainer)
    ready = loaded.ready_for(entry)
    explained, logits = Fitting(ready.explain, job.explainer), Fitting(loaded.logits, job.explainer)
    if entry.layer.own is not None:
        say(f"{entry.name} explains layer {ready.layer}")
    with bar(f"{job.explainer} {job.target}", sum(map(len, mine))) as progress:
        for batch in eval_batches(dataset, view, batch_size=job.batch_size, chunks=mine, **loaded.source(place)):
            classes = explained_classes(job, batch, logits, dataset)
            began = time.perf_counter()
            waiting.append(arrays(explained(batch.image, job.target, classes, dataset), batch, dataset, entry.partial))
            seconds.append((time.perf_counter() - began) / len(batch.rows))
            if sum(len(w["target"]) for w in waiting) == len(chunk):
                parts.write(chunk, {name: np.concatenate([w[name] for w in waiting]) for name in waiting[0]})
                waiting, chunk = [], next(left, range(0))
            progress.advance(len(batch.rows))
    parts.add(missing)
    return statistics.median(seconds) if seconds else None


def arrays(result: Explanation, batch: Batch, dataset: Dataset, partial: bool = False) -> dict[str, np.ndarray[Any, Any]]:
    """One batch as it is stored. partial: an image may have no map, which is stored as NaN.

    Raises: CambenchError naming the first image whose map or logits are not finite.
    """
    known = torch.isfinite(result.maps) | (torch.isnan(result.maps) & partial)
    finite = known.all(1).all(1) & torch.isfinite(result.logits).all(1)
    if not bool(finite.all()):
        row = batch.rows[int(finite.logical_not().int().argmax())]
        raise CambenchError(
            f"{dataset.samples[row].id}: expected finite maps and logits, got NaN or infinity from the network."
        )
    logits = result.logits.cpu().numpy()
    return {
        **pack(result.maps.cpu().numpy()),
        "target": result.classes.cpu().numpy().astype(np.int32),
        "prediction": logits.argmax(1).astype(np.int32),
        "logits": logits,
        "id": np.array([dataset.samples[r].id.encode() for r in batch.rows]),
    }
