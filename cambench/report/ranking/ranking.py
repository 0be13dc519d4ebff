"""A ranking: ranks of explainers image by image and metric by metric, and what follows from them.

An image is the unit: its ranks in several metrics, and of several networks, depend on each other, so they are averaged
before anything is tested or resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

from cambench import seeds
from cambench.metrics import statistics
from cambench.metrics.ranks import LEVEL, alike, critical_distance, friedman, tau
from cambench.store.records import Record
from cambench.vocabulary import CambenchError

Array = NDArray[np.float64]
BOTH = 2
"""Explainers of which Wilcoxon's test says all that Friedman's would."""
DIGITS = 9
"""Decimals of a mean of ranks: what is equal stays equal, whatever the order of the sum."""


@dataclass(frozen=True)
class Ranking:
    """Explainers ranked over the images of `where`, best first.

    ranks: (M,N,k) of metrics, images and explainers; NaN where an image is not ranked in a metric, though in another it is.
    records: those behind it. left: what is left out and why, in sentences. missing: the same of images.
    """

    where: str
    explainers: tuple[str, ...]
    metrics: tuple[str, ...]
    ranks: Array
    records: tuple[tuple[str, Record], ...] = ()
    left: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @cached_property
    def blocks(self) -> Array:
        """r_ij (N,k): the mean of an image's ranks over the metrics that rank it, each of equal weight."""
        made: Array = np.nanmean(self.ranks, 0).round(DIGITS)
        return made

    @cached_property
    def means(self) -> Array:
        """R_j = 1/N Σ_i r_ij (k,): the mean rank of each explainer over the images."""
        made: Array = self.blocks.mean(0).round(DIGITS)
        return made

    @cached_property
    def of_metrics(self) -> Array:
        """(M,k): the mean ranks in each metric, over the images that it ranks."""
        made: Array = np.nanmean(self.ranks, 1).round(DIGITS)
        return made

    def ranked(self, metric: int) -> int:
        """How many images a metric ranks, by its place."""
        return int((~np.isnan(self.ranks[metric, :, 0])).sum())

    @cached_property
    def intervals(self) -> list[tuple[float, float]]:
        """95 % bootstrap interval of each R_j over the images."""
        return [interval(column) for column in self.blocks.T]

    @cached_property
    def friedman(self) -> tuple[float, float] | None:
        """χ² and p of Friedman's test over the images' mean ranks; None for two explainers, whose test is Wilcoxon's."""
        return friedman(self.blocks) if len(self.explainers) > BOTH else None

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every pair of explainers, the better one first."""
        every = list(combinations(range(len(self.explainers)), 2))
        apart = [(self.blocks[:, a] - self.blocks[:, b]).round(DIGITS) for a, b in every]
        p = [statistics.wilcoxon(rows) for rows in apart]
        return [
            Pair(self.explainers[a], self.explainers[b], float(rows.mean()), interval(rows), own, corrected)
            for (a, b), rows, own, corrected in zip(every, apart, p, statistics.holm(p), strict=True)
        ]

    @property
    def critical_distance(self) -> float:
        """Nemenyi's, of one ranking an image; a mean over metrics spreads less, so that farther apart is sure to differ."""
        return critical_distance(len(self.explainers), self.blocks.shape[0])


@dataclass(frozen=True)
class Pair:
    """Two explainers. difference: of their mean ranks, below zero where `a` is better, with its interval over the images.

    p: Wilcoxon's signed-rank test over the images; p_holm: corrected for all pairs.
    """

    a: str
    b: str
    difference: float
    interval: tuple[float, float]
    p: float
    p_holm: float

    @property
    def differ(self) -> bool:
        """Whether the corrected p is at most 5 %."""
        return self.p_holm <= LEVEL


@dataclass(frozen=True)
class Agreement:
    """Two metrics. tau: Kendall's τ_b of the explainers in an image, its mean over n images, None where no image has one.

    of_means: the same of the explainers' mean ranks, None where one metric tells none apart.
    """

    a: str
    b: str
    n: int
    tau: float | None
    interval: tuple[float, float] | None
    of_means: float | None


def interval(rows: Array) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of at least two rows."""
    ends = statistics.interval(torch.from_numpy(rows.copy()), seeds.generator("rank"))
    if ends is None:
        raise CambenchError("rank: expected several images, got one.")
    return ends


def groups(ranking: Ranking, compared: Sequence[Pair]) -> list[tuple[int, ...]]:
    """The largest sets of explainers, by their places, of which no two differ."""
    place = {name: i for i, name in enumerate(ranking.explainers)}
    differ = np.zeros((len(place), len(place)), dtype=bool)
    for pair in compared:
        differ[place[pair.a], place[pair.b]] = differ[place[pair.b], place[pair.a]] = pair.differ
    return alike(differ)


def agreements(ranking: Ranking) -> list[Agreement]:
    """Every pair of metrics, those that agree least first."""
    made = [agreement(ranking, a, b) for a, b in combinations(range(len(ranking.metrics)), 2)]
    return sorted(made, key=lambda one: -2.0 if one.tau is None else one.tau)


def agreement(ranking: Ranking, a: int, b: int) -> Agreement:
    """Two metrics, by their places."""
    each = tau(ranking.ranks[a], ranking.ranks[b])
    each = each[~np.isnan(each)]
    means = float(tau(ranking.of_metrics[[a]], ranking.of_metrics[[b]])[0])
    return Agreement(
        ranking.metrics[a],
        ranking.metrics[b],
        len(each),
        float(each.mean()) if len(each) else None,
        interval(each) if len(each) > 1 else None,
        None if np.isnan(means) else means,
    )
