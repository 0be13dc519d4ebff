"""Rows of a metric over pairs of classes: whether the maps' difference lies on the parts in which the classes differ.

Each test image of a class takes part in all of that class's pairs. Its maps and the part of each pixel are found once, its
counts are added up by pair; a killed job starts anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cambench import maps
from cambench.data import cues
from cambench.data.cub import attribute_names
from cambench.data.decode import image_size
from cambench.data.loader import eval_batches
from cambench.explainers import find_explainer
from cambench.explainers.explanation import Query
from cambench.explainers.several import maps_of_classes
from cambench.metrics import Metric, cue_localisation
from cambench.stages import jobs
from cambench.stages.explain import make_view
from cambench.stages.networks import Loaded
from cambench.stages.progress import bar, say
from cambench.stages.rows import EvalJob, Rows
from cambench.vocabulary import Batch, Dataset, UsageError


@dataclass(frozen=True)
class Look:
    """One image under one of its pairs: its place in the batch, the number of the pair, the cue's mask (H,W)."""

    place: int
    pair: int
    mask: Tensor


def check_cues(metric: Metric, job: EvalJob, dataset: Dataset) -> None:
    """Refuse data without attributes, key points and segmentations, data without such pairs, and a contrast of its own.

    Raises: UsageError saying which of them lacks.
    """
    if job.target != "logit":
        raise UsageError(f"{metric.name}: expected target logit, got {job.target}; the pairs of classes are the contrast.")
    lacking = {
        "class attributes": not dataset.attributes,
        "key points": not any(s.parts for s in dataset.samples),
        "segmentations": not all(s.segmentation for s in dataset.samples),
    }
    if any(lacking.values()):
        what = " and ".join(name for name, lacks in lacking.items() if lacks)
        raise UsageError(
            f"{metric.name} on {dataset.name} {dataset.split}: expected {what}, found none; use cub or synthbirds."
        )
    if not pairs_of(dataset):
        raise UsageError(f"{metric.name} on {dataset.name}: expected two classes that differ in 1 to 3 parts, got none.")


def pairs_of(dataset: Dataset) -> list[cues.Pair]:
    """The pairs of a data set's classes that differ in 1, 2 or 3 parts."""
    return cues.cue_pairs(np.array(dataset.attributes), attribute_names(dataset.root))


def pair_rows(metric: Metric, job: EvalJob, loaded: Loaded, dataset: Dataset, place: jobs.Place) -> Rows:
    """A row a pair, in the order in which they are measured: its AP, fresh and accumulated, and (a, b, parts, images)."""
    pairs, view, entry = pairs_of(dataset), make_view(metric.view, loaded), find_explainer(job.explainer)
    ready, scale = loaded.ready_for(entry), cue_localisation.scale_on(entry.name)
    before, after = cue_localisation.around_difference(metric.steps)
    query = Query(entry, ready.layer, ready.head, precision=loaded.precision)
    counts: dict[str, Tensor] = {}
    images = torch.zeros(len(pairs), dtype=torch.int64)
    known = {c for pair in pairs for c in (pair.a, pair.b)}
    rows = [row for row, sample in enumerate(dataset.samples) if sample.label in known]
    with bar(metric.name, len(rows)) as progress:
        for batch in eval_batches(dataset, view, batch_size=job.batch_size, rows=rows, **loaded.source(place)):
            looks = looks_of(batch.rows, dataset, pairs, view.size)
            if looks:
                heatmap = differences(ready.model, batch, query, pairs, looks, before)
                heatmap = maps.apply(heatmap, after, (view.size, view.size))
                of = torch.tensor([look.pair for look in looks])
                found = metric.measure(heatmap=heatmap, mask=torch.stack([look.mask for look in looks]), scale=scale)
                for name, ours in found.items():
                    total = counts.setdefault(name, torch.zeros(len(pairs), ours.shape[1], dtype=torch.int64))
                    total.index_add_(0, of, ours)
                images += torch.bincount(of, minlength=len(pairs))
            progress.advance(len(batch.rows))
    if not counts:
        raise UsageError(
            f"{metric.name} on {dataset.name}: expected images that show a part that tells classes apart, got none."
        )
    of_pairs = cue_localisation.of_pairs(counts["positive"], counts["negative"], images)
    for pair, counted in zip(pairs, of_pairs["counted"].tolist(), strict=True):
        if not counted:
            say(
                f"{metric.name}: pair {pair_name(dataset, pair.a, pair.b)} left out: no image, or no pixel of a cue in a bin"
            )
    facts = np.array([(p.a, p.b, len(p.parts), n) for p, n in zip(pairs, images.tolist(), strict=True)])
    columns = {name: column.numpy() for name, column in of_pairs.items()}
    return {"row": np.arange(len(pairs)), "pair": facts, **columns}


def looks_of(rows: Sequence[int], dataset: Dataset, pairs: list[cues.Pair], side: int) -> list[Look]:
    """The pairs under which a batch's images are looked at: those of which a part is visible (spec §2.1.4)."""
    looks = []
    for place, row in enumerate(rows):
        sample = dataset.samples[row]
        points = cues.points_of(sample, image_size(sample.path, dataset.banner), side)
        visible = {part for part, _, _ in points}
        own = [i for i, p in enumerate(pairs) if sample.label in (p.a, p.b) and visible & set(p.parts)]
        if own:
            nearest, foreground = cues.nearest_part(points, side), cues.foreground_of(sample, side)
            masks = (torch.from_numpy(cues.cue_mask(nearest, pairs[i].parts, foreground)) for i in own)
            looks += [Look(place, i, mask) for i, mask in zip(own, masks, strict=True)]
    return looks


def differences(
    model: torch.nn.Module,
    batch: Batch,
    query: Query,
    pairs: list[cues.Pair],
    looks: list[Look],
    before: Sequence[str] = (),
) -> Tensor:
    """s^A − s^B of each look at the map's grid (L,h,w); an image's map of a class is made once, however many pairs ask.

    before: the steps of each map by itself, which stays on its grid.
    """
    wanted = sorted({(look.place, c) for look in looks for c in (pairs[look.pair].a, pairs[look.pair].b)})
    at = {key: i for i, key in enumerate(wanted)}
    places, classes = torch.tensor(wanted, device=batch.label.device).unbind(1)
    found = maps_of_classes(model, batch.image, query, places, classes, chunk=len(batch.rows))
    found = maps.apply(found, before, (found.shape[1], found.shape[2]))
    a = torch.tensor([at[look.place, pairs[look.pair].a] for look in looks])
    b = torch.tensor([at[look.place, pairs[look.pair].b] for look in looks])
    return found[a.to(found.device)] - found[b.to(found.device)]


def pair_name(dataset: Dataset, a: int, b: int) -> str:
    """`Common Finch – White tailed Finch`."""
    return f"{dataset.classes[a]} – {dataset.classes[b]}"
