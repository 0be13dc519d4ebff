"""Images of other classes beside each image of a training, drawn anew in every epoch (rivals protocol §1.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from cambench import seeds
from cambench.data.loader import Positions, batches_of, cut, kept, shuffled
from cambench.data.plan import Plan
from cambench.data.views import View
from cambench.vocabulary import Batch, Dataset


def negatives(dataset: Dataset, each: int, seed: int, epoch: int) -> Dataset:
    """`each` images of other classes for every image: those of row r are the samples r·each to r·each + each − 1.

    Of the classes that have an image here one is drawn uniformly, with replacement, from all but the image's own, and one of
    its images uniformly. A function of (seed, epoch) alone; the dataset has images of two classes or more.
    """
    labels = torch.tensor([sample.label for sample in dataset.samples])
    counts = torch.bincount(labels)
    classes = counts.nonzero()[:, 0]
    own, counts = torch.searchsorted(classes, labels), counts[classes]
    by_class, first = own.argsort(stable=True), counts.cumsum(0) - counts
    drawn = torch.rand((2, len(labels), each), generator=seeds.generator(seed, "negatives", epoch), dtype=torch.float64)
    other = (drawn[0] * (len(classes) - 1)).long()
    other += other >= own[:, None]
    rows = by_class[first[other] + (drawn[1] * counts[other]).long()].flatten()
    samples = tuple(dataset.samples[row] for row in rows.tolist())
    return replace(dataset, samples=samples, pool=dataset.pool or dataset)


def negative_batches(
    dataset: Dataset,
    views: Mapping[str, View],
    each: int,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    device: str | torch.device = "cpu",
    workers: int | None = None,
    cache: Path | None = None,
    held: Positions = None,
) -> Iterator[Batch]:
    """The negatives of every batch of `train_batches` with the same sizes, seed and `held`: `each` in turn for each image.

    Every one gets a crop and flip of its own, also where an image is drawn twice.
    Raises: DataError naming an unreadable image.
    """
    own = seeds.derive(seed, "negatives")
    batches = kept(cut(shuffled(len(dataset), seed, epoch), batch_size), held)
    beside = tuple(tuple(row * each + i for row in rows for i in range(each)) for rows in batches)
    plan = Plan(beside, dict(views), own, epoch)
    return batches_of(negatives(dataset, each, own, epoch), plan, torch.device(device), workers, cache)
