"""Pairs of classes that differ in a few parts: which there are, where an image shows it, how their maps differ."""

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
from cambench.explainers.several import maps_of_classes
from cambench.metrics import Metric
from cambench.stages.network import Ready
from cambench.vocabulary import Batch, Dataset, UsageError


@dataclass(frozen=True)
class Look:
    """One image under one of its pairs: its place in the batch, the number of the pair, the cue's mask (H,W)."""

    place: int
    pair: int
    mask: Tensor


def check_cues(metric: Metric, target: str, dataset: Dataset) -> None:
    """Refuse data without attributes, key points and segmentations, data without such pairs, and a contrast of its own.

    Raises: UsageError saying which of them lacks.
    """
    if target != "logit":
        raise UsageError(f"{metric.name}: expected target logit, got {target}; the pairs of classes are the contrast.")
    lacking = {
        "class attributes": not dataset.attributes,
        "key points": not any(s.parts for s in dataset.samples),
        "segmentations": not all(s.segmentation for s in dataset.samples),
    }
    if any(lacking.values()):
        what = " and ".join(name for name, lacks in lacking.items() if lacks)
        raise UsageError(
            f"{metric.name} on {dataset.name} {dataset.split}: expected {what}, found none; obtain them, or use synthbirds."
        )
    if not pairs_of(dataset):
        raise UsageError(f"{metric.name} on {dataset.name}: expected two classes that differ in 1 to 3 parts, got none.")


def pairs_of(dataset: Dataset) -> list[cues.Pair]:
    """The pairs of a data set's classes that differ in 1, 2 or 3 parts."""
    return cues.cue_pairs(np.array(dataset.attributes), attribute_names(dataset.root))


def looks_of(rows: Sequence[int], dataset: Dataset, pairs: list[cues.Pair], side: int) -> list[Look]:
    """The pairs under which a batch's images are looked at: those of which a part is visible (CALM protocol §2.1.4)."""
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
    ready: Ready,
    batch: Batch,
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
    every = maps_of_classes(ready.model, batch.image, ready.query(), places, classes, chunk=len(batch.rows))
    every = maps.apply(every, before, (every.shape[1], every.shape[2]))
    a = torch.tensor([at[look.place, pairs[look.pair].a] for look in looks])
    b = torch.tensor([at[look.place, pairs[look.pair].b] for look in looks])
    return every[a.to(every.device)] - every[b.to(every.device)]


def pair_name(dataset: Dataset, a: int, b: int) -> str:
    """`Common Finch – White tailed Finch`."""
    return f"{dataset.classes[a]} – {dataset.classes[b]}"
