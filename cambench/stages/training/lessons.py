"""The batches of a training: one with labels a step and, where the objective asks for it, one without."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from cambench import processes, seeds
from cambench.data.loader import Positions, train_batches
from cambench.data.negatives import negative_batches
from cambench.data.plan import Masks
from cambench.data.views import View
from cambench.objectives import Step, shares
from cambench.objectives.shares import Share
from cambench.vocabulary import Batch, Dataset


@dataclass(frozen=True)
class Lessons:
    """The images of a run's epochs. An epoch is one pass over `dataset`.

    unlabelled: a second set, of which each step gets one batch of the same size, shuffled anew every epoch; an epoch sees as
    many of its batches as of `dataset`. source: device, workers and cache of the loader. masks: the source of the labelled
    batches' `regions`. epochs: how many there are. negatives: images of other classes beside each, drawn anew every epoch.
    held_out: the split on which top-1 is followed after each epoch, if it is. passes: in how many a step is computed, where
    its images suffice.
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
    passes: int = 1

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
        """The batches of an epoch, a function of the seed and the epoch alone; of several processes, what is this one's."""
        size: dict[str, Any] = {"batch_size": self.batch_size, "epoch": epoch}
        held, *of_others = map(list, zip(*self.held(), strict=True))
        size["held"] = positions(held)
        loaded = train_batches(self.dataset, self.views, seed=self.seed, masks=self.masks, **size, **self.source)
        known: dict[str, Any] = {"epoch": epoch + 1, "epochs": self.epochs}
        batches = (replace(batch, shares=mine, **known) for batch, mine in zip(loaded, held, strict=True))
        if self.negatives:
            drawn = negative_batches(self.dataset, self.views, self.negatives, seed=self.seed, **size, **self.source)
            batches = (replace(batch, negatives=beside) for batch, beside in zip(batches, drawn, strict=True))
        if self.unlabelled is None:
            yield from batches
            return
        size |= {"held": positions(of_others[0]), "seed": seeds.derive(self.seed, "unlabelled"), "stop": self.steps}
        others = train_batches(self.unlabelled, self.unlabelled_views, **size, **self.source)
        for batch, other, mine in zip(batches, others, of_others[0], strict=True):
            yield replace(batch, unlabelled=replace(other, label=torch.full_like(other.label, -1), shares=mine))

    def held(self) -> list[list[tuple[Share, ...]]]:
        """What this process holds of every step's batch, then of its unlabelled one; () where there is no other process."""
        sets = [self.dataset] if self.unlabelled is None else [self.dataset, self.unlabelled]
        sizes = [[min(self.batch_size, len(s) - i * self.batch_size) for s in sets] for i in range(self.steps)]
        if processes.count() == 1:
            return [[() for _ in sets] for _ in sizes]
        return [[shares.layout(n, min(self.passes, *of_step)) for n in of_step] for of_step in sizes]


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


def positions(held: list[tuple[Share, ...]]) -> Positions:
    """Which of each batch's images are this process's, pass by pass; None where all are."""
    if not any(held):
        return None
    return [[row for share in mine for row in range(share.start, share.stop)] for mine in held]


def split(batch: Batch, parts: int) -> list[Batch]:
    """The batch in at most `parts` pieces of nearly equal size, and its unlabelled images in as many.

    Of several processes' batch these are the passes as its shares have them, each in pieces of this process alone where
    there are to be more parts than passes.
    """
    if batch.shares:
        return [piece for of_pass in passes(batch) for piece in within(of_pass, -(-parts // len(batch.shares)))]
    if parts == 1:
        return [batch]
    other = batch.unlabelled
    parts = min(parts, len(batch.rows), len(batch.rows if other is None else other.rows))
    pieces = cut(batch, parts)
    if other is None:
        return pieces
    return [replace(piece, unlabelled=of_other) for piece, of_other in zip(pieces, cut(other, parts), strict=True)]


def passes(batch: Batch) -> list[Batch]:
    """This process's images of each pass of a step, and its unlabelled ones, whose terms count as those with labels."""
    pieces, start = [], 0
    for share in batch.shares:
        end = start + share.stop - share.start
        pieces.append(replace(piece(batch, start, end), shares=(share,)))
        start = end
    if batch.unlabelled is None:
        return pieces
    others = zip(pieces, passes(batch.unlabelled), strict=True)
    return [replace(p, unlabelled=shares.weighted_as(other, p)) for p, other in others]


def within(batch: Batch, parts: int) -> list[Batch]:
    """This process's images of a pass in pieces, whose losses are of single images: no other process knows of them."""
    if parts == 1:
        return [batch]
    (share,), n, start = batch.shares, len(batch.rows), batch.shares[0].start
    pieces = []
    for p in split(replace(batch, shares=()), parts):
        own = replace(share, start=start, stop=start + len(p.rows), sizes=(), weight=share.weight * len(p.rows) / n)
        pieces.append(replace(p, shares=(own,)))
        start = own.stop
    return pieces


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
