"""What a process holds of a training step's batch, and what losses of the whole batch are computed from.

A term of a step is a mean over the images here, and counts `weight` in each process; the gradients are added up. So a loss
of single images needs nothing of this. One that compares images gathers them, and what is random is drawn for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from cambench import processes
from cambench.geometry import Windows
from cambench.vocabulary import Batch

Rows = TypeVar("Rows", Tensor, Windows)


@dataclass(frozen=True)
class Share:
    """The images `start` to `stop` of a training step's whole batch: those of one of its passes that one process holds.

    sizes: how many of the pass's images each process holds; () where every one holds them all, being more than they are.
    weight: what a mean over the images here counts in the mean over the pass; part: what the pass counts in the step.
    """

    start: int
    stop: int
    sizes: tuple[int, ...]
    weight: float
    part: float

    @property
    def whole(self) -> int:
        """The images of the pass, over all processes."""
        return sum(self.sizes) or self.stop - self.start


def layout(n: int, passes: int) -> tuple[Share, ...]:
    """What this process holds of a batch of n images that is computed in some passes: consecutive images of each pass.

    So a pass is the same images for any number of processes. One of fewer images than processes is computed whole by all.
    """
    held, p, r = [], processes.count(), processes.rank()
    for i in range(passes):
        first, end = n * i // passes, n * (i + 1) // passes
        size = end - first
        ends = [size * k // p for k in range(p + 1)] if size >= p else [0, size]
        here = r if size >= p else 0
        sizes = tuple(b - a for a, b in zip(ends, ends[1:], strict=False)) if 1 < p <= size else ()
        weight = sizes[here] / size if sizes else 1 / p
        held.append(Share(first + ends[here], first + ends[here + 1], sizes, weight, size / n))
    return tuple(held)


def whole(batch: Batch) -> int:
    """How many images a batch has over all processes."""
    return sum(share.whole for share in batch.shares) or len(batch.rows)


def shared(batch: Batch) -> Share | None:
    """What is here of a pass whose images lie on several processes; None where they are all here."""
    return batch.shares[0] if batch.shares and batch.shares[0].sizes else None


def own(drawn: Rows, batch: Batch) -> Rows:
    """Of what was drawn for all images of a pass, one after another, that of the images here."""
    share = shared(batch)
    if share is None:
        return drawn
    start = sum(share.sizes[: processes.rank()])
    return drawn[start : start + share.sizes[processes.rank()]]


def gathered(x: Tensor, batch: Batch, sizes: Sequence[int] | None = None) -> Tensor:
    """What a loss of the whole pass is computed from: x of all its images, those here with their graph.

    Every process computes the loss L, which counts `weight` in each; the gradient of the images here is taken 1/weight
    times, so that the processes' gradients add up to that of L, of any order, without a message in the backward pass.
    x (n,…), sizes: the n of each process, else those of its images -> (Σ sizes,…).
    """
    share = shared(batch)
    if share is None:
        return x
    parts = list(processes.exchanged(x.detach(), share.sizes if sizes is None else sizes))
    if x.requires_grad:
        parts[processes.rank()] = x.detach() + (x - x.detach()) / share.weight
    return torch.cat(parts)


def fair_part(number: Tensor, batch: Batch) -> Tensor:
    """Of a number that is counted in all images of a pass, what comes upon those here by how many they are."""
    share = shared(batch)
    if share is None:
        return number
    total: Tensor = number.detach().clone()
    processes.add_up([total])
    part: Tensor = total * share.weight
    return part


def sizes_of(n: int, batch: Batch) -> list[int] | None:
    """The numbers n of every process; None where its images are all here."""
    return None if shared(batch) is None else processes.numbers_of(n, batch.label.device)


def weighted_as(batch: Batch, other: Batch) -> Batch:
    """A batch whose terms count as those of another of the same pass."""
    shares = (replace(a, weight=b.weight, part=b.part) for a, b in zip(batch.shares, other.shares, strict=True))
    return replace(batch, shares=tuple(shares))
