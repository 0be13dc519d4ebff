"""The batches of a training: one with labels a step and, where the objective asks for it, one without."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from cambench import seeds
from cambench.data.loader import train_batches
from cambench.data.negatives import negative_batches
from cambench.data.plan import Masks
from cambench.data.views import View
from cambench.objectives import Step
from cambench.vocabulary import Batch, Dataset


@dataclass(frozen=True)
class Lessons:
    """The images of a run's epochs. An epoch is one pass over `dataset`.

    unlabelled: a second set, of which each step gets one batch of the same size, shuffled anew every epoch; an epoch sees as
    many of its batches as of `dataset`. source: device, workers and cache of the loader. masks: the source of the labelled
    batches' `regions`. epochs: how many there are. negatives: images of other classes beside each, drawn anew every epoch.
    held_out: the split on which top-1 is followed after each epoch, if it is.
    """

    dataset: Dataset
    views: Mapping[str, View]
    batch_size: int
    seed: int
    unlabelled: Dataset | None = None
    unlabelled_views: Mapping[str, View] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    masks: Masks | None = None
    epochs: int = 0
    negatives: int = 0
    held_out: Dataset | None = None

    @property
    def steps(self) -> int:
        """Batches an epoch; the last one may be smaller."""
        return math.ceil(len(self.dataset) / self.batch_size)

    @property
    def images(self) -> int:
        """Images an epoch, those without labels included and negatives not."""
        others = 0 if self.unlabelled is None else min(self.steps * self.batch_size, len(self.unlabelled))
        return len(self.dataset) + others

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, a function of the seed and the epoch alone."""
        size: dict[str, Any] = {"batch_size": self.batch_size, "epoch": epoch}
        loaded = train_batches(self.dataset, self.views, seed=self.seed, masks=self.masks, **size, **self.source)
        batches = (replace(batch, epoch=epoch + 1, epochs=self.epochs) for batch in loaded)
        if self.negatives:
            drawn = negative_batches(self.dataset, self.views, self.negatives, seed=self.seed, **size, **self.source)
            batches = (replace(batch, negatives=beside) for batch, beside in zip(batches, drawn, strict=True))
        if self.unlabelled is None:
            yield from batches
            return
        own = seeds.derive(self.seed, "unlabelled")
        others = train_batches(self.unlabelled, self.unlabelled_views, seed=own, stop=self.steps, **size, **self.source)
        for batch, other in zip(batches, others, strict=True):
            yield replace(batch, unlabelled=replace(other, label=torch.full_like(other.label, -1)))


@dataclass(frozen=True)
class Phase:
    """A part of every epoch: one step over lessons of its own.

    name: the prefix of its logged values; "" for the first. frozen: it trains the classifier alone; the rest is in eval mode
    and without gradient.
    """

    step: Step
    lessons: Lessons
    name: str = ""
    frozen: bool = False


def split(batch: Batch, parts: int) -> list[Batch]:
    """The batch in at most `parts` pieces of nearly equal size, and its unlabelled images in as many."""
    if parts == 1:
        return [batch]
    other = batch.unlabelled
    parts = min(parts, len(batch.rows), len(batch.rows if other is None else other.rows))
    pieces = cut(batch, parts)
    if other is None:
        return pieces
    return [replace(piece, unlabelled=of_other) for piece, of_other in zip(pieces, cut(other, parts), strict=True)]


def cut(batch: Batch, parts: int) -> list[Batch]:
    """Exactly `parts` pieces whose sizes differ by at most one."""
    ends = [len(batch.rows) * i // parts for i in range(parts + 1)]
    return [piece(batch, a, b) for a, b in zip(ends, ends[1:], strict=False)]


def piece(batch: Batch, start: int, stop: int) -> Batch:
    """The images `start` to `stop` of a batch with their negatives; without unlabelled ones, whose order is their own."""
    some, beside = slice(start, stop), batch.negatives
    each = 0 if beside is None else len(beside.rows) // len(batch.rows)
    return replace(
        batch,
        views={name: images[some] for name, images in batch.views.items()},
        label=batch.label[some],
        rows=batch.rows[some],
        unlabelled=None,
        negatives=None if beside is None else piece(beside, each * start, each * stop),
        regions=None if batch.regions is None else batch.regions[some],
        targets=None if batch.targets is None else batch.targets[some],
    )
